//! What blocked synchronizations hold back, and how it can be released.

use crate::generator::Generator;
use crate::store::from_json;
use crate::store::held_resources::{self, HeldResource};
use crate::store::jobs::{self, Run, RunState};
use crate::store::synchronizations::{self, State, Synchronization};
use crate::work::tasks::Kind;
use crate::work::tasks::export::export_id;
use provost_service_kit::Fault;
use sea_orm::ConnectionTrait;

/// A page of what is held.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Newest last; none when nothing is held.
    pub(crate) synchronizations: Vec<Synchronization>,
    /// The job run that can be resumed; empty when there is none.
    pub(crate) job_run_id: String,
    pub(crate) resources: Vec<HeldResource>,
}

/// Reads a page, passing over so many. `run` is a job run, or a synchronization; empty means the newest that is
/// blocked.
///
/// # Errors
/// [`provost_service_kit::FaultKind::NotFound`] when nothing of the named run is held.
pub(crate) async fn held_resources(generator: &Generator, run: &str, after: u64, limit: u64) -> Result<Held, Fault> {
    let connection = generator.database.read();
    let mut found = Vec::new();
    for (id, job_run_id) in held_resources::synchronizations(connection).await? {
        let one = synchronizations::get(connection, &id).await?;
        found.extend(one.filter(|one| one.state == State::Blocked).map(|one| (one, job_run_id)));
    }
    found.sort_by_key(|(one, _)| one.sequence);
    if run.is_empty() {
        found = found.pop().into_iter().collect();
    } else {
        found.retain(|(one, job_run_id)| one.id == run || job_run_id == run);
        if found.is_empty() {
            let why = "no synchronization of it is blocked; a later one has taken its place, or there was none";
            return Err(Fault::not_found(format!("held resource of the run {run}: {why}")));
        }
    }
    let Some((_, job_run_id)) = found.last() else { return Ok(Held::default()) };
    let waiting = jobs::get(connection, job_run_id).await?.filter(|run| run.state == RunState::Blocked);
    let ids: Vec<&str> = found.iter().map(|(one, _)| one.id.as_str()).collect();
    let resources = held_resources::list(connection, &ids, after, limit).await?;
    let synchronizations = found.into_iter().map(|(one, _)| one).collect();
    Ok(Held { job_run_id: waiting.map(|run| run.id).unwrap_or_default(), synchronizations, resources })
}

/// The job run, of those that are not over, that asked for an export.
pub(super) async fn run_of(connection: &impl ConnectionTrait, id: &str) -> Result<Option<Run>, Fault> {
    for run in jobs::active(connection).await? {
        if exports(connection, &run).await?.iter().any(|export| export == id) {
            return Ok(Some(run));
        }
    }
    Ok(None)
}

/// The exports that a job run asks for.
async fn exports(connection: &impl ConnectionTrait, run: &Run) -> Result<Vec<String>, Fault> {
    let mut ids = Vec::new();
    for task in jobs::tasks(connection, &run.id).await? {
        if let Kind::Synchronize { round, connection, .. } = from_json(&task.kind)? {
            ids.push(export_id(&run.id, round, &connection));
        }
    }
    Ok(ids)
}
