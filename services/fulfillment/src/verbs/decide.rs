//! What reviewers decided, applied to the orders exactly once: the decisions and the cursor of the
//! feed commit together.

use crate::model::Note;
use crate::store::{Batch, Ledger};
use provost_contract::review::v1::{Decision, Verdict};
use provost_domain::{Event, OrderId};
use provost_service_kit::{Fault, feed};

/// The name under which the cursor is stored.
pub(crate) const DECISIONS: &str = "decisions";

impl Ledger {
    /// Applies decisions in their order. One that the order no longer allows (it was replaced
    /// meanwhile, for example) is noted in the log and passed over.
    ///
    /// # Errors
    /// When nothing could be applied; the same decisions come again.
    pub(crate) async fn decide(&self, decisions: Vec<Decision>) -> Result<(), Fault> {
        let transaction = self.begin().await?;
        let from = feed::cursor(&transaction, DECISIONS).await?;
        let fresh: Vec<Decision> = decisions.into_iter().filter(|decision| decision.cursor > from).collect();
        let Some(to) = fresh.last().map(|decision| decision.cursor) else { return Ok(()) };
        feed::advance(&transaction, DECISIONS, from, to).await?;
        let ids: Vec<OrderId> = fresh.iter().filter_map(|decision| decision.order_id.parse().ok()).collect();
        let mut batch = Batch::load(&transaction, &ids, self.now()).await?;
        for decision in fresh {
            let (order_id, verdict) = (decision.order_id.clone(), decision.verdict());
            if let Err(refused) = apply(&mut batch, decision) {
                tracing::info!(order_id, ?verdict, %refused, "decision passed over");
            }
        }
        let rings = batch.save().await?;
        self.commit(transaction, rings).await
    }
}

fn apply(batch: &mut Batch<'_>, decision: Decision) -> Result<(), Fault> {
    let event = match decision.verdict() {
        Verdict::Approve => Event::Approved,
        Verdict::Decline => Event::Declined,
        Verdict::Postpone => Event::Postponed,
        Verdict::Unspecified => return Err(Fault::invalid("verdict", "is not known")),
    };
    let Decision { cursor: _, review_id, order_id, verdict: _, actor, comment, at: _ } = decision;
    if review_id != order_id {
        return Err(Fault::invalid("review_id", "is not the order's id"));
    }
    let id: OrderId = order_id.parse().map_err(|_| Fault::invalid("order_id", "is not a UUID"))?;
    batch.apply(id, &event, Note::new(actor, comment)).map(|_| ())
}
