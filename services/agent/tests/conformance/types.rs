//! Columns of every type: what a database makes of a value is what counts, in keys as in values.

use crate::harness::exported;
use crate::orders::{delta, list, order, set, update};
use provost_agent::package::sql::{Sql, SqlEntity, SqlLink};
use provost_agent::package::{ALREADY_SO, Entity, Outcome, Package, Property};
use provost_domain::{Change, ChangeOperation, Failure, FailureClass, Order, OrderKind, Timestamp, Value, ValueType};
use provost_testkit::Postgres;
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, Statement};
use secrecy::SecretString;
use tempfile::TempDir;

/// One table `things` with the key `id`, perhaps with links in `grants`.
struct Things {
    package: Sql,
    around: DatabaseConnection,
    _folder: TempDir,
}

fn entity() -> SqlEntity {
    let mut entity = SqlEntity::new("things", "id");
    let link = SqlLink { table: "grants".into(), resource: "thing".into(), target: "what".into() };
    entity.links.insert("groups".into(), link);
    entity
}

impl Things {
    async fn postgres(tables: &str) -> Self {
        let url = Postgres::shared().await.database().await.url;
        Self::over(&url, &url, tempfile::tempdir().unwrap(), tables).await
    }

    async fn sqlite(tables: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.db");
        std::fs::write(&file, "").unwrap();
        Self::over("sqlite://app.db", &format!("sqlite://{}", file.display()), folder, tables).await
    }

    async fn over(url: &str, url_around: &str, folder: TempDir, tables: &str) -> Self {
        let entities = [("Account".to_owned(), entity())].into();
        let package = Sql::new(&SecretString::from(url.to_owned()), folder.path(), 4, entities).unwrap();
        let mut options = ConnectOptions::new(url_around);
        options.max_connections(1).sqlx_logging(false);
        let around = sea_orm::Database::connect(options).await.unwrap();
        let things = Self { package, around, _folder: folder };
        things.sql(tables).await;
        things
    }

    async fn sql(&self, sql: &str) {
        self.around.execute_unprepared(sql).await.unwrap();
    }

    /// The text that a query gives, row by row.
    async fn texts(&self, sql: &str) -> Vec<String> {
        let query = Statement::from_string(self.around.get_database_backend(), sql);
        let rows = self.around.query_all_raw(query).await.unwrap();
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }

    async fn note(&self, order: &Order) -> String {
        match self.package.fulfill(order).await {
            Outcome::Executed { note } => note,
            other => panic!("not executed: {other:?}"),
        }
    }

    async fn failure(&self, order: &Order) -> Failure {
        match self.package.fulfill(order).await {
            Outcome::Failed(failure) => failure,
            other => panic!("not failed: {other:?}"),
        }
    }
}

fn creation(key: &str, changes: Vec<Change>) -> Order {
    order(OrderKind::Addition, key, changes)
}

fn deletion(key: &str) -> Order {
    order(OrderKind::Deletion, key, vec![])
}

const GRANTS: &str = "CREATE TABLE grants (thing TEXT, what TEXT);";

#[tokio::test]
async fn key_of_any_type_never_hits_another_row() {
    for (key_type, short, long) in [
        ("CHAR(8)", "a", "ada1"),
        ("CHAR(8)", "ada", "ada1"),
        ("VARCHAR(3)", "ada", "ada1"),
        ("BIT(1)", "1", "101"),
        ("BIT VARYING(4)", "1", "101"),
        ("code", "ada", "ada1"),
        ("code_of_code", "ada", "ada1"),
        ("\"char\"", "a", "ada1"),
        ("NUMERIC(10,2)", "1.00", "1.001"),
        ("NAME", "a", "ab"),
    ] {
        let things = Things::postgres(&format!(
            "CREATE DOMAIN code AS VARCHAR(3); CREATE DOMAIN code_of_code AS code; \
             CREATE TABLE things (id {key_type} PRIMARY KEY, title TEXT); INSERT INTO things VALUES ('{short}', 'old'); {GRANTS}"
        ))
        .await;
        let head = |key: &str| update(key, vec![set("title", Value::from("new"))]);
        let missing = things.failure(&head(long)).await;
        assert!(
            matches!(missing.class, FailureClass::MissingDependency | FailureClass::InvalidValue),
            "{key_type}: {missing}"
        );
        // Gone already, or no key that this column could hold: either way nothing was deleted.
        let _ = things.package.fulfill(&deletion(long)).await;
        assert_eq!(things.texts("SELECT title FROM things").await, ["old"], "{key_type}");
        assert_eq!(things.note(&head(short)).await, "updated", "{key_type}");
        assert_eq!(things.note(&head(short)).await, ALREADY_SO, "{key_type}");
        assert_eq!(things.note(&deletion(short)).await, "deleted", "{key_type}");
    }
}

#[tokio::test]
async fn value_too_long_for_its_column_is_refused_and_not_cut() {
    for value_type in ["CHAR(3)", "VARCHAR(3)", "code", "BIT(3)", "\"char\"", "NAME"] {
        let things = Things::postgres(&format!(
            "CREATE DOMAIN code AS VARCHAR(3); CREATE TABLE things (id TEXT PRIMARY KEY, v {value_type}); {GRANTS}"
        ))
        .await;
        let value = if value_type == "NAME" { "1".repeat(64) } else { "1010".to_owned() };
        let refused = things.failure(&creation("ada", vec![set("v", Value::String(value))])).await;
        assert_eq!(refused.class, FailureClass::InvalidValue, "{value_type}: {refused}");
        assert!(things.texts("SELECT id FROM things").await.is_empty(), "{value_type}");
    }
}

/// Type of the column, what is ordered, what the table holds then, type and value of the export.
async fn round_trip(tables: &str, column: &str, ordered: Value, held: &str, read: Option<Value>) {
    let things =
        Things::postgres(&format!("{tables} CREATE TABLE things (id TEXT PRIMARY KEY, v {column}); {GRANTS}")).await;
    let order = creation("ada", vec![set("v", ordered.clone())]);
    assert_eq!(things.note(&order).await, "created", "{column}");
    assert_eq!(things.note(&order).await, ALREADY_SO, "{column}");
    assert_eq!(things.texts("SELECT v::text FROM things").await, [held], "{column}");
    let order = update("ada", vec![set("v", ordered)]);
    assert_eq!(things.note(&order).await, ALREADY_SO, "{column}");
    let value_type = match read {
        Some(Value::Timestamp(_)) => ValueType::Timestamp,
        Some(Value::Integer(_)) => ValueType::Integer,
        _ => ValueType::String,
    };
    let property = |name: &str, value_type| Property { name: name.into(), value_type, multi_valued: false };
    let properties = vec![property("id", ValueType::String), property("v", value_type)];
    let rows = exported(&things.package, &Entity { name: "Account".into(), key: "id".into(), properties }).await;
    assert_eq!(rows.unwrap()[0][1], read, "{column}");
}

fn instant(text: &str) -> Value {
    Value::Timestamp(Timestamp::parse(text).unwrap())
}

#[tokio::test]
async fn values_of_every_type_come_back_and_asking_twice_changes_nothing() {
    let text = |text: &str| Some(Value::from(text));
    let at = instant("2026-03-01T08:00:00.600Z");
    for (column, ordered, held, read) in [
        ("NUMERIC", Value::from("12.50"), "12.50", text("12.50")),
        ("NUMERIC(10,2)", Value::from("12.005"), "12.01", text("12.01")),
        ("NUMERIC(10,0)", Value::Integer(7), "7", Some(Value::Integer(7))),
        ("money_of_ours", Value::from("0.999"), "1.00", text("1.00")),
        ("REAL", Value::from("0.1"), "0.1", text("0.1")),
        ("DATE", Value::from("2026-03-01"), "2026-03-01", Some(instant("2026-03-01"))),
        ("TIMESTAMP", at.clone(), "2026-03-01 08:00:00.6", Some(at.clone())),
        ("TIMESTAMP(0)", at.clone(), "2026-03-01 08:00:01", Some(instant("2026-03-01T08:00:01Z"))),
        ("TIMESTAMPTZ(0)", at, "2026-03-01 08:00:01+00", Some(instant("2026-03-01T08:00:01Z"))),
        ("TIME(0)", Value::from("08:00:00.6"), "08:00:01", text("08:00:01")),
        (
            "TIMESTAMP",
            Value::from("2026-03-01T10:00:00+02:00"),
            "2026-03-01 08:00:00",
            Some(instant("2026-03-01T08:00:00Z")),
        ),
        (
            "TIMESTAMP",
            Value::from("2026-03-01T10:00:00.123456+02:00"),
            "2026-03-01 08:00:00.123456",
            Some(instant("2026-03-01T08:00:00.123Z")),
        ),
        (
            "TIMESTAMP",
            Value::from("2026-03-01 08:00:00.123456"),
            "2026-03-01 08:00:00.123456",
            text("2026-03-01 08:00:00.123456"),
        ),
        (
            "TIMESTAMPTZ",
            Value::from("2026-03-01T10:00:00.123456+02:00"),
            "2026-03-01 08:00:00.123456+00",
            Some(instant("2026-03-01T08:00:00.123Z")),
        ),
        ("CHAR(5)", Value::from("ab"), "ab", text("ab")),
        ("BIT(3)", Value::from("101"), "101", text("101")),
        ("BIT VARYING", Value::from("101"), "101", text("101")),
        (
            "UUID",
            Value::from("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"),
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ),
        ("JSON", Value::from("{\"a\": 1}"), "{\"a\": 1}", text("{\"a\": 1}")),
        ("JSONB", Value::from("{\"b\":2,\"a\":1}"), "{\"a\": 1, \"b\": 2}", text("{\"a\": 1, \"b\": 2}")),
        ("colour", Value::from("red"), "red", text("red")),
        ("INET", Value::from("10.0.0.1"), "10.0.0.1/32", text("10.0.0.1/32")),
    ] {
        let tables = "SET timezone = 'UTC'; CREATE TYPE colour AS ENUM ('red', 'green'); \
                      CREATE DOMAIN money_of_ours AS NUMERIC(10,2);";
        round_trip(tables, column, ordered, held, read).await;
    }
}

#[tokio::test]
async fn instant_given_as_text_is_kept_by_sqlite_as_it_comes() {
    let things =
        Things::sqlite(&format!("CREATE TABLE things (id TEXT PRIMARY KEY, v DATETIME, w DATE); {GRANTS}")).await;
    for (number, text) in
        ["2026-03-01 08:00:00", "2026-03-01T10:00:00+02:00", "2026-03-01T08:00:00.123456Z"].into_iter().enumerate()
    {
        let key = format!("ada{number}");
        let changes = vec![set("v", Value::from(text)), set("w", Value::from("2026-03-01"))];
        let order = creation(&key, changes.clone());
        assert_eq!(things.note(&order).await, "created", "{text}");
        assert_eq!(things.note(&order).await, ALREADY_SO, "{text}");
        assert_eq!(things.note(&update(&key, changes)).await, ALREADY_SO, "{text}");
        let held = things.texts(&format!("SELECT v FROM things WHERE id = '{key}' AND w = '2026-03-01'")).await;
        assert_eq!(held, [text]);
    }
}

#[tokio::test]
async fn citext_is_compared_as_the_database_does() {
    let things = Things::postgres(&format!("CREATE TABLE probe (n INT); {GRANTS}")).await;
    let available = "SELECT name::text FROM pg_available_extensions WHERE name = 'citext'";
    if things.texts(available).await.is_empty() {
        return;
    }
    round_trip("CREATE EXTENSION citext;", "CITEXT", Value::from("Ada"), "Ada", Some(Value::from("Ada"))).await;
    things.sql("CREATE EXTENSION citext; CREATE TABLE things (id CITEXT PRIMARY KEY, v TEXT)").await;
    things.sql("INSERT INTO things VALUES ('ada', 'old')").await;
    assert_eq!(things.note(&update("ADA", vec![set("v", Value::from("new"))])).await, "updated");
}

#[tokio::test]
async fn value_that_a_type_does_not_know_is_invalid() {
    for (column, value) in [
        ("colour", "blue"),
        ("UUID", "no-uuid"),
        ("JSON", "{"),
        ("DATE", "soon"),
        ("NUMERIC(3,1)", "12345"),
        ("INET", "nowhere"),
    ] {
        let tables = format!(
            "CREATE TYPE colour AS ENUM ('red'); CREATE TABLE things (id TEXT PRIMARY KEY, v {column}); {GRANTS}"
        );
        let refused =
            Things::postgres(&tables).await.failure(&creation("ada", vec![set("v", Value::from(value))])).await;
        assert_eq!(refused.class, FailureClass::InvalidValue, "{column}: {refused}");
    }
}

/// Links whose target is the same in another form: `one` and `same`; `other` is another one.
async fn links(things: &Things, one: &str, same: &str, other: &str) {
    things.sql(&format!("INSERT INTO things VALUES ('ada'); INSERT INTO grants VALUES ('ada', '{one}')")).await;
    let held = async || things.texts("SELECT CAST(what AS TEXT) FROM grants ORDER BY what").await;
    let add = update("ada", vec![delta(ChangeOperation::Add, &[same])]);
    assert_eq!(things.note(&add).await, ALREADY_SO);
    let whole = update("ada", vec![set("groups", list(&[same]))]);
    assert_eq!(things.note(&whole).await, ALREADY_SO);
    assert_eq!(held().await, [one]);
    let creation = order(OrderKind::Addition, "ada", vec![set("groups", list(&[same]))]);
    assert_eq!(things.note(&creation).await, ALREADY_SO, "the wanted link is no sign of somebody else");
    let whole = update("ada", vec![set("groups", list(&[other, same]))]);
    assert_eq!(things.note(&whole).await, "updated");
    assert_eq!(held().await.len(), 2);
    let remove = update("ada", vec![delta(ChangeOperation::Remove, &[same])]);
    assert_eq!(things.note(&remove).await, "updated");
    assert_eq!(things.note(&remove).await, ALREADY_SO);
    assert_eq!(held().await, [other]);
}

#[tokio::test]
async fn links_are_compared_as_the_database_does() {
    let tables = |target: &str| {
        format!("CREATE TABLE things (id TEXT PRIMARY KEY); CREATE TABLE grants (thing TEXT, what {target})")
    };
    let sqlite = Things::sqlite(&tables("TEXT COLLATE NOCASE")).await;
    links(&sqlite, "staff", "STAFF", "zoo").await;
    let (one, other) = ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    links(&Things::postgres(&tables("UUID")).await, one, &one.to_uppercase(), other).await;
    links(&Things::postgres(&tables("CHAR(5)")).await, "staff", "staff ", "zoo").await;
    let citext = Things::postgres("CREATE TABLE probe (n INT)").await;
    if !citext.texts("SELECT name::text FROM pg_available_extensions WHERE name = 'citext'").await.is_empty() {
        citext.sql(&format!("CREATE EXTENSION citext; {}", tables("CITEXT"))).await;
        links(&citext, "staff", "STAFF", "zoo").await;
    }
}
