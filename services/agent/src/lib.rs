//! The agent: writes provisioning orders into managed systems, and reads the systems back.
//!
//! Answers for the packages (one per kind of managed system), the journal of what was executed, and
//! the loops that pull orders and export tasks. It only ever dials out. The rule that must hold:
//! what it reports is what happened, also after being killed.

mod acknowledged;
mod agent;
mod api;
mod assemble;
mod config;
mod connections;
mod flight;
mod journal;
pub mod package;
mod settings;
mod slots;
mod work;

pub use assemble::{assemble, assemble_with};
pub use config::Config;
pub use connections::{Connection, Connections};
pub use settings::ConnectionSettings;
