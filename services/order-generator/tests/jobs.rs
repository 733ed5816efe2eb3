//! Job runs: started once, watched, cancelled, and going on after the service was killed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use provost_contract::generator::v1::*;
use provost_service_kit::Clock;
use provost_testkit::{engines, eventually};
use sea_orm::ConnectionTrait;
use std::time::Duration;
use support::{Agent, Suite, World};
use tonic::{Code, Status};

const HR: &str = "
connectors:
  - name: hr
    connections: [ { name: hr-csv, package: csv } ]
    export: hr-csv
entity_types:
  - name: Person
    connector: hr
    key: employee_id
    properties: [ { name: employee_id, type: string } ]
";

fn one_person() -> World {
    let world = World::default();
    world.put("Person", "E1", &[("employee_id", "E1".into())]);
    world
}

async fn try_run(suite: &Suite, request: RunJobRequest) -> Result<JobRun, Status> {
    suite.jobs().run_job(request).await.map(tonic::Response::into_inner)
}

fn named(job: &str, request_id: &str) -> RunJobRequest {
    RunJobRequest { job: job.into(), request_id: request_id.into(), ..Default::default() }
}

async fn cancel(suite: &Suite, run_id: &str) -> Result<JobRun, Status> {
    let request = CancelJobRunRequest { run_id: run_id.into(), comment: "not today".into() };
    suite.jobs().cancel_job_run(request).await.map(tonic::Response::into_inner)
}

async fn resume(suite: &Suite, run_id: &str, comment: &str) -> Result<JobRun, Status> {
    let request = ResumeJobRunRequest { run_id: run_id.into(), comment: comment.into() };
    suite.jobs().resume_job_run(request).await.map(tonic::Response::into_inner)
}

fn states(run: &JobRun) -> Vec<(String, JobRunState)> {
    run.tasks.iter().map(|task| (task.name.clone(), task.state())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_needs_a_name_and_a_catalog() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        let unknown = try_run(&suite, named("tidy", "")).await.unwrap_err();
        assert_eq!(
            (unknown.code(), unknown.message()),
            (Code::NotFound, "there is no job tidy; known: complete, due, incremental, read, synchronize"),
            "{}",
            engine.name
        );
        let listed = ListJobRunsRequest { job: "complet".into(), ..Default::default() };
        let unknown = suite.jobs().list_job_runs(listed).await.unwrap_err();
        assert_eq!(unknown.message(), "there is no job complet; did you mean 'complete'?", "{}", engine.name);
        let early = try_run(&suite, named("complete", "")).await.unwrap_err();
        assert_eq!(early.code(), Code::FailedPrecondition);
        assert_eq!(early.message(), "the job complete needs a catalog; apply one first");
        let both = RunJobRequest { force_review: true, waive_review: true, ..named("complete", "") };
        assert_eq!(try_run(&suite, both).await.unwrap_err().message(), "waive_review contradicts force_review");
        let long = try_run(&suite, named("complete", &"x".repeat(501))).await.unwrap_err();
        assert_eq!(long.message(), "request_id is longer than 500 characters");
        suite.apply(HR).await;
        let jobs = suite.jobs().list_jobs(ListJobsRequest {}).await.unwrap().into_inner().jobs;
        let names: Vec<_> = jobs.iter().map(|job| job.name.as_str()).collect();
        assert_eq!(names, ["complete", "synchronize", "read", "incremental", "due"]);
        assert_eq!(jobs[1].tasks[0], JobTask { name: "export hr-csv".into(), level: 0 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_once_at_a_time_and_a_request_starts_one_run() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(HR).await;
        let (first, same) =
            tokio::join!(try_run(&suite, named("synchronize", "r-1")), try_run(&suite, named("synchronize", "r-1")));
        let first = first.unwrap();
        assert_eq!(first.run_id, same.unwrap().run_id, "{}", engine.name);
        let second = try_run(&suite, named("synchronize", "r-2")).await.unwrap_err();
        assert_eq!(second.code(), Code::Aborted);
        assert_eq!(second.message(), "a run of the job synchronize is not over; wait for it, or cancel it");
        let other = try_run(&suite, named("complete", "r-1")).await.unwrap_err();
        assert_eq!(other.message(), "request_id was used to run the job synchronize");
        let _agent = Agent::start(&suite, &one_person());
        assert_eq!(suite.watch(&first.run_id).await.state(), JobRunState::Completed);
        let again = try_run(&suite, named("synchronize", "r-1")).await.unwrap();
        assert_eq!((again.state(), again.run_id), (JobRunState::Completed, first.run_id));
        let third = try_run(&suite, named("synchronize", "r-3")).await.unwrap();
        suite.watch(&third.run_id).await;
        let page = ListJobRunsRequest { job: "synchronize".into(), page_size: 1, ..Default::default() };
        let page = suite.jobs().list_job_runs(page).await.unwrap().into_inner();
        assert_eq!(page.runs[0].run_id, third.run_id, "newest first");
        let page = ListJobRunsRequest { page_token: page.next_page_token, ..Default::default() };
        assert_eq!(suite.jobs().list_job_runs(page).await.unwrap().into_inner().runs.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_shows_what_each_task_did() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(HR).await;
        let run = suite.synchronize(&one_person()).await;
        assert_eq!(
            states(&run),
            [
                ("export hr-csv".to_owned(), JobRunState::Completed),
                ("synchronize hr-csv".to_owned(), JobRunState::Completed),
                ("compute role model".to_owned(), JobRunState::Completed),
            ],
            "{}",
            engine.name
        );
        assert_eq!(run.tasks[0].message, "1 rows read by agent-1");
        assert_eq!(run.tasks[1].message, "Person: 1 read, 1 new, 0 changed, 0 gone");
        assert!(run.tasks.iter().all(|task| task.started_at.is_some() && task.ended_at.is_some()));
        assert!(run.ended_at.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_run_stops_waiting_and_starts_nothing_more() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(HR).await;
        let run = suite.run("synchronize").await;
        cancel(&suite, &run.run_id).await.unwrap();
        cancel(&suite, &run.run_id).await.expect("asking twice is asking once");
        let run = suite.watch(&run.run_id).await;
        assert_eq!(run.state(), JobRunState::Cancelled, "{}", engine.name);
        assert!(run.tasks.iter().all(|task| task.state() == JobRunState::Cancelled), "{:?}", states(&run));
        let waiting = suite.poll("agent-1", &["hr-csv"], Duration::ZERO).await;
        assert!(waiting.is_empty(), "its export is not offered any more");
        let next = suite.synchronize(&one_person()).await;
        assert_eq!(next.state(), JobRunState::Completed);
        let over = cancel(&suite, &next.run_id).await.unwrap_err();
        assert_eq!(over.code(), Code::FailedPrecondition);
        assert!(over.message().ends_with("it is completed, must not be over"), "{}", over.message());
        let not_blocked = resume(&suite, &next.run_id, "go").await.unwrap_err();
        assert_eq!(not_blocked.code(), Code::FailedPrecondition);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_runs_are_not_found() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        let watch = suite.jobs().watch_job_run(WatchJobRunRequest { run_id: "x".into() }).await.unwrap_err();
        for refused in [watch, cancel(&suite, "x").await.unwrap_err(), resume(&suite, "x", "go").await.unwrap_err()] {
            assert_eq!(
                (refused.code(), refused.message()),
                (Code::NotFound, "there is no job run x"),
                "{}",
                engine.name
            );
        }
        let silent = resume(&suite, "x", " ").await.unwrap_err();
        assert_eq!(silent.message(), "comment must say why what the run holds back is right");
        let page = ListJobRunsRequest { page_token: "?".into(), ..Default::default() };
        assert_eq!(suite.jobs().list_job_runs(page).await.unwrap_err().code(), Code::InvalidArgument);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn run_goes_on_after_the_service_was_killed_while_an_agent_reads() {
    for engine in engines().await {
        let mut suite = Suite::start(&engine.url).await;
        suite.apply(HR).await;
        let run = suite.run("synchronize").await;
        let tasks = suite.poll("agent-1", &["hr-csv"], Duration::from_secs(10)).await;
        suite.kill_and_restart().await;
        let parts = one_person().upload(&tasks[0], "agent-1", suite.clock.now());
        suite.upload(parts).await.unwrap();
        // Another replica would wait for the killed one's lease.
        suite.clock.advance(Duration::from_secs(16));
        let run = suite.watch(&run.run_id).await;
        assert_eq!(run.state(), JobRunState::Completed, "{}", engine.name);
        assert_eq!(suite.synchronizations().await.len(), 1, "the same export, not a second one");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_shows_a_run_while_it_goes_on() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(HR).await;
        let run = suite.run("synchronize").await;
        let request = WatchJobRunRequest { run_id: run.run_id.clone() };
        let mut stream = suite.jobs().watch_job_run(request).await.unwrap().into_inner();
        let waits = async {
            loop {
                let shown = stream.message().await.unwrap().unwrap();
                if shown.tasks[0].message == "waits for an agent that serves hr-csv" {
                    return shown;
                }
            }
        };
        let shown = tokio::time::timeout(Duration::from_secs(10), waits).await.expect(engine.name);
        assert_eq!((shown.state(), shown.tasks[0].state()), (JobRunState::Running, JobRunState::Running));
        let _agent = Agent::start(&suite, &one_person());
        let mut last = shown;
        while let Some(next) = stream.message().await.unwrap() {
            last = next;
        }
        assert_eq!(last.state(), JobRunState::Completed);
        eventually("the repository to show it", Duration::from_secs(5), async || suite.resource("Person", "E1").await)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn task_of_a_kind_that_nobody_knows_ends_its_run() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(HR).await;
        let run = suite.run("synchronize").await;
        let database = sea_orm::Database::connect(&engine.url).await.unwrap();
        let other = "UPDATE job_task_runs SET kind = '\"dance\"' WHERE level = 2";
        database.execute_unprepared(other).await.unwrap();
        let world = one_person();
        let _agent = Agent::start(&suite, &world);
        let run = suite.watch(&run.run_id).await;
        assert_eq!(run.state(), JobRunState::Errored, "{}: {run:#?}", engine.name);
        assert!(run.message.contains("compute role model: this version does not know how to do"), "{}", run.message);
    }
}
