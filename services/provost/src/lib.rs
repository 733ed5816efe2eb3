//! The program `provost`: the command line client, and the embedded suite.
//!
//! Answers for what a person types and reads. The client speaks the public gRPC contract and nothing
//! else; only [`suite`] knows the services' crates. The rule that must hold: the exit code tells the
//! truth — 0 when everything that was asked for happened, 1 when anything of it did not, 2 when the
//! command was not understood.

pub mod arguments;
pub mod client;
pub mod command;
pub mod console;
pub mod demo;
pub mod failure;
pub mod session;
pub mod show;
pub mod suite;
