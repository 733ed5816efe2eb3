//! Computing the role model: evaluate, compare with what is there, keep the differences, and report what
//! synchronization has shown. For everybody, or for those whom something concerns that changed.
//!
//! The rules that must hold: computing twice on the same inputs changes nothing the second time, and
//! computing for those whom it concerns gives what computing for everybody would. What is kept is kept
//! in one transaction; a computation that was interrupted never happened.

use super::affected::{Affected, affected};
use super::catch_up::catch_up;
use super::inputs::{Batch, Claimed, Kept, Person, Scope};
use super::permissions::owner_type;
use super::planning::Planning;
use super::regenerate::{self, Outlook};
use super::texts::Texts;
use super::verify::{Candidates, verifications, verify};
use super::virtual_resources;
use super::world::{Ground, Known, Taken, World};
use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::assign::{Assignment, Wish};
use crate::model::catalog::touched::Touched;
use crate::model::evaluate;
use crate::model::expected::{Expected, ExpectedResource, ExpectedRole};
use crate::model::found::Item;
use crate::model::need::Need;
use crate::store::assignments::{self, AssignmentKey, Body, OwnerKey};
use crate::store::changes::{self, Change};
use crate::store::computations::{self, Computed};
use crate::store::dependencies::{self, Dependencies, Replaced};
use crate::store::{found_items, resources, to_json};
use crate::work::order_feed::FEED;
use futures::{StreamExt, TryStreamExt, stream};
use provost_contract::fulfillment::v1::Verification;
use provost_domain::{Owner, Period, Reason, WorkflowState};
use provost_service_kit::{Fault, feed};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Only one of computing and generating goes on at a time, in all replicas.
pub(crate) const ROLE_MODEL: &str = "the computation of the role model, or the generation of orders,";
/// Owners that one piece of work takes.
const OWNERS_PER_PIECE: usize = 500;

/// How far a verb is: so much done, of so much.
pub(crate) type Done = dyn Fn(u64, u64) + Send + Sync;

/// For whom somebody wants the role model computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// Everybody.
    Everybody,
    /// Whomever something concerns that changed since the last computation.
    Changed,
    /// These owners, whether anything changed or not, and whoever claims what they claim.
    These(BTreeSet<OwnerKey>),
}

/// What is kept of an owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownOwner {
    pub(crate) owner: Owner,
    pub(crate) period: Period,
    pub(crate) roles: Vec<KnownRole>,
    /// What tells whether something of the owner's own is another by now; 0 in rows that are older than the field.
    #[serde(default)]
    fingerprint: u64,
    /// Of resource types what the assignment does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    types: Vec<KnownType>,
}

/// A resource type that the owner has otherwise than by rules that count now, or whose resource rules with offsets
/// keep for longer. The assignment says how its resource stands, which hides the one, and until when that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownType {
    resource_type: String,
    workflow: WorkflowState,
    given: Period,
}

impl KnownType {
    fn of(expected: &ExpectedResource) -> Option<Self> {
        let is_by_rule = matches!(expected.workflow, WorkflowState::Calculated | WorkflowState::GivenByARole);
        let is_said = is_by_rule && expected.given == expected.period;
        (!is_said && expected.slot.is_empty()).then(|| Self {
            resource_type: expected.resource_type.to_string(),
            workflow: expected.workflow,
            given: expected.given,
        })
    }
}

/// A role that the owner has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownRole {
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) is_composite: bool,
    #[serde(default)]
    pub(crate) period: Period,
    #[serde(default = "calculated")]
    pub(crate) workflow: WorkflowState,
    pub(crate) why: Vec<Reason>,
}

const fn calculated() -> WorkflowState {
    WorkflowState::Calculated
}

impl KnownOwner {
    /// What is kept of an owner for whom the rules say this.
    pub(crate) fn of(expected: &Expected, fingerprint: u64) -> Self {
        let role = |role: &ExpectedRole| KnownRole {
            role: role.role.to_string(),
            is_composite: role.is_composite,
            period: role.period,
            workflow: role.workflow,
            why: role.why.clone(),
        };
        Self {
            owner: expected.owner.clone(),
            period: expected.period,
            roles: expected.roles.iter().map(role).collect(),
            fingerprint,
            types: expected.resources.iter().filter_map(KnownType::of).collect(),
        }
    }

    /// Of an owner of whom nothing was computed.
    pub(crate) const fn unknown(owner: Owner, period: Period) -> Self {
        Self { owner, period, roles: vec![], fingerprint: 0, types: vec![] }
    }

    /// What the next evaluation goes by, beside what was assigned; none of what an older version kept. `revision` is the
    /// catalog's of the newest computation: whom that did not compute is given the same by it.
    pub(crate) fn before<'a>(
        &self,
        revision: i64,
        assignments: impl Iterator<Item = &'a Assignment>,
    ) -> Option<evaluate::Before> {
        let role = |role: &KnownRole| evaluate::RoleBefore {
            role: role.role.as_str().into(),
            workflow: role.workflow,
            period: role.period,
        };
        let is_had = |one: &&Assignment| one.wish == Wish::Have && one.slot.is_empty() && !one.found && !one.proposed;
        let had = |one: &Assignment| {
            let known = self.types.iter().find(|known| known.resource_type == one.resource_type);
            let workflow = match (known, one.workflow) {
                (Some(known), _) => known.workflow,
                // How the resource stands, and not how its type came to be given.
                (None, WorkflowState::Declined | WorkflowState::NonConforming) => WorkflowState::Calculated,
                (None, workflow) => workflow,
            };
            let period = known.map_or(one.period, |known| known.given);
            evaluate::TypeBefore { resource_type: one.resource_type.as_str().into(), workflow, period }
        };
        (self.fingerprint != 0).then(|| evaluate::Before {
            revision,
            fingerprint: self.fingerprint,
            roles: self.roles.iter().map(role).collect(),
            types: assignments.filter(is_had).map(had).collect(),
        })
    }
}

/// The catalog, or why nothing can be computed.
pub(crate) async fn catalog(generator: &Generator) -> Result<Arc<Loaded>, Fault> {
    let loaded = generator.catalogs.current().await?;
    loaded.ok_or_else(|| Fault::wrong_state("catalog", "there is no catalog; apply one first"))
}

/// Most owners that one call may name.
const OWNERS_MAX: usize = 1_000;

/// These owners, by name. An empty entity type means the only one that owns anything.
///
/// # Errors
/// [`provost_service_kit::FaultKind::NotFound`] for an owner that nothing is known of.
pub(crate) async fn these(generator: &Generator, entity_type: &str, keys: &[String]) -> Result<Whom, Fault> {
    if keys.len() > OWNERS_MAX {
        return Err(Fault::invalid("owner_keys", format!("hold more than {OWNERS_MAX} keys")));
    }
    let loaded = catalog(generator).await?;
    let mut owners = BTreeSet::new();
    for key in keys {
        owners.insert((owner_type(&loaded, entity_type, key)?, key.clone()));
    }
    for (entity_type, key) in &owners {
        let connection = generator.database.read();
        let is_known = resources::get(connection, entity_type, key).await?.is_some()
            || !assignments::of_owner(connection, entity_type, key).await?.is_empty();
        if !is_known {
            return Err(Fault::not_found(format!("{entity_type} '{key}'")));
        }
    }
    Ok(Whom::These(owners))
}

/// Computes the role model.
///
/// # Errors
/// [`provost_service_kit::FaultKind::WrongState`] without a catalog, before the managed systems
/// were read, or for some owners before it was computed by this catalog for all whom that concerns;
/// [`provost_service_kit::FaultKind::Conflict`] while it is computed already.
pub(crate) async fn compute(generator: &Generator, whom: Whom, done: &Done) -> Result<Computed, Fault> {
    let loaded = catalog(generator).await?;
    generator.alone(ROLE_MODEL, compute_alone(generator, loaded, whom, done)).await
}

async fn compute_alone(generator: &Generator, loaded: Arc<Loaded>, whom: Whom, done: &Done) -> Result<Computed, Fault> {
    let Begun { ground, until, base, changes } = Begun::read(generator, loaded).await?;
    match (whom, base) {
        (Whom::Everybody, _) | (Whom::Changed, None) => {
            kept(generator, &ground, &Scope::Everybody, Answers::For(&Candidates::All, until), done).await
        }
        (Whom::Changed, Some(base)) => {
            let Affected { scope, candidates } = affected(generator, &ground, &base, changes).await?;
            kept(generator, &ground, &scope, Answers::For(&candidates, until), done).await
        }
        // Whomever else something concerns that changed is computed by the next computation of what changed.
        (Whom::These(owners), Some(Base { orders, touched })) if touched.is_nobody() => {
            kept(generator, &ground, &Scope::These(owners), Answers::Nothing { orders }, done).await
        }
        (Whom::These(_), _) => {
            let early = "it was not yet computed by this catalog; compute it for everybody, or for what changed, first";
            Err(Fault::wrong_state("role model", early))
        }
    }
}

/// What every computation begins with.
struct Begun {
    ground: Arc<Ground>,
    until: Until,
    /// What the last computation left to go on from; none when there was none, or when by the catalog of now everybody
    /// may be given something else.
    base: Option<Base>,
    /// What has changed since then.
    changes: Vec<Change>,
}

/// What a computation left.
pub(crate) struct Base {
    /// Up to where it saw the order feed.
    pub(crate) orders: i64,
    /// Whom it concerns that there is another catalog since.
    pub(crate) touched: Touched,
}

impl Base {
    async fn read(generator: &Generator, loaded: &Loaded) -> Result<Option<Self>, Fault> {
        let newest = computations::newest(generator.database.read()).await?;
        let Some((newest, orders)) = newest.and_then(|newest| Some((newest, newest.orders_until?))) else {
            return Ok(None);
        };
        let touched = generator.catalogs.touched(newest.revision, loaded).await?;
        Ok(touched.map(|touched| Self { orders, touched }))
    }
}

impl Begun {
    async fn read(generator: &Generator, loaded: Arc<Loaded>) -> Result<Self, Fault> {
        catch_up(generator).await?;
        virtual_resources::catch_up(generator, &loaded).await?;
        Self::as_it_is(generator, loaded).await
    }

    /// As [`Begun::read`], with the projection of the ledger as it is.
    async fn as_it_is(generator: &Generator, loaded: Arc<Loaded>) -> Result<Self, Fault> {
        let started_at = generator.clock.now();
        let connection = generator.database.read();
        // What changes after this is looked at by the next computation, whether this one sees it or not.
        let until =
            Until { changes: changes::newest(connection).await?, orders: feed::cursor(connection, FEED).await? };
        let base = Base::read(generator, &loaded).await?;
        let changes = changes::until(connection, until.changes).await?;
        let known = if base.is_some() { Known::Until(&changes) } else { Known::Nothing };
        let ground = Ground::read(generator, loaded, started_at, known).await?;
        Ok(Self { ground, until, base, changes })
    }
}

/// How far the inputs were read.
#[derive(Clone, Copy, Debug)]
struct Until {
    /// The sequence of the last change that the computation saw.
    changes: i64,
    /// The cursor of the order feed.
    orders: i64,
}

/// Computes for a scope, and keeps what was found. What is answered for is forgotten: the changes until then.
async fn kept(
    generator: &Generator,
    ground: &Arc<Ground>,
    scope: &Scope,
    answers: Answers<'_>,
    done: &Done,
) -> Result<Computed, Fault> {
    let computation = compute_in_memory(generator, ground, scope, Keep::Differences, done).await?;
    let mut computed = computation.counts();
    if let Answers::For(candidates, _) = answers {
        // Before anything is kept: what dies in between is looked at again.
        let shown = verifications(generator, ground, candidates).await?;
        computed.verified = verify(generator, &shown).await?;
    }
    save(generator, ground, &computation, &computed, answers).await?;
    tracing::info!(
        owners = computed.owners,
        differing = computed.differing,
        verified = computed.verified,
        "role model computed"
    );
    Ok(computed)
}

/// What a computation answers for.
#[derive(Clone, Copy)]
enum Answers<'a> {
    /// All that changed until then, and the orders that may be shown by it.
    For(&'a Candidates, Until),
    /// Nothing but its owners, after a computation that saw the order feed up to a cursor.
    Nothing { orders: i64 },
}

/// What of a computation stays in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// What is to be written.
    Differences,
    /// What a plan is made from; nothing can be written.
    Plan,
    /// Both.
    Both,
}

/// What a computation found, before any of it is kept.
#[derive(Default)]
pub(crate) struct Computation {
    /// What it found of each owner.
    pub(crate) found: BTreeMap<OwnerKey, Found>,
}

/// What a computation found of one owner.
#[derive(Default)]
pub(crate) struct Found {
    counts: Computed,
    /// What is to be written, as it is to be kept; none where it is to be deleted. What stays is not here.
    owner: Option<Option<String>>,
    assignments: Vec<(String, Option<Body>)>,
    /// What the result was computed from, when that differs from what is kept: before, and by now.
    dependencies: Option<(Option<Dependencies>, Option<Dependencies>)>,
    /// What waits for a person, when something does or did: as it is kept, and by now.
    items: Option<(HashMap<String, String>, Vec<Item>)>,
    /// What generation has to know.
    outlook: Outlook,
    /// What a plan is made from.
    pub(crate) planning: Option<Planning>,
}

/// Computes for the owners of a scope by a catalog, which need not be the one that was applied, and
/// keeps nothing. The projection of the ledger is taken as it is.
///
/// # Errors
/// When the database fails.
pub(crate) async fn compute_in_memory(
    generator: &Generator,
    ground: &Arc<Ground>,
    scope: &Scope,
    keep: Keep,
    done: &Done,
) -> Result<Computation, Fault> {
    let owners = scope.owners(generator, ground).await?;
    let mut run = Run {
        generator,
        ground,
        keep,
        computation: Computation::default(),
        claims: Vec::new(),
        released: BTreeSet::new(),
        untaken: HashSet::new(),
    };
    run.all(owners, done).await?;
    match scope {
        Scope::Everybody => run.strays(done).await?,
        Scope::These(_) => {
            // What nobody has any more is looked at by itself.
            let mut released = std::mem::take(&mut run.released);
            // Who was looked at already is not its own rival.
            released.retain(|owner| !run.computation.found.contains_key(owner));
            run.all(released.into_iter().collect(), done).await?;
            run.whoever_else_claims(done).await?;
        }
    }
    run.contested().await?;
    Ok(run.computation)
}

/// What a computation by this catalog would go on from, as it is; none when none has been yet.
///
/// # Errors
/// As [`Ground::read`].
pub(crate) async fn ground_of_now(generator: &Generator, loaded: Arc<Loaded>) -> Result<Option<Arc<Ground>>, Fault> {
    let newest = computations::newest_revision(generator.database.read()).await?;
    if newest != Some(loaded.revision) {
        return Ok(None);
    }
    let Begun { ground, .. } = Begun::as_it_is(generator, loaded).await?;
    Ok(Some(ground))
}

/// What one owner has, or shall have, by the catalog, the data and the orders of now, and what that was computed
/// from. Nothing is kept.
///
/// # Errors
/// As [`Ground::read`].
pub(crate) async fn of_now(
    generator: &Generator,
    loaded: Arc<Loaded>,
    owner: &OwnerKey,
) -> Result<(Arc<Ground>, Vec<Assignment>), Fault> {
    let Begun { ground, .. } = Begun::as_it_is(generator, loaded).await?;
    let scope = Scope::These(BTreeSet::from([owner.clone()]));
    let mut computation = compute_in_memory(generator, &ground, &scope, Keep::Differences, &|_, _| {}).await?;
    let (connection, engine) = (generator.database.read(), generator.database.engine());
    let kept = assignments::of_owners(connection, engine, &[owner]).await?;
    let mut bodies: BTreeMap<String, Body> = kept.into_iter().map(|((.., place), body)| (place, body)).collect();
    for (place, body) in computation.found.remove(owner).map(|found| found.assignments).unwrap_or_default() {
        match body {
            Some(body) => bodies.insert(place, body),
            None => bodies.remove(&place),
        };
    }
    let assignments = bodies.values().map(Body::read).collect::<Result<Vec<_>, Fault>>()?;
    Ok((ground, assignments))
}

/// A computation under way.
struct Run<'a> {
    generator: &'a Generator,
    ground: &'a Arc<Ground>,
    keep: Keep,
    computation: Computation,
    /// What each owner has or claims, and had or claimed before.
    claims: Vec<(OwnerKey, Claimed, BTreeSet<Need>)>,
    /// Resources that somebody had and no longer has.
    released: BTreeSet<OwnerKey>,
    /// Resources that may be somebody's, who did not get them: where several fit, or another one fits better.
    untaken: HashSet<Need>,
}

impl Run<'_> {
    /// Computes for these owners, in pieces beside each other, as if nobody claimed what another one claims.
    async fn all(&mut self, owners: Vec<OwnerKey>, done: &Done) -> Result<(), Fault> {
        // One more than there are cores: while a piece waits for the database, another one computes.
        let beside = std::thread::available_parallelism().map_or(2, std::num::NonZero::get) + 1;
        let total = owners.len() as u64;
        let (generator, ground) = (self.generator, self.ground);
        let mut owners = owners.into_iter();
        let chunks = std::iter::from_fn(|| {
            let chunk: Vec<OwnerKey> = owners.by_ref().take(OWNERS_PER_PIECE).collect();
            (!chunk.is_empty()).then_some(chunk)
        });
        let keep = self.keep;
        let pieces = chunks.map(|chunk| async move {
            let mut batch = Batch::evaluated(generator, ground, chunk).await?;
            batch.settle_each();
            looked_at(batch.assigned(generator, Taken::new()).await?, keep).await
        });
        let mut running = stream::iter(pieces).buffered(beside);
        let mut so_far = 0;
        while let Some(people) = running.try_next().await? {
            so_far += people.len() as u64;
            done(so_far, total);
            for Looked { key, released, untaken, claimed, claimed_before, found } in people {
                self.released.extend(released);
                self.untaken.extend(untaken);
                self.claims.push((key.clone(), claimed, claimed_before));
                self.computation.found.insert(key, found);
            }
        }
        Ok(())
    }

    /// Looks at the resources that nobody claims, or that nobody may get who claims them.
    async fn strays(&mut self, done: &Done) -> Result<(), Fault> {
        // Whether it is one alone who may get it.
        let mut claimed: HashMap<Need, bool> = HashMap::new();
        for (_, by, _) in &self.claims {
            for need in &by.needs {
                claimed.entry(*need).and_modify(|is_alone| *is_alone = false).or_insert(!by.is_its_own_rival);
            }
        }
        let mut strays = Vec::new();
        for entity_type in self.ground.catalog().entity_types() {
            let name = entity_type.name.to_string();
            if !self.ground.looks_for_strays(&name) {
                continue;
            }
            let keys = resources::keys(self.generator.database.read(), &name).await?;
            let is_stray = |key: &String| {
                let need = Need::resource(&name, key);
                // Where several claim it, perhaps none of them gets it.
                claimed.get(&need).is_none_or(|is_alone| !is_alone) || self.untaken.contains(&need)
            };
            let unclaimed = keys.into_iter().filter(is_stray).map(|key| (name.clone(), key));
            strays.extend(unclaimed.filter(|stray| !self.computation.found.contains_key(stray)));
        }
        self.all(strays, done).await
    }

    /// Computes too for whoever has or claims what one of those has, claims, or claimed before.
    async fn whoever_else_claims(&mut self, done: &Done) -> Result<(), Fault> {
        let mut looked_at = 0;
        while looked_at < self.claims.len() {
            let new = self.claims.get(looked_at..).unwrap_or_default();
            let needs: BTreeSet<Need> =
                new.iter().flat_map(|(_, claimed, before)| claimed.needs.union(before)).copied().collect();
            looked_at = self.claims.len();
            let (connection, engine) = (self.generator.database.read(), self.generator.database.engine());
            let others = dependencies::dependents(connection, engine, &needs).await?;
            let found = &self.computation.found;
            let is_new = |owner: &OwnerKey| Texts::is_owner(owner) && !found.contains_key(owner);
            let others = others.into_iter().filter(is_new).collect();
            self.all(others, done).await?;
        }
        Ok(())
    }

    /// Computes once more, and together, for all who claim what another one claims.
    async fn contested(&mut self) -> Result<(), Fault> {
        let mut claimants: HashMap<Need, usize> = HashMap::new();
        for need in self.claims.iter().flat_map(|(_, claimed, _)| &claimed.needs) {
            *claimants.entry(*need).or_default() += 1;
        }
        claimants.retain(|_, count| *count > 1);
        let is_contested = |claimed: &Claimed| {
            claimed.is_its_own_rival || claimed.needs.iter().any(|need| claimants.contains_key(need))
        };
        let contested = self.claims.iter().filter(|(_, claimed, _)| is_contested(claimed));
        let contested: Vec<OwnerKey> = contested.map(|(owner, _, _)| owner.clone()).collect();
        if contested.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::evaluated(self.generator, self.ground, contested).await?;
        let taken = batch.settle_together();
        let batch = batch.assigned(self.generator, taken).await?;
        for Looked { key, found, .. } in looked_at(batch, self.keep).await? {
            self.computation.found.insert(key, found);
        }
        Ok(())
    }
}

/// What stays of an owner that was looked at.
struct Looked {
    key: OwnerKey,
    found: Found,
    /// What the owner had and no longer has.
    released: Vec<OwnerKey>,
    /// What the owner claims and did not get.
    untaken: Vec<Need>,
    /// What the owner has or claims, and had or claimed before.
    claimed: Claimed,
    claimed_before: BTreeSet<Need>,
}

/// What stays of the owners of a batch. Everything else of it goes, on a thread that may be kept waiting.
async fn looked_at(batch: Batch, keep: Keep) -> Result<Vec<Looked>, Fault> {
    let look = move || {
        let ground = batch.world.shared_ground();
        let looked = |person: Person| {
            let previous = batch.previous.get(&person.key);
            let found = Found::of(&batch.world, &person, previous, keep)?;
            let released = released(ground, previous, &person.assignments);
            let taken: Vec<Need> =
                person.assignments.iter().map(|one| Need::resource(&one.entity_type, &one.target_key)).collect();
            let untaken = person.claimed.needs.iter().filter(|need| !taken.contains(need)).copied().collect();
            let claimed_before = person.kept.dependencies.map(|kept| kept.claims).unwrap_or_default();
            Ok(Looked { key: person.key, found, released, untaken, claimed: person.claimed, claimed_before })
        };
        batch.people.into_iter().map(looked).collect()
    };
    tokio::task::spawn_blocking(look).await.map_err(Fault::internal)?
}

/// What was somebody's and is not any more.
fn released(ground: &Ground, before: Option<&BTreeMap<String, Assignment>>, now: &[Assignment]) -> Vec<OwnerKey> {
    let key = |one: &Assignment| (one.entity_type.clone(), one.target_key.clone());
    let now: HashSet<OwnerKey> = now.iter().map(key).collect();
    let before = before.into_iter().flat_map(BTreeMap::values).map(key);
    before.filter(|key| !now.contains(key) && ground.looks_for_strays(&key.0)).collect()
}

impl Computation {
    /// How much of what there is.
    pub(crate) fn counts(&self) -> Computed {
        let mut computed = Computed::default();
        self.found.values().for_each(|found| computed.add(&found.counts));
        computed
    }
}

impl Found {
    fn of(
        world: &World,
        person: &Person,
        previous: Option<&BTreeMap<String, Assignment>>,
        keep: Keep,
    ) -> Result<Self, Fault> {
        let Kept { owner, assignments, dependencies, items } = &person.kept;
        let mut found = Self::default();
        if keep != Keep::Differences {
            found.planning = Some(Planning::of(person, world)?);
        }
        if keep == Keep::Plan {
            found.counts.owners = i64::from(person.expected.is_some());
            return Ok(found);
        }
        let known = person.known(world).as_ref().map(to_json).transpose()?;
        found.counts.owners = i64::from(known.is_some());
        if known != *owner {
            found.owner = Some(known);
        }
        let mut here: HashSet<String> = HashSet::new();
        for assignment in &person.assignments {
            found.counts.count(assignment);
            let place = assignment.place();
            // Compared as they were read: that is quicker than to write them all only to see that they are the same.
            if previous.and_then(|previous| previous.get(&place)) != Some(assignment) {
                found.assignments.push((place.clone(), Some(Body::of(assignment))));
            }
            here.insert(place);
        }
        let gone = assignments.keys().filter(|name| !here.contains(*name));
        found.assignments.extend(gone.map(|name| (name.clone(), None)));
        found.outlook = Outlook::of(world.ground().catalog(), previous, person, !found.assignments.is_empty());
        let computed_from = person.dependencies(world.ground().now);
        if computed_from != *dependencies {
            found.dependencies = Some((dependencies.clone(), computed_from));
        }
        let lines = person.items(world);
        if !lines.is_empty() || !items.is_empty() {
            found.items = Some((items.clone(), lines));
        }
        Ok(found)
    }
}

/// A computation for everybody that may be kept once somebody has looked at it.
pub(crate) struct Everybody {
    pub(crate) ground: Arc<Ground>,
    pub(crate) computation: Computation,
    /// Orders that synchronization shows.
    pub(crate) shown: Vec<Verification>,
    until: Until,
}

impl Everybody {
    /// Computes for everybody by a catalog, which need not be the one that was applied, and keeps nothing.
    ///
    /// # Errors
    /// As [`compute`].
    pub(crate) async fn compute(
        generator: &Generator,
        loaded: Arc<Loaded>,
        keep: Keep,
        done: &Done,
    ) -> Result<Self, Fault> {
        let Begun { ground, until, .. } = Begun::read(generator, loaded).await?;
        let computation = compute_in_memory(generator, &ground, &Scope::Everybody, keep, done).await?;
        let shown = verifications(generator, &ground, &Candidates::All).await?;
        Ok(Self { ground, computation, shown, until })
    }

    /// Keeps it, and tells the ledger what synchronization shows.
    ///
    /// # Errors
    /// When the database fails, or the ledger cannot be reached.
    pub(crate) async fn keep(&self, generator: &Generator) -> Result<Computed, Fault> {
        let mut computed = self.computation.counts();
        computed.verified = verify(generator, &self.shown).await?;
        let answers = Answers::For(&Candidates::All, self.until);
        save(generator, &self.ground, &self.computation, &computed, answers).await?;
        Ok(computed)
    }
}

/// Whoever did not get what was kept of them.
fn unsettled(computation: &Computation) -> Vec<Change> {
    let is_unsettled = |found: &Found| found.owner.is_some() || !found.assignments.is_empty();
    let unsettled: Vec<&OwnerKey> =
        computation.found.iter().filter(|(_, found)| is_unsettled(found)).map(|(owner, _)| owner).collect();
    if unsettled.len() > changes::worth_telling(computation.found.len()) {
        return vec![Change::Everything { entity_type: String::new() }];
    }
    let one = |(entity_type, key): &OwnerKey| Change::Owner { entity_type: entity_type.clone(), key: key.clone() };
    unsettled.into_iter().map(one).collect()
}

/// Writes what is new, other, or gone; nothing else. Forgets the changes that were looked at.
async fn save(
    generator: &Generator,
    ground: &Ground,
    computation: &Computation,
    computed: &Computed,
    answers: Answers<'_>,
) -> Result<(), Fault> {
    let engine = generator.database.engine();
    let mut owners = Vec::new();
    let mut owners_gone = Vec::new();
    let mut bodies: Vec<(AssignmentKey, &Body)> = Vec::new();
    let mut bodies_gone: Vec<AssignmentKey> = Vec::new();
    let mut replaced = Vec::new();
    for (owner, found) in &computation.found {
        match &found.owner {
            Some(Some(body)) => owners.push((owner, body)),
            Some(None) => owners_gone.push(owner),
            None => {}
        }
        for (resource_type, body) in &found.assignments {
            let key = (owner.0.clone(), owner.1.clone(), resource_type.clone());
            match body {
                Some(body) => bodies.push((key, body)),
                None => bodies_gone.push(key),
            }
        }
        if let Some((before, after)) = &found.dependencies {
            replaced.push(Replaced { owner, before: before.as_ref(), after: after.as_ref() });
        }
    }
    let bodies: Vec<_> = bodies.iter().map(|(key, body)| (key, *body)).collect();
    let transaction = generator.begin_alone().await?;
    assignments::save_owners(&transaction, &owners).await?;
    assignments::delete_owners(&transaction, engine, &owners_gone).await?;
    assignments::save(&transaction, &bodies).await?;
    assignments::delete(&transaction, engine, &bodies_gone.iter().collect::<Vec<_>>()).await?;
    dependencies::replace(&transaction, engine, &replaced).await?;
    let (mut items_before, mut items) = (HashMap::new(), Vec::new());
    for (before, lines) in computation.found.values().filter_map(|found| found.items.as_ref()) {
        items_before.extend(before.iter().map(|(id, body)| (id.clone(), body.clone())));
        items.extend(lines.iter().cloned());
    }
    found_items::replace(&transaction, engine, &items_before, &items).await?;
    let orders_until = match answers {
        Answers::For(_, until) => {
            ground.texts.save(&transaction, engine).await?;
            changes::forget(&transaction, until.changes).await?;
            until.orders
        }
        Answers::Nothing { orders } => orders,
    };
    let outlooks = computation.found.iter().map(|(owner, found)| (owner, &found.outlook));
    regenerate::note(&transaction, engine, ground.texts.are_whole(), outlooks).await?;
    // What is kept is an input too: whoever got something else is looked at once more, until it stays.
    changes::note(&generator.database, &transaction, unsettled(computation)).await?;
    let (started_at, ended_at) = (ground.now, generator.clock.now());
    let times = computations::Times { started_at, ended_at, orders_until };
    computations::note_computation(&transaction, ground.loaded.revision, &times, computed).await?;
    transaction.commit().await?;
    Ok(())
}

impl Computed {
    fn add(&mut self, other: &Self) {
        let Self { owners, assigned_resources, conforming, differing, failed, verified, non_conforming } = other;
        self.owners += owners;
        self.assigned_resources += assigned_resources;
        self.conforming += conforming;
        self.differing += differing;
        self.failed += failed;
        self.verified += verified;
        self.non_conforming += non_conforming;
    }

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
