//! `request withdraw ID`.

use super::super::ids;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::{asked_for, short, wish};
use provost_contract::generator::v1::WithdrawRequestRequest;

/// Which request, and why.
#[derive(Debug, clap::Args)]
pub struct WithdrawArguments {
    /// The request; the beginning or end of its id is enough.
    request: String,
    /// Why; the history keeps it.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    comment: String,
}

pub(super) async fn run(arguments: WithdrawArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let request_id = ids::request(&session.clients, &arguments.request).await?;
    let message = WithdrawRequestRequest { request_id, comment: arguments.comment };
    let answer = session.clients.assignments().withdraw_request(session.clients.request(message)).await;
    let record = session.clients.answer(Service::OrderGenerator, answer)?;
    if session.is_json() {
        session.json("provost.generator.v1.AssignmentRequestRecord", &record)?;
        return Ok(Outcome::Done);
    }
    let request = record.request.unwrap_or_default();
    let tick = session.console.style().green("✓");
    let what = format!("{} of {}", wish(&request), asked_for(&request));
    session.console.line(format!("{tick} {} withdrawn: {what}", short(&request.request_id)))?;
    Ok(Outcome::Done)
}
