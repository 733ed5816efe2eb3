//! What callers get wrong: each mistake is named, and nothing changes.

use crate::desk::{desks, order, say};
use provost_contract::review::v1::{
    ApproveRequest, ListReviewsRequest, RequestReviewRequest, Verdict, WatchDecisionsRequest, WithdrawReviewRequest,
};
use provost_service_kit::new_id;
use tonic::{Code, Status};
use tonic_types::StatusExt;

const VERDICTS: [Verdict; 3] = [Verdict::Approve, Verdict::Decline, Verdict::Postpone];

#[track_caller]
fn assert_fields(refused: &Status, expected: &[&str]) {
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    let violations = refused.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<_> = violations.into_iter().map(|violation| violation.field).collect();
    assert_eq!(fields, expected);
}

#[tokio::test]
async fn id_that_is_empty_or_no_uuid_is_refused_everywhere() {
    for desk in desks().await {
        for id in ["", "7", "' OR 1=1 --", "00000000-0000-0000-0000-00000000000g"] {
            assert_fields(&desk.get(id).await.unwrap_err(), &["review_id"]);
            assert_fields(&desk.withdraw(id).await.unwrap_err(), &["review_id"]);
            let valid = order(&new_id().to_string());
            assert_fields(&desk.request(id, valid).await.unwrap_err(), &["review_id"]);
            for verdict in VERDICTS {
                assert_fields(&desk.say(verdict, id).await.unwrap_err(), &["review_id"]);
            }
        }
        assert!(desk.list(Default::default()).await.unwrap().reviews.is_empty());
    }
}

#[tokio::test]
async fn unknown_id_is_not_found() {
    for desk in desks().await {
        let id = new_id().to_string();
        let mut refused = vec![desk.get(&id).await.unwrap_err(), desk.withdraw(&id).await.unwrap_err()];
        for verdict in VERDICTS {
            refused.push(desk.say(verdict, &id).await.unwrap_err());
        }
        for refused in refused {
            assert_eq!(refused.code(), Code::NotFound, "{}", desk.engine.name);
            assert_eq!(refused.message(), format!("there is no review {id}"));
        }
    }
}

#[tokio::test]
async fn declining_needs_words() {
    for desk in desks().await {
        let id = desk.opened().await;
        for comment in ["", " \n"] {
            let refused = say(&mut desk.client.clone(), Verdict::Decline, &id, comment, 0).await.unwrap_err();
            assert_fields(&refused, &["comment"]);
        }
        assert_eq!(desk.get(&id).await.unwrap().version, 1);
    }
}

#[tokio::test]
async fn all_mistakes_of_a_decision_come_together() {
    for desk in desks().await {
        let long = "x".repeat(2_001);
        let refused = say(&mut desk.client.clone(), Verdict::Approve, "7", &long, -1).await.unwrap_err();
        assert_fields(&refused, &["review_id", "comment", "version"]);
        let request = WithdrawReviewRequest { review_id: String::new(), reason: long };
        let refused = desk.client.clone().withdraw_review(request).await.unwrap_err();
        assert_fields(&refused, &["review_id", "reason"]);
    }
}

#[tokio::test]
async fn longest_comment_is_kept_whole() {
    for desk in desks().await {
        let id = desk.opened().await;
        let comment = "ü".repeat(2_000);
        let request = ApproveRequest { review_id: id, comment: comment.clone(), version: 0 };
        let review = desk.client.clone().approve(request).await.unwrap().into_inner();
        assert_eq!(review.decisions[0].comment, comment);
        assert_eq!(review.decisions[0].actor, "anonymous");
    }
}

#[tokio::test]
async fn half_an_order_is_refused_with_each_wrong_field() {
    for desk in desks().await {
        let id = new_id().to_string();
        let request = RequestReviewRequest { review_id: id.clone(), ..Default::default() };
        assert_fields(&desk.client.clone().request_review(request).await.unwrap_err(), &["order"]);
        let mut half = order("7");
        half.owner = None;
        half.kind = 0;
        half.changes[0].operation = 9;
        let expected = [
            "order.order_id",
            "order.owner.entity_type",
            "order.owner.key",
            "order.kind",
            "order.changes[0].operation",
        ];
        assert_fields(&desk.request(&id, half).await.unwrap_err(), &expected);
        assert_eq!(desk.get(&id).await.unwrap_err().code(), Code::NotFound);
    }
}

#[tokio::test]
async fn wrong_page_size_token_and_state_are_refused_together() {
    for desk in desks().await {
        let request = ListReviewsRequest {
            states: vec![1, 0, 99],
            resource_type: "x".repeat(501),
            role: "x".repeat(501),
            subject_kinds: vec![0],
            page_size: 1_001,
            page_token: "yesterday".into(),
            ..Default::default()
        };
        let refused = desk.list(request).await.unwrap_err();
        let fields = ["page_size", "page_token", "resource_type", "role", "states[1]", "states[2]", "subject_kinds[0]"];
        assert_fields(&refused, &fields);
    }
}

#[tokio::test]
async fn negative_cursor_is_refused() {
    for desk in desks().await {
        let request = WatchDecisionsRequest { after_cursor: -1, subject_kinds: vec![1, 7] };
        let refused = desk.client.clone().watch_decisions(request).await.map(drop).unwrap_err();
        assert_fields(&refused, &["after_cursor", "subject_kinds[1]"]);
    }
}

#[tokio::test]
async fn control_characters_are_refused_alike_on_both_engines() {
    for desk in desks().await {
        let id = desk.opened().await;
        let refused = say(&mut desk.client.clone(), Verdict::Approve, &id, "a\0b", 0).await.unwrap_err();
        assert_fields(&refused, &["comment"]);
        let request =
            ListReviewsRequest { owner_key: "E\0".into(), resource_type: "\u{7}".into(), ..Default::default() };
        assert_fields(&desk.list(request).await.unwrap_err(), &["resource_type", "owner_key"]);
        assert_eq!(desk.get(&id).await.unwrap().version, 1);
    }
}

/// The feed tells of orders: what is approved under one id must not let another order go.
#[tokio::test]
async fn review_of_one_order_cannot_decide_on_another() {
    for desk in desks().await {
        let (id, other) = (new_id().to_string(), new_id().to_string());
        assert_fields(&desk.request(&id, order(&other)).await.unwrap_err(), &["review_id"]);
        assert_eq!(desk.get(&id).await.unwrap_err().code(), Code::NotFound);
    }
}
