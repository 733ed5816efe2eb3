//! What is kept: reviews, and the decisions on them, which are the feed. Rows stop here.
//!
//! The rule that must hold: a review's row is written only where id and version match, and a
//! decision is never changed or removed.

pub(crate) mod decisions;
mod entity;
mod migration;
pub(crate) mod reviews;

pub(crate) use migration::Migrator;
