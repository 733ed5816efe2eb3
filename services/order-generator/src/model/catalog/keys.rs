//! Every key that a catalog may have, item by item.
//!
//! The rule that must hold: the reader knows these keys and no others, and `schema.json` describes exactly these.

/// The keys of one item.
pub(super) type Keys = &'static [&'static str];

pub(super) const CATALOG: Keys = &[
    "policy",
    "dimensions",
    "connectors",
    "entity_types",
    "contexts",
    "roles",
    "composite_roles",
    "resource_types",
    "automation_rules",
];
pub(super) const POLICY: Keys = &["grace_period", "max_duration", "time_zone"];
pub(super) const CONNECTOR: Keys = &["name", "display_name", "connections", "export", "thresholds"];
pub(super) const CONNECTION: Keys = &["name", "package"];
pub(super) const ENTITY_TYPE: Keys = &["name", "connector", "key", "display_name", "properties"];
pub(super) const PROPERTY: Keys =
    &["name", "type", "navigation", "computed", "comparison", "multi_valued", "sensitive", "write_only"];
pub(super) const CONTEXT: Keys = &["entity_type", "positions", "valid_from", "valid_until", "dimensions"];
pub(super) const POSITIONS: Keys = &["entity_type", "owner"];
pub(super) const ROLE: Keys = &["name", "display_name", "owner", "approval", "grace_period", "max_duration", "rules"];
pub(super) const COMPOSITE_ROLE: Keys =
    &["name", "display_name", "owner", "approval", "grace_period", "max_duration", "roles", "rules"];
pub(super) const ROLE_RULE: Keys = &["when", "dimensions", "denied"];
pub(super) const RESOURCE_TYPE: Keys = &[
    "name",
    "display_name",
    "owner",
    "target",
    "connection",
    "depends_on",
    "depends_on_owner_property",
    "fulfill_ahead_hours",
    "approval",
    "correlate_multiple",
    "discard_manual_assignments",
    "review",
    "type_rules",
    "scalar_rules",
    "navigation_rules",
    "query_rules",
    "correlation_rules",
    "classification_rules",
    "allow_add",
    "allow_remove",
    "remove_orphans",
    "thresholds",
    "transmitted_validity_minutes",
    "priority",
    "arguments",
];
pub(super) const TYPE_RULE: Keys = &["role", "when", "dimensions", "denied", "offset"];
pub(super) const SCALAR_RULE: Keys = &["property", "value", "comparison", "offset"];
pub(super) const NAVIGATION_RULE: Keys = &["property", "target", "role", "when", "dimensions", "denied", "offset"];
pub(super) const QUERY_RULE: Keys = &["property", "source", "target", "confidence", "offset", "required"];
pub(super) const CORRELATION_RULE: Keys = &["source", "target", "confidence"];
pub(super) const CLASSIFICATION_RULE: Keys = &["when", "confidence"];
pub(super) const OFFSET: Keys = &["reference", "before", "after"];
pub(super) const THRESHOLDS: Keys =
    &["additions", "updates", "deletions", "additions_percent", "updates_percent", "deletions_percent"];
pub(super) const SYNCHRONIZATION_THRESHOLDS: Keys =
    &["insertions", "updates", "deletions", "insertions_percent", "updates_percent", "deletions_percent"];
pub(super) const AUTOMATION_RULE: Keys =
    &["role", "composite_role", "resource_type", "state", "after_hours", "decision"];

/// All items that have keys of their own, by the name that `schema.json` has for them.
#[cfg(test)]
pub(super) const ALL: &[(&str, Keys)] = &[
    ("catalog", CATALOG),
    ("policy", POLICY),
    ("connector", CONNECTOR),
    ("connection", CONNECTION),
    ("entity_type", ENTITY_TYPE),
    ("property", PROPERTY),
    ("context", CONTEXT),
    ("positions", POSITIONS),
    ("role", ROLE),
    ("composite_role", COMPOSITE_ROLE),
    ("role_rule", ROLE_RULE),
    ("resource_type", RESOURCE_TYPE),
    ("type_rule", TYPE_RULE),
    ("scalar_rule", SCALAR_RULE),
    ("navigation_rule", NAVIGATION_RULE),
    ("query_rule", QUERY_RULE),
    ("correlation_rule", CORRELATION_RULE),
    ("classification_rule", CLASSIFICATION_RULE),
    ("offset", OFFSET),
    ("thresholds", THRESHOLDS),
    ("synchronization_thresholds", SYNCHRONIZATION_THRESHOLDS),
    ("automation_rule", AUTOMATION_RULE),
];
