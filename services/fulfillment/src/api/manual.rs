//! `ManualProvisioningService`.

use crate::store::Ledger;
use provost_contract::fulfillment::v1::manual_provisioning_service_server::ManualProvisioningService;
use provost_contract::fulfillment::v1::{
    AssignManualOrdersRequest, AssignManualOrdersResponse, CommentManualOrdersRequest, CommentManualOrdersResponse,
    ConfirmOrdersRequest, ConfirmOrdersResponse, CountManualOrdersRequest, CountManualOrdersResponse,
    GetManualOrderRequest, ListManualOrdersRequest, ListManualOrdersResponse, ManualOrder, ReportOrderErrorsRequest,
    ReportOrderErrorsResponse, UnassignManualOrdersRequest, UnassignManualOrdersResponse,
};
use provost_service_kit::Caller;
use tonic::{Request, Response, Status};

pub(crate) struct Manual(pub(crate) Ledger);

#[tonic::async_trait]
impl ManualProvisioningService for Manual {
    async fn list_manual_orders(
        &self,
        request: Request<ListManualOrdersRequest>,
    ) -> Result<Response<ListManualOrdersResponse>, Status> {
        Ok(Response::new(self.0.manual_list(request.into_inner()).await?))
    }

    async fn get_manual_order(&self, request: Request<GetManualOrderRequest>) -> Result<Response<ManualOrder>, Status> {
        let GetManualOrderRequest { order_id } = request.into_inner();
        Ok(Response::new(self.0.manual_order(&order_id).await?))
    }

    async fn count_manual_orders(
        &self,
        request: Request<CountManualOrdersRequest>,
    ) -> Result<Response<CountManualOrdersResponse>, Status> {
        let counts = self.0.manual_counts(request.into_inner()).await?;
        Ok(Response::new(CountManualOrdersResponse { counts }))
    }

    async fn assign_manual_orders(
        &self,
        request: Request<AssignManualOrdersRequest>,
    ) -> Result<Response<AssignManualOrdersResponse>, Status> {
        let caller = Caller::of(&request);
        let results = self.0.assign(&caller.actor, request.into_inner()).await?;
        Ok(Response::new(AssignManualOrdersResponse { results }))
    }

    async fn unassign_manual_orders(
        &self,
        request: Request<UnassignManualOrdersRequest>,
    ) -> Result<Response<UnassignManualOrdersResponse>, Status> {
        let caller = Caller::of(&request);
        let results = self.0.unassign(&caller.actor, request.into_inner()).await?;
        Ok(Response::new(UnassignManualOrdersResponse { results }))
    }

    async fn comment_manual_orders(
        &self,
        request: Request<CommentManualOrdersRequest>,
    ) -> Result<Response<CommentManualOrdersResponse>, Status> {
        let caller = Caller::of(&request);
        let results = self.0.comment(&caller.actor, request.into_inner()).await?;
        Ok(Response::new(CommentManualOrdersResponse { results }))
    }

    async fn confirm_orders(
        &self,
        request: Request<ConfirmOrdersRequest>,
    ) -> Result<Response<ConfirmOrdersResponse>, Status> {
        let caller = Caller::of(&request);
        let results = self.0.confirm(&caller.actor, request.into_inner()).await?;
        Ok(Response::new(ConfirmOrdersResponse { results }))
    }

    async fn report_order_errors(
        &self,
        request: Request<ReportOrderErrorsRequest>,
    ) -> Result<Response<ReportOrderErrorsResponse>, Status> {
        let caller = Caller::of(&request);
        let results = self.0.report_errors(&caller.actor, request.into_inner()).await?;
        Ok(Response::new(ReportOrderErrorsResponse { results }))
    }
}
