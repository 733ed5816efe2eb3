//! Storing new orders: what never changes, and where they stand.

use crate::model::Entry;
use crate::model::submission::Prepared;
use crate::store::entries::{CHANGING, changing};
use provost_domain::{Order, OrderId, Timestamp};
use provost_service_kit::Fault;
use provost_service_kit::Rows;
use sea_orm::{ConnectionTrait, Value};
use std::collections::HashMap;
use uuid::Uuid;

/// What never changes, of `order_contents`.
const CONTENT: [&str; 13] = [
    "id",
    "lane",
    "fingerprint",
    "connector",
    "entity_type",
    "owner_key",
    "target_key",
    "generation_run",
    "payload",
    "generated_at",
    "not_before",
    "validity_ms",
    "created_at",
];

/// What `order_standings` has beside [`CHANGING`].
const BESIDE: [&str; 7] = ["sequence", "connection", "resource_type", "kind", "priority", "version", "updated_at"];

/// Inserts orders in their sequence.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn orders(
    connection: &impl ConnectionTrait,
    orders: Vec<Prepared>,
    entries: &HashMap<OrderId, Entry>,
) -> Result<(), Fault> {
    let columns: Vec<&'static str> = BESIDE.into_iter().chain(CHANGING).collect();
    let (mut contents, mut standings) = (Rows::of(&CONTENT, orders.len()), Vec::with_capacity(orders.len()));
    for prepared in orders {
        let Some(entry) = entries.get(&prepared.order.id) else { continue };
        let Prepared { order, lane, fingerprint, payload } = prepared;
        let Order { id, kind, resource_type, connector, connection, entity_type, owner, target_key, .. } = order;
        let validity = entry.validity.map(|duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX));
        contents.push([
            id.uuid().into(),
            lane.into(),
            fingerprint.into(),
            connector.into(),
            entity_type.into(),
            owner.key.into(),
            target_key.into(),
            order.generation_run.into(),
            payload.into(),
            order.generated_at.millis().into(),
            order.not_before.map(Timestamp::millis).into(),
            validity.into(),
            entry.created_at.millis().into(),
        ]);
        let beside: [Value; BESIDE.len() - 1] = [
            connection.into(),
            resource_type.into(),
            (kind as i32).into(),
            order.priority.into(),
            entry.version.into(),
            entry.updated_at.millis().into(),
        ];
        standings.push((id, beside, changing(&entry.standing, entry.validity)));
    }
    let mut sequences: HashMap<Uuid, i64> = HashMap::with_capacity(standings.len());
    for row in contents.insert(connection, "order_contents", " RETURNING id,sequence").await? {
        sequences.insert(row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    }
    let mut rows = Rows::of(&columns, standings.len());
    for (id, beside, changing) in standings {
        let sequence = sequences.get(&id.uuid()).copied();
        let sequence = sequence.ok_or_else(|| Fault::internal(anyhow::anyhow!("order {id} was given no sequence")))?;
        rows.push(std::iter::once(sequence.into()).chain(beside).chain(changing));
    }
    rows.insert(connection, "order_standings", "").await?;
    Ok(())
}
