//! What blocked synchronizations hold back: every resource that they would have changed beyond a threshold.
//!
//! The rule that must hold: of each connection the list is that of its newest synchronization that is over. One that
//! was applied holds nothing.

use super::entity::held_resource::{Column, Entity, Model};
use provost_service_kit::Engine;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};

/// Columns that an insert writes.
const COLUMNS: usize = 7;

/// One resource that would be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldResource {
    pub(crate) connection: String,
    pub(crate) entity_type: String,
    /// "inserted", "updated" or "deleted".
    pub(crate) change: String,
    pub(crate) key: String,
}

/// What holds resources back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct By<'a> {
    pub(crate) synchronization_id: &'a str,
    /// The job run that asked for it; empty when none did.
    pub(crate) job_run_id: &'a str,
    pub(crate) connection: &'a str,
}

/// Keeps the list of a connection, in place of the one before.
pub(crate) async fn replace(
    connection: &impl ConnectionTrait,
    engine: Engine,
    by: &By<'_>,
    held: &[HeldResource],
) -> Result<(), DbErr> {
    Entity::delete_many().filter(Column::Connection.eq(by.connection)).exec(connection).await?;
    let row = |(position, held): (i64, &HeldResource)| Model {
        synchronization_id: by.synchronization_id.to_owned(),
        position,
        job_run_id: by.job_run_id.to_owned(),
        connection: held.connection.clone(),
        entity_type: held.entity_type.clone(),
        change: held.change.clone(),
        key: held.key.clone(),
    };
    let rows: Vec<Model> = (1..).zip(held).map(row).collect();
    for chunk in rows.chunks(engine.rows_per_statement(COLUMNS)) {
        let rows = chunk.iter().cloned().map(IntoActiveModel::into_active_model);
        Entity::insert_many(rows).exec_without_returning(connection).await?;
    }
    Ok(())
}

/// The synchronizations that hold something back, by their ids, each with its job run.
pub(crate) async fn synchronizations(connection: &impl ConnectionTrait) -> Result<Vec<(String, String)>, DbErr> {
    let query = Entity::find().select_only().columns([Column::SynchronizationId, Column::JobRunId]).distinct();
    query.into_tuple().all(connection).await
}

/// A page of what these synchronizations hold, passing over so many.
pub(crate) async fn list(
    connection: &impl ConnectionTrait,
    synchronization_ids: &[&str],
    after: u64,
    limit: u64,
) -> Result<Vec<HeldResource>, DbErr> {
    let rows = Entity::find()
        .filter(Column::SynchronizationId.is_in(synchronization_ids.iter().copied()))
        .order_by_asc(Column::SynchronizationId)
        .order_by_asc(Column::Position)
        .offset(after)
        .limit(limit)
        .all(connection)
        .await?;
    let read = |Model { connection, entity_type, change, key, .. }: Model| HeldResource {
        connection,
        entity_type,
        change,
        key,
    };
    Ok(rows.into_iter().map(read).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::store::Migrator;
    use provost_service_kit::Database;

    #[tokio::test]
    async fn each_connection_has_one_list_which_is_paged() {
        for engine in provost_testkit::engines().await {
            let database = Database::connect(&engine.url.as_str().into(), None).await.unwrap();
            database.migrate::<Migrator>().await.unwrap();
            let (connection, kind) = (database.write(), database.engine());
            let held = |of: &str, keys: &[&str]| -> Vec<HeldResource> {
                let one = |key: &&str| HeldResource {
                    connection: of.to_owned(),
                    entity_type: "Person".to_owned(),
                    change: "deleted".to_owned(),
                    key: (*key).to_owned(),
                };
                keys.iter().map(one).collect()
            };
            let by =
                |id: &'static str, of: &'static str| By { synchronization_id: id, job_run_id: "run", connection: of };
            let (hr, app) = (held("hr", &["3", "1", "2"]), held("app", &["x"]));
            replace(connection, kind, &by("a", "hr"), &hr).await.unwrap();
            replace(connection, kind, &by("b", "app"), &app).await.unwrap();
            assert_eq!(list(connection, &["a"], 0, 2).await.unwrap(), hr[..2], "{}", engine.name);
            assert_eq!(
                list(connection, &["a", "b"], 2, 9).await.unwrap(),
                [&hr[2..], &app].concat(),
                "{}",
                engine.name
            );
            replace(connection, kind, &by("c", "hr"), &held("hr", &["1"])).await.unwrap();
            assert!(list(connection, &["a"], 0, 9).await.unwrap().is_empty(), "{}", engine.name);
            replace(connection, kind, &by("c", "hr"), &[]).await.unwrap();
            assert_eq!(
                synchronizations(connection).await.unwrap(),
                [("b".to_owned(), "run".to_owned())],
                "{}",
                engine.name
            );
        }
    }
}
