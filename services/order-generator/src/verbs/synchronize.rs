//! Applying an export to the repository, complete mode: what is new is inserted, what differs is
//! updated, what is gone is deleted; in one transaction.
//!
//! The rule that must hold: an export that is too much of a change to be true is not believed, until a person
//! says that it is. A feed that is empty or half would otherwise take everything from everybody. What our own
//! deletions took away does not count: a system that they emptied is empty.

use super::held_resources::run_of;
use super::known::lanes_of;
use super::stage::Staged;
use super::upload::held;
use crate::generator::Generator;
use crate::model::catalog::SynchronizationThresholds;
use crate::model::comparison::Comparisons;
use crate::model::generate::LaneKey;
use crate::model::known_order;
use crate::model::synchronization::{self, Breach, Counted, Effect};
use crate::store::changes::{self, Change};
use crate::store::from_json;
use crate::store::held_resources::{self, By, HeldResource};
use crate::store::resources::{self, Properties, Reading};
use crate::store::synchronizations::{self, Counts, Excess, State, Synchronization};
use crate::store::virtual_resources;
use provost_domain::Timestamp;
use provost_service_kit::Fault;
use sea_orm::DatabaseTransaction;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Most keys that are named of those that would go.
const NAMED_MAX: usize = 10;

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
    let limits = limits(generator, &task.connector).await?;
    let deleted = deleted(generator, &limits, &staged).await?;
    let transaction = generator.database.begin().await?;
    // Two exports of one connector take turns: the later one is compared with what the earlier one left.
    generator.database.serialize(&transaction, &format!("sync {}", task.connector)).await?;
    let mut task = held(generator, &transaction, task).await?;
    let now = generator.clock.now();
    let export_started_at = task.offered_at.unwrap_or(task.created_at);
    let readings = resources::readings(&transaction).await?;
    let newer = newer(&readings, &staged, export_started_at);
    let mut differences = Vec::with_capacity(staged.len());
    if newer.is_none() {
        for staged in &staged {
            let known = resources::texts(&transaction, &staged.shape.name).await?;
            differences.push(Differences::between(staged, known, &deleted));
        }
    }
    task.lease_until = None;
    task.ended_at = Some(now);
    let excess: Vec<Excess> = differences.iter().flat_map(|one| one.excess(&limits, &readings)).collect();
    if !excess.iter().all(|excess| task.lets_pass(excess)) {
        let held = differences.iter().flat_map(|one| one.held(&task.connection, &excess)).collect();
        return Err(block(generator, transaction, task, excess, held).await?);
    }
    let mut counts = Vec::with_capacity(staged.len());
    let mut changed = Vec::new();
    for differences in &differences {
        let properties = Some(differences.staged.shape.readable());
        let reading = Reading { export_started_at, synchronization_id: task.id.clone(), properties };
        counts.push(differences.apply(generator, &transaction, &reading, &readings, &mut changed).await?);
    }
    task.state = State::Completed;
    task.message = newer.map_or_else(String::new, |applied| {
        format!("nothing was changed: a later export of {}, begun at {applied}, was applied already", task.connector)
    });
    if !excess.is_empty() {
        task.message = format!("thresholds passed by {}: {}", task.passed_by, sentences(&excess));
        tracing::warn!(synchronization = task.id, actor = task.passed_by, "an export was applied past its thresholds");
    }
    task.counts = counts;
    synchronizations::save(&transaction, &task).await?;
    let by = By { synchronization_id: &task.id, job_run_id: "", connection: &task.connection };
    held_resources::replace(&transaction, generator.database.engine(), &by, &[]).await?;
    generator.exports.announce(&transaction).await?;
    changes::note(&generator.database, &transaction, changed).await?;
    transaction.commit().await?;
    generator.exports.ring();
    for Counts { entity_type, rows, inserted, updated, deleted } in &task.counts {
        tracing::info!(entity_type, rows, inserted, updated, deleted, "entity type synchronized");
    }
    Ok(task)
}

async fn limits(generator: &Generator, connector: &str) -> Result<SynchronizationThresholds, Fault> {
    let loaded = generator.catalogs.current().await?;
    let known = loaded.as_ref().and_then(|loaded| loaded.catalog.connector(connector));
    Ok(known.map(|connector| connector.thresholds).unwrap_or_default())
}

/// Keeps what was held back for a person to look at, and changes nothing else.
async fn block(
    generator: &Generator,
    transaction: DatabaseTransaction,
    mut task: Synchronization,
    excess: Vec<Excess>,
    held: Vec<HeldResource>,
) -> Result<Fault, Fault> {
    let job_run_id = run_of(&transaction, &task.id).await?.map(|run| run.id).unwrap_or_default();
    let how = match job_run_id.as_str() {
        "" => format!("All of them: provost syncs held {}. No job run waits for it any more", task.id),
        id => format!(
            "All of them: provost syncs held {id}. If that is right: provost jobs resume {id} --comment WHY; {} is read \
             again, and so much is let pass. If not: provost jobs cancel {id}",
            task.connection
        ),
    };
    let message = format!("{}; nothing was changed. {how}", sentences(&excess));
    task.state = State::Blocked;
    task.message.clone_from(&message);
    task.excess = excess;
    task.passed_by.clear();
    synchronizations::save(&transaction, &task).await?;
    let by = By { synchronization_id: &task.id, job_run_id: &job_run_id, connection: &task.connection };
    held_resources::replace(&transaction, generator.database.engine(), &by, &held).await?;
    generator.exports.announce(&transaction).await?;
    transaction.commit().await?;
    generator.exports.ring();
    tracing::warn!(synchronization = task.id, connection = task.connection, "an export was held back by a threshold");
    Ok(Fault::wrong_state(format!("synchronization {}", task.id), message))
}

fn sentences(excess: &[Excess]) -> String {
    let one = |excess: &Excess| {
        let Excess { entity_type, counted, count, limit, rule, rows, known, keys } = excess;
        let more = (*count as usize).saturating_sub(keys.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let named: Vec<String> = keys.iter().map(|key| format!("'{key}'")).collect();
        format!(
            "the export shows {rows} {entity_type}, where there were {known}: {count} would be {counted}, more than \
             {limit} ({rule}): {}{more}",
            named.join(", ")
        )
    };
    excess.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// When a later export began that was applied already, if one was.
fn newer(readings: &BTreeMap<String, Reading>, staged: &[Staged], export_started_at: Timestamp) -> Option<Timestamp> {
    let applied = staged.iter().filter_map(|staged| readings.get(&staged.shape.name));
    applied.map(|reading| reading.export_started_at).find(|applied| *applied > export_started_at)
}

/// Of the resources that the export does not show any more: those that our own orders deleted.
async fn deleted(
    generator: &Generator,
    limits: &SynchronizationThresholds,
    staged: &[Staged],
) -> Result<HashSet<(String, String)>, Fault> {
    let mut deleted = HashSet::new();
    let there = BTreeMap::new();
    for staged in staged {
        let shape = &staged.shape;
        let keys = resources::keys(generator.database.read(), &shape.name).await?;
        let gone = keys.into_iter().filter(|key| !staged.rows.contains_key(key));
        let gone: Vec<LaneKey> = gone.map(|key| (shape.connector.clone(), shape.name.clone(), key)).collect();
        // So few are let pass, whoever took them away.
        if !synchronization::may_be_too_many(limits, gone.len()) {
            continue;
        }
        for ((_, entity_type, key), lane) in lanes_of(generator, &gone).await? {
            if known_order::overlay(Some(&there), &lane, Comparisons::EXACT).is_none() {
                deleted.insert((entity_type, key));
            }
        }
    }
    Ok(deleted)
}

/// What an export makes of an entity type.
struct Differences<'a> {
    staged: &'a Staged,
    known: HashMap<String, String>,
    inserted: Vec<&'a String>,
    updated: Vec<&'a String>,
    /// Resources that are gone, and that no order of ours took away.
    vanished: Vec<String>,
    gone: Vec<String>,
}

impl<'a> Differences<'a> {
    fn between(staged: &'a Staged, known: HashMap<String, String>, deleted: &HashSet<(String, String)>) -> Self {
        let (mut inserted, mut updated) = (Vec::new(), Vec::new());
        for (key, (_, text)) in &staged.rows {
            match known.get(key) {
                Some(same) if same == text => {}
                Some(_) => updated.push(key),
                None => inserted.push(key),
            }
        }
        let mut gone: Vec<String> = known.keys().filter(|key| !staged.rows.contains_key(*key)).cloned().collect();
        inserted.sort_unstable();
        updated.sort_unstable();
        gone.sort_unstable();
        let is_ours = |key: &&String| deleted.contains(&(staged.shape.name.clone(), (*key).clone()));
        let vanished = gone.iter().filter(|key| !is_ours(key)).cloned().collect();
        Self { staged, known, inserted, updated, vanished, gone }
    }

    /// The thresholds that it breaks.
    fn excess(&self, limits: &SynchronizationThresholds, readings: &BTreeMap<String, Reading>) -> Vec<Excess> {
        let (rows, known) = (self.staged.rows.len(), self.known.len());
        let effect = Effect {
            known,
            was_read: readings.contains_key(&self.staged.shape.name),
            shown: rows,
            inserted: self.inserted.len(),
            updated: self.updated.len(),
            deleted: self.vanished.len(),
        };
        let excess = |Breach { counted, count, limit, rule }: Breach| Excess {
            entity_type: self.staged.shape.name.clone(),
            counted: counted.word().to_owned(),
            count: count as i64,
            limit: limit as i64,
            rule,
            rows: rows as i64,
            known: known as i64,
            keys: self.counted(counted).into_iter().take(NAMED_MAX).cloned().collect(),
        };
        synchronization::breaches(limits, &effect).into_iter().map(excess).collect()
    }

    /// The resources of which so many are counted.
    fn counted(&self, counted: Counted) -> Vec<&String> {
        match counted {
            Counted::Inserted => self.inserted.clone(),
            Counted::Updated => self.updated.clone(),
            Counted::Deleted => self.vanished.iter().collect(),
        }
    }

    /// Every resource of its changes that break a threshold.
    fn held(&self, connection: &str, excess: &[Excess]) -> Vec<HeldResource> {
        let entity_type = &self.staged.shape.name;
        let mut held = Vec::new();
        for one in excess.iter().filter(|one| one.entity_type == *entity_type) {
            let counted = [Counted::Inserted, Counted::Updated, Counted::Deleted];
            let counted = counted.into_iter().find(|counted| counted.word() == one.counted);
            let keys = counted.map(|counted| self.counted(counted)).unwrap_or_default();
            held.extend(keys.into_iter().map(|key| HeldResource {
                connection: connection.to_owned(),
                entity_type: entity_type.clone(),
                change: one.counted.clone(),
                key: key.clone(),
            }));
        }
        held
    }

    async fn apply(
        &self,
        generator: &Generator,
        transaction: &DatabaseTransaction,
        reading: &Reading,
        readings: &BTreeMap<String, Reading>,
        changes: &mut Vec<Change>,
    ) -> Result<Counts, Fault> {
        let engine = generator.database.engine();
        let entity_type = &self.staged.shape.name;
        let text = |key: &'a String| Some((key, &self.staged.rows.get(key)?.1));
        let changed: Vec<_> = self.inserted.iter().chain(&self.updated).filter_map(|key| text(key)).collect();
        let gone: Vec<&String> = self.gone.iter().collect();
        resources::save(transaction, entity_type, &changed).await?;
        resources::delete(transaction, engine, entity_type, &gone).await?;
        // Whatever was taken on somebody's word before: it was read now.
        virtual_resources::forget(transaction, entity_type).await?;
        let before = readings.get(entity_type).map(|before| before.export_started_at.millis());
        changes.push(Change::Reading { entity_type: entity_type.clone(), before });
        if changed.len() + gone.len() > changes::worth_telling(self.known.len()) {
            changes.push(Change::Everything { entity_type: entity_type.clone() });
        } else {
            for (key, text) in changed {
                let properties = self.known.get(key).map(|before| differing(before, text)).transpose()?;
                changes.push(Change::Resource { entity_type: entity_type.clone(), key: key.clone(), properties });
            }
            changes.extend(gone.into_iter().map(|key| Change::Resource {
                entity_type: entity_type.clone(),
                key: key.clone(),
                properties: None,
            }));
        }
        let rows = self.staged.rows.len() as i64;
        resources::note_reading(transaction, entity_type, &self.staged.shape.connector, reading, rows).await?;
        Ok(Counts {
            entity_type: entity_type.clone(),
            rows,
            inserted: self.inserted.len() as i64,
            updated: self.updated.len() as i64,
            deleted: self.gone.len() as i64,
        })
    }
}

/// The properties in which two texts of a resource differ.
fn differing(before: &str, after: &str) -> Result<Vec<String>, Fault> {
    let (before, after): (Properties, Properties) = (from_json(before)?, from_json(after)?);
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    Ok(names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::resources::text_of;
    use provost_domain::Value;

    #[test]
    fn properties_that_differ_are_named() {
        let text = |values: &[(&str, &str)]| {
            text_of(&values.iter().map(|(name, text)| ((*name).to_owned(), Value::from(*text))).collect()).unwrap()
        };
        let before = text(&[("same", "a"), ("other", "a"), ("gone", "a")]);
        let after = text(&[("same", "a"), ("other", "b"), ("new", "a")]);
        assert_eq!(differing(&before, &after).unwrap(), ["gone", "new", "other"]);
    }
}
