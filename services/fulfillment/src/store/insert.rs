//! Storing new orders.

use crate::model::Entry;
use crate::store::entries::changing_columns;
use crate::store::statement;
use prost::Message;
use provost_domain::{Order, Timestamp};
use provost_service_kit::Fault;
use sea_orm::{ConnectionTrait, Value};
use std::collections::HashMap;

/// The columns that are written once.
const FIXED: [&str; 19] = [
    "id",
    "kind",
    "lane",
    "fingerprint",
    "resource_type",
    "connector",
    "connection",
    "entity_type",
    "owner_key",
    "target_key",
    "generation_run",
    "payload",
    "priority",
    "generated_at",
    "not_before",
    "validity_ms",
    "version",
    "created_at",
    "updated_at",
];

/// Inserts orders in their sequence.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn orders(
    connection: &impl ConnectionTrait,
    orders: &[Order],
    entries: &HashMap<provost_domain::OrderId, Entry>,
) -> Result<(), Fault> {
    let mut columns = FIXED.to_vec();
    let mut rows = Vec::with_capacity(orders.len());
    for order in orders {
        let Some(entry) = entries.get(&order.id) else { continue };
        let mut row = fixed(order, entry);
        let changing = changing_columns(entry);
        if columns.len() == FIXED.len() {
            columns.extend(changing.iter().map(|(column, _)| *column));
        }
        row.extend(changing.into_iter().map(|(_, value)| value));
        rows.push(row);
    }
    statement::insert(connection, "orders", &columns, &rows, "").await?;
    Ok(())
}

fn fixed(order: &Order, entry: &Entry) -> Vec<Value> {
    let validity = entry.validity.map(|duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX));
    vec![
        order.id.uuid().into(),
        (order.kind as i32).into(),
        entry.lane.clone().into(),
        entry.fingerprint.clone().into(),
        order.resource_type.clone().into(),
        order.connector.clone().into(),
        order.connection.clone().into(),
        order.entity_type.clone().into(),
        order.owner.key.clone().into(),
        order.target_key.clone().into(),
        order.generation_run.clone().into(),
        provost_contract::to_wire::order(order).encode_to_vec().into(),
        order.priority.into(),
        order.generated_at.millis().into(),
        order.not_before.map(Timestamp::millis).into(),
        validity.into(),
        entry.version.into(),
        entry.created_at.millis().into(),
        entry.updated_at.millis().into(),
    ]
}
