//! The configuration of the agent: where to listen, whom to dial, and the connections it serves.
//!
//! The mapping of every connection is part of it: what a central catalog says can never name a
//! table, a file or an attribute of this host.

use crate::connections::{Connection, Connections};
use crate::settings::ConnectionSettings;
use provost_service_kit::Addresses;
use provost_service_kit::configuration::{Configuration, Mistakes};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the agent needs to know from outside.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The name under which it takes orders.
    pub agent_id: String,
    /// Where to listen when it runs alone; for its own operator.
    pub listen: SocketAddr,
    /// Where fulfillment is: an address, or those of its replicas.
    pub fulfillment: Addresses,
    /// Where the order generator is, likewise.
    pub order_generator: Addresses,
    /// The journal's file.
    pub journal: PathBuf,
    /// The connections, by name.
    pub connections: BTreeMap<String, ConnectionSettings>,
    /// The folder from which relative paths are meant: the configuration file's.
    #[serde(skip)]
    pub folder: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            agent_id: "agent-1".into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7404)),
            fulfillment: "http://127.0.0.1:7402".into(),
            order_generator: "http://127.0.0.1:7401".into(),
            journal: "agent-journal.db".into(),
            connections: BTreeMap::new(),
            folder: PathBuf::new(),
        }
    }
}

impl Configuration for Config {
    fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if self.agent_id.trim().is_empty() || self.agent_id.chars().count() > 200 {
            mistakes.push("agent_id: must have 1 to 200 characters".to_owned());
        }
        mistakes.extend(self.fulfillment.mistakes("fulfillment", 7402));
        mistakes.extend(self.order_generator.mistakes("order_generator", 7401));
        if self.journal.as_os_str().is_empty() {
            mistakes.push("journal: must name a file".to_owned());
        }
        for (name, settings) in &self.connections {
            let wrong = settings.read(&self.folder).err().into_iter().flatten();
            mistakes.extend(wrong.map(|mistake| format!("connections.{name}: {mistake}")));
        }
        mistakes
    }

    const HAS_DATABASE: bool = false;

    const SECRET: &'static [&'static str] = &["connections"];

    fn located(&mut self, folder: &Path) {
        self.folder = folder.to_owned();
    }
}

impl Config {
    /// Makes the packages of all connections. Nothing is dialled yet.
    ///
    /// # Errors
    /// All mistakes in all connections together.
    pub fn connections(&self) -> Result<Connections, Mistakes> {
        let mut made = Connections::default();
        let mut mistakes = Vec::new();
        for (name, settings) in &self.connections {
            match self.connection(name, settings) {
                Ok(connection) => made.add(connection),
                Err(wrong) => {
                    mistakes.extend(wrong.into_iter().map(|mistake| format!("connections.{name}: {mistake}")))
                }
            }
        }
        if mistakes.is_empty() { Ok(made) } else { Err(Mistakes(mistakes)) }
    }

    fn connection(&self, name: &str, settings: &ConnectionSettings) -> Result<Connection, Vec<String>> {
        let settings = settings.read(&self.folder)?;
        let (package_name, concurrency) = (settings.package_name(), settings.concurrency());
        let package = settings.package(&self.folder)?;
        Ok(Connection { name: Arc::from(name), package_name, concurrency, package })
    }

    /// The journal's file, from the folder of the configuration.
    pub fn journal_file(&self) -> PathBuf {
        self.folder.join(&self.journal)
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
