//! Both engines under concurrency, and where a service's tables are.

use provost_service_kit::{Database, Engine};
use provost_testkit::{Postgres, engines};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

async fn connect(url: &str) -> Database {
    Database::connect(&url.into(), None).await.unwrap()
}

async fn number(connection: &impl ConnectionTrait, sql: &str) -> Result<i64, DbErr> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    connection.query_one_raw(statement).await?.map_or(Ok(0), |row| row.try_get_by_index(0))
}

/// Reads, lets others run, then writes what follows from what was read.
async fn increment(database: &Database) -> Result<(), DbErr> {
    let transaction = database.begin().await?;
    // PostgreSQL reads without holding; SQLite holds from the beginning.
    let hold = if database.engine() == Engine::Postgres { " FOR UPDATE" } else { "" };
    let read = number(&transaction, &format!("SELECT n FROM counter{hold}")).await?;
    tokio::task::yield_now().await;
    transaction.execute_unprepared(&format!("UPDATE counter SET n = {}", read + 1)).await?;
    transaction.commit().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn transactions_that_read_then_write_lose_nothing_and_are_never_locked_out() {
    for engine in engines().await {
        let database = connect(&engine.url).await;
        database.write().execute_unprepared("CREATE TABLE counter (n BIGINT NOT NULL)").await.unwrap();
        database.write().execute_unprepared("INSERT INTO counter VALUES (0)").await.unwrap();
        // A second handle, as a second process would have.
        let handles = [database.clone(), connect(&engine.url).await];
        let tasks: Vec<_> = (0..8)
            .map(|task| {
                let database = handles[task % 2].clone();
                tokio::spawn(async move {
                    for _ in 0..40 {
                        increment(&database).await?;
                    }
                    Ok::<_, DbErr>(())
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap_or_else(|error| panic!("{}: {error}", engine.name));
        }
        assert_eq!(number(database.read(), "SELECT n FROM counter").await.unwrap(), 320, "{}", engine.name);
    }
}

#[tokio::test]
async fn dropped_transaction_writes_nothing_and_holds_nothing() {
    for engine in engines().await {
        let database = connect(&engine.url).await;
        database.write().execute_unprepared("CREATE TABLE kept (n BIGINT)").await.unwrap();
        for _ in 0..40 {
            let transaction = database.begin().await.unwrap();
            transaction.execute_unprepared("INSERT INTO kept VALUES (1)").await.unwrap();
        }
        database.write().execute_unprepared("INSERT INTO kept VALUES (2)").await.unwrap();
        assert_eq!(number(database.read(), "SELECT sum(n) FROM kept").await.unwrap_or(2), 2, "{}", engine.name);
        assert_eq!(number(database.read(), "SELECT count(*) FROM kept").await.unwrap(), 1, "{}", engine.name);
    }
}

#[tokio::test]
async fn services_with_schemas_of_their_own_share_a_database() {
    let url = Postgres::shared().await.database().await.url;
    let mut services = Vec::new();
    for (schema, n) in [("review", 1_i64), ("fulfillment", 2)] {
        let service = Database::connect(&url.clone().into(), Some(schema)).await.unwrap();
        service.write().execute_unprepared("CREATE TABLE own (n BIGINT)").await.unwrap();
        service.write().execute_unprepared(&format!("INSERT INTO own VALUES ({n})")).await.unwrap();
        services.push(service);
    }
    assert_eq!(number(services[0].read(), "SELECT n FROM own").await.unwrap(), 1);
    assert_eq!(number(services[1].read(), "SELECT n FROM own").await.unwrap(), 2);
    let public = connect(&url).await;
    number(public.read(), "SELECT n FROM own").await.unwrap_err();
}

#[tokio::test]
async fn replicas_that_create_the_schema_at_once_all_connect() {
    let url = Postgres::shared().await.database().await.url;
    for round in 0..5 {
        let schema = format!("made_{round}");
        let replicas = (0..6).map(|_| {
            let (url, schema) = (url.clone(), schema.clone());
            async move { Database::connect(&url.into(), Some(&schema)).await.map(drop) }
        });
        for connected in futures::future::join_all(replicas).await {
            connected.unwrap_or_else(|error| panic!("{error:#}"));
        }
    }
}

#[tokio::test]
async fn wrong_addresses_are_refused_without_showing_the_password() {
    for (url, schema, said) in [
        ("mysql://ada:hunter2@localhost/x", None, "sqlite:// or postgres://"),
        ("postgres://ada:hunter2@127.0.0.1:1/x", None, "127.0.0.1:1/x cannot be reached"),
        ("postgres://ada:hunter2@127.0.0.1:1/x", Some("a; DROP SCHEMA b"), "must be letters, digits and _"),
        ("postgres://ada:hunter2@127.0.0.1:1/x", Some(""), "must be letters, digits and _"),
        ("postgres:///x?host=127.0.0.1&port=1&user=ada&password=hunter2", None, "127.0.0.1:1/x cannot be reached"),
        ("postgres://ada:p@hunter2@127.0.0.1:1/x", None, "cannot be reached"),
        ("postgres://ada:hunter2@127.0.0.1:1/x?password=hunter2", None, "127.0.0.1:1/x cannot be reached"),
        ("postgres://ada:hunter2@127.0.0.1:port/x", None, "the configured address"),
        ("sqlite:///nowhere/at/all.db", None, "cannot be opened"),
        ("sqlite:///nowhere/at/all.db?key=hunter2", None, "/nowhere/at/all.db cannot be opened"),
    ] {
        let error = format!("{:#}", Database::connect(&url.into(), schema).await.map(drop).unwrap_err());
        assert!(error.contains(said), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn statements_of_the_largest_allowed_size_are_taken() {
    for engine in engines().await {
        let database = connect(&engine.url).await;
        database.write().execute_unprepared("CREATE TABLE wide (n BIGINT)").await.unwrap();
        for columns in [1, 9, 100] {
            let rows = database.engine().rows_per_statement(columns);
            assert!((1..=500).contains(&rows));
            let backend = database.write().get_database_backend();
            let places = (1..=rows * columns).map(|n| match backend {
                DbBackend::Postgres => format!("${n}"),
                _ => "?".to_owned(),
            });
            let sql = format!("SELECT count(*) FROM wide WHERE n IN ({})", places.collect::<Vec<_>>().join(","));
            let binds = (0..rows * columns).map(|_| 1_i64.into());
            let statement = Statement::from_sql_and_values(backend, sql, binds);
            database.read().query_one_raw(statement).await.unwrap_or_else(|error| panic!("{}: {error}", engine.name));
        }
    }
}

#[tokio::test]
async fn what_is_read_in_a_snapshot_is_of_one_instant() {
    for engine in engines().await {
        let database = connect(&engine.url).await;
        database.write().execute_unprepared("CREATE TABLE counter (n BIGINT NOT NULL)").await.unwrap();
        database.write().execute_unprepared("INSERT INTO counter VALUES (1)").await.unwrap();
        let snapshot = database.snapshot().await.unwrap();
        assert_eq!(number(&snapshot, "SELECT n FROM counter").await.unwrap(), 1, "{}", engine.name);
        database.write().execute_unprepared("UPDATE counter SET n = 2").await.unwrap();
        assert_eq!(number(&snapshot, "SELECT n FROM counter").await.unwrap(), 1, "{}", engine.name);
        snapshot.commit().await.unwrap();
        assert_eq!(number(database.read(), "SELECT n FROM counter").await.unwrap(), 2, "{}", engine.name);
    }
}
