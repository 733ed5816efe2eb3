//! Values of which some came as text: from a flag or a variable, which cannot say whether `7` is a
//! number. Such a text is read as what the key wants. Values from a file stay what they are.

use serde::de::value::MapDeserializer;
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde_json::{Error, Value};

/// The keys from the top down to a value.
pub(crate) type Place = Vec<String>;

/// A value, or a table with texts somewhere inside.
pub(crate) enum Node {
    Value(Value),
    Text(String),
    Table(Vec<(String, Node)>),
}

impl Node {
    /// `value` with texts at some places.
    pub(crate) fn new(value: Value, texts: &[Place]) -> Self {
        match value {
            Value::String(text) if texts.iter().any(Vec::is_empty) => Self::Text(text),
            Value::Object(table) if !texts.is_empty() => {
                let entry = |(key, value): (String, Value)| {
                    let below = Self::new(value, &below(texts, &key));
                    (key, below)
                };
                Self::Table(table.into_iter().map(entry).collect())
            }
            other => Self::Value(other),
        }
    }

    /// As a plain value: a text is what its JSON says, if it is a number, a boolean or a list.
    fn read(self) -> Value {
        match self {
            Self::Value(value) => value,
            Self::Text(text) => match serde_json::from_str(text.trim()) {
                Ok(value @ (Value::Bool(_) | Value::Number(_) | Value::Array(_))) => value,
                _ => Value::String(text),
            },
            Self::Table(entries) => Value::Object(entries.into_iter().map(|(key, node)| (key, node.read())).collect()),
        }
    }
}

/// The places under a key, as seen from there.
fn below(places: &[Place], key: &str) -> Vec<Place> {
    let inside = |place: &Place| match place.split_first() {
        Some((first, rest)) if first == key => Some(rest.to_vec()),
        _ => None,
    };
    places.iter().filter_map(inside).collect()
}

impl IntoDeserializer<'_, Error> for Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! read_first {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.read().$method(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Value(value) => value.deserialize_any(visitor),
            Self::Text(text) => visitor.visit_string(text),
            Self::Table(entries) => visitor.visit_map(MapDeserializer::new(entries.into_iter())),
        }
    }

    read_first! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 deserialize_seq
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Value(value) => value.deserialize_option(visitor),
            other => visitor.visit_some(other),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Text(text) => Value::String(text).deserialize_enum(name, variants, visitor),
            other => other.read().deserialize_enum(name, variants, visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Format {
        Text,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Wrapped(u16);

    #[derive(Debug, PartialEq, Deserialize)]
    struct Sample {
        number: u32,
        maybe: Option<u64>,
        text: String,
        flag: bool,
        list: Vec<String>,
        format: Format,
        wrapped: Wrapped,
        inner: std::collections::BTreeMap<String, i64>,
    }

    fn read(value: Value, places: &[&str]) -> Result<Sample, Error> {
        let places: Vec<Place> = places.iter().map(|place| place.split('.').map(str::to_owned).collect()).collect();
        Sample::deserialize(Node::new(value, &places))
    }

    fn texts() -> Value {
        json!({
            "number": "7", "maybe": "8", "text": "9", "flag": "true", "list": "[\"a\"]", "format": "text",
            "wrapped": "10", "inner": { "low": "-1", "high": 2 },
        })
    }

    const PLACES: [&str; 8] = ["number", "maybe", "text", "flag", "list", "format", "wrapped", "inner.low"];

    #[test]
    fn texts_are_read_as_what_is_wanted() {
        let expected = Sample {
            number: 7,
            maybe: Some(8),
            text: "9".into(),
            flag: true,
            list: vec!["a".into()],
            format: Format::Text,
            wrapped: Wrapped(10),
            inner: [("low".into(), -1), ("high".into(), 2)].into(),
        };
        assert_eq!(read(texts(), &PLACES).unwrap(), expected);
    }

    #[test]
    fn values_of_a_file_stay_what_they_are() {
        for place in PLACES {
            let others: Vec<_> = PLACES.iter().copied().filter(|other| *other != place).collect();
            let is_text = ["text", "format"].contains(&place);
            assert_eq!(read(texts(), &others).is_ok(), is_text, "{place}");
        }
    }

    #[test]
    fn text_that_is_no_number_is_quoted_as_text() {
        let mut wrong = texts();
        wrong["number"] = json!("many");
        let error = read(wrong, &PLACES).unwrap_err().to_string();
        assert!(error.contains("invalid type: string \"many\", expected u32"), "{error}");
    }
}
