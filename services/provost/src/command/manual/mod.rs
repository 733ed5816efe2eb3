//! Manual provisioning.

mod assign;
mod confirm;
mod count;
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
    /// Counts them by connector, entity type and resource type.
    Count(count::CountArguments),
    /// Shows one of them with the values to enter.
    Show(show::ShowArguments),
    /// Names the person who writes orders, one or many.
    Assign(assign::AssignArguments),
    /// Gives orders back to everybody.
    Unassign(assign::UnassignArguments),
    /// Says something about orders, and decides nothing.
    Comment(assign::CommentArguments),
    /// Confirms that orders were written, one or many.
    Confirm(confirm::ConfirmArguments),
    /// Reports that orders could not be written.
    ReportError(report_error::ReportErrorArguments),
}

impl Command {
    pub(super) async fn run(self, session: &mut Session) -> Result<Outcome, Failure> {
        match self {
            Self::List(arguments) => list::run(arguments, session).await,
            Self::Count(arguments) => count::run(arguments, session).await,
            Self::Assign(arguments) => assign::assign(arguments, session).await,
            Self::Unassign(arguments) => assign::unassign(arguments, session).await,
            Self::Comment(arguments) => assign::comment(arguments, session).await,
            Self::Show(arguments) => show::run(arguments, session).await,
            Self::Confirm(arguments) => confirm::run(arguments, session).await,
            Self::ReportError(arguments) => report_error::run(arguments, session).await,
        }
    }
}
