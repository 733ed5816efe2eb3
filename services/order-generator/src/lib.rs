//! The order generator: catalog, repository, role model, generation of provisioning orders, and the
//! jobs that tie them together.
//!
//! Leaves the state of orders to fulfillment; keeps only a projection of it. The rule that must hold:
//! the same inputs give the same orders, and every order can say why.

mod api;
mod catalogs;
mod config;
mod generator;
mod ledger;
pub mod model;
mod reviews;
mod store;
mod verbs;
mod work;

pub use config::Config;

use api::Api;
use catalogs::Catalogs;
use generator::Generator;
use ledger::Ledger;
use provost_contract::generator::v1::assignment_service_server::AssignmentServiceServer;
use provost_contract::generator::v1::catalog_service_server::CatalogServiceServer;
use provost_contract::generator::v1::explain_service_server::ExplainServiceServer;
use provost_contract::generator::v1::job_service_server::JobServiceServer;
use provost_contract::generator::v1::order_generator_service_server::OrderGeneratorServiceServer;
use provost_contract::generator::v1::reconciliation_service_server::ReconciliationServiceServer;
use provost_contract::generator::v1::repository_service_server::RepositoryServiceServer;
use provost_contract::generator::v1::synchronization_service_server::SynchronizationServiceServer;
use provost_service_kit::server::MESSAGE_BYTES_MAX;
use provost_service_kit::{CommonClock, Database, Engine, Replicas, Runtime, Server, Wake, new_id};
use reviews::Reviews;
use std::sync::Arc;
use std::time::Duration;
use store::{Migrator, leases};

/// Adds the order generator to a server: database, migrations, gRPC services, background work.
///
/// # Errors
/// When the database cannot be opened.
pub async fn assemble(config: Config, runtime: Runtime, mut server: Server) -> anyhow::Result<Server> {
    let database = Database::connect(&config.database_url, config.database_schema.as_deref()).await?;
    database.migrate::<Migrator>().await?;
    if database.engine() == Engine::Sqlite {
        // A file has one process: whatever held a lease is gone.
        leases::clear(database.write()).await?;
    }
    let generator = Arc::new(Generator {
        clock: CommonClock::of(&database, runtime.clock, &mut server).await?,
        catalogs: Catalogs::new(&database),
        ledger: Ledger::new(Replicas::over(&runtime.network, &config.fulfillment)?),
        reviews: Reviews::new(Replicas::over(&runtime.network, &config.review)?),
        exports: Wake::new(&database, "provost_exports"),
        jobs: Wake::new(&database, "provost_jobs"),
        orders: Wake::new(&database, "provost_orders"),
        requests: Wake::new(&database, "provost_requests"),
        replica: new_id().to_string(),
        stop: runtime.stop,
        fulfill_wait: Duration::from_secs(config.fulfill_wait_seconds),
        export_wait: Duration::from_secs(config.export_wait_seconds),
        database,
    });
    if let Err(fault) = generator.catalogs.current().await {
        // Served all the same: whoever mends the catalog has to read it and to apply another one.
        tracing::warn!(%fault, "the catalog cannot be used");
    }
    let api = Api::new(Arc::clone(&generator));
    macro_rules! serve {
        ($($service:ident),*) => {$(
            server.add(
                $service::new(api.clone())
                    .max_decoding_message_size(MESSAGE_BYTES_MAX)
                    .max_encoding_message_size(MESSAGE_BYTES_MAX),
            );
        )*};
    }
    serve!(
        AssignmentServiceServer,
        CatalogServiceServer,
        ExplainServiceServer,
        JobServiceServer,
        OrderGeneratorServiceServer,
        ReconciliationServiceServer,
        RepositoryServiceServer,
        SynchronizationServiceServer
    );
    for (name, bell) in [
        ("wake-ups of exports", generator.exports.clone()),
        ("wake-ups of jobs", generator.jobs.clone()),
        ("wake-ups of orders", generator.orders.clone()),
        ("wake-ups of requests", generator.requests.clone()),
    ] {
        server.work(name, move |stop| bell.hear_replicas(stop));
    }
    if config.due_seconds > 0 {
        let (watcher, every) = (Arc::clone(&generator), Duration::from_secs(config.due_seconds));
        server.work("due dates", move |stop| work::due::watch(watcher, every, stop));
    }
    let [follower, hearer, teller, timer] = [(); 4].map(|()| Arc::clone(&generator));
    let driver = generator;
    server.work("order feed", move |stop| work::order_feed::follow(follower, stop));
    server.work("decision feed", move |stop| work::decision_feed::follow(hearer, stop));
    server.work("request relay", move |stop| work::request_relay::tell_review(teller, stop));
    server.work("requests by time", move |stop| work::automation::decide_by_time(timer, stop));
    server.work("job runs", move |stop| work::drive::drive_runs(driver, stop));
    Ok(server)
}
