//! Matching what the rules give with what was assigned before, what synchronization found and what
//! is already ordered (domain.md, "Computing the role model", steps 3, 4, 6 and 7).
//!
//! The rule that must hold: nothing found in a managed system is overwritten or taken away without a
//! rule change, a source change or a person's word. So only what an earlier computation assigned can
//! be lost, and what once was as wanted and no longer is, with nothing changed on our side, is a
//! drift: it is shown and left alone.

mod arguments;
mod compare;
mod have;
mod leave;
mod left_behind;
#[cfg(test)]
mod tests;

pub use left_behind::{Remains, left_behind};

use super::catalog::{CONFIDENT, EntityType, ResourceType};
use super::comparison::Comparisons;
use super::decision::{Decided, Decision, Verdict, carried_out};
use super::evaluate::OrderArguments;
use super::expected::{Correlated, ExpectedResource};
use super::known_order::{self, KnownOrder, Over};
use provost_domain::{
    Change, OrderId, OrderKind, Owner, Period, ProvisioningState, Reason, RuleFailure, Timestamp, Value, WorkflowState,
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
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
    /// A rule failed, so nobody knows. Where it leaves open some values of what the owner has, and no more, the owner
    /// shall still have the rest.
    Unknown,
    /// The owner shall have it, under the key of something that a person decided to delete: once that is gone.
    Behind,
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
    /// Hints for the package, those of the wanted order with them.
    pub arguments: BTreeMap<String, String>,
    /// Hints that look at the order, as a deletion would carry them: its owner may be gone by then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub at_deletion: BTreeMap<String, String>,
    /// The rule that failed.
    pub failure: Option<RuleFailure>,
    /// The order that would close the difference.
    pub wanted: Option<Wanted>,
    /// Empty for the owner's first resource of the type; of others beside it, the target key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub slot: String,
    /// How sure the rules behind the wanted order are, 0 to 150; below 100 a person looks at it first.
    #[serde(default = "confident", skip_serializing_if = "is_confident")]
    pub confidence: u32,
    /// The existing resource that it was found to be, under a key of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlated: Option<Correlated>,
    /// An existing resource that only seems to be the owner's: nobody confirmed it yet.
    #[serde(default, skip_serializing_if = "is_not")]
    pub proposed: bool,
    /// It comes from the look at resources that nobody has, and not from the owner's rules.
    #[serde(default, skip_serializing_if = "is_not")]
    pub found: bool,
    /// Its owner has disappeared from the source.
    #[serde(default, skip_serializing_if = "is_not")]
    pub orphaned: bool,
    /// The newest decision to write that was carried out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub decided: i64,
    /// The owner's time is over, though not that of what it still has: what is ordered disables a leaver, and
    /// goes ahead of what others wait for.
    #[serde(default, skip_serializing_if = "is_not")]
    pub leaving: bool,
    /// An order of ours made the resource; it was not found.
    #[serde(default, skip_serializing_if = "is_not")]
    pub created: bool,
    /// Its owner has left, and a reviewer declined that it goes: somebody has to say what becomes of it.
    #[serde(default, skip_serializing_if = "is_not")]
    pub left: bool,
    /// What reviewers declined, and was wanted otherwise since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<Over>,
}

const fn confident() -> u32 {
    CONFIDENT
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_confident(confidence: &u32) -> bool {
    *confidence == CONFIDENT
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_not(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Assignment {
    /// A rule gave it, and it may exist.
    pub(crate) const fn is_ours(&self) -> bool {
        match self.wish {
            Wish::Have | Wish::Lose => !self.proposed,
            // A failure hides what was wanted before; what was ours by then still is.
            Wish::Unknown => self.linked || self.ours,
            Wish::Later | Wish::Past | Wish::Found | Wish::Gone | Wish::Behind => false,
        }
    }

    /// It is its owner's, and there: synchronization has shown it, or it was written and is not seen yet. What
    /// thresholds count against.
    pub(crate) fn exists(&self) -> bool {
        if self.found || self.proposed {
            return false;
        }
        let is_written = || match (self.wanted.as_ref().map(|wanted| wanted.kind), self.wish) {
            // Nothing is changed or deleted but what is there, or is on its way.
            (Some(OrderKind::Update | OrderKind::Deletion), _) => true,
            (None, Wish::Have) => {
                self.state == ProvisioningState::Executed && self.workflow != WorkflowState::NonConforming
            }
            // Left alone, and for once not by an order that was executed.
            (None, Wish::Lose) => matches!(
                self.workflow,
                WorkflowState::Declined | WorkflowState::NonConforming | WorkflowState::Approved
            ),
            _ => false,
        };
        self.linked || is_written()
    }

    /// A rule failed, so that nobody knows what the owner shall have, or all of it. A rule that fails on what was found
    /// leaves that where it is.
    pub(crate) const fn has_failed(&self) -> bool {
        self.failure.is_some() && !self.found
    }

    /// A rule failed, and nothing certain is left to write: its order is an Error.
    pub(crate) const fn is_error(&self) -> bool {
        self.has_failed() && self.wanted.is_none()
    }

    /// A rule failed, so that nobody knows what the property shall be.
    pub(crate) fn leaves_open(&self, property: &str) -> bool {
        let is_open =
            || self.properties.get(property).is_none_or(|property| property.state == ProvisioningState::Error);
        self.has_failed() && (self.wish != Wish::Have || is_open())
    }

    /// One that says nothing yet but whose it is, and by which resource type.
    pub(crate) fn empty(owner: Owner, resource_type: &str) -> Self {
        Self {
            owner,
            resource_type: resource_type.to_owned(),
            entity_type: String::new(),
            target_key: String::new(),
            period: Period::default(),
            wish: Wish::Have,
            linked: false,
            ours: false,
            workflow: WorkflowState::Calculated,
            state: ProvisioningState::None,
            note: String::new(),
            why: vec![],
            properties: BTreeMap::new(),
            arguments: BTreeMap::new(),
            at_deletion: BTreeMap::new(),
            failure: None,
            wanted: None,
            slot: String::new(),
            confidence: CONFIDENT,
            correlated: None,
            proposed: false,
            found: false,
            orphaned: false,
            decided: 0,
            leaving: false,
            created: false,
            left: false,
            over: vec![],
        }
    }

    /// Under which name an owner's assignment is kept: its resource type's, and of one beside the first the
    /// target key's as well.
    pub(crate) fn place(&self) -> String {
        place(&self.resource_type, &self.slot)
    }
}

/// Under which name an assignment of a resource type is kept; an empty slot is the first.
pub(crate) fn place(resource_type: &str, slot: &str) -> String {
    // The unit separator cannot occur in a catalog name.
    if slot.is_empty() { resource_type.to_owned() } else { format!("{resource_type}\u{1f}{slot}") }
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
    /// Links that are ours, and may be taken away again: given by a rule now, or given before and not yet gone. Of a
    /// value: the one that a rule gave before, that is not yet gone, and that no rule gives now.
    pub granted: Vec<Value>,
    /// What synchronization has shown to be as wanted: the value, or those items of the list.
    pub conformed: Option<Value>,
    /// Synchronization has shown the value to be as wanted, also when that is no value at all.
    #[serde(default)]
    pub has_conformed: bool,
    /// Links that are there, that no rule gives, and on which nobody decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strange: Vec<Value>,
    /// Links that are wanted, were there, and are gone; nobody decided on them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Value>,
    /// Decisions to keep that no longer hold, since what the rules say changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spent: Vec<i64>,
}

/// An order that would close a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// What it does.
    pub kind: OrderKind,
    /// What it changes.
    pub changes: Vec<Change>,
}

/// The argument that names a person's decision.
const ASKED_BY: &str = "reconciliation";

/// The argument by which an order says that a person asked for it. It makes the order another one than the order
/// before it that asked for the same and was declined, or executed without effect.
fn asked_by(decision: &Decision) -> (String, String) {
    (ASKED_BY.to_owned(), decision.id.clone())
}

/// The argument that names an order that was declined before.
const AGAIN: &str = "again_after";

/// The argument by which an order says that the same was declined, and was wanted otherwise since: it makes the order
/// another one than that.
fn again_after(declined: OrderId) -> (String, String) {
    (AGAIN.to_owned(), declined.to_string())
}

/// Everything that the comparison of one assignment looks at.
#[derive(Clone, Copy)]
pub struct Situation<'a, 'r> {
    /// The resource type.
    pub resource_type: &'a ResourceType,
    /// Its target entity type.
    pub target: &'a EntityType,
    /// How its properties are compared.
    pub comparisons: Comparisons<'a>,
    /// Whose.
    pub owner: &'a Owner,
    /// The owner is no longer in the repository.
    pub owner_is_gone: bool,
    /// The owner is no longer in the repository, or its time is over.
    pub owner_left: bool,
    /// What the rules give; none when no type rule does.
    pub expected: Option<&'a ExpectedResource>,
    /// What was assigned last time.
    pub previous: Option<&'a Assignment>,
    /// The synchronized resource of a key.
    pub resource: &'a dyn Fn(&str) -> Option<&'r BTreeMap<String, Value>>,
    /// The orders of a key's lane, oldest first.
    pub lane: &'a dyn Fn(&str) -> &'r [KnownOrder],
    /// What people decided.
    pub decided: Decided<'a>,
    /// When the export began that the repository shows; none before the first.
    pub seen_at: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
    /// What the arguments that look at the order say of one.
    pub arguments: &'a dyn Fn(OrderKind, &[Change]) -> OrderArguments,
}

/// Compares one owner's one resource type: the assignment to keep, or none when there is nothing (more)
/// to keep.
pub fn assign(situation: &Situation<'_, '_>) -> Option<Assignment> {
    let previous = situation.previous.map(|previous| carried_out(previous, situation.decided));
    let situation = &Situation { previous: previous.as_deref(), ..*situation };
    let Situation { expected, previous, now, .. } = *situation;
    let lost = || previous.filter(|_| situation.is_ours()).and_then(|previous| situation.lose(previous));
    let due = expected.map(|expected| expected.due(situation.resource_type.fulfill_ahead_hours)).unwrap_or_default();
    let assigned = match expected {
        // The period comes first: whoever left, leaves, whatever the rules now say of the rest.
        Some(expected) if due.is_future(now) && !situation.is_ours() => Some(situation.waiting(expected, Wish::Later)),
        Some(expected) if due.is_over(now) && !situation.is_ours() => Some(situation.past(expected)),
        Some(expected) if due.contains(now) && expected.failure.is_some() => {
            situation.have_in_part(expected).or_else(|| Some(situation.unknown(expected)))
        }
        Some(expected) if due.contains(now) => match &expected.behind {
            Some(why) => Some(situation.behind(expected, why)),
            None => Some(situation.have(expected)),
        },
        // Once nothing is left to take away, that is said at once: the next run finds it settled.
        Some(expected) if due.is_over(now) => lost().or_else(|| Some(situation.past(expected))),
        Some(expected) if due.is_future(now) => lost().or_else(|| Some(situation.again(expected))),
        Some(_) | None => lost(),
    };
    assigned.map(|assigned| situation.argued(assigned))
}

impl<'a, 'r> Situation<'a, 'r> {
    /// An earlier computation wanted the owner to have it, and it may exist.
    fn is_ours(&self) -> bool {
        self.previous.is_some_and(Assignment::is_ours)
    }

    fn base(&self, target_key: &str, wish: Wish) -> Assignment {
        let is_there = (self.resource)(target_key).is_some();
        let was_there = self.previous.is_some_and(|previous| previous.linked && previous.target_key == target_key);
        let slot = self.expected.map(|expected| &expected.slot).or(self.previous.map(|previous| &previous.slot));
        let period = self.expected.map(|expected| expected.period).or(self.previous.map(|previous| previous.period));
        Assignment {
            entity_type: self.resource_type.target.to_string(),
            target_key: target_key.to_owned(),
            period: period.unwrap_or_default(),
            wish,
            linked: is_there || was_there,
            ours: matches!(wish, Wish::Have | Wish::Lose),
            workflow: self.expected.map_or(WorkflowState::Calculated, |expected| expected.workflow),
            slot: slot.cloned().unwrap_or_default(),
            orphaned: self.owner_is_gone,
            decided: self.previous.map_or(0, |previous| previous.decided),
            over: self
                .previous
                .filter(|previous| previous.target_key == target_key)
                .map(|previous| previous.over.clone())
                .unwrap_or_default(),
            ..Assignment::empty(self.owner.clone(), &self.resource_type.name)
        }
    }

    /// This owner's orders on a resource of which one may yet be written.
    fn has_open_order(&self, key: &str) -> bool {
        (self.lane)(key).iter().any(|order| order.is_of(self.owner) && order.may_be_written())
    }

    /// An order of this owner made the resource, or is making it, and nothing deleted it since.
    fn was_created(&self, key: &str) -> bool {
        let made = |order: &&KnownOrder| matches!(order.kind, OrderKind::Addition | OrderKind::Deletion);
        let written = |order: &&KnownOrder| order.is_under_way() || order.state == ProvisioningState::Verified;
        let newest = (self.lane)(key).iter().rev().filter(written).find(made);
        newest.is_some_and(|order| order.kind == OrderKind::Addition && order.is_of(self.owner))
    }

    /// This owner's order wrote it, or is writing it.
    fn was_written(&self, key: &str) -> bool {
        known_order::newest_written((self.lane)(key)).is_some_and(|order| order.is_of(self.owner))
    }

    /// The resource once everything under way has arrived. What was written and did not come, and what a person
    /// decided to write anew, is no longer under way.
    fn coming(&self, key: &str) -> Option<Cow<'r, BTreeMap<String, Value>>> {
        let write_at = self.write_at(key);
        let is_under_way = |order: &&KnownOrder| {
            !(order.had_to_show(self.seen_at) && write_at.is_some_and(|at| order.generated_at <= at))
        };
        known_order::overlay((self.resource)(key), (self.lane)(key).iter().filter(is_under_way), self.comparisons)
    }

    /// When a person decided to write the resource anew.
    fn write_at(&self, key: &str) -> Option<Timestamp> {
        Some(self.decision(key).filter(|decision| decision.verdict == Verdict::Write)?.at)
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

    /// What people decided on the resource as a whole.
    fn decision(&self, key: &str) -> Option<&'a Decision> {
        self.decided.on_resource(&self.resource_type.target, key, self.owner)
    }

    /// Found before anything of this assignment was computed means Pre-existing.
    fn found_workflow(&self) -> WorkflowState {
        match self.previous {
            Some(previous) if previous.wish != Wish::Found => WorkflowState::NonConforming,
            Some(previous) if previous.workflow != WorkflowState::Approved => previous.workflow,
            Some(_) => WorkflowState::NonConforming,
            None => WorkflowState::PreExisting,
        }
    }

    /// A rule failed: what is there stays as it is, whatever it is.
    fn unknown(&self, expected: &ExpectedResource) -> Assignment {
        self.unknown_because(expected, expected.failure.as_ref())
    }

    fn unknown_because(&self, expected: &ExpectedResource, failure: Option<&RuleFailure>) -> Assignment {
        // What is ours stays ours under its own key; a key that only a failing rule gives is nobody's.
        let ours = self.previous.filter(|_| self.is_ours());
        let key = ours.map_or(expected.target_key.as_str(), |previous| previous.target_key.as_str());
        let properties = self.previous.map(|previous| previous.properties.clone()).unwrap_or_default();
        // It was ordered before the rule failed, and has come to be since. What somebody made by hand, or by
        // another's order, did not come from us.
        let has_come = || self.was_written(key) && self.coming(key).is_some();
        Assignment {
            state: ProvisioningState::Error,
            note: failure.map(ToString::to_string).unwrap_or_default(),
            why: expected.why.clone(),
            failure: failure.cloned(),
            linked: ours.is_some_and(|previous| previous.linked || has_come()),
            ours: ours.is_some(),
            correlated: ours.and_then(|previous| previous.correlated.clone()),
            // Should it be lost before the rule is mended, these are the last that were computed.
            arguments: self.previous.map(|previous| previous.arguments.clone()).unwrap_or_default(),
            properties,
            ..self.base(key, Wish::Unknown)
        }
    }

    /// What was had before is gone, and there will be one again.
    fn again(&self, expected: &ExpectedResource) -> Assignment {
        let linked = (self.resource)(&expected.target_key).is_some();
        Assignment { linked, ..self.waiting(expected, Wish::Later) }
    }

    /// What stands under its key is to be deleted, and is not the owner's: nothing of it is taken over.
    fn behind(&self, expected: &ExpectedResource, why: &str) -> Assignment {
        let previous =
            self.previous.filter(|previous| matches!(previous.wish, Wish::Have | Wish::Lose | Wish::Unknown));
        let waits = || Assignment { linked: false, note: why.to_owned(), ..self.waiting(expected, Wish::Behind) };
        previous.and_then(|previous| self.renamed(expected, previous)).unwrap_or_else(waits)
    }

    fn waiting(&self, expected: &ExpectedResource, wish: Wish) -> Assignment {
        let note = match (wish, expected.period.from) {
            (Wish::Later, Some(from)) => format!("begins {from}"),
            _ => String::new(),
        };
        Assignment { note, why: expected.why.clone(), ..self.base(&expected.target_key, wish) }
    }
}
