//! The words of scenarios: how values, states, kinds and causes are written.

use crate::yaml::{Reading, mistake};
use provost_contract::from_wire;
use provost_contract::types::v1 as pb;
use provost_domain::{InactiveReason, ProvisioningState, Timestamp, Value};

/// Stands for no value.
pub(crate) const NOTHING: &str = "nothing";

/// A value. Instants at midnight are dates; lists are sorted.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Timestamp(at) => instant(*at),
        Value::List(items) if items.is_empty() => NOTHING.to_owned(),
        Value::List(items) => {
            let mut items: Vec<String> = items.iter().map(self::value).collect();
            items.sort();
            items.join(", ")
        }
        other => other.to_string(),
    }
}

/// An instant, as short as it can be.
pub(crate) fn instant(at: Timestamp) -> String {
    let text = at.to_string();
    let text = text.strip_suffix("T00:00:00.000Z").or_else(|| text.strip_suffix(":00.000Z")).unwrap_or(&text);
    text.to_owned()
}

/// Reads an instant: a date, or a date and a time of day with or without seconds, UTC.
pub(crate) fn read_instant(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}:00")))
}

/// A value from the wire; none is [`NOTHING`].
pub(crate) fn wire_value(value: Option<&pb::Value>) -> String {
    let read = |value: &pb::Value| from_wire::value("value", value.clone(), &mut Default::default());
    value.and_then(read).map_or_else(|| NOTHING.to_owned(), |value| self::value(&value))
}

/// An instant from the wire; none is [`NOTHING`].
pub(crate) fn wire_instant(at: Option<&prost_types::Timestamp>) -> String {
    at.map_or_else(|| NOTHING.to_owned(), |at| instant(from_wire::timestamp(at)))
}

/// A provisioning state; an Inactive one with its reason.
pub(crate) fn state(number: i32, inactive_reason: i32) -> String {
    let reasons =
        [InactiveReason::Expired, InactiveReason::Declined, InactiveReason::Cancelled, InactiveReason::Superseded];
    let reason = reasons.into_iter().find(|reason| *reason as i32 == inactive_reason);
    match (ProvisioningState::from_number(number), reason) {
        (Some(state), Some(reason)) => format!("{state}, {reason}"),
        (Some(state), None) => state.to_string(),
        (None, _) => format!("state {number}"),
    }
}

/// A workflow state.
pub(crate) fn workflow(number: i32) -> String {
    provost::show::workflow_state(number)
}

/// Why an order is blocked.
pub(crate) fn block_cause(number: i32) -> &'static str {
    match pb::BlockCause::try_from(number) {
        Ok(pb::BlockCause::ResourceType) => "resource type",
        Ok(pb::BlockCause::Run) => "run",
        Ok(pb::BlockCause::QueuedBehind) => "queued behind",
        Ok(pb::BlockCause::Confidence) => "confidence",
        Ok(pb::BlockCause::Unspecified) | Err(_) => "unknown",
    }
}

/// What an order does.
pub(crate) fn kind(number: i32) -> &'static str {
    match pb::OrderKind::try_from(number) {
        Ok(pb::OrderKind::Addition) => "Addition",
        Ok(pb::OrderKind::Association) => "Association",
        Ok(pb::OrderKind::Update) => "Update",
        Ok(pb::OrderKind::Deletion) => "Deletion",
        Ok(pb::OrderKind::Unspecified) | Err(_) => "unknown",
    }
}

/// An order, as scenarios name it: `Addition of AppAccount for E1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Named {
    pub(crate) kind: String,
    pub(crate) resource_type: String,
    pub(crate) owner: String,
}

impl Named {
    /// Reads a name.
    pub(crate) fn read(text: &str, line: usize) -> Reading<Self> {
        let parts = text.split_once(" of ").and_then(|(kind, rest)| Some((kind, rest.split_once(" for ")?)));
        let kinds = ["Addition", "Association", "Update", "Deletion"];
        match parts {
            Some((kind, (resource_type, owner))) if kinds.contains(&kind) => {
                Ok(Self { kind: kind.to_owned(), resource_type: resource_type.to_owned(), owner: owner.to_owned() })
            }
            _ => mistake(line, format!("'{text}' names no order; write for example 'Addition of AppAccount for E1'")),
        }
    }

    /// The name of an order.
    pub(crate) fn of(order: &pb::Order) -> Self {
        Self {
            kind: kind(order.kind).to_owned(),
            resource_type: order.resource_type.clone(),
            owner: order.owner.as_ref().map(|owner| owner.key.clone()).unwrap_or_default(),
        }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} for {}", self.kind, self.resource_type, self.owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn midnight_is_a_date() {
        let at = |text: &str| instant(read_instant(text).unwrap());
        assert_eq!(at("2026-03-01"), "2026-03-01");
        assert_eq!(at("2026-03-01T08:30"), "2026-03-01T08:30");
    }

    #[test]
    fn orders_are_named_in_words() {
        let named = Named::read("Addition of AppAccount for E1", 3).unwrap();
        assert_eq!(named.to_string(), "Addition of AppAccount for E1");
        let wrong = Named::read("Change of AppAccount for E1", 3).unwrap_err().to_string();
        assert!(wrong.starts_with("line 3: 'Change of AppAccount for E1' names no order"), "{wrong}");
    }

    #[test]
    fn inactive_says_why() {
        assert_eq!(state(6, 4), "Inactive, superseded");
        assert_eq!(state(5, 0), "Awaiting Approval");
    }
}
