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
    /// Asked for; nobody was asked to approve it yet.
    Requested = 4,
    /// Waits for the one approval that it takes.
    PendingApproval = 8,
    /// Waits for the first of two approvals.
    PendingApproval1Of2 = 9,
    /// Waits for the second of two approvals.
    PendingApproval2Of2 = 10,
    /// Waits for the first of three approvals.
    PendingApproval1Of3 = 11,
    /// Waits for the second of three approvals.
    PendingApproval2Of3 = 12,
    /// Waits for the last of three approvals.
    PendingApproval3Of3 = 13,
    /// All approval steps passed.
    Approved = 16,
    /// Refused.
    Declined = 17,
    /// Given by a rule.
    Calculated = 18,
    /// Expired, not yet removed.
    Inactive = 19,
    /// Goes because a role that it came with was taken away.
    Cancellation = 20,
    /// Approved by a person; the source has changed since, and would change it.
    Questioned = 24,
    /// Lost by a change of rules, and kept for a grace period.
    Prolonged = 27,
    /// Inferred from a role.
    GivenByARole = 118,
}
