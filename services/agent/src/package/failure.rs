//! How packages say what went wrong: a class, the system's code and words, and never a
//! confidential value.

use provost_domain::{Change, Failure, FailureClass, Order, Value};
use std::time::Duration;

/// Adds the particulars to a failure.
pub trait Particulars {
    /// With the managed system's own code.
    #[must_use]
    fn with_code(self, code: impl Into<String>) -> Self;
    /// With the property at fault.
    #[must_use]
    fn with_property(self, property: impl Into<String>) -> Self;
    /// With what a person may do about it.
    #[must_use]
    fn with_hint(self, hint: impl Into<String>) -> Self;
    /// With how long the managed system asks to be left alone, where it says so (HTTP calls it Retry-After).
    #[must_use]
    fn with_retry_after(self, wait: Duration) -> Self;
}

impl Particulars for Failure {
    fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = code.into();
        self
    }

    fn with_property(mut self, property: impl Into<String>) -> Self {
        self.property = Some(property.into());
        self
    }

    fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

pub(crate) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(FailureClass::InvalidValue, message)
}

pub(crate) fn conflict(message: impl Into<String>) -> Failure {
    Failure::new(FailureClass::Conflict, message)
}

pub(crate) fn refused(message: impl Into<String>) -> Failure {
    Failure::new(FailureClass::Refused, message)
}

pub(crate) fn missing(message: impl Into<String>) -> Failure {
    Failure::new(FailureClass::MissingDependency, message)
}

pub(crate) fn transport(message: impl Into<String>) -> Failure {
    Failure::new(FailureClass::Transport, message)
}

/// Nobody reads the rows of this export any more.
pub(crate) fn abandoned() -> Failure {
    Failure::new(FailureClass::Unknown, "the export was abandoned by whoever asked for it")
}

/// The entity type of the order or task is not in the connection's configuration.
pub(crate) fn unmapped_entity(entity_type: &str) -> Failure {
    invalid(format!("the connection has no mapping for entity type '{entity_type}'"))
        .with_hint("add it under the connection's 'entities' in the agent's configuration")
}

/// The order changes a property, but its resource is not there.
pub(crate) fn resource_missing(order: &Order) -> Failure {
    missing(format!("{} '{}' does not exist in the managed system", order.entity_type, order.target_key))
        .with_hint("it was removed outside; synchronize, so that it is planned anew")
}

/// Something else has the key that the order wants to create. Names both sides, property by property.
pub(crate) fn occupied(order: &Order, differences: &[Difference]) -> Failure {
    let sides: Vec<String> = differences.iter().map(Difference::to_string).collect();
    let failure = conflict(format!(
        "{} '{}' already exists and is not what this order creates for {} '{}': {}",
        order.entity_type,
        order.target_key,
        order.owner.entity_type,
        order.owner.key,
        sides.join("; ")
    ))
    .with_hint("rename or remove the existing one, or let the two be correlated; it was left untouched");
    match differences.first() {
        Some(difference) => failure.with_property(&difference.property),
        None => failure,
    }
}

/// One property whose value in the managed system is not the ordered one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The property.
    pub(crate) property: String,
    /// What is there; a word in place of what is confidential.
    pub(crate) found: String,
    /// What was ordered; a word in place of what is confidential.
    pub(crate) ordered: String,
}

impl Difference {
    /// The two sides of a change, confidential values left out.
    pub(crate) fn of(change: &Change, found: Option<&Value>, ordered: Option<&Value>) -> Self {
        let show = |value: Option<&Value>| match value {
            None => "nothing".to_owned(),
            Some(_) if change.sensitive || change.write_only => "(confidential)".to_owned(),
            Some(value) => format!("'{}'", shortened(&value.to_string())),
        };
        Self { property: change.property.clone(), found: show(found), ordered: show(ordered) }
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is {}, ordered is {}", self.property, self.found, self.ordered)
    }
}

/// Text for a message: at most 200 characters of it.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN: usize = 200;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Takes the order's confidential values out of a failure: managed systems quote what they refuse.
pub(crate) fn redacted(mut failure: Failure, order: &Order) -> Failure {
    for change in order.changes.iter().filter(|change| change.sensitive || change.write_only) {
        let values = change.proposed.iter().chain(change.current.iter()).flat_map(Value::items);
        for text in values.map(Value::to_string).filter(|text| !text.is_empty()) {
            for told in [&mut failure.message, &mut failure.hint, &mut failure.code] {
                *told = told.replace(&text, "***");
            }
        }
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_domain::ChangeOperation;

    fn secret_change() -> Change {
        Change {
            property: "initial_password".into(),
            operation: ChangeOperation::Set,
            proposed: Some("hunter2".into()),
            current: None,
            sensitive: true,
            write_only: true,
            why: vec![],
        }
    }

    #[test]
    fn differences_of_confidential_properties_show_no_value() {
        let shown = Difference::of(&secret_change(), None, Some(&"hunter2".into())).to_string();
        assert_eq!(shown, "initial_password is nothing, ordered is (confidential)");
    }

    #[test]
    fn long_texts_are_shortened_at_a_character() {
        assert_eq!(shortened("é").len(), 2);
        assert_eq!(shortened(&"é".repeat(300)).chars().count(), 201);
    }
}
