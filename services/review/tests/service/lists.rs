//! Pages and filters.

use crate::desk::{Desk, desks, order, text};
use provost_contract::review::v1::{ListReviewsRequest, ReviewState, Verdict};
use provost_service_kit::new_id;

async fn ids(desk: &Desk, request: ListReviewsRequest) -> Vec<String> {
    desk.list(request).await.unwrap().reviews.into_iter().map(|review| review.review_id).collect()
}

#[tokio::test]
async fn list_without_filter_shows_what_waits_oldest_first() {
    for desk in desks().await {
        let (open, postponed, approved, declined, withdrawn) =
            (desk.opened().await, desk.opened().await, desk.opened().await, desk.opened().await, desk.opened().await);
        desk.say(Verdict::Postpone, &postponed).await.unwrap();
        desk.say(Verdict::Approve, &approved).await.unwrap();
        desk.say(Verdict::Decline, &declined).await.unwrap();
        desk.withdraw(&withdrawn).await.unwrap();
        assert_eq!(ids(&desk, ListReviewsRequest::default()).await, [open.clone(), postponed.clone()]);
        for (state, expected) in [
            (ReviewState::Open, &open),
            (ReviewState::Postponed, &postponed),
            (ReviewState::Approved, &approved),
            (ReviewState::Declined, &declined),
            (ReviewState::Withdrawn, &withdrawn),
        ] {
            let request = ListReviewsRequest { states: vec![state.into(), state.into()], ..Default::default() };
            assert_eq!(ids(&desk, request).await, std::slice::from_ref(expected), "{state:?} on {}", desk.engine.name);
        }
        let closed = [ReviewState::Declined, ReviewState::Approved].map(Into::into).to_vec();
        let both = desk.list(ListReviewsRequest { states: closed, ..Default::default() }).await.unwrap().reviews;
        let shown: Vec<_> = both.iter().map(|review| (review.review_id.clone(), review.decisions.len())).collect();
        assert_eq!(shown, [(approved, 1), (declined, 1)]);
    }
}

#[tokio::test]
async fn list_is_narrowed_by_resource_type_and_owner() {
    for desk in desks().await {
        let mut expected = Vec::new();
        for (resource_type, owner) in [("A", "1"), ("A", "2"), ("B", "1")] {
            let id = new_id().to_string();
            let mut order = order(&id);
            order.resource_type = resource_type.into();
            order.owner.as_mut().unwrap().key = owner.into();
            desk.request(&id, order).await.unwrap();
            expected.push(id);
        }
        let by = |resource_type: &str, owner_key: &str| ListReviewsRequest {
            resource_type: resource_type.into(),
            owner_key: owner_key.into(),
            ..Default::default()
        };
        assert_eq!(ids(&desk, by("A", "")).await, expected[..2]);
        assert_eq!(ids(&desk, by("", "1")).await, [expected[0].clone(), expected[2].clone()]);
        assert_eq!(ids(&desk, by("B", "1")).await, expected[2..]);
        assert!(ids(&desk, by("B", "2")).await.is_empty());
    }
}

async fn walk(desk: &Desk, page_size: i32) -> (Vec<String>, Vec<usize>) {
    let (mut found, mut sizes, mut page_token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = desk.list(ListReviewsRequest { page_size, page_token, ..Default::default() }).await.unwrap();
        sizes.push(page.reviews.len());
        found.extend(page.reviews.into_iter().map(|review| review.review_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return (found, sizes);
        }
    }
}

#[tokio::test]
async fn pages_hold_every_review_once() {
    for desk in desks().await {
        let mut expected = Vec::new();
        for _ in 0..7 {
            expected.push(desk.opened().await);
        }
        assert_eq!(walk(&desk, 3).await, (expected.clone(), vec![3, 3, 1]), "{}", desk.engine.name);
        assert_eq!(walk(&desk, 0).await, (expected, vec![7]));
    }
}

#[tokio::test]
async fn page_of_large_orders_ends_early_and_the_list_goes_on() {
    for desk in desks().await {
        let mut expected = Vec::new();
        for _ in 0..5 {
            let id = new_id().to_string();
            let mut order = order(&id);
            order.changes[0].proposed = text(&"x".repeat(1_500_000));
            desk.request(&id, order).await.unwrap();
            expected.push(id);
        }
        assert_eq!(walk(&desk, 1_000).await, (expected, vec![2, 2, 1]), "{}", desk.engine.name);
    }
}
