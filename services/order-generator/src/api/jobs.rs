//! `JobService`: starting jobs and watching them.

use super::Api;
use crate::generator::Generator;
use crate::store::jobs::{self, Run, RunState, TaskRun};
use crate::verbs::jobs as verbs;
use futures::Stream;
use provost_contract::generator::v1 as wire;
use provost_contract::generator::v1::job_service_server::JobService;
use provost_contract::to_wire;
use provost_service_kit::{Caller, Fault, page};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl JobService for Api {
    async fn list_jobs(
        &self,
        _request: Request<wire::ListJobsRequest>,
    ) -> Result<Response<wire::ListJobsResponse>, Status> {
        let exports = self.generator.catalogs.current().await?.map(|loaded| loaded.exports());
        let jobs = verbs::all(exports.as_deref().unwrap_or_default()).into_iter().map(job_to_wire).collect();
        Ok(Response::new(wire::ListJobsResponse { jobs }))
    }

    async fn run_job(&self, request: Request<wire::RunJobRequest>) -> Result<Response<wire::JobRun>, Status> {
        let Caller { actor } = Caller::of(&request);
        let wire::RunJobRequest { job, request_id, force_review, waive_review, connectors } = request.into_inner();
        let wish = verbs::RunJob { job, request_id, force_review, waive_review, connectors, actor };
        let run = verbs::run_job(&self.generator, wish).await?;
        Ok(Response::new(with_tasks(&self.generator, run).await?))
    }

    type WatchJobRunStream = Pin<Box<dyn Stream<Item = Result<wire::JobRun, Status>> + Send>>;

    async fn watch_job_run(
        &self,
        request: Request<wire::WatchJobRunRequest>,
    ) -> Result<Response<Self::WatchJobRunStream>, Status> {
        let wire::WatchJobRunRequest { run_id } = request.into_inner();
        find(&self.generator, &run_id).await?;
        Ok(Response::new(Box::pin(watch(Arc::clone(&self.generator), run_id))))
    }

    async fn list_job_runs(
        &self,
        request: Request<wire::ListJobRunsRequest>,
    ) -> Result<Response<wire::ListJobRunsResponse>, Status> {
        let wire::ListJobRunsRequest { job, page_size, page_token } = request.into_inner();
        let size = page::size(page_size).map_err(Fault::from)?;
        let before = page::after(&page_token).map_err(Fault::from)?;
        if !job.is_empty() {
            verbs::known(&job)?;
        }
        let database = &self.generator.database;
        let found = jobs::list(database.read(), &job, before, size).await?;
        let next_page_token = page::next(found.last().map(|last| last.sequence), found.len(), size);
        let ids: Vec<&str> = found.iter().map(|run| run.id.as_str()).collect();
        let mut tasks = jobs::tasks_of(database.read(), database.engine(), &ids).await?;
        let run = |run: Run| {
            let tasks = tasks.remove(&run.id).unwrap_or_default();
            run_to_wire(run, tasks)
        };
        Ok(Response::new(wire::ListJobRunsResponse { runs: found.into_iter().map(run).collect(), next_page_token }))
    }

    async fn resume_job_run(
        &self,
        request: Request<wire::ResumeJobRunRequest>,
    ) -> Result<Response<wire::JobRun>, Status> {
        let Caller { actor } = Caller::of(&request);
        let wire::ResumeJobRunRequest { run_id, comment } = request.into_inner();
        let run = verbs::resume(&self.generator, &run_id, &comment, &actor).await?;
        Ok(Response::new(with_tasks(&self.generator, run).await?))
    }

    async fn cancel_job_run(
        &self,
        request: Request<wire::CancelJobRunRequest>,
    ) -> Result<Response<wire::JobRun>, Status> {
        let Caller { actor } = Caller::of(&request);
        let wire::CancelJobRunRequest { run_id, comment } = request.into_inner();
        let run = verbs::cancel(&self.generator, &run_id, &comment, &actor).await?;
        Ok(Response::new(with_tasks(&self.generator, run).await?))
    }
}

/// The run as it stands, then again after each change, until it is over.
fn watch(generator: Arc<Generator>, run_id: String) -> impl Stream<Item = Result<wire::JobRun, Status>> + Send {
    let mut bell = generator.jobs.listener();
    async_stream::stream! {
        let mut shown = None;
        loop {
            let (run, is_over) = match find(&generator, &run_id).await {
                Ok(run) => {
                    let is_over = run.state.is_over();
                    match with_tasks(&generator, run).await {
                        Ok(run) => (run, is_over),
                        Err(fault) => { yield Err(fault.into()); return; }
                    }
                }
                Err(fault) => { yield Err(fault.into()); return; }
            };
            if shown.as_ref() != Some(&run) {
                shown = Some(run.clone());
                yield Ok(run);
            }
            if is_over {
                return;
            }
            tokio::select! {
                () = bell.wait(Duration::MAX) => {}
                () = generator.stop.cancelled() => {
                    yield Err(Status::unavailable("the service stops; watch again when it is back"));
                    return;
                }
            }
        }
    }
}

async fn find(generator: &Generator, run_id: &str) -> Result<Run, Fault> {
    let found = jobs::get(generator.database.read(), run_id).await?;
    found.ok_or_else(|| Fault::not_found(format!("job run {run_id}")))
}

async fn with_tasks(generator: &Generator, run: Run) -> Result<wire::JobRun, Fault> {
    let tasks = jobs::tasks(generator.database.read(), &run.id).await?;
    Ok(run_to_wire(run, tasks))
}

fn job_to_wire(job: verbs::Job) -> wire::Job {
    let task = |verbs::Task { name, level, kind: _ }| wire::JobTask { name, level };
    wire::Job {
        name: job.name.to_owned(),
        description: job.description.to_owned(),
        tasks: job.tasks.into_iter().map(task).collect(),
    }
}

const fn state_to_wire(state: RunState) -> wire::JobRunState {
    match state {
        RunState::Waiting => wire::JobRunState::Waiting,
        RunState::Running => wire::JobRunState::Running,
        RunState::Completed => wire::JobRunState::Completed,
        RunState::Warning => wire::JobRunState::Warning,
        RunState::Errored => wire::JobRunState::Errored,
        RunState::Blocked => wire::JobRunState::Blocked,
        RunState::Cancelled => wire::JobRunState::Cancelled,
    }
}

fn run_to_wire(run: Run, tasks: Vec<TaskRun>) -> wire::JobRun {
    let task = |task: TaskRun| wire::JobTaskRun {
        name: task.name,
        level: task.level,
        state: state_to_wire(task.state).into(),
        done: task.done,
        total: task.total,
        message: task.message,
        started_at: task.started_at.map(to_wire::timestamp),
        ended_at: task.ended_at.map(to_wire::timestamp),
    };
    wire::JobRun {
        run_id: run.id,
        job: run.job,
        state: state_to_wire(run.state).into(),
        tasks: tasks.into_iter().map(task).collect(),
        started_at: Some(to_wire::timestamp(run.started_at)),
        ended_at: run.ended_at.map(to_wire::timestamp),
        started_by: run.started_by,
        message: run.message,
        generation_run: run.generation_run,
        comments: run.comments.lines().map(str::to_owned).collect(),
        force_review: run.force_review,
        waive_review: run.waive_review,
        force_thresholds: run.force_thresholds,
    }
}
