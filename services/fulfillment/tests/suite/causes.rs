//! Errored orders by cause: counted, probed, unblocked little by little.

use crate::world::{World, code, failed, ids, on_each_engine, order};
use provost_contract::fulfillment::v1::feedback::Outcome;
use provost_contract::fulfillment::v1::{
    ErrorCause, ListErrorCausesRequest, OrderFilter, UnblockErrorCauseRequest, UnblockErrorCauseResponse,
};
use provost_contract::types::v1::{FailureClass, Order, ProvisioningState};
use provost_service_kit::caller::request_as;
use tonic::Code;
use tonic_types::StatusExt;

/// Orders that fail with a message each.
async fn fail(world: &World, names: &[&str], message: impl Fn(&str) -> String) -> Vec<Order> {
    let orders: Vec<Order> = names.iter().map(|name| order(name, "x")).collect();
    world.submit(orders.clone()).await;
    assert_eq!(world.pull().await.len(), orders.len());
    let reports = orders.iter().zip(names).map(|(order, name)| {
        let mut report = failed(&order.order_id, 1, FailureClass::Refused);
        if let Some(Outcome::Failed(failure)) = &mut report.outcome {
            failure.message = message(name);
        }
        report
    });
    world.report(reports.collect()).await;
    orders
}

async fn causes(world: &World) -> Vec<ErrorCause> {
    let request = ListErrorCausesRequest::default();
    world.orders().list_error_causes(request).await.unwrap().into_inner().causes
}

async fn unblock(world: &World, cause: &ErrorCause, orders_max: i32, per_minute: i32) -> UnblockErrorCauseResponse {
    let request = UnblockErrorCauseRequest {
        error_cause: cause.error_cause.clone(),
        connection: cause.connection.clone(),
        orders_max,
        per_minute,
        comment: "the quota was raised".into(),
    };
    world.orders().unblock_error_cause(request_as("ada", request)).await.unwrap().into_inner()
}

#[tokio::test]
async fn errors_of_one_cause_are_counted_probed_and_unblocked_together() {
    on_each_engine(async |world| {
        let full = fail(world, &["a", "b", "c"], |name| format!("quota of '{name}' is used up")).await;
        world.pass(60);
        let odd = fail(world, &["d"], |_| "no such group".into()).await;
        let found = causes(world).await;
        let counts: Vec<_> = found.iter().map(|cause| cause.count).collect();
        assert_eq!(counts, [3, 1], "{}: {found:?}", world.engine);
        assert_eq!(found[0].example_order_id, full[0].order_id);
        assert_eq!(found[0].example.as_ref().unwrap().message, "quota of 'a' is used up");
        let seconds = |cause: &ErrorCause| cause.last_at.as_ref().unwrap().seconds;
        assert_eq!(seconds(&found[1]) - seconds(&found[0]), 60);
        let filter = OrderFilter { error_cause: found[0].error_cause.clone(), ..Default::default() };
        assert_eq!(world.list(filter).await.len(), 3);

        // One as a probe.
        let probe = unblock(world, &found[0], 1, 0).await;
        assert_eq!((probe.unblocked, probe.left, probe.last_at), (1, 2, None));
        assert_eq!(ids(&world.pull().await), [full[0].order_id.as_str()]);
        let (record, history) = world.get(&full[0].order_id).await;
        assert_eq!(record.error_cause, "");
        let last = &history[history.len() - 2];
        assert_eq!((last.actor.as_str(), last.reason.as_str()), ("ada", "the quota was raised"));

        // The rest at two a minute; the other cause stays.
        let rest = unblock(world, &found[0], 0, 2).await;
        assert_eq!((rest.unblocked, rest.left), (2, 0));
        assert!(rest.last_at.is_some());
        assert_eq!(ids(&world.pull().await), [full[1].order_id.as_str()]);
        let (record, _) = world.get(&full[2].order_id).await;
        assert_eq!(record.next_attempt_at, rest.last_at);
        assert!(record.state_reason.contains("quota of 'c' is used up"), "{}", record.state_reason);
        world.pass(30);
        assert_eq!(ids(&world.pull().await), [full[2].order_id.as_str()]);
        assert_eq!(world.state(&odd[0].order_id).await, ProvisioningState::Errored);
        assert_eq!(causes(world).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn order_that_its_lane_went_on_without_is_refused_and_the_others_are_not() {
    on_each_engine(async |world| {
        // Executed and then overdue: a newer order went on, and the older must not be written over it.
        let mut old = order("a", "1");
        old.transmitted_validity_minutes = 1;
        world.submit(vec![old.clone()]).await;
        world.pull().await;
        world.report(vec![crate::world::executed(&old.order_id, 1)]).await;
        let new = order("a", "2");
        world.submit(vec![new.clone()]).await;
        let mut other = order("b", "1");
        other.transmitted_validity_minutes = 1;
        world.submit(vec![other.clone()]).await;
        let leased = world.pull().await;
        assert_eq!(leased.len(), 2);
        world.report(vec![crate::world::executed(&new.order_id, 1), crate::world::executed(&other.order_id, 1)]).await;
        world.pass(61);
        provost_testkit::eventually("both to be overdue", std::time::Duration::from_secs(20), async || {
            let found = causes(world).await;
            if found.first().is_some_and(|cause| cause.count == 2) { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
        let cause = causes(world).await.remove(0);
        // A probe passes over what is refused.
        let answer = unblock(world, &cause, 1, 0).await;
        assert_eq!((answer.unblocked, answer.refused, answer.left), (1, 1, 1), "{}", world.engine);
        assert_eq!(answer.refusals[0].order_id, old.order_id);
        assert_eq!(code(&answer.refusals[0]), Code::FailedPrecondition);
        assert_eq!(world.state(&other.order_id).await, ProvisioningState::Pending);
        let again = unblock(world, &cause, 0, 0).await;
        assert_eq!((again.unblocked, again.refused, again.left), (0, 1, 1));
    })
    .await;
}

#[tokio::test]
async fn every_wrong_field_of_an_unblocking_is_named_and_nothing_moves() {
    on_each_engine(async |world| {
        let orders = fail(world, &["a"], |_| "no".into()).await;
        let request = UnblockErrorCauseRequest {
            orders_max: -1,
            per_minute: 1_000_001,
            comment: "x".repeat(2_001),
            ..Default::default()
        };
        let refused = world.orders().unblock_error_cause(request).await.unwrap_err();
        let violations = refused.get_details_bad_request().unwrap().field_violations;
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["error_cause", "connection", "comment", "orders_max", "per_minute"]);
        let filter = Some(OrderFilter { connector: "a\0".into(), ..Default::default() });
        let refused = world.orders().list_error_causes(ListErrorCausesRequest { filter }).await.unwrap_err();
        assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, "filter.connector");
        // An unknown cause is one without orders.
        let unknown = ErrorCause { error_cause: "0".into(), connection: "x".into(), ..Default::default() };
        assert_eq!(unblock(world, &unknown, 0, 0).await, UnblockErrorCauseResponse::default());
        assert_eq!(world.state(&orders[0].order_id).await, ProvisioningState::Errored);
    })
    .await;
}
