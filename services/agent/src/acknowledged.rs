//! Results that fulfillment has just thanked for: the journal has forgotten them, and an order may still be under
//! way to us that was leased again before.
//!
//! Only results that were acknowledged after a pull began count for what it brings: whoever leased an order later
//! knew them, and means it to be written again.

use crate::agent::{ANSWER_TIMEOUT, LONG_POLL};
use crate::journal::Entry;
use crate::package::Outcome;
use provost_domain::OrderId;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// No pull takes longer, and an order that is executed stays so for a minute at least.
const KEPT_FOR: Duration = LONG_POLL.saturating_add(ANSWER_TIMEOUT);
/// The most results that are kept; the oldest give way.
const KEPT_MAX: usize = 20_000;

/// The results, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged(Mutex<VecDeque<(Instant, Entry)>>);

impl Acknowledged {
    fn entries(&self) -> MutexGuard<'_, VecDeque<(Instant, Entry)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps results. To be called before the journal forgets them, so that they are always in one of the two.
    /// Failures are not kept: what failed is tried again.
    pub(crate) fn keep(&self, entries: impl IntoIterator<Item = Entry>, now: Instant) {
        let mut kept = self.entries();
        let done = entries.into_iter().filter(|entry| !matches!(entry.outcome, Outcome::Failed(_)));
        kept.extend(done.map(|entry| (now, entry)));
        let old = kept.partition_point(|(at, _)| now.saturating_duration_since(*at) > KEPT_FOR);
        let surplus = kept.len().saturating_sub(KEPT_MAX);
        kept.drain(..old.max(surplus));
    }

    /// The results of these orders that were acknowledged since `began`.
    pub(crate) fn since(&self, began: Instant, orders: &[OrderId]) -> Vec<Entry> {
        let kept = self.entries();
        let since = kept.iter().rev().take_while(|(at, _)| *at >= began);
        since.filter(|(_, entry)| orders.contains(&entry.execution.order_id)).map(|(_, entry)| entry.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Execution;
    use provost_domain::{Failure, FailureClass, Timestamp};
    use uuid::Uuid;

    fn entry(order: usize, outcome: Outcome) -> Entry {
        let order_id = OrderId::new(Uuid::from_u128(order as u128));
        Entry { execution: Execution { order_id, attempt: 1 }, outcome, at: Timestamp::from_millis(0) }
    }

    fn done(order: usize) -> Entry {
        entry(order, Outcome::Executed { note: "created".into() })
    }

    #[test]
    fn only_what_was_done_and_acknowledged_during_the_pull_counts() {
        let (kept, start) = (Acknowledged::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let failed = entry(2, Outcome::Failed(Failure::new(FailureClass::Refused, "will not")));
        kept.keep([done(1), failed, done(3)], after(1));
        let orders = [1, 2].map(|order| done(order).execution.order_id);
        assert_eq!(kept.since(start, &orders), [done(1)]);
        assert_eq!(kept.since(after(2), &orders), []);
    }

    #[test]
    fn what_is_old_or_too_much_is_dropped() {
        let (kept, start) = (Acknowledged::default(), Instant::now());
        kept.keep([done(0)], start);
        kept.keep([done(1)], start + KEPT_FOR + Duration::from_secs(1));
        assert_eq!(kept.entries().len(), 1);
        kept.keep((2..KEPT_MAX + 5).map(done), start + KEPT_FOR + Duration::from_secs(1));
        assert_eq!(kept.entries().len(), KEPT_MAX);
        assert_eq!(kept.entries().back().map(|(_, entry)| entry.clone()), Some(done(KEPT_MAX + 4)));
    }
}
