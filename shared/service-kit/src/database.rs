//! The database of a service: SQLite in a file, or PostgreSQL. The one place that knows where the
//! two engines differ in connecting and in starting transactions.
//!
//! SQLite gets one writer connection whose transactions begin IMMEDIATE, because a transaction
//! that reads first and then writes otherwise fails with "database is locked" under load; and a
//! pool of readers beside it. Commits are synced to disk (synchronous=FULL): an acknowledged call
//! survives a power cut too.

use crate::channel::Backoff;
use anyhow::{Context, bail};
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, IsolationLevel,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use secrecy::{ExposeSecret, SecretString};
use sqlx::Connection;
use sqlx::postgres::PgConnectOptions;
use std::str::FromStr;
use std::time::Duration;

/// How long a PostgreSQL server may take to answer at the start.
const START_MAX: Duration = Duration::from_secs(10);

/// Which database engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Embedded.
    Sqlite,
    /// A server.
    Postgres,
}

impl Engine {
    /// Rows of `columns` columns that fit into one statement's bind limit (SQLite 32,766;
    /// PostgreSQL 65,535), at most 500: each row count is a statement of its own in the cache.
    pub const fn rows_per_statement(self, columns: usize) -> usize {
        let binds = match self {
            Self::Sqlite => 32_766,
            Self::Postgres => 65_535,
        };
        let fitting = binds / if columns == 0 { 1 } else { columns };
        if fitting < 500 { fitting } else { 500 }
    }
}

/// A service's database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    engine: Engine,
    writer: DatabaseConnection,
    reader: DatabaseConnection,
}

/// What is wrong with the keys `database_url` and `database_schema` of a configuration, one sentence
/// each. The password is not shown.
pub fn mistakes(url: &SecretString, schema: Option<&str>) -> Vec<String> {
    let url = url.expose_secret();
    let (is_sqlite, is_postgres) =
        (url.starts_with("sqlite:"), ["postgres:", "postgresql:"].iter().any(|scheme| url.starts_with(scheme)));
    let is_name = |schema: &str| !schema.is_empty() && schema.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let mut mistakes = Vec::new();
    if !is_sqlite && !is_postgres {
        mistakes.push("database_url: must begin with sqlite:// or postgres://".to_owned());
    }
    match schema {
        Some(_) if is_sqlite => mistakes
            .push("database_schema: SQLite has none; leave it out, or use a postgres:// database_url".to_owned()),
        Some(schema) if !is_name(schema) => {
            mistakes.push(format!("database_schema: '{schema}' must be letters, digits and _, at least one"));
        }
        Some(_) | None => {}
    }
    mistakes
}

impl Database {
    /// Connects. `url` is `sqlite://FILE` (created when absent), or `postgres://…`; `schema` is the
    /// PostgreSQL schema to use (created when absent), so that services can share one database.
    ///
    /// # Errors
    /// When the URL is of another kind, or the database cannot be reached. The password is not shown.
    pub async fn connect(url: &SecretString, schema: Option<&str>) -> anyhow::Result<Self> {
        match url.expose_secret() {
            url if url.starts_with("sqlite:") => Self::connect_sqlite(url).await,
            url if url.starts_with("postgres:") || url.starts_with("postgresql:") => {
                Self::connect_postgres(url, schema).await
            }
            _ => bail!("database_url must begin with sqlite:// or postgres://"),
        }
    }

    async fn connect_sqlite(url: &str) -> anyhow::Result<Self> {
        let options = |connections: u32| {
            let mut options = ConnectOptions::new(url);
            options.max_connections(connections).min_connections(1).sqlx_logging(false);
            // A file does not go away; and a test that its caller gives up half way closes the connection.
            options.test_before_acquire(false);
            options.map_sqlx_sqlite_opts(|sqlite| {
                sqlite
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .busy_timeout(Duration::from_secs(10))
                    .foreign_keys(true)
                    .pragma("cache_size", "-65536")
                    .pragma("temp_store", "memory")
            });
            options
        };
        // Without what follows a question mark: nobody knows what it is.
        let shown = url.split('?').next().unwrap_or_default();
        let what = || format!("the database {shown} cannot be opened");
        let writer = sea_orm::Database::connect(options(1)).await.with_context(what)?;
        let reader = if url.contains(":memory:") {
            // A second connection would see another database.
            writer.clone()
        } else {
            sea_orm::Database::connect(options(4)).await.with_context(what)?
        };
        Ok(Self { engine: Engine::Sqlite, writer, reader })
    }

    async fn connect_postgres(url: &str, schema: Option<&str>) -> anyhow::Result<Self> {
        let shown = shown(url);
        let what = || format!("the database at {shown} cannot be reached");
        if let Some(mistake) = mistakes(&url.into(), schema).first() {
            bail!("{mistake}");
        }
        let mut first = first_connection(url).await.with_context(what)?;
        if let Some(schema) = schema {
            // Creating it if it is not there fails when two do so at once; the lock ends with the connection.
            let create = format!("CREATE SCHEMA IF NOT EXISTS \"{}\"", schema.to_ascii_lowercase());
            sqlx::query("SELECT pg_advisory_lock(hashtext('provost schema'))").execute(&mut first).await?;
            sqlx::query(sqlx::AssertSqlSafe(create)).execute(&mut first).await?;
        }
        first.close().await?;
        let mut options = ConnectOptions::new(url);
        options.max_connections(16).min_connections(1).acquire_timeout(Duration::from_secs(10)).sqlx_logging(false);
        options.set_application_name("provost");
        // The cost of a pinned plan is overestimated by far, on purpose; to compile it would take longer than to run it.
        options.map_sqlx_postgres_opts(|postgres| postgres.options([("jit", "off")]));
        if let Some(schema) = schema {
            options.set_schema_search_path(format!("\"{}\"", schema.to_ascii_lowercase()));
        }
        let connection = sea_orm::Database::connect(options).await.with_context(what)?;
        Ok(Self { engine: Engine::Postgres, writer: connection.clone(), reader: connection })
    }

    /// Which engine it is.
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// For reading outside a transaction.
    pub const fn read(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// For a single statement that writes.
    pub const fn write(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Begins a transaction that writes.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        self.writer.begin_with_options(options).await
    }

    /// Begins a transaction in which all that is read is of one instant. Nothing can be written in it, and nothing else
    /// may be read beside it: a database in memory has one connection.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn snapshot(&self) -> Result<DatabaseTransaction, DbErr> {
        let options = match self.engine {
            Engine::Postgres => TransactionOptions {
                isolation_level: Some(IsolationLevel::RepeatableRead),
                access_mode: Some(AccessMode::ReadOnly),
                ..Default::default()
            },
            // A transaction of SQLite is that by itself.
            Engine::Sqlite => TransactionOptions::default(),
        };
        self.reader.begin_with_options(options).await
    }

    /// Brings the schema up to date. Forward only; safe when several replicas start at once.
    ///
    /// # Errors
    /// When a migration fails.
    pub async fn migrate<M: MigratorTrait>(&self) -> anyhow::Result<()> {
        let guard = match self.engine {
            Engine::Postgres => {
                let guard = self.writer.begin().await?;
                guard.execute_unprepared("SELECT pg_advisory_xact_lock(hashtext('provost migration'))").await?;
                Some(guard)
            }
            Engine::Sqlite => None,
        };
        M::up(&self.writer, None).await.context("the database schema cannot be brought up to date")?;
        if let Some(guard) = guard {
            guard.commit().await?;
        }
        Ok(())
    }

    /// Lets one transaction at a time go on under a name, until it ends. Meant as the first statement: what
    /// is read after it shows what the one before wrote. SQLite has one writer anyway.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn serialize(&self, transaction: &DatabaseTransaction, name: &str) -> Result<(), DbErr> {
        if self.engine == Engine::Postgres {
            let lock = sea_orm::Statement::from_sql_and_values(
                sea_orm::DbBackend::Postgres,
                "SELECT pg_advisory_xact_lock(hashtext($1))",
                [lock_of(name)],
            );
            transaction.execute_raw(lock).await?;
        }
        Ok(())
    }

    /// [`Self::order_feed`], and until the transaction ends every statement in it goes by indexes: for transactions in
    /// which each has one. The planner's statistics are old after a burst and absent before the first, and a table
    /// that is believed to be small would be read as a whole, or joined by hashing all of it.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn order_feed_by_index(&self, transaction: &DatabaseTransaction, feed: &str) -> Result<(), DbErr> {
        if self.engine == Engine::Postgres {
            let both = sea_orm::Statement::from_sql_and_values(
                sea_orm::DbBackend::Postgres,
                "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true), \
                 set_config('enable_mergejoin', 'off', true), pg_advisory_xact_lock(hashtext($1))",
                [lock_of(&feed_lock(feed))],
            );
            transaction.execute_raw(both).await?;
        }
        Ok(())
    }

    /// Serializes writers of a feed until the transaction ends, so that cursors become visible in
    /// their order. Without it a reader could pass over a cursor that commits late.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn order_feed(&self, transaction: &DatabaseTransaction, feed: &str) -> Result<(), DbErr> {
        self.serialize(transaction, &feed_lock(feed)).await
    }
}

/// The lock of the writers of a feed.
fn feed_lock(feed: &str) -> String {
    format!("feed {feed}")
}

/// What the lock of a name is known by on the server.
fn lock_of(name: &str) -> sea_orm::Value {
    format!("provost {name}").into()
}

/// Where a URL leads. Put together from its parts, for a password may stand in more than one of them.
fn shown(url: &str) -> String {
    let Ok(options) = PgConnectOptions::from_str(url) else {
        return "the configured address (it reads postgres://user:password@host:port/database)".to_owned();
    };
    let database = options.get_database().unwrap_or_default();
    match options.get_socket() {
        Some(socket) => format!("{}/{database}", socket.display()),
        None => format!("{}:{}/{database}", options.get_host(), options.get_port()),
    }
}

/// Connects once, so that what is wrong is known: a pool only says that it took too long. A server
/// that does not answer may be starting, and is given some time.
async fn first_connection(url: &str) -> Result<sqlx::PgConnection, sqlx::Error> {
    let began = tokio::time::Instant::now();
    let mut backoff = Backoff::default();
    loop {
        let error = match sqlx::PgConnection::connect(url).await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        let is_starting = match &error {
            sqlx::Error::Io(_) => true,
            sqlx::Error::Database(error) => error.code().is_some_and(|code| code == "57P03"),
            _ => false,
        };
        if !is_starting || began.elapsed() >= START_MAX {
            return Err(error);
        }
        tokio::time::sleep(backoff.next_wait()).await;
    }
}
