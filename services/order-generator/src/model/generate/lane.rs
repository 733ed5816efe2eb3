//! Lanes: the orders of one target resource, and of nobody else's.

use provost_domain::{Order, Owner};
use sha2::{Digest, Sha256};

/// What tells lanes apart: connector, entity type, target key.
pub type LaneKey = (String, String, String);

/// A lane, in few bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(u128);

/// An owner, in few bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerId(u128);

/// The first bytes of a SHA-256: whoever may choose a key cannot choose one that passes for another.
fn hash(parts: &[&str]) -> u128 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        // No UTF-8 text holds it: the parts cannot run into each other.
        hash.update([0xff]);
    }
    u128::from_be_bytes(hash.finalize().first_chunk().copied().unwrap_or_default())
}

impl LaneId {
    /// Of a lane.
    pub fn of((connector, entity_type, key): &LaneKey) -> Self {
        Self::named(connector, entity_type, key)
    }

    /// Of the lane of this key.
    pub fn named(connector: &str, entity_type: &str, key: &str) -> Self {
        Self(hash(&[connector, entity_type, key]))
    }
}

impl OwnerId {
    /// Of an owner.
    pub fn of(owner: &Owner) -> Self {
        Self::named(&owner.entity_type, &owner.key)
    }

    /// Of the owner of this key.
    pub fn named(entity_type: &str, key: &str) -> Self {
        Self(hash(&[entity_type, key]))
    }
}

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
