//! Plans, for people.

use super::Collected;
use crate::console::Style;
use crate::show::{self, shortened};
use provost_contract::generator::v1::{
    AssignedThing, AssignmentChange, AssignmentCount, PlanCount, PlannedAction, PlannedOrder, ThresholdVerdict,
};
use provost_contract::types::v1::{Order, Reason};
use std::collections::BTreeMap;

const DETAIL_MAX: usize = 100;

/// The sign of an action.
pub const fn sign(action: PlannedAction) -> &'static str {
    match action {
        PlannedAction::Add => "+",
        PlannedAction::Associate => "=",
        PlannedAction::Change => "~",
        PlannedAction::Delete => "-",
        PlannedAction::Cancel => "x",
        PlannedAction::Fail => "!",
        PlannedAction::Expire => "o",
        PlannedAction::Unspecified => "?",
    }
}

const fn word(action: PlannedAction) -> &'static str {
    match action {
        PlannedAction::Add => "to add",
        PlannedAction::Associate => "to associate",
        PlannedAction::Change => "to change",
        PlannedAction::Delete => "to delete",
        PlannedAction::Cancel => "to cancel",
        PlannedAction::Fail => "failed",
        PlannedAction::Expire => "expired",
        PlannedAction::Unspecified => "unknown",
    }
}

/// A whole plan; of each resource type at most so many orders, 0 for all.
pub fn lines(plan: &Collected, limit: usize, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    let mut by_type: BTreeMap<(&str, &str), Vec<&PlannedOrder>> = BTreeMap::new();
    for planned in &plan.orders {
        let Some(order) = &planned.order else { continue };
        by_type.entry((&order.connector, &order.resource_type)).or_default().push(planned);
    }
    for ((connector, resource_type), orders) in by_type {
        let of_type = |count: &&PlanCount| count.connector == connector && count.resource_type == resource_type;
        let counts: Vec<String> = plan.summary.counts.iter().filter(of_type).map(counted).collect();
        lines.push(format!("{} in {connector}: {}", style.bold(resource_type), counts.join(", ")));
        let shown = if limit == 0 { orders.len() } else { limit };
        for planned in orders.iter().take(shown) {
            lines.extend(order_lines(planned, style).into_iter().map(|line| format!("  {line}")));
        }
        if orders.len() > shown {
            let note = format!("  … and {} more (--limit N, 0 for all)", orders.len() - shown);
            lines.push(style.dim(&note));
        }
        lines.push(String::new());
    }
    if plan.orders.is_empty() {
        let is_all = plan.summary.counts.is_empty();
        let said = if is_all { "nothing to do" } else { "nothing to do for what is shown" };
        lines.push(format!("{said}: {} owners evaluated", plan.summary.owners));
        lines.push(String::new());
    }
    if !plan.summary.assignments.is_empty() {
        lines.push(style.bold("who gains and loses what"));
        for (count, thing) in plan.summary.assignments.iter().zip(changed_things(&plan.summary.assignments)) {
            lines.push(format!("  {thing}"));
            lines.extend(people(plan, count, limit, style).into_iter().map(|line| format!("    {line}")));
        }
        lines.push(String::new());
    }
    if !plan.summary.verdicts.is_empty() {
        lines.push(style.bold("thresholds"));
        lines.extend(plan.summary.verdicts.iter().map(|verdict| format!("  {}", verdict_line(verdict, style))));
        lines.push(String::new());
    }
    lines.extend(plan.summary.notes.iter().cloned());
    if plan.summary.known > 0 {
        lines.push(format!("{} orders for what is still wanted are open already", plan.summary.known));
    }
    if plan.summary.blocked {
        lines.push(style.yellow("a threshold would block it: nothing would be submitted unless it is forced"));
    }
    lines
}

fn counted(count: &PlanCount) -> String {
    let review = match count.awaiting_approval {
        0 => String::new(),
        waiting => format!(" ({waiting} after a review)"),
    };
    format!("{} {} {}{review}", sign(count.action()), count.count, word(count.action()))
}

/// One order: what it does, in a line, and why, in another.
pub fn order_lines(planned: &PlannedOrder, style: Style) -> Vec<String> {
    let order = planned.order.clone().unwrap_or_default();
    let sign = match planned.action() {
        action @ (PlannedAction::Add | PlannedAction::Associate) => style.green(sign(action)),
        action @ (PlannedAction::Delete | PlannedAction::Fail) => style.red(sign(action)),
        action => style.yellow(sign(action)),
    };
    let key = if order.target_key.is_empty() { "(no key)" } else { &order.target_key };
    let mut line = format!("{sign} {key} of {}", show::subject(&order));
    let changes: Vec<String> = order.changes.iter().map(show::change).collect();
    if !changes.is_empty() {
        line.push_str(&format!(": {}", shortened(&changes.join(", "), 2 * DETAIL_MAX)));
    }
    if !order.block_causes.is_empty() {
        line.push_str(&style.yellow(&format!(" [waits for a review: {}]", causes(&order))));
    }
    if !planned.goes_after.is_empty() {
        line.push_str(&format!(" [after {}]", planned.goes_after.join(", ")));
    }
    let why = why(&order);
    let print: String = planned.fingerprint.chars().take(8).collect();
    vec![line, style.dim(&format!("    {print} {}", shortened(&why, DETAIL_MAX))).trim_end().to_owned()]
}

fn causes(order: &Order) -> String {
    let word = |cause: &i32| match cause {
        1 => "its resource type",
        2 => "the run",
        3 => "an order before it",
        4 => "a doubtful rule",
        _ => "unknown",
    };
    order.block_causes.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// The outermost rule; of a failure what failed.
fn why(order: &Order) -> String {
    if let Some(failure) = &order.rule_failure {
        return format!("{}: {}", failure.rule, failure.message);
    }
    let of_changes = order.changes.iter().flat_map(|change| &change.why);
    let reason = order.why.last().or_else(|| of_changes.last());
    reason.map_or_else(String::new, said)
}

fn said(reason: &Reason) -> String {
    match reason.detail.as_str() {
        "" => reason.rule.clone(),
        detail => format!("{}: {detail}", reason.rule),
    }
}

/// Who would gain or lose what, in numbers.
fn changed_things(counts: &[AssignmentCount]) -> Vec<String> {
    let line = |count: &AssignmentCount| {
        let what = match count.thing() {
            AssignedThing::Role => "role",
            AssignedThing::ResourceType => "resource type",
            AssignedThing::Unspecified => "unknown",
        };
        let AssignmentCount { name, gained, lost, .. } = count;
        format!("{what} {name}: {gained} gain it, {lost} lose it")
    };
    counts.iter().map(line).collect()
}

/// Those who would gain or lose a thing, and why; at most so many, 0 for all.
fn people(plan: &Collected, of: &AssignmentCount, limit: usize, style: Style) -> Vec<String> {
    let changes: Vec<&AssignmentChange> =
        plan.changes.iter().filter(|change| change.thing == of.thing && change.name == of.name).collect();
    let shown = if limit == 0 { changes.len() } else { limit };
    let one = |change: &&AssignmentChange| {
        let sign = if change.gained { style.green("+") } else { style.red("-") };
        let why = change.why.last().map_or_else(String::new, said);
        let why = if why.is_empty() { why } else { style.dim(&format!(": {}", shortened(&why, DETAIL_MAX))) };
        format!("{sign} {}{why}", show::named(change.owner.as_ref()))
    };
    let mut lines: Vec<String> = changes.iter().take(shown).map(one).collect();
    if changes.len() > shown {
        lines.push(style.dim(&format!("… and {} more (--output json shows all)", changes.len() - shown)));
    }
    lines
}

fn verdict_line(verdict: &ThresholdVerdict, style: Style) -> String {
    let ThresholdVerdict { resource_type, counted, count, limit, rule, holds } = verdict;
    let limit = limit.map_or_else(String::new, |limit| format!(" of at most {limit}"));
    let mark = if *holds { style.green("✓") } else { style.red("✗") };
    format!("{mark} {resource_type}: {count} {counted}{limit} ({rule})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_contract::generator::v1::PlanSummary;
    use provost_contract::types::v1::{Change, Owner, Value, value::Kind};

    fn planned(action: PlannedAction, key: &str) -> PlannedOrder {
        let text = |text: &str| Some(Value { kind: Some(Kind::StringValue(text.into())) });
        let title = Change {
            property: "title".into(),
            operation: 1,
            proposed: text("Boss"),
            current: text("Clerk"),
            ..Change::default()
        };
        let order = Order {
            connector: "app".into(),
            resource_type: "Account".into(),
            target_key: key.into(),
            owner: Some(Owner { entity_type: "Person".into(), key: "1".into(), display_name: "Ada".into() }),
            changes: if action == PlannedAction::Change { vec![title] } else { vec![] },
            why: vec![Reason { rule: "type rule".into(), detail: "title = 'Boss'".into() }],
            block_causes: if action == PlannedAction::Delete { vec![1, 4] } else { vec![] },
            ..Order::default()
        };
        PlannedOrder { action: action.into(), order: Some(order), fingerprint: "0123456789".into(), goes_after: vec![] }
    }

    #[test]
    fn plan_shows_orders_numbers_verdicts_and_who_gains_what() {
        let count = |action: PlannedAction, awaiting_approval| PlanCount {
            connector: "app".into(),
            resource_type: "Account".into(),
            action: action.into(),
            count: 1,
            awaiting_approval,
        };
        let verdict = |counted: &str, limit, holds| ThresholdVerdict {
            resource_type: "Account".into(),
            counted: counted.into(),
            count: 1,
            limit,
            rule: "30 % of 2 resources".into(),
            holds,
        };
        let summary = PlanSummary {
            counts: vec![count(PlannedAction::Change, 0), count(PlannedAction::Delete, 1)],
            verdicts: vec![verdict("updates", Some(3), true), verdict("deletions", Some(0), false)],
            assignments: vec![AssignmentCount { thing: 1, name: "finance".into(), gained: 2, lost: 1 }],
            known: 4,
            blocked: true,
            ..PlanSummary::default()
        };
        let orders = vec![planned(PlannedAction::Change, "ada"), planned(PlannedAction::Delete, "bob")];
        let changed = |key: &str, gained| AssignmentChange {
            owner: Some(Owner { entity_type: "Person".into(), key: key.into(), display_name: String::new() }),
            thing: 1,
            name: "finance".into(),
            gained,
            why: vec![Reason { rule: "role finance / rule 1".into(), detail: "department = 'Finance'".into() }],
        };
        let changes = vec![changed("E1", true), changed("E2", true), changed("E3", false)];
        let plan = Collected { orders, summary, changes, ..Collected::default() };
        assert_eq!(
            lines(&plan, 0, Style::new(false)),
            [
                "Account in app: ~ 1 to change, - 1 to delete (1 after a review)",
                "  ~ ada of Ada (1): title: Clerk → Boss",
                "      01234567 type rule: title = 'Boss'",
                "  - bob of Ada (1) [waits for a review: its resource type, a doubtful rule]",
                "      01234567 type rule: title = 'Boss'",
                "",
                "who gains and loses what",
                "  role finance: 2 gain it, 1 lose it",
                "    + E1: role finance / rule 1: department = 'Finance'",
                "    + E2: role finance / rule 1: department = 'Finance'",
                "    - E3: role finance / rule 1: department = 'Finance'",
                "",
                "thresholds",
                "  ✓ Account: 1 updates of at most 3 (30 % of 2 resources)",
                "  ✗ Account: 1 deletions of at most 0 (30 % of 2 resources)",
                "",
                "4 orders for what is still wanted are open already",
                "a threshold would block it: nothing would be submitted unless it is forced",
            ]
        );
        let few = lines(&plan, 1, Style::new(false));
        assert_eq!(few.get(3).map(String::as_str), Some("  … and 1 more (--limit N, 0 for all)"));
        assert!(few.contains(&"    … and 2 more (--output json shows all)".to_owned()), "{few:?}");
    }

    #[test]
    fn empty_plan_says_so() {
        let summary = PlanSummary { owners: 3, ..PlanSummary::default() };
        let plan = Collected { summary, ..Collected::default() };
        assert_eq!(lines(&plan, 0, Style::new(false)), ["nothing to do: 3 owners evaluated", ""]);
    }
}
