//! Verifying, cancelling and unblocking: what the order generator and people decide about orders.

use crate::model::{Entry, Note};
use crate::store::{Ledger, entries};
use crate::verbs::each::{Step, check_size, each_in};
use provost_contract::fulfillment::v1::{CancelOrdersRequest, UnblockOrdersRequest, VerifyOrdersRequest};
use provost_contract::types::v1::ItemResult;
use provost_contract::{Violations, from_wire};
use provost_domain::{Event, OrderId, State, Timestamp};
use provost_service_kit::Fault;

/// Longest reason or comment, in characters.
pub(crate) const WORDS_MAX: usize = 2_000;

impl Ledger {
    /// Records that synchronized data shows the ordered values.
    ///
    /// # Errors
    /// When nothing could be recorded at all.
    pub(crate) async fn verify(&self, actor: &str, request: VerifyOrdersRequest) -> Result<Vec<ItemResult>, Fault> {
        let verifications = request.verifications;
        check_size("verifications", verifications.len())?;
        let ids: Vec<String> = verifications.iter().map(|item| item.order_id.clone()).collect();
        self.each(&ids, |index, _, _| {
            let item = verifications.get(index);
            let started = item.and_then(|item| item.export_started_at.as_ref()).map(from_wire::timestamp);
            let export_started_at = started.ok_or_else(|| Fault::invalid("export_started_at", "must be set"))?;
            let reason = match item.map(|item| item.synchronization_id.as_str()) {
                None | Some("") => String::new(),
                Some(id) => format!("synchronization {id}"),
            };
            Ok(Step { event: Event::Verified { export_started_at }, note: Note::new(actor, reason), version: 0 })
        })
        .await
    }

    /// Makes orders Inactive that are no longer needed.
    ///
    /// # Errors
    /// When the reason is missing, or nothing could be done at all.
    pub(crate) async fn cancel(&self, actor: &str, request: CancelOrdersRequest) -> Result<Vec<ItemResult>, Fault> {
        let CancelOrdersRequest { order_ids, reason, reevaluated } = request;
        let mut wrong = Violations::default();
        wrong.require_text("reason", &reason, WORDS_MAX);
        wrong.into_result(())?;
        check_size("order_ids", order_ids.len())?;
        self.each(&order_ids, |_, entry, _| {
            // An Error ends when it was evaluated again, and in no other way.
            let event = match entry.standing.state {
                State::Error { .. } if reevaluated => Event::Reevaluated,
                _ => Event::Cancelled,
            };
            Ok(Step { event, note: Note::new(actor, reason.as_str()), version: 0 })
        })
        .await
    }

    /// Makes Errored orders Pending again, unless their lane went on without them.
    ///
    /// # Errors
    /// When nothing could be done at all.
    pub(crate) async fn unblock(&self, actor: &str, request: UnblockOrdersRequest) -> Result<Vec<ItemResult>, Fault> {
        let UnblockOrdersRequest { order_ids, comment } = request;
        let mut wrong = Violations::default();
        wrong.check_text("comment", &comment, WORDS_MAX);
        wrong.into_result(())?;
        check_size("order_ids", order_ids.len())?;
        let transaction = self.begin().await?;
        let ids: Vec<OrderId> = order_ids.iter().filter_map(|id| id.parse().ok()).collect();
        let overtaken = entries::overtaken(&transaction, &ids).await?;
        let step = |_: usize, entry: &Entry, _: Timestamp| {
            unblock(entry, overtaken.get(&entry.id), None, Note::new(actor, comment.as_str()))
        };
        let (results, rings) = each_in(&transaction, &order_ids, self.now(), step).await?;
        self.commit(transaction, rings).await?;
        Ok(results)
    }
}

/// The step that unblocks an order, from an instant on. Not when a newer order of its lane went on
/// without it: an older value must not be written over a newer one.
///
/// # Errors
/// When one did, or when it is an Error, which no unblocking mends.
pub(crate) fn unblock(
    entry: &Entry,
    newer: Option<&OrderId>,
    at: Option<Timestamp>,
    note: Note,
) -> Result<Step, Fault> {
    let id = entry.id;
    let refused =
        |why: &str| Err(Fault::wrong_state(format!("order {id}"), format!("cannot unblock order {id}: {why}")));
    match (newer, &entry.standing.state) {
        (_, State::Error { failure }) => {
            let rule = &failure.rule;
            refused(&format!("{rule} failed; mend the rule or the data that it names, and run the job again"))
        }
        (Some(newer), _) => {
            refused(&format!("a newer order of the same resource, {newer}, stands; cancel this one instead"))
        }
        (None, _) => Ok(Step { event: Event::Unblocked { at }, note, version: 0 }),
    }
}
