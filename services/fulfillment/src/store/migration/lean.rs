//! Indexes that cost more than they gave: every step of an order writes each index of its row anew.

use sea_orm_migration::prelude::*;

pub(super) struct M0005Lean;

impl MigrationName for M0005Lean {
    fn name(&self) -> &str {
        "m0005_lean"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for M0005Lean {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Who is under a lease is among those that come due.
        manager.get_connection().execute_unprepared("DROP INDEX orders_leased").await?;
        Ok(())
    }
}
