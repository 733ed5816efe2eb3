//! What the rules give one owner (domain.md, "Computing the role model", steps 1, 2 and 5): context,
//! single roles, resource types, links, values, and the key by which each resource is found again.
//!
//! Leaves to others whether the period has begun, what was there before and what is there now. The
//! rule that must hold: a rule that fails costs only the resources that depend on it; every value
//! says which rules made it so, and no reason shows a confidential value.

mod explain;
mod resource;
#[cfg(test)]
mod tests;

use super::catalog::{Catalog, EntityType, Role, RoleRef};
use super::expected::{Expected, ExpectedRole};
use super::expression::{Expression, Scope, Session};
use super::resource::{Lookup, Resource};
use explain::Explain;
use provost_domain::{Owner, Period, Reason, RuleFailure, Timestamp, WorkflowState};
use std::sync::Arc;

/// Most characters of a name for people.
const DISPLAY_NAME_MAX: usize = 200;

/// Evaluates all rules for one owner. `None` when the catalog has no such entity type.
pub fn evaluate(catalog: &Catalog, entity_type: &str, owner: &Resource, lookup: &dyn Lookup) -> Option<Expected> {
    let entity_type = catalog.entity_type(entity_type)?;
    let scope = Scope::new(catalog, entity_type, &owner.values, lookup);
    let session = Session::new(&scope);
    let evaluation = Evaluation { catalog, explain: Explain::new(&scope), session: &session };
    let (period, context_failure) = match evaluation.period(entity_type) {
        Ok(period) => (period, None),
        Err(failure) => (Period::default(), Some(failure)),
    };
    let roles = evaluation.roles(entity_type);
    let held = |role: &Role, verdict: &Verdict| match verdict {
        Verdict::Given(why) => Some(ExpectedRole {
            role: Arc::clone(&role.name),
            is_composite: false,
            period,
            workflow: WorkflowState::Calculated,
            why: why.clone(),
        }),
        Verdict::Refused | Verdict::Failed(_) => None,
    };
    let mut expected_roles: Vec<ExpectedRole> =
        catalog.roles_of(&entity_type.name).filter_map(|role| held(role, roles.verdict_at(catalog, role))).collect();
    expected_roles.sort_by(|a, b| a.role.cmp(&b.role));
    let mut resources: Vec<_> = catalog
        .resource_types_of(&entity_type.name)
        .filter_map(|resource_type| evaluation.resource(resource_type, &roles, period))
        .map(|mut resource| {
            // Without a period nobody knows whether the owner shall have anything at all.
            if let Some(failure) = &context_failure {
                resource.failure = Some(failure.clone());
            }
            resource
        })
        .collect();
    resources.sort_by(|a, b| a.resource_type.cmp(&b.resource_type));
    let display_name = evaluation.display_name(entity_type).unwrap_or_else(|| owner.key.clone());
    Some(Expected {
        owner: Owner { entity_type: entity_type.name.to_string(), key: owner.key.clone(), display_name },
        period,
        roles: expected_roles,
        resources,
        next_change: None,
    })
}

/// A resource's name for people: its display name, or its key when that has none.
pub fn display_name(catalog: &Catalog, entity_type: &str, resource: &Resource, lookup: &dyn Lookup) -> String {
    let named = catalog.entity_type(entity_type).and_then(|entity_type| {
        let scope = Scope::new(catalog, entity_type, &resource.values, lookup);
        let session = Session::new(&scope);
        Evaluation { catalog, explain: Explain::new(&scope), session: &session }.display_name(entity_type)
    });
    named.unwrap_or_else(|| resource.key.clone())
}

/// What rules that are OR-ed say together.
#[derive(Clone, Debug)]
enum Verdict {
    /// At least one is true; why, outermost first.
    Given(Vec<Reason>),
    /// None is true.
    Refused,
    /// None is true, and at least one could not be evaluated: nobody knows.
    Failed(RuleFailure),
}

/// The verdict on each role, by its place in the catalog.
struct Roles {
    verdicts: Vec<Option<Verdict>>,
}

static REFUSED: Verdict = Verdict::Refused;

impl Roles {
    fn verdict(&self, role: &RoleRef) -> &Verdict {
        self.verdicts.get(role.place).and_then(Option::as_ref).unwrap_or(&REFUSED)
    }

    fn verdict_at(&self, catalog: &Catalog, role: &Role) -> &Verdict {
        catalog.role_ref(&role.name).map_or(&REFUSED, |role| self.verdict(&role))
    }
}

/// One owner under evaluation.
struct Evaluation<'a> {
    catalog: &'a Catalog,
    explain: Explain<'a>,
    session: &'a Session<'a>,
}

impl Evaluation<'_> {
    /// Step 1: when the owner counts.
    fn period(&self, entity_type: &EntityType) -> Result<Period, RuleFailure> {
        let Some(context) = &entity_type.context else { return Ok(Period::default()) };
        let instant = |bound: &str, expression: &Option<Expression>| -> Result<Option<Timestamp>, RuleFailure> {
            let Some(expression) = expression else { return Ok(None) };
            expression.instant(self.session).map_err(|message| {
                self.explain.failure(
                    format!("context of {} / {bound}", entity_type.name),
                    None,
                    expression,
                    false,
                    message,
                )
            })
        };
        let from = instant("valid_from", &context.valid_from)?;
        let until = instant("valid_until", &context.valid_until)?;
        if let (Some(from), Some(until), Some(expression)) = (from, until, &context.valid_until)
            && until < from
        {
            let rule = format!("context of {} / valid_until", entity_type.name);
            let message = format!("the period ends ({until}) before it begins ({from})");
            return Err(self.explain.failure(rule, None, expression, false, message));
        }
        Ok(Period { from, until })
    }

    /// Step 2: single roles by rule.
    fn roles(&self, entity_type: &EntityType) -> Roles {
        let mut verdicts = vec![None; self.catalog.roles().len()];
        for role in self.catalog.roles_of(&entity_type.name) {
            let rule = |number: usize| format!("role {} / rule {number}", role.name);
            let verdict = self.any(role.rules.iter().map(|rule| rule.criteria.when.as_ref()), rule);
            let place = self.catalog.role_ref(&role.name).map(|role| role.place);
            if let Some(slot) = place.and_then(|place| verdicts.get_mut(place)) {
                *slot = Some(verdict);
            }
        }
        Roles { verdicts }
    }

    /// What conditions that are OR-ed say: no condition is always true. A failure counts only when
    /// no other condition is true.
    fn any<'e>(
        &self,
        conditions: impl Iterator<Item = Option<&'e Expression>>,
        rule: impl Fn(usize) -> String,
    ) -> Verdict {
        let mut failed = None;
        for (index, condition) in conditions.enumerate() {
            match self.condition(condition, || rule(index + 1)) {
                Verdict::Given(why) => return Verdict::Given(why),
                Verdict::Refused => {}
                Verdict::Failed(failure) => failed = failed.or(Some(failure)),
            }
        }
        failed.map_or(Verdict::Refused, Verdict::Failed)
    }

    fn condition(&self, condition: Option<&Expression>, rule: impl Fn() -> String) -> Verdict {
        let Some(condition) = condition else {
            return Verdict::Given(vec![Reason { rule: rule(), detail: "everyone".to_owned() }]);
        };
        match condition.holds(self.session) {
            Ok(true) => Verdict::Given(vec![Reason { rule: rule(), detail: self.explain.inputs(condition, false) }]),
            Ok(false) => Verdict::Refused,
            Err(message) => Verdict::Failed(self.explain.failure(rule(), None, condition, false, message)),
        }
    }

    fn display_name(&self, entity_type: &EntityType) -> Option<String> {
        let name = entity_type.display_name.as_ref()?.text(self.session).ok().flatten()?;
        let name: String = name.trim().chars().take(DISPLAY_NAME_MAX).collect();
        (!name.is_empty()).then_some(name)
    }
}
