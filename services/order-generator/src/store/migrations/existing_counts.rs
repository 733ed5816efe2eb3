//! What thresholds count against are the resources that exist, also those that were written and are not seen yet: what
//! was counted before, without these, is forgotten, and the next generation, for everybody, counts anew.

use sea_orm_migration::prelude::*;

pub(super) struct ExistingCounts;

impl MigrationName for ExistingCounts {
    fn name(&self) -> &str {
        "m0009_existing_counts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for ExistingCounts {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.exec_stmt(Query::delete().from_table(Alias::new("linked_counts")).to_owned()).await
    }
}
