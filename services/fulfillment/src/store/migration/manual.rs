//! What manual provisioning, overdue lists and retention need: who has an order, since when it is in its
//! state, which version each line of the history left, and the archive of finished orders.

use super::{id, instant, maybe, number, serial, table, text};
use sea_orm_migration::prelude::*;

pub(super) struct M0004Manual;

impl MigrationName for M0004Manual {
    fn name(&self) -> &str {
        "m0004_manual"
    }
}

/// Lines before this migration do not say; `SELECT *` reads them as version 0.
const HISTORY: [&str; 2] = ["version", "assignee"];

const STATEMENTS: [&str; 4] = [
    // Since when: what the history says, and where it says nothing, the last change.
    "UPDATE orders SET state_since = COALESCE((SELECT max(at) FROM order_history h WHERE h.order_id = orders.id \
     AND h.to_state = orders.state AND h.from_state <> h.to_state), updated_at)",
    // What retention looks for: finished, and for how long. Nothing that moves often is in it.
    "CREATE INDEX orders_finished ON orders (state_since) WHERE state IN (4, 6)",
    "CREATE UNIQUE INDEX order_archive_id ON order_archive (id)",
    "CREATE INDEX order_archive_cursor ON order_archive (last_cursor)",
];

#[async_trait::async_trait]
impl MigrationTrait for M0004Manual {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let since = instant("state_since").default(0).to_owned();
        for column in [maybe("assignee").text().to_owned(), since] {
            manager.alter_table(Table::alter().table(Alias::new("orders")).add_column(column).to_owned()).await?;
        }
        let [version, assignee] = HISTORY;
        for column in [instant(version).default(0).to_owned(), maybe(assignee).text().to_owned()] {
            let mut alter = Table::alter().table(Alias::new("order_history")).to_owned();
            manager.alter_table(alter.add_column(column).to_owned()).await?;
        }
        // One row per finished order, by the sequence that it had. The body is an encoded GetOrderResponse.
        let archive = vec![
            serial("sequence"),
            id("id"),
            text("lane"),
            text("fingerprint"),
            text("resource_type"),
            number("state"),
            maybe("inactive_reason").integer().to_owned(),
            number("attempts"),
            instant("generated_at"),
            instant("created_at"),
            instant("updated_at"),
            instant("state_since"),
            maybe("executed_at").big_integer().to_owned(),
            instant("version"),
            instant("last_cursor"),
            instant("archived_at"),
            maybe("body").binary().not_null().to_owned(),
        ];
        manager.create_table(table("order_archive", archive)).await?;
        // How many are archived, so that nobody counts them one by one.
        let mut counts = table("archived_counts", vec![text("resource_type"), number("state"), instant("orders")]);
        counts.primary_key(Index::create().col(Alias::new("resource_type")).col(Alias::new("state")));
        manager.create_table(counts).await?;
        // What one replica does at a time.
        let leases = vec![text("name").primary_key().to_owned(), text("holder"), instant("until_at")];
        manager.create_table(table("work_leases", leases)).await?;
        for statement in STATEMENTS {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
