//! Automation rules: what decides instead of people who do not decide.

use super::roles::Roles;
use super::{Reader, Text, declaration, unknown};
use crate::model::catalog::node::Place;
use crate::model::catalog::{AutomationRule, Name, ResourceType, suggest};
use provost_domain::WorkflowState;
use std::collections::HashMap;

/// Every state in which a request waits for approval.
const PENDING: [WorkflowState; 6] = [
    WorkflowState::PendingApproval,
    WorkflowState::PendingApproval1Of2,
    WorkflowState::PendingApproval2Of2,
    WorkflowState::PendingApproval1Of3,
    WorkflowState::PendingApproval2Of3,
    WorkflowState::PendingApproval3Of3,
];

/// The states in which a request waits to be decided, as catalogs say them.
pub(in crate::model::catalog) const STATES: [(&str, &[WorkflowState]); 7] = [
    ("requested", &[WorkflowState::Requested]),
    ("pending_approval", &PENDING),
    ("pending_approval_1_of_2", &[WorkflowState::PendingApproval1Of2]),
    ("pending_approval_2_of_2", &[WorkflowState::PendingApproval2Of2]),
    ("pending_approval_1_of_3", &[WorkflowState::PendingApproval1Of3]),
    ("pending_approval_2_of_3", &[WorkflowState::PendingApproval2Of3]),
    ("pending_approval_3_of_3", &[WorkflowState::PendingApproval3Of3]),
];

/// Compiles them. A rule for a single step of approval counts instead of one for all steps.
pub(super) fn automation_rules(
    reader: &mut Reader<'_>,
    roles: &Roles,
    resource_types: &[ResourceType],
    declared: Vec<declaration::AutomationRule>,
) -> Vec<AutomationRule> {
    let mut particular: Vec<AutomationRule> = Vec::new();
    let mut general: Vec<AutomationRule> = Vec::new();
    let mut seen: HashMap<(Option<Name>, String, u32, bool), Place> = HashMap::new();
    for rule in declared {
        let of = scope(reader, roles, resource_types, &rule);
        let states = rule.state.as_ref().and_then(|state| states(reader, state));
        let (Some(of), Some((word, states)), Some(after_hours), Some(approves)) =
            (of, states, rule.after_hours, rule.approves)
        else {
            continue;
        };
        if let Some(first) = seen.get(&(of.clone(), word.to_owned(), after_hours, approves)) {
            let message = format!("the same automation rule stands on {}", reader.shown(first));
            reader.wrong(&rule.place, message, "keep one of them");
            continue;
        }
        seen.insert((of.clone(), word.to_owned(), after_hours, approves), rule.place);
        let into = if states.len() == 1 { &mut particular } else { &mut general };
        into.extend(states.iter().map(|state| AutomationRule { of: of.clone(), state: *state, after_hours, approves }));
    }
    general.retain(|rule| !particular.iter().any(|other| other.of == rule.of && other.state == rule.state));
    particular.extend(general);
    particular
}

fn states(reader: &mut Reader<'_>, named: &Text) -> Option<(&'static str, &'static [WorkflowState])> {
    let found = STATES.into_iter().find(|(word, _)| *word == named.text);
    if found.is_none() {
        let shown: String = named.text.chars().take(40).collect();
        let hint = suggest::one_of(&named.text, STATES.iter().map(|(word, _)| *word));
        reader.wrong(&named.place, format!("in state '{shown}' no request waits to be decided"), hint);
    }
    found
}

/// What the rule is for, `Some(None)` being everything; none when that is wrong.
fn scope(
    reader: &mut Reader<'_>,
    roles: &Roles,
    resource_types: &[ResourceType],
    rule: &declaration::AutomationRule,
) -> Option<Option<Name>> {
    let is_role = |name: &str| roles.roles.iter().any(|role| *role.name == *name);
    let is_composite = |name: &str| roles.composite_roles.iter().any(|role| *role.name == *name);
    let is_resource_type = |name: &str| resource_types.iter().any(|kind| *kind.name == *name);
    let named = [&rule.role, &rule.composite_role, &rule.resource_type];
    let mut given = named.into_iter().flatten();
    let first = given.next();
    if let Some(second) = given.next() {
        let message = "automation rule names several of role, composite_role and resource_type";
        reader.wrong(&second.place, message, "keep one, and write a rule for each of the others");
        return None;
    }
    let Some(named) = first else { return Some(None) };
    let name = named.text.as_str();
    let is_known = if rule.role.is_some() {
        let known = roles.roles.iter().map(|role| &*role.name);
        is_role(name) || reported(reader, "role", named, known)
    } else if rule.composite_role.is_some() {
        let known = roles.composite_roles.iter().map(|role| &*role.name);
        is_composite(name) || reported(reader, "composite role", named, known)
    } else {
        let known = resource_types.iter().map(|kind| &*kind.name);
        is_resource_type(name) || reported(reader, "resource type", named, known)
    };
    if !is_known {
        return None;
    }
    if (is_role(name) || is_composite(name)) && is_resource_type(name) {
        let message = format!("'{name}' is a role and a resource type, so nobody knows what the rule is for");
        reader.wrong(&named.place, message, "give one of them another name");
        return None;
    }
    Some(Some(name.into()))
}

fn reported<'a>(reader: &mut Reader<'_>, what: &str, named: &Text, known: impl Iterator<Item = &'a str>) -> bool {
    unknown(reader, what, named, "", known);
    false
}
