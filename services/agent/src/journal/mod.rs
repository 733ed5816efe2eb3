//! The journal: what this agent set out to write, and what became of it, until fulfillment has
//! thanked for it.
//!
//! Holds outcomes, never the values of orders. The rule that must hold: a result is on disk before it
//! is reported, and leaves the disk only after it was acknowledged.
//!
//! Every commit waits for the disk, so what comes together is written together: the intents of a pull,
//! the results that arrive while the disk is busy, the acknowledgements of a report.
//!
//! A disk that takes nothing ([`health`]) stops what is new and keeps what is in hand; a file that cannot be trusted
//! is set aside ([`damage`]), and the orders in it are looked up where they were to be written.

mod damage;
mod health;

use health::Health;
pub(crate) use health::Trouble;

use crate::package::Outcome;
use anyhow::Context;
use provost_domain::{OrderId, Timestamp};
use provost_service_kit::channel::Backoff;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Connection as _, Row, Sqlite, SqliteConnection, SqlitePool};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// One execution: the order, and the attempt under which it is leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Execution {
    /// The order.
    pub(crate) order_id: OrderId,
    /// The attempt.
    pub(crate) attempt: i32,
}

/// What became of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Which.
    pub(crate) execution: Execution,
    /// The outcome.
    pub(crate) outcome: Outcome,
    /// When.
    pub(crate) at: Timestamp,
}

/// A result that waits for the disk, and who wants to know that it is there.
type Waiting = (Entry, oneshot::Sender<()>);

/// The journal's file.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    pool: SqlitePool,
    /// Results that the next commit takes along.
    waiting: Arc<Mutex<Vec<Waiting>>>,
    /// Held by whoever commits results.
    turn: Arc<tokio::sync::Mutex<()>>,
    health: Arc<Health>,
    /// What the last question to the disk wrote.
    probe: Arc<tokio::sync::Mutex<u32>>,
}

impl Journal {
    /// Opens the journal; creates it when absent. No other agent may use the same one. One that is damaged is set
    /// aside, and a new one begun.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub(crate) async fn open(file: &Path, now: Timestamp) -> anyhow::Result<Self> {
        let what = || {
            let file = file.display();
            format!("the journal {file} cannot be opened; does another agent use it? is there room on its disk?")
        };
        let mut set_aside = None;
        let pool = match connect(file).await {
            Ok(pool) => pool,
            Err(error) if damage::is_damage(&error) => {
                set_aside = Some(damage::set_aside(file, now, &error).await?);
                connect(file).await.with_context(what)?
            }
            Err(error) => return Err(error).with_context(what),
        };
        let health = Arc::new(Health::new(file, set_aside));
        Ok(Self { pool, waiting: Arc::default(), turn: Arc::default(), health, probe: Arc::default() })
    }

    /// What is wrong with the journal, for whoever asks the agent how it is.
    pub(crate) fn trouble(&self) -> Trouble {
        self.health.trouble()
    }

    /// Whether the disk takes what is written, as far as is known; asks it, where it did not the last time.
    pub(crate) async fn is_writable(&self) -> bool {
        if self.health.is_well() {
            return true;
        }
        // Another number each time rewrites the first page: the least that reaches the disk.
        let mut turn = self.probe.lock().await;
        *turn = turn.wrapping_add(1) % 1_000;
        let Ok(mut connection) = self.connection().await else { return false };
        let sql = AssertSqlSafe(format!("PRAGMA user_version = {turn}"));
        let written = sqlx::query(sql).execute(&mut *connection).await;
        self.finished(connection, written).await.is_ok()
    }

    /// Notes that these are about to be executed. An older attempt that never got a result is
    /// replaced: it was cut off, and the new one covers it.
    ///
    /// # Errors
    /// When the file cannot be written; nothing may be executed then.
    pub(crate) async fn intend(&self, executions: &[Execution], now: Timestamp) -> Result<(), sqlx::Error> {
        let mut connection = self.connection().await?;
        let written = write_intents(&mut connection, executions, now).await;
        self.finished(connection, written).await
    }

    /// A connection to write over.
    async fn connection(&self) -> Result<PoolConnection<Sqlite>, sqlx::Error> {
        match self.pool.acquire().await {
            Ok(connection) => Ok(connection),
            Err(error) => self.health.noted(Err(error)),
        }
    }

    /// Notes how a write went. One that failed takes its connection along: after a commit that failed it is not known
    /// what is open on it, and what is only open would be read, and reported, as if it were on disk.
    async fn finished<T>(
        &self,
        connection: PoolConnection<Sqlite>,
        written: Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        if written.is_err() {
            // It may not close well either; the next one finds out.
            let _ = connection.close().await;
        }
        self.health.noted(written)
    }

    /// Notes a result and returns when it is on disk, however often that has to be tried: what happened must not be
    /// forgotten.
    pub(crate) async fn keep(&self, entry: &Entry) {
        if self.record(entry).await.is_ok() {
            return;
        }
        let _held = self.health.hold();
        let mut backoff = Backoff::default();
        loop {
            tokio::time::sleep(backoff.next_wait()).await;
            if self.record(entry).await.is_ok() {
                return;
            }
        }
    }

    /// Notes a result; returns when it is on disk. One commit takes along all results that wait.
    ///
    /// # Errors
    /// When the file cannot be written; nothing may be reported then.
    async fn record(&self, entry: &Entry) -> Result<(), sqlx::Error> {
        loop {
            let (written, mut is_written) = oneshot::channel();
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((entry.clone(), written));
            let turn = self.turn.lock().await;
            match is_written.try_recv() {
                Ok(()) => return Ok(()),
                // Whoever took it along could not write, or was dropped: it is tried again.
                Err(oneshot::error::TryRecvError::Closed) => {}
                Err(oneshot::error::TryRecvError::Empty) => {
                    return self.record_waiting().await;
                }
            }
            drop(turn);
        }
    }

    async fn record_waiting(&self) -> Result<(), sqlx::Error> {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let rows = waiting.iter().map(|(entry, _)| {
            let outcome = serde_json::to_string(&entry.outcome)?;
            let Execution { order_id, attempt } = entry.execution;
            Ok(serde_json::json!([order_id.to_string(), attempt, entry.at.millis(), outcome]))
        });
        let rows: Vec<_> =
            rows.collect::<Result<_, serde_json::Error>>().map_err(|error| sqlx::Error::Encode(error.into()))?;
        let rows = serde_json::Value::from(rows).to_string();
        let mut connection = self.connection().await?;
        let written = write_results(&mut connection, &rows).await;
        self.finished(connection, written).await?;
        for (_, written) in waiting {
            // Nobody listens where the asker was dropped; the result is on disk all the same.
            let _ = written.send(());
        }
        Ok(())
    }

    /// Results that were not acknowledged, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) async fn unreported(&self, at_most: u32) -> Result<Vec<Entry>, sqlx::Error> {
        let sql = "SELECT order_id, attempt, at, outcome FROM journal WHERE outcome IS NOT NULL \
                   ORDER BY at, rowid LIMIT ?1";
        let rows = sqlx::query(sql).bind(at_most).fetch_all(&self.pool).await?;
        rows.iter().map(entry).collect()
    }

    /// How many results were not acknowledged.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) async fn unreported_count(&self) -> Result<i64, sqlx::Error> {
        let sql = "SELECT COUNT(*) FROM journal WHERE outcome IS NOT NULL";
        sqlx::query(sql).fetch_one(&self.pool).await?.try_get(0)
    }

    /// The results of these orders, under whatever attempt, newest attempt last.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) async fn results_of(&self, orders: &[OrderId]) -> Result<HashMap<OrderId, Vec<Entry>>, sqlx::Error> {
        let orders: Vec<String> = orders.iter().map(OrderId::to_string).collect();
        let sql = "SELECT order_id, attempt, at, outcome FROM journal WHERE outcome IS NOT NULL \
                   AND order_id IN (SELECT value FROM json_each(?1)) ORDER BY attempt";
        let rows = sqlx::query(sql).bind(serde_json::Value::from(orders).to_string()).fetch_all(&self.pool).await?;
        let mut results: HashMap<OrderId, Vec<Entry>> = HashMap::new();
        for row in &rows {
            let entry = entry(row)?;
            results.entry(entry.execution.order_id).or_default().push(entry);
        }
        Ok(results)
    }

    /// Takes back that this was about to be executed: it was not.
    ///
    /// # Errors
    /// When the file cannot be written; the next start says then that it was cut off.
    pub(crate) async fn withdraw(&self, execution: Execution) -> Result<(), sqlx::Error> {
        let sql = "DELETE FROM journal WHERE outcome IS NULL AND order_id = ?1 AND attempt = ?2";
        let query = sqlx::query(sql).bind(execution.order_id.to_string()).bind(execution.attempt);
        let mut connection = self.connection().await?;
        let written = query.execute(&mut *connection).await;
        self.finished(connection, written).await.map(drop)
    }

    /// Forgets results that were acknowledged.
    ///
    /// # Errors
    /// When the file cannot be written; they are reported again then, which is harmless.
    pub(crate) async fn acknowledge(&self, executions: &[Execution]) -> Result<(), sqlx::Error> {
        let sql = "DELETE FROM journal WHERE outcome IS NOT NULL AND (order_id, attempt) IN \
                   (SELECT value ->> 0, value ->> 1 FROM json_each(?1))";
        let mut connection = self.connection().await?;
        let written = sqlx::query(sql).bind(list(executions)).execute(&mut *connection).await;
        self.finished(connection, written).await.map(drop)
    }

    /// Takes out what was begun and never got a result: this process died before. The orders are
    /// offered again when their leases run out, and the packages make one effect of it.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub(crate) async fn take_interrupted(&self) -> Result<Vec<Execution>, sqlx::Error> {
        let sql = "DELETE FROM journal WHERE outcome IS NULL RETURNING order_id, attempt";
        sqlx::query(sql).fetch_all(&self.pool).await?.iter().map(execution).collect()
    }
}

async fn write_intents(
    connection: &mut SqliteConnection,
    executions: &[Execution],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let these = list(executions);
    let mut unit = connection.begin().await?;
    sqlx::query(
        "DELETE FROM journal WHERE outcome IS NULL AND EXISTS (SELECT 1 FROM json_each(?1) \
         WHERE value ->> 0 = order_id AND value ->> 1 > attempt)",
    )
    .bind(&these)
    .execute(&mut *unit)
    .await?;
    sqlx::query(
        "INSERT OR IGNORE INTO journal (order_id, attempt, at) \
         SELECT value ->> 0, value ->> 1, ?2 FROM json_each(?1)",
    )
    .bind(&these)
    .bind(now.millis())
    .execute(&mut *unit)
    .await?;
    unit.commit().await
}

async fn write_results(connection: &mut SqliteConnection, rows: &str) -> Result<(), sqlx::Error> {
    let mut unit = connection.begin().await?;
    sqlx::query(
        "INSERT INTO journal (order_id, attempt, at, outcome) \
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1) WHERE TRUE \
         ON CONFLICT (order_id, attempt) DO UPDATE SET at = excluded.at, outcome = excluded.outcome",
    )
    .bind(rows)
    .execute(&mut *unit)
    .await?;
    // The same execution was begun under an older attempt: this is its result too, it was not cut off.
    sqlx::query(
        "DELETE FROM journal WHERE outcome IS NULL AND EXISTS (SELECT 1 FROM json_each(?1) \
         WHERE value ->> 0 = order_id AND value ->> 1 > attempt)",
    )
    .bind(rows)
    .execute(&mut *unit)
    .await?;
    unit.commit().await
}

async fn connect(file: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .locking_mode(SqliteLockingMode::Exclusive)
        .busy_timeout(Duration::from_secs(2));
    // As for every file: see service-kit's databases.
    let pool = SqlitePoolOptions::new().max_connections(1).test_before_acquire(false).connect_with(options).await?;
    let table = "CREATE TABLE IF NOT EXISTS journal (order_id TEXT NOT NULL, attempt INTEGER NOT NULL, \
                 at INTEGER NOT NULL, outcome TEXT, PRIMARY KEY (order_id, attempt))";
    let usable = async {
        damage::check(&pool).await?;
        sqlx::query(table).execute(&pool).await?;
        // All of it: what cannot be read now would be in the way of every report.
        let rows = sqlx::query("SELECT order_id, attempt, at, outcome FROM journal").fetch_all(&pool).await?;
        for row in rows {
            execution(&row)?;
            if row.try_get::<Option<String>, _>("outcome")?.is_some() {
                entry(&row)?;
            }
        }
        Ok(())
    };
    match usable.await {
        Ok(()) => Ok(pool),
        Err(error) => {
            pool.close().await;
            Err(error)
        }
    }
}

/// Executions as one parameter: a JSON list of pairs.
fn list(executions: &[Execution]) -> String {
    let pairs = executions.iter().map(|of| serde_json::json!([of.order_id.to_string(), of.attempt]));
    serde_json::Value::from(pairs.collect::<Vec<_>>()).to_string()
}

fn execution(row: &SqliteRow) -> Result<Execution, sqlx::Error> {
    let order_id: String = row.try_get("order_id")?;
    let order_id = order_id.parse().map_err(|error: uuid::Error| sqlx::Error::Decode(error.into()))?;
    Ok(Execution { order_id, attempt: row.try_get("attempt")? })
}

fn entry(row: &SqliteRow) -> Result<Entry, sqlx::Error> {
    let outcome: String = row.try_get("outcome")?;
    let outcome = serde_json::from_str(&outcome).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Entry { execution: execution(row)?, outcome, at: Timestamp::from_millis(row.try_get("at")?) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use uuid::Uuid;

    fn execution(order: u128, attempt: i32) -> Execution {
        Execution { order_id: OrderId::new(Uuid::from_u128(order)), attempt }
    }

    fn entry(order: u128, attempt: i32, at: i64) -> Entry {
        let outcome = Outcome::Executed { note: "created".into() };
        Entry { execution: execution(order, attempt), outcome, at: Timestamp::from_millis(at) }
    }

    async fn journal() -> (tempfile::TempDir, Journal) {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&folder.path().join("journal.db"), Timestamp::from_millis(0)).await.unwrap();
        (folder, journal)
    }

    #[tokio::test]
    async fn results_stay_until_acknowledged() {
        let (folder, journal) = journal().await;
        let now = Timestamp::from_millis(1);
        journal.intend(&[execution(1, 1), execution(2, 1)], now).await.unwrap();
        assert!(journal.results_of(&[execution(1, 1).order_id]).await.unwrap().is_empty());
        journal.record(&entry(2, 1, 20)).await.unwrap();
        journal.record(&entry(1, 1, 10)).await.unwrap();
        journal.pool.close().await;
        let journal = Journal::open(&folder.path().join("journal.db"), Timestamp::from_millis(0)).await.unwrap();
        let asked = [execution(1, 2).order_id, execution(3, 1).order_id];
        let results = journal.results_of(&asked).await.unwrap();
        assert_eq!(results, HashMap::from([(execution(1, 1).order_id, vec![entry(1, 1, 10)])]));
        assert_eq!(journal.unreported(10).await.unwrap(), [entry(1, 1, 10), entry(2, 1, 20)]);
        assert_eq!(journal.unreported(1).await.unwrap(), [entry(1, 1, 10)]);
        journal.acknowledge(&[execution(1, 1)]).await.unwrap();
        assert_eq!(journal.unreported_count().await.unwrap(), 1);
    }

    #[tokio::test]
    async fn interrupted_executions_are_taken_out_and_results_are_not() {
        let (_folder, journal) = journal().await;
        let now = Timestamp::from_millis(1);
        journal.intend(&[execution(1, 1), execution(2, 1)], now).await.unwrap();
        journal.record(&entry(2, 1, 20)).await.unwrap();
        assert_eq!(journal.take_interrupted().await.unwrap(), [execution(1, 1)]);
        assert_eq!(journal.take_interrupted().await.unwrap(), []);
        assert_eq!(journal.unreported_count().await.unwrap(), 1);
    }

    #[tokio::test]
    async fn newer_attempt_covers_one_that_was_cut_off() {
        let (_folder, journal) = journal().await;
        let now = Timestamp::from_millis(1);
        journal.intend(&[execution(1, 1)], now).await.unwrap();
        journal.intend(&[execution(1, 2)], now).await.unwrap();
        assert_eq!(journal.take_interrupted().await.unwrap(), [execution(1, 2)]);
    }

    #[tokio::test]
    async fn result_of_a_newer_attempt_is_that_of_the_older_too() {
        let (_folder, journal) = journal().await;
        let now = Timestamp::from_millis(1);
        journal.intend(&[execution(1, 1), execution(2, 1), execution(3, 1)], now).await.unwrap();
        journal.record(&entry(1, 2, 10)).await.unwrap();
        journal.withdraw(execution(3, 1)).await.unwrap();
        assert_eq!(journal.take_interrupted().await.unwrap(), [execution(2, 1)]);
        assert_eq!(journal.unreported(10).await.unwrap(), [entry(1, 2, 10)]);
    }

    #[tokio::test]
    async fn intending_again_does_not_lose_a_result() {
        let (_folder, journal) = journal().await;
        journal.record(&entry(1, 1, 10)).await.unwrap();
        journal.intend(&[execution(1, 1)], Timestamp::from_millis(5)).await.unwrap();
        assert_eq!(journal.unreported(10).await.unwrap(), [entry(1, 1, 10)]);
    }

    #[tokio::test]
    async fn results_that_come_together_are_all_on_disk() {
        let (_folder, journal) = journal().await;
        let entries: Vec<_> = (1..=50_u32).map(|order| entry(order.into(), 1, order.into())).collect();
        let recorded = futures::future::join_all(entries.iter().map(|entry| journal.record(entry))).await;
        assert!(recorded.iter().all(Result::is_ok), "{recorded:?}");
        assert_eq!(journal.unreported(100).await.unwrap(), entries);
    }

    #[tokio::test]
    async fn results_that_cannot_be_written_are_errors_for_everybody() {
        let (_folder, journal) = journal().await;
        journal.pool.close().await;
        let (first, second) = (entry(1, 1, 1), entry(2, 1, 2));
        let (first, second) = futures::join!(journal.record(&first), journal.record(&second));
        assert!(first.is_err() && second.is_err());
    }

    #[tokio::test]
    async fn second_agent_on_the_same_journal_is_refused() {
        let (folder, _journal) = journal().await;
        let second = Journal::open(&folder.path().join("journal.db"), Timestamp::from_millis(0)).await;
        assert!(second.is_err_and(|error| error.to_string().contains("does another agent use it?")));
    }
}
