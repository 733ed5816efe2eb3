//! The orders that are being written now, and when their leases want renewing.
//!
//! The rule that must hold: one order is written by at most one task of this agent at a time.

use crate::journal::Execution;
use provost_domain::OrderId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The shortest and the longest lease that is believed: clocks of two hosts differ, and a renewal
/// too many is cheap.
const LEASE_MIN: Duration = Duration::from_secs(1);
const LEASE_MAX: Duration = Duration::from_secs(60);

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
    begun: bool,
}

/// The orders being written.
#[derive(Debug, Default)]
pub(crate) struct Flight(Mutex<HashMap<OrderId, Flying>>);

impl Flight {
    fn orders(&self) -> MutexGuard<'_, HashMap<OrderId, Flying>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an order in, leased for `lease` from `now`.
    pub(crate) fn arrive(&self, execution: Execution, lease: Duration, now: Instant) -> Arrival {
        let mut orders = self.orders();
        let renew_at = Some(renewal(lease, now));
        match orders.get_mut(&execution.order_id) {
            Some(flying) => {
                // The lease ran out while the write went on, and the order came back to us.
                if execution.attempt > flying.attempt {
                    *flying = Flying { attempt: execution.attempt, renew_at, begun: flying.begun };
                }
                Arrival::AlreadyFlying
            }
            None => {
                let flying = Flying { attempt: execution.attempt, renew_at, begun: false };
                orders.insert(execution.order_id, flying);
                Arrival::New
            }
        }
    }

    /// The write begins now. Not if the lease was lost before: the order then leaves, and is somebody else's.
    pub(crate) fn begin(&self, order_id: OrderId) -> bool {
        let mut orders = self.orders();
        let Some(flying) = orders.get_mut(&order_id) else { return false };
        flying.begun = flying.renew_at.is_some();
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

    /// The lease was renewed for `lease` from `now`.
    pub(crate) fn renewed(&self, execution: Execution, lease: Duration, now: Instant) {
        self.reschedule(execution, Some(renewal(lease, now)));
    }

    /// The lease is somebody else's: it is not renewed any more.
    pub(crate) fn lost(&self, execution: Execution) {
        self.reschedule(execution, None);
    }

    fn reschedule(&self, execution: Execution, renew_at: Option<Instant>) {
        if let Some(flying) = self.orders().get_mut(&execution.order_id)
            && flying.attempt == execution.attempt
        {
            flying.renew_at = renew_at;
        }
    }
}

/// A third of the lease: two renewals may fail before it runs out.
fn renewal(lease: Duration, now: Instant) -> Instant {
    now + lease.clamp(LEASE_MIN, LEASE_MAX) / 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn execution(attempt: i32) -> Execution {
        Execution { order_id: OrderId::new(Uuid::nil()), attempt }
    }

    #[test]
    fn leases_want_renewing_after_a_third() {
        let (flight, start) = (Flight::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(flight.arrive(execution(1), Duration::from_secs(30), start), Arrival::New);
        assert_eq!(flight.due(after(9)), []);
        assert_eq!(flight.due(after(10)), [execution(1)]);
        flight.renewed(execution(1), Duration::from_secs(30), after(10));
        assert_eq!(flight.due(after(19)), []);
        assert_eq!(flight.due(after(20)), [execution(1)]);
        flight.lost(execution(1));
        assert_eq!(flight.due(after(100)), []);
    }

    #[test]
    fn write_that_has_not_begun_when_its_lease_is_lost_does_not_begin() {
        let (flight, now) = (Flight::default(), Instant::now());
        let order_id = execution(1).order_id;
        flight.arrive(execution(1), LEASE_MAX, now);
        flight.lost(execution(1));
        assert!(!flight.begin(order_id));
        assert!(flight.is_empty());
        // It came back before it was lost for good: the newer lease counts.
        flight.arrive(execution(1), LEASE_MAX, now);
        flight.lost(execution(1));
        flight.arrive(execution(2), LEASE_MAX, now);
        assert!(flight.begin(order_id));
        // Once begun it goes on: it may have happened already.
        flight.lost(execution(2));
        assert_eq!(flight.newest(order_id), Some(execution(2)));
    }

    #[test]
    fn lease_that_seems_over_by_a_wrong_clock_is_renewed_soon() {
        let (flight, start) = (Flight::default(), Instant::now());
        flight.arrive(execution(1), Duration::ZERO, start);
        assert_eq!(flight.due(start), []);
        assert_eq!(flight.due(start + Duration::from_millis(334)), [execution(1)]);
    }

    #[test]
    fn order_that_comes_back_while_flying_is_not_written_twice() {
        let (flight, now) = (Flight::default(), Instant::now());
        assert_eq!(flight.arrive(execution(1), LEASE_MAX, now), Arrival::New);
        assert_eq!(flight.arrive(execution(1), LEASE_MAX, now), Arrival::AlreadyFlying);
        assert_eq!(flight.arrive(execution(2), LEASE_MAX, now), Arrival::AlreadyFlying);
        assert_eq!(flight.newest(execution(1).order_id), Some(execution(2)));
        assert!(!flight.land(execution(1)), "a newer attempt is waiting for the result");
        assert!(flight.land(execution(2)));
        assert!(flight.is_empty());
        assert_eq!(flight.newest(execution(1).order_id), None);
    }
}
