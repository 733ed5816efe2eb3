//! Connections: what holds their orders, and what people decide about it.

mod decide;
mod limit;
mod list;
mod show;

use crate::failure::{Failure, Outcome};
use crate::session::Session;
use clap::Subcommand;

/// What to do with connections.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the connections: what waits, what is in flight, and what holds them.
    List,
    /// Shows one connection: its limits, breaker and brake, and its whole history.
    Show(show::ShowArguments),
    /// Hands out nothing more, at once; what is in flight goes on.
    Pause(decide::ReasonedArguments),
    /// Hands out nothing more, and is paused by itself once nothing is in flight.
    Drain(decide::ReasonedArguments),
    /// Ends a pause or a drain.
    Resume(decide::PlainArguments),
    /// Sets limits: orders a minute, orders in flight, the breaker, the dispatch brake. 0 switches one off.
    Limit(limit::LimitArguments),
    /// Lets go what the dispatch brake holds, and begins to count anew.
    ReleaseBrake(decide::ReleaseArguments),
    /// Has the circuit breaker try the managed system at once, with one order.
    Probe(decide::PlainArguments),
}

impl Command {
    pub(super) async fn run(self, session: &mut Session) -> Result<Outcome, Failure> {
        match self {
            Self::List => list::run(session).await,
            Self::Show(arguments) => show::run(arguments, session).await,
            Self::Pause(arguments) => decide::pause(arguments, session).await,
            Self::Drain(arguments) => decide::drain(arguments, session).await,
            Self::Resume(arguments) => decide::resume(arguments, session).await,
            Self::Limit(arguments) => limit::run(arguments, session).await,
            Self::ReleaseBrake(arguments) => decide::release(arguments, session).await,
            Self::Probe(arguments) => decide::probe(arguments, session).await,
        }
    }
}
