//! What callers get: request ids, deadlines, errors with details, limits.

use crate::probe::Running;
use provost_contract::review::v1::{GetReviewRequest, Review};
use provost_service_kit::caller::{ACTOR, REQUEST_ID, request_as};
use provost_service_kit::server::MESSAGE_BYTES_MAX;
use std::time::Duration;
use tokio::net::TcpStream;
use tonic::codegen::{Bytes, http};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

fn ask(wish: &str) -> GetReviewRequest {
    GetReviewRequest { review_id: wish.to_owned() }
}

#[tokio::test]
async fn request_id_is_echoed_or_made() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client();
    let mut request = Request::new(ask("after 0"));
    request.metadata_mut().insert(REQUEST_ID, "my-request-7".parse().unwrap());
    let answer = client.get_review(request).await.unwrap();
    assert_eq!(answer.metadata().get(REQUEST_ID).unwrap(), "my-request-7");

    let made = client.get_review(ask("after 0")).await.unwrap();
    let made = made.metadata().get(REQUEST_ID).unwrap().to_str().unwrap().to_owned();
    assert!(uuid::Uuid::parse_str(&made).is_ok(), "{made}");

    let mut request = Request::new(ask("unknown"));
    request.metadata_mut().insert(REQUEST_ID, "refused-7".parse().unwrap());
    let refused = client.get_review(request).await.unwrap_err();
    assert_eq!(refused.metadata().get(REQUEST_ID).unwrap(), "refused-7");

    let mut request = Request::new(ask("after 0"));
    request.metadata_mut().insert(REQUEST_ID, "x".repeat(201).parse().unwrap());
    let replaced = client.get_review(request).await.unwrap();
    assert!(replaced.metadata().get(REQUEST_ID).unwrap().len() <= 200);
}

#[tokio::test]
async fn actor_arrives() {
    let running = Running::start(|_| {}).await;
    let by = |answer: tonic::Response<Review>| answer.into_inner().requested_by;
    assert_eq!(by(running.client().get_review(request_as("ada", ask("after 0"))).await.unwrap()), "ada");
    assert_eq!(by(running.client().get_review(ask("after 0")).await.unwrap()), "anonymous");
    let mut request = Request::new(ask("after 0"));
    request.metadata_mut().insert(ACTOR, "  ".parse().unwrap());
    assert_eq!(by(running.client().get_review(request).await.unwrap()), "anonymous");
}

/// The grpc-status on the wire: tonic's own client has a timer, and never shows what the server said.
async fn bare_status(address: &str, wish: &str, timeout: &str) -> (String, String) {
    let (client, connection) = h2::client::handshake(TcpStream::connect(address).await.unwrap()).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::post(format!("http://{address}/provost.review.v1.ReviewService/GetReview"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", timeout)
        .body(())
        .unwrap();
    let (response, mut body) = client.ready().await.unwrap().send_request(request, false).unwrap();
    let length = u8::try_from(wish.len()).unwrap();
    let message = [&[0, 0, 0, 0, length + 2, 0x0a, length], wish.as_bytes()].concat();
    body.send_data(Bytes::from(message), true).unwrap();
    let response = response.await.unwrap();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    if let Some(status) = header("grpc-status") {
        return (status, header("grpc-message").unwrap_or_default());
    }
    let mut body = response.into_body();
    while let Some(data) = body.data().await {
        body.flow_control().release_capacity(data.unwrap().len()).unwrap();
    }
    let trailers = body.trailers().await.unwrap().unwrap();
    (trailers["grpc-status"].to_str().unwrap().to_owned(), String::new())
}

#[tokio::test]
async fn deadline_of_the_caller_is_deadline_exceeded_every_time() {
    let running = Running::start(|_| {}).await;
    for millis in 1..40 {
        let (status, message) = bare_status(&running.address, "after 2000", &format!("{millis}m")).await;
        assert_eq!(status, (Code::DeadlineExceeded as i32).to_string(), "{millis} ms: {message}");
    }
    let (status, _) = bare_status(&running.address, "after 50", "20S").await;
    assert_eq!(status, "0");
}

async fn refused(running: &Running, wish: &str) -> Status {
    running.ask(wish).await.expect_err("it is refused")
}

#[tokio::test]
async fn faults_arrive_with_their_details() {
    let running = Running::start(|_| {}).await;
    let invalid = refused(&running, "invalid").await;
    assert_eq!(invalid.code(), Code::InvalidArgument);
    assert_eq!(invalid.message(), "review_id is invalid; order.kind is invalid too");
    let violations = invalid.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["review_id", "order.kind"]);

    let state = refused(&running, "wrong state").await;
    assert_eq!(state.code(), Code::FailedPrecondition);
    let violation = &state.get_details_precondition_failure().unwrap().violations[0];
    assert_eq!((violation.subject.as_str(), violation.description.as_str()), ("review 7", state.message()));

    let info = |status: &Status| status.get_details_error_info().unwrap().reason;
    let missing = refused(&running, "9").await;
    assert_eq!(
        (missing.code(), missing.message(), info(&missing).as_str()),
        (Code::NotFound, "there is no review 9", "NOT_FOUND")
    );
    let conflict = refused(&running, "conflict").await;
    assert_eq!((conflict.code(), info(&conflict).as_str()), (Code::Aborted, "CONFLICT"));
}

#[tokio::test]
async fn cause_of_an_internal_error_stays_inside_and_the_request_id_goes_out() {
    let running = Running::start(|_| {}).await;
    let mut request = Request::new(ask("internal"));
    request.metadata_mut().insert(REQUEST_ID, "find-me".parse().unwrap());
    let internal = running.client().get_review(request).await.unwrap_err();
    assert_eq!(internal.code(), Code::Internal);
    assert!(!format!("{internal:?}").contains("hunter2"), "{internal:?}");
    assert!(internal.message().contains("find-me"), "{internal}");
    assert_eq!(internal.get_details_request_info().unwrap().request_id, "find-me");
}

#[tokio::test]
async fn long_errors_arrive_shortened() {
    let running = Running::start(|_| {}).await;
    for (wish, code, beginning) in [
        ("many", Code::InvalidArgument, "order.changes[0].proposed ist völlig ungültig; "),
        ("long", Code::InvalidArgument, "order.target_key ßßß"),
        ("wide", Code::FailedPrecondition, "語語語"),
    ] {
        let status = refused(&running, wish).await;
        assert_eq!(status.code(), code, "{wish}: {status}");
        assert!(status.message().starts_with(beginning), "{wish}: {status}");
        assert!(status.get_details_error_info().is_some(), "{wish} has lost its reason");
    }
    let many = refused(&running, "many").await.get_details_bad_request().unwrap().field_violations;
    assert!(!many.is_empty() && many[0].field == "order.changes[0].proposed");
}

#[tokio::test]
async fn panic_of_a_handler_ends_its_call_and_nothing_else() {
    let running = Running::start(|_| {}).await;
    let patience = Duration::from_secs(10);
    let status = tokio::time::timeout(patience, running.ask("panic")).await.expect("an answer").unwrap_err();
    assert_ne!(status.code(), Code::Ok);
    running.ask("after 0").await.unwrap();
}

#[tokio::test]
async fn oversized_message_is_refused_and_says_how_much_is_allowed() {
    let running = Running::start(|_| {}).await;
    running.ask(&"x".repeat(MESSAGE_BYTES_MAX - 100)).await.unwrap();
    let refused = running.ask(&"x".repeat(MESSAGE_BYTES_MAX + 1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    assert!(refused.message().contains(&MESSAGE_BYTES_MAX.to_string()), "{refused}");
    let refused = running.ask(&format!("bytes {}", MESSAGE_BYTES_MAX + 1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    running.ask("after 0").await.unwrap();
}
