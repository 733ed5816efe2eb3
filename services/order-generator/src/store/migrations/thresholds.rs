//! What thresholds count against are the resources that exist, also those that were written and are not seen yet: what
//! was counted before, without these, is forgotten, and the next generation, for everybody, counts anew. And what a
//! blocked synchronization holds back is kept whole.

use super::{big, table, text};
use sea_orm_migration::prelude::*;

pub(super) struct Thresholds;

impl MigrationName for Thresholds {
    fn name(&self) -> &str {
        "m0009_thresholds"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Thresholds {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.exec_stmt(Query::delete().from_table(Alias::new("linked_counts")).to_owned()).await?;
        let held = vec![
            text("synchronization_id"),
            big("position"),
            text("job_run_id"),
            text("connection"),
            text("entity_type"),
            text("change"),
            text("key"),
        ];
        manager.create_table(table("held_resources", held, &["synchronization_id", "position"])).await
    }
}
