//! Telling the review service what it must know: which requests wait for approval, and which no longer do.
//!
//! The rules that must hold: a line stays in the outbox until review has answered it, and each call may be
//! repeated; no review stays open whose request waits for none, whatever overtook what.

use crate::generator::Generator;
use crate::store::request_outbox::{self, Action, Line};
use crate::store::requests;
use crate::verbs::requests::commit;
use futures::StreamExt;
use provost_service_kit::Fault;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tonic::Code;

/// Lines of one round.
const ROUND: u64 = 100;
/// Calls at once.
const CALLS: usize = 8;
/// How long to wait for news before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How often a withdrawal asks for a review that is not there. The request may be on its way, here or at another
/// replica; with the outbox's pauses this outlasts the longest call.
const UNKNOWN_MAX: i32 = 5;
/// Why a review is withdrawn that was opened too late.
const NOT_WAITING: &str = "the request no longer waits for approval";

/// Empties the outbox, until `stop`.
pub(crate) async fn tell_review(generator: Arc<Generator>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut bell = generator.requests.listener();
    let telling = async {
        loop {
            let has_more = round(&generator).await.unwrap_or_else(|fault| {
                tracing::warn!(%fault, "review is told of requests later");
                false
            });
            if !has_more {
                bell.wait(LOOK_AGAIN).await;
            }
        }
    };
    // Dropping a round between two awaits is safe: what must hold together is in one transaction.
    stop.run_until_cancelled(telling).await;
    Ok(())
}

async fn round(generator: &Generator) -> Result<bool, Fault> {
    let now = generator.clock.now();
    if !request_outbox::is_due(generator.database.read(), now).await? {
        return Ok(false);
    }
    let transaction = generator.database.begin().await?;
    requests::turn(&generator.database, &transaction).await?;
    let lines = request_outbox::take(&transaction, now, ROUND).await?;
    transaction.commit().await?;
    let is_full = lines.len() as u64 == ROUND;
    let calls = lines.into_iter().map(|line| async move { tell(generator, &line).await });
    let mut told = futures::stream::iter(calls).buffer_unordered(CALLS);
    let mut answered = 0_usize;
    while let Some(is_answered) = told.next().await {
        answered += usize::from(is_answered?);
    }
    Ok(is_full && answered > 0)
}

/// Whether review has answered, so that the line is done.
async fn tell(generator: &Generator, line: &Line) -> Result<bool, Fault> {
    let request_id = &line.request_id;
    let answer = match line.action {
        Action::Withdraw => generator.reviews.withdraw(request_id, &line.reason).await,
        Action::Request => {
            let Some(request) = requests::get(generator.database.read(), request_id).await? else {
                request_outbox::done(generator.database.write(), line).await?;
                return Ok(true);
            };
            generator.reviews.request(&request).await
        }
    };
    let Err(status) = answer else {
        answered(generator, line).await?;
        return Ok(true);
    };
    let (code, message) = (status.code(), status.message());
    let is_settled = line.action == Action::Withdraw
        && match code {
            // It was decided meanwhile; the request is over all the same.
            Code::FailedPrecondition => true,
            // Somebody else asked for it in our place. Deciding on it does nothing to a request that is over.
            Code::PermissionDenied => {
                tracing::error!(request_id, message, "review is left open");
                true
            }
            // It was never opened.
            Code::NotFound => line.tries >= UNKNOWN_MAX,
            _ => false,
        };
    if is_settled {
        request_outbox::done(generator.database.write(), line).await?;
        return Ok(true);
    }
    match code {
        // Nothing gets better by itself: somebody must look.
        Code::InvalidArgument | Code::AlreadyExists => {
            tracing::error!(request_id, action = ?line.action, ?code, message, "review refuses");
        }
        _ => tracing::info!(request_id, action = ?line.action, ?code, message, "review is told later"),
    }
    Ok(false)
}

/// Review has heard of it: the line goes, and the request waits for its first approval; or, when it was taken
/// back or decided while review was told, the review is withdrawn.
async fn answered(generator: &Generator, line: &Line) -> Result<(), Fault> {
    let transaction = generator.database.begin().await?;
    requests::turn(&generator.database, &transaction).await?;
    request_outbox::done(&transaction, line).await?;
    if line.action == Action::Request
        && let Some(mut request) = requests::get(&transaction, &line.request_id).await?
    {
        let now = generator.clock.now();
        if request.taken(now) {
            requests::save(&transaction, &request).await?;
        } else if request.ending.is_some() {
            request_outbox::put(&transaction, &request.id, Action::Withdraw, NOT_WAITING, now).await?;
        }
    }
    commit(generator, transaction, []).await
}
