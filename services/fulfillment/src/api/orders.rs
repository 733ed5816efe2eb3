//! `OrderService`.

use crate::store::Ledger;
use crate::verbs::submit::{Message, Submission};
use crate::verbs::watch::Feed;
use provost_contract::fulfillment::v1::order_service_server::OrderService;
use provost_contract::fulfillment::v1::{
    CancelOrdersRequest, CancelOrdersResponse, CountOrdersByAgeRequest, CountOrdersByAgeResponse, CountOrdersRequest,
    CountOrdersResponse, GetOrderRequest, GetOrderResponse, ListErrorCausesRequest, ListErrorCausesResponse,
    ListOrdersRequest, ListOrdersResponse, SubmitOrdersRequest, SubmitOrdersResponse, UnblockErrorCauseRequest,
    UnblockErrorCauseResponse, UnblockOrdersRequest, UnblockOrdersResponse, VerifyOrdersRequest, VerifyOrdersResponse,
    WatchOrdersRequest,
};
use provost_service_kit::Caller;
use tonic::{Request, Response, Status, Streaming};

pub(crate) struct Orders(pub(crate) Ledger);

/// The next message of a submission.
async fn read(messages: &mut Streaming<SubmitOrdersRequest>) -> Result<Option<Message>, Status> {
    let Some(SubmitOrdersRequest { orders }) = messages.message().await? else { return Ok(None) };
    Ok(Some(Message::try_from(orders)?))
}

#[tonic::async_trait]
impl OrderService for Orders {
    type WatchOrdersStream = Feed;

    async fn submit_orders(
        &self,
        request: Request<Streaming<SubmitOrdersRequest>>,
    ) -> Result<Response<SubmitOrdersResponse>, Status> {
        let caller = Caller::of(&request);
        let mut messages = request.into_inner();
        let mut submission = Submission::new(caller.actor);
        let mut next = read(&mut messages).await?;
        while let Some(message) = next {
            // While one message is on its way to the disk, the next one is read.
            let (taken, read) = tokio::join!(self.0.submit(submission, message), read(&mut messages));
            submission = taken?;
            next = read?;
        }
        Ok(Response::new(submission.answer))
    }

    async fn get_order(&self, request: Request<GetOrderRequest>) -> Result<Response<GetOrderResponse>, Status> {
        let GetOrderRequest { order_id } = request.into_inner();
        Ok(Response::new(self.0.order(&order_id).await?))
    }

    async fn list_orders(&self, request: Request<ListOrdersRequest>) -> Result<Response<ListOrdersResponse>, Status> {
        Ok(Response::new(self.0.list(request.into_inner()).await?))
    }

    async fn count_orders(
        &self,
        request: Request<CountOrdersRequest>,
    ) -> Result<Response<CountOrdersResponse>, Status> {
        let CountOrdersRequest { filter, only_cursor } = request.into_inner();
        // Before the counts: what happens in between is counted, and comes after the cursor.
        let newest_cursor = Some(self.0.newest_cursor().await?);
        let counts = if only_cursor { vec![] } else { self.0.count(filter).await? };
        Ok(Response::new(CountOrdersResponse { counts, newest_cursor }))
    }

    async fn count_orders_by_age(
        &self,
        request: Request<CountOrdersByAgeRequest>,
    ) -> Result<Response<CountOrdersByAgeResponse>, Status> {
        Ok(Response::new(self.0.count_by_age(request.into_inner()).await?))
    }

    async fn watch_orders(
        &self,
        request: Request<WatchOrdersRequest>,
    ) -> Result<Response<Self::WatchOrdersStream>, Status> {
        Ok(Response::new(self.0.watch(request.into_inner())?))
    }

    async fn verify_orders(
        &self,
        request: Request<VerifyOrdersRequest>,
    ) -> Result<Response<VerifyOrdersResponse>, Status> {
        let caller = Caller::of(&request);
        let results = self.0.verify(&caller.actor, request.into_inner()).await?;
        Ok(Response::new(VerifyOrdersResponse { results }))
    }

    async fn cancel_orders(
        &self,
        request: Request<CancelOrdersRequest>,
    ) -> Result<Response<CancelOrdersResponse>, Status> {
        let caller = Caller::of(&request);
        let results = self.0.cancel(&caller.actor, request.into_inner()).await?;
        Ok(Response::new(CancelOrdersResponse { results }))
    }

    async fn unblock_orders(
        &self,
        request: Request<UnblockOrdersRequest>,
    ) -> Result<Response<UnblockOrdersResponse>, Status> {
        let caller = Caller::of(&request);
        let results = self.0.unblock(&caller.actor, request.into_inner()).await?;
        Ok(Response::new(UnblockOrdersResponse { results }))
    }

    async fn list_error_causes(
        &self,
        request: Request<ListErrorCausesRequest>,
    ) -> Result<Response<ListErrorCausesResponse>, Status> {
        let ListErrorCausesRequest { filter } = request.into_inner();
        Ok(Response::new(ListErrorCausesResponse { causes: self.0.error_causes(filter).await? }))
    }

    async fn unblock_error_cause(
        &self,
        request: Request<UnblockErrorCauseRequest>,
    ) -> Result<Response<UnblockErrorCauseResponse>, Status> {
        let caller = Caller::of(&request);
        Ok(Response::new(self.0.unblock_cause(&caller.actor, request.into_inner()).await?))
    }
}
