//! A plausible organisation made from a seed, and the files that the demo and the tests feed to the suite.
//!
//! Answers for: the people ([`Organisation`], [`Person`]), the few of them that the demo tells a story about
//! ([`special`]), the demo's catalog, managed systems and agent configuration ([`workplace`]), and a second, smaller
//! world around a directory ([`directory`]). Leaves to others: running the SQL, starting services, talking to them.
//! The rule that must hold: the same arguments give the same organisation, to the byte, on every machine; and what
//! people should end up with is computed here in plain Rust, never from the catalogs, so that it can contradict them.

#![warn(missing_docs)]

mod company;
pub mod directory;
mod names;
mod organisation;
mod person;
pub mod special;
pub mod workplace;

pub use organisation::Organisation;
pub use person::{Person, WorkerType, read_people, read_people_csv};

/// The domain of every generated mail address; `.example` never resolves.
pub const MAIL_DOMAIN: &str = "alderway.example";

/// The employee id of the one person without a manager.
pub const CEO: &str = "E000001";
