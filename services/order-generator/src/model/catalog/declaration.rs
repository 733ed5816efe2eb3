//! What the files declare, item by item, before anything is known of how the items fit together.

mod resource_types;
mod roles;
mod systems;

use super::node::{Data, Node, Place};
use super::reader::{Fields, Reader, Text};
use super::{Approval, Offset, OffsetReference, keys};

#[derive(Debug, Default)]
pub(super) struct Declared {
    /// The policy, and where it stands.
    pub(super) policy: Option<(super::Policy, Place)>,
    pub(super) dimensions: Vec<Text>,
    pub(super) connectors: Vec<Connector>,
    pub(super) entity_types: Vec<EntityType>,
    pub(super) contexts: Vec<Context>,
    pub(super) roles: Vec<Role>,
    pub(super) composite_roles: Vec<CompositeRole>,
    pub(super) resource_types: Vec<ResourceType>,
    pub(super) automation_rules: Vec<AutomationRule>,
}

#[derive(Debug)]
pub(super) struct Connector {
    pub(super) name: Text,
    pub(super) display_name: Option<Text>,
    pub(super) connections: Vec<Connection>,
    pub(super) export: Option<Text>,
    pub(super) thresholds: super::SynchronizationThresholds,
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
    pub(super) computed: Option<Text>,
    pub(super) comparison: Option<Text>,
    pub(super) multi_valued: bool,
    pub(super) sensitive: bool,
    pub(super) write_only: bool,
}

#[derive(Debug)]
pub(super) struct Context {
    pub(super) entity_type: Text,
    pub(super) positions: Option<Positions>,
    pub(super) valid_from: Option<Text>,
    pub(super) valid_until: Option<Text>,
    pub(super) dimensions: Vec<(Text, Option<Text>)>,
    /// There are some that could not be read.
    pub(super) dimensions_are_wrong: bool,
}

#[derive(Debug)]
pub(super) struct Positions {
    pub(super) entity_type: Option<Text>,
    pub(super) owner: Option<Text>,
}

#[derive(Debug)]
pub(super) struct Role {
    pub(super) name: Text,
    pub(super) display_name: Option<Text>,
    pub(super) owner: Option<Text>,
    pub(super) rules: Vec<RoleRule>,
    pub(super) approval: Approval,
    /// None where the policy's counts.
    pub(super) grace_period_minutes: Option<u32>,
    /// None where the policy's counts.
    pub(super) max_duration_minutes: Option<u32>,
}

#[derive(Debug)]
pub(super) struct CompositeRole {
    /// What it has as a role.
    pub(super) role: Role,
    pub(super) roles: Vec<Text>,
}

#[derive(Debug)]
pub(super) struct RoleRule {
    pub(super) criteria: Criteria,
    pub(super) denied: bool,
}

#[derive(Debug, Default)]
pub(super) struct Criteria {
    pub(super) when: Option<Text>,
    pub(super) dimensions: Vec<(Text, Vec<Text>)>,
}

#[derive(Debug)]
pub(super) struct ResourceType {
    pub(super) name: Text,
    pub(super) display_name: Option<Text>,
    pub(super) owner: Option<Text>,
    pub(super) target: Option<Text>,
    pub(super) connection: Option<Text>,
    pub(super) depends_on: Option<Text>,
    pub(super) depends_on_owner_property: Option<Text>,
    pub(super) fulfill_ahead_hours: u32,
    pub(super) approval: Approval,
    pub(super) correlate_multiple: bool,
    pub(super) discard_manual_assignments: bool,
    pub(super) review: bool,
    pub(super) type_rules: Vec<TypeRule>,
    pub(super) scalar_rules: Vec<ScalarRule>,
    pub(super) navigation_rules: Vec<NavigationRule>,
    pub(super) query_rules: Vec<QueryRule>,
    pub(super) correlation_rules: Vec<CorrelationRule>,
    pub(super) classification_rules: Vec<ClassificationRule>,
    pub(super) allow_add: bool,
    pub(super) allow_remove: bool,
    pub(super) remove_orphans: bool,
    pub(super) thresholds: super::Thresholds,
    pub(super) transmitted_validity_minutes: u32,
    pub(super) priority: i32,
    pub(super) arguments: Vec<(Text, Text)>,
}

/// In rules: an offset that is none was wrong, and the rule counts no more.
#[derive(Debug)]
pub(super) struct TypeRule {
    pub(super) role: Option<Text>,
    pub(super) criteria: Criteria,
    pub(super) denied: bool,
    pub(super) offset: Option<Offset>,
}

#[derive(Debug)]
pub(super) struct ScalarRule {
    pub(super) property: Option<Text>,
    pub(super) value: Option<Text>,
    pub(super) comparison: Option<Text>,
    pub(super) offset: Option<Offset>,
}

#[derive(Debug)]
pub(super) struct NavigationRule {
    pub(super) property: Option<Text>,
    pub(super) role: Option<Text>,
    pub(super) criteria: Criteria,
    pub(super) target: Option<Text>,
    pub(super) denied: bool,
    pub(super) offset: Option<Offset>,
}

#[derive(Debug)]
pub(super) struct QueryRule {
    pub(super) property: Option<Text>,
    pub(super) source: Option<Text>,
    pub(super) target: Option<Text>,
    pub(super) confidence: u32,
    pub(super) offset: Option<Offset>,
    pub(super) required: bool,
}

#[derive(Debug)]
pub(super) struct CorrelationRule {
    pub(super) source: Option<Text>,
    pub(super) target: Option<Text>,
    pub(super) confidence: u32,
}

#[derive(Debug)]
pub(super) struct ClassificationRule {
    pub(super) when: Option<Text>,
    pub(super) confidence: u32,
}

#[derive(Debug)]
pub(super) struct AutomationRule {
    pub(super) role: Option<Text>,
    pub(super) composite_role: Option<Text>,
    pub(super) resource_type: Option<Text>,
    pub(super) state: Option<Text>,
    pub(super) after_hours: Option<u32>,
    pub(super) approves: Option<bool>,
    /// Where the item stands.
    pub(super) place: Place,
}

impl Declared {
    /// Nothing is declared that anything could come of.
    pub(super) const fn is_empty(&self) -> bool {
        self.connectors.is_empty() && self.entity_types.is_empty() && self.resource_types.is_empty()
    }

    /// Adds what one file declares.
    pub(super) fn file(&mut self, reader: &mut Reader<'_>, root: &Node) {
        let Some(fields) = reader.fields(root, "the catalog", keys::CATALOG) else { return };
        if let Some((policy, place)) = roles::policy(reader, &fields) {
            match &self.policy {
                None => self.policy = Some((policy, place)),
                Some((_, first)) => {
                    let message = format!("the policy is declared twice; the first is on {}", reader.shown(first));
                    reader.wrong(&place, message, "keep one of them: a catalog has one policy");
                }
            }
        }
        for node in fields.items(reader, "dimensions") {
            let name = reader.text(node, "a dimension").and_then(|name| reader.name(name, false));
            self.dimensions.extend(name);
        }
        each(reader, &fields, "connectors", &mut self.connectors, systems::connector);
        each(reader, &fields, "entity_types", &mut self.entity_types, systems::entity_type);
        each(reader, &fields, "contexts", &mut self.contexts, systems::context);
        each(reader, &fields, "roles", &mut self.roles, roles::role);
        each(reader, &fields, "composite_roles", &mut self.composite_roles, roles::composite_role);
        each(reader, &fields, "resource_types", &mut self.resource_types, resource_types::resource_type);
        each(reader, &fields, "automation_rules", &mut self.automation_rules, roles::automation_rule);
    }
}

/// Reads each item of a list.
fn each<T>(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    key: &str,
    into: &mut Vec<T>,
    read: fn(&mut Reader<'_>, &Node) -> Option<T>,
) {
    into.extend(fields.items(reader, key).iter().filter_map(|node| read(reader, node)));
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

/// Whom a rule is for.
fn criteria(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Criteria {
    let when = fields.text(reader, "when");
    let what = format!("'dimensions' of {}", fields.what);
    let example = "write dimensions and values, for example { country: FR }";
    let entries = reader.entries(fields.node("dimensions"), &what, "a dimension", example);
    let dimensions = entries.into_iter().filter_map(|(name, node)| {
        let values = values(reader, node, &name)?;
        Some((name, values))
    });
    Criteria { when, dimensions: dimensions.collect() }
}

/// One value of a dimension, or a list of them.
fn values(reader: &mut Reader<'_>, node: &Node, dimension: &Text) -> Option<Vec<Text>> {
    let what = format!("a value of dimension '{}'", dimension.text);
    let Data::List(items) = &node.data else { return Some(vec![reader.text(node, &what)?]) };
    if items.is_empty() {
        let message = format!("dimension '{}' has no value here, so the rule is for nobody", dimension.text);
        reader.wrong(&node.place, message, "write a value, or leave the dimension out: then any value will do");
        return None;
    }
    items.iter().map(|item| reader.text(item, &what)).collect()
}

/// The references of offsets, as catalogs say them.
pub(super) const OFFSET_REFERENCES: [(&str, OffsetReference); 4] = [
    ("default", OffsetReference::Default),
    ("around", OffsetReference::Around),
    ("before", OffsetReference::Before),
    ("after", OffsetReference::After),
];

/// When a rule counts; none when that is wrong.
fn offset(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Offset> {
    let Some(node) = fields.node("offset") else { return Some(Offset::default()) };
    let what = format!("'offset' of {}", fields.what);
    let problems = reader.problems.len();
    let fields = reader.fields(node, &what, keys::OFFSET)?;
    let reference = fields.choice(reader, "reference", &OFFSET_REFERENCES).unwrap_or_default();
    let before_minutes = fields.minutes(reader, "before").unwrap_or(0);
    let after_minutes = fields.minutes(reader, "after").unwrap_or(0);
    if reader.problems.len() > problems {
        return None;
    }
    let offset = Offset { reference, before_minutes, after_minutes };
    let is_empty = before_minutes == 0 && after_minutes == 0;
    match reference {
        OffsetReference::Default if !is_empty => {
            let message = format!("{what} has 'before' or 'after', but says not of what");
            reader.wrong(&fields.place, message, "add reference: before, after or around");
            None
        }
        OffsetReference::Before | OffsetReference::After if is_empty => {
            let message = format!("{what} has neither 'before' nor 'after', so the rule never counts");
            reader.wrong(&fields.place, message, "add for example before: 30d");
            None
        }
        _ => Some(offset),
    }
}

/// The ways to be asked for, as catalogs say them.
pub(super) const APPROVALS: [(&str, Approval); 5] = [
    ("0", Approval::Steps(0)),
    ("1", Approval::Steps(1)),
    ("2", Approval::Steps(2)),
    ("3", Approval::Steps(3)),
    ("not_allowed", Approval::NotAllowed),
];

fn approval(reader: &mut Reader<'_>, fields: &Fields<'_>, default: Approval) -> Approval {
    fields.choice(reader, "approval", &APPROVALS).unwrap_or(default)
}

fn unsigned(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}
