//! Leases: what only one replica does at a time. A holder that falls silent loses its lease.

use super::entity::lease::{ActiveModel, Column, Entity};
use provost_domain::Timestamp;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter};

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
