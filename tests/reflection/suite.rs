//! The suite under test: all services in this process, on one port, in a folder that goes with it.

use crate::server::{Server, Version};
use anyhow::Result;
use provost::demo::workplace as world;
use provost::suite::DataDirectory;
use provost_sample::{Organisation, workplace};
use provost_service_kit::{Clock, Runtime, SystemClock};
use std::path::PathBuf;
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
        let address = listener.local_addr()?;
        let today = SystemClock.now().to_chrono().unwrap_or_default().date_naive();
        world::write(folder.path(), &Organisation::generate(world::SEED, PEOPLE, today)).await?;
        world::write_agent_file(folder.path(), address)?;
        let directory = DataDirectory::open(folder.path())?;
        let running = provost::suite::Suite::start(directory, listener, None, Runtime::default()).await?;
        Ok(Self { address: address.to_string(), folder, running })
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
