//! Lines of the history: one per step, and what the order feed is made of.

use crate::model::note::Line;
use provost_contract::to_wire;
use provost_contract::types::v1::{HistoryEntry, OrderEvent};
use provost_domain::{OrderId, Timestamp};
use provost_service_kit::Fault;
use provost_service_kit::Rows;
use provost_service_kit::statement::{Sql, pieces};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use std::collections::HashMap;
use uuid::Uuid;

const COLUMNS: [&str; 10] =
    ["order_id", "event", "from_state", "to_state", "actor", "at", "attempt", "reason", "version", "assignee"];

/// Appends lines, in their order.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn append(connection: &impl ConnectionTrait, lines: Vec<Line>) -> Result<(), Fault> {
    let mut rows = Rows::of(&COLUMNS, lines.len());
    for Line { id, event, from, to, at, attempt, note, assignee, version } in lines {
        rows.push([
            id.uuid().into(),
            i32::from(event).into(),
            from.into(),
            to.into(),
            note.actor.into(),
            at.millis().into(),
            i32::try_from(attempt).unwrap_or(i32::MAX).into(),
            note.reason.into(),
            version.into(),
            assignee.into(),
        ]);
    }
    rows.insert(connection, "order_history", "").await?;
    Ok(())
}

/// The lines without late feedback that the history has already: an agent that was not thanked
/// sends it again.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn without_repeated_late(
    connection: &impl ConnectionTrait,
    lines: Vec<Line>,
) -> Result<Vec<Line>, Fault> {
    let mut kept: Vec<Line> = Vec::with_capacity(lines.len());
    for line in lines {
        if line.event == OrderEvent::LateFeedback {
            let mut sql = Sql::new("SELECT cursor FROM order_history WHERE order_id = ");
            sql.bind(line.id.uuid()).push(" AND event = ").bind(i32::from(line.event));
            sql.push(" AND attempt = ").bind(i32::try_from(line.attempt).unwrap_or(i32::MAX));
            sql.push(" AND reason = ").bind(line.note.reason.clone()).push(" LIMIT 1");
            let is_here = kept.iter().any(|other| {
                (other.id, other.event, other.attempt, &other.note) == (line.id, line.event, line.attempt, &line.note)
            });
            if is_here || sql.one(connection).await?.is_some() {
                continue;
            }
        }
        kept.push(line);
    }
    Ok(kept)
}

/// One order's history, oldest first.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn of(connection: &impl ConnectionTrait, id: OrderId) -> Result<Vec<HistoryEntry>, Fault> {
    let mut sql = Sql::new("SELECT * FROM order_history WHERE order_id = ");
    let rows = sql.bind(id.uuid()).push(" ORDER BY cursor").all(connection).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// The histories of `ids`, each oldest first.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn of_all(
    connection: &impl ConnectionTrait,
    ids: &[OrderId],
) -> Result<HashMap<OrderId, Vec<HistoryEntry>>, Fault> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let mut found: HashMap<OrderId, Vec<HistoryEntry>> = HashMap::with_capacity(ids.len());
    for piece in pieces(&ids) {
        let mut sql = Sql::new("SELECT * FROM order_history WHERE order_id");
        for row in sql.among(piece).push(" ORDER BY cursor").all(connection).await? {
            found.entry(OrderId::new(row.try_get("", "order_id")?)).or_default().push(read(&row)?);
        }
    }
    Ok(found)
}

/// Removes the histories of `ids`, which were archived.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn remove(connection: &impl ConnectionTrait, ids: &[Uuid]) -> Result<(), Fault> {
    for piece in pieces(ids) {
        Sql::new("DELETE FROM order_history WHERE order_id").among(piece).run(connection).await?;
    }
    Ok(())
}

/// The next lines of the whole ledger after a cursor.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn after(
    connection: &impl ConnectionTrait,
    cursor: i64,
    limit: u64,
) -> Result<Vec<HistoryEntry>, Fault> {
    let mut sql = Sql::new("SELECT * FROM order_history WHERE cursor > ");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = sql.bind(cursor).push(" ORDER BY cursor LIMIT ").bind(limit).all(connection).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// The cursor of the newest line of the whole ledger; 0 before the first.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn newest(connection: &impl ConnectionTrait) -> Result<i64, Fault> {
    // The newest event may have been archived with its order.
    let newest = "SELECT MAX(newest) AS newest FROM (SELECT MAX(cursor) AS newest FROM order_history \
                  UNION ALL SELECT MAX(last_cursor) AS newest FROM order_archive) AS cursors";
    let row = Sql::new(newest).one(connection).await?;
    let newest: Option<Option<i64>> = row.map(|row| row.try_get("", "newest")).transpose()?;
    Ok(newest.flatten().unwrap_or_default())
}

fn read(row: &QueryResult) -> Result<HistoryEntry, DbErr> {
    Ok(HistoryEntry {
        cursor: row.try_get("", "cursor")?,
        order_id: row.try_get::<Uuid>("", "order_id")?.to_string(),
        event: row.try_get("", "event")?,
        from_state: row.try_get("", "from_state")?,
        to_state: row.try_get("", "to_state")?,
        actor: row.try_get("", "actor")?,
        at: Some(to_wire::timestamp(Timestamp::from_millis(row.try_get("", "at")?))),
        attempt: row.try_get("", "attempt")?,
        reason: row.try_get("", "reason")?,
        version: row.try_get("", "version")?,
        assignee: row.try_get::<Option<String>>("", "assignee")?.unwrap_or_default(),
    })
}
