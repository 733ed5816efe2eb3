//! The sql package: reads and writes tables of SQLite and PostgreSQL databases.
//!
//! Leaves the meaning of tables to the configuration. The rule that must hold: values reach the
//! database as bound parameters only, and one order is one transaction.

mod database;
mod export;
mod failure;
mod fulfill;
mod links;
mod mapping;
mod plan;
mod schema;
mod statement;
mod value;

pub use mapping::{SqlEntity, SqlLink};

use super::failure::{Particulars, redacted, transport, unmapped_entity};
use super::{Abilities, Attempt, Entity, Outcome, Package, RowSender};
use async_trait::async_trait;
use database::{Database, Statement};
use provost_domain::{Failure, Order};
use schema::Schema;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The longest that one order may take; the database's own limits are shorter.
const FULFILL_TIMEOUT: Duration = Duration::from_secs(60);

/// Reads and writes the tables of one database.
#[derive(Debug)]
pub struct Sql {
    database: Database,
    entities: BTreeMap<String, SqlEntity>,
    schema: Schema,
    timeout: Duration,
}

impl Sql {
    /// A package over one database. Connects at first use. A relative SQLite file is taken from `folder`.
    ///
    /// # Errors
    /// All mistakes in the settings, one sentence each.
    pub fn new(
        url: &SecretString,
        folder: &Path,
        concurrency: u32,
        entities: BTreeMap<String, SqlEntity>,
    ) -> Result<Self, Vec<String>> {
        let mistakes = Self::mistakes(Some(url), &entities);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        // One more than the orders side by side, so that an export need not wait for them.
        let database = Database::open(url, folder, concurrency.saturating_add(1)).map_err(|mistake| vec![mistake])?;
        Ok(Self { database, entities, schema: Schema::default(), timeout: FULFILL_TIMEOUT })
    }

    /// Gives an order another time limit.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What is wrong with the settings, as far as they are known; one sentence each.
    pub(crate) fn mistakes(url: Option<&SecretString>, entities: &BTreeMap<String, SqlEntity>) -> Vec<String> {
        let mut mistakes: Vec<String> = url.and_then(|url| database::Target::of(url).err()).into_iter().collect();
        for (name, entity) in entities {
            mistakes.extend(entity.mistakes().into_iter().map(|mistake| format!("entities.{name}.{mistake}")));
        }
        mistakes
    }

    /// Whether the columns are there and may be read.
    async fn try_table(&self, table: &str, columns: &[(Option<&str>, &str)]) -> Result<(), Failure> {
        self.schema.columns(&self.database, table, columns).await?;
        let names: Vec<String> = columns.iter().map(|(_, column)| mapping::quoted(column)).collect();
        let sql = format!("SELECT {} FROM {} WHERE 1 = 0", names.join(", "), mapping::quoted_table(table));
        let mut unit = self.database.begin_read().await.map_err(|error| failure::of(&error))?;
        unit.fetch(&Statement { sql, params: vec![] }).await.map_err(|error| failure::of(&error))?;
        Ok(())
    }

    async fn carry_out(&self, order: &Order, attempt: Attempt) -> Outcome {
        let written = tokio::time::timeout(self.timeout, fulfill::fulfill(self, order, attempt)).await;
        match written {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(failure)) => Outcome::Failed(redacted(failure, order)),
            Err(_) => Outcome::Failed(
                transport(format!("database: no answer within {:?}", self.timeout))
                    .with_hint("check that the database runs, and that nobody holds a lock on the tables"),
            ),
        }
    }

    fn entity(&self, name: &str) -> Result<&SqlEntity, Failure> {
        self.entities.get(name).ok_or_else(|| unmapped_entity(name))
    }
}

#[async_trait]
impl Package for Sql {
    fn abilities(&self) -> Abilities {
        Abilities { export: true, fulfill: true }
    }

    async fn check(&self) -> Result<String, Failure> {
        self.schema.forget();
        for entity in self.entities.values() {
            let mut wanted = vec![(None, entity.key_column())];
            wanted.extend(entity.columns.iter().map(|(property, column)| (Some(property.as_str()), column.as_str())));
            self.try_table(&entity.table, &wanted).await?;
            for (property, link) in &entity.links {
                let wanted = [(Some(property.as_str()), link.resource.as_str()), (None, link.target.as_str())];
                self.try_table(&link.table, &wanted).await?;
            }
        }
        Ok(format!("{} answers; {} entity types mapped", self.database.dialect().name(), self.entities.len()))
    }

    async fn export(&self, entity: &Entity, rows: &RowSender) -> Result<(), Failure> {
        export::export(self, entity, rows).await
    }

    async fn fulfill(&self, order: &Order) -> Outcome {
        self.carry_out(order, Attempt::First).await
    }

    async fn fulfill_again(&self, order: &Order) -> Outcome {
        self.carry_out(order, Attempt::Again).await
    }
}
