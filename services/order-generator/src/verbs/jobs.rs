//! Which jobs there are, and starting, resuming and cancelling their runs.

use super::schema::{Exported, unknown_name};
use crate::generator::Generator;
use crate::store::jobs::{self, Run, RunState, TaskRun};
use crate::store::{from_json, synchronizations};
use crate::work::tasks::Kind;
use crate::work::tasks::export::export_id;
use provost_service_kit::Fault;

/// The job that goes all the way from the feeds to verified values.
pub(crate) const COMPLETE: &str = "complete";
/// The job that only reads and computes.
pub(crate) const SYNCHRONIZE: &str = "synchronize";

/// The job that only reads.
pub(crate) const READ: &str = "read";
/// The job that goes from the feeds to orders for those whom something concerns that changed.
pub(crate) const INCREMENTAL: &str = "incremental";
/// The job that does what has fallen due. It is started by the clock.
pub(crate) const DUE: &str = "due";

/// One job.
pub(crate) struct Job {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) tasks: Vec<Task>,
}

/// One task of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) level: i32,
    pub(crate) kind: Kind,
}

/// The jobs, by name, for a catalog that has these exports.
pub(crate) fn all(exports: &[Exported]) -> Vec<Job> {
    vec![
        Job {
            name: COMPLETE,
            description: "Reads every managed system, computes the role model, generates and fulfills provisioning \
                          orders, then reads the written systems again and verifies.",
            tasks: complete(exports),
        },
        Job {
            name: SYNCHRONIZE,
            description: "Reads every managed system and computes the role model. Writes nothing.",
            tasks: synchronize(exports),
        },
        Job {
            name: READ,
            description: "Reads managed systems into the repository. Computes and writes nothing.",
            tasks: read(exports.iter().cloned(), 1, 0),
        },
        Job {
            name: INCREMENTAL,
            description: "Reads managed systems, computes the role model for those whom something concerns that \
                          changed, and generates and fulfills their orders.",
            tasks: incremental(exports),
        },
        Job {
            name: DUE,
            description: "Computes the role model for those for whom a date fell due, and generates their orders. \
                          Started by the clock.",
            tasks: due(),
        },
    ]
}

fn read(exports: impl Iterator<Item = Exported> + Clone, round: u32, level: i32) -> Vec<Task> {
    let again = if round > 1 { " again" } else { "" };
    let export = exports.clone().map(|Exported { connector, connection, .. }| Task {
        name: format!("export {connection}{again}"),
        level,
        kind: Kind::Export { round, connector, connection },
    });
    let synchronize = exports.map(|Exported { connector, connection, .. }| Task {
        name: format!("synchronize {connection}{again}"),
        level: level + 1,
        kind: Kind::Synchronize { round, connector, connection },
    });
    export.chain(synchronize).collect()
}

fn one(name: &str, level: i32, kind: Kind) -> Task {
    Task { name: name.to_owned(), level, kind }
}

fn complete(exports: &[Exported]) -> Vec<Task> {
    let mut tasks = read(exports.iter().cloned(), 1, 0);
    tasks.push(one("compute role model", 2, Kind::Compute));
    tasks.push(one("generate provisioning orders", 3, Kind::Generate));
    tasks.push(one("fulfill", 4, Kind::Fulfill));
    // Only what was written can have changed by it.
    tasks.extend(read(exports.iter().filter(|export| export.is_written).cloned(), 2, 5));
    tasks.push(one("verify", 7, Kind::Verify));
    tasks
}

fn synchronize(exports: &[Exported]) -> Vec<Task> {
    let mut tasks = read(exports.iter().cloned(), 1, 0);
    tasks.push(one("compute role model", 2, Kind::Compute));
    tasks
}

fn incremental(exports: &[Exported]) -> Vec<Task> {
    let mut tasks = read(exports.iter().cloned(), 1, 0);
    tasks.push(one("compute what changed", 2, Kind::ComputeChanged));
    tasks.push(one("generate provisioning orders", 3, Kind::GenerateChanged));
    tasks.push(one("fulfill", 4, Kind::Fulfill));
    tasks
}

fn due() -> Vec<Task> {
    vec![
        one("compute what changed", 0, Kind::ComputeChanged),
        one("generate provisioning orders", 1, Kind::GenerateChanged),
    ]
}

/// The exports of these connectors; of all when none is named.
fn asked(exports: Vec<Exported>, wish: &RunJob) -> Result<Vec<Exported>, Fault> {
    if wish.connectors.is_empty() {
        return Ok(exports);
    }
    if ![INCREMENTAL, READ].contains(&wish.job.as_str()) {
        let wrong = format!("can be chosen for the jobs {READ} and {INCREMENTAL} only, not for {}", wish.job);
        return Err(Fault::invalid("connectors", wrong));
    }
    let known: Vec<&str> = exports.iter().map(|export| export.connector.as_str()).collect();
    for (index, connector) in wish.connectors.iter().enumerate() {
        if !known.contains(&connector.as_str()) {
            let wrong = format!("'{connector}' is not a connector that can be read; there are {}", known.join(", "));
            return Err(Fault::invalid(format!("connectors[{index}]"), wrong));
        }
    }
    Ok(exports.into_iter().filter(|export| wish.connectors.contains(&export.connector)).collect())
}

/// That there is a job of this name, whatever the catalog.
///
/// # Errors
/// [`provost_service_kit::FaultKind::NotFound`], with the nearest name.
pub(crate) fn known(job: &str) -> Result<(), Fault> {
    match all(&[]).iter().any(|one| one.name == job) {
        true => Ok(()),
        false => Err(unknown_name("job", job, [COMPLETE, SYNCHRONIZE, READ, INCREMENTAL, DUE])),
    }
}

/// A wish to run a job.
pub(crate) struct RunJob {
    pub(crate) job: String,
    pub(crate) request_id: String,
    pub(crate) force_review: bool,
    pub(crate) waive_review: bool,
    /// What to read first; empty means everything.
    pub(crate) connectors: Vec<String>,
    pub(crate) actor: String,
}

/// Starts a run; the same request id gives the run that it started before.
///
/// # Errors
/// [`provost_service_kit::FaultKind::NotFound`], [`provost_service_kit::FaultKind::WrongState`] without a catalog, [`provost_service_kit::FaultKind::Conflict`]
/// when a run of the job is not over.
pub(crate) async fn run_job(generator: &Generator, wish: RunJob) -> Result<Run, Fault> {
    if wish.force_review && wish.waive_review {
        return Err(Fault::invalid("waive_review", "contradicts force_review"));
    }
    let request_id = match wish.request_id.as_str() {
        "" => provost_service_kit::new_id().to_string(),
        id if id.chars().count() > provost_contract::NAME_MAX => {
            return Err(Fault::invalid(
                "request_id",
                format!("is longer than {} characters", provost_contract::NAME_MAX),
            ));
        }
        id => id.to_owned(),
    };
    if let Some(run) = started_before(generator, &wish.job, &request_id).await? {
        return Ok(run);
    }
    known(&wish.job)?;
    let Some(exports) = generator.catalogs.current().await?.map(|loaded| loaded.exports()) else {
        return Err(Fault::wrong_state("catalog", format!("the job {} needs a catalog; apply one first", wish.job)));
    };
    let found = all(&asked(exports, &wish)?).into_iter().find(|job| job.name == wish.job);
    let job = found.ok_or_else(|| Fault::not_found(format!("job {}", wish.job)))?;
    let run = Run {
        sequence: 0,
        id: provost_service_kit::new_id().to_string(),
        job: job.name.to_owned(),
        request_id: request_id.clone(),
        state: RunState::Running,
        force_review: wish.force_review,
        waive_review: wish.waive_review,
        force_thresholds: false,
        is_cancelled: false,
        started_by: wish.actor,
        started_at: generator.clock.now(),
        ended_at: None,
        generation_run: provost_service_kit::new_id().to_string(),
        message: String::new(),
        comments: String::new(),
    };
    let rows = job.tasks.iter().enumerate().map(row).collect::<Result<Vec<_>, _>>()?;
    let transaction = generator.database.begin().await?;
    let inserted = jobs::insert(&transaction, &run, &rows).await;
    if let Err(fault) = inserted {
        transaction.rollback().await?;
        // The same request may have come twice at once.
        return started_before(generator, &wish.job, &request_id).await?.ok_or(fault);
    }
    generator.jobs.announce(&transaction).await?;
    transaction.commit().await?;
    generator.jobs.ring();
    if run.waive_review || run.force_review {
        tracing::info!(
            run_id = run.id,
            actor = run.started_by,
            run.waive_review,
            run.force_review,
            "review changed for a run"
        );
    }
    Ok(run)
}

fn row((position, task): (usize, &Task)) -> Result<TaskRun, Fault> {
    Ok(TaskRun {
        position: i32::try_from(position).map_err(Fault::internal)?,
        name: task.name.clone(),
        kind: task.kind.to_text()?,
        level: task.level,
        state: RunState::Waiting,
        done: 0,
        total: 0,
        message: String::new(),
        started_at: None,
        ended_at: None,
    })
}

async fn started_before(generator: &Generator, job: &str, request_id: &str) -> Result<Option<Run>, Fault> {
    match jobs::by_request(generator.database.read(), request_id).await? {
        Some(run) if run.job != job => {
            Err(Fault::invalid("request_id", format!("was used to run the job {}", run.job)))
        }
        found => Ok(found),
    }
}

/// Goes on with a blocked run: what it held back may pass.
///
/// # Errors
/// [`provost_service_kit::FaultKind::WrongState`] when it is not blocked.
pub(crate) async fn resume(generator: &Generator, run_id: &str, comment: &str, actor: &str) -> Result<Run, Fault> {
    if comment.trim().is_empty() {
        return Err(Fault::invalid("comment", "must say why what the run holds back is right"));
    }
    change(generator, run_id, |run, tasks| {
        if run.state != RunState::Blocked {
            return Err(Fault::wrong_state(
                format!("job run {run_id}"),
                format!("cannot resume job run {run_id}: it is {}, must be blocked", run.state.name()),
            ));
        }
        run.state = RunState::Running;
        run.force_thresholds = true;
        run.ended_at = None;
        run.message.clear();
        note(run, actor, "resumed", comment);
        let mut held_back = HeldBack::new();
        for task in tasks.iter_mut().filter(|task| task.state == RunState::Blocked) {
            (task.state, task.ended_at) = (RunState::Waiting, None);
            if let Kind::Synchronize { round, connection, .. } = from_json(&task.kind)? {
                held_back.push((export_id(run_id, round, &connection), actor.to_owned()));
            }
        }
        Ok(held_back)
    })
    .await
}

/// Cancels a run: what runs finishes, what only waits stops waiting, the rest does not start.
///
/// # Errors
/// [`provost_service_kit::FaultKind::WrongState`] when it is over.
pub(crate) async fn cancel(generator: &Generator, run_id: &str, comment: &str, actor: &str) -> Result<Run, Fault> {
    let now = generator.clock.now();
    change(generator, run_id, |run, tasks| {
        match run.state {
            // Already asked for: the same again changes nothing.
            RunState::Cancelled => return Ok(HeldBack::new()),
            RunState::Running | RunState::Waiting if run.is_cancelled => return Ok(HeldBack::new()),
            RunState::Running | RunState::Waiting => {}
            RunState::Blocked => {
                (run.state, run.ended_at) = (RunState::Cancelled, Some(now));
                for task in tasks.iter_mut().filter(|task| matches!(task.state, RunState::Blocked | RunState::Waiting))
                {
                    (task.state, task.ended_at) = (RunState::Cancelled, Some(now));
                }
            }
            over @ (RunState::Completed | RunState::Warning | RunState::Errored) => {
                return Err(Fault::wrong_state(
                    format!("job run {run_id}"),
                    format!("cannot cancel job run {run_id}: it is {}, must not be over", over.name()),
                ));
            }
        }
        run.is_cancelled = true;
        note(run, actor, "cancelled", comment);
        Ok(HeldBack::new())
    })
    .await
}

fn note(run: &mut Run, actor: &str, what: &str, comment: &str) {
    let comment: String = comment.chars().take(provost_contract::NAME_MAX).collect();
    run.comments.push_str(&format!("{what} by {actor}: {comment}\n"));
    tracing::info!(run_id = run.id, actor, comment, "job run {what}");
}

/// Exports that a threshold held back, and who lets them pass.
type HeldBack = Vec<(String, String)>;

async fn change(
    generator: &Generator,
    run_id: &str,
    step: impl FnOnce(&mut Run, &mut [TaskRun]) -> Result<HeldBack, Fault>,
) -> Result<Run, Fault> {
    let transaction = generator.database.begin().await?;
    let found = jobs::lock(&transaction, generator.database.engine(), run_id).await?;
    let mut run = found.ok_or_else(|| Fault::not_found(format!("job run {run_id}")))?;
    let mut tasks = jobs::tasks(&transaction, run_id).await?;
    let before = tasks.clone();
    for (id, actor) in step(&mut run, &mut tasks)? {
        synchronizations::let_pass(&transaction, generator.database.engine(), &id, &actor).await?;
    }
    for (task, before) in tasks.iter().zip(&before) {
        if task != before {
            jobs::save_task(&transaction, run_id, task).await?;
        }
    }
    jobs::save(&transaction, &run).await?;
    generator.jobs.announce(&transaction).await?;
    generator.exports.announce(&transaction).await?;
    transaction.commit().await?;
    generator.jobs.ring();
    generator.exports.ring();
    Ok(run)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::HashSet;

    fn exports() -> Vec<Exported> {
        let export = |connector: &str, is_written| Exported {
            connector: connector.into(),
            connection: format!("{connector}-c"),
            is_written,
        };
        vec![export("hr", false), export("app", true)]
    }

    #[test]
    fn complete_job_reads_all_then_again_what_it_wrote() {
        let names: Vec<_> =
            complete(&exports()).into_iter().map(|task| format!("{} {}", task.level, task.name)).collect();
        assert_eq!(
            names,
            [
                "0 export hr-c",
                "0 export app-c",
                "1 synchronize hr-c",
                "1 synchronize app-c",
                "2 compute role model",
                "3 generate provisioning orders",
                "4 fulfill",
                "5 export app-c again",
                "6 synchronize app-c again",
                "7 verify",
            ]
        );
    }

    #[test]
    fn task_names_are_unique_in_their_job() {
        for job in all(&exports()) {
            let names: HashSet<_> = job.tasks.iter().map(|task| &task.name).collect();
            assert_eq!(names.len(), job.tasks.len(), "{}", job.name);
        }
    }
}
