//! Reviews: of orders (provisioning review), and of requests for assignments.

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
    /// Shows one review: whose, what for, why, and what was said so far.
    Show(show::ShowArguments),
    /// Approves: the orders and requests go on, once all who must have approved.
    Approve(decide::ApproveArguments),
    /// Declines: orders are dropped, and not proposed again until a value changes; requests end.
    Decline(decide::DeclineArguments),
    /// Postpones: orders and requests stay where they are.
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
