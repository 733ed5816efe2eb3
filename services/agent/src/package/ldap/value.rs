//! Values in and out of attributes.

use chrono::{DateTime, NaiveDateTime};
use provost_domain::{Timestamp, Value, ValueType};
use std::collections::HashSet;

/// The values that an attribute gets.
pub(super) fn encoded(value: Option<&Value>) -> HashSet<Vec<u8>> {
    value.into_iter().flat_map(Value::items).map(scalar).collect()
}

fn scalar(value: &Value) -> Vec<u8> {
    match value {
        Value::Boolean(flag) => if *flag { "TRUE" } else { "FALSE" }.into(),
        Value::Timestamp(instant) => generalized(*instant).into_bytes(),
        Value::Bytes(bytes) => bytes.clone(),
        other => other.to_string().into_bytes(),
    }
}

/// Reads one value of an attribute.
///
/// # Errors
/// What is wrong with it.
pub(super) fn decoded(bytes: Vec<u8>, value_type: ValueType) -> Result<Value, String> {
    if value_type == ValueType::Bytes {
        return Ok(Value::Bytes(bytes));
    }
    let text = String::from_utf8(bytes).map_err(|_| "the value is not UTF-8".to_owned())?;
    match (value_type, from_generalized(&text)) {
        (ValueType::Timestamp, Some(instant)) => Ok(Value::Timestamp(instant)),
        _ => value_type.read(&text),
    }
}

/// An instant as the directory writes it: 20260301080000Z.
fn generalized(instant: Timestamp) -> String {
    let Some(time) = instant.to_chrono() else { return instant.to_string() };
    let format = if instant.millis() % 1000 == 0 { "%Y%m%d%H%M%SZ" } else { "%Y%m%d%H%M%S%.3fZ" };
    time.format(format).to_string()
}

fn from_generalized(text: &str) -> Option<Timestamp> {
    if let Some(utc) = text.strip_suffix('Z') {
        let formats = ["%Y%m%d%H%M%S%.f", "%Y%m%d%H%M"];
        let time = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(utc, format).ok())?;
        return Some(time.and_utc().into());
    }
    let time = DateTime::parse_from_str(text, "%Y%m%d%H%M%S%.f%z").ok()?;
    Some(Timestamp::from_millis(time.timestamp_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_come_back() {
        for (value, value_type) in [
            (Value::from("é"), ValueType::String),
            (Value::Integer(-7), ValueType::Integer),
            (Value::Boolean(true), ValueType::Boolean),
            (Value::Timestamp(Timestamp::from_millis(1_772_352_000_000)), ValueType::Timestamp),
            (Value::Timestamp(Timestamp::from_millis(1_772_352_000_123)), ValueType::Timestamp),
            (Value::Bytes(vec![0, 255]), ValueType::Bytes),
        ] {
            assert_eq!(decoded(scalar(&value), value_type), Ok(value));
        }
    }

    #[test]
    fn other_forms_of_instants_are_read() {
        let instant = Timestamp::parse("2026-03-01T08:00:00Z");
        for text in ["20260301080000Z", "20260301080000.0Z", "202603010800Z", "20260301100000+0200"] {
            assert_eq!(from_generalized(text), instant, "{text}");
        }
        assert!(decoded(b"soon".to_vec(), ValueType::Timestamp).is_err());
        assert!(decoded(vec![0xff], ValueType::String).is_err());
    }
}
