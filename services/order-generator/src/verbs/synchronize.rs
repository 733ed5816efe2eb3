//! Applying an export to the repository, complete mode: what is new is inserted, what differs is
//! updated, what is gone is deleted; in one transaction.
//!
//! The rule that must hold: an export that shows nothing where there was something is not believed.
//! An empty feed would otherwise take everything from everybody.

use super::stage::Staged;
use super::upload::held;
use crate::generator::Generator;
use crate::store::resources::{self, Reading};
use crate::store::synchronizations::{self, Counts, State, Synchronization};
use provost_domain::Timestamp;
use provost_service_kit::Fault;
use sea_orm::DatabaseTransaction;

/// With fewer resources than this, all of them may go at once.
const FEW: usize = 5;

/// Applies an export that was read in full.
///
/// # Errors
/// When it is not believed, or older than what was applied; then nothing is changed.
pub(crate) async fn synchronize(
    generator: &Generator,
    task: &Synchronization,
    staged: Vec<Staged>,
) -> Result<Synchronization, Fault> {
    let transaction = generator.database.begin().await?;
    // Two exports of one connector take turns: the later one is compared with what the earlier one left.
    generator.database.serialize(&transaction, &format!("sync {}", task.connector)).await?;
    let mut task = held(generator, &transaction, task).await?;
    let now = generator.clock.now();
    let export_started_at = task.offered_at.unwrap_or(task.created_at);
    refuse_older(&transaction, &task, &staged, export_started_at).await?;
    let reading = Reading { export_started_at, synchronization_id: task.id.clone() };
    let mut counts = Vec::with_capacity(staged.len());
    for staged in &staged {
        counts.push(apply(generator, &transaction, staged, &reading).await?);
    }
    task.state = State::Completed;
    task.lease_until = None;
    task.ended_at = Some(now);
    task.message = String::new();
    task.counts = counts;
    synchronizations::save(&transaction, &task).await?;
    generator.exports.announce(&transaction).await?;
    transaction.commit().await?;
    generator.exports.ring();
    for Counts { entity_type, rows, inserted, updated, deleted } in &task.counts {
        tracing::info!(entity_type, rows, inserted, updated, deleted, "entity type synchronized");
    }
    Ok(task)
}

async fn refuse_older(
    transaction: &DatabaseTransaction,
    task: &Synchronization,
    staged: &[Staged],
    export_started_at: Timestamp,
) -> Result<(), Fault> {
    let readings = resources::readings(transaction).await?;
    let newer = staged.iter().filter_map(|staged| readings.get(&staged.shape.name));
    match newer.map(|reading| reading.export_started_at).find(|applied| *applied > export_started_at) {
        Some(applied) => {
            let why = format!("a later export of {}, begun at {applied}, was applied already", task.connector);
            Err(Fault::wrong_state(format!("export task {}", task.id), why))
        }
        None => Ok(()),
    }
}

async fn apply(
    generator: &Generator,
    transaction: &DatabaseTransaction,
    staged: &Staged,
    reading: &Reading,
) -> Result<Counts, Fault> {
    let engine = generator.database.engine();
    let entity_type = &staged.shape.name;
    let known = resources::texts(transaction, entity_type).await?;
    if staged.rows.is_empty() && known.len() >= FEW {
        let why = format!(
            "the export shows no {entity_type} at all, where there were {}; nothing was changed, because this looks \
             like a feed that is broken",
            known.len()
        );
        return Err(Fault::wrong_state(format!("synchronization {}", reading.synchronization_id), why));
    }
    let (mut inserted, mut updated) = (0, 0);
    let mut changed = Vec::new();
    for (key, (_, text)) in &staged.rows {
        match known.get(key) {
            Some(same) if same == text => continue,
            Some(_) => updated += 1,
            None => inserted += 1,
        }
        changed.push((key, text));
    }
    let gone: Vec<_> = known.keys().filter(|key| !staged.rows.contains_key(*key)).collect();
    resources::save(transaction, engine, entity_type, &changed).await?;
    resources::delete(transaction, engine, entity_type, &gone).await?;
    let rows = staged.rows.len() as i64;
    resources::note_reading(transaction, entity_type, &staged.shape.connector, reading, rows).await?;
    Ok(Counts { entity_type: entity_type.clone(), rows, inserted, updated, deleted: gone.len() as i64 })
}
