//! What synchronization read.

mod get;
mod list;

use crate::failure::{Failure, Outcome};
use crate::session::Session;
use clap::Subcommand;

/// What to do with synchronized resources.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the resources of one entity type, by key.
    List(list::ListArguments),
    /// Shows one resource with all its properties.
    Get(get::GetArguments),
}

impl Command {
    pub(super) async fn run(self, session: &mut Session) -> Result<Outcome, Failure> {
        match self {
            Self::List(arguments) => list::run(arguments, session).await,
            Self::Get(arguments) => get::run(arguments, session).await,
        }
    }
}
