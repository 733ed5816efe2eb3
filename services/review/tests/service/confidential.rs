//! Confidential values: never shown, and not needed.

use crate::desk::{Desk, desks, order};
use provost_contract::review::v1::{ListReviewsRequest, RequestReviewRequest, Verdict};
use provost_contract::types::v1::{Change, Order, Value, value::Kind};
use provost_service_kit::new_id;

fn withheld(id: &str) -> Order {
    let mut order = order(id);
    let groups = Change { property: "secret_groups".into(), operation: 2, sensitive: true, ..Change::default() };
    order.changes.push(groups);
    order.changes[1].proposed = None;
    order.changes[1].current = None;
    order
}

async fn shown(desk: &Desk, id: &str) -> Vec<Order> {
    let mut shown = vec![
        desk.request(id, order(id)).await.unwrap(),
        desk.get(id).await.unwrap(),
        desk.say(Verdict::Postpone, id).await.unwrap(),
    ];
    shown.extend(desk.list(ListReviewsRequest::default()).await.unwrap().reviews);
    shown.push(desk.withdraw(id).await.unwrap());
    shown.into_iter().filter_map(|review| review.order).collect()
}

#[tokio::test]
async fn delivered_values_are_not_shown_by_any_call() {
    for desk in desks().await {
        let id = desk.opened().await;
        let shown = shown(&desk, &id).await;
        assert_eq!(shown.len(), 5);
        for order in shown {
            assert!(!format!("{order:?}").contains("secret"), "{order:?}");
            let password = &order.changes[1];
            assert!(password.sensitive && password.proposed.is_none() && password.current.is_none());
            assert!(!password.why.is_empty());
        }
    }
}

#[tokio::test]
async fn order_whose_confidential_values_were_withheld_is_taken() {
    for desk in desks().await {
        let id = new_id().to_string();
        let review = desk.request(&id, withheld(&id)).await.unwrap();
        assert_eq!(review.order.unwrap(), withheld(&id), "{}", desk.engine.name);
        assert_eq!(desk.request(&id, withheld(&id)).await.unwrap().version, 1);
    }
}

#[tokio::test]
async fn delivery_with_values_after_one_without_is_the_same_subject() {
    for desk in desks().await {
        let id = new_id().to_string();
        let mut without = order(&id);
        without.changes[1].proposed = None;
        desk.request(&id, without).await.unwrap();
        assert_eq!(desk.request(&id, order(&id)).await.unwrap().version, 1);
    }
}

#[tokio::test]
async fn empty_confidential_values_do_not_excuse_wrong_ones() {
    for desk in desks().await {
        let id = new_id().to_string();
        let mut order = withheld(&id);
        order.changes[2].proposed = Some(Value { kind: Some(Kind::IntegerValue(1)) });
        let request = RequestReviewRequest { review_id: id, order: Some(order), ..Default::default() };
        let refused = desk.client.clone().request_review(request).await.unwrap_err();
        assert!(refused.message().contains("order.changes[2].proposed must be a list"), "{refused}");
    }
}
