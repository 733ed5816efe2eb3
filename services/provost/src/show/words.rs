//! Names of states, and short ids.

use provost_contract::generator::v1::JobRunState;
use provost_contract::review::v1::ReviewState;
use provost_contract::types::v1::WorkflowState;
use provost_domain::ProvisioningState;

/// A provisioning state's name. The two that are easily taken for each other say whose failure it was.
pub fn provisioning_state(number: i32) -> String {
    match ProvisioningState::from_number(number) {
        Some(ProvisioningState::Errored) => "Errored (system)".to_owned(),
        Some(ProvisioningState::Error) => "Error (rule)".to_owned(),
        Some(state) => state.to_string(),
        None => format!("state {number}"),
    }
}

/// A count of things that are named in the plural, as "3 roles" or "1 role".
pub fn counted(count: i64, things: &str) -> String {
    match things.strip_suffix("ies") {
        _ if count != 1 => format!("{count} {things}"),
        Some(stem) => format!("1 {stem}y"),
        None => format!("1 {}", things.strip_suffix('s').unwrap_or(things)),
    }
}

/// A workflow state's name.
pub fn workflow_state(number: i32) -> String {
    match WorkflowState::try_from(number) {
        Ok(WorkflowState::NonConforming) => "Non-conforming",
        Ok(WorkflowState::PreExisting) => "Pre-existing",
        Ok(WorkflowState::Requested) => "Requested",
        Ok(WorkflowState::PendingApproval) => "Pending Approval",
        Ok(WorkflowState::PendingApproval1Of2) => "Pending Approval 1/2",
        Ok(WorkflowState::PendingApproval2Of2) => "Pending Approval 2/2",
        Ok(WorkflowState::PendingApproval1Of3) => "Pending Approval 1/3",
        Ok(WorkflowState::PendingApproval2Of3) => "Pending Approval 2/3",
        Ok(WorkflowState::PendingApproval3Of3) => "Pending Approval 3/3",
        Ok(WorkflowState::Approved) => "Approved",
        Ok(WorkflowState::Declined) => "Declined",
        Ok(WorkflowState::Calculated) => "Calculated",
        Ok(WorkflowState::Inactive) => "Inactive",
        Ok(WorkflowState::Cancellation) => "Cancellation",
        Ok(WorkflowState::Questioned) => "Questioned",
        Ok(WorkflowState::Prolonged) => "Prolonged",
        Ok(WorkflowState::GivenByARole) => "Given by a role",
        Ok(WorkflowState::Unspecified) => "",
        Err(_) => return format!("state {number}"),
    }
    .to_owned()
}

/// A review's state.
pub fn review_state(number: i32) -> String {
    match ReviewState::try_from(number) {
        Ok(ReviewState::Open) => "Open",
        Ok(ReviewState::Postponed) => "Postponed",
        Ok(ReviewState::Approved) => "Approved",
        Ok(ReviewState::Declined) => "Declined",
        Ok(ReviewState::Withdrawn) => "Withdrawn",
        Ok(ReviewState::Unspecified) | Err(_) => return format!("state {number}"),
    }
    .to_owned()
}

/// A run's or a task's state.
pub fn job_state(state: JobRunState) -> &'static str {
    match state {
        JobRunState::Unspecified => "unknown",
        JobRunState::Waiting => "waiting",
        JobRunState::Running => "running",
        JobRunState::Completed => "completed",
        JobRunState::Warning => "completed with warnings",
        JobRunState::Errored => "failed",
        JobRunState::Blocked => "blocked",
        JobRunState::Cancelled => "cancelled",
    }
}

/// The end of an id, which is enough to name it: ids that sort by time begin alike.
pub fn short(id: &str) -> &str {
    match id.rsplit_once('-') {
        Some((_, end)) if id.len() == 36 => end,
        _ => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_the_names_of_the_domain() {
        assert_eq!(provisioning_state(5), "Awaiting Approval");
        assert_eq!(provisioning_state(99), "state 99");
        assert_eq!((provisioning_state(3), provisioning_state(7)), ("Errored (system)".into(), "Error (rule)".into()));
        assert_eq!(workflow_state(118), "Given by a role");
        assert_eq!(review_state(2), "Postponed");
        assert_eq!(job_state(JobRunState::Errored), "failed");
    }

    #[test]
    fn one_thing_is_named_in_the_singular() {
        assert_eq!([counted(0, "roles"), counted(2, "roles")], ["0 roles", "2 roles"]);
        assert_eq!([counted(1, "contexts"), counted(1, "policies")], ["1 context", "1 policy"]);
    }

    #[test]
    fn short_ids_are_the_last_group() {
        assert_eq!(short("019aa5c0-0000-7000-8000-0123456789ab"), "0123456789ab");
        assert_eq!(short("complete-1"), "complete-1");
    }
}
