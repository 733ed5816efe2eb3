//! `jobs runs`.

use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::{Limit, Session, pages};
use crate::show::{Table, elapsed, instant, job_state, short};
use provost_contract::generator::v1::{JobRun, JobRunState, ListJobRunsRequest};

/// Which runs.
#[derive(Debug, clap::Args)]
pub struct RunsArguments {
    /// Only of this job.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    job: String,
    #[command(flatten)]
    limit: Limit,
}

pub(super) async fn run(arguments: RunsArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let clients = &session.clients;
    let listing = pages(arguments.limit, async |page_size, page_token| {
        let message = ListJobRunsRequest { job: arguments.job.clone(), page_size, page_token };
        let answer = clients.jobs().list_job_runs(clients.request(message)).await;
        let page = clients.answer(Service::OrderGenerator, answer)?;
        Ok((page.runs, page.next_page_token))
    })
    .await?;
    session.list(
        "provost.generator.v1.JobRun",
        &listing,
        table,
        "no job was run yet: provost jobs run complete --watch",
    )?;
    Ok(Outcome::Done)
}

fn table(runs: &[JobRun]) -> Table {
    let mut table = Table::new(&["run", "job", "state", "started", "took", "by", "message"]);
    for run in runs {
        table.row(vec![
            short(&run.run_id).to_owned(),
            run.job.clone(),
            JobRunState::try_from(run.state).map(job_state).unwrap_or("unknown").to_owned(),
            instant(run.started_at.as_ref()),
            elapsed(run.started_at.as_ref(), run.ended_at.as_ref()),
            run.started_by.clone(),
            crate::show::shortened(&run.message, 80),
        ]);
    }
    table
}
