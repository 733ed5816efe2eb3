//! Computed properties: what nobody reads, and is made of the others.
//!
//! The rule that must hold: they need each other in no cycle, and nothing that is computed leads further
//! than one step of navigation away, so that whom a change touches can be told.

use super::shapes::Shapes;
use super::{Expression, Reader, Text};
use crate::model::catalog::EntityType;
use crate::model::expression::{Variable, Wanted};
use std::collections::HashMap;

/// One that is declared: the place of its entity type, its own place there, and its expression.
pub(super) type Declared = (usize, usize, Text);

/// Compiles them, for each entity type in the order in which they need each other.
pub(super) fn computed(
    reader: &mut Reader<'_>,
    shapes: &Shapes<'_>,
    declared: &[Declared],
) -> Vec<(usize, Vec<(usize, Expression)>)> {
    let mut found = Vec::new();
    for (place, entity_type) in shapes.entity_types.iter().enumerate() {
        let mut expressions: HashMap<usize, (&Text, Expression)> = HashMap::new();
        for (_, property, text) in declared.iter().filter(|(of, ..)| *of == place) {
            if let Some(expression) = compile(reader, shapes, entity_type, *property, text) {
                expressions.insert(*property, (text, expression));
            }
        }
        let order = ordered(reader, entity_type, &expressions);
        let in_order = order.into_iter().filter_map(|place| Some((place, expressions.remove(&place)?.1)));
        found.push((place, in_order.collect()));
    }
    found
}

/// Once it is known which properties are computed: none of them is computed from one that navigates, through a
/// navigation.
pub(super) fn check(reader: &mut Reader<'_>, shapes: &Shapes<'_>, declared: &[Declared]) {
    for (place, property, text) in declared {
        // What did not compile by itself was reported.
        let Some(entity_type) = shapes.entity_types.get(*place) else { continue };
        if entity_type.computed.iter().any(|(computed, _)| computed == property) {
            compile(reader, shapes, entity_type, *property, text);
        }
    }
}

fn compile<'a>(
    reader: &mut Reader<'_>,
    shapes: &Shapes<'a>,
    entity_type: &'a EntityType,
    place: usize,
    text: &Text,
) -> Option<Expression> {
    let property = entity_type.properties.get(place)?;
    let wanted = match property.multi_valued {
        true => Wanted::Values(property.value_type()),
        false => Wanted::Value(property.value_type()),
    };
    let expression = shapes.compile(reader, text, &[(Variable::Owner, entity_type)], wanted)?;
    if !property.sensitive {
        let (what, variables) = (format!("'{}'", property.name), [(Variable::Owner, entity_type)]);
        let hint = "add sensitive: true: what is made of a secret is one";
        shapes.refuse_secrets(reader, text, &expression, &variables, &what, hint);
    }
    Some(expression)
}

/// The places of computed properties, each after those that it needs; a cycle is a problem, and what leads into
/// it is left out.
fn ordered(
    reader: &mut Reader<'_>,
    entity_type: &EntityType,
    expressions: &HashMap<usize, (&Text, Expression)>,
) -> Vec<usize> {
    let mut search = Search { entity_type, expressions, path: vec![], is_right: HashMap::new(), order: vec![] };
    for place in 0..entity_type.properties.len() {
        search.visit(reader, place);
    }
    search.order
}

struct Search<'s> {
    entity_type: &'s EntityType,
    expressions: &'s HashMap<usize, (&'s Text, Expression)>,
    /// Where the search is: each needs the next.
    path: Vec<usize>,
    /// Of those that were searched: whether no cycle was found from there.
    is_right: HashMap<usize, bool>,
    order: Vec<usize>,
}

impl Search<'_> {
    fn visit(&mut self, reader: &mut Reader<'_>, place: usize) -> bool {
        let Some((text, expression)) = self.expressions.get(&place) else { return true };
        if let Some(is_right) = self.is_right.get(&place) {
            return *is_right;
        }
        let properties = &self.entity_type.properties;
        if let Some(start) = self.path.iter().position(|before| *before == place) {
            let name = |place: &usize| properties.get(*place).map_or("", |property| &*property.name);
            let cycle: Vec<&str> = self.path.iter().skip(start).chain([&place]).map(name).collect();
            let message = format!("computed properties need each other in a cycle: {}", cycle.join(" -> "));
            reader.wrong(&text.place, message, "let one of them read other properties");
            return false;
        }
        self.path.push(place);
        let mut is_right = true;
        for reference in expression.references() {
            let needed = properties.iter().position(|property| *property.name == *reference.property);
            is_right &= needed.is_none_or(|needed| self.visit(reader, needed));
        }
        self.path.pop();
        self.is_right.insert(place, is_right);
        if is_right {
            self.order.push(place);
        }
        is_right
    }
}
