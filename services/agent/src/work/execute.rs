//! Writing one order, and journaling what became of it.

use super::pull::entry;
use crate::agent::Agent;
use crate::journal::Execution;
use crate::package::{Outcome, Package};
use futures::FutureExt;
use provost_domain::{Failure, FailureClass, Order};
use provost_service_kit::channel::Backoff;
use std::panic::AssertUnwindSafe;

/// Writes one order and journals the outcome, under the newest attempt that asks for it.
pub(super) async fn execute(
    agent: &Agent,
    connection: &str,
    package: &dyn Package,
    execution: Execution,
    order: Result<Order, Outcome>,
) {
    let outcome = match order {
        Ok(order) => fulfill(package, &order).await,
        Err(outcome) => outcome,
    };
    log(connection, execution, &outcome);
    let mut newest = execution;
    loop {
        newest = agent.flight.newest(execution.order_id).unwrap_or(newest);
        journal(agent, newest, outcome.clone()).await;
        // While the result was journaled, the order may have come back under a newer attempt.
        if agent.flight.land(newest) {
            break;
        }
    }
    agent.results.notify_one();
}

async fn fulfill(package: &dyn Package, order: &Order) -> Outcome {
    let outcome = AssertUnwindSafe(package.fulfill(order)).catch_unwind().await;
    // A panic is a mistake in the package. The order must not stay in flight for ever because of it.
    outcome.unwrap_or_else(|_| {
        Outcome::Failed(Failure::new(FailureClass::Unknown, "the package broke down; the agent's log has the cause"))
    })
}

/// Journals the result; tries until it is on disk, for what happened must not be forgotten.
async fn journal(agent: &Agent, execution: Execution, outcome: Outcome) {
    let entry = entry(agent, execution, outcome);
    let mut backoff = Backoff::default();
    while let Err(error) = agent.journal.record(&entry).await {
        tracing::error!(%error, order_id = %execution.order_id, attempt = execution.attempt, "a result cannot be journaled; trying again");
        tokio::time::sleep(backoff.next_wait()).await;
    }
}

/// Never the failure's words: they may quote attribute values, and identities are people.
fn log(connection: &str, execution: Execution, outcome: &Outcome) {
    let Execution { order_id, attempt } = execution;
    match outcome {
        Outcome::Executed { note } => tracing::info!(%order_id, attempt, connection, note, "order executed"),
        Outcome::HandedOver { ticket } => tracing::info!(%order_id, attempt, connection, ticket, "order handed over"),
        Outcome::Failed(failure) => {
            tracing::warn!(%order_id, attempt, connection, class = ?failure.class, code = failure.code, "order failed");
        }
    }
}
