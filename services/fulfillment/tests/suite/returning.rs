//! Orders that agents give back because they do not begin them.

use crate::world::{World, code, executed, failed, ids, new_id, on_each_engine, order, pull};
use provost_contract::fulfillment::v1::{LeaseKey, ReturnOrdersRequest};
use provost_contract::types::v1::{FailureClass, ItemResult, OrderEvent, ProvisioningState};
use std::time::{Duration, Instant};
use tonic::Code;

async fn give_back(world: &World, agent: &str, leases: &[(&str, i32)]) -> Vec<ItemResult> {
    let key = |(id, attempt): &(&str, i32)| LeaseKey { order_id: (*id).into(), attempt: *attempt };
    let request = ReturnOrdersRequest {
        agent_id: agent.into(),
        leases: leases.iter().map(key).collect(),
        reason: "the agent stops".into(),
    };
    world.dispatch().return_orders(request).await.unwrap().into_inner().results
}

#[tokio::test]
async fn returned_order_goes_to_the_next_agent_at_once_and_no_try_is_used_up() {
    on_each_engine(async |world| {
        let ada = order("ada", "x");
        world.submit(vec![ada.clone()]).await;
        assert_eq!(world.pull().await[0].attempt, 1);
        let mut dispatch = world.dispatch();
        let waiting = tokio::spawn(async move { pull(&mut dispatch, "agent-2", 1, 30).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let returned = Instant::now();
        let results = give_back(world, "agent-1", &[(&ada.order_id, 1)]).await;
        assert_eq!((code(&results[0]), results[0].state()), (Code::Ok, ProvisioningState::Pending));
        let leased = waiting.await.unwrap();
        assert_eq!((ids(&leased), leased[0].attempt), (vec![ada.order_id.clone()], 2), "{}", world.engine);
        assert!(returned.elapsed() < Duration::from_millis(800), "{:?}", returned.elapsed());
        let events = [OrderEvent::Generated, OrderEvent::Leased, OrderEvent::Returned, OrderEvent::Leased];
        assert_eq!(world.events(&ada.order_id).await, events);
        let (_, history) = world.get(&ada.order_id).await;
        assert_eq!((history[2].actor.as_str(), history[2].reason.as_str()), ("agent-1", "the agent stops"));

        // Said again, and by whoever holds it no more, it changes nothing.
        let again = give_back(world, "agent-1", &[(&ada.order_id, 1)]).await;
        assert_eq!(code(&again[0]), Code::Ok);
        assert_eq!(world.get(&ada.order_id).await.0.lease.unwrap().agent_id, "agent-2");
    })
    .await;
}

/// Five lost leases make an order Errored; ten returned ones do not.
#[tokio::test]
async fn order_may_be_returned_any_number_of_times() {
    on_each_engine(async |world| {
        let ada = order("ada", "x");
        world.submit(vec![ada.clone()]).await;
        for attempt in 1..=10 {
            assert_eq!(world.pull().await[0].attempt, attempt);
            give_back(world, "agent-1", &[(&ada.order_id, attempt)]).await;
        }
        assert_eq!(world.pull().await[0].attempt, 11, "{}", world.engine);
        // Whoever wrote it after all is believed.
        world.report(vec![executed(&ada.order_id, 3)]).await;
        assert_eq!(world.state(&ada.order_id).await, ProvisioningState::Executed);
        assert_eq!(code(&give_back(world, "agent-1", &[(&ada.order_id, 11)]).await[0]), Code::Ok);
        assert_eq!(world.state(&ada.order_id).await, ProvisioningState::Executed);
    })
    .await;
}

/// The failure before it was leased again stays known.
#[tokio::test]
async fn returned_retry_keeps_its_failure() {
    on_each_engine(async |world| {
        let ada = order("ada", "x");
        world.submit(vec![ada.clone()]).await;
        world.pull().await;
        world.report(vec![failed(&ada.order_id, 1, FailureClass::Transport)]).await;
        world.pass(1);
        world.pull().await;
        give_back(world, "agent-1", &[(&ada.order_id, 2)]).await;
        assert_eq!(world.get(&ada.order_id).await.0.failure.unwrap().message, "no", "{}", world.engine);
    })
    .await;
}

#[tokio::test]
async fn wrong_returns_say_what_is_wrong_each_for_itself() {
    on_each_engine(async |world| {
        let (ada, bob) = (order("ada", "x"), order("bob", "x"));
        world.submit(vec![ada.clone(), bob.clone()]).await;
        world.pull().await;
        let (unknown, id, other) = (new_id(), ada.order_id.as_str(), bob.order_id.as_str());
        let wrong = give_back(world, "agent-2", &[(id, 1), (&unknown, 1), ("x", 1)]).await;
        assert_eq!(wrong.iter().map(code).collect::<Vec<_>>(), [Code::Aborted, Code::NotFound, Code::InvalidArgument]);
        let message = &wrong[0].error.as_ref().unwrap().message;
        assert!(message.contains("under a lease of agent-1, not of agent-2"), "{message}");
        let results = give_back(world, "agent-1", &[(id, 7), (other, 1)]).await;
        assert_eq!(results.iter().map(code).collect::<Vec<_>>(), [Code::InvalidArgument, Code::Ok]);
        let nobody = world.dispatch().return_orders(ReturnOrdersRequest::default()).await.unwrap_err();
        assert!(nobody.code() == Code::InvalidArgument && nobody.message().contains("agent_id"));
        let leases = vec![LeaseKey::default(); 1_001];
        let request = ReturnOrdersRequest { agent_id: "agent-1".into(), leases, reason: String::new() };
        let many = world.dispatch().return_orders(request).await.unwrap_err();
        assert!(many.message().contains("leases holds 1001"), "{}", many.message());
    })
    .await;
}
