//! The catalog.

mod apply;
mod dry_run;
mod schema;
mod show;

pub use apply::{ApplyArguments, read_files};

use crate::failure::{Failure, Outcome};
use crate::session::Session;
use clap::Subcommand;

/// What to do with the catalog.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Checks a whole catalog and, when nothing is wrong, makes it the current one.
    Apply(ApplyArguments),
    /// Shows the current catalog.
    Show,
    /// Prints the JSON Schema of catalog files, for editors to complete and check by.
    #[command(after_help = schema::HELP)]
    Schema,
}

impl Command {
    pub(super) async fn run(self, session: &mut Session) -> Result<Outcome, Failure> {
        match self {
            Self::Apply(arguments) => apply::run(arguments, session).await,
            Self::Show => show::run(session).await,
            Self::Schema => schema::run(session).await,
        }
    }
}
