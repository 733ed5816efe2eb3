//! The embedded suite: the four services in one process, on one port, in one data directory.
//!
//! Leaves everything the services do to them: this is the only place that knows their crates, and it
//! knows nothing of them but their configuration. The rule that must hold: each service runs the same
//! code, and calls the others over gRPC, exactly as when it runs alone.

mod directory;
mod services;

pub use directory::{DataDirectory, LOCK_FILE, create_private};
pub use services::{AGENT_FILE, AgentFound};

use anyhow::Context;
use provost_service_kit::Runtime;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running suite.
pub struct Suite {
    /// Where it listens.
    pub address: SocketAddr,
    /// The agent that runs in it.
    pub agent: AgentFound,
    runtime: Runtime,
    running: JoinHandle<anyhow::Result<()>>,
    // Held until the last service has ended.
    _directory: DataDirectory,
}

impl Suite {
    /// Starts all services on `listener`, with their data in `directory`. The agent's configuration
    /// is `agent_file`, or else `agent.toml` in the directory when there is one.
    ///
    /// # Errors
    /// When a service cannot be configured or its database cannot be opened.
    pub async fn start(
        directory: DataDirectory,
        listener: TcpListener,
        agent_file: Option<PathBuf>,
        runtime: Runtime,
    ) -> anyhow::Result<Self> {
        let address = reachable(listener.local_addr().context("the listener has no address")?);
        let (server, agent) = services::assemble(&directory, address, agent_file, &runtime).await?;
        let running = tokio::spawn(server.run(listener, runtime.stop.clone()));
        Ok(Self { address, agent, runtime, running, _directory: directory })
    }

    /// `http://…`, for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until the suite has ended, by its stop signal or by a failure.
    ///
    /// # Errors
    /// The first failure of any service.
    pub async fn ended(self) -> anyhow::Result<()> {
        self.running.await.context("the suite panicked")?
    }

    /// Ends the suite: calls under way finish first.
    ///
    /// # Errors
    /// As [`Self::ended`].
    pub async fn stop(self) -> anyhow::Result<()> {
        self.runtime.stop.cancel();
        self.ended().await
    }
}

/// The address to dial for what listens on `address`: a wildcard cannot be dialled.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn wildcards_are_dialled_through_loopback() {
        assert_eq!(reachable("0.0.0.0:7400".parse().unwrap()).to_string(), "127.0.0.1:7400");
        assert_eq!(reachable("[::]:7400".parse().unwrap()).to_string(), "[::1]:7400");
        assert_eq!(reachable("127.0.0.1:1".parse().unwrap()).to_string(), "127.0.0.1:1");
    }
}
