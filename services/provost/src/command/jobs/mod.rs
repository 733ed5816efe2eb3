//! Jobs and their runs.

mod cancel;
mod list;
mod resume;
mod run;
mod runs;
mod show;
mod watch;

pub use watch::follow;

use crate::failure::{Failure, Outcome};
use crate::session::Session;
use clap::Subcommand;

/// What to do with jobs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the jobs that can be run, with their tasks.
    List,
    /// Starts a job, for example `complete`.
    Run(run::RunArguments),
    /// Lists runs, newest first.
    Runs(runs::RunsArguments),
    /// Shows one run: its tasks, what was said of it, and what to do next.
    Show(show::ShowArguments),
    /// Follows a run until it is over.
    Watch(watch::WatchArguments),
    /// Goes on with a run that a threshold blocked.
    Resume(resume::ResumeArguments),
    /// Cancels a run: the running tasks finish, the others do not start.
    Cancel(cancel::CancelArguments),
}

impl Command {
    pub(super) async fn run(self, session: &mut Session) -> Result<Outcome, Failure> {
        match self {
            Self::List => list::run(session).await,
            Self::Run(arguments) => run::run(arguments, session).await,
            Self::Runs(arguments) => runs::run(arguments, session).await,
            Self::Show(arguments) => show::run(arguments, session).await,
            Self::Watch(arguments) => watch::run(arguments, session).await,
            Self::Resume(arguments) => resume::run(arguments, session).await,
            Self::Cancel(arguments) => cancel::run(arguments, session).await,
        }
    }
}
