//! Which resources no synchronization read, and which order's confirmation each is known by.

use super::{big, flag, index, key, table, text};
use sea_orm_migration::prelude::*;

pub(super) struct VirtualResources;

impl MigrationName for VirtualResources {
    fn name(&self) -> &str {
        "m0008_virtual_resources"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for VirtualResources {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            text("entity_type"),
            key("key", manager),
            text("lane"),
            text("order_id"),
            big("sequence"),
            // It was deleted: the line stays, so that no older order brings it back.
            flag("gone"),
            big("written_at"),
        ];
        manager.create_table(table("virtual_resources", columns, &["entity_type", "key"])).await?;
        manager.create_index(index("virtual_resources", "virtual_resources_lane", &["lane"]).unique().to_owned()).await
    }
}
