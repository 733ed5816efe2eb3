//! The workflow state: how an assignment came to be approved. The other axis, beside the
//! provisioning state. Numbers as in domain.md, "Workflow states".

use serde::{Deserialize, Serialize};

/// How an assignment came to be approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WorkflowState {
    /// Found by a synchronization; no rule supports it.
    NonConforming = 1,
    /// As [`Self::NonConforming`], found by the first synchronization.
    PreExisting = 3,
    /// All approval steps passed.
    Approved = 16,
    /// Refused.
    Declined = 17,
    /// Given by a rule.
    Calculated = 18,
    /// Expired, not yet removed.
    Inactive = 19,
    /// Inferred from a role.
    GivenByARole = 118,
}
