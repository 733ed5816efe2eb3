//! What the review service must still be told: one line per order, written with the step that
//! causes it, removed when review has answered.

use provost_domain::{OrderId, Timestamp};
use provost_service_kit::Fault;
use provost_service_kit::Rows;
use provost_service_kit::statement::{Sql, pieces};
use sea_orm::ConnectionTrait;
use std::time::Duration;
use uuid::Uuid;

/// What to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Request = 1,
    Withdraw = 2,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) id: OrderId,
    pub(crate) action: Action,
    pub(crate) reason: String,
    /// How often it was told before without an answer that settles it.
    pub(crate) tries: i32,
}

/// Why a review is withdrawn.
pub(crate) const NOT_WAITING: &str = "the order no longer waits for review";

const WAIT_MAX: Duration = Duration::from_secs(10);

/// Puts lines for `ids`; a line of the same order is replaced.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn put(
    connection: &impl ConnectionTrait,
    action: Action,
    ids: &[OrderId],
    reason: &str,
    now: Timestamp,
) -> Result<(), Fault> {
    let mut rows = Rows::of(&["order_id", "action", "reason", "tries", "due_at"], ids.len());
    for id in ids {
        rows.push([id.uuid().into(), (action as i32).into(), reason.into(), 0_i32.into(), now.millis().into()]);
    }
    let end = " ON CONFLICT (order_id) DO UPDATE SET action = excluded.action, reason = excluded.reason, \
               tries = 0, due_at = excluded.due_at";
    rows.insert(connection, "review_outbox", end).await?;
    Ok(())
}

/// Whether a line is due.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn is_due(connection: &impl ConnectionTrait, now: Timestamp) -> Result<bool, Fault> {
    let mut sql = Sql::new("SELECT order_id FROM review_outbox WHERE due_at <= ");
    Ok(sql.bind(now.millis()).push(" LIMIT 1").one(connection).await?.is_some())
}

/// Takes due lines, oldest first; each is due again later, unless it is [`done`] until then.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn take(connection: &impl ConnectionTrait, now: Timestamp, limit: i64) -> Result<Vec<Line>, Fault> {
    let mut sql = Sql::new("SELECT order_id,action,reason,tries FROM review_outbox WHERE due_at <= ");
    sql.bind(now.millis()).push(" ORDER BY due_at LIMIT ").bind(limit);
    let mut lines = Vec::new();
    let mut waits: Vec<(i32, Vec<Uuid>)> = Vec::new();
    for row in sql.all(connection).await? {
        let id: Uuid = row.try_get("", "order_id")?;
        let tries: i32 = row.try_get("", "tries")?;
        let action = if row.try_get::<i32>("", "action")? == 1 { Action::Request } else { Action::Withdraw };
        lines.push(Line { id: OrderId::new(id), action, reason: row.try_get("", "reason")?, tries });
        match waits.iter_mut().find(|(number, _)| *number == tries) {
            Some((_, ids)) => ids.push(id),
            None => waits.push((tries, vec![id])),
        }
    }
    for (tries, ids) in waits {
        let doubled = Duration::from_millis(250).saturating_mul(1 << tries.clamp(0, 6));
        for piece in pieces(&ids) {
            let mut sql = Sql::new("UPDATE review_outbox SET tries = tries + 1, due_at = ");
            sql.bind(now.plus(doubled.min(WAIT_MAX)).millis());
            sql.push(" WHERE order_id").among(piece).run(connection).await?;
        }
    }
    Ok(lines)
}

/// Removes lines that review has answered; a line that was replaced meanwhile stays.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn done(connection: &impl ConnectionTrait, lines: &[Line]) -> Result<(), Fault> {
    for action in [Action::Request, Action::Withdraw] {
        let ids: Vec<Uuid> = lines.iter().filter(|line| line.action == action).map(|line| line.id.uuid()).collect();
        for piece in pieces(&ids) {
            let mut sql = Sql::new("DELETE FROM review_outbox WHERE action = ");
            sql.bind(action as i32).push(" AND order_id").among(piece).run(connection).await?;
        }
    }
    Ok(())
}
