//! Orders in a few words.

use super::{provisioning_state, shortened};
use provost_contract::types::v1::{
    Change, ChangeOperation, HoldKind, InactiveReason, Order, OrderKind, OrderRecord, Owner,
};
use provost_domain::ProvisioningState;

const VALUE_MAX: usize = 40;

/// Where an order stands, with what makes the difference: who holds it, or why it is inactive.
pub fn standing(record: &OrderRecord) -> String {
    let state = provisioning_state(record.state);
    if record.state == ProvisioningState::Pending.number() {
        if let Some(lease) = &record.lease {
            return format!("{state}, in flight at {}", lease.agent_id);
        }
        if let Some(hold) = &record.hold {
            return format!("{state}, held: {}", held(hold.kind()));
        }
        return match record.waits_for.len() {
            0 => state,
            1 => format!("{state}, waits for another order"),
            n => format!("{state}, waits for {n} orders"),
        };
    }
    match InactiveReason::try_from(record.inactive_reason) {
        Ok(InactiveReason::Expired) => format!("{state} (expired)"),
        Ok(InactiveReason::Declined) => format!("{state} (declined)"),
        Ok(InactiveReason::Cancelled) => format!("{state} (cancelled)"),
        Ok(InactiveReason::Superseded) => format!("{state} (superseded)"),
        Ok(InactiveReason::Unspecified) | Err(_) => state,
    }
}

/// What holds an order's connection, in a few words.
const fn held(kind: HoldKind) -> &'static str {
    match kind {
        HoldKind::Paused => "connection paused",
        HoldKind::Draining => "connection draining",
        HoldKind::Brake => "dispatch brake",
        HoldKind::Breaker => "no answer",
        HoldKind::Throttled => "asked to slow down",
        HoldKind::RateLimit => "rate limit",
        HoldKind::InFlight => "in-flight limit",
        HoldKind::Unspecified => "connection",
    }
}

/// What an order does.
pub fn kind(order: &Order) -> &'static str {
    match OrderKind::try_from(order.kind) {
        Ok(OrderKind::Addition) => "Addition",
        Ok(OrderKind::Association) => "Association",
        Ok(OrderKind::Update) => "Update",
        Ok(OrderKind::Deletion) => "Deletion",
        Ok(OrderKind::Unspecified) | Err(_) => "?",
    }
}

/// Whose an order is.
pub fn subject(order: &Order) -> String {
    named(order.owner.as_ref())
}

/// An owner: its name and key.
pub fn named(owner: Option<&Owner>) -> String {
    match owner {
        Some(owner) if owner.display_name.is_empty() => owner.key.clone(),
        Some(owner) => format!("{} ({})", owner.display_name, owner.key),
        None => "–".to_owned(),
    }
}

/// One change: the property, and what becomes of it.
pub fn change(change: &Change) -> String {
    let show = |value: Option<&_>| match value {
        _ if change.sensitive => super::hidden(true),
        Some(value) => shortened(&super::value(value), VALUE_MAX),
        None => "–".to_owned(),
    };
    let (proposed, current) = (show(change.proposed.as_ref()), show(change.current.as_ref()));
    match ChangeOperation::try_from(change.operation) {
        Ok(ChangeOperation::Add) => format!("{} + {proposed}", change.property),
        Ok(ChangeOperation::Remove) => format!("{} − {proposed}", change.property),
        _ if change.current.is_none() => format!("{} = {proposed}", change.property),
        _ => format!("{}: {current} → {proposed}", change.property),
    }
}

/// What a change does to its property, by the operation's number.
pub fn operation(number: i32) -> &'static str {
    match ChangeOperation::try_from(number) {
        Ok(ChangeOperation::Set) => "set",
        Ok(ChangeOperation::Add) => "add",
        Ok(ChangeOperation::Remove) => "remove",
        Ok(ChangeOperation::Unspecified) | Err(_) => "?",
    }
}

/// What a change finds, and what it would leave. Of confidential values the ledger tells nothing; but
/// an addition finds none.
pub fn current_and_proposed(order: &Order, change: &Change) -> [String; 2] {
    if change.sensitive {
        let adds = order.kind == i32::from(OrderKind::Addition);
        return [super::hidden(!adds), super::hidden(true)];
    }
    [change.current.as_ref(), change.proposed.as_ref()].map(super::optional)
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_contract::types::v1::{ConnectionHold, Lease, Value, value::Kind};

    fn text(text: &str) -> Option<Value> {
        Some(Value { kind: Some(Kind::StringValue(text.into())) })
    }

    #[test]
    fn standing_says_who_holds_it_and_why_not() {
        let mut record = OrderRecord { state: 1, ..OrderRecord::default() };
        assert_eq!(standing(&record), "Pending");
        record.hold = Some(ConnectionHold { kind: HoldKind::Paused.into(), ..ConnectionHold::default() });
        assert_eq!(standing(&record), "Pending, held: connection paused");
        record.hold = None;
        record.waits_for = vec!["x".into()];
        assert_eq!(standing(&record), "Pending, waits for another order");
        record.lease = Some(Lease { agent_id: "agent-1".into(), ..Lease::default() });
        assert_eq!(standing(&record), "Pending, in flight at agent-1");
        let record = OrderRecord { state: 6, inactive_reason: 2, ..OrderRecord::default() };
        assert_eq!(standing(&record), "Inactive (declined)");
    }

    #[test]
    fn changes_read_as_what_becomes_of_the_property() {
        let set = Change { property: "title".into(), operation: 1, proposed: text("B"), ..Change::default() };
        assert_eq!(change(&set), "title = B");
        let replaced = Change { current: text("A"), ..set.clone() };
        assert_eq!(change(&replaced), "title: A → B");
        assert_eq!(change(&Change { operation: 2, ..set.clone() }), "title + B");
        assert_eq!(change(&Change { operation: 3, ..set.clone() }), "title − B");
        assert_eq!(change(&Change { proposed: None, ..replaced.clone() }), "title: A → –");
        let secret = Change { sensitive: true, ..replaced };
        assert_eq!(change(&secret), "title: •••••• → ••••••");
        let masked = Change { proposed: None, current: None, ..secret };
        assert_eq!(change(&masked), "title = ••••••");
    }

    #[test]
    fn operations_have_names_and_unknown_ones_are_not_taken_for_set() {
        assert_eq!([1, 2, 3, 0, 99].map(operation), ["set", "add", "remove", "?", "?"]);
    }

    #[test]
    fn owners_are_named() {
        let owner = Owner { key: "E1".into(), display_name: "Ada".into(), ..Owner::default() };
        let mut order = Order { owner: Some(owner), kind: 1, ..Order::default() };
        assert_eq!((subject(&order).as_str(), kind(&order)), ("Ada (E1)", "Addition"));
        order.owner = Some(Owner { key: "E1".into(), ..Owner::default() });
        assert_eq!(subject(&order), "E1");
    }
}
