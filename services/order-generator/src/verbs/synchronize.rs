//! Applying an export to the repository, complete mode: what is new is inserted, what differs is
//! updated, what is gone is deleted; in one transaction.
//!
//! The rule that must hold: an export that shows nothing where there was something is not believed.
//! An empty feed would otherwise take everything from everybody. What our own deletions took away does
//! not count: a system that they emptied is empty.

use super::known::lanes;
use super::stage::Staged;
use super::upload::held;
use crate::generator::Generator;
use crate::model::comparison::Comparisons;
use crate::model::known_order::{self, KnownOrder};
use crate::store::changes::{self, Change};
use crate::store::resources::{self, Reading};
use crate::store::synchronizations::{self, Counts, State, Synchronization};
use provost_domain::Timestamp;
use provost_service_kit::Fault;
use sea_orm::DatabaseTransaction;
use std::collections::{BTreeMap, HashSet};

/// With fewer resources than this, all of them may go at once.
const FEW: usize = 5;

/// Applies an export that was read in full.
///
/// One that is older than what was applied meanwhile has nothing to add: it is over, and changes nothing.
///
/// # Errors
/// When it is not believed; then nothing is changed.
pub(crate) async fn synchronize(
    generator: &Generator,
    task: &Synchronization,
    staged: Vec<Staged>,
) -> Result<Synchronization, Fault> {
    let deleted = deleted(generator, &staged).await?;
    let transaction = generator.database.begin().await?;
    // Two exports of one connector take turns: the later one is compared with what the earlier one left.
    generator.database.serialize(&transaction, &format!("sync {}", task.connector)).await?;
    let mut task = held(generator, &transaction, task).await?;
    let now = generator.clock.now();
    let export_started_at = task.offered_at.unwrap_or(task.created_at);
    let mut counts = Vec::with_capacity(staged.len());
    let mut changed = Vec::new();
    let newer = newer(&transaction, &staged, export_started_at).await?;
    if newer.is_none() {
        for staged in &staged {
            let properties = Some(staged.shape.readable());
            let reading = Reading { export_started_at, synchronization_id: task.id.clone(), properties };
            counts.push(apply(generator, &transaction, staged, &reading, &deleted, &mut changed).await?);
        }
    }
    task.state = State::Completed;
    task.lease_until = None;
    task.ended_at = Some(now);
    task.message = newer.map_or_else(String::new, |applied| {
        format!("nothing was changed: a later export of {}, begun at {applied}, was applied already", task.connector)
    });
    task.counts = counts;
    synchronizations::save(&transaction, &task).await?;
    generator.exports.announce(&transaction).await?;
    changes::note(&generator.database, &transaction, changed).await?;
    transaction.commit().await?;
    generator.exports.ring();
    for Counts { entity_type, rows, inserted, updated, deleted } in &task.counts {
        tracing::info!(entity_type, rows, inserted, updated, deleted, "entity type synchronized");
    }
    Ok(task)
}

/// When a later export began that was applied already, if one was.
async fn newer(
    transaction: &DatabaseTransaction,
    staged: &[Staged],
    export_started_at: Timestamp,
) -> Result<Option<Timestamp>, Fault> {
    let readings = resources::readings(transaction).await?;
    let applied = staged.iter().filter_map(|staged| readings.get(&staged.shape.name));
    Ok(applied.map(|reading| reading.export_started_at).find(|applied| *applied > export_started_at))
}

/// Of the entity types of which the export shows nothing: the keys that our own orders deleted.
async fn deleted(generator: &Generator, staged: &[Staged]) -> Result<HashSet<(String, String)>, Fault> {
    let mut emptied = HashSet::new();
    for shape in staged.iter().filter(|staged| staged.rows.is_empty()).map(|staged| &staged.shape) {
        if resources::list(generator.database.read(), &shape.name, "", FEW as u64).await?.len() >= FEW {
            emptied.insert((shape.connector.clone(), shape.name.clone()));
        }
    }
    if emptied.is_empty() {
        return Ok(HashSet::new());
    }
    let there = BTreeMap::new();
    let is_deleted = |lane: &[KnownOrder]| known_order::overlay(Some(&there), lane, Comparisons::EXACT).is_none();
    let deleted = lanes(generator).await?.into_iter().filter_map(|((connector, entity_type, key), lane)| {
        let of = (connector, entity_type);
        (emptied.contains(&of) && is_deleted(&lane)).then_some((of.1, key))
    });
    Ok(deleted.collect())
}

async fn apply(
    generator: &Generator,
    transaction: &DatabaseTransaction,
    staged: &Staged,
    reading: &Reading,
    deleted: &HashSet<(String, String)>,
    changes: &mut Vec<Change>,
) -> Result<Counts, Fault> {
    let engine = generator.database.engine();
    let entity_type = &staged.shape.name;
    let known = resources::texts(transaction, entity_type).await?;
    let vanished = known.keys().filter(|key| !deleted.contains(&(entity_type.clone(), (*key).clone()))).count();
    if staged.rows.is_empty() && vanished >= FEW {
        let why = format!(
            "the export shows no {entity_type} at all, where there were {vanished}; nothing was changed, because this \
             looks like a feed that is broken"
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
    let before = resources::readings(transaction).await?.remove(entity_type);
    changes.push(Change::Reading {
        entity_type: entity_type.clone(),
        before: before.map(|before| before.export_started_at.millis()),
    });
    let of_entity_type = || entity_type.clone();
    if changed.len() + gone.len() > changes::worth_telling(known.len()) {
        changes.push(Change::Everything { entity_type: of_entity_type() });
    } else {
        let keys = changed.iter().map(|(key, _)| *key).chain(gone.iter().copied());
        changes.extend(keys.map(|key| Change::Resource {
            entity_type: of_entity_type(),
            key: key.clone(),
            before: known.get(key).cloned(),
        }));
    }
    let rows = staged.rows.len() as i64;
    resources::note_reading(transaction, entity_type, &staged.shape.connector, reading, rows).await?;
    Ok(Counts { entity_type: entity_type.clone(), rows, inserted, updated, deleted: gone.len() as i64 })
}
