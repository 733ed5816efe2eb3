//! `reconcile baseline`.

use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::counted;
use provost_contract::generator::v1::SetBaselineRequest;

/// Of what.
#[derive(Debug, clap::Args)]
pub struct BaselineArguments {
    /// Only of this resource type.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    resource_type: String,
    /// In which words; `reconcile decisions` shows them.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    comment: String,
}

pub(super) async fn run(arguments: BaselineArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let message = SetBaselineRequest { resource_type: arguments.resource_type, comment: arguments.comment };
    let answer = session.clients.reconciliation().set_baseline(session.clients.request(message)).await;
    let answer = session.clients.answer(Service::OrderGenerator, answer)?;
    if session.is_json() {
        session.json("provost.generator.v1.SetBaselineResponse", &answer)?;
        return Ok(Outcome::Done);
    }
    let tick = session.console.style().green("✓");
    let (values, resources) = (counted(answer.values, "values"), counted(answer.resources, "resources"));
    session.console.line(format!("{tick} {values} of {resources} taken for pre-existing"))?;
    Ok(Outcome::Done)
}
