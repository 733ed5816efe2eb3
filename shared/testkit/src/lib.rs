//! What tests need from the world: real servers, built binaries, free ports and patience.
//!
//! Leaves the services to their own crates: it knows none of them, so that all of them may use it.
//! The rule that must hold: nothing started here outlives the test process. Each server has a
//! watchdog which stops it and removes its directory when the process ends, also by `kill -9`.
//!
//! Everything panics with a message that says what to do; that is what a test wants.
//!
//! | need | call |
//! |---|---|
//! | an empty PostgreSQL database | `Postgres::shared().await.database().await.url` |
//! | one empty database of every engine | `for engine in engines().await { … engine.url … }` |
//! | a PostgreSQL of one's own, to stop or with fsync | `Postgres::start(PostgresOptions { fsync: true, ..Default::default() }).await`, then `stop`, `crash`, `restart` |
//! | a directory server | `Slapd::start().await`, then `ldap_url`, `ldaps_url`, `ca_file`, `admin`, `add`, `search`, `stop`, `kill9`, `restart` |
//! | what the directory really did | `Slapd::start_audited().await`, then `audit` |
//! | answers that get lost on their way | `Proxy::start(server).await`, then `lose_answer_to` |
//! | a place that can be cut off | `Island::new()`, then `command`, `way_to`, `cut` |
//! | a built program | `Process::start(command, address).await`, then `kill9`, `terminate`, `restart`, `log` |
//! | where the program is | `binary("fulfillment")` |
//! | an address | `free_port()`, `free_address()` |
//! | a call that is dropped where it waits | `for polls in 1.. { cut_off(polls, call()).await … }` |
//! | to wait for something | `eventually("the order is verified", timeout, async \|\| …).await` |

#![warn(missing_docs)]
#![expect(clippy::panic, reason = "test equipment: a failure here is the test's failure and ends it")]

mod audit;
mod cut_off;
mod engines;
mod eventually;
mod island;
mod port;
mod postgres;
mod process;
mod proxy;
mod slapd;
mod watchdog;

pub use audit::{Audited, AuditedEffect, AuditedStep};
pub use cut_off::cut_off;
pub use engines::{Engine, engines};
pub use eventually::eventually;
pub use island::Island;
pub use port::{free_address, free_port};
pub use postgres::{Postgres, PostgresOptions, TestDatabase};
pub use process::{Process, binary};
pub use proxy::{Loss, Proxy};
pub use slapd::{Attributes, Slapd};

/// The value, or the end of the test with the whole chain of causes.
#[track_caller]
fn or_fail<T>(result: anyhow::Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error:#}"))
}
