//! How things look to a person: tables, values, states, times, progress.
//!
//! The rule that must hold: a sensitive value is shown to the person who has to write it (`manual
//! show`), and to nobody else.

mod order;
mod program;
mod progress;
mod request;
mod table;
mod time;
mod value;
mod words;

pub use order::{change, current_and_proposed, kind, named, operation, standing, subject};
pub use program::program;
pub use progress::{Progress, ending};
pub use request::{action, asked_for, entitlement, period, wish};
pub use table::Table;
pub use time::{ago, elapsed, instant};
pub use value::{hidden, optional, shortened, value};
pub use words::{counted, job_state, provisioning_state, review_state, short, workflow_state};
