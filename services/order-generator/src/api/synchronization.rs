//! `SynchronizationService`: agents ask for exports and send them.

use super::Api;
use crate::store::held_resources::HeldResource;
use crate::store::synchronizations::{self, Counts, Excess, State, Synchronization};
use crate::verbs::held_resources::{Held, held_resources};
use crate::verbs::poll_exports::{self, Offer, PollExports};
use crate::verbs::schema::{EntityShape, PropertyShape, unknown_name};
use crate::verbs::stage::Batch;
use crate::verbs::upload::{self, Part};
use futures::StreamExt;
use provost_contract::generator::v1 as wire;
use provost_contract::generator::v1::synchronization_service_server::SynchronizationService;
use provost_contract::generator::v1::upload_export_request::Part as WirePart;
use provost_contract::{Violations, from_wire, to_wire};
use provost_service_kit::{Fault, FaultKind, page};
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Response, Status, Streaming};

#[tonic::async_trait]
impl SynchronizationService for Api {
    async fn poll_export_tasks(
        &self,
        request: Request<wire::PollExportTasksRequest>,
    ) -> Result<Response<wire::PollExportTasksResponse>, Status> {
        let poll = poll_of(request.into_inner()).map_err(Fault::from)?;
        let offers = poll_exports::poll_exports(&self.generator, poll).await?;
        Ok(Response::new(wire::PollExportTasksResponse { tasks: offers.into_iter().map(task_to_wire).collect() }))
    }

    async fn upload_export(
        &self,
        request: Request<Streaming<wire::UploadExportRequest>>,
    ) -> Result<Response<wire::UploadExportResponse>, Status> {
        let generator = Arc::clone(&self.generator);
        let parts = request.into_inner().map(|message| part_of(message.map_err(broken)?).map_err(Fault::from));
        // A handler is dropped when its client goes away; the task must hear of it all the same.
        let uploaded = tokio::spawn(async move { upload::upload(&generator, Box::pin(parts)).await }).await;
        let synchronization = uploaded.map_err(Fault::internal)??;
        let synchronization = Some(to_wire_synchronization(synchronization));
        Ok(Response::new(wire::UploadExportResponse { synchronization }))
    }

    async fn list_synchronizations(
        &self,
        request: Request<wire::ListSynchronizationsRequest>,
    ) -> Result<Response<wire::ListSynchronizationsResponse>, Status> {
        let wire::ListSynchronizationsRequest { connector, page_size, page_token } = request.into_inner();
        let size = page::size(page_size).map_err(Fault::from)?;
        let before = page::after(&page_token).map_err(Fault::from)?;
        let found = synchronizations::list(self.generator.database.read(), &connector, before, size).await?;
        if found.is_empty() && !connector.is_empty() {
            let loaded = self.generator.catalogs.current().await?;
            let known: Vec<&str> =
                loaded.iter().flat_map(|loaded| loaded.catalog.connectors()).map(|one| &*one.name).collect();
            if !known.contains(&connector.as_str()) {
                return Err(unknown_name("connector", &connector, known).into());
            }
        }
        let next_page_token = page::next(found.last().map(|last| last.sequence), found.len(), size);
        let synchronizations = found.into_iter().map(to_wire_synchronization).collect();
        Ok(Response::new(wire::ListSynchronizationsResponse { synchronizations, next_page_token }))
    }

    async fn list_held_resources(
        &self,
        request: Request<wire::ListHeldResourcesRequest>,
    ) -> Result<Response<wire::ListHeldResourcesResponse>, Status> {
        let wire::ListHeldResourcesRequest { run, page_size, page_token } = request.into_inner();
        let size = page::size(page_size).map_err(Fault::from)?;
        let after = page::after(&page_token).map_err(Fault::from)?;
        let passed = u64::try_from(after).unwrap_or_default();
        let Held { synchronizations, job_run_id, resources } =
            held_resources(&self.generator, &run, passed, size).await?;
        let count = resources.len();
        let next_page_token = page::next((count > 0).then(|| after + count as i64), count, size);
        let breaches = synchronizations
            .iter()
            .flat_map(|one| one.excess.iter().map(|excess| breach_to_wire(one.connection.clone(), excess.clone())));
        Ok(Response::new(wire::ListHeldResourcesResponse {
            breaches: breaches.collect(),
            synchronizations: synchronizations.into_iter().map(to_wire_synchronization).collect(),
            job_run_id,
            resources: resources.into_iter().map(held_to_wire).collect(),
            next_page_token,
        }))
    }
}

fn breach_to_wire(connection: String, excess: Excess) -> wire::SynchronizationBreach {
    let Excess { entity_type, counted: change, count, limit, rule, rows, known, keys: _ } = excess;
    wire::SynchronizationBreach { connection, entity_type, change, count, limit, rule, rows, known }
}

fn held_to_wire(held: HeldResource) -> wire::HeldResource {
    let HeldResource { connection, entity_type, change, key } = held;
    wire::HeldResource { connection, entity_type, change, key }
}

fn poll_of(request: wire::PollExportTasksRequest) -> Result<PollExports, Violations> {
    let wire::PollExportTasksRequest { agent_id, connections, wait } = request;
    let wait = match wait.map(Duration::try_from).transpose() {
        Ok(wait) => wait.unwrap_or_default(),
        Err(_) => return Err(Violations::one("wait", "must not be negative")),
    };
    PollExports { agent_id, connections, wait }.check()
}

fn task_to_wire(Offer { task, entity_types }: Offer) -> wire::ExportTask {
    wire::ExportTask {
        task_id: task.id,
        connector: task.connector,
        connection: task.connection,
        entity_types: entity_types.into_iter().map(entity_type_to_wire).collect(),
    }
}

fn entity_type_to_wire(shape: EntityShape) -> wire::ExportEntityType {
    let EntityShape { name, connector: _, key, properties } = shape;
    let readable = properties.into_iter().filter(|property| !property.write_only);
    let property = |PropertyShape { name, value_type, multi_valued, sensitive: _, write_only: _ }| {
        wire::ExportProperty { name, r#type: value_type.name().to_owned(), multi_valued }
    };
    wire::ExportEntityType { entity_type: name, key, properties: readable.map(property).collect() }
}

fn broken(status: Status) -> Fault {
    let what = format!("the upload broke off: {}", status.message());
    match status.code() {
        tonic::Code::OutOfRange | tonic::Code::ResourceExhausted => Fault::new(FaultKind::InvalidInput, what),
        _ => Fault::new(FaultKind::DataLoss, what),
    }
}

fn part_of(message: wire::UploadExportRequest) -> Result<Part, Violations> {
    let wire::UploadExportRequest { part } = message;
    match part {
        Some(WirePart::Header(wire::ExportHeader { task_id, agent_id, started_at })) => {
            let started_at = started_at.as_ref().map(from_wire::timestamp);
            Ok(Part::Header { task_id, agent_id, started_at })
        }
        Some(WirePart::Batch(wire::ExportBatch { entity_type, properties, rows })) => {
            let mut wrong = Violations::default();
            let mut values_of = |(index, row): (usize, wire::ExportRow)| {
                let field = format!("batch.rows[{index}]");
                row.values.into_iter().map(|value| from_wire::value(&field, value, &mut wrong)).collect()
            };
            let rows = rows.into_iter().enumerate().map(&mut values_of).collect();
            wrong.into_result(Part::Batch(Batch { entity_type, properties, rows }))
        }
        Some(WirePart::End(wire::ExportEnd { row_counts })) => {
            Ok(Part::End { row_counts: row_counts.into_iter().collect() })
        }
        Some(WirePart::Failure(wire::ExportFailure { message })) => Ok(Part::Failure { message }),
        None => Err(Violations::one("part", "must be set")),
    }
}

fn to_wire_synchronization(from: Synchronization) -> wire::Synchronization {
    let state = match from.state {
        State::Waiting | State::Reading => wire::SynchronizationState::Running,
        State::Completed => wire::SynchronizationState::Completed,
        State::Failed => wire::SynchronizationState::Failed,
        State::Blocked => wire::SynchronizationState::Blocked,
    };
    let counts = |Counts { entity_type, rows, inserted, updated, deleted }| wire::EntityTypeCounts {
        entity_type,
        rows,
        inserted,
        updated,
        deleted,
    };
    wire::Synchronization {
        synchronization_id: from.id,
        connector: from.connector,
        connection: from.connection,
        state: state.into(),
        started_at: from.started_at.map(to_wire::timestamp),
        ended_at: from.ended_at.map(to_wire::timestamp),
        counts: from.counts.into_iter().map(counts).collect(),
        message: from.message,
        agent_id: from.agent_id,
    }
}
