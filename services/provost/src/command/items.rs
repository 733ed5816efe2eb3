//! The answer to a batch: what became of each item, and whether any of them failed.

use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show;
use provost_contract::types::v1::ItemResult;

/// Most items that one call takes.
pub const BATCH_MAX: usize = 1_000;
const SHOWN_MAX: usize = 10;

/// Shows what became of each item. `done` is what happened to those that went well, for example
/// "confirmed".
///
/// # Errors
/// When the reader went away.
pub fn show(session: &mut Session, results: &[ItemResult], done: &str) -> Result<Outcome, Failure> {
    let failures = results.iter().filter(|item| item.error.is_some()).count();
    if session.is_json() {
        session.json_list("provost.types.v1.ItemResult", results)?;
        return Ok(Outcome::of_failures(failures));
    }
    let style = session.console.style();
    let good: Vec<_> = results.iter().filter(|item| item.error.is_none()).collect();
    for item in good.iter().take(SHOWN_MAX) {
        let state = show::provisioning_state(item.state);
        let line = format!("{} {} {done}, now {state}", style.green("✓"), show::short(&item.order_id));
        session.console.line(line)?;
    }
    if good.len() > SHOWN_MAX {
        let line = format!("{} and {} more {done}", style.green("✓"), good.len() - SHOWN_MAX);
        session.console.line(line)?;
    }
    show_refused(session, results)?;
    Ok(Outcome::of_failures(failures))
}

/// Shows the items that were refused.
///
/// # Errors
/// When the reader went away.
pub fn show_refused(session: &mut Session, results: &[ItemResult]) -> Result<(), Failure> {
    let style = session.console.style();
    for item in results {
        if let Some(error) = &item.error {
            let line = format!("{} {}: {}", style.red("✗"), show::short(&item.order_id), error.message);
            session.console.line(line)?;
        }
    }
    Ok(())
}
