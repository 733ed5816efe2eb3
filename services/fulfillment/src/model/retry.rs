//! When a failed attempt is tried again by itself.
//!
//! The rules that must hold: what may pass by itself is tried again later each time, at an instant that is known, and
//! an order has a bounded number of such failures in a row; that the managed system asked to slow down, or that its
//! connection is known to be broken, is no failure of the order.

use crate::model::Entry;
use provost_domain::{Event, Failure, FailureClass, Lease, OrderId, Retry, State, Timestamp};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How many passing failures in a row make an order Errored.
pub(crate) const FAILURES_MAX: u32 = 5;
/// The wait after the first failure; each further one doubles it.
const WAIT_MIN: Duration = Duration::from_secs(1);
/// The longest wait that is chosen here; a managed system may ask for a longer one.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// The wait after the n-th time in a row: up to 1, 2, 4, 8 seconds and so on, at least half of it. What failed
/// together does not come back together: each order and attempt has a share of its own, which is always the same.
fn wait_after(times: u32, order: OrderId, attempt: u32) -> Duration {
    let whole = WAIT_MIN.saturating_mul(1 << times.saturating_sub(1).min(16)).min(WAIT_MAX);
    let mut hash = Sha256::new();
    hash.update(order.uuid().as_bytes());
    hash.update(attempt.to_be_bytes());
    let share = hash.finalize().first().copied().unwrap_or_default();
    whole / 2 + whole / 2 * u32::from(share) / 255
}

/// What a failure that an agent reports means for the order: tried again when it may pass by itself and tries are
/// left, for good otherwise. What was handed to a person is not tried again. `is_known` says that the connection is
/// known to be broken.
pub(crate) fn event(entry: &Entry, attempt: u32, failure: Failure, is_known: bool, now: Timestamp) -> Event {
    let standing = &entry.standing;
    // A report that is sent again finds its own retry waiting, and must find it once more.
    let is_waiting = matches!(&standing.state, State::Pending { lease: None, retry: Some(_) });
    let is_handed_over = matches!(&standing.state, State::Transmitted { .. });
    let is_throttled = failure.class == FailureClass::Throttled;
    let is_the_connections = is_throttled || (is_known && failure.class.is_of_the_connection());
    let counted = !is_the_connections;
    let has_tries = !counted || standing.failures + 1 < FAILURES_MAX || is_waiting;
    if failure.class.is_passing() && !is_handed_over && has_tries {
        let times = if is_throttled { standing.throttles } else { standing.failures } + 1;
        let wait = wait_after(times, entry.id, attempt).max(failure.retry_after.unwrap_or_default());
        Event::Retried { attempt, retry: Retry { failure, at: now.plus(wait) }, counted }
    } else {
        Event::Failed { attempt, failure }
    }
}

/// How an order fails whose agents were lost one after the other: a lease that ran out counts as a
/// passing failure, and once they are used up the order may be what ends its agents. None while it
/// may be leased once more.
pub(crate) fn lost(entry: &Entry, now: Timestamp) -> Option<Failure> {
    let standing = &entry.standing;
    let State::Pending { lease: Some(Lease { agent, until }), .. } = &standing.state else { return None };
    (*until <= now && standing.failures + 1 >= FAILURES_MAX).then(|| Failure {
        hint: "look into the managed system and the agents' logs, then unblock the order or give it up".into(),
        ..Failure::new(
            FailureClass::Unknown,
            format!("{agent} took attempt {} and never said what became of it", standing.attempts),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::tests::an_entry;
    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn after(failures: u32, failure: Failure, is_known: bool) -> Event {
        let mut entry = an_entry();
        let lease = Lease { agent: "a".into(), until: NOW };
        entry.standing.state = State::Pending { lease: Some(lease), retry: None };
        (entry.standing.failures, entry.standing.throttles) = (failures, failures);
        event(&entry, 1, failure, is_known, NOW)
    }

    fn of(class: FailureClass) -> Failure {
        Failure::new(class, "down")
    }

    fn wait(event: &Event) -> Option<Duration> {
        match event {
            Event::Retried { retry, .. } => Some(retry.at.since(NOW)),
            _ => None,
        }
    }

    #[test]
    fn waits_double_and_the_fifth_failure_is_the_last() {
        for (failures, longest) in [(0, 1), (1, 2), (2, 4), (3, 8)] {
            let wait = wait(&after(failures, of(FailureClass::Transport), false)).unwrap_or_default();
            let longest = Duration::from_secs(longest);
            assert!(wait >= longest / 2 && wait <= longest, "{wait:?} after {failures}");
        }
        assert_eq!(wait(&after(4, of(FailureClass::Transport), false)), None);
    }

    #[test]
    fn orders_that_failed_together_come_back_one_after_the_other() {
        let waits: std::collections::BTreeSet<_> =
            (0..40).map(|n| wait_after(4, OrderId::new(uuid::Uuid::from_u128(n)), 1)).collect();
        assert!(waits.len() > 30, "{waits:?}");
        let order = OrderId::new(uuid::Uuid::nil());
        assert_eq!(wait_after(4, order, 1), wait_after(4, order, 1), "the same report means the same");
        assert!(
            wait_after(4, order, 1) != wait_after(4, order, 2) || wait_after(4, order, 1) != wait_after(4, order, 3)
        );
        assert!(wait_after(u32::MAX, order, 1) <= WAIT_MAX);
    }

    #[test]
    fn throttling_is_no_failure_and_what_the_system_asks_for_is_honoured() {
        for times in [0, 4, 99] {
            let event = after(times, of(FailureClass::Throttled), false);
            assert!(matches!(event, Event::Retried { counted: false, .. }), "{event:?}");
        }
        let asked = Failure { retry_after: Some(Duration::from_secs(3_600)), ..of(FailureClass::Throttled) };
        assert_eq!(wait(&after(0, asked, false)), Some(Duration::from_secs(3_600)));
        let asked = Failure { retry_after: Some(Duration::from_secs(60)), ..of(FailureClass::Transport) };
        assert_eq!(wait(&after(0, asked, false)), Some(Duration::from_secs(60)));
    }

    #[test]
    fn connection_that_is_known_to_be_broken_costs_no_try() {
        assert!(matches!(after(4, of(FailureClass::Transport), true), Event::Retried { counted: false, .. }));
        assert!(matches!(after(0, of(FailureClass::Transport), false), Event::Retried { counted: true, .. }));
        assert!(matches!(after(0, of(FailureClass::Authentication), true), Event::Failed { .. }));
    }

    #[test]
    fn fifth_lost_lease_is_the_last_and_a_live_one_is_not_lost() {
        let mut entry = an_entry();
        let lease = Lease { agent: "a".into(), until: NOW };
        entry.standing.state = State::Pending { lease: Some(lease), retry: None };
        entry.standing.failures = 3;
        assert_eq!(lost(&entry, NOW), None);
        entry.standing.failures = 4;
        assert!(lost(&entry, NOW).is_some());
        assert_eq!(lost(&entry, Timestamp::from_millis(999)), None);
    }

    #[test]
    fn failures_that_do_not_pass_are_for_good() {
        assert!(matches!(after(0, of(FailureClass::Refused), true), Event::Failed { .. }));
        let mut entry = an_entry();
        entry.standing.state = State::Transmitted { ticket: String::new(), since: NOW };
        let failure = Failure::new(FailureClass::Transport, "the ticket system lost it");
        assert!(matches!(event(&entry, 1, failure, true, NOW), Event::Failed { .. }));
    }
}
