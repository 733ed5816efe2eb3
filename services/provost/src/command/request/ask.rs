//! `request add OWNER NAME` and `request revoke OWNER NAME`: the same road with two ends, so one file.

use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::{asked_for, short, wish, workflow_state};
use provost_contract::generator::v1::{AssignmentRequestRecord, RequestAssignmentRequest, RevokeAssignmentRequest};
use provost_contract::to_wire;
use provost_domain::Timestamp;

/// For whom, what, and when.
#[derive(Debug, clap::Args)]
struct What {
    /// The owner's key, for example an employee number.
    owner: String,
    /// The role, single or composite; with `--resource-type`, the resource type.
    #[arg(value_name = "NAME")]
    name: String,
    /// NAME is a resource type.
    #[arg(long)]
    resource_type: bool,
    /// The owner's entity type, when several kinds of things own resources.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    entity_type: String,
    /// From when, for example 2026-03-01 or 2026-03-01T08:00:00Z; now, when it is not given.
    #[arg(long, value_name = "WHEN", value_parser = instant)]
    from: Option<Timestamp>,
    /// Until when; the first instant that no longer counts.
    #[arg(long, value_name = "WHEN", value_parser = instant)]
    until: Option<Timestamp>,
}

/// What to ask for.
#[derive(Debug, clap::Args)]
pub struct AddArguments {
    #[command(flatten)]
    what: What,
    /// What for; who approves reads it.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    comment: String,
}

/// What to take away.
#[derive(Debug, clap::Args)]
pub struct RevokeArguments {
    #[command(flatten)]
    what: What,
    /// Why; who approves reads it.
    #[arg(long, short)]
    comment: String,
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "write a date like 2026-03-01, or 2026-03-01T08:00:00Z".to_owned())
}

/// A name as a role, or as a resource type.
fn role_or_type(name: String, is_resource_type: bool) -> (String, String) {
    if is_resource_type { (String::new(), name) } else { (name, String::new()) }
}

pub(super) async fn add(arguments: AddArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let AddArguments { what, comment } = arguments;
    let (role, resource_type) = role_or_type(what.name, what.resource_type);
    let message = RequestAssignmentRequest {
        request_id: provost_service_kit::new_id().to_string(),
        owner_entity_type: what.entity_type,
        owner_key: what.owner,
        role,
        resource_type,
        valid_from: what.from.map(to_wire::timestamp),
        valid_until: what.until.map(to_wire::timestamp),
        comment,
    };
    let answer = session.clients.assignments().request_assignment(session.clients.request(message)).await;
    let made = session.clients.answer(Service::OrderGenerator, answer)?;
    tell(&made, session)
}

pub(super) async fn revoke(arguments: RevokeArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let RevokeArguments { what, comment } = arguments;
    let (role, resource_type) = role_or_type(what.name, what.resource_type);
    let message = RevokeAssignmentRequest {
        request_id: provost_service_kit::new_id().to_string(),
        owner_entity_type: what.entity_type,
        owner_key: what.owner,
        role,
        resource_type,
        valid_from: what.from.map(to_wire::timestamp),
        valid_until: what.until.map(to_wire::timestamp),
        comment,
    };
    let answer = session.clients.assignments().revoke_assignment(session.clients.request(message)).await;
    let made = session.clients.answer(Service::OrderGenerator, answer)?;
    tell(&made, session)
}

fn tell(made: &AssignmentRequestRecord, session: &mut Session) -> Result<Outcome, Failure> {
    if session.is_json() {
        session.json("provost.generator.v1.AssignmentRequestRecord", made)?;
        return Ok(Outcome::Done);
    }
    let lines = lines(made);
    session.console.lines(lines)?;
    Ok(Outcome::Done)
}

fn lines(made: &AssignmentRequestRecord) -> Vec<String> {
    let request = made.request.clone().unwrap_or_default();
    let id = short(&request.request_id);
    let state = workflow_state(made.workflow_state);
    let mut lines = vec![format!("request {id}, {} of {}: {state}", wish(&request), asked_for(&request))];
    lines.extend(made.notes.iter().map(|note| format!("  {note}")));
    lines.push(match made.approvals_required - made.approvals_given {
        1.. if made.decisions.is_empty() => {
            let approvals = crate::show::counted(i64::from(made.approvals_required), "approvals");
            format!("  takes {approvals}, by others than you: provost review approve {id}")
        }
        _ => "  it counts from the next computation of the role model on: provost jobs run complete".to_owned(),
    });
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_contract::types::v1::{AssignmentRequest, Owner};

    #[test]
    fn answer_says_what_comes_next() {
        let owner = Owner { key: "E1".into(), display_name: "Ada".into(), ..Owner::default() };
        let request = AssignmentRequest {
            request_id: "r".into(),
            owner: Some(owner),
            kind: 1,
            name: "auditor".into(),
            action: 1,
            ..AssignmentRequest::default()
        };
        let made = AssignmentRequestRecord {
            request: Some(request),
            workflow_state: 4,
            approvals_required: 2,
            notes: vec!["begins now".into()],
            ..AssignmentRequestRecord::default()
        };
        assert_eq!(
            lines(&made),
            [
                "request r, give role auditor of Ada (E1): Requested",
                "  begins now",
                "  takes 2 approvals, by others than you: provost review approve r",
            ]
        );
        let made = AssignmentRequestRecord { workflow_state: 16, approvals_required: 0, ..made };
        assert!(lines(&made).last().unwrap().contains("the next computation"));
    }

    #[test]
    fn dates_are_days_or_instants() {
        assert_eq!(instant("2026-03-01").unwrap().to_string(), "2026-03-01T00:00:00.000Z");
        assert!(instant("tomorrow").unwrap_err().contains("2026-03-01"));
    }
}
