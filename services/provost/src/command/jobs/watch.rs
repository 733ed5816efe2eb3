//! `jobs watch RUN`: live, through a restart of the service.

use super::super::ids;
use crate::client::{Clients, Service};
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::{Progress, ending};
use provost_contract::fulfillment::v1::{CountOrdersRequest, OrderFilter};
use provost_contract::generator::v1::{JobRun, JobRunState, WatchJobRunRequest};
use provost_contract::types::v1::ProvisioningState;
use provost_service_kit::channel::Backoff;

/// How often a broken stream is opened anew without any progress in between: about a minute.
const RECONNECTS_MAX: usize = 32;

/// Which run.
#[derive(Debug, clap::Args)]
pub struct WatchArguments {
    /// The run.
    run: String,
}

pub(super) async fn run(arguments: WatchArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let run_id = ids::run(&session.clients, &arguments.run).await?;
    until_over(&run_id, session).await
}

/// Shows a run until it is over, and how it ended.
pub(super) async fn until_over(run_id: &str, session: &mut Session) -> Result<Outcome, Failure> {
    let clients = session.clients.clone();
    let json = session.is_json();
    let mut progress = Progress::default();
    let run = follow(&clients, run_id, |run| {
        if json {
            session.json_line("provost.generator.v1.JobRun", run)
        } else {
            Ok(progress.draw(run, &mut session.console)?)
        }
    })
    .await?;
    if !json {
        let lines = ending(&run, session.console.style());
        session.console.lines(lines)?;
        if run.state() == JobRunState::Completed {
            let lines = left_over(&clients).await;
            session.console.lines(lines)?;
        }
    }
    Ok(match JobRunState::try_from(run.state) {
        Ok(JobRunState::Completed | JobRunState::Warning) => Outcome::Done,
        _ => Outcome::Failed,
    })
}

/// What needs somebody although the run went through: orders in Errored or Error, of this run or of an
/// earlier one. Nothing where the ledger cannot be asked, since the run itself is told.
async fn left_over(clients: &Clients) -> Option<String> {
    let states = vec![ProvisioningState::Errored.into(), ProvisioningState::Error.into()];
    let filter = Some(OrderFilter { states, ..OrderFilter::default() });
    let answer =
        clients.orders().count_orders(clients.request(CountOrdersRequest { filter, ..Default::default() })).await;
    let counts = clients.answer(Service::Fulfillment, answer).ok()?.counts;
    let of = |state| counts.iter().filter(|count| count.state() == state).map(|count| count.count).sum::<i64>();
    let (errored, error) = (of(ProvisioningState::Errored), of(ProvisioningState::Error));
    (errored + error > 0).then(|| {
        format!(
            "  not done: {errored} Errored (system), {error} Error (rule); provost orders list --state errored,error"
        )
    })
}

/// Follows a run until it is over, telling `seen` of each change; returns its last state. A broken
/// stream is opened anew.
///
/// # Errors
/// When the run does not exist, the service stays away, or `seen` fails.
pub async fn follow(
    clients: &Clients,
    run_id: &str,
    mut seen: impl FnMut(&JobRun) -> Result<(), Failure>,
) -> Result<JobRun, Failure> {
    let mut backoff = Backoff::default();
    let mut tries = 0;
    let mut last: Option<JobRun> = None;
    loop {
        let failure = match stream(clients, run_id, &mut |run: JobRun| {
            (backoff, tries) = (Backoff::default(), 0);
            seen(&run)?;
            last = Some(run);
            Ok(())
        })
        .await
        {
            Ok(()) => match last {
                Some(run) if is_over(&run) => return Ok(run),
                _ => None,
            },
            Err(failure) if failure.is_passing() && tries < RECONNECTS_MAX => Some(failure),
            Err(failure) => return Err(failure),
        };
        tries += 1;
        if tries > RECONNECTS_MAX {
            let lost = || Failure::Other(anyhow::anyhow!("the run's progress cannot be read; see provost jobs runs"));
            return Err(failure.unwrap_or_else(lost));
        }
        tokio::time::sleep(backoff.next_wait()).await;
    }
}

async fn stream(
    clients: &Clients,
    run_id: &str,
    seen: &mut impl FnMut(JobRun) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let request = clients.request(WatchJobRunRequest { run_id: run_id.to_owned() });
    let mut runs = clients.answer(Service::OrderGenerator, clients.jobs().watch_job_run(request).await)?;
    while let Some(run) = runs.message().await.map_err(|status| clients.refused(Service::OrderGenerator, status))? {
        seen(run)?;
    }
    Ok(())
}

fn is_over(run: &JobRun) -> bool {
    !matches!(
        JobRunState::try_from(run.state),
        Ok(JobRunState::Waiting | JobRunState::Running | JobRunState::Unspecified) | Err(_)
    )
}
