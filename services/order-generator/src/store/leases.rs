//! What only one replica does at a time, and which. On SQLite these are leases, which end when their holder falls
//! silent; on PostgreSQL a lock says who it is (`Generator::alone`), and the row is there so that a holder that lost the
//! lock, and does not know it yet, writes nothing any more.

use super::entity::lease::{ActiveModel, Column, Entity};
use provost_domain::Timestamp;
use provost_service_kit::Engine;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, ExprTrait, QueryFilter,
    QuerySelect,
};

/// Takes or renews a lease: true when it is `holder`'s until `until`.
pub(crate) async fn take(
    connection: &impl ConnectionTrait,
    name: &str,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, DbErr> {
    let row = ActiveModel { name: Set(name.to_owned()), holder: Set(holder.to_owned()), until: Set(until.millis()) };
    let taken = Entity::insert(row)
        .on_conflict(
            OnConflict::column(Column::Name)
                .update_columns([Column::Holder, Column::Until])
                .action_and_where(
                    Expr::col((Entity, Column::Holder))
                        .eq(holder)
                        .or(Expr::col((Entity, Column::Until)).lte(now.millis())),
                )
                .to_owned(),
        )
        .exec_without_returning(connection)
        .await?;
    Ok(taken > 0)
}

/// Writes that it is `holder`'s, whoever had it before. Waits for transactions that were begun under the one before.
pub(crate) async fn seize(
    connection: &impl ConnectionTrait,
    name: &str,
    holder: &str,
    until: Timestamp,
) -> Result<(), DbErr> {
    let row = ActiveModel { name: Set(name.to_owned()), holder: Set(holder.to_owned()), until: Set(until.millis()) };
    let replace = OnConflict::column(Column::Name).update_columns([Column::Holder, Column::Until]).to_owned();
    Entity::insert(row).on_conflict(replace).exec_without_returning(connection).await.map(|_| ())
}

/// Whether it is `holder`'s, and stays so until the transaction ends.
pub(crate) async fn is_held(
    transaction: &DatabaseTransaction,
    engine: Engine,
    name: &str,
    holder: &str,
) -> Result<bool, DbErr> {
    let query = Entity::find_by_id(name.to_owned()).filter(Column::Holder.eq(holder));
    // SQLite has one writer anyway.
    let query = if engine == Engine::Postgres { query.lock_shared() } else { query };
    Ok(query.one(transaction).await?.is_some())
}

/// Gives a lease back.
pub(crate) async fn release(connection: &impl ConnectionTrait, name: &str, holder: &str) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(Column::Name.eq(name))
        .filter(Column::Holder.eq(holder))
        .exec(connection)
        .await
        .map(|_| ())
}

/// Forgets all leases: at the start of a process that has the database to itself.
pub(crate) async fn clear(connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    Entity::delete_many().exec(connection).await.map(|_| ())
}
