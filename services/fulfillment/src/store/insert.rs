//! Storing new orders.

use crate::model::Entry;
use crate::model::submission::Prepared;
use crate::store::entries::{CHANGING, changing};
use crate::store::rows::Rows;
use provost_domain::{Order, OrderId, Timestamp};
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
    orders: Vec<Prepared>,
    entries: &HashMap<OrderId, Entry>,
) -> Result<(), Fault> {
    let columns: Vec<&'static str> = FIXED.into_iter().chain(CHANGING).collect();
    let mut rows = Rows::of(&columns, orders.len());
    for order in orders {
        let Some(entry) = entries.get(&order.order.id) else { continue };
        let changing = changing(&entry.standing, entry.validity);
        rows.push(fixed(order, entry).into_iter().chain(changing));
    }
    rows.insert(connection, "orders", "").await?;
    Ok(())
}

fn fixed(prepared: Prepared, entry: &Entry) -> [Value; FIXED.len()] {
    let Prepared { order, lane, fingerprint, payload } = prepared;
    let Order { id, kind, resource_type, connector, connection, entity_type, owner, target_key, .. } = order;
    let validity = entry.validity.map(|duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX));
    [
        id.uuid().into(),
        (kind as i32).into(),
        lane.into(),
        fingerprint.into(),
        resource_type.into(),
        connector.into(),
        connection.into(),
        entity_type.into(),
        owner.key.into(),
        target_key.into(),
        order.generation_run.into(),
        payload.into(),
        order.priority.into(),
        order.generated_at.millis().into(),
        order.not_before.map(Timestamp::millis).into(),
        validity.into(),
        entry.version.into(),
        entry.created_at.millis().into(),
        entry.updated_at.millis().into(),
    ]
}
