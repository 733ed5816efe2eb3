//! Driving job runs: levels one after another, the tasks of a level side by side.
//!
//! The rule that must hold: everything that decides what comes next stands in the run's rows. A run
//! whose driver died is driven on by whoever comes next, and a task that was under way is run again.

use super::tasks::{self, Kind, Outcome, Progress};
use crate::generator::Generator;
use crate::store::from_json;
use crate::store::jobs::{self, Run, RunState, TaskRun};
use futures::future::join_all;
use provost_service_kit::channel::Backoff;
use provost_service_kit::{Fault, FaultKind};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a task is tried again while something that it needs cannot be reached.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long to wait for news before looking again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Drives runs until `stop`; of several replicas, one does.
pub(crate) async fn drive_runs(generator: Arc<Generator>, stop: CancellationToken) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        match generator.alone("driving job runs", drive_all(&generator, &stop)).await {
            Ok(()) => {}
            Err(fault) if fault.kind() == FaultKind::Conflict => tracing::debug!("another replica drives the job runs"),
            Err(fault) => tracing::warn!(%fault, "job runs cannot be driven; trying again"),
        }
        stop.run_until_cancelled(tokio::time::sleep(LOOK_AGAIN)).await;
    }
    Ok(())
}

async fn drive_all(generator: &Arc<Generator>, stop: &CancellationToken) -> Result<(), Fault> {
    let mut bell = generator.jobs.listener();
    let mut driven: HashSet<String> = HashSet::new();
    // Dropped with this future, when the lease is lost: its drivers end with it.
    let mut drivers: JoinSet<(String, Result<(), Fault>)> = JoinSet::new();
    loop {
        for run in jobs::active(generator.database.read()).await? {
            if driven.insert(run.id.clone()) {
                let generator = Arc::clone(generator);
                drivers.spawn(async move {
                    let driven = drive(&generator, &run.id).await;
                    (run.id, driven)
                });
            }
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = bell.wait(LOOK_AGAIN) => {}
            Some(ended) = drivers.join_next() => match ended {
                Ok((run_id, result)) => {
                    driven.remove(&run_id);
                    if let Err(fault) = result {
                        tracing::warn!(%fault, run_id, "the job run cannot be driven; trying again");
                        tokio::time::sleep(LOOK_AGAIN).await;
                    }
                }
                Err(panic) => return Err(Fault::internal(panic)),
            },
        }
    }
}

async fn drive(generator: &Generator, run_id: &str) -> Result<(), Fault> {
    loop {
        let Some(run) = jobs::get(generator.database.read(), run_id).await? else { return Ok(()) };
        if run.state.is_over() {
            return Ok(());
        }
        match next(&run, &jobs::tasks(generator.database.read(), run_id).await?) {
            Next::Do(tasks) => {
                let done = join_all(tasks.into_iter().map(|task| perform(generator, &run, task))).await;
                done.into_iter().collect::<Result<(), Fault>>()?;
            }
            Next::Over(state, message) => end(generator, run_id, state, message).await?,
        }
    }
}

/// What comes next in a run.
#[derive(Debug, PartialEq)]
enum Next {
    /// These tasks, side by side.
    Do(Vec<TaskRun>),
    /// Nothing; the run ends so.
    Over(RunState, String),
}

fn next(run: &Run, tasks: &[TaskRun]) -> Next {
    let all = |state: RunState| tasks.iter().filter(move |task| task.state == state);
    let under_way: Vec<_> = all(RunState::Running).cloned().collect();
    let named = |task: &TaskRun| format!("{}: {}", task.name, task.message);
    for (state, holds) in [
        (RunState::Errored, all(RunState::Errored).next().is_some()),
        (RunState::Blocked, all(RunState::Blocked).next().is_some()),
        (RunState::Cancelled, run.is_cancelled || all(RunState::Cancelled).next().is_some()),
    ] {
        if holds {
            if !under_way.is_empty() {
                return Next::Do(under_way);
            }
            let said = all(state).map(named).collect::<Vec<_>>().join("; ");
            return Next::Over(state, if said.is_empty() { "cancelled".to_owned() } else { said });
        }
    }
    let open = |task: &&TaskRun| !task.state.is_over();
    match tasks.iter().filter(open).map(|task| task.level).min() {
        Some(level) => Next::Do(tasks.iter().filter(open).filter(|task| task.level == level).cloned().collect()),
        None => {
            let warnings: Vec<_> = all(RunState::Warning).map(named).collect();
            if warnings.is_empty() {
                Next::Over(RunState::Completed, String::new())
            } else {
                Next::Over(RunState::Warning, warnings.join("; "))
            }
        }
    }
}

async fn perform(generator: &Generator, run: &Run, mut task: TaskRun) -> Result<(), Fault> {
    task.state = RunState::Running;
    task.started_at.get_or_insert(generator.clock.now());
    tasks::write(generator, &generator.jobs, &run.id, &task).await?;
    let kind: Kind = match from_json(&task.kind) {
        Ok(kind) => kind,
        Err(fault) => {
            tracing::error!(run_id = run.id, task = task.name, %fault, "the task is of an unknown kind");
            task.state = RunState::Errored;
            task.message = "this version does not know how to do this task; run the job anew".to_owned();
            task.ended_at = Some(generator.clock.now());
            return tasks::write(generator, &generator.jobs, &run.id, &task).await;
        }
    };
    let progress = Progress::of(generator, &run.id, task);
    let outcome = patiently(generator, run, &kind, &progress).await;
    let mut task = progress.task().await;
    task.state = outcome.state;
    task.message = outcome.message;
    task.ended_at = Some(generator.clock.now());
    tracing::info!(run_id = run.id, task = task.name, state = task.state.name(), "task over");
    tasks::write(generator, &generator.jobs, &run.id, &task).await
}

/// Executes a task, and again while what it needs cannot be reached or is busy.
async fn patiently(generator: &Generator, run: &Run, kind: &Kind, progress: &Progress<'_>) -> Outcome {
    let since = generator.clock.now();
    let mut backoff = Backoff::default();
    loop {
        let fault = match tasks::execute(generator, run, kind, progress).await {
            Ok(outcome) => return outcome,
            Err(fault) => fault,
        };
        let is_passing = matches!(fault.kind(), FaultKind::Unavailable | FaultKind::Conflict | FaultKind::DataLoss);
        if !is_passing || generator.clock.now().since(since) >= PATIENCE {
            tracing::error!(run_id = run.id, %fault, "task failed");
            let message = match fault.kind() {
                FaultKind::Internal => format!("internal error; the log has the cause under run_id {}", run.id),
                _ => fault.to_string(),
            };
            return Outcome { state: RunState::Errored, message };
        }
        // Showing it is a courtesy; the next try says what matters.
        let _ = progress.show(0, 0, &format!("tries again: {fault}")).await;
        let is_cancelled = jobs::get(generator.database.read(), &run.id).await;
        if is_cancelled.is_ok_and(|run| run.is_some_and(|run| run.is_cancelled)) {
            return Outcome {
                state: RunState::Cancelled,
                message: format!("cancelled while it could not go on: {fault}"),
            };
        }
        tokio::time::sleep(backoff.next_wait()).await;
    }
}

async fn end(generator: &Generator, run_id: &str, state: RunState, message: String) -> Result<(), Fault> {
    let transaction = generator.database.begin().await?;
    let Some(mut run) = jobs::lock(&transaction, generator.database.engine(), run_id).await? else { return Ok(()) };
    run.state = state;
    run.message = message;
    run.ended_at = Some(generator.clock.now());
    for mut task in jobs::tasks(&transaction, run_id).await? {
        if state == RunState::Cancelled && task.state == RunState::Waiting {
            task.state = RunState::Cancelled;
            jobs::save_task(&transaction, run_id, &task).await?;
        }
    }
    jobs::save(&transaction, &run).await?;
    generator.jobs.announce(&transaction).await?;
    transaction.commit().await?;
    generator.jobs.ring();
    tracing::info!(run_id, job = run.job, state = state.name(), "job run over");
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use RunState as S;
    use provost_domain::Timestamp;

    fn run(is_cancelled: bool) -> Run {
        Run {
            sequence: 1,
            id: "r".into(),
            job: "complete".into(),
            request_id: "q".into(),
            state: S::Running,
            force_review: false,
            waive_review: false,
            force_thresholds: false,
            is_cancelled,
            started_by: "ada".into(),
            started_at: Timestamp::from_millis(0),
            ended_at: None,
            generation_run: String::new(),
            message: String::new(),
            comments: String::new(),
        }
    }

    fn tasks(states: &[(i32, S)]) -> Vec<TaskRun> {
        let task = |(position, (level, state)): (usize, &(i32, S))| TaskRun {
            position: position as i32,
            name: format!("t{position}"),
            kind: "\"compute\"".into(),
            level: *level,
            state: *state,
            done: 0,
            total: 0,
            message: "m".into(),
            started_at: None,
            ended_at: None,
        };
        states.iter().enumerate().map(task).collect()
    }

    fn does(next: Next) -> Vec<i32> {
        match next {
            Next::Do(tasks) => tasks.iter().map(|task| task.position).collect(),
            over => panic!("{over:?}"),
        }
    }

    #[test]
    fn a_level_waits_for_the_one_before() {
        assert_eq!(does(next(&run(false), &tasks(&[(0, S::Waiting), (0, S::Waiting), (1, S::Waiting)]))), [0, 1]);
        assert_eq!(does(next(&run(false), &tasks(&[(0, S::Completed), (0, S::Running), (1, S::Waiting)]))), [1]);
        assert_eq!(does(next(&run(false), &tasks(&[(0, S::Completed), (0, S::Warning), (1, S::Waiting)]))), [2]);
    }

    #[test]
    fn a_failure_lets_its_level_finish_and_nothing_later_start() {
        assert_eq!(does(next(&run(false), &tasks(&[(0, S::Errored), (0, S::Running), (1, S::Waiting)]))), [1]);
        let over = next(&run(false), &tasks(&[(0, S::Errored), (0, S::Completed), (1, S::Waiting)]));
        assert_eq!(over, Next::Over(S::Errored, "t0: m".into()));
    }

    #[test]
    fn a_cancelled_run_finishes_what_runs_and_starts_nothing() {
        assert_eq!(does(next(&run(true), &tasks(&[(0, S::Running), (1, S::Waiting)]))), [0]);
        assert_eq!(
            next(&run(true), &tasks(&[(0, S::Completed), (1, S::Waiting)])),
            Next::Over(S::Cancelled, "cancelled".into())
        );
    }

    #[test]
    fn blocked_warned_and_completed_runs_are_over() {
        let over = next(&run(false), &tasks(&[(0, S::Completed), (1, S::Blocked), (2, S::Waiting)]));
        assert_eq!(over, Next::Over(S::Blocked, "t1: m".into()));
        let over = next(&run(false), &tasks(&[(0, S::Completed), (1, S::Warning)]));
        assert_eq!(over, Next::Over(S::Warning, "t1: m".into()));
        assert_eq!(next(&run(false), &tasks(&[(0, S::Completed)])), Next::Over(S::Completed, String::new()));
    }
}
