//! Fulfillment over real gRPC, on every database engine, under a clock that the test moves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod causes;
mod connections;
mod dispatching;
mod fake_review;
mod feeding;
mod lanes;
mod manual;
mod random;
mod resolving;
mod returning;
mod reviewing;
mod submitting;
mod world;
