//! The resources that no synchronization read, by the orders that wrote them: the newest order of each, also of
//! those that are gone. The values are in the repository, beside those that synchronization read.

use super::entity::virtual_resource::{Column, Entity, Model};
use provost_domain::Timestamp;
use provost_service_kit::{Engine, Fault, Wanted, each};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter};
use std::collections::HashMap;

/// Columns that an insert writes.
const COLUMNS: usize = 7;

/// By which order a resource is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) entity_type: String,
    pub(crate) key: String,
    pub(crate) lane: String,
    pub(crate) order_id: String,
    /// The order's place among all orders; within a lane a lower one goes first.
    pub(crate) sequence: i64,
    /// The order deleted it.
    pub(crate) is_gone: bool,
    /// When it was said that it is written.
    pub(crate) written_at: Timestamp,
}

fn read(row: Model) -> Mark {
    let Model { entity_type, key, lane, order_id, sequence, gone, written_at } = row;
    Mark { entity_type, key, lane, order_id, sequence, is_gone: gone, written_at: Timestamp::from_millis(written_at) }
}

/// The marks of these resources of an entity type, by key.
pub(crate) async fn these(
    connection: &impl ConnectionTrait,
    engine: Engine,
    entity_type: &str,
    keys: &[String],
) -> Result<HashMap<String, Mark>, Fault> {
    let query = Entity::find().filter(Column::EntityType.eq(entity_type));
    let wanted = [(Column::Key, Wanted::Texts(keys.iter().map(String::as_str).collect()))];
    let rows = Entity::find().from_raw_sql(each(engine, query, &wanted)).all(connection).await?;
    Ok(rows.into_iter().map(|row| (row.key.clone(), read(row))).collect())
}

/// Keeps marks; one of an older order than the one that is there changes nothing.
pub(crate) async fn save(connection: &impl ConnectionTrait, engine: Engine, marks: &[Mark]) -> Result<(), DbErr> {
    for chunk in marks.chunks(engine.rows_per_statement(COLUMNS)) {
        let rows = chunk.iter().map(|mark| {
            let Mark { entity_type, key, lane, order_id, sequence, is_gone, written_at } = mark.clone();
            let written_at = written_at.millis();
            Model { entity_type, key, lane, order_id, sequence, gone: is_gone, written_at }.into_active_model()
        });
        Entity::insert_many(rows)
            .on_conflict(
                OnConflict::columns([Column::EntityType, Column::Key])
                    .update_columns([Column::Lane, Column::OrderId, Column::Sequence, Column::Gone, Column::WrittenAt])
                    .action_and_where(
                        Expr::col((Entity, Column::Sequence)).lt(Expr::col(("excluded", Column::Sequence))),
                    )
                    .to_owned(),
            )
            .exec_without_returning(connection)
            .await?;
    }
    Ok(())
}

/// Forgets the marks of an entity type: a synchronization has read it.
pub(crate) async fn forget(connection: &impl ConnectionTrait, entity_type: &str) -> Result<(), DbErr> {
    Entity::delete_many().filter(Column::EntityType.eq(entity_type)).exec(connection).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::Migrator;
    use provost_service_kit::Database;

    #[tokio::test]
    async fn newest_order_of_a_resource_stands_whoever_comes_last() {
        for engine in provost_testkit::engines().await {
            let database = Database::connect(&engine.url.as_str().into(), None).await.unwrap();
            database.migrate::<Migrator>().await.unwrap();
            let mark = |key: &str, sequence: i64, is_gone: bool| Mark {
                entity_type: "Card".into(),
                key: key.into(),
                lane: format!("desk Card {key}"),
                order_id: format!("order {sequence}"),
                sequence,
                is_gone,
                written_at: Timestamp::from_millis(sequence),
            };
            let keys = ["a", "b", "c"].map(str::to_owned);
            for marks in [vec![mark("a", 5, true), mark("b", 1, false)], vec![mark("a", 4, false), mark("b", 7, false)]]
            {
                save(database.write(), database.engine(), &marks).await.unwrap();
            }
            let found = these(database.read(), database.engine(), "Card", &keys).await.unwrap();
            assert_eq!(found.get("a"), Some(&mark("a", 5, true)), "{}", engine.name);
            assert_eq!(found.get("b"), Some(&mark("b", 7, false)), "{}", engine.name);
            assert_eq!(found.len(), 2);
            assert!(these(database.read(), database.engine(), "Badge", &keys).await.unwrap().is_empty());
            forget(database.write(), "Card").await.unwrap();
            assert!(these(database.read(), database.engine(), "Card", &keys).await.unwrap().is_empty());
        }
    }
}
