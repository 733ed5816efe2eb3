//! What tells whom a change concerns, so that not everybody is evaluated anew.

use super::{big, big_or_none, index, int, key, sequence, table, text};
use sea_orm_migration::prelude::*;

pub(super) struct Incremental;

impl MigrationName for Incremental {
    fn name(&self) -> &str {
        "m0006_incremental"
    }
}

fn blob(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).blob().not_null().to_owned()
}

#[async_trait::async_trait]
impl MigrationTrait for Incremental {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for create in [
            table(
                "changes",
                vec![
                    sequence("sequence"),
                    int("kind"),
                    text("entity_type"),
                    text("key"),
                    big_or_none("before"),
                    ColumnDef::new("properties").text().null().to_owned(),
                ],
                &[],
            ),
            table(
                "dependencies",
                vec![
                    text("owner_type"),
                    key("owner_key", manager),
                    blob("claims"),
                    blob("needs"),
                    big_or_none("next_change"),
                ],
                &["owner_type", "owner_key"],
            ),
            table(
                "dependents",
                vec![big("need"), text("owner_type"), key("owner_key", manager)],
                &["need", "owner_type", "owner_key"],
            ),
            table(
                "texts",
                vec![big("need"), text("entity_type"), key("key", manager)],
                &["need", "entity_type", "key"],
            ),
        ] {
            manager.create_table(create).await?;
        }
        let content = ColumnDef::new("content").blob().not_null().default("").to_owned();
        manager.alter_table(Table::alter().table("assignments").add_column(content).to_owned()).await?;
        // Orders that the projection had before do not say: they are looked at as if they had just come.
        for column in [
            text("entity_type").default("").to_owned(),
            big_or_none("generated_at"),
            big_or_none("executed_at"),
            big("changed").default(0).to_owned(),
        ] {
            manager.alter_table(Table::alter().table("orders").add_column(column).to_owned()).await?;
        }
        // Computations before this one left no dependencies: the next one is for everybody.
        let consumed = big_or_none("orders_until");
        manager.alter_table(Table::alter().table("computations").add_column(consumed).to_owned()).await?;
        for column in [text("excess").default("[]").to_owned(), text("passed_by").default("").to_owned()] {
            manager.alter_table(Table::alter().table("synchronizations").add_column(column).to_owned()).await?;
        }
        for create in [
            index("texts", "texts_resource", &["entity_type", "key"]),
            index("dependencies", "dependencies_due", &["next_change"]),
            index("orders", "orders_changed", &["changed"]),
            index("orders", "orders_shown", &["entity_type", "state", "generated_at"]),
        ] {
            manager.create_index(create).await?;
        }
        Ok(())
    }
}
