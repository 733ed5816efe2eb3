//! Provisioning orders.

mod cancel;
mod causes;
mod count;
pub(crate) mod filter;
mod get;
mod held;
mod list;
mod overdue;
mod unblock;
mod watch;

pub use count::by_state;
pub use list::table;

use crate::failure::{Failure, Outcome};
use crate::session::Session;
use clap::Subcommand;

/// What to do with orders.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists orders, oldest first.
    List(list::ListArguments),
    /// Shows one order: its changes, why, and its whole history.
    Get(get::GetArguments),
    /// Follows what happens to orders: first everything so far, then live, until interrupted.
    Watch(watch::WatchArguments),
    /// Counts orders by resource type and state.
    Count(filter::FilterArguments),
    /// Counts orders that are not finished by state and by how long they have been in it.
    Overdue(overdue::OverdueArguments),
    /// Counts Errored orders by what they failed of, most orders first.
    Causes(filter::FilterArguments),
    /// Shows what a blocked run would have done, and how to let it go.
    Held(held::HeldArguments),
    /// Makes Errored orders Pending again, once their cause is mended: single ones, or all of a cause.
    Unblock(unblock::UnblockArguments),
    /// Gives up orders that are no longer needed.
    Cancel(cancel::CancelArguments),
}

impl Command {
    pub(super) async fn run(self, session: &mut Session) -> Result<Outcome, Failure> {
        match self {
            Self::List(arguments) => list::run(arguments, session).await,
            Self::Get(arguments) => get::run(arguments, session).await,
            Self::Watch(arguments) => watch::run(arguments, session).await,
            Self::Count(arguments) => count::run(arguments, session).await,
            Self::Overdue(arguments) => overdue::run(arguments, session).await,
            Self::Causes(arguments) => causes::run(arguments, session).await,
            Self::Held(arguments) => held::run(arguments, session).await,
            Self::Unblock(arguments) => unblock::run(arguments, session).await,
            Self::Cancel(arguments) => cancel::run(arguments, session).await,
        }
    }
}
