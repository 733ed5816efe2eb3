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
use super::correlate::Suspect;
use super::decision::{Decided, Decisions};
use super::evaluate::OrderArguments;
use super::known_order::KnownOrder;
use super::{Catalog, Resource};
use provost_domain::{Change, OrderKind, Owner, RuleFailure, Timestamp, WorkflowState};

/// What the look at one resource asks of the rules and of what was known before.
pub trait Rules {
    /// Whether a classification rule, by its place, holds for the resource.
    ///
    /// # Errors
    /// When the rule fails.
    fn classifies(&self, resource_type: &ResourceType, rule: usize) -> Result<bool, RuleFailure>;
    /// The first correlation rule of the resource type whose side of the resource cannot be told.
    fn unreadable(&self, resource_type: &ResourceType) -> Option<RuleFailure>;
    /// Resources were looked at by the resource type before: what is new was not there when all began.
    fn is_known(&self, resource_type: &ResourceType) -> bool;
}

/// Tells what the arguments that look at the order say of one of an owner's.
pub type AskArguments<'a> = dyn Fn(&Owner, &ResourceType, OrderKind, &[Change]) -> OrderArguments + 'a;

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
    /// What the arguments that look at the order say of one of an owner's.
    pub arguments: &'a AskArguments<'a>,
}

/// What the resource is, which is nobody's, or somebody's who is suspected to have it: none when no resource type is
/// about it.
pub fn found(unclaimed: &Unclaimed<'_>, owner: Option<(&Owner, &Suspect)>, rules: &dyn Rules) -> Option<Assignment> {
    let Unclaimed { catalog, entity_type, resource, previous, lane, decisions, seen_at, now, arguments } = *unclaimed;
    let sorted = sorted(catalog, entity_type, rules)?;
    let suspected = owner.and_then(|(_, suspect)| catalog.resource_type(&suspect.resource_type));
    // Whose it is says what it is, where no rule does.
    let resource_type = suspected.filter(|_| sorted.confidence == 0).unwrap_or(sorted.resource_type);
    let confidence = sorted.confidence;
    let itself = Owner {
        entity_type: entity_type.name.to_string(),
        key: resource.key.clone(),
        display_name: resource.key.clone(),
    };
    let mut note = match owner {
        Some((_, suspect)) => {
            let by = &suspect.candidate.why.rule;
            format!("found in the managed system; no rule gives it to its owner ({by})")
        }
        None => "found in the managed system; nobody owns it".to_owned(),
    };
    let failure = sorted.failure.or_else(|| rules.unreadable(resource_type).filter(|_| owner.is_none()));
    if sorted.is_unsorted {
        note = format!("{note}; unclassified: no classification rule sorts it, taken for a {}", resource_type.name);
    } else if confidence < CONFIDENT {
        note = format!("{note}; taken for a {} with confidence {confidence}", resource_type.name);
    }
    if let Some(failure) = &failure {
        note = format!("{note}; {} failed on {}: {}", failure.rule, failure.input, failure.message);
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
        owner_left: false,
        expected: None,
        previous,
        resource: &|key| (*key == *resource.key).then_some(values),
        lane: &|key| if *key == *resource.key { lane } else { &[] },
        decided: Decided::of(decisions, owner),
        seen_at,
        now,
        arguments: &|kind, changes| arguments(owner, resource_type, kind, changes),
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
    assignment.failure = failure;
    Some(assignment)
}

/// What classification says of a resource.
#[derive(Debug)]
pub(crate) struct Sorted<'a> {
    /// The resource type that it is taken for; where nothing tells, the first of its kind.
    pub(crate) resource_type: &'a ResourceType,
    /// How sure that is; 0 where nobody knows.
    pub(crate) confidence: u32,
    /// There are several resource types, and no rule sorts it.
    pub(crate) is_unsorted: bool,
    /// The surest rule that failed before one held.
    pub(crate) failure: Option<RuleFailure>,
}

/// The resource type that a resource is of: by the surest classification rule that holds, or the only one that
/// there is. A resource type without rules of that kind is meant where no other one says more. Where a rule failed
/// that is surer than what holds, nobody knows. None where no resource type is about it.
pub(crate) fn sorted<'a>(catalog: &'a Catalog, entity_type: &EntityType, rules: &dyn Rules) -> Option<Sorted<'a>> {
    let kinds: Vec<&ResourceType> =
        catalog.resource_types().iter().filter(|kind| kind.target == entity_type.name).collect();
    let first = kinds.first().copied()?;
    let mut by_rule: Vec<(&ResourceType, usize, u32)> = kinds
        .iter()
        .flat_map(|kind| {
            kind.classification_rules.iter().enumerate().map(move |(place, rule)| (*kind, place, rule.confidence))
        })
        .collect();
    // Stable: of equally sure ones the first in the catalog.
    by_rule.sort_by_key(|(.., confidence)| std::cmp::Reverse(*confidence));
    let mut failed: Option<(&ResourceType, RuleFailure)> = None;
    for (resource_type, place, confidence) in by_rule {
        match rules.classifies(resource_type, place) {
            Ok(false) => {}
            Ok(true) => {
                let confidence = if failed.is_some() { 0 } else { confidence };
                let failure = failed.map(|(_, failure)| failure);
                return Some(Sorted { resource_type, confidence, is_unsorted: false, failure });
            }
            Err(failure) => failed = failed.or(Some((resource_type, failure))),
        }
    }
    if let Some((resource_type, failure)) = failed {
        return Some(Sorted { resource_type, confidence: 0, is_unsorted: false, failure: Some(failure) });
    }
    let mut without_rules = kinds.iter().filter(|kind| kind.classification_rules.is_empty());
    match (without_rules.next(), without_rules.next()) {
        (Some(only), None) => {
            Some(Sorted { resource_type: only, confidence: CONFIDENT, is_unsorted: false, failure: None })
        }
        // The rules of the only one say that it is none.
        (None, None) if kinds.len() == 1 => None,
        _ => Some(Sorted { resource_type: first, confidence: 0, is_unsorted: true, failure: None }),
    }
}
