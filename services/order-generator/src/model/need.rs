//! What a result was computed from, so that it can be told when it may be another one.
//!
//! Whatever is looked up while an owner is evaluated and compared is noted, found or not: a result is a
//! function of what was noted, and of nothing else. The rule that must hold: the same thing has the same
//! [`Need`], in every process and for ever, since they are stored, and no two things have the same one.

use sha2::{Digest, Sha256};

/// One thing that a result was computed from, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Need(pub i64);

/// The first bytes of a SHA-256: whoever may choose a value cannot choose one that passes for another.
fn hash(kind: u8, parts: &[&str]) -> Need {
    let mut hash = Sha256::new();
    hash.update([kind]);
    for part in parts {
        hash.update(part);
        // No UTF-8 text holds it: the parts cannot run into each other.
        hash.update([0xff]);
    }
    let first = hash.finalize().first_chunk().copied().unwrap_or_default();
    Need(i64::from_be_bytes(first))
}

impl Need {
    /// A resource, and the orders on it.
    pub fn resource(entity_type: &str, key: &str) -> Self {
        hash(b'r', &[entity_type, key])
    }

    /// Whatever resources of an entity type have this text on a side of rules, which its expression tells.
    pub fn text(entity_type: &str, side: &str, text: &str) -> Self {
        hash(b't', &[entity_type, side, text])
    }

    /// Whatever resources of an entity type point at this key by that navigation.
    pub fn pointing(entity_type: &str, property: &str, key: &str) -> Self {
        hash(b'p', &[entity_type, property, key])
    }

    /// The rules that ask owners of an entity type for this value of a dimension; none is any of it, for an owner of
    /// whom the dimension cannot be told.
    pub fn dimension(entity_type: &str, dimension: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => hash(b'd', &[entity_type, dimension, value]),
            None => hash(b'n', &[entity_type, dimension]),
        }
    }

    /// The rules of a resource type, for an owner who has it, had it, or shall have it.
    pub fn resource_type(name: &str) -> Self {
        hash(b'k', &[name])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_what_they_were() {
        // They are stored: whoever changes the function has to change the schema.
        assert_eq!(Need::resource("Person", "E1"), Need(6_279_593_519_852_262_084));
        assert_ne!(Need::resource("Person", "E1"), Need::resource("PersonE", "1"));
        assert_ne!(Need::text("Person", "a", "b"), Need::pointing("Person", "a", "b"));
        assert_ne!(Need::pointing("Position", "owner", "E1"), Need::pointing("Positio", "nowner", "E1"));
    }
}
