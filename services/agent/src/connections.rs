//! The connections that this agent serves.

use crate::package::Package;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// One connection to a managed system.
#[derive(Clone)]
pub struct Connection {
    /// Its name; the catalog uses the same.
    pub name: Arc<str>,
    /// The package's name.
    pub package_name: &'static str,
    /// How many orders it writes side by side.
    pub concurrency: u32,
    /// The package.
    pub package: Arc<dyn Package>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({}, {})", self.name, self.package_name)
    }
}

/// All connections, by name.
#[derive(Clone, Debug, Default)]
pub struct Connections(BTreeMap<Arc<str>, Connection>);

impl Connections {
    /// Adds one; a former one of the same name gives way.
    pub fn add(&mut self, connection: Connection) {
        self.0.insert(Arc::clone(&connection.name), connection);
    }

    /// The one of that name.
    pub fn get(&self, name: &str) -> Option<&Connection> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.0.values()
    }
}
