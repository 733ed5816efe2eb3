//! `apply FILE`: does what a plan says, or a named part of it, and nothing else.

use super::plan::read_file;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use provost_contract::generator::v1::apply_plan_request::Part;
use provost_contract::generator::v1::{ApplyPlanHead, ApplyPlanRequest, PlanMarks, PlanSelection, ThresholdBreach};
use std::path::PathBuf;

/// Marks in one message.
const MARKS_PER_MESSAGE: usize = 1_000;

/// Which plan, and what of it.
#[derive(Debug, clap::Args)]
pub struct ApplyArguments {
    /// The plan, as `provost plan --out FILE` saved it.
    file: PathBuf,
    /// Only a part: resource-type=NAME, owner=KEY or order=FINGERPRINT (its beginning). May be repeated.
    #[arg(long, value_name = "WHAT=NAME", value_parser = only)]
    only: Vec<Only>,
    /// Goes past broken thresholds. The history keeps who did that.
    #[arg(long)]
    force_thresholds: bool,
}

/// What a part is named by.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Only {
    ResourceType(String),
    Owner(String),
    Order(String),
}

fn only(text: &str) -> Result<Only, String> {
    let wrong = || "write resource-type=NAME, owner=KEY or order=FINGERPRINT".to_owned();
    match text.split_once('=') {
        Some((_, "")) | None => Err(wrong()),
        Some(("resource-type", name)) => Ok(Only::ResourceType(name.to_owned())),
        Some(("owner", key)) => Ok(Only::Owner(key.to_owned())),
        Some(("order", print)) => Ok(Only::Order(print.to_owned())),
        Some(_) => Err(wrong()),
    }
}

fn selection(only: Vec<Only>) -> PlanSelection {
    let mut selection = PlanSelection::default();
    for only in only {
        match only {
            Only::ResourceType(name) => selection.resource_types.push(name),
            Only::Owner(key) => selection.owner_keys.push(key),
            Only::Order(print) => selection.fingerprints.push(print),
        }
    }
    selection
}

pub(super) async fn run(arguments: ApplyArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let plan = read_file(&arguments.file)?;
    let marks = plan.marks();
    let head = ApplyPlanHead {
        plan: Some(plan.head),
        orders: i64::try_from(marks.len()).unwrap_or(i64::MAX),
        only: Some(selection(arguments.only)),
        force_thresholds: arguments.force_thresholds,
    };
    let mut parts = vec![Part::Head(head)];
    parts.extend(marks.chunks(MARKS_PER_MESSAGE).map(|marks| Part::Marks(PlanMarks { marks: marks.to_vec() })));
    let parts = tokio_stream::iter(parts.into_iter().map(|part| ApplyPlanRequest { part: Some(part) }));
    let answer = session.clients.generator().apply_plan(session.clients.request(parts)).await;
    let applied = session.clients.answer(Service::OrderGenerator, answer)?;
    let generated = applied.generated.clone().unwrap_or_default();
    let outcome = if generated.blocked || generated.rejected > 0 { Outcome::Failed } else { Outcome::Done };
    if session.is_json() {
        session.json("provost.generator.v1.ApplyPlanResponse", &applied)?;
        return Ok(outcome);
    }
    let style = session.console.style();
    if !generated.blocked {
        session.console.line(&applied.message)?;
        return Ok(outcome);
    }
    session.console.line(style.yellow("nothing was submitted, because a threshold is broken:"))?;
    session.console.lines(generated.breaches.iter().map(|breach| format!("  {}", breach_line(breach))))?;
    session.console.line("if the numbers are right: the same again with --force-thresholds")?;
    Ok(outcome)
}

/// A broken threshold, in a line.
pub fn breach_line(breach: &ThresholdBreach) -> String {
    let ThresholdBreach { resource_type, counted, count, limit, rule } = breach;
    format!("{resource_type}: {count} {counted}, more than {limit} ({rule})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named() {
        let named: Result<Vec<_>, _> = ["resource-type=A", "owner=E1", "order=0f"].into_iter().map(only).collect();
        let selection = selection(named.unwrap_or_default());
        assert_eq!(selection.resource_types, ["A"]);
        assert_eq!((selection.owner_keys, selection.fingerprints), (vec!["E1".to_owned()], vec!["0f".to_owned()]));
        for wrong in ["A", "role=x", "owner="] {
            assert!(only(wrong).is_err_and(|why| why.contains("resource-type=NAME")), "{wrong}");
        }
    }
}
