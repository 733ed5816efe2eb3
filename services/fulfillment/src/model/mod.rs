//! This service's own rules, pure: no database, no clock, no async.

pub(crate) mod connection;
pub(crate) mod entry;
pub(crate) mod note;
pub(crate) mod record;
pub(crate) mod retry;
pub(crate) mod submission;
pub(crate) mod suggestion;

pub(crate) use connection::Connection;
pub(crate) use entry::{Entry, Offer, Standing};
pub(crate) use note::{LedgerEvent, Note};
