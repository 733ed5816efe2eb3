//! What the role model is computed from: the catalog, and the repository in memory.

use super::compute::verification;
use super::inputs::Scope;
use super::known::Lanes;
use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::assign::{Assignment, Remains, Situation, Wish, assign, left_behind, place};
use crate::model::catalog::ResourceType;
use crate::model::claims::{Handover, handed_over, hands_over};
use crate::model::comparison::Comparisons;
use crate::model::decision::{Decided, Decisions};
use crate::model::evaluate::{Case, Ground, evaluate};
use crate::model::expected::{Expected, ExpectedResource};
use crate::model::generate::unknown_key;
use crate::model::grant::Grant;
use crate::model::known_order::KnownOrder;
use crate::model::resource::{Lookup, Repository, Resource};
use crate::model::verify;
use crate::store::assignments::OwnerKey;
use crate::store::requests;
use crate::store::resources::{self, Reading, Stored};
use crate::verbs::schema::EntityShape;
use provost_contract::fulfillment::v1::Verification;
use provost_domain::{OrderId, Owner, Timestamp};
use provost_service_kit::Fault;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The catalog and the repository, as they are at one moment.
pub(crate) struct World {
    loaded: Arc<Loaded>,
    repository: Repository,
    readings: BTreeMap<String, Reading>,
    /// What people decided, by owner.
    grants: HashMap<OwnerKey, Vec<Grant>>,
    now: Timestamp,
}

impl World {
    /// Reads the repository into memory: as much of it as the owners of a scope need.
    ///
    /// # Errors
    /// When a system that is to be synchronized has never been: what is not known to be there would
    /// be created a second time.
    pub(crate) async fn read(
        generator: &Generator,
        loaded: Arc<Loaded>,
        _scope: &Scope,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let connection = generator.database.read();
        let readings = resources::readings(connection).await?;
        refuse_unread(&loaded, &readings)?;
        let mut repository = Repository::default();
        for entity_type in loaded.catalog.entity_types() {
            let shape = loaded.shape(&entity_type.name);
            for Stored { key, mut properties } in resources::all(connection, &entity_type.name).await? {
                if let Some(shape) = &shape {
                    shape.keep_fitting(&mut properties);
                }
                repository.insert(&entity_type.name, Resource { key, values: properties });
            }
        }
        let grants = requests::grants(connection, generator.database.engine(), None).await?;
        Ok(Self { loaded, repository, readings, grants, now })
    }

    /// Whoever of a scope can own something, in a stable order.
    pub(crate) fn owners(&self, scope: &Scope) -> Vec<OwnerKey> {
        let mut owners = Vec::new();
        for entity_type in self.loaded.catalog.owner_entity_types() {
            let keys = self.repository.of_type(&entity_type.name).map(|resource| resource.key.clone());
            owners.extend(keys.map(|key| (entity_type.name.to_string(), key)).filter(|owner| scope.holds(owner)));
        }
        owners.sort();
        owners
    }

    /// What the rules give one owner.
    pub(crate) fn expected(&self, (entity_type, key): &OwnerKey) -> Option<Expected> {
        let resource = self.repository.resource(entity_type, key)?;
        let Loaded { catalog, revision, .. } = &*self.loaded;
        let ground = Ground { catalog, revision: *revision, now: self.now, lookup: &self.repository };
        let grants = self.grants.get(&(entity_type.clone(), key.clone())).map_or(&[][..], Vec::as_slice);
        evaluate(&ground, &Case { grants, ..Case::new(entity_type, resource) })
    }

    /// Compares what is expected of an owner with what was assigned before and what is there.
    pub(crate) fn assign(
        &self,
        expected: Option<&Expected>,
        previous: &BTreeMap<String, Assignment>,
        lanes: &Lanes,
        decisions: &Decisions,
    ) -> Vec<Assignment> {
        // What was found without an owner's rules is looked at by itself.
        let of_rules = || previous.values().filter(|before| !before.found);
        let known = of_rules().next();
        let Some(owner) = expected.map(|expected| &expected.owner).or(known.map(|known| &known.owner)) else {
            return Vec::new();
        };
        // Another resource type may give the very same by now.
        let is_given = |before: &Assignment| {
            let mut given = expected.iter().flat_map(|expected| &expected.resources);
            given.any(|other| {
                let target = self.loaded.catalog.resource_type(&other.resource_type).map(|kind| &*kind.target);
                other.target_key == before.target_key && target == Some(before.entity_type.as_str())
            })
        };
        let is_known =
            |name: &str| self.loaded.catalog.resource_type(name).is_some_and(|kind| *kind.owner == *owner.entity_type);
        let left = of_rules().filter(|before| !is_known(&before.resource_type) && !is_given(before));
        let left: Vec<Assignment> =
            left.filter_map(|before| left_behind(before, &self.remains(before, lanes))).collect();
        let parts = Parts { world: self, owner, expected, previous, lanes, decided: Decided::of(decisions, owner) };
        let resource_types = self.loaded.catalog.resource_types_of(&owner.entity_type);
        resource_types.flat_map(|resource_type| parts.of_type(resource_type)).chain(left).collect()
    }

    /// What is known of a resource whose resource type is no longer in the catalog.
    fn remains<'a>(&'a self, before: &Assignment, lanes: &'a Lanes) -> Remains<'a> {
        let (entity_type, key) = (&before.entity_type, &before.target_key);
        let Some(known) = self.loaded.catalog.entity_type(entity_type) else {
            return Remains { resource: None, lane: &[] };
        };
        let lane = lanes.get(&(known.connector.to_string(), entity_type.clone(), key.clone()));
        let is_read = self.readings.contains_key(entity_type);
        let resource = || self.repository.resource(entity_type, key).map(|found| &found.values);
        Remains { resource: is_read.then(resource), lane: lane.map_or(&[], Vec::as_slice) }
    }

    /// Whether synchronization shows such a resource.
    pub(crate) fn has(&self, entity_type: &str, key: &str) -> bool {
        self.repository.resource(entity_type, key).is_some()
    }

    /// The verifications of the orders that the repository shows, each with the export that shows it.
    pub(crate) fn verifications(&self, lanes: &Lanes) -> Vec<Verification> {
        let resource =
            |entity_type: &str, key: &str| self.repository.resource(entity_type, key).map(|found| &found.values);
        // Of what the catalog no longer has, nothing is in memory, and nothing can be said.
        let seen_at = |connector: &str, entity_type: &str| {
            let known = self.loaded.catalog.entity_type(entity_type)?;
            let reading = self.readings.get(entity_type).filter(|_| *known.connector == *connector)?;
            Some(reading.export_started_at)
        };
        let one =
            |(id, entity_type): (OrderId, String)| Some(verification(id.to_string(), self.readings.get(&entity_type)?));
        let comparisons = |entity_type: &str, resource_type: &str| {
            let catalog = &self.loaded.catalog;
            let target = catalog.entity_type(entity_type);
            target.map_or(Comparisons::EXACT, |target| {
                Comparisons::new(catalog, target, catalog.resource_type(resource_type))
            })
        };
        verify::shown(lanes, resource, seen_at, comparisons).into_iter().filter_map(one).collect()
    }
}

/// What the comparisons of one owner are made from.
struct Parts<'a> {
    world: &'a World,
    owner: &'a Owner,
    expected: Option<&'a Expected>,
    previous: &'a BTreeMap<String, Assignment>,
    lanes: &'a Lanes,
    decided: Decided<'a>,
}

impl Parts<'_> {
    /// What the owner has by one resource type: the first, and those beside it.
    fn of_type(&self, resource_type: &ResourceType) -> Vec<Assignment> {
        let name = &*resource_type.name;
        let given = || self.expected.iter().flat_map(|expected| &expected.resources);
        let given = || given().filter(|resource| &*resource.resource_type == name);
        let had = self.previous.values().filter(|before| before.resource_type == name && !before.found);
        let mut slots: Vec<&str> =
            given().map(|one| one.slot.as_str()).chain(had.map(|one| one.slot.as_str())).collect();
        slots.push("");
        slots.sort_unstable();
        slots.dedup();
        slots
            .into_iter()
            .filter_map(|slot| self.of_slot(resource_type, slot, given().find(|one| one.slot == slot)))
            .collect()
    }

    fn of_slot(
        &self,
        resource_type: &ResourceType,
        slot: &str,
        wanted: Option<&ExpectedResource>,
    ) -> Option<Assignment> {
        let Self { world, expected, previous, .. } = *self;
        let catalog = &world.loaded.catalog;
        let own = previous.get(&place(&resource_type.name, slot)).filter(|own| !own.found);
        // What another resource type gave until now is as much the owner's as before.
        let given = || handed_over(catalog, expected?, wanted?, previous, world.now);
        let before = own.filter(|own| own.is_ours()).or_else(given).or(own);
        if wanted.is_none() && before.is_none() {
            return None;
        }
        let handover = expected.zip(before).filter(|_| wanted.is_none());
        let handover = handover
            .and_then(|(expected, before)| hands_over(catalog, expected, resource_type, &before.target_key, world.now));
        match (handover, before) {
            (Some(Handover::Done), _) => None,
            (Some(Handover::Unclear(other)), Some(before)) if before.is_ours() => Some(held_back(before, &other)),
            _ => self.compare(resource_type, wanted, before),
        }
    }

    fn compare(
        &self,
        resource_type: &ResourceType,
        expected: Option<&ExpectedResource>,
        previous: Option<&Assignment>,
    ) -> Option<Assignment> {
        let Self { world, owner, lanes, decided, .. } = *self;
        let target = world.loaded.catalog.entity_type(&resource_type.target)?;
        let resource = |key: &str| world.repository.resource(&resource_type.target, key).map(|found| &found.values);
        let lane = |key: &str| -> &[KnownOrder] {
            let key = match key {
                "" => unknown_key(&resource_type.name, &owner.entity_type, &owner.key),
                key => key.to_owned(),
            };
            let key = (resource_type.connector.to_string(), resource_type.target.to_string(), key);
            lanes.get(&key).map_or(&[][..], Vec::as_slice)
        };
        assign(&Situation {
            resource_type,
            target,
            comparisons: Comparisons::new(&world.loaded.catalog, target, Some(resource_type)),
            owner,
            owner_is_gone: self.expected.is_none(),
            expected,
            previous,
            resource: &resource,
            lane: &lane,
            decided,
            seen_at: world.readings.get(&*resource_type.target).map(|reading| reading.export_started_at),
            now: world.now,
        })
    }
}

/// Nobody knows yet whether another resource type gives it: it stays as it is.
fn held_back(before: &Assignment, other: &str) -> Assignment {
    Assignment {
        wish: Wish::Unknown,
        ours: true,
        note: format!("left alone: the resource type {other} may give it now, and its key rule fails"),
        failure: None,
        wanted: None,
        state: provost_domain::ProvisioningState::None,
        ..before.clone()
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
