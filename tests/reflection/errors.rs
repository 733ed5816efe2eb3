//! Errors, understood by what the server says of their details, as grpcurl does.

use crate::server::Server;
use crate::suite::{Suite, suite};
use serde_json::{Value, json};
use tonic::{Code, Status};

const REVIEW: &str = "00000000-0000-0000-0000-000000000007";

fn request() -> Value {
    json!({
        "review_id": REVIEW,
        "order": {
            "order_id": REVIEW, "kind": "ORDER_KIND_DELETION", "resource_type": "VaultAccount", "connector": "vault",
            "connection": "vault-sql", "entity_type": "Vault", "target_key": "ada",
            "owner": { "entity_type": "Person", "key": "E1" }, "generated_at": "2026-03-01T08:00:00Z",
        }
    })
}

async fn refused(server: &Server, method: &str, json: Value) -> Status {
    let method = format!("provost.review.v1.ReviewService/{method}");
    server.ask(&method, json).await.expect_err("the call is refused")
}

async fn details(server: &mut Server, status: &Status) -> Vec<(String, Value)> {
    server.details(status).await.unwrap().into_iter().collect()
}

async fn start() -> (Suite, Server) {
    let suite = suite().await;
    let server = suite.server().await;
    (suite, server)
}

#[tokio::test]
async fn bad_request_names_each_wrong_field() {
    let (suite, mut server) = start().await;
    let status = refused(&server, "Decline", json!({ "review_id": "7" })).await;
    assert_eq!(status.code(), Code::InvalidArgument);
    let expected = [
        (
            "google.rpc.BadRequest".to_owned(),
            json!({ "field_violations": [
                { "field": "review_id", "description": "'7' is not a UUID" },
                { "field": "comment", "description": "must say why it is declined" },
            ] }),
        ),
        ("google.rpc.ErrorInfo".to_owned(), json!({ "reason": "INVALID_INPUT", "domain": "provost" })),
    ];
    assert_eq!(details(&mut server, &status).await, expected);
    suite.stop().await.unwrap();
}

#[tokio::test]
async fn precondition_failure_names_the_subject_and_its_state() {
    let (suite, mut server) = start().await;
    server.ask("provost.review.v1.ReviewService/RequestReview", request()).await.unwrap();
    let review = server.ask("provost.review.v1.ReviewService/Approve", json!({ "review_id": REVIEW })).await.unwrap();
    assert_eq!(review["state"], "REVIEW_STATE_APPROVED");
    let status = refused(&server, "Postpone", json!({ "review_id": REVIEW })).await;
    assert_eq!(status.code(), Code::FailedPrecondition);
    let description = format!("cannot postpone review {REVIEW}: it is approved, must be open or postponed");
    let violation = json!({ "type": "STATE", "subject": format!("review {REVIEW}"), "description": description });
    let expected = [
        ("google.rpc.ErrorInfo".to_owned(), json!({ "reason": "WRONG_STATE", "domain": "provost" })),
        ("google.rpc.PreconditionFailure".to_owned(), json!({ "violations": [violation] })),
    ];
    assert_eq!(details(&mut server, &status).await, expected);
    suite.stop().await.unwrap();
}

#[tokio::test]
async fn not_found_has_a_stable_reason() {
    let (suite, mut server) = start().await;
    let status = refused(&server, "GetReview", json!({ "review_id": REVIEW })).await;
    assert_eq!((status.code(), status.message()), (Code::NotFound, format!("there is no review {REVIEW}").as_str()));
    let expected = [("google.rpc.ErrorInfo".to_owned(), json!({ "reason": "NOT_FOUND", "domain": "provost" }))];
    assert_eq!(details(&mut server, &status).await, expected);
    suite.stop().await.unwrap();
}

#[tokio::test]
async fn feed_replays_and_goes_on_without_generated_code() {
    let (suite, server) = start().await;
    server.ask("provost.review.v1.ReviewService/RequestReview", request()).await.unwrap();
    let decisions = "provost.review.v1.ReviewService/WatchDecisions";
    let mut feed = server.call(decisions, &[], &json!({ "after_cursor": 0 })).await.unwrap();
    for (method, verdict) in [("Postpone", "VERDICT_POSTPONE"), ("Approve", "VERDICT_APPROVE")] {
        let headers = [("x-provost-actor".to_owned(), "ada".to_owned())];
        let said = json!({ "review_id": REVIEW, "comment": "seen" });
        server.first(&format!("provost.review.v1.ReviewService/{method}"), &headers, &said).await.unwrap();
        let decision = crate::server::json_of(&feed.message().await.unwrap().unwrap()).unwrap();
        assert_eq!(decision["verdict"], verdict);
        assert_eq!((&decision["actor"], &decision["comment"]), (&json!("ada"), &json!("seen")));
    }
    suite.stop().await.unwrap();
}
