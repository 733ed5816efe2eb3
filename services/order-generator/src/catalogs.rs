//! The current catalog, compiled once and shared.
//!
//! The rule that must hold: whoever asks gets the newest one that was applied, also when another
//! replica applied it. The database knows which that is; the compiled form is kept beside its revision.

use crate::model::catalog::touched::{Touched, touched};
use crate::model::catalog::{Catalog, EntityType, Problem, Property};
use crate::store::{catalogs, from_json};
use crate::verbs::schema::{EntityShape, Exported, PropertyShape};
use provost_domain::Timestamp;
use provost_service_kit::{Database, Fault};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::watch;

/// One file of a catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) content: String,
}

/// A catalog that was applied.
pub(crate) struct Loaded {
    pub(crate) revision: i64,
    pub(crate) applied_at: Timestamp,
    /// What it says.
    pub(crate) catalog: Arc<Catalog>,
    shapes: Vec<EntityShape>,
    exports: Vec<Exported>,
}

impl Loaded {
    /// A compiled catalog, as if it had been applied as that revision.
    pub(crate) fn of(catalog: Catalog, revision: i64, applied_at: Timestamp) -> Self {
        Self {
            revision,
            applied_at,
            shapes: catalog.entity_types().iter().map(shape).collect(),
            exports: exports(&catalog),
            catalog: Arc::new(catalog),
        }
    }

    /// An entity type's shape.
    pub(crate) fn shape(&self, entity_type: &str) -> Option<EntityShape> {
        self.shapes.iter().find(|shape| shape.name == entity_type).cloned()
    }

    /// The entity types of a connector.
    pub(crate) fn shapes_of(&self, connector: &str) -> Vec<EntityShape> {
        self.shapes.iter().filter(|shape| shape.connector == connector).cloned().collect()
    }

    /// The entity types that no synchronization reads: those of connectors without an export.
    pub(crate) fn unsynchronized(&self) -> Vec<String> {
        let names = self.shapes.iter().map(|shape| &shape.name);
        names.filter(|name| self.is_unsynchronized(name)).cloned().collect()
    }

    /// Whether no synchronization reads an entity type.
    pub(crate) fn is_unsynchronized(&self, entity_type: &str) -> bool {
        let connector = self.shapes.iter().find(|shape| shape.name == entity_type).map(|shape| &shape.connector);
        connector.is_some_and(|connector| !self.exports.iter().any(|exported| exported.connector == *connector))
    }

    /// The connections that are synchronized.
    pub(crate) fn exports(&self) -> Vec<Exported> {
        self.exports.clone()
    }
}

/// Where the current catalog is found.
pub(crate) struct Catalogs {
    database: Database,
    current: watch::Sender<Option<Arc<Loaded>>>,
}

impl Catalogs {
    pub(crate) fn new(database: &Database) -> Self {
        Self { database: database.clone(), current: watch::Sender::new(None) }
    }

    /// The current catalog; none before the first apply.
    ///
    /// # Errors
    /// When it cannot be read; [`provost_service_kit::FaultKind::WrongState`] when it no longer compiles, which
    /// is so until another one is applied.
    pub(crate) async fn current(&self) -> Result<Option<Arc<Loaded>>, Fault> {
        let Some(revision) = catalogs::newest_revision(self.database.read()).await? else { return Ok(None) };
        let known = self.current.borrow().clone();
        if known.as_ref().is_some_and(|loaded| loaded.revision == revision) {
            return Ok(known);
        }
        let Some(row) = catalogs::newest(self.database.read()).await? else { return Ok(None) };
        let files: Vec<File> = from_json(&row.files)?;
        let compiled = tokio::task::spawn_blocking(move || compile(&files)).await.map_err(Fault::internal)?;
        let catalog = compiled.map_err(|problems| {
            let first = problems.first().map(ToString::to_string).unwrap_or_default();
            let why =
                format!("the catalog of revision {} no longer compiles: {first}; apply a right one", row.revision);
            Fault::wrong_state("catalog", why)
        })?;
        let loaded = Arc::new(Loaded::of(catalog, row.revision, Timestamp::from_millis(row.applied_at)));
        self.current.send_replace(Some(Arc::clone(&loaded)));
        Ok(Some(loaded))
    }
}

impl Catalogs {
    /// The catalog of a revision; none when it is not there, or no longer compiles.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn of_revision(&self, revision: i64) -> Result<Option<Arc<Catalog>>, Fault> {
        let known = self.current.borrow().clone();
        if let Some(loaded) = known.filter(|loaded| loaded.revision == revision) {
            return Ok(Some(Arc::clone(&loaded.catalog)));
        }
        let Some(row) = catalogs::of_revision(self.database.read(), revision).await? else { return Ok(None) };
        let files: Vec<File> = from_json(&row.files)?;
        let compiled = tokio::task::spawn_blocking(move || compile(&files)).await.map_err(Fault::internal)?;
        Ok(compiled.ok().map(Arc::new))
    }

    /// Whom it concerns that a catalog took the place of that of an earlier revision. None is everybody: also where
    /// one of them was never applied, or no longer compiles.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) async fn touched(&self, earlier: i64, loaded: &Loaded) -> Result<Option<Touched>, Fault> {
        if earlier == loaded.revision {
            return Ok(Some(Touched::default()));
        }
        let files = async |revision: i64| -> Result<Option<Vec<File>>, Fault> {
            let row = catalogs::of_revision(self.database.read(), revision).await?;
            row.map(|row| from_json(&row.files)).transpose()
        };
        let (Some(before), Some(after)) = (files(earlier).await?, files(loaded.revision).await?) else {
            return Ok(None);
        };
        let Some(catalog) = self.of_revision(earlier).await? else { return Ok(None) };
        Ok(touched((&texts(&before), &catalog), (&texts(&after), &loaded.catalog)))
    }
}

/// Names and texts.
pub(crate) fn texts(files: &[File]) -> Vec<(&str, &str)> {
    files.iter().map(|file| (file.name.as_str(), file.content.as_str())).collect()
}

/// A catalog as it was applied, whether it still compiles or not.
pub(crate) struct Stored {
    pub(crate) revision: i64,
    pub(crate) files: Vec<File>,
    pub(crate) applied_at: Timestamp,
    pub(crate) applied_by: String,
}

impl Catalogs {
    /// What was applied last; none before the first apply.
    pub(crate) async fn stored(&self) -> Result<Option<Stored>, Fault> {
        let Some(row) = catalogs::newest(self.database.read()).await? else { return Ok(None) };
        Ok(Some(Stored {
            revision: row.revision,
            files: from_json(&row.files)?,
            applied_at: Timestamp::from_millis(row.applied_at),
            applied_by: row.applied_by,
        }))
    }
}

/// Compiles a catalog: all its mistakes, or what is right.
pub(crate) fn compile(files: &[File]) -> Result<Catalog, Vec<Problem>> {
    let files: Vec<_> = files.iter().map(|file| (file.name.clone(), file.content.clone())).collect();
    Catalog::compile(&files)
}

fn shape(entity_type: &EntityType) -> EntityShape {
    let property = |property: &Property| PropertyShape {
        name: property.name.to_string(),
        value_type: property.value_type(),
        multi_valued: property.multi_valued,
        sensitive: property.sensitive,
        write_only: property.write_only,
    };
    EntityShape {
        name: entity_type.name.to_string(),
        connector: entity_type.connector.to_string(),
        key: entity_type.key.to_string(),
        // What is computed is in no managed system: nobody exports it, and nothing keeps it.
        properties: entity_type.stored().map(property).collect(),
    }
}

fn exports(catalog: &Catalog) -> Vec<Exported> {
    let is_written = |connector: &str| catalog.resource_types().iter().any(|kind| &*kind.connector == connector);
    let exported = catalog.connectors().iter().filter_map(|connector| {
        let connection = connector.export.as_ref()?.to_string();
        Some(Exported { connection, is_written: is_written(&connector.name), connector: connector.name.to_string() })
    });
    exported.collect()
}
