//! Job runs and their tasks. Progress is kept here and nowhere else: who drives a run reads what is
//! left to do from its rows.

use super::entity::{job_run, job_task_run};
use provost_domain::Timestamp;
use provost_service_kit::{Engine, Fault, FaultKind};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, SqlErr,
};
use std::collections::HashMap;

/// How a run, or a task of it, stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RunState {
    Waiting,
    Running,
    Completed,
    Warning,
    Errored,
    Blocked,
    Cancelled,
}

impl RunState {
    const ALL: [Self; 7] =
        [Self::Waiting, Self::Running, Self::Completed, Self::Warning, Self::Errored, Self::Blocked, Self::Cancelled];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Warning => "warning",
            Self::Errored => "errored",
            Self::Blocked => "blocked",
            Self::Cancelled => "cancelled",
        }
    }

    fn of(name: &str) -> Result<Self, Fault> {
        let found = Self::ALL.into_iter().find(|state| state.name() == name);
        found.ok_or_else(|| Fault::internal(anyhow::anyhow!("'{name}' is not a run state")))
    }

    /// Nothing more happens by itself; a blocked run can be resumed.
    pub(crate) const fn is_over(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }
}

/// One run of a job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) sequence: i64,
    pub(crate) id: String,
    pub(crate) job: String,
    pub(crate) request_id: String,
    pub(crate) state: RunState,
    pub(crate) force_review: bool,
    pub(crate) waive_review: bool,
    pub(crate) force_thresholds: bool,
    /// Somebody asked to cancel it.
    pub(crate) is_cancelled: bool,
    pub(crate) started_by: String,
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    /// The generation run of its orders; chosen when the run starts, so that a repeated task uses it again.
    pub(crate) generation_run: String,
    pub(crate) message: String,
    /// What was said when it was resumed or cancelled, one line each.
    pub(crate) comments: String,
}

/// One task of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TaskRun {
    pub(crate) position: i32,
    pub(crate) name: String,
    /// What to do, as the job's catalog of tasks writes it.
    pub(crate) kind: String,
    pub(crate) level: i32,
    pub(crate) state: RunState,
    pub(crate) done: i64,
    pub(crate) total: i64,
    pub(crate) message: String,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
}

fn read_run(row: job_run::Model) -> Result<Run, Fault> {
    Ok(Run {
        state: RunState::of(&row.state)?,
        started_at: Timestamp::from_millis(row.started_at),
        ended_at: row.ended_at.map(Timestamp::from_millis),
        sequence: row.sequence,
        id: row.id,
        job: row.job,
        request_id: row.request_id,
        force_review: row.force_review,
        waive_review: row.waive_review,
        force_thresholds: row.force_thresholds,
        is_cancelled: row.is_cancelled,
        started_by: row.started_by,
        generation_run: row.generation_run,
        message: row.message,
        comments: row.comments,
    })
}

fn read_task(row: job_task_run::Model) -> Result<TaskRun, Fault> {
    Ok(TaskRun {
        state: RunState::of(&row.state)?,
        started_at: row.started_at.map(Timestamp::from_millis),
        ended_at: row.ended_at.map(Timestamp::from_millis),
        position: row.position,
        name: row.name,
        kind: row.kind,
        level: row.level,
        done: row.done,
        total: row.total,
        message: row.message,
    })
}

fn columns(run: &Run) -> job_run::ActiveModel {
    job_run::ActiveModel {
        id: Set(run.id.clone()),
        job: Set(run.job.clone()),
        request_id: Set(run.request_id.clone()),
        active: Set((!run.state.is_over()).then(|| run.job.clone())),
        state: Set(run.state.name().to_owned()),
        force_review: Set(run.force_review),
        waive_review: Set(run.waive_review),
        force_thresholds: Set(run.force_thresholds),
        is_cancelled: Set(run.is_cancelled),
        started_by: Set(run.started_by.clone()),
        started_at: Set(run.started_at.millis()),
        ended_at: Set(run.ended_at.map(Timestamp::millis)),
        generation_run: Set(run.generation_run.clone()),
        message: Set(run.message.clone()),
        comments: Set(run.comments.clone()),
        ..Default::default()
    }
}

fn task_columns(run_id: &str, task: &TaskRun) -> job_task_run::ActiveModel {
    job_task_run::ActiveModel {
        run_id: Set(run_id.to_owned()),
        position: Set(task.position),
        name: Set(task.name.clone()),
        kind: Set(task.kind.clone()),
        level: Set(task.level),
        state: Set(task.state.name().to_owned()),
        done: Set(task.done),
        total: Set(task.total),
        message: Set(task.message.clone()),
        started_at: Set(task.started_at.map(Timestamp::millis)),
        ended_at: Set(task.ended_at.map(Timestamp::millis)),
    }
}

/// The unique index on the active run refuses a second one.
fn one_at_a_time(job: &str, error: DbErr) -> Fault {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => {
            Fault::new(FaultKind::Conflict, format!("a run of the job {job} is not over; wait for it, or cancel it"))
        }
        _ => error.into(),
    }
}

/// Starts a run, with its tasks.
///
/// # Errors
/// [`FaultKind::Conflict`] when a run of this job is not over.
pub(crate) async fn insert(connection: &impl ConnectionTrait, run: &Run, tasks: &[TaskRun]) -> Result<(), Fault> {
    let inserted = job_run::Entity::insert(columns(run)).exec_without_returning(connection).await;
    inserted.map_err(|error| one_at_a_time(&run.job, error))?;
    job_task_run::Entity::insert_many(tasks.iter().map(|task| task_columns(&run.id, task)))
        .exec_without_returning(connection)
        .await?;
    Ok(())
}

/// Writes what changed in a run.
///
/// # Errors
/// [`FaultKind::Conflict`] when it becomes active and another run of its job is not over.
pub(crate) async fn save(connection: &impl ConnectionTrait, run: &Run) -> Result<(), Fault> {
    let update = job_run::Entity::update_many().set(columns(run)).filter(job_run::Column::Id.eq(&run.id));
    update.exec(connection).await.map(|_| ()).map_err(|error| one_at_a_time(&run.job, error))
}

/// Writes what changed in a task.
pub(crate) async fn save_task(connection: &impl ConnectionTrait, run_id: &str, task: &TaskRun) -> Result<(), DbErr> {
    job_task_run::Entity::update_many()
        .set(task_columns(run_id, task))
        .filter(job_task_run::Column::RunId.eq(run_id))
        .filter(job_task_run::Column::Position.eq(task.position))
        .exec(connection)
        .await
        .map(|_| ())
}

/// One run.
pub(crate) async fn get(connection: &impl ConnectionTrait, id: &str) -> Result<Option<Run>, Fault> {
    job_run::Entity::find().filter(job_run::Column::Id.eq(id)).one(connection).await?.map(read_run).transpose()
}

/// One run, held against others until the transaction ends.
pub(crate) async fn lock(connection: &impl ConnectionTrait, engine: Engine, id: &str) -> Result<Option<Run>, Fault> {
    let mut query = job_run::Entity::find().filter(job_run::Column::Id.eq(id));
    if engine == Engine::Postgres {
        query = query.lock_exclusive();
    }
    query.one(connection).await?.map(read_run).transpose()
}

/// The run that a request started.
pub(crate) async fn by_request(connection: &impl ConnectionTrait, request_id: &str) -> Result<Option<Run>, Fault> {
    let query = job_run::Entity::find().filter(job_run::Column::RequestId.eq(request_id));
    query.one(connection).await?.map(read_run).transpose()
}

/// The run that a generation run belongs to.
pub(crate) async fn by_generation(connection: &impl ConnectionTrait, run: &str) -> Result<Option<Run>, Fault> {
    let query = job_run::Entity::find().filter(job_run::Column::GenerationRun.eq(run));
    query.one(connection).await?.map(read_run).transpose()
}

/// What somebody let pass when the job run of a generation run was resumed is over: it holds back something else.
pub(crate) async fn forget_let_pass(connection: &impl ConnectionTrait, generation_run: &str) -> Result<(), DbErr> {
    job_run::Entity::update_many()
        .col_expr(job_run::Column::ForceThresholds, Expr::value(false))
        .filter(job_run::Column::GenerationRun.eq(generation_run))
        .exec(connection)
        .await
        .map(|_| ())
}

/// A run's tasks, by level.
pub(crate) async fn tasks(connection: &impl ConnectionTrait, run_id: &str) -> Result<Vec<TaskRun>, Fault> {
    let query = job_task_run::Entity::find()
        .filter(job_task_run::Column::RunId.eq(run_id))
        .order_by_asc(job_task_run::Column::Position);
    query.all(connection).await?.into_iter().map(read_task).collect()
}

/// The tasks of several runs, by run and level.
pub(crate) async fn tasks_of(
    connection: &impl ConnectionTrait,
    engine: Engine,
    run_ids: &[&str],
) -> Result<HashMap<String, Vec<TaskRun>>, Fault> {
    let mut found: HashMap<String, Vec<TaskRun>> = HashMap::new();
    for chunk in run_ids.chunks(engine.rows_per_statement(1)) {
        let query = job_task_run::Entity::find()
            .filter(job_task_run::Column::RunId.is_in(chunk.iter().copied()))
            .order_by_asc(job_task_run::Column::Position);
        for row in query.all(connection).await? {
            found.entry(row.run_id.clone()).or_default().push(read_task(row)?);
        }
    }
    Ok(found)
}

/// The runs that are not over, oldest first.
pub(crate) async fn active(connection: &impl ConnectionTrait) -> Result<Vec<Run>, Fault> {
    let query =
        job_run::Entity::find().filter(job_run::Column::Active.is_not_null()).order_by_asc(job_run::Column::Sequence);
    query.all(connection).await?.into_iter().map(read_run).collect()
}

/// A page of runs, newest first. `before` is 0 for the first page.
pub(crate) async fn list(
    connection: &impl ConnectionTrait,
    job: &str,
    before: i64,
    limit: u64,
) -> Result<Vec<Run>, Fault> {
    let mut query = job_run::Entity::find().order_by_desc(job_run::Column::Sequence).limit(limit);
    if !job.is_empty() {
        query = query.filter(job_run::Column::Job.eq(job));
    }
    if before > 0 {
        query = query.filter(job_run::Column::Sequence.lt(before));
    }
    query.all(connection).await?.into_iter().map(read_run).collect()
}
