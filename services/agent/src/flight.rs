//! The orders that are being written now, and when their leases want renewing.
//!
//! The rules that must hold: one order is written by at most one task of this agent at a time; none is begun whose
//! lease may be over, for somebody else may have it, or what follows it in its lane.

use crate::journal::Execution;
use provost_domain::OrderId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The shortest and the longest lease that is believed: clocks of two hosts differ, and a renewal
/// too many is cheap.
const LEASE_MIN: Duration = Duration::from_secs(1);
const LEASE_MAX: Duration = Duration::from_secs(60);

/// What is known of a lease when its news arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    /// What is left of it.
    left: Duration,
    ends: Option<Instant>,
}

impl Lease {
    /// A lease of that length, taken or prolonged at `since` at the earliest.
    pub(crate) fn lasting(length: Duration, since: Instant, now: Instant) -> Self {
        let ends = since + length;
        Self { left: ends.saturating_duration_since(now), ends: Some(ends) }
    }

    /// A lease of which only its end by the clock of another host is known; that may be wrong.
    pub(crate) const fn by_clock(left: Duration) -> Self {
        Self { left, ends: None }
    }
}

/// What an arriving order meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Nothing: it is to be written.
    New,
    /// Itself, under this attempt or an earlier one: that writing now counts for the arriving attempt.
    AlreadyFlying,
}

#[derive(Clone, Copy, Debug)]
struct Flying {
    attempt: i32,
    /// None when the lease is somebody else's.
    renew_at: Option<Instant>,
    /// When the lease may be over; none where nobody said how long it lasts.
    ends: Option<Instant>,
    begun: bool,
}

/// The orders being written.
#[derive(Debug, Default)]
pub(crate) struct Flight(Mutex<HashMap<OrderId, Flying>>);

impl Flight {
    fn orders(&self) -> MutexGuard<'_, HashMap<OrderId, Flying>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an order in.
    pub(crate) fn arrive(&self, execution: Execution, lease: Lease, now: Instant) -> Arrival {
        let mut orders = self.orders();
        let (renew_at, ends) = (Some(renewal(lease, now)), lease.ends);
        match orders.get_mut(&execution.order_id) {
            Some(flying) => {
                // The lease ran out while the write went on, and the order came back to us.
                if execution.attempt > flying.attempt {
                    *flying = Flying { attempt: execution.attempt, renew_at, ends, begun: flying.begun };
                }
                Arrival::AlreadyFlying
            }
            None => {
                let flying = Flying { attempt: execution.attempt, renew_at, ends, begun: false };
                orders.insert(execution.order_id, flying);
                Arrival::New
            }
        }
    }

    /// The write begins now. Not if the lease was lost before, or may be over: the order then leaves, and is somebody
    /// else's.
    pub(crate) fn begin(&self, order_id: OrderId, now: Instant) -> bool {
        let mut orders = self.orders();
        let Some(flying) = orders.get_mut(&order_id) else { return false };
        flying.begun = flying.renew_at.is_some() && flying.ends.is_none_or(|ends| now < ends);
        if !flying.begun {
            orders.remove(&order_id);
            return false;
        }
        true
    }

    /// The execution under its newest attempt.
    pub(crate) fn newest(&self, order_id: OrderId) -> Option<Execution> {
        self.orders().get(&order_id).map(|flying| Execution { order_id, attempt: flying.attempt })
    }

    /// The order was written, or not; it is ours no more. Fails when a newer attempt arrived meanwhile.
    pub(crate) fn land(&self, execution: Execution) -> bool {
        let mut orders = self.orders();
        match orders.get(&execution.order_id) {
            Some(flying) if flying.attempt != execution.attempt => false,
            _ => {
                orders.remove(&execution.order_id);
                true
            }
        }
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.orders().len()
    }

    /// Whether nothing is being written.
    pub(crate) fn is_empty(&self) -> bool {
        self.orders().is_empty()
    }

    /// The leases that want renewing.
    pub(crate) fn due(&self, now: Instant) -> Vec<Execution> {
        let orders = self.orders();
        let due = orders.iter().filter(|(_, flying)| flying.renew_at.is_some_and(|at| at <= now));
        due.map(|(order_id, flying)| Execution { order_id: *order_id, attempt: flying.attempt }).collect()
    }

    /// The lease was renewed.
    pub(crate) fn renewed(&self, execution: Execution, lease: Lease, now: Instant) {
        self.reschedule(execution, Some(renewal(lease, now)), lease.ends);
    }

    /// The lease is somebody else's: it is not renewed any more.
    pub(crate) fn lost(&self, execution: Execution) {
        self.reschedule(execution, None, None);
    }

    fn reschedule(&self, execution: Execution, renew_at: Option<Instant>, ends: Option<Instant>) {
        if let Some(flying) = self.orders().get_mut(&execution.order_id)
            && flying.attempt == execution.attempt
        {
            (flying.renew_at, flying.ends) = (renew_at, ends);
        }
    }
}

/// A third of the lease: two renewals may fail before it runs out.
fn renewal(lease: Lease, now: Instant) -> Instant {
    now + lease.left.clamp(LEASE_MIN, LEASE_MAX) / 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const LONG: Lease = Lease::by_clock(LEASE_MAX);

    fn execution(attempt: i32) -> Execution {
        Execution { order_id: OrderId::new(Uuid::nil()), attempt }
    }

    #[test]
    fn leases_want_renewing_after_a_third() {
        let (flight, start) = (Flight::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(flight.arrive(execution(1), Lease::by_clock(Duration::from_secs(30)), start), Arrival::New);
        assert_eq!(flight.due(after(9)), []);
        assert_eq!(flight.due(after(10)), [execution(1)]);
        flight.renewed(execution(1), Lease::by_clock(Duration::from_secs(30)), after(10));
        assert_eq!(flight.due(after(19)), []);
        assert_eq!(flight.due(after(20)), [execution(1)]);
        flight.lost(execution(1));
        assert_eq!(flight.due(after(100)), []);
    }

    #[test]
    fn write_that_has_not_begun_when_its_lease_is_lost_does_not_begin() {
        let (flight, now) = (Flight::default(), Instant::now());
        let order_id = execution(1).order_id;
        flight.arrive(execution(1), LONG, now);
        flight.lost(execution(1));
        assert!(!flight.begin(order_id, now));
        assert!(flight.is_empty());
        // It came back before it was lost for good: the newer lease counts.
        flight.arrive(execution(1), LONG, now);
        flight.lost(execution(1));
        flight.arrive(execution(2), LONG, now);
        assert!(flight.begin(order_id, now));
        // Once begun it goes on: it may have happened already.
        flight.lost(execution(2));
        assert_eq!(flight.newest(order_id), Some(execution(2)));
    }

    #[test]
    fn write_does_not_begin_when_its_lease_may_be_over() {
        let (flight, sent) = (Flight::default(), Instant::now());
        let (order_id, after) = (execution(1).order_id, |seconds| sent + Duration::from_secs(seconds));
        let lease = |since, now| Lease::lasting(Duration::from_secs(5), since, now);
        // Its answer took longer than the lease lasts.
        flight.arrive(execution(1), lease(sent, after(6)), after(6));
        assert!(!flight.begin(order_id, after(6)));
        // It was there in time, and was not renewed in time.
        flight.arrive(execution(2), lease(sent, after(1)), after(1));
        assert!(!flight.begin(order_id, after(5)));
        flight.arrive(execution(3), lease(sent, after(1)), after(1));
        flight.renewed(execution(3), lease(after(3), after(4)), after(4));
        assert!(flight.begin(order_id, after(7)));
    }

    #[test]
    fn lease_that_seems_over_by_a_wrong_clock_is_renewed_soon() {
        let (flight, start) = (Flight::default(), Instant::now());
        flight.arrive(execution(1), Lease::by_clock(Duration::ZERO), start);
        assert_eq!(flight.due(start), []);
        assert_eq!(flight.due(start + Duration::from_millis(334)), [execution(1)]);
    }

    #[test]
    fn order_that_comes_back_while_flying_is_not_written_twice() {
        let (flight, now) = (Flight::default(), Instant::now());
        assert_eq!(flight.arrive(execution(1), LONG, now), Arrival::New);
        assert_eq!(flight.arrive(execution(1), LONG, now), Arrival::AlreadyFlying);
        assert_eq!(flight.arrive(execution(2), LONG, now), Arrival::AlreadyFlying);
        assert_eq!(flight.newest(execution(1).order_id), Some(execution(2)));
        assert!(!flight.land(execution(1)), "a newer attempt is waiting for the result");
        assert!(flight.land(execution(2)));
        assert!(flight.is_empty());
        assert_eq!(flight.newest(execution(1).order_id), None);
    }
}
