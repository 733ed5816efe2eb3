//! `request show ID`.

use super::super::ids;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::{self, Table, instant, short, workflow_state};
use provost_contract::generator::v1::{AssignmentRequestRecord, GetRequestRequest, RequestDecision, RequestVerdict};

/// Which request.
#[derive(Debug, clap::Args)]
pub struct ShowArguments {
    /// The request; the beginning or end of its id is enough.
    request: String,
}

pub(super) async fn run(arguments: ShowArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let request_id = ids::request(&session.clients, &arguments.request).await?;
    let request = session.clients.request(GetRequestRequest { request_id });
    let answer = session.clients.assignments().get_request(request).await;
    let record = session.clients.answer(Service::OrderGenerator, answer)?;
    if session.is_json() {
        session.json("provost.generator.v1.AssignmentRequestRecord", &record)?;
        return Ok(Outcome::Done);
    }
    session.console.lines(facts(&record))?;
    if !record.decisions.is_empty() {
        session.console.line("")?;
        session.table(&decisions(&record.decisions), "")?;
    }
    Ok(Outcome::Done)
}

pub(super) fn facts(record: &AssignmentRequestRecord) -> Vec<String> {
    let request = record.request.clone().unwrap_or_default();
    let ends: Vec<&str> = record.ends_request_ids.iter().map(|id| short(id)).collect();
    let facts = [
        ("request", request.request_id.clone()),
        ("state", workflow_state(record.workflow_state)),
        ("", record.state_reason.clone()),
        ("asks to", show::wish(&request)),
        ("for", show::asked_for(&request)),
        ("when", show::period(request.period.as_ref())),
        ("asked by", request.requested_by.clone()),
        ("comment", request.comment.clone()),
        ("to know", record.notes.join("; ")),
        ("ends", ends.join(", ")),
        ("approvals", format!("{} of {}", record.approvals_given, record.approvals_required)),
        ("since", instant(record.created_at.as_ref())),
        ("changed", instant(record.updated_at.as_ref())),
    ];
    facts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("{name:<12}{text}")).collect()
}

fn decisions(decisions: &[RequestDecision]) -> Table {
    let mut table = Table::new(&["when", "step", "said", "by", "comment"]);
    for decision in decisions {
        let said = match RequestVerdict::try_from(decision.verdict) {
            Ok(RequestVerdict::Approve) => "approve",
            Ok(RequestVerdict::Decline) => "decline",
            Ok(RequestVerdict::Postpone) => "postpone",
            Ok(RequestVerdict::Unspecified) | Err(_) => "?",
        };
        table.row(vec![
            instant(decision.at.as_ref()),
            decision.step.to_string(),
            said.to_owned(),
            decision.actor.clone(),
            decision.comment.clone(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::console::Style;

    #[test]
    fn facts_and_decisions_are_all_there() {
        let said = RequestDecision { step: 2, verdict: 1, actor: "ada".into(), comment: "fine".into(), at: None };
        let lines = decisions(std::slice::from_ref(&said)).render(Style::new(false));
        assert_eq!(lines.last().unwrap(), "–     2     approve  ada  fine");
        let record = AssignmentRequestRecord {
            workflow_state: 17,
            state_reason: "declined by ada: no".into(),
            approvals_required: 3,
            approvals_given: 1,
            decisions: vec![said],
            ..AssignmentRequestRecord::default()
        };
        let text = facts(&record).join("\n");
        for line in ["state       Declined", "            declined by ada: no", "approvals   1 of 3"] {
            assert!(text.contains(line), "{text}");
        }
    }
}
