//! Resource types and their rules.

use super::{Expression, Name, Reader, RoleRef, Shapes, TEXT, Taken, Text, declaration, unknown};
use crate::model::catalog::{
    Approval, Comparison, Connector, Criteria, EntityType, NavigationRule, Offset, Property, PropertyKind,
    ResourceType, Role, ScalarRule, TypeRule,
};
use crate::model::expression::Wanted;
use std::collections::HashMap;
use std::sync::Arc;

/// What resource types refer to.
pub(super) struct Surroundings<'a> {
    pub(super) shapes: &'a Shapes<'a>,
    pub(super) connectors: &'a [Connector],
    pub(super) connector_index: &'a HashMap<Name, usize>,
    pub(super) roles: &'a [Role],
    pub(super) role_places: &'a HashMap<Name, RoleRef>,
}

pub(super) fn resource_types(
    reader: &mut Reader<'_>,
    around: &Surroundings<'_>,
    declared: Vec<declaration::ResourceType>,
) -> Vec<ResourceType> {
    let mut taken = Taken::default();
    let mut resource_types = Vec::new();
    dependencies(reader, &declared);
    for declared in declared {
        let is_new = taken.take(reader, "resource type", &declared.name, "");
        let owner = around.shapes.named(reader, declared.owner.as_ref());
        let target = around.shapes.named(reader, declared.target.as_ref());
        if let (Some(connection), Some(target)) = (&declared.connection, target) {
            around.connection(reader, connection, target);
        }
        let (Some(owner), Some(target)) = (owner, target) else { continue };
        let resource_type = around.resource_type(reader, declared, owner, target);
        if is_new {
            resource_types.push(resource_type);
        }
    }
    resource_types
}

/// What resource types depend on is there, is for the same owners, and leads back to none of them.
fn dependencies(reader: &mut Reader<'_>, declared: &[declaration::ResourceType]) {
    let by_name: HashMap<&str, &declaration::ResourceType> =
        declared.iter().rev().map(|one| (one.name.text.as_str(), one)).collect();
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.text.clone()).unwrap_or_default();
    for one in declared {
        let Some(needed) = &one.depends_on else { continue };
        let Some(other) = by_name.get(needed.text.as_str()) else {
            unknown(reader, "resource type", needed, "", by_name.keys().copied());
            continue;
        };
        if text(&other.owner) != text(&one.owner) {
            let message = format!(
                "resource type '{}' is for {}, this one is for {}",
                needed.text,
                text(&other.owner),
                text(&one.owner)
            );
            reader.wrong(&needed.place, message, "name a resource type of the same owners");
        }
        let mut path = vec![one.name.text.as_str()];
        let mut next = Some(needed.text.as_str());
        while let Some(name) = next {
            if name == one.name.text {
                let cycle = path.iter().copied().chain([name]).collect::<Vec<_>>().join(" -> ");
                let message = format!("resource types depend on each other in a cycle: {cycle}");
                reader.wrong(&needed.place, message, "leave out one depends_on of the cycle");
            }
            if path.contains(&name) {
                break;
            }
            path.push(name);
            next = by_name.get(name).and_then(|other| other.depends_on.as_ref()).map(|text| text.text.as_str());
        }
    }
}

impl<'a> Surroundings<'a> {
    fn resource_type(
        &self,
        reader: &mut Reader<'_>,
        declared: declaration::ResourceType,
        owner: &'a EntityType,
        target: &'a EntityType,
    ) -> ResourceType {
        let name: Name = declared.name.text.as_str().into();
        let type_rules = declared
            .type_rules
            .into_iter()
            .filter_map(|rule| {
                let (role, when) = self.conditions(reader, owner, rule.role.as_ref(), rule.when.as_ref())?;
                Some(TypeRule { role, criteria: Criteria { dimensions: vec![], when }, ..TypeRule::default() })
            })
            .collect();
        let scalar_rules = self.scalar_rules(reader, &declared.name, declared.scalar_rules, owner, target);
        let navigation_rules = self.navigation_rules(reader, declared.navigation_rules, owner, target);
        let arguments = declared
            .arguments
            .into_iter()
            .filter_map(|(name, value)| Some((name.text, self.shapes.compile(reader, &value, owner, TEXT)?)))
            .collect();
        ResourceType {
            display_name: declared.display_name.map_or_else(|| name.to_string(), |text| text.text),
            name,
            owner: Arc::clone(&owner.name),
            target: Arc::clone(&target.name),
            connector: Arc::clone(&target.connector),
            connection: declared.connection.map_or_else(|| "".into(), |connection| connection.text.as_str().into()),
            depends_on: declared.depends_on.map(|name| name.text.as_str().into()),
            depends_on_owner_property: None,
            fulfill_ahead_hours: 0,
            approval: Approval::default(),
            correlate_multiple: false,
            discard_manual_assignments: false,
            query_rules: vec![],
            correlation_rules: vec![],
            classification_rules: vec![],
            review: declared.review,
            type_rules,
            scalar_rules,
            navigation_rules,
            allow_add: declared.allow_add,
            allow_remove: declared.allow_remove,
            remove_orphans: declared.remove_orphans,
            thresholds: declared.thresholds,
            transmitted_validity_minutes: declared.transmitted_validity_minutes,
            priority: declared.priority,
            arguments,
        }
    }

    /// The connection belongs to the target's connector and can write.
    fn connection(&self, reader: &mut Reader<'_>, named: &Text, target: &EntityType) {
        let Some(place) = self.connector_index.get(&target.connector) else { return };
        let Some(connector) = self.connectors.get(*place) else { return };
        if let Some(connection) = connector.connection(&named.text) {
            if !connection.package.fulfills() {
                let message = format!(
                    "connection '{}' cannot write: package {} only reads",
                    named.text,
                    connection.package.name()
                );
                reader.wrong(&named.place, message, "name a connection whose package writes: sql, ldap, manual-ticket");
            }
            return;
        }
        let known = || connector.connections.iter().map(|connection| &*connection.name);
        let elsewhere = self.connectors.iter().find(|other| other.connection(&named.text).is_some());
        match elsewhere {
            Some(other) => {
                let message = format!(
                    "connection '{}' belongs to connector '{}', but {} lives in '{}'",
                    named.text, other.name, target.name, connector.name
                );
                let names: Vec<&str> = known().collect();
                let hint = if names.is_empty() {
                    format!("connector '{}' has no connection; add one", connector.name)
                } else {
                    format!("connections of '{}': {}", connector.name, names.join(", "))
                };
                reader.wrong(&named.place, message, hint);
            }
            None => unknown(reader, "connection", named, &format!(" of connector '{}'", connector.name), known()),
        }
    }

    /// The role and the condition of a rule; none when one of them is wrong.
    fn conditions(
        &self,
        reader: &mut Reader<'_>,
        owner: &'a EntityType,
        role: Option<&Text>,
        when: Option<&Text>,
    ) -> Option<(Option<RoleRef>, Option<Expression>)> {
        let when_is_right = when.map(|when| self.shapes.compile(reader, when, owner, Wanted::Condition));
        let role_is_right = role.map(|role| self.role(reader, role, owner));
        match (role_is_right, when_is_right) {
            (Some(None), _) | (_, Some(None)) => None,
            (role, when) => Some((role.flatten(), when.flatten())),
        }
    }

    fn role(&self, reader: &mut Reader<'_>, named: &Text, owner: &EntityType) -> Option<RoleRef> {
        let Some(found) = self.role_places.get(named.text.as_str()) else {
            unknown(reader, "role", named, "", self.roles.iter().map(|role| &*role.name));
            return None;
        };
        let role = self.roles.get(found.place)?;
        if role.owner != owner.name {
            let message = format!("role '{}' is for {}, this rule is for {}", role.name, role.owner, owner.name);
            reader.wrong(&named.place, message, format!("name a role whose owner is {}", owner.name));
            return None;
        }
        Some(found.clone())
    }

    fn scalar_rules(
        &self,
        reader: &mut Reader<'_>,
        name: &Text,
        declared: Vec<declaration::ScalarRule>,
        owner: &'a EntityType,
        target: &'a EntityType,
    ) -> Vec<ScalarRule> {
        let mut taken = Taken::default();
        let mut rules = Vec::new();
        let mut has_key = false;
        for rule in declared {
            let Some(named) = &rule.property else { continue };
            has_key |= *named.text == *target.key;
            let Some(property) = property(reader, named, target) else { continue };
            let is_new = taken.take(reader, "scalar rule for", named, "");
            let PropertyKind::Scalar(value_type) = property.kind else {
                let message = format!("'{}' is a navigation, a scalar rule gives it no value", named.text);
                reader.wrong(&named.place, message, "write a navigation rule: property, role, target");
                continue;
            };
            let wanted = if property.multi_valued { Wanted::Values(value_type) } else { Wanted::Value(value_type) };
            let Some(value) = rule.value.as_ref().and_then(|value| self.shapes.compile(reader, value, owner, wanted))
            else {
                continue;
            };
            if is_new {
                rules.push(ScalarRule {
                    property: Arc::clone(&property.name),
                    value,
                    comparison: Comparison::Exact,
                    offset: Offset::default(),
                });
            }
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

    fn navigation_rules(
        &self,
        reader: &mut Reader<'_>,
        declared: Vec<declaration::NavigationRule>,
        owner: &'a EntityType,
        target: &'a EntityType,
    ) -> Vec<NavigationRule> {
        let mut rules: Vec<NavigationRule> = Vec::new();
        let mut seen: HashMap<[String; 4], super::Place> = HashMap::new();
        for rule in declared {
            let conditions = self.conditions(reader, owner, rule.role.as_ref(), rule.when.as_ref());
            let Some(named) = &rule.property else { continue };
            let Some(property) = property(reader, named, target) else { continue };
            if let PropertyKind::Scalar(value_type) = property.kind {
                let message = format!("'{}' is of type {}, not a navigation", named.text, value_type.name());
                reader.wrong(&named.place, message, "write a scalar rule: property, value");
                continue;
            }
            let (Some((role, when)), Some(linked)) = (conditions, rule.target) else { continue };
            let text = |text: &Option<Text>| text.as_ref().map(|text| text.text.clone()).unwrap_or_default();
            let same = [named.text.clone(), text(&rule.role), text(&rule.when), linked.text.clone()];
            if let Some(first) = seen.get(&same) {
                let message = format!("the same navigation rule stands on {}", reader.shown(first));
                reader.wrong(&named.place, message, "keep one of them");
                continue;
            }
            seen.insert(same, named.place.clone());
            rules.push(NavigationRule {
                property: Arc::clone(&property.name),
                role,
                criteria: Criteria { dimensions: vec![], when },
                target: linked.text,
                denied: false,
                offset: Offset::default(),
            });
        }
        rules
    }
}

fn property<'a>(reader: &mut Reader<'_>, named: &Text, of: &'a EntityType) -> Option<&'a Property> {
    let found = of.property(&named.text);
    if found.is_none() {
        let known = of.properties.iter().map(|property| &*property.name);
        unknown(reader, "property", named, &format!(" of {}", of.name), known);
    }
    found
}
