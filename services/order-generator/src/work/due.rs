//! Doing what falls due, though nobody touches anything: somebody's last day is over, a role begins.
//!
//! The rule that must hold: each date is acted on once, by one replica. Which dates there are the last
//! computation noted of each owner; computing again, by the job `due`, notes the next ones.

use crate::generator::Generator;
use crate::store::dependencies;
use crate::store::jobs::{self, RunState};
use crate::verbs::jobs::{DUE, RunJob, run_job};
use provost_domain::Timestamp;
use provost_service_kit::{Fault, FaultKind};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Under which name runs are started.
const ACTOR: &str = "order-generator";
/// After a run that failed, how long to wait for the next: what it needs is mended by people.
const AFTER_FAILURE: Duration = Duration::from_secs(600);

/// Looks every so often whether something is due, until `stop`; of several replicas, one does.
pub(crate) async fn watch(generator: Arc<Generator>, every: Duration, stop: CancellationToken) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        let looking = async {
            loop {
                if let Err(fault) = look(&generator).await {
                    tracing::warn!(%fault, "what is due cannot be started; trying again");
                }
                if stop.run_until_cancelled(tokio::time::sleep(every)).await.is_none() {
                    return Ok(());
                }
            }
        };
        match generator.alone("looking for what is due", looking).await {
            Ok(()) => {}
            Err(fault) if fault.kind() == FaultKind::Conflict => tracing::debug!("another replica looks what is due"),
            Err(fault) => tracing::warn!(%fault, "nobody looks what is due; trying again"),
        }
        stop.run_until_cancelled(tokio::time::sleep(every)).await;
    }
    Ok(())
}

/// Starts the job when something is due.
async fn look(generator: &Generator) -> Result<(), Fault> {
    let now = generator.clock.now();
    let connection = generator.database.read();
    let Some(first) = dependencies::first_due(connection).await?.filter(|first| *first <= now) else { return Ok(()) };
    let newest = jobs::list(connection, DUE, 0, 1).await?.into_iter().next();
    let failed = newest.filter(|run| run.state == RunState::Errored).and_then(|run| run.ended_at);
    if failed.is_some_and(|ended_at| now < ended_at.plus(AFTER_FAILURE)) {
        return Ok(());
    }
    let wish = RunJob {
        job: DUE.to_owned(),
        request_id: format!("{DUE} {}", request(first, now)),
        force_review: false,
        waive_review: false,
        connectors: vec![],
        actor: ACTOR.to_owned(),
    };
    match run_job(generator, wish).await {
        Ok(run) => tracing::info!(run_id = run.id, due_at = %first, "something is due"),
        // One is under way, and sees to it.
        Err(fault) if fault.kind() == FaultKind::Conflict => {}
        Err(fault) => return Err(fault),
    }
    Ok(())
}

/// The same for whoever looks at the same moment.
fn request(first: Timestamp, now: Timestamp) -> String {
    format!("of {first} at {}", now.millis())
}
