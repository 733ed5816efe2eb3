//! What people decided that an owner shall have, or shall not have, beside what rules say (domain.md,
//! "Workflow states"): the outcome of requests, as the evaluation sees it.

use super::catalog::Name;
use provost_domain::{Period, WorkflowState};

/// One decision of people on what an owner has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The request behind it.
    pub request_id: String,
    /// A role, single or composite, or a resource type.
    pub what: Granted,
    /// When it counts.
    pub period: Period,
    /// The owner shall not have it, whatever rules say; else the owner shall.
    pub denied: bool,
    /// How it came to be approved.
    pub workflow: WorkflowState,
    /// Who asked, and who approved, in a sentence.
    pub because: String,
}

/// What is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Granted {
    /// A role, single or composite.
    Role(Name),
    /// A resource type.
    ResourceType(Name),
}
