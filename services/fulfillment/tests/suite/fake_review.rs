//! A review service that remembers what it was told and decides what the test says. It can be down,
//! and it can forget to answer.

use provost_contract::review::v1::review_service_server::{ReviewService, ReviewServiceServer};
use provost_contract::review::v1::*;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

#[derive(Default)]
struct Kept {
    is_down: bool,
    /// Calls that are carried out but answered with an error.
    lost_answers: u32,
    /// Requests wait before they are carried out.
    holds_requests: bool,
    held: usize,
    unknown_withdrawals: usize,
    requests: BTreeMap<String, Vec<RequestReviewRequest>>,
    withdrawn: Vec<String>,
    decisions: Vec<Decision>,
}

#[derive(Clone)]
pub(crate) struct FakeReview {
    kept: Arc<Mutex<Kept>>,
    address: String,
}

impl FakeReview {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let fake = Self { kept: Arc::default(), address };
        let service = ReviewServiceServer::new(fake.clone());
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
        fake
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.kept.lock().unwrap().is_down = is_down;
    }

    pub(crate) fn lose_answers(&self, count: u32) {
        self.kept.lock().unwrap().lost_answers = count;
    }

    /// Lets requests wait before they are carried out, or go on.
    pub(crate) fn hold_requests(&self, holds: bool) {
        self.kept.lock().unwrap().holds_requests = holds;
    }

    /// How many requests came while they had to wait.
    pub(crate) fn held(&self) -> usize {
        self.kept.lock().unwrap().held
    }

    /// How many withdrawals there were of reviews that were not there.
    pub(crate) fn unknown_withdrawals(&self) -> usize {
        self.kept.lock().unwrap().unknown_withdrawals
    }

    /// How often a review was requested.
    pub(crate) fn requests(&self, order_id: &str) -> Vec<RequestReviewRequest> {
        self.kept.lock().unwrap().requests.get(order_id).cloned().unwrap_or_default()
    }

    pub(crate) fn is_withdrawn(&self, order_id: &str) -> bool {
        self.kept.lock().unwrap().withdrawn.iter().any(|id| id == order_id)
    }

    pub(crate) fn decide(&self, order_id: &str, verdict: Verdict) {
        self.decide_as(order_id, order_id, verdict);
    }

    pub(crate) fn decide_as(&self, review_id: &str, order_id: &str, verdict: Verdict) {
        self.tell(Decision {
            review_id: review_id.into(),
            order_id: order_id.into(),
            verdict: verdict.into(),
            actor: "reviewer".into(),
            comment: "said so".into(),
            subject_kind: SubjectKind::Order.into(),
            step: 1,
            complete: verdict != Verdict::Postpone,
            ..Default::default()
        });
    }

    /// Adds a decision to the feed, whatever was asked for: the fake does not filter.
    pub(crate) fn tell(&self, decision: Decision) {
        let decisions = &mut self.kept.lock().unwrap().decisions;
        decisions.push(Decision { cursor: decisions.len() as i64 + 1, ..decision });
    }

    fn answer(&self, review_id: String) -> Result<Response<Review>, Status> {
        let mut kept = self.kept.lock().unwrap();
        if kept.lost_answers > 0 {
            kept.lost_answers -= 1;
            return Err(Status::unavailable("the answer was lost"));
        }
        Ok(Response::new(Review { review_id, ..Default::default() }))
    }

    fn check_up(&self) -> Result<(), Status> {
        if self.kept.lock().unwrap().is_down { Err(Status::unavailable("down")) } else { Ok(()) }
    }
}

#[tonic::async_trait]
impl ReviewService for FakeReview {
    type WatchDecisionsStream = Pin<Box<dyn Stream<Item = Result<Decision, Status>> + Send>>;

    async fn request_review(&self, request: Request<RequestReviewRequest>) -> Result<Response<Review>, Status> {
        self.check_up()?;
        let request = request.into_inner();
        let id = request.review_id.clone();
        let is_held = {
            let mut kept = self.kept.lock().unwrap();
            kept.held += usize::from(kept.holds_requests);
            kept.holds_requests
        };
        while is_held && self.kept.lock().unwrap().holds_requests {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.kept.lock().unwrap().requests.entry(id.clone()).or_default().push(request);
        self.answer(id)
    }

    async fn withdraw_review(&self, request: Request<WithdrawReviewRequest>) -> Result<Response<Review>, Status> {
        self.check_up()?;
        let id = request.into_inner().review_id;
        if self.requests(&id).is_empty() {
            self.kept.lock().unwrap().unknown_withdrawals += 1;
            return Err(Status::not_found("no such review"));
        }
        self.kept.lock().unwrap().withdrawn.push(id.clone());
        self.answer(id)
    }

    async fn watch_decisions(
        &self,
        request: Request<WatchDecisionsRequest>,
    ) -> Result<Response<Self::WatchDecisionsStream>, Status> {
        self.check_up()?;
        let (kept, mut after) = (Arc::clone(&self.kept), request.into_inner().after_cursor);
        let stream = async_stream::stream! {
            loop {
                let (fresh, is_down) = {
                    let kept = kept.lock().unwrap();
                    let fresh: Vec<_> = kept.decisions.iter().filter(|d| d.cursor > after).cloned().collect();
                    (fresh, kept.is_down)
                };
                if is_down {
                    yield Err(Status::unavailable("down"));
                    return;
                }
                for decision in fresh {
                    after = decision.cursor;
                    yield Ok(decision);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        Ok(Response::new(Box::pin(stream)))
    }

    async fn list_reviews(&self, _: Request<ListReviewsRequest>) -> Result<Response<ListReviewsResponse>, Status> {
        Err(Status::unimplemented("not needed"))
    }

    async fn get_review(&self, _: Request<GetReviewRequest>) -> Result<Response<Review>, Status> {
        Err(Status::unimplemented("not needed"))
    }

    async fn approve(&self, _: Request<ApproveRequest>) -> Result<Response<Review>, Status> {
        Err(Status::unimplemented("not needed"))
    }

    async fn decline(&self, _: Request<DeclineRequest>) -> Result<Response<Review>, Status> {
        Err(Status::unimplemented("not needed"))
    }

    async fn postpone(&self, _: Request<PostponeRequest>) -> Result<Response<Review>, Status> {
        Err(Status::unimplemented("not needed"))
    }
}
