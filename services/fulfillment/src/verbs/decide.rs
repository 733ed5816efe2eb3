//! What reviewers decided, applied to the orders exactly once: the decisions and the cursor of the
//! feed commit together.

use crate::model::Note;
use crate::store::{Batch, Ledger};
use provost_contract::review::v1::{Decision, SubjectKind, Verdict};
use provost_domain::{Event, OrderId};
use provost_service_kit::{Fault, feed};

/// The name under which the cursor is stored.
pub(crate) const DECISIONS: &str = "decisions";

impl Ledger {
    /// Applies decisions in their order. One that the order no longer allows (it was replaced
    /// meanwhile, for example) is noted in the log and passed over; so is one on anything but an order.
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
        for decision in fresh.into_iter().filter(is_ours) {
            let (order_id, verdict) = (decision.order_id.clone(), decision.verdict());
            if let Err(refused) = apply(&mut batch, decision) {
                tracing::info!(order_id, ?verdict, %refused, "decision passed over");
            }
        }
        let rings = batch.save().await?;
        self.commit(transaction, rings).await
    }
}

/// It is about an order, and lets it go on or ends it: an approval that others must follow does neither. A
/// review service that knows orders only says nothing of either.
fn is_ours(decision: &Decision) -> bool {
    let is_about_an_order = match SubjectKind::try_from(decision.subject_kind) {
        Ok(SubjectKind::Unspecified) => return true,
        Ok(SubjectKind::Order) => true,
        // Of a kind that came later: not an order.
        Ok(SubjectKind::AssignmentRequest) | Err(_) => false,
    };
    let is_incomplete = decision.verdict() == Verdict::Approve && !decision.complete;
    if is_about_an_order && !is_incomplete {
        return true;
    }
    let Decision { review_id, step, .. } = decision;
    tracing::debug!(review_id, step, is_about_an_order, is_incomplete, "decision passed over");
    false
}

fn apply(batch: &mut Batch<'_>, decision: Decision) -> Result<(), Fault> {
    let event = match decision.verdict() {
        Verdict::Approve => Event::Approved,
        Verdict::Decline => Event::Declined,
        Verdict::Postpone => Event::Postponed,
        Verdict::Unspecified => return Err(Fault::invalid("verdict", "is not known")),
    };
    let Decision { review_id, order_id, actor, comment, .. } = decision;
    if review_id != order_id {
        return Err(Fault::invalid("review_id", "is not the order's id"));
    }
    let id: OrderId = order_id.parse().map_err(|_| Fault::invalid("order_id", "is not a UUID"))?;
    batch.apply(id, &event, Note::new(actor, comment)).map(|_| ())
}
