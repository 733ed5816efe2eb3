//! Reading the policy, roles of both kinds, and automation rules.

use super::{Approval, AutomationRule, CompositeRole, Role, RoleRule, approval, called, criteria, unsigned};
use crate::model::catalog::node::{Node, Place};
use crate::model::catalog::reader::{Fields, Reader, Text};
use crate::model::catalog::{Policy, TimeZone, keys};

/// Longest wait of an automation rule, in hours: ten years.
const HOURS_MAX: i64 = 87_840;

/// The policy of a file, and where it stands.
pub(super) fn policy(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<(Policy, Place)> {
    let node = fields.node("policy").filter(|node| !node.is_null())?;
    let fields = reader.fields(node, "the policy", keys::POLICY)?;
    let policy = Policy {
        grace_period_minutes: fields.minutes(reader, "grace_period").unwrap_or(0),
        max_duration_minutes: fields.minutes(reader, "max_duration").unwrap_or(0),
        time_zone: time_zone(reader, &fields).unwrap_or_default(),
    };
    Some((policy, fields.place))
}

fn time_zone(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<TimeZone> {
    let text = fields.text(reader, "time_zone")?;
    let zone = TimeZone::from_name(&text.text);
    if zone.is_none() {
        let shown: String = text.text.chars().take(40).collect();
        let message = format!("'time_zone' of the policy is '{shown}', which is no time zone");
        reader.wrong(&text.place, message, TimeZone::hint(&text.text));
    }
    zone
}

pub(super) fn role(reader: &mut Reader<'_>, node: &Node) -> Option<Role> {
    let what = called("role", node);
    let fields = reader.fields(node, &what, keys::ROLE)?;
    common(reader, &fields, &what)
}

pub(super) fn composite_role(reader: &mut Reader<'_>, node: &Node) -> Option<CompositeRole> {
    let what = called("composite role", node);
    let fields = reader.fields(node, &what, keys::COMPOSITE_ROLE)?;
    let role = common(reader, &fields, &what);
    let problems = reader.problems.len();
    let items = fields.items(reader, "roles");
    let roles: Vec<Text> = items.iter().filter_map(|node| reader.text(node, &format!("a role of {what}"))).collect();
    if roles.is_empty() && reader.problems.len() == problems {
        let place = fields.node("roles").map_or(&fields.place, |node| &node.place);
        reader.wrong(place, format!("{what} gives no role"), "add roles: [ … ] with the single roles that it gives");
    }
    Some(CompositeRole { role: role?, roles })
}

/// What single and composite roles have both.
fn common(reader: &mut Reader<'_>, fields: &Fields<'_>, what: &str) -> Option<Role> {
    let name = fields.name(reader, "finance-reader", false);
    let display_name = fields.text(reader, "display_name");
    let owner = fields.required(reader, "owner", "Person");
    let approval = approval(reader, fields, Approval::default());
    let grace_period_minutes = fields.minutes(reader, "grace_period");
    let max_duration_minutes = fields.minutes(reader, "max_duration");
    let rules: Vec<RoleRule> = fields
        .items(reader, "rules")
        .iter()
        .filter_map(|node| {
            let fields = reader.fields(node, &format!("rule of {what}"), keys::ROLE_RULE)?;
            let criteria = criteria(reader, &fields);
            Some(RoleRule { criteria, denied: fields.boolean(reader, "denied", false) })
        })
        .collect();
    Some(Role { name: name?, display_name, owner, rules, approval, grace_period_minutes, max_duration_minutes })
}

pub(super) fn automation_rule(reader: &mut Reader<'_>, node: &Node) -> Option<AutomationRule> {
    let fields = reader.fields(node, "automation rule", keys::AUTOMATION_RULE)?;
    let role = fields.text(reader, "role");
    let composite_role = fields.text(reader, "composite_role");
    let resource_type = fields.text(reader, "resource_type");
    let state = fields.required(reader, "state", "pending_approval");
    let after_hours = fields.required_number(reader, "after_hours", 0, HOURS_MAX).map(unsigned);
    if fields.node("decision").is_none() {
        reader.wrong(&fields.place, "automation rule has no 'decision'", "add decision: approve, or decision: decline");
    }
    let approves = fields.choice(reader, "decision", &[("approve", true), ("decline", false)]);
    Some(AutomationRule { role, composite_role, resource_type, state, after_hours, approves, place: fields.place })
}
