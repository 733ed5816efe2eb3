//! Which part of a rule's criteria does not hold, with the values that it saw: the answer to "why not" of one
//! rule.
//!
//! The rule that must hold: it is asked only of rules that do not apply, and names no confidential value.

use super::Evaluation;
use super::contexts::Context;
use super::explain::{inputs, reads_secrets, shown};
use crate::model::catalog::{Criteria, EntityType, RoleRef};
use crate::model::expression::{Expression, Variable, Wanted};

impl Evaluation<'_> {
    /// What does not hold of what a rule asks for. Of several contexts, in each of them.
    pub(super) fn unmet(&self, role: Option<&RoleRef>, criteria: &Criteria) -> Vec<String> {
        let mut unmet = Vec::new();
        if let Some(role) = role.filter(|role| self.roles.get(role.place).is_none()) {
            unmet.push(format!("does not have role {}", role.name));
        }
        if self.contexts.all.is_empty() {
            unmet.push(format!("no position belongs to the {} '{}'", self.entity_type.name, self.case.owner.key));
        }
        for context in &self.contexts.all {
            let position = context.position.filter(|_| self.contexts.all.len() > 1);
            for part in self.unmet_in(context, criteria) {
                let part = match position {
                    Some(position) => format!("position '{}': {part}", position.key),
                    None => part,
                };
                unmet.push(part);
            }
        }
        unmet
    }

    fn unmet_in(&self, context: &Context<'_>, criteria: &Criteria) -> Vec<String> {
        let mut unmet = Vec::new();
        for (dimension, values) in &criteria.dimensions {
            let name = self.ground.catalog.dimensions().get(*dimension).map_or("", |name| name);
            let must = must_be(values);
            match context.dimension(*dimension) {
                Ok(Some(value)) if values.iter().any(|one| one == value) => {}
                Ok(Some(_)) if self.is_secret_dimension(*dimension) => {
                    unmet.push(format!("dimension {name} (confidential) is another, {must}"));
                }
                Ok(Some(value)) => unmet.push(format!("dimension {name} is '{value}', {must}")),
                Ok(None) => unmet.push(format!("dimension {name} is empty, {must}")),
                Err(_) => {}
            }
        }
        if let Some(when) = &criteria.when {
            unmet.extend(self.unmet_of(context, when));
        }
        unmet
    }

    /// The parts of a condition that do not hold; those that fail are told as failures.
    fn unmet_of(&self, context: &Context<'_>, when: &Expression) -> Vec<String> {
        let parts = when.conjuncts();
        if let [_] = parts.as_slice() {
            let holds = when.holds(context.session);
            return if holds == Ok(false) { vec![self.unmet_part(context, when)] } else { vec![] };
        }
        let catalog = self.ground.catalog;
        let scope = context.session.scope();
        let variables: Vec<(Variable, &EntityType)> = Variable::ALL
            .into_iter()
            .filter_map(|variable| Some((variable, scope.facts(variable)?.entity_type())))
            .collect();
        let entity_type = |name: &str| catalog.entity_type(name);
        let compiled =
            parts.iter().map(|part| Expression::compile_over(part, &variables, &entity_type, Wanted::Condition));
        // A part of what compiles does too; were it not so, the whole is told.
        let Ok(compiled) = compiled.collect::<Result<Vec<_>, _>>() else {
            return vec![self.unmet_part(context, when)];
        };
        let unmet = compiled.iter().filter(|part| part.holds(context.session) == Ok(false));
        unmet.map(|part| self.unmet_part(context, part)).collect()
    }

    fn unmet_part(&self, context: &Context<'_>, part: &Expression) -> String {
        let scope = context.session.scope();
        let is_secret = reads_secrets(scope, part);
        if let [equality] = part.equalities()
            && part.is_equalities()
            && !is_secret
            && let Some(property) = self.entity_type.properties.get(equality.place)
            && let Ok(value) = scope.value_at(self.facts, equality.place)
        {
            let is = value.map_or_else(|| "empty".to_owned(), shown);
            return format!("{} is {is}, {}", property.name, must_be(&equality.any_of));
        }
        match inputs(scope, part, false) {
            saw if saw.is_empty() => format!("{} does not hold", part.source()),
            saw => format!("{} does not hold: {saw}", part.source()),
        }
    }
}

fn must_be(values: &[String]) -> String {
    match values {
        [] => "and nothing would do".to_owned(),
        [one] => format!("must be '{one}'"),
        [others @ .., last] => format!("must be '{}' or '{last}'", others.join("', '")),
    }
}
