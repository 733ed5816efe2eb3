//! Orders to try.

use provost_domain::{Change, ChangeOperation, Order, OrderId, OrderKind, Owner, Period, Timestamp, Value};
use std::collections::BTreeMap;

pub fn order(kind: OrderKind, key: &str, changes: Vec<Change>) -> Order {
    Order {
        id: OrderId::new(uuid::Uuid::from_u128(7)),
        kind,
        resource_type: "AppAccount".into(),
        connector: "app".into(),
        connection: "app".into(),
        entity_type: "Account".into(),
        owner: Owner { entity_type: "Person".into(), key: "1001".into(), display_name: "Ada Byron".into() },
        target_key: key.into(),
        changes,
        arguments: BTreeMap::new(),
        why: vec![],
        priority: 0,
        not_before: None,
        period: Period::default(),
        generation_run: "run-1".into(),
        depends_on: vec![],
        block_causes: vec![],
        transmitted_validity_minutes: 0,
        rule_failure: None,
        expired: false,
        generated_at: Timestamp::from_millis(0),
    }
}

pub fn set(property: &str, value: impl Into<Option<Value>>) -> Change {
    Change {
        property: property.into(),
        operation: ChangeOperation::Set,
        proposed: value.into(),
        current: None,
        sensitive: false,
        write_only: false,
        why: vec![],
    }
}

pub fn list(names: &[&str]) -> Value {
    Value::List(names.iter().map(|name| Value::from(*name)).collect())
}

pub fn delta(operation: ChangeOperation, names: &[&str]) -> Change {
    Change { operation, ..set("groups", list(names)) }
}

pub fn hired() -> Value {
    Value::Timestamp(Timestamp::parse("2026-03-01T08:00:00Z").unwrap())
}

/// An account with a value of every type, and groups.
pub fn creation(key: &str, title: &str, groups: &[&str]) -> Order {
    let mut changes = vec![
        set("login", Value::from(key)),
        set("full_name", Value::from("Ada Byron")),
        set("last_name", Value::from("Byron")),
        set("title", Value::from(title)),
        set("grade", Value::Integer(12)),
        set("enabled", Value::Boolean(true)),
        set("hired", hired()),
        set("photo", Value::Bytes(vec![0xff, 0xd8, 0x00])),
    ];
    if !groups.is_empty() {
        changes.push(set("groups", list(groups)));
    }
    order(OrderKind::Addition, key, changes)
}

pub fn update(key: &str, changes: Vec<Change>) -> Order {
    order(OrderKind::Update, key, changes)
}

pub fn deletion(key: &str) -> Order {
    order(OrderKind::Deletion, key, vec![])
}
