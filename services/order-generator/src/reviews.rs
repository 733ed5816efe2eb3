//! The review service, as this service calls it: asking people about requests, and hearing what they decided.

use crate::model::request::Request;
use provost_contract::review::v1::review_service_client::ReviewServiceClient;
use provost_contract::review::v1::{
    ApproveRequest, Decision, DeclineRequest, GetReviewRequest, RequestReviewRequest, Review, SubjectKind,
    WatchDecisionsRequest, WithdrawReviewRequest,
};
use provost_contract::to_wire;
use provost_contract::types::v1 as wire;
use provost_domain::workflow::AUTOMATION;
use provost_service_kit::server::MESSAGE_BYTES_MAX;
use provost_service_kit::{Replicas, caller};
use std::future::Future;
use std::time::Duration;
use tonic::{Response, Status, Streaming};

/// Under which name this service calls.
const ACTOR: &str = "order-generator";
/// How long one call may take.
const CALL_MAX: Duration = Duration::from_secs(5);

/// A client of review. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Reviews {
    client: ReviewServiceClient<Replicas>,
}

async fn in_time<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
    match tokio::time::timeout(CALL_MAX, call).await {
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded("review did not answer in time")),
    }
}

impl Reviews {
    pub(crate) fn new(channel: Replicas) -> Self {
        let client = ReviewServiceClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        Self { client }
    }

    /// Opens the review of a request; safe to repeat.
    pub(crate) async fn request(&self, request: &Request) -> Result<Review, Status> {
        let message = RequestReviewRequest {
            review_id: request.id.clone(),
            order: None,
            assignment_request: Some(request_to_wire(request)),
            approvals_required: i32::try_from(request.steps).unwrap_or(i32::MAX),
        };
        in_time(self.client.clone().request_review(caller::request_as(ACTOR, message))).await
    }

    /// Closes the review of a request; safe to repeat.
    pub(crate) async fn withdraw(&self, request_id: &str, reason: &str) -> Result<Review, Status> {
        let message = WithdrawReviewRequest { review_id: request_id.to_owned(), reason: reason.to_owned() };
        in_time(self.client.clone().withdraw_review(caller::request_as(ACTOR, message))).await
    }

    /// The review of a request as it stands.
    pub(crate) async fn get(&self, request_id: &str) -> Result<Review, Status> {
        let message = GetReviewRequest { review_id: request_id.to_owned() };
        in_time(self.client.clone().get_review(caller::request_as(ACTOR, message))).await
    }

    /// Decides in place of people, on the version of the review that was seen.
    pub(crate) async fn decide(&self, seen: &Review, approves: bool, comment: &str) -> Result<Review, Status> {
        let (review_id, version, comment) = (seen.review_id.clone(), seen.version, comment.to_owned());
        let mut client = self.client.clone();
        if approves {
            let message = ApproveRequest { review_id, comment, version };
            in_time(client.approve(caller::request_as(AUTOMATION, message))).await
        } else {
            let message = DeclineRequest { review_id, comment, version };
            in_time(client.decline(caller::request_as(AUTOMATION, message))).await
        }
    }

    /// Opens the feed of decisions on requests.
    pub(crate) async fn watch(&self, after_cursor: i64) -> Result<Streaming<Decision>, Status> {
        let subject_kinds = vec![SubjectKind::AssignmentRequest.into()];
        let message = WatchDecisionsRequest { after_cursor, subject_kinds };
        self.client.clone().watch_decisions(caller::request_as(ACTOR, message)).await.map(Response::into_inner)
    }
}

/// What is asked for, as the contract says it.
pub(crate) fn request_to_wire(request: &Request) -> wire::AssignmentRequest {
    let why = |note: &String| wire::Reason { rule: "request".to_owned(), detail: note.clone() };
    wire::AssignmentRequest {
        request_id: request.id.clone(),
        owner: Some(to_wire::owner(&request.owner)),
        kind: request.kind as i32,
        name: request.name.clone(),
        display_name: request.display_name.clone(),
        action: request.action as i32,
        period: to_wire::period(request.period),
        comment: request.asked.comment.clone(),
        requested_by: request.asked.by.clone(),
        why: request.notes.iter().map(why).collect(),
    }
}
