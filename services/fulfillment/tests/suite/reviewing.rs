//! Telling review, and hearing what it decided.

use crate::world::{World, ids, on_each_engine, order, reviewed};
use provost_contract::review::v1::{Decision, SubjectKind, Verdict};
use provost_contract::types::v1::{BlockCause, InactiveReason, OrderEvent, ProvisioningState};
use provost_testkit::eventually;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

async fn requested(world: &World, id: &str) {
    eventually("the review to be requested", PATIENCE, async || {
        world.clock.advance(Duration::from_millis(100));
        if world.review.requests(id).is_empty() { Err("not yet") } else { Ok(()) }
    })
    .await;
}

async fn in_state(world: &World, id: &str, state: ProvisioningState) {
    eventually("the order to move", PATIENCE, async || match world.state(id).await {
        there if there == state => Ok(()),
        other => Err(format!("it is {other:?}")),
    })
    .await;
}

#[tokio::test]
async fn approved_order_goes_on() {
    on_each_engine(async |world| {
        let mut ada = reviewed("ada", "x");
        ada.changes[1].sensitive = true;
        world.submit(vec![ada.clone()]).await;
        requested(world, &ada.order_id).await;
        let told = world.review.requests(&ada.order_id).remove(0).order.unwrap();
        assert_eq!(told.changes[0], ada.changes[0]);
        assert_eq!(told.changes[1].proposed, None, "confidential values stay in the ledger");
        assert!(world.pull().await.is_empty());
        world.review.decide(&ada.order_id, Verdict::Approve);
        in_state(world, &ada.order_id, ProvisioningState::Pending).await;
        let (_, history) = world.get(&ada.order_id).await;
        let last = history.last().unwrap();
        assert_eq!(
            (last.event(), last.actor.as_str(), last.reason.as_str()),
            (OrderEvent::Approved, "reviewer", "said so")
        );
        assert_eq!(ids(&world.pull().await), [ada.order_id]);
    })
    .await;
}

#[tokio::test]
async fn declined_order_is_not_proposed_again_and_postponed_stays() {
    on_each_engine(async |world| {
        let (ada, bob) = (reviewed("ada", "x"), reviewed("bob", "x"));
        world.submit(vec![ada.clone(), bob.clone()]).await;
        world.review.decide(&bob.order_id, Verdict::Postpone);
        world.review.decide(&ada.order_id, Verdict::Decline);
        in_state(world, &ada.order_id, ProvisioningState::Inactive).await;
        assert_eq!(world.get(&ada.order_id).await.0.inactive_reason(), InactiveReason::Declined);
        assert_eq!(world.state(&bob.order_id).await, ProvisioningState::AwaitingApproval);
        assert_eq!(world.events(&bob.order_id).await, [OrderEvent::Generated, OrderEvent::Postponed]);
        assert_eq!(world.submit(vec![reviewed("ada", "x")]).await.duplicates, 1);
        assert_eq!(world.submit(vec![reviewed("ada", "y")]).await.accepted, 1, "until the value changes");
    })
    .await;
}

#[tokio::test]
async fn review_that_is_down_is_told_later() {
    on_each_engine(async |world| {
        world.review.set_down(true);
        let ada = reviewed("ada", "x");
        world.submit(vec![ada.clone()]).await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(world.review.requests(&ada.order_id).is_empty());
        world.restart().await;
        world.review.set_down(false);
        requested(world, &ada.order_id).await;
        world.review.decide(&ada.order_id, Verdict::Approve);
        in_state(world, &ada.order_id, ProvisioningState::Pending).await;
    })
    .await;
}

#[tokio::test]
async fn lost_answer_is_asked_for_again() {
    on_each_engine(async |world| {
        world.review.lose_answers(2);
        let ada = reviewed("ada", "x");
        world.submit(vec![ada.clone()]).await;
        eventually("the request to be repeated until it is answered", PATIENCE, async || {
            world.clock.advance(Duration::from_millis(100));
            match world.review.requests(&ada.order_id).len() {
                3 => Ok(()),
                other => Err(format!("{other} requests")),
            }
        })
        .await;
        world.pass(60);
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(world.review.requests(&ada.order_id).len(), 3, "answered is done");
    })
    .await;
}

#[tokio::test]
async fn review_of_a_replaced_order_is_withdrawn_and_a_late_decision_is_passed_over() {
    on_each_engine(async |world| {
        let (old, new) = (reviewed("ada", "1"), reviewed("ada", "2"));
        world.submit(vec![old.clone()]).await;
        requested(world, &old.order_id).await;
        world.submit(vec![new.clone()]).await;
        eventually("the review to be withdrawn", PATIENCE, async || {
            world.clock.advance(Duration::from_millis(100));
            if world.review.is_withdrawn(&old.order_id) { Ok(()) } else { Err("not yet") }
        })
        .await;
        // The reviewer was faster than the withdrawal: too late all the same.
        world.review.decide(&old.order_id, Verdict::Approve);
        world.review.decide(&new.order_id, Verdict::Approve);
        in_state(world, &new.order_id, ProvisioningState::Pending).await;
        assert_eq!(world.state(&old.order_id).await, ProvisioningState::Inactive);
        // The decisions are applied once, also after a restart.
        world.restart().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(world.events(&new.order_id).await, [OrderEvent::Generated, OrderEvent::Approved]);
    })
    .await;
}

/// A request may be under way while review comes up; whichever is first, nothing stays open.
#[tokio::test]
async fn no_review_of_an_order_that_was_replaced_while_review_was_down_stays_open() {
    on_each_engine(async |world| {
        world.review.set_down(true);
        let (old, new) = (reviewed("ada", "1"), reviewed("ada", "2"));
        world.submit(vec![old.clone()]).await;
        world.submit(vec![new.clone()]).await;
        world.review.set_down(false);
        requested(world, &new.order_id).await;
        eventually("the withdrawal to be settled", PATIENCE, async || {
            world.clock.advance(Duration::from_millis(100));
            let is_settled = world.review.is_withdrawn(&old.order_id) || world.review.unknown_withdrawals() > 5;
            if is_settled { Ok(()) } else { Err("not yet") }
        })
        .await;
        let is_open = !world.review.requests(&old.order_id).is_empty() && !world.review.is_withdrawn(&old.order_id);
        assert!(!is_open && !world.review.is_withdrawn(&new.order_id), "{}", world.engine);
        // It is not asked for again and again.
        let asked = world.review.unknown_withdrawals();
        world.restart().await;
        world.pass(60);
        world.submit(vec![reviewed("bob", "1")]).await;
        requested(world, &new.order_id).await;
        assert_eq!(world.review.unknown_withdrawals(), asked);
    })
    .await;
}

#[tokio::test]
async fn pending_order_gives_way_when_the_same_content_must_now_be_reviewed() {
    on_each_engine(async |world| {
        let (free, asked) = (order("ada", "x"), reviewed("ada", "x"));
        world.submit(vec![free.clone()]).await;
        let answer = world.submit(vec![asked.clone()]).await;
        assert_eq!((answer.accepted, answer.superseded, answer.duplicates), (1, 1, 0), "{}", world.engine);
        assert_eq!(world.state(&free.order_id).await, ProvisioningState::Inactive);
        assert_eq!(world.state(&asked.order_id).await, ProvisioningState::AwaitingApproval);
        assert!(world.pull().await.is_empty());
        // Neither what waits for review nor what an agent holds is replaced by the same.
        assert_eq!(world.submit(vec![reviewed("ada", "x")]).await.duplicates, 1);
        world.submit(vec![order("bob", "x")]).await;
        assert_eq!(world.pull().await.len(), 1);
        assert_eq!(world.submit(vec![reviewed("bob", "x")]).await.duplicates, 1);
    })
    .await;
}

/// Whatever the newer order's own run asked for: who replaces an order that awaits approval takes
/// its place before the reviewer.
#[tokio::test]
async fn newer_order_does_not_get_past_the_review_of_the_one_it_replaces() {
    on_each_engine(async |world| {
        let (asked, free) = (reviewed("ada", "1"), order("ada", "2"));
        world.submit(vec![asked.clone()]).await;
        assert_eq!(world.submit(vec![free.clone()]).await.superseded, 1);
        let (record, history) = world.get(&free.order_id).await;
        assert_eq!(record.state(), ProvisioningState::AwaitingApproval, "{}", world.engine);
        assert_eq!(record.order.unwrap().block_causes, [i32::from(BlockCause::QueuedBehind)]);
        assert!(history[0].reason.contains("another order of the same resource waits for review"), "{history:?}");
        assert!(world.pull().await.is_empty());
        // Also within one message, and behind a chain of them.
        let (asked, free) = (reviewed("bob", "1"), order("bob", "2"));
        world.submit(vec![asked, order("bob", "3"), free.clone()]).await;
        assert_eq!(world.state(&free.order_id).await, ProvisioningState::AwaitingApproval);
        requested(world, &free.order_id).await;
        world.review.decide(&free.order_id, Verdict::Approve);
        in_state(world, &free.order_id, ProvisioningState::Pending).await;
    })
    .await;
}

/// A request that was on its way when its order was replaced must not leave a review behind.
#[tokio::test]
async fn review_that_opens_after_its_withdrawal_is_withdrawn_all_the_same() {
    on_each_engine(async |world| {
        world.review.hold_requests(true);
        let (old, new) = (reviewed("ada", "1"), reviewed("ada", "2"));
        world.submit(vec![old.clone()]).await;
        eventually("the request to be on its way", PATIENCE, async || {
            if world.review.held() > 0 { Ok(()) } else { Err("not yet") }
        })
        .await;
        // Another replica tells the withdrawal, and review knows nothing to withdraw.
        let _other = world.replica().await;
        world.submit(vec![new.clone()]).await;
        eventually("the withdrawal to be told", PATIENCE, async || {
            world.clock.advance(Duration::from_millis(100));
            if world.review.unknown_withdrawals() > 0 { Ok(()) } else { Err("not yet") }
        })
        .await;
        world.review.hold_requests(false);
        eventually("the review to be withdrawn", PATIENCE, async || {
            world.clock.advance(Duration::from_millis(100));
            if world.review.is_withdrawn(&old.order_id) { Ok(()) } else { Err("not yet") }
        })
        .await;
        assert!(!world.review.is_withdrawn(&new.order_id));
    })
    .await;
}

#[tokio::test]
async fn decision_of_a_review_under_another_id_is_passed_over() {
    on_each_engine(async |world| {
        let (ada, bob) = (reviewed("ada", "x"), reviewed("bob", "x"));
        world.submit(vec![ada.clone(), bob.clone()]).await;
        world.review.decide_as(&bob.order_id, &ada.order_id, Verdict::Approve);
        world.review.decide(&bob.order_id, Verdict::Approve);
        in_state(world, &bob.order_id, ProvisioningState::Pending).await;
        assert_eq!(world.state(&ada.order_id).await, ProvisioningState::AwaitingApproval);
    })
    .await;
}

/// Both replicas follow the feed; each decision takes effect once.
#[tokio::test]
async fn two_replicas_apply_a_decision_once() {
    on_each_engine(async |world| {
        let _other = world.replica().await;
        let orders: Vec<_> = (0..20).map(|number| reviewed(&format!("p{number}"), "x")).collect();
        world.submit(orders.clone()).await;
        for order in &orders {
            world.review.decide(&order.order_id, Verdict::Postpone);
            world.review.decide(&order.order_id, Verdict::Approve);
        }
        for order in &orders {
            in_state(world, &order.order_id, ProvisioningState::Pending).await;
            let expected = [OrderEvent::Generated, OrderEvent::Postponed, OrderEvent::Approved];
            assert_eq!(world.events(&order.order_id).await, expected, "{}", world.engine);
        }
    })
    .await;
}

/// Requests for assignments are reviewed too, and an approval may be one of several: neither is news of an
/// order, also under an order's id, and what comes after them is heard.
#[tokio::test]
async fn decisions_on_other_things_and_incomplete_approvals_are_passed_over() {
    on_each_engine(async |world| {
        let (ada, bob) = (reviewed("ada", "x"), reviewed("bob", "x"));
        world.submit(vec![ada.clone(), bob.clone()]).await;
        let approval = Decision {
            review_id: ada.order_id.clone(),
            verdict: Verdict::Approve.into(),
            step: 1,
            complete: true,
            ..Default::default()
        };
        let request = SubjectKind::AssignmentRequest.into();
        world.review.tell(Decision { subject_kind: request, ..approval.clone() });
        world.review.tell(Decision { subject_kind: request, order_id: ada.order_id.clone(), ..approval.clone() });
        world.review.tell(Decision { subject_kind: 99, order_id: ada.order_id.clone(), ..approval.clone() });
        let order = SubjectKind::Order.into();
        let incomplete = Decision { subject_kind: order, complete: false, ..approval.clone() };
        world.review.tell(Decision { order_id: ada.order_id.clone(), ..incomplete });
        world.review.decide(&bob.order_id, Verdict::Approve);
        in_state(world, &bob.order_id, ProvisioningState::Pending).await;
        assert_eq!(world.state(&ada.order_id).await, ProvisioningState::AwaitingApproval);
        // A review service that knows orders only says neither kind nor whether it is complete.
        world.review.tell(Decision { order_id: ada.order_id.clone(), complete: false, ..approval });
        in_state(world, &ada.order_id, ProvisioningState::Pending).await;
    })
    .await;
}
