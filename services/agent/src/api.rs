//! What the agent's own operator can ask it.

use crate::agent::{Agent, VERSION};
use crate::slots::Busy;
use provost_contract::agent::v1 as wire;
use provost_contract::agent::v1::agent_service_server::AgentService;
use provost_contract::to_wire;
use provost_service_kit::Fault;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tonic::{Request, Response, Status};

/// The longest that a check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves `AgentService`.
pub(crate) struct Api(pub(crate) Arc<Agent>);

fn status(name: &str, busy: Busy) -> wire::ConnectionStatus {
    let number = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let slots = |slots: u32| i32::try_from(slots).unwrap_or(i32::MAX);
    wire::ConnectionStatus {
        name: name.to_owned(),
        in_flight: number(busy.writing),
        limit: number(busy.limit),
        slots: slots(busy.slots),
        urgent_slots: slots(busy.urgent_slots),
        throttled: i64::try_from(busy.throttled).unwrap_or(i64::MAX),
        latency_ms: busy.typical.map_or(0, |typical| i64::try_from(typical.as_millis()).unwrap_or(i64::MAX)),
    }
}

#[tonic::async_trait]
impl AgentService for Api {
    async fn get_status(
        &self,
        _request: Request<wire::GetStatusRequest>,
    ) -> Result<Response<wire::GetStatusResponse>, Status> {
        let agent = &self.0;
        let unreported = agent.journal.unreported_count().await.map_err(Fault::internal)?;
        Ok(Response::new(wire::GetStatusResponse {
            agent_id: agent.id.clone(),
            version: VERSION.to_owned(),
            started_at: Some(to_wire::timestamp(agent.started_at)),
            in_flight: i64::try_from(agent.flight.len()).unwrap_or(i64::MAX),
            unreported,
            fulfillment_seen_at: agent.fulfillment_seen.at().map(to_wire::timestamp),
            generator_seen_at: agent.generator_seen.at().map(to_wire::timestamp),
            connections: agent.capacities.iter().map(|(name, capacity)| status(name, capacity.busy())).collect(),
        }))
    }

    async fn list_connections(
        &self,
        _request: Request<wire::ListConnectionsRequest>,
    ) -> Result<Response<wire::ListConnectionsResponse>, Status> {
        let connections = self.0.connections.iter().map(|connection| {
            let abilities = connection.package.abilities();
            wire::Connection {
                name: connection.name.to_string(),
                package: connection.package_name.to_owned(),
                can_export: abilities.export,
                can_fulfill: abilities.fulfill,
                concurrency: i32::try_from(connection.concurrency).unwrap_or(i32::MAX),
            }
        });
        Ok(Response::new(wire::ListConnectionsResponse { connections: connections.collect() }))
    }

    async fn check_connection(
        &self,
        request: Request<wire::CheckConnectionRequest>,
    ) -> Result<Response<wire::CheckConnectionResponse>, Status> {
        let name = request.into_inner().connection;
        let connection =
            self.0.connections.get(&name).ok_or_else(|| Fault::not_found(format!("connection '{name}'")))?;
        let begun = Instant::now();
        let (reachable, message) = match tokio::time::timeout(CHECK_TIMEOUT, connection.package.check()).await {
            Ok(Ok(words)) => (true, words),
            Ok(Err(failure)) if failure.hint.is_empty() => (false, failure.to_string()),
            Ok(Err(failure)) => (false, format!("{failure}; {}", failure.hint)),
            Err(_) => (false, format!("no answer within {} s", CHECK_TIMEOUT.as_secs())),
        };
        let elapsed_ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        Ok(Response::new(wire::CheckConnectionResponse { reachable, message, elapsed_ms }))
    }
}
