//! What a result was computed from, so that it can be told when it may be another one.
//!
//! Whatever is looked up while an owner is evaluated and compared is noted, found or not: a result is a
//! function of what was noted, and of nothing else. The rule that must hold: the same thing has the same
//! [`Need`], in every process and for ever, since they are stored. Two things may share one: then an owner is
//! evaluated once too often, and nothing else happens.

/// One thing that a result was computed from, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Need(pub i64);

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// FNV-1a: short texts, no key, the same everywhere.
fn hash(kind: u8, parts: &[&str]) -> Need {
    let mut hash = OFFSET;
    let mut add = |byte: u8| {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(PRIME);
    };
    add(kind);
    for part in parts {
        part.bytes().for_each(&mut add);
        // No UTF-8 text holds it: the parts cannot run into each other.
        add(0xff);
    }
    // The last bytes would else reach the upper bits only, and an index is read from there.
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^= hash >> 32;
    Need(hash.cast_signed())
}

impl Need {
    /// A resource, and the orders on it.
    pub fn resource(entity_type: &str, key: &str) -> Self {
        hash(b'r', &[entity_type, key])
    }

    /// Whatever resources of an entity type have this text on one side of a rule.
    pub fn text(rule: &str, text: &str) -> Self {
        hash(b't', &[rule, text])
    }

    /// Whatever resources of an entity type point at this key by that navigation.
    pub fn pointing(entity_type: &str, property: &str, key: &str) -> Self {
        hash(b'p', &[entity_type, property, key])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_what_they_were() {
        // They are stored: whoever changes the function has to change the schema.
        assert_eq!(Need::resource("Person", "E1"), Need(679_920_443_764_975_534));
        assert_ne!(Need::resource("Person", "E1"), Need::resource("PersonE", "1"));
        assert_ne!(Need::resource("Person", "E1"), Need::text("Person", "E1"));
        assert_ne!(Need::pointing("Position", "owner", "E1"), Need::pointing("Positio", "nowner", "E1"));
    }
}
