//! The rules of a resource type.

use super::entity_types::comparison;
use super::resource_types::{Surroundings, property};
use super::{Expression, Reader, TEXT, Text, declaration};
use crate::model::catalog::node::Place;
use crate::model::catalog::{
    ClassificationRule, Comparison, CorrelationRule, Criteria, EntityType, NavigationRule, Offset, OffsetReference,
    Property, PropertyKind, QueryRule, RoleRef, ScalarRule, TypeRule,
};
use crate::model::expression::{Variable, Wanted};
use std::collections::HashMap;
use std::sync::Arc;

impl<'a> Surroundings<'a> {
    pub(super) fn type_rules(
        &self,
        reader: &mut Reader<'_>,
        declared: Vec<declaration::TypeRule>,
        owner: &'a EntityType,
    ) -> Vec<TypeRule> {
        let compile = |rule: declaration::TypeRule| {
            let (role, criteria) = self.conditions(reader, owner, rule.role.as_ref(), &rule.criteria)?;
            Some(TypeRule { role, criteria, denied: rule.denied, offset: rule.offset? })
        };
        declared.into_iter().filter_map(compile).collect()
    }

    /// The role and the criteria of a rule; none when one of them is wrong.
    fn conditions(
        &self,
        reader: &mut Reader<'_>,
        owner: &'a EntityType,
        role: Option<&Text>,
        criteria: &declaration::Criteria,
    ) -> Option<(Option<RoleRef>, Criteria)> {
        let criteria = self.shapes.criteria(reader, criteria, owner);
        let role = role.map(|role| self.roles.named(reader, role, owner));
        match (role, criteria) {
            (Some(None), _) | (_, None) => None,
            (role, Some(criteria)) => Some((role.flatten(), criteria)),
        }
    }

    pub(super) fn scalar_rules(
        &self,
        reader: &mut Reader<'_>,
        name: &Text,
        declared: Vec<declaration::ScalarRule>,
        owner: &'a EntityType,
        target: &'a EntityType,
    ) -> Vec<ScalarRule> {
        let mut rules = Vec::new();
        let mut taken: HashMap<(String, OffsetReference), Place> = HashMap::new();
        let mut compared: HashMap<String, (Comparison, Place)> = HashMap::new();
        let mut has_key = false;
        for rule in declared {
            let Some(named) = &rule.property else { continue };
            let is_key = *named.text == *target.key;
            has_key |= is_key;
            let Some(property) = property(reader, named, target) else { continue };
            let PropertyKind::Scalar(value_type) = property.kind else {
                let message = format!("'{}' is a navigation, a scalar rule gives it no value", named.text);
                reader.wrong(&named.place, message, "write a navigation rule: property, role, target");
                continue;
            };
            if target.computed(&property.name).is_some() {
                let message = format!("'{}' of {} is computed, so nothing writes it", named.text, target.name);
                reader.wrong(&named.place, message, "leave the rule out, or write the properties that it is made of");
                continue;
            }
            let wanted = if property.multi_valued { Wanted::Values(value_type) } else { Wanted::Value(value_type) };
            let variables = self.shapes.of_owner(owner);
            let value = rule.value.as_ref().and_then(|text| {
                let value = self.shapes.compile(reader, text, &variables, wanted)?;
                if !property.sensitive {
                    let what = format!("the value of '{}'", named.text);
                    let name = (&named.text, &target.name);
                    let hint =
                        format!("add sensitive: true to {} of {}: what is made of a secret is one", name.0, name.1);
                    self.shapes.refuse_secrets(reader, text, &value, &variables, &what, &hint);
                }
                Some(value)
            });
            let Some(offset) = rule.offset else { continue };
            if is_key && offset != Offset::default() {
                let message = format!("the rule for '{}', the key of {}, has an offset", named.text, target.name);
                reader.wrong(&named.place, message, "leave offset out: a resource has one key all its time");
                continue;
            }
            if let Some(first) = taken.get(&(named.text.clone(), offset.reference)) {
                let (message, hint) = twice(reader, named, is_key, offset.reference, first);
                reader.wrong(&named.place, message, hint);
                continue;
            }
            taken.insert((named.text.clone(), offset.reference), named.place.clone());
            let way = match &rule.comparison {
                None => Some(property.comparison),
                named => comparison(reader, named.as_ref(), &property.name, &property.kind),
            };
            let Some(way) = way else { continue };
            let (first, place) = compared.entry(named.text.clone()).or_insert_with(|| (way, named.place.clone()));
            if *first != way {
                let message = format!(
                    "the rules for '{}' compare differently: {} here, {} on {}",
                    named.text,
                    way.name(),
                    first.name(),
                    reader.shown(place)
                );
                let hint = format!("give property '{}' the comparison, and the rules none", named.text);
                reader.wrong(&rule.comparison.as_ref().unwrap_or(named).place, message, hint);
                continue;
            }
            let Some(value) = value else { continue };
            rules.push(ScalarRule { property: Arc::clone(&property.name), value, comparison: way, offset });
        }
        if !has_key && !target.key.is_empty() {
            let message = format!(
                "resource type '{}' has no scalar rule for '{}', the key of {}",
                name.text, target.key, target.name
            );
            reader.wrong(&name.place, message, format!("add {{ property: {}, value: … }} to scalar_rules", target.key));
        }
        rules
    }

    pub(super) fn navigation_rules(
        &self,
        reader: &mut Reader<'_>,
        declared: &[declaration::NavigationRule],
        owner: &'a EntityType,
        target: &'a EntityType,
    ) -> Vec<NavigationRule> {
        let mut rules: Vec<NavigationRule> = Vec::new();
        let mut seen: HashMap<String, Place> = HashMap::new();
        for rule in declared {
            let conditions = self.conditions(reader, owner, rule.role.as_ref(), &rule.criteria);
            let Some(named) = &rule.property else { continue };
            let Some(property) = navigation(reader, named, target, "write a scalar rule: property, value") else {
                continue;
            };
            let (Some((role, criteria)), Some(linked), Some(offset)) = (conditions, &rule.target, rule.offset) else {
                continue;
            };
            let text = |text: &Option<Text>| text.as_ref().map(|text| text.text.clone());
            let (role_named, when) = (text(&rule.role), text(&rule.criteria.when));
            let dimensions = &criteria.dimensions;
            let same = format!("{:?}", (&named.text, role_named, when, dimensions, &linked.text, rule.denied, offset));
            if is_repeated(reader, "navigation rule", same, named, &mut seen) {
                continue;
            }
            rules.push(NavigationRule {
                property: Arc::clone(&property.name),
                role,
                criteria,
                target: linked.text.clone(),
                denied: rule.denied,
                offset,
            });
        }
        rules
    }

    /// Highest confidence first; among equals as declared.
    pub(super) fn query_rules(
        &self,
        reader: &mut Reader<'_>,
        declared: &[declaration::QueryRule],
        navigation_rules: &[declaration::NavigationRule],
        owner: &'a EntityType,
        target: &'a EntityType,
    ) -> Vec<QueryRule> {
        let mut rules = Vec::new();
        let mut seen: HashMap<String, Place> = HashMap::new();
        for (place, rule) in declared.iter().enumerate() {
            let source = rule.source.as_ref().map(|source| self.source(reader, source, owner));
            let Some(named) = &rule.property else { continue };
            let Some(property) = navigation(reader, named, target, "write a scalar rule: property, value") else {
                continue;
            };
            let other = navigation_rules.iter().filter_map(|rule| rule.property.as_ref());
            if let Some(other) = other.into_iter().find(|other| other.text == named.text) {
                let message = format!("'{}' has a navigation rule too, on {}", named.text, reader.shown(&other.place));
                reader.wrong(&named.place, message, "write all its rules as navigation rules, or all as query rules");
                continue;
            }
            let Some(linked) = property.navigates_to().and_then(|name| self.shapes.get(name)) else { continue };
            let found = rule.target.as_ref().map(|target| self.target(reader, target, linked));
            let (Some(Some(source)), Some(Some(found)), Some(offset)) = (source, found, rule.offset) else { continue };
            // A link that nobody sees may be found by anything.
            if !property.sensitive {
                self.refuse_half_secrets(reader, named, (&source, owner), (&found, linked));
            }
            let same = format!("{:?}", (&named.text, source.source(), found.source(), offset));
            if is_repeated(reader, "query rule", same, named, &mut seen) {
                continue;
            }
            rules.push(QueryRule {
                number: place + 1,
                property: Arc::clone(&property.name),
                source,
                target: found,
                confidence: rule.confidence,
                offset,
                required: rule.required,
            });
        }
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.confidence));
        rules
    }

    /// Highest confidence first; among equals as declared.
    pub(super) fn correlation_rules(
        &self,
        reader: &mut Reader<'_>,
        declared: &[declaration::CorrelationRule],
        owner: &'a EntityType,
        target: &'a EntityType,
    ) -> Vec<CorrelationRule> {
        let mut rules = Vec::new();
        let mut seen: HashMap<String, Place> = HashMap::new();
        for (place, rule) in declared.iter().enumerate() {
            let source = rule.source.as_ref().map(|source| self.source(reader, source, owner));
            let found = rule.target.as_ref().map(|text| (text, self.target(reader, text, target)));
            let (Some(Some(source)), Some((text, Some(found)))) = (source, found) else { continue };
            self.refuse_half_secrets(reader, text, (&source, owner), (&found, target));
            let same = format!("{:?}", (source.source(), found.source()));
            if is_repeated(reader, "correlation rule", same, text, &mut seen) {
                continue;
            }
            rules.push(CorrelationRule { number: place + 1, source, target: found, confidence: rule.confidence });
        }
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.confidence));
        rules
    }

    /// Highest confidence first; among equals as declared.
    pub(super) fn classification_rules(
        &self,
        reader: &mut Reader<'_>,
        declared: &[declaration::ClassificationRule],
        target: &'a EntityType,
    ) -> Vec<ClassificationRule> {
        let mut rules = Vec::new();
        let mut seen: HashMap<String, Place> = HashMap::new();
        for (place, rule) in declared.iter().enumerate() {
            let Some(text) = &rule.when else { continue };
            let when = self.shapes.compile(reader, text, &[(Variable::Target, target)], Wanted::Condition);
            let Some(when) = when else { continue };
            if is_repeated(reader, "classification rule", when.source().to_owned(), text, &mut seen) {
                continue;
            }
            rules.push(ClassificationRule { number: place + 1, when, confidence: rule.confidence });
        }
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.confidence));
        rules
    }

    /// Reports a rule that finds what is sensitive by what everybody sees, or the other way round: whoever sees what it
    /// found would see the secret beside it.
    fn refuse_half_secrets(
        &self,
        reader: &mut Reader<'_>,
        at: &Text,
        (source, owner): (&Expression, &'a EntityType),
        (found, of): (&Expression, &'a EntityType),
    ) {
        let of_source = self.shapes.secret(source, &self.shapes.of_owner(owner));
        let of_found = self.shapes.secret(found, &[(Variable::Target, of)]);
        let (secret, other) = match (of_source, of_found) {
            (Some(secret), None) => (secret, "target"),
            (None, Some(secret)) => (secret, "source"),
            (Some(_), Some(_)) | (None, None) => return,
        };
        let message = format!("the rule compares '{secret}', which is sensitive, with a {other} that is not");
        reader.wrong(
            &at.place,
            message,
            "whoever sees what it finds would know the secret: compare secrets with secrets",
        );
    }

    /// The text that is looked for.
    fn source(&self, reader: &mut Reader<'_>, text: &Text, owner: &'a EntityType) -> Option<Expression> {
        self.shapes.compile(reader, text, &self.shapes.of_owner(owner), TEXT)
    }

    /// The text of what is found. One that says nothing of it would find everything, or nothing.
    fn target(&self, reader: &mut Reader<'_>, text: &Text, target: &'a EntityType) -> Option<Expression> {
        let found = self.shapes.compile(reader, text, &[(Variable::Target, target)], TEXT)?;
        if !found.reads(Variable::Target) {
            let message = format!("this side reads nothing of the {} that it looks for", target.name);
            let known =
                target.properties.iter().find(|property| !property.write_only && property.navigates_to().is_none());
            let hint = known.map_or_else(String::new, |property| format!("write for example target.{}", property.name));
            reader.wrong(&text.place, message, hint);
            return None;
        }
        Some(found)
    }
}

/// The navigation that a text names, or a problem.
fn navigation<'a>(
    reader: &mut Reader<'_>,
    named: &Text,
    target: &'a EntityType,
    instead: &str,
) -> Option<&'a Property> {
    let property = property(reader, named, target)?;
    if let PropertyKind::Scalar(value_type) = property.kind {
        let message = format!("'{}' is of type {}, not a navigation", named.text, value_type.name());
        reader.wrong(&named.place, message, instead);
        return None;
    }
    Some(property)
}

/// What is wrong with a second scalar rule of the same property and the same offset reference.
fn twice(
    reader: &Reader<'_>,
    named: &Text,
    is_key: bool,
    reference: OffsetReference,
    first: &Place,
) -> (String, &'static str) {
    let of = match reference {
        OffsetReference::Default => "",
        OffsetReference::Around => " with reference around",
        OffsetReference::Before => " with reference before",
        OffsetReference::After => " with reference after",
    };
    let name = &named.text;
    let message = format!("scalar rule for '{name}'{of} is declared twice; the first is on {}", reader.shown(first));
    let hint = if is_key { "keep one of them" } else { "keep one of them, or give them different offset references" };
    (message, hint)
}

/// Reports a rule that stands there already.
fn is_repeated(
    reader: &mut Reader<'_>,
    what: &str,
    same: String,
    at: &Text,
    seen: &mut HashMap<String, Place>,
) -> bool {
    if let Some(first) = seen.get(&same) {
        let message = format!("the same {what} stands on {}", reader.shown(first));
        reader.wrong(&at.place, message, "keep one of them");
        return true;
    }
    seen.insert(same, at.place.clone());
    false
}
