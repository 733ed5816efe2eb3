//! `jobs resume RUN --comment`.

use super::super::ids;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::short;
use provost_contract::generator::v1::ResumeJobRunRequest;

/// Which run, and why.
#[derive(Debug, clap::Args)]
pub struct ResumeArguments {
    /// The run.
    run: String,
    /// Why what it holds back is right; the history keeps it.
    #[arg(long, short)]
    comment: String,
    /// Follows the run until it is over.
    #[arg(long, short)]
    watch: bool,
}

pub(super) async fn run(arguments: ResumeArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let run_id = ids::run(&session.clients, &arguments.run).await?;
    let request = session.clients.request(ResumeJobRunRequest { run_id, comment: arguments.comment });
    let answer = session.clients.jobs().resume_job_run(request).await;
    let run = session.clients.answer(Service::OrderGenerator, answer)?;
    if arguments.watch {
        return super::watch::until_over(&run.run_id, session).await;
    }
    if session.is_json() {
        session.json("provost.generator.v1.JobRun", &run)?;
    } else {
        session.console.line(format!("run {} of {} goes on", short(&run.run_id), run.job))?;
    }
    Ok(Outcome::Done)
}
