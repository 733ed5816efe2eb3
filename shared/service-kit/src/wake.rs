//! Waking who waits: long polls and feeds, in this process and in other replicas.
//!
//! A wake-up is a hint. Whoever waits looks again by itself now and then, so that a lost hint costs
//! time and nothing else.

use crate::database::{Database, Engine};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use sqlx::postgres::PgListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a waiter goes without looking again by itself.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A bell that writers ring and waiters hear.
#[derive(Clone, Debug)]
pub struct Wake {
    database: Database,
    channel: &'static str,
    bell: Arc<watch::Sender<u64>>,
}

impl Wake {
    /// A bell named `channel` (letters and underscores).
    pub fn new(database: &Database, channel: &'static str) -> Self {
        Self { database: database.clone(), channel, bell: Arc::new(watch::Sender::new(0)) }
    }

    /// Rings in other replicas when the transaction commits. Call [`Self::ring`] after the commit.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn announce(&self, transaction: &impl ConnectionTrait) -> Result<(), DbErr> {
        if self.database.engine() == Engine::Postgres {
            let notify = "SELECT pg_notify($1, '')";
            let statement = Statement::from_sql_and_values(DbBackend::Postgres, notify, [self.channel.into()]);
            transaction.execute_raw(statement).await?;
        }
        Ok(())
    }

    /// [`Self::announce`] for several bells of one database, in one statement.
    ///
    /// # Errors
    /// As there.
    pub async fn announce_all(bells: &[&Self], transaction: &impl ConnectionTrait) -> Result<(), DbErr> {
        let [first, ..] = bells else { return Ok(()) };
        if first.database.engine() == Engine::Postgres {
            let notify: Vec<String> = (1..=bells.len()).map(|place| format!("pg_notify(${place}, '')")).collect();
            let channels = bells.iter().map(|bell| bell.channel.into());
            let notify = format!("SELECT {}", notify.join(", "));
            transaction.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, notify, channels)).await?;
        }
        Ok(())
    }

    /// Rings in this process.
    pub fn ring(&self) {
        self.bell.send_modify(|rings| *rings = rings.wrapping_add(1));
    }

    /// Starts listening; rings from now on are heard.
    pub fn listener(&self) -> Listener {
        Listener(self.bell.subscribe())
    }

    /// Hears other replicas until `stop`. On SQLite there are none.
    ///
    /// # Errors
    /// None: a broken connection is made again.
    pub async fn hear_replicas(self, stop: CancellationToken) -> anyhow::Result<()> {
        if self.database.engine() == Engine::Sqlite {
            return Ok(());
        }
        while stop.run_until_cancelled(self.hear_once()).await.is_some() {
            // The connection broke: waiters look by themselves meanwhile.
            if stop.run_until_cancelled(tokio::time::sleep(LOOK_AGAIN)).await.is_none() {
                break;
            }
        }
        Ok(())
    }

    async fn hear_once(&self) {
        let heard: Result<(), sqlx::Error> = async {
            let mut listener = PgListener::connect_with(self.database.read().get_postgres_connection_pool()).await?;
            listener.listen(self.channel).await?;
            loop {
                listener.recv().await?;
                self.ring();
            }
        }
        .await;
        if let Err(error) = heard {
            tracing::warn!(channel = self.channel, %error, "wake-ups of other replicas are not heard; looking by myself");
        }
    }
}

/// One waiter.
#[derive(Debug)]
pub struct Listener(watch::Receiver<u64>);

impl Listener {
    /// Waits until the bell rang since the last wait, or until it is time to look again, or until
    /// `at_most` is over.
    pub async fn wait(&mut self, at_most: Duration) {
        // An error means that the bell is gone, which happens only at shutdown.
        let _ = tokio::time::timeout(at_most.min(LOOK_AGAIN), self.0.changed()).await;
    }
}
