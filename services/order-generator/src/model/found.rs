//! Resources that synchronization found and that no assignment claims (domain.md, step 7): accounts that nobody
//! owns, accounts of people whom no rule gives one; and what of all that is found waits for a person.
//!
//! The rule that must hold: each resource is looked at by itself, so that looking at those that changed says what
//! looking at all of them would; and nothing found is touched without a person's word.

mod item;

pub use item::{Item, Kind, items, orphan_items, subject_id};

use super::assign::{Assignment, Situation};
use super::catalog::{CONFIDENT, EntityType, ResourceType};
use super::comparison::Comparisons;
use super::decision::{Decided, Decisions};
use super::expected::Candidate;
use super::known_order::KnownOrder;
use super::{Catalog, Resource};
use provost_domain::{Owner, Timestamp, WorkflowState};

/// What the look at one resource asks of the rules and of what was known before.
pub trait Rules {
    /// Whether a classification rule, by its place, holds for the resource. One that fails does not.
    fn classifies(&self, resource_type: &ResourceType, rule: usize) -> bool;
    /// Resources were looked at by the resource type before: what is new was not there when all began.
    fn is_known(&self, resource_type: &ResourceType) -> bool;
}

/// One resource that no assignment claims.
pub struct Unclaimed<'a> {
    /// The catalog.
    pub catalog: &'a Catalog,
    /// Its entity type.
    pub entity_type: &'a EntityType,
    /// The resource.
    pub resource: &'a Resource,
    /// What was said of it the last time.
    pub previous: Option<&'a Assignment>,
    /// The orders of its lane.
    pub lane: &'a [KnownOrder],
    /// What people decided.
    pub decisions: &'a Decisions,
    /// When the export began that shows it.
    pub seen_at: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// What the resource is, which is nobody's, or `owner`'s by a candidate: none when no resource type is about it.
pub fn found(unclaimed: &Unclaimed<'_>, owner: Option<(&Owner, &Candidate)>, rules: &dyn Rules) -> Option<Assignment> {
    let Unclaimed { catalog, entity_type, resource, previous, lane, decisions, seen_at, now } = *unclaimed;
    let (resource_type, confidence) = classified(catalog, entity_type, rules)?;
    let itself = Owner {
        entity_type: entity_type.name.to_string(),
        key: resource.key.clone(),
        display_name: resource.key.clone(),
    };
    let mut note = match owner {
        Some((_, by)) => format!("found in the managed system; no rule gives it to its owner ({})", by.why.rule),
        None => "found in the managed system; nobody owns it".to_owned(),
    };
    if confidence < CONFIDENT {
        note = format!("{note}; taken for a {} with confidence {confidence}", resource_type.name);
    }
    let owner = owner.map_or(&itself, |(owner, _)| owner);
    let previous = previous.filter(|before| *before.resource_type == *resource_type.name);
    let values = &resource.values;
    let situation = Situation {
        resource_type,
        target: entity_type,
        comparisons: Comparisons::new(catalog, entity_type, Some(resource_type)),
        owner,
        owner_is_gone: false,
        expected: None,
        previous,
        resource: &|key| (*key == *resource.key).then_some(values),
        lane: &|key| if *key == *resource.key { lane } else { &[] },
        decided: Decided::of(decisions, owner),
        seen_at,
        now,
    };
    let mut assignment = situation.found(&resource.key, &note);
    if previous.is_none() && rules.is_known(resource_type) {
        let since = |workflow: &mut WorkflowState| {
            if *workflow == WorkflowState::PreExisting {
                *workflow = WorkflowState::NonConforming;
            }
        };
        since(&mut assignment.workflow);
        assignment.properties.values_mut().for_each(|property| since(&mut property.workflow));
    }
    // Thresholds count what was provisioned, and a stray is not: the first load is one all the same.
    (assignment.found, assignment.linked) = (true, false);
    assignment.slot.clone_from(&resource.key);
    assignment.confidence = confidence.min(CONFIDENT);
    Some(assignment)
}

/// The resource type that a resource is of: by the surest classification rule that holds, or the only one there
/// is. A resource type without rules of that kind is meant where no other one says more.
pub(crate) fn classified<'a>(
    catalog: &'a Catalog,
    entity_type: &EntityType,
    rules: &dyn Rules,
) -> Option<(&'a ResourceType, u32)> {
    let kinds: Vec<&ResourceType> =
        catalog.resource_types().iter().filter(|kind| kind.target == entity_type.name).collect();
    let mut by_rule: Vec<(&ResourceType, usize, u32)> = kinds
        .iter()
        .flat_map(|kind| {
            kind.classification_rules.iter().enumerate().map(move |(place, rule)| (*kind, place, rule.confidence))
        })
        .collect();
    if by_rule.is_empty() {
        return match kinds.as_slice() {
            [only] => Some((only, CONFIDENT)),
            _ => None,
        };
    }
    // Stable: of equally sure ones the first in the catalog.
    by_rule.sort_by_key(|(.., confidence)| std::cmp::Reverse(*confidence));
    let holds = by_rule.into_iter().find(|(kind, place, _)| rules.classifies(kind, *place))?;
    Some((holds.0, holds.2))
}
