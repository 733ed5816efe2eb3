//! Results say by which dimensions and resource types they came to be. Of those that do not, nothing can be told after a
//! change of the catalog: the next computation is for everybody.

use sea_orm_migration::prelude::*;

pub(super) struct Touched;

impl MigrationName for Touched {
    fn name(&self) -> &str {
        "m0011_touched"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Touched {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let forget = "UPDATE computations SET orders_until = NULL";
        manager.get_connection().execute_unprepared(forget).await?;
        Ok(())
    }
}
