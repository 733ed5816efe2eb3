//! The tasks that jobs are made of. Each can be run again after it was interrupted anywhere, and
//! comes to the same end.

pub(crate) mod export;
mod fulfill;
mod model;

use crate::generator::Generator;
use crate::store::jobs::{self, Run, RunState, TaskRun};
use crate::store::to_json;
use crate::verbs::compute::Whom;
use crate::verbs::regenerate::Which;
use provost_service_kit::{Fault, Wake};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// What a task does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Asks an agent to read a connection; over when everything was read.
    Export { round: u32, connector: String, connection: String },
    /// Waits until what was read is applied.
    Synchronize { round: u32, connector: String, connection: String },
    /// Computes the role model.
    Compute,
    /// Computes it for those whom something concerns that changed.
    ComputeChanged,
    /// Generates orders.
    Generate,
    /// Generates those of whoever was computed since orders were last generated.
    GenerateChanged,
    /// Waits until agents have done what they can.
    Fulfill,
    /// Computes again, to verify what was written.
    Verify,
}

impl Kind {
    pub(crate) fn to_text(&self) -> Result<String, Fault> {
        to_json(self)
    }
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) state: RunState,
    pub(crate) message: String,
}

impl Outcome {
    fn of(state: RunState, message: impl Into<String>) -> Self {
        Self { state, message: message.into() }
    }

    fn cancelled() -> Self {
        Self::of(RunState::Cancelled, "cancelled while it waited")
    }
}

/// Does one task of a run.
///
/// # Errors
/// What the task met; the caller decides whether it is tried again.
pub(crate) async fn execute(
    generator: &Generator,
    run: &Run,
    kind: &Kind,
    progress: &Progress<'_>,
) -> Result<Outcome, Fault> {
    match kind {
        Kind::Export { round, connector, connection } => {
            export::export(generator, run, *round, connector, connection, progress).await
        }
        Kind::Synchronize { round, connection, .. } => {
            export::synchronize(generator, run, *round, connection, progress).await
        }
        Kind::Compute => model::compute(generator, Whom::Everybody, progress).await,
        Kind::ComputeChanged => model::compute(generator, Whom::Changed, progress).await,
        Kind::Generate => model::generate(generator, run, Which::All, progress).await,
        Kind::GenerateChanged => model::generate(generator, run, Which::Changed, progress).await,
        Kind::Fulfill => fulfill::fulfill(generator, run, progress).await,
        Kind::Verify => model::verify(generator, progress).await,
    }
}

/// Whether somebody asked to cancel the run.
async fn is_cancelled(generator: &Generator, run: &Run) -> Result<bool, Fault> {
    Ok(jobs::get(generator.database.read(), &run.id).await?.is_none_or(|run| run.is_cancelled))
}

/// Least time between two writes of a task's progress.
const WRITE_EVERY: Duration = Duration::from_millis(250);

/// Shows how far a task is, to whoever watches the run. Written now and then, not at each step.
pub(crate) struct Progress<'a> {
    generator: &'a Generator,
    run_id: &'a str,
    task: Mutex<(TaskRun, Instant)>,
}

impl<'a> Progress<'a> {
    pub(crate) fn of(generator: &'a Generator, run_id: &'a str, task: TaskRun) -> Self {
        Self { generator, run_id, task: Mutex::new((task, Instant::now())) }
    }

    /// So much is done, of so much (0 when not known).
    pub(crate) async fn show(&self, done: u64, total: u64, message: &str) -> Result<(), Fault> {
        let mut guard = self.task.lock().await;
        let (task, written_at) = &mut *guard;
        let (done, total) = (done.cast_signed(), total.cast_signed());
        let is_news = task.message != message;
        if (!is_news && task.done == done && task.total == total) || (!is_news && written_at.elapsed() < WRITE_EVERY) {
            return Ok(());
        }
        (task.done, task.total, *written_at) = (done, total, Instant::now());
        message.clone_into(&mut task.message);
        write(self.generator, &self.generator.jobs, self.run_id, task).await
    }

    /// The task, as last shown.
    pub(crate) async fn task(&self) -> TaskRun {
        self.task.lock().await.0.clone()
    }
}

/// Writes a task's row, and rings.
pub(crate) async fn write(generator: &Generator, bell: &Wake, run_id: &str, task: &TaskRun) -> Result<(), Fault> {
    let transaction = generator.database.begin().await?;
    jobs::save_task(&transaction, run_id, task).await?;
    bell.announce(&transaction).await?;
    transaction.commit().await?;
    bell.ring();
    Ok(())
}
