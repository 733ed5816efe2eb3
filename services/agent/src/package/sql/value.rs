//! Values in and out of columns.

use chrono::{DateTime, SecondsFormat};
use provost_domain::{Timestamp, Value, ValueType};

/// What a column holds, as far as it matters for writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnKind {
    Integer,
    Number,
    Boolean,
    Text,
    Instant,
    Bytes,
    Other,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// The type, as the engine names it, without length or precision.
    pub(super) type_name: String,
    /// The type with length and precision.
    pub(super) exact_type: String,
    pub(super) kind: ColumnKind,
}

/// A bound parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Param {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A cell of a result.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Param {
    /// The text that PostgreSQL casts to the column's type.
    pub(super) fn as_text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Integer(number) => Some(number.to_string()),
            Self::Text(text) => Some(text.clone()),
            Self::Bytes(bytes) => Some(bytes.iter().fold("\\x".to_owned(), |text, byte| text + &format!("{byte:02x}"))),
        }
    }
}

impl ColumnKind {
    /// The kind behind a declared SQLite type, by SQLite's own rules of affinity and custom.
    pub(super) fn of_sqlite(declared: &str) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
        if has(&["INT"]) {
            Self::Integer
        } else if has(&["CHAR", "CLOB", "TEXT"]) {
            Self::Text
        } else if has(&["BOOL"]) {
            Self::Boolean
        } else if has(&["DATE", "TIME"]) {
            Self::Instant
        } else if has(&["BLOB"]) {
            Self::Bytes
        } else if has(&["REAL", "FLOA", "DOUB", "NUM", "DEC"]) {
            Self::Number
        } else {
            Self::Other
        }
    }

    /// The kind behind a PostgreSQL type.
    pub(super) fn of_postgres(type_name: &str) -> Self {
        match type_name {
            "smallint" | "integer" | "bigint" => Self::Integer,
            "numeric" | "real" | "double precision" => Self::Number,
            "boolean" => Self::Boolean,
            "text" | "character varying" | "character" | "bpchar" | "citext" | "name" => Self::Text,
            "date" | "timestamp with time zone" | "timestamp without time zone" => Self::Instant,
            "bytea" => Self::Bytes,
            _ => Self::Other,
        }
    }
}

impl Column {
    /// The type to cast a value to that is compared with this column. Numbers and times are rounded by their
    /// column, so a value is the same when it is the same after rounding; texts are refused, never rounded.
    pub(super) fn compared_type(&self) -> &str {
        let rounds = ["numeric", "time", "interval"].iter().any(|name| self.type_name.starts_with(name));
        if rounds { &self.exact_type } else { &self.type_name }
    }

    /// The parameter that writes a value into this column.
    ///
    /// # Errors
    /// What the column takes instead. The value itself is not quoted: it may be confidential.
    pub(super) fn param(&self, value: Option<&Value>) -> Result<Param, String> {
        let Some(value) = value else { return Ok(Param::Null) };
        let takes = |what: &str| Err(format!("column '{}' ({}) takes {what}", self.name, self.type_name));
        match (self.kind, value) {
            (_, Value::List(_)) => takes("one value; several need a link table ('links' in the configuration)"),
            (ColumnKind::Integer, Value::Integer(number)) => Ok(Param::Integer(*number)),
            (ColumnKind::Integer, Value::Boolean(flag)) => Ok(Param::Integer(i64::from(*flag))),
            (ColumnKind::Integer, Value::String(text)) => match text.trim().parse() {
                Ok(number) => Ok(Param::Integer(number)),
                Err(_) => takes("a whole number"),
            },
            (ColumnKind::Integer, _) => takes("a whole number"),
            (ColumnKind::Number, Value::Integer(number)) => Ok(Param::Integer(*number)),
            (ColumnKind::Number, Value::String(text)) if text.trim().parse::<f64>().is_ok() => {
                Ok(Param::Text(text.trim().to_owned()))
            }
            (ColumnKind::Number, _) => takes("a number"),
            (ColumnKind::Boolean, value) => match boolean(value) {
                Some(flag) => Ok(Param::Integer(i64::from(flag))),
                None => takes("true or false"),
            },
            (ColumnKind::Instant, Value::Timestamp(instant)) => Ok(Param::Text(instant.to_string())),
            (ColumnKind::Instant, Value::String(text)) if Timestamp::parse(text).is_none() => takes("an instant"),
            // The one type that would drop the offset and keep the hour. All others get the text as it comes:
            // SQLite keeps it so, and what was rewritten would never be found again.
            (ColumnKind::Instant, Value::String(text)) if self.type_name == "timestamp without time zone" => {
                Ok(Param::Text(in_utc(text).unwrap_or_else(|| text.clone())))
            }
            (ColumnKind::Instant, Value::String(text)) => Ok(Param::Text(text.clone())),
            (ColumnKind::Instant, _) => takes("an instant"),
            (ColumnKind::Bytes, Value::Bytes(bytes)) => Ok(Param::Bytes(bytes.clone())),
            (ColumnKind::Bytes, Value::String(text)) => Ok(Param::Bytes(text.clone().into_bytes())),
            (ColumnKind::Bytes, _) => takes("bytes"),
            (ColumnKind::Text, Value::Bytes(_)) => takes("text"),
            // These two types cut by themselves what is too long, also without a length.
            (_, Value::String(text)) if self.type_name == "name" && text.len() > 63 => takes("at most 63 bytes"),
            (_, Value::String(text)) if self.type_name == "\"char\"" && text.len() > 1 => takes("one character"),
            (ColumnKind::Other, Value::Bytes(bytes)) => Ok(Param::Bytes(bytes.clone())),
            (ColumnKind::Other, Value::Integer(number)) => Ok(Param::Integer(*number)),
            (ColumnKind::Text | ColumnKind::Other, scalar) => Ok(Param::Text(scalar.to_string())),
        }
    }
}

/// An instant that is told with its offset, in UTC, with all digits of its second; `None` for any other text.
fn in_utc(text: &str) -> Option<String> {
    let instant = DateTime::parse_from_rfc3339(text.trim()).ok()?.to_utc();
    Some(instant.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Boolean(flag) => Some(*flag),
        Value::Integer(0) => Some(false),
        Value::Integer(1) => Some(true),
        Value::String(text) => match ValueType::Boolean.read(text) {
            Ok(Value::Boolean(flag)) => Some(flag),
            _ => None,
        },
        _ => None,
    }
}

impl Cell {
    /// Reads the cell as a value of a type.
    ///
    /// # Errors
    /// What is wrong with the cell.
    pub(super) fn read(self, kind: ColumnKind, value_type: ValueType) -> Result<Option<Value>, String> {
        let wrong = |what: &str| Err(format!("{what} is not a {}", value_type.name()));
        match (self, value_type) {
            (Self::Null, _) => Ok(None),
            (Self::Text(text), ValueType::Timestamp) => {
                // PostgreSQL writes UTC as "+00", which RFC 3339 does not know.
                value_type.read(text.strip_suffix("+00").unwrap_or(&text)).map(Some)
            }
            (Self::Text(text), ValueType::Bytes) if kind == ColumnKind::Bytes => match unhexed(&text) {
                Some(bytes) => Ok(Some(Value::Bytes(bytes))),
                None => Ok(Some(Value::Bytes(text.into_bytes()))),
            },
            (Self::Text(text), _) => value_type.read(&text).map(Some),
            (Self::Integer(number), ValueType::Integer) => Ok(Some(Value::Integer(number))),
            (Self::Integer(number), ValueType::String | ValueType::Boolean) => {
                value_type.read(&number.to_string()).map(Some)
            }
            (Self::Integer(number), ValueType::Timestamp | ValueType::Bytes) => wrong(&number.to_string()),
            (Self::Real(number), ValueType::String | ValueType::Integer) => {
                value_type.read(&number.to_string()).map(Some)
            }
            (Self::Real(number), _) => wrong(&number.to_string()),
            (Self::Bytes(bytes), ValueType::Bytes) => Ok(Some(Value::Bytes(bytes))),
            (Self::Bytes(bytes), ValueType::String) => match String::from_utf8(bytes) {
                Ok(text) => Ok(Some(Value::String(text))),
                Err(_) => wrong("a BLOB that is not UTF-8"),
            },
            (Self::Bytes(_), _) => wrong("a BLOB"),
        }
    }

    /// Whether an `IS` comparison was true.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Integer(number) => *number != 0,
            Self::Text(text) => text == "true" || text == "t",
            _ => false,
        }
    }

    /// The cell as a key, for comparing; `None` for NULL.
    pub(super) fn key(self) -> Option<String> {
        self.read(ColumnKind::Other, ValueType::String).ok().flatten().map(|value| value.to_string())
    }
}

fn unhexed(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?.as_bytes();
    let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: ColumnKind) -> Column {
        Column { name: "c".into(), type_name: "T".into(), exact_type: "T".into(), kind }
    }

    #[test]
    fn declared_types_have_kinds() {
        for (declared, kind) in [
            ("VARCHAR(20)", ColumnKind::Text),
            ("BIGINT", ColumnKind::Integer),
            ("boolean", ColumnKind::Boolean),
            ("DATETIME", ColumnKind::Instant),
            ("DECIMAL(10,2)", ColumnKind::Number),
            ("", ColumnKind::Other),
        ] {
            assert_eq!(ColumnKind::of_sqlite(declared), kind, "{declared}");
        }
    }

    #[test]
    fn wrong_types_are_refused_without_the_value() {
        let problem = column(ColumnKind::Integer).param(Some(&"hunter2".into()));
        assert_eq!(problem, Err("column 'c' (T) takes a whole number".to_owned()));
        for (kind, value) in [
            (ColumnKind::Boolean, Value::Integer(7)),
            (ColumnKind::Instant, Value::Integer(7)),
            (ColumnKind::Bytes, Value::Integer(7)),
            (ColumnKind::Number, "x".into()),
            (ColumnKind::Text, Value::Bytes(vec![1])),
            (ColumnKind::Text, Value::List(vec![])),
        ] {
            assert!(column(kind).param(Some(&value)).is_err(), "{kind:?} {value:?}");
        }
    }

    #[test]
    fn bytes_survive_the_text_form() {
        let bytes = vec![0, 255, 16];
        let text = Param::Bytes(bytes.clone()).as_text().unwrap_or_default();
        assert_eq!(text, "\\x00ff10");
        assert_eq!(Cell::Text(text).read(ColumnKind::Bytes, ValueType::Bytes), Ok(Some(Value::Bytes(bytes))));
    }

    #[test]
    fn postgres_instants_are_read() {
        for text in ["2026-03-01 08:00:00+00", "2026-03-01 08:00:00", "2026-03-01 08:00:00.000+00"] {
            let read = Cell::Text(text.into()).read(ColumnKind::Instant, ValueType::Timestamp);
            assert_eq!(read, Ok(Timestamp::parse("2026-03-01T08:00:00Z").map(Value::Timestamp)), "{text}");
        }
        assert!(Cell::Text("infinity".into()).read(ColumnKind::Instant, ValueType::Timestamp).is_err());
    }
}
