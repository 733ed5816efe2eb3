//! `AssignmentService`: who has what, why, and where it stands.

use super::Api;
use super::explain::context_to_wire;
use super::requests::{list_of, record_to_wire, revocation_of, wish_of};
use crate::verbs::get_request::get_request;
use crate::verbs::list_requests::list_requests;
use crate::verbs::permissions::{AskedType, HeldProperty, HeldResource, HeldRole, Permissions, permissions};
use crate::verbs::request_assignment::request_assignment;
use crate::verbs::revoke_assignment::revoke_assignment;
use crate::verbs::withdraw_request::withdraw_request;
use provost_contract::generator::v1 as wire;
use provost_contract::generator::v1::assignment_service_server::AssignmentService;
use provost_contract::to_wire;
use provost_service_kit::{Caller, Fault};
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl AssignmentService for Api {
    async fn list_assignments(
        &self,
        request: Request<wire::ListAssignmentsRequest>,
    ) -> Result<Response<wire::ListAssignmentsResponse>, Status> {
        let wire::ListAssignmentsRequest { owner_entity_type, owner_key } = request.into_inner();
        let found = permissions(&self.generator, &owner_entity_type, &owner_key).await?;
        Ok(Response::new(permissions_to_wire(found)))
    }

    async fn request_assignment(
        &self,
        request: Request<wire::RequestAssignmentRequest>,
    ) -> Result<Response<wire::AssignmentRequestRecord>, Status> {
        let Caller { actor } = Caller::of(&request);
        let made = request_assignment(&self.generator, wish_of(request.into_inner(), actor)).await?;
        Ok(Response::new(record_to_wire(&made)))
    }

    async fn revoke_assignment(
        &self,
        request: Request<wire::RevokeAssignmentRequest>,
    ) -> Result<Response<wire::AssignmentRequestRecord>, Status> {
        let Caller { actor } = Caller::of(&request);
        let made = revoke_assignment(&self.generator, revocation_of(request.into_inner(), actor)).await?;
        Ok(Response::new(record_to_wire(&made)))
    }

    async fn list_requests(
        &self,
        request: Request<wire::ListRequestsRequest>,
    ) -> Result<Response<wire::ListRequestsResponse>, Status> {
        let wish = list_of(request.into_inner()).map_err(Fault::from)?;
        let (found, next_page_token) = list_requests(&self.generator, wish).await?;
        let requests = found.iter().map(record_to_wire).collect();
        Ok(Response::new(wire::ListRequestsResponse { requests, next_page_token }))
    }

    async fn get_request(
        &self,
        request: Request<wire::GetRequestRequest>,
    ) -> Result<Response<wire::AssignmentRequestRecord>, Status> {
        let wire::GetRequestRequest { request_id } = request.into_inner();
        Ok(Response::new(record_to_wire(&get_request(&self.generator, &request_id).await?)))
    }

    async fn withdraw_request(
        &self,
        request: Request<wire::WithdrawRequestRequest>,
    ) -> Result<Response<wire::AssignmentRequestRecord>, Status> {
        let Caller { actor } = Caller::of(&request);
        let wire::WithdrawRequestRequest { request_id, comment } = request.into_inner();
        let withdrawn = withdraw_request(&self.generator, &request_id, &comment, &actor).await?;
        Ok(Response::new(record_to_wire(&withdrawn)))
    }
}

fn permissions_to_wire(from: Permissions) -> wire::ListAssignmentsResponse {
    let Permissions { owner, period, roles, resources, asked, contexts } = from;
    let role = |HeldRole { role, is_composite, display_name, why, workflow, period, request }| wire::AssignedRole {
        role,
        display_name,
        workflow_state: to_wire::workflow_state(workflow).into(),
        why: to_wire::reasons(&why),
        period: to_wire::period(period),
        request: request.as_ref().map(record_to_wire),
        composite: is_composite,
    };
    let asked_to_wire = |AskedType { connector, workflow, request }| wire::AssignedResource {
        resource_type: request.name.clone(),
        connector,
        workflow_state: to_wire::workflow_state(workflow).into(),
        state_reason: request.reason(),
        request: Some(record_to_wire(&request)),
        ..Default::default()
    };
    wire::ListAssignmentsResponse {
        owner: Some(to_wire::owner(&owner)),
        period: to_wire::period(period),
        roles: roles.into_iter().map(role).collect(),
        resources: resources.into_iter().map(resource_to_wire).chain(asked.into_iter().map(asked_to_wire)).collect(),
        contexts: contexts.into_iter().map(context_to_wire).collect(),
    }
}

fn resource_to_wire(from: HeldResource) -> wire::AssignedResource {
    let HeldResource { assignment, connector, state, order_id, reason, properties, workflow, request } = from;
    let property =
        |HeldProperty { name, proposed, current, workflow, state, why, is_sensitive }| wire::AssignedProperty {
            property: name,
            proposed: proposed.as_ref().map(to_wire::value),
            current: current.as_ref().map(to_wire::value),
            workflow_state: to_wire::workflow_state(workflow).into(),
            provisioning_state: to_wire::state(state).into(),
            why: to_wire::reasons(&why),
            sensitive: is_sensitive,
        };
    wire::AssignedResource {
        resource_type: assignment.resource_type,
        target_key: assignment.target_key,
        connector,
        workflow_state: to_wire::workflow_state(workflow).into(),
        provisioning_state: to_wire::state(state).into(),
        order_id,
        state_reason: reason,
        why: to_wire::reasons(&assignment.why),
        properties: properties.into_iter().map(property).collect(),
        request: request.as_ref().map(record_to_wire),
    }
}
