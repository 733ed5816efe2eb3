//! `jobs cancel RUN`.

use super::super::ids;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::short;
use provost_contract::generator::v1::CancelJobRunRequest;

/// Which run, and why.
#[derive(Debug, clap::Args)]
pub struct CancelArguments {
    /// The run.
    run: String,
    /// Why; the history keeps it.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    comment: String,
}

pub(super) async fn run(arguments: CancelArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let run_id = ids::run(&session.clients, &arguments.run).await?;
    let request = session.clients.request(CancelJobRunRequest { run_id, comment: arguments.comment });
    let answer = session.clients.jobs().cancel_job_run(request).await;
    let run = session.clients.answer(Service::OrderGenerator, answer)?;
    if session.is_json() {
        session.json("provost.generator.v1.JobRun", &run)?;
    } else {
        session.console.line(format!("run {} of {} was cancelled", short(&run.run_id), run.job))?;
    }
    Ok(Outcome::Done)
}
