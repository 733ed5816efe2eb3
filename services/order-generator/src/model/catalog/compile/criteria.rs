//! Dimensions, and whom a rule is for by them.

use super::shapes::Shapes;
use super::{Name, Reader, Taken, Text, declaration, unknown};
use crate::model::catalog::{Criteria, EntityType};
use crate::model::expression::Wanted;
use std::collections::{BTreeMap, BTreeSet};

/// The dimensions to which a context gives a value.
#[derive(Default)]
pub(super) struct Given {
    /// By place.
    pub(super) places: BTreeSet<usize>,
    /// Some are wrong, so nobody knows which are missing.
    pub(super) is_spoilt: bool,
}

/// The dimensions, each once.
pub(super) fn dimensions(reader: &mut Reader<'_>, declared: Vec<Text>) -> Vec<Name> {
    let mut taken = Taken::default();
    let new = declared.into_iter().filter(|name| taken.take(reader, "dimension", name, ""));
    new.map(|name| name.text.as_str().into()).collect()
}

impl<'a> Shapes<'a> {
    /// The place of a dimension, or a problem.
    pub(super) fn dimension(&self, reader: &mut Reader<'_>, named: &Text) -> Option<usize> {
        let place = self.dimensions.iter().position(|name| **name == *named.text);
        if place.is_none() {
            unknown(reader, "dimension", named, "", self.dimensions.iter().map(|name| &**name));
        }
        place
    }

    /// Whom a rule is for; none when that is wrong.
    pub(super) fn criteria(
        &self,
        reader: &mut Reader<'_>,
        declared: &declaration::Criteria,
        owner: &'a EntityType,
    ) -> Option<Criteria> {
        let variables = self.of_owner(owner);
        let when = declared.when.as_ref().map(|when| self.compile(reader, when, &variables, Wanted::Condition));
        let mut dimensions: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        let mut is_right = true;
        for (named, values) in &declared.dimensions {
            let Some(place) = self.dimension(reader, named) else {
                is_right = false;
                continue;
            };
            is_right &= self.has_value(reader, named, place, owner);
            let mut wanted: Vec<String> = Vec::new();
            for value in values {
                if !wanted.contains(&value.text) {
                    wanted.push(value.text.clone());
                }
            }
            dimensions.insert(place, wanted);
        }
        match when {
            Some(None) => None,
            _ if !is_right => None,
            when => Some(Criteria { dimensions: dimensions.into_iter().collect(), when: when.flatten() }),
        }
    }

    /// A rule on a dimension that no owner has a value of would be for nobody.
    fn has_value(&self, reader: &mut Reader<'_>, named: &Text, place: usize, owner: &EntityType) -> bool {
        if self.given.get(&owner.name).is_some_and(|given| given.is_spoilt || given.places.contains(&place)) {
            return true;
        }
        let (name, owner) = (&named.text, &owner.name);
        let message = format!("the context of {owner} gives no value to dimension '{name}', so the rule is for nobody");
        let hint = format!("add dimensions: {{ {name}: owner.… }} to the context of {owner}");
        reader.wrong(&named.place, message, hint);
        false
    }
}
