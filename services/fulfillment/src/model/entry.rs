//! One order of the ledger without its content: where it stands, and what decides whether an agent
//! may have it.
//!
//! The rule that must hold: `offer` follows from the rest ([`Standing::offer_at`]); an order is
//! offered only when it is Pending, first in its lane, and its dependencies are fulfilled.

use provost_domain::order::state::{Facts, Refused, Transition, transition};
use provost_domain::{Event, FailureClass, OrderId, State, Timestamp};
use std::time::Duration;

/// Whether agents may have an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Not in this state, or something goes before it.
    No,
    /// At once.
    Now,
    /// From this instant on: a lease, a retry or a not-before ends then.
    From(Timestamp),
}

/// What changes about an order in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) state: State,
    /// How many times an agent took it.
    pub(crate) attempts: u32,
    /// Passing failures in a row; a lease that ran out without a word is one.
    pub(crate) failures: u32,
    /// How often in a row the managed system asked to slow down.
    pub(crate) throttles: u32,
    /// The order before it in its lane that still holds the lane.
    pub(crate) waits_for: Option<OrderId>,
    /// Dependencies that are not yet Executed or Verified.
    pub(crate) unmet_dependencies: u32,
    /// When feedback said OK; kept when Verified.
    pub(crate) executed_at: Option<Timestamp>,
    /// Until then nothing of the lane is handed out: an attempt that has not reported may still be
    /// writing to the resource. On the order that it writes, and on those behind it in the lane.
    pub(crate) held_until: Option<Timestamp>,
    pub(crate) offer: Offer,
    /// Who writes it by hand, when somebody was named.
    pub(crate) assignee: Option<String>,
    /// Since when it is in its state.
    pub(crate) state_since: Timestamp,
}

/// An order of the ledger without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The place in the order of generation; 0 until it is stored.
    pub(crate) sequence: i64,
    pub(crate) id: OrderId,
    pub(crate) lane: String,
    pub(crate) connection: String,
    pub(crate) fingerprint: String,
    pub(crate) generated_at: Timestamp,
    pub(crate) not_before: Option<Timestamp>,
    /// How long it may stay Transmitted or Executed without verification.
    pub(crate) validity: Option<Duration>,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) standing: Standing,
}

impl Standing {
    /// Whether and when agents may have the order.
    pub(crate) fn offer_at(&self, not_before: Option<Timestamp>, now: Timestamp) -> Offer {
        let State::Pending { lease, retry } = &self.state else { return Offer::No };
        if self.waits_for.is_some() || self.unmet_dependencies > 0 {
            return Offer::No;
        }
        let (leased, retried) = (lease.as_ref().map(|lease| lease.until), retry.as_ref().map(|retry| retry.at));
        let ends = [leased, retried, not_before, self.held_until];
        match ends.into_iter().flatten().max() {
            Some(due) if due > now => Offer::From(due),
            _ => Offer::Now,
        }
    }

    /// When the order's validity is over, if it is in a state that has one.
    pub(crate) fn deadline(&self, validity: Option<Duration>) -> Option<Timestamp> {
        match &self.state {
            State::Transmitted { since, .. } | State::Executed { since } => Some(since.plus(validity?)),
            State::Pending { .. }
            | State::Errored { .. }
            | State::Verified
            | State::AwaitingApproval
            | State::Inactive { .. }
            | State::Error { .. } => None,
        }
    }
}

impl Entry {
    /// What the table answers to `event`; nothing is changed.
    ///
    /// # Errors
    /// When the table refuses.
    pub(crate) fn ask(&self, event: &Event, now: Timestamp) -> Result<Transition, Refused> {
        let facts = Facts { generated_at: self.generated_at, attempts: self.standing.attempts };
        transition(facts, &self.standing.state, event, now)
    }

    /// Moves to the state that the table gave for `event`.
    pub(crate) fn move_to(&mut self, state: State, event: &Event, now: Timestamp) {
        self.note_who_writes(event, now);
        let standing = &mut self.standing;
        match event {
            Event::Leased { .. } => {
                // The last attempt was lost without a word: one more passing failure.
                standing.failures += u32::from(matches!(&standing.state, State::Pending { lease: Some(_), .. }));
                standing.attempts += 1;
            }
            Event::Retried { retry, counted, .. } => {
                standing.failures += u32::from(*counted);
                let is_throttled = retry.failure.class == FailureClass::Throttled;
                standing.throttles = if is_throttled { standing.throttles + 1 } else { 0 };
            }
            Event::Unblocked { .. } | Event::Approved => (standing.failures, standing.throttles) = (0, 0),
            Event::Declined
            | Event::Postponed
            | Event::HandedOver { .. }
            | Event::Executed { .. }
            | Event::Failed { .. }
            | Event::Returned { .. }
            | Event::Confirmed
            | Event::ErrorReported { .. }
            | Event::ValidityOver
            | Event::Verified { .. }
            | Event::Superseded
            | Event::Cancelled
            | Event::Reevaluated => {}
        }
        if let State::Executed { since } = &state {
            standing.executed_at = Some(*since);
        }
        if standing.state.number() != state.number() {
            standing.state_since = now;
        }
        standing.state = state;
    }

    /// Notes until when an attempt other than the one that speaks may still be writing. An order can
    /// be done while its newest attempt is at work: an older one says that it wrote, or synchronization
    /// shows the values. What comes after in the lane must not be overtaken by that attempt's write.
    pub(crate) fn note_who_writes(&mut self, event: &Event, now: Timestamp) {
        let standing = &mut self.standing;
        match event {
            Event::HandedOver { attempt, .. }
            | Event::Executed { attempt }
            | Event::Failed { attempt, .. }
            | Event::Retried { attempt, .. }
            | Event::Returned { attempt }
                if *attempt == standing.attempts =>
            {
                standing.held_until = None;
            }
            Event::Executed { .. } | Event::Verified { .. } => {
                let lease = standing.state.live_lease(now);
                standing.held_until = lease.map(|lease| lease.until).or(standing.held_until);
            }
            Event::Leased { .. } => standing.held_until = None,
            Event::Approved
            | Event::Declined
            | Event::Postponed
            | Event::HandedOver { .. }
            | Event::Failed { .. }
            | Event::Retried { .. }
            | Event::Returned { .. }
            | Event::Confirmed
            | Event::ErrorReported { .. }
            | Event::ValidityOver
            | Event::Unblocked { .. }
            | Event::Superseded
            | Event::Cancelled
            | Event::Reevaluated => {}
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use provost_domain::{Failure, Lease, Retry};
    use uuid::Uuid;

    pub(crate) fn an_entry() -> Entry {
        Entry {
            sequence: 1,
            id: OrderId::new(Uuid::from_u128(1)),
            lane: "app\u{1f}Account\u{1f}ada".into(),
            connection: "app-sql".into(),
            fingerprint: "f".into(),
            generated_at: Timestamp::from_millis(100),
            not_before: None,
            validity: None,
            version: 1,
            created_at: Timestamp::from_millis(100),
            updated_at: Timestamp::from_millis(100),
            standing: Standing {
                state: State::ready(),
                attempts: 0,
                failures: 0,
                throttles: 0,
                waits_for: None,
                unmet_dependencies: 0,
                executed_at: None,
                held_until: None,
                offer: Offer::Now,
                assignee: None,
                state_since: Timestamp::from_millis(100),
            },
        }
    }

    #[test]
    fn offered_only_when_first_and_free() {
        let now = Timestamp::from_millis(1_000);
        let at = Timestamp::from_millis;
        let mut standing = an_entry().standing;
        assert_eq!(standing.offer_at(None, now), Offer::Now);
        assert_eq!(standing.offer_at(Some(at(2_000)), now), Offer::From(at(2_000)));
        standing.unmet_dependencies = 1;
        assert_eq!(standing.offer_at(None, now), Offer::No);
        standing.unmet_dependencies = 0;
        standing.waits_for = Some(OrderId::new(Uuid::nil()));
        assert_eq!(standing.offer_at(None, now), Offer::No);
        standing.waits_for = None;
        let retry = Retry { failure: Failure::new(FailureClass::Transport, "down"), at: at(1_500) };
        let lease = Lease { agent: "a".into(), until: at(1_800) };
        standing.state = State::Pending { lease: Some(lease), retry: Some(retry) };
        assert_eq!(standing.offer_at(None, now), Offer::From(at(1_800)));
        assert_eq!(standing.offer_at(None, at(1_800)), Offer::Now);
        standing.state = State::ready();
        standing.held_until = Some(at(3_000));
        assert_eq!(standing.offer_at(Some(at(2_000)), now), Offer::From(at(3_000)));
        standing.state = State::AwaitingApproval;
        assert_eq!(standing.offer_at(None, now), Offer::No);
    }

    #[test]
    fn deadline_runs_while_transmitted_or_executed() {
        let mut standing = an_entry().standing;
        let minute = Some(Duration::from_secs(60));
        assert_eq!(standing.deadline(minute), None);
        standing.state = State::Executed { since: Timestamp::from_millis(5) };
        assert_eq!(standing.deadline(minute), Some(Timestamp::from_millis(60_005)));
        assert_eq!(standing.deadline(None), None);
    }
}
