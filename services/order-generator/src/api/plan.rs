//! Plans, from the wire and to it.

use crate::catalogs::File;
use crate::model::generate::Verdict;
use crate::model::plan::{Action, Mark, Part};
use crate::verbs::apply_plan::Applied;
use crate::verbs::plan::{Asked, Head, Plan};
use crate::verbs::planning::{Shift, Thing};
use provost_contract::generator::v1 as wire;
use provost_contract::generator::v1::apply_plan_request::Part as Sent;
use provost_contract::{Violations, from_wire, to_wire};
use provost_domain::ProvisioningState;
use provost_service_kit::Fault;
use std::collections::BTreeMap;
use tonic::{Status, Streaming};

/// Most orders of a plan that is applied.
const MARKS_MAX: usize = 4_000_000;
/// Most mistakes that a refusal names.
const NAMED_MAX: usize = 20;

pub(super) fn asked(request: wire::PlanOrdersRequest) -> Asked {
    let wire::PlanOrdersRequest { scope, force_review, waive_review, catalog_files } = request;
    let file = |wire::CatalogFile { name, content }| File { name, content };
    let files = catalog_files.into_iter().map(file).collect();
    Asked { shown: scope_from_wire(scope.unwrap_or_default()), force_review, waive_review, files }
}

fn scope_from_wire(scope: wire::PlanScope) -> Part {
    let wire::PlanScope { owner_entity_type, owner_key, resource_types } = scope;
    let owner_keys = Some(owner_key).filter(|key| !key.is_empty()).into_iter().collect();
    Part { owner_entity_type, owner_keys, resource_types, fingerprints: vec![] }
}

fn scope_to_wire(shown: &Part) -> wire::PlanScope {
    wire::PlanScope {
        owner_entity_type: shown.owner_entity_type.clone(),
        owner_key: shown.owner_keys.first().cloned().unwrap_or_default(),
        resource_types: shown.resource_types.clone(),
    }
}

pub(super) fn head_to_wire(head: &Head) -> wire::PlanHead {
    let Head { id, computed_at, inputs, inputs_digest, shown, force_review, waive_review, catalog_digest } = head;
    let input = |(name, value): &(String, String)| wire::PlanInput { name: name.clone(), value: value.clone() };
    wire::PlanHead {
        plan_id: id.clone(),
        computed_at: computed_at.map(to_wire::timestamp),
        inputs: inputs.iter().map(input).collect(),
        inputs_digest: inputs_digest.clone(),
        scope: Some(scope_to_wire(shown)),
        force_review: *force_review,
        waive_review: *waive_review,
        catalog_digest: catalog_digest.clone(),
    }
}

fn head_from_wire(head: wire::PlanHead) -> Head {
    let wire::PlanHead {
        plan_id,
        computed_at,
        inputs,
        inputs_digest,
        scope,
        force_review,
        waive_review,
        catalog_digest,
    } = head;
    Head {
        id: plan_id,
        computed_at: computed_at.as_ref().map(from_wire::timestamp),
        inputs: inputs.into_iter().map(|wire::PlanInput { name, value }| (name, value)).collect(),
        inputs_digest,
        shown: scope_from_wire(scope.unwrap_or_default()),
        force_review,
        waive_review,
        catalog_digest,
    }
}

const fn thing_to_wire(thing: Thing) -> wire::AssignedThing {
    match thing {
        Thing::Role => wire::AssignedThing::Role,
        Thing::ResourceType => wire::AssignedThing::ResourceType,
    }
}

pub(super) fn changes_to_wire(shifts: &[Shift]) -> wire::AssignmentChanges {
    let change = |Shift { owner, thing, name, gained, why }: &Shift| wire::AssignmentChange {
        owner: Some(to_wire::owner(owner)),
        thing: thing_to_wire(*thing).into(),
        name: name.clone(),
        gained: *gained,
        why: to_wire::reasons(why),
    };
    wire::AssignmentChanges { changes: shifts.iter().map(change).collect() }
}

fn verdict_to_wire(verdict: &Verdict) -> wire::ThresholdVerdict {
    wire::ThresholdVerdict {
        resource_type: verdict.resource_type.clone(),
        counted: verdict.counted.word().to_owned(),
        count: verdict.count as i64,
        limit: verdict.limit.map(|limit| limit as i64),
        rule: verdict.rule.clone(),
        holds: verdict.holds(),
    }
}

/// A plan in numbers.
pub(super) fn summary(plan: &Plan) -> wire::PlanSummary {
    let survey = plan.survey();
    let catalog = &survey.loaded.catalog;
    let mut counts: BTreeMap<(&str, &str, i32), (i64, i64)> = BTreeMap::new();
    for intent in &survey.decided.new {
        let kind = survey.standings.get(intent.place).and_then(|standing| standing.resource_type(catalog));
        let Some(kind) = kind else { continue };
        let key = (&*kind.connector, &*kind.name, Action::of(intent) as i32);
        let (count, awaiting) = counts.entry(key).or_default();
        *count += 1;
        *awaiting += i64::from(intent.state() == ProvisioningState::AwaitingApproval);
    }
    for (connector, resource_type) in plan.cancelled() {
        counts.entry((connector, resource_type, Action::Cancel as i32)).or_default().0 += 1;
    }
    let count = |((connector, resource_type, action), (count, awaiting_approval)): ((&str, &str, i32), (i64, i64))| {
        let (connector, resource_type) = (connector.to_owned(), resource_type.to_owned());
        wire::PlanCount { connector, resource_type, action, count, awaiting_approval }
    };
    let mut assignments: BTreeMap<(Thing, &str), (i64, i64)> = BTreeMap::new();
    for shift in plan.shifts() {
        let (gained, lost) = assignments.entry((shift.thing, &shift.name)).or_default();
        if shift.gained { *gained += 1 } else { *lost += 1 }
    }
    let shifted = |((thing, name), (gained, lost)): ((Thing, &str), (i64, i64))| wire::AssignmentCount {
        thing: thing_to_wire(thing).into(),
        name: name.to_owned(),
        gained,
        lost,
    };
    wire::PlanSummary {
        counts: counts.into_iter().map(count).collect(),
        verdicts: survey.decided.verdicts.iter().map(verdict_to_wire).collect(),
        notes: survey.decided.notes.clone(),
        known: survey.decided.known.len() as i64,
        owners: plan.owners() as i64,
        blocked: survey.decided.verdicts.iter().any(|verdict| !verdict.holds()),
        assignments: assignments.into_iter().map(shifted).collect(),
    }
}

/// Reads what is to be applied.
pub(super) async fn applied(mut messages: Streaming<wire::ApplyPlanRequest>, actor: String) -> Result<Applied, Status> {
    let mut head = None;
    let mut marks: Vec<Mark> = Vec::new();
    let mut wrong = Violations::default();
    while let Some(wire::ApplyPlanRequest { part }) = messages.message().await? {
        match part {
            Some(Sent::Head(sent)) if head.is_none() && marks.is_empty() => head = Some(sent),
            Some(Sent::Head(_)) => wrong.add("head", "must be the first message, and come once"),
            Some(Sent::Marks(_)) if head.is_none() => {
                return Err(Fault::invalid("head", "must be the first message").into());
            }
            Some(Sent::Marks(sent)) => {
                for mark in sent.marks {
                    let place = marks.len();
                    match mark_from_wire(mark) {
                        Ok(mark) => marks.push(mark),
                        Err(what) if wrong.iter().count() < NAMED_MAX => wrong.add(format!("marks[{place}]"), what),
                        Err(_) => {}
                    }
                }
            }
            None => wrong.add("part", "must be a head or marks"),
        }
        if marks.len() > MARKS_MAX {
            return Err(Fault::invalid("marks", format!("are more than {MARKS_MAX}")).into());
        }
    }
    let wire::ApplyPlanHead { plan, orders, only, force_thresholds } = head.unwrap_or_default();
    let head = head_from_wire(plan.unwrap_or_default());
    if uuid::Uuid::try_parse(&head.id).is_err() {
        wrong.add("head.plan.plan_id", "must be the id that PlanOrders gave");
    }
    if marks.len() as i64 != orders && wrong.is_empty() {
        wrong.add("marks", format!("are {}, and the head says {orders}: the plan was cut off", marks.len()));
    }
    wrong.into_result(()).map_err(Fault::from)?;
    let wire::PlanSelection { resource_types, owner_keys, fingerprints } = only.unwrap_or_default();
    let part = Part { owner_entity_type: String::new(), owner_keys, resource_types, fingerprints };
    Ok(Applied { head, marks, part, force_thresholds, actor })
}

fn mark_from_wire(mark: wire::PlanMark) -> Result<Mark, &'static str> {
    let wire::PlanMark { action, resource_type, owner_entity_type, owner_key, target_key, order_id, fingerprint } =
        mark;
    let action = Action::from_number(action).ok_or("has no action that there is")?;
    if resource_type.is_empty() || fingerprint.is_empty() {
        return Err("has no resource type, or no fingerprint");
    }
    Ok(Mark { action, resource_type, owner_entity_type, owner_key, target_key, order_id, fingerprint })
}
