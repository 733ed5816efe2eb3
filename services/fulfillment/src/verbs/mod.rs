//! What can be asked of the ledger, one file per verb: each is one unit of work that opens its
//! transaction and commits it.

mod ages;
mod assign;
pub(crate) mod causes;
pub(crate) mod connections;
pub(crate) mod decide;
mod each;
pub(crate) mod expire;
pub(crate) mod feedback;
pub(crate) mod manual;
#[cfg(test)]
mod plans;
pub(crate) mod pull;
pub(crate) mod read;
pub(crate) mod renew;
pub(crate) mod resolve;
pub(crate) mod retain;
pub(crate) mod return_orders;
pub(crate) mod submit;
pub(crate) mod unblock_cause;
pub(crate) mod watch;
