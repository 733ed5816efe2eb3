//! `ReviewService` on the wire: parse, one call, answer. No rule is here.

mod convert;
#[cfg(test)]
mod interrupted;

use crate::model::Verdict;
use crate::verbs::Desk;
use convert::{
    decision_to_wire, list_of, request_of, review_id, review_to_wire, said, watch_of, wish_of, withdrawal_of,
};
use futures::{Stream, StreamExt};
use provost_contract::review::v1 as wire;
use provost_contract::review::v1::review_service_server::ReviewService;
use provost_service_kit::{Caller, Fault};
use std::pin::Pin;
use std::sync::Arc;
use tonic::{Request, Response, Status};

pub(crate) struct Api {
    desk: Arc<Desk>,
}

impl Api {
    pub(crate) const fn new(desk: Arc<Desk>) -> Self {
        Self { desk }
    }
}

#[tonic::async_trait]
impl ReviewService for Api {
    async fn request_review(
        &self,
        request: Request<wire::RequestReviewRequest>,
    ) -> Result<Response<wire::Review>, Status> {
        let Caller { actor } = Caller::of(&request);
        let wish = request_of(request.into_inner()).map_err(Fault::from)?;
        let review = self.desk.request(wish, actor).await?;
        Ok(Response::new(review_to_wire(review)))
    }

    async fn withdraw_review(
        &self,
        request: Request<wire::WithdrawReviewRequest>,
    ) -> Result<Response<wire::Review>, Status> {
        let Caller { actor } = Caller::of(&request);
        let (id, reason) = withdrawal_of(request.into_inner()).map_err(Fault::from)?;
        let review = self.desk.withdraw(id, &reason, &actor).await?;
        Ok(Response::new(review_to_wire(review)))
    }

    async fn list_reviews(
        &self,
        request: Request<wire::ListReviewsRequest>,
    ) -> Result<Response<wire::ListReviewsResponse>, Status> {
        let wish = list_of(request.into_inner()).map_err(Fault::from)?;
        let (found, next_page_token) = self.desk.list(wish).await?;
        let reviews = found.into_iter().map(review_to_wire).collect();
        Ok(Response::new(wire::ListReviewsResponse { reviews, next_page_token }))
    }

    async fn get_review(&self, request: Request<wire::GetReviewRequest>) -> Result<Response<wire::Review>, Status> {
        let wire::GetReviewRequest { review_id: id } = request.into_inner();
        let review = self.desk.get(review_id(&id).map_err(Fault::from)?).await?;
        Ok(Response::new(review_to_wire(review)))
    }

    async fn approve(&self, request: Request<wire::ApproveRequest>) -> Result<Response<wire::Review>, Status> {
        let Caller { actor } = Caller::of(&request);
        let wire::ApproveRequest { review_id, comment, version } = request.into_inner();
        let wish = wish_of(Verdict::Approve, said(review_id, comment, version), actor).map_err(Fault::from)?;
        Ok(Response::new(review_to_wire(self.desk.decide(wish).await?)))
    }

    async fn decline(&self, request: Request<wire::DeclineRequest>) -> Result<Response<wire::Review>, Status> {
        let Caller { actor } = Caller::of(&request);
        let wire::DeclineRequest { review_id, comment, version } = request.into_inner();
        let wish = wish_of(Verdict::Decline, said(review_id, comment, version), actor).map_err(Fault::from)?;
        Ok(Response::new(review_to_wire(self.desk.decide(wish).await?)))
    }

    async fn postpone(&self, request: Request<wire::PostponeRequest>) -> Result<Response<wire::Review>, Status> {
        let Caller { actor } = Caller::of(&request);
        let wire::PostponeRequest { review_id, comment, version } = request.into_inner();
        let wish = wish_of(Verdict::Postpone, said(review_id, comment, version), actor).map_err(Fault::from)?;
        Ok(Response::new(review_to_wire(self.desk.decide(wish).await?)))
    }

    type WatchDecisionsStream = Pin<Box<dyn Stream<Item = Result<wire::Decision, Status>> + Send>>;

    async fn watch_decisions(
        &self,
        request: Request<wire::WatchDecisionsRequest>,
    ) -> Result<Response<Self::WatchDecisionsStream>, Status> {
        let (after, kinds) = watch_of(request.into_inner()).map_err(Fault::from)?;
        let decisions = self.desk.watch(after, kinds).map(|decision| decision.map(decision_to_wire));
        Ok(Response::new(Box::pin(decisions)))
    }
}
