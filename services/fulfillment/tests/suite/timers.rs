//! What lies too long, and what has been over for long.

use crate::world::{World, code, executed, failed, new_id, on_each_engine, order, reviewed};
use provost_contract::fulfillment::v1 as api;
use provost_contract::review::v1::Verdict;
use provost_contract::types::v1::{self as types, FailureClass, OrderEvent, ProvisioningState as State};
use provost_testkit::eventually;
use std::time::Duration;
use tokio_stream::StreamExt;
use tonic::Code;

const DAY: u64 = 24 * 60 * 60;

async fn ages(world: &World, request: api::CountOrdersByAgeRequest) -> Vec<(State, Vec<i64>, String)> {
    let counts = world.orders().count_orders_by_age(request).await.unwrap().into_inner().counts;
    counts.into_iter().map(|count| (count.state(), count.by_age.clone(), count.oldest_order_id)).collect()
}

#[tokio::test]
async fn what_lies_is_counted_by_state_and_age() {
    on_each_engine(async |world| {
        let (old, waiting) = (order("old", "x"), reviewed("waiting", "x"));
        world.submit(vec![old.clone(), waiting.clone()]).await;
        world.pass(2 * DAY);
        let mut fresh = order("fresh", "x");
        fresh.transmitted_validity_minutes = 60;
        world.submit(vec![fresh.clone()]).await;
        let all = ages(world, Default::default()).await;
        let expected = [
            (State::Pending, vec![1, 0, 1, 0], old.order_id.clone()),
            (State::AwaitingApproval, vec![0, 0, 1, 0], waiting.order_id.clone()),
        ];
        assert_eq!(all, expected, "{}", world.engine);
        // Taken under a lease, it is Pending still, and has been for two days.
        let leased = world.pull_as("agent-1", 1).await;
        assert_eq!(crate::world::ids(&leased), std::slice::from_ref(&old.order_id));
        let bounds = api::CountOrdersByAgeRequest { bounds_minutes: vec![1, 2 * 1_440], ..Default::default() };
        assert_eq!(ages(world, bounds).await[0].1, [1, 0, 1]);
        world.report(vec![failed(&old.order_id, 1, FailureClass::Refused)]).await;
        let errored = ages(world, Default::default()).await;
        assert_eq!(errored[1], (State::Errored, vec![1, 0, 0, 0], old.order_id.clone()), "the state is new");

        let listed = async |minutes: i32, states: Vec<i32>| {
            let filter = api::OrderFilter { older_than_minutes: minutes, states, ..Default::default() };
            world.list(filter).await.into_iter().map(|one| one.order.unwrap().target_key).collect::<Vec<_>>()
        };
        assert_eq!(listed(60, vec![]).await, ["waiting"]);
        assert_eq!(listed(2 * 1_440, vec![State::AwaitingApproval.into()]).await, ["waiting"]);
        assert!(listed(60, vec![State::Pending.into()]).await.is_empty());

        let leased = world.pull().await;
        world.report(vec![executed(&crate::world::ids(&leased)[0], 1)]).await;
        let request = api::CountOrdersByAgeRequest {
            filter: Some(api::OrderFilter { states: vec![State::Executed.into()], ..Default::default() }),
            ..Default::default()
        };
        let counts = world.orders().count_orders_by_age(request).await.unwrap().into_inner();
        assert_eq!(counts.bounds_minutes, [60, 1_440, 10_080]);
        let deadline = counts.counts[0].next_deadline_at.unwrap().seconds;
        assert_eq!(deadline, world.now().millis() / 1_000 + 3_600, "an hour of validity");

        let none = api::OrderFilter { states: vec![State::Verified.into()], ..Default::default() };
        let none = api::CountOrdersByAgeRequest { filter: Some(none), ..Default::default() };
        assert!(ages(world, none).await.is_empty(), "what is finished does not lie");
        for wrong in [vec![5, 5], vec![0]] {
            let request = api::CountOrdersByAgeRequest { bounds_minutes: wrong, ..Default::default() };
            let status = world.orders().count_orders_by_age(request).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
        }
        let filter = Some(api::OrderFilter { older_than_minutes: -1, ..Default::default() });
        let request = api::ListOrdersRequest { filter, ..Default::default() };
        assert_eq!(world.orders().list_orders(request).await.unwrap_err().code(), Code::InvalidArgument);
    })
    .await;
}

async fn finished(world: &World, order: &types::Order) {
    world.submit(vec![order.clone()]).await;
    let leased = world.pull().await;
    let id = &order.order_id;
    assert_eq!(crate::world::ids(&leased), std::slice::from_ref(id));
    world.report(vec![executed(id, 1)]).await;
    world.pass(1);
    assert_eq!(code(&world.verify(id, world.now()).await), Code::Ok);
}

async fn is_archived(world: &World, id: &str) -> bool {
    let request = api::GetOrderRequest { order_id: id.into() };
    world.orders().get_order(request).await.unwrap().into_inner().archived_at.is_some()
}

async fn until_archived(world: &World, id: &str) {
    eventually("the order to be archived", Duration::from_secs(20), async || {
        if is_archived(world, id).await { Ok(()) } else { Err("it is in the lists".to_owned()) }
    })
    .await;
}

/// What the feed tells of an order after a cursor: events, with the state that it shows.
async fn told(world: &World, id: &str) -> Vec<(OrderEvent, State)> {
    let request = api::WatchOrdersRequest { after_cursor: 0, resource_types: vec!["AppAccount".into()] };
    let mut feed = world.orders().watch_orders(request).await.unwrap().into_inner();
    let mut found = Vec::new();
    // It stays open: what was there comes at once.
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(700), feed.next()).await {
        let event = event.unwrap();
        let (entry, record) = (event.entry.unwrap(), event.record.unwrap());
        if entry.order_id == id {
            found.push((entry.event(), record.state()));
        }
    }
    found
}

#[tokio::test]
async fn finished_orders_are_archived_whole_and_stay_known() {
    on_each_engine(async |world| {
        let mut ada = order("ada", "Clerk");
        ada.changes[1].sensitive = true;
        finished(world, &ada).await;
        let open = order("bob", "Clerk");
        world.submit(vec![open.clone()]).await;
        let (before, history) = world.get(&ada.order_id).await;
        world.pass(399 * DAY);
        world.restart().await;
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert!(!is_archived(world, &ada.order_id).await, "{}: not yet", world.engine);
        world.pass(2 * DAY);
        world.restart().await;
        until_archived(world, &ada.order_id).await;

        let (after, kept) = world.get(&ada.order_id).await;
        assert_eq!((after.order, after.version), (before.order, before.version), "{}", world.engine);
        assert_eq!(kept, history, "the whole history");
        let listed = world.list(api::OrderFilter::default()).await;
        assert_eq!(
            listed.iter().map(|one| one.order.as_ref().unwrap().target_key.as_str()).collect::<Vec<_>>(),
            ["bob"]
        );
        let counts = world.orders().count_orders(api::CountOrdersRequest::default()).await.unwrap().into_inner().counts;
        let counts: Vec<_> = counts.iter().map(|count| (count.state(), count.count, count.archived)).collect();
        assert_eq!(counts, [(State::Pending, 1, 0), (State::Verified, 0, 1)]);
        let narrow = api::OrderFilter { owner_key: "p-ada".into(), ..Default::default() };
        let request = api::CountOrdersRequest { filter: Some(narrow), ..Default::default() };
        assert!(world.orders().count_orders(request).await.unwrap().into_inner().counts.is_empty());

        assert_eq!(told(world, &ada.order_id).await, [(OrderEvent::Verified, State::Verified)], "the last event alone");
        let again = world.submit(vec![ada.clone()]).await;
        assert_eq!((again.accepted, again.duplicates), (0, 1), "the same order is still known");
        let mut other = ada.clone();
        other.target_key = "eve".into();
        assert_eq!(world.submit(vec![other]).await.rejections[0].error.as_ref().unwrap().code, 6, "its id is taken");
        let mut dependent = order("mailbox", "x");
        dependent.depends_on = vec![ada.order_id.clone()];
        assert_eq!(world.submit(vec![dependent]).await.accepted, 1, "what it depends on was written");
        let refused = &world.cancel(&[&ada.order_id]).await[0];
        assert_eq!(code(refused), Code::FailedPrecondition, "it is over, and says so");
        let mut next = order("ada", "Boss");
        next.order_id = new_id();
        assert_eq!(world.submit(vec![next]).await.accepted, 1, "the lane goes on");
    })
    .await;
}

#[tokio::test]
async fn what_was_declined_is_remembered_however_old_it_is() {
    on_each_engine(async |world| {
        let declined = reviewed("ada", "Clerk");
        world.submit(vec![declined.clone()]).await;
        world.review.decide(&declined.order_id, Verdict::Decline);
        eventually("the order to be declined", Duration::from_secs(10), async || {
            match world.state(&declined.order_id).await {
                State::Inactive => Ok(()),
                state => Err(format!("{state:?}")),
            }
        })
        .await;
        let gone = order("bob", "Clerk");
        world.submit(vec![gone.clone()]).await;
        world.cancel(&[&gone.order_id]).await;
        world.pass(401 * DAY);
        world.restart().await;
        until_archived(world, &gone.order_id).await;
        assert!(!is_archived(world, &declined.order_id).await, "{}", world.engine);
        let again = types::Order { order_id: new_id(), ..declined.clone() };
        assert_eq!(world.submit(vec![again]).await.duplicates, 1, "it is not proposed again");
        // Something newer was written since: it no longer decides anything.
        let newer = order("ada", "Boss");
        finished(world, &newer).await;
        world.restart().await;
        until_archived(world, &declined.order_id).await;
    })
    .await;
}

#[tokio::test]
async fn a_replica_that_ends_hands_its_timers_over() {
    on_each_engine(async |world| {
        let mut ada = order("ada", "x");
        ada.transmitted_validity_minutes = 1;
        world.submit(vec![ada.clone()]).await;
        world.pull().await;
        world.report(vec![executed(&ada.order_id, 1)]).await;
        // The new one starts while the old one holds the leases, and the clock stands still: nothing runs out.
        world.restart().await;
        world.pass(61);
        eventually("the order to be Errored", Duration::from_secs(10), async || {
            match world.state(&ada.order_id).await {
                State::Errored => Ok(()),
                state => Err(format!("{}: {state:?}", world.engine)),
            }
        })
        .await;
        let (_, history) = world.get(&ada.order_id).await;
        assert_eq!(history.iter().filter(|line| line.event() == OrderEvent::ValidityOver).count(), 1);
    })
    .await;
}
