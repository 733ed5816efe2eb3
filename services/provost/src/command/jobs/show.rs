//! `jobs show RUN`: one run, with its tasks, and what was said of it.

use super::super::ids;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::{Progress, ending, instant};
use provost_contract::generator::v1::{JobRun, WatchJobRunRequest};

/// Which run.
#[derive(Debug, clap::Args)]
pub struct ShowArguments {
    /// The run.
    run: String,
}

pub(super) async fn run(arguments: ShowArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let run_id = ids::run(&session.clients, &arguments.run).await?;
    let clients = &session.clients;
    let answer = clients.jobs().watch_job_run(clients.request(WatchJobRunRequest { run_id })).await;
    let mut runs = clients.answer(Service::OrderGenerator, answer)?;
    // The first that a watch tells is the run as it stands.
    let run = runs.message().await.map_err(|status| clients.refused(Service::OrderGenerator, status))?;
    let run = run.unwrap_or_default();
    if session.is_json() {
        session.json("provost.generator.v1.JobRun", &run)?;
        return Ok(Outcome::Done);
    }
    let style = session.console.style();
    let started = instant(run.started_at.as_ref());
    session.console.line(style.bold(&format!("run {} of {}", run.run_id, run.job)))?;
    session.console.line(format!("started {started} by {}{}", run.started_by, options(&run)))?;
    session.console.lines(run.comments.iter())?;
    Progress::default().draw(&run, &mut session.console)?;
    session.console.lines(ending(&run, style))?;
    Ok(Outcome::Done)
}

fn options(run: &JobRun) -> String {
    let said = [
        (run.force_review, "everything is reviewed"),
        (run.waive_review, "review by resource type is waived"),
        (run.force_thresholds, "what it held back may pass"),
    ];
    said.iter().filter(|(holds, _)| *holds).map(|(_, words)| format!(", {words}")).collect()
}
