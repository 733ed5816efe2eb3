//! What goes on by itself: following the ledger's feed and that of review, telling review of requests, what time
//! does to them, and driving job runs.
//!
//! The rule that must hold: everything here can be killed at any moment and starts again from what
//! is stored.

pub(crate) mod automation;
pub(crate) mod decision_feed;
pub(crate) mod drive;
pub(crate) mod due;
pub(crate) mod order_feed;
pub(crate) mod request_relay;
pub(crate) mod tasks;
