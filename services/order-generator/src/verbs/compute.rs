//! Computing the role model: evaluate everybody, compare with what is there, keep the differences,
//! and report what synchronization has shown.
//!
//! The rule that must hold: computing twice on the same inputs changes nothing the second time. What
//! is kept is kept in one transaction; a computation that was interrupted never happened.

use super::catch_up::catch_up;
use super::inputs::{Before, Inputs, Scope};
use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::assign::{Assignment, Wish};
use crate::model::claims::Claims;
use crate::model::expected::Expected;
use crate::store::assignments::{self, AssignmentKey, OwnerKey};
use crate::store::computations::{self, Computed};
use crate::store::{resources, to_json};
use futures::{StreamExt, TryStreamExt, stream};
use provost_contract::fulfillment::v1::Verification;
use provost_contract::to_wire;
use provost_domain::{Owner, Period, Reason, Timestamp, WorkflowState};
use provost_service_kit::Fault;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

/// Only one of computing and generating goes on at a time, in all replicas.
pub(crate) const ROLE_MODEL: &str = "the computation of the role model, or the generation of orders,";
/// Owners that one piece of work takes.
const OWNERS_PER_PIECE: usize = 500;

/// How far a verb is: so much done, of so much.
pub(crate) type Done = dyn Fn(u64, u64) + Send + Sync;

/// What is kept of an owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownOwner {
    pub(crate) owner: Owner,
    pub(crate) period: Period,
    pub(crate) roles: Vec<KnownRole>,
}

/// A role that the owner has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownRole {
    pub(crate) role: String,
    pub(crate) why: Vec<Reason>,
    /// How it came to be approved; by rule, in rows that are older than the field.
    #[serde(default = "calculated")]
    pub(crate) workflow: WorkflowState,
    /// When it counts.
    #[serde(default)]
    pub(crate) period: Period,
}

const fn calculated() -> WorkflowState {
    WorkflowState::Calculated
}

/// The catalog, or why nothing can be computed.
pub(crate) async fn catalog(generator: &Generator) -> Result<Arc<Loaded>, Fault> {
    let loaded = generator.catalogs.current().await?;
    loaded.ok_or_else(|| Fault::wrong_state("catalog", "there is no catalog; apply one first"))
}

/// Computes the role model for everybody.
///
/// # Errors
/// [`provost_service_kit::FaultKind::WrongState`] without a catalog, or before the managed systems
/// were read; [`provost_service_kit::FaultKind::Conflict`] while it is computed already.
pub(crate) async fn compute(generator: &Generator, done: &Done) -> Result<Computed, Fault> {
    let loaded = catalog(generator).await?;
    generator.alone(ROLE_MODEL, compute_alone(generator, loaded, done)).await
}

async fn compute_alone(generator: &Generator, loaded: Arc<Loaded>, done: &Done) -> Result<Computed, Fault> {
    catch_up(generator).await?;
    let revision = loaded.revision;
    let computation = compute_in_memory(generator, &Scope::Everybody, loaded, done).await?;
    let mut computed = computation.counts();
    computation.save(generator).await?;
    // What dies in between loses nothing: the lanes, not the assignments, say what is yet to be verified.
    computed.verified = verify(generator, &computation.verifications).await?;
    let (started_at, ended_at) = (computation.started_at, generator.clock.now());
    computations::note_computation(generator.database.write(), revision, started_at, ended_at, &computed).await?;
    tracing::info!(
        owners = computed.owners,
        differing = computed.differing,
        verified = computed.verified,
        "role model computed"
    );
    Ok(computed)
}

/// What a computation found, before any of it is kept.
pub(crate) struct Computation {
    pub(crate) started_at: Timestamp,
    /// What it was computed from.
    pub(crate) inputs: Arc<Inputs>,
    /// What is to be kept of each owner of the scope that is here.
    pub(crate) owners: HashMap<OwnerKey, KnownOwner>,
    /// What the owners of the scope have, or shall have.
    pub(crate) assignments: Vec<Assignment>,
    /// The orders that synchronization shows.
    pub(crate) verifications: Vec<Verification>,
    /// The next instant at which an owner's result may be another one, though nothing else changes.
    pub(crate) next_changes: HashMap<OwnerKey, Timestamp>,
}

/// Computes for the owners of a scope by a catalog, which need not be the one that was applied, and
/// keeps nothing. The projection of the ledger is taken as it is.
///
/// # Errors
/// When a system that is to be synchronized has never been.
pub(crate) async fn compute_in_memory(
    generator: &Generator,
    scope: &Scope,
    loaded: Arc<Loaded>,
    done: &Done,
) -> Result<Computation, Fault> {
    let started_at = generator.clock.now();
    let inputs = Arc::new(Inputs::read(generator, Arc::clone(&loaded), scope, started_at).await?);
    let owners = inputs.world.owners(scope);
    let total = owners.len() as u64 * 2;
    let mut expected: Vec<Expected> =
        pieces(owners, &inputs, |inputs, owner| inputs.world.expected(&owner), done, 0, total).await?;
    Claims {
        catalog: &loaded.catalog,
        previous: &inputs.previous,
        lanes: &inputs.lanes,
        exists: &|entity_type, key| inputs.world.has(entity_type, key),
        now: started_at,
    }
    .refuse_shared(&mut expected);
    let owners: HashMap<OwnerKey, KnownOwner> = expected.iter().map(known_owner).collect();
    let next_change = |expected: &Expected| Some((owner_of(&expected.owner), expected.next_change?));
    let next_changes = expected.iter().filter_map(next_change).collect();
    let work = with_the_gone(&inputs, expected);
    let evaluated = total / 2;
    let assignments: Vec<Assignment> = pieces(
        work,
        &inputs,
        |inputs, (owner, expected)| Some(assign(inputs, &owner, &expected)),
        done,
        evaluated,
        total,
    )
    .await?
    .into_iter()
    .flatten()
    .collect();
    let verifications = inputs.world.verifications(&inputs.lanes);
    done(total, total);
    Ok(Computation { started_at, inputs, owners, assignments, verifications, next_changes })
}

impl Computation {
    /// How much of what there is.
    pub(crate) fn counts(&self) -> Computed {
        let mut computed = Computed { owners: self.owners.len() as i64, ..Computed::default() };
        self.assignments.iter().for_each(|assignment| computed.count(assignment));
        computed
    }

    /// Writes what is new, other, or gone; nothing else.
    async fn save(&self, generator: &Generator) -> Result<(), Fault> {
        let Before { owners: owners_before, assignments: before } = &self.inputs.before;
        let owners: HashMap<OwnerKey, String> =
            self.owners.iter().map(|(key, owner)| Ok((key.clone(), to_json(owner)?))).collect::<Result<_, Fault>>()?;
        let after: HashMap<AssignmentKey, String> = self
            .assignments
            .iter()
            .map(|assignment| Ok((key_of(assignment), to_json(assignment)?)))
            .collect::<Result<_, Fault>>()?;
        let engine = generator.database.engine();
        let transaction = generator.database.begin().await?;
        assignments::save_owners(&transaction, engine, &changed(owners_before, &owners)).await?;
        assignments::delete_owners(&transaction, engine, &gone(owners_before, &owners)).await?;
        assignments::save(&transaction, engine, &changed(before, &after)).await?;
        assignments::delete(&transaction, engine, &gone(before, &after)).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Does work in pieces beside each other, off the runtime's threads.
async fn pieces<I, T>(
    items: Vec<I>,
    inputs: &Arc<Inputs>,
    work: fn(&Inputs, I) -> Option<T>,
    done: &Done,
    mut so_far: u64,
    total: u64,
) -> Result<Vec<T>, Fault>
where
    I: Send + 'static,
    T: Send + 'static,
{
    let beside = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut items = items.into_iter();
    let chunks = std::iter::from_fn(|| {
        let chunk: Vec<I> = items.by_ref().take(OWNERS_PER_PIECE).collect();
        (!chunk.is_empty()).then_some(chunk)
    });
    let tasks = chunks.map(|chunk| {
        let inputs = Arc::clone(inputs);
        async move {
            let count = chunk.len() as u64;
            let piece = move || chunk.into_iter().filter_map(|item| work(&inputs, item)).collect::<Vec<T>>();
            let results = tokio::task::spawn_blocking(piece).await.map_err(Fault::internal)?;
            Ok::<_, Fault>((count, results))
        }
    });
    let mut results = Vec::new();
    let mut running = stream::iter(tasks).buffered(beside);
    while let Some((count, piece)) = running.try_next().await? {
        so_far += count;
        done(so_far, total);
        results.extend(piece);
    }
    Ok(results)
}

/// What is expected of each owner, and, without any expectation, the owners that had something
/// and are gone from the repository.
fn with_the_gone(inputs: &Inputs, expected: Vec<Expected>) -> Vec<(OwnerKey, Option<Expected>)> {
    let mut work: Vec<(OwnerKey, Option<Expected>)> =
        expected.into_iter().map(|expected| (owner_of(&expected.owner), Some(expected))).collect();
    let here: HashSet<OwnerKey> = work.iter().map(|(key, _)| key.clone()).collect();
    work.extend(inputs.previous.keys().filter(|key| !here.contains(*key)).map(|key| (key.clone(), None)));
    work
}

fn assign(inputs: &Inputs, key: &OwnerKey, expected: &Option<Expected>) -> Vec<Assignment> {
    let nothing = BTreeMap::new();
    let previous = inputs.previous.get(key).unwrap_or(&nothing);
    inputs.world.assign(expected.as_ref(), previous, &inputs.lanes, &inputs.decisions)
}

fn owner_of(owner: &Owner) -> OwnerKey {
    (owner.entity_type.clone(), owner.key.clone())
}

fn key_of(assignment: &Assignment) -> AssignmentKey {
    let Owner { entity_type, key, .. } = &assignment.owner;
    (entity_type.clone(), key.clone(), assignment.place())
}

fn known_owner(expected: &Expected) -> (OwnerKey, KnownOwner) {
    let role = |role: &crate::model::expected::ExpectedRole| KnownRole {
        role: role.role.to_string(),
        why: role.why.clone(),
        workflow: role.workflow,
        period: role.period,
    };
    let known = KnownOwner {
        owner: expected.owner.clone(),
        period: expected.period,
        roles: expected.roles.iter().map(role).collect(),
    };
    (owner_of(&expected.owner), known)
}

impl Computed {
    fn count(&mut self, assignment: &Assignment) {
        let is_found = |workflow| matches!(workflow, WorkflowState::NonConforming | WorkflowState::PreExisting);
        self.assigned_resources += i64::from(matches!(assignment.wish, Wish::Have | Wish::Unknown));
        self.failed += i64::from(assignment.failure.is_some());
        self.differing += i64::from(assignment.wanted.is_some());
        self.non_conforming += i64::from(is_found(assignment.workflow));
        self.non_conforming +=
            assignment.properties.values().filter(|property| is_found(property.workflow)).count() as i64;
        let is_as_wanted = assignment.wish == Wish::Have && assignment.wanted.is_none() && assignment.failure.is_none();
        self.conforming += i64::from(is_as_wanted && !is_found(assignment.workflow));
    }
}

fn changed<'a, K: Eq + Hash>(before: &HashMap<K, String>, after: &'a HashMap<K, String>) -> Vec<(&'a K, &'a String)> {
    after.iter().filter(|(key, body)| before.get(*key) != Some(*body)).collect()
}

fn gone<'a, K: Eq + Hash>(before: &'a HashMap<K, String>, after: &HashMap<K, String>) -> Vec<&'a K> {
    before.keys().filter(|key| !after.contains_key(*key)).collect()
}

/// Reports what was verified, and waits until the projection shows it.
async fn verify(generator: &Generator, verifications: &[Verification]) -> Result<i64, Fault> {
    if verifications.is_empty() {
        return Ok(0);
    }
    let results = generator.ledger.verify(verifications).await?;
    // An order that moved on meanwhile is refused, and looked at again by the next computation.
    let verified = results.iter().filter(|result| result.error.is_none()).count() as i64;
    catch_up(generator).await?;
    Ok(verified)
}

/// A verification of one order, by the export that the repository shows.
pub(crate) fn verification(order_id: String, reading: &resources::Reading) -> Verification {
    Verification {
        order_id,
        export_started_at: Some(to_wire::timestamp(reading.export_started_at)),
        synchronization_id: reading.synchronization_id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_differences_are_written() {
        let map = |pairs: &[(&'static str, &str)]| -> HashMap<&'static str, String> {
            pairs.iter().map(|(key, body)| (*key, (*body).to_owned())).collect()
        };
        let (before, after) =
            (map(&[("same", "1"), ("other", "1"), ("gone", "1")]), map(&[("same", "1"), ("other", "2"), ("new", "1")]));
        let mut keys: Vec<_> = changed(&before, &after).into_iter().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["new", "other"]);
        assert_eq!(gone(&before, &after), [&"gone"]);
        assert!(changed(&after, &after).is_empty() && gone(&after, &after).is_empty());
    }
}
