//! What the role model is computed from: the catalog, and the repository in memory.

use super::compute::verification;
use super::inputs::Scope;
use super::known::Lanes;
use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::assign::{Assignment, Remains, Situation, assign, left_behind};
use crate::model::catalog::ResourceType;
use crate::model::claims::{handed_over, hands_over};
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
use provost_domain::{OrderId, Owner, Period, Timestamp};
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
    ) -> Vec<Assignment> {
        let known = previous.values().next();
        let Some(owner) = expected.map(|expected| &expected.owner).or(known.map(|known| &known.owner)) else {
            return Vec::new();
        };
        let period = expected.map(|expected| expected.period).or(known.map(|known| known.period)).unwrap_or_default();
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
        let left = previous.values().filter(|before| !is_known(&before.resource_type) && !is_given(before));
        let left: Vec<Assignment> =
            left.filter_map(|before| left_behind(before, &self.remains(before, lanes))).collect();
        let resource_types = self.loaded.catalog.resource_types_of(&owner.entity_type);
        resource_types
            .filter_map(|resource_type| {
                let name = &*resource_type.name;
                let mut resources = expected.iter().flat_map(|expected| &expected.resources);
                let wanted = resources.find(|resource| &*resource.resource_type == name);
                let own = previous.get(name);
                // What another resource type gave until now is as much the owner's as before.
                let given = || handed_over(&self.loaded.catalog, expected?, wanted?, previous, self.now);
                let before = own.filter(|own| own.is_ours()).or_else(given).or(own);
                if wanted.is_none() && before.is_none() {
                    return None;
                }
                let handed_over = wanted.is_none()
                    && expected.zip(before).is_some_and(|(expected, before)| {
                        hands_over(&self.loaded.catalog, expected, resource_type, &before.target_key, self.now)
                    });
                if handed_over {
                    return None;
                }
                let parts = Parts { world: self, owner, period, resource_type, lanes };
                parts.assign(expected.is_none(), wanted, before)
            })
            .chain(left)
            .collect()
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
        verify::shown(lanes, resource, seen_at).into_iter().filter_map(one).collect()
    }
}

/// What one comparison is made from.
struct Parts<'a> {
    world: &'a World,
    owner: &'a Owner,
    period: Period,
    resource_type: &'a ResourceType,
    lanes: &'a Lanes,
}

impl Parts<'_> {
    fn assign(
        &self,
        owner_is_gone: bool,
        expected: Option<&ExpectedResource>,
        previous: Option<&Assignment>,
    ) -> Option<Assignment> {
        let Self { world, owner, period, resource_type, lanes } = *self;
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
            target: world.loaded.catalog.entity_type(&resource_type.target)?,
            owner,
            period,
            owner_is_gone,
            expected,
            previous,
            resource: &resource,
            lane: &lane,
            seen_at: world.readings.get(&*resource_type.target).map(|reading| reading.export_started_at),
            now: world.now,
        })
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
