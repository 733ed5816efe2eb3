//! Manual provisioning.

use crate::world::{World, code, handed_over, new_id, on_each_engine, order};
use provost_contract::fulfillment::v1::{
    ConfirmOrdersRequest, GetManualOrderRequest, ListManualOrdersRequest, ManualDecision, ReportOrderErrorsRequest,
};
use provost_contract::types::v1::{self as types, ItemResult, OrderEvent, ProvisioningState};
use provost_service_kit::caller::request_as;
use tonic::Code;

/// Orders that wait for a person.
pub(crate) async fn transmitted(world: &World, keys: &[&str]) -> Vec<types::Order> {
    let orders: Vec<_> = keys.iter().map(|key| order(key, "Clerk")).collect();
    world.submit(orders.clone()).await;
    world.pull().await;
    world.report(orders.iter().map(|order| handed_over(&order.order_id, 1)).collect()).await;
    orders
}

pub(crate) async fn confirm(world: &World, decisions: Vec<ManualDecision>) -> Vec<ItemResult> {
    let request = ConfirmOrdersRequest { decisions, comment: "done".into() };
    world.manual().confirm_orders(request_as("desk", request)).await.unwrap().into_inner().results
}

pub(crate) fn decision(id: &str, version: i64) -> ManualDecision {
    ManualDecision { order_id: id.into(), version }
}

#[tokio::test]
async fn person_sees_what_to_do_and_confirms() {
    on_each_engine(async |world| {
        let orders = transmitted(world, &["ada"]).await;
        let id = &orders[0].order_id;
        let list = world.manual().list_manual_orders(ListManualOrdersRequest::default()).await.unwrap().into_inner();
        assert_eq!(
            list.orders[0].suggestion,
            "Create the Account ada for Ada Byron (Person p-ada): login = ada; title = Clerk."
        );
        let shown = world.manual().get_manual_order(GetManualOrderRequest { order_id: id.clone() }).await;
        let shown = shown.unwrap().into_inner();
        assert_eq!(shown.values.len(), 2);
        assert_eq!(shown.record.as_ref().unwrap().ticket, "T-1");
        let version = shown.record.unwrap().version;
        let results = confirm(world, vec![decision(id, version)]).await;
        assert_eq!((code(&results[0]), results[0].state()), (Code::Ok, ProvisioningState::Executed));
        let again = confirm(world, vec![decision(id, version)]).await;
        assert_eq!(code(&again[0]), Code::Ok, "repeating is harmless");
        let (_, history) = world.get(id).await;
        let last = history.last().unwrap();
        assert_eq!((last.event(), last.actor.as_str(), last.reason.as_str()), (OrderEvent::Confirmed, "desk", "done"));
        let gone = world.manual().get_manual_order(GetManualOrderRequest { order_id: id.clone() }).await.unwrap_err();
        assert_eq!(gone.code(), Code::FailedPrecondition);
    })
    .await;
}

#[tokio::test]
async fn many_are_confirmed_at_once_each_with_its_result() {
    on_each_engine(async |world| {
        let orders = transmitted(world, &["a", "b", "c"]).await;
        let pending = order("d", "Clerk");
        world.submit(vec![pending.clone()]).await;
        let mut decisions: Vec<_> = orders.iter().map(|order| decision(&order.order_id, 0)).collect();
        decisions.extend([decision(&pending.order_id, 0), decision(&new_id(), 0), decision("x", 0)]);
        decisions[1].version = 99;
        let codes: Vec<_> = confirm(world, decisions).await.iter().map(code).collect();
        let expected =
            [Code::Ok, Code::Aborted, Code::Ok, Code::FailedPrecondition, Code::NotFound, Code::InvalidArgument];
        assert_eq!(codes, expected);
        assert_eq!(world.state(&orders[1].order_id).await, ProvisioningState::Transmitted);
        let request = ConfirmOrdersRequest { decisions: vec![decision(&new_id(), 0); 1_001], comment: String::new() };
        assert_eq!(world.manual().confirm_orders(request).await.unwrap_err().code(), Code::InvalidArgument);
    })
    .await;
}

#[tokio::test]
async fn reported_error_holds_the_order_until_it_is_unblocked() {
    on_each_engine(async |world| {
        let orders = transmitted(world, &["ada"]).await;
        let id = &orders[0].order_id;
        let report = async |comment: &str, version: i64| {
            let decisions = vec![decision(id, version)];
            let request = ReportOrderErrorsRequest { decisions, comment: comment.into() };
            world.manual().report_order_errors(request_as("desk", request)).await
        };
        assert_eq!(report(" ", 0).await.unwrap_err().code(), Code::InvalidArgument);
        assert_eq!(code(&report("late", 1).await.unwrap().into_inner().results[0]), Code::Aborted);
        let results = report("the printer is broken", 0).await.unwrap().into_inner().results;
        assert_eq!((code(&results[0]), results[0].state()), (Code::Ok, ProvisioningState::Errored));
        let (record, _) = world.get(id).await;
        assert_eq!(record.failure.unwrap().message, "the printer is broken");
        let aborted = confirm(world, vec![decision(id, 3)]).await;
        assert_eq!(code(&aborted[0]), Code::Aborted, "the order changed since the person saw it");
        assert_eq!(code(&confirm(world, vec![decision(id, 0)]).await[0]), Code::FailedPrecondition);
        world.unblock(&[id]).await;
        assert_eq!(world.pull().await[0].attempt, 2);
    })
    .await;
}

#[tokio::test]
async fn list_is_filtered_and_hides_confidential_values() {
    on_each_engine(async |world| {
        let mut badge = order("4711", "Clerk");
        badge.entity_type = "Badge".into();
        badge.changes[1].sensitive = true;
        world.submit(vec![badge.clone(), order("ada", "Clerk")]).await;
        let leased = world.pull().await;
        let kept = leased[0].order.as_ref().unwrap();
        assert!(kept.changes[1].proposed.is_some(), "the agent that writes it gets it");
        world.report(crate::world::ids(&leased).iter().map(|id| handed_over(id, 1)).collect()).await;
        let request = ListManualOrdersRequest { entity_type: "Badge".into(), ..Default::default() };
        let list = world.manual().list_manual_orders(request).await.unwrap().into_inner().orders;
        assert_eq!(list.len(), 1);
        assert!(list[0].suggestion.contains("title = (confidential)"), "{}", list[0].suggestion);
        assert_eq!(list[0].values[1].new_value, None);
        let request = GetManualOrderRequest { order_id: badge.order_id.clone() };
        let shown = world.manual().get_manual_order(request).await.unwrap().into_inner();
        assert!(shown.values[1].new_value.is_some(), "the person who writes it sees it");
        let (record, _) = world.get(&badge.order_id).await;
        let change = &record.order.unwrap().changes[1];
        assert!(change.sensitive && change.proposed.is_none(), "everybody else does not");
        for request in [
            ListManualOrdersRequest { resource_type: "None".into(), ..Default::default() },
            ListManualOrdersRequest { owner_key: "nobody".into(), ..Default::default() },
            ListManualOrdersRequest { connector: "none".into(), ..Default::default() },
        ] {
            assert!(world.manual().list_manual_orders(request).await.unwrap().into_inner().orders.is_empty());
        }
        let request = ListManualOrdersRequest { page_size: -1, ..Default::default() };
        assert_eq!(world.manual().list_manual_orders(request).await.unwrap_err().code(), Code::InvalidArgument);
        let request = GetManualOrderRequest { order_id: new_id() };
        assert_eq!(world.manual().get_manual_order(request).await.unwrap_err().code(), Code::NotFound);
    })
    .await;
}
