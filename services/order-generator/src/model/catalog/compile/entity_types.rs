//! Entity types: their properties and keys, then their display names.

use super::{Expression, Name, Reader, Shapes, TEXT, Taken, Text, computed, declaration, suggest, unknown};
use crate::model::catalog::{Comparison, EntityType, Property, PropertyKind};
use crate::model::expression::Variable;
use provost_domain::ValueType;
use std::collections::HashMap;

/// The expressions of entity types, while their shapes are not yet known.
#[derive(Default)]
pub(super) struct Texts {
    /// Each with the place of its entity type.
    pub(super) display_names: Vec<(usize, Text)>,
    pub(super) computed: Vec<computed::Declared>,
}

/// The shapes, without expressions; and those.
pub(super) fn shapes(
    reader: &mut Reader<'_>,
    declared: Vec<declaration::EntityType>,
    connectors: &HashMap<Name, usize>,
) -> (Vec<EntityType>, Texts) {
    let known: Vec<String> = declared.iter().map(|entity_type| entity_type.name.text.clone()).collect();
    let mut taken = Taken::default();
    let mut shapes: Vec<EntityType> = Vec::new();
    let mut texts = Texts::default();
    for entity_type in declared {
        let is_new = taken.take(reader, "entity type", &entity_type.name, "");
        if let Some(connector) =
            entity_type.connector.as_ref().filter(|name| !connectors.contains_key(name.text.as_str()))
        {
            unknown(reader, "connector", connector, "", connectors.keys().map(|name| &**name));
        }
        let properties = properties(reader, &entity_type, &known);
        let key = key(reader, &entity_type, &properties);
        if !is_new {
            continue;
        }
        if let Some(display_name) = entity_type.display_name {
            texts.display_names.push((shapes.len(), display_name));
        }
        for property in entity_type.properties {
            let place = properties.iter().position(|known| *known.name == *property.name.text);
            if let (Some(computed), Some(place)) = (property.computed, place) {
                texts.computed.push((shapes.len(), place, computed));
            }
        }
        let property_index = super::index(properties.iter().map(|property| &property.name));
        shapes.push(EntityType {
            name: entity_type.name.text.as_str().into(),
            connector: entity_type.connector.map_or_else(|| "".into(), |connector| connector.text.as_str().into()),
            key,
            display_name: None,
            properties,
            computed: vec![],
            context: None,
            property_index,
        });
    }
    (shapes, texts)
}

fn properties(reader: &mut Reader<'_>, entity_type: &declaration::EntityType, known: &[String]) -> Vec<Property> {
    let mut taken = Taken::default();
    let mut properties = Vec::new();
    for property in &entity_type.properties {
        let is_new = taken.take(reader, "property", &property.name, &format!(" of {}", entity_type.name.text));
        let kind = match (&property.navigation, &property.value_type) {
            (Some(target), _) => {
                if !known.contains(&target.text) {
                    unknown(reader, "entity type", target, "", known.iter().map(String::as_str));
                }
                if property.write_only {
                    let message = format!("navigation '{}' is write-only", property.name.text);
                    reader.wrong(&property.name.place, message, "links are read back; leave write_only out");
                }
                if let Some(computed) = &property.computed {
                    let message = format!("navigation '{}' is computed", property.name.text);
                    reader.wrong(&computed.place, message, "compute a scalar property, or leave computed out");
                }
                PropertyKind::Navigation(target.text.as_str().into())
            }
            (None, Some(name)) => match ValueType::from_name(&name.text) {
                Some(value_type) => PropertyKind::Scalar(value_type),
                None => {
                    reader.spoilt.insert(property.name.text.clone());
                    let names = ValueType::ALL.map(ValueType::name);
                    reader.wrong(
                        &name.place,
                        format!("unknown type '{}'", name.text),
                        suggest::hint(&name.text, names),
                    );
                    continue;
                }
            },
            // Reported where it was read.
            (None, None) => {
                reader.spoilt.insert(property.name.text.clone());
                continue;
            }
        };
        if let Some(computed) = property.computed.as_ref().filter(|_| property.write_only) {
            let message = format!("property '{}' is computed and write-only", property.name.text);
            reader.wrong(&computed.place, message, "nothing writes what is computed; leave write_only out");
        }
        let comparison = comparison(reader, property.comparison.as_ref(), &property.name.text, &kind);
        if is_new {
            properties.push(Property {
                name: property.name.text.as_str().into(),
                kind,
                multi_valued: property.multi_valued,
                sensitive: property.sensitive,
                write_only: property.write_only,
                comparison: comparison.unwrap_or_default(),
            });
        }
    }
    properties
}

fn key(reader: &mut Reader<'_>, entity_type: &declaration::EntityType, properties: &[Property]) -> Name {
    let Some(key) = &entity_type.key else { return "".into() };
    let named: Name = key.text.as_str().into();
    let Some(property) = properties.iter().find(|property| property.name == named) else {
        let is_declared = entity_type.properties.iter().any(|property| property.name.text == key.text);
        if !is_declared {
            let known = properties.iter().map(|property| &*property.name);
            unknown(reader, "property", key, &format!(" of {}", entity_type.name.text), known);
        }
        return named;
    };
    let is_scalar = matches!(property.kind, PropertyKind::Scalar(ValueType::String | ValueType::Integer));
    if !is_scalar || property.multi_valued {
        let message = format!("'{}' cannot be the key of {}", key.text, entity_type.name.text);
        reader.wrong(&key.place, message, "a key is one value of type string or integer");
    } else if property.write_only || property.sensitive {
        let message =
            format!("'{}' cannot be the key of {}: it is write-only or sensitive", key.text, entity_type.name.text);
        reader.wrong(&key.place, message, "keys are read, and shown to people");
    } else if entity_type.properties.iter().any(|other| other.name.text == key.text && other.computed.is_some()) {
        let message = format!("'{}' cannot be the key of {}: it is computed", key.text, entity_type.name.text);
        reader.wrong(&key.place, message, "a key is read from the managed system");
    }
    named
}

/// The way of comparing that a text names; none without one, or when it is wrong.
pub(super) fn comparison(
    reader: &mut Reader<'_>,
    named: Option<&Text>,
    property: &str,
    kind: &PropertyKind,
) -> Option<Comparison> {
    let named = named?;
    let Some(comparison) = Comparison::ALL.into_iter().find(|known| known.name() == named.text) else {
        let shown: String = named.text.chars().take(40).collect();
        let hint = suggest::one_of(&named.text, Comparison::ALL.iter().map(|known| known.name()));
        reader.wrong(&named.place, format!("unknown comparison '{shown}'"), hint);
        return None;
    };
    match kind {
        PropertyKind::Scalar(value_type) if *value_type != ValueType::String && comparison != Comparison::Exact => {
            let message = format!("'{property}' is of type {}, which is compared exactly", value_type.name());
            reader.wrong(&named.place, message, "leave comparison out; it is for strings and for keys of links");
            None
        }
        _ => Some(comparison),
    }
}

/// Compiles the display names.
pub(super) fn display_names(
    reader: &mut Reader<'_>,
    shapes: &Shapes<'_>,
    declared: Vec<(usize, Text)>,
) -> Vec<(usize, Expression)> {
    let compile = |(place, text): (usize, Text)| {
        let entity_type = shapes.entity_types.get(place)?;
        let variables = [(Variable::Owner, entity_type)];
        let expression = shapes.compile(reader, &text, &variables, TEXT)?;
        let (what, hint) = (format!("the display name of {}", entity_type.name), "everybody sees it: leave that out");
        shapes.refuse_secrets(reader, &text, &expression, &variables, &what, hint);
        Some((place, expression))
    };
    declared.into_iter().filter_map(compile).collect()
}
