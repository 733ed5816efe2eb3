//! The schema, step by step. Forward only; a step that was released is never edited.

mod held_orders;
mod incremental;
mod requests;
mod thresholds;
mod touched;
mod ungenerated;
mod virtual_resources;

use held_orders::HeldOrders;
use incremental::Incremental;
use provost_service_kit::feed;
use sea_orm_migration::prelude::*;

pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(First),
            Box::new(WhatWasRead),
            Box::new(Reconciliation),
            Box::new(requests::Requests),
            Box::new(HeldOrders),
            Box::new(Incremental),
            Box::new(ungenerated::Ungenerated),
            Box::new(virtual_resources::VirtualResources),
            Box::new(thresholds::Thresholds),
            Box::new(touched::Touched),
        ]
    }
}

struct First;

impl MigrationName for First {
    fn name(&self) -> &str {
        "m0001_first"
    }
}

fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().to_owned()
}

/// Text whose order is that of its bytes, on both engines.
fn key(name: &'static str, manager: &SchemaManager<'_>) -> ColumnDef {
    let mut column = text(name);
    if manager.get_database_backend() == sea_orm::DbBackend::Postgres {
        column.extra("COLLATE \"C\"");
    }
    column
}

fn big(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().to_owned()
}

fn big_or_none(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().null().to_owned()
}

fn int(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).integer().not_null().to_owned()
}

fn flag(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).boolean().not_null().to_owned()
}

fn sequence(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().auto_increment().primary_key().to_owned()
}

fn table(name: &'static str, columns: Vec<ColumnDef>, primary: &[&'static str]) -> TableCreateStatement {
    let mut create = Table::create().table(name).to_owned();
    for column in columns {
        create.col(column);
    }
    if !primary.is_empty() {
        let mut index = Index::create();
        for column in primary {
            index.col(*column);
        }
        create.primary_key(&mut index);
    }
    create
}

fn index(table: &'static str, name: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create().name(name).table(table).to_owned();
    for column in columns {
        index.col(*column);
    }
    index
}

#[async_trait::async_trait]
impl MigrationTrait for First {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for create in Self::tables(manager) {
            manager.create_table(create).await?;
        }
        manager.create_table(feed::cursor_table()).await?;
        for create in [
            index("synchronizations", "synchronizations_id", &["id"]).unique().to_owned(),
            index("synchronizations", "synchronizations_open", &["state", "connection"]),
            index("orders", "orders_lane", &["lane", "sequence"]),
            index("orders", "orders_state", &["state", "resource_type"]),
            index("orders", "orders_owner", &["owner_type", "owner_key"]),
            index("job_runs", "job_runs_id", &["id"]).unique().to_owned(),
            index("job_runs", "job_runs_request", &["request_id"]).unique().to_owned(),
            index("job_runs", "job_runs_active", &["active"]).unique().to_owned(),
        ] {
            manager.create_index(create).await?;
        }
        Ok(())
    }
}

/// A property that came into the catalog after the last export was never read: it is not empty.
struct WhatWasRead;

impl MigrationName for WhatWasRead {
    fn name(&self) -> &str {
        "m0002_what_was_read"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for WhatWasRead {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let properties = text("properties").default("").to_owned();
        manager.alter_table(Table::alter().table("readings").add_column(properties).to_owned()).await
    }
}

/// What was found and waits for people, and what they decided.
struct Reconciliation;

impl MigrationName for Reconciliation {
    fn name(&self) -> &str {
        "m0003_reconciliation"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Reconciliation {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for create in [
            table(
                "found_items",
                vec![
                    text("item_id"),
                    key("position", manager),
                    int("kind"),
                    text("owner_type"),
                    text("owner_key"),
                    text("resource_type"),
                    text("entity_type"),
                    text("target_key"),
                    text("property"),
                    int("workflow_state"),
                    text("body"),
                ],
                &["item_id"],
            ),
            table(
                "decisions",
                vec![
                    sequence("sequence"),
                    text("id"),
                    text("item_id"),
                    // The newest on its item: the one that counts.
                    flag("is_standing"),
                    int("kind"),
                    text("owner_type"),
                    text("owner_key"),
                    text("resource_type"),
                    text("property"),
                    text("verdict"),
                    text("actor"),
                    big("at"),
                    text("body"),
                ],
                &[],
            ),
        ] {
            manager.create_table(create).await?;
        }
        for create in [
            index("found_items", "found_items_position", &["position"]).unique().to_owned(),
            index("found_items", "found_items_owner", &["owner_type", "owner_key"]),
            index("found_items", "found_items_target", &["entity_type", "target_key"]),
            index("decisions", "decisions_id", &["id"]).unique().to_owned(),
            index("decisions", "decisions_item", &["item_id", "is_standing"]),
            index("decisions", "decisions_owner", &["owner_type", "owner_key"]),
        ] {
            manager.create_index(create).await?;
        }
        Ok(())
    }
}

impl First {
    fn tables(manager: &SchemaManager<'_>) -> Vec<TableCreateStatement> {
        vec![
            table(
                "catalogs",
                vec![sequence("revision"), text("digest"), text("files"), big("applied_at"), text("applied_by")],
                &[],
            ),
            table(
                "resources",
                vec![text("entity_type"), key("key", manager), text("properties")],
                &["entity_type", "key"],
            ),
            table(
                "readings",
                vec![
                    text("entity_type"),
                    text("connector"),
                    big("export_started_at"),
                    text("synchronization_id"),
                    big("resources"),
                ],
                &["entity_type"],
            ),
            table(
                "synchronizations",
                vec![
                    sequence("sequence"),
                    text("id"),
                    text("connector"),
                    text("connection"),
                    text("state"),
                    text("agent_id"),
                    big_or_none("lease_until"),
                    big_or_none("offered_at"),
                    big("created_at"),
                    big_or_none("started_at"),
                    big_or_none("ended_at"),
                    big("rows_read"),
                    int("breaks"),
                    flag("was_read"),
                    text("counts"),
                    text("message"),
                ],
                &[],
            ),
            table("owners", vec![text("entity_type"), key("key", manager), text("body")], &["entity_type", "key"]),
            table(
                "assignments",
                vec![text("owner_type"), key("owner_key", manager), text("resource_type"), text("body")],
                &["owner_type", "owner_key", "resource_type"],
            ),
            table(
                "orders",
                vec![
                    text("order_id"),
                    big("sequence"),
                    text("lane"),
                    text("resource_type"),
                    text("connection"),
                    text("owner_type"),
                    text("owner_key"),
                    text("generation_run"),
                    int("state"),
                    int("inactive_reason"),
                    big("version"),
                    ColumnDef::new("record").blob().not_null().to_owned(),
                ],
                &["order_id"],
            ),
            table(
                "sensitive_orders",
                vec![text("order_id"), ColumnDef::new("content").blob().not_null().to_owned()],
                &["order_id"],
            ),
            table(
                "computations",
                vec![
                    sequence("sequence"),
                    big("catalog_revision"),
                    big("started_at"),
                    big("ended_at"),
                    text("summary"),
                ],
                &[],
            ),
            table("generations", vec![text("id"), big("at"), text("actor"), text("options"), text("summary")], &["id"]),
            table(
                "job_runs",
                vec![
                    sequence("sequence"),
                    text("id"),
                    text("job"),
                    text("request_id"),
                    // The job's name while the run is not over: the unique index allows one such run per job.
                    ColumnDef::new("active").text().null().to_owned(),
                    text("state"),
                    flag("force_review"),
                    flag("waive_review"),
                    flag("force_thresholds"),
                    flag("is_cancelled"),
                    text("started_by"),
                    big("started_at"),
                    big_or_none("ended_at"),
                    text("generation_run"),
                    text("message"),
                    text("comments"),
                ],
                &[],
            ),
            table(
                "job_task_runs",
                vec![
                    text("run_id"),
                    int("position"),
                    text("name"),
                    text("kind"),
                    int("level"),
                    text("state"),
                    big("done"),
                    big("total"),
                    text("message"),
                    big_or_none("started_at"),
                    big_or_none("ended_at"),
                ],
                &["run_id", "position"],
            ),
            table("leases", vec![text("name"), text("holder"), big("until")], &["name"]),
        ]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::resources::{self, Reading};
    use crate::store::ungenerated;
    use provost_domain::Timestamp;
    use provost_service_kit::Database;
    use sea_orm_migration::sea_orm::ConnectionTrait;

    #[tokio::test]
    async fn readings_of_the_first_schema_are_kept_and_do_not_say_what_was_read() {
        for engine in provost_testkit::engines().await {
            let database = Database::connect(&engine.url.as_str().into(), None).await.unwrap();
            Migrator::up(database.write(), Some(1)).await.unwrap();
            let row = "INSERT INTO readings VALUES ('Person', 'hr', 5, 'old', 1)";
            database.write().execute_unprepared(row).await.unwrap();
            database.migrate::<Migrator>().await.unwrap();
            let old = resources::readings(database.read()).await.unwrap().remove("Person").unwrap();
            assert_eq!((old.export_started_at, old.properties), (Timestamp::from_millis(5), None), "{}", engine.name);
            let properties = Some([("id".to_owned(), "string".to_owned())].into());
            let new =
                Reading { export_started_at: Timestamp::from_millis(6), synchronization_id: "new".into(), properties };
            resources::note_reading(database.write(), "Person", "hr", &new, 1).await.unwrap();
            assert_eq!(resources::readings(database.read()).await.unwrap().remove("Person"), Some(new));
        }
    }

    #[tokio::test]
    async fn what_was_counted_without_what_is_not_seen_yet_is_counted_anew() {
        for engine in provost_testkit::engines().await {
            let database = Database::connect(&engine.url.as_str().into(), None).await.unwrap();
            Migrator::up(database.write(), Some(8)).await.unwrap();
            ungenerated::recount(database.write(), [("Account", 7)].into_iter()).await.unwrap();
            database.migrate::<Migrator>().await.unwrap();
            let counted = ungenerated::existing(database.read()).await.unwrap();
            assert_eq!(counted, None, "{}", engine.name);
        }
    }
}
