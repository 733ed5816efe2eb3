//! What people decided about an owner, as causes.

use crate::generator::Generator;
use crate::model::assign::Assignment;
use crate::model::decision::{Decision, Subject, Verdict};
use crate::model::explain::{Cause, CauseKind, Said};
use crate::model::request::{Action, Request, Verdict as RequestVerdict};
use crate::store::assignments::OwnerKey;
use crate::store::requests;
use crate::verbs::world::Ground;
use provost_domain::{Timestamp, WorkflowState};
use provost_service_kit::Fault;

/// What people asked for and decided, about each thing of an owner.
pub(super) async fn said(
    generator: &Generator,
    ground: &Ground,
    (entity_type, key): &OwnerKey,
    today: &[Assignment],
) -> Result<Vec<Said>, Fault> {
    let decisions = &ground.decisions;
    let mut said: Vec<Said> = decisions.of_owner((entity_type, key)).iter().filter_map(decided).collect();
    said.extend(today.iter().filter_map(|one| {
        let decision = decisions.of_resource(&one.entity_type, &one.target_key)?;
        Some(Said { name: one.resource_type.clone(), property: None, cause: cause(decision) })
    }));
    said.extend(asked(&requests::of_owner(generator.database.read(), entity_type, key).await?));
    Ok(said)
}

/// What is said of requests: those that wait, and of each thing the newest, when that was declined or is over. What is
/// approved, the evaluation tells of.
fn asked(requests: &[Request]) -> Vec<Said> {
    let is_newest = |place: usize, request: &Request| {
        requests.iter().skip(place + 1).all(|later| later.name != request.name || later.kind != request.kind)
    };
    let told = requests.iter().enumerate().filter(|(place, request)| request.is_open() || is_newest(*place, request));
    told.filter_map(|(_, request)| {
        Some(Said { name: request.name.clone(), property: None, cause: of_request(request)? })
    })
    .collect()
}

fn of_request(request: &Request) -> Option<Cause> {
    let asked = match request.action {
        Action::Give => format!("{} asked for it", request.asked.by),
        Action::TakeAway => format!("{} asked that it is taken away", request.asked.by),
    };
    let comment = match request.asked.comment.trim() {
        "" => String::new(),
        comment => format!(" ({comment})"),
    };
    let sentence = |what: &str| format!("{asked} on {}{comment}{what}{}", day(request.created_at), request.reason());
    let cause = match request.state {
        WorkflowState::Approved => return None,
        WorkflowState::Declined => {
            let declined = request.decisions.iter().rev().find(|said| said.verdict == RequestVerdict::Decline);
            let cause = Cause::new(CauseKind::RequestDeclined, sentence(", and it was "));
            declined.map_or_else(|| cause.clone(), |said| cause.clone().done(&said.actor, said.at))
        }
        _ if request.is_open() => {
            Cause::new(CauseKind::RequestWaits, sentence(": it ")).done(&request.asked.by, request.created_at)
        }
        _ => Cause::new(CauseKind::RequestOver, sentence(": ")).done(&request.asked.by, request.created_at),
    };
    Some(cause.about(&request.id))
}

fn day(at: Timestamp) -> String {
    at.to_string().split('T').next().unwrap_or_default().to_owned()
}

fn decided(decision: &Decision) -> Option<Said> {
    let (name, property) = match &decision.subject {
        Subject::Property { resource_type, property, .. } => (resource_type.clone(), Some(property.clone())),
        Subject::Role { role } => (role.clone(), None),
        // Those are told of the resource.
        Subject::Resource { .. } => return None,
    };
    Some(Said { name, property, cause: cause(decision) })
}

fn cause(decision: &Decision) -> Cause {
    let what = match decision.verdict {
        Verdict::Write => "to write what the rules say",
        Verdict::Keep => "to leave what was there",
        Verdict::Postpone => "to decide later",
        Verdict::Delete => "to take it away",
    };
    let sentence = format!("it was decided {what}, by {}", decision.by());
    Cause::new(CauseKind::Decision, sentence).done(&decision.actor, decision.at).about(&decision.id)
}
