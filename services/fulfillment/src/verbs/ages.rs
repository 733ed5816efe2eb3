//! What lies too long: orders that are not finished, by state and age.

use crate::store::ages::{self, Ages, UNFINISHED};
use crate::store::{Ledger, list};
use crate::verbs::read::{AGE_MINUTES_MAX, filter_of, instant_before};
use provost_contract::fulfillment::v1::{AgeCount, CountOrdersByAgeRequest, CountOrdersByAgeResponse};
use provost_contract::{Violations, to_wire};
use provost_service_kit::Fault;

/// An hour, a day, a week.
const BOUNDS: [i32; 3] = [60, 24 * 60, 7 * 24 * 60];
/// Most bounds of one call.
const BOUNDS_MAX: usize = 10;

impl Ledger {
    /// Counts orders that are not finished by state and age.
    ///
    /// # Errors
    /// When the filter or the bounds are wrong, or the database cannot be reached.
    pub(crate) async fn count_by_age(
        &self,
        request: CountOrdersByAgeRequest,
    ) -> Result<CountOrdersByAgeResponse, Fault> {
        let CountOrdersByAgeRequest { filter, bounds_minutes } = request;
        let bounds_minutes = bounds(bounds_minutes)?;
        let now = self.now();
        let filter = filter_of(filter.unwrap_or_default(), now)?;
        let is_wanted = |state: &_| filter.states.is_empty() || filter.states.contains(state);
        let states: Vec<_> = UNFINISHED.into_iter().filter(is_wanted).collect();
        if states.is_empty() {
            return Ok(CountOrdersByAgeResponse { counts: vec![], bounds_minutes });
        }
        let filter = list::Filter { states, ..filter };
        let instants: Vec<_> = bounds_minutes.iter().map(|minutes| instant_before(now, *minutes)).collect();
        let counts = ages::count(self.read(), &filter, &instants).await?;
        Ok(CountOrdersByAgeResponse { counts: counts.into_iter().map(to_wire_ages).collect(), bounds_minutes })
    }
}

fn bounds(minutes: Vec<i32>) -> Result<Vec<i32>, Violations> {
    if minutes.is_empty() {
        return Ok(BOUNDS.to_vec());
    }
    let mut wrong = Violations::default();
    if minutes.len() > BOUNDS_MAX {
        wrong.add("bounds_minutes", format!("holds {} bounds; at most {BOUNDS_MAX} go in one call", minutes.len()));
    }
    let grows = minutes.iter().zip(minutes.iter().skip(1)).all(|(one, next)| one < next);
    if !grows || minutes.iter().any(|minutes| !(1..=AGE_MINUTES_MAX).contains(minutes)) {
        wrong.add("bounds_minutes", format!("must grow from bound to bound, from 1 to {AGE_MINUTES_MAX}"));
    }
    wrong.into_result(minutes)
}

fn to_wire_ages(ages: Ages) -> AgeCount {
    let Ages { state, count, by_age, oldest_since, oldest, next_deadline } = ages;
    AgeCount {
        state,
        count,
        by_age,
        oldest_since: Some(to_wire::timestamp(oldest_since)),
        oldest_order_id: oldest,
        next_deadline_at: next_deadline.map(to_wire::timestamp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_grow_and_are_an_hour_a_day_and_a_week_unless_given() {
        assert_eq!(bounds(vec![]), Ok(BOUNDS.to_vec()));
        assert_eq!(bounds(vec![1, 5]), Ok(vec![1, 5]));
        for wrong in [vec![0], vec![5, 5], vec![7, 2], vec![AGE_MINUTES_MAX + 1], (1..=11).collect()] {
            assert!(bounds(wrong.clone()).is_err(), "{wrong:?}");
        }
    }
}
