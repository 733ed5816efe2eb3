//! The real PostgreSQL.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use provost_testkit::{Postgres, PostgresOptions, TestDatabase, engines};
use sqlx::{Connection, Executor, PgConnection, Row, SqliteConnection};

async fn connect(database: &TestDatabase) -> PgConnection {
    PgConnection::connect(&database.url).await.unwrap()
}

async fn setting(database: &TestDatabase, name: &str) -> String {
    let row = sqlx::query("SELECT current_setting($1)").bind(name).fetch_one(&mut connect(database).await).await;
    row.unwrap().get(0)
}

#[tokio::test]
async fn each_database_is_empty_and_of_its_own() {
    let postgres = Postgres::shared().await;
    let (first, second) = tokio::join!(postgres.database(), postgres.database());
    assert_ne!(first.url, second.url);
    connect(&first).await.execute("CREATE TABLE only_here (id bigint)").await.unwrap();
    connect(&second).await.execute("SELECT * FROM only_here").await.unwrap_err();
    assert_eq!(setting(&first, "fsync").await, "off");
}

#[tokio::test]
async fn committed_rows_survive_stop_and_crash() {
    let postgres = Postgres::start(PostgresOptions { fsync: true, ..Default::default() }).await;
    let database = postgres.database().await;
    assert_eq!(setting(&database, "fsync").await, "on");
    assert_eq!(setting(&database, "synchronous_commit").await, "on");
    connect(&database).await.execute("CREATE TABLE kept (id bigint)").await.unwrap();

    postgres.stop().await;
    PgConnection::connect(&database.url).await.unwrap_err();
    postgres.restart().await;
    connect(&database).await.execute("INSERT INTO kept VALUES (1)").await.unwrap();
    postgres.crash().await;
    postgres.restart().await;

    let count = sqlx::query("SELECT count(*) FROM kept").fetch_one(&mut connect(&database).await).await.unwrap();
    assert_eq!(count.get::<i64, _>(0), 1);
}

#[tokio::test]
async fn every_engine_gives_a_database_that_can_be_written() {
    let engines = engines().await;
    let [sqlite, postgres] = engines.as_slice() else { panic!("two engines are supported") };
    assert_eq!((sqlite.name, postgres.name), ("sqlite", "postgres"));
    let create = "CREATE TABLE fresh (id bigint)";
    SqliteConnection::connect(&sqlite.url).await.unwrap().execute(create).await.unwrap();
    PgConnection::connect(&postgres.url).await.unwrap().execute(create).await.unwrap();
}
