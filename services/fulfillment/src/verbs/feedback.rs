//! What agents say became of orders, and what that says of their connections.

use crate::model::connection::Connection;
use crate::model::{Entry, Note, retry};
use crate::store::{Ledger, connections};
use crate::verbs::each::{self, Step, check_size, each_of};
use provost_contract::fulfillment::v1::feedback::Outcome;
use provost_contract::fulfillment::v1::{Executed, Feedback, HandedOver, ReportFeedbackRequest};
use provost_contract::types::v1::ItemResult;
use provost_contract::{NAME_MAX, Violations, cut, from_wire, printable};
use provost_domain::order::state::Transition;
use provost_domain::{Event, Retry, Timestamp};
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
        let transaction = self.begin().await?;
        let now = self.now();
        let mut batch = each::load(&transaction, &ids, now).await?;
        let before = connections::load(&transaction, &batch.connections()).await?;
        let mut after = before.clone();
        let results = each_of(&mut batch, &ids, |index, entry, now| {
            let item = feedback.get(index).ok_or_else(|| Fault::invalid(format!("feedback[{index}]"), "is missing"))?;
            let connection = after.get_mut(&entry.connection);
            let step = step(item, &agent_id, entry, connection.as_deref(), now)?;
            if let Some(connection) = connection {
                hear(connection, entry, &step.event, now);
            }
            Ok(step)
        });
        let mut rings = batch.save().await?;
        // Who waits for room, or for the breaker, looks again.
        rings.offers |= after != before || after.values().any(|connection| connection.limits.in_flight > 0);
        connections::save(&transaction, &before, after, now).await?;
        self.commit(transaction, rings).await?;
        Ok(results)
    }
}

/// What the connection learns from an order that came back; from a repetition and from what is late, nothing.
fn hear(connection: &mut Connection, entry: &Entry, event: &Event, now: Timestamp) {
    if !matches!(entry.ask(event, now), Ok(Transition::To(_))) {
        return;
    }
    let failure = match event {
        Event::Failed { failure, .. } | Event::Retried { retry: Retry { failure, .. }, .. } => Some(failure),
        _ => None,
    };
    connection.hear(entry.id, failure, now);
}

fn step(
    item: &Feedback,
    agent: &str,
    entry: &Entry,
    connection: Option<&Connection>,
    now: Timestamp,
) -> Result<Step, Fault> {
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
            let is_known = connection.is_some_and(|connection| !connection.breaker.is_closed());
            (retry::event(entry, attempt, failure, is_known, now), reason)
        }
        None => return Err(Fault::invalid("outcome", "must be executed, failed or handed_over")),
    };
    // In the history late feedback is called just that; what it said is in the words.
    let is_late = entry.standing.attempts != attempt;
    let reason = if is_late { format!("{}: {reason}", event.name()).trim_end_matches(": ").to_owned() } else { reason };
    Ok(Step { event, note: Note::new(agent, reason), version: 0 })
}
