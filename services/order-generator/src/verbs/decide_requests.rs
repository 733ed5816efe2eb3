//! What reviewers decided, applied to the requests exactly once: the decisions and the cursor of the feed commit
//! together.

use super::requests::{commit, keep, owner_of};
use crate::generator::Generator;
use crate::model::request::{Decision, Outcome, Verdict};
use crate::store::requests;
use provost_contract::from_wire;
use provost_contract::review::v1 as wire;
use provost_domain::Timestamp;
use provost_service_kit::{Fault, feed};
use std::collections::BTreeSet;

/// The name under which the cursor is stored.
pub(crate) const DECISIONS: &str = "review decisions";

/// Applies decisions in their order. One that the request no longer takes (it was withdrawn meanwhile, for
/// example), or on something else, is noted in the log and passed over.
///
/// # Errors
/// When nothing could be applied; the same decisions come again.
pub(crate) async fn decide_requests(generator: &Generator, decisions: Vec<wire::Decision>) -> Result<(), Fault> {
    let transaction = generator.database.begin().await?;
    requests::turn(&generator.database, &transaction).await?;
    let from = feed::cursor(&transaction, DECISIONS).await?;
    let fresh: Vec<wire::Decision> = decisions.into_iter().filter(|decision| decision.cursor > from).collect();
    let Some(to) = fresh.last().map(|decision| decision.cursor) else { return Ok(()) };
    let now = generator.clock.now();
    let mut changed = BTreeSet::new();
    for decision in fresh {
        let (request_id, step, is_complete) = (decision.review_id.clone(), decision.step, decision.complete);
        let is_ours = decision.subject_kind() == wire::SubjectKind::AssignmentRequest;
        let request = if is_ours { requests::get(&transaction, &request_id).await? } else { None };
        let (Some(mut request), Some(decision)) = (request, decision_of(decision, now)) else {
            tracing::info!(request_id, step, "decision on what is not a request of ours passed over");
            continue;
        };
        let verdict = decision.verdict;
        let outcome = request.decide(decision, is_complete, now);
        let state = request.state;
        if outcome == Outcome::PassedOver {
            tracing::info!(request_id, step, ?verdict, %state, "decision passed over");
            continue;
        }
        keep(&transaction, &request, outcome, now).await?;
        if outcome == Outcome::Approved {
            changed.insert(owner_of(&request));
        }
        tracing::info!(request_id, step, ?verdict, %state, "request decided");
    }
    feed::advance(&transaction, DECISIONS, from, to).await?;
    commit(generator, transaction, changed).await
}

fn decision_of(decision: wire::Decision, now: Timestamp) -> Option<Decision> {
    let verdict = match decision.verdict() {
        wire::Verdict::Approve => Verdict::Approve,
        wire::Verdict::Decline => Verdict::Decline,
        wire::Verdict::Postpone => Verdict::Postpone,
        wire::Verdict::Unspecified => return None,
    };
    let wire::Decision { step, actor, comment, at, .. } = decision;
    let at = at.as_ref().map_or(now, from_wire::timestamp);
    Some(Decision { step: u32::try_from(step).unwrap_or(1), verdict, actor, comment, at })
}
