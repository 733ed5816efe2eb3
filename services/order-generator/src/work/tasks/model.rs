//! The tasks that compute the role model and generate orders.

use super::{Outcome, Progress};
use crate::generator::Generator;
use crate::store::computations::{Computed, Generated, Options};
use crate::store::jobs::{self, Run, RunState};
use crate::verbs::compute::{Whom, compute as compute_role_model};
use crate::verbs::generate::generate as generate_orders;
use crate::verbs::regenerate::Which;
use provost_service_kit::Fault;
use std::future::Future;
use std::time::Duration;
use tokio::sync::watch;

/// How often progress is shown.
const SHOW_EVERY: Duration = Duration::from_millis(300);

/// Computes the role model.
pub(super) async fn compute(generator: &Generator, whom: Whom, progress: &Progress<'_>) -> Result<Outcome, Fault> {
    let (done, so_far) = meter();
    let computed = shown(progress, "owners evaluated", so_far, compute_role_model(generator, whom, &done)).await?;
    let Computed { owners, assigned_resources, conforming, differing, failed, verified, non_conforming } = computed;
    let message = format!(
        "{owners} owners, {assigned_resources} resources: {conforming} as wanted, {differing} need an order, {failed} failed; \
         {verified} orders verified, {non_conforming} values that no rule supports"
    );
    Ok(Outcome::of(RunState::Completed, message))
}

/// Computes the role model once more, to verify what was written.
pub(super) async fn verify(generator: &Generator, progress: &Progress<'_>) -> Result<Outcome, Fault> {
    let (done, so_far) = meter();
    let computed =
        shown(progress, "owners evaluated", so_far, compute_role_model(generator, Whom::Everybody, &done)).await?;
    let message =
        format!("{} orders verified; {} resources still need an order", computed.verified, computed.differing);
    Ok(Outcome::of(RunState::Completed, message))
}

/// Generates the orders of a run.
pub(super) async fn generate(
    generator: &Generator,
    run: &Run,
    which: Which,
    progress: &Progress<'_>,
) -> Result<Outcome, Fault> {
    let options = Options {
        force_review: run.force_review,
        waive_review: run.waive_review,
        force_thresholds: false,
        // Whoever resumed a blocked run let pass what this run had shown, and nothing that came since. Asked anew:
        // a try before may have blocked it again.
        resumed: jobs::get(generator.database.read(), &run.id).await?.is_some_and(|run| run.force_thresholds),
    };
    let (done, so_far) = meter();
    let generating = generate_orders(generator, &run.generation_run, which, &options, &run.started_by, &done);
    let generated = shown(progress, "orders submitted", so_far, generating).await?;
    if generated.is_blocked(&options) {
        return Ok(Outcome::of(RunState::Blocked, breaches(&generated, &run.id)));
    }
    let Generated { submitted, duplicates, superseded, cancelled, rejected, rejection, notes, .. } = &generated;
    let mut message = format!("{submitted} orders submitted, {superseded} superseded, {cancelled} cancelled");
    if *duplicates > 0 {
        message.push_str(&format!(", {duplicates} known already"));
    }
    for note in notes {
        message.push_str(&format!("; {note}"));
    }
    if *rejected > 0 {
        message.push_str(&format!("; {rejected} refused by the ledger, the first because {rejection}"));
        return Ok(Outcome::of(RunState::Warning, message));
    }
    Ok(Outcome::of(RunState::Completed, message))
}

fn breaches(generated: &Generated, run_id: &str) -> String {
    let one = |breach: &crate::store::computations::Breach| {
        let since = match breach.unseen {
            Some(unseen) if unseen > 0 => format!(", {unseen} of them not among what was shown when it was resumed"),
            _ => String::new(),
        };
        format!(
            "{}: {} {}, more than {} ({}){since}",
            breach.resource_type, breach.count, breach.counted, breach.limit, breach.rule
        )
    };
    let all: Vec<_> = generated.breaches.iter().map(one).collect();
    format!(
        "nothing was submitted, because a threshold is broken: {}. What is held back: provost orders held {run_id}; to \
         release it: provost jobs resume {run_id} --comment WHY; to let it go: provost jobs cancel {run_id}",
        all.join("; ")
    )
}

type SoFar = watch::Receiver<(u64, u64)>;

/// What a verb is given to say how far it is, and where that can be read.
fn meter() -> (impl Fn(u64, u64) + Send + Sync, SoFar) {
    let (sender, receiver) = watch::channel((0, 0));
    let done = move |done, total| {
        sender.send_replace((done, total));
    };
    (done, receiver)
}

/// Shows, now and then, how far some work is while it goes on.
async fn shown<T>(
    progress: &Progress<'_>,
    what: &str,
    so_far: SoFar,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    // Beside the work, never instead of it: showing needs the one writer of an SQLite database, and the
    // work may be in the middle of a transaction.
    let show_now_and_then = async {
        loop {
            tokio::time::sleep(SHOW_EVERY).await;
            let (done, total) = *so_far.borrow();
            if let Err(fault) = progress.show(done, total, what).await {
                return fault;
            }
        }
    };
    let result = tokio::select! {
        result = work => result,
        fault = show_now_and_then => return Err(fault),
    };
    let (_, total) = *so_far.borrow();
    progress.show(total, total, what).await?;
    result
}
