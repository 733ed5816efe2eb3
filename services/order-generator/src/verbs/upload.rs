//! Taking an export from an agent, part by part.
//!
//! The rule that must hold: an export is applied whole or not at all. Until its end has come and the
//! counts agree, nothing but the task's own row is touched. A stream that breaks off gives the task
//! back, so that it is offered again: the agent may have been killed, which is no one's mistake. So it
//! does when something of ours fails. Only when that goes on ([`BREAKS_MAX`]) does the task fail.

use super::poll_exports::LEASE;
use super::stage::{Batch, Staging};
use super::synchronize::synchronize;
use crate::generator::Generator;
use crate::store::synchronizations::{self, State, Synchronization};
use futures::{Stream, StreamExt};
use provost_domain::Timestamp;
use provost_service_kit::{Fault, FaultKind};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often an upload may come to nothing before its task fails.
const BREAKS_MAX: i32 = 5;
/// How often the lease is renewed while rows arrive.
const RENEW_EVERY: Duration = Duration::from_secs(5);

/// One part of an upload.
pub(crate) enum Part {
    Header { task_id: String, agent_id: String, started_at: Option<Timestamp> },
    Batch(Batch),
    End { row_counts: BTreeMap<String, i64> },
    Failure { message: String },
}

/// Takes one export, and applies it.
///
/// # Errors
/// What is wrong with it; then nothing was changed.
pub(crate) async fn upload(
    generator: &Generator,
    mut parts: impl Stream<Item = Result<Part, Fault>> + Unpin,
) -> Result<Synchronization, Fault> {
    let (task_id, agent_id, started_at) = match parts.next().await.transpose()? {
        Some(Part::Header { task_id, agent_id, started_at: Some(at) }) if !agent_id.is_empty() => {
            (task_id, agent_id, at)
        }
        Some(Part::Header { agent_id, .. }) => {
            let missing = if agent_id.is_empty() { "agent_id" } else { "started_at" };
            return Err(Fault::invalid(format!("header.{missing}"), "must be set"));
        }
        _ => return Err(Fault::invalid("header", "must be the first part")),
    };
    let task = match begin(generator, &task_id, &agent_id, started_at).await? {
        Begun::Already(done) => return Ok(done),
        Begun::Now(task) => task,
    };
    match receive(generator, &task, &mut parts).await {
        Ok(done) => Ok(done),
        Err(Broken::Off(fault)) => {
            give_back(generator, &task, &fault).await?;
            Err(fault)
        }
        Err(Broken::Wrong(fault)) => {
            fail(generator, &task, &fault).await?;
            Err(fault)
        }
        Err(Broken::Ours(fault)) => {
            // What was ours may keep even this from being written; the lease ends it then.
            if let Err(second) = count_failure(generator, &task, &fault).await {
                tracing::warn!(synchronization = task.id, fault = %second, "the failure cannot be noted");
            }
            Err(fault)
        }
    }
}

/// Why an upload came to nothing.
enum Broken {
    /// The stream ended early.
    Off(Fault),
    /// The agent could not read, or what it sent is wrong.
    Wrong(Fault),
    /// Something of ours; the task stays, and is offered again when its lease is over.
    Ours(Fault),
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        match fault.kind() {
            FaultKind::Internal | FaultKind::Unavailable | FaultKind::Conflict => Self::Ours(fault),
            _ => Self::Wrong(fault),
        }
    }
}

enum Begun {
    Already(Synchronization),
    Now(Synchronization),
}

async fn begin(generator: &Generator, id: &str, agent_id: &str, started_at: Timestamp) -> Result<Begun, Fault> {
    let now = generator.clock.now();
    let transaction = generator.database.begin().await?;
    let task = synchronizations::lock(&transaction, generator.database.engine(), id).await?;
    let mut task = task.ok_or_else(|| Fault::not_found(format!("export task {id}")))?;
    let refuse = |why: String| Err(Fault::wrong_state(format!("export task {id}"), why));
    match task.state {
        State::Completed => return Ok(Begun::Already(task)),
        State::Failed | State::Blocked => return refuse(format!("export task {id} is over: {}", task.message)),
        State::Reading if task.agent_id != agent_id && task.lease_until.is_some_and(|until| now < until) => {
            return refuse(format!("export task {id} is held by the agent {}", task.agent_id));
        }
        State::Waiting | State::Reading => {}
    }
    task.state = State::Reading;
    agent_id.clone_into(&mut task.agent_id);
    task.lease_until = Some(now.plus(LEASE));
    task.offered_at.get_or_insert(now);
    task.started_at = Some(started_at);
    task.rows_read = 0;
    synchronizations::save(&transaction, &task).await?;
    generator.exports.announce(&transaction).await?;
    transaction.commit().await?;
    generator.exports.ring();
    Ok(Begun::Now(task))
}

async fn receive(
    generator: &Generator,
    task: &Synchronization,
    parts: &mut (impl Stream<Item = Result<Part, Fault>> + Unpin),
) -> Result<Synchronization, Broken> {
    let loaded = generator.catalogs.current().await?;
    // An honest agent sends what it was asked for, which is not what the catalog says by now.
    let is_outdated = loaded.as_ref().is_some_and(|loaded| task.offered_at.is_some_and(|at| at < loaded.applied_at));
    let shapes = loaded.map(|loaded| loaded.shapes_of(&task.connector)).unwrap_or_default();
    let mut staging = Staging::of(shapes);
    let mut renewed_at = generator.clock.now();
    loop {
        let part = match tokio::time::timeout(LEASE, parts.next()).await {
            Ok(Some(part)) => part,
            Ok(None) => {
                let early = "the upload stopped before its end; nothing was changed, send it again";
                return Err(Broken::Off(Fault::new(FaultKind::DataLoss, early)));
            }
            Err(_) => {
                let silent = format!("nothing came for {} s; nothing was changed, send it again", LEASE.as_secs());
                return Err(Broken::Off(Fault::new(FaultKind::DataLoss, silent)));
            }
        };
        let part = part.map_err(|fault| match fault.kind() {
            FaultKind::InvalidInput => Broken::Wrong(fault),
            _ => Broken::Off(fault),
        })?;
        match part {
            Part::Header { .. } => return Err(Fault::invalid("header", "must come once, as the first part").into()),
            Part::Batch(batch) => staging.add(batch).map_err(|fault| misfit(fault, is_outdated))?,
            Part::End { row_counts } => {
                let rows = staging.rows();
                let staged = staging.finish(&row_counts).map_err(|fault| misfit(fault, is_outdated))?;
                let read = renew(generator, task, rows, true).await?;
                return Ok(synchronize(generator, &read, staged).await?);
            }
            Part::Failure { message } => return Err(Broken::Wrong(unreadable(task, &message))),
        }
        let now = generator.clock.now();
        if now.since(renewed_at) >= RENEW_EVERY {
            renew(generator, task, staging.rows(), false).await?;
            renewed_at = now;
        }
    }
}

/// What arrived is not what the catalog asks for: the agent's mistake, unless the catalog changed since it
/// was asked.
fn misfit(fault: Fault, is_outdated: bool) -> Broken {
    match fault.kind() {
        FaultKind::InvalidInput | FaultKind::DataLoss if is_outdated => {
            let words = format!("{fault}; the catalog changed meanwhile, and the export is offered again");
            Broken::Off(Fault::new(FaultKind::DataLoss, words))
        }
        _ => Broken::from(fault),
    }
}

fn unreadable(task: &Synchronization, message: &str) -> Fault {
    let shown: String = message.chars().take(2_000).collect();
    let what = format!("{} cannot be read: {shown}", task.connection);
    Fault::wrong_state(format!("export task {}", task.id), what)
}

/// Keeps the task, and shows how far it is.
async fn renew(
    generator: &Generator,
    task: &Synchronization,
    rows: usize,
    was_read: bool,
) -> Result<Synchronization, Fault> {
    let transaction = generator.database.begin().await?;
    let mut held = held(generator, &transaction, task).await?;
    held.lease_until = Some(generator.clock.now().plus(LEASE));
    held.rows_read = rows as i64;
    held.was_read = was_read;
    synchronizations::save(&transaction, &held).await?;
    generator.exports.announce(&transaction).await?;
    transaction.commit().await?;
    generator.exports.ring();
    Ok(held)
}

/// The task, if it is still this agent's.
pub(crate) async fn held(
    generator: &Generator,
    transaction: &sea_orm::DatabaseTransaction,
    task: &Synchronization,
) -> Result<Synchronization, Fault> {
    let found = synchronizations::lock(transaction, generator.database.engine(), &task.id).await?;
    match found {
        Some(found) if found.state == State::Reading && found.agent_id == task.agent_id => Ok(found),
        // Somebody else goes on with it, or it was cancelled: this upload changes nothing any more.
        _ => Err(Fault::new(FaultKind::Conflict, format!("export task {} is no longer this agent's", task.id))),
    }
}

async fn give_back(generator: &Generator, task: &Synchronization, fault: &Fault) -> Result<(), Fault> {
    let transaction = generator.database.begin().await?;
    let Ok(mut held) = held(generator, &transaction, task).await else { return Ok(()) };
    held.breaks += 1;
    held.lease_until = None;
    held.rows_read = 0;
    held.state = State::Waiting;
    held.message = storable(fault);
    if held.breaks >= BREAKS_MAX {
        held.state = State::Failed;
        held.ended_at = Some(generator.clock.now());
        held.message = format!("the upload broke off {} times; at last: {}", held.breaks, held.message);
    }
    synchronizations::save(&transaction, &held).await?;
    generator.exports.announce(&transaction).await?;
    transaction.commit().await?;
    generator.exports.ring();
    Ok(())
}

/// What is wrong, in words that quote the agent, as text that each engine can keep.
fn storable(fault: &Fault) -> String {
    fault.to_string().replace('\0', "\u{fffd}")
}

/// Notes that something of ours failed. The task keeps its lease, so that it is offered again after a pause.
async fn count_failure(generator: &Generator, task: &Synchronization, fault: &Fault) -> Result<(), Fault> {
    let transaction = generator.database.begin().await?;
    let Ok(mut held) = held(generator, &transaction, task).await else { return Ok(()) };
    held.breaks += 1;
    let (breaks, id) = (held.breaks, &held.id);
    held.message = match fault.kind() {
        FaultKind::Internal => format!("internal error; the log has the cause under synchronization {id}"),
        _ => storable(fault),
    };
    // The answer to the agent logs the cause.
    tracing::warn!(synchronization = id, breaks, "an export that was sent cannot be applied");
    if breaks >= BREAKS_MAX {
        held.state = State::Failed;
        held.lease_until = None;
        held.ended_at = Some(generator.clock.now());
        held.message = format!("the export could not be applied {breaks} times; at last: {}", held.message);
    }
    synchronizations::save(&transaction, &held).await?;
    generator.exports.announce(&transaction).await?;
    transaction.commit().await?;
    generator.exports.ring();
    Ok(())
}

async fn fail(generator: &Generator, task: &Synchronization, fault: &Fault) -> Result<(), Fault> {
    let transaction = generator.database.begin().await?;
    let Ok(mut held) = held(generator, &transaction, task).await else { return Ok(()) };
    held.state = State::Failed;
    held.lease_until = None;
    held.ended_at = Some(generator.clock.now());
    held.message = storable(fault);
    synchronizations::save(&transaction, &held).await?;
    generator.exports.announce(&transaction).await?;
    transaction.commit().await?;
    generator.exports.ring();
    tracing::warn!(synchronization = held.id, connection = held.connection, "the export failed; nothing was changed");
    Ok(())
}
