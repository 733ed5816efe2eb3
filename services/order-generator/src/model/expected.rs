//! What the rules give one owner: the result of evaluating, before anything is compared with what
//! exists (domain.md, "Computing the role model", steps 1, 2 and 5).

use super::catalog::Name;
use provost_domain::{Owner, Period, Reason, RuleFailure, Value};
use std::collections::BTreeMap;

/// What the rules give one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Who.
    pub owner: Owner,
    /// When the owner counts.
    pub period: Period,
    /// Roles, by name.
    pub roles: Vec<ExpectedRole>,
    /// Resources, by resource type; whether the period has begun or is over is not yet judged.
    pub resources: Vec<ExpectedResource>,
}

/// A role that a rule gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedRole {
    /// The role.
    pub role: Name,
    /// The rule that gave it.
    pub why: Vec<Reason>,
}

/// A resource that a type rule gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedResource {
    /// The resource type.
    pub resource_type: Name,
    /// The target resource's key; empty when its rule failed.
    pub target_key: String,
    /// A value for every property that a rule speaks of; links as a list.
    pub values: BTreeMap<Name, ExpectedValue>,
    /// Hints for the package.
    pub arguments: BTreeMap<String, String>,
    /// The rules that gave the resource, outermost first.
    pub why: Vec<Reason>,
    /// The first rule that failed; then nothing of this resource is written (state 7).
    pub failure: Option<RuleFailure>,
}

/// A value that a rule gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectedValue {
    /// The value; none means that the property shall be empty.
    pub value: Option<Value>,
    /// The rules that gave it.
    pub why: Vec<Reason>,
}
