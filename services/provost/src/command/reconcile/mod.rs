//! Reconciliation: what was found, and what people decide on it.

mod baseline;
mod decide;
mod decisions;
mod filter;
mod list;
mod words;

pub use list::table;

use crate::failure::{Failure, Outcome};
use crate::session::Session;
use clap::Subcommand;

/// What to do with what was found.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists what synchronization found and no rule explains: values, links, accounts, roles.
    List(list::ListArguments),
    /// Decides: write what the rules say, keep what is there, delete it, or postpone.
    Decide(decide::DecideArguments),
    /// Lists who decided what, newest first.
    Decisions(decisions::DecisionsArguments),
    /// For going live: takes what differs now in accounts that were there before for pre-existing.
    Baseline(baseline::BaselineArguments),
}

impl Command {
    pub(super) async fn run(self, session: &mut Session) -> Result<Outcome, Failure> {
        match self {
            Self::List(arguments) => list::run(arguments, session).await,
            Self::Decide(arguments) => decide::run(arguments, session).await,
            Self::Decisions(arguments) => decisions::run(arguments, session).await,
            Self::Baseline(arguments) => baseline::run(arguments, session).await,
        }
    }
}
