//! Catalogs that were applied. The newest is the current one.

use super::entity::catalog::{ActiveModel, Column, Entity, Model};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, QueryOrder, QuerySelect};

/// The current catalog.
pub(crate) async fn newest(connection: &impl ConnectionTrait) -> Result<Option<Model>, DbErr> {
    Entity::find().order_by_desc(Column::Revision).one(connection).await
}

/// The catalog of a revision.
pub(crate) async fn of_revision(connection: &impl ConnectionTrait, revision: i64) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(revision).one(connection).await
}

/// The current catalog's revision; none before the first apply.
pub(crate) async fn newest_revision(connection: &impl ConnectionTrait) -> Result<Option<i64>, DbErr> {
    Entity::find()
        .select_only()
        .column(Column::Revision)
        .order_by_desc(Column::Revision)
        .into_tuple()
        .one(connection)
        .await
}

/// A catalog to apply.
pub(crate) struct NewCatalog {
    pub(crate) digest: String,
    pub(crate) files: String,
    pub(crate) applied_at: i64,
    pub(crate) applied_by: String,
}

/// Makes a catalog the current one, and gives its revision.
pub(crate) async fn insert(connection: &impl ConnectionTrait, catalog: NewCatalog) -> Result<i64, DbErr> {
    let NewCatalog { digest, files, applied_at, applied_by } = catalog;
    let row = ActiveModel {
        digest: Set(digest),
        files: Set(files),
        applied_at: Set(applied_at),
        applied_by: Set(applied_by),
        ..Default::default()
    };
    Ok(Entity::insert(row).exec(connection).await?.last_insert_id)
}

/// The catalog of a revision, without its files: who applied it, and when.
pub(crate) async fn applied(connection: &impl ConnectionTrait, revision: i64) -> Result<Option<(String, i64)>, DbErr> {
    Entity::find_by_id(revision)
        .select_only()
        .columns([Column::AppliedBy, Column::AppliedAt])
        .into_tuple()
        .one(connection)
        .await
}
