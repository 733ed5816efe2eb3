//! Manual provisioning.

mod confirm;
mod list;
mod report_error;
mod show;

pub use list::table;
pub use show::values;

use crate::failure::{Failure, Outcome};
use crate::session::Session;
use clap::Subcommand;

/// What to do with the manual provisioning list.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the orders that wait for a person, oldest first, with what to do.
    List(list::ListArguments),
    /// Shows one of them with the values to enter.
    Show(show::ShowArguments),
    /// Confirms that orders were written, one or many.
    Confirm(confirm::ConfirmArguments),
    /// Reports that orders could not be written.
    ReportError(report_error::ReportErrorArguments),
}

impl Command {
    pub(super) async fn run(self, session: &mut Session) -> Result<Outcome, Failure> {
        match self {
            Self::List(arguments) => list::run(arguments, session).await,
            Self::Show(arguments) => show::run(arguments, session).await,
            Self::Confirm(arguments) => confirm::run(arguments, session).await,
            Self::ReportError(arguments) => report_error::run(arguments, session).await,
        }
    }
}
