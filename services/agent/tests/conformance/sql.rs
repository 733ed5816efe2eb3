//! The sql package against SQLite and PostgreSQL.

use crate::harness::{Account, System};
use crate::orders::{hired, set};
use async_trait::async_trait;
use provost_agent::package::Package;
use provost_agent::package::sql::{Sql, SqlEntity, SqlLink};
use provost_domain::{Change, FailureClass, Value};
use provost_testkit::{Postgres, PostgresOptions, Proxy};
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, Statement};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const TABLES: [&str; 4] = [
    "CREATE TABLE accounts (login VARCHAR(40) PRIMARY KEY, \"full name\" TEXT, last_name TEXT NOT NULL, title TEXT \
     CHECK (title <> 'Forbidden'), grade INTEGER, enabled BOOLEAN, hired TIMESTAMPTZ, photo BYTEA)",
    "CREATE TABLE groups (name TEXT PRIMARY KEY)",
    "CREATE TABLE memberships (account_login TEXT NOT NULL REFERENCES accounts, \
     group_name TEXT NOT NULL REFERENCES groups, PRIMARY KEY (account_login, group_name))",
    "INSERT INTO groups VALUES ('staff'), ('finance')",
];

enum Engine {
    Sqlite,
    Postgres,
    /// A server of its own: some promises stop it.
    OwnPostgres(Postgres),
}

pub struct SqlSystem {
    package: Arc<Sql>,
    url: String,
    engine: Engine,
    around: DatabaseConnection,
    _folder: TempDir,
}

pub fn entities() -> BTreeMap<String, SqlEntity> {
    let mut account = SqlEntity::new("accounts", "login");
    account.columns.insert("full_name".into(), "full name".into());
    let link = SqlLink { table: "memberships".into(), resource: "account_login".into(), target: "group_name".into() };
    account.links.insert("groups".into(), link);
    BTreeMap::from([("Account".into(), account), ("Group".into(), SqlEntity::new("groups", "name"))])
}

impl SqlSystem {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.db");
        std::fs::write(&file, "").unwrap();
        Self::over("sqlite://app.db", &format!("sqlite://{}", file.display()), Engine::Sqlite, folder).await
    }

    /// A database on the server that all tests share.
    pub async fn postgres() -> Self {
        let url = Postgres::shared().await.database().await.url;
        Self::over(&url, &url, Engine::Postgres, tempfile::tempdir().unwrap()).await
    }

    /// A database on a server of its own.
    pub async fn own_postgres() -> Self {
        let server = Postgres::start(PostgresOptions::default()).await;
        let url = server.database().await.url;
        Self::over(&url, &url, Engine::OwnPostgres(server), tempfile::tempdir().unwrap()).await
    }

    async fn over(url: &str, url_around: &str, engine: Engine, folder: TempDir) -> Self {
        let package = Sql::new(&SecretString::from(url.to_owned()), folder.path(), 4, entities()).unwrap();
        let mut options = ConnectOptions::new(url_around);
        options.max_connections(1).sqlx_logging(false);
        let around = sea_orm::Database::connect(options).await.unwrap();
        let system = Self { package: Arc::new(package), url: url.to_owned(), engine, around, _folder: folder };
        for sql in TABLES {
            system.execute(&system.dialect(sql), &[]).await;
        }
        system
    }

    fn dialect(&self, sql: &str) -> String {
        match self.engine {
            Engine::Sqlite => sql.replace("TIMESTAMPTZ", "DATETIME").replace("BYTEA", "BLOB"),
            _ => sql.to_owned(),
        }
    }

    fn statement(&self, sql: &str, values: &[&str]) -> Statement {
        let values = values.iter().map(|value| sea_orm::Value::from(*value));
        Statement::from_sql_and_values(self.around.get_database_backend(), sql, values)
    }

    /// A package over a PostgreSQL database that gives an order so much time.
    pub fn package_within(&self, timeout: Duration) -> Sql {
        let url = SecretString::from(self.url.clone());
        Sql::new(&url, std::path::Path::new(""), 4, entities()).unwrap().with_timeout(timeout)
    }

    /// A way to a PostgreSQL database through which answers get lost, and its URL.
    pub async fn behind_proxy(&self) -> (Proxy, String) {
        let (user, place) = self.url.split_once('@').expect("user@host:port/database");
        let (server, database) = place.split_once('/').expect("host:port/database");
        let proxy = Proxy::start(server.parse().expect("an address")).await;
        let url = format!("{user}@{}/{database}?sslmode=disable", proxy.address());
        (proxy, url)
    }

    /// What triggers noted, in order.
    pub async fn effects(&self) -> Vec<String> {
        let query = self.statement("SELECT what FROM effects ORDER BY at", &[]);
        let rows = self.around.query_all_raw(query).await.unwrap();
        rows.into_iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }

    /// Makes a server of its own hang.
    pub async fn pause(&self) {
        match &self.engine {
            Engine::OwnPostgres(server) => server.pause().await,
            Engine::Sqlite | Engine::Postgres => panic!("there is no server of its own"),
        }
    }

    /// Lets it go on.
    pub async fn resume(&self) {
        match &self.engine {
            Engine::OwnPostgres(server) => server.resume().await,
            Engine::Sqlite | Engine::Postgres => panic!("there is no server of its own"),
        }
    }

    pub async fn sql(&self, sql: &str) {
        self.execute(sql, &[]).await;
    }

    async fn execute(&self, sql: &str, values: &[&str]) {
        self.around.execute_raw(self.statement(sql, values)).await.unwrap();
    }
}

#[async_trait(?Send)]
impl System for SqlSystem {
    fn package(&self) -> Arc<dyn Package> {
        Arc::clone(&self.package) as Arc<dyn Package>
    }

    async fn account(&self, key: &str) -> Option<Account> {
        let row = self.statement("SELECT title FROM accounts WHERE login = $1", &[key]);
        let row = self.around.query_one_raw(row).await.unwrap()?;
        let groups = self.statement("SELECT group_name FROM memberships WHERE account_login = $1", &[key]);
        let groups = self.around.query_all_raw(groups).await.unwrap();
        Some(Account {
            title: row.try_get_by_index(0).unwrap(),
            groups: groups.into_iter().map(|row| row.try_get_by_index(0).unwrap()).collect(),
        })
    }

    async fn count(&self) -> usize {
        let count = self.statement("SELECT COUNT(*) FROM accounts", &[]);
        let count: i64 = self.around.query_one_raw(count).await.unwrap().unwrap().try_get_by_index(0).unwrap();
        usize::try_from(count).unwrap()
    }

    async fn put(&self, key: &str, title: &str, groups: &[&str]) {
        let photo = match self.engine {
            Engine::Sqlite => "x'ffd800'",
            _ => "'\\xffd800'",
        };
        let sql =
            format!("INSERT INTO accounts VALUES ($1, 'Ada Byron', 'Byron', $2, 12, TRUE, '{}', {photo})", hired());
        self.execute(&sql, &[key, title]).await;
        for group in groups {
            self.execute("INSERT INTO memberships VALUES ($1, $2)", &[key, group]).await;
        }
    }

    async fn put_group(&self, name: &str) {
        self.execute("INSERT INTO groups VALUES ($1)", &[name]).await;
    }

    async fn spoil(&self, key: &str) {
        if !matches!(self.engine, Engine::Sqlite) {
            self.execute("ALTER TABLE accounts ALTER grade TYPE TEXT", &[]).await;
        }
        self.execute("UPDATE accounts SET grade = 'high' WHERE login = $1", &[key]).await;
    }

    fn wrong_type(&self) -> Change {
        set("grade", Value::from("very-high"))
    }

    fn refused(&self) -> (Change, FailureClass, &'static str) {
        let code = match self.engine {
            Engine::Sqlite => "SQLITE_CONSTRAINT_CHECK",
            _ => "23514",
        };
        (set("title", Value::from("Forbidden")), FailureClass::Refused, code)
    }

    async fn stop(&self) {
        match &self.engine {
            // Somebody who does not let go of the file.
            Engine::Sqlite => self.execute("BEGIN EXCLUSIVE", &[]).await,
            Engine::OwnPostgres(server) => server.stop().await,
            Engine::Postgres => panic!("others use this server; take one of your own"),
        }
    }

    async fn restart(&self) {
        match &self.engine {
            Engine::Sqlite => self.execute("ROLLBACK", &[]).await,
            Engine::OwnPostgres(server) => server.restart().await,
            Engine::Postgres => panic!("others use this server; take one of your own"),
        }
    }
}
