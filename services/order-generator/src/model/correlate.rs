//! Which existing resource is the owner's (domain.md, step 5): by its key, by a person's word, or by rules.
//!
//! Leaves evaluating rules, and looking for resources, to others. The rule that must hold: only what nobody has
//! is taken; of those who would have one, the surest gets it; where nobody can tell, nobody takes anything; and
//! what a person kept, or what classification takes for something else, is taken by a person's word alone.

mod weigh;

pub(crate) use weigh::{correlation_rule, seen};

use super::assign::{Assignment, place};
use super::catalog::{CONFIDENT, Name, ResourceType};
use super::decision::{Decided, carried_out};
use super::expected::{Candidate, Correlated, Expected, ExpectedResource};
use super::known_order::KnownOrder;
use provost_domain::{Owner, ProvisioningState, RuleFailure};
use std::collections::{BTreeMap, HashMap};
use weigh::{Asked, by_key};

/// How sure the same key is, and a person's word.
pub const CERTAIN: u32 = 150;
/// Most resources that a failure names.
const NAMED_MAX: usize = 3;

/// What correlation asks of the repository and of the rules.
pub trait Existing {
    /// The keys of a resource type's target that mean the same as `key`.
    fn by_key(&self, resource_type: &ResourceType, key: &str) -> Vec<String>;
    /// The text that a correlation rule, by its place, looks for; none looks for nothing.
    ///
    /// # Errors
    /// When the rule fails.
    fn text(&self, resource_type: &ResourceType, rule: usize) -> Result<Option<String>, RuleFailure>;
    /// The keys of the resources for which a correlation rule yields a text.
    fn by_rule(&self, resource_type: &ResourceType, rule: usize, text: &str) -> Vec<String>;
    /// The key that the rules of a resource type would give the owner, if they gave one; none when that fails.
    fn key(&self, resource_type: &ResourceType) -> Option<String>;
    /// What classification says of a resource, seen from a resource type.
    fn sorting(&self, resource_type: &ResourceType, key: &str) -> Sorting;
    /// The orders of a resource's lane.
    fn lane(&self, resource_type: &ResourceType, key: &str) -> &[KnownOrder];
}

/// What classification says of a resource, seen from one resource type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sorting {
    /// It is of this type, so sure.
    Is(u32),
    /// It is of another type: by name.
    Another(Name),
    /// No rule sorts it, and several resource types may be meant.
    Unsorted,
    /// The rules that there are say that it is none of this type.
    Not,
    /// A rule failed before a less sure one held, or none did.
    Failed(RuleFailure),
}

/// A resource that is the owner's by its key or by rules, and that no rule gives the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// What it would be.
    pub resource_type: Name,
    /// Of which entity type it is.
    pub target: Name,
    /// Which it is.
    pub candidate: Candidate,
}

/// Finds what an owner's expected resources may be, and says again what they were found to be before.
/// `previous` is what was assigned to the owner last time, by place.
pub fn find<'c>(
    expected: &mut Expected,
    previous: &BTreeMap<String, Assignment>,
    decided: Decided<'_>,
    resource_type: impl Fn(&str) -> Option<&'c ResourceType>,
    existing: &dyn Existing,
) {
    let owner = expected.owner.clone();
    let mut others = Vec::new();
    let is_own = |kind: &ResourceType, key: &str, place: &str| {
        previous.iter().any(|(at, one)| {
            at != place && one.is_ours() && !one.found && one.target_key == key && *one.entity_type == *kind.target
        })
    };
    for resource in &mut expected.resources {
        let Some(kind) = resource_type(&resource.resource_type) else { continue };
        others.extend(beside(resource, previous));
        let own = previous.get(&*resource.resource_type).map(|own| carried_out(own, decided));
        // What was only ordered is not there yet: an existing one is better.
        let may_be_there = |own: &Assignment| {
            own.linked
                || existing.lane(kind, &own.target_key).iter().any(|order| {
                    order.is_of(&owner) && (order.is_under_way() || order.state == ProvisioningState::Verified)
                })
        };
        let own = own.as_deref().filter(|own| own.is_ours() && may_be_there(own));
        if let Some(found) = own.and_then(|own| Some((own, own.correlated.clone()?))) {
            resource.target_key = found.0.target_key.clone();
            resource.correlated = Some(found.1);
        } else if let Some(again) = own.and_then(|own| same_key_spelled_otherwise(kind, resource, own, existing)) {
            (resource.target_key, resource.correlated) = again;
        }
        let has_own = own.is_some();
        let seeks = !has_own || kind.correlate_multiple;
        if seeks && resource.failure.is_none() && !resource.target_key.is_empty() {
            let asked = Asked { kind, key: &resource.target_key, owner: &owner, decided, existing, is_given: true };
            let mut weighed = asked.weighed();
            weighed.open.retain(|one| !is_own(kind, &one.key, &resource.resource_type));
            if has_own {
                // What the owner has is surer than whatever a rule that fails would find beside it.
                others.extend(more(resource, weighed.open, previous));
            } else {
                resource.refused = weighed.refused_key(&asked);
                resource.behind = weighed.behind(&asked);
                match weighed.spoilt_by() {
                    Some(failure) => resource.failure = Some(failure),
                    None => resource.candidates = weighed.open,
                }
            }
        }
    }
    expected.resources.extend(others);
}

/// The resources of the same type that the owner has beside the first, as before.
fn beside(resource: &ExpectedResource, previous: &BTreeMap<String, Assignment>) -> Vec<ExpectedResource> {
    let is_beside = |one: &&Assignment| {
        *one.resource_type == *resource.resource_type && !one.slot.is_empty() && one.is_ours() && !one.found
    };
    let again = |one: &Assignment| ExpectedResource {
        target_key: one.target_key.clone(),
        slot: one.slot.clone(),
        correlated: one.correlated.clone(),
        ..resource.clone()
    };
    previous.values().filter(is_beside).map(again).collect()
}

/// What the owner may have beside what it has: only what is sure.
fn more(
    resource: &ExpectedResource,
    found: Vec<Candidate>,
    previous: &BTreeMap<String, Assignment>,
) -> Vec<ExpectedResource> {
    let is_new = |one: &Candidate| {
        one.confidence >= CONFIDENT
            && one.key != resource.target_key
            && !previous.contains_key(&place(&resource.resource_type, &one.key))
    };
    let one = |one: Candidate| ExpectedResource {
        slot: one.key.clone(),
        correlated: None,
        candidates: vec![one],
        ..resource.clone()
    };
    found.into_iter().filter(is_new).map(one).collect()
}

/// The rules spell the key of what the owner has in another way that means the same.
fn same_key_spelled_otherwise(
    kind: &ResourceType,
    resource: &ExpectedResource,
    own: &Assignment,
    existing: &dyn Existing,
) -> Option<(String, Option<Correlated>)> {
    let is_other = own.target_key != resource.target_key && own.linked;
    let means_the_same = is_other && existing.by_key(kind, &resource.target_key).contains(&own.target_key);
    means_the_same.then(|| {
        let found = Candidate::certain(own.target_key.clone(), by_key(kind));
        (own.target_key.clone(), Some(correlated(&found, &resource.target_key)))
    })
}

/// Finds what is the owner's by its key or by rules, and what no rule gives the owner. `kinds` are the resource
/// types that the owner could have.
pub fn suspects<'c>(
    expected: &Expected,
    previous: &BTreeMap<String, Assignment>,
    decided: Decided<'_>,
    kinds: impl Iterator<Item = &'c ResourceType>,
    existing: &dyn Existing,
) -> Vec<Suspect> {
    let is_given = |kind: &ResourceType| expected.resources.iter().any(|one| one.resource_type == kind.name);
    let is_ours = |kind: &ResourceType, key: &str| {
        let mut ours = previous.values().filter(|one| one.is_ours() && !one.found);
        ours.any(|one| one.target_key == key && *one.entity_type == *kind.target)
    };
    let is_wanted = |kind: &ResourceType, key: &str| {
        let mut of_kind = expected.resources.iter().filter(|one| one.resource_type == kind.name);
        of_kind.any(|one| one.target_key == key || one.candidates.iter().any(|candidate| candidate.key == key))
    };
    let mut found: Vec<Suspect> = Vec::new();
    for kind in kinds {
        let asked = |key| Asked { kind, key, owner: &expected.owner, decided, existing, is_given: false };
        // What a person gave beside what the rules give is looked at, too.
        let candidates = match is_given(kind) {
            true => {
                let asked = asked("");
                let given = asked.given().filter(|one| !is_wanted(kind, &one.key));
                given.chain(to_be_deleted(kind, expected, decided, existing)).collect()
            }
            // A rule that fails says nothing; whoever is given the type hears of it.
            false => {
                let weighed = asked(&existing.key(kind).unwrap_or_default()).weighed();
                if weighed.spoilt_by().is_some() { vec![] } else { weighed.open }
            }
        };
        let is_it = |key: &str| match existing.sorting(kind, key) {
            Sorting::Is(_) | Sorting::Unsorted | Sorting::Failed(_) => true,
            Sorting::Another(_) | Sorting::Not => false,
        };
        let sure =
            candidates.into_iter().filter(|one| one.weight >= CONFIDENT && !is_ours(kind, &one.key) && is_it(&one.key));
        for candidate in sure {
            let is_known = found.iter().any(|one| one.candidate.key == candidate.key && one.target == kind.target);
            if !is_known {
                let (resource_type, target) = (Name::clone(&kind.name), Name::clone(&kind.target));
                found.push(Suspect { resource_type, target, candidate });
            }
        }
    }
    found
}

/// What was found as this owner's, stands under a key that the rules give the owner by now, and is to be deleted all
/// the same: a person decided so.
fn to_be_deleted(
    kind: &ResourceType,
    expected: &Expected,
    decided: Decided<'_>,
    existing: &dyn Existing,
) -> Vec<Candidate> {
    let waiting = expected.resources.iter().filter(|one| one.resource_type == kind.name && one.behind.is_some());
    let keys = waiting.flat_map(|one| existing.by_key(kind, &one.target_key));
    let is_own = |key: &String| {
        let decision = decided.on_resource(&kind.target, key, &expected.owner);
        decision.is_some_and(|decision| decision.deletes(existing.lane(kind, key)))
    };
    keys.filter(is_own).map(|key| Candidate::certain(key, by_key(kind))).collect()
}

fn correlated(candidate: &Candidate, rule_key: &str) -> Correlated {
    Correlated { why: candidate.why.clone(), confidence: candidate.confidence, rule_key: rule_key.to_owned() }
}

/// Settles which of its candidates each expected resource is. Of several owners the surest has a resource;
/// who are equally sure are left to whoever judges shared keys.
///
/// `is_held` says whether somebody else has a resource of an entity type and key already.
pub fn settle<'c>(
    all: &mut [Expected],
    resource_type: impl Fn(&str) -> Option<&'c ResourceType>,
    is_held: impl Fn(&str, &str, &Owner) -> bool,
) {
    let has_some = |one: &Expected| {
        let is_in_question = |one: &ExpectedResource| !one.candidates.is_empty() || one.refused.is_some();
        !one.suspects.is_empty() || one.resources.iter().any(is_in_question)
    };
    if !all.iter().any(has_some) {
        return;
    }
    // Who wants a resource by a rule goes before whoever it only looks like, and then the surer one.
    let mut best: HashMap<(String, String), (bool, (bool, u32))> = HashMap::new();
    let mut note = |kind: &ResourceType, candidate: &Candidate, is_given: bool| {
        let known = best.entry((kind.target.to_string(), candidate.key.clone())).or_default();
        *known = (*known).max((is_given, candidate.rank()));
    };
    for expected in all.iter_mut() {
        let owner = expected.owner.clone();
        for resource in &mut expected.resources {
            let Some(kind) = resource_type(&resource.resource_type) else { continue };
            resource.candidates.retain(|one| !is_held(&kind.target, &one.key, &owner));
            resource.candidates.iter().for_each(|one| note(kind, one, true));
        }
        expected.suspects.retain(|one| {
            resource_type(&one.resource_type).is_some_and(|kind| !is_held(&kind.target, &one.candidate.key, &owner))
        });
        for Suspect { resource_type: name, candidate, .. } in &expected.suspects {
            if let Some(kind) = resource_type(name) {
                note(kind, candidate, false);
            }
        }
    }
    let mut suspected: HashMap<(String, String), usize> = HashMap::new();
    for one in all.iter_mut() {
        one.suspects.retain(|one| {
            let Some(kind) = resource_type(&one.resource_type) else { return false };
            let key = (kind.target.to_string(), one.candidate.key.clone());
            let is_best = best.get(&key) == Some(&(false, one.candidate.rank()));
            *suspected.entry(key).or_default() += usize::from(is_best);
            is_best
        });
    }
    for expected in all {
        // Where it may be that of several, it is nobody's.
        expected.suspects.retain(|one| {
            let target = resource_type(&one.resource_type).map(|kind| kind.target.to_string());
            target.is_some_and(|target| suspected.get(&(target, one.candidate.key.clone())) == Some(&1))
        });
        let mut others = Vec::new();
        for resource in &mut expected.resources {
            let Some(kind) = resource_type(&resource.resource_type) else { continue };
            let mut found = std::mem::take(&mut resource.candidates);
            found.retain(|one| best.get(&(kind.target.to_string(), one.key.clone())) == Some(&(true, one.rank())));
            others.extend(take(kind, resource, found));
        }
        // What was wanted beside the first, and went to somebody surer.
        expected.resources.retain(|one| one.slot.is_empty() || one.correlated.is_some());
        expected.resources.extend(others);
    }
}

/// Takes what was found. Where an owner may have several, the others come back.
fn take(kind: &ResourceType, resource: &mut ExpectedResource, found: Vec<Candidate>) -> Vec<ExpectedResource> {
    let refused = resource.refused.take();
    let Some(first) = found.first() else {
        resource.failure = resource.failure.take().or(refused);
        return vec![];
    };
    resource.behind = None;
    // What is not sure is proposed only while nothing is.
    let floor = first.confidence.min(CONFIDENT);
    let equal: Vec<&Candidate> = found.iter().filter(|one| one.rank() == first.rank()).collect();
    if equal.len() > 1 && !kind.correlate_multiple {
        resource.failure = Some(several(kind, &equal));
        return vec![];
    }
    let beside = found.iter().skip(1).filter(|one| kind.correlate_multiple && one.confidence >= floor);
    let others = beside
        .map(|one| ExpectedResource {
            target_key: one.key.clone(),
            slot: one.key.clone(),
            correlated: Some(correlated(one, &resource.target_key)),
            ..resource.clone()
        })
        .collect();
    if first.key != resource.target_key || !resource.slot.is_empty() || first.confidence < CONFIDENT {
        resource.correlated = Some(correlated(first, &resource.target_key));
        resource.target_key.clone_from(&first.key);
    }
    others
}

fn several(kind: &ResourceType, equal: &[&Candidate]) -> RuleFailure {
    let mut named: Vec<&str> = equal.iter().take(NAMED_MAX).map(|one| one.key.as_str()).collect();
    if equal.len() > NAMED_MAX {
        named.push("others");
    }
    let why = equal.first().map(|one| one.why.clone());
    RuleFailure {
        rule: why.as_ref().map(|why| why.rule.clone()).unwrap_or_default(),
        property: None,
        input: why.map(|why| why.detail).unwrap_or_default(),
        message: format!(
            "several {} may be the owner's ({}): give all but one of them an owner, or allow correlate_multiple",
            kind.target,
            named.join(", ")
        ),
    }
}
