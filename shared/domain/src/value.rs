//! Values of properties: what synchronization reads, rules compute and packages write.
//!
//! The rule that must hold: a value that travels out and comes back compares equal to itself
//! ([`Value::same_as`]), whatever order a list comes back in.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One value. "No value" is the absence of a `Value` (`Option<Value>`), not a variant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Text.
    String(String),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// An instant.
    Timestamp(Timestamp),
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// Several scalar values; order carries no meaning.
    List(Vec<Value>),
}

/// The types that a property can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// An instant.
    Timestamp,
    /// Raw bytes.
    Bytes,
}

impl ValueType {
    /// All types, for messages that list what would be right.
    pub const ALL: [Self; 5] = [Self::String, Self::Integer, Self::Boolean, Self::Timestamp, Self::Bytes];

    /// The name used in catalogs and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Timestamp => "timestamp",
            Self::Bytes => "bytes",
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value_type| value_type.name() == name)
    }

    /// Reads text as a value of this type: what a CSV cell or an LDAP attribute holds.
    ///
    /// # Errors
    /// A sentence that quotes the text (shortened) and says what would be right.
    pub fn read(self, text: &str) -> Result<Value, String> {
        let wrong = |wanted: &str| {
            let shown: String = text.chars().take(40).collect();
            Err(format!("'{shown}' is not {wanted}"))
        };
        match self {
            Self::String => Ok(Value::String(text.to_owned())),
            Self::Integer => match text.trim().parse() {
                Ok(number) => Ok(Value::Integer(number)),
                Err(_) => wrong("a whole number"),
            },
            Self::Boolean => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" => Ok(Value::Boolean(true)),
                "false" | "0" | "no" => Ok(Value::Boolean(false)),
                _ => wrong("a boolean (true or false)"),
            },
            Self::Timestamp => match Timestamp::parse(text) {
                Some(instant) => Ok(Value::Timestamp(instant)),
                None => wrong("a date (2026-03-01) or an instant (2026-03-01T08:00:00Z)"),
            },
            Self::Bytes => Ok(Value::Bytes(text.as_bytes().to_vec())),
        }
    }
}

impl Value {
    /// The type, for a scalar; `None` for a list.
    pub const fn value_type(&self) -> Option<ValueType> {
        match self {
            Self::String(_) => Some(ValueType::String),
            Self::Integer(_) => Some(ValueType::Integer),
            Self::Boolean(_) => Some(ValueType::Boolean),
            Self::Timestamp(_) => Some(ValueType::Timestamp),
            Self::Bytes(_) => Some(ValueType::Bytes),
            Self::List(_) => None,
        }
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The items: of a list its own, of a scalar the scalar itself.
    pub fn items(&self) -> &[Value] {
        match self {
            Self::List(items) => items,
            scalar => std::slice::from_ref(scalar),
        }
    }

    /// A form in which equal meanings are equal: a list is sorted and without repetition.
    pub fn canonical(&self) -> Self {
        match self {
            Self::List(items) => {
                let mut items: Vec<_> = items.iter().map(Self::canonical).collect();
                items.sort();
                items.dedup();
                Self::List(items)
            }
            scalar => scalar.clone(),
        }
    }

    /// Whether two values mean the same.
    pub fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(_), Self::List(_)) => self.canonical() == other.canonical(),
            _ => self == other,
        }
    }
}

/// Whether two possibly empty values mean the same; an empty list and no value are the same.
pub fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    let is_empty = |value: &Value| matches!(value, Value::List(items) if items.is_empty());
    match (a.filter(|value| !is_empty(value)), b.filter(|value| !is_empty(value))) {
        (None, None) => true,
        (Some(a), Some(b)) => a.same_as(b),
        _ => false,
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Boolean(flag) => flag.fmt(f),
            Self::Timestamp(instant) => instant.fmt(f),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    item.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scalars() -> impl Strategy<Value = Value> {
        prop_oneof![
            ".{0,8}".prop_map(Value::String),
            any::<i64>().prop_map(Value::Integer),
            any::<bool>().prop_map(Value::Boolean),
            any::<i64>().prop_map(|ms| Value::Timestamp(Timestamp::from_millis(ms))),
            proptest::collection::vec(any::<u8>(), 0..8).prop_map(Value::Bytes),
        ]
    }

    proptest! {
        #[test]
        fn order_of_a_list_means_nothing(mut items in proptest::collection::vec(scalars(), 0..8)) {
            let forward = Value::List(items.clone());
            items.reverse();
            prop_assert!(forward.same_as(&Value::List(items)));
        }

        #[test]
        fn a_scalar_is_the_same_as_itself_only(a in scalars(), b in scalars()) {
            prop_assert!(a.same_as(&a.clone()));
            prop_assert_eq!(a.same_as(&b), a == b);
        }

        #[test]
        fn serialized_values_come_back(value in scalars()) {
            let text = serde_json::to_string(&value).map_err(|error| TestCaseError::fail(error.to_string()))?;
            let back: Value = serde_json::from_str(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(back, value);
        }
    }

    #[test]
    fn empty_list_and_no_value_are_the_same() {
        assert!(same(None, Some(&Value::List(vec![]))));
        assert!(!same(None, Some(&Value::from(""))));
    }

    #[test]
    fn reading_says_what_would_be_right() {
        assert_eq!(ValueType::Integer.read("12"), Ok(Value::Integer(12)));
        assert_eq!(ValueType::Integer.read("twelve"), Err("'twelve' is not a whole number".to_owned()));
        assert_eq!(ValueType::Boolean.read("Yes"), Ok(Value::Boolean(true)));
        assert!(ValueType::Timestamp.read("31/12/2026").is_err());
    }
}
