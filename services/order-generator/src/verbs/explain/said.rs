//! What people decided about an owner, as causes.

use crate::generator::Generator;
use crate::model::assign::Assignment;
use crate::model::decision::{Decision, Subject, Verdict};
use crate::model::explain::{Cause, CauseKind, Said};
use crate::store::assignments::OwnerKey;
use crate::verbs::world::Ground;
use provost_service_kit::Fault;

/// What people asked for and decided, about each thing of an owner.
pub(super) async fn said(
    _generator: &Generator,
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
    Ok(said)
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
