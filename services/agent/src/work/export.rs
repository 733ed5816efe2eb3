//! Taking export tasks. One loop for each connection, so that they are read side by side.

use super::patience::Patience;
use super::upload::upload;
use crate::agent::{ANSWER_TIMEOUT, Agent, LONG_POLL};
use crate::connections::Connection;
use provost_contract::generator::v1::{ExportTask, PollExportTasksRequest};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// Reads one connection whenever it is asked for, until `stop`.
pub(crate) async fn run(agent: Arc<Agent>, connection: Connection, stop: CancellationToken) -> anyhow::Result<()> {
    let mut patience = Patience::new("the order generator");
    while let Some(polled) = stop.run_until_cancelled(poll(&agent, &connection)).await {
        let status = match polled {
            Ok(tasks) => {
                patience.answered();
                // An export that is cut off is offered again; nothing was changed by it.
                match stop.run_until_cancelled(export_all(&agent, &connection, tasks)).await {
                    Some(Err(status)) => status,
                    Some(Ok(())) => continue,
                    None => break,
                }
            }
            Err(status) => status,
        };
        if !patience.failed(&status, &stop).await {
            break;
        }
    }
    Ok(())
}

async fn poll(agent: &Agent, connection: &Connection) -> Result<Vec<ExportTask>, Status> {
    let message = PollExportTasksRequest {
        agent_id: agent.id.clone(),
        connections: vec![connection.name.to_string()],
        wait: prost_types::Duration::try_from(LONG_POLL).ok(),
    };
    let request = agent.request(message, LONG_POLL + ANSWER_TIMEOUT);
    let response = agent.synchronization.clone().poll_export_tasks(request).await?;
    agent.generator_seen.note(agent.clock.now());
    Ok(response.into_inner().tasks)
}

async fn export_all(agent: &Agent, connection: &Connection, tasks: Vec<ExportTask>) -> Result<(), Status> {
    for task in tasks {
        upload(agent, connection, task).await?;
    }
    Ok(())
}
