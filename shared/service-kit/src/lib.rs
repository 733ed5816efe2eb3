//! What every server of the suite needs, and nothing that only one of them needs.
//!
//! Answers for configuration, telemetry, the database, feeds, errors on the wire, health,
//! reflection and shutdown. Leaves all meaning to the services. The rule that must hold: everything
//! listens on loopback unless told otherwise, and a service that was told to stop has answered or
//! refused every call before it ends.
#![warn(missing_docs)]

pub mod caller;
pub mod channel;
pub mod clock;
pub mod configuration;
pub mod database;
pub mod each;
pub mod exclusive;
pub mod fault;
pub mod feed;
pub mod page;
pub mod rows;
pub mod server;
pub mod start;
pub mod statement;
pub mod telemetry;
pub mod wake;

mod allocator;
mod calls;
mod lenient;

pub use caller::Caller;
pub use channel::{Addresses, Replicas};
pub use clock::{Clock, CommonClock, ManualClock, SystemClock, new_id};
pub use database::{Database, Engine, mistakes as database_mistakes};
pub use each::{Wanted, between, each, each_of_sql};
pub use exclusive::Exclusive;
pub use fault::{Fault, FaultKind};
pub use rows::{Again, ROWS_MAX, Rows, store};
pub use server::{Runtime, Server};
pub use statement::Sql;
pub use wake::Wake;
