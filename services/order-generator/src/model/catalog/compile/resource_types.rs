//! Resource types and their rules.

use super::roles::Roles;
use super::{Name, Reader, Shapes, Taken, Text, declaration, unknown};
use crate::model::catalog::{Connector, EntityType, Property, PropertyKind, ResourceType};
use crate::model::expression::Variable;
use std::collections::HashMap;
use std::sync::Arc;

/// What resource types refer to.
pub(super) struct Surroundings<'a> {
    pub(super) shapes: &'a Shapes<'a>,
    pub(super) connectors: &'a [Connector],
    pub(super) connector_index: &'a HashMap<Name, usize>,
    pub(super) roles: &'a Roles,
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
        let type_rules = self.type_rules(reader, declared.type_rules, owner);
        let scalar_rules = self.scalar_rules(reader, &declared.name, declared.scalar_rules, owner, target);
        let navigation_rules = self.navigation_rules(reader, &declared.navigation_rules, owner, target);
        let query_rules = self.query_rules(reader, &declared.query_rules, &declared.navigation_rules, owner, target);
        let correlation_rules = self.correlation_rules(reader, &declared.correlation_rules, owner, target);
        let classification_rules = self.classification_rules(reader, &declared.classification_rules, target);
        let variables = self.shapes.of_owner(owner);
        let arguments = declared.arguments.into_iter();
        let arguments = arguments
            .filter_map(|(name, value)| Some((name.text, self.shapes.argument(reader, &value, &variables, target)?)));
        let (order_arguments, arguments) = arguments.partition(|(_, argument)| argument.reads(Variable::Order));
        if let Some(named) = &declared.depends_on_owner_property {
            owner_property(reader, named, owner);
        }
        ResourceType {
            display_name: declared.display_name.map_or_else(|| name.to_string(), |text| text.text),
            name,
            owner: Arc::clone(&owner.name),
            target: Arc::clone(&target.name),
            connector: Arc::clone(&target.connector),
            connection: declared.connection.map_or_else(|| "".into(), |connection| connection.text.as_str().into()),
            depends_on: declared.depends_on.map(|name| name.text.as_str().into()),
            depends_on_owner_property: declared.depends_on_owner_property.map(|name| name.text.as_str().into()),
            fulfill_ahead_hours: declared.fulfill_ahead_hours,
            approval: declared.approval,
            correlate_multiple: declared.correlate_multiple,
            discard_manual_assignments: declared.discard_manual_assignments,
            query_rules,
            correlation_rules,
            classification_rules,
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
            order_arguments,
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
}

/// What an owner must have first is one or several values that can be read.
fn owner_property(reader: &mut Reader<'_>, named: &Text, owner: &EntityType) {
    let Some(property) = property(reader, named, owner) else { return };
    if let PropertyKind::Navigation(_) = property.kind {
        let message = format!("'{}' of {} is a navigation", named.text, owner.name);
        reader.wrong(&named.place, message, "name a scalar property");
    } else if property.write_only {
        let message =
            format!("'{}' of {} is write-only, so nobody knows whether it has a value", named.text, owner.name);
        reader.wrong(&named.place, message, "name a property that can be read");
    }
}

/// The property that a text names, or a problem.
pub(super) fn property<'a>(reader: &mut Reader<'_>, named: &Text, of: &'a EntityType) -> Option<&'a Property> {
    let found = of.property(&named.text);
    if found.is_none() {
        let known = of.properties.iter().map(|property| &*property.name);
        unknown(reader, "property", named, &format!(" of {}", of.name), known);
    }
    found
}
