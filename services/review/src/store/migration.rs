//! The schema, step by step. Forward only; a step that was released is never edited.

use sea_orm_migration::prelude::*;

pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First)]
    }
}

struct First;

impl MigrationName for First {
    fn name(&self) -> &str {
        "m0001_first"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for First {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(reviews()).await?;
        manager.create_table(decisions()).await?;
        let index = |table: &'static str, name: &'static str, columns: &[&'static str]| {
            let mut index = Index::create().name(name).table(table).to_owned();
            columns.iter().for_each(|column| {
                index.col(*column);
            });
            index
        };
        manager.create_index(index("reviews", "reviews_id", &["id"]).unique().to_owned()).await?;
        manager.create_index(index("reviews", "reviews_state", &["state", "sequence"])).await?;
        manager.create_index(index("reviews", "reviews_owner", &["owner_key", "sequence"])).await?;
        manager.create_index(index("decisions", "decisions_review", &["review_id", "cursor"])).await
    }
}

fn sequence(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().auto_increment().primary_key().to_owned()
}

fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().to_owned()
}

fn big(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().to_owned()
}

fn reviews() -> TableCreateStatement {
    Table::create()
        .table("reviews")
        .col(sequence("sequence"))
        .col(ColumnDef::new("id").uuid().not_null())
        .col(ColumnDef::new("state").integer().not_null())
        .col(text("resource_type"))
        .col(text("owner_key"))
        .col(ColumnDef::new("payload").blob().not_null())
        .col(big("version"))
        .col(text("requested_by"))
        .col(big("created_at"))
        .col(big("updated_at"))
        .to_owned()
}

fn decisions() -> TableCreateStatement {
    Table::create()
        .table("decisions")
        .col(sequence("cursor"))
        .col(ColumnDef::new("review_id").uuid().not_null())
        .col(text("order_id"))
        .col(ColumnDef::new("verdict").integer().not_null())
        .col(text("actor"))
        .col(text("comment"))
        .col(big("at"))
        .to_owned()
}
