//! Every database engine that the stores support, so that one test runs on all of them.

use crate::Postgres;
use anyhow::Context;
use tempfile::TempDir;

/// An empty database of one engine.
pub struct Engine {
    /// `sqlite` or `postgres`, for messages.
    pub name: &'static str,
    /// The database's address.
    pub url: String,
    // Holds the SQLite file; removed with this value.
    _directory: Option<TempDir>,
}

/// One empty SQLite file and one empty PostgreSQL database.
pub async fn engines() -> Vec<Engine> {
    let directory = crate::or_fail(tempfile::tempdir().context("make a directory for SQLite"));
    let file = format!("sqlite://{}?mode=rwc", directory.path().join("test.db").display());
    let database = Postgres::shared().await.database().await;
    vec![
        Engine { name: "sqlite", url: file, _directory: Some(directory) },
        Engine { name: "postgres", url: database.url, _directory: None },
    ]
}
