//! Bringing the schema up to date: once, twice, by several at once.

use provost_service_kit::{Database, feed};
use provost_testkit::{Postgres, engines};
use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First)]
    }
}

struct First;

impl MigrationName for First {
    fn name(&self) -> &str {
        "m0001_first"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for First {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create().table("things").col(ColumnDef::new("n").big_integer().not_null()).to_owned();
        manager.create_table(table).await?;
        manager.create_table(feed::cursor_table()).await
    }
}

struct Broken;

#[async_trait::async_trait]
impl MigratorTrait for Broken {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First), Box::new(Fails)]
    }
}

struct Fails;

impl MigrationName for Fails {
    fn name(&self) -> &str {
        "m0002_fails"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Fails {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("CREATE TABLE things (n BIGINT)").await.map(drop)
    }
}

async fn connect(url: &str, schema: Option<&str>) -> Database {
    Database::connect(&url.into(), schema).await.unwrap()
}

#[tokio::test]
async fn migrating_again_changes_nothing() {
    for engine in engines().await {
        let database = connect(&engine.url, None).await;
        database.migrate::<Migrator>().await.unwrap();
        database.write().execute_unprepared("INSERT INTO things VALUES (1)").await.unwrap();
        database.migrate::<Migrator>().await.unwrap();
        let again = connect(&engine.url, None).await;
        again.migrate::<Migrator>().await.unwrap();
        let deleted = again.write().execute_unprepared("DELETE FROM things").await.unwrap();
        assert_eq!(deleted.rows_affected(), 1, "{}", engine.name);
    }
}

#[tokio::test]
async fn replicas_that_start_at_once_migrate_once() {
    let url = Postgres::shared().await.database().await.url;
    for schema in [None, Some("one"), Some("two")] {
        let replicas = (0..6).map(|_| async { connect(&url, schema).await.migrate::<Migrator>().await });
        for migrated in futures::future::join_all(replicas).await {
            migrated.unwrap_or_else(|error| panic!("{schema:?}: {error:#}"));
        }
    }
}

#[tokio::test]
async fn failed_migration_is_told_and_the_next_start_tries_again() {
    for engine in engines().await {
        let database = connect(&engine.url, None).await;
        let failed = format!("{:#}", database.migrate::<Broken>().await.unwrap_err());
        assert!(failed.starts_with("the database schema cannot be brought up to date"), "{failed}");
        // Whatever held the others off is free again.
        database.write().execute_unprepared("DROP TABLE IF EXISTS things").await.unwrap();
        database.migrate::<Broken>().await.unwrap_or_else(|error| panic!("{}: {error:#}", engine.name));
    }
}
