//! The workflow state: how an assignment came to be approved. The other axis, beside the
//! provisioning state. Numbers as in domain.md, "Workflow states".

use serde::{Deserialize, Serialize};
use std::fmt;

/// Under which name rules decide that stand for people who do not. It is no person: approvals by it do not
/// count as anybody's.
pub const AUTOMATION: &str = "automation";

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

impl WorkflowState {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::NonConforming,
        Self::PreExisting,
        Self::Requested,
        Self::PendingApproval,
        Self::PendingApproval1Of2,
        Self::PendingApproval2Of2,
        Self::PendingApproval1Of3,
        Self::PendingApproval2Of3,
        Self::PendingApproval3Of3,
        Self::Approved,
        Self::Declined,
        Self::Calculated,
        Self::Inactive,
        Self::Cancellation,
        Self::Questioned,
        Self::Prolonged,
        Self::GivenByARole,
    ];

    /// The number on the wire and in tables.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The inverse of [`Self::number`].
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }

    /// The state that waits for an approval, by its step of so many; `None` when there is no such step.
    ///
    /// ```
    /// use provost_domain::WorkflowState;
    /// assert_eq!(WorkflowState::pending(2, 3), Some(WorkflowState::PendingApproval2Of3));
    /// assert_eq!(WorkflowState::pending(2, 1), None);
    /// ```
    pub const fn pending(step: u32, steps: u32) -> Option<Self> {
        match (step, steps) {
            (1, 1) => Some(Self::PendingApproval),
            (1, 2) => Some(Self::PendingApproval1Of2),
            (2, 2) => Some(Self::PendingApproval2Of2),
            (1, 3) => Some(Self::PendingApproval1Of3),
            (2, 3) => Some(Self::PendingApproval2Of3),
            (3, 3) => Some(Self::PendingApproval3Of3),
            _ => None,
        }
    }

    /// Which step of how many it waits for; `None` when it waits for no approval.
    pub const fn step(self) -> Option<(u32, u32)> {
        match self {
            Self::PendingApproval => Some((1, 1)),
            Self::PendingApproval1Of2 => Some((1, 2)),
            Self::PendingApproval2Of2 => Some((2, 2)),
            Self::PendingApproval1Of3 => Some((1, 3)),
            Self::PendingApproval2Of3 => Some((2, 3)),
            Self::PendingApproval3Of3 => Some((3, 3)),
            Self::NonConforming
            | Self::PreExisting
            | Self::Requested
            | Self::Approved
            | Self::Declined
            | Self::Calculated
            | Self::Inactive
            | Self::Cancellation
            | Self::Questioned
            | Self::Prolonged
            | Self::GivenByARole => None,
        }
    }
}

impl fmt::Display for WorkflowState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NonConforming => "Non-conforming",
            Self::PreExisting => "Pre-existing",
            Self::Requested => "Requested",
            Self::PendingApproval => "Pending Approval",
            Self::PendingApproval1Of2 => "Pending Approval 1/2",
            Self::PendingApproval2Of2 => "Pending Approval 2/2",
            Self::PendingApproval1Of3 => "Pending Approval 1/3",
            Self::PendingApproval2Of3 => "Pending Approval 2/3",
            Self::PendingApproval3Of3 => "Pending Approval 3/3",
            Self::Approved => "Approved",
            Self::Declined => "Declined",
            Self::Calculated => "Calculated",
            Self::Inactive => "Inactive",
            Self::Cancellation => "Cancellation",
            Self::Questioned => "Questioned",
            Self::Prolonged => "Prolonged",
            Self::GivenByARole => "Given by a role",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_states_go_there_and_back() {
        let waiting = WorkflowState::ALL.into_iter().filter_map(|state| Some((state, state.step()?)));
        let there: Vec<_> =
            waiting.map(|(state, (step, steps))| (Some(state), WorkflowState::pending(step, steps))).collect();
        assert_eq!(there.len(), 6);
        assert!(there.iter().all(|(state, again)| state == again));
        for state in WorkflowState::ALL {
            assert_eq!(WorkflowState::from_number(state.number()), Some(state));
        }
        assert_eq!(WorkflowState::from_number(2), None);
        assert_eq!((WorkflowState::pending(0, 1), WorkflowState::pending(4, 3)), (None, None));
    }
}
