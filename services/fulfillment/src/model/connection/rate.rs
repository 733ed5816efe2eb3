//! The rate limit: so many orders a minute, evenly spread.
//!
//! The rule that must hold: never more at once than a second's worth (at least one), so that no minute holds more
//! than the limit and that second.

use provost_domain::Timestamp;

/// Microseconds of a minute.
const MINUTE: i64 = 60_000_000;

/// When the next order would go if all went evenly: what there is to remember. In microseconds, since a minute of
/// a million orders has parts of less than a millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct Rate(i64);

/// From one order to the next, in microseconds.
fn interval(per_minute: u32) -> i64 {
    (MINUTE / i64::from(per_minute.max(1))).max(1)
}

/// How far ahead of the even spread orders may go.
fn ahead(per_minute: u32) -> i64 {
    (i64::from(per_minute) / 60).max(1) * interval(per_minute)
}

fn micros(now: Timestamp) -> i64 {
    now.millis().saturating_mul(1_000)
}

impl Rate {
    /// How many may go now.
    pub(crate) fn available(self, per_minute: u32, now: Timestamp) -> u64 {
        let now = micros(now);
        let room = now.saturating_add(ahead(per_minute)).saturating_sub(self.0.max(now));
        u64::try_from(room / interval(per_minute)).unwrap_or(0)
    }

    /// When one may go.
    pub(crate) fn next(self, per_minute: u32) -> Timestamp {
        let micros = self.0.saturating_add(interval(per_minute)).saturating_sub(ahead(per_minute));
        Timestamp::from_millis(micros.div_euclid(1_000) + i64::from(micros.rem_euclid(1_000) > 0))
    }

    /// So many go.
    pub(crate) fn take(&mut self, orders: u64, per_minute: u32, now: Timestamp) {
        let orders = i64::try_from(orders).unwrap_or(i64::MAX);
        self.0 = self.0.max(micros(now)).saturating_add(orders.saturating_mul(interval(per_minute)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn six_a_minute_go_every_ten_seconds() {
        let mut rate = Rate::default();
        assert_eq!(rate.available(6, at(5_000)), 1);
        rate.take(1, 6, at(5_000));
        assert_eq!(rate.available(6, at(14_999)), 0);
        assert_eq!(rate.next(6), at(15_000));
        assert_eq!(rate.available(6, at(15_000)), 1);
    }

    #[test]
    fn fast_rates_go_in_bursts_of_a_second() {
        let mut rate = Rate::default();
        assert_eq!(rate.available(6_000, at(0)), 100);
        rate.take(100, 6_000, at(0));
        assert_eq!(rate.available(6_000, at(0)), 0);
        assert_eq!(rate.available(6_000, at(500)), 50);
        assert_eq!(rate.available(6_000, at(3_600_000)), 100, "what was not used is not saved");
        assert_eq!(Rate::default().available(1_000_000, at(0)), 16_666);
    }

    proptest! {
        /// Whoever takes what is available never takes more in a minute than the limit and a second's worth, and
        /// at the instant that is told something is available.
        #[test]
        fn no_minute_holds_more(
            per_minute in 1_u32..5_000,
            steps in proptest::collection::vec(0_i64..20_000, 1..200),
        ) {
            let (mut rate, mut now, mut went) = (Rate::default(), 0, Vec::new());
            for passed in steps {
                now += passed;
                let orders = rate.available(per_minute, at(now));
                if orders == 0 {
                    let next = rate.next(per_minute);
                    prop_assert!(next > at(now) && rate.available(per_minute, next) >= 1);
                }
                rate.take(orders, per_minute, at(now));
                went.push((now, orders));
                let minute: u64 = went.iter().filter(|(then, _)| *then > now - 60_000).map(|(_, orders)| orders).sum();
                // The interval is cut to whole microseconds: one more in a long minute.
                prop_assert!(minute <= u64::from(per_minute + (per_minute / 60).max(1)) + 1, "{} of {}", minute, per_minute);
            }
        }
    }
}
