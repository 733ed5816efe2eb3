//! A real PostgreSQL cluster on loopback, in a temporary directory.

use crate::port::free_port;
use crate::watchdog::{Kept, Watchdog, directory, find_program};
use anyhow::{Context, Result};
use sqlx::{Connection, Executor, PgConnection};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, OnceCell};

const START_MAX: Duration = Duration::from_secs(30);
const STARTS_MAX: u32 = 3;

/// How a cluster is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct PostgresOptions {
    /// Commits reach the disk. Off in tests, where only speed counts; on in measurements and after pulled plugs.
    pub fsync: bool,
    /// Memory and log as on a machine of its own, for measurements. Tests are small, and many clusters run at once.
    pub roomy: bool,
}

/// A running cluster. Dropped, it and all its databases are gone.
pub struct Postgres {
    port: u16,
    watchdog: Mutex<Watchdog>,
    databases: AtomicU32,
}

/// An empty database of one test.
#[derive(Clone, Debug)]
pub struct TestDatabase {
    /// `postgres://…`, for any client.
    pub url: String,
}

impl Postgres {
    /// The cluster that all tests of this process share, started by the first that asks.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(PostgresOptions::default())).await
    }

    /// A cluster of its own, for tests that stop it and for measurements.
    pub async fn start(options: PostgresOptions) -> Self {
        for _ in 1..STARTS_MAX {
            // Another process may have taken the port in between: try with the next.
            if let Ok(postgres) = Self::try_start(options).await {
                return postgres;
            }
        }
        crate::or_fail(Self::try_start(options).await)
    }

    async fn try_start(options: PostgresOptions) -> Result<Self> {
        let port = free_port();
        let initdb = program("initdb")?;
        let mut command = Command::new(program("postgres")?);
        command.args([
            "-D",
            "data",
            "-p",
            &port.to_string(),
            "-c",
            "unix_socket_directories=",
            "-c",
            "max_connections=400",
        ]);
        command.args(["-c", "listen_addresses=127.0.0.1"]);
        command.args(match options.roomy {
            true => ["-c", "shared_buffers=1GB", "-c", "max_wal_size=8GB"],
            false => ["-c", "shared_buffers=64MB", "-c", "max_wal_size=256MB"],
        });
        if !options.fsync {
            command.args(["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]);
        }
        let setup = format!(
            "'{}' -D data -U provost --auth=trust -E UTF8 --locale=C --no-sync --no-instructions",
            initdb.display()
        );
        // SIGQUIT: the postmaster ends its children too. After SIGKILL they would linger.
        let kept = Kept { name: "postgres", command: &command, setup: &setup, last_signal: "QUIT" };
        let mut watchdog = Watchdog::new(directory("postgres", true)?, true, &kept)?;
        let watchdog = tokio::task::spawn_blocking(move || watchdog.setup().map(|()| watchdog)).await??;
        let postgres = Self { port, watchdog: Mutex::new(watchdog), databases: AtomicU32::new(0) };
        postgres.run().await?;
        Ok(postgres)
    }

    /// Creates an empty database.
    pub async fn database(&self) -> TestDatabase {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        crate::or_fail(self.create(&name).await.with_context(|| format!("create database {name}")));
        TestDatabase { url: self.url(&name) }
    }

    /// Stops the server in order, ending every connection; its databases stay.
    pub async fn stop(&self) {
        crate::or_fail(self.watchdog.lock().await.end("INT", START_MAX).await);
    }

    /// Makes the server hang: connections are taken, and nobody answers.
    pub async fn pause(&self) {
        crate::or_fail(self.watchdog.lock().await.signal_all("STOP"));
    }

    /// Lets the server go on after `pause`.
    pub async fn resume(&self) {
        crate::or_fail(self.watchdog.lock().await.signal_all("CONT"));
    }

    /// Stops the server as a crash would: no checkpoint, recovery at the next start.
    pub async fn crash(&self) {
        crate::or_fail(self.watchdog.lock().await.end("QUIT", START_MAX).await);
    }

    /// Starts the server again, on the same port, after `stop` or `crash`; stops it first if it runs.
    pub async fn restart(&self) {
        self.stop().await;
        crate::or_fail(self.run().await);
    }

    async fn run(&self) -> Result<()> {
        let ready = async || self.connect().await.map(drop);
        self.watchdog.lock().await.start(START_MAX, ready).await
    }

    async fn create(&self, name: &str) -> Result<()> {
        let mut connection = self.connect().await?;
        connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
        Ok(connection.close().await?)
    }

    async fn connect(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect(&self.url("postgres")).await?)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://provost@127.0.0.1:{}/{database}", self.port)
    }
}

/// A PostgreSQL program: in PATH, or where the distributions hide it, the newest version first.
fn program(name: &str) -> Result<PathBuf> {
    let mut installed: Vec<(u32, PathBuf)> = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"]
        .iter()
        .filter_map(|parent| std::fs::read_dir(parent).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .filter_map(|path| {
            let version = path.file_name()?.to_str()?.trim_start_matches("postgresql@").parse().ok()?;
            Some((version, path.join("bin")))
        })
        .collect();
    installed.sort();
    find_program(name, installed.into_iter().rev().map(|(_, directory)| directory), "postgresql")
}
