//! Matching what the rules give with what was assigned before, what synchronization found and what
//! is already ordered (domain.md, "Computing the role model", steps 3, 4, 6 and 7).
//!
//! The rule that must hold: nothing found in a managed system is overwritten or taken away without a
//! rule change, a source change or a person's word. So only what an earlier computation assigned can
//! be lost, and what once was as wanted and no longer is, with nothing changed on our side, is a
//! drift: it is shown and left alone.

mod compare;
#[cfg(test)]
mod tests;

use super::catalog::{CONFIDENT, EntityType, ResourceType};
use super::expected::{ExpectedResource, ExpectedValue};
use super::known_order::{self, KnownOrder};
use compare::{Compared, compare};
use provost_domain::{
    Change, InactiveReason, OrderKind, Owner, Period, ProvisioningState, Reason, RuleFailure, Timestamp, Value,
    WorkflowState,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the role model wants of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// The owner shall have it.
    Have,
    /// The owner had it by rule, and no longer shall.
    Lose,
    /// The owner's time has yet to begin.
    Later,
    /// The owner's time was over before anything was written.
    Past,
    /// It is there and looks like the owner's, but no rule of ours ever gave it: left alone.
    Found,
    /// The owner had it, and it is gone.
    Gone,
    /// A rule failed, so nobody knows.
    Unknown,
}

/// What one owner has by one resource type: kept between computations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Whose.
    pub owner: Owner,
    /// By which resource type.
    pub resource_type: String,
    /// The target resource's entity type; empty in rows that are older than the field.
    #[serde(default)]
    pub entity_type: String,
    /// The target resource's key; empty when its rule failed.
    pub target_key: String,
    /// When the owner counts.
    pub period: Period,
    /// What the role model wants.
    pub wish: Wish,
    /// Synchronization has shown the resource.
    pub linked: bool,
    /// A rule gave it, and it may exist: whoever loses it, loses it in the managed system too. Says so
    /// where the wish does not, while a rule fails.
    #[serde(default)]
    pub ours: bool,
    /// How the assignment came to be approved.
    pub workflow: WorkflowState,
    /// Where the resource as a whole stands, not counting the order on it.
    pub state: ProvisioningState,
    /// One sentence, where there is something to say.
    pub note: String,
    /// The rules behind it.
    pub why: Vec<Reason>,
    /// Its properties, by name.
    pub properties: BTreeMap<String, AssignedProperty>,
    /// Hints for the package.
    pub arguments: BTreeMap<String, String>,
    /// The rule that failed.
    pub failure: Option<RuleFailure>,
    /// The order that would close the difference.
    pub wanted: Option<Wanted>,
}

impl Assignment {
    /// A rule gave it, and it may exist.
    pub(crate) const fn is_ours(&self) -> bool {
        match self.wish {
            Wish::Have | Wish::Lose => true,
            // A failure hides what was wanted before; what was ours by then still is.
            Wish::Unknown => self.linked || self.ours,
            Wish::Later | Wish::Past | Wish::Found | Wish::Gone => false,
        }
    }
}

/// One property of an assigned resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedProperty {
    /// What the role model wants; links as a list.
    pub policy: Option<Value>,
    /// What synchronization shows.
    pub current: Option<Value>,
    /// How the value came to be approved.
    pub workflow: WorkflowState,
    /// Where it stands.
    pub state: ProvisioningState,
    /// The rules behind it.
    pub why: Vec<Reason>,
    /// Items that are ours, and may be taken away again: given by a rule now, or given before and
    /// not yet gone.
    pub granted: Vec<Value>,
    /// What synchronization has shown to be as wanted: the value, or those items of the list.
    pub conformed: Option<Value>,
    /// Synchronization has shown the value to be as wanted, also when that is no value at all.
    #[serde(default)]
    pub has_conformed: bool,
}

/// An order that would close a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// What it does.
    pub kind: OrderKind,
    /// What it changes.
    pub changes: Vec<Change>,
    /// How sure the rules behind it are, 0 to 150; below 100 a person looks at it.
    #[serde(default = "confident")]
    pub confidence: u32,
    /// The owner's time is over, so it takes access away: it goes ahead of what others wait for.
    #[serde(default)]
    pub is_leavers: bool,
}

const fn confident() -> u32 {
    CONFIDENT
}

/// Everything that the comparison of one assignment looks at.
pub struct Situation<'a> {
    /// The resource type.
    pub resource_type: &'a ResourceType,
    /// Its target entity type.
    pub target: &'a EntityType,
    /// Whose.
    pub owner: &'a Owner,
    /// When the owner counts.
    pub period: Period,
    /// The owner is no longer in the repository.
    pub owner_is_gone: bool,
    /// What the rules give; none when no type rule does.
    pub expected: Option<&'a ExpectedResource>,
    /// What was assigned last time.
    pub previous: Option<&'a Assignment>,
    /// The synchronized resource of a key.
    pub resource: &'a dyn Fn(&str) -> Option<&'a BTreeMap<String, Value>>,
    /// The orders of a key's lane, oldest first.
    pub lane: &'a dyn Fn(&str) -> &'a [KnownOrder],
    /// When the export began that the repository shows; none before the first.
    pub seen_at: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// Compares one owner's one resource type: the assignment to keep, or none when there is nothing (more)
/// to keep.
pub fn assign(situation: &Situation<'_>) -> Option<Assignment> {
    let Situation { period, expected, previous, now, .. } = *situation;
    let lost = || previous.filter(|_| situation.is_ours()).and_then(|previous| situation.lose(previous));
    match expected {
        // The period comes first: whoever left, leaves, whatever the rules now say of the rest.
        Some(expected) if period.is_future(now) && !situation.is_ours() => {
            Some(situation.waiting(expected, Wish::Later))
        }
        Some(expected) if period.is_over(now) && !situation.is_ours() => Some(situation.past(expected)),
        Some(expected) if period.contains(now) && expected.failure.is_some() => Some(situation.unknown(expected)),
        Some(expected) if period.contains(now) => Some(situation.have(expected)),
        // Once nothing is left to take away, that is said at once: the next run finds it settled.
        Some(expected) if period.is_over(now) => lost().or_else(|| Some(situation.past(expected))),
        Some(_) | None => lost(),
    }
}

/// What is known of a resource whose resource type is no longer in the catalog.
pub struct Remains<'a> {
    /// What synchronization shows of it; none when its entity type is no longer read either.
    pub resource: Option<Option<&'a BTreeMap<String, Value>>>,
    /// The orders of its lane, oldest first.
    pub lane: &'a [KnownOrder],
}

/// What becomes of an assignment whose resource type is no longer in the catalog: what it gave and is there
/// stays, and is shown. A catalog that says nothing of it does not say that it shall go. What was only
/// ordered stays known until the order is cancelled: an agent may take it before.
pub fn left_behind(previous: &Assignment, remains: &Remains<'_>) -> Option<Assignment> {
    let Remains { resource, lane } = *remains;
    let is_there = match resource {
        Some(current) => known_order::overlay(current, lane).is_some(),
        None => previous.linked,
    };
    let has_open_order = lane.iter().any(|order| order.is_of(&previous.owner) && order.may_be_written());
    let is_anothers =
        !previous.linked && known_order::newest_written(lane).is_some_and(|written| !written.is_of(&previous.owner));
    if !previous.is_ours() || is_anothers || !(is_there || has_open_order) {
        return None;
    }
    let what = if is_there { "left alone" } else { "its order is cancelled" };
    let (workflow, state) = (WorkflowState::NonConforming, ProvisioningState::None);
    let mut properties = previous.properties.clone();
    properties.values_mut().for_each(|property| (property.workflow, property.state) = (workflow, state));
    Some(Assignment {
        wish: Wish::Lose,
        ours: true,
        workflow,
        state,
        linked: is_there,
        note: format!("the resource type {} is no longer in the catalog: {what}", previous.resource_type),
        properties,
        failure: None,
        wanted: None,
        ..previous.clone()
    })
}

impl Situation<'_> {
    /// An earlier computation wanted the owner to have it, and it may exist.
    fn is_ours(&self) -> bool {
        self.previous.is_some_and(Assignment::is_ours)
    }

    fn base(&self, target_key: &str, wish: Wish) -> Assignment {
        let is_there = (self.resource)(target_key).is_some();
        let was_there = self.previous.is_some_and(|previous| previous.linked && previous.target_key == target_key);
        Assignment {
            owner: self.owner.clone(),
            resource_type: self.resource_type.name.to_string(),
            entity_type: self.resource_type.target.to_string(),
            target_key: target_key.to_owned(),
            period: self.period,
            wish,
            linked: is_there || was_there,
            ours: matches!(wish, Wish::Have | Wish::Lose),
            workflow: WorkflowState::Calculated,
            state: ProvisioningState::None,
            note: String::new(),
            why: vec![],
            properties: BTreeMap::new(),
            arguments: BTreeMap::new(),
            failure: None,
            wanted: None,
        }
    }

    /// This owner's orders on a resource of which one may yet be written.
    fn has_open_order(&self, key: &str) -> bool {
        (self.lane)(key).iter().any(|order| order.is_of(self.owner) && order.may_be_written())
    }

    /// What was never seen as ours was written by an order of somebody else's: it is theirs.
    fn is_anothers(&self, previous: &Assignment) -> bool {
        let written = known_order::newest_written((self.lane)(&previous.target_key));
        !previous.linked && written.is_some_and(|order| !order.is_of(self.owner))
    }

    /// Pending, or Awaiting Approval when the resource type is reviewed.
    fn open_state(&self) -> ProvisioningState {
        if self.resource_type.review { ProvisioningState::AwaitingApproval } else { ProvisioningState::Pending }
    }

    /// A rule failed: what is there stays as it is, whatever it is.
    fn unknown(&self, expected: &ExpectedResource) -> Assignment {
        // What is ours stays ours under its own key; a key that only a failing rule gives is nobody's.
        let ours = self.previous.filter(|_| self.is_ours());
        let key = ours.map_or(expected.target_key.as_str(), |previous| previous.target_key.as_str());
        let properties = self.previous.map(|previous| previous.properties.clone()).unwrap_or_default();
        // It was ordered before the rule failed, and has come to be since. What somebody made by hand, or by
        // another's order, did not come from us.
        let has_come = || {
            let written = known_order::newest_written((self.lane)(key));
            written.is_some_and(|order| order.is_of(self.owner))
                && known_order::overlay((self.resource)(key), (self.lane)(key)).is_some()
        };
        Assignment {
            state: ProvisioningState::Error,
            note: expected.failure.as_ref().map(ToString::to_string).unwrap_or_default(),
            why: expected.why.clone(),
            failure: expected.failure.clone(),
            linked: ours.is_some_and(|previous| previous.linked || has_come()),
            ours: ours.is_some(),
            properties,
            ..self.base(key, Wish::Unknown)
        }
    }

    fn waiting(&self, expected: &ExpectedResource, wish: Wish) -> Assignment {
        let note = match (wish, self.period.from) {
            (Wish::Later, Some(from)) => format!("begins {from}"),
            _ => String::new(),
        };
        Assignment { note, why: expected.why.clone(), ..self.base(&expected.target_key, wish) }
    }

    /// The period is over, and nothing of ours is left, or ever was.
    fn past(&self, expected: &ExpectedResource) -> Assignment {
        if (self.resource)(&expected.target_key).is_some() {
            return Assignment {
                workflow: self.found_workflow(),
                note: "found in the managed system; the owner's time is over, and no rule of ours ever gave it".into(),
                ..self.waiting(expected, Wish::Found)
            };
        }
        if let Some(gone) = self.previous.filter(|previous| previous.wish == Wish::Gone)
            && gone.target_key == expected.target_key
        {
            let (state, note) = (gone.state, gone.note.clone());
            let workflow = WorkflowState::Inactive;
            return Assignment { workflow, state, note, ..self.waiting(expected, Wish::Gone) };
        }
        let was_linked = self.is_ours() && self.previous.is_some_and(|previous| previous.linked);
        let was_written = was_linked || known_order::newest_written((self.lane)(&expected.target_key)).is_some();
        if self.is_ours() && !was_written {
            // Its order was cancelled, and says so; an order that expires beside it would say it twice.
            return Assignment {
                workflow: WorkflowState::Inactive,
                state: ProvisioningState::Inactive,
                note: "its period is over; its order was cancelled before anything was written".into(),
                ..self.waiting(expected, Wish::Gone)
            };
        }
        if was_written {
            return Assignment {
                workflow: WorkflowState::Inactive,
                note: "its period is over, and it was taken away".into(),
                ..self.waiting(expected, Wish::Gone)
            };
        }
        Assignment {
            workflow: WorkflowState::Inactive,
            state: ProvisioningState::Inactive,
            note: "its period is over and nothing was ever written".into(),
            ..self.waiting(expected, Wish::Past)
        }
    }

    /// Found before anything of this assignment was computed means Pre-existing.
    fn found_workflow(&self) -> WorkflowState {
        match self.previous {
            Some(previous) if previous.wish != Wish::Found => WorkflowState::NonConforming,
            Some(previous) => previous.workflow,
            None => WorkflowState::PreExisting,
        }
    }

    fn have(&self, expected: &ExpectedResource) -> Assignment {
        let key = &expected.target_key;
        let previous =
            self.previous.filter(|previous| matches!(previous.wish, Wish::Have | Wish::Lose | Wish::Unknown));
        if let Some(renamed) = previous.and_then(|previous| self.renamed(expected, previous)) {
            return renamed;
        }
        let (current, lane) = ((self.resource)(key), (self.lane)(key));
        let coming = known_order::overlay(current, lane);
        let mut assignment = Assignment {
            why: expected.why.clone(),
            arguments: expected.arguments.clone(),
            ..self.base(key, Wish::Have)
        };
        let previous = previous.filter(|previous| previous.target_key == *key);
        let mut changes = Vec::new();
        let no_link = ExpectedValue::default();
        let no_links = ExpectedValue { value: Some(Value::List(vec![])), ..ExpectedValue::default() };
        // Links that were ours stay ours when their last rule goes: nobody else would take them away.
        let ruleless = previous.iter().flat_map(|previous| &previous.properties).filter_map(|(name, before)| {
            let (name, property) = (name.as_str(), self.target.property(name)?);
            let is_left = !before.granted.is_empty() && !expected.values.contains_key(name);
            is_left.then_some((property, if property.multi_valued { &no_links } else { &no_link }))
        });
        // What changes is as sure as the least sure of the rules that change it.
        let mut confidence = CONFIDENT;
        let ruled = expected.values.iter().filter_map(|(name, value)| Some((self.target.property(name)?, value)));
        for (property, value) in ruled.chain(ruleless) {
            let name = &*property.name;
            let Compared { assigned, changes: of_property } = compare(&compare::Question {
                property,
                value,
                previous: previous.and_then(|previous| previous.properties.get(name)),
                current: current.and_then(|values| values.get(name)),
                is_there: current.is_some(),
                coming: coming.as_ref(),
                lane,
                open_state: self.open_state(),
                is_first: self.previous.is_none(),
                seen_at: self.seen_at,
            });
            if !of_property.is_empty() {
                confidence = confidence.min(value.confidence);
            }
            changes.extend(of_property);
            assignment.properties.insert(name.to_owned(), assigned);
        }
        let kind = if coming.is_some() { OrderKind::Update } else { OrderKind::Addition };
        let by_us = known_order::newest(lane).is_some_and(|order| {
            order.kind == OrderKind::Deletion && (order.is_under_way() || order.state == ProvisioningState::Verified)
        });
        let was_there = previous.is_some_and(|previous| previous.linked && previous.wish != Wish::Lose);
        let was_deleted_outside = coming.is_none() && was_there && !by_us;
        assignment.linked = current.is_some() || was_deleted_outside || (coming.is_some() && assignment.linked);
        if was_deleted_outside {
            assignment.workflow = WorkflowState::NonConforming;
            assignment.note = "deleted in the managed system; not created again by itself".into();
        } else if kind == OrderKind::Addition && !self.resource_type.allow_add {
            assignment.note = "not created: allow_add is false; create it in the managed system".into();
        } else if kind == OrderKind::Addition && was_addition_declined(lane, &changes) {
            assignment.workflow = WorkflowState::Declined;
            assignment.state = ProvisioningState::Inactive;
            assignment.note = "declined, and not proposed again until a proposed value changes".into();
        } else if kind == OrderKind::Addition || !changes.is_empty() {
            assignment.state = self.open_state();
            assignment.wanted = Some(self.wanted(kind, changes, confidence));
        } else {
            assignment.state = self.settled(&assignment.properties, current.is_some());
        }
        if assignment.wanted.is_none() && assignment.state != ProvisioningState::Executed && coming.is_none() {
            assignment.properties.values_mut().for_each(|property| property.state = assignment.state);
        }
        assignment
    }

    fn wanted(&self, kind: OrderKind, changes: Vec<Change>, confidence: u32) -> Wanted {
        Wanted { kind, changes, confidence, is_leavers: self.period.is_over(self.now) }
    }

    /// The worst of what has settled: all Verified, or some only Executed. What cannot be read back
    /// has come as far as it can.
    fn settled(&self, properties: &BTreeMap<String, AssignedProperty>, is_there: bool) -> ProvisioningState {
        let is_verified = |(name, property): (&String, &AssignedProperty)| {
            property.state != ProvisioningState::Executed
                || self.target.property(name).is_some_and(|property| property.write_only)
        };
        if is_there && properties.iter().all(is_verified) {
            ProvisioningState::Verified
        } else {
            ProvisioningState::Executed
        }
    }

    /// The key's value changed: the resource of the old key is not given up, and no second one is
    /// made or taken over beside it, until somebody renames it in the managed system. One that was only
    /// ordered is cancelled first: its order may be written until that is done.
    fn renamed(&self, expected: &ExpectedResource, previous: &Assignment) -> Option<Assignment> {
        let (old, new) = (&previous.target_key, &expected.target_key);
        let old_is_there = known_order::overlay((self.resource)(old), (self.lane)(old)).is_some();
        if old == new || !self.is_ours() || self.is_anothers(previous) {
            return None;
        }
        if !old_is_there {
            let note = format!("the key changed from '{old}' to '{new}': the order for '{old}' is cancelled first");
            let kept = || Assignment { note, why: expected.why.clone(), ..self.base(old, Wish::Lose) };
            return self.has_open_order(old).then(kept);
        }
        let failure = RuleFailure {
            rule: format!("resource type {} / scalar {}", self.resource_type.name, self.target.key),
            property: Some(self.target.key.to_string()),
            input: format!("was '{old}', is '{new}'"),
            message: format!(
                "the key changed from '{old}' to '{new}': rename it in the managed system, or mend the source"
            ),
        };
        Some(Assignment {
            state: ProvisioningState::Error,
            note: failure.to_string(),
            failure: Some(failure),
            ..previous.clone()
        })
        .map(|assignment| Assignment {
            wish: Wish::Unknown,
            wanted: None,
            linked: true,
            ours: true,
            ..assignment
        })
    }

    fn why_lost(&self) -> Reason {
        let detail = match (self.owner_is_gone, self.expected.and(self.period.until)) {
            (true, _) => "the owner is no longer in the source".to_owned(),
            (false, Some(until)) if self.period.is_over(self.now) => format!("the owner's time ended {until}"),
            (false, _) if self.expected.is_some() => "the owner's time has yet to begin".to_owned(),
            (false, _) => "no type rule gives it any more".to_owned(),
        };
        Reason { rule: format!("resource type {}", self.resource_type.name), detail }
    }

    /// No rule gives it any more. `None` when nothing is left of it.
    fn lose(&self, previous: &Assignment) -> Option<Assignment> {
        let key = previous.target_key.as_str();
        let (current, lane) = ((self.resource)(key), (self.lane)(key));
        let is_coming = known_order::overlay(current, lane).is_some();
        if self.is_anothers(previous) || (!is_coming && current.is_none() && !self.has_open_order(key)) {
            return None;
        }
        let mut assignment = Assignment {
            why: vec![self.why_lost()],
            properties: previous.properties.clone(),
            linked: previous.linked || current.is_some(),
            ..self.base(key, Wish::Lose)
        };
        for (name, property) in &mut assignment.properties {
            property.current = current.and_then(|values| values.get(name)).cloned();
        }
        let is_allowed = self.resource_type.allow_remove && (!self.owner_is_gone || self.resource_type.remove_orphans);
        let declined = known_order::newest(lane).is_some_and(|order| {
            order.kind == OrderKind::Deletion && order.inactive_reason == Some(InactiveReason::Declined)
        });
        if !is_coming && current.is_none() {
            // Whoever takes its order before it is cancelled makes it exist: until then it stays known.
            assignment.note = "no longer wanted: its order is cancelled".into();
        } else if !is_coming {
            assignment.state = ProvisioningState::Executed;
        } else if declined {
            assignment.workflow = WorkflowState::Declined;
            assignment.note = "its deletion was declined: kept".into();
        } else if !is_allowed {
            assignment.workflow = WorkflowState::NonConforming;
            assignment.note = match self.owner_is_gone {
                true => "its owner has disappeared from the source, and remove_orphans is false: left alone".into(),
                false => "no rule gives it any more, and allow_remove is false: left alone".into(),
            };
        } else {
            assignment.state = self.open_state();
            assignment.wanted = Some(self.wanted(OrderKind::Deletion, vec![], CONFIDENT));
        }
        let state = assignment.state;
        assignment.properties.values_mut().for_each(|property| property.state = state);
        Some(assignment)
    }
}

/// Whether the newest order of the lane is a declined Addition of the very same values.
fn was_addition_declined(lane: &[KnownOrder], changes: &[Change]) -> bool {
    let asks = |changes: &[Change]| {
        let mut asks: Vec<_> = changes
            .iter()
            .map(|change| (change.property.clone(), change.operation, change.proposed.as_ref().map(Value::canonical)))
            .collect();
        asks.sort();
        asks
    };
    known_order::newest(lane).is_some_and(|order| {
        order.kind == OrderKind::Addition
            && order.inactive_reason == Some(InactiveReason::Declined)
            && asks(&order.changes) == asks(changes)
    })
}
