//! Deciding in place of people who do not: what the automation rules of the catalog say, once it is due.
//!
//! A request that waits for an approval is decided where people decide, by review, and comes back through its
//! feed: so it is audited as any decision, and of a person and a rule that decide at once one wins. One that
//! review has not heard of is decided here. The rule that must hold: a rule decides the step that it was due
//! for, and no later one; so the version of the review goes with the decision.

use super::requests::{commit, keep, owner_of};
use crate::generator::Generator;
use crate::model::request::automation::{Automatic, automatic, soonest};
use crate::model::request::{Decision, Outcome, Request, Verdict};
use crate::store::request_outbox::{self, Action};
use crate::store::requests;
use provost_domain::workflow::AUTOMATION;
use provost_domain::{Timestamp, WorkflowState};
use provost_service_kit::{Fault, FaultKind};
use tonic::{Code, Status};

/// Requests that are looked at at once.
const PAGE: u64 = 200;

/// Decides what is due; says how much was decided.
///
/// # Errors
/// When the database or review cannot be reached; what is due is decided by the next round.
pub(crate) async fn automate_requests(generator: &Generator) -> Result<usize, Fault> {
    let Some(loaded) = generator.catalogs.current().await? else { return Ok(0) };
    let rules = loaded.catalog.automation_rules();
    let Some(soonest) = soonest(rules) else { return Ok(0) };
    let now = generator.clock.now();
    let waits = i64::try_from(soonest.as_millis()).unwrap_or(i64::MAX);
    let since = Timestamp::from_millis(now.millis().saturating_sub(waits));
    let (mut after, mut decided) = (0, 0);
    loop {
        let page = requests::waiting_since(generator.database.read(), since, after, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(decided) };
        after = *last;
        for (_, request) in &page {
            if let Some(decision) = automatic(rules, request, now) {
                decided += usize::from(decide(generator, request, &decision).await?);
            }
        }
    }
}

async fn decide(generator: &Generator, request: &Request, decision: &Automatic) -> Result<bool, Fault> {
    match request.state.step() {
        Some((step, _)) => decide_at_review(generator, request, step, decision).await,
        None => decide_here(generator, request, decision).await,
    }
}

/// Whether the step was decided by it. What moved on meanwhile comes back through the feed.
async fn decide_at_review(
    generator: &Generator,
    request: &Request,
    step: u32,
    decision: &Automatic,
) -> Result<bool, Fault> {
    let request_id = &request.id;
    let has_moved = |status: &Status| {
        matches!(status.code(), Code::NotFound | Code::FailedPrecondition | Code::Aborted | Code::PermissionDenied)
    };
    let unreachable = |status: Status| {
        let message = format!("review said {}: {}", status.code(), status.message());
        Fault::new(FaultKind::Unavailable, message)
    };
    let seen = match generator.reviews.get(request_id).await {
        Ok(seen) if i64::from(seen.step) == i64::from(step) => seen,
        Ok(_) => return Ok(false),
        Err(status) if has_moved(&status) => return Ok(false),
        Err(status) => return Err(unreachable(status)),
    };
    match generator.reviews.decide(&seen, decision.approves, &decision.comment).await {
        Ok(_) => {
            tracing::info!(request_id, step, approves = decision.approves, "decided by an automation rule");
            Ok(true)
        }
        Err(status) if has_moved(&status) => Ok(false),
        Err(status) => Err(unreachable(status)),
    }
}

/// Decides a request that review has not heard of, as a whole.
async fn decide_here(generator: &Generator, request: &Request, decision: &Automatic) -> Result<bool, Fault> {
    let transaction = generator.database.begin().await?;
    requests::turn(&generator.database, &transaction).await?;
    let found = requests::get(&transaction, &request.id).await?;
    let Some(mut request) = found.filter(|found| found.state == WorkflowState::Requested) else {
        return Ok(false);
    };
    let now = generator.clock.now();
    let verdict = if decision.approves { Verdict::Approve } else { Verdict::Decline };
    let comment = decision.comment.clone();
    let said = Decision { step: 1, verdict, actor: AUTOMATION.to_owned(), comment, at: now };
    let outcome = request.decide(said, true, now);
    if outcome == Outcome::PassedOver {
        return Ok(false);
    }
    keep(&transaction, &request, outcome, now).await?;
    // Review may be hearing of it just now.
    request_outbox::put(&transaction, &request.id, Action::Withdraw, "an automation rule decided", now).await?;
    let changed = (outcome == Outcome::Approved).then(|| owner_of(&request));
    commit(generator, transaction, changed).await?;
    tracing::info!(request_id = request.id, approves = decision.approves, "decided by an automation rule");
    Ok(true)
}
