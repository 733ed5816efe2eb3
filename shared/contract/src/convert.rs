//! Conversions between the wire and the domain.
//!
//! The rule that must hold: a domain value goes over the wire and comes back equal. Messages are
//! taken apart field by field, so that a field added to a `.proto` file breaks the build here.

use crate::types::v1 as wire;
use provost_domain as domain;
use std::time::Duration;

/// Most changes in one order.
pub const CHANGES_MAX: usize = 500;
/// Most items in one list value.
pub const LIST_ITEMS_MAX: usize = 20_000;
/// Longest name or key, in characters.
pub const NAME_MAX: usize = 500;
/// Longest words of a managed system or of a rule that are kept, in characters.
pub const MESSAGE_MAX: usize = 4_000;
/// Longest time that a managed system may ask to be left alone.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Domain to wire; cannot fail.
pub mod to_wire {
    use super::{domain, wire};
    use prost_types::Timestamp;

    /// An instant.
    pub fn timestamp(instant: domain::Timestamp) -> Timestamp {
        let millis = instant.millis();
        Timestamp {
            seconds: millis.div_euclid(1000),
            nanos: i32::try_from(millis.rem_euclid(1000)).unwrap_or(0) * 1_000_000,
        }
    }

    /// A value.
    pub fn value(value: &domain::Value) -> wire::Value {
        use wire::value::Kind;
        let kind = match value {
            domain::Value::String(text) => Kind::StringValue(text.clone()),
            domain::Value::Integer(number) => Kind::IntegerValue(*number),
            domain::Value::Boolean(flag) => Kind::BooleanValue(*flag),
            domain::Value::Timestamp(instant) => Kind::TimestampValue(timestamp(*instant)),
            domain::Value::Bytes(bytes) => Kind::BytesValue(bytes.clone()),
            domain::Value::List(items) => {
                Kind::ListValue(wire::ListValue { values: items.iter().map(self::value).collect() })
            }
        };
        wire::Value { kind: Some(kind) }
    }

    /// Reasons.
    pub fn reasons(reasons: &[domain::Reason]) -> Vec<wire::Reason> {
        reasons.iter().map(|r| wire::Reason { rule: r.rule.clone(), detail: r.detail.clone() }).collect()
    }

    /// An owner.
    pub fn owner(owner: &domain::Owner) -> wire::Owner {
        wire::Owner {
            entity_type: owner.entity_type.clone(),
            key: owner.key.clone(),
            display_name: owner.display_name.clone(),
        }
    }

    /// A period; none when it is open at both ends.
    pub fn period(period: domain::Period) -> Option<wire::Period> {
        (period != domain::Period::default())
            .then(|| wire::Period { valid_from: period.from.map(timestamp), valid_until: period.until.map(timestamp) })
    }

    /// A change.
    pub fn change(change: &domain::Change) -> wire::Change {
        wire::Change {
            property: change.property.clone(),
            operation: change.operation as i32,
            proposed: change.proposed.as_ref().map(value),
            current: change.current.as_ref().map(value),
            sensitive: change.sensitive,
            write_only: change.write_only,
            why: reasons(&change.why),
        }
    }

    /// A rule failure.
    pub fn rule_failure(failure: &domain::RuleFailure) -> wire::RuleFailure {
        wire::RuleFailure {
            rule: failure.rule.clone(),
            property: failure.property.clone().unwrap_or_default(),
            input: failure.input.clone(),
            message: failure.message.clone(),
        }
    }

    /// A failure.
    pub fn failure(failure: &domain::Failure) -> wire::Failure {
        use domain::FailureClass as D;
        use wire::FailureClass as W;
        let class = match failure.class {
            D::Transport => W::Transport,
            D::Throttled => W::Throttled,
            D::Refused => W::Refused,
            D::Conflict => W::Conflict,
            D::InvalidValue => W::InvalidValue,
            D::MissingDependency => W::MissingDependency,
            D::Authentication => W::Authentication,
            D::Unknown => W::Unknown,
        };
        wire::Failure {
            failure_class: class.into(),
            code: failure.code.clone(),
            message: failure.message.clone(),
            property: failure.property.clone().unwrap_or_default(),
            hint: failure.hint.clone(),
            retry_after: failure.retry_after.and_then(|wait| prost_types::Duration::try_from(wait).ok()),
        }
    }

    /// A provisioning state.
    pub fn state(state: domain::ProvisioningState) -> wire::ProvisioningState {
        wire::ProvisioningState::try_from(state.number()).unwrap_or(wire::ProvisioningState::None)
    }

    /// A workflow state.
    pub fn workflow_state(state: domain::WorkflowState) -> wire::WorkflowState {
        wire::WorkflowState::try_from(state as i32).unwrap_or(wire::WorkflowState::Unspecified)
    }

    /// An order.
    pub fn order(order: &domain::Order) -> wire::Order {
        wire::Order {
            order_id: order.id.to_string(),
            kind: order.kind as i32,
            resource_type: order.resource_type.clone(),
            connector: order.connector.clone(),
            connection: order.connection.clone(),
            entity_type: order.entity_type.clone(),
            owner: Some(owner(&order.owner)),
            target_key: order.target_key.clone(),
            changes: order.changes.iter().map(change).collect(),
            arguments: order.arguments.clone().into_iter().collect(),
            why: reasons(&order.why),
            priority: order.priority,
            not_before: order.not_before.map(timestamp),
            period: period(order.period),
            generation_run: order.generation_run.clone(),
            depends_on: order.depends_on.iter().map(ToString::to_string).collect(),
            block_causes: order.block_causes.iter().map(|cause| *cause as i32).collect(),
            transmitted_validity_minutes: i32::try_from(order.transmitted_validity_minutes).unwrap_or(i32::MAX),
            rule_failure: order.rule_failure.as_ref().map(rule_failure),
            expired: order.expired,
            generated_at: Some(timestamp(order.generated_at)),
        }
    }
}

/// Wire to domain; every wrong field is noted.
pub mod from_wire {
    use super::{CHANGES_MAX, LIST_ITEMS_MAX, MESSAGE_MAX, NAME_MAX, RETRY_AFTER_MAX, domain, wire};
    use crate::violations::{Violations, cut, printable};
    use prost_types::Timestamp;
    use std::fmt;

    /// An instant.
    pub fn timestamp(instant: &Timestamp) -> domain::Timestamp {
        let millis = instant.seconds.saturating_mul(1000).saturating_add(i64::from(instant.nanos) / 1_000_000);
        domain::Timestamp::from_millis(millis)
    }

    /// A value; an unset kind is no value. Notes `field` when a list holds a list or too much.
    pub fn value(field: impl fmt::Display + Copy, value: wire::Value, wrong: &mut Violations) -> Option<domain::Value> {
        use wire::value::Kind;
        Some(match value.kind? {
            Kind::StringValue(text) => domain::Value::String(text),
            Kind::IntegerValue(number) => domain::Value::Integer(number),
            Kind::BooleanValue(flag) => domain::Value::Boolean(flag),
            Kind::TimestampValue(instant) => domain::Value::Timestamp(timestamp(&instant)),
            Kind::BytesValue(bytes) => domain::Value::Bytes(bytes),
            Kind::ListValue(list) => {
                if list.values.len() > LIST_ITEMS_MAX {
                    wrong.add(field.to_string(), format!("holds more than {LIST_ITEMS_MAX} items"));
                    return None;
                }
                let mut items = Vec::with_capacity(list.values.len());
                for item in list.values {
                    match item.kind {
                        Some(Kind::ListValue(_)) => wrong.add(field.to_string(), "holds a list inside a list"),
                        None => wrong.add(field.to_string(), "holds an empty item"),
                        kind => items.extend(self::value(field, wire::Value { kind }, wrong)),
                    }
                }
                domain::Value::List(items)
            }
        })
    }

    /// Reasons.
    pub fn reasons(reasons: Vec<wire::Reason>) -> Vec<domain::Reason> {
        reasons.into_iter().map(|wire::Reason { rule, detail }| domain::Reason { rule, detail }).collect()
    }

    /// A failure; an unset class is Unknown, and words that are too long are cut.
    pub fn failure(failure: wire::Failure) -> domain::Failure {
        use domain::FailureClass as D;
        use wire::FailureClass as W;
        let wire::Failure { failure_class, code, message, property, hint, retry_after } = failure;
        let class = match W::try_from(failure_class).unwrap_or(W::Unknown) {
            W::Transport => D::Transport,
            W::Throttled => D::Throttled,
            W::Refused => D::Refused,
            W::Conflict => D::Conflict,
            W::InvalidValue => D::InvalidValue,
            W::MissingDependency => D::MissingDependency,
            W::Authentication => D::Authentication,
            W::Unspecified | W::Unknown => D::Unknown,
        };
        domain::Failure {
            class,
            code: cut(printable(code), NAME_MAX),
            message: cut(printable(message), MESSAGE_MAX),
            property: (!property.is_empty()).then(|| cut(printable(property), NAME_MAX)),
            hint: cut(printable(hint), MESSAGE_MAX),
            retry_after: retry_after
                .and_then(|wait| wait.try_into().ok())
                .map(|wait: std::time::Duration| wait.min(RETRY_AFTER_MAX)),
        }
    }

    /// A provisioning state; `None` for a number that is none of the nine.
    pub fn state(number: i32) -> Option<domain::ProvisioningState> {
        domain::ProvisioningState::from_number(number)
    }

    /// An order id.
    pub fn order_id(field: impl fmt::Display, text: &str, wrong: &mut Violations) -> Option<domain::OrderId> {
        text.parse().map_err(|_| wrong.add(field.to_string(), format!("'{}' is not a UUID", shown(text)))).ok()
    }

    fn shown(text: &str) -> String {
        text.chars().take(40).collect()
    }

    // Where something stands is put into words only when it is wrong.
    fn change(field: impl fmt::Display + Copy, change: wire::Change, wrong: &mut Violations) -> Option<domain::Change> {
        let wire::Change { property, operation, proposed, current, sensitive, write_only, why } = change;
        wrong.require_text(format_args!("{field}.property"), &property, NAME_MAX);
        let operation = match wire::ChangeOperation::try_from(operation) {
            Ok(wire::ChangeOperation::Set) => domain::ChangeOperation::Set,
            Ok(wire::ChangeOperation::Add) => domain::ChangeOperation::Add,
            Ok(wire::ChangeOperation::Remove) => domain::ChangeOperation::Remove,
            Ok(wire::ChangeOperation::Unspecified) | Err(_) => {
                wrong.add(format!("{field}.operation"), "must be SET, ADD or REMOVE");
                return None;
            }
        };
        let proposed = proposed.and_then(|value| self::value(format_args!("{field}.proposed"), value, wrong));
        if operation != domain::ChangeOperation::Set && !matches!(proposed, Some(domain::Value::List(_))) {
            wrong.add(format!("{field}.proposed"), "must be a list of the values to add or remove");
        }
        let current = current.and_then(|value| self::value(format_args!("{field}.current"), value, wrong));
        Some(domain::Change { property, operation, proposed, current, sensitive, write_only, why: reasons(why) })
    }

    /// An order. `field` is where it stands in the request, for example `orders[3]`.
    ///
    /// # Errors
    /// Every wrong field.
    pub fn order(field: &str, order: wire::Order) -> Result<domain::Order, Violations> {
        let wire::Order {
            order_id,
            kind,
            resource_type,
            connector,
            connection,
            entity_type,
            owner,
            target_key,
            changes,
            arguments,
            why,
            priority,
            not_before,
            period,
            generation_run,
            depends_on,
            block_causes,
            transmitted_validity_minutes,
            rule_failure,
            expired,
            generated_at,
        } = order;
        let mut wrong = Violations::default();
        let id = self::order_id(format_args!("{field}.order_id"), &order_id, &mut wrong);
        for (name, text) in [
            ("resource_type", &resource_type),
            ("connector", &connector),
            ("connection", &connection),
            ("entity_type", &entity_type),
        ] {
            wrong.require_text(format_args!("{field}.{name}"), text, NAME_MAX);
        }
        // An Error may be just that: the rule that should have given the key threw.
        if rule_failure.is_none() {
            wrong.require_text(format_args!("{field}.target_key"), &target_key, NAME_MAX);
        }
        // What the failed rule saw may hold anything, and must be shown all the same: only its size counts.
        if let Some(wire::RuleFailure { rule, property, input, message }) = &rule_failure {
            for (name, text, max) in [
                ("target_key", &target_key, NAME_MAX),
                ("rule_failure.rule", rule, NAME_MAX),
                ("rule_failure.property", property, NAME_MAX),
                ("rule_failure.input", input, MESSAGE_MAX),
                ("rule_failure.message", message, MESSAGE_MAX),
            ] {
                if text.chars().count() > max {
                    wrong.add(format!("{field}.{name}"), format!("is longer than {max} characters"));
                }
            }
        }
        let wire::Owner { entity_type: owner_type, key, display_name } = owner.unwrap_or_default();
        wrong.require_text(format_args!("{field}.owner.entity_type"), &owner_type, NAME_MAX);
        wrong.require_text(format_args!("{field}.owner.key"), &key, NAME_MAX);
        let kind = match wire::OrderKind::try_from(kind) {
            Ok(wire::OrderKind::Addition) => Some(domain::OrderKind::Addition),
            Ok(wire::OrderKind::Association) => Some(domain::OrderKind::Association),
            Ok(wire::OrderKind::Update) => Some(domain::OrderKind::Update),
            Ok(wire::OrderKind::Deletion) => Some(domain::OrderKind::Deletion),
            Ok(wire::OrderKind::Unspecified) | Err(_) => {
                wrong.add(format!("{field}.kind"), "must be ADDITION, ASSOCIATION, UPDATE or DELETION");
                None
            }
        };
        if changes.len() > CHANGES_MAX {
            wrong.add(format!("{field}.changes"), format!("holds more than {CHANGES_MAX} changes"));
        }
        if changes.is_empty()
            && rule_failure.is_none()
            && !expired
            && matches!(kind, Some(domain::OrderKind::Addition | domain::OrderKind::Update))
        {
            wrong.add(format!("{field}.changes"), "must not be empty for an ADDITION or an UPDATE");
        }
        let mut set = std::collections::HashSet::new();
        for (index, change) in changes.iter().enumerate() {
            if change.operation() == wire::ChangeOperation::Set && !set.insert(change.property.as_str()) {
                let shown = shown(&change.property);
                wrong.add(format!("{field}.changes[{index}].property"), format!("'{shown}' is SET twice"));
            }
        }
        let changes = changes
            .into_iter()
            .take(CHANGES_MAX)
            .enumerate()
            .filter_map(|(index, change)| self::change(format_args!("{field}.changes[{index}]"), change, &mut wrong))
            .collect();
        let depends_on = depends_on
            .iter()
            .enumerate()
            .filter_map(|(index, id)| self::order_id(format_args!("{field}.depends_on[{index}]"), id, &mut wrong))
            .collect();
        let block_causes = block_causes
            .into_iter()
            .enumerate()
            .filter_map(|(index, cause)| match wire::BlockCause::try_from(cause) {
                Ok(wire::BlockCause::ResourceType) => Some(domain::BlockCause::ResourceType),
                Ok(wire::BlockCause::Run) => Some(domain::BlockCause::Run),
                Ok(wire::BlockCause::QueuedBehind) => Some(domain::BlockCause::QueuedBehind),
                Ok(wire::BlockCause::Confidence) => Some(domain::BlockCause::Confidence),
                Ok(wire::BlockCause::Unspecified) | Err(_) => {
                    wrong.add(format!("{field}.block_causes[{index}]"), "is not a known cause");
                    None
                }
            })
            .collect();
        let transmitted_validity_minutes = u32::try_from(transmitted_validity_minutes).unwrap_or_else(|_| {
            wrong.add(format!("{field}.transmitted_validity_minutes"), "must not be negative");
            0
        });
        let generated_at = generated_at.as_ref().map(timestamp);
        if generated_at.is_none() {
            wrong.add(format!("{field}.generated_at"), "must be set");
        }
        let period = period.map_or_else(domain::Period::default, |wire::Period { valid_from, valid_until }| {
            domain::Period { from: valid_from.as_ref().map(timestamp), until: valid_until.as_ref().map(timestamp) }
        });
        let rule_failure = rule_failure.map(|wire::RuleFailure { rule, property, input, message }| {
            domain::RuleFailure { rule, property: (!property.is_empty()).then_some(property), input, message }
        });
        let (Some(id), Some(kind), Some(generated_at), true) = (id, kind, generated_at, wrong.is_empty()) else {
            return Err(wrong);
        };
        Ok(domain::Order {
            id,
            kind,
            resource_type,
            connector,
            connection,
            entity_type,
            owner: domain::Owner { entity_type: owner_type, key, display_name: printable(display_name) },
            target_key: printable(target_key),
            changes,
            arguments: arguments.into_iter().collect(),
            why: reasons(why),
            priority,
            not_before: not_before.as_ref().map(timestamp),
            period,
            generation_run: printable(generation_run),
            depends_on,
            block_causes,
            transmitted_validity_minutes,
            rule_failure,
            expired,
            generated_at,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::Violations;
    use domain::{
        BlockCause, Change, ChangeOperation, Order, OrderId, OrderKind, Owner, Period, Reason, RuleFailure, Timestamp,
        Value,
    };
    use proptest::prelude::*;

    fn full_order(value: Value) -> Order {
        let at = Timestamp::from_millis;
        Order {
            id: OrderId::new(uuid::Uuid::from_u128(7)),
            kind: OrderKind::Update,
            resource_type: "AppAccount".into(),
            connector: "app".into(),
            connection: "app-sql".into(),
            entity_type: "Account".into(),
            owner: Owner { entity_type: "Person".into(), key: "1".into(), display_name: "Ada".into() },
            target_key: "ada".into(),
            changes: vec![Change {
                property: "p".into(),
                operation: ChangeOperation::Add,
                proposed: Some(Value::List(vec![value.clone()])),
                current: Some(value),
                sensitive: true,
                write_only: true,
                why: vec![Reason { rule: "r".into(), detail: "d".into() }],
            }],
            arguments: [("shell".to_owned(), "sh".to_owned())].into(),
            why: vec![Reason { rule: "r".into(), detail: "d".into() }],
            priority: 5,
            not_before: Some(at(-1)),
            period: Period { from: Some(at(1)), until: Some(at(1_999)) },
            generation_run: "g".into(),
            depends_on: vec![OrderId::new(uuid::Uuid::from_u128(8))],
            block_causes: vec![BlockCause::ResourceType, BlockCause::Confidence],
            transmitted_validity_minutes: 30,
            rule_failure: Some(RuleFailure {
                rule: "r".into(),
                property: Some("p".into()),
                input: "i".into(),
                message: "m".into(),
            }),
            expired: true,
            generated_at: at(1_700_000_000_123),
        }
    }

    proptest! {
        #[test]
        fn orders_go_over_the_wire_and_come_back(
            value in prop_oneof![
                ".{0,8}".prop_map(Value::String),
                any::<i64>().prop_map(Value::Integer),
                any::<bool>().prop_map(Value::Boolean),
                (-9_000_000_000_000_i64..9_000_000_000_000).prop_map(|ms| Value::Timestamp(Timestamp::from_millis(ms))),
                proptest::collection::vec(any::<u8>(), 0..8).prop_map(Value::Bytes),
            ],
        ) {
            let order = full_order(value);
            prop_assert_eq!(from_wire::order("order", to_wire::order(&order)), Ok(order));
        }
    }

    #[test]
    fn every_wrong_field_is_named_in_one_answer() {
        let wrong = from_wire::order("orders[2]", wire::Order { order_id: "x".into(), ..Default::default() });
        let fields: Vec<_> = wrong.unwrap_err().iter().map(|violation| violation.field.clone()).collect();
        for field in [
            "order_id",
            "resource_type",
            "connector",
            "connection",
            "entity_type",
            "target_key",
            "owner.entity_type",
            "owner.key",
            "kind",
            "generated_at",
        ] {
            assert!(fields.contains(&format!("orders[2].{field}")), "{field} missing in {fields:?}");
        }
    }

    #[test]
    fn lists_in_lists_and_wrong_changes_are_refused() {
        let mut order = to_wire::order(&full_order(Value::Integer(1)));
        let list = to_wire::value(&Value::List(vec![Value::List(vec![])]));
        order.changes[0].proposed = Some(list);
        order.changes.push(wire::Change { property: "q".into(), ..Default::default() });
        order.changes.push(wire::Change { property: "q".into(), operation: 2, ..Default::default() });
        order.block_causes.push(99);
        order.transmitted_validity_minutes = -1;
        let wrong = from_wire::order("order", order).unwrap_err();
        let text = wrong.to_string();
        for part in [
            "order.changes[0].proposed holds a list inside a list",
            "order.changes[1].operation must be SET, ADD or REMOVE",
            "order.changes[2].proposed must be a list",
            "order.block_causes[2] is not a known cause",
            "order.transmitted_validity_minutes must not be negative",
        ] {
            assert!(text.contains(part), "{part} missing in {text}");
        }
        assert_ne!(wrong, Violations::default());
    }

    #[test]
    fn oversized_words_are_refused_or_cut_and_a_property_is_set_once() {
        let mut order = to_wire::order(&full_order(Value::Integer(1)));
        let failure = order.rule_failure.as_mut().unwrap();
        failure.message = "x".repeat(MESSAGE_MAX + 1);
        failure.input = "no\0pe".into();
        let set = |property: &str| wire::Change { property: property.into(), operation: 1, ..Default::default() };
        order.changes = vec![set("a"), set("b"), set("a")];
        let wrong = from_wire::order("order", order).unwrap_err().to_string();
        let expected = "order.rule_failure.message is longer than 4000 characters; \
                        order.changes[2].property 'a' is SET twice";
        assert_eq!(wrong, expected);
        let failure = wire::Failure { message: "é".repeat(9_000), code: "c".repeat(9_000), ..Default::default() };
        let kept = from_wire::failure(failure);
        assert_eq!((kept.message.chars().count(), kept.code.len()), (MESSAGE_MAX, NAME_MAX));
    }

    #[test]
    fn updates_without_changes_are_refused() {
        let mut order = to_wire::order(&full_order(Value::Integer(1)));
        order.changes.clear();
        order.rule_failure = None;
        order.expired = false;
        assert!(from_wire::order("order", order.clone()).unwrap_err().to_string().contains("order.changes must not"));
        order.kind = wire::OrderKind::Deletion.into();
        assert!(from_wire::order("order", order).is_ok());
    }
}
