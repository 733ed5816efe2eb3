//! Lanes: the orders of one target resource, and of nobody else's.

use provost_domain::Order;

/// What tells lanes apart: connector, entity type, target key.
pub type LaneKey = (String, String, String);

/// The lane of an order. One without a key is in a lane of its owner's own.
pub fn lane_of_order(order: &Order) -> LaneKey {
    let key = match order.target_key.as_str() {
        "" => unknown_key(&order.resource_type, &order.owner.entity_type, &order.owner.key),
        key => key.to_owned(),
    };
    (order.connector.clone(), order.entity_type.clone(), key)
}

/// The stand-in for a key that could not be computed, or is somebody else's; it cannot be a real one.
pub fn unknown_key(resource_type: &str, owner_entity_type: &str, owner_key: &str) -> String {
    format!("\u{1f}{resource_type}\u{1f}{owner_entity_type}\u{1f}{owner_key}")
}
