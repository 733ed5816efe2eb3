//! Which orders wait for which others to be fulfilled, across lanes. Only what is not yet fulfilled
//! is kept; the order's content keeps the whole list.

use provost_domain::OrderId;
use provost_service_kit::Fault;
use provost_service_kit::Rows;
use provost_service_kit::statement::{Sql, pieces};
use sea_orm::ConnectionTrait;
use std::collections::HashMap;
use uuid::Uuid;

/// Notes that the first order of each pair waits for the second.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn add(connection: &impl ConnectionTrait, pairs: &[(OrderId, OrderId)]) -> Result<(), Fault> {
    let mut rows = Rows::of(&["order_id", "depends_on"], pairs.len());
    pairs.iter().for_each(|(order, on)| rows.push([order.uuid().into(), on.uuid().into()]));
    rows.insert(connection, "order_dependencies", " ON CONFLICT DO NOTHING").await?;
    Ok(())
}

/// Takes out what `fulfilled` orders held up: the orders that waited, and for how many of them.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn fulfil(
    connection: &impl ConnectionTrait,
    fulfilled: &[OrderId],
) -> Result<HashMap<OrderId, u32>, Fault> {
    let ids: Vec<Uuid> = fulfilled.iter().map(|id| id.uuid()).collect();
    let mut freed = HashMap::new();
    for piece in pieces(&ids) {
        let mut sql = Sql::new("DELETE FROM order_dependencies WHERE depends_on");
        for row in sql.among(piece).push(" RETURNING order_id").all(connection).await? {
            *freed.entry(OrderId::new(row.try_get("", "order_id")?)).or_default() += 1;
        }
    }
    Ok(freed)
}

/// The orders that wait for one of `ids`, each with the one that it waits for.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn waiting_for(
    connection: &impl ConnectionTrait,
    ids: &[OrderId],
) -> Result<Vec<(OrderId, OrderId)>, Fault> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let mut found = Vec::new();
    for piece in pieces(&ids) {
        let mut sql = Sql::new("SELECT order_id,depends_on FROM order_dependencies WHERE depends_on");
        for row in sql.among(piece).push(" ORDER BY order_id,depends_on").all(connection).await? {
            let on = OrderId::new(row.try_get("", "depends_on")?);
            found.push((OrderId::new(row.try_get("", "order_id")?), on));
        }
    }
    Ok(found)
}

/// The order that stands for `id` after some were replaced, each by the next.
pub(crate) fn successor(id: OrderId, replaced: &HashMap<OrderId, OrderId>) -> OrderId {
    let mut last = id;
    // No longer than there are replacements: whatever a caller put in, this ends.
    for _ in 0..replaced.len() {
        let Some(newer) = replaced.get(&last) else { break };
        last = *newer;
    }
    last
}

/// Lets dependents of a replaced order wait for the order that replaces it: the dependents, and for
/// how many orders each waits now. Two orders may have been replaced by one, which is waited for once.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn follow(
    connection: &impl ConnectionTrait,
    replaced: &HashMap<OrderId, OrderId>,
) -> Result<HashMap<OrderId, u32>, Fault> {
    let mut dependents = Vec::new();
    let older: Vec<Uuid> = replaced.keys().map(|older| older.uuid()).collect();
    for piece in pieces(&older) {
        let mut sql = Sql::new("SELECT DISTINCT depends_on FROM order_dependencies WHERE depends_on");
        for row in sql.among(piece).all(connection).await? {
            let id = OrderId::new(row.try_get("", "depends_on")?);
            let mut sql = Sql::new("INSERT INTO order_dependencies (order_id,depends_on) SELECT order_id,");
            sql.bind(successor(id, replaced).uuid()).push(" FROM order_dependencies WHERE depends_on = ");
            sql.bind(id.uuid()).push(" ON CONFLICT DO NOTHING").run(connection).await?;
            let mut sql = Sql::new("DELETE FROM order_dependencies WHERE depends_on = ");
            for row in sql.bind(id.uuid()).push(" RETURNING order_id").all(connection).await? {
                dependents.push(OrderId::new(row.try_get("", "order_id")?));
            }
        }
    }
    dependents.sort();
    dependents.dedup();
    let left = of(connection, &dependents).await?;
    Ok(left.into_iter().map(|(id, on)| (id, u32::try_from(on.len()).unwrap_or(u32::MAX))).collect())
}

/// What each of `ids` still waits for, what that waits for, and so on to the end.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn all_ahead(
    connection: &impl ConnectionTrait,
    ids: &[OrderId],
) -> Result<HashMap<OrderId, Vec<OrderId>>, Fault> {
    let mut found: HashMap<OrderId, Vec<OrderId>> = HashMap::new();
    let mut unread: Vec<OrderId> = ids.to_vec();
    while !unread.is_empty() {
        let next = of(connection, &unread).await?;
        unread = next.values().flatten().copied().collect();
        found.extend(next);
        unread.retain(|id| !found.contains_key(id));
        unread.sort();
        unread.dedup();
    }
    Ok(found)
}

/// What each of `ids` still waits for.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn of(
    connection: &impl ConnectionTrait,
    ids: &[OrderId],
) -> Result<HashMap<OrderId, Vec<OrderId>>, Fault> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let mut found: HashMap<OrderId, Vec<OrderId>> = HashMap::new();
    for piece in pieces(&ids) {
        let mut sql = Sql::new("SELECT order_id,depends_on FROM order_dependencies WHERE order_id");
        for row in sql.among(piece).push(" ORDER BY depends_on").all(connection).await? {
            let on = OrderId::new(row.try_get("", "depends_on")?);
            found.entry(OrderId::new(row.try_get("", "order_id")?)).or_default().push(on);
        }
    }
    Ok(found)
}
