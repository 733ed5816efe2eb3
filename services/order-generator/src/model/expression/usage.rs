//! Whether a function accepts what it is given, and how it is called right.

use super::functions::{Signature, Type};
use super::kind::Kind;

/// Whether the function can be called like that.
pub(super) fn accepts(signature: &Signature, receiver: Option<&Kind<'_>>, arguments: &[Kind<'_>]) -> bool {
    let on = match (signature.receiver, receiver) {
        (None, None) => true,
        (Some(wanted), Some(found)) => takes(wanted, found),
        _ => false,
    };
    on && signature.arguments.len() == arguments.len()
        && signature.arguments.iter().zip(arguments).all(|(wanted, found)| takes(*wanted, found))
}

fn takes(wanted: Type, found: &Kind<'_>) -> bool {
    // A literal null fails in every function; a property that may be null does not count as null.
    !matches!(found, Kind::Null) && found.fits(&kind_of(wanted))
}

/// The kind of an argument or a result.
pub(super) fn kind_of(of: Type) -> Kind<'static> {
    match of {
        Type::Any => Kind::Unknown,
        Type::Boolean => Kind::Boolean,
        Type::Integer => Kind::Integer,
        Type::Unsigned => Kind::Unsigned,
        Type::Double => Kind::Double,
        Type::String => Kind::String,
        Type::Bytes => Kind::Bytes,
        Type::Timestamp => Kind::Timestamp,
        Type::Duration => Kind::Duration,
        Type::List => Kind::List(Box::new(Kind::Unknown)),
        Type::StringList => Kind::List(Box::new(Kind::String)),
        Type::Meta => Kind::Type,
    }
}

/// `string.replace(string, string)`, for hints.
pub(super) fn usage(signature: &Signature) -> String {
    let word = |of: Type| match of {
        Type::Any => "value",
        Type::Boolean => "boolean",
        Type::Integer => "integer",
        Type::Unsigned => "uint",
        Type::Double => "double",
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Timestamp => "timestamp",
        Type::Duration => "duration",
        Type::List | Type::StringList => "list",
        Type::Meta => "type",
    };
    let arguments: Vec<&str> = signature.arguments.iter().map(|of| word(*of)).collect();
    let on = signature.receiver.map(|of| format!("{}.", word(of))).unwrap_or_default();
    format!("{on}{}({})", signature.name, arguments.join(", "))
}
