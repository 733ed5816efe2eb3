//! Some owners, from what is kept of them to what they have by now: read, evaluated, compared.
//!
//! Answers for having in memory what the model looks at, and no more. What that is shows while it looks: what
//! is missing is read, and the owner is looked at again. The rule that must hold: a result is a function
//! of what was noted of it as [`Need`]s, so that whoever computes for some owners gets what whoever
//! computes for everybody gets.

use super::compute::KnownOwner;
use super::world::{Ground, Noted, Taken, World};
use crate::generator::Generator;
use crate::model::assign::Assignment;
use crate::model::claims::Claims;
use crate::model::correlate;
use crate::model::evaluate::{self, Explanation};
use crate::model::expected::Expected;
use crate::model::found::{Item, items};
use crate::model::generate::{LaneKey, unknown_key};
use crate::model::grant::Grant;
use crate::model::need::Need;
use crate::store::assignments::{self, Body, OwnerKey};
use crate::store::dependencies::{self, Dependencies};
use crate::store::{found_items, from_json, requests, resources};
use provost_domain::{Owner, Timestamp};
use provost_service_kit::Fault;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Whom a computation is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everybody who can own something, and whoever had something.
    Everybody,
    /// These owners.
    These(BTreeSet<OwnerKey>),
}

impl Scope {
    /// The owners of a scope, in a stable order.
    pub(crate) async fn owners(&self, generator: &Generator, ground: &Ground) -> Result<Vec<OwnerKey>, Fault> {
        let Self::These(owners) = self else {
            let mut owners: BTreeSet<OwnerKey> = known(generator).await?;
            for entity_type in ground.catalog().owner_entity_types() {
                owners.extend(there_are(generator, &entity_type.name).await?);
            }
            return Ok(owners.into_iter().collect());
        };
        Ok(owners.iter().cloned().collect())
    }
}

/// Everybody of these entity types who can own something, and whoever had something.
///
/// # Errors
/// When the database fails.
pub(crate) async fn owners_of(
    generator: &Generator,
    entity_types: &BTreeSet<String>,
) -> Result<BTreeSet<OwnerKey>, Fault> {
    if entity_types.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut owners = known(generator).await?;
    owners.retain(|(entity_type, _)| entity_types.contains(entity_type));
    for entity_type in entity_types {
        owners.extend(there_are(generator, entity_type).await?);
    }
    Ok(owners)
}

/// Of whom something is kept: whoever had something and is gone is among them.
async fn known(generator: &Generator) -> Result<BTreeSet<OwnerKey>, Fault> {
    Ok(assignments::known_owners(generator.database.read()).await?.into_iter().collect())
}

async fn there_are(generator: &Generator, entity_type: &str) -> Result<impl Iterator<Item = OwnerKey> + use<>, Fault> {
    let (keys, entity_type) = (resources::keys(generator.database.read(), entity_type).await?, entity_type.to_owned());
    Ok(keys.into_iter().map(move |key| (entity_type.clone(), key)))
}

/// What is kept of one owner.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// The owner itself.
    pub(crate) owner: Option<String>,
    /// Its assignments, by resource type.
    pub(crate) assignments: BTreeMap<String, Body>,
    /// What they were computed from.
    pub(crate) dependencies: Option<Dependencies>,
    /// What waits for a person, by id.
    pub(crate) items: HashMap<String, String>,
}

/// One owner of a batch.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) key: OwnerKey,
    /// What is kept.
    pub(crate) kept: Kept,
    /// What was computed of it the last time.
    before: Option<evaluate::Before>,
    /// What people decided.
    grants: Vec<Grant>,
    /// What the rules give; none when the owner is gone.
    pub(crate) expected: Option<Expected>,
    /// What the owner has, or shall have.
    pub(crate) assignments: Vec<Assignment>,
    /// The resources that the owner has, or claims.
    pub(crate) claimed: Claimed,
    noted: Noted,
}

/// The resources that one owner has, or claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claimed {
    pub(crate) needs: BTreeSet<Need>,
    /// Two resource types give the owner the same one.
    pub(crate) is_its_own_rival: bool,
}

/// Some owners.
pub(crate) struct Batch {
    pub(crate) world: World,
    pub(crate) people: Vec<Person>,
    /// What was assigned last time, by owner and place.
    pub(crate) previous: HashMap<OwnerKey, BTreeMap<String, Assignment>>,
    /// The resources that somebody of them has or claims, once that is settled.
    taken: Taken,
}

impl Batch {
    /// Reads what is kept of some owners, and evaluates the rules for them.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn evaluated(
        generator: &Generator,
        ground: &Arc<Ground>,
        owners: Vec<OwnerKey>,
    ) -> Result<Self, Fault> {
        let (connection, engine) = (generator.database.read(), generator.database.engine());
        let keys: Vec<&OwnerKey> = owners.iter().collect();
        let mut known = assignments::these_owners(connection, engine, &keys).await?;
        let mut kept: HashMap<OwnerKey, Kept> = HashMap::with_capacity(owners.len());
        for ((owner_type, owner_key, resource_type), body) in assignments::of_owners(connection, engine, &keys).await? {
            kept.entry((owner_type, owner_key)).or_default().assignments.insert(resource_type, body);
        }
        let mut dependencies = dependencies::of_owners(connection, engine, &keys).await?;
        for (owner, lines) in found_items::of_owners(connection, engine, &keys).await? {
            kept.entry(owner).or_default().items = lines;
        }
        let mut requested = requests::grants(connection, engine, Some(&keys), ground.reaches_back_to()).await?;
        let person = |key: OwnerKey| {
            let decided = ground.grants.get(&key).cloned().unwrap_or_default();
            let Kept { assignments, items, .. } = kept.remove(&key).unwrap_or_default();
            let kept = Kept { owner: known.remove(&key), assignments, dependencies: dependencies.remove(&key), items };
            Person {
                kept,
                before: None,
                grants: decided.into_iter().chain(requested.remove(&key).unwrap_or_default()).collect(),
                key,
                expected: None,
                assignments: Vec::new(),
                claimed: Claimed::default(),
                noted: Noted::default(),
            }
        };
        let people: Vec<Person> = owners.into_iter().map(person).collect();
        let mut world = World::empty(ground);
        world.read(generator, people.iter().map(|person| person.key.clone()).collect()).await?;
        world.read(generator, world.pointed_at(people.iter().map(|person| &person.key))).await?;
        world.read_positions(generator, people.iter().map(|person| &person.key)).await?;
        let mut batch = Self { world, people, previous: HashMap::new(), taken: Taken::new() };
        batch = blocking(batch, |batch| {
            for Person { key, kept, .. } in batch.people.iter().filter(|person| !person.kept.assignments.is_empty()) {
                let read = |(name, body): (&String, &Body)| Ok((name.clone(), body.read()?));
                let previous = kept.assignments.iter().map(read).collect::<Result<_, Fault>>()?;
                batch.previous.insert(key.clone(), previous);
            }
            for person in &mut batch.people {
                let known = person.kept.owner.as_deref().map(from_json::<KnownOwner>).transpose()?;
                let assigned = batch.previous.get(&person.key).into_iter().flat_map(BTreeMap::values);
                let revision = batch.world.ground().computed_by;
                person.before = known.as_ref().zip(revision).and_then(|(known, by)| known.before(by, assigned));
            }
            Ok(())
        })
        .await?;
        batch
            .until_nothing_is_missing(generator, |batch, person| {
                let nothing = BTreeMap::new();
                let previous = batch.previous.get(&person.key).unwrap_or(&nothing);
                let (expected, noted) =
                    batch.world.expected(&person.key, &person.grants, person.before.as_ref(), previous);
                person.expected = expected;
                noted
            })
            .await?
            .with_targets(generator)
            .await
    }

    /// Looks at everybody, and again at whom something was missing for, until nothing is.
    async fn until_nothing_is_missing(
        mut self,
        generator: &Generator,
        look: fn(&Self, &mut Person) -> Noted,
    ) -> Result<Self, Fault> {
        let mut again: Vec<bool> = vec![true; self.people.len()];
        loop {
            let mut missing = Noted::default();
            (self, again, missing) = {
                let work = (self, again, missing);
                blocking(work, move |(batch, again, missing)| {
                    let mut people = std::mem::take(&mut batch.people);
                    for (person, again) in people.iter_mut().zip(again.iter_mut()).filter(|(_, again)| **again) {
                        let noted = look(batch, person);
                        *again = noted.is_missing_something();
                        missing.lacks(&noted);
                        person.noted.add(noted);
                    }
                    batch.people = people;
                    Ok(())
                })
                .await?
            };
            if !missing.is_missing_something() {
                return Ok(self);
            }
            self.world.read_missing(generator, missing).await?;
        }
    }

    /// Reads the resources that the owners had and shall have, and the orders on them, and says who claims what.
    async fn with_targets(mut self, generator: &Generator) -> Result<Self, Fault> {
        let mut resources = BTreeSet::new();
        let mut lanes: BTreeSet<LaneKey> = BTreeSet::new();
        let catalog = self.world.ground().loaded.catalog.clone();
        for person in &mut self.people {
            for (name, value) in person.expected.iter().flat_map(|expected| &expected.dimensions) {
                person.noted.note(Need::dimension(&person.key.0, name, value.as_deref()));
            }
            let given = person.expected.iter().flat_map(|expected| &expected.resources);
            let given = given.map(|resource| (&*resource.resource_type, "", resource.target_key.as_str()));
            let had = self.previous.get(&person.key).into_iter().flat_map(BTreeMap::values);
            let had = had.map(|one| (one.resource_type.as_str(), one.entity_type.as_str(), one.target_key.as_str()));
            let candidates = person.expected.iter().flat_map(Expected::candidates);
            let candidates = candidates.map(|(resource_type, key)| (resource_type, "", key));
            for (resource_type, entity_type, key) in given.chain(had).chain(candidates) {
                person.noted.note(Need::resource_type(resource_type));
                let of_type = catalog.resource_type(resource_type);
                let entity_type = of_type.map_or(entity_type, |kind| &*kind.target);
                let Some(target) = catalog.entity_type(entity_type) else { continue };
                let key = match key {
                    "" => unknown_key(resource_type, &person.key.0, &person.key.1),
                    key => key.to_owned(),
                };
                person.noted.note(Need::resource(entity_type, &key));
                lanes.insert((target.connector.to_string(), entity_type.to_owned(), key.clone()));
                resources.insert((entity_type.to_owned(), key));
            }
        }
        self.world.read(generator, resources).await?;
        self.world.read_lanes(generator, lanes).await?;
        let claimed = self.with_claims(|claims, all| claims.claimed(all));
        let mut of: HashMap<OwnerKey, Claimed> = HashMap::new();
        for ((entity_type, key), owner) in claimed {
            let claimed = of.entry(owner).or_default();
            claimed.is_its_own_rival |= !claimed.needs.insert(Need::resource(&entity_type, &key));
        }
        for person in &mut self.people {
            person.claimed = of.remove(&person.key).unwrap_or_default();
            let given = person.expected.iter().flat_map(|expected| &expected.resources);
            let given = given.map(|resource| (&*resource.resource_type, resource.target_key.as_str()));
            let candidates = person.expected.iter().flat_map(Expected::candidates);
            let own = person.expected.iter().flat_map(|expected| &expected.resources).flat_map(|resource| {
                let target = catalog.resource_type(&resource.resource_type).map(|kind| &*kind.target);
                let keys: BTreeSet<&str> = resource.candidates.iter().map(|one| one.key.as_str()).collect();
                keys.into_iter().map(move |key| (target, key))
            });
            // One resource may seem to be what two of the owner's are.
            let mut seen = BTreeSet::new();
            let is_twice = own.filter(|one| !seen.insert(*one)).count() > 0;
            person.claimed.is_its_own_rival |= is_twice;
            // What may be somebody's is in question, too.
            for (resource_type, key) in given.chain(candidates).filter(|(_, key)| !key.is_empty()) {
                if let Some(kind) = catalog.resource_type(resource_type) {
                    person.claimed.needs.insert(Need::resource(&kind.target, key));
                }
            }
            if self.world.ground().looks_for_strays(&person.key.0) {
                person.claimed.needs.insert(Need::resource(&person.key.0, &person.key.1));
            }
        }
        Ok(self)
    }

    /// Settles for each by itself which existing resources are theirs.
    pub(crate) fn settle_each(&mut self) {
        let Self { world, people, .. } = self;
        let kind = |name: &str| world.ground().catalog().resource_type(name);
        for expected in people.iter_mut().filter_map(|person| person.expected.as_mut()) {
            correlate::settle(std::slice::from_mut(expected), kind, |_, _, _| false);
        }
    }

    /// Settles which existing resources are whose, and refuses what two owners would share. Everybody who claims
    /// what one of the batch claims must be in it. What they have or claim comes back.
    pub(crate) fn settle_together(&mut self) -> Taken {
        let mut held: HashMap<(String, String), Vec<OwnerKey>> = HashMap::new();
        for (owner, of_owner) in &self.previous {
            for one in of_owner.values().filter(|one| one.is_ours() && !one.found) {
                held.entry((one.entity_type.clone(), one.target_key.clone())).or_default().push(owner.clone());
            }
        }
        let ground = Arc::clone(self.world.shared_ground());
        self.with_claims(|claims, all| {
            let is_held = |entity_type: &str, key: &str, owner: &Owner| {
                let holders = held.get(&(entity_type.to_owned(), key.to_owned()));
                let is_other = |(of, key): &OwnerKey| *of != owner.entity_type || *key != owner.key;
                holders.is_some_and(|holders| holders.iter().any(is_other))
            };
            correlate::settle(all, |name| ground.catalog().resource_type(name), is_held);
            claims.refuse_shared(all);
            let mut taken: Taken = claims.taken(all).into_iter().collect();
            for one in all.iter() {
                let given = one.resources.iter().filter(|resource| resource.behind.is_none());
                let given = given.map(|resource| (&resource.resource_type, &resource.target_key));
                let suspects = one.suspects.iter().map(|suspect| (&suspect.resource_type, &suspect.candidate.key));
                for (resource_type, key) in given.chain(suspects) {
                    let kind = ground.catalog().resource_type(resource_type);
                    taken.extend(kind.map(|kind| (kind.target.to_string(), key.clone())));
                }
            }
            taken
        })
    }

    fn with_claims<T>(&mut self, work: impl FnOnce(&Claims<'_>, &mut [Expected]) -> T) -> T {
        let places: Vec<usize> =
            self.people.iter().enumerate().filter(|(_, one)| one.expected.is_some()).map(|(place, _)| place).collect();
        let mut all: Vec<Expected> = self.people.iter_mut().filter_map(|person| person.expected.take()).collect();
        let claims = Claims {
            catalog: &self.world.ground().loaded.catalog,
            previous: &self.previous,
            lanes: self.world.lanes(),
            exists: &|entity_type, key| self.world.has(entity_type, key),
            now: self.world.ground().now,
        };
        let said = work(&claims, &mut all);
        for (place, expected) in places.into_iter().zip(all) {
            if let Some(person) = self.people.get_mut(place) {
                person.expected = Some(expected);
            }
        }
        said
    }

    /// How the rules come to what they give each owner, in the order of the batch.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn explained(mut self, generator: &Generator) -> Result<Vec<Option<Explanation>>, Fault> {
        loop {
            let (batch, explained, missing) =
                blocking((self, vec![], Noted::default()), |(batch, explained, missing)| {
                    for person in &batch.people {
                        let (one, noted) = batch.world.explained(&person.key, &person.grants, person.before.as_ref());
                        explained.push(one);
                        missing.lacks(&noted);
                    }
                    Ok(())
                })
                .await?;
            self = batch;
            if !missing.is_missing_something() {
                return Ok(explained);
            }
            self.world.read_missing(generator, missing).await?;
        }
    }

    /// Compares what the rules give with what was there, what is there, and what is on its way.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn assigned(mut self, generator: &Generator, taken: Taken) -> Result<Self, Fault> {
        self.taken = taken;
        self.until_nothing_is_missing(generator, |batch, person| {
            let nothing = BTreeMap::new();
            let previous = batch.previous.get(&person.key).unwrap_or(&nothing);
            let (assignments, noted) =
                batch.world.assign(&person.key, person.expected.as_ref(), previous, &batch.taken);
            person.assignments = assignments;
            noted
        })
        .await
    }
}

impl Person {
    /// What the result was computed from; none when there is no result at all.
    pub(crate) fn dependencies(&self, now: Timestamp) -> Option<Dependencies> {
        if self.expected.is_none() && self.assignments.is_empty() {
            return None;
        }
        let claims = self.claimed.needs.clone();
        let needs = self.noted.needs().union(&claims).copied().collect();
        Some(Dependencies { claims, needs, next_change: self.next_change(now) })
    }

    /// When the same inputs may first give something else: what the evaluation says, or the next beginning or
    /// end of anything.
    fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let expected = self.expected.as_ref()?;
        let periods = std::iter::once(expected.period)
            .chain(expected.roles.iter().map(|role| role.period))
            .chain(expected.resources.iter().map(|resource| resource.period));
        let bounds = periods.flat_map(|period| [period.from, period.until]).flatten().filter(|bound| *bound > now);
        bounds.chain(expected.next_change).min()
    }

    /// What waits for a person.
    pub(crate) fn items(&self, world: &World) -> Vec<Item> {
        let mut lines: Vec<Item> = self.assignments.iter().flat_map(items).collect();
        let has = |role: &str| {
            self.expected
                .iter()
                .flat_map(|expected| &expected.roles)
                .any(|held| !held.is_composite && &*held.role == role)
        };
        let ground = world.ground();
        if let Some(expected) = self.expected.as_ref().filter(|_| !lines.is_empty()) {
            let assigned: Vec<&Assignment> = self.assignments.iter().collect();
            let roles = ground.reversed.roles(ground.catalog(), &expected.owner, &assigned, &lines, has);
            lines.extend(roles);
        }
        lines
    }

    /// What is to be kept of the owner; none when it is gone.
    pub(crate) fn known(&self, world: &World) -> Option<KnownOwner> {
        let expected = self.expected.as_ref()?;
        Some(KnownOwner::of(expected, world.fingerprint(&self.key)))
    }
}

/// Does work off the runtime's threads.
async fn blocking<T: Send + 'static>(
    mut on: T,
    work: impl FnOnce(&mut T) -> Result<(), Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(move || {
        work(&mut on)?;
        Ok(on)
    })
    .await
    .map_err(Fault::internal)?
}
