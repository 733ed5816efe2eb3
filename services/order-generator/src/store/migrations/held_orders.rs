//! What a blocked generation would have done is kept, so that whoever has to let it go can see it; and plans
//! name the orders that they gave by their generation run.

use super::{big, index, int, table, text};
use sea_orm_migration::prelude::*;

pub(super) struct HeldOrders;

impl MigrationName for HeldOrders {
    fn name(&self) -> &str {
        "m0005_held_orders"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for HeldOrders {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let held = vec![
            text("run"),
            big("position"),
            int("action"),
            text("resource_type"),
            text("owner_key"),
            ColumnDef::new("planned").blob().not_null().to_owned(),
        ];
        manager.create_table(table("held_orders", held, &["run", "position"])).await?;
        manager.create_table(table("plan_keys", vec![int("id"), text("secret")], &["id"])).await?;
        manager.create_index(index("orders", "orders_generation_run", &["generation_run"])).await
    }
}
