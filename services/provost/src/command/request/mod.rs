//! Requests: that somebody is given a role or a resource type, or that it is taken away.

mod ask;
mod list;
mod show;
mod withdraw;

pub use list::table;

use crate::failure::{Failure, Outcome};
use crate::session::Session;
use clap::Subcommand;

/// What to do with requests.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Asks that somebody is given a role or a resource type; of what was taken away, takes that back.
    Add(ask::AddArguments),
    /// Asks that a role or a resource type is taken away from somebody.
    Revoke(ask::RevokeArguments),
    /// Lists the requests that wait for approval, oldest first.
    List(list::ListArguments),
    /// Shows one request: what for, where it stands, and what was decided.
    Show(show::ShowArguments),
    /// Takes back a request of your own that is not decided yet.
    Withdraw(withdraw::WithdrawArguments),
}

impl Command {
    pub(super) async fn run(self, session: &mut Session) -> Result<Outcome, Failure> {
        match self {
            Self::Add(arguments) => ask::add(arguments, session).await,
            Self::Revoke(arguments) => ask::revoke(arguments, session).await,
            Self::List(arguments) => list::run(arguments, session).await,
            Self::Show(arguments) => show::run(arguments, session).await,
            Self::Withdraw(arguments) => withdraw::run(arguments, session).await,
        }
    }
}
