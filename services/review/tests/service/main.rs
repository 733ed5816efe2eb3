//! The review service as its callers see it, on every database engine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod assignments;
mod bad_input;
mod confidential;
mod decisions;
mod desk;
mod feed;
mod lists;
mod program;
mod requests;
