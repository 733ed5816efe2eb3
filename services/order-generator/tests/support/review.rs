//! A review service in memory. What it assumes of the real one:
//!
//! - a review is opened once; the same again answers with it as it stands, another subject is refused;
//! - approvals come one after the other until there are enough; a decline ends it; postponing does not;
//! - nothing is decided on a review that is over, or on a version that has passed;
//! - who opened it withdraws it; a withdrawal is not told by the feed;
//! - each decision goes to the feed with a growing cursor, its step, and whether it completes the review;
//! - the feed keeps to the kinds that are asked for.

use super::free_port_listener;
use futures::Stream;
use provost_contract::review::v1::review_service_server::{ReviewService, ReviewServiceServer};
use provost_contract::review::v1::*;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

#[derive(Default)]
struct Book {
    reviews: BTreeMap<String, Review>,
    feed: Vec<Decision>,
}

#[derive(Clone)]
pub struct Reviews {
    book: Arc<Mutex<Book>>,
    bell: Arc<watch::Sender<usize>>,
    is_away: Arc<AtomicBool>,
    /// Calls that are carried out and answered with an error.
    lost_answers: Arc<AtomicU32>,
    /// How often the feed was opened.
    opened: Arc<AtomicUsize>,
    /// From now on requests wait before they are carried out.
    hold: Arc<watch::Sender<bool>>,
    pub address: SocketAddr,
}

impl Reviews {
    pub async fn start() -> Self {
        let (listener, address) = free_port_listener().await;
        let reviews = Self {
            book: Arc::default(),
            bell: Arc::new(watch::Sender::new(0)),
            is_away: Arc::default(),
            lost_answers: Arc::default(),
            opened: Arc::default(),
            hold: Arc::new(watch::Sender::new(false)),
            address,
        };
        let serving = tonic::transport::Server::builder()
            .add_service(ReviewServiceServer::new(reviews.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(serving);
        reviews
    }

    /// From now on everything answers UNAVAILABLE, or does so no longer.
    pub fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
        self.bell.send_modify(|rings| *rings += 1);
    }

    /// So many answers get lost on their way.
    pub fn lose_answers(&self, count: u32) {
        self.lost_answers.store(count, Ordering::SeqCst);
    }

    /// Requests wait before they are carried out, or go on.
    pub fn hold_requests(&self, holds: bool) {
        self.hold.send_replace(holds);
    }

    /// How often the feed was opened.
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    pub fn get(&self, id: &str) -> Option<Review> {
        self.book.lock().unwrap().reviews.get(id).cloned()
    }

    pub fn count(&self) -> usize {
        self.book.lock().unwrap().reviews.len()
    }

    /// A person says something.
    pub fn say(&self, actor: &str, verdict: Verdict, id: &str, comment: &str) {
        self.decide(actor, verdict, id, comment, 0).unwrap();
    }

    /// Tells a decision again or out of turn, as it is.
    pub fn tell(&self, decision: Decision) {
        let mut book = self.book.lock().unwrap();
        let cursor = book.feed.len() as i64 + 1;
        book.feed.push(Decision { cursor, ..decision });
        drop(book);
        self.bell.send_modify(|rings| *rings += 1);
    }

    fn decide(
        &self,
        actor: &str,
        verdict: Verdict,
        id: &str,
        comment: &str,
        version: i64,
    ) -> Result<Response<Review>, Status> {
        let mut book = self.book.lock().unwrap();
        let cursor = book.feed.len() as i64 + 1;
        let Some(review) = book.reviews.get_mut(id) else { return Err(Status::not_found(id.to_owned())) };
        if !matches!(review.state(), ReviewState::Open | ReviewState::Postponed) {
            return Err(Status::failed_precondition(format!("it is {:?}", review.state())));
        }
        if version != 0 && version != review.version {
            return Err(Status::aborted("it has changed"));
        }
        let step = review.step;
        let state = match verdict {
            Verdict::Approve if step < review.approvals_required => ReviewState::Open,
            Verdict::Approve => ReviewState::Approved,
            Verdict::Decline => ReviewState::Declined,
            Verdict::Postpone => ReviewState::Postponed,
            Verdict::Unspecified => panic!("nobody says that"),
        };
        let complete = matches!(state, ReviewState::Approved | ReviewState::Declined);
        let decision = Decision {
            cursor,
            review_id: id.to_owned(),
            verdict: verdict.into(),
            actor: actor.to_owned(),
            comment: comment.to_owned(),
            subject_kind: SubjectKind::AssignmentRequest.into(),
            step,
            complete,
            ..Default::default()
        };
        review.set_state(state);
        review.version += 1;
        review.approvals_given += i32::from(verdict == Verdict::Approve);
        review.step = if complete { 0 } else { review.approvals_given + 1 };
        review.decisions.push(decision.clone());
        let review = review.clone();
        book.feed.push(decision);
        drop(book);
        self.bell.send_modify(|rings| *rings += 1);
        self.answer(review)
    }

    fn answer(&self, review: Review) -> Result<Response<Review>, Status> {
        let lost = self.lost_answers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1));
        if lost.is_ok() { Err(Status::unavailable("the answer was lost")) } else { Ok(Response::new(review)) }
    }

    fn check(&self) -> Result<(), Status> {
        if self.is_away.load(Ordering::SeqCst) { Err(Status::unavailable("away")) } else { Ok(()) }
    }
}

#[tonic::async_trait]
impl ReviewService for Reviews {
    type WatchDecisionsStream = Pin<Box<dyn Stream<Item = Result<Decision, Status>> + Send>>;

    async fn request_review(&self, request: Request<RequestReviewRequest>) -> Result<Response<Review>, Status> {
        self.check()?;
        let RequestReviewRequest { review_id, order: _, assignment_request, approvals_required } = request.into_inner();
        self.hold.subscribe().wait_for(|holds| !holds).await.unwrap();
        let mut book = self.book.lock().unwrap();
        let review = book.reviews.entry(review_id.clone()).or_insert_with(|| Review {
            review_id,
            state: ReviewState::Open.into(),
            version: 1,
            subject_kind: SubjectKind::AssignmentRequest.into(),
            assignment_request: assignment_request.clone(),
            approvals_required,
            step: 1,
            ..Default::default()
        });
        if review.assignment_request != assignment_request {
            return Err(Status::already_exists("about something else"));
        }
        let review = review.clone();
        drop(book);
        self.answer(review)
    }

    async fn withdraw_review(&self, request: Request<WithdrawReviewRequest>) -> Result<Response<Review>, Status> {
        self.check()?;
        let WithdrawReviewRequest { review_id, reason: _ } = request.into_inner();
        let mut book = self.book.lock().unwrap();
        let Some(review) = book.reviews.get_mut(&review_id) else { return Err(Status::not_found(review_id)) };
        match review.state() {
            ReviewState::Approved | ReviewState::Declined => return Err(Status::failed_precondition("decided")),
            _ => review.set_state(ReviewState::Withdrawn),
        }
        review.step = 0;
        let review = review.clone();
        drop(book);
        self.answer(review)
    }

    async fn get_review(&self, request: Request<GetReviewRequest>) -> Result<Response<Review>, Status> {
        self.check()?;
        let id = request.into_inner().review_id;
        self.get(&id).map(Response::new).ok_or_else(|| Status::not_found(id))
    }

    async fn approve(&self, request: Request<ApproveRequest>) -> Result<Response<Review>, Status> {
        self.check()?;
        let actor = provost_service_kit::Caller::of(&request).actor;
        let ApproveRequest { review_id, comment, version } = request.into_inner();
        self.decide(&actor, Verdict::Approve, &review_id, &comment, version)
    }

    async fn decline(&self, request: Request<DeclineRequest>) -> Result<Response<Review>, Status> {
        self.check()?;
        let actor = provost_service_kit::Caller::of(&request).actor;
        let DeclineRequest { review_id, comment, version } = request.into_inner();
        self.decide(&actor, Verdict::Decline, &review_id, &comment, version)
    }

    async fn watch_decisions(
        &self,
        request: Request<WatchDecisionsRequest>,
    ) -> Result<Response<Self::WatchDecisionsStream>, Status> {
        self.check()?;
        self.opened.fetch_add(1, Ordering::SeqCst);
        let WatchDecisionsRequest { mut after_cursor, subject_kinds } = request.into_inner();
        let (reviews, mut bell) = (self.clone(), self.bell.subscribe());
        let stream = async_stream::stream! {
            loop {
                bell.mark_unchanged();
                if let Err(away) = reviews.check() {
                    yield Err(away);
                    return;
                }
                let fresh: Vec<Decision> = {
                    let book = reviews.book.lock().unwrap();
                    book.feed.iter().filter(|decision| decision.cursor > after_cursor).cloned().collect()
                };
                for decision in fresh {
                    after_cursor = decision.cursor;
                    if subject_kinds.is_empty() || subject_kinds.contains(&decision.subject_kind) {
                        yield Ok(decision);
                    }
                }
                if bell.changed().await.is_err() {
                    return;
                }
            }
        };
        Ok(Response::new(Box::pin(stream)))
    }

    async fn list_reviews(&self, _: Request<ListReviewsRequest>) -> Result<Response<ListReviewsResponse>, Status> {
        Err(Status::unimplemented("not needed"))
    }

    async fn postpone(&self, _: Request<PostponeRequest>) -> Result<Response<Review>, Status> {
        Err(Status::unimplemented("not needed"))
    }
}
