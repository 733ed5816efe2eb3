//! What review must still be told of requests: one line per request, written with the step that causes it,
//! removed when review has answered it.

use super::entity::request_outbox::{Column, Entity, Model};
use provost_domain::Timestamp;
use provost_service_kit::Fault;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use std::time::Duration;

/// What to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// That a request waits for approvals.
    Request = 1,
    /// That it no longer does.
    Withdraw = 2,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) request_id: String,
    pub(crate) action: Action,
    pub(crate) reason: String,
    /// How often it was told before without an answer that settles it.
    pub(crate) tries: i32,
}

const WAIT: Duration = Duration::from_millis(250);
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Puts a line; one of the same request is replaced.
pub(crate) async fn put(
    connection: &impl ConnectionTrait,
    request_id: &str,
    action: Action,
    reason: &str,
    now: Timestamp,
) -> Result<(), Fault> {
    let row = Model {
        request_id: request_id.to_owned(),
        action: action as i32,
        reason: reason.to_owned(),
        tries: 0,
        due_at: now.millis(),
    };
    let replacing = OnConflict::column(Column::RequestId)
        .update_columns([Column::Action, Column::Reason, Column::Tries, Column::DueAt])
        .to_owned();
    Entity::insert(row.into_active_model()).on_conflict(replacing).exec_without_returning(connection).await?;
    Ok(())
}

/// Whether a line is due.
pub(crate) async fn is_due(connection: &impl ConnectionTrait, now: Timestamp) -> Result<bool, Fault> {
    Ok(Entity::find().filter(Column::DueAt.lte(now.millis())).one(connection).await?.is_some())
}

/// Takes due lines, oldest first; each is due again later, unless it is [`done`] until then.
pub(crate) async fn take(connection: &impl ConnectionTrait, now: Timestamp, limit: u64) -> Result<Vec<Line>, Fault> {
    let due = Entity::find().filter(Column::DueAt.lte(now.millis())).order_by_asc(Column::DueAt).limit(limit);
    let mut lines = Vec::new();
    for Model { request_id, action, reason, tries, .. } in due.all(connection).await? {
        let wait = WAIT.saturating_mul(1 << tries.clamp(0, 6)).min(WAIT_MAX);
        Entity::update_many()
            .col_expr(Column::Tries, Expr::value(tries + 1))
            .col_expr(Column::DueAt, Expr::value(now.plus(wait).millis()))
            .filter(Column::RequestId.eq(&request_id))
            .exec(connection)
            .await?;
        let action = if action == Action::Request as i32 { Action::Request } else { Action::Withdraw };
        lines.push(Line { request_id, action, reason, tries });
    }
    Ok(lines)
}

/// Removes a line that review has answered; one that was replaced meanwhile stays.
pub(crate) async fn done(connection: &impl ConnectionTrait, line: &Line) -> Result<(), Fault> {
    Entity::delete_many()
        .filter(Column::RequestId.eq(&line.request_id))
        .filter(Column::Action.eq(line.action as i32))
        .exec(connection)
        .await?;
    Ok(())
}
