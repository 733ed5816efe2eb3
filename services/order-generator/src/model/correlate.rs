//! Which existing resource is the owner's (domain.md, step 5): by its key, by a person's word, or by rules.
//!
//! Leaves evaluating rules, and looking for resources, to others. The rule that must hold: only what nobody has
//! is taken; of those who would have one, the surest gets it; and where nobody can tell, nobody takes anything.

use super::assign::{Assignment, place};
use super::catalog::{CONFIDENT, ResourceType};
use super::decision::{Decided, Verdict, carried_out};
use super::expected::{Candidate, Correlated, Expected, ExpectedResource};
use provost_domain::{InactiveReason, OrderKind, Owner, Reason, RuleFailure};
use super::known_order::KnownOrder;
use std::collections::{BTreeMap, HashMap};

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
    /// Nobody has the resource, and nobody's order is about to write or delete it. `place` is where the asking
    /// assignment is kept: what it has itself is free for it.
    fn is_free(&self, resource_type: &ResourceType, key: &str, owner: &Owner, place: &str) -> bool;
    /// The orders of a resource's lane.
    fn lane(&self, resource_type: &ResourceType, key: &str) -> &[KnownOrder];
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
    for resource in &mut expected.resources {
        let Some(kind) = resource_type(&resource.resource_type) else { continue };
        others.extend(beside(resource, previous));
        let own = previous.get(&*resource.resource_type).map(|own| carried_out(own, decided));
        let own = own.as_deref().filter(|own| own.is_ours());
        if let Some(found) = own.and_then(|own| Some((own, own.correlated.clone()?))) {
            resource.target_key = found.0.target_key.clone();
            resource.correlated = Some(found.1);
        } else if let Some(again) = own.and_then(|own| same_key_spelled_otherwise(kind, resource, own, existing)) {
            (resource.target_key, resource.correlated) = again;
        }
        let has_own = own.is_some();
        let seeks = !has_own || kind.correlate_multiple;
        if seeks && resource.failure.is_none() && !resource.target_key.is_empty() {
            match candidates(kind, resource, &owner, decided, existing) {
                Ok(found) if has_own => others.extend(more(resource, found, previous)),
                Ok(found) => resource.candidates = found,
                Err(failure) => resource.failure = Some(failure),
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
        let found = Candidate { key: own.target_key.clone(), why: by_key(kind), confidence: CERTAIN };
        (own.target_key.clone(), Some(correlated(&found, &resource.target_key)))
    })
}

fn by_key(kind: &ResourceType) -> Reason {
    Reason { rule: format!("resource type {} / key", kind.name), detail: "a resource with this key exists".to_owned() }
}

/// What nobody has and may be the owner's, best first.
fn candidates(
    kind: &ResourceType,
    resource: &ExpectedResource,
    owner: &Owner,
    decided: Decided<'_>,
    existing: &dyn Existing,
) -> Result<Vec<Candidate>, RuleFailure> {
    let mut found: BTreeMap<String, Candidate> = BTreeMap::new();
    let mut add = |key: String, why: Reason, confidence: u32| match found.get(&key) {
        Some(better) if better.confidence >= confidence => {}
        _ => {
            found.insert(key.clone(), Candidate { key, why, confidence });
        }
    };
    let same_key = existing.by_key(kind, &resource.target_key);
    // Just this key is surer than another spelling of it.
    let same_key = match same_key.contains(&resource.target_key) {
        true => vec![resource.target_key.clone()],
        false => same_key,
    };
    for key in same_key {
        add(key, by_key(kind), CERTAIN);
    }
    for (key, decision) in decided.all.map(|all| all.given_to(owner, &kind.target)).unwrap_or_default() {
        let why = Reason { rule: "reconciliation".to_owned(), detail: format!("given by {}", decision.by()) };
        add(key.to_owned(), why, CERTAIN);
    }
    for (place, rule) in kind.correlation_rules.iter().enumerate() {
        let Some(text) = existing.text(kind, place)?.filter(|text| !text.is_empty()) else { continue };
        let why = Reason {
            rule: format!("resource type {} / correlation rule {}", kind.name, place + 1),
            detail: format!("{} = '{text}', confidence {}", rule.target.source(), rule.confidence),
        };
        for key in existing.by_rule(kind, place, &text) {
            add(key, why.clone(), rule.confidence);
        }
    }
    let is_open = |candidate: &Candidate| {
        let is_denied = candidate.confidence < CONFIDENT && is_denied(existing.lane(kind, &candidate.key), owner);
        let decision = decided.all.and_then(|all| all.of_resource(&kind.target, &candidate.key));
        let is_going = decision.is_some_and(|decision| decision.verdict == Verdict::Delete);
        !is_denied && !is_going && existing.is_free(kind, &candidate.key, owner, &resource.resource_type)
    };
    let mut found: Vec<Candidate> = found.into_values().filter(is_open).collect();
    found.sort_by(|a, b| b.confidence.cmp(&a.confidence).then_with(|| a.key.cmp(&b.key)));
    Ok(found)
}

/// A reviewer said that the resource is not this owner's.
fn is_denied(lane: &[KnownOrder], owner: &Owner) -> bool {
    let mut own = lane.iter().rev().filter(|order| order.kind == OrderKind::Association && order.is_of(owner));
    own.find(|order| !matches!(order.inactive_reason, Some(InactiveReason::Cancelled | InactiveReason::Superseded)))
        .is_some_and(|order| order.inactive_reason == Some(InactiveReason::Declined))
}

fn correlated(candidate: &Candidate, rule_key: &str) -> Correlated {
    Correlated {
        why: candidate.why.clone(),
        confidence: candidate.confidence,
        rule_key: rule_key.to_owned(),
    }
}

/// Settles which of its candidates each expected resource is. Of several owners the surest has a resource;
/// who are equally sure are left to whoever judges shared keys.
pub fn settle<'c>(all: &mut [Expected], resource_type: impl Fn(&str) -> Option<&'c ResourceType>) {
    let mut best: HashMap<(String, String), u32> = HashMap::new();
    for resource in all.iter().flat_map(|one| &one.resources).filter(|one| !one.candidates.is_empty()) {
        let Some(kind) = resource_type(&resource.resource_type) else { continue };
        for Candidate { key, confidence, .. } in &resource.candidates {
            let known = best.entry((kind.target.to_string(), key.clone())).or_default();
            *known = (*known).max(*confidence);
        }
    }
    if best.is_empty() {
        return;
    }
    for expected in all {
        let mut others = Vec::new();
        for resource in &mut expected.resources {
            let Some(kind) = resource_type(&resource.resource_type) else { continue };
            let mut found = std::mem::take(&mut resource.candidates);
            found.retain(|one| best.get(&(kind.target.to_string(), one.key.clone())) == Some(&one.confidence));
            others.extend(take(kind, resource, found));
        }
        // What was wanted beside the first, and went to somebody surer.
        expected.resources.retain(|one| one.slot.is_empty() || one.correlated.is_some());
        expected.resources.extend(others);
    }
}

/// Takes what was found. Where an owner may have several, the others come back.
fn take(kind: &ResourceType, resource: &mut ExpectedResource, found: Vec<Candidate>) -> Vec<ExpectedResource> {
    let Some(first) = found.first() else { return vec![] };
    // What is not sure is proposed only while nothing is.
    let floor = first.confidence.min(CONFIDENT);
    let equal: Vec<&Candidate> = found.iter().filter(|one| one.confidence == first.confidence).collect();
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
    if first.key != resource.target_key || !resource.slot.is_empty() {
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
