//! Computing the role model: evaluate everybody, compare with what is there, keep the differences,
//! and report what synchronization has shown.
//!
//! The rule that must hold: computing twice on the same inputs changes nothing the second time. What
//! is kept is kept in one transaction; a computation that was interrupted never happened.

use super::catch_up::catch_up;
use super::known::{Lanes, lanes};
use super::world::World;
use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::assign::{Assignment, Wish};
use crate::model::claims::Claims;
use crate::model::expected::Expected;
use crate::store::assignments::{self, AssignmentKey, OwnerKey};
use crate::store::computations::{self, Computed};
use crate::store::{from_json, resources, to_json};
use futures::{StreamExt, TryStreamExt, stream};
use provost_contract::fulfillment::v1::Verification;
use provost_contract::to_wire;
use provost_domain::{Owner, Period, ProvisioningState, Reason, Timestamp, WorkflowState};
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
    let computation = in_memory(Basis::read(generator, loaded).await?, done).await?;
    computation.keep(generator, done).await
}

/// Everything that a computation is made from, as it is at one moment.
pub(crate) struct Basis {
    loaded: Arc<Loaded>,
    before: Before,
    inputs: Arc<Inputs>,
    started_at: Timestamp,
}

impl Basis {
    /// Reads it. `loaded` may be a catalog that is not the current one.
    ///
    /// # Errors
    /// [`provost_service_kit::FaultKind::WrongState`] before the managed systems were read.
    pub(crate) async fn read(generator: &Generator, loaded: Arc<Loaded>) -> Result<Self, Fault> {
        catch_up(generator).await?;
        let started_at = generator.clock.now();
        let before = Before::read(generator).await?;
        let world = World::read(generator, Arc::clone(&loaded), started_at).await?;
        let previous = before.assignments()?;
        let inputs = Arc::new(Inputs { world, lanes: lanes(generator).await?, previous });
        Ok(Self { loaded, before, inputs, started_at })
    }
}

/// A computation of which nothing is kept yet.
pub(crate) struct Computation {
    basis: Basis,
    owners: HashMap<OwnerKey, String>,
    /// What everybody has or shall have.
    pub(crate) assignments: Arc<Vec<Assignment>>,
}

/// Computes for everybody, in memory.
pub(crate) async fn in_memory(basis: Basis, done: &Done) -> Result<Computation, Fault> {
    let Basis { loaded, inputs, started_at, .. } = &basis;
    let owners = inputs.world.owners();
    let total = owners.len() as u64 * 2;
    let mut expected: Vec<Expected> =
        pieces(owners, inputs, |inputs, owner| inputs.world.expected(&owner), done, 0, total).await?;
    Claims {
        catalog: &loaded.catalog,
        previous: &inputs.previous,
        lanes: &inputs.lanes,
        exists: &|entity_type, key| inputs.world.has(entity_type, key),
        now: *started_at,
    }
    .refuse_shared(&mut expected);
    let owners: HashMap<OwnerKey, String> = expected.iter().map(known_owner).collect::<Result<_, Fault>>()?;
    let work = inputs.with_the_gone(expected);
    let evaluated = total / 2;
    let assign = |inputs: &Inputs, (owner, expected): (OwnerKey, Option<Expected>)| inputs.assign(&owner, &expected);
    let assigned = pieces(work, inputs, assign, done, evaluated, total).await?;
    let mut assignments: Vec<Assignment> = assigned.into_iter().flatten().collect();
    assignments.sort_by(|a, b| place_of(a).cmp(&place_of(b)));
    Ok(Computation { basis, owners, assignments: Arc::new(assignments) })
}

impl Computation {
    /// When it was made.
    pub(crate) const fn started_at(&self) -> Timestamp {
        self.basis.started_at
    }

    /// How many owners were evaluated.
    pub(crate) fn owners(&self) -> usize {
        self.owners.len()
    }

    /// The lanes, as they will be once the ledger has heard what synchronization shows.
    pub(crate) fn lanes_once_verified(&self) -> Lanes {
        let shown: HashSet<String> = self.verifications().into_iter().map(|one| one.order_id).collect();
        let mut lanes = self.basis.inputs.lanes.clone();
        for order in lanes.values_mut().flatten().filter(|order| shown.contains(&order.id.to_string())) {
            order.state = ProvisioningState::Verified;
        }
        lanes
    }

    /// What was assigned to an owner last time, by resource type.
    pub(crate) fn previous(&self) -> &HashMap<OwnerKey, BTreeMap<String, Assignment>> {
        &self.basis.inputs.previous
    }

    /// The owners of whom something other is known than last time: before, and now.
    pub(crate) fn changed_owners(&self) -> Result<Vec<(Option<KnownOwner>, Option<KnownOwner>)>, Fault> {
        let (before, now) = (&self.basis.before.owners, &self.owners);
        let mut keys: Vec<&OwnerKey> = changed(before, now).into_iter().map(|(key, _)| key).collect();
        keys.extend(gone(before, now));
        keys.sort();
        let read = |text: Option<&String>| text.map(|text| from_json(text)).transpose();
        keys.into_iter().map(|key| Ok((read(before.get(key))?, read(now.get(key))?))).collect()
    }

    fn verifications(&self) -> Vec<Verification> {
        self.basis.inputs.world.verifications(&self.basis.inputs.lanes)
    }

    /// Keeps what differs from last time, and reports what synchronization has shown.
    pub(crate) async fn keep(&self, generator: &Generator, done: &Done) -> Result<Computed, Fault> {
        let mut after: HashMap<AssignmentKey, String> = HashMap::new();
        let mut computed = Computed { owners: self.owners.len() as i64, ..Computed::default() };
        for assignment in self.assignments.iter() {
            computed.count(assignment);
            after.insert(key_of(assignment), to_json(assignment)?);
        }
        let Basis { loaded, before, started_at, .. } = &self.basis;
        before.save(generator, &self.owners, &after).await?;
        // What dies in between loses nothing: the lanes, not the assignments, say what is yet to be verified.
        computed.verified = verify(generator, &self.verifications()).await?;
        let ended_at = generator.clock.now();
        computations::note_computation(generator.database.write(), loaded.revision, *started_at, ended_at, &computed)
            .await?;
        let total = self.owners.len() as u64 * 2;
        done(total, total);
        tracing::info!(
            owners = computed.owners,
            differing = computed.differing,
            verified = computed.verified,
            "role model computed"
        );
        Ok(computed)
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

/// Everything that the model looks at.
struct Inputs {
    world: World,
    lanes: Lanes,
    previous: HashMap<OwnerKey, BTreeMap<String, Assignment>>,
}

impl Inputs {
    /// What is expected of each owner, and, without any expectation, the owners that had something
    /// and are gone from the repository.
    fn with_the_gone(&self, expected: Vec<Expected>) -> Vec<(OwnerKey, Option<Expected>)> {
        let key = |owner: &Owner| (owner.entity_type.clone(), owner.key.clone());
        let mut work: Vec<(OwnerKey, Option<Expected>)> =
            expected.into_iter().map(|expected| (key(&expected.owner), Some(expected))).collect();
        let here: std::collections::HashSet<OwnerKey> = work.iter().map(|(key, _)| key.clone()).collect();
        work.extend(self.previous.keys().filter(|key| !here.contains(*key)).map(|key| (key.clone(), None)));
        work
    }

    fn assign(&self, key: &OwnerKey, expected: &Option<Expected>) -> Option<Vec<Assignment>> {
        let nothing = BTreeMap::new();
        let previous = self.previous.get(key).unwrap_or(&nothing);
        Some(self.world.assign(expected.as_ref(), previous, &self.lanes))
    }
}

fn place_of(assignment: &Assignment) -> (&str, &str, &str) {
    (&assignment.owner.entity_type, &assignment.owner.key, &assignment.resource_type)
}

fn key_of(assignment: &Assignment) -> AssignmentKey {
    let Owner { entity_type, key, .. } = &assignment.owner;
    (entity_type.clone(), key.clone(), assignment.resource_type.clone())
}

fn known_owner(expected: &Expected) -> Result<(OwnerKey, String), Fault> {
    let role =
        |role: &crate::model::expected::ExpectedRole| KnownRole { role: role.role.to_string(), why: role.why.clone() };
    let known = KnownOwner {
        owner: expected.owner.clone(),
        period: expected.period,
        roles: expected.roles.iter().map(role).collect(),
    };
    Ok(((expected.owner.entity_type.clone(), expected.owner.key.clone()), to_json(&known)?))
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

/// What the computation before this one left, as it is kept.
struct Before {
    owners: HashMap<OwnerKey, String>,
    assignments: HashMap<AssignmentKey, String>,
}

impl Before {
    async fn read(generator: &Generator) -> Result<Self, Fault> {
        let connection = generator.database.read();
        Ok(Self {
            owners: assignments::owners(connection).await?,
            assignments: assignments::assignments(connection).await?,
        })
    }

    fn assignments(&self) -> Result<HashMap<OwnerKey, BTreeMap<String, Assignment>>, Fault> {
        let mut found: HashMap<OwnerKey, BTreeMap<String, Assignment>> = HashMap::new();
        for ((owner_type, owner_key, resource_type), body) in &self.assignments {
            let of_owner = found.entry((owner_type.clone(), owner_key.clone())).or_default();
            of_owner.insert(resource_type.clone(), from_json(body)?);
        }
        Ok(found)
    }

    /// Writes what is new, other, or gone; nothing else.
    async fn save(
        &self,
        generator: &Generator,
        owners: &HashMap<OwnerKey, String>,
        after: &HashMap<AssignmentKey, String>,
    ) -> Result<(), Fault> {
        let engine = generator.database.engine();
        let transaction = generator.database.begin().await?;
        assignments::save_owners(&transaction, engine, &changed(&self.owners, owners)).await?;
        assignments::delete_owners(&transaction, engine, &gone(&self.owners, owners)).await?;
        assignments::save(&transaction, engine, &changed(&self.assignments, after)).await?;
        assignments::delete(&transaction, engine, &gone(&self.assignments, after)).await?;
        transaction.commit().await?;
        Ok(())
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
