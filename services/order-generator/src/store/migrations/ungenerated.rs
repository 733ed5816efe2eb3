//! What tells for whom orders have to be generated anew, and what thresholds count against, so that not everybody's
//! assignments are read.

use super::{big, index, int, key, table, text};
use sea_orm_migration::prelude::*;

pub(super) struct Ungenerated;

impl MigrationName for Ungenerated {
    fn name(&self) -> &str {
        "m0007_ungenerated"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Ungenerated {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Empty counts say that nothing was counted yet: the next generation is for everybody, and counts.
        let marks = vec![int("kind"), text("entity_type"), key("key", manager), big("stamp")];
        for create in [
            table("ungenerated", marks, &["kind", "entity_type", "key"]),
            table("linked_counts", vec![text("resource_type"), big("linked")], &["resource_type"]),
        ] {
            manager.create_table(create).await?;
        }
        // Each computation asks whether anybody has anything of a type: of a type that nobody has, too.
        for create in [
            index("assignments", "assignments_resource_type", &["resource_type"]),
            index("found_items", "found_items_resource_type", &["resource_type"]),
        ] {
            manager.create_index(create).await?;
        }
        Ok(())
    }
}
