//! Reading connectors, entity types and contexts.

use super::{Connection, Connector, Context, EntityType, Positions, Property, called, unsigned};
use crate::model::catalog::node::Node;
use crate::model::catalog::reader::{Fields, Reader, Text};
use crate::model::catalog::{SynchronizationThresholds, keys};

pub(super) fn connector(reader: &mut Reader<'_>, node: &Node) -> Option<Connector> {
    let what = called("connector", node);
    let fields = reader.fields(node, &what, keys::CONNECTOR)?;
    let name = fields.name(reader, "hr", false);
    let display_name = fields.text(reader, "display_name");
    let export = fields.text(reader, "export");
    let connections: Vec<Connection> = fields
        .items(reader, "connections")
        .iter()
        .filter_map(|node| {
            let what = called("connection", node);
            let fields = reader.fields(node, &what, keys::CONNECTION)?;
            let name = fields.name(reader, "hr-csv", false);
            let package = fields.required(reader, "package", "csv");
            Some(Connection { name: name?, package })
        })
        .collect();
    let thresholds = thresholds(reader, &fields, &what);
    Some(Connector { name: name?, display_name, connections, export, thresholds })
}

fn thresholds(reader: &mut Reader<'_>, fields: &Fields<'_>, what: &str) -> SynchronizationThresholds {
    let default = SynchronizationThresholds::default();
    let Some(node) = fields.node("thresholds") else { return default };
    let what = format!("'thresholds' of {what}");
    let Some(fields) = reader.fields(node, &what, keys::SYNCHRONIZATION_THRESHOLDS) else { return default };
    let mut count = |key: &str| unsigned(fields.number(reader, key, 0, 1_000_000_000, 0));
    let (insertions, updates, deletions) = (count("insertions"), count("updates"), count("deletions"));
    let mut percent = |key: &str, usual: u32| unsigned(fields.number(reader, key, 0, 100, usual.into()));
    SynchronizationThresholds {
        insertions,
        updates,
        deletions,
        insertions_percent: percent("insertions_percent", default.insertions_percent),
        updates_percent: percent("updates_percent", default.updates_percent),
        deletions_percent: percent("deletions_percent", default.deletions_percent),
    }
}

pub(super) fn entity_type(reader: &mut Reader<'_>, node: &Node) -> Option<EntityType> {
    let what = called("entity type", node);
    let fields = reader.fields(node, &what, keys::ENTITY_TYPE)?;
    let name = fields.name(reader, "Person", false);
    let connector = fields.required(reader, "connector", "hr");
    let key = fields.required(reader, "key", "employee_id");
    let display_name = fields.text(reader, "display_name");
    let properties: Vec<Property> =
        fields.items(reader, "properties").iter().filter_map(|node| property(reader, node)).collect();
    Some(EntityType { name: name?, connector, key, display_name, properties })
}

fn property(reader: &mut Reader<'_>, node: &Node) -> Option<Property> {
    let what = called("property", node);
    let fields = reader.fields(node, &what, keys::PROPERTY)?;
    // Expressions say owner.NAME, so a property's name is an identifier.
    let name = fields.name(reader, "employee_id", true);
    let value_type = fields.text(reader, "type");
    let navigation = fields.text(reader, "navigation");
    match (&value_type, &navigation) {
        (None, None) if fields.node("type").is_none() && fields.node("navigation").is_none() => {
            reader.wrong(
                &fields.place,
                format!("{what} has no 'type'"),
                "add type: string, or navigation: and an entity type",
            );
        }
        (Some(_), Some(navigation)) => {
            reader.wrong(
                &navigation.place,
                format!("{what} has both 'type' and 'navigation'"),
                "keep one: a navigation holds keys",
            );
        }
        _ => {}
    }
    let computed = fields.text(reader, "computed");
    let comparison = fields.text(reader, "comparison");
    let multi_valued = fields.boolean(reader, "multi_valued", false);
    let sensitive = fields.boolean(reader, "sensitive", false);
    let write_only = fields.boolean(reader, "write_only", false);
    Some(Property { name: name?, value_type, navigation, computed, comparison, multi_valued, sensitive, write_only })
}

pub(super) fn context(reader: &mut Reader<'_>, node: &Node) -> Option<Context> {
    let fields = reader.fields(node, "context", keys::CONTEXT)?;
    let entity_type = fields.required(reader, "entity_type", "Person");
    let positions = fields.node("positions").and_then(|node| {
        let fields = reader.fields(node, "'positions' of context", keys::POSITIONS)?;
        Some(Positions {
            entity_type: fields.required(reader, "entity_type", "Position"),
            owner: fields.required(reader, "owner", "person"),
        })
    });
    // Which positions are meant is not known then, but that there are some is.
    let positions_are_wrong = fields.node("positions").is_some() && positions.is_none();
    if positions_are_wrong {
        reader.spoilt.insert("position".to_owned());
    }
    let valid_from = fields.text(reader, "valid_from");
    let valid_until = fields.text(reader, "valid_until");
    let example = "write dimensions and expressions, for example { country: owner.country }";
    let problems = reader.problems.len();
    let entries = reader.entries(fields.node("dimensions"), "'dimensions' of context", "a dimension", example);
    let dimensions_are_wrong = reader.problems.len() > problems;
    let dimensions: Vec<(Text, Option<Text>)> = entries
        .into_iter()
        .map(|(name, node)| {
            let value = reader.text(node, &format!("dimension '{}'", name.text));
            (name, value)
        })
        .collect();
    Some(Context { entity_type: entity_type?, positions, valid_from, valid_until, dimensions, dimensions_are_wrong })
}
