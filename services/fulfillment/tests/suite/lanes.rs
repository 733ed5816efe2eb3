//! Orders of one resource.

use crate::world::{START, executed, failed, handed_over, ids, on_each_engine, order, reviewed};
use provost_contract::types::v1::{FailureClass, InactiveReason, OrderEvent, ProvisioningState};
use std::time::Duration;

#[tokio::test]
async fn newer_order_replaces_what_was_not_handed_over() {
    on_each_engine(async |world| {
        let (first, second) = (order("ada", "Analyst"), order("ada", "Manager"));
        world.submit(vec![first.clone()]).await;
        let answer = world.submit(vec![second.clone()]).await;
        assert_eq!((answer.accepted, answer.superseded), (1, 1));
        let (record, history) = world.get(&first.order_id).await;
        assert_eq!(record.inactive_reason(), InactiveReason::Superseded);
        assert_eq!(history.last().unwrap().event(), OrderEvent::Superseded);
        assert_eq!(history.last().unwrap().reason, format!("replaced by order {}", second.order_id));
        assert_eq!(ids(&world.pull().await), [second.order_id.as_str()]);
        // Also within one message: only the last of three is left.
        let (a, b, c) = (order("bob", "1"), order("bob", "2"), order("bob", "3"));
        let answer = world.submit(vec![a.clone(), b.clone(), c.clone()]).await;
        assert_eq!((answer.accepted, answer.superseded), (3, 2));
        assert_eq!(ids(&world.pull().await), [c.order_id]);
        assert_eq!(world.events(&b.order_id).await, [OrderEvent::Generated, OrderEvent::Superseded]);
    })
    .await;
}

#[tokio::test]
async fn order_in_flight_is_not_replaced_and_the_newer_one_waits() {
    on_each_engine(async |world| {
        let (first, second, third) = (order("ada", "1"), order("ada", "2"), order("ada", "3"));
        world.submit(vec![first.clone()]).await;
        world.pull().await;
        assert_eq!(world.submit(vec![second.clone()]).await.superseded, 0);
        assert_eq!(world.get(&second.order_id).await.0.waits_for, [first.order_id.as_str()]);
        assert!(world.pull().await.is_empty());
        // The middle one is replaced while it waits: the third waits for the first.
        assert_eq!(world.submit(vec![third.clone()]).await.superseded, 1);
        assert_eq!(world.get(&third.order_id).await.0.waits_for, [first.order_id.as_str()]);
        assert_eq!(world.state(&second.order_id).await, ProvisioningState::Inactive);
        world.report(vec![executed(&first.order_id, 1)]).await;
        assert_eq!(ids(&world.pull().await), [third.order_id]);
    })
    .await;
}

#[tokio::test]
async fn errored_and_transmitted_orders_hold_their_lane() {
    on_each_engine(async |world| {
        let (first, second, third) = (order("ada", "1"), order("ada", "2"), order("ada", "3"));
        world.submit(vec![first.clone()]).await;
        world.pull().await;
        world.submit(vec![second.clone()]).await;
        world.report(vec![failed(&first.order_id, 1, FailureClass::Refused)]).await;
        assert!(world.pull().await.is_empty(), "an Errored order holds its lane");
        world.submit(vec![third.clone()]).await;
        assert_eq!(world.get(&first.order_id).await.0.inactive_reason(), InactiveReason::Superseded);
        assert_eq!(ids(&world.pull().await), [third.order_id.as_str()]);
        world.report(vec![handed_over(&third.order_id, 1)]).await;
        let (fourth, fifth) = (order("ada", "4"), order("ada", "5"));
        world.submit(vec![fourth.clone()]).await;
        assert_eq!(world.get(&fourth.order_id).await.0.waits_for, [third.order_id.as_str()]);
        assert!(world.pull().await.is_empty(), "a Transmitted order holds its lane");
        world.submit(vec![fifth.clone()]).await;
        world.cancel(&[&fifth.order_id]).await;
        let sixth = order("ada", "6");
        world.submit(vec![sixth.clone()]).await;
        assert_eq!(world.get(&sixth.order_id).await.0.waits_for, [third.order_id]);
    })
    .await;
}

#[tokio::test]
async fn order_whose_lease_ran_out_can_be_cancelled_and_its_successor_moves_up() {
    on_each_engine(async |world| {
        let (first, second, third) = (order("ada", "1"), order("ada", "2"), order("ada", "3"));
        world.submit(vec![first.clone()]).await;
        world.pull().await;
        world.report(vec![handed_over(&first.order_id, 1)]).await;
        world.submit(vec![second.clone()]).await;
        assert_eq!(world.get(&second.order_id).await.0.waits_for, [first.order_id.as_str()]);
        world.verify(&first.order_id, world_later()).await;
        assert_eq!(ids(&world.pull().await), [second.order_id.as_str()], "Verified lets go of the lane");
        world.submit(vec![third.clone()]).await;
        world.pass(61);
        // Its lease ran out: it can be cancelled, and the third goes on.
        world.cancel(&[&second.order_id]).await;
        assert_eq!(ids(&world.pull().await), [third.order_id]);
    })
    .await;
}

fn world_later() -> provost_domain::Timestamp {
    crate::world::START.plus(std::time::Duration::from_secs(1))
}

#[tokio::test]
async fn newer_order_replaces_one_that_awaits_review() {
    on_each_engine(async |world| {
        let (first, second) = (reviewed("ada", "1"), reviewed("ada", "2"));
        world.submit(vec![first.clone()]).await;
        assert_eq!(world.submit(vec![second.clone()]).await.superseded, 1);
        assert_eq!(world.state(&first.order_id).await, ProvisioningState::Inactive);
        assert_eq!(world.state(&second.order_id).await, ProvisioningState::AwaitingApproval);
        assert!(world.get(&second.order_id).await.0.waits_for.is_empty());
    })
    .await;
}

/// An older attempt says that it wrote while the newest is still at work: what comes after must not
/// be written before the newest attempt's write has landed, or it would be overwritten by it.
#[tokio::test]
async fn next_order_waits_while_a_newer_attempt_may_still_be_writing() {
    on_each_engine(async |world| {
        let (first, second) = (order("ada", "1"), order("ada", "2"));
        world.submit(vec![first.clone()]).await;
        world.pull_as("agent-1", 10).await;
        world.pass(61);
        assert_eq!(world.pull_as("agent-2", 10).await[0].attempt, 2);
        world.submit(vec![second.clone()]).await;
        world.report(vec![executed(&first.order_id, 1)]).await;
        assert_eq!(world.state(&first.order_id).await, ProvisioningState::Executed);
        assert!(world.pull().await.is_empty(), "{}", world.engine);
        let (record, _) = world.get(&second.order_id).await;
        assert!(record.state_reason.contains("an agent may still be writing"), "{}", record.state_reason);
        // A newer one that comes meanwhile waits as well.
        let third = order("ada", "3");
        world.submit(vec![third.clone()]).await;
        assert!(world.pull().await.is_empty());
        // The newest attempt speaks: nothing is written any more.
        world.report(vec![failed(&first.order_id, 2, FailureClass::Transport)]).await;
        assert_eq!(ids(&world.pull().await), [third.order_id]);
    })
    .await;
}

#[tokio::test]
async fn silent_attempt_holds_its_lane_no_longer_than_its_lease() {
    on_each_engine(async |world| {
        let (first, second) = (order("ada", "1"), order("ada", "2"));
        world.submit(vec![first.clone()]).await;
        world.pull().await;
        // Synchronization was faster than the agent's report.
        world.pass(1);
        assert!(world.verify(&first.order_id, START.plus(Duration::from_secs(1))).await.error.is_none());
        assert_eq!(world.submit(vec![second.clone()]).await.accepted, 1);
        assert!(world.pull().await.is_empty(), "{}", world.engine);
        world.pass(60);
        assert_eq!(ids(&world.pull().await), [second.order_id]);
    })
    .await;
}

/// The hold is the lane's, whatever came and went in between.
#[tokio::test]
async fn hold_outlives_an_order_that_came_and_went_behind_it() {
    on_each_engine(async |world| {
        let (first, gone, next) = (order("ada", "1"), order("ada", "2"), order("ada", "3"));
        world.submit(vec![first.clone()]).await;
        world.pull_as("agent-1", 10).await;
        world.pass(61);
        world.pull_as("agent-2", 10).await;
        world.submit(vec![gone.clone()]).await;
        world.cancel(&[&gone.order_id]).await;
        world.report(vec![executed(&first.order_id, 1)]).await;
        world.submit(vec![next.clone()]).await;
        assert!(world.pull().await.is_empty(), "{}", world.engine);
        world.report(vec![executed(&first.order_id, 2)]).await;
        assert_eq!(ids(&world.pull().await), [next.order_id]);
    })
    .await;
}

/// One attempt that speaks at last does not speak for another order's.
#[tokio::test]
async fn late_word_of_one_order_lets_go_of_its_own_hold_alone() {
    on_each_engine(async |world| {
        let (first, second, third) = (order("ada", "1"), order("ada", "2"), order("ada", "3"));
        world.submit(vec![first.clone()]).await;
        world.pull_as("agent-1", 10).await;
        world.pass(61);
        world.pull_as("agent-2", 10).await;
        world.submit(vec![second.clone()]).await;
        world.report(vec![executed(&first.order_id, 1)]).await;
        world.pass(61);
        // The first hold ran out; the second order gets one of its own.
        world.pull_as("agent-1", 10).await;
        world.pass(61);
        world.pull_as("agent-2", 10).await;
        world.submit(vec![third.clone()]).await;
        world.report(vec![executed(&second.order_id, 1)]).await;
        world.report(vec![executed(&first.order_id, 2)]).await;
        assert!(world.pull().await.is_empty(), "{}", world.engine);
        world.report(vec![executed(&second.order_id, 2)]).await;
        assert_eq!(ids(&world.pull().await), [third.order_id]);
    })
    .await;
}

#[tokio::test]
async fn agent_is_told_when_the_lane_was_written_since_an_order_was_planned() {
    on_each_engine(async |world| {
        let (first, second) = (order("ada", "1"), order("ada", "2"));
        world.submit(vec![first.clone()]).await;
        world.pull().await;
        world.submit(vec![second.clone()]).await;
        world.report(vec![executed(&first.order_id, 1)]).await;
        let told = |leased: Vec<provost_contract::fulfillment::v1::LeasedOrder>| {
            leased.into_iter().map(|leased| (leased.attempt, leased.lane_written)).collect::<Vec<_>>()
        };
        // A first attempt is not compared with anything.
        assert_eq!(told(world.pull().await), [(1, false)]);
        world.report(vec![failed(&second.order_id, 1, FailureClass::Transport)]).await;
        world.pass(2);
        assert_eq!(told(world.pull().await), [(2, true)]);
        // Nobody was before this one.
        let alone = order("bob", "1");
        world.submit(vec![alone.clone()]).await;
        world.pull().await;
        world.report(vec![failed(&alone.order_id, 1, FailureClass::Transport)]).await;
        world.pass(2);
        assert_eq!(told(world.pull().await), [(2, false)]);
    })
    .await;
}
