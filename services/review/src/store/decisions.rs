//! Decisions: written once, read by review and by cursor.

use super::entity::decision::{ActiveModel, Column, Entity, Model};
use crate::model::{Decision, Review, SubjectKind, Verdict, Wish};
use provost_domain::Timestamp;
use provost_service_kit::Fault;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

/// Most decisions that the feed reads at once.
const BATCH: u64 = 500;

/// Keeps a decision on a review as it was before it. The feed must be in order: see `Database::order_feed`.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn add(
    transaction: &impl ConnectionTrait,
    review: &Review,
    wish: &Wish,
    is_complete: bool,
    now: Timestamp,
) -> Result<(), Fault> {
    let row = ActiveModel {
        cursor: NotSet,
        review_id: Set(review.id),
        order_id: Set(review.subject.order_id().to_owned()),
        verdict: Set(wish.verdict.number()),
        actor: Set(wish.actor.clone()),
        comment: Set(wish.comment.clone()),
        at: Set(now.millis()),
        subject_kind: Set(review.subject.kind().number()),
        step: Set(i32::try_from(review.step()).unwrap_or(i32::MAX)),
        is_complete: Set(is_complete),
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

/// The next decisions after a cursor, on these kinds of things; none of them means all.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn after(
    connection: &impl ConnectionTrait,
    cursor: i64,
    kinds: &[SubjectKind],
) -> Result<Vec<Decision>, Fault> {
    let mut query = Entity::find().filter(Column::Cursor.gt(cursor)).order_by_asc(Column::Cursor).limit(BATCH);
    if !kinds.is_empty() {
        query = query.filter(Column::SubjectKind.is_in(kinds.iter().map(|kind| kind.number())));
    }
    query.all(connection).await?.into_iter().map(decision_of).collect()
}

fn decision_of(row: Model) -> Result<Decision, Fault> {
    let Model { cursor, review_id, order_id, verdict, actor, comment, at, subject_kind, step, is_complete } = row;
    let damaged =
        |what: &str, number: i32| Fault::internal(anyhow::anyhow!("decision {cursor} is damaged: {what} {number}"));
    Ok(Decision {
        cursor,
        review: review_id,
        order_id,
        kind: SubjectKind::from_number(subject_kind).ok_or_else(|| damaged("subject kind", subject_kind))?,
        step: u32::try_from(step).map_err(|_| damaged("step", step))?,
        verdict: Verdict::from_number(verdict).ok_or_else(|| damaged("verdict", verdict))?,
        is_complete,
        actor,
        comment,
        at: Timestamp::from_millis(at),
    })
}
