//! Unblocking the Errored orders of one cause: one as a probe, or all, at once or little by little.
//!
//! The rule that must hold: each step is a short transaction of its own, so that a million orders hold
//! up nobody; whoever dies between two steps leaves the rest Errored, and the next call goes on.

use crate::model::{Entry, Note};
use crate::store::{Ledger, causes, entries};
use crate::verbs::each::{ITEMS_MAX, each_in};
use crate::verbs::resolve::{WORDS_MAX, unblock};
use provost_contract::fulfillment::v1::{UnblockErrorCauseRequest, UnblockErrorCauseResponse};
use provost_contract::{NAME_MAX, Violations, to_wire};
use provost_domain::{OrderId, Timestamp};
use provost_service_kit::Fault;
use std::collections::HashMap;
use std::time::Duration;

/// Most orders a minute.
const PER_MINUTE_MAX: i32 = 1_000_000;
/// Orders of one step when each has an instant of its own, and so a statement of its own.
const PACED_STEP: i64 = 100;
/// Most refusals that an answer lists.
const REFUSALS_MAX: usize = 1_000;

/// When the orders that are unblocked one after the other become collectable.
#[derive(Clone, Copy, Debug)]
struct Pace {
    from: Timestamp,
    per_minute: u64,
}

impl Pace {
    /// When the order of that number, counted from 0, does; none means at once.
    fn at(self, number: u64) -> Option<Timestamp> {
        let millis = number.checked_mul(60_000)?.checked_div(self.per_minute)?;
        (millis > 0).then(|| self.from.plus(Duration::from_millis(millis)))
    }
}

/// Who unblocks what, and how.
struct Unblocking<'a> {
    actor: &'a str,
    comment: &'a str,
    /// The cause, and the connection that it happened on.
    group: (&'a str, &'a str),
    pace: Pace,
}

impl Ledger {
    /// Makes Errored orders of one cause Pending again, oldest first.
    ///
    /// # Errors
    /// When the request is wrong, or the database cannot be reached; what was unblocked stays so.
    pub(crate) async fn unblock_cause(
        &self,
        actor: &str,
        request: UnblockErrorCauseRequest,
    ) -> Result<UnblockErrorCauseResponse, Fault> {
        let UnblockErrorCauseRequest { error_cause, connection, orders_max, per_minute, comment } = request;
        let mut wrong = Violations::default();
        wrong.require_text("error_cause", &error_cause, NAME_MAX);
        wrong.require_text("connection", &connection, NAME_MAX);
        wrong.check_text("comment", &comment, WORDS_MAX);
        if orders_max < 0 {
            wrong.add("orders_max", "must not be negative; 0 means all");
        }
        if !(0..=PER_MINUTE_MAX).contains(&per_minute) {
            wrong.add("per_minute", format!("must be 0 to {PER_MINUTE_MAX}; 0 means all at once"));
        }
        wrong.into_result(())?;
        let group = (error_cause.as_str(), connection.as_str());
        let pace = Pace { from: self.now(), per_minute: u64::try_from(per_minute).unwrap_or(0) };
        let unblocking = Unblocking { actor, comment: &comment, group, pace };
        let mut answer = UnblockErrorCauseResponse::default();
        // What fails again meanwhile is Errored of the same cause, and is not taken twice.
        let all = causes::count(self.read(), group).await?;
        let (mut seen, mut after) = (0, 0);
        loop {
            let wanted = if orders_max == 0 { all - seen } else { i64::from(orders_max) - answer.unblocked };
            let limit = wanted.min(all - seen).min(if per_minute == 0 { ITEMS_MAX as i64 } else { PACED_STEP });
            let Some((last, count)) = self.unblock_step(&unblocking, after, limit, &mut answer).await? else { break };
            (seen, after) = (seen + count, last);
        }
        answer.left = causes::count(self.read(), group).await?;
        Ok(answer)
    }

    /// One step: the sequence of its last order and how many it looked at, or none when nothing was left.
    async fn unblock_step(
        &self,
        unblocking: &Unblocking<'_>,
        after: i64,
        limit: i64,
        answer: &mut UnblockErrorCauseResponse,
    ) -> Result<Option<(i64, i64)>, Fault> {
        if limit <= 0 {
            return Ok(None);
        }
        let Unblocking { actor, comment, group, pace } = *unblocking;
        let transaction = self.begin().await?;
        let orders = causes::next(&transaction, group, after, limit).await?;
        let Some((last, _)) = orders.last().copied() else { return Ok(None) };
        let ids: Vec<OrderId> = orders.iter().map(|(_, id)| *id).collect();
        let overtaken = entries::overtaken(&transaction, &ids).await?;
        let free = ids.iter().filter(|id| !overtaken.contains_key(id));
        let numbers = u64::try_from(answer.unblocked).unwrap_or(0)..;
        let at: HashMap<OrderId, Option<Timestamp>> =
            free.zip(numbers).map(|(id, number)| (*id, pace.at(number))).collect();
        let step = |_: usize, entry: &Entry, _: Timestamp| {
            let (newer, at) = (overtaken.get(&entry.id), at.get(&entry.id).copied().flatten());
            unblock(entry, newer, at, Note::new(actor, comment))
        };
        let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let (results, rings) = each_in(&transaction, &texts, self.now(), step).await?;
        self.commit(transaction, rings).await?;
        let refused: Vec<_> = results.into_iter().filter(|result| result.error.is_some()).collect();
        answer.unblocked += (texts.len() - refused.len()) as i64;
        answer.refused += refused.len() as i64;
        if let Some(last) = at.into_values().flatten().max() {
            answer.last_at = Some(to_wire::timestamp(last));
        }
        let room = REFUSALS_MAX - answer.refusals.len();
        answer.refusals.extend(refused.into_iter().take(room));
        Ok(Some((last, texts.len() as i64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pace_spreads_evenly_and_none_is_at_once() {
        let from = Timestamp::from_millis(1_000);
        let at = |per_minute, number| Pace { from, per_minute }.at(number).map(Timestamp::millis);
        assert_eq!([at(0, 0), at(0, 9)], [None, None]);
        assert_eq!([at(60, 0), at(60, 1), at(60, 61)], [None, Some(2_000), Some(62_000)]);
        assert_eq!(at(1, u64::MAX), None, "beyond time itself");
    }
}
