//! Which resources have which text on the target's side of query and correlation rules, and which positions are
//! whose: what the model looks up by something else than a key.
//!
//! What is stored is as of the last computation; what changed since lies above it, until it is kept. The rule
//! that must hold: whoever looks something up finds what the repository says now.

use super::world::{Ground, Noted, World};
use crate::generator::Generator;
use crate::model::catalog::{Catalog, Comparison, EntityType, Name};
use crate::model::comparison::text_form;
use crate::model::expression::Expression;
use crate::model::need::Need;
use crate::model::resource::{Resource, Side};
use crate::store::assignments::OwnerKey;
use crate::store::changes::Change;
use crate::store::dependencies::{self, Dependencies};
use crate::store::{resources, texts};
use provost_service_kit::{Engine, Fault};
use sea_orm::ConnectionTrait;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Resources that are looked at together.
const RESOURCES_PER_PIECE: usize = 1_000;
/// No entity type begins with it: under it stands what the text of a resource was computed from, beside
/// what the results of owners were.
const HOLDER: char = '\u{1f}';

/// The side on which the form of a resource's key stands, where keys are not compared letter by letter. No
/// expression is written like that.
pub(super) const KEY_SIDE: &str = "\u{1f}key";

/// The side on which the expressions stand that query rules look at, and that cannot be told of a resource. No
/// expression is written like that.
pub(super) const UNREADABLE_SIDE: &str = "\u{1f}unreadable";

/// What resources of one entity type are found by.
struct Sides<'a> {
    entity_type: &'a EntityType,
    texts: Vec<Side<'a>>,
    /// The expressions among them that query rules look at: who finds nothing by them asks what cannot be told.
    queried: Vec<&'a str>,
    pointing: Vec<&'a Name>,
    /// How keys are compared, when other ones may mean the same.
    key: Option<Comparison>,
}

/// The sides of a catalog, by entity type.
fn sides(catalog: &Catalog) -> Vec<Sides<'_>> {
    let mut found: Vec<Sides<'_>> = Vec::new();
    for entity_type in catalog.entity_types() {
        let name = &entity_type.name;
        let is_target = catalog.resource_types().iter().any(|kind| kind.target == *name);
        let key = entity_type.property(&entity_type.key).map(|key| key.comparison).filter(|_| is_target);
        let key = key.filter(|comparison| *comparison != Comparison::Exact);
        let mut sides = Sides { entity_type, texts: vec![], queried: vec![], pointing: vec![], key };
        for kind in catalog.resource_types() {
            let target = catalog.entity_type(&kind.target);
            let linked = kind.query_rules.iter().filter_map(|rule| {
                let links_here = target?.property(&rule.property)?.navigates_to()? == name;
                links_here.then_some(&rule.target)
            });
            let linked: Vec<&Expression> = linked.collect();
            sides.queried.extend(linked.iter().map(|text| text.source()));
            let correlated = kind.correlation_rules.iter().filter(|_| kind.target == *name).map(|rule| &rule.target);
            for text in linked.into_iter().chain(correlated) {
                if sides.texts.iter().all(|side| side.text.source() != text.source()) {
                    sides.texts.push(Side { catalog, entity_type, text });
                }
            }
        }
        for owner in catalog.entity_types() {
            let positions = owner.context.as_ref().and_then(|context| context.positions.as_ref());
            if let Some(positions) = positions.filter(|positions| positions.entity_type == *name)
                && !sides.pointing.contains(&&positions.owner)
            {
                sides.pointing.push(&positions.owner);
            }
        }
        if !sides.texts.is_empty() || !sides.pointing.is_empty() || sides.key.is_some() {
            found.push(sides);
        }
    }
    found
}

impl Sides<'_> {
    /// What a resource is found by, and what that was computed from.
    fn of(&self, world: &World, resource: &Resource) -> (BTreeSet<Need>, Noted) {
        let name = &self.entity_type.name;
        let (texts, noted) = world.texts_of(&self.texts, resource);
        let texts = texts.into_iter().filter_map(|(source, text)| match text {
            Ok(text) => Some(Need::text(name, source, &text)),
            Err(_) => self.queried.contains(&source).then(|| Need::text(name, UNREADABLE_SIDE, source)),
        });
        let pointing = self.pointing.iter().flat_map(|property| {
            let keys = resource.values.get(&***property).map_or(&[][..], provost_domain::Value::items);
            keys.iter().filter_map(|key| Some(Need::pointing(name, property, key.as_str()?)))
        });
        let key = self.key.map(|mode| Need::text(name, KEY_SIDE, &text_form(mode, &resource.key)));
        (texts.chain(pointing).chain(key).collect(), noted)
    }
}

/// What resources are found by, now.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// What is stored says nothing.
    is_whole: bool,
    added: HashMap<Need, BTreeSet<String>>,
    removed: HashSet<(Need, String)>,
    new: Vec<(Need, OwnerKey)>,
    old: Vec<(Need, OwnerKey)>,
    /// What the texts were computed from, where that is another thing than what is kept.
    holders: Vec<(OwnerKey, Option<Dependencies>, Option<Dependencies>)>,
}

impl Texts {
    /// All of them, by a catalog of which nothing is stored.
    pub(crate) async fn whole(generator: &Generator, ground: &Arc<Ground>) -> Result<Self, Fault> {
        let mut texts = Self { is_whole: true, ..Self::default() };
        for sides in sides(ground.catalog()) {
            let keys = resources::keys(generator.database.read(), &sides.entity_type.name).await?;
            for piece in keys.chunks(RESOURCES_PER_PIECE) {
                texts.look(generator, ground, &sides, piece).await?;
            }
        }
        Ok(texts)
    }

    /// Those that are stored, and above them what these changes make of them.
    pub(crate) async fn since(generator: &Generator, ground: &Arc<Ground>, changes: &[Change]) -> Result<Self, Fault> {
        let sides = sides(ground.catalog());
        if sides.is_empty() {
            return Ok(Self::default());
        }
        let mut keys: BTreeMap<&str, BTreeSet<String>> =
            sides.iter().map(|sides| (&*sides.entity_type.name, BTreeSet::new())).collect();
        let mut changed = BTreeSet::new();
        for change in changes {
            match change {
                Change::Everything { entity_type } if !entity_type.is_empty() => {
                    return Self::whole(generator, ground).await;
                }
                Change::Resource { entity_type, key, .. } => {
                    changed.insert(Need::resource(entity_type, key));
                    if let Some(keys) = keys.get_mut(entity_type.as_str()) {
                        keys.insert(key.clone());
                    }
                }
                Change::Everything { .. } | Change::Reading { .. } | Change::Owner { .. } => {}
            }
        }
        // Whose texts are read from what navigations point at.
        let (connection, engine) = (generator.database.read(), generator.database.engine());
        for (entity_type, key) in dependencies::dependents(connection, engine, &changed).await? {
            if let Some(keys) = entity_type.strip_prefix(HOLDER).and_then(|entity_type| keys.get_mut(entity_type)) {
                keys.insert(key);
            }
        }
        let mut texts = Self::default();
        for sides in &sides {
            let keys: Vec<String> = keys.remove(&*sides.entity_type.name).unwrap_or_default().into_iter().collect();
            for piece in keys.chunks(RESOURCES_PER_PIECE) {
                texts.look(generator, ground, sides, piece).await?;
            }
        }
        Ok(texts)
    }

    /// Looks at some resources of one entity type.
    async fn look(
        &mut self,
        generator: &Generator,
        ground: &Arc<Ground>,
        sides: &Sides<'_>,
        keys: &[String],
    ) -> Result<(), Fault> {
        let (connection, engine) = (generator.database.read(), generator.database.engine());
        let entity_type = &*sides.entity_type.name;
        let mut world = World::empty(ground);
        world.read(generator, keys.iter().map(|key| (entity_type.to_owned(), key.clone())).collect()).await?;
        let found = loop {
            let mut missing = Noted::default();
            let mut found: BTreeMap<&str, (BTreeSet<Need>, Noted)> = BTreeMap::new();
            for key in keys {
                let Some(resource) = world.resource(entity_type, key) else { continue };
                let (needs, noted) = sides.of(&world, resource);
                missing.lacks(&noted);
                found.insert(key, (needs, noted));
            }
            if !missing.is_missing_something() {
                break found;
            }
            world.read_missing(generator, missing).await?;
        };
        let mut stored: HashMap<String, BTreeSet<Need>> = HashMap::new();
        let holder = |key: &String| (format!("{HOLDER}{entity_type}"), key.clone());
        let mut kept = HashMap::new();
        if !self.is_whole {
            stored = texts::of(connection, engine, entity_type, keys).await?;
            let holders: Vec<OwnerKey> = keys.iter().map(holder).collect();
            kept = dependencies::of_owners(connection, engine, &holders.iter().collect::<Vec<_>>()).await?;
        }
        let nothing = BTreeSet::new();
        for key in keys {
            let (now, noted) = found.get(key.as_str()).map_or((&nothing, None), |(now, noted)| (now, Some(noted)));
            let before = stored.remove(key).unwrap_or_default();
            for need in now.difference(&before) {
                self.added.entry(*need).or_default().insert(key.clone());
                self.new.push((*need, (entity_type.to_owned(), key.clone())));
            }
            for need in before.difference(now) {
                self.removed.insert((*need, key.clone()));
                self.old.push((*need, (entity_type.to_owned(), key.clone())));
            }
            let needs = noted.map(|noted| noted.needs().clone()).filter(|needs| !needs.is_empty());
            let after = needs.map(|needs| Dependencies { needs, ..Dependencies::default() });
            let holder = holder(key);
            let before = kept.remove(&holder);
            if before != after {
                self.holders.push((holder, before, after));
            }
        }
        Ok(())
    }

    /// What is looked up now finds other resources than at the last computation.
    pub(crate) fn changed(&self) -> BTreeSet<Need> {
        self.new.iter().chain(&self.old).map(|(need, _)| *need).collect()
    }

    /// The keys that each of these finds, sorted.
    pub(crate) async fn find(
        &self,
        connection: &impl ConnectionTrait,
        engine: Engine,
        needs: &BTreeSet<Need>,
    ) -> Result<HashMap<Need, Vec<String>>, Fault> {
        let mut found: HashMap<Need, BTreeSet<String>> = HashMap::with_capacity(needs.len());
        if !self.is_whole {
            for (need, key) in texts::having(connection, engine, needs).await? {
                if !self.removed.contains(&(need, key.clone())) {
                    found.entry(need).or_default().insert(key);
                }
            }
        }
        for need in needs {
            let of_need = found.entry(*need).or_default();
            of_need.extend(self.added.get(need).into_iter().flatten().cloned());
        }
        Ok(found.into_iter().map(|(need, keys)| (need, keys.into_iter().collect())).collect())
    }

    /// Keeps them, in the transaction that keeps what was computed with them.
    pub(crate) async fn save(&self, transaction: &impl ConnectionTrait, engine: Engine) -> Result<(), Fault> {
        if self.is_whole {
            texts::clear(transaction).await?;
            dependencies::clear(transaction, HOLDER).await?;
        }
        texts::replace(transaction, engine, &self.new, &self.old).await?;
        let replaced: Vec<_> = self
            .holders
            .iter()
            .map(|(owner, before, after)| dependencies::Replaced {
                owner,
                before: before.as_ref(),
                after: after.as_ref(),
            })
            .collect();
        dependencies::replace(transaction, engine, &replaced).await?;
        Ok(())
    }

    /// Nothing that is kept is by the current catalog.
    pub(crate) const fn are_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether this is an owner, and not something whose text depends on others.
    pub(crate) fn is_owner((entity_type, _): &OwnerKey) -> bool {
        !entity_type.starts_with(HOLDER)
    }
}
