//! `request list`.

use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::{Limit, Session, pages};
use crate::show::{self, Table, instant, short, shortened, workflow_state};
use provost_contract::generator::v1::{AssignmentRequestRecord, ListRequestsRequest};
use provost_domain::WorkflowState;

/// Which requests.
#[derive(Debug, clap::Args)]
pub struct ListArguments {
    /// In any of these states; those that wait, when none is given.
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<State>,
    /// About the owner with this key.
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    owner: String,
    /// About this role, single or composite.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    role: String,
    /// About this resource type.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    resource_type: String,
    /// Made by this person.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    requested_by: String,
    #[command(flatten)]
    limit: Limit,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum State {
    Requested,
    Pending,
    Approved,
    Declined,
    Inactive,
}

impl State {
    fn numbers(self) -> Vec<i32> {
        let of = |state: WorkflowState| vec![state.number()];
        match self {
            Self::Requested => of(WorkflowState::Requested),
            Self::Pending => {
                let all = WorkflowState::ALL.into_iter().filter(|state| state.step().is_some());
                all.map(WorkflowState::number).collect()
            }
            Self::Approved => of(WorkflowState::Approved),
            Self::Declined => of(WorkflowState::Declined),
            Self::Inactive => of(WorkflowState::Inactive),
        }
    }
}

pub(super) async fn run(arguments: ListArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let workflow_states: Vec<i32> = arguments.state.iter().flat_map(|state| state.numbers()).collect();
    let clients = &session.clients;
    let listing = pages(arguments.limit, async |page_size, page_token| {
        let message = ListRequestsRequest {
            workflow_states: workflow_states.clone(),
            owner_entity_type: String::new(),
            owner_key: arguments.owner.clone(),
            role: arguments.role.clone(),
            resource_type: arguments.resource_type.clone(),
            requested_by: arguments.requested_by.clone(),
            page_size,
            page_token,
        };
        let answer = clients.assignments().list_requests(clients.request(message)).await;
        let page = clients.answer(Service::OrderGenerator, answer)?;
        Ok((page.requests, page.next_page_token))
    })
    .await?;
    session.list("provost.generator.v1.AssignmentRequestRecord", &listing, table, "there is no such request")?;
    Ok(Outcome::Done)
}

/// Requests as a table.
pub fn table(requests: &[AssignmentRequestRecord]) -> Table {
    let mut table = Table::new(&["request", "workflow state", "wish", "for", "when", "asked by", "reason", "since"]);
    for record in requests {
        let request = record.request.clone().unwrap_or_default();
        table.row(vec![
            short(&request.request_id).to_owned(),
            workflow_state(record.workflow_state),
            shortened(&show::wish(&request), 40),
            shortened(&show::asked_for(&request), 40),
            show::period(request.period.as_ref()),
            request.requested_by.clone(),
            shortened(&record.state_reason, 60),
            instant(record.created_at.as_ref()),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Style;
    use provost_contract::types::v1::AssignmentRequest;

    #[test]
    fn table_shows_who_wants_what_and_where_it_stands() {
        let request = AssignmentRequest { kind: 2, name: "books".into(), action: 2, ..AssignmentRequest::default() };
        let record = AssignmentRequestRecord {
            request: Some(AssignmentRequest { request_id: "r".into(), requested_by: "eve".into(), ..request }),
            workflow_state: 9,
            state_reason: "waits for approval 1 of 2".into(),
            ..AssignmentRequestRecord::default()
        };
        let lines = table(&[record]).render(Style::new(false));
        assert_eq!(
            lines,
            [
                "REQUEST  WORKFLOW STATE        WISH                            FOR  ASKED BY  REASON                     SINCE",
                "r        Pending Approval 1/2  take away composite role books  –    eve       waits for approval 1 of 2  –",
            ]
        );
    }

    #[test]
    fn pending_is_every_step() {
        assert_eq!(State::Pending.numbers(), [8, 9, 10, 11, 12, 13]);
        assert_eq!(State::Inactive.numbers(), [19]);
    }
}
