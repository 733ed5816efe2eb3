//! Contexts: where an owner's positions are, when the owner counts, and which values dimensions have.

use super::shapes::Shapes;
use super::{INSTANT, Reader, TEXT, Taken, Text, declaration, unknown};
use crate::model::catalog::{Context, EntityType, Positions};

/// Finds the positions of each context, before any expression speaks of them.
pub(super) fn positions(reader: &mut Reader<'_>, shapes: &mut Shapes<'_>, declared: &[declaration::Context]) {
    for context in declared {
        let Some(declared) = &context.positions else { continue };
        // An unknown owner is reported with the rest of its context.
        let Some(owner) = shapes.get(&context.entity_type.text) else { continue };
        match position(reader, shapes, declared, owner) {
            Some(position) => {
                shapes.positions.entry(owner.name.clone()).or_insert(position);
            }
            // What reads 'position' is then not reported as well.
            None => {
                reader.spoilt.insert("position".to_owned());
            }
        }
    }
}

/// The entity type of positions; none when something about them is wrong.
fn position<'a>(
    reader: &mut Reader<'_>,
    shapes: &Shapes<'a>,
    declared: &declaration::Positions,
    owner: &EntityType,
) -> Option<&'a EntityType> {
    let position = shapes.named(reader, declared.entity_type.as_ref())?;
    let (named, of) = (declared.owner.as_ref()?, declared.entity_type.as_ref()?);
    if position.name == owner.name {
        let message = format!("the positions of {} are {} itself", owner.name, owner.name);
        reader.wrong(&of.place, message, "positions are records of their own; without them leave positions out");
        return None;
    }
    let Some(property) = position.property(&named.text) else {
        let known = position.properties.iter().filter(|property| property.navigates_to() == Some(&owner.name));
        unknown(reader, "property", named, &format!(" of {}", position.name), known.map(|property| &*property.name));
        return None;
    };
    if property.navigates_to() != Some(&owner.name) || property.multi_valued {
        let message = format!("'{}' of {} does not point at one {}", named.text, position.name, owner.name);
        let hint = format!("name a property of {} with navigation: {}, not multi_valued", position.name, owner.name);
        reader.wrong(&named.place, message, hint);
        return None;
    }
    Some(position)
}

/// Compiles the contexts, at most one for each entity type, each with the place of that.
pub(super) fn contexts(
    reader: &mut Reader<'_>,
    shapes: &mut Shapes<'_>,
    declared: Vec<declaration::Context>,
) -> Vec<(usize, Context)> {
    let mut taken = Taken::default();
    let mut contexts = Vec::new();
    for declared in declared {
        let is_new = taken.take(reader, "context of", &declared.entity_type, "");
        let Some(entity_type) = shapes.named(reader, Some(&declared.entity_type)) else { continue };
        let variables = shapes.of_owner(entity_type);
        let mut instant = |text: &Option<Text>, what: &str| {
            let text = text.as_ref()?;
            let expression = shapes.compile(reader, text, &variables, INSTANT)?;
            let hint = "lists show from when until when somebody has something; read dates that may be seen";
            shapes.refuse_secrets(reader, text, &expression, &variables, what, hint);
            Some(expression)
        };
        let valid_from = instant(&declared.valid_from, "valid_from");
        let valid_until = instant(&declared.valid_until, "valid_until");
        let mut dimensions = Vec::new();
        let mut places = Vec::new();
        let mut is_spoilt = declared.dimensions_are_wrong;
        for (named, value) in &declared.dimensions {
            let Some(place) = shapes.dimension(reader, named) else {
                is_spoilt = true;
                continue;
            };
            places.push(place);
            if let Some(value) = value.as_ref().and_then(|value| shapes.compile(reader, value, &variables, TEXT)) {
                dimensions.push((place, value));
            }
        }
        dimensions.sort_by_key(|(place, _)| *place);
        if let Some(place) = shapes.place(&entity_type.name).filter(|_| is_new) {
            let positions = declared.positions.and_then(|declared| {
                let entity_type = shapes.positions.get(&entity_type.name)?.name.clone();
                Some(Positions { entity_type, owner: declared.owner?.text.as_str().into() })
            });
            contexts.push((place, Context { positions, valid_from, valid_until, dimensions }));
        }
        let given = shapes.given.entry(entity_type.name.clone()).or_default();
        given.places.extend(places);
        given.is_spoilt |= is_spoilt;
    }
    contexts
}
