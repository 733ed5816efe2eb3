//! What the history says beside the states: the event, who, and why.

use provost_contract::types::v1::OrderEvent;
use provost_contract::{cut, printable};
use provost_domain::{Event, Timestamp};
use std::borrow::Cow;

/// The ledger itself: who acts when it draws the consequence of a step, and who calls review.
pub(crate) const LEDGER: &str = "fulfillment";

/// Longest reason kept in the history, in characters.
const REASON_MAX: usize = 2_000;

/// Who did something to an order, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) actor: String,
    pub(crate) reason: String,
}

impl Note {
    /// A note; a reason that is too long is cut, and control characters are replaced.
    pub(crate) fn new<'a>(actor: impl Into<String>, reason: impl Into<Cow<'a, str>>) -> Self {
        let reason = cut(reason.into().into_owned(), REASON_MAX);
        Self { actor: printable(actor), reason: printable(reason) }
    }
}

/// The wire's name of an event.
pub(crate) trait LedgerEvent {
    /// The event as the history and the feed name it.
    fn on_wire(&self) -> OrderEvent;
    /// The attempt that the event concerns, when it names one.
    fn attempt(&self) -> Option<u32>;
}

impl LedgerEvent for Event {
    fn on_wire(&self) -> OrderEvent {
        match self {
            Self::Approved => OrderEvent::Approved,
            Self::Declined => OrderEvent::Declined,
            Self::Postponed => OrderEvent::Postponed,
            Self::Leased { .. } => OrderEvent::Leased,
            Self::HandedOver { .. } => OrderEvent::HandedOver,
            Self::Executed { .. } => OrderEvent::Executed,
            Self::Failed { .. } => OrderEvent::Failed,
            Self::Retried { .. } => OrderEvent::Retried,
            Self::Returned { .. } => OrderEvent::Returned,
            Self::Confirmed => OrderEvent::Confirmed,
            Self::ErrorReported { .. } => OrderEvent::ErrorReported,
            Self::ValidityOver => OrderEvent::ValidityOver,
            Self::Unblocked { .. } => OrderEvent::Unblocked,
            Self::Verified { .. } => OrderEvent::Verified,
            // Evaluated again means: a fresh order replaces this one.
            Self::Superseded | Self::Reevaluated => OrderEvent::Superseded,
            Self::Cancelled => OrderEvent::Cancelled,
        }
    }

    fn attempt(&self) -> Option<u32> {
        match self {
            Self::HandedOver { attempt, .. }
            | Self::Executed { attempt }
            | Self::Failed { attempt, .. }
            | Self::Returned { attempt }
            | Self::Retried { attempt, .. } => Some(*attempt),
            Self::Approved
            | Self::Declined
            | Self::Postponed
            | Self::Leased { .. }
            | Self::Confirmed
            | Self::ErrorReported { .. }
            | Self::ValidityOver
            | Self::Unblocked { .. }
            | Self::Verified { .. }
            | Self::Superseded
            | Self::Cancelled
            | Self::Reevaluated => None,
        }
    }
}

/// One line of the history, as it will be written.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) id: provost_domain::OrderId,
    pub(crate) event: OrderEvent,
    pub(crate) from: i32,
    pub(crate) to: i32,
    pub(crate) at: Timestamp,
    pub(crate) attempt: u32,
    pub(crate) note: Note,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_cut_between_characters() {
        assert_eq!(Note::new("ada", "é".repeat(5_000)).reason.chars().count(), REASON_MAX);
        assert_eq!(Note::new("ada", "short").reason, "short");
        let note = Note::new("a\0", "no\0pe");
        assert_eq!((note.actor.as_str(), note.reason.as_str()), ("a\u{fffd}", "no\u{fffd}pe"));
    }
}
