//! Verifying, cancelling, unblocking, listing, counting.

use crate::world::{code, executed, failed, new_id, on_each_engine, order};
use provost_contract::fulfillment::v1::{
    CancelOrdersRequest, CountOrdersRequest, GetOrderRequest, ListOrdersRequest, OrderFilter, UnblockOrdersRequest,
    Verification, VerifyOrdersRequest,
};
use provost_contract::types::v1::{FailureClass, InactiveReason, ProvisioningState, RuleFailure};
use provost_testkit::eventually;
use std::time::Duration;
use tonic::Code;
use tonic_types::StatusExt;

#[tokio::test]
async fn errored_order_is_unblocked_and_succeeds() {
    on_each_engine(async |world| {
        let ada = order("ada", "x");
        world.submit(vec![ada.clone()]).await;
        world.pull().await;
        world.report(vec![failed(&ada.order_id, 1, FailureClass::Refused)]).await;
        let (record, _) = world.get(&ada.order_id).await;
        assert_eq!((record.state(), record.state_reason.as_str()), (ProvisioningState::Errored, "no (E1)"));
        assert!(world.pull().await.is_empty());
        let results = world.unblock(&[&ada.order_id, &new_id()]).await;
        assert_eq!((code(&results[0]), results[0].state()), (Code::Ok, ProvisioningState::Pending));
        assert_eq!(code(&results[1]), Code::NotFound);
        let (_, history) = world.get(&ada.order_id).await;
        let last = history.last().unwrap();
        assert_eq!((last.actor.as_str(), last.reason.as_str()), ("ada", "mended"));
        assert_eq!(world.pull().await[0].attempt, 2);
        let results = world.report(vec![executed(&ada.order_id, 2)]).await;
        assert_eq!(results[0].state(), ProvisioningState::Executed);
        assert_eq!(code(&world.unblock(&[&ada.order_id]).await[0]), Code::FailedPrecondition);
    })
    .await;
}

#[tokio::test]
async fn error_ends_when_it_was_evaluated_again_and_not_by_an_operator() {
    on_each_engine(async |world| {
        let mut broken = order("ada", "x");
        broken.rule_failure = Some(RuleFailure { rule: "scalar title".into(), ..RuleFailure::default() });
        world.submit(vec![broken.clone()]).await;
        assert_eq!(code(&world.cancel(&[&broken.order_id]).await[0]), Code::FailedPrecondition);
        let refused = world.unblock(&[&broken.order_id]).await.remove(0).error.unwrap();
        assert!(refused.message.contains("mend the rule or the data"), "{}", refused.message);
        assert_eq!(world.state(&broken.order_id).await, ProvisioningState::Error);
        let order_ids = vec![broken.order_id.clone()];
        let request = CancelOrdersRequest { order_ids, reason: "mended".into(), reevaluated: true };
        let results = world.orders().cancel_orders(request).await.unwrap().into_inner().results;
        assert_eq!(code(&results[0]), Code::Ok);
        assert_eq!(world.get(&broken.order_id).await.0.inactive_reason(), InactiveReason::Superseded);
    })
    .await;
}

#[tokio::test]
async fn cancelled_order_is_inactive_and_one_in_flight_is_not_cancelled() {
    on_each_engine(async |world| {
        let (ada, bob) = (order("ada", "x"), order("bob", "x"));
        world.submit(vec![ada.clone(), bob.clone()]).await;
        world.pull_as("agent-1", 1).await;
        let results = world.cancel(&[&ada.order_id, &bob.order_id, &bob.order_id]).await;
        assert_eq!(code(&results[0]), Code::FailedPrecondition);
        assert!(results[0].error.as_ref().unwrap().message.contains("in flight at agent-1"));
        assert_eq!((code(&results[1]), code(&results[2])), (Code::Ok, Code::Ok), "repeating is harmless");
        assert_eq!(world.get(&bob.order_id).await.0.inactive_reason(), InactiveReason::Cancelled);
        let request = CancelOrdersRequest { order_ids: vec![new_id()], reason: " ".into(), reevaluated: false };
        let status = world.orders().cancel_orders(request).await.unwrap_err();
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "reason");
        let request = CancelOrdersRequest { order_ids: vec![new_id(); 1_001], reason: "r".into(), reevaluated: false };
        assert_eq!(world.orders().cancel_orders(request).await.unwrap_err().code(), Code::InvalidArgument);
        let request = UnblockOrdersRequest { order_ids: vec![new_id(); 1_001], comment: String::new() };
        assert_eq!(world.orders().unblock_orders(request).await.unwrap_err().code(), Code::InvalidArgument);
    })
    .await;
}

#[tokio::test]
async fn verification_needs_an_instant_and_an_order() {
    on_each_engine(async |world| {
        let ada = order("ada", "x");
        world.submit(vec![ada.clone()]).await;
        let verifications = vec![
            Verification { order_id: ada.order_id.clone(), ..Default::default() },
            Verification { order_id: new_id(), ..Default::default() },
        ];
        let request = VerifyOrdersRequest { verifications };
        let results = world.orders().verify_orders(request).await.unwrap().into_inner().results;
        assert_eq!((code(&results[0]), code(&results[1])), (Code::InvalidArgument, Code::NotFound));
        // Somebody wrote it by hand before an agent came: what synchronization shows is the truth.
        let later = crate::world::START.plus(Duration::from_secs(1));
        assert_eq!(world.verify(&ada.order_id, later).await.state(), ProvisioningState::Verified);
        assert!(world.pull().await.is_empty());
        assert_eq!(code(&world.cancel(&[&ada.order_id]).await[0]), Code::FailedPrecondition);
    })
    .await;
}

#[tokio::test]
async fn executed_order_that_is_never_verified_becomes_errored() {
    on_each_engine(async |world| {
        let mut ada = order("ada", "x");
        ada.transmitted_validity_minutes = 10;
        let mut secret = order("bob", "x");
        secret.transmitted_validity_minutes = 10;
        secret.changes.iter_mut().for_each(|change| change.write_only = true);
        world.submit(vec![ada.clone(), secret.clone()]).await;
        world.pull().await;
        world.report(vec![executed(&ada.order_id, 1), executed(&secret.order_id, 1)]).await;
        world.pass(599);
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        assert_eq!(world.state(&ada.order_id).await, ProvisioningState::Executed);
        world.pass(1);
        eventually("the order to be Errored", Duration::from_secs(10), async || {
            match world.state(&ada.order_id).await {
                ProvisioningState::Errored => Ok(()),
                state => Err(format!("{state:?}")),
            }
        })
        .await;
        assert_eq!(world.state(&secret.order_id).await, ProvisioningState::Executed, "never read back, never overdue");
    })
    .await;
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    on_each_engine(async |world| {
        let mut orders: Vec<_> = (0..25).map(|n| order(&format!("p{n}"), "x")).collect();
        orders[3].resource_type = "Other".into();
        world.submit(orders.clone()).await;
        world.pull_as("agent-1", 5).await;
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let request = ListOrdersRequest { page_size: 10, page_token: token, filter: None };
            let page = world.orders().list_orders(request).await.unwrap().into_inner();
            seen.extend(page.orders.into_iter().map(|record| record.order.unwrap().order_id));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, orders.iter().map(|order| order.order_id.clone()).collect::<Vec<_>>());
        let filter = |filter: OrderFilter| async move { filter };
        let one = filter(OrderFilter { owner_key: "p-p7".into(), ..Default::default() }).await;
        assert_eq!(world.list(one).await.len(), 1);
        let other = OrderFilter { resource_types: vec!["Other".into(), "None".into()], ..Default::default() };
        assert_eq!(world.list(other).await.len(), 1);
        let none = OrderFilter { states: vec![ProvisioningState::Errored.into()], ..Default::default() };
        assert!(world.list(none).await.is_empty());
        let all = OrderFilter {
            states: vec![ProvisioningState::Pending.into(), ProvisioningState::Errored.into()],
            connector: "app".into(),
            connection: crate::world::CONNECTION.into(),
            generation_run: "run-1".into(),
            ..Default::default()
        };
        assert_eq!(world.list(all.clone()).await.len(), 25);
        let request = CountOrdersRequest { filter: Some(all), ..Default::default() };
        let counts = world.orders().count_orders(request).await.unwrap().into_inner().counts;
        let shown: Vec<_> = counts.iter().map(|c| (c.resource_type.as_str(), c.count, c.in_flight)).collect();
        assert_eq!(shown, [("AppAccount", 24, 4), ("Other", 1, 1)]);
    })
    .await;
}

#[tokio::test]
async fn wrong_lists_name_what_is_wrong() {
    on_each_engine(async |world| {
        let list = async |request: ListOrdersRequest| world.orders().list_orders(request).await.unwrap_err();
        let states = Some(OrderFilter { states: vec![0, 99], ..Default::default() });
        let status = list(ListOrdersRequest { filter: states.clone(), ..Default::default() }).await;
        assert!(status.message().contains("filter.states[0]") && status.message().contains("filter.states[1]"));
        let status = list(ListOrdersRequest { page_size: 1_001, ..Default::default() }).await;
        assert!(status.message().contains("page_size"));
        let status = list(ListOrdersRequest { page_token: "x".into(), ..Default::default() }).await;
        assert!(status.message().contains("page_token"));
        let names = Some(OrderFilter {
            resource_types: vec!["x".into(); 101],
            owner_key: "x".repeat(501),
            ..Default::default()
        });
        let status = list(ListOrdersRequest { filter: names, ..Default::default() }).await;
        assert!(status.message().contains("filter.resource_types") && status.message().contains("filter.owner_key"));
        let status =
            world.orders().count_orders(CountOrdersRequest { filter: states, ..Default::default() }).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        let status = world.orders().get_order(GetOrderRequest { order_id: new_id() }).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        let status = world.orders().get_order(GetOrderRequest { order_id: "x".into() }).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    })
    .await;
}

#[tokio::test]
async fn overtaken_order_is_not_unblocked_and_does_not_hold_its_lane() {
    on_each_engine(async |world| {
        let (mut old, new, newest) = (order("ada", "1"), order("ada", "2"), order("ada", "3"));
        old.transmitted_validity_minutes = 1;
        world.submit(vec![old.clone()]).await;
        world.pull().await;
        world.report(vec![executed(&old.order_id, 1)]).await;
        world.submit(vec![new.clone()]).await;
        world.pass(61);
        eventually("the order to be Errored", Duration::from_secs(10), async || {
            match world.state(&old.order_id).await {
                ProvisioningState::Errored => Ok(()),
                state => Err(format!("{state:?}")),
            }
        })
        .await;
        let leased = world.pull().await;
        assert_eq!(leased[0].order.as_ref().unwrap().order_id, new.order_id, "{}", world.engine);
        for _ in ["in flight", "executed"] {
            let results = world.unblock(&[&old.order_id]).await;
            assert_eq!(code(&results[0]), Code::FailedPrecondition);
            let message = &results[0].error.as_ref().unwrap().message;
            assert!(message.contains(&new.order_id) && message.contains("cancel this one instead"), "{message}");
            world.report(vec![executed(&new.order_id, 1)]).await;
        }
        assert_eq!(world.state(&old.order_id).await, ProvisioningState::Errored);
        world.submit(vec![newest.clone()]).await;
        let leased = world.pull().await;
        assert_eq!(leased[0].order.as_ref().unwrap().order_id, newest.order_id);
    })
    .await;
}
