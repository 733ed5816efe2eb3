//! The dispatch brake: how many orders may go out over time, by count and by percent.
//!
//! What reaches the ledger passed the thresholds of its own generation; many small generations can add up to what
//! no single one would have been let through. The rule that must hold: once tripped, it stays so until a person
//! releases it, whatever time passes.

use provost_domain::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A percent never allows fewer: in a small system each order is many percent.
const PERCENT_MIN: u64 = 10;
/// What a percent allows while nobody knows of how many.
const UNKNOWN_MAX: u64 = 1_000;
/// The window is counted in so many parts.
const PARTS: i64 = 60;

/// How many orders may go within the window; 0 means that this says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BrakeLimit {
    pub(crate) count_max: u64,
    pub(crate) percent_max: u32,
}

impl BrakeLimit {
    /// How many orders may go, with so many resources; none means any number.
    pub(crate) fn allowed(self, resources: Option<u64>) -> Option<u64> {
        let percent = u64::from(self.percent_max);
        let of = |known: u64| (known.saturating_mul(percent) / 100).max(PERCENT_MIN);
        let by_percent = (percent > 0).then(|| resources.map_or(UNKNOWN_MAX, of));
        let by_count = (self.count_max > 0).then_some(self.count_max);
        by_percent.into_iter().chain(by_count).min()
    }
}

/// Orders that went in one part of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    from: i64,
    count: u64,
}

/// One brake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Brake {
    pub(crate) limit: BrakeLimit,
    parts: Vec<Part>,
    pub(crate) tripped_at: Option<Timestamp>,
}

/// How long a part is, in milliseconds.
fn length(window: Duration) -> i64 {
    (i64::try_from(window.as_millis()).unwrap_or(i64::MAX) / PARTS).max(1)
}

impl Brake {
    pub(crate) fn with(limit: BrakeLimit) -> Self {
        Self { limit, ..Self::default() }
    }

    /// How many orders went within the window. A part counts until all of it is outside.
    pub(crate) fn counted(&self, window: Duration, now: Timestamp) -> u64 {
        let begin = now.millis().saturating_sub(i64::try_from(window.as_millis()).unwrap_or(i64::MAX));
        let inside = self.parts.iter().filter(|part| part.from.saturating_add(length(window)) > begin);
        inside.map(|part| part.count).sum()
    }

    /// How many more may go; none means any number.
    pub(crate) fn left(&self, resources: Option<u64>, window: Duration, now: Timestamp) -> Option<u64> {
        let allowed = self.limit.allowed(resources)?;
        Some(allowed.saturating_sub(self.counted(window, now)))
    }

    /// So many went. Not counted when nothing limits them.
    pub(crate) fn count(&mut self, orders: u64, window: Duration, now: Timestamp) {
        if orders == 0 || self.limit == BrakeLimit::default() {
            return;
        }
        let (length, now) = (length(window), now.millis());
        let begin = now.saturating_sub(i64::try_from(window.as_millis()).unwrap_or(i64::MAX));
        self.parts.retain(|part| part.from.saturating_add(length) > begin);
        let from = now - now.rem_euclid(length);
        match self.parts.iter_mut().find(|part| part.from == from) {
            Some(part) => part.count += orders,
            None => self.parts.push(Part { from, count: orders }),
        }
    }

    /// Trips; whether it had not before.
    pub(crate) fn trip(&mut self, now: Timestamp) -> bool {
        let is_new = self.tripped_at.is_none();
        self.tripped_at.get_or_insert(now);
        is_new
    }

    /// Releases it, and begins to count anew; whether it had tripped.
    pub(crate) fn release(&mut self) -> bool {
        self.parts.clear();
        self.tripped_at.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn smaller_of_count_and_percent_counts() {
        let allowed = |count_max, percent_max, resources| BrakeLimit { count_max, percent_max }.allowed(resources);
        assert_eq!(allowed(0, 0, Some(5)), None);
        assert_eq!(allowed(7, 0, None), Some(7));
        assert_eq!(allowed(0, 30, Some(1_000)), Some(300));
        assert_eq!(allowed(50, 30, Some(1_000)), Some(50));
        assert_eq!(allowed(0, 30, Some(3)), Some(10), "a small system is not held at its first order");
        assert_eq!(allowed(0, 30, None), Some(1_000), "nobody knows of how many");
        assert_eq!(allowed(0, 100, Some(u64::MAX)), Some(u64::MAX / 100));
    }

    #[test]
    fn window_slides() {
        let mut brake = Brake::with(BrakeLimit { count_max: 10, percent_max: 0 });
        brake.count(4, HOUR, at(0));
        brake.count(3, HOUR, at(1_800));
        assert_eq!(brake.left(None, HOUR, at(3_599)), Some(3));
        assert_eq!(brake.counted(HOUR, at(3_660)), 3, "the first part is outside");
        assert_eq!(brake.counted(HOUR, at(9_999)), 0);
        brake.count(1, HOUR, at(9_999));
        assert_eq!(brake.parts.len(), 1, "what is outside is forgotten");
    }

    #[test]
    fn tripped_stays_tripped_until_released() {
        let mut brake = Brake::with(BrakeLimit { count_max: 1, percent_max: 0 });
        brake.count(1, HOUR, at(0));
        assert!(brake.trip(at(1)) && !brake.trip(at(2)));
        assert_eq!(brake.tripped_at, Some(at(1)));
        assert!(brake.release() && !brake.release());
        assert_eq!(brake.left(None, HOUR, at(2)), Some(1), "counting begins anew");
    }

    #[test]
    fn without_a_limit_nothing_is_kept() {
        let mut brake = Brake::default();
        brake.count(1_000, HOUR, at(0));
        assert_eq!((brake.counted(HOUR, at(0)), brake.left(None, HOUR, at(0))), (0, None));
    }

    proptest! {
        /// Whoever asks before each order never lets more out within any window than is allowed.
        #[test]
        fn no_window_holds_more_than_allowed(
            steps in proptest::collection::vec((0_i64..900, 1_u64..6), 1..150),
            count_max in 1_u64..20,
        ) {
            let mut brake = Brake::with(BrakeLimit { count_max, percent_max: 0 });
            let (mut now, mut went) = (0, Vec::new());
            for (passed, wanted) in steps {
                now += passed;
                let orders = wanted.min(brake.left(None, HOUR, at(now)).unwrap_or(0));
                brake.count(orders, HOUR, at(now));
                went.push((now, orders));
                let within = went.iter().filter(|(then, _)| *then > now - 3_600);
                prop_assert!(within.map(|(_, orders)| orders).sum::<u64>() <= count_max);
            }
        }
    }
}
