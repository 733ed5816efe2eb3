//! What synchronization needs to know of the catalog: which entity types a connector has, and the
//! shape of their resources.

use crate::model::catalog::suggest;
use crate::store::resources::Properties;
use provost_domain::{Value, ValueType};
use provost_service_kit::Fault;
use std::collections::BTreeMap;

/// There is nothing of this name; says which one may be meant.
pub(crate) fn unknown_name<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Fault {
    Fault::not_found(format!("{what} {name}; {}", suggest::hint(name, known)))
}

/// One property, as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PropertyShape {
    pub(crate) name: String,
    /// Of a navigation: string, the key of what it points at.
    pub(crate) value_type: ValueType,
    pub(crate) multi_valued: bool,
    pub(crate) sensitive: bool,
    /// Cannot be read, so it is not asked for.
    pub(crate) write_only: bool,
}

impl PropertyShape {
    /// What its values are, in words.
    pub(crate) fn kind(&self) -> String {
        let name = self.value_type.name();
        if self.multi_valued { format!("list of {name}") } else { name.to_owned() }
    }

    /// Why a value does not fit; none when it does. Never shows the value, which may be confidential.
    pub(crate) fn misfit(&self, value: &Value) -> Option<String> {
        let wanted = self.value_type.name();
        match value {
            Value::List(_) if !self.multi_valued => Some(format!("is a list, must be one value of type {wanted}")),
            Value::List(items) => items.iter().find_map(|item| {
                let found = item.value_type();
                (found != Some(self.value_type))
                    .then(|| format!("holds a value of type {}, must hold {wanted}", kind(item)))
            }),
            scalar if self.multi_valued => Some(format!("is of type {}, must be a list of {wanted}", kind(scalar))),
            scalar => (scalar.value_type() != Some(self.value_type))
                .then(|| format!("is of type {}, must be of type {wanted}", kind(scalar))),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    value.value_type().map_or("list", ValueType::name)
}

/// One entity type, as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntityShape {
    pub(crate) name: String,
    pub(crate) connector: String,
    /// The property that is the key.
    pub(crate) key: String,
    pub(crate) properties: Vec<PropertyShape>,
}

impl EntityShape {
    /// A property, by name.
    pub(crate) fn property(&self, name: &str) -> Option<&PropertyShape> {
        self.properties.iter().find(|property| property.name == name)
    }

    /// What an export of it holds: the kind of each property that can be read.
    pub(crate) fn readable(&self) -> BTreeMap<String, String> {
        let readable = self.properties.iter().filter(|property| !property.write_only);
        readable.map(|property| (property.name.clone(), property.kind())).collect()
    }

    /// Takes out what no longer fits, because the catalog changed since it was read.
    pub(crate) fn keep_fitting(&self, properties: &mut Properties) {
        properties.retain(|name, value| self.property(name).is_some_and(|shape| shape.misfit(value).is_none()));
    }
}

/// A connector that is synchronized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exported {
    pub(crate) connector: String,
    pub(crate) connection: String,
    /// Resources of one of its entity types are written by some resource type.
    pub(crate) is_written: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shape(value_type: ValueType, multi_valued: bool) -> PropertyShape {
        PropertyShape { name: "p".into(), value_type, multi_valued, sensitive: false, write_only: false }
    }

    #[test]
    fn fitting_values_fit() {
        assert_eq!(shape(ValueType::String, false).misfit(&"x".into()), None);
        assert_eq!(shape(ValueType::Integer, true).misfit(&Value::List(vec![Value::Integer(1)])), None);
        assert_eq!(shape(ValueType::Integer, true).misfit(&Value::List(vec![])), None);
    }

    #[test]
    fn misfits_name_both_types_and_never_the_value() {
        let string = shape(ValueType::String, false);
        assert_eq!(string.misfit(&Value::Integer(42)).unwrap(), "is of type integer, must be of type string");
        assert_eq!(string.misfit(&Value::List(vec![])).unwrap(), "is a list, must be one value of type string");
        let integers = shape(ValueType::Integer, true);
        assert_eq!(integers.misfit(&Value::Integer(1)).unwrap(), "is of type integer, must be a list of integer");
        assert_eq!(
            integers.misfit(&Value::List(vec!["x".into()])).unwrap(),
            "holds a value of type string, must hold integer"
        );
    }
}
