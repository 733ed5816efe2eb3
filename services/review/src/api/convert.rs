//! Between the messages of the contract and the model. Every wrong field of a request is named, all
//! in one answer; what is shown is masked here, so that no handler can forget it.

use crate::model::{Decision, Review, State, Subject, SubjectKind, Verdict, Wish};
use crate::store::reviews::Filter;
use crate::verbs::{ListReviews, RequestReview};
use provost_contract::review::v1 as wire;
use provost_contract::types::v1::{
    AssignmentRequest, ChangeOperation, EntitlementKind, ListValue, Order, Period, RequestAction, Value, value::Kind,
};
use provost_contract::{NAME_MAX, Violations, from_wire, masked, to_wire};
use provost_service_kit::page;
use uuid::Uuid;

/// Longest comment or reason, in characters.
const WORDS_MAX: usize = 2_000;

pub(super) fn review_id(text: &str) -> Result<Uuid, Violations> {
    let mut wrong = Violations::default();
    let id = id_of(text, &mut wrong);
    wrong.into_result(id)
}

fn id_of(text: &str, wrong: &mut Violations) -> Uuid {
    if text.is_empty() {
        wrong.add("review_id", "must not be empty");
        return Uuid::nil();
    }
    from_wire::order_id("review_id", text, wrong).map_or(Uuid::nil(), |id| id.uuid())
}

pub(super) fn request_of(request: wire::RequestReviewRequest) -> Result<RequestReview, Violations> {
    let wire::RequestReviewRequest { review_id, order, assignment_request, approvals_required } = request;
    let mut wrong = Violations::default();
    let id = id_of(&review_id, &mut wrong);
    let subject = match (order, assignment_request) {
        (Some(order), None) => Subject::Order(order_of(order, id, &review_id, &mut wrong)),
        (None, Some(request)) => Subject::AssignmentRequest(assignment_of(request, id, &review_id, &mut wrong)),
        (None, None) => {
            wrong.add("order", "must be set, or an assignment request");
            return Err(wrong);
        }
        (Some(_), Some(_)) => {
            wrong.add("assignment_request", "must not be set beside an order: a review is about one of them");
            return Err(wrong);
        }
    };
    let max = subject.kind().approvals_max();
    let approvals_required = match approvals_required {
        0 => 1,
        given => u32::try_from(given).unwrap_or(0),
    };
    if !(1..=max).contains(&approvals_required) {
        let about = match subject.kind() {
            SubjectKind::Order => "must be 1: an order takes one approval".to_owned(),
            SubjectKind::AssignmentRequest => format!("must be 1 to {max}"),
        };
        wrong.add("approvals_required", about);
    }
    wrong.into_result(RequestReview { id, subject, approvals_required })
}

fn order_of(order: Order, id: Uuid, review_id: &str, wrong: &mut Violations) -> Order {
    // Checked as fulfillment checks it, so that a reviewer never sees half an order.
    if let Err(more) = from_wire::order("order", with_withheld_lists(order.clone())) {
        more.iter().for_each(|violation| wrong.add(&violation.field, &violation.description));
    }
    // The feed tells of orders. A review under one id about an order of another would decide that one.
    if wrong.is_empty() && !order.order_id.eq_ignore_ascii_case(review_id) {
        wrong.add("review_id", "must be the id of the order");
    }
    // In one spelling: decisions are matched with orders by it.
    Order { order_id: id.to_string(), ..order }
}

fn assignment_of(request: AssignmentRequest, id: Uuid, review_id: &str, wrong: &mut Violations) -> AssignmentRequest {
    let field = |name: &str| format!("assignment_request.{name}");
    let owner = request.owner.clone().unwrap_or_default();
    for (name, text) in [
        ("owner.entity_type", &owner.entity_type),
        ("owner.key", &owner.key),
        ("name", &request.name),
        ("requested_by", &request.requested_by),
    ] {
        wrong.require_text(field(name), text, NAME_MAX);
    }
    for (name, text) in [("owner.display_name", &owner.display_name), ("display_name", &request.display_name)] {
        wrong.check_text(field(name), text, NAME_MAX);
    }
    wrong.check_text(field("comment"), &request.comment, WORDS_MAX);
    if request.kind() == EntitlementKind::Unspecified {
        wrong.add(field("kind"), "must be ROLE, COMPOSITE_ROLE or RESOURCE_TYPE");
    }
    if request.action() == RequestAction::Unspecified {
        wrong.add(field("action"), "must be GIVE or TAKE_AWAY");
    }
    if let Some(Period { valid_from: Some(from), valid_until: Some(until) }) = &request.period
        && from_wire::timestamp(until) <= from_wire::timestamp(from)
    {
        wrong.add(field("period.valid_until"), "must be after valid_from");
    }
    // The feed tells of requests by the review's id.
    if wrong.is_empty() && !request.request_id.eq_ignore_ascii_case(review_id) {
        wrong.add("review_id", "must be the id of the assignment request");
    }
    AssignmentRequest { request_id: id.to_string(), ..request }
}

fn kinds_of(numbers: Vec<i32>, wrong: &mut Violations) -> Vec<SubjectKind> {
    let mut kinds = Vec::new();
    for (index, number) in numbers.into_iter().enumerate() {
        match SubjectKind::from_number(number) {
            Some(kind) if kinds.contains(&kind) => {}
            Some(kind) => kinds.push(kind),
            None => wrong.add(format!("subject_kinds[{index}]"), "must be ORDER or ASSIGNMENT_REQUEST"),
        }
    }
    kinds
}

pub(super) fn watch_of(request: wire::WatchDecisionsRequest) -> Result<(i64, Vec<SubjectKind>), Violations> {
    let wire::WatchDecisionsRequest { after_cursor, subject_kinds } = request;
    let mut wrong = Violations::default();
    if after_cursor < 0 {
        wrong.add("after_cursor", "must not be negative");
    }
    let kinds = kinds_of(subject_kinds, &mut wrong);
    wrong.into_result((after_cursor, kinds))
}

/// Confidential values may have been withheld before they came here. Values to add or remove must
/// be a list, so an empty one stands in while the rest of the order is checked.
fn with_withheld_lists(mut order: Order) -> Order {
    for change in order.changes.iter_mut().filter(|change| change.sensitive && change.proposed.is_none()) {
        if [ChangeOperation::Add, ChangeOperation::Remove].contains(&change.operation()) {
            change.proposed = Some(Value { kind: Some(Kind::ListValue(ListValue::default())) });
        }
    }
    order
}

pub(super) fn withdrawal_of(request: wire::WithdrawReviewRequest) -> Result<(Uuid, String), Violations> {
    let wire::WithdrawReviewRequest { review_id, reason } = request;
    let mut wrong = Violations::default();
    let id = id_of(&review_id, &mut wrong);
    wrong.check_text("reason", &reason, WORDS_MAX);
    wrong.into_result((id, reason))
}

/// The fields that all decisions have.
pub(super) struct Said {
    review_id: String,
    comment: String,
    version: i64,
}

pub(super) const fn said(review_id: String, comment: String, version: i64) -> Said {
    Said { review_id, comment, version }
}

pub(super) fn wish_of(verdict: Verdict, said: Said, actor: String) -> Result<Wish, Violations> {
    let Said { review_id, comment, version } = said;
    let mut wrong = Violations::default();
    let review = id_of(&review_id, &mut wrong);
    if verdict == Verdict::Decline && comment.trim().is_empty() {
        wrong.add("comment", "must say why it is declined");
    }
    wrong.check_text("comment", &comment, WORDS_MAX);
    if version < 0 {
        wrong.add("version", "must not be negative");
    }
    let seen = (version != 0).then_some(version);
    wrong.into_result(Wish { review, verdict, comment, seen, actor })
}

pub(super) fn list_of(request: wire::ListReviewsRequest) -> Result<ListReviews, Violations> {
    let wire::ListReviewsRequest { states, resource_type, owner_key, page_size, page_token, subject_kinds, role } =
        request;
    let mut wrong = Violations::default();
    let mut note = |violations: Violations| {
        violations.iter().for_each(|violation| wrong.add(&violation.field, &violation.description));
    };
    let size = page::size(page_size).map_err(&mut note).unwrap_or(page::PAGE_DEFAULT);
    let after = page::after(&page_token).map_err(&mut note).unwrap_or(0);
    for (field, text) in [("resource_type", &resource_type), ("owner_key", &owner_key), ("role", &role)] {
        wrong.check_text(field, text, NAME_MAX);
    }
    let mut known = Vec::new();
    for (index, number) in states.into_iter().enumerate() {
        match State::from_number(number) {
            Some(state) if known.contains(&state) => {}
            Some(state) => known.push(state),
            None => wrong.add(format!("states[{index}]"), "must be OPEN, POSTPONED, APPROVED, DECLINED or WITHDRAWN"),
        }
    }
    let states = if known.is_empty() { State::WAITING.to_vec() } else { known };
    let kinds = kinds_of(subject_kinds, &mut wrong);
    wrong.into_result(ListReviews { filter: Filter { states, kinds, resource_type, role, owner_key }, after, size })
}

pub(super) fn review_to_wire(review: Review) -> wire::Review {
    let approvals_given = count(review.approvals_given());
    let step = if State::WAITING.contains(&review.state) { count(review.step()) } else { 0 };
    let Review {
        sequence: _,
        id,
        state,
        subject,
        approvals_required,
        decisions,
        version,
        requested_by,
        created_at,
        updated_at,
    } = review;
    let subject_kind = subject.kind().number();
    let (order, assignment_request) = match subject {
        Subject::Order(order) => (Some(masked(order)), None),
        Subject::AssignmentRequest(request) => (None, Some(request)),
    };
    wire::Review {
        review_id: id.to_string(),
        state: state.number(),
        order,
        decisions: decisions.into_iter().map(decision_to_wire).collect(),
        version,
        requested_by,
        created_at: Some(to_wire::timestamp(created_at)),
        updated_at: Some(to_wire::timestamp(updated_at)),
        subject_kind,
        assignment_request,
        approvals_required: count(approvals_required),
        approvals_given,
        step,
    }
}

fn count(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub(super) fn decision_to_wire(decision: Decision) -> wire::Decision {
    let Decision { cursor, review, order_id, kind, step, verdict, is_complete, actor, comment, at } = decision;
    wire::Decision {
        cursor,
        review_id: review.to_string(),
        order_id,
        verdict: verdict.number(),
        actor,
        comment,
        at: Some(to_wire::timestamp(at)),
        subject_kind: kind.number(),
        step: count(step),
        complete: is_complete,
    }
}
