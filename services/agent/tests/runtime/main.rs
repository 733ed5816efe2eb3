//! The agent against a ledger and an order generator that state their assumptions (see `servers`):
//! slots, leases, reports, exports, its operator's questions, and kill -9 at every moment.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod crashes;
mod exporting;
mod leases;
mod operator;
mod pacing;
mod probe;
mod reporting;
mod scene;
mod servers;
mod slots;
mod starting;
