//! Opening and withdrawing.

use crate::desk::{desks, order, text};
use provost_contract::review::v1::{ReviewState, Verdict};
use provost_service_kit::new_id;
use std::time::Duration;
use tonic::Code;

#[tokio::test]
async fn review_shows_all_that_a_reviewer_needs() {
    for desk in desks().await {
        let id = desk.opened().await;
        let review = desk.get(&id).await.unwrap();
        assert_eq!((review.review_id.as_str(), review.state(), review.version), (id.as_str(), ReviewState::Open, 1));
        assert_eq!(review.requested_by, "fulfillment");
        assert_eq!(review.created_at.as_ref().unwrap().seconds, 1_772_352_000);
        assert_eq!(review.updated_at, review.created_at);
        let shown = review.order.unwrap();
        let sent = order(&id);
        assert_eq!((&shown.owner, &shown.target_key, &shown.why), (&sent.owner, &sent.target_key, &sent.why));
        assert_eq!(shown.changes[0], sent.changes[0]);
    }
}

#[tokio::test]
async fn same_request_again_answers_with_the_review_as_it_stands() {
    for desk in desks().await {
        let id = desk.opened().await;
        desk.say(Verdict::Approve, &id).await.unwrap();
        desk.clock.advance(Duration::from_secs(60));
        let again = desk.request(&id.to_uppercase(), order(&id)).await.unwrap();
        assert_eq!(again, desk.get(&id).await.unwrap(), "{}", desk.engine.name);
        assert_eq!((again.state(), again.decisions.len()), (ReviewState::Approved, 1));
    }
}

#[tokio::test]
async fn many_requests_at_once_open_one_review() {
    for desk in desks().await {
        let id = new_id().to_string();
        let requests = (0..8).map(|_| desk.request(&id, order(&id)));
        for answer in futures::future::join_all(requests).await {
            assert_eq!(answer.unwrap().version, 1, "{}", desk.engine.name);
        }
        assert_eq!(desk.list(Default::default()).await.unwrap().reviews.len(), 1);
    }
}

#[tokio::test]
async fn id_of_another_subject_is_refused() {
    for desk in desks().await {
        let id = desk.opened().await;
        let mut other = order(&id);
        other.changes[0].proposed = text("Director");
        let refused = desk.request(&id, other).await.unwrap_err();
        assert_eq!(refused.code(), Code::AlreadyExists, "{}", desk.engine.name);
        assert!(refused.message().contains(&id), "{refused}");
        let kept = desk.get(&id).await.unwrap().order.unwrap();
        assert_eq!(kept.changes[0], order(&id).changes[0]);
    }
}

#[tokio::test]
async fn withdrawn_review_stays_withdrawn() {
    for desk in desks().await {
        let id = desk.opened().await;
        let withdrawn = desk.withdraw(&id).await.unwrap();
        assert_eq!((withdrawn.state(), withdrawn.version), (ReviewState::Withdrawn, 2));
        assert_eq!(desk.withdraw(&id).await.unwrap(), withdrawn);
        for verdict in [Verdict::Approve, Verdict::Decline, Verdict::Postpone] {
            let refused = desk.say(verdict, &id).await.unwrap_err();
            assert_eq!(refused.code(), Code::FailedPrecondition);
            assert!(refused.message().contains("it is withdrawn"), "{refused}");
        }
        assert_eq!(desk.request(&id, order(&id)).await.unwrap(), withdrawn);
    }
}

/// Nobody would tell the order's ledger, and the order would wait for ever.
#[tokio::test]
async fn only_who_asked_withdraws() {
    for desk in desks().await {
        let id = desk.opened().await;
        let refused = desk.withdraw_as("ada", &id).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{}", desk.engine.name);
        assert!(refused.message().contains("decline it instead"), "{refused}");
        assert_eq!(desk.get(&id).await.unwrap().state(), ReviewState::Open);
        assert_eq!(desk.withdraw(&id).await.unwrap().state(), ReviewState::Withdrawn);
    }
}

#[tokio::test]
async fn decided_review_cannot_be_withdrawn() {
    for desk in desks().await {
        for verdict in [Verdict::Approve, Verdict::Decline] {
            let id = desk.opened().await;
            let decided = desk.say(verdict, &id).await.unwrap();
            let refused = desk.withdraw(&id).await.unwrap_err();
            assert_eq!(refused.code(), Code::FailedPrecondition);
            assert!(refused.message().contains(&format!("cannot withdraw review {id}")), "{refused}");
            assert_eq!(desk.get(&id).await.unwrap(), decided);
        }
    }
}

/// Decisions are matched with orders by the id: however it was spelled, it comes back in one spelling.
#[tokio::test]
async fn id_in_capitals_is_the_same_id() {
    for desk in desks().await {
        let id = new_id().to_string();
        let capitals = id.to_uppercase();
        desk.request(&capitals, order(&capitals)).await.unwrap();
        let review = desk.request(&id, order(&id)).await.unwrap();
        assert_eq!((review.review_id.as_str(), review.order.unwrap().order_id.as_str()), (id.as_str(), id.as_str()));
        let decided = desk.say(Verdict::Approve, &capitals).await.unwrap();
        assert_eq!((&decided.decisions[0].review_id, &decided.decisions[0].order_id), (&id, &id));
    }
}
