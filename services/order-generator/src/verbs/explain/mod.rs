//! Why it is so, and why not, for whoever asks: an order, an owner, or one thing of an owner.
//!
//! Answers for reading what explanations are made of, and leaves the sentences to
//! [`crate::model::explain`]. The rules that must hold: asking changes nothing; what is told is by the data of
//! now, computed as a computation would; and it can be told while the ledger is away.

mod assignment;
mod contexts;
mod facts;
mod order;
mod said;
mod sources;

pub(crate) use assignment::{OfOwner, OfThing, Thing, explain_assignment, explain_owner};
pub(crate) use contexts::contexts;
pub(crate) use order::{Explained, Prerequisite, Ran, explain_order};
pub(crate) use sources::Source;
