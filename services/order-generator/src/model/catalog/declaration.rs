//! What the files declare, item by item, before anything is known of how the items fit together.

use super::node::{Data, Node};
use super::reader::{Fields, Reader, Text};

#[derive(Debug, Default)]
pub(super) struct Declared {
    pub(super) connectors: Vec<Connector>,
    pub(super) entity_types: Vec<EntityType>,
    pub(super) contexts: Vec<Context>,
    pub(super) roles: Vec<Role>,
    pub(super) resource_types: Vec<ResourceType>,
}

#[derive(Debug)]
pub(super) struct Connector {
    pub(super) name: Text,
    pub(super) display_name: Option<Text>,
    pub(super) connections: Vec<Connection>,
    pub(super) export: Option<Text>,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) name: Text,
    pub(super) package: Option<Text>,
}

#[derive(Debug)]
pub(super) struct EntityType {
    pub(super) name: Text,
    pub(super) connector: Option<Text>,
    pub(super) key: Option<Text>,
    pub(super) display_name: Option<Text>,
    pub(super) properties: Vec<Property>,
}

#[derive(Debug)]
pub(super) struct Property {
    pub(super) name: Text,
    pub(super) value_type: Option<Text>,
    pub(super) navigation: Option<Text>,
    pub(super) multi_valued: bool,
    pub(super) sensitive: bool,
    pub(super) write_only: bool,
}

#[derive(Debug)]
pub(super) struct Context {
    pub(super) entity_type: Text,
    pub(super) valid_from: Option<Text>,
    pub(super) valid_until: Option<Text>,
}

#[derive(Debug)]
pub(super) struct Role {
    pub(super) name: Text,
    pub(super) display_name: Option<Text>,
    pub(super) owner: Option<Text>,
    pub(super) rules: Vec<Text>,
}

#[derive(Debug)]
pub(super) struct ResourceType {
    pub(super) name: Text,
    pub(super) display_name: Option<Text>,
    pub(super) owner: Option<Text>,
    pub(super) target: Option<Text>,
    pub(super) connection: Option<Text>,
    pub(super) depends_on: Option<Text>,
    pub(super) review: bool,
    pub(super) type_rules: Vec<TypeRule>,
    pub(super) scalar_rules: Vec<ScalarRule>,
    pub(super) navigation_rules: Vec<NavigationRule>,
    pub(super) allow_add: bool,
    pub(super) allow_remove: bool,
    pub(super) remove_orphans: bool,
    pub(super) thresholds: super::Thresholds,
    pub(super) transmitted_validity_minutes: u32,
    pub(super) priority: i32,
    pub(super) arguments: Vec<(Text, Text)>,
}

#[derive(Debug)]
pub(super) struct TypeRule {
    pub(super) when: Option<Text>,
    pub(super) role: Option<Text>,
}

#[derive(Debug)]
pub(super) struct ScalarRule {
    pub(super) property: Option<Text>,
    pub(super) value: Option<Text>,
}

#[derive(Debug)]
pub(super) struct NavigationRule {
    pub(super) property: Option<Text>,
    pub(super) role: Option<Text>,
    pub(super) when: Option<Text>,
    pub(super) target: Option<Text>,
}

impl Declared {
    /// Adds what one file declares.
    pub(super) fn file(&mut self, reader: &mut Reader<'_>, root: &Node) {
        let known = &["connectors", "entity_types", "contexts", "roles", "resource_types"];
        let Some(fields) = reader.fields(root, "the catalog", known) else { return };
        let connectors = fields.items(reader, "connectors").iter().filter_map(|node| connector(reader, node));
        self.connectors.extend(connectors);
        let entity_types = fields.items(reader, "entity_types");
        self.entity_types.extend(entity_types.iter().filter_map(|node| entity_type(reader, node)));
        let contexts = fields.items(reader, "contexts");
        self.contexts.extend(contexts.iter().filter_map(|node| context(reader, node)));
        let roles = fields.items(reader, "roles");
        self.roles.extend(roles.iter().filter_map(|node| role(reader, node)));
        let resource_types = fields.items(reader, "resource_types");
        self.resource_types.extend(resource_types.iter().filter_map(|node| resource_type(reader, node)));
    }
}

/// `kind 'name'`, as far as the name can be read: what messages call the item.
fn called(kind: &str, node: &Node) -> String {
    let Data::Mapping(entries) = &node.data else { return kind.to_owned() };
    let is = |node: &Node, wanted: &str| matches!(&node.data, Data::Scalar { text, .. } if text == wanted);
    let name = entries.iter().find(|(key, _)| is(key, "name")).map(|(_, value)| &value.data);
    match name {
        Some(Data::Scalar { text, .. }) if !text.is_empty() => {
            format!("{kind} '{}'", text.chars().take(60).collect::<String>())
        }
        _ => kind.to_owned(),
    }
}

fn connector(reader: &mut Reader<'_>, node: &Node) -> Option<Connector> {
    let what = called("connector", node);
    let fields = reader.fields(node, &what, &["name", "display_name", "connections", "export"])?;
    let name = fields.name(reader, "hr", false);
    let display_name = fields.text(reader, "display_name");
    let export = fields.text(reader, "export");
    let connections: Vec<Connection> = fields
        .items(reader, "connections")
        .iter()
        .filter_map(|node| {
            let what = called("connection", node);
            let fields = reader.fields(node, &what, &["name", "package"])?;
            let name = fields.name(reader, "hr-csv", false);
            let package = fields.required(reader, "package", "csv");
            Some(Connection { name: name?, package })
        })
        .collect();
    Some(Connector { name: name?, display_name, connections, export })
}

fn entity_type(reader: &mut Reader<'_>, node: &Node) -> Option<EntityType> {
    let what = called("entity type", node);
    let fields = reader.fields(node, &what, &["name", "connector", "key", "display_name", "properties"])?;
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
    let known = &["name", "type", "navigation", "multi_valued", "sensitive", "write_only"];
    let fields = reader.fields(node, &what, known)?;
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
    let multi_valued = fields.boolean(reader, "multi_valued", false);
    let sensitive = fields.boolean(reader, "sensitive", false);
    let write_only = fields.boolean(reader, "write_only", false);
    Some(Property { name: name?, value_type, navigation, multi_valued, sensitive, write_only })
}

fn context(reader: &mut Reader<'_>, node: &Node) -> Option<Context> {
    let fields = reader.fields(node, "context", &["entity_type", "valid_from", "valid_until"])?;
    let entity_type = fields.required(reader, "entity_type", "Person");
    let valid_from = fields.text(reader, "valid_from");
    let valid_until = fields.text(reader, "valid_until");
    Some(Context { entity_type: entity_type?, valid_from, valid_until })
}

fn role(reader: &mut Reader<'_>, node: &Node) -> Option<Role> {
    let what = called("role", node);
    let fields = reader.fields(node, &what, &["name", "display_name", "owner", "rules"])?;
    let name = fields.name(reader, "finance-reader", false);
    let display_name = fields.text(reader, "display_name");
    let owner = fields.required(reader, "owner", "Person");
    let rules: Vec<Text> = fields
        .items(reader, "rules")
        .iter()
        .filter_map(|node| {
            let what = format!("rule of {what}");
            reader.fields(node, &what, &["when"])?.required(reader, "when", "owner.department == 'Finance'")
        })
        .collect();
    Some(Role { name: name?, display_name, owner, rules })
}

fn resource_type(reader: &mut Reader<'_>, node: &Node) -> Option<ResourceType> {
    let what = called("resource type", node);
    let known = &[
        "name",
        "display_name",
        "owner",
        "target",
        "connection",
        "depends_on",
        "review",
        "type_rules",
        "scalar_rules",
        "navigation_rules",
        "allow_add",
        "allow_remove",
        "remove_orphans",
        "thresholds",
        "transmitted_validity_minutes",
        "priority",
        "arguments",
    ];
    let fields = reader.fields(node, &what, known)?;
    let name = fields.name(reader, "AppAccount", false);
    if fields.items(reader, "type_rules").is_empty()
        && fields.node("type_rules").is_none_or(|node| matches!(&node.data, Data::List(_)) || node.is_null())
    {
        let message = format!("{what} has no type rule, so nobody would have it");
        let place = fields.node("type_rules").map_or(&fields.place, |node| &node.place);
        reader.wrong(place, message, "add type_rules: with a rule; '- {}' means every owner");
    }
    let resource_type = ResourceType {
        display_name: fields.text(reader, "display_name"),
        owner: fields.required(reader, "owner", "Person"),
        target: fields.required(reader, "target", "Account"),
        connection: fields.required(reader, "connection", "app-sql"),
        depends_on: fields.text(reader, "depends_on"),
        review: fields.boolean(reader, "review", true),
        type_rules: rules(reader, &fields, "type_rules", "type rule", &["when", "role"], |reader, fields| TypeRule {
            when: fields.text(reader, "when"),
            role: fields.text(reader, "role"),
        }),
        scalar_rules: rules(
            reader,
            &fields,
            "scalar_rules",
            "scalar rule",
            &["property", "value"],
            |reader, fields| ScalarRule {
                property: fields.required(reader, "property", "title"),
                value: fields.required(reader, "value", "owner.title"),
            },
        ),
        navigation_rules: rules(
            reader,
            &fields,
            "navigation_rules",
            "navigation rule",
            &["property", "role", "when", "target"],
            |reader, fields| NavigationRule {
                property: fields.required(reader, "property", "groups"),
                role: fields.text(reader, "role"),
                when: fields.text(reader, "when"),
                target: fields.required(reader, "target", "finance-read"),
            },
        ),
        allow_add: fields.boolean(reader, "allow_add", true),
        allow_remove: fields.boolean(reader, "allow_remove", true),
        remove_orphans: fields.boolean(reader, "remove_orphans", false),
        thresholds: thresholds(reader, &fields, &what),
        transmitted_validity_minutes: unsigned(fields.number(reader, "transmitted_validity_minutes", 0, 5_256_000, 0)),
        priority: i32::try_from(fields.number(reader, "priority", -1_000_000, 1_000_000, 0)).unwrap_or(0),
        arguments: arguments(reader, &fields, &what),
        name: name.clone()?,
    };
    Some(resource_type)
}

fn rules<T>(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    key: &str,
    what: &str,
    known: &'static [&'static str],
    read: impl Fn(&mut Reader<'_>, &Fields<'_>) -> T,
) -> Vec<T> {
    // A list that is none was reported when the type rules were counted.
    let nodes = match fields.node(key) {
        Some(Node { data: Data::List(nodes), .. }) => nodes.as_slice(),
        _ if key == "type_rules" => &[],
        _ => fields.items(reader, key),
    };
    nodes
        .iter()
        .filter_map(|node| {
            let fields = reader.fields(node, what, known)?;
            Some(read(reader, &fields))
        })
        .collect()
}

fn unsigned(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

fn thresholds(reader: &mut Reader<'_>, fields: &Fields<'_>, what: &str) -> super::Thresholds {
    let default = super::Thresholds::default();
    let Some(node) = fields.node("thresholds") else { return default };
    let known = &["additions", "updates", "deletions", "additions_percent", "updates_percent", "deletions_percent"];
    let Some(fields) = reader.fields(node, &format!("'thresholds' of {what}"), known) else { return default };
    let mut count = |key: &str| unsigned(fields.number(reader, key, 0, 1_000_000_000, 0));
    let (additions, updates, deletions) = (count("additions"), count("updates"), count("deletions"));
    let mut percent = |key: &str| unsigned(fields.number(reader, key, 0, 100, 30));
    let (additions_percent, updates_percent) = (percent("additions_percent"), percent("updates_percent"));
    let deletions_percent = percent("deletions_percent");
    super::Thresholds { additions, updates, deletions, additions_percent, updates_percent, deletions_percent }
}

fn arguments(reader: &mut Reader<'_>, fields: &Fields<'_>, what: &str) -> Vec<(Text, Text)> {
    let Some(node) = fields.node("arguments") else { return vec![] };
    let Data::Mapping(entries) = &node.data else {
        let message = format!("'arguments' of {what} must be a mapping, this is {}", node.named());
        reader.wrong(&node.place, message, "write names and expressions, for example shell: \"'/bin/sh'\"");
        return vec![];
    };
    let mut found: Vec<(Text, Text)> = Vec::new();
    for (key, value) in entries {
        let Some(name) = reader.text(key, "the name of an argument") else { continue };
        if let Some((first, _)) = found.iter().find(|(known, _)| known.text == name.text) {
            let message = format!("duplicate key '{}'; the first is on {}", name.text, reader.shown(&first.place));
            reader.wrong(&name.place, message, "keep one of them");
            continue;
        }
        if let Some(value) = reader.text(value, &format!("argument '{}'", name.text)) {
            found.push((name, value));
        }
    }
    found
}
