//! Between the messages of the contract and the model. Every wrong field of a request is named, all
//! in one answer; what is shown is masked here, so that no handler can forget it.

use crate::model::{Decision, Review, State, Verdict, Wish};
use crate::store::reviews::Filter;
use crate::verbs::ListReviews;
use provost_contract::review::v1 as wire;
use provost_contract::types::v1::{ChangeOperation, ListValue, Order, Value, value::Kind};
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

pub(super) fn request_of(request: wire::RequestReviewRequest) -> Result<(Uuid, Order), Violations> {
    let wire::RequestReviewRequest { review_id, order } = request;
    let mut wrong = Violations::default();
    let id = id_of(&review_id, &mut wrong);
    let Some(order) = order else {
        wrong.add("order", "must be set");
        return Err(wrong);
    };
    // Checked as fulfillment checks it, so that a reviewer never sees half an order.
    if let Err(more) = from_wire::order("order", with_withheld_lists(order.clone())) {
        more.iter().for_each(|violation| wrong.add(&violation.field, &violation.description));
    }
    // The feed tells of orders. A review under one id about an order of another would decide that one.
    if wrong.is_empty() && !order.order_id.eq_ignore_ascii_case(&review_id) {
        wrong.add("review_id", "must be the id of the order");
    }
    // In one spelling: decisions are matched with orders by it.
    wrong.into_result((id, Order { order_id: id.to_string(), ..order }))
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
    let wire::ListReviewsRequest { states, resource_type, owner_key, page_size, page_token } = request;
    let mut wrong = Violations::default();
    let mut note = |violations: Violations| {
        violations.iter().for_each(|violation| wrong.add(&violation.field, &violation.description));
    };
    let size = page::size(page_size).map_err(&mut note).unwrap_or(page::PAGE_DEFAULT);
    let after = page::after(&page_token).map_err(&mut note).unwrap_or(0);
    for (field, text) in [("resource_type", &resource_type), ("owner_key", &owner_key)] {
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
    wrong.into_result(ListReviews { filter: Filter { states, resource_type, owner_key }, after, size })
}

pub(super) fn review_to_wire(review: Review) -> wire::Review {
    let Review { sequence: _, id, state, order, decisions, version, requested_by, created_at, updated_at } = review;
    wire::Review {
        review_id: id.to_string(),
        state: state.number(),
        order: Some(masked(order)),
        decisions: decisions.into_iter().map(decision_to_wire).collect(),
        version,
        requested_by,
        created_at: Some(to_wire::timestamp(created_at)),
        updated_at: Some(to_wire::timestamp(updated_at)),
    }
}

pub(super) fn decision_to_wire(decision: Decision) -> wire::Decision {
    let Decision { cursor, review, order_id, verdict, actor, comment, at } = decision;
    wire::Decision {
        cursor,
        review_id: review.to_string(),
        order_id,
        verdict: verdict.number(),
        actor,
        comment,
        at: Some(to_wire::timestamp(at)),
    }
}
