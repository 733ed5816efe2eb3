//! Having a connection read: the task waits, the agent works.

use super::{Outcome, Progress, is_cancelled};
use crate::generator::Generator;
use crate::store::jobs::{Run, RunState};
use crate::store::synchronizations::{self, Counts, State, Synchronization};
use provost_domain::Timestamp;
use provost_service_kit::Fault;
use std::time::Duration;
use uuid::Uuid;

/// How long to wait for the bell before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The export's id: the same whenever the task runs again, so that it never asks twice.
pub(crate) fn export_id(run_id: &str, round: u32, connection: &str) -> String {
    let name = format!("{run_id} {round} {connection}");
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}

/// Asks for an export, and waits until everything was read.
pub(super) async fn export(
    generator: &Generator,
    run: &Run,
    round: u32,
    connector: &str,
    connection: &str,
    progress: &Progress<'_>,
) -> Result<Outcome, Fault> {
    let id = export_id(&run.id, round, connection);
    let transaction = generator.database.begin().await?;
    synchronizations::create(&transaction, &id, connector, connection, generator.clock.now()).await?;
    generator.exports.announce(&transaction).await?;
    transaction.commit().await?;
    generator.exports.ring();
    let mut bell = generator.exports.listener();
    let mut alone_since = generator.clock.now();
    loop {
        let found = found(generator, &id).await?;
        match found.state {
            State::Failed if !found.was_read => return Ok(Outcome::of(RunState::Errored, found.message)),
            _ if found.was_read || found.state.is_over() => {
                progress.show(found.rows_read.unsigned_abs(), found.rows_read.unsigned_abs(), "read").await?;
                let message = format!("{} rows read by {}", found.rows_read, found.agent_id);
                return Ok(Outcome::of(RunState::Completed, message));
            }
            _ => {}
        }
        let now = generator.clock.now();
        if is_held(&found, now) {
            alone_since = now;
            let message = format!("{} reads", found.agent_id);
            progress.show(found.rows_read.unsigned_abs(), 0, &message).await?;
        } else {
            progress.show(0, 0, &format!("waits for an agent that serves {connection}")).await?;
        }
        if is_cancelled(generator, run).await? {
            give_up(generator, &id, "the job run was cancelled").await?;
            return Ok(Outcome::cancelled());
        }
        if now.since(alone_since) >= generator.export_wait {
            give_up(generator, &id, &nobody(generator, connection)).await?;
            continue;
        }
        bell.wait(LOOK_AGAIN).await;
    }
}

/// Whether an agent has it.
fn is_held(found: &Synchronization, now: Timestamp) -> bool {
    found.state == State::Reading && found.lease_until.is_some_and(|until| now < until)
}

fn nobody(generator: &Generator, connection: &str) -> String {
    let seconds = generator.export_wait.as_secs();
    format!("no agent that serves {connection} asked for its export in {seconds} s")
}

/// Waits until what was read is applied.
pub(super) async fn synchronize(
    generator: &Generator,
    run: &Run,
    round: u32,
    connection: &str,
    progress: &Progress<'_>,
) -> Result<Outcome, Fault> {
    let id = export_id(&run.id, round, connection);
    let mut bell = generator.exports.listener();
    let mut alone_since = generator.clock.now();
    loop {
        let found = found(generator, &id).await?;
        match found.state {
            State::Failed => return Ok(Outcome::of(RunState::Errored, found.message)),
            State::Blocked => return Ok(Outcome::of(RunState::Blocked, found.message)),
            State::Completed => {
                let rows = found.counts.iter().map(|counts| counts.rows.unsigned_abs()).sum();
                let message = if found.counts.is_empty() { found.message } else { changes(&found.counts) };
                progress.show(rows, rows, &message).await?;
                return Ok(Outcome::of(RunState::Completed, message));
            }
            State::Waiting | State::Reading => {}
        }
        if is_cancelled(generator, run).await? {
            give_up(generator, &id, "the job run was cancelled").await?;
            return Ok(Outcome::cancelled());
        }
        // It was read, but could not be applied: an agent has to read it again.
        let now = generator.clock.now();
        if is_held(&found, now) {
            alone_since = now;
        } else if now.since(alone_since) >= generator.export_wait {
            give_up(generator, &id, &nobody(generator, connection)).await?;
            continue;
        }
        bell.wait(LOOK_AGAIN).await;
    }
}

fn changes(counts: &[Counts]) -> String {
    let one = |counts: &Counts| {
        let Counts { entity_type, rows, inserted, updated, deleted } = counts;
        format!("{entity_type}: {rows} read, {inserted} new, {updated} changed, {deleted} gone")
    };
    counts.iter().map(one).collect::<Vec<_>>().join("; ")
}

async fn found(generator: &Generator, id: &str) -> Result<Synchronization, Fault> {
    let found = synchronizations::get(generator.database.read(), id).await?;
    found.ok_or_else(|| Fault::internal(anyhow::anyhow!("the export task {id} is gone")))
}

/// Fails an export that nobody waits for any more, unless it was applied meanwhile.
async fn give_up(generator: &Generator, id: &str, why: &str) -> Result<(), Fault> {
    let transaction = generator.database.begin().await?;
    let found = synchronizations::lock(&transaction, generator.database.engine(), id).await?;
    if let Some(mut found) = found.filter(|found| !found.state.is_over()) {
        found.state = State::Failed;
        found.lease_until = None;
        found.ended_at = Some(generator.clock.now());
        why.clone_into(&mut found.message);
        synchronizations::save(&transaction, &found).await?;
    }
    generator.exports.announce(&transaction).await?;
    transaction.commit().await?;
    generator.exports.ring();
    Ok(())
}
