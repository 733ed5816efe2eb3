//! The servers as strangers meet them: through server reflection alone, with no generated code of
//! the contract. What works here works with grpcurl; the README's cookbook is run line by line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod codec;
mod command;
mod cookbook;
mod cookbook_runs;
mod errors;
mod listing;
mod live;
mod server;
mod shell;
mod suite;
mod usage;
