//! The stage: a fresh data directory with the sample organisation and its systems.
//!
//! The rule that must hold: only what an earlier demo made is ever removed.

use super::systems::Systems;
use super::workplace;
use crate::suite::DataDirectory;
use anyhow::{Context, bail};
use provost_sample::Organisation;
use provost_sample::workplace::{APP_DB_PATH, BADGES_CSV_PATH, VAULT_DB_PATH};
use provost_service_kit::{Clock, SystemClock};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;

/// The file by which a demo knows a demo's data directory.
const MARKER: &str = "DEMO";
const MARKER_TEXT: &str =
    "Made by `provost demo`, and replaced as a whole by the next demo, unless `provost up` goes on with it.\n";

const PEOPLE: usize = 250;

/// A data directory, ready to play in.
pub(super) struct Stage {
    pub(super) directory: DataDirectory,
    pub(super) organisation: Organisation,
}

impl Stage {
    /// Makes the directory fresh.
    pub(super) async fn prepare(path: &Path) -> anyhow::Result<Self> {
        check_replaceable(path)?;
        let directory = DataDirectory::open(path)?;
        clear(directory.path())?;
        let marker = directory.path().join(MARKER);
        std::fs::write(&marker, MARKER_TEXT).with_context(|| format!("cannot write {}", marker.display()))?;
        let today = SystemClock.now().to_chrono().context("the clock shows no date")?.date_naive();
        let organisation = Organisation::generate(workplace::SEED, PEOPLE, today);
        workplace::write(directory.path(), &organisation).await?;
        Ok(Self { directory, organisation })
    }

    /// Writes the agent's configuration, once it is known where the suite listens.
    pub(super) fn write_agent_file(&self, address: SocketAddr) -> anyhow::Result<()> {
        workplace::write_agent_file(self.directory.path(), address)
    }

    /// The managed systems, to be read without the suite.
    pub(super) fn systems(&self) -> Systems {
        let root = self.directory.path();
        Systems { app: root.join(APP_DB_PATH), vault: root.join(VAULT_DB_PATH), badges: root.join(BADGES_CSV_PATH) }
    }

    /// Sends the services' log to a file, away from the story.
    pub(super) fn log_to_file(&self) -> anyhow::Result<()> {
        let path = self.directory.path().join("provost.log");
        let file = std::fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(Mutex::new(file))
            .try_init()
            .map_err(|error| anyhow::anyhow!("logging cannot start: {error}"))
    }
}

/// Refuses a directory with anything in it that no demo made.
fn check_replaceable(path: &Path) -> anyhow::Result<()> {
    let mut entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    if entries.next().is_some() && !path.join(MARKER).is_file() {
        bail!(
            "{} holds what no demo made, or what `provost up` went on with, so it is left alone; \
             remove it yourself, or choose another with --data-dir",
            path.display()
        );
    }
    Ok(())
}

/// Makes a demo's data directory an ordinary one, which no demo replaces. Whether it was a demo's.
///
/// # Errors
/// When the marker cannot be removed.
pub fn adopt(directory: &Path) -> anyhow::Result<bool> {
    let marker = directory.join(MARKER);
    match std::fs::remove_file(&marker) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", marker.display())),
    }
}

/// Removes everything but the lock, which is held.
fn clear(root: &Path) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(root).with_context(|| format!("cannot read {}", root.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", root.display()))?.path();
        if path.ends_with(crate::suite::LOCK_FILE) {
            continue;
        }
        let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_sample::workplace::{AGENT_TOML_PATH, FOREIGN_LOGIN};

    #[tokio::test]
    async fn earlier_demo_is_replaced_and_anything_else_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo");
        drop(Stage::prepare(&path).await.unwrap());
        std::fs::write(path.join("left-over"), "x").unwrap();
        drop(Stage::prepare(&path).await.unwrap());
        assert!(!path.join("left-over").exists());

        let ours = DataDirectory::open(&path).unwrap();
        assert_eq!([adopt(ours.path()).unwrap(), adopt(ours.path()).unwrap()], [true, false]);
        drop(ours);
        assert!(Stage::prepare(&path).await.is_err(), "somebody works with it");

        let foreign = folder.path().join("foreign");
        std::fs::create_dir(&foreign).unwrap();
        std::fs::write(foreign.join("precious"), "x").unwrap();
        let refused = Stage::prepare(&foreign).await.map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains("so it is left alone"), "{refused}");
        assert!(foreign.join("precious").exists());
    }

    #[tokio::test]
    async fn demo_in_use_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo");
        let playing = Stage::prepare(&path).await.unwrap();
        let refused = Stage::prepare(&path).await.map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains("is in use"), "{refused}");
        assert!(playing.systems().accounts().await.unwrap().contains_key(FOREIGN_LOGIN));
    }

    #[tokio::test]
    async fn agent_file_holds_the_address() {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::prepare(&folder.path().join("demo")).await.unwrap();
        stage.write_agent_file("127.0.0.1:7400".parse().unwrap()).unwrap();
        let text = std::fs::read_to_string(stage.directory.path().join(AGENT_TOML_PATH)).unwrap();
        assert!(text.contains("fulfillment = \"http://127.0.0.1:7400\""), "{text}");
    }
}
