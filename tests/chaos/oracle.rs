//! The judge: compares the ledger's orders with what slapd's own log says that it did.
//!
//! Knows what an order means for the directory, and nothing of how it gets there.

use crate::suite::{account_dn, group_dn};
use provost_contract::types::v1 as types;
use provost_contract::types::v1::value::Kind;
use provost_testkit::{Audited, AuditedEffect, Slapd};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) orders: usize,
    pub(crate) executed: usize,
    pub(crate) replaced: usize,
    /// Of the accounts, as the log has them.
    pub(crate) effects: usize,
    pub(crate) lost: Vec<String>,
    pub(crate) doubled: Vec<String>,
    pub(crate) out_of_order: Vec<String>,
    pub(crate) unordered: Vec<String>,
}

/// One thing that happens to an account; no two orders mean the same one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Effect {
    Created { dn: String },
    Titled { dn: String, title: String },
    Joined { dn: String, group: String },
    Left { dn: String, group: String },
    Deleted { dn: String },
}

impl Effect {
    fn dn(&self) -> &str {
        match self {
            Self::Created { dn }
            | Self::Titled { dn, .. }
            | Self::Joined { dn, .. }
            | Self::Left { dn, .. }
            | Self::Deleted { dn } => dn,
        }
    }

    /// What it takes back; none of what takes nothing back.
    fn undone(&self) -> Option<Self> {
        match self {
            Self::Left { dn, group } => Some(Self::Joined { dn: dn.clone(), group: group.clone() }),
            Self::Deleted { dn } => Some(Self::Created { dn: dn.clone() }),
            Self::Created { .. } | Self::Titled { .. } | Self::Joined { .. } => None,
        }
    }
}

/// Compares.
pub(crate) fn judge(records: &[types::OrderRecord], log: &[Audited]) -> Verdict {
    let expected = expected(records);
    let seen = seen(log);
    let mut verdict = Verdict { orders: records.len(), effects: seen.len(), ..Verdict::default() };
    for record in records {
        verdict.executed += usize::from(is_executed(record));
        verdict.replaced += usize::from(record.state() == types::ProvisioningState::Inactive);
    }
    let mut places: HashMap<&Effect, Vec<usize>> = HashMap::new();
    for (place, effect) in seen.iter().enumerate() {
        places.entry(effect).or_default().push(place);
    }
    let is_doubtful = |effect: &Effect| expected.get(effect).is_some_and(|expected| !expected.must);
    for (effect, expected) in &expected {
        let (sequence, id, must) = (expected.sequence, &expected.id, expected.must);
        match places.get(effect).map_or(0, Vec::len) {
            0 if !must => {}
            // What nobody knows to have come need not go.
            0 if effect.undone().is_some_and(|undone| is_doubtful(&undone) && !places.contains_key(&undone)) => {}
            0 => verdict.lost.push(format!("order {id} (number {sequence}) is executed, and never was: {effect:?}")),
            1 => {}
            times => verdict.doubled.push(format!("order {id} (number {sequence}), {times} times: {effect:?}")),
        }
    }
    // Within a lane what an earlier order did stands before what a later one did.
    let mut last: HashMap<&str, i64> = HashMap::new();
    for effect in &seen {
        let Some(Expected { sequence, id, .. }) = expected.get(effect) else {
            verdict.unordered.push(format!("{effect:?}"));
            continue;
        };
        let last = last.entry(effect.dn()).or_default();
        if *sequence < *last {
            verdict.out_of_order.push(format!("order {id} (number {sequence}) after number {last}: {effect:?}"));
        }
        *last = (*last).max(*sequence);
    }
    verdict
}

/// Whose effect it is.
struct Expected {
    sequence: i64,
    id: String,
    /// It must be there. Not of an order that was replaced after an attempt of which nobody knows what became.
    must: bool,
}

fn is_executed(record: &types::OrderRecord) -> bool {
    matches!(record.state(), types::ProvisioningState::Executed | types::ProvisioningState::Verified)
}

/// What orders should have done.
fn expected(records: &[types::OrderRecord]) -> BTreeMap<Effect, Expected> {
    let done = |record: &&types::OrderRecord| is_executed(record) || record.attempts > 0;
    let mut executed: Vec<_> = records.iter().filter(done).collect();
    executed.sort_by_key(|record| record.sequence);
    let mut effects = BTreeMap::new();
    let mut memberships: HashMap<String, BTreeSet<String>> = HashMap::new();
    for record in executed {
        let Some(order) = &record.order else { continue };
        let dn = account_dn(&order.target_key);
        let held = memberships.entry(dn.clone()).or_default();
        let mut add = |effect| {
            let (sequence, id, must) = (record.sequence, order.order_id.clone(), is_executed(record));
            effects.insert(effect, Expected { sequence, id, must });
        };
        match order.kind() {
            types::OrderKind::Addition => add(Effect::Created { dn: dn.clone() }),
            types::OrderKind::Deletion => {
                for group in std::mem::take(held) {
                    add(Effect::Left { dn: dn.clone(), group });
                }
                add(Effect::Deleted { dn: dn.clone() });
            }
            _ => {}
        }
        for change in &order.changes {
            for value in texts(change.proposed.as_ref()) {
                match (change.property.as_str(), change.operation()) {
                    ("title", _) if order.kind() == types::OrderKind::Update => {
                        add(Effect::Titled { dn: dn.clone(), title: value });
                    }
                    ("groups", types::ChangeOperation::Remove) => {
                        held.remove(&group_dn(&value));
                        add(Effect::Left { dn: dn.clone(), group: group_dn(&value) });
                    }
                    ("groups", _) => {
                        held.insert(group_dn(&value));
                        add(Effect::Joined { dn: dn.clone(), group: group_dn(&value) });
                    }
                    _ => {}
                }
            }
        }
    }
    effects
}

fn texts(value: Option<&types::Value>) -> Vec<String> {
    match value.and_then(|value| value.kind.as_ref()) {
        Some(Kind::StringValue(text)) => vec![text.clone()],
        Some(Kind::ListValue(list)) => list.values.iter().flat_map(|item| texts(Some(item))).collect(),
        _ => vec![],
    }
}

/// What the log says of accounts, in its order.
fn seen(log: &[Audited]) -> Vec<Effect> {
    let mut seen = Vec::new();
    let (people, groups) = (format!(",ou=people,{}", Slapd::SUFFIX), format!(",ou=groups,{}", Slapd::SUFFIX));
    for Audited { dn, effect } in log {
        let dn = dn.clone();
        match effect {
            AuditedEffect::Added(_) if dn.ends_with(&people) => seen.push(Effect::Created { dn }),
            AuditedEffect::Deleted if dn.ends_with(&people) => seen.push(Effect::Deleted { dn }),
            AuditedEffect::Modified(steps) if dn.ends_with(&people) => {
                let titles = steps.iter().filter(|step| step.attribute == "title" && step.operation != "delete");
                let titles = titles.flat_map(|step| step.values.iter().cloned());
                seen.extend(titles.map(|title| Effect::Titled { dn: dn.clone(), title }));
            }
            AuditedEffect::Modified(steps) if dn.ends_with(&groups) => {
                for step in steps.iter().filter(|step| step.attribute == "member") {
                    let members = step.values.iter().cloned();
                    seen.extend(members.map(|member| match step.operation.as_str() {
                        "delete" => Effect::Left { dn: member, group: dn.clone() },
                        _ => Effect::Joined { dn: member, group: dn.clone() },
                    }));
                }
            }
            _ => {}
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use provost_testkit::AuditedStep;

    fn text(text: &str) -> types::Value {
        types::Value { kind: Some(Kind::StringValue(text.to_owned())) }
    }

    fn record(sequence: i64, kind: types::OrderKind, changes: &[(&str, &str)]) -> types::OrderRecord {
        let change = |(property, value): &(&str, &str)| {
            let is_group = *property == "groups";
            let list = types::ListValue { values: vec![text(value)] };
            let add = types::ChangeOperation::Add;
            types::Change {
                property: (*property).to_owned(),
                operation: if is_group { add } else { types::ChangeOperation::Set }.into(),
                proposed: Some(if is_group { types::Value { kind: Some(Kind::ListValue(list)) } } else { text(value) }),
                ..Default::default()
            }
        };
        let order = types::Order {
            order_id: format!("o{sequence}"),
            kind: kind.into(),
            target_key: "ada".into(),
            changes: changes.iter().map(change).collect(),
            ..Default::default()
        };
        let state = types::ProvisioningState::Executed.into();
        types::OrderRecord { order: Some(order), sequence, state, attempts: 1, ..Default::default() }
    }

    fn records() -> Vec<types::OrderRecord> {
        use types::OrderKind::{Addition, Deletion, Update};
        vec![
            record(1, Addition, &[("title", "New"), ("groups", "everyone")]),
            record(2, Update, &[("title", "Second")]),
            record(3, Update, &[("title", "Third")]),
            record(4, Deletion, &[]),
        ]
    }

    fn audited(dn: &str, effect: AuditedEffect) -> Audited {
        Audited { dn: dn.to_owned(), effect }
    }

    fn step(dn: &str, operation: &str, attribute: &str, value: &str) -> Audited {
        let values = BTreeSet::from([value.to_owned()]);
        let step = AuditedStep { operation: operation.to_owned(), attribute: attribute.to_owned(), values };
        audited(dn, AuditedEffect::Modified(vec![step]))
    }

    /// What slapd does for those orders.
    fn log() -> Vec<Audited> {
        let (ada, everyone) = (account_dn("ada"), group_dn("everyone"));
        vec![
            audited(&ada, AuditedEffect::Added(BTreeMap::new())),
            step(&everyone, "add", "member", &ada),
            step(&ada, "add", "title", "Second"),
            step(&ada, "add", "title", "Third"),
            step(&everyone, "delete", "member", &ada),
            audited(&ada, AuditedEffect::Deleted),
        ]
    }

    /// How many were lost, doubled, out of order, and ordered by nobody.
    fn wrong(records: &[types::OrderRecord], log: &[Audited]) -> [usize; 4] {
        let verdict = judge(records, log);
        [verdict.lost, verdict.doubled, verdict.out_of_order, verdict.unordered].map(|which| which.len())
    }

    #[test]
    fn orders_that_were_written_once_in_order_are_well() {
        assert_eq!(wrong(&records(), &log()), [0, 0, 0, 0]);
        let verdict = judge(&records(), &log());
        assert_eq!((verdict.orders, verdict.executed, verdict.effects), (4, 4, 6));
    }

    #[test]
    fn every_breach_is_found() {
        for place in 0..log().len() {
            let mut lost = log();
            lost.remove(place);
            assert_eq!(wrong(&records(), &lost), [1, 0, 0, 0], "{place}");
        }
        let mut doubled = log();
        doubled.insert(3, doubled[2].clone());
        assert_eq!(wrong(&records(), &doubled), [0, 1, 0, 0]);
        let mut swapped = log();
        swapped.swap(2, 3);
        assert_eq!(wrong(&records(), &swapped), [0, 0, 1, 0]);
        let mut late = log();
        late.push(late[2].clone());
        assert_eq!(wrong(&records(), &late), [0, 1, 1, 0]);
        let mut strange = log();
        strange.push(step(&account_dn("ada"), "replace", "title", "Nobody's"));
        assert_eq!(wrong(&records(), &strange), [0, 0, 0, 1]);
    }

    #[test]
    fn order_that_was_replaced_may_have_been_written_only_if_it_was_begun() {
        let mut records = records();
        records[1].state = types::ProvisioningState::Inactive.into();
        assert_eq!(wrong(&records, &log()), [0, 0, 0, 0]);
        let mut without = log();
        without.remove(2);
        assert_eq!(wrong(&records, &without), [0, 0, 0, 0]);
        records[1].attempts = 0;
        assert_eq!(wrong(&records, &log()), [0, 0, 0, 1]);
    }

    #[test]
    fn what_nobody_knows_to_have_come_need_not_go_and_what_came_must() {
        let mut records = records();
        records[0].state = types::ProvisioningState::Inactive.into();
        records.drain(1..3);
        assert_eq!(wrong(&records, &[]), [0, 0, 0, 0]);
        let came: Vec<Audited> = log().into_iter().take(2).collect();
        assert_eq!(wrong(&records, &came), [2, 0, 0, 0]);
        records[0].state = types::ProvisioningState::Executed.into();
        assert_eq!(wrong(&records, &[]), [4, 0, 0, 0]);
    }
}
