//! The circuit breaker: what keeps orders from being spent on a managed system that does not answer.
//!
//! The rule that must hold: while it is not closed, at most one order at a time is on its way to find out, and it
//! closes with the first answer of whatever kind.

use provost_domain::{Failure, OrderId, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The pause before the first probe; each one in vain doubles it.
const PAUSE_MIN: Duration = Duration::from_secs(5);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Where the breaker stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Breaker {
    /// The managed system answers, as far as is known.
    Closed {
        /// Different orders in a row that met no answer.
        failed: Vec<OrderId>,
    },
    /// It does not answer.
    Open {
        /// Since when.
        since: Timestamp,
        /// When it is tried again.
        until: Timestamp,
        /// How often it was tried in vain.
        probes: u32,
        /// What was said last.
        failure: Failure,
    },
    /// One order is trying it.
    HalfOpen {
        /// Since when it does not answer.
        since: Timestamp,
        /// Which order.
        probe: OrderId,
        /// How often it was tried in vain before.
        probes: u32,
        /// What was said last.
        failure: Failure,
    },
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { failed: Vec::new() }
    }
}

/// Whether orders may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// All.
    Free,
    /// One, to find out.
    Probe,
    /// None; look again then.
    Shut(Timestamp),
}

/// What an order that came back tells of the managed system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It answered, with whatever.
    Reached,
    /// It did not, or did not let us in.
    Unreachable(Failure),
}

/// How the breaker turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// From closed to open.
    Opened,
    /// A probe was in vain.
    Reopened,
    /// The managed system answers again.
    Closed,
}

impl Breaker {
    /// Whether orders may go. `probe_lease` is the end of the probe's live lease; none when it has none any more.
    pub(crate) fn gate(&self, probe_lease: Option<Timestamp>, now: Timestamp) -> Gate {
        match self {
            Self::Closed { .. } => Gate::Free,
            Self::Open { until, .. } if now < *until => Gate::Shut(*until),
            Self::Open { .. } => Gate::Probe,
            // A probe that was lost, given back or cancelled has told nothing: another one goes.
            Self::HalfOpen { .. } => probe_lease.map_or(Gate::Probe, Gate::Shut),
        }
    }

    /// The managed system is taken to answer.
    pub(crate) const fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }

    /// The order that is trying the managed system.
    pub(crate) const fn probe(&self) -> Option<OrderId> {
        match self {
            Self::HalfOpen { probe, .. } => Some(*probe),
            Self::Closed { .. } | Self::Open { .. } => None,
        }
    }

    /// An order goes to find out. Of a closed breaker nothing is to be found out.
    pub(crate) fn send_probe(&mut self, order: OrderId) {
        match self {
            Self::Open { since, probes, failure, .. } | Self::HalfOpen { since, probes, failure, .. } => {
                *self = Self::HalfOpen { since: *since, probe: order, probes: *probes, failure: failure.clone() };
            }
            Self::Closed { .. } => {}
        }
    }

    /// The pause is over by a person's word. Whether there was one.
    pub(crate) fn hurry(&mut self, now: Timestamp) -> bool {
        match self {
            Self::Open { until, .. } => {
                *until = now;
                true
            }
            Self::Closed { .. } | Self::HalfOpen { .. } => false,
        }
    }

    /// An order came back. `failures_max` different ones in a row without an answer open the breaker; 0 never.
    pub(crate) fn hear(&mut self, order: OrderId, answer: &Answer, failures_max: u32, now: Timestamp) -> Option<Turn> {
        match (&mut *self, answer) {
            (Self::Closed { failed }, Answer::Reached) => {
                failed.clear();
                None
            }
            (Self::Open { .. } | Self::HalfOpen { .. }, Answer::Reached) => {
                *self = Self::default();
                Some(Turn::Closed)
            }
            (Self::Closed { failed }, Answer::Unreachable(failure)) => {
                if failures_max == 0 {
                    return None;
                }
                if !failed.contains(&order) {
                    failed.push(order);
                }
                if failed.len() < failures_max as usize {
                    return None;
                }
                *self = Self::Open { since: now, until: now.plus(pause(0)), probes: 0, failure: failure.clone() };
                Some(Turn::Opened)
            }
            (Self::Open { failure: last, .. }, Answer::Unreachable(failure)) => {
                last.clone_from(failure);
                None
            }
            (Self::HalfOpen { since, probe, probes, .. }, Answer::Unreachable(failure)) => {
                if *probe != order {
                    return None;
                }
                let (since, probes) = (*since, probes.saturating_add(1));
                *self = Self::Open { since, until: now.plus(pause(probes)), probes, failure: failure.clone() };
                Some(Turn::Reopened)
            }
        }
    }
}

/// The pause after so many probes in vain: 5, 10, 20 seconds and so on, at most 5 minutes.
fn pause(probes: u32) -> Duration {
    PAUSE_MIN.saturating_mul(1 << probes.min(16)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use provost_domain::FailureClass;
    use uuid::Uuid;

    fn order(number: u128) -> OrderId {
        OrderId::new(Uuid::from_u128(number))
    }

    fn no_answer() -> Answer {
        Answer::Unreachable(Failure::new(FailureClass::Transport, "no route"))
    }

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn opens_after_different_orders_in_a_row() {
        let mut breaker = Breaker::default();
        for _ in 0..9 {
            assert_eq!(breaker.hear(order(1), &no_answer(), 3, at(0)), None, "one order alone says little");
        }
        assert_eq!(breaker.hear(order(2), &no_answer(), 3, at(0)), None);
        assert_eq!(breaker.hear(order(2), &Answer::Reached, 3, at(0)), None);
        for number in [1, 2] {
            assert_eq!(breaker.hear(order(number), &no_answer(), 3, at(0)), None, "the row begins anew");
        }
        assert_eq!(breaker.hear(order(3), &no_answer(), 3, at(0)), Some(Turn::Opened));
        assert_eq!(breaker.gate(None, at(4)), Gate::Shut(at(5)));
        assert_eq!(breaker.gate(None, at(5)), Gate::Probe);
    }

    #[test]
    fn switched_off_it_never_opens() {
        let mut breaker = Breaker::default();
        for number in 0..100 {
            assert_eq!(breaker.hear(order(number), &no_answer(), 0, at(0)), None);
        }
        assert_eq!(breaker.gate(None, at(0)), Gate::Free);
    }

    #[test]
    fn probes_in_vain_make_the_pause_grow_to_five_minutes() {
        let mut breaker = Breaker::default();
        breaker.hear(order(1), &no_answer(), 1, at(0));
        let mut pauses = Vec::new();
        for number in 0..8 {
            breaker.send_probe(order(number));
            assert_eq!(breaker.probe(), Some(order(number)));
            assert_eq!(breaker.hear(order(99), &no_answer(), 1, at(0)), None, "it was on its way before");
            assert_eq!(breaker.hear(order(number), &no_answer(), 1, at(0)), Some(Turn::Reopened));
            if let Gate::Shut(until) = breaker.gate(None, at(0)) {
                pauses.push(until.since(at(0)).as_secs());
            }
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300, 300]);
        assert!(breaker.hurry(at(7)));
        assert_eq!(breaker.gate(None, at(7)), Gate::Probe);
        breaker.send_probe(order(1));
        assert_eq!(breaker.gate(Some(at(60)), at(8)), Gate::Shut(at(60)));
        assert_eq!(breaker.gate(None, at(8)), Gate::Probe, "the probe was lost");
        assert_eq!(breaker.hear(order(1), &Answer::Reached, 1, at(9)), Some(Turn::Closed));
        assert!(!breaker.hurry(at(9)));
    }

    proptest! {
        /// Whatever comes back in whatever order: closed is open to all, otherwise one at a time; it opens only at
        /// its number, an answer always closes it, and no pause is longer than the longest.
        #[test]
        fn at_most_one_order_finds_out_and_an_answer_closes(
            steps in proptest::collection::vec((0_u128..6, any::<bool>(), 0_i64..400), 1..120),
            failures_max in 1_u32..5,
        ) {
            let (mut breaker, mut now) = (Breaker::default(), 0);
            for (number, is_answer, passed) in steps {
                now += passed;
                if breaker.gate(None, at(now)) == Gate::Probe {
                    breaker.send_probe(order(number));
                    prop_assert!(matches!(breaker.gate(Some(at(now + 60)), at(now)), Gate::Shut(_)));
                }
                let was = breaker.clone();
                let answer = if is_answer { Answer::Reached } else { no_answer() };
                let turn = breaker.hear(order(number), &answer, failures_max, at(now));
                match turn {
                    Some(Turn::Opened) => prop_assert!(was.is_closed() && !breaker.is_closed()),
                    Some(Turn::Reopened) => prop_assert_eq!(was.probe(), Some(order(number))),
                    Some(Turn::Closed) => prop_assert!(!was.is_closed()),
                    None => prop_assert_eq!(was.is_closed(), breaker.is_closed()),
                }
                prop_assert!(!is_answer || breaker == Breaker::default());
                if let Breaker::Closed { failed } = &breaker {
                    prop_assert!(failed.len() < failures_max as usize);
                }
                if let Gate::Shut(until) = breaker.gate(None, at(now)) {
                    prop_assert!(until.since(at(now)) <= PAUSE_MAX);
                }
            }
        }
    }
}
