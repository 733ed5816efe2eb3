//! The types that the checker reasons with.

use crate::model::catalog::{EntityType, Property, PropertyKind};
use provost_domain::ValueType;
use std::fmt;

/// What is known, before evaluation, of a value. A property may always be null, so null goes with everything.
#[derive(Clone, Debug)]
pub(super) enum Kind<'a> {
    Unknown,
    Null,
    Boolean,
    Integer,
    Unsigned,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    List(Box<Kind<'a>>),
    Map,
    Type,
    Resource(&'a EntityType),
}

/// What the place in the catalog wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// True or false.
    Condition,
    /// A value for a property.
    Value(ValueType),
    /// Values for a multi-valued property.
    Values(ValueType),
}

impl<'a> Kind<'a> {
    pub(super) fn of_type(value_type: ValueType) -> Self {
        match value_type {
            ValueType::String => Self::String,
            ValueType::Integer => Self::Integer,
            ValueType::Boolean => Self::Boolean,
            ValueType::Timestamp => Self::Timestamp,
            ValueType::Bytes => Self::Bytes,
        }
    }

    /// What `owner.property` is.
    pub(super) fn of_property(property: &Property, entity_type: &dyn Fn(&str) -> Option<&'a EntityType>) -> Self {
        match &property.kind {
            PropertyKind::Navigation(target) if !property.multi_valued => {
                entity_type(target).map_or(Self::Unknown, Self::Resource)
            }
            _ if property.multi_valued => Self::List(Box::new(Self::of_type(property.value_type()))),
            _ => Self::of_type(property.value_type()),
        }
    }

    pub(super) const fn is_number(&self) -> bool {
        matches!(self, Self::Integer | Self::Unsigned | Self::Double)
    }

    /// Nothing is known against it.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self, Self::Unknown)
    }

    /// Whether a value of this kind can be one of the other.
    pub(super) fn fits(&self, wanted: &Self) -> bool {
        match (self, wanted) {
            (Self::Unknown | Self::Null, _) | (_, Self::Unknown) => true,
            (Self::List(a), Self::List(b)) => a.fits(b),
            (a, b) => a.same(b),
        }
    }

    /// Whether the two kinds are the same.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(a), Self::List(b)) => a.is_open() || b.is_open() || a.same(b),
            (Self::Resource(a), Self::Resource(b)) => a.name == b.name,
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }

    /// What a value is that is one or the other.
    pub(super) fn either(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Null, _) => other,
            (_, Self::Null) => self,
            (a, b) if a.same(b) => self,
            _ => Self::Unknown,
        }
    }
}

/// `a Person`, `an Account`.
pub(super) fn with_article(name: &str) -> String {
    let is_vowel = name.chars().next().is_some_and(|first| "AEIOaeio".contains(first));
    format!("{} {name}", if is_vowel { "an" } else { "a" })
}

impl fmt::Display for Kind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("a value"),
            Self::Null => f.write_str("null"),
            Self::Boolean => f.write_str("a boolean"),
            Self::Integer => f.write_str("an integer"),
            Self::Unsigned => f.write_str("an unsigned integer"),
            Self::Double => f.write_str("a floating-point number"),
            Self::String => f.write_str("a string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Timestamp => f.write_str("a timestamp"),
            Self::Duration => f.write_str("a duration"),
            Self::List(_) => f.write_str("a list"),
            Self::Map => f.write_str("a map"),
            Self::Type => f.write_str("a type"),
            Self::Resource(entity_type) => f.write_str(&with_article(&entity_type.name)),
        }
    }
}

impl Wanted {
    pub(super) fn kind(self) -> Kind<'static> {
        match self {
            Self::Condition => Kind::Boolean,
            Self::Value(value_type) => Kind::of_type(value_type),
            Self::Values(value_type) => Kind::List(Box::new(Kind::of_type(value_type))),
        }
    }
}
