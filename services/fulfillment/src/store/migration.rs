//! The schema. Forward only: a change is a new migration at the end of the list.

mod lean;
mod manual;

use crate::store::migration_connections::M0002Connections;
use lean::M0005Lean;
use manual::M0004Manual;
use provost_service_kit::feed;
use sea_orm_migration::prelude::*;

pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(M0001Ledger), Box::new(M0002Connections), Box::new(M0004Manual), Box::new(M0005Lean)]
    }
}

struct M0001Ledger;

impl MigrationName for M0001Ledger {
    fn name(&self) -> &str {
        "m0001_ledger"
    }
}

pub(super) fn text(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).text().not_null().to_owned()
}

pub(super) fn number(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).integer().not_null().to_owned()
}

pub(super) fn instant(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).big_integer().not_null().to_owned()
}

pub(super) fn maybe(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name))
}

fn id(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).uuid().not_null().to_owned()
}

pub(super) fn serial(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).big_integer().not_null().auto_increment().primary_key().to_owned()
}

pub(super) fn table(name: &str, columns: Vec<ColumnDef>) -> TableCreateStatement {
    let mut table = Table::create().table(Alias::new(name)).to_owned();
    columns.into_iter().for_each(|column| {
        table.col(column);
    });
    table
}

fn orders() -> TableCreateStatement {
    table(
        "orders",
        vec![
            serial("sequence"),
            id("id"),
            text("lane"),
            text("fingerprint"),
            text("resource_type"),
            text("connector"),
            text("connection"),
            text("entity_type"),
            text("owner_key"),
            text("target_key"),
            text("generation_run"),
            // The order as it was accepted: an encoded provost.types.v1.Order.
            maybe("payload").binary().not_null().to_owned(),
            number("priority"),
            instant("generated_at"),
            maybe("not_before").big_integer().to_owned(),
            maybe("validity_ms").big_integer().to_owned(),
            number("state"),
            maybe("inactive_reason").integer().to_owned(),
            // What the state needs: a Failure (1, 3) or a RuleFailure (7), as JSON.
            maybe("failure").text().to_owned(),
            // What Errored orders are grouped by.
            maybe("error_cause").text().to_owned(),
            maybe("ticket").text().to_owned(),
            maybe("transmitted_at").big_integer().to_owned(),
            maybe("executed_at").big_integer().to_owned(),
            maybe("lease_agent").text().to_owned(),
            maybe("lease_until").big_integer().to_owned(),
            maybe("retry_at").big_integer().to_owned(),
            number("attempts"),
            number("failures"),
            maybe("waits_for").uuid().to_owned(),
            number("unmet_dependencies"),
            maybe("held_until").big_integer().to_owned(),
            // 0: not to be had; 1: to be had; 2: to be had from due_at on.
            number("offer"),
            instant("due_at"),
            maybe("deadline").big_integer().to_owned(),
            instant("version"),
            instant("created_at"),
            instant("updated_at"),
        ],
    )
}

const INDEXES: [&str; 14] = [
    "CREATE UNIQUE INDEX orders_id ON orders (id)",
    "CREATE INDEX orders_lane ON orders (lane, sequence)",
    // What agents take: each pull reads the front of it, however long it is.
    "CREATE INDEX orders_offered ON orders (connection, priority DESC, sequence) WHERE offer = 1",
    "CREATE INDEX orders_due ON orders (connection, due_at) WHERE offer = 2",
    "CREATE INDEX orders_leased ON orders (lease_until) WHERE lease_until IS NOT NULL",
    "CREATE INDEX orders_successors ON orders (waits_for) WHERE waits_for IS NOT NULL",
    "CREATE INDEX orders_deadline ON orders (deadline) WHERE deadline IS NOT NULL",
    "CREATE INDEX orders_errored ON orders (connection, error_cause, sequence) WHERE state = 3",
    "CREATE INDEX orders_counted ON orders (resource_type, state, sequence)",
    "CREATE INDEX orders_by_state ON orders (state, sequence)",
    "CREATE INDEX orders_by_owner ON orders (owner_key, sequence)",
    "CREATE INDEX order_history_of ON order_history (order_id, cursor)",
    "CREATE INDEX order_dependencies_on ON order_dependencies (depends_on)",
    "CREATE INDEX review_outbox_due ON review_outbox (due_at)",
];

#[async_trait::async_trait]
impl MigrationTrait for M0001Ledger {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(orders()).await?;
        let history = vec![
            serial("cursor"),
            id("order_id"),
            number("event"),
            number("from_state"),
            number("to_state"),
            text("actor"),
            instant("at"),
            number("attempt"),
            text("reason"),
        ];
        manager.create_table(table("order_history", history)).await?;
        // Dependencies that are not fulfilled yet; a line goes when what it names is Executed or Verified.
        let mut dependencies = table("order_dependencies", vec![id("order_id"), id("depends_on")]);
        dependencies.primary_key(Index::create().col(Alias::new("order_id")).col(Alias::new("depends_on")));
        manager.create_table(dependencies).await?;
        // One line per agent and connection: agents ask for their connections one by one.
        let agents = vec![text("agent_id"), text("connection"), text("agent_version"), instant("last_seen_at")];
        let mut agents = table("agents", agents);
        agents.primary_key(Index::create().col(Alias::new("agent_id")).col(Alias::new("connection")));
        manager.create_table(agents).await?;
        let outbox = vec![
            id("order_id").primary_key().to_owned(),
            // 1: request a review; 2: withdraw it.
            number("action"),
            text("reason"),
            number("tries"),
            instant("due_at"),
        ];
        manager.create_table(table("review_outbox", outbox)).await?;
        manager.create_table(feed::cursor_table()).await?;
        for index in INDEXES {
            manager.get_connection().execute_unprepared(index).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::{entries, history};
    use provost_domain::{OrderId, Timestamp};
    use provost_service_kit::{Database, Engine};

    /// Orders and their histories from before they said since when, and which version each line left.
    #[tokio::test]
    async fn orders_of_the_first_schema_are_kept_and_say_since_when_they_stand() {
        for engine in provost_testkit::engines().await {
            let database = Database::connect(&engine.url.as_str().into(), None).await.unwrap();
            Migrator::up(database.write(), Some(1)).await.unwrap();
            let (id, bytes) = match database.engine() {
                Engine::Postgres => ("'00000000-0000-0000-0000-0000000000", "''::bytea"),
                Engine::Sqlite => ("x'000000000000000000000000000000", "x''"),
            };
            let id = |last: &str| format!("{id}{last}'");
            for (last, state, updated_at) in [("07", 5, 50), ("08", 1, 80)] {
                let row = format!(
                    "INSERT INTO orders (id,lane,fingerprint,resource_type,connector,connection,entity_type,owner_key,\
                     target_key,generation_run,payload,priority,generated_at,state,attempts,failures,\
                     unmet_dependencies,offer,due_at,version,created_at,updated_at) VALUES ({},'{last}','','t','c','d',\
                     'e','o','k','r',{bytes},0,0,{state},0,0,0,0,0,3,0,{updated_at})",
                    id(last)
                );
                database.write().execute_unprepared(&row).await.unwrap();
            }
            let line = format!(
                "INSERT INTO order_history (order_id,event,from_state,to_state,actor,at,attempt,reason) \
                 VALUES ({},1,0,5,'a',20,0,''),({},4,5,5,'a',40,0,'later')",
                id("07"),
                id("07")
            );
            database.write().execute_unprepared(&line).await.unwrap();
            database.migrate::<Migrator>().await.unwrap();
            let ids = [7, 8].map(|number| OrderId::new(uuid::Uuid::from_u128(number)));
            let found = entries::by_ids(database.read(), &ids).await.unwrap();
            let since = ids.map(|id| found.get(&id).unwrap().standing.state_since);
            assert_eq!(since, [20, 80].map(Timestamp::from_millis), "{}", engine.name);
            assert!(found.values().all(|entry| entry.standing.assignee.is_none() && entry.version == 3));
            let kept = history::of(database.read(), ids[0]).await.unwrap();
            let lines: Vec<_> = kept.iter().map(|line| (line.reason.as_str(), line.version)).collect();
            assert_eq!(lines, [("", 0), ("later", 0)]);
        }
    }
}
