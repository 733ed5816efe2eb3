//! Reading one connection and uploading what was read, as a stream.
//!
//! The rule that must hold: the header carries an instant before the first read, and the end is sent
//! only when everything was read. No read is waited for without end.

use crate::agent::Agent;
use crate::connections::Connection;
use crate::package::{Entity, Property, Row, RowSender, failure};
use prost::Message;
use provost_contract::generator::v1::{
    ExportBatch, ExportEnd, ExportEntityType, ExportFailure, ExportHeader, ExportRow, ExportTask, UploadExportRequest,
    upload_export_request::Part,
};
use provost_contract::to_wire;
use provost_contract::types::v1::Value;
use provost_domain::{Failure, ValueType};
use provost_service_kit::caller::request_as;
use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

/// The most rows of one batch.
const BATCH_ROWS: usize = 1_000;
/// A batch is sent when it has reached this size.
const BATCH_BYTES: usize = 1024 * 1024;
/// The largest row: a batch of one must fit into a message.
const ROW_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Batches that are ready while the server is busy.
const BATCHES_AHEAD: usize = 4;
/// Rows that are ready while a batch is packed.
const ROWS_AHEAD: usize = 256;

/// How long the server may take for a part, or for its answer to all of them: it then writes what was read.
const ANSWER_MAX: Duration = Duration::from_secs(600);

/// How the silence of a managed system is borne. The server gives up on agents that are silent for a minute.
const SILENCE: Silence = Silence { max: Duration::from_secs(300), alive_every: Duration::from_secs(20) };

/// Makes one export.
///
/// # Errors
/// When the server cannot be reached, or fails; the task is offered again then.
pub(super) async fn upload(agent: &Agent, connection: &Connection, task: ExportTask) -> Result<(), Status> {
    let (parts, stream) = mpsc::channel(BATCHES_AHEAD);
    let task_id = task.task_id.clone();
    let started_at = agent.clock.now();
    let header = ExportHeader {
        task_id: task.task_id,
        agent_id: agent.id.clone(),
        started_at: Some(to_wire::timestamp(started_at)),
    };
    let reading = async {
        let upload = Upload(parts);
        upload.send(Part::Header(header)).await?;
        let last = match read_all(connection, task.entity_types, &upload).await {
            Ok(row_counts) => Part::End(ExportEnd { row_counts }),
            Err(failure) => Part::Failure(ExportFailure { message: failure.to_string() }),
        };
        upload.send(last).await
    };
    let request = request_as(&agent.id, ReceiverStream::new(stream));
    let mut client = agent.synchronization.clone();
    let answer = answer(reading, client.upload_export(request), ANSWER_MAX).await;
    let connection = connection.name.as_ref();
    match answer {
        Ok(answer) => {
            agent.generator_seen.note(agent.clock.now());
            let rows: i64 = answer.into_inner().synchronization.iter().flat_map(|s| &s.counts).map(|c| c.rows).sum();
            tracing::info!(task_id, connection, rows, "export uploaded");
            Ok(())
        }
        // The server understood, and will not have this export: asking again would not change it.
        Err(status) if matches!(status.code(), Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition) => {
            tracing::warn!(task_id, connection, code = ?status.code(), message = status.message(), "export refused");
            Ok(())
        }
        Err(status) => Err(status),
    }
}

/// The answer to an export that is still read. After the last part it must come within `longest`.
async fn answer<A>(
    reading: impl Future<Output = Result<(), Failure>>,
    answering: impl Future<Output = Result<A, Status>>,
    longest: Duration,
) -> Result<A, Status> {
    let (mut reading, mut answering) = (pin!(reading), pin!(answering));
    tokio::select! {
        // Nobody takes what is still read: the reading is dropped, however long it would have gone on.
        answer = &mut answering => answer,
        _ = &mut reading => tokio::time::timeout(longest, answering).await.unwrap_or_else(|_| {
            Err(Status::deadline_exceeded(format!("no answer to an export within {longest:?}")))
        }),
    }
}

/// The sending side of the stream.
struct Upload(mpsc::Sender<UploadExportRequest>);

impl Upload {
    async fn send(&self, part: Part) -> Result<(), Failure> {
        let sent = self.0.send_timeout(UploadExportRequest { part: Some(part) }, ANSWER_MAX).await;
        sent.map_err(|_| failure::abandoned())
    }
}

async fn read_all(
    connection: &Connection,
    entity_types: Vec<ExportEntityType>,
    upload: &Upload,
) -> Result<HashMap<String, i64>, Failure> {
    let mut counts = HashMap::new();
    for entity_type in entity_types {
        let entity = entity(entity_type)?;
        let (sender, receiver) = RowSender::channel(ROWS_AHEAD);
        let export = async {
            // The sender goes with the export: its end tells the batches that no row follows.
            let sender = sender;
            connection.package.export(&entity, &sender).await
        };
        // When the batches fail, the export is dropped: it may hang, and would only say that it was abandoned.
        let (count, ()) = tokio::try_join!(batches(&entity, receiver, upload), export)?;
        counts.insert(entity.name, count);
    }
    Ok(counts)
}

fn entity(entity_type: ExportEntityType) -> Result<Entity, Failure> {
    let property =
        |property: provost_contract::generator::v1::ExportProperty| match ValueType::from_name(&property.r#type) {
            Some(value_type) => Ok(Property { name: property.name, value_type, multi_valued: property.multi_valued }),
            None => Err(failure::invalid(format!(
                "property '{}' has the unknown type '{}'",
                property.name, property.r#type
            ))),
        };
    let properties = entity_type.properties.into_iter().map(property).collect::<Result<_, _>>()?;
    Ok(Entity { name: entity_type.entity_type, key: entity_type.key, properties })
}

/// Packs rows into batches. Returns how many rows were sent.
async fn batches(entity: &Entity, mut rows: mpsc::Receiver<Row>, upload: &Upload) -> Result<i64, Failure> {
    let properties: Vec<String> = entity.properties.iter().map(|property| property.name.clone()).collect();
    let batch =
        |rows| Part::Batch(ExportBatch { entity_type: entity.name.clone(), properties: properties.clone(), rows });
    let (mut packed, mut bytes, mut count) = (Vec::new(), 0, 0);
    while let Some(row) = next_row(&mut rows, SILENCE, || upload.send(batch(vec![]))).await? {
        let row = wire(row);
        let size = row.encoded_len();
        if size > ROW_BYTES_MAX {
            return Err(failure::invalid(format!("a {} has {size} bytes; the most is {ROW_BYTES_MAX}", entity.name)));
        }
        if packed.len() == BATCH_ROWS || (!packed.is_empty() && bytes + size > BATCH_BYTES) {
            upload.send(batch(std::mem::take(&mut packed))).await?;
            bytes = 0;
        }
        packed.push(row);
        bytes += size;
        count += 1;
    }
    if !packed.is_empty() {
        upload.send(batch(packed)).await?;
    }
    Ok(count)
}

#[derive(Clone, Copy)]
struct Silence {
    /// How long it may last between two rows.
    max: Duration,
    /// How often the server is told meanwhile that the export goes on.
    alive_every: Duration,
}

/// The next row, or none when there are no more. Slow systems are waited for, but not for ever.
async fn next_row<F: Future<Output = Result<(), Failure>>>(
    rows: &mut mpsc::Receiver<Row>,
    silence: Silence,
    alive: impl Fn() -> F,
) -> Result<Option<Row>, Failure> {
    let since = Instant::now();
    while since.elapsed() < silence.max {
        match tokio::time::timeout(silence.alive_every, rows.recv()).await {
            Ok(row) => return Ok(row),
            Err(_) => alive().await?,
        }
    }
    Err(failure::transport(format!("the managed system sent nothing for {:?}", silence.max)))
}

fn wire(row: Row) -> ExportRow {
    let value =
        |value: Option<provost_domain::Value>| value.map_or(Value { kind: None }, |value| to_wire::value(&value));
    ExportRow { values: row.into_iter().map(value).collect() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::cell::Cell;

    const SHORT: Silence = Silence { max: Duration::from_millis(90), alive_every: Duration::from_millis(10) };

    #[tokio::test]
    async fn silent_system_is_waited_for_and_then_no_more() {
        // Kept: the export is not over.
        let (_sender, mut rows) = mpsc::channel(1);
        let (before, heard) = (Instant::now(), Cell::new(0));
        let alive = || async {
            heard.set(heard.get() + 1);
            Ok(())
        };
        let failure = next_row(&mut rows, SHORT, alive).await.unwrap_err();
        assert_eq!(failure.message, "the managed system sent nothing for 90ms");
        assert!(before.elapsed() >= SHORT.max);
        assert!((1..=9).contains(&heard.get()), "{}", heard.get());
    }

    #[tokio::test]
    async fn row_that_comes_late_is_taken_and_the_end_is_seen() {
        let (sender, mut rows) = mpsc::channel(1);
        let patient = Silence { max: Duration::from_secs(60), ..SHORT };
        let sender = Cell::new(Some(sender));
        // The row comes when the server has heard of the wait.
        let alive = || async {
            if let Some(sender) = sender.take() {
                sender.send(vec![Some("ada".into())]).await.unwrap();
            }
            Ok(())
        };
        assert_eq!(next_row(&mut rows, patient, alive).await.unwrap(), Some(vec![Some("ada".into())]));
        assert_eq!(next_row(&mut rows, patient, alive).await.unwrap(), None);
    }

    #[tokio::test]
    async fn answer_is_not_waited_for_without_end() {
        let never = std::future::pending::<Result<(), Status>>;
        let status = answer(async { Ok(()) }, never(), SHORT.max).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(status.message(), "no answer to an export within 90ms");
        // While it is read there is no hurry: the managed system has its own limit.
        let reading = answer(std::future::pending(), never(), Duration::ZERO);
        assert!(tokio::time::timeout(SHORT.max, reading).await.is_err());
    }

    #[tokio::test]
    async fn server_that_went_away_ends_the_wait() {
        let (_sender, mut rows) = mpsc::channel(1);
        let gone = || async { Err(failure::abandoned()) };
        let patient = Silence { max: Duration::from_secs(60), ..SHORT };
        assert_eq!(next_row(&mut rows, patient, gone).await.unwrap_err(), failure::abandoned());
    }
}
