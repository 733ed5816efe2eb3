//! The csv package: reads resources from files with one line each.
//!
//! Writes nothing: people or other programs own the files. The rule that must hold: a file that is
//! not entirely right is not exported at all, and the message says where it is wrong.

mod lines;
mod read;

use super::{Abilities, Entity, Outcome, Package, RowSender, failure};
use async_trait::async_trait;
use failure::Particulars;
use provost_domain::{Failure, Order};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Which file an entity type is read from, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvEntity {
    /// The file.
    pub file: PathBuf,
    /// What separates the columns.
    pub delimiter: u8,
    /// The column of a property, where it is not named alike.
    pub columns: BTreeMap<String, String>,
    /// What separates the values of a multi-valued property.
    pub multi_value_separator: String,
}

impl CsvEntity {
    /// A file with the usual commas, columns named as the properties.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), delimiter: b',', columns: BTreeMap::new(), multi_value_separator: ";".to_owned() }
    }

    /// The column that holds a property.
    fn column<'a>(&'a self, property: &'a str) -> &'a str {
        self.columns.get(property).map_or(property, String::as_str)
    }
}

/// Reads CSV files.
#[derive(Clone, Debug)]
pub struct Csv {
    entities: BTreeMap<String, CsvEntity>,
}

impl Csv {
    /// A package over these files, by entity type.
    pub fn new(entities: BTreeMap<String, CsvEntity>) -> Self {
        Self { entities }
    }
}

/// Runs file work on a thread where it may block.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Failure::new(provost_domain::FailureClass::Unknown, "reading the file panicked")))
}

#[async_trait]
impl Package for Csv {
    fn abilities(&self) -> Abilities {
        Abilities { export: true, fulfill: false }
    }

    async fn check(&self) -> Result<String, Failure> {
        let entities = self.entities.clone();
        on_a_thread(move || {
            let mut found = Vec::new();
            for (name, entity) in &entities {
                let columns = read::header(entity)?;
                found.push(format!("{name}: {} columns in {}", columns.len(), entity.file.display()));
            }
            Ok(found.join("; "))
        })
        .await
    }

    async fn export(&self, entity: &Entity, rows: &RowSender) -> Result<(), Failure> {
        let mapping = self.entities.get(&entity.name).ok_or_else(|| failure::unmapped_entity(&entity.name))?.clone();
        let (entity, rows) = (entity.clone(), rows.clone());
        on_a_thread(move || read::export(&mapping, &entity, &rows)).await
    }

    async fn fulfill(&self, order: &Order) -> Outcome {
        let message = format!("cannot write {} '{}': the csv package only reads", order.entity_type, order.target_key);
        Outcome::Failed(failure::refused(message).with_hint(
            "let the resource type be written through another connection; manual-ticket asks a person to do it",
        ))
    }
}
