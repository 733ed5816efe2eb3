//! What people decide and ask for: on what was found, for roles and resource types, and in reviews.
//!
//! The rule that must hold: whatever is asked, both sides answer the same.

use super::Dice;
use super::catalogs::Catalog;
use super::organisation::owners;
use crate::support::side::Side;
use provost_contract::generator::v1::*;
use provost_contract::review::v1::Verdict;
use provost_contract::to_wire;
use provost_contract::types::v1::WorkflowState;
use provost_domain::Timestamp;
use provost_service_kit::{Clock, caller::request_as};
use provost_testkit::eventually;
use std::time::Duration;
use tonic::Status;

const PATIENCE: Duration = Duration::from_secs(30);

/// All that waits for a person, in an order of its own.
pub async fn items(side: &Side) -> Vec<ReconciliationItem> {
    let request = ListReconciliationItemsRequest { page_size: 1_000, ..Default::default() };
    let mut items = side.suite.reconciliation().list_reconciliation_items(request).await.unwrap().into_inner().items;
    items.sort_by(|a, b| a.item_id.cmp(&b.item_id));
    items
}

/// What an item says, without whatever differs between two who live through the same.
pub fn line(mut item: ReconciliationItem) -> String {
    item.version.clear();
    item.why.clear();
    if let Some(decision) = &mut item.decision {
        decision.decision_id.clear();
    }
    format!("{item:?}")
}

/// A decision by hand: what it was on, and what.
pub struct Decided {
    pub item: ReconciliationItem,
    pub verdict: ReconciliationVerdict,
}

/// Somebody decides on something that waits, if anything does.
pub async fn decides(dice: &mut Dice, sides: [&Side; 2]) -> (String, Vec<Decided>) {
    let waiting = [items(sides[0]).await, items(sides[1]).await];
    let place = dice.below(waiting[0].len());
    let Some(item) = waiting[0].get(place).cloned() else { return ("nothing waits for a decision".into(), vec![]) };
    let verdict = match item.kind() {
        ReconciliationKind::Property | ReconciliationKind::Resource => dice.pick(&[
            ReconciliationVerdict::Write,
            ReconciliationVerdict::Write,
            ReconciliationVerdict::Keep,
            ReconciliationVerdict::Postpone,
        ]),
        _ => dice.pick(&[ReconciliationVerdict::Keep, ReconciliationVerdict::Delete, ReconciliationVerdict::Postpone]),
    };
    let is_kept = verdict == ReconciliationVerdict::Keep;
    let owner = owners(&sides[0].world);
    let given_to = dice.one_of(&owner).filter(|_| is_kept && item.kind() == ReconciliationKind::Orphan).cloned();
    let given_to = if dice.once_in(2) { given_to } else { None };
    let take_over = is_kept && dice.once_in(3);
    let mut answers = Vec::new();
    for (side, waiting) in sides.iter().zip(&waiting) {
        let (owner_entity_type, owner_key) = given_to.clone().unwrap_or(("", String::new()));
        let version = waiting[place].version.clone();
        let request = DecideReconciliationItemsRequest {
            items: vec![ItemToDecide { item_id: item.item_id.clone(), version }],
            verdict: verdict.into(),
            comment: "seen to".into(),
            owner_key,
            owner_entity_type: owner_entity_type.into(),
            take_over,
            ..Default::default()
        };
        let answer = side.suite.reconciliation().decide_reconciliation_items(request_as("grace", request)).await;
        let mut answer = answer.unwrap().into_inner();
        answer.results.iter_mut().for_each(|result| result.decision_id.clear());
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1], "both decide the same");
    let told = format!(
        "grace decides {verdict:?} on {:?} {}/{} '{}' {} {:?} (given to {given_to:?}, taken over: {take_over}): {}",
        item.kind(),
        item.owner.as_ref().map(|owner| owner.key.clone()).unwrap_or_default(),
        item.resource_type,
        item.target_key,
        item.property,
        item.item,
        answers[0].results[0].error.as_ref().map_or("decided", |error| error.message.as_str())
    );
    // Deciding on a role decides on its links, and the other way round.
    let with = answers[0].results[0].with.clone();
    let mut decided = vec![Decided { item, verdict }];
    for id in with {
        if let Some(item) = waiting[0].iter().find(|item| item.item_id == id) {
            decided.push(Decided { item: item.clone(), verdict });
        }
    }
    decided.retain(|_| answers[0].results[0].error.is_none());
    (told, decided)
}

fn at(now: Timestamp, days: i64) -> Option<prost_types::Timestamp> {
    let midnight = now.millis() / 86_400_000;
    Some(to_wire::timestamp(Timestamp::from_millis((midnight + days) * 86_400_000)))
}

async fn record(side: &Side, id: &str) -> AssignmentRequestRecord {
    let request = GetRequestRequest { request_id: id.to_owned() };
    side.suite.assignments().get_request(request).await.unwrap().into_inner()
}

/// Waits until a request is where it can be, for now: review has heard of it.
async fn rests(side: &Side, id: &str) -> AssignmentRequestRecord {
    eventually("the request is known to review", PATIENCE, async || {
        let record = record(side, id).await;
        let is_known = record.workflow_state() != WorkflowState::Requested;
        if is_known && (record.approvals_given >= record.approvals_required || side.suite.reviews.get(id).is_some()) {
            Ok(record)
        } else {
            Err(format!("{record:?}"))
        }
    })
    .await
}

/// Somebody asks for something, or that something is taken away.
pub async fn asks(dice: &mut Dice, sides: [&Side; 2], catalog: &Catalog, id: &str) -> String {
    let (name, is_role, owner_type) = dice.one_of(&catalog.things).cloned().unwrap();
    let owners: Vec<_> = owners(&sides[0].world).into_iter().filter(|(of, _)| *of == owner_type).collect();
    let Some((_, key)) = dice.one_of(&owners).cloned() else { return "nobody is there to ask".into() };
    let now = sides[0].suite.clock.now();
    let valid_from = at(now, dice.below(3) as i64).filter(|_| dice.once_in(3));
    let valid_until = at(now, 3 + dice.below(4) as i64).filter(|_| dice.once_in(2));
    let is_revocation = dice.once_in(3);
    let mut answers = Vec::new();
    for side in sides {
        let (role, resource_type) = if is_role { (name.clone(), String::new()) } else { (String::new(), name.clone()) };
        let request_id = id.to_owned();
        let (owner_entity_type, owner_key, comment) = (owner_type.to_owned(), key.clone(), "for the audit".to_owned());
        let mut client = side.suite.assignments();
        let answer: Result<_, Status> = if is_revocation {
            let request = RevokeAssignmentRequest {
                request_id,
                owner_entity_type,
                owner_key,
                role,
                resource_type,
                valid_from,
                valid_until,
                comment,
            };
            client.revoke_assignment(request_as("eve", request)).await
        } else {
            let request = RequestAssignmentRequest {
                request_id,
                owner_entity_type,
                owner_key,
                role,
                resource_type,
                valid_from,
                valid_until,
                comment,
            };
            client.request_assignment(request_as("eve", request)).await
        };
        answers.push(match answer {
            Ok(_) => format!("{:?}", rests(side, id).await.workflow_state()),
            Err(refused) => refused.message().to_owned(),
        });
    }
    let what = if is_revocation { "less" } else { "more" };
    let dates = [valid_from, valid_until].map(|at| at.map(|at| at.seconds / 86_400 - now.millis() / 86_400_000));
    let told = format!("eve asks for {what}: {key} and {name}, days {dates:?}: {}", answers[0]);
    assert_eq!(answers[0], answers[1], "{told}: both answer the same");
    told
}

/// A reviewer decides on a request that waits, or its asker withdraws it.
pub async fn review(dice: &mut Dice, sides: [&Side; 2]) -> String {
    let open = |records: Vec<AssignmentRequestRecord>| {
        let mut ids: Vec<String> = records
            .into_iter()
            .filter(|record| {
                use WorkflowState as S;
                let state = record.workflow_state();
                matches!(state, S::PendingApproval | S::PendingApproval1Of2 | S::PendingApproval2Of2)
            })
            .filter_map(|record| Some(record.request?.request_id))
            .collect();
        ids.sort();
        ids
    };
    let request = ListRequestsRequest { page_size: 1_000, ..Default::default() };
    let all = sides[0].suite.assignments().list_requests(request).await.unwrap().into_inner().requests;
    let ids = open(all);
    let Some(id) = dice.one_of(&ids) else { return "no request waits".into() };
    let verdict = dice.pick(&[Verdict::Approve, Verdict::Approve, Verdict::Decline]);
    if dice.once_in(6) {
        for side in sides {
            let request = WithdrawRequestRequest { request_id: id.clone(), comment: "not needed".into() };
            side.suite.assignments().withdraw_request(request_as("eve", request)).await.unwrap();
        }
        return format!("the request {id} is withdrawn");
    }
    for side in sides {
        let before = record(side, id).await;
        side.suite.reviews.say("bob", verdict, id, "looked at");
        eventually("the decision arrives", PATIENCE, async || {
            let now = record(side, id).await;
            if now.decisions.len() > before.decisions.len() { Ok(()) } else { Err(format!("{now:?}")) }
        })
        .await;
    }
    format!("the request {id}: {verdict:?}")
}
