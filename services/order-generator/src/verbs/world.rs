//! What the role model is computed from: the catalog, and that part of the repository and of the ledger's
//! projection which some owners have to do with.
//!
//! The rule that must hold: whatever is looked up is noted, found or not.

use super::known::{Lanes, lanes_of};
use super::texts::{Texts, UNREADABLE_SIDE};
use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::assign::Assignment;
use crate::model::catalog::{Catalog, Positions};
use crate::model::decision::Decisions;
use crate::model::deduce::Reversed;
use crate::model::evaluate::{self, Case};
use crate::model::expected::Expected;
use crate::model::generate::LaneKey;
use crate::model::grant::Grant;
use crate::model::known_order::KnownOrder;
use crate::model::need::Need;
use crate::model::resource::{Lookup, Repository, Resource, Side};
use crate::store::assignments::{self, OwnerKey};
use crate::store::changes::Change;
use crate::store::resources::{self, Reading, Stored};
use crate::store::{computations, decisions};
use crate::verbs::schema::EntityShape;
use provost_domain::{Timestamp, Value};
use provost_service_kit::Fault;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What does not change while one computation goes on.
pub(crate) struct Ground {
    pub(crate) loaded: Arc<Loaded>,
    /// The rules by which everybody was computed the last time, where those are others.
    former: Option<Former>,
    /// The revision of the newest computation.
    pub(crate) computed_by: Option<i64>,
    pub(crate) readings: BTreeMap<String, Reading>,
    pub(crate) now: Timestamp,
    /// By what resources are found, other than by their keys.
    pub(crate) texts: Texts,
    /// What people decided on what was found.
    pub(crate) decisions: Arc<Decisions>,
    /// What people let owners keep, as grants.
    pub(crate) grants: Arc<HashMap<OwnerKey, Vec<Grant>>>,
    /// The navigation rules, read backwards.
    pub(crate) reversed: Arc<Reversed>,
    /// Resource types by which somebody has something since an earlier computation.
    pub(crate) known_types: Arc<HashSet<String>>,
}

/// The rules of an earlier revision.
#[derive(Clone)]
struct Former {
    revision: i64,
    catalog: Arc<Catalog>,
}

impl Former {
    /// The rules of the newest computation, where those are not the ones of now; none when nobody has them any more.
    async fn read(generator: &Generator, loaded: &Loaded, newest: Option<i64>) -> Result<Option<Self>, Fault> {
        let Some(revision) = newest.filter(|revision| *revision != loaded.revision) else { return Ok(None) };
        let catalog = generator.catalogs.of_revision(revision).await?;
        Ok(catalog.map(|catalog| Self { revision, catalog }))
    }
}

/// The text that a resource has on each of some sides, by the side's expression, or why it cannot be told.
pub(crate) type SideTexts<'a> = Vec<(&'a str, Result<String, String>)>;

/// Resources that somebody has or claims, by entity type and key.
pub(crate) type Taken = HashSet<(String, String)>;

impl Ground {
    /// Reads it.
    ///
    /// # Errors
    /// When a system that is to be synchronized has never been: what is not known to be there would
    /// be created a second time.
    pub(crate) async fn read(
        generator: &Generator,
        loaded: Arc<Loaded>,
        now: Timestamp,
        known: Known<'_>,
    ) -> Result<Arc<Self>, Fault> {
        let readings = resources::readings(generator.database.read()).await?;
        refuse_unread(&loaded, &readings)?;
        let standing = decisions::standing(generator.database.read()).await?;
        let names = loaded.catalog.resource_types().iter().map(|kind| &*kind.name);
        let known_types = assignments::known_types(generator.database.read(), names).await?;
        let computed_by = computations::newest_revision(generator.database.read()).await?;
        let bare = Self {
            former: Former::read(generator, &loaded, computed_by).await?,
            computed_by,
            readings,
            now,
            texts: Texts::default(),
            grants: Arc::new(decisions::grants(&standing)),
            decisions: Arc::new(standing),
            reversed: Arc::new(Reversed::new(&loaded.catalog)),
            known_types: Arc::new(known_types),
            loaded,
        };
        let texts = match known {
            Known::Nothing => Texts::whole(generator, &Arc::new(bare.without_texts())).await?,
            Known::Until(changes) => Texts::since(generator, &Arc::new(bare.without_texts()), changes).await?,
        };
        Ok(Arc::new(Self { texts, ..bare }))
    }

    /// Everything but the texts, which are found by it.
    fn without_texts(&self) -> Self {
        Self {
            loaded: Arc::clone(&self.loaded),
            former: self.former.clone(),
            computed_by: self.computed_by,
            readings: self.readings.clone(),
            now: self.now,
            texts: Texts::default(),
            decisions: Arc::clone(&self.decisions),
            grants: Arc::clone(&self.grants),
            reversed: Arc::clone(&self.reversed),
            known_types: Arc::clone(&self.known_types),
        }
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.loaded.catalog
    }
}

/// What the last computation left, for a computation by the same catalog to go on from.
#[derive(Clone, Copy)]
pub(crate) enum Known<'a> {
    /// Nothing that holds: it was by another catalog, or there was none.
    Nothing,
    /// Everything, but for these changes.
    Until(&'a [Change]),
}

/// What was looked up of a world, and what of it was not in memory.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    needs: BTreeSet<Need>,
    missing: BTreeSet<(String, String)>,
    missing_lanes: BTreeSet<LaneKey>,
    missing_texts: BTreeSet<Need>,
}

impl Noted {
    /// Notes one thing.
    pub(crate) fn note(&mut self, need: Need) {
        self.needs.insert(need);
    }

    /// Takes over what another one noted; what it missed is read by now.
    pub(crate) fn add(&mut self, other: Self) {
        self.needs.extend(other.needs);
    }

    /// Takes over what another one missed.
    pub(crate) fn lacks(&mut self, other: &Self) {
        self.missing.extend(other.missing.iter().cloned());
        self.missing_lanes.extend(other.missing_lanes.iter().cloned());
        self.missing_texts.extend(other.missing_texts.iter().copied());
    }

    pub(crate) fn is_missing_something(&self) -> bool {
        !self.missing.is_empty() || !self.missing_lanes.is_empty() || !self.missing_texts.is_empty()
    }

    pub(crate) const fn needs(&self) -> &BTreeSet<Need> {
        &self.needs
    }
}

/// The part of the repository, and of the ledger's projection, that some owners have to do with.
pub(crate) struct World {
    ground: Arc<Ground>,
    repository: Repository,
    /// Resources that were looked for in the store, there or not.
    is_read: HashSet<Need>,
    lanes: Lanes,
    /// Lanes that were looked for in the store.
    is_lane_read: HashSet<Need>,
    /// The keys of the resources that have something, of what was looked for.
    having: HashMap<Need, Vec<String>>,
}

/// A world while somebody looks at it: what is looked up is noted.
pub(super) struct Looking<'a> {
    pub(super) world: &'a World,
    noted: Mutex<Noted>,
}

impl<'a> Looking<'a> {
    fn at(world: &'a World) -> Self {
        Self { world, noted: Mutex::default() }
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn done(self) -> Noted {
        self.noted.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, entity_type: &str, key: &str) -> Option<&'a Resource> {
        let need = Need::resource(entity_type, key);
        let mut noted = self.noted();
        noted.needs.insert(need);
        if !self.world.is_read.contains(&need) {
            noted.missing.insert((entity_type.to_owned(), key.to_owned()));
        }
        self.world.repository.resource(entity_type, key)
    }

    pub(super) fn lane(&self, connector: &str, entity_type: &str, key: &str) -> &'a [KnownOrder] {
        let need = Need::resource(entity_type, key);
        let lane = (connector.to_owned(), entity_type.to_owned(), key.to_owned());
        let mut noted = self.noted();
        noted.needs.insert(need);
        let known = self.world.lanes.get(&lane).map_or(&[][..], Vec::as_slice);
        if !self.world.is_lane_read.contains(&need) {
            noted.missing_lanes.insert(lane);
        }
        known
    }
}

impl Looking<'_> {
    pub(super) fn keys(&self, need: Need) -> Vec<String> {
        let mut noted = self.noted();
        noted.needs.insert(need);
        match self.world.having.get(&need) {
            Some(keys) => keys.clone(),
            None => {
                noted.missing_texts.insert(need);
                Vec::new()
            }
        }
    }
}

impl<'a> Looking<'a> {
    /// Evaluates one owner; none when it is not there.
    pub(super) fn evaluate<T>(
        &self,
        (entity_type, key): (&str, &str),
        grants: &[Grant],
        before: Option<&evaluate::Before>,
        take: impl FnOnce(&evaluate::Ground<'_>, &Case<'_>) -> Option<T>,
    ) -> Option<T> {
        let owner = self.world.repository.resource(entity_type, key)?;
        if !self.world.ground.can_own(entity_type) {
            return None;
        }
        let positions = self.world.positions_of(entity_type).map(|positions| {
            let keys = self.keys(Need::pointing(&positions.entity_type, &positions.owner, key));
            keys.iter().filter_map(|key| self.find(&positions.entity_type, key)).collect::<Vec<&'a Resource>>()
        });
        let positions = positions.unwrap_or_default();
        let Loaded { catalog, revision, .. } = &*self.world.ground.loaded;
        let Ground { former, now, .. } = &*self.world.ground;
        let former =
            former.as_ref().map(|Former { revision, catalog }| evaluate::Former { catalog, revision: *revision });
        let ground = evaluate::Ground { catalog, revision: *revision, now: *now, lookup: self, former };
        let case = Case { grants, before, positions: &positions, ..Case::new(entity_type, owner) };
        take(&ground, &case)
    }
}

impl Lookup for Looking<'_> {
    fn resource(&self, entity_type: &str, key: &str) -> Option<&Resource> {
        self.find(entity_type, key)
    }

    fn having(&self, side: &Side<'_>, text: &str) -> Vec<String> {
        self.keys(Need::text(&side.entity_type.name, side.text.source(), text))
    }

    fn unreadable(&self, side: &Side<'_>) -> Vec<String> {
        self.keys(Need::text(&side.entity_type.name, UNREADABLE_SIDE, side.text.source()))
    }
}

impl World {
    /// One with nothing in it yet.
    pub(crate) fn empty(ground: &Arc<Ground>) -> Self {
        Self {
            ground: Arc::clone(ground),
            repository: Repository::default(),
            is_read: HashSet::new(),
            lanes: Lanes::new(),
            is_lane_read: HashSet::new(),
            having: HashMap::new(),
        }
    }

    pub(crate) fn ground(&self) -> &Ground {
        &self.ground
    }

    pub(crate) const fn shared_ground(&self) -> &Arc<Ground> {
        &self.ground
    }

    pub(crate) const fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// Reads these resources, unless they were read already.
    pub(crate) async fn read(
        &mut self,
        generator: &Generator,
        resources: BTreeSet<(String, String)>,
    ) -> Result<(), Fault> {
        let mut by_type: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (entity_type, key) in resources {
            if self.is_read.insert(Need::resource(&entity_type, &key)) {
                by_type.entry(entity_type).or_default().push(key);
            }
        }
        let (connection, engine) = (generator.database.read(), generator.database.engine());
        for (entity_type, keys) in by_type {
            // Of what the catalog no longer has, nothing is known.
            let Some(shape) = self.ground.loaded.shape(&entity_type) else { continue };
            for Stored { key, mut properties } in resources::these(connection, engine, &entity_type, &keys).await? {
                shape.keep_fitting(&mut properties);
                self.repository.insert(&entity_type, Resource { key, values: properties });
            }
        }
        Ok(())
    }

    /// Reads what is known of these lanes, unless that was read already.
    pub(crate) async fn read_lanes(&mut self, generator: &Generator, lanes: BTreeSet<LaneKey>) -> Result<(), Fault> {
        let mut unread = Vec::new();
        for lane in lanes {
            if self.is_lane_read.insert(Need::resource(&lane.1, &lane.2)) {
                unread.push(lane);
            }
        }
        for (lane, orders) in lanes_of(generator, &unread).await? {
            self.lanes.insert(lane, orders);
        }
        Ok(())
    }

    /// What navigation properties of these resources point at, as far as expressions can follow them.
    pub(crate) fn pointed_at<'a>(&self, owners: impl Iterator<Item = &'a OwnerKey>) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        for (entity_type, key) in owners {
            let Some(resource) = self.repository.resource(entity_type, key) else { continue };
            let Some(known) = self.ground.catalog().entity_type(entity_type) else { continue };
            for property in known.properties.iter().filter(|property| !property.multi_valued) {
                let Some(target) = property.navigates_to() else { continue };
                if let Some(key) = resource.values.get(&*property.name).and_then(Value::as_str) {
                    found.insert((target.to_string(), key.to_owned()));
                }
            }
        }
        found
    }

    /// Reads what was missing.
    pub(crate) async fn read_missing(&mut self, generator: &Generator, missing: Noted) -> Result<(), Fault> {
        let Noted { missing, missing_lanes, missing_texts, .. } = missing;
        self.read(generator, missing).await?;
        self.read_lanes(generator, missing_lanes).await?;
        self.read_texts(generator, missing_texts).await
    }

    async fn read_texts(&mut self, generator: &Generator, mut needs: BTreeSet<Need>) -> Result<(), Fault> {
        needs.retain(|need| !self.having.contains_key(need));
        if needs.is_empty() {
            return Ok(());
        }
        let (connection, engine) = (generator.database.read(), generator.database.engine());
        self.having.extend(self.ground.texts.find(connection, engine, &needs).await?);
        Ok(())
    }

    /// Reads the positions of these owners.
    pub(crate) async fn read_positions(
        &mut self,
        generator: &Generator,
        owners: impl Iterator<Item = &OwnerKey>,
    ) -> Result<(), Fault> {
        let mut needs = BTreeMap::new();
        for (entity_type, key) in owners {
            if let Some(positions) = self.positions_of(entity_type) {
                let need = Need::pointing(&positions.entity_type, &positions.owner, key);
                needs.insert(need, positions.entity_type.to_string());
            }
        }
        self.read_texts(generator, needs.keys().copied().collect()).await?;
        let keys = |(need, entity_type): (Need, String)| {
            let keys = self.having.get(&need).into_iter().flatten();
            keys.map(|key| (entity_type.clone(), key.clone())).collect::<Vec<_>>()
        };
        let positions: BTreeSet<OwnerKey> = needs.into_iter().flat_map(keys).collect();
        let pointed_at = positions.clone();
        self.read(generator, positions).await?;
        let pointed_at = self.pointed_at(pointed_at.iter());
        self.read(generator, pointed_at).await
    }

    fn positions_of(&self, entity_type: &str) -> Option<&Positions> {
        self.ground.catalog().entity_type(entity_type)?.context.as_ref()?.positions.as_ref()
    }

    /// A resource that was read.
    pub(crate) fn resource(&self, entity_type: &str, key: &str) -> Option<&Resource> {
        self.repository.resource(entity_type, key)
    }

    /// The text that a resource has on each of these sides, by the side's expression, or that it cannot be told; and
    /// what that was computed from besides the resource itself.
    pub(crate) fn texts_of<'a>(&self, sides: &[Side<'a>], resource: &Resource) -> (SideTexts<'a>, Noted) {
        let looking = Looking::at(self);
        let text = |side: &Side<'a>| Some((side.text.source(), side.told(resource, &looking).transpose()?));
        (sides.iter().filter_map(text).collect(), looking.done())
    }

    /// What the rules and people give one owner, which existing resources that may be, and what all that was
    /// computed from. `previous` is what was assigned to the owner last time.
    pub(crate) fn expected(
        &self,
        (entity_type, key): &OwnerKey,
        grants: &[Grant],
        before: Option<&evaluate::Before>,
        previous: &BTreeMap<String, Assignment>,
    ) -> (Option<Expected>, Noted) {
        let looking = Looking::at(self);
        let expected = looking.evaluate((entity_type, key), grants, before, |ground, case| {
            let mut expected = evaluate::evaluate(ground, case)?;
            looking.correlate(ground, case, previous, &mut expected);
            Some(expected)
        });
        (expected, looking.done())
    }

    /// As [`World::expected`], with how the rules came to it, and which existing resources they look at.
    pub(crate) fn explained(
        &self,
        (entity_type, key): &OwnerKey,
        grants: &[Grant],
        before: Option<&evaluate::Before>,
    ) -> (Option<evaluate::Explanation>, Noted) {
        let looking = Looking::at(self);
        let explained = looking.evaluate((entity_type, key), grants, before, |ground, case| {
            let mut explained = evaluate::explain(ground, case)?;
            looking.explain_correlation(ground, case, &mut explained);
            Some(explained)
        });
        (explained, looking.done())
    }

    /// What tells whether something of an owner's own, or of its positions, is another than the last time.
    pub(crate) fn fingerprint(&self, (entity_type, key): &OwnerKey) -> u64 {
        let Some(owner) = self.repository.resource(entity_type, key) else { return 0 };
        let positions = self.positions_of(entity_type).map(|positions| {
            let need = Need::pointing(&positions.entity_type, &positions.owner, key);
            let keys = self.having.get(&need).into_iter().flatten();
            keys.filter_map(|key| self.repository.resource(&positions.entity_type, key)).collect::<Vec<_>>()
        });
        evaluate::fingerprint(owner, &positions.unwrap_or_default())
    }

    /// Compares what is expected of an owner with what was assigned before and what is there, and looks at the
    /// resource of that key itself, should nobody have it; says too what that was computed from. `taken` are the
    /// resources that somebody else has or claims.
    pub(crate) fn assign(
        &self,
        key: &OwnerKey,
        expected: Option<&Expected>,
        previous: &BTreeMap<String, Assignment>,
        taken: &Taken,
    ) -> (Vec<Assignment>, Noted) {
        let looking = Looking::at(self);
        let mut assigned = looking.assign(expected, previous);
        let is_leaving = expected.is_some_and(|expected| expected.period.is_over(self.ground.now));
        assigned.iter_mut().for_each(|one| one.leaving = is_leaving && one.wanted.is_some());
        assigned.extend(looking.suspected(expected, previous));
        assigned.extend(looking.stray(key, previous, taken));
        (assigned, looking.done())
    }

    /// Whether synchronization shows such a resource.
    pub(crate) fn has(&self, entity_type: &str, key: &str) -> bool {
        self.repository.resource(entity_type, key).is_some()
    }
}

fn refuse_unread(loaded: &Loaded, readings: &BTreeMap<String, Reading>) -> Result<(), Fault> {
    let matters =
        |name: &str| loaded.catalog.resource_types().iter().any(|kind| &*kind.owner == name || &*kind.target == name);
    let exported: Vec<_> = loaded.exports().into_iter().map(|exported| exported.connector).collect();
    let unread = loaded.catalog.entity_types().iter().find(|entity_type| {
        matters(&entity_type.name)
            && exported.iter().any(|connector| **connector == *entity_type.connector)
            && !readings.contains_key(&*entity_type.name)
    });
    if let Some(entity_type) = unread {
        return Err(Fault::wrong_state(
            format!("connector {}", entity_type.connector),
            format!(
                "{} of the connector {} was never synchronized; run the job synchronize",
                entity_type.name, entity_type.connector
            ),
        ));
    }
    let is_exported = |connector: &str| exported.iter().any(|other| other == connector);
    let shapes = loaded.catalog.entity_types().iter().filter_map(|entity_type| loaded.shape(&entity_type.name));
    for shape in shapes.filter(|shape| is_exported(&shape.connector)) {
        if let Some(why) = readings.get(&shape.name).and_then(|reading| outdated(&shape, reading)) {
            let why = format!("{why}; run the job synchronize");
            return Err(Fault::wrong_state(format!("connector {}", shape.connector), why));
        }
    }
    Ok(())
}

/// What the catalog says of an entity type and the last export of it does not hold: a value that was never
/// read is not an empty one.
fn outdated(shape: &EntityShape, reading: &Reading) -> Option<String> {
    let read = reading.properties.as_ref()?;
    shape.readable().into_iter().find_map(|(name, kind)| match read.get(&name) {
        Some(before) if *before == kind => None,
        Some(before) => Some(format!("{name} of {} was last read as {before}, and is {kind} by now", shape.name)),
        None => Some(format!(
            "{name} of {} was never read: it came into the catalog after {} was last synchronized",
            shape.name, shape.name
        )),
    })
}
