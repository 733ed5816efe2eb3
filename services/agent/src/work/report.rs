//! Reporting what became of orders, until fulfillment has taken note.
//!
//! Knows nothing but the journal, so that a report after a restart is like any other.

use super::patience::Patience;
use crate::agent::{ANSWER_TIMEOUT, Agent};
use crate::journal::{Entry, Execution};
use crate::package::Outcome;
use prost::Message;
use provost_contract::fulfillment::v1 as wire;
use provost_contract::to_wire;
use provost_contract::types::v1::ItemError;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

/// The most results of one call.
const BATCH: u32 = 1_000;
/// The most bytes of one call; far less than a message may have.
const BATCH_BYTES: usize = 2 * 1024 * 1024;
/// Looks for results this often, also when nobody rang.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long to wait for more results while orders are being written.
const GATHER: Duration = Duration::from_millis(5);
/// How long the last report may take when the agent stops; what is left stays in the journal.
const LAST_REPORT: Duration = Duration::from_secs(3);

/// Reports until `stop`; then waits for the writes that run, and reports once more.
pub(crate) async fn run(agent: Arc<Agent>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut patience = Patience::new("fulfillment");
    while !stop.is_cancelled() {
        match report(&agent).await {
            Ok(Reported::Nothing) => {
                let rung = tokio::time::timeout(LOOK_AGAIN, agent.results.notified());
                // Whether it rang or is only time to look again makes no difference.
                let _ = stop.run_until_cancelled(rung).await;
                if !agent.flight.is_empty() {
                    // More results are about to come: they go together.
                    tokio::time::sleep(GATHER).await;
                }
            }
            Ok(Reported::All) => patience.answered(),
            Ok(Reported::Some(status)) | Err(status) => {
                patience.failed(&status, &stop).await;
            }
        }
    }
    agent.executions.close();
    agent.executions.wait().await;
    let last = tokio::time::timeout(LAST_REPORT, report(&agent)).await;
    if !matches!(last, Ok(Ok(Reported::Nothing | Reported::All))) {
        tracing::warn!("results could not be reported; they are in the journal for the next start");
    }
    Ok(())
}

/// What became of a report.
pub(super) enum Reported {
    Nothing,
    All,
    /// Some were not taken note of; why.
    Some(Status),
}

/// Reports what the journal has, as much as fits into one call.
pub(super) async fn report(agent: &Agent) -> Result<Reported, Status> {
    let journal = |error: sqlx::Error| Status::internal(format!("the journal cannot be used: {error}"));
    let entries = agent.journal.unreported(BATCH).await.map_err(journal)?;
    if entries.is_empty() {
        return Ok(Reported::Nothing);
    }
    let (entries, feedback) = batch(entries);
    let message = wire::ReportFeedbackRequest { agent_id: agent.id.clone(), feedback };
    let response = agent.dispatch.clone().report_feedback(agent.request(message, ANSWER_TIMEOUT)).await?.into_inner();
    agent.fulfillment_seen.note(agent.clock.now());
    let mut done = Vec::new();
    let mut kept = entries
        .len()
        .checked_sub(response.results.len())
        .filter(|missing| *missing > 0)
        .map(|missing| Status::internal(format!("{missing} results got no answer")));
    for (entry, result) in entries.into_iter().zip(response.results) {
        match result.error {
            None => done.push(entry),
            Some(error) if is_final(&error) => {
                let Execution { order_id, attempt } = entry.execution;
                tracing::error!(%order_id, attempt, reason = error.reason, message = error.message, "a result was refused for good; it is dropped");
                done.push(entry);
            }
            Some(error) => kept = Some(Status::new(Code::from(error.code), error.message)),
        }
    }
    let executions: Vec<_> = done.iter().map(|entry| entry.execution).collect();
    agent.acknowledged.keep(done, Instant::now());
    agent.journal.acknowledge(&executions).await.map_err(journal)?;
    Ok(kept.map_or(Reported::All, Reported::Some))
}

/// As many results as one message may hold, at least one. The rest is still in the journal.
fn batch(entries: Vec<Entry>) -> (Vec<Entry>, Vec<wire::Feedback>) {
    let mut bytes = 0;
    let fits = |(_, feedback): &(Entry, wire::Feedback)| {
        let is_first = bytes == 0;
        bytes += feedback.encoded_len();
        is_first || bytes <= BATCH_BYTES
    };
    let with_feedback = |entry: Entry| {
        let feedback = feedback(&entry);
        (entry, feedback)
    };
    entries.into_iter().map(with_feedback).take_while(fits).unzip()
}

/// Whether saying it again cannot help.
fn is_final(error: &ItemError) -> bool {
    matches!(Code::from(error.code), Code::NotFound | Code::InvalidArgument | Code::FailedPrecondition)
}

fn feedback(entry: &Entry) -> wire::Feedback {
    use wire::feedback::Outcome as Wire;
    let outcome = match &entry.outcome {
        Outcome::Executed { note } => Wire::Executed(wire::Executed { note: note.clone() }),
        Outcome::HandedOver { ticket } => Wire::HandedOver(wire::HandedOver { ticket: ticket.clone() }),
        Outcome::Failed(failure) => Wire::Failed(to_wire::failure(failure)),
    };
    wire::Feedback {
        order_id: entry.execution.order_id.to_string(),
        attempt: entry.execution.attempt,
        outcome: Some(outcome),
        at: Some(to_wire::timestamp(entry.at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_domain::{OrderId, Timestamp};
    use uuid::Uuid;

    fn entries(count: u128, bytes: usize) -> Vec<Entry> {
        let entry = |number| Entry {
            execution: Execution { order_id: OrderId::new(Uuid::from_u128(number)), attempt: 1 },
            outcome: Outcome::Executed { note: "x".repeat(bytes) },
            at: Timestamp::from_millis(0),
        };
        (0..count).map(entry).collect()
    }

    #[test]
    fn calls_are_bounded_in_bytes_and_hold_at_least_one_result() {
        assert_eq!(batch(entries(1_000, 100)).0.len(), 1_000);
        let (taken, feedback) = batch(entries(1_000, 8 * 1024));
        assert_eq!(taken.len(), feedback.len());
        assert!((200..256).contains(&taken.len()), "{}", taken.len());
        assert_eq!(batch(entries(2, BATCH_BYTES + 1)).0.len(), 1);
    }
}
