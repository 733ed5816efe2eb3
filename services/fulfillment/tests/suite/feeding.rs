//! The order feed.

use crate::world::{World, executed, on_each_engine, order};
use provost_contract::fulfillment::v1::{WatchOrdersRequest, WatchOrdersResponse};
use provost_contract::types::v1::OrderEvent;
use std::time::Duration;
use tonic::{Code, Streaming};

async fn watch(world: &World, after_cursor: i64, resource_types: &[&str]) -> Streaming<WatchOrdersResponse> {
    let resource_types = resource_types.iter().map(ToString::to_string).collect();
    let request = WatchOrdersRequest { after_cursor, resource_types };
    world.orders().watch_orders(request).await.unwrap().into_inner()
}

async fn next(feed: &mut Streaming<WatchOrdersResponse>) -> (i64, OrderEvent, String) {
    let message = tokio::time::timeout(Duration::from_secs(10), feed.message()).await.expect("an event in time");
    let entry = message.unwrap().unwrap().entry.unwrap();
    (entry.cursor, entry.event(), entry.order_id)
}

#[tokio::test]
async fn feed_replays_from_the_cursor_and_stays_open() {
    on_each_engine(async |world| {
        let (ada, bob) = (order("ada", "x"), order("bob", "x"));
        world.submit(vec![ada.clone()]).await;
        world.pull().await;
        let mut feed = watch(world, 0, &[]).await;
        let (first, event, id) = next(&mut feed).await;
        assert_eq!((event, id), (OrderEvent::Generated, ada.order_id.clone()));
        let (second, event, _) = next(&mut feed).await;
        assert!(second > first && event == OrderEvent::Leased);
        // Live, and through a call that another client makes.
        world.submit(vec![bob.clone()]).await;
        let (third, event, id) = next(&mut feed).await;
        assert_eq!((event, id), (OrderEvent::Generated, bob.order_id.clone()));
        world.report(vec![executed(&ada.order_id, 1)]).await;
        assert_eq!(next(&mut feed).await.1, OrderEvent::Executed);
        // A consumer that comes back goes on where it was.
        let mut later = watch(world, second, &[]).await;
        assert_eq!(next(&mut later).await.0, third);
    })
    .await;
}

#[tokio::test]
async fn feed_of_one_resource_type_passes_over_the_others() {
    on_each_engine(async |world| {
        let others: Vec<_> = (0..700).map(|n| order(&format!("p{n}"), "x")).collect();
        world.submit(others).await;
        let mut wanted = order("ada", "x");
        wanted.resource_type = "Wanted".into();
        let mut feed = watch(world, 0, &["Wanted"]).await;
        world.submit(vec![wanted.clone()]).await;
        assert_eq!(next(&mut feed).await.2, wanted.order_id);
    })
    .await;
}

#[tokio::test]
async fn feed_survives_a_restart_and_ends_with_a_reason() {
    on_each_engine(async |world| {
        world.submit(vec![order("ada", "x")]).await;
        let mut feed = watch(world, 0, &[]).await;
        let (cursor, ..) = next(&mut feed).await;
        world.restart().await;
        let ended = tokio::time::timeout(Duration::from_secs(10), feed.message()).await.expect("the feed ends");
        assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
        let bob = order("bob", "x");
        world.submit(vec![bob.clone()]).await;
        let mut feed = watch(world, cursor, &[]).await;
        assert_eq!(next(&mut feed).await.2, bob.order_id);
    })
    .await;
}

#[tokio::test]
async fn negative_cursor_is_refused() {
    on_each_engine(async |world| {
        let request = WatchOrdersRequest { after_cursor: -1, resource_types: vec![] };
        let status = world.orders().watch_orders(request).await.unwrap_err();
        assert!(status.code() == Code::InvalidArgument && status.message().contains("after_cursor"));
    })
    .await;
}

#[tokio::test]
async fn every_event_is_seen_once_and_in_order_under_load() {
    on_each_engine(async |world| {
        let mut feed = watch(world, 0, &[]).await;
        let writers = (0..4).map(|writer| {
            let orders: Vec<_> = (0..50).map(|n| order(&format!("{writer}-{n}"), "x")).collect();
            let mut client = world.orders();
            tokio::spawn(async move {
                for order in orders {
                    let message = provost_contract::fulfillment::v1::SubmitOrdersRequest { orders: vec![order] };
                    client.submit_orders(tokio_stream::iter(vec![message])).await.unwrap();
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        let (mut last, mut seen) = (0, std::collections::HashSet::new());
        for _ in 0..200 {
            let (cursor, _, id) = next(&mut feed).await;
            assert!(cursor > last);
            last = cursor;
            assert!(seen.insert(id));
        }
        for writer in writers {
            writer.await.unwrap();
        }
    })
    .await;
}
