//! When a failed attempt is tried again by itself.

use crate::model::Entry;
use provost_domain::{Event, Failure, FailureClass, Lease, Retry, State, Timestamp};
use std::time::Duration;

/// How many passing failures in a row make an order Errored.
pub(crate) const FAILURES_MAX: u32 = 5;

/// The wait after the n-th passing failure in a row: 1, 2, 4, 8 seconds.
fn wait_after(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.saturating_sub(1).min(3))
}

/// What a failure that an agent reports means for the order: tried again when it may pass by
/// itself and tries are left, for good otherwise. What was handed to a person is not tried again.
pub(crate) fn event(entry: &Entry, attempt: u32, failure: Failure, now: Timestamp) -> Event {
    let standing = &entry.standing;
    // A report that is sent again finds its own retry waiting, and must find it once more.
    let is_waiting = matches!(&standing.state, State::Pending { lease: None, retry: Some(_) });
    let failures = standing.failures + 1;
    let is_handed_over = matches!(&standing.state, State::Transmitted { .. });
    if failure.class.is_passing() && !is_handed_over && (failures < FAILURES_MAX || is_waiting) {
        Event::Retried { attempt, retry: Retry { failure, at: now.plus(wait_after(failures)) } }
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

    fn after(failures: u32, class: FailureClass) -> Event {
        let mut entry = an_entry();
        let lease = Lease { agent: "a".into(), until: NOW };
        entry.standing.state = State::Pending { lease: Some(lease), retry: None };
        entry.standing.failures = failures;
        event(&entry, 1, Failure::new(class, "down"), NOW)
    }

    #[test]
    fn waits_double_and_the_fifth_failure_is_the_last() {
        let waits: Vec<_> = (0..5)
            .map(|failures| match after(failures, FailureClass::Transport) {
                Event::Retried { retry, .. } => Some(retry.at.since(NOW).as_secs()),
                _ => None,
            })
            .collect();
        assert_eq!(waits, [Some(1), Some(2), Some(4), Some(8), None]);
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
        assert!(matches!(after(0, FailureClass::Refused), Event::Failed { .. }));
        assert!(matches!(after(0, FailureClass::Throttled), Event::Retried { .. }));
        let mut entry = an_entry();
        entry.standing.state = State::Transmitted { ticket: String::new(), since: NOW };
        let failure = Failure::new(FailureClass::Transport, "the ticket system lost it");
        assert!(matches!(event(&entry, 1, failure, NOW), Event::Failed { .. }));
    }
}
