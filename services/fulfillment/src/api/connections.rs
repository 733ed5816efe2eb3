//! `ConnectionService`.

use crate::store::Ledger;
use crate::verbs::connections::Decision;
use provost_contract::fulfillment::v1::connection_service_server::ConnectionService;
use provost_contract::fulfillment::v1::{
    DrainConnectionRequest, DrainConnectionResponse, GetConnectionRequest, GetConnectionResponse,
    ListConnectionsRequest, ListConnectionsResponse, PauseConnectionRequest, PauseConnectionResponse,
    ProbeConnectionRequest, ProbeConnectionResponse, ReleaseBrakeRequest, ReleaseBrakeResponse,
    ReportConnectionSizesRequest, ReportConnectionSizesResponse, ResumeConnectionRequest, ResumeConnectionResponse,
    SetConnectionLimitsRequest, SetConnectionLimitsResponse,
};
use provost_service_kit::{Caller, Fault};
use tonic::{Request, Response, Status};

pub(crate) struct Connections(pub(crate) Ledger);

#[tonic::async_trait]
impl ConnectionService for Connections {
    async fn list_connections(
        &self,
        request: Request<ListConnectionsRequest>,
    ) -> Result<Response<ListConnectionsResponse>, Status> {
        let ListConnectionsRequest {} = request.into_inner();
        Ok(Response::new(ListConnectionsResponse { connections: self.0.connections().await? }))
    }

    async fn get_connection(
        &self,
        request: Request<GetConnectionRequest>,
    ) -> Result<Response<GetConnectionResponse>, Status> {
        let GetConnectionRequest { connection } = request.into_inner();
        Ok(Response::new(self.0.connection(&connection).await?))
    }

    async fn pause_connection(
        &self,
        request: Request<PauseConnectionRequest>,
    ) -> Result<Response<PauseConnectionResponse>, Status> {
        let caller = Caller::of(&request);
        let PauseConnectionRequest { connection, comment } = request.into_inner();
        let decision = Decision::reasoned(caller.actor, connection, comment).map_err(Fault::from)?;
        Ok(Response::new(PauseConnectionResponse { connection: Some(self.0.pause(decision).await?) }))
    }

    async fn drain_connection(
        &self,
        request: Request<DrainConnectionRequest>,
    ) -> Result<Response<DrainConnectionResponse>, Status> {
        let caller = Caller::of(&request);
        let DrainConnectionRequest { connection, comment } = request.into_inner();
        let decision = Decision::reasoned(caller.actor, connection, comment).map_err(Fault::from)?;
        Ok(Response::new(DrainConnectionResponse { connection: Some(self.0.drain(decision).await?) }))
    }

    async fn resume_connection(
        &self,
        request: Request<ResumeConnectionRequest>,
    ) -> Result<Response<ResumeConnectionResponse>, Status> {
        let caller = Caller::of(&request);
        let ResumeConnectionRequest { connection, comment } = request.into_inner();
        let decision = Decision::plain(caller.actor, connection, comment).map_err(Fault::from)?;
        Ok(Response::new(ResumeConnectionResponse { connection: Some(self.0.resume(decision).await?) }))
    }

    async fn set_connection_limits(
        &self,
        request: Request<SetConnectionLimitsRequest>,
    ) -> Result<Response<SetConnectionLimitsResponse>, Status> {
        let caller = Caller::of(&request);
        let connection = self.0.set_limits(caller.actor, request.into_inner()).await?;
        Ok(Response::new(SetConnectionLimitsResponse { connection: Some(connection) }))
    }

    async fn release_brake(
        &self,
        request: Request<ReleaseBrakeRequest>,
    ) -> Result<Response<ReleaseBrakeResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let kind = request.kind();
        let ReleaseBrakeRequest { connection, kind: _, comment } = request;
        let decision = Decision::reasoned(caller.actor, connection, comment).map_err(Fault::from)?;
        Ok(Response::new(ReleaseBrakeResponse { connection: Some(self.0.release(decision, kind).await?) }))
    }

    async fn probe_connection(
        &self,
        request: Request<ProbeConnectionRequest>,
    ) -> Result<Response<ProbeConnectionResponse>, Status> {
        let caller = Caller::of(&request);
        let ProbeConnectionRequest { connection, comment } = request.into_inner();
        let decision = Decision::plain(caller.actor, connection, comment).map_err(Fault::from)?;
        Ok(Response::new(ProbeConnectionResponse { connection: Some(self.0.probe(decision).await?) }))
    }

    async fn report_connection_sizes(
        &self,
        request: Request<ReportConnectionSizesRequest>,
    ) -> Result<Response<ReportConnectionSizesResponse>, Status> {
        let ReportConnectionSizesRequest { sizes } = request.into_inner();
        self.0.report_sizes(sizes).await?;
        Ok(Response::new(ReportConnectionSizesResponse {}))
    }
}
