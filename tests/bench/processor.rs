//! Processor time, of this process and of the database server that it speaks to. Unlike the time on the wall it says the
//! same while the machine is busy with something else.

use anyhow::{Context as _, Result};
use sqlx::{Connection, PgConnection, Row};
use std::time::Duration;

/// Milliseconds of a tick, as Linux counts them.
const TICK: u64 = 10;

/// Whose time is counted.
pub(crate) struct Processor {
    /// The first process of the server, where there is one.
    server: Option<u32>,
}

impl Processor {
    /// This process, and the server of `url`.
    pub(crate) async fn of(url: &str) -> Result<Self> {
        if url.starts_with("sqlite:") {
            return Ok(Self { server: None });
        }
        let mut connection = PgConnection::connect(url).await?;
        let backend: i32 = sqlx::query("SELECT pg_backend_pid()").fetch_one(&mut connection).await?.try_get(0)?;
        let parent = Times::of(&backend.to_string())?.parent;
        connection.close().await?;
        Ok(Self { server: Some(parent) })
    }

    /// What was used so far.
    pub(crate) fn used(&self) -> Result<Duration> {
        let mut ticks = Times::of("self")?.own;
        if let Some(server) = self.server {
            let first = Times::of(&server.to_string())?;
            ticks += first.own + first.of_the_dead;
            for entry in std::fs::read_dir("/proc")?.flatten() {
                let name = entry.file_name();
                // One that ends meanwhile is among the dead the next time.
                let Ok(times) = Times::of(&name.to_string_lossy()) else { continue };
                if times.parent == server {
                    ticks += times.own;
                }
            }
        }
        Ok(Duration::from_millis(ticks * TICK))
    }
}

/// What the system says of a process.
pub(crate) struct Times {
    parent: u32,
    pub(crate) own: u64,
    /// Of its children that ended.
    of_the_dead: u64,
}

impl Times {
    fn of(process: &str) -> Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        // After the name, which may hold anything, in parentheses.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let number = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok());
        let ticks = |place: usize| number(place).unwrap_or(0);
        let parent = number(1).and_then(|parent| u32::try_from(parent).ok()).context("a process without a parent")?;
        Ok(Self { parent, own: ticks(11) + ticks(12), of_the_dead: ticks(13) + ticks(14) })
    }
}
