//! Whether a rule is for an owner: its criteria, in each of the owner's contexts.
//!
//! The rule that must hold: what is known not to hold does not hold, whatever else of the same rule fails.

use super::Evaluation;
use super::contexts::Context;
use super::explain::{self, append_inputs, failure, separate};
use super::verdict::Judged;
use crate::model::catalog::{Criteria, RoleRef};
use crate::model::expression::Variable;
use provost_domain::{Reason, RuleFailure};

/// Whether the dimensions of a context are among those asked for.
enum Match<'c> {
    Yes,
    No,
    Unknown(&'c RuleFailure),
}

impl Evaluation<'_> {
    /// When a rule's criteria hold.
    pub(super) fn judge(&self, criteria: &Criteria, rule: &str) -> Judged {
        if criteria.dimensions.is_empty() && criteria.when.is_none() {
            return Judged { given: self.contexts.spans.clone(), ..Judged::default() };
        }
        let mut judged = Judged::default();
        // What reads nothing of the position says the same in each context.
        let mut once: Option<Result<bool, String>> = None;
        for (place, context) in self.contexts.all.iter().enumerate() {
            let dimensions = matched(context, criteria);
            if matches!(dimensions, Match::No) {
                continue;
            }
            let held = match &criteria.when {
                None => Ok(true),
                Some(when) if when.reads(Variable::Position) => when.holds(context.session),
                Some(when) => once.get_or_insert_with(|| when.holds(context.session)).clone(),
            };
            let wrong = match (dimensions, held) {
                (_, Ok(false)) => continue,
                (Match::Unknown(failure), _) => failure.clone(),
                (_, Ok(true)) => {
                    judged.given.add(context.span);
                    judged.context.get_or_insert(place);
                    continue;
                }
                (_, Err(message)) => match &criteria.when {
                    Some(when) => failure(context.session.scope(), rule.to_owned(), None, when, false, message),
                    None => continue,
                },
            };
            judged.unknown.add(context.span);
            judged.failure.get_or_insert_with(|| Box::new(wrong));
        }
        if !judged.unknown.is_empty() {
            judged.unknown = judged.unknown.without(&judged.given);
        }
        judged
    }

    /// When a rule's role is there and its criteria hold.
    pub(super) fn judge_with_role(&self, role: Option<&RoleRef>, criteria: &Criteria, rule: &str) -> Judged {
        let Some(role) = role else { return self.judge(criteria, rule) };
        let Some(held) = self.roles.get(role.place) else { return Judged::default() };
        let by_role = held.judged();
        if criteria.dimensions.is_empty() && criteria.when.is_none() {
            return by_role.clone();
        }
        Judged { context: None, ..by_role.clone() }.and(&self.judge(criteria, rule))
    }

    /// Why a rule gives what it gives, outermost first.
    pub(super) fn why(&self, role: Option<&RoleRef>, criteria: &Criteria, rule: &str, judged: &Judged) -> Vec<Reason> {
        if !self.has_reasons {
            return vec![];
        }
        let mut detail = String::with_capacity(explain::TYPICAL);
        if let Some(role) = role {
            detail.extend(["has role ", &role.name]);
        }
        if let Some(context) = judged.context.and_then(|place| self.contexts.all.get(place)) {
            self.append_seen(&mut detail, criteria, context);
        }
        if detail.is_empty() {
            detail.push_str("everyone");
        }
        let inner = role.and_then(|role| self.roles.get(role.place)).map_or(&[][..], |held| held.why());
        let mut why = Vec::with_capacity(1 + inner.len());
        why.push(Reason { rule: rule.to_owned(), detail });
        why.extend(inner.iter().cloned());
        why
    }

    /// Why a rule without criteria gives what it gives: what it read.
    pub(super) fn reason(&self, rule: &str, read: impl FnOnce() -> String) -> Vec<Reason> {
        if !self.has_reasons {
            return vec![];
        }
        let mut detail = read();
        if detail.is_empty() {
            detail.push_str("always the same");
        }
        vec![Reason { rule: rule.to_owned(), detail }]
    }

    /// What a rule's criteria look at in a context.
    pub(super) fn append_seen(&self, text: &mut String, criteria: &Criteria, context: &Context<'_>) {
        let reads_position = criteria.when.as_ref().is_some_and(|when| when.reads(Variable::Position));
        if let Some(position) = context.position.filter(|_| reads_position || !criteria.dimensions.is_empty()) {
            separate(text);
            text.extend(["position '", &position.key, "'"]);
        }
        for (dimension, _) in &criteria.dimensions {
            separate(text);
            let name = self.ground.catalog.dimensions().get(*dimension).map_or("", |name| name);
            text.extend(["dimension ", name]);
            match context.dimension(*dimension) {
                Ok(Some(value)) if !self.is_secret_dimension(*dimension) => text.extend([" = '", value, "'"]),
                Ok(Some(_)) => text.push_str(" (confidential)"),
                Ok(None) => text.push_str(" is empty"),
                Err(_) => text.push_str(" cannot be told"),
            }
        }
        if let Some(when) = &criteria.when {
            append_inputs(text, context.session.scope(), when, false);
        }
    }

    /// Whether a dimension is told by what is confidential.
    pub(super) fn is_secret_dimension(&self, place: usize) -> bool {
        let rules = self.entity_type.context.iter().flat_map(|context| &context.dimensions);
        let mut expressions = rules.filter(|(dimension, _)| *dimension == place);
        expressions.any(|(_, expression)| super::explain::reads_secrets(self.owner.scope(), expression))
    }
}

fn matched<'c>(context: &'c Context<'_>, criteria: &Criteria) -> Match<'c> {
    let mut unknown = None;
    for (dimension, values) in &criteria.dimensions {
        match context.dimension(*dimension) {
            Ok(Some(value)) if values.iter().any(|one| one == value) => {}
            Ok(_) => return Match::No,
            Err(failure) => unknown = unknown.or(Some(failure)),
        }
    }
    unknown.map_or(Match::Yes, Match::Unknown)
}
