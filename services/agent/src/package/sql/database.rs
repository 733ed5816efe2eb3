//! The two engines behind one small face: statements with bound parameters, rows of plain cells.
//!
//! PostgreSQL takes every parameter as text and casts it to the column's own type, and gives every
//! column as text: the server's canonical forms, one way for all types. SQLite keeps its own types.

use super::value::{Cell, Param};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, PgPool, Postgres, Row, Sqlite, SqlitePool, Transaction, TypeInfo, ValueRef};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// A pool of connections; opened at first use, so that an absent system does not stop the agent.
#[derive(Clone, Debug)]
pub(super) enum Database {
    /// With the turn to write: SQLite has one writer at a time, and those who wait for its lock
    /// sleep ever longer instead of queueing.
    Sqlite(SqlitePool, Arc<Mutex<()>>),
    Postgres(PgPool),
}

/// An open transaction; rolled back when dropped.
pub(super) enum Unit {
    Sqlite(Transaction<'static, Sqlite>, Option<OwnedMutexGuard<()>>),
    Postgres(Transaction<'static, Postgres>),
}

/// One statement and what is bound to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) params: Vec<Param>,
}

/// What a URL leads to.
pub(super) enum Target {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    /// When it is not one of the two engines', in words without the URL (it holds a password).
    pub(super) fn of(url: &SecretString) -> Result<Self, String> {
        let url = url.expose_secret();
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains(":memory:") || path.contains('?') {
                return Err("url: sqlite needs a file and nothing else, for example sqlite://app.db".to_owned());
            }
            Ok(Self::Sqlite(PathBuf::from(path)))
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(url)
                .map_err(|_| "url: not understood; it reads postgres://user:password@host:port/database".to_owned())?;
            Ok(Self::Postgres(Box::new(options)))
        } else {
            Err("url: must begin with sqlite:// or postgres://".to_owned())
        }
    }
}

impl Database {
    /// Prepares a pool; a relative SQLite file is taken from `folder`.
    ///
    /// # Errors
    /// When the URL is wrong.
    pub(super) fn open(url: &SecretString, folder: &Path, connections: u32) -> Result<Self, String> {
        Ok(match Target::of(url)? {
            Target::Sqlite(path) => {
                // Never created: a managed system that is not there is an error, not an empty one.
                let options = SqliteConnectOptions::new()
                    .filename(folder.join(path))
                    .foreign_keys(true)
                    .busy_timeout(BUSY_TIMEOUT);
                let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(CONNECT_TIMEOUT);
                Self::Sqlite(pool.connect_lazy_with(options), Arc::default())
            }
            Target::Postgres(options) => {
                let options = options.application_name("provost-agent").options([
                    ("timezone", "UTC"),
                    ("datestyle", "ISO"),
                    ("bytea_output", "hex"),
                ]);
                let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(CONNECT_TIMEOUT);
                Self::Postgres(pool.connect_lazy_with(options))
            }
        })
    }

    pub(super) const fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(..) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Begins a transaction that writes.
    pub(super) async fn begin_write(&self) -> Result<Unit, sqlx::Error> {
        Ok(match self {
            // Takes the write lock at once: a read that turns into a write later fails instead of waiting.
            Self::Sqlite(pool, turn) => {
                let turn = Arc::clone(turn).lock_owned().await;
                Unit::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?, Some(turn))
            }
            Self::Postgres(pool) => {
                Unit::Postgres(pool.begin_with("BEGIN; SET LOCAL statement_timeout = '30s'").await?)
            }
        })
    }

    /// Begins a transaction that reads one state of the database, whatever is written meanwhile.
    pub(super) async fn begin_read(&self) -> Result<Unit, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool, _) => Unit::Sqlite(pool.begin().await?, None),
            Self::Postgres(pool) => {
                Unit::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
        })
    }
}

impl Unit {
    pub(super) async fn execute(&mut self, statement: &Statement) -> Result<u64, sqlx::Error> {
        let sql = AssertSqlSafe(statement.sql.as_str());
        Ok(match self {
            Self::Sqlite(unit, _) => {
                sqlx::query_with(sql, sqlite_arguments(&statement.params)?).execute(&mut **unit).await?.rows_affected()
            }
            Self::Postgres(unit) => sqlx::query_with(sql, postgres_arguments(&statement.params)?)
                .execute(&mut **unit)
                .await?
                .rows_affected(),
        })
    }

    pub(super) async fn fetch(&mut self, statement: &Statement) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        self.stream(statement)?.try_collect().await
    }

    pub(super) fn stream<'a>(
        &'a mut self,
        statement: &'a Statement,
    ) -> Result<BoxStream<'a, Result<Vec<Cell>, sqlx::Error>>, sqlx::Error> {
        let sql = AssertSqlSafe(statement.sql.as_str());
        Ok(match self {
            Self::Sqlite(unit, _) => sqlx::query_with(sql, sqlite_arguments(&statement.params)?)
                .fetch(&mut **unit)
                .map(|row| row.and_then(|row| sqlite_cells(&row)))
                .boxed(),
            Self::Postgres(unit) => sqlx::query_with(sql, postgres_arguments(&statement.params)?)
                .fetch(&mut **unit)
                .map(|row| row.and_then(|row| postgres_cells(&row)))
                .boxed(),
        })
    }

    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(unit, _turn) => unit.commit().await,
            Self::Postgres(unit) => unit.commit().await,
        }
    }
}

fn sqlite_arguments(params: &[Param]) -> Result<SqliteArguments, sqlx::Error> {
    use sqlx::Arguments;
    let mut arguments = SqliteArguments::default();
    for param in params {
        match param {
            Param::Null => arguments.add(None::<String>),
            Param::Integer(number) => arguments.add(*number),
            Param::Text(text) => arguments.add(text.clone()),
            Param::Bytes(bytes) => arguments.add(bytes.clone()),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn postgres_arguments(params: &[Param]) -> Result<PgArguments, sqlx::Error> {
    use sqlx::Arguments;
    let mut arguments = PgArguments::default();
    for param in params {
        arguments.add(param.as_text()).map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn sqlite_cells(row: &SqliteRow) -> Result<Vec<Cell>, sqlx::Error> {
    let cell = |index: usize| {
        let raw = row.try_get_raw(index)?;
        // The value's own type, not the column's: SQLite keeps one with each value.
        match raw.type_info().name() {
            _ if raw.is_null() => Ok(Cell::Null),
            "INTEGER" | "BOOLEAN" => row.try_get_unchecked(index).map(Cell::Integer),
            "REAL" => row.try_get_unchecked(index).map(Cell::Real),
            "BLOB" => row.try_get_unchecked(index).map(Cell::Bytes),
            _ => row.try_get_unchecked(index).map(Cell::Text),
        }
    };
    (0..row.len()).map(cell).collect()
}

fn postgres_cells(row: &PgRow) -> Result<Vec<Cell>, sqlx::Error> {
    let cell = |index: usize| row.try_get::<Option<String>, _>(index).map(|text| text.map_or(Cell::Null, Cell::Text));
    (0..row.len()).map(cell).collect()
}
