//! Reading and writing reviews.

use super::decisions;
use super::entity::review::{ActiveModel, Column, Entity, Model};
use crate::model::{Decision, Review, State, Subject, SubjectKind};
use prost::Message;
use provost_contract::types::v1::{AssignmentRequest, Order};
use provost_domain::Timestamp;
use provost_service_kit::Fault;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

/// Opens a review unless its id is taken. Says whether it did.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn open(
    connection: &impl ConnectionTrait,
    id: Uuid,
    subject: &Subject,
    approvals_required: u32,
    requested_by: String,
    now: Timestamp,
) -> Result<bool, Fault> {
    let row = ActiveModel {
        sequence: NotSet,
        id: Set(id),
        state: Set(State::Open.number()),
        resource_type: Set(subject.resource_type().to_owned()),
        owner_key: Set(subject.owner_key().to_owned()),
        payload: Set(match subject {
            Subject::Order(order) => order.encode_to_vec(),
            Subject::AssignmentRequest(request) => request.encode_to_vec(),
        }),
        version: Set(1),
        requested_by: Set(requested_by),
        created_at: Set(now.millis()),
        updated_at: Set(now.millis()),
        subject_kind: Set(subject.kind().number()),
        role: Set(subject.role().to_owned()),
        approvals_required: Set(i32::try_from(approvals_required).unwrap_or(i32::MAX)),
    };
    let unless_taken = OnConflict::column(Column::Id).do_nothing().to_owned();
    let inserted = Entity::insert(row).on_conflict(unless_taken).exec_without_returning(connection).await?;
    Ok(inserted == 1)
}

/// A review with its decisions.
///
/// # Errors
/// When there is none, or the database cannot be reached.
pub(crate) async fn get(connection: &impl ConnectionTrait, id: Uuid) -> Result<Review, Fault> {
    find(connection, id, Entity::find()).await
}

/// The same, held against other writers until the transaction ends.
///
/// # Errors
/// As [`get`].
pub(crate) async fn hold(transaction: &impl ConnectionTrait, id: Uuid) -> Result<Review, Fault> {
    // SQLite has one writer, and its transactions hold everything from their beginning.
    let is_postgres = transaction.get_database_backend() == DbBackend::Postgres;
    find(transaction, id, if is_postgres { Entity::find().lock_exclusive() } else { Entity::find() }).await
}

async fn find(connection: &impl ConnectionTrait, id: Uuid, query: sea_orm::Select<Entity>) -> Result<Review, Fault> {
    let row = query.filter(Column::Id.eq(id)).one(connection).await?;
    let row = row.ok_or_else(|| Fault::not_found(format!("review {id}")))?;
    review_of(row, decisions::of(connection, &[id]).await?)
}

/// Moves a review to a state, and its version on by one.
///
/// # Errors
/// When its version is another by now, or the database cannot be reached.
pub(crate) async fn set_state(
    transaction: &impl ConnectionTrait,
    review: &Review,
    state: State,
    now: Timestamp,
) -> Result<(), Fault> {
    let written = Entity::update_many()
        .col_expr(Column::State, Expr::value(state.number()))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .col_expr(Column::UpdatedAt, Expr::value(now.millis()))
        .filter(Column::Id.eq(review.id))
        .filter(Column::Version.eq(review.version))
        .exec(transaction)
        .await?;
    if written.rows_affected == 1 {
        return Ok(());
    }
    // Cannot be while the row is held; the check costs nothing and stays.
    Err(Fault::new(
        provost_service_kit::FaultKind::Conflict,
        format!("review {} has changed; read it again", review.id),
    ))
}

/// What narrows a list. An empty text does not, nor does no kind.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) states: Vec<State>,
    pub(crate) kinds: Vec<SubjectKind>,
    pub(crate) resource_type: String,
    pub(crate) role: String,
    pub(crate) owner_key: String,
}

/// The reviews after a place in the list, oldest first, with their decisions.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn list(
    connection: &impl ConnectionTrait,
    filter: &Filter,
    after: i64,
    limit: u64,
) -> Result<Vec<Review>, Fault> {
    let states = filter.states.iter().map(|state| state.number());
    let mut query = Entity::find().filter(Column::Sequence.gt(after)).filter(Column::State.is_in(states));
    if !filter.kinds.is_empty() {
        query = query.filter(Column::SubjectKind.is_in(filter.kinds.iter().map(|kind| kind.number())));
    }
    for (column, wanted) in [
        (Column::ResourceType, &filter.resource_type),
        (Column::Role, &filter.role),
        (Column::OwnerKey, &filter.owner_key),
    ] {
        if !wanted.is_empty() {
            query = query.filter(column.eq(wanted));
        }
    }
    let rows = query.order_by_asc(Column::Sequence).limit(limit).all(connection).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut decisions = decisions::of(connection, &ids).await?;
    rows.into_iter()
        .map(|row| {
            let own = decisions.extract_if(.., |decision| decision.review == row.id).collect();
            review_of(row, own)
        })
        .collect()
}

fn review_of(row: Model, decisions: Vec<Decision>) -> Result<Review, Fault> {
    let damaged = |what| Fault::internal(anyhow::anyhow!("the row of review {} is damaged: {what}", row.id));
    let payload = row.payload.as_slice();
    let subject = match SubjectKind::from_number(row.subject_kind).ok_or_else(|| damaged("subject kind"))? {
        SubjectKind::Order => Order::decode(payload).map(Subject::Order),
        SubjectKind::AssignmentRequest => AssignmentRequest::decode(payload).map(Subject::AssignmentRequest),
    };
    Ok(Review {
        sequence: row.sequence,
        id: row.id,
        state: State::from_number(row.state).ok_or_else(|| damaged("state"))?,
        subject: subject.map_err(|_| damaged("payload"))?,
        approvals_required: u32::try_from(row.approvals_required).map_err(|_| damaged("approvals required"))?,
        decisions,
        version: row.version,
        requested_by: row.requested_by,
        created_at: Timestamp::from_millis(row.created_at),
        updated_at: Timestamp::from_millis(row.updated_at),
    })
}
