//! What agents say became of orders.

use crate::model::{Entry, Note, retry};
use crate::store::Ledger;
use crate::verbs::each::{Step, check_size};
use provost_contract::fulfillment::v1::feedback::Outcome;
use provost_contract::fulfillment::v1::{Executed, Feedback, HandedOver, ReportFeedbackRequest};
use provost_contract::types::v1::ItemResult;
use provost_contract::{NAME_MAX, Violations, cut, from_wire, printable};
use provost_domain::{Event, Timestamp};
use provost_service_kit::Fault;

impl Ledger {
    /// Records feedback, each item on its own. It may be repeated.
    ///
    /// # Errors
    /// When nothing could be recorded at all.
    pub(crate) async fn report(&self, request: ReportFeedbackRequest) -> Result<Vec<ItemResult>, Fault> {
        let ReportFeedbackRequest { agent_id, feedback } = request;
        let mut wrong = Violations::default();
        wrong.require_text("agent_id", &agent_id, NAME_MAX);
        wrong.into_result(())?;
        check_size("feedback", feedback.len())?;
        let ids: Vec<String> = feedback.iter().map(|item| item.order_id.clone()).collect();
        self.each(&ids, |index, entry, now| match feedback.get(index) {
            Some(item) => step(item, &agent_id, entry, now),
            None => Err(Fault::invalid(format!("feedback[{index}]"), "is missing")),
        })
        .await
    }
}

fn step(item: &Feedback, agent: &str, entry: &Entry, now: Timestamp) -> Result<Step, Fault> {
    // The ledger's clock orders the history; the agent's may be wrong, and is not kept.
    let Feedback { order_id: _, attempt: number, outcome, at: _ } = item;
    let attempt = u32::try_from(*number).unwrap_or(0);
    let (event, reason) = match outcome.clone() {
        Some(Outcome::Executed(Executed { note })) => (Event::Executed { attempt }, note),
        Some(Outcome::HandedOver(HandedOver { ticket })) => {
            let reason = if ticket.is_empty() { String::new() } else { format!("ticket {ticket}") };
            (Event::HandedOver { attempt, ticket: cut(printable(ticket), NAME_MAX) }, reason)
        }
        Some(Outcome::Failed(failure)) => {
            let failure = from_wire::failure(failure);
            let reason = failure.to_string();
            (retry::event(entry, attempt, failure, now), reason)
        }
        None => return Err(Fault::invalid("outcome", "must be executed, failed or handed_over")),
    };
    // In the history late feedback is called just that; what it said is in the words.
    let is_late = entry.standing.attempts != attempt;
    let reason = if is_late { format!("{}: {reason}", event.name()).trim_end_matches(": ").to_owned() } else { reason };
    Ok(Step { event, note: Note::new(agent, reason), version: 0 })
}
