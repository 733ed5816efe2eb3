//! The role model: what the catalog says, what each owner should have by it, how that compares with
//! what is there, and which orders close the difference (domain.md, "Computing the role model" and
//! "Generating orders").
//!
//! Pure: no I/O, no clock, no randomness; instants and order ids are arguments. Leaves reading and
//! keeping to the store, and calls to the work room. The rule that must hold: the same inputs give
//! the same answer, in whatever order they come.

pub mod assign;
pub mod baseline;
pub mod catalog;
pub(crate) mod claims;
pub mod comparison;
pub mod correlate;
pub mod decision;
pub mod deduce;
pub mod evaluate;
pub mod expected;
pub mod explain;
pub mod expression;
pub mod found;
pub mod generate;
pub mod grant;
pub mod known_order;
pub(crate) mod limits;
pub mod need;
pub mod plan;
pub mod request;
pub mod resource;
pub mod synchronization;
pub mod verify;

pub use catalog::{Catalog, Problem};
pub use resource::{Lookup, Properties, Repository, Resource};
