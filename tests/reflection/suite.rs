//! The suite under test: all services in this process, on one port, in a folder that goes with it.

use crate::server::{Server, Version};
use anyhow::Result;
use provost::suite::DataDirectory;
use provost_sample::{Organisation, workplace};
use provost_service_kit::{Clock, Runtime, SystemClock};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// As many as in the demo, so that the cookbook finds enough of everything.
const PEOPLE: usize = 250;

pub(crate) struct Suite {
    /// Where it listens, as grpcurl takes it.
    pub(crate) address: String,
    folder: TempDir,
    running: provost::suite::Suite,
}

/// All services on one port, with an agent, the sample's systems and nothing in the databases.
pub(crate) async fn suite() -> Suite {
    Suite::start().await.unwrap()
}

impl Suite {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        write_systems(folder.path(), &address).await?;
        let directory = DataDirectory::open(folder.path())?;
        let running = provost::suite::Suite::start(directory, listener, None, Runtime::default()).await?;
        Ok(Self { address, folder, running })
    }

    /// What the suite says of itself.
    pub(crate) async fn server(&self) -> Server {
        Server::connect(&self.address, Version::V1).await.unwrap()
    }

    /// The HR feed.
    pub(crate) fn feed(&self) -> PathBuf {
        self.folder.path().join(workplace::PEOPLE_CSV_PATH)
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.running.stop().await
    }
}

/// What the demo finds when it begins.
async fn write_systems(root: &Path, address: &str) -> Result<()> {
    let today = SystemClock.now().to_chrono().unwrap_or_default().date_naive();
    let organisation = Organisation::generate(2026, PEOPLE, today);
    let files =
        [workplace::PEOPLE_CSV_PATH, workplace::APP_DB_PATH, workplace::VAULT_DB_PATH, workplace::BADGES_CSV_PATH];
    for folder in files.iter().filter_map(|file| root.join(file).parent().map(Path::to_owned)) {
        std::fs::create_dir_all(folder)?;
    }
    organisation.write_people_csv(root.join(workplace::PEOPLE_CSV_PATH).as_path())?;
    std::fs::write(root.join(workplace::BADGES_CSV_PATH), workplace::BADGES_CSV_HEADER)?;
    for (file, scripts) in [
        (workplace::APP_DB_PATH, &[workplace::APP_SCHEMA_SQL, workplace::APP_ROWS_SQL][..]),
        (workplace::VAULT_DB_PATH, &[workplace::VAULT_SCHEMA_SQL][..]),
    ] {
        let options = SqliteConnectOptions::new().filename(root.join(file)).create_if_missing(true);
        let mut connection = options.connect().await?;
        for script in scripts {
            sqlx::raw_sql(*script).execute(&mut connection).await?;
        }
        connection.close().await?;
    }
    let url = format!("http://{address}");
    std::fs::write(root.join(workplace::AGENT_TOML_PATH), workplace::agent_toml(address, &url, &url))?;
    Ok(())
}
