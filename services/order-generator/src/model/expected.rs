//! What the rules give one owner: the result of evaluating, before anything is compared with what
//! exists (domain.md, "Computing the role model", steps 1, 2 and 5).

use super::catalog::{CONFIDENT, Name};
use super::correlate::Suspect;
use provost_domain::{Owner, Period, Reason, RuleFailure, Timestamp, Value, WorkflowState};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const MILLIS_PER_HOUR: i64 = 3_600_000;

/// What the rules give one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Who.
    pub owner: Owner,
    /// When the owner counts.
    pub period: Period,
    /// Roles, single and composite, by name.
    pub roles: Vec<ExpectedRole>,
    /// Resources, by resource type; whether the period has begun or is over is not yet judged.
    pub resources: Vec<ExpectedResource>,
    /// Existing resources that are the owner's by their key or by rules, and that no rule gives the owner.
    pub suspects: Vec<Suspect>,
    /// The next instant at which the same rules, on the same data, may say something else; none is never.
    pub next_change: Option<Timestamp>,
    /// Each dimension with each value that any context has of it; without one where it cannot be told.
    pub dimensions: BTreeSet<(Name, Option<String>)>,
}

impl Expected {
    /// Existing resources that may be the owner's: resource types and keys.
    pub fn candidates(&self) -> impl Iterator<Item = (&str, &str)> {
        let given = self.resources.iter().flat_map(|resource| {
            resource.candidates.iter().map(|candidate| (&*resource.resource_type, candidate.key.as_str()))
        });
        let suspects = self.suspects.iter().map(|one| (&*one.resource_type, one.candidate.key.as_str()));
        given.chain(suspects)
    }
}

/// A role that a rule or a person gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedRole {
    /// The role.
    pub role: Name,
    /// It is a composite role.
    pub is_composite: bool,
    /// When it counts.
    pub period: Period,
    /// How it came to be approved.
    pub workflow: WorkflowState,
    /// The rule that gave it.
    pub why: Vec<Reason>,
}

/// A resource that a type rule or a person gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedResource {
    /// The resource type.
    pub resource_type: Name,
    /// When it counts: the type rule's time, and that of all its values.
    pub period: Period,
    /// When something gives it: its period without what rules with offsets add.
    pub given: Period,
    /// How it came to be approved.
    pub workflow: WorkflowState,
    /// The target resource's key; empty when its rule failed.
    pub target_key: String,
    /// A value for every property that a rule speaks of; links as a list.
    pub values: BTreeMap<Name, ExpectedValue>,
    /// Hints for the package that are the same for every order.
    pub arguments: BTreeMap<String, String>,
    /// Hints that look at the order, as a deletion would carry them; none is no hint. Those that fail are not there.
    pub at_deletion: BTreeMap<String, Option<String>>,
    /// The rules that gave the resource, outermost first.
    pub why: Vec<Reason>,
    /// The first rule that failed (state 7); then the resource is not created, and of one that exists nothing is
    /// written that the failure leaves open.
    pub failure: Option<RuleFailure>,
    /// The properties that a failure leaves open, where everything else is certain. None when nothing failed, and when
    /// nobody knows whether the owner shall have the resource, or which one it is.
    pub open: Option<BTreeSet<Name>>,
    /// What it needs before it is created, and does not have yet, in a sentence.
    pub waits_for: Option<String>,
    /// Empty for the first one of its resource type; of others the owner has beside it, the target key.
    pub slot: String,
    /// The existing resource that it was found to be; then `target_key` is that one's key, and not what
    /// rules say.
    pub correlated: Option<Correlated>,
    /// The existing resources that it may be, best first, before it is settled which of them it is.
    pub candidates: Vec<Candidate>,
    /// What stands under its key is to be deleted, by whose decision, in a sentence: it is made once that is gone.
    pub behind: Option<String>,
    /// A resource stands under its key that must not be taken for it, and why: it fails unless it is found to be
    /// another one.
    pub refused: Option<RuleFailure>,
}

impl ExpectedResource {
    /// A rule failed, so that nobody knows what the property shall be.
    pub fn leaves_open(&self, property: &str) -> bool {
        self.open.as_ref().is_some_and(|open| open.contains(property))
    }

    /// When its orders may go out: its period, begun so many hours earlier.
    pub fn due(&self, ahead_hours: u32) -> Period {
        let ahead = i64::from(ahead_hours) * MILLIS_PER_HOUR;
        let from = self.period.from.map(|from| Timestamp::from_millis(from.millis().saturating_sub(ahead)));
        Period { from, ..self.period }
    }
}

/// An existing resource that nobody has, and that may be the owner's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its key.
    pub key: String,
    /// By which rule, and on what.
    pub why: Reason,
    /// How sure that is, 0 to 150, with all that speaks against it.
    pub confidence: u32,
    /// How sure the rule itself is, 0 to 150: by that, of several the best is chosen.
    pub weight: u32,
}

/// How an existing resource was found to be the owner's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correlated {
    /// By which rule, and on what.
    pub why: Reason,
    /// How sure that is, 0 to 150.
    pub confidence: u32,
    /// The key that rules say, which this one does not have.
    pub rule_key: String,
}

/// A value that a rule gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedValue {
    /// The value; none means that the property shall be empty.
    pub value: Option<Value>,
    /// How sure the rules behind it are: the least of them, 0 to 150.
    pub confidence: u32,
    /// The rules that gave it.
    pub why: Vec<Reason>,
}

impl Default for ExpectedValue {
    fn default() -> Self {
        Self { value: None, confidence: CONFIDENT, why: vec![] }
    }
}
