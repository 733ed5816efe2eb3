//! Requests for assignments, between the messages of the contract and the model.

use crate::model::request::{Decision, Request, Verdict};
use crate::reviews::request_to_wire;
use crate::store::requests::{Filter, OPEN};
use crate::verbs::list_requests::ListRequests;
use crate::verbs::requests::Wish;
use prost_types::Timestamp;
use provost_contract::generator::v1 as wire;
use provost_contract::{NAME_MAX, Violations, from_wire, to_wire};
use provost_domain::{Period, WorkflowState};
use provost_service_kit::page;

fn period(from: Option<Timestamp>, until: Option<Timestamp>) -> Period {
    Period { from: from.as_ref().map(from_wire::timestamp), until: until.as_ref().map(from_wire::timestamp) }
}

pub(super) fn wish_of(request: wire::RequestAssignmentRequest, actor: String) -> Wish {
    let wire::RequestAssignmentRequest {
        request_id,
        owner_entity_type: owner_type,
        owner_key,
        role,
        resource_type,
        valid_from,
        valid_until,
        comment,
    } = request;
    let period = period(valid_from, valid_until);
    Wish { request_id, owner_type, owner_key, role, resource_type, period, comment, actor }
}

pub(super) fn revocation_of(request: wire::RevokeAssignmentRequest, actor: String) -> Wish {
    let wire::RevokeAssignmentRequest {
        request_id,
        owner_entity_type: owner_type,
        owner_key,
        role,
        resource_type,
        valid_from,
        valid_until,
        comment,
    } = request;
    let period = period(valid_from, valid_until);
    Wish { request_id, owner_type, owner_key, role, resource_type, period, comment, actor }
}

pub(super) fn list_of(request: wire::ListRequestsRequest) -> Result<ListRequests, Violations> {
    let wire::ListRequestsRequest {
        workflow_states,
        owner_entity_type: owner_type,
        owner_key,
        role,
        resource_type,
        requested_by,
        page_size,
        page_token,
    } = request;
    let mut wrong = Violations::default();
    let mut note = |violations: Violations| {
        violations.iter().for_each(|violation| wrong.add(&violation.field, &violation.description));
    };
    let size = page::size(page_size).map_err(&mut note).unwrap_or(page::PAGE_DEFAULT);
    let after = page::after(&page_token).map_err(&mut note).unwrap_or(0);
    for (field, text) in [
        ("owner_entity_type", &owner_type),
        ("owner_key", &owner_key),
        ("role", &role),
        ("resource_type", &resource_type),
        ("requested_by", &requested_by),
    ] {
        wrong.check_text(field, text, NAME_MAX);
    }
    let mut states = Vec::new();
    for (index, number) in workflow_states.into_iter().enumerate() {
        match WorkflowState::from_number(number) {
            Some(state) => states.push(state),
            None => wrong.add(format!("workflow_states[{index}]"), "is not a workflow state"),
        }
    }
    if states.is_empty() {
        states = OPEN.to_vec();
    }
    let filter = Filter { states, owner_type, owner_key, role, resource_type, requested_by };
    wrong.into_result(ListRequests { filter, after, size })
}

pub(super) fn record_to_wire(request: &Request) -> wire::AssignmentRequestRecord {
    let decision = |Decision { step, verdict, actor, comment, at }: &Decision| wire::RequestDecision {
        step: count(*step),
        verdict: match verdict {
            Verdict::Approve => wire::RequestVerdict::Approve,
            Verdict::Decline => wire::RequestVerdict::Decline,
            Verdict::Postpone => wire::RequestVerdict::Postpone,
        }
        .into(),
        actor: actor.clone(),
        comment: comment.clone(),
        at: Some(to_wire::timestamp(*at)),
    };
    wire::AssignmentRequestRecord {
        request: Some(request_to_wire(request)),
        workflow_state: to_wire::workflow_state(request.state).into(),
        state_reason: request.reason(),
        approvals_required: count(request.steps),
        approvals_given: count(request.approvals()),
        decisions: request.decisions.iter().map(decision).collect(),
        notes: request.notes.clone(),
        ends_request_ids: request.ends.clone(),
        created_at: Some(to_wire::timestamp(request.created_at)),
        updated_at: Some(to_wire::timestamp(request.updated_at)),
    }
}

fn count(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
