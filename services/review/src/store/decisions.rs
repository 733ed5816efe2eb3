//! Decisions: written once, read by review and by cursor.

use super::entity::decision::{ActiveModel, Column, Entity, Model};
use crate::model::{Decision, Review, Verdict, Wish};
use provost_domain::Timestamp;
use provost_service_kit::Fault;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

/// Most decisions that the feed reads at once.
const BATCH: u64 = 500;

/// Keeps a decision. The feed must be in order: see `Database::order_feed`.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn add(
    transaction: &impl ConnectionTrait,
    review: &Review,
    wish: &Wish,
    now: Timestamp,
) -> Result<(), Fault> {
    let row = ActiveModel {
        cursor: NotSet,
        review_id: Set(review.id),
        order_id: Set(review.order.order_id.clone()),
        verdict: Set(wish.verdict.number()),
        actor: Set(wish.actor.clone()),
        comment: Set(wish.comment.clone()),
        at: Set(now.millis()),
    };
    Entity::insert(row).exec_without_returning(transaction).await?;
    Ok(())
}

/// The decisions on some reviews, oldest first.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn of(connection: &impl ConnectionTrait, reviews: &[Uuid]) -> Result<Vec<Decision>, Fault> {
    if reviews.is_empty() {
        return Ok(vec![]);
    }
    let query = Entity::find().filter(Column::ReviewId.is_in(reviews.iter().copied()));
    let rows = query.order_by_asc(Column::Cursor).all(connection).await?;
    rows.into_iter().map(decision_of).collect()
}

/// The next decisions after a cursor.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn after(connection: &impl ConnectionTrait, cursor: i64) -> Result<Vec<Decision>, Fault> {
    let query = Entity::find().filter(Column::Cursor.gt(cursor)).order_by_asc(Column::Cursor).limit(BATCH);
    query.all(connection).await?.into_iter().map(decision_of).collect()
}

fn decision_of(row: Model) -> Result<Decision, Fault> {
    let Model { cursor, review_id, order_id, verdict, actor, comment, at } = row;
    let damaged = || Fault::internal(anyhow::anyhow!("decision {cursor} is damaged: verdict {verdict}"));
    let verdict = Verdict::from_number(verdict).ok_or_else(damaged)?;
    Ok(Decision { cursor, review: review_id, order_id, verdict, actor, comment, at: Timestamp::from_millis(at) })
}
