//! The schema, step by step. Forward only; a step that was released is never edited.

use sea_orm_migration::prelude::*;

pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First), Box::new(Requests)]
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

/// Reviews of assignment requests, and approvals in several steps. Whatever was there is about orders, and
/// takes one approval.
struct Requests;

impl MigrationName for Requests {
    fn name(&self) -> &str {
        "m0002_requests"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Requests {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let int = |name: &'static str| ColumnDef::new(name).integer().not_null().default(1).to_owned();
        let complete = ColumnDef::new("is_complete").boolean().not_null().default(true).to_owned();
        // SQLite takes one column at a time.
        for (table, column) in [
            ("reviews", int("subject_kind")),
            ("reviews", text("role").default("").to_owned()),
            ("reviews", int("approvals_required")),
            ("decisions", int("subject_kind")),
            ("decisions", int("step")),
            ("decisions", complete),
        ] {
            manager.alter_table(Table::alter().table(table).add_column(column).to_owned()).await?;
        }
        let postponed = Query::update()
            .table("decisions")
            .value("is_complete", false)
            .and_where(Expr::col("verdict").eq(crate::model::Verdict::Postpone.number()))
            .to_owned();
        manager.execute(postponed).await?;
        let by_kind =
            Index::create().name("decisions_kind").table("decisions").col("subject_kind").col("cursor").to_owned();
        manager.create_index(by_kind).await
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::model::{State, SubjectKind, Verdict};
    use crate::store::{decisions, reviews};
    use prost::Message;
    use provost_contract::types::v1::Order;
    use provost_service_kit::Database;
    use sea_orm::ConnectionTrait;
    use sea_orm::sea_query::SimpleExpr;

    struct Old;

    #[async_trait::async_trait]
    impl MigratorTrait for Old {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            vec![Box::new(First)]
        }
    }

    async fn insert(database: &Database, table: &'static str, values: Vec<(&'static str, SimpleExpr)>) {
        let (columns, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        let insert = Query::insert().into_table(table).columns(columns).values_panic(values).to_owned();
        database.write().execute(&insert).await.unwrap();
    }

    #[tokio::test]
    async fn reviews_and_decisions_from_before_requests_are_about_orders_and_complete() {
        for engine in provost_testkit::engines().await {
            let database = Database::connect(&engine.url.as_str().into(), None).await.unwrap();
            database.migrate::<Old>().await.unwrap();
            let id = uuid::Uuid::from_u128(7);
            let order = Order { order_id: id.to_string(), ..Order::default() };
            insert(
                &database,
                "reviews",
                vec![
                    ("id", id.into()),
                    ("state", State::Approved.number().into()),
                    ("resource_type", "App".into()),
                    ("owner_key", "E1".into()),
                    ("payload", order.encode_to_vec().into()),
                    ("version", 3_i64.into()),
                    ("requested_by", "fulfillment".into()),
                    ("created_at", 1_i64.into()),
                    ("updated_at", 2_i64.into()),
                ],
            )
            .await;
            for verdict in [Verdict::Postpone, Verdict::Approve] {
                insert(
                    &database,
                    "decisions",
                    vec![
                        ("review_id", id.into()),
                        ("order_id", id.to_string().into()),
                        ("verdict", verdict.number().into()),
                        ("actor", "ada".into()),
                        ("comment", "".into()),
                        ("at", 2_i64.into()),
                    ],
                )
                .await;
            }
            database.migrate::<Migrator>().await.unwrap();
            let review = reviews::get(database.read(), id).await.unwrap();
            assert_eq!(
                (review.subject.kind(), review.subject.order_id()),
                (SubjectKind::Order, order.order_id.as_str())
            );
            assert_eq!((review.approvals_required, review.approvals_given()), (1, 1), "{}", engine.name);
            let decided = decisions::after(database.read(), 0, &[SubjectKind::Order]).await.unwrap();
            let complete: Vec<_> = decided.iter().map(|decision| (decision.step, decision.is_complete)).collect();
            assert_eq!(complete, [(1, false), (1, true)], "{}", engine.name);
        }
    }
}
