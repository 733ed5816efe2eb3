//! Finished orders that left the ledger's table: one row each, with the whole history in it.
//!
//! The rules that must hold: an archived order is still known by its id (the same order submitted again is a
//! duplicate, what depends on it finds it written), it is found by whoever asks for it, and the feed still
//! tells of it. What a lane's newest order decides (whether the same content is submitted again) is decided as
//! if nothing had been archived.

use crate::model::record::record;
use crate::model::{Entry, Offer, Standing};
use crate::store::entries::Full;
use crate::store::list::{Count, Filter};
use crate::store::{entries, history};
use prost::Message;
use provost_contract::fulfillment::v1::GetOrderResponse;
use provost_contract::types::v1::HistoryEntry;
use provost_contract::{masked, to_wire};
use provost_domain::{InactiveReason, OrderId, ProvisioningState, State, Timestamp};
use provost_service_kit::Fault;
use provost_service_kit::Rows;
use provost_service_kit::statement::{Sql, pieces};
use sea_orm::{ConnectionTrait, QueryResult, Value};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

const COLUMNS: [&str; 17] = [
    "sequence",
    "id",
    "lane",
    "fingerprint",
    "resource_type",
    "state",
    "inactive_reason",
    "attempts",
    "generated_at",
    "created_at",
    "updated_at",
    "state_since",
    "executed_at",
    "version",
    "last_cursor",
    "archived_at",
    "body",
];

/// Orders that may be archived: Verified, or Inactive, since `until` or longer.
///
/// Not yet those of which something is still said: review must be told, an attempt may still be writing, or the
/// newest of the lane would be another one by it, which makes, or unmakes, a duplicate of what is submitted
/// next (`model::submission::makes_duplicate`).
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn ripe(
    connection: &impl ConnectionTrait,
    until: Timestamp,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<OrderId>, Fault> {
    let [expired, declined] = [InactiveReason::Expired as i32, InactiveReason::Declined as i32];
    let mut sql = Sql::new("SELECT id FROM orders o WHERE state IN (4, 6) AND state_since <= ");
    sql.bind(until.millis()).push(" AND (held_until IS NULL OR held_until <= ").bind(now.millis()).push(&format!(
        ") AND NOT EXISTS (SELECT 1 FROM review_outbox r WHERE r.order_id = o.id) \
         AND NOT EXISTS (SELECT 1 FROM orders e WHERE e.lane = o.lane AND e.sequence < o.sequence \
         AND (e.state NOT IN (4, 6) OR (e.state = 6 AND e.inactive_reason IN ({expired}, {declined})))) \
         AND (o.state = 4 OR o.inactive_reason NOT IN ({expired}, {declined}) OR EXISTS \
         (SELECT 1 FROM orders n WHERE n.lane = o.lane AND n.sequence > o.sequence)) \
         ORDER BY state_since LIMIT "
    ));
    let rows = sql.bind(limit).all(connection).await?;
    rows.iter().map(|row| Ok(OrderId::new(row.try_get("", "id")?))).collect()
}

/// Moves orders out of the ledger's table.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn put(connection: &impl ConnectionTrait, ids: &[OrderId], now: Timestamp) -> Result<usize, Fault> {
    let full = entries::full_by_ids(connection, ids).await?;
    let mut histories = history::of_all(connection, ids).await?;
    let mut counts: BTreeMap<(String, i32), i64> = BTreeMap::new();
    let mut rows = Rows::of(&COLUMNS, full.len());
    for (id, Full { entry, order }) in &full {
        let history = histories.remove(id).unwrap_or_default();
        *counts.entry((order.resource_type.clone(), entry.standing.state.number().number())).or_default() += 1;
        rows.push(row(entry, order.clone(), history, now));
    }
    rows.insert(connection, "order_archive", "").await?;
    let gone: Vec<Uuid> = full.keys().map(|id| id.uuid()).collect();
    history::remove(connection, &gone).await?;
    for piece in pieces(&gone) {
        Sql::new("DELETE FROM order_dependencies WHERE order_id").among(piece).run(connection).await?;
    }
    let places: Vec<i64> = full.values().map(|full| full.entry.sequence).collect();
    for piece in pieces(&places) {
        for table in ["order_standings", "order_contents"] {
            Sql::new(&format!("DELETE FROM {table} WHERE sequence")).among(piece).run(connection).await?;
        }
    }
    let mut kept = Rows::of(&["resource_type", "state", "orders"], counts.len());
    counts.into_iter().for_each(|((kind, state), count)| kept.push([kind.into(), state.into(), count.into()]));
    let more = " ON CONFLICT (resource_type, state) DO UPDATE SET orders = archived_counts.orders + excluded.orders";
    kept.insert(connection, "archived_counts", more).await?;
    Ok(gone.len())
}

fn row(
    entry: &Entry,
    order: provost_contract::types::v1::Order,
    history: Vec<HistoryEntry>,
    now: Timestamp,
) -> Vec<Value> {
    let standing = &entry.standing;
    let last_cursor = history.last().map_or(0, |line| line.cursor);
    let inactive_reason = match &standing.state {
        State::Inactive { reason } => Some(*reason as i32),
        _ => None,
    };
    let resource_type = order.resource_type.clone();
    // Nothing is written any more, so that nobody has to know what was confidential.
    let body = GetOrderResponse {
        record: Some(record(masked(order), entry, &[], None, now)),
        history,
        archived_at: Some(to_wire::timestamp(now)),
    };
    vec![
        entry.sequence.into(),
        entry.id.uuid().into(),
        entry.lane.clone().into(),
        entry.fingerprint.clone().into(),
        resource_type.into(),
        standing.state.number().number().into(),
        inactive_reason.into(),
        i32::try_from(standing.attempts).unwrap_or(i32::MAX).into(),
        entry.generated_at.millis().into(),
        entry.created_at.millis().into(),
        entry.updated_at.millis().into(),
        standing.state_since.millis().into(),
        standing.executed_at.map(Timestamp::millis).into(),
        entry.version.into(),
        last_cursor.into(),
        now.millis().into(),
        body.encode_to_vec().into(),
    ]
}

/// What was archived of `ids`, as somebody who asks for it sees it.
///
/// # Errors
/// When the database cannot be reached, or a row is damaged.
pub(crate) async fn bodies(
    connection: &impl ConnectionTrait,
    ids: &[OrderId],
) -> Result<HashMap<OrderId, GetOrderResponse>, Fault> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let mut found = HashMap::new();
    for piece in pieces(&ids) {
        let mut sql = Sql::new("SELECT id,body FROM order_archive WHERE id");
        for row in sql.among(piece).all(connection).await? {
            found.insert(OrderId::new(row.try_get("", "id")?), body(&row)?);
        }
    }
    Ok(found)
}

/// The last event of each archived order whose last event came after a cursor, in their order.
///
/// # Errors
/// As [`bodies`].
pub(crate) async fn after(
    connection: &impl ConnectionTrait,
    cursor: i64,
    limit: u64,
) -> Result<Vec<HistoryEntry>, Fault> {
    let mut sql = Sql::new("SELECT body FROM order_archive WHERE last_cursor > ");
    sql.bind(cursor).push(" ORDER BY last_cursor LIMIT ").bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = sql.all(connection).await?;
    let last = |row: &QueryResult| Ok(body(row)?.history.pop());
    rows.iter().filter_map(|row| last(row).transpose()).collect()
}

fn body(row: &QueryResult) -> Result<GetOrderResponse, Fault> {
    let bytes: Vec<u8> = row.try_get("", "body")?;
    GetOrderResponse::decode(bytes.as_slice()).map_err(Fault::internal)
}

/// The entries of those of `ids` that were archived.
///
/// # Errors
/// As [`bodies`].
pub(crate) async fn entries(connection: &impl ConnectionTrait, ids: &[OrderId]) -> Result<Vec<Entry>, Fault> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let mut found = Vec::new();
    for piece in pieces(&ids) {
        let mut sql = Sql::new(
            "SELECT sequence,id,lane,fingerprint,state,inactive_reason,attempts,generated_at,created_at,updated_at,\
             state_since,executed_at,version FROM order_archive WHERE id",
        );
        for row in sql.among(piece).all(connection).await? {
            found.push(entry(&row)?);
        }
    }
    Ok(found)
}

fn entry(row: &QueryResult) -> Result<Entry, Fault> {
    let at = |column: &str| Ok::<_, Fault>(Timestamp::from_millis(row.try_get("", column)?));
    let state: i32 = row.try_get("", "state")?;
    let reason: Option<i32> = row.try_get("", "inactive_reason")?;
    let reasons =
        [InactiveReason::Expired, InactiveReason::Declined, InactiveReason::Cancelled, InactiveReason::Superseded];
    let state = match reasons.into_iter().find(|known| Some(*known as i32) == reason) {
        Some(reason) if state == ProvisioningState::Inactive.number() => State::Inactive { reason },
        _ => State::Verified,
    };
    let executed_at: Option<i64> = row.try_get("", "executed_at")?;
    Ok(Entry {
        sequence: row.try_get("", "sequence")?,
        id: OrderId::new(row.try_get("", "id")?),
        lane: row.try_get("", "lane")?,
        // No connection has to do with what is over.
        connection: String::new(),
        fingerprint: row.try_get("", "fingerprint")?,
        generated_at: at("generated_at")?,
        not_before: None,
        validity: None,
        version: row.try_get("", "version")?,
        created_at: at("created_at")?,
        updated_at: at("updated_at")?,
        standing: Standing {
            state,
            attempts: u32::try_from(row.try_get::<i32>("", "attempts")?).unwrap_or(0),
            failures: 0,
            throttles: 0,
            waits_for: None,
            unmet_dependencies: 0,
            executed_at: executed_at.map(Timestamp::from_millis),
            held_until: None,
            offer: Offer::No,
            assignee: None,
            state_since: at("state_since")?,
        },
    })
}

/// Adds how many orders were archived to counts.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn count(
    connection: &impl ConnectionTrait,
    filter: &Filter,
    counts: &mut Vec<Count>,
) -> Result<(), Fault> {
    let mut sql = Sql::new("SELECT resource_type,state,orders FROM archived_counts WHERE 1 = 1");
    filter.narrow(&mut sql);
    for row in sql.all(connection).await? {
        let (resource_type, state): (String, i32) = (row.try_get("", "resource_type")?, row.try_get("", "state")?);
        let archived: i64 = row.try_get("", "orders")?;
        match counts.iter_mut().find(|count| count.resource_type == resource_type && count.state == state) {
            Some(count) => count.archived = archived,
            None => counts.push(Count { resource_type, state, count: 0, in_flight: 0, archived }),
        }
    }
    counts.sort_by(|a, b| (&a.resource_type, a.state).cmp(&(&b.resource_type, b.state)));
    Ok(())
}
