//! Between the domain's values and CEL's, in both directions.
//!
//! Integers are CEL `int`: a `uint` would not add to a literal.

use cel::ExecutionError;
use cel::common::types::{CelBool, CelBytes, CelDouble, CelInt, CelList, CelNull, CelString, CelTimestamp, CelUInt};
use cel::common::value::{CowVal, Val};
use chrono::{DateTime, FixedOffset};
use provost_domain::{Timestamp, Value, ValueType};

/// Most items of a list that an expression may read or yield.
pub(super) const LIST_ITEMS_MAX: usize = 1_000;
/// Most bytes of a text that an expression may build.
pub(super) const TEXT_BYTES_MAX: usize = 64 * 1024;

static NULL: CelNull = CelNull;

/// Null.
pub(super) fn null<'b, 'v>() -> CowVal<'b, 'v> {
    CowVal::Borrowed(&NULL)
}

/// A domain value, borrowed where CEL can borrow; none when CEL cannot hold it.
pub(super) fn to_cel(value: &Value) -> Option<CowVal<'_, '_>> {
    boxed(value).map(CowVal::Owned)
}

fn boxed<'v>(value: &'v Value) -> Option<Box<dyn Val + 'v>> {
    Some(match value {
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Integer(number) => Box::new(CelInt::from(*number)),
        Value::Boolean(flag) => Box::new(CelBool::from(*flag)),
        Value::Timestamp(instant) => Box::new(CelTimestamp::from(instant.to_chrono()?.fixed_offset())),
        Value::Bytes(bytes) => Box::new(CelBytes::from(bytes.as_slice())),
        Value::List(items) => {
            let items: Option<Vec<Box<dyn Val + 'v>>> = items.iter().map(boxed).collect();
            Box::new(CelList::from(items?))
        }
    })
}

/// A domain value that nobody else keeps; none when CEL cannot hold it.
pub(super) fn owned<'b, 'v>(value: Value) -> Option<CowVal<'b, 'v>> {
    boxed_owned(value).map(CowVal::Owned)
}

fn boxed_owned(value: Value) -> Option<Box<dyn Val>> {
    Some(match value {
        Value::String(text) => Box::new(CelString::from(text)),
        Value::Integer(number) => Box::new(CelInt::from(number)),
        Value::Boolean(flag) => Box::new(CelBool::from(flag)),
        Value::Timestamp(instant) => Box::new(CelTimestamp::from(instant.to_chrono()?.fixed_offset())),
        Value::Bytes(bytes) => Box::new(CelBytes::from(bytes)),
        Value::List(items) => {
            let items: Option<Vec<Box<dyn Val>>> = items.into_iter().map(boxed_owned).collect();
            Box::new(CelList::from(items?))
        }
    })
}

/// The answer of a condition.
pub(super) fn boolean(value: &dyn Val) -> Result<bool, String> {
    value
        .downcast_ref::<CelBool>()
        .map(|flag| *flag.inner())
        .ok_or_else(|| format!("the condition yields {}, must yield true or false", named(value)))
}

/// The value for a property of that type.
pub(super) fn wanted(value: &dyn Val, of: ValueType, multi_valued: bool) -> Result<Option<Value>, String> {
    if value.downcast_ref::<CelNull>().is_some() {
        return Ok(None);
    }
    if !multi_valued {
        return scalar(value, of).map(Some);
    }
    let Some(list) = value.downcast_ref::<CelList>() else {
        return Err(format!("the expression yields {}, must yield a list", named(value)));
    };
    let items = list.inner();
    if items.len() > LIST_ITEMS_MAX {
        return Err(format!("the list has {} items, must have at most {LIST_ITEMS_MAX}", items.len()));
    }
    let items: Result<Vec<Value>, String> = items.iter().map(|item| scalar(item.as_ref(), of)).collect();
    // Order carries no meaning, so the same values in another order are the same value.
    Ok(Some(Value::List(items?).canonical()))
}

fn scalar(value: &dyn Val, of: ValueType) -> Result<Value, String> {
    let found = match of {
        ValueType::String => value.downcast_ref::<CelString>().map(|text| Value::String(text.inner().to_owned())),
        ValueType::Integer => {
            value.downcast_ref::<CelInt>().map(|number| Value::Integer(*number.inner())).or_else(|| {
                let number = value.downcast_ref::<CelUInt>()?;
                i64::try_from(*number.inner()).ok().map(Value::Integer)
            })
        }
        ValueType::Boolean => value.downcast_ref::<CelBool>().map(|flag| Value::Boolean(*flag.inner())),
        ValueType::Timestamp => {
            value.downcast_ref::<CelTimestamp>().map(|instant| Value::Timestamp(to_domain(instant.inner())))
        }
        ValueType::Bytes => value.downcast_ref::<CelBytes>().map(|bytes| Value::Bytes(bytes.inner().to_vec())),
    };
    let found = found
        .ok_or_else(|| format!("the expression yields {}, must yield a value of type {}", named(value), of.name()))?;
    match &found {
        Value::String(text) if text.len() > TEXT_BYTES_MAX => {
            Err(format!("the text has {} bytes, must have at most {TEXT_BYTES_MAX}", text.len()))
        }
        // NUL ends strings in half of the systems that the value may go to.
        Value::String(text) if text.contains('\0') => Err("the text contains a NUL character".to_owned()),
        _ => Ok(found),
    }
}

fn to_domain(instant: &DateTime<FixedOffset>) -> Timestamp {
    Timestamp::from_millis(instant.timestamp_millis())
}

/// What a value is, for people; never the value itself, which may be confidential.
fn named(value: &dyn Val) -> &'static str {
    if value.downcast_ref::<CelDouble>().is_some() {
        return "a floating-point number";
    }
    match value.get_type().name() {
        "null_type" | "null" => "null",
        "bool" => "a boolean",
        "int" | "uint" => "an integer",
        "string" => "a string",
        "bytes" => "bytes",
        "list" => "a list",
        "map" => "a resource or a map",
        "google.protobuf.Timestamp" | "timestamp" => "a timestamp",
        "google.protobuf.Duration" | "duration" => "a duration",
        _ => "a value of another type",
    }
}

/// An error of the library as a sentence without values: it would show them whole, and they may be
/// confidential.
pub(super) fn sentence(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchOverload(overload) => {
            let types: Vec<&str> = overload.argument_types().iter().map(|name| friendly(name)).collect();
            format!("'{}' does not work on {}", operator(overload.function()), types.join(" and "))
        }
        ExecutionError::UnsupportedBinaryOperator(name, left, right) => {
            format!("'{}' does not work on {} and {}", arithmetic(name), cel_type(left), cel_type(right))
        }
        ExecutionError::ValuesNotComparable(left, right) => {
            format!("{} and {} cannot be compared", cel_type(left), cel_type(right))
        }
        ExecutionError::NoSuchKey(key) => format!("there is no '{key}'"),
        ExecutionError::UndeclaredReference(name) => format!("'{name}' is not known"),
        ExecutionError::FunctionError { function, message } => format!("{function}: {message}"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".to_owned(),
        ExecutionError::Overflow(..) => "the number becomes too large".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "the list has no item at that index".to_owned(),
        ExecutionError::UnexpectedType { got, want } => {
            format!("finds {} where {} must be", friendly(got), friendly(want))
        }
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("takes {expected} arguments, not {actual}")
        }
        _ => "the expression cannot be evaluated".to_owned(),
    }
}

fn friendly(name: &str) -> &str {
    match name {
        "null_type" => "null",
        "bool" => "boolean",
        "int" | "uint" => "integer",
        "google.protobuf.Timestamp" => "timestamp",
        "google.protobuf.Duration" => "duration",
        "map" => "resource",
        other => other,
    }
}

fn cel_type(value: &cel::Value) -> &'static str {
    match value {
        cel::Value::Null => "null",
        cel::Value::Bool(_) => "boolean",
        cel::Value::Int(_) | cel::Value::UInt(_) => "integer",
        cel::Value::Float(_) => "floating-point number",
        cel::Value::String(_) => "string",
        cel::Value::Bytes(_) => "bytes",
        cel::Value::Timestamp(_) => "timestamp",
        cel::Value::Duration(_) => "duration",
        cel::Value::List(_) => "list",
        cel::Value::Map(_) => "map",
        _ => "value",
    }
}

fn arithmetic(name: &str) -> &str {
    match name {
        "add" => "+",
        "sub" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" => "%",
        other => other,
    }
}

/// `_+_` is `+` to people.
pub(super) fn operator(name: &str) -> &str {
    match name {
        "@in" => "in",
        "_?_:_" => "? :",
        "_[_]" => "[]",
        "_._" => ".",
        other => other.trim_matches('_'),
    }
}
