//! Which orders synchronized data shows (domain.md, "Verification and reconciliation").
//!
//! Asked of the lanes, not of the assignments: what was deleted has no assignment any more, and its order
//! is verified all the same, however often a computation was interrupted.

use super::comparison::Comparisons;
use super::generate::LaneKey;
use super::known_order::KnownOrder;
use provost_domain::{OrderId, Timestamp, Value};
use std::collections::BTreeMap;

/// The orders that are shown, each with the entity type that shows it. `resource` finds what synchronization
/// read, `seen_at` says when the export began that showed an entity type of a connector, `comparisons` how the
/// properties that an order of a resource type changed are compared.
pub fn shown<'a>(
    lanes: &BTreeMap<LaneKey, Vec<KnownOrder>>,
    resource: impl Fn(&str, &str) -> Option<&'a BTreeMap<String, Value>>,
    seen_at: impl Fn(&str, &str) -> Option<Timestamp>,
    comparisons: impl Fn(&str, &str) -> Comparisons<'a>,
) -> Vec<(OrderId, String)> {
    let mut shown = Vec::new();
    for ((connector, entity_type, key), lane) in lanes {
        let Some(seen_at) = seen_at(connector, entity_type) else { continue };
        let current = resource(entity_type, key);
        let orders = lane
            .iter()
            .filter(|order| order.is_shown_by(current, seen_at, comparisons(entity_type, &order.resource_type)));
        shown.extend(orders.map(|order| (order.id, entity_type.clone())));
    }
    shown
}
