//! Resources as synchronization read them, and how the model looks them up.
//!
//! Leaves where they are kept to the store.

use provost_domain::Value;
use std::collections::{BTreeMap, HashMap};

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

/// Finds resources.
pub trait Lookup: Sync {
    /// The resource of that entity type and key, as last synchronized.
    fn resource(&self, entity_type: &str, key: &str) -> Option<&Resource>;
}

/// Resources in memory.
#[derive(Clone, Debug, Default)]
pub struct Repository {
    resources: HashMap<String, HashMap<String, Resource>>,
}

impl Repository {
    /// Adds a resource, or replaces the one of the same key.
    pub fn insert(&mut self, entity_type: &str, resource: Resource) {
        if let Some(of_type) = self.resources.get_mut(entity_type) {
            of_type.insert(resource.key.clone(), resource);
        } else {
            self.resources.insert(entity_type.to_owned(), HashMap::from([(resource.key.clone(), resource)]));
        }
    }

    /// Takes a resource out.
    pub fn remove(&mut self, entity_type: &str, key: &str) -> Option<Resource> {
        self.resources.get_mut(entity_type)?.remove(key)
    }

    /// All resources of an entity type, in no order.
    pub fn of_type(&self, entity_type: &str) -> impl Iterator<Item = &Resource> {
        self.resources.get(entity_type).into_iter().flat_map(HashMap::values)
    }
}

impl Lookup for Repository {
    fn resource(&self, entity_type: &str, key: &str) -> Option<&Resource> {
        self.resources.get(entity_type)?.get(key)
    }
}
