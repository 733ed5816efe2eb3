//! Provisioning review.

mod decide;
mod list;
mod show;

pub use list::table;

use crate::failure::{Failure, Outcome};
use crate::session::Session;
use clap::Subcommand;

/// What to do with reviews.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the reviews that wait for a decision, oldest first.
    List(list::ListArguments),
    /// Shows one review: whose, which values, why, and what was said so far.
    Show(show::ShowArguments),
    /// Approves: the orders go on.
    Approve(decide::ApproveArguments),
    /// Declines: the orders are dropped, and not proposed again until a value changes.
    Decline(decide::DeclineArguments),
    /// Postpones: the orders stay where they are.
    Postpone(decide::PostponeArguments),
}

impl Command {
    pub(super) async fn run(self, session: &mut Session) -> Result<Outcome, Failure> {
        match self {
            Self::List(arguments) => list::run(arguments, session).await,
            Self::Show(arguments) => show::run(arguments, session).await,
            Self::Approve(arguments) => decide::run(arguments.into(), session).await,
            Self::Decline(arguments) => decide::run(arguments.into(), session).await,
            Self::Postpone(arguments) => decide::run(arguments.into(), session).await,
        }
    }
}
