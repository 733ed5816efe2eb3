//! The whole road, as it is installed: four separate processes, each with its own configuration
//! file, on PostgreSQL, writing into a real slapd. The directory is read back by a search of the
//! test's own and compared, person by person, with what the sample files say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod arrival;
mod by_hand;
mod crashes;
mod expectation;
mod installation;
mod outage;
mod readme;
mod replicas;
mod requests;
