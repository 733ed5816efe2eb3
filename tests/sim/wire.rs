//! The way between agents and the ledger, on which calls are lost, repeated, delayed and overtaken.
//!
//! It speaks the same contract on both sides. What clients do that try again (say twice what was heard, hear nothing
//! of what was done) happens here to each call by the seed. It also sees what the ledger acknowledges.

use crate::Sabotage;
use crate::book::Book;
use crate::dice::Dice;
use provost_contract::fulfillment::v1::dispatch_service_client::DispatchServiceClient;
use provost_contract::fulfillment::v1::dispatch_service_server::DispatchService;
use provost_contract::fulfillment::v1::feedback::Outcome;
use provost_contract::fulfillment::v1::{
    ListAgentsRequest, ListAgentsResponse, PullOrdersRequest, PullOrdersResponse, RenewLeasesRequest,
    RenewLeasesResponse, ReportFeedbackRequest, ReportFeedbackResponse, ReturnOrdersRequest, ReturnOrdersResponse,
};
use provost_contract::types::v1::ItemResult;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::sleep;
use tonic::transport::Channel;
use tonic::{Extensions, Request, Response, Status};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Fair,
    /// It never arrives.
    Lost,
    /// It is done, and nobody hears of it.
    AnswerLost,
    /// It arrives twice.
    Twice,
    /// It arrives once more, when nobody thinks of it any more.
    Echo(Duration),
    /// It takes long, and others overtake it.
    Slow(Duration),
    /// Its answer takes long.
    AnswerSlow(Duration),
}

#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) ledger: DispatchServiceClient<Channel>,
    pub(crate) book: Arc<Book>,
    pub(crate) dice: Arc<Mutex<Dice>>,
    pub(crate) sabotage: Sabotage,
    /// Everything was mended.
    pub(crate) is_calm: Arc<AtomicBool>,
}

fn lost() -> Status {
    Status::unavailable("lost on the way")
}

impl Wire {
    fn fate(&self) -> Fate {
        if self.is_calm.load(Ordering::SeqCst) {
            return Fate::Fair;
        }
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        match dice.place(100) {
            0..4 => Fate::Lost,
            4..12 => Fate::AnswerLost,
            12..18 => Fate::Twice,
            18..24 => Fate::Echo(dice.millis(500..9_000)),
            24..32 => Fate::Slow(dice.millis(50..4_000)),
            32..38 => Fate::AnswerSlow(dice.millis(50..7_000)),
            _ => Fate::Fair,
        }
    }

    /// Passes a call on, and back what it brought. `heard` is told of each answer of the ledger.
    async fn pass<Q, A, F>(
        &self,
        request: Request<Q>,
        call: impl Fn(DispatchServiceClient<Channel>, Request<Q>) -> F + Send + Sync + 'static,
        heard: impl Fn(&Q, &A) + Send + Sync + 'static,
    ) -> Result<Response<A>, Status>
    where
        Q: Clone + Send + Sync + std::fmt::Debug + 'static,
        A: Send + 'static,
        F: Future<Output = Result<Response<A>, Status>> + Send,
    {
        let fate = self.fate();
        let (metadata, _, message) = request.into_parts();
        let name = std::any::type_name::<Q>().rsplit("::").next().unwrap_or_default();
        if fate != Fate::Fair {
            self.book.count("calls lost, repeated or delayed");
            self.book.note(format_args!("{name}: {fate:?}"));
        }
        let ledger = self.ledger.clone();
        let once = async move || {
            let request = Request::from_parts(metadata.clone(), Extensions::default(), message.clone());
            let answer = call(ledger.clone(), request).await?;
            heard(&message, answer.get_ref());
            Ok::<_, Status>(answer)
        };
        match fate {
            Fate::Fair => once().await,
            Fate::Lost => Err(lost()),
            Fate::AnswerLost => {
                once().await?;
                Err(lost())
            }
            Fate::Twice => {
                once().await?;
                once().await
            }
            Fate::Echo(after) => {
                let answer = once().await;
                tokio::spawn(async move {
                    sleep(after).await;
                    // Nobody asked for it.
                    let _ = once().await;
                });
                answer
            }
            Fate::Slow(by) => {
                sleep(by).await;
                once().await
            }
            Fate::AnswerSlow(by) => {
                let answer = once().await;
                sleep(by).await;
                answer
            }
        }
    }
}

#[tonic::async_trait]
impl DispatchService for Wire {
    async fn pull_orders(&self, request: Request<PullOrdersRequest>) -> Result<Response<PullOrdersResponse>, Status> {
        let book = Arc::clone(&self.book);
        let heard = move |request: &PullOrdersRequest, answer: &PullOrdersResponse| {
            for leased in &answer.orders {
                let order = leased.order.as_ref().map(|order| order.order_id.as_str()).unwrap_or_default();
                book.note(format_args!("{} takes attempt {} of order {order}", request.agent_id, leased.attempt));
            }
        };
        self.pass(request, |mut ledger, request| async move { ledger.pull_orders(request).await }, heard).await
    }

    async fn renew_leases(
        &self,
        request: Request<RenewLeasesRequest>,
    ) -> Result<Response<RenewLeasesResponse>, Status> {
        self.pass(request, |mut ledger, request| async move { ledger.renew_leases(request).await }, |_, _| {}).await
    }

    async fn report_feedback(
        &self,
        request: Request<ReportFeedbackRequest>,
    ) -> Result<Response<ReportFeedbackResponse>, Status> {
        let book = Arc::clone(&self.book);
        let heard = move |request: &ReportFeedbackRequest, answer: &ReportFeedbackResponse| {
            let answers = request.feedback.iter().zip(&answer.results);
            answers.filter(|(_, result)| result.error.is_none()).for_each(|(feedback, _)| book.reported(feedback));
        };
        let is_done = |request: &ReportFeedbackRequest| {
            request.feedback.iter().any(|feedback| matches!(feedback.outcome, Some(Outcome::Executed(_))))
        };
        if self.sabotage == Sabotage::ForgetsFeedback && is_done(request.get_ref()) {
            // A ledger that says that it took note and does not.
            let result = |order_id: &str| ItemResult { order_id: order_id.to_owned(), ..ItemResult::default() };
            let results = request.get_ref().feedback.iter().map(|feedback| result(&feedback.order_id)).collect();
            let answer = ReportFeedbackResponse { results };
            heard(request.get_ref(), &answer);
            return Ok(Response::new(answer));
        }
        self.pass(request, |mut ledger, request| async move { ledger.report_feedback(request).await }, heard).await
    }

    async fn return_orders(
        &self,
        request: Request<ReturnOrdersRequest>,
    ) -> Result<Response<ReturnOrdersResponse>, Status> {
        self.pass(request, |mut ledger, request| async move { ledger.return_orders(request).await }, |_, _| {}).await
    }

    async fn list_agents(&self, request: Request<ListAgentsRequest>) -> Result<Response<ListAgentsResponse>, Status> {
        self.ledger.clone().list_agents(request).await
    }
}
