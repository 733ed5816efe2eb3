//! Telling the review service what it must know: which orders await a review, and which no longer do.
//!
//! The rules that must hold: a line stays in the outbox until review has answered it, and each call
//! may be repeated; no review stays open whose order waits for none, whatever overtook what.

use crate::model::Entry;
use crate::model::note::LEDGER;
use crate::store::outbox::{self, Action, Line};
use crate::store::{Ledger, Rings, entries};
use crate::work::rounds;
use futures::StreamExt;
use provost_contract::masked;
use provost_contract::review::v1::review_service_client::ReviewServiceClient;
use provost_contract::review::v1::{RequestReviewRequest, WithdrawReviewRequest};
use provost_domain::{OrderId, State};
use provost_service_kit::{Fault, Replicas, caller};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

/// Lines of one round.
const ROUND: i64 = 100;
/// Calls at once.
const CALLS: usize = 8;
/// How long one call may take.
const CALL_MAX: Duration = Duration::from_secs(5);
/// How often a withdrawal asks for a review that is not there. The request may be on its way, here
/// or at another replica; with the outbox's pauses this outlasts [`CALL_MAX`].
const UNKNOWN_MAX: i32 = 5;

/// Empties the outbox, until `stop`.
///
/// # Errors
/// None: what review did not answer is sent again later.
pub(crate) async fn relay_reviews(
    ledger: Ledger,
    review: ReviewServiceClient<Replicas>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let rest = || {
        let mut bell = ledger.news.listener();
        async move { bell.wait(Duration::from_millis(250)).await }
    };
    rounds("review relay", stop, rest, || round(&ledger, &review)).await
}

async fn round(ledger: &Ledger, review: &ReviewServiceClient<Replicas>) -> Result<bool, Fault> {
    let now = ledger.now();
    if !outbox::is_due(ledger.read(), now).await? {
        return Ok(false);
    }
    let transaction = ledger.database.begin().await?;
    let lines = outbox::take(&transaction, now, ROUND).await?;
    transaction.commit().await?;
    let requested: Vec<OrderId> =
        lines.iter().filter(|line| line.action == Action::Request).map(|line| line.id).collect();
    let orders = entries::full_by_ids(ledger.read(), &requested).await?;
    let is_full = lines.len() as i64 == ROUND;
    let calls = lines.into_iter().map(|line| {
        let order = orders.get(&line.id).map(|full| masked(full.order.clone()));
        let review = review.clone();
        async move { tell(review, &line, order).await.then_some(line) }
    });
    let answered: Vec<Option<Line>> = futures::stream::iter(calls).buffer_unordered(CALLS).collect().await;
    let answered: Vec<Line> = answered.into_iter().flatten().collect();
    // Before the lines go: whoever dies between the two asks again, and finds out again.
    let opened: Vec<OrderId> =
        answered.iter().filter(|line| line.action == Action::Request).map(|line| line.id).collect();
    withdraw_overtaken(ledger, &opened).await?;
    outbox::done(ledger.database.write(), &answered).await?;
    Ok(is_full && !answered.is_empty())
}

/// Withdraws reviews that were opened for orders that by then waited for none: another replica may
/// have told the withdrawal first.
async fn withdraw_overtaken(ledger: &Ledger, opened: &[OrderId]) -> Result<(), Fault> {
    if opened.is_empty() {
        return Ok(());
    }
    let transaction = ledger.begin().await?;
    let entries = entries::by_ids(&transaction, opened).await?;
    let is_waiting = |entry: &Entry| matches!(entry.standing.state, State::AwaitingApproval);
    let overtaken: Vec<OrderId> =
        entries.into_values().filter(|entry| !is_waiting(entry)).map(|entry| entry.id).collect();
    if !overtaken.is_empty() {
        outbox::put(&transaction, Action::Withdraw, &overtaken, outbox::NOT_WAITING, ledger.now()).await?;
    }
    ledger.commit(transaction, Rings::default()).await
}

/// Whether review has answered, so that the line is done.
async fn tell(
    mut review: ReviewServiceClient<Replicas>,
    line: &Line,
    order: Option<provost_contract::types::v1::Order>,
) -> bool {
    let review_id = line.id.to_string();
    let reason = line.reason.clone();
    let call = async {
        match line.action {
            Action::Request => {
                let request = RequestReviewRequest { review_id, order, ..Default::default() };
                review.request_review(caller::request_as(LEDGER, request)).await.map(|_| ())
            }
            Action::Withdraw => {
                let request = WithdrawReviewRequest { review_id, reason };
                review.withdraw_review(caller::request_as(LEDGER, request)).await.map(|_| ())
            }
        }
    };
    let late = || Status::deadline_exceeded("review did not answer in time");
    match tokio::time::timeout(CALL_MAX, call).await.unwrap_or_else(|_| Err(late())) {
        Ok(()) => true,
        // It was decided meanwhile; the decision feed tells.
        Err(status) if line.action == Action::Withdraw && status.code() == Code::FailedPrecondition => true,
        // Somebody else asked for it in our place. Deciding on it does nothing to an order that is over.
        Err(status) if line.action == Action::Withdraw && status.code() == Code::PermissionDenied => {
            tracing::error!(order_id = %line.id, message = status.message(), "review is left open");
            true
        }
        // It was never opened.
        Err(status) if line.action == Action::Withdraw && status.code() == Code::NotFound => line.tries >= UNKNOWN_MAX,
        Err(status) => {
            let (code, message) = (status.code(), status.message());
            match code {
                // Nothing gets better by itself: somebody must look.
                Code::InvalidArgument | Code::AlreadyExists => {
                    tracing::error!(order_id = %line.id, action = ?line.action, ?code, message, "review refuses");
                }
                _ => tracing::info!(order_id = %line.id, action = ?line.action, ?code, message, "review is told later"),
            }
            false
        }
    }
}
