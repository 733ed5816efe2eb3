//! Requests for assignments, and what review must still be told of them.

use super::{big, big_or_none, index, int, key, sequence, table, text};
use sea_orm_migration::prelude::*;

pub(super) struct Requests;

impl MigrationName for Requests {
    fn name(&self) -> &str {
        "m0004_requests"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Requests {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            sequence("sequence"),
            text("id"),
            text("owner_type"),
            key("owner_key", manager),
            int("kind"),
            text("name"),
            text("requested_by"),
            int("state"),
            big("since"),
            big_or_none("until"),
            // Whose request for what, while it is open: there is one at a time.
            ColumnDef::new("open_for").text().null().to_owned(),
            text("body"),
        ];
        manager.create_table(table("requests", columns, &[])).await?;
        let columns = vec![text("request_id"), int("action"), text("reason"), int("tries"), big("due_at")];
        manager.create_table(table("request_outbox", columns, &["request_id"])).await?;
        for create in [
            index("requests", "requests_id", &["id"]).unique().to_owned(),
            index("requests", "requests_open", &["open_for"]).unique().to_owned(),
            index("requests", "requests_owner", &["owner_type", "owner_key", "state"]),
            index("requests", "requests_state", &["state", "sequence"]),
            index("request_outbox", "request_outbox_due", &["due_at"]),
        ] {
            manager.create_index(create).await?;
        }
        Ok(())
    }
}
