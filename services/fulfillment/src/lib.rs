//! Fulfillment: the ledger of provisioning orders.
//!
//! Answers for where each order stands, for the lanes, for handing orders to agents and people, and
//! for what became of them. Leaves to the order generator what is ordered and whether it was seen
//! in synchronized data, to review the decisions, to agents the writing.
//!
//! The rules that must hold: an accepted order is never lost; a state changes through the table of
//! the domain and in no other way, with a line in the history in the same transaction; orders of one
//! resource are handed over one at a time, in the order of their generation.

mod api;
mod config;
mod model;
mod store;
mod verbs;
mod work;

pub use config::Config;

use provost_contract::fulfillment::v1::connection_service_server::ConnectionServiceServer;
use provost_contract::fulfillment::v1::dispatch_service_server::DispatchServiceServer;
use provost_contract::fulfillment::v1::manual_provisioning_service_server::ManualProvisioningServiceServer;
use provost_contract::fulfillment::v1::order_service_server::OrderServiceServer;
use provost_contract::review::v1::review_service_client::ReviewServiceClient;
use provost_service_kit::server::MESSAGE_BYTES_MAX;
use provost_service_kit::{CommonClock, Database, Replicas, Runtime, Server};
use std::time::Duration;
use store::{Ledger, Migrator};

/// Adds fulfillment to a server: its database and migrations, its gRPC services, its background work.
///
/// # Errors
/// When the database cannot be reached or brought up to date, or the review address is wrong.
pub async fn assemble(config: Config, runtime: Runtime, mut server: Server) -> anyhow::Result<Server> {
    let database = Database::connect(&config.database_url, config.database_schema.as_deref()).await?;
    database.migrate::<Migrator>().await?;
    let lease = Duration::from_secs(u64::from(config.lease_seconds));
    let days = u64::from(config.finished_retention_days);
    let retention = (days > 0).then(|| Duration::from_secs(days * 24 * 60 * 60));
    let clock = CommonClock::of(&database, runtime.clock, &mut server).await?;
    let ledger = Ledger::new(database, clock, runtime.stop, lease).retaining(retention);
    let review = ReviewServiceClient::new(Replicas::over(&runtime.network, &config.review)?)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    server
        .add(
            OrderServiceServer::new(api::Orders(ledger.clone()))
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add(
            DispatchServiceServer::new(api::Dispatch(ledger.clone()))
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add(
            ConnectionServiceServer::new(api::Connections(ledger.clone()))
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add(
            ManualProvisioningServiceServer::new(api::Manual(ledger.clone()))
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX),
        );
    let (news, offers) = (ledger.news.clone(), ledger.offers.clone());
    server.work("order feed wake-ups", |stop| news.hear_replicas(stop));
    server.work("offer wake-ups", |stop| offers.hear_replicas(stop));
    let (timer, drains, archive) = (ledger.clone(), ledger.clone(), ledger.clone());
    let (relay, feed, told) = (ledger.clone(), ledger, review.clone());
    server.work("validity timer", |stop| work::watch_validity(timer, stop));
    server.work("drain timer", |stop| work::watch_drains(drains, stop));
    server.work("retention timer", |stop| work::watch_retention(archive, stop));
    server.work("review relay", |stop| work::relay_reviews(relay, told, stop));
    server.work("decision feed", |stop| work::follow_decisions(feed, review, stop));
    Ok(server)
}
