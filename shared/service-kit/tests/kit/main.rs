//! The kit under a service that does nothing but what the tests ask of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod answers;
mod configuration;
mod database;
mod each;
mod feeds;
mod migrations;
mod probe;
mod shutdown;
mod wake;
