//! `AssignmentService`: who has what, why, and where it stands.

use super::Api;
use crate::verbs::permissions::{HeldProperty, HeldResource, HeldRole, Permissions, permissions};
use provost_contract::generator::v1 as wire;
use provost_contract::generator::v1::assignment_service_server::AssignmentService;
use provost_contract::to_wire;
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
}

fn permissions_to_wire(from: Permissions) -> wire::ListAssignmentsResponse {
    let Permissions { owner, period, roles, resources } = from;
    let role = |HeldRole { role, display_name, workflow, why }| wire::AssignedRole {
        role,
        display_name,
        workflow_state: to_wire::workflow_state(workflow).into(),
        why: to_wire::reasons(&why),
    };
    wire::ListAssignmentsResponse {
        owner: Some(to_wire::owner(&owner)),
        period: to_wire::period(period),
        roles: roles.into_iter().map(role).collect(),
        resources: resources.into_iter().map(resource_to_wire).collect(),
    }
}

fn resource_to_wire(from: HeldResource) -> wire::AssignedResource {
    let HeldResource { assignment, connector, state, order_id, reason, properties } = from;
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
        workflow_state: to_wire::workflow_state(assignment.workflow).into(),
        provisioning_state: to_wire::state(state).into(),
        order_id,
        state_reason: reason,
        why: to_wire::reasons(&assignment.why),
        properties: properties.into_iter().map(property).collect(),
    }
}
