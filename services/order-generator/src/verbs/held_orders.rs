//! What the newest generation held back because a threshold blocked it, and how it can be released.

use crate::generator::Generator;
use crate::store::computations::{self, Breach};
use crate::store::held_orders::{self, Filter};
use crate::store::jobs::{self, RunState};
use provost_contract::generator::v1::PlannedOrder;
use provost_domain::Timestamp;
use provost_service_kit::Fault;

/// A page of what is held.
pub(crate) struct Held {
    pub(crate) generation_run: String,
    pub(crate) blocked_at: Option<Timestamp>,
    pub(crate) breaches: Vec<Breach>,
    /// The job run that can be resumed; empty when there is none.
    pub(crate) job_run_id: String,
    /// With their places in the list.
    pub(crate) orders: Vec<(i64, PlannedOrder)>,
}

/// Reads a page. `run` is a generation run, or the job run that it belongs to; empty means whatever is held.
///
/// # Errors
/// [`provost_service_kit::FaultKind::NotFound`] when nothing is held, or nothing of that run.
pub(crate) async fn held_orders(
    generator: &Generator,
    run: &str,
    filter: &Filter,
    after: i64,
    limit: u64,
) -> Result<Held, Fault> {
    let connection = generator.database.read();
    let Some(generation_run) = held_orders::run(connection).await? else {
        return Err(Fault::not_found(format!("held order{}: no generation is blocked", of(run))));
    };
    let job_run = jobs::by_generation(connection, &generation_run).await?;
    let is_it = run.is_empty() || run == generation_run || job_run.as_ref().is_some_and(|found| found.id == run);
    if !is_it {
        let why = "it was released, or a newer generation has taken its place";
        return Err(Fault::not_found(format!("held order{}: {why}", of(run))));
    }
    let orders = held_orders::list(connection, &generation_run, filter, after, limit).await?;
    let (blocked_at, breaches) = match computations::generation_at(connection, &generation_run).await? {
        Some((at, generated)) => (Some(at), generated.breaches),
        None => (None, vec![]),
    };
    let resumable = job_run.filter(|run| run.state == RunState::Blocked);
    let job_run_id = resumable.map(|run| run.id).unwrap_or_default();
    Ok(Held { generation_run, blocked_at, breaches, job_run_id, orders })
}

fn of(run: &str) -> String {
    if run.is_empty() { String::new() } else { format!(" of the run {run}") }
}
