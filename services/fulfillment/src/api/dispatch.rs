//! `DispatchService`.

use crate::store::Ledger;
use crate::verbs::pull::Pull;
use provost_contract::fulfillment::v1::dispatch_service_server::DispatchService;
use provost_contract::fulfillment::v1::{
    ListAgentsRequest, ListAgentsResponse, PullOrdersRequest, PullOrdersResponse, RenewLeasesRequest,
    RenewLeasesResponse, ReportFeedbackRequest, ReportFeedbackResponse, ReturnOrdersRequest, ReturnOrdersResponse,
};
use provost_service_kit::Fault;
use tonic::{Request, Response, Status};

pub(crate) struct Dispatch(pub(crate) Ledger);

#[tonic::async_trait]
impl DispatchService for Dispatch {
    async fn pull_orders(&self, request: Request<PullOrdersRequest>) -> Result<Response<PullOrdersResponse>, Status> {
        let pull = Pull::try_from(request.into_inner()).map_err(Fault::from)?;
        Ok(Response::new(self.0.pull(pull).await?))
    }

    async fn renew_leases(
        &self,
        request: Request<RenewLeasesRequest>,
    ) -> Result<Response<RenewLeasesResponse>, Status> {
        Ok(Response::new(self.0.renew(request.into_inner()).await?))
    }

    async fn report_feedback(
        &self,
        request: Request<ReportFeedbackRequest>,
    ) -> Result<Response<ReportFeedbackResponse>, Status> {
        Ok(Response::new(ReportFeedbackResponse { results: self.0.report(request.into_inner()).await? }))
    }

    async fn return_orders(
        &self,
        request: Request<ReturnOrdersRequest>,
    ) -> Result<Response<ReturnOrdersResponse>, Status> {
        Ok(Response::new(ReturnOrdersResponse { results: self.0.return_orders(request.into_inner()).await? }))
    }

    async fn list_agents(&self, request: Request<ListAgentsRequest>) -> Result<Response<ListAgentsResponse>, Status> {
        let ListAgentsRequest {} = request.into_inner();
        Ok(Response::new(ListAgentsResponse { agents: self.0.agents().await? }))
    }
}
