//! Review: people's decisions, on orders before these are written, and on requests for assignments
//! before these count.
//!
//! Answers for review requests, decisions with their comments, and the feed of decisions. Knows
//! nobody: who wants to hear of a decision follows the feed. The rule that must hold: of all who
//! decide on one review exactly one wins, and what was answered is on disk.
#![warn(missing_docs)]

mod api;
mod config;
mod model;
mod store;
mod verbs;

pub use config::Config;

use anyhow::Context;
use provost_contract::review::v1::review_service_server::ReviewServiceServer;
use provost_service_kit::server::MESSAGE_BYTES_MAX;
use provost_service_kit::{CommonClock, Database, Runtime, Server, Wake};
use std::sync::Arc;
use verbs::Desk;

/// Adds this service to a server: its database, its gRPC service, its background work.
///
/// # Errors
/// When the database cannot be reached or brought up to date.
pub async fn assemble(config: Config, runtime: Runtime, mut server: Server) -> anyhow::Result<Server> {
    let database = Database::connect(&config.database_url, config.database_schema.as_deref()).await?;
    database.migrate::<store::Migrator>().await.context("review")?;
    let wake = Wake::new(&database, "review_decisions");
    let clock = CommonClock::of(&database, runtime.clock, &mut server).await?;
    let desk = Arc::new(Desk { database, wake: wake.clone(), clock, stop: runtime.stop });
    let service = ReviewServiceServer::new(api::Api::new(desk))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    server.add(service);
    server.work("wake-ups of review", |stop| wake.hear_replicas(stop));
    Ok(server)
}
