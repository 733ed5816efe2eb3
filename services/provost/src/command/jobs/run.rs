//! `jobs run NAME`.

use crate::client::{Clients, Service};
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::short;
use provost_contract::generator::v1::{ListJobsRequest, RunJobRequest};
use tonic::Code;

/// Which job, and how.
#[derive(Debug, clap::Args)]
pub struct RunArguments {
    /// The job's name, for example `complete`.
    name: String,
    /// Follows the run until it is over.
    #[arg(long, short)]
    watch: bool,
    /// Blocks every order until it was reviewed.
    #[arg(long, conflicts_with = "waive_review")]
    force_review: bool,
    /// Does not block orders because their resource type requires review. The history keeps who did that.
    #[arg(long)]
    waive_review: bool,
    /// Of the jobs `read` and `incremental`: reads this connector, and no others; may be repeated. Without it, all
    /// are read.
    #[arg(long = "connector", value_name = "CONNECTOR")]
    connectors: Vec<String>,
}

pub(super) async fn run(arguments: RunArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let request = session.clients.request(RunJobRequest {
        job: arguments.name.clone(),
        request_id: provost_service_kit::new_id().to_string(),
        force_review: arguments.force_review,
        waive_review: arguments.waive_review,
        connectors: arguments.connectors.clone(),
    });
    let answer = session.clients.jobs().run_job(request).await;
    let run = match session.clients.answer(Service::OrderGenerator, answer) {
        Ok(run) => run,
        Err(failure) => return Err(explained(failure, &arguments.name, &session.clients).await),
    };
    if arguments.watch {
        return super::watch::until_over(&run.run_id, session).await;
    }
    if session.is_json() {
        session.json("provost.generator.v1.JobRun", &run)?;
    } else {
        let id = short(&run.run_id);
        session.console.line(format!("run {id} of {} started; follow it with: provost jobs watch {id}", run.job))?;
    }
    Ok(Outcome::Done)
}

/// Names the jobs that there are when the name is wrong, and where to look when the job runs already.
async fn explained(failure: Failure, name: &str, clients: &Clients) -> Failure {
    match &failure {
        Failure::Call { status, .. } if status.code() == Code::Aborted => {
            let hint = "provost jobs runs shows it; provost jobs watch RUN follows it, provost jobs cancel RUN ends it";
            Failure::Other(anyhow::anyhow!("{}\n  {hint}", status.message()))
        }
        Failure::Call { status, .. } if status.code() == Code::NotFound => {
            let answer = clients.jobs().list_jobs(clients.request(ListJobsRequest {})).await;
            let Ok(listed) = clients.answer(Service::OrderGenerator, answer) else { return failure };
            let names: Vec<_> = listed.jobs.into_iter().map(|job| job.name).collect();
            Failure::Other(anyhow::anyhow!("there is no job '{name}'; there are {}", names.join(", ")))
        }
        _ => failure,
    }
}
