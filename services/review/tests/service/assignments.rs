//! Reviews of assignment requests: several approvals, each by another person.

use crate::desk::{Desk, assignment, at, desks, order, say_as};
use provost_contract::review::v1::{
    Decision, ListReviewsRequest, RequestReviewRequest, ReviewState, SubjectKind, Verdict, WatchDecisionsRequest,
};
use provost_contract::types::v1::{AssignmentRequest, EntitlementKind, Owner, Period};
use provost_service_kit::new_id;
use std::time::Duration;
use tokio_stream::StreamExt;
use tonic::{Code, Status};
use tonic_types::StatusExt;

const PATIENCE: Duration = Duration::from_secs(10);

#[track_caller]
fn fields(refused: &Status) -> Vec<String> {
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    let violations = refused.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|violation| violation.field).collect()
}

#[tokio::test]
async fn review_shows_what_is_asked_for_and_which_step_waits() {
    for desk in desks().await {
        let id = desk.asked(2).await;
        let review = desk.get(&id).await.unwrap();
        assert_eq!(review.subject_kind(), SubjectKind::AssignmentRequest);
        assert_eq!((review.order, review.assignment_request), (None, Some(assignment(&id))), "{}", desk.engine.name);
        assert_eq!((review.approvals_required, review.approvals_given, review.step), (2, 0, 1));
        let ordered = desk.get(&desk.opened().await).await.unwrap();
        assert_eq!(ordered.subject_kind(), SubjectKind::Order);
        assert_eq!((ordered.approvals_required, ordered.approvals_given, ordered.step), (1, 0, 1));
    }
}

#[tokio::test]
async fn each_step_is_another_persons_and_the_last_one_completes() {
    for desk in desks().await {
        for required in 1..=3 {
            let id = desk.asked(required).await;
            for (step, actor) in (1..=required).zip(["ada", "bob", "zoe"]) {
                let review = desk.say_as(actor, Verdict::Approve, &id).await.unwrap();
                let is_last = step == required;
                let state = if is_last { ReviewState::Approved } else { ReviewState::Open };
                let waiting = if is_last { 0 } else { step + 1 };
                let shown = (review.state(), review.approvals_given, review.step, review.version);
                assert_eq!(shown, (state, step, waiting, i64::from(step) + 1), "{}", desk.engine.name);
                let decision = review.decisions.last().unwrap();
                assert_eq!((decision.step, decision.complete), (step, is_last));
                assert_eq!((decision.order_id.as_str(), decision.review_id.as_str()), ("", id.as_str()));
            }
        }
    }
}

#[tokio::test]
async fn same_person_cannot_approve_twice_nor_the_own_request() {
    for desk in desks().await {
        let id = desk.asked(3).await;
        let own = desk.say_as("eve", Verdict::Approve, &id).await.unwrap_err();
        assert_eq!(own.code(), Code::PermissionDenied, "{}", desk.engine.name);
        assert!(own.message().contains("eve asked for it, so somebody else must approve"), "{own}");
        desk.say_as("ada", Verdict::Approve, &id).await.unwrap();
        let twice = desk.say_as("ada", Verdict::Approve, &id).await.unwrap_err();
        assert_eq!(twice.code(), Code::PermissionDenied);
        let words = "ada approved step 1 of 3, so somebody else must approve step 2";
        assert!(twice.message().ends_with(words), "{twice}");
        let review = desk.get(&id).await.unwrap();
        assert_eq!((review.state(), review.approvals_given), (ReviewState::Open, 1));
    }
}

/// A call whose answer was lost is sent again as it was, with the version that the reviewer saw.
#[tokio::test]
async fn repeated_approval_of_a_step_changes_nothing() {
    for desk in desks().await {
        let id = desk.asked(2).await;
        let mut client = desk.client.clone();
        let first = say_as("ada", &mut client, Verdict::Approve, &id, "fine", 1).await.unwrap();
        let again = say_as("ada", &mut client, Verdict::Approve, &id, "fine", 1).await.unwrap();
        assert_eq!(again, first, "{}", desk.engine.name);
        let stale = say_as("bob", &mut client, Verdict::Approve, &id, "fine", 1).await.unwrap_err();
        assert_eq!(stale.code(), Code::Aborted);
    }
}

#[tokio::test]
async fn decline_at_any_step_ends_it_and_a_postponed_step_goes_on() {
    for desk in desks().await {
        for before in 0..3 {
            let id = desk.asked(3).await;
            for actor in ["ada", "bob"].into_iter().take(before) {
                desk.say_as(actor, Verdict::Postpone, &id).await.unwrap();
                let approved = desk.say_as(actor, Verdict::Approve, &id).await.unwrap();
                assert_eq!(approved.state(), ReviewState::Open);
            }
            let declined = desk.say_as("zoe", Verdict::Decline, &id).await.unwrap();
            assert_eq!((declined.state(), declined.step), (ReviewState::Declined, 0), "{}", desk.engine.name);
            let decision = declined.decisions.last().unwrap();
            assert_eq!((decision.step, decision.complete), (before as i32 + 1, true));
            assert!(declined.decisions.iter().rev().skip(1).all(|decision| !decision.complete));
            let late = desk.say_as("max", Verdict::Approve, &id).await.unwrap_err();
            assert_eq!(late.code(), Code::FailedPrecondition);
        }
    }
}

#[tokio::test]
async fn orders_are_approved_by_one_as_before() {
    for desk in desks().await {
        let id = desk.opened().await;
        let approved = desk.say_as("fulfillment", Verdict::Approve, &id).await.unwrap();
        assert_eq!((approved.state(), approved.decisions[0].complete), (ReviewState::Approved, true));
        let id = new_id().to_string();
        let order = Some(order(&id));
        let two = RequestReviewRequest { review_id: id, order, approvals_required: 2, ..Default::default() };
        assert_eq!(fields(&desk.send(two).await.unwrap_err()), ["approvals_required"]);
    }
}

#[tokio::test]
async fn same_request_again_answers_as_it_stands_and_another_is_refused() {
    for desk in desks().await {
        let id = desk.asked(2).await;
        desk.say_as("ada", Verdict::Approve, &id).await.unwrap();
        let mut again = assignment(&id.to_uppercase());
        again.display_name = "Auditor, renamed".into();
        assert_eq!(desk.request_assignment(again, 2).await.unwrap(), desk.get(&id).await.unwrap());
        let other = AssignmentRequest { name: "cashier".into(), ..assignment(&id) };
        for (request, approvals) in [(other, 2), (assignment(&id), 3)] {
            let refused = desk.request_assignment(request, approvals).await.unwrap_err();
            assert_eq!(refused.code(), Code::AlreadyExists, "{}", desk.engine.name);
            assert!(refused.message().contains("the request for auditor, of E1"), "{refused}");
        }
        let refused = desk.request(&id, order(&id)).await.unwrap_err();
        assert_eq!(refused.code(), Code::AlreadyExists);
    }
}

#[tokio::test]
async fn half_a_request_is_refused_with_each_wrong_field() {
    for desk in desks().await {
        let id = new_id().to_string();
        let half = AssignmentRequest {
            owner: Some(Owner { key: "E1".into(), ..Owner::default() }),
            kind: 0,
            name: String::new(),
            action: 9,
            period: Some(Period { valid_from: Some(at(2)), valid_until: Some(at(2)) }),
            comment: "x".repeat(2_001),
            requested_by: " ".into(),
            ..assignment(&id)
        };
        let expected = ["owner.entity_type", "name", "requested_by", "comment", "kind", "action", "period.valid_until"]
            .map(|field| format!("assignment_request.{field}"));
        assert_eq!(fields(&desk.request_assignment(half, 1).await.unwrap_err()), expected);
        for approvals in [-1, 4] {
            let refused = desk.request_assignment(assignment(&id), approvals).await.unwrap_err();
            assert_eq!(fields(&refused), ["approvals_required"]);
        }
        let both = RequestReviewRequest {
            review_id: id.clone(),
            order: Some(order(&id)),
            assignment_request: Some(assignment(&id)),
            approvals_required: 1,
        };
        assert_eq!(fields(&desk.send(both).await.unwrap_err()), ["assignment_request"]);
        let request = Some(assignment(&new_id().to_string()));
        let foreign = RequestReviewRequest { review_id: id.clone(), assignment_request: request, ..Default::default() };
        assert_eq!(fields(&desk.send(foreign).await.unwrap_err()), ["review_id"]);
        assert_eq!(desk.get(&id).await.unwrap_err().code(), Code::NotFound);
    }
}

async fn listed(desk: &Desk, request: ListReviewsRequest) -> Vec<String> {
    desk.list(request).await.unwrap().reviews.into_iter().map(|review| review.review_id).collect()
}

#[tokio::test]
async fn list_is_narrowed_by_kind_role_and_resource_type() {
    for desk in desks().await {
        let (ordered, role) = (desk.opened().await, desk.asked(1).await);
        let account = new_id().to_string();
        let kind = EntitlementKind::ResourceType.into();
        let request = AssignmentRequest { kind, name: "VaultAccount".into(), ..assignment(&account) };
        desk.request_assignment(request, 1).await.unwrap();
        let of_kind = |kind: SubjectKind| ListReviewsRequest { subject_kinds: vec![kind.into()], ..Default::default() };
        assert_eq!(listed(&desk, of_kind(SubjectKind::Order)).await, std::slice::from_ref(&ordered));
        assert_eq!(listed(&desk, of_kind(SubjectKind::AssignmentRequest)).await, [role.clone(), account.clone()]);
        let by_role = ListReviewsRequest { role: "auditor".into(), ..Default::default() };
        assert_eq!(listed(&desk, by_role).await, std::slice::from_ref(&role));
        let by_type = ListReviewsRequest { resource_type: "VaultAccount".into(), ..Default::default() };
        assert_eq!(listed(&desk, by_type).await, [ordered.clone(), account.clone()]);
        let by_owner = ListReviewsRequest { owner_key: "E1".into(), ..Default::default() };
        assert_eq!(listed(&desk, by_owner).await, [ordered, role, account], "{}", desk.engine.name);
    }
}

#[tokio::test]
async fn feed_tells_of_the_kinds_that_are_asked_for() {
    for desk in desks().await {
        let (ordered, asked) = (desk.opened().await, desk.asked(2).await);
        desk.say(Verdict::Approve, &ordered).await.unwrap();
        desk.say_as("ada", Verdict::Approve, &asked).await.unwrap();
        let watch = async |kinds: &[SubjectKind]| {
            let subject_kinds = kinds.iter().map(|kind| (*kind).into()).collect();
            let request = WatchDecisionsRequest { after_cursor: 0, subject_kinds };
            desk.client.clone().watch_decisions(request).await.unwrap().into_inner()
        };
        let mut requests = watch(&[SubjectKind::AssignmentRequest]).await;
        let mut orders = watch(&[SubjectKind::Order]).await;
        let mut all = watch(&[]).await;
        let next = async |feed: &mut tonic::Streaming<Decision>| {
            tokio::time::timeout(PATIENCE, feed.next()).await.expect("a decision comes in time").unwrap().unwrap()
        };
        assert_eq!(next(&mut requests).await.review_id, asked, "{}", desk.engine.name);
        assert_eq!(next(&mut orders).await.review_id, ordered);
        let both = [next(&mut all).await, next(&mut all).await];
        assert_eq!(
            both.map(|decision| (decision.review_id, decision.complete)),
            [(ordered, true), (asked.clone(), false)]
        );
        // Live, past decisions of another kind.
        let other = desk.opened().await;
        desk.say(Verdict::Decline, &other).await.unwrap();
        desk.say_as("bob", Verdict::Approve, &asked).await.unwrap();
        let live = next(&mut requests).await;
        assert_eq!((live.actor.as_str(), live.step, live.complete), ("bob", 2, true));
        assert_eq!(next(&mut orders).await.review_id, other);
    }
}

#[tokio::test]
async fn of_two_who_approve_a_step_at_once_both_count_once() {
    for desk in desks().await {
        for _ in 0..4 {
            let id = desk.asked(2).await;
            let one = desk.say_as("ada", Verdict::Approve, &id);
            let other = desk.say_as("bob", Verdict::Approve, &id);
            let (one, other) = tokio::join!(one, other);
            one.unwrap();
            other.unwrap();
            let review = desk.get(&id).await.unwrap();
            let steps: Vec<_> = review.decisions.iter().map(|decision| (decision.step, decision.complete)).collect();
            assert_eq!((review.state(), steps), (ReviewState::Approved, vec![(1, false), (2, true)]));
        }
    }
}
