//! Resources as synchronization read them, and how the model looks them up.
//!
//! Leaves where they are kept to the store.

use super::catalog::{Catalog, EntityType};
use super::expression::{Expression, Scope, Session, Variable};
use provost_domain::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The values of one resource; a property without a value is not in it.
pub type Properties = BTreeMap<String, Value>;

/// One resource: an identity, an account, a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its key.
    pub key: String,
    /// Its values.
    pub values: Properties,
}

/// One side of query and correlation rules: the text that each resource of an entity type has.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// Where the entity type and what navigations point at are found.
    pub catalog: &'a Catalog,
    /// Whose resources.
    pub entity_type: &'a EntityType,
    /// The text, of a resource as `target`.
    pub text: &'a Expression,
}

impl Side<'_> {
    /// The text of a resource. A resource of which it cannot be told, or which has none, has none: nothing
    /// is linked to it by guess.
    pub fn of(&self, resource: &Resource, lookup: &dyn Lookup) -> Option<String> {
        self.told(resource, lookup).ok().flatten()
    }

    /// As [`Side::of`].
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn told(&self, resource: &Resource, lookup: &dyn Lookup) -> Result<Option<String>, String> {
        let scope = Scope::of_target(self.catalog, self.entity_type, &resource.values, lookup);
        match self.text.text(&Session::new(&scope)) {
            Ok(text) => Ok(text.filter(|text| !text.is_empty())),
            // What has nothing that could be read has no text, whatever the expression makes of that.
            Err(_) if self.reads_nothing_of(resource) => Ok(None),
            Err(message) => Err(message),
        }
    }

    fn reads_nothing_of(&self, resource: &Resource) -> bool {
        let of_target = self.text.reads_at().iter().filter(|read| read.variable == Variable::Target);
        let mut read = of_target.map(|read| self.entity_type.properties.get(read.place));
        read.all(|property| {
            property.is_some_and(|property| {
                self.entity_type.computed(&property.name).is_none() && !resource.values.contains_key(&*property.name)
            })
        })
    }
}

/// Finds resources.
pub trait Lookup: Sync {
    /// The resource of that entity type and key, as last synchronized.
    fn resource(&self, entity_type: &str, key: &str) -> Option<&Resource>;

    /// The keys of the resources that have that text on that side, sorted.
    fn having(&self, side: &Side<'_>, text: &str) -> Vec<String>;

    /// The keys of the resources whose text on that side cannot be told, sorted.
    fn unreadable(&self, side: &Side<'_>) -> Vec<String>;
}

/// Keys by text, each list sorted.
type Texts = HashMap<String, Vec<String>>;

/// What was asked of a side before: catalog, entity type and expression. The same words may mean something
/// else in another catalog, whose computed properties are others.
type SideKey = (usize, String, String);

/// The texts of the sides that were asked for, each computed once.
#[derive(Debug, Default)]
struct Sides(Mutex<HashMap<SideKey, Arc<OnceLock<Texts>>>>);

impl Clone for Sides {
    // What was computed is not part of what the repository says.
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Resources in memory.
#[derive(Clone, Debug, Default)]
pub struct Repository {
    resources: HashMap<String, HashMap<String, Resource>>,
    sides: Sides,
}

impl Repository {
    /// Adds a resource, or replaces the one of the same key.
    pub fn insert(&mut self, entity_type: &str, resource: Resource) {
        self.forget();
        if let Some(of_type) = self.resources.get_mut(entity_type) {
            of_type.insert(resource.key.clone(), resource);
        } else {
            self.resources.insert(entity_type.to_owned(), HashMap::from([(resource.key.clone(), resource)]));
        }
    }

    /// Takes a resource out.
    pub fn remove(&mut self, entity_type: &str, key: &str) -> Option<Resource> {
        self.forget();
        self.resources.get_mut(entity_type)?.remove(key)
    }

    /// All resources of an entity type, in no order.
    pub fn of_type(&self, entity_type: &str) -> impl Iterator<Item = &Resource> {
        self.resources.get(entity_type).into_iter().flat_map(HashMap::values)
    }

    /// The texts of sides may be others by now: they read what navigations point at, too.
    fn forget(&mut self) {
        let sides = self.sides.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !sides.is_empty() {
            sides.clear();
        }
    }

    fn texts(&self, side: &Side<'_>) -> Texts {
        let mut texts = Texts::new();
        for resource in self.of_type(&side.entity_type.name) {
            if let Some(text) = side.of(resource, self) {
                texts.entry(text).or_default().push(resource.key.clone());
            }
        }
        texts.values_mut().for_each(|keys| keys.sort_unstable());
        texts
    }
}

impl Lookup for Repository {
    fn resource(&self, entity_type: &str, key: &str) -> Option<&Resource> {
        self.resources.get(entity_type)?.get(key)
    }

    fn having(&self, side: &Side<'_>, text: &str) -> Vec<String> {
        let catalog = std::ptr::from_ref(side.catalog).addr();
        let key = (catalog, side.entity_type.name.to_string(), side.text.source().to_owned());
        // The lock is held for finding the side alone: computing one takes a while, and others have theirs.
        let texts = Arc::clone(self.sides.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default());
        texts.get_or_init(|| self.texts(side)).get(text).cloned().unwrap_or_default()
    }

    fn unreadable(&self, side: &Side<'_>) -> Vec<String> {
        let all = self.of_type(&side.entity_type.name);
        let mut keys: Vec<String> =
            all.filter(|one| side.told(one, self).is_err()).map(|one| one.key.clone()).collect();
        keys.sort_unstable();
        keys
    }
}
