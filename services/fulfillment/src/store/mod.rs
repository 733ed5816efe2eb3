//! The ledger's tables and the statements on them. A query is a function of a connection; the verbs
//! open transactions and commit them.
//!
//! The rule that must hold: whoever writes holds the ledger ([`Ledger::begin`]), so there is one
//! writer at a time on both engines. The order feed needs that anyway (cursors must become visible
//! in their order), and taken first it rules out deadlocks, lost updates and races within a lane.

pub(crate) mod agents;
pub(crate) mod ages;
pub(crate) mod archive;
pub(crate) mod batch;
pub(crate) mod causes;
pub(crate) mod claim;
pub(crate) mod connections;
pub(crate) mod dependencies;
pub(crate) mod entries;
pub(crate) mod history;
mod insert;
pub(crate) mod lane;
pub(crate) mod leases;
mod ledger;
pub(crate) mod list;
mod migration;
mod migration_connections;
pub(crate) mod outbox;

pub(crate) use batch::{Applied, Batch};
pub(crate) use ledger::{Ledger, Rings};
pub(crate) use migration::Migrator;
