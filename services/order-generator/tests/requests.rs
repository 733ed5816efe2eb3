//! Asking for roles and resource types, and taking them away: from the call through review to what counts,
//! whatever comes in between.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use provost_contract::generator::v1::*;
use provost_contract::review::v1::{Decision, ReviewState, SubjectKind, Verdict};
use provost_contract::to_wire;
use provost_contract::types::v1::{EntitlementKind, RequestAction, WorkflowState as S};
use provost_domain::{State, Timestamp};
use provost_service_kit::{caller, new_id};
use provost_testkit::{engines, eventually};
use std::time::Duration;
use support::Suite;
use support::organisation::{catalog, people};
use tonic::{Code, Status};

const PATIENCE: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3_600);

/// The organisation's catalog, with roles that nobody has by rule, and what decides in place of people.
fn with_roles() -> String {
    let roles = "roles:
  - { name: auditor, display_name: Auditor, owner: Person, approval: 2, max_duration: 10d }
  - { name: cashier, owner: Person }
  - { name: director, owner: Person, approval: 3 }
  - { name: guest, owner: Person, approval: 0 }
  - { name: staff, owner: Person, approval: not_allowed, rules: [ {} ] }
";
    catalog().replacen("roles:\n", roles, 1).replacen("review: false", "approval: 1\n    review: false", 1)
        + "
composite_roles:
  - { name: books, owner: Person, roles: [ auditor, cashier ] }
automation_rules:
  - { state: pending_approval, after_hours: 48, decision: decline }
  - { role: director, state: pending_approval, after_hours: 24, decision: approve }
"
}

async fn suite(url: &str, count: u32) -> Suite {
    let suite = Suite::start(url).await;
    suite.apply(&with_roles()).await;
    suite.synchronize(&people(count)).await;
    suite
}

fn at(day: &str) -> Option<prost_types::Timestamp> {
    Some(to_wire::timestamp(Timestamp::parse(day).unwrap()))
}

fn role(owner: &str, role: &str) -> RequestAssignmentRequest {
    RequestAssignmentRequest {
        request_id: new_id().to_string(),
        owner_key: owner.into(),
        role: role.into(),
        comment: "for the audit".into(),
        ..Default::default()
    }
}

fn revocation(owner: &str, role: &str) -> RevokeAssignmentRequest {
    RevokeAssignmentRequest {
        request_id: new_id().to_string(),
        owner_key: owner.into(),
        role: role.into(),
        comment: "moved on".into(),
        ..Default::default()
    }
}

async fn ask(suite: &Suite, request: RequestAssignmentRequest) -> Result<AssignmentRequestRecord, Status> {
    suite.assignments().request_assignment(caller::request_as("eve", request)).await.map(tonic::Response::into_inner)
}

async fn revoke(suite: &Suite, request: RevokeAssignmentRequest) -> Result<AssignmentRequestRecord, Status> {
    suite.assignments().revoke_assignment(caller::request_as("eve", request)).await.map(tonic::Response::into_inner)
}

fn id(record: &AssignmentRequestRecord) -> String {
    record.request.as_ref().unwrap().request_id.clone()
}

async fn get(suite: &Suite, id: &str) -> AssignmentRequestRecord {
    let request = GetRequestRequest { request_id: id.to_owned() };
    suite.assignments().get_request(request).await.unwrap().into_inner()
}

async fn withdraw(suite: &Suite, actor: &str, id: &str) -> Result<AssignmentRequestRecord, Status> {
    let request = WithdrawRequestRequest { request_id: id.to_owned(), comment: "not needed".into() };
    suite.assignments().withdraw_request(caller::request_as(actor, request)).await.map(tonic::Response::into_inner)
}

/// Waits until a request stands somewhere. The clock moves on, so that what is to be sent again is.
async fn stands(suite: &Suite, id: &str, state: S) -> AssignmentRequestRecord {
    eventually(&format!("the request to be {state:?}"), PATIENCE, async || {
        suite.clock.advance(Duration::from_millis(200));
        let record = get(suite, id).await;
        if record.workflow_state() == state { Ok(record) } else { Err(format!("{record:?}")) }
    })
    .await
}

/// Asks, and waits until review has heard of it.
async fn asked(suite: &Suite, owner: &str, name: &str, state: S) -> String {
    let id = id(&ask(suite, role(owner, name)).await.unwrap());
    stands(suite, &id, state).await;
    id
}

/// A role of an owner: its workflow state, and the request about it.
async fn held(suite: &Suite, owner: &str, role: &str) -> Option<(S, Option<AssignmentRequestRecord>)> {
    let roles = suite.permissions(owner).await.roles;
    roles.into_iter().find(|held| held.role == role).map(|held| (held.workflow_state(), held.request))
}

async fn state_of(suite: &Suite, owner: &str, role: &str) -> Option<S> {
    held(suite, owner, role).await.map(|(state, _)| state)
}

#[tokio::test(flavor = "multi_thread")]
async fn request_goes_from_requested_step_by_step_to_approved() {
    for engine in engines().await {
        let suite = suite(&engine.url, 2).await;
        suite.reviews.set_away(true);
        let made =
            ask(&suite, RequestAssignmentRequest { valid_until: at("2026-12-31"), ..role("E2", "auditor") }).await;
        let made = made.unwrap();
        let id = id(&made);
        assert_eq!((made.workflow_state(), made.approvals_required), (S::Requested, 2), "{}", engine.name);
        let wish = made.request.clone().unwrap();
        assert_eq!(
            (wish.kind(), wish.action(), wish.display_name.as_str()),
            (EntitlementKind::Role, RequestAction::Give, "Auditor")
        );
        assert_eq!((wish.requested_by.as_str(), wish.owner.unwrap().display_name.as_str()), ("eve", "Person 2"));
        assert!(made.notes[0].ends_with("it lasts 10 days at most"), "{:?}", made.notes);
        assert_eq!(state_of(&suite, "E2", "auditor").await, Some(S::Requested));
        suite.reviews.set_away(false);
        stands(&suite, &id, S::PendingApproval1Of2).await;
        let review = suite.reviews.get(&id).unwrap();
        assert_eq!((review.approvals_required, review.assignment_request), (2, made.request));
        suite.reviews.say("ada", Verdict::Postpone, &id, "tomorrow");
        suite.reviews.say("ada", Verdict::Approve, &id, "fine");
        let second = stands(&suite, &id, S::PendingApproval2Of2).await;
        assert_eq!((second.approvals_given, second.decisions.len()), (1, 2));
        suite.reviews.say("bob", Verdict::Approve, &id, "fine too");
        let approved = stands(&suite, &id, S::Approved).await;
        let said: Vec<_> =
            approved.decisions.iter().map(|said| (said.step, said.actor.as_str(), said.verdict())).collect();
        let expected = [
            (1, "ada", RequestVerdict::Postpone),
            (1, "ada", RequestVerdict::Approve),
            (2, "bob", RequestVerdict::Approve),
        ];
        assert_eq!(said, expected, "{}", engine.name);
        assert_eq!(approved.state_reason, "requested by eve, approved by ada and bob");
        let (state, request) = held(&suite, "E2", "auditor").await.unwrap();
        assert_eq!((state, request), (S::Approved, Some(approved)));
        assert_eq!(state_of(&suite, "E1", "auditor").await, None, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decline_at_any_step_gives_nothing_and_is_shown() {
    for engine in engines().await {
        let suite = suite(&engine.url, 2).await;
        for (before, owner) in [(0, "E1"), (1, "E2")] {
            let id = asked(&suite, owner, "auditor", S::PendingApproval1Of2).await;
            for actor in ["ada", "bob"].into_iter().take(before) {
                suite.reviews.say(actor, Verdict::Approve, &id, "");
            }
            suite.reviews.say("zoe", Verdict::Decline, &id, "not her task");
            let declined = stands(&suite, &id, S::Declined).await;
            assert_eq!(declined.state_reason, "declined by zoe: not her task", "{}", engine.name);
            assert_eq!(held(&suite, owner, "auditor").await.unwrap(), (S::Declined, Some(declined)));
            // It can be asked for again.
            assert_eq!(ask(&suite, role(owner, "auditor")).await.unwrap().workflow_state(), S::Requested);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn role_without_approvals_is_approved_at_once_and_review_hears_nothing() {
    for engine in engines().await {
        let suite = suite(&engine.url, 1).await;
        let made = ask(&suite, role("E1", "guest")).await.unwrap();
        assert_eq!((made.workflow_state(), made.approvals_required), (S::Approved, 0), "{}", engine.name);
        assert_eq!(made.state_reason, "requested by eve, needs no approval");
        assert_eq!(state_of(&suite, "E1", "guest").await, Some(S::Approved));
        assert_eq!(suite.reviews.count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_for_is_refused_with_what_would_be_right() {
    for engine in engines().await {
        let suite = suite(&engine.url, 1).await;
        let refused = async |request| {
            let refused = ask(&suite, request).await.unwrap_err();
            (refused.code(), refused.message().to_owned())
        };
        let not_found = |text: &str| (Code::NotFound, text.to_owned());
        assert_eq!(refused(role("E9", "auditor")).await, not_found("there is no Person 'E9'"), "{}", engine.name);
        assert_eq!(
            refused(role("E1", "auditer")).await,
            not_found("there is no role auditer; did you mean 'auditor'?")
        );
        let resource_type =
            RequestAssignmentRequest { role: String::new(), resource_type: "AppAcount".into(), ..role("E1", "") };
        let words = "there is no resource type AppAcount; did you mean 'AppAccount'?";
        assert_eq!(refused(resource_type).await, not_found(words));
        for (code, words, request) in [
            (Code::FailedPrecondition, "the role staff cannot be requested", role("E1", "staff")),
            (
                Code::FailedPrecondition,
                "the resource type SafeAccess cannot be requested",
                RequestAssignmentRequest { resource_type: "SafeAccess".into(), ..role("E1", "") },
            ),
            (
                Code::InvalidArgument,
                "valid_until must be after the beginning",
                RequestAssignmentRequest { valid_until: at("2020-01-01"), ..role("E1", "auditor") },
            ),
            (
                Code::InvalidArgument,
                "request_id is not a UUID; owner_key must not be empty; role must be set, or a resource type",
                RequestAssignmentRequest { request_id: "7".into(), ..role("", "") },
            ),
            (
                Code::InvalidArgument,
                "resource_type must not be set beside a role; comment is longer than 2000 characters",
                RequestAssignmentRequest {
                    resource_type: "AppAccount".into(),
                    comment: "x".repeat(2_001),
                    ..role("E1", "auditor")
                },
            ),
            (
                Code::InvalidArgument,
                "owner_entity_type 'Group' owns nothing",
                RequestAssignmentRequest { owner_entity_type: "Group".into(), ..role("E1", "auditor") },
            ),
        ] {
            let (found, said) = refused(request).await;
            assert_eq!(found, code, "{said}");
            assert!(said.starts_with(words), "{said}");
        }
        let nothing = revoke(&suite, revocation("E1", "auditor")).await.unwrap_err();
        assert_eq!(nothing.code(), Code::FailedPrecondition);
        assert!(nothing.message().starts_with("Person 'E1' does not have the role auditor"), "{nothing}");
        let silent = RevokeAssignmentRequest { comment: " ".into(), ..revocation("E1", "finance") };
        let silent = revoke(&suite, silent).await.unwrap_err();
        assert_eq!((silent.code(), silent.message()), (Code::InvalidArgument, "comment must not be empty"));
        assert_eq!(suite.reviews.count(), 0);
    }
    let engine = engines().await.remove(0);
    let empty = Suite::start(&engine.url).await;
    let refused = ask(&empty, role("E1", "auditor")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "without a catalog: {refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn same_request_twice_is_one_and_its_id_is_not_for_another() {
    for engine in engines().await {
        let suite = suite(&engine.url, 2).await;
        let request = role("E1", "auditor");
        let calls = (0..6).map(|_| ask(&suite, request.clone()));
        let made: Vec<_> = futures::future::join_all(calls).await.into_iter().map(Result::unwrap).collect();
        assert!(made.iter().all(|record| id(record) == request.request_id), "{}", engine.name);
        stands(&suite, &request.request_id, S::PendingApproval1Of2).await;
        let capitals = RequestAssignmentRequest { request_id: request.request_id.to_uppercase(), ..request.clone() };
        assert_eq!(ask(&suite, capitals).await.unwrap().workflow_state(), S::PendingApproval1Of2);
        for other in [
            RequestAssignmentRequest { owner_key: "E2".into(), ..request.clone() },
            RequestAssignmentRequest { role: "cashier".into(), ..request.clone() },
            RequestAssignmentRequest { comment: String::new(), ..request.clone() },
            RequestAssignmentRequest { valid_until: at("2026-05-01"), ..request.clone() },
        ] {
            let refused = ask(&suite, other).await.unwrap_err();
            assert_eq!(refused.code(), Code::AlreadyExists);
            assert!(refused.message().contains("was used for another request: role auditor of E1"), "{refused}");
        }
        let second = ask(&suite, role("E1", "auditor")).await.unwrap_err();
        assert_eq!(second.code(), Code::AlreadyExists);
        assert!(
            second.message().contains(&format!("the request {} for the role auditor", request.request_id)),
            "{second}"
        );
        assert_eq!(suite.reviews.count(), 1, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_ask_for_the_same_at_once_one_is_first() {
    for engine in engines().await {
        let suite = suite(&engine.url, 1).await;
        for name in ["cashier", "guest"] {
            let answers = futures::future::join_all((0..6).map(|_| ask(&suite, role("E1", name)))).await;
            let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
            assert_eq!(made.len(), 1, "{} {name}", engine.name);
            assert!(
                refused.iter().all(|answer| answer.as_ref().unwrap_err().code() == Code::AlreadyExists),
                "{refused:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_asked_withdraws_and_only_while_it_waits() {
    for engine in engines().await {
        let suite = suite(&engine.url, 2).await;
        let id = asked(&suite, "E1", "auditor", S::PendingApproval1Of2).await;
        let refused = withdraw(&suite, "ada", &id).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{}", engine.name);
        assert!(refused.message().contains("was made by eve"), "{refused}");
        let withdrawn = withdraw(&suite, "eve", &id).await.unwrap();
        assert_eq!(
            (withdrawn.workflow_state(), withdrawn.state_reason.as_str()),
            (S::Inactive, "withdrawn by eve: not needed")
        );
        assert_eq!(withdraw(&suite, "eve", &id).await.unwrap(), withdrawn);
        eventually("the review to be withdrawn", PATIENCE, async || {
            let state = suite.reviews.get(&id).unwrap().state();
            if state == ReviewState::Withdrawn { Ok(()) } else { Err(format!("{state:?}")) }
        })
        .await;
        assert_eq!(held(&suite, "E1", "auditor").await, None, "what is over says nothing");
        let decided = asked(&suite, "E2", "cashier", S::PendingApproval).await;
        suite.reviews.say("ada", Verdict::Approve, &decided, "");
        stands(&suite, &decided, S::Approved).await;
        let refused = withdraw(&suite, "eve", &decided).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().ends_with("it is Approved, must be Requested or Pending Approval"), "{refused}");
        let missing = withdraw(&suite, "eve", &new_id().to_string()).await.unwrap_err();
        assert_eq!(missing.code(), Code::NotFound);
        assert_eq!(withdraw(&suite, "eve", "7").await.unwrap_err().code(), Code::InvalidArgument);
        let request = GetRequestRequest { request_id: String::new() };
        assert_eq!(suite.assignments().get_request(request).await.unwrap_err().code(), Code::InvalidArgument);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn review_that_is_away_or_loses_answers_hears_of_everything_once() {
    for engine in engines().await {
        let suite = suite(&engine.url, 3).await;
        suite.reviews.set_away(true);
        let first = ask(&suite, role("E1", "cashier")).await.unwrap();
        let second = ask(&suite, role("E2", "cashier")).await.unwrap();
        let taken_back = ask(&suite, role("E3", "cashier")).await.unwrap();
        withdraw(&suite, "eve", &id(&taken_back)).await.unwrap();
        suite.clock.advance(HOUR);
        assert_eq!(get(&suite, &id(&first)).await.workflow_state(), S::Requested, "{}", engine.name);
        suite.reviews.lose_answers(2);
        suite.reviews.set_away(false);
        for record in [&first, &second] {
            stands(&suite, &id(record), S::PendingApproval).await;
        }
        assert_eq!(suite.reviews.count(), 2, "{}: what was taken back before is not asked for", engine.name);
        assert!(suite.reviews.get(&id(&taken_back)).is_none());
    }
}

/// The request is on its way to review while it is taken back: whatever overtakes what, nobody is asked in vain.
#[tokio::test(flavor = "multi_thread")]
async fn request_that_is_taken_back_while_review_hears_of_it_leaves_no_review_open() {
    for engine in engines().await {
        let suite = suite(&engine.url, 1).await;
        suite.reviews.hold_requests(true);
        let id = id(&ask(&suite, role("E1", "cashier")).await.unwrap());
        tokio::time::sleep(Duration::from_millis(300)).await;
        withdraw(&suite, "eve", &id).await.unwrap();
        suite.reviews.hold_requests(false);
        eventually("the review to be withdrawn", PATIENCE, async || {
            suite.clock.advance(Duration::from_secs(1));
            let state = suite.reviews.get(&id).map(|review| review.state());
            if state == Some(ReviewState::Withdrawn) { Ok(()) } else { Err(format!("{state:?}")) }
        })
        .await;
        assert_eq!(get(&suite, &id).await.workflow_state(), S::Inactive, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_nothing_is_lost_and_each_decision_counts_once() {
    for engine in engines().await {
        let mut suite = suite(&engine.url, 4).await;
        let owners = ["E1", "E2", "E3", "E4"];
        // Dies while review carries out the requests, whose answers never come.
        suite.reviews.hold_requests(true);
        let mut ids = Vec::new();
        for owner in owners {
            ids.push(id(&ask(&suite, role(owner, "director")).await.unwrap()));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        suite.kill_and_restart().await;
        suite.reviews.hold_requests(false);
        for id in &ids {
            stands(&suite, id, S::PendingApproval1Of3).await;
        }
        // Dies again and again while decisions come in.
        let mut opened = suite.reviews.opened();
        for (step, actor) in (1..=3).zip(["ada", "bob", "zoe"]) {
            for id in &ids {
                suite.reviews.say(actor, Verdict::Approve, id, "");
                tokio::time::sleep(Duration::from_millis(step * 3)).await;
                suite.kill_and_restart().await;
            }
        }
        for id in &ids {
            let approved = stands(&suite, id, S::Approved).await;
            let actors: Vec<_> = approved.decisions.iter().map(|said| said.actor.as_str()).collect();
            assert_eq!(actors, ["ada", "bob", "zoe"], "{}", engine.name);
        }
        assert!(suite.reviews.opened() > opened, "the feed was opened anew");
        // Also when nothing is new: the cursor was kept with the effect.
        opened = suite.reviews.opened();
        suite.kill_and_restart().await;
        eventually("the feed to be opened", PATIENCE, async || {
            if suite.reviews.opened() > opened { Ok(()) } else { Err("not yet") }
        })
        .await;
        for id in &ids {
            assert_eq!(get(&suite, id).await.decisions.len(), 3);
        }
        assert_eq!(suite.reviews.count(), 4, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_on_what_is_over_or_not_ours_are_passed_over_and_the_feed_goes_on() {
    for engine in engines().await {
        let suite = suite(&engine.url, 2).await;
        let gone = asked(&suite, "E1", "cashier", S::PendingApproval).await;
        withdraw(&suite, "eve", &gone).await.unwrap();
        let approval = Decision {
            review_id: gone.clone(),
            verdict: Verdict::Approve.into(),
            actor: "ada".into(),
            subject_kind: SubjectKind::AssignmentRequest.into(),
            step: 1,
            complete: true,
            ..Default::default()
        };
        suite.reviews.tell(approval.clone());
        suite.reviews.tell(Decision { review_id: new_id().to_string(), ..approval.clone() });
        suite.reviews.tell(Decision { review_id: "7".into(), ..approval.clone() });
        let next = asked(&suite, "E2", "cashier", S::PendingApproval).await;
        let unspoken = Decision { review_id: next.clone(), verdict: 9, ..approval.clone() };
        suite.reviews.tell(unspoken);
        suite.reviews.say("ada", Verdict::Approve, &next, "");
        stands(&suite, &next, S::Approved).await;
        // Approved once more, by whatever mistake.
        suite.reviews.tell(Decision { review_id: next.clone(), actor: "bob".into(), ..approval });
        let last = asked(&suite, "E1", "cashier", S::PendingApproval).await;
        suite.reviews.say("ada", Verdict::Approve, &last, "");
        stands(&suite, &last, S::Approved).await;
        assert_eq!(get(&suite, &gone).await.workflow_state(), S::Inactive, "{}", engine.name);
        assert_eq!(get(&suite, &next).await.decisions.len(), 1, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_decide_in_place_of_people_once_it_is_due() {
    for engine in engines().await {
        let suite = suite(&engine.url, 2).await;
        let declined = asked(&suite, "E1", "cashier", S::PendingApproval).await;
        let approved = asked(&suite, "E2", "director", S::PendingApproval1Of3).await;
        suite.clock.advance(HOUR * 23);
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(get(&suite, &approved).await.approvals_given, 0, "{}", engine.name);
        suite.clock.advance(HOUR);
        let second = eventually("the second step", PATIENCE, async || {
            let record = get(&suite, &approved).await;
            if record.workflow_state() == S::PendingApproval2Of3 { Ok(record) } else { Err(format!("{record:?}")) }
        })
        .await;
        let said = &second.decisions[0];
        assert_eq!((said.actor.as_str(), said.step), ("automation", 1));
        let words = "automation rule: approves requests of director after 24 h in Pending Approval 1/3";
        assert_eq!(said.comment, words);
        // The next step waits as long again, and a person may come first.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(get(&suite, &approved).await.workflow_state(), S::PendingApproval2Of3);
        suite.reviews.say("ada", Verdict::Approve, &approved, "");
        stands(&suite, &approved, S::PendingApproval3Of3).await;
        suite.clock.advance(HOUR * 25);
        let over = stands(&suite, &approved, S::Approved).await;
        let actors: Vec<_> = over.decisions.iter().map(|said| said.actor.as_str()).collect();
        assert_eq!(actors, ["automation", "ada", "automation"], "{}", engine.name);
        let declined = stands(&suite, &declined, S::Declined).await;
        assert_eq!(declined.decisions[0].actor, "automation");
        assert!(declined.state_reason.contains("declines requests after 48 h"), "{}", declined.state_reason);
        let review = suite.reviews.get(&id(&declined)).unwrap();
        assert_eq!((review.state(), review.decisions[0].actor.as_str()), (ReviewState::Declined, "automation"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_decides_what_review_has_not_heard_of_and_its_review_does_not_stay() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        let rules = "  - { state: requested, after_hours: 2, decision: decline }\n";
        suite.apply(&(with_roles() + rules)).await;
        suite.synchronize(&people(1)).await;
        suite.reviews.set_away(true);
        let id = id(&ask(&suite, role("E1", "cashier")).await.unwrap());
        suite.clock.advance(HOUR * 2);
        let declined = stands(&suite, &id, S::Declined).await;
        assert_eq!(declined.decisions[0].actor, "automation", "{}", engine.name);
        suite.reviews.set_away(false);
        suite.clock.advance(HOUR);
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(suite.reviews.count(), 0, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_ends_by_the_clock() {
    for engine in engines().await {
        let suite = suite(&engine.url, 2).await;
        let until = |owner: &str, name| RequestAssignmentRequest { valid_until: at("2026-03-03"), ..role(owner, name) };
        let counts = id(&ask(&suite, until("E1", "guest")).await.unwrap());
        let waits = id(&ask(&suite, until("E2", "director")).await.unwrap());
        stands(&suite, &waits, S::PendingApproval1Of3).await;
        suite.reviews.say("ada", Verdict::Postpone, &waits, "");
        suite.clock.advance(HOUR * 23);
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        assert_eq!(get(&suite, &counts).await.workflow_state(), S::Approved, "{}", engine.name);
        suite.clock.advance(HOUR * 26);
        let over = stands(&suite, &counts, S::Inactive).await;
        assert_eq!(over.state_reason, "its period is over");
        let late = stands(&suite, &waits, S::Inactive).await;
        assert_eq!(late.state_reason, "its period was over before everybody had approved");
        eventually("the review to be withdrawn", PATIENCE, async || {
            let state = suite.reviews.get(&waits).unwrap().state();
            if state == ReviewState::Withdrawn { Ok(()) } else { Err(format!("{state:?}")) }
        })
        .await;
        assert_eq!(held(&suite, "E1", "guest").await, None, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rules_give_is_taken_away_through_review_and_given_back_by_asking() {
    for engine in engines().await {
        let suite = suite(&engine.url, 1).await;
        assert_eq!(state_of(&suite, "E1", "finance").await, Some(S::Calculated), "{}", engine.name);
        let taken = revoke(&suite, revocation("E1", "finance")).await.unwrap();
        assert_eq!(taken.notes, ["rules give it, and give it to this owner no longer"]);
        stands(&suite, &id(&taken), S::PendingApproval).await;
        let (state, request) = held(&suite, "E1", "finance").await.unwrap();
        assert_eq!(
            (state, request.unwrap().workflow_state()),
            (S::Calculated, S::PendingApproval),
            "it is still there"
        );
        suite.reviews.say("ada", Verdict::Approve, &id(&taken), "");
        stands(&suite, &id(&taken), S::Approved).await;
        assert_eq!(state_of(&suite, "E1", "finance").await, Some(S::Cancellation));
        let again = revoke(&suite, revocation("E1", "finance")).await.unwrap_err();
        assert_eq!(again.code(), Code::AlreadyExists);
        assert!(again.message().contains("is taken away already"), "{again}");
        let back = ask(&suite, role("E1", "finance")).await.unwrap();
        assert_eq!(back.ends_request_ids, [id(&taken)]);
        stands(&suite, &id(&back), S::PendingApproval).await;
        suite.reviews.say("ada", Verdict::Approve, &id(&back), "");
        stands(&suite, &id(&back), S::Approved).await;
        let ended = get(&suite, &id(&taken)).await;
        assert_eq!(ended.workflow_state(), S::Inactive);
        assert_eq!(ended.state_reason, format!("ended by the request {}", id(&back)));
        suite.compute().await;
        assert_eq!(state_of(&suite, "E1", "finance").await, Some(S::Calculated), "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_gave_ends_by_revoking_and_other_dates_take_its_place() {
    for engine in engines().await {
        let suite = suite(&engine.url, 1).await;
        let first = id(&ask(&suite, RequestAssignmentRequest { valid_until: at("2026-04-01"), ..role("E1", "guest") })
            .await
            .unwrap());
        let same = ask(&suite, RequestAssignmentRequest { valid_until: at("2026-04-01"), ..role("E1", "guest") }).await;
        let same = same.unwrap_err();
        assert_eq!(same.code(), Code::AlreadyExists, "{}", engine.name);
        assert!(same.message().ends_with(&format!("is given already for that time, by the request {first}")), "{same}");
        let longer = RequestAssignmentRequest { valid_until: at("2026-05-01"), ..role("E1", "guest") };
        let longer = ask(&suite, longer).await.unwrap();
        assert_eq!(longer.ends_request_ids, std::slice::from_ref(&first));
        assert_eq!(get(&suite, &first).await.workflow_state(), S::Inactive);
        let ended = RevokeAssignmentRequest { valid_from: at("2026-03-20"), ..revocation("E1", "guest") };
        let ended = revoke(&suite, ended).await.unwrap();
        assert_eq!((ended.workflow_state(), ended.notes.len()), (S::Approved, 1));
        let cut = get(&suite, &id(&longer)).await;
        assert_eq!(cut.workflow_state(), S::Approved, "until then it counts");
        assert_eq!(cut.request.unwrap().period.unwrap().valid_until, at("2026-03-20"));
        assert!(cut.state_reason.starts_with("ends earlier, by the request"), "{}", cut.state_reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn resource_types_and_composite_roles_can_be_asked_for() {
    for engine in engines().await {
        let suite = suite(&engine.url, 1).await;
        let books = ask(&suite, role("E1", "books")).await.unwrap();
        assert_eq!(books.request.as_ref().unwrap().kind(), EntitlementKind::CompositeRole, "{}", engine.name);
        assert_eq!(state_of(&suite, "E1", "books").await, Some(S::Requested));
        let taken = RevokeAssignmentRequest { resource_type: "AppAccount".into(), ..revocation("E1", "") };
        let taken = revoke(&suite, taken).await.unwrap();
        assert_eq!(taken.request.as_ref().unwrap().kind(), EntitlementKind::ResourceType);
        let resources = suite.permissions("E1").await.resources;
        let account = resources.iter().find(|resource| resource.resource_type == "AppAccount").unwrap();
        assert_eq!(account.workflow_state(), S::Calculated);
        assert_eq!(id(account.request.as_ref().unwrap()), id(&taken));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_narrowed_and_paged() {
    for engine in engines().await {
        let suite = suite(&engine.url, 2).await;
        let mut made = Vec::new();
        for (owner, name) in [("E1", "auditor"), ("E2", "auditor"), ("E1", "cashier"), ("E2", "guest")] {
            made.push(id(&ask(&suite, role(owner, name)).await.unwrap()));
        }
        let resource_type = RevokeAssignmentRequest { resource_type: "AppAccount".into(), ..revocation("E1", "") };
        made.push(id(&revoke(&suite, resource_type).await.unwrap()));
        let listed = async |request: ListRequestsRequest| {
            let page = suite.assignments().list_requests(request).await.unwrap().into_inner();
            let places = page.requests.iter().map(|record| made.iter().position(|made| *made == id(record)).unwrap());
            (places.collect::<Vec<_>>(), page.next_page_token)
        };
        let none = ListRequestsRequest::default;
        assert_eq!(listed(none()).await.0, [0, 1, 2, 4], "{}: what waits", engine.name);
        let approved = ListRequestsRequest { workflow_states: vec![S::Approved.into()], ..none() };
        assert_eq!(listed(approved).await.0, [3]);
        assert_eq!(listed(ListRequestsRequest { owner_key: "E1".into(), ..none() }).await.0, [0, 2, 4]);
        assert_eq!(listed(ListRequestsRequest { role: "auditor".into(), ..none() }).await.0, [0, 1]);
        assert_eq!(listed(ListRequestsRequest { resource_type: "AppAccount".into(), ..none() }).await.0, [4]);
        assert_eq!(listed(ListRequestsRequest { resource_type: "auditor".into(), ..none() }).await.0, [0_usize; 0]);
        assert_eq!(listed(ListRequestsRequest { requested_by: "ada".into(), ..none() }).await.0, [0_usize; 0]);
        let both = ListRequestsRequest { owner_entity_type: "Person".into(), requested_by: "eve".into(), ..none() };
        assert_eq!(listed(both).await.0, [0, 1, 2, 4]);
        let (first, page_token) = listed(ListRequestsRequest { page_size: 3, ..none() }).await;
        let (second, end) = listed(ListRequestsRequest { page_size: 3, page_token, ..none() }).await;
        assert_eq!((first, second, end.as_str()), (vec![0, 1, 2], vec![4], ""));
        let wrong = ListRequestsRequest {
            workflow_states: vec![4, 2],
            role: "x".repeat(501),
            page_size: -1,
            page_token: "7".into(),
            ..none()
        };
        let refused = suite.assignments().list_requests(wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        for field in ["page_size", "page_token", "role", "workflow_states[1]"] {
            assert!(refused.message().contains(field), "{refused}");
        }
    }
}

/// The orders of an owner: resource type, kind, state.
fn orders(suite: &Suite, owner: &str) -> Vec<(String, String)> {
    suite.ledger.read(|orders| {
        let own = orders.iter().filter(|held| held.order.owner.key == owner);
        own.map(|held| (held.order.resource_type.clone(), held.order.kind.to_string())).collect()
    })
}

fn ordered(resource_type: &str, kind: &str) -> (String, String) {
    (resource_type.to_owned(), kind.to_owned())
}

/// Computes for those whom something concerns that changed: what people decided must be among it.
async fn recompute(suite: &Suite) {
    let request = ComputeRoleModelRequest { incremental: true, ..Default::default() };
    suite.generator().compute_role_model(request).await.unwrap();
}

/// Asks as eve, and lets ada approve.
async fn approved(suite: &Suite, record: AssignmentRequestRecord) -> String {
    let id = id(&record);
    stands(suite, &id, S::PendingApproval).await;
    suite.reviews.say("ada", Verdict::Approve, &id, "");
    stands(suite, &id, S::Approved).await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_approved_is_ordered_and_what_is_revoked_is_taken_away() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&with_roles()).await;
        let world = people(2);
        suite.synchronize(&world).await;
        suite.generate().await;
        suite.ledger.execute_pending().iter().for_each(|order| world.write(order));
        suite.synchronize(&world).await;
        assert_eq!(orders(&suite, "E2"), [ordered("AppAccount", "addition")], "{}", engine.name);

        // Declined: nothing comes of it.
        let declined = asked(&suite, "E2", "finance", S::PendingApproval).await;
        suite.reviews.say("ada", Verdict::Decline, &declined, "no");
        stands(&suite, &declined, S::Declined).await;
        recompute(&suite).await;
        assert_eq!(suite.generate().await.submitted, 0, "{}", engine.name);

        approved(&suite, ask(&suite, role("E2", "finance")).await.unwrap()).await;
        recompute(&suite).await;
        suite.generate().await;
        let mut new = orders(&suite, "E2").split_off(1);
        new.sort();
        assert_eq!(new, [ordered("AppAccount", "update"), ordered("SafeAccess", "addition")], "{}", engine.name);
        assert_eq!(state_of(&suite, "E2", "finance").await, Some(S::Approved));
        let safe = suite.permissions("E2").await.resources;
        assert!(safe.iter().any(|resource| resource.resource_type == "SafeAccess"), "{safe:?}");
        let reviewed: Vec<_> = suite.ledger.read(|orders| {
            let waiting =
                orders.iter().filter(|held| held.state == State::AwaitingApproval && held.order.owner.key == "E2");
            waiting.map(|held| held.order.id).collect()
        });
        reviewed.into_iter().for_each(|order| suite.ledger.happen(order, &provost_domain::Event::Approved));
        suite.ledger.execute_pending().iter().for_each(|order| world.write(order));
        suite.synchronize(&world).await;
        assert!(world.get("Safe", "p2").is_some(), "{}", engine.name);

        let before = orders(&suite, "E2").len();
        approved(&suite, revoke(&suite, revocation("E2", "finance")).await.unwrap()).await;
        recompute(&suite).await;
        suite.generate().await;
        let mut new = orders(&suite, "E2").split_off(before);
        new.sort();
        assert_eq!(new, [ordered("AppAccount", "update"), ordered("SafeAccess", "deletion")], "{}", engine.name);
        assert_eq!(held(&suite, "E2", "finance").await, None);
        let resources = suite.permissions("E2").await.resources;
        let safe = resources.iter().find(|resource| resource.resource_type == "SafeAccess").unwrap();
        assert_eq!(safe.workflow_state(), S::Cancellation, "{}: {safe:?}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rules_give_goes_when_it_is_denied_and_comes_back_when_that_is_taken_back() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&with_roles()).await;
        let world = people(1);
        suite.synchronize(&world).await;
        suite.generate().await;
        let safes = |suite: &Suite| orders(suite, "E1").iter().filter(|(kind, _)| kind == "SafeAccess").count();
        assert_eq!(safes(&suite), 1, "{}", engine.name);
        let denied = approved(&suite, revoke(&suite, revocation("E1", "finance")).await.unwrap()).await;
        recompute(&suite).await;
        assert_eq!(state_of(&suite, "E1", "finance").await, Some(S::Cancellation), "{}", engine.name);
        // Its order waits for a review, and is not needed any more.
        let generated = suite.generate().await;
        assert_eq!(generated.cancelled, 1, "{}: {generated:?} {:#?}", engine.name, suite.ledger.table());
        let back = approved(&suite, ask(&suite, role("E1", "finance")).await.unwrap()).await;
        assert_eq!(get(&suite, &back).await.ends_request_ids, [denied]);
        recompute(&suite).await;
        assert_eq!(state_of(&suite, "E1", "finance").await, Some(S::Calculated), "{}", engine.name);
        suite.generate().await;
        assert_eq!(safes(&suite), 2, "{}", engine.name);
    }
}

/// A rule no longer gives it, and it stays for a while: revoking ends that while, asking makes it last.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_prolonged_ends_by_revoking_and_lasts_by_asking() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        let catalog = with_roles().replacen("  - name: finance\n", "  - name: finance\n    grace_period: 10d\n", 1);
        suite.apply(&catalog).await;
        let world = people(1);
        support::organisation::hire(&world, 2, "Finance");
        suite.synchronize(&world).await;
        let rules = "rules: [ { when: owner.department == 'Finance' } ]";
        assert!(catalog.contains(rules));
        suite.apply(&catalog.replace(rules, "rules: []")).await;
        suite.compute().await;
        for owner in ["E1", "E2"] {
            assert_eq!(state_of(&suite, owner, "finance").await, Some(S::Prolonged), "{}", engine.name);
        }
        let revoked = revoke(&suite, revocation("E1", "finance")).await.unwrap();
        assert_eq!(revoked.notes, ["ends the time for which it is prolonged"]);
        let until = revoked.request.as_ref().unwrap().period.unwrap().valid_until;
        assert!(until.is_some(), "it is denied as long as it would have been prolonged, and no longer");
        approved(&suite, revoked).await;
        approved(&suite, ask(&suite, role("E2", "finance")).await.unwrap()).await;
        recompute(&suite).await;
        assert_eq!(state_of(&suite, "E1", "finance").await, Some(S::Cancellation), "{}", engine.name);
        assert!(!suite.permissions("E1").await.resources.iter().any(|one| one.resource_type == "SafeAccess"));
        assert_eq!(state_of(&suite, "E2", "finance").await, Some(S::Approved), "{}", engine.name);
        suite.clock.advance(HOUR * 24 * 11);
        suite.compute().await;
        assert_eq!(state_of(&suite, "E2", "finance").await, Some(S::Approved), "{}: it lasts", engine.name);
        assert!(suite.permissions("E2").await.resources.iter().any(|one| one.resource_type == "SafeAccess"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_gave_goes_when_its_time_is_over() {
    for engine in engines().await {
        let suite = suite(&engine.url, 2).await;
        let until = RequestAssignmentRequest { valid_until: at("2026-03-03"), ..role("E2", "finance") };
        let id = approved(&suite, ask(&suite, until).await.unwrap()).await;
        recompute(&suite).await;
        suite.generate().await;
        assert!(orders(&suite, "E2").contains(&ordered("SafeAccess", "addition")), "{}", engine.name);
        suite.clock.advance(HOUR * 49);
        recompute(&suite).await;
        assert_eq!(suite.generate().await.cancelled, 1, "{}", engine.name);
        assert_ne!(state_of(&suite, "E2", "finance").await, Some(S::Approved), "{}", engine.name);
        stands(&suite, &id, S::Inactive).await;
        recompute(&suite).await;
        assert_eq!(held(&suite, "E2", "finance").await, None, "{}", engine.name);
    }
}
