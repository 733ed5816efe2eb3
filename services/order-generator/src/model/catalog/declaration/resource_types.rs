//! Reading resource types and their rules.

use super::{
    Approval, ClassificationRule, CorrelationRule, NavigationRule, QueryRule, ResourceType, ScalarRule, TypeRule,
    approval, called, criteria, offset, unsigned,
};
use crate::model::catalog::node::{Data, Node};
use crate::model::catalog::reader::{Fields, Reader, Text};
use crate::model::catalog::{CONFIDENCE_MAX, CONFIDENT, Thresholds, keys};

/// Longest time that an order may go out ahead, in hours: a year.
const AHEAD_HOURS_MAX: i64 = 8_784;

pub(super) fn resource_type(reader: &mut Reader<'_>, node: &Node) -> Option<ResourceType> {
    let what = called("resource type", node);
    let fields = reader.fields(node, &what, keys::RESOURCE_TYPE)?;
    let name = fields.name(reader, "AppAccount", false);
    let approval = approval(reader, &fields, Approval::NotAllowed);
    if approval == Approval::NotAllowed
        && fields.items(reader, "type_rules").is_empty()
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
        depends_on_owner_property: fields.text(reader, "depends_on_owner_property"),
        fulfill_ahead_hours: unsigned(fields.number(reader, "fulfill_ahead_hours", 0, AHEAD_HOURS_MAX, 0)),
        approval,
        correlate_multiple: fields.boolean(reader, "correlate_multiple", false),
        discard_manual_assignments: fields.boolean(reader, "discard_manual_assignments", false),
        review: fields.boolean(reader, "review", true),
        type_rules: rules(reader, &fields, "type_rules", "type rule", keys::TYPE_RULE, type_rule),
        scalar_rules: rules(reader, &fields, "scalar_rules", "scalar rule", keys::SCALAR_RULE, scalar_rule),
        navigation_rules: rules(
            reader,
            &fields,
            "navigation_rules",
            "navigation rule",
            keys::NAVIGATION_RULE,
            navigation_rule,
        ),
        query_rules: rules(reader, &fields, "query_rules", "query rule", keys::QUERY_RULE, query_rule),
        correlation_rules: rules(
            reader,
            &fields,
            "correlation_rules",
            "correlation rule",
            keys::CORRELATION_RULE,
            correlation_rule,
        ),
        classification_rules: rules(
            reader,
            &fields,
            "classification_rules",
            "classification rule",
            keys::CLASSIFICATION_RULE,
            classification_rule,
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

fn type_rule(reader: &mut Reader<'_>, fields: &Fields<'_>) -> TypeRule {
    TypeRule {
        role: fields.text(reader, "role"),
        criteria: criteria(reader, fields),
        denied: fields.boolean(reader, "denied", false),
        offset: offset(reader, fields),
    }
}

fn scalar_rule(reader: &mut Reader<'_>, fields: &Fields<'_>) -> ScalarRule {
    ScalarRule {
        property: fields.required(reader, "property", "title"),
        value: fields.required(reader, "value", "owner.title"),
        comparison: fields.text(reader, "comparison"),
        offset: offset(reader, fields),
    }
}

fn navigation_rule(reader: &mut Reader<'_>, fields: &Fields<'_>) -> NavigationRule {
    NavigationRule {
        property: fields.required(reader, "property", "groups"),
        role: fields.text(reader, "role"),
        criteria: criteria(reader, fields),
        target: fields.required(reader, "target", "finance-read"),
        denied: fields.boolean(reader, "denied", false),
        offset: offset(reader, fields),
    }
}

fn query_rule(reader: &mut Reader<'_>, fields: &Fields<'_>) -> QueryRule {
    QueryRule {
        property: fields.required(reader, "property", "groups"),
        source: fields.required(reader, "source", "owner.department"),
        target: fields.required(reader, "target", "target.description"),
        confidence: confidence(reader, fields),
        offset: offset(reader, fields),
        required: fields.boolean(reader, "required", false),
    }
}

fn correlation_rule(reader: &mut Reader<'_>, fields: &Fields<'_>) -> CorrelationRule {
    CorrelationRule {
        source: fields.required(reader, "source", "owner.mail"),
        target: fields.required(reader, "target", "target.mail"),
        confidence: confidence(reader, fields),
    }
}

fn classification_rule(reader: &mut Reader<'_>, fields: &Fields<'_>) -> ClassificationRule {
    ClassificationRule {
        when: fields.required(reader, "when", "target.kind == 'person'"),
        confidence: confidence(reader, fields),
    }
}

fn confidence(reader: &mut Reader<'_>, fields: &Fields<'_>) -> u32 {
    unsigned(fields.number(reader, "confidence", 0, i64::from(CONFIDENCE_MAX), i64::from(CONFIDENT)))
}

fn rules<T>(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    key: &str,
    what: &str,
    known: keys::Keys,
    read: fn(&mut Reader<'_>, &Fields<'_>) -> T,
) -> Vec<T> {
    fields
        .items(reader, key)
        .iter()
        .filter_map(|node| {
            let fields = reader.fields(node, what, known)?;
            Some(read(reader, &fields))
        })
        .collect()
}

fn thresholds(reader: &mut Reader<'_>, fields: &Fields<'_>, what: &str) -> Thresholds {
    let default = Thresholds::default();
    let Some(node) = fields.node("thresholds") else { return default };
    let Some(fields) = reader.fields(node, &format!("'thresholds' of {what}"), keys::THRESHOLDS) else {
        return default;
    };
    let mut count = |key: &str| unsigned(fields.number(reader, key, 0, 1_000_000_000, 0));
    let (additions, updates, deletions) = (count("additions"), count("updates"), count("deletions"));
    let mut percent = |key: &str| unsigned(fields.number(reader, key, 0, 100, 30));
    let (additions_percent, updates_percent) = (percent("additions_percent"), percent("updates_percent"));
    let deletions_percent = percent("deletions_percent");
    Thresholds { additions, updates, deletions, additions_percent, updates_percent, deletions_percent }
}

fn arguments(reader: &mut Reader<'_>, fields: &Fields<'_>, what: &str) -> Vec<(Text, Text)> {
    let example = "write names and expressions, for example shell: \"'/bin/sh'\"";
    let what = format!("'arguments' of {what}");
    let entries = reader.entries(fields.node("arguments"), &what, "the name of an argument", example);
    let argument = |(name, node): (Text, &Node)| {
        let value = reader.text(node, &format!("argument '{}'", name.text))?;
        Some((name, value))
    };
    entries.into_iter().filter_map(argument).collect()
}
