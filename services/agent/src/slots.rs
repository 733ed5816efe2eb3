//! How many orders of one connection are written side by side.
//!
//! Of the slots that the configuration gives, some are kept for urgent orders, so that a leaver is disabled at once
//! although slow updates hold the others. How many of the others are used follows the managed system: one more now
//! and then while it answers well, half of them when it asks to slow down, a tenth less when it answers much slower
//! than it can. The rule that must hold: at least one, never more than configured.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long to wait for more slots when one became free.
const GATHER: Duration = Duration::from_millis(5);
/// A write is slow that takes so many times as long as the fastest of late, and at least [`SLOW_MIN`].
const SLOW_TIMES: u32 = 4;
const SLOW_MIN: Duration = Duration::from_secs(1);

/// How many of so many slots are kept for urgent orders: an eighth, at least one. A single slot cannot be shared.
pub(crate) const fn reserved(concurrency: u32) -> u32 {
    match concurrency {
        0 | 1 => 0,
        2..16 => 1,
        more => more / 8,
    }
}

/// What the end of a write tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The managed system answered, with whatever.
    Answered,
    /// It asked to slow down.
    Throttled,
    /// It was not reached: that says nothing of how much it can take.
    Silent,
}

/// How many writes there may be, by what became of those before: additive increase, multiplicative decrease.
#[derive(Clone, Debug)]
struct Pace {
    most: f64,
    limit: f64,
    /// The fastest write of late, and what writes take typically.
    fastest: Option<Duration>,
    typical: Option<Duration>,
    lowered_at: Option<Instant>,
    throttled: u64,
}

impl Pace {
    fn new(most: u32) -> Self {
        let most = f64::from(most.max(1));
        Self { most, limit: most, fastest: None, typical: None, lowered_at: None, throttled: 0 }
    }

    /// How many, as a whole number.
    fn limit(&self) -> usize {
        self.limit as usize
    }

    /// A write that began then has ended.
    fn hear(&mut self, signal: Signal, began: Instant, now: Instant) {
        match signal {
            Signal::Silent => {}
            Signal::Throttled => {
                self.throttled += 1;
                self.lower(0.5, began, now);
            }
            Signal::Answered => {
                let took = now.saturating_duration_since(began);
                // Forgets slowly how fast it once was: the system, or what is asked of it, may have changed.
                let fastest = self.fastest.map_or(took, |known| (known + known / 100).min(took));
                self.fastest = Some(fastest);
                self.typical = Some(self.typical.map_or(took, |known| (known * 7 + took) / 8));
                if took > SLOW_MIN && took > fastest * SLOW_TIMES {
                    self.lower(0.9, began, now);
                } else {
                    self.limit = (self.limit + 1.0 / self.limit).min(self.most);
                }
            }
        }
    }

    /// Once for all writes that were under way together: they all met the same.
    fn lower(&mut self, by: f64, began: Instant, now: Instant) {
        if self.lowered_at.is_none_or(|lowered| began >= lowered) {
            self.limit = (self.limit * by).max(1.0);
            self.lowered_at = Some(now);
        }
    }
}

#[derive(Debug)]
struct Taken {
    count: usize,
    pace: Pace,
}

/// Slots of one kind.
#[derive(Debug)]
pub(crate) struct Slots {
    taken: Mutex<Taken>,
    freed: Notify,
}

/// One slot, taken until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Slots>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.lock().count -= 1;
        self.0.freed.notify_one();
    }
}

impl Slots {
    fn new(most: u32) -> Arc<Self> {
        Arc::new(Self { taken: Mutex::new(Taken { count: 0, pace: Pace::new(most) }), freed: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_take(self: &Arc<Self>) -> Option<Slot> {
        let mut taken = self.lock();
        if taken.count >= taken.pace.limit() {
            return None;
        }
        taken.count += 1;
        Some(Slot(Arc::clone(self)))
    }

    /// All slots that are free; waits for the first, and a moment for those that follow it. For one caller.
    pub(crate) async fn free(self: &Arc<Self>) -> Vec<Slot> {
        let mut was_busy = false;
        let first = loop {
            match self.try_take() {
                Some(slot) => break slot,
                None => {
                    was_busy = true;
                    self.freed.notified().await;
                }
            }
        };
        if was_busy {
            // Writes that began together end together: one pull for all of them.
            tokio::time::sleep(GATHER).await;
        }
        let more = std::iter::from_fn(|| self.try_take());
        std::iter::once(first).chain(more).collect()
    }

    fn hear(&self, signal: Signal, began: Instant, now: Instant) {
        self.lock().pace.hear(signal, began, now);
        self.freed.notify_one();
    }
}

/// The slots of one connection.
#[derive(Debug)]
pub(crate) struct Capacity {
    /// For any orders, urgent ones among them.
    pub(crate) any: Arc<Slots>,
    /// Kept for urgent orders; none when there is but one slot.
    pub(crate) urgent: Option<Arc<Slots>>,
    slots: u32,
    urgent_slots: u32,
    writing: AtomicUsize,
}

/// What there is to tell of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy {
    pub(crate) writing: usize,
    pub(crate) limit: usize,
    pub(crate) slots: u32,
    pub(crate) urgent_slots: u32,
    pub(crate) throttled: u64,
    pub(crate) typical: Option<Duration>,
}

impl Capacity {
    /// So many slots in all.
    pub(crate) fn new(concurrency: u32) -> Self {
        let urgent_slots = reserved(concurrency);
        let slots = concurrency.saturating_sub(urgent_slots).max(1);
        let urgent = (urgent_slots > 0).then(|| Slots::new(urgent_slots));
        Self { any: Slots::new(slots), urgent, slots, urgent_slots, writing: AtomicUsize::new(0) }
    }

    /// A write begins.
    pub(crate) fn begin(&self) {
        self.writing.fetch_add(1, Ordering::Relaxed);
    }

    /// A write has ended. What an urgent one met says as much as any other; but the slots that are kept for such
    /// orders stay.
    pub(crate) fn end(&self, signal: Signal, began: Instant, now: Instant) {
        self.writing.fetch_sub(1, Ordering::Relaxed);
        self.any.hear(signal, began, now);
    }

    /// How busy it is.
    pub(crate) fn busy(&self) -> Busy {
        let taken = self.any.lock();
        Busy {
            writing: self.writing.load(Ordering::Relaxed),
            limit: taken.pace.limit(),
            slots: self.slots,
            urgent_slots: self.urgent_slots,
            throttled: taken.pace.throttled,
            typical: taken.pace.typical,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn share_is_kept_wherever_there_are_two() {
        assert_eq!([0, 1, 2, 4, 15, 16, 256].map(reserved), [0, 0, 1, 1, 1, 2, 32]);
        let busy = |concurrency| Capacity::new(concurrency).busy();
        assert_eq!((busy(1).slots, busy(1).urgent_slots), (1, 0));
        assert_eq!((busy(2).slots, busy(2).urgent_slots), (1, 1));
        assert_eq!((busy(8).slots, busy(8).urgent_slots, busy(8).limit), (7, 1, 7));
    }

    #[test]
    fn throttling_halves_once_for_what_was_under_way_and_answers_raise_again() {
        let (mut pace, start) = (Pace::new(16), Instant::now());
        for _ in 0..16 {
            pace.hear(Signal::Throttled, start, start + MILLI);
        }
        assert_eq!((pace.limit(), pace.throttled), (8, 16));
        pace.hear(Signal::Throttled, start + MILLI, start + 2 * MILLI);
        assert_eq!(pace.limit(), 4);
        for _ in 0..5 {
            pace.hear(Signal::Answered, start + 2 * MILLI, start + 3 * MILLI);
        }
        assert_eq!(pace.limit(), 5);
        for _ in 0..500 {
            pace.hear(Signal::Answered, start + 2 * MILLI, start + 3 * MILLI);
        }
        assert_eq!(pace.limit(), 16);
    }

    #[test]
    fn answers_that_take_much_longer_than_before_lower_it_and_silence_does_not() {
        let (mut pace, start) = (Pace::new(10), Instant::now());
        pace.hear(Signal::Answered, start, start + 200 * MILLI);
        pace.hear(Signal::Answered, start, start + 790 * MILLI);
        assert_eq!(pace.limit(), 10, "under a second nothing is slow");
        pace.hear(Signal::Silent, start, start + 60_000 * MILLI);
        assert_eq!(pace.limit(), 10);
        pace.hear(Signal::Answered, start, start + 3_000 * MILLI);
        assert_eq!(pace.limit(), 9);
        assert!(pace.typical.is_some_and(|typical| typical > 200 * MILLI && typical < 3_000 * MILLI));
    }

    #[tokio::test]
    async fn slots_are_those_of_the_limit_and_free_ones_wake_who_waits() {
        let slots = Slots::new(4);
        let mut taken = slots.free().await;
        assert_eq!(taken.len(), 4);
        let now = Instant::now();
        slots.hear(Signal::Throttled, now, now);
        taken.truncate(2);
        assert!(slots.try_take().is_none(), "two of four are gone");
        let waiting = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.free().await.len() }
        });
        tokio::task::yield_now().await;
        drop(taken);
        assert_eq!(waiting.await.ok(), Some(2));
    }

    proptest! {
        /// Whatever is heard in whatever order: between one and what is configured.
        #[test]
        fn limit_stays_within_its_bounds(
            most in 1_u32..300,
            heard in proptest::collection::vec((0_u8..3, 0_u32..5_000, 0_u32..5_000), 0..300),
        ) {
            let (mut pace, mut now) = (Pace::new(most), Instant::now());
            for (signal, passed, took) in heard {
                let began = now;
                now += passed * MILLI;
                let signal = match signal {
                    0 => Signal::Answered,
                    1 => Signal::Throttled,
                    _ => Signal::Silent,
                };
                pace.hear(signal, began, now + took * MILLI);
                prop_assert!((1..=most as usize).contains(&pace.limit()));
            }
        }
    }
}
