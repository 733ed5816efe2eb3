//! The sample organisation's world on disk: its HR feed, its managed systems, its catalog, and the
//! configuration of the agent that reaches them.
//!
//! Leaves the texts to the sample crate, and what becomes of the files to whoever asked for them.

use anyhow::Context;
use provost_sample::{Organisation, workplace};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use std::net::SocketAddr;
use std::path::Path;

/// The organisation that the demo plays.
pub const SEED: u64 = 2026;

/// Writes all but the agent's configuration into an empty folder.
///
/// # Errors
/// When something cannot be written.
pub async fn write(root: &Path, organisation: &Organisation) -> anyhow::Result<()> {
    for (name, text) in workplace::CATALOG {
        file(root, &format!("catalog/{name}"), text)?;
    }
    file(root, workplace::BADGES_CSV_PATH, workplace::BADGES_CSV_HEADER)?;
    file(root, workplace::PEOPLE_CSV_PATH, "")?;
    let people = root.join(workplace::PEOPLE_CSV_PATH);
    organisation.write_people_csv(&people).with_context(|| format!("cannot write {}", people.display()))?;
    file(root, workplace::APP_DB_PATH, "")?;
    file(root, workplace::VAULT_DB_PATH, "")?;
    let app = [workplace::APP_SCHEMA_SQL, workplace::APP_ROWS_SQL];
    database(&root.join(workplace::APP_DB_PATH), &app).await?;
    database(&root.join(workplace::VAULT_DB_PATH), &[workplace::VAULT_SCHEMA_SQL]).await
}

/// Writes the agent's configuration, for a suite that listens at this address.
///
/// # Errors
/// When it cannot be written.
pub fn write_agent_file(root: &Path, address: SocketAddr) -> anyhow::Result<()> {
    let url = format!("http://{address}");
    file(root, workplace::AGENT_TOML_PATH, &workplace::agent_toml(&address.to_string(), &url, &url))
}

fn file(root: &Path, relative: &str, text: &str) -> anyhow::Result<()> {
    let path = root.join(relative);
    let written = match path.parent() {
        Some(folder) => std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text)),
        None => std::fs::write(&path, text),
    };
    written.with_context(|| format!("cannot write {}", path.display()))
}

async fn database(file: &Path, scripts: &[&'static str]) -> anyhow::Result<()> {
    let made = async {
        let mut connection = SqliteConnectOptions::new().filename(file).create_if_missing(true).connect().await?;
        for &script in scripts {
            sqlx::raw_sql(script).execute(&mut connection).await?;
        }
        connection.close().await
    };
    made.await.with_context(|| format!("cannot make {}", file.display()))
}
