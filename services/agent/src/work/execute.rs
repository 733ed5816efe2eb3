//! Writing one order, and journaling what became of it.

use super::pull::{entry, give_back};
use crate::agent::Agent;
use crate::journal::Execution;
use crate::package::failure::{self, Particulars, redacted};
use crate::package::{Attempt, Outcome, Package};
use crate::slots::{Capacity, Signal};
use futures::FutureExt;
use provost_contract::fulfillment::v1::LeaseKey;
use provost_domain::{Failure, FailureClass, Order};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

/// The longest that one order may take. A package that never comes back would hold its slot, and with the last
/// slot the connection, for ever. SQL's limit for an order is shorter; LDAP limits each operation, and an order
/// of very many memberships may be cut off here: asked again, it goes on where it was.
const EXECUTION_MAX: Duration = Duration::from_secs(300);

/// The most bytes of one text of an outcome. Managed systems may quote what they refuse, and a report that is
/// larger than a message can be would never arrive.
const TEXT_BYTES_MAX: usize = 4 * 1024;

/// What there is to do for an order.
pub(super) enum Task {
    /// Write it.
    Write(Box<Order>, Attempt),
    /// Tell this of it; nothing is written.
    Tell(Outcome),
}

/// Writes one order and journals the outcome, under the newest attempt that asks for it.
pub(super) async fn execute(
    agent: &Agent,
    (connection, package, capacity): (&str, &dyn Package, &Capacity),
    execution: Execution,
    task: Task,
) {
    let outcome = match task {
        Task::Write(order, attempt) => {
            if !agent.flight.begin(execution.order_id, Instant::now()) {
                return withdraw(agent, execution).await;
            }
            let began = Instant::now();
            capacity.begin();
            let outcome = bounded(fulfill(package, &order, attempt, EXECUTION_MAX).await);
            capacity.end(signal(&outcome), began, Instant::now());
            log(connection, execution, &outcome);
            outcome
        }
        Task::Tell(outcome) => outcome,
    };
    let mut newest = execution;
    loop {
        newest = agent.flight.newest(execution.order_id).unwrap_or(newest);
        agent.journal.keep(&entry(agent, newest, outcome.clone())).await;
        // While the result was journaled, the order may have come back under a newer attempt.
        if agent.flight.land(newest) {
            break;
        }
    }
    agent.results.notify_one();
}

/// The order is somebody else's by now, or may be, and nothing was begun.
async fn withdraw(agent: &Agent, execution: Execution) {
    let Execution { order_id, attempt } = execution;
    tracing::info!(%order_id, attempt, "an order whose lease was lost, or may be over, is not begun");
    if let Err(error) = agent.journal.withdraw(execution).await {
        tracing::warn!(%error, %order_id, attempt, "the journal cannot be written; the next start will say that this order was cut off");
    }
    // Where the lease is ours still, nobody has to wait for its end.
    let lease = LeaseKey { order_id: order_id.to_string(), attempt };
    give_back(agent, vec![lease], "its lease may have been over when it could begin; it was not begun").await;
}

async fn fulfill(package: &dyn Package, order: &Order, attempt: Attempt, longest: Duration) -> Outcome {
    let failed = |class, message: String| Outcome::Failed(Failure::new(class, message));
    let writing = match attempt {
        Attempt::First => package.fulfill(order),
        Attempt::Again => package.fulfill_again(order),
    };
    match tokio::time::timeout(longest, AssertUnwindSafe(writing).catch_unwind()).await {
        // Packages redact as well; but one that forgets must not tell a secret to everybody.
        Ok(Ok(Outcome::Failed(failure))) => Outcome::Failed(redacted(failure, order)),
        Ok(Ok(outcome)) => outcome,
        // A panic is a mistake in the package. The order must not stay in flight for ever because of it.
        Ok(Err(_)) => failed(FailureClass::Unknown, "the package broke down; the agent's log has the cause".to_owned()),
        Err(_) => Outcome::Failed(
            failure::transport(format!("the managed system did not finish within {longest:?}"))
                .with_hint("what it did is looked for before it is tried again; check whether it is overloaded"),
        ),
    }
}

/// What an outcome says of how much the managed system can take.
fn signal(outcome: &Outcome) -> Signal {
    match outcome {
        Outcome::Failed(failure) => match failure.class {
            FailureClass::Throttled => Signal::Throttled,
            FailureClass::Transport => Signal::Silent,
            _ => Signal::Answered,
        },
        Outcome::Executed { .. } | Outcome::HandedOver { .. } => Signal::Answered,
    }
}

/// The outcome with its texts cut.
fn bounded(mut outcome: Outcome) -> Outcome {
    let texts = match &mut outcome {
        Outcome::Executed { note: text } | Outcome::HandedOver { ticket: text } => vec![text],
        Outcome::Failed(failure) => {
            let texts = vec![&mut failure.message, &mut failure.hint, &mut failure.code];
            texts.into_iter().chain(&mut failure.property).collect()
        }
    };
    for text in texts.into_iter().filter(|text| text.len() > TEXT_BYTES_MAX) {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text.push('…');
    }
    outcome
}

/// Never the failure's words: they may quote attribute values, and identities are people.
pub(super) fn log(connection: &str, execution: Execution, outcome: &Outcome) {
    let Execution { order_id, attempt } = execution;
    match outcome {
        Outcome::Executed { note } => tracing::info!(%order_id, attempt, connection, note, "order executed"),
        Outcome::HandedOver { ticket } => tracing::info!(%order_id, attempt, connection, ticket, "order handed over"),
        Outcome::Failed(failure) => {
            tracing::warn!(%order_id, attempt, connection, class = ?failure.class, code = failure.code, "order failed");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::package::{Abilities, Entity, RowSender};

    /// A system that never answers.
    struct Silent;

    #[async_trait::async_trait]
    impl Package for Silent {
        fn abilities(&self) -> Abilities {
            Abilities { export: false, fulfill: true }
        }

        async fn check(&self) -> Result<String, Failure> {
            std::future::pending().await
        }

        async fn export(&self, _entity: &Entity, _rows: &RowSender) -> Result<(), Failure> {
            std::future::pending().await
        }

        async fn fulfill(&self, _order: &Order) -> Outcome {
            std::future::pending().await
        }
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let long = Failure { hint: "short".into(), ..Failure::new(FailureClass::Refused, "é".repeat(10_000) + "x") };
        let Outcome::Failed(cut) = bounded(Outcome::Failed(long)) else { unreachable!() };
        assert_eq!(cut.message, "é".repeat(TEXT_BYTES_MAX / 2) + "…");
        assert_eq!(cut.hint, "short");
    }

    #[tokio::test]
    async fn order_that_never_ends_is_given_up() {
        let order = Order {
            id: provost_domain::OrderId::new(uuid::Uuid::nil()),
            kind: provost_domain::OrderKind::Deletion,
            resource_type: String::new(),
            connector: String::new(),
            connection: String::new(),
            entity_type: String::new(),
            owner: provost_domain::Owner {
                entity_type: String::new(),
                key: String::new(),
                display_name: String::new(),
            },
            target_key: "ada".into(),
            changes: vec![],
            arguments: std::collections::BTreeMap::new(),
            why: vec![],
            priority: 0,
            not_before: None,
            period: provost_domain::Period::default(),
            generation_run: String::new(),
            depends_on: vec![],
            block_causes: vec![],
            transmitted_validity_minutes: 0,
            rule_failure: None,
            expired: false,
            generated_at: provost_domain::Timestamp::from_millis(0),
        };
        let outcome = fulfill(&Silent, &order, Attempt::First, Duration::from_millis(20)).await;
        let Outcome::Failed(Failure { class, message, hint, .. }) = outcome else { unreachable!() };
        assert_eq!(class, FailureClass::Transport);
        assert_eq!(message, "the managed system did not finish within 20ms");
        assert!(hint.contains("before it is tried again"), "{hint}");
    }
}
