//! Reconciliation: what was found and waits for people, and what they decide.

mod baseline;
mod decide;
mod list;

pub(crate) use baseline::{Baseline, baseline};
pub(crate) use decide::{Decide, Decided, Outcome, decide};
pub(crate) use list::{Line, is_sensitive, list};
