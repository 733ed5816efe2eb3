//! Putting the agent together.

use crate::acknowledged::Acknowledged;
use crate::agent::{Agent, Seen};
use crate::api::Api;
use crate::config::Config;
use crate::connections::{Connection, Connections};
use crate::flight::Flight;
use crate::journal::Journal;
use crate::slots::Capacity;
use crate::work;
use crate::work::pull::Which;
use provost_contract::agent::v1::agent_service_server::AgentServiceServer;
use provost_contract::fulfillment::v1::dispatch_service_client::DispatchServiceClient;
use provost_contract::generator::v1::synchronization_service_client::SynchronizationServiceClient;
use provost_service_kit::server::MESSAGE_BYTES_MAX;
use provost_service_kit::{Replicas, Runtime, Server};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

/// Adds the agent to a server: its API and its loops.
///
/// # Errors
/// All mistakes in the connections' settings together; a journal that cannot be used.
pub async fn assemble(config: Config, runtime: Runtime, server: Server) -> anyhow::Result<Server> {
    let connections = config.connections()?;
    assemble_with(config, connections, runtime, server).await
}

/// As [`assemble`], with packages of the caller's own: for measurements with one that does nothing, for example.
/// The journal, the leases and the reports are those of every agent. The connections in `config` are not used.
///
/// ```no_run
/// use async_trait::async_trait;
/// use provost_agent::package::{Abilities, Entity, Outcome, Package, RowSender};
/// use provost_agent::{Config, Connection, Connections, assemble_with};
/// use provost_domain::{Failure, Order};
/// use provost_service_kit::{Runtime, Server};
/// use std::sync::Arc;
///
/// struct Nothing;
///
/// #[async_trait]
/// impl Package for Nothing {
///     fn abilities(&self) -> Abilities {
///         Abilities { export: false, fulfill: true }
///     }
///     async fn check(&self) -> Result<String, Failure> {
///         Ok("nothing to reach".into())
///     }
///     async fn export(&self, _entity: &Entity, _rows: &RowSender) -> Result<(), Failure> {
///         Ok(())
///     }
///     async fn fulfill(&self, _order: &Order) -> Outcome {
///         Outcome::Executed { note: String::new() }
///     }
/// }
///
/// # async fn example(fulfillment: provost_service_kit::Addresses, folder: std::path::PathBuf, runtime: Runtime) -> anyhow::Result<Server> {
/// let mut connections = Connections::default();
/// let package = Arc::new(Nothing);
/// connections.add(Connection { name: "app".into(), package_name: "nothing", concurrency: 256, package });
/// let config = Config { fulfillment, folder, ..Config::default() };
/// assemble_with(config, connections, runtime, Server::default()).await
/// # }
/// ```
///
/// # Errors
/// A journal that cannot be used.
pub async fn assemble_with(
    config: Config,
    connections: Connections,
    runtime: Runtime,
    mut server: Server,
) -> anyhow::Result<Server> {
    let journal = Journal::open(&config.journal_file(), runtime.clock.now()).await?;
    for cut_off in journal.take_interrupted().await? {
        tracing::warn!(order_id = %cut_off.order_id, attempt = cut_off.attempt, "was cut off while it was written; it is offered again when its lease runs out");
    }
    let capacity =
        |connection: &Connection| (Arc::clone(&connection.name), Arc::new(Capacity::new(connection.concurrency)));
    let agent = Arc::new(Agent {
        capacities: connections.iter().map(capacity).collect(),
        dispatch: DispatchServiceClient::new(Replicas::over(&runtime.network, &config.fulfillment)?)
            .max_decoding_message_size(MESSAGE_BYTES_MAX),
        synchronization: SynchronizationServiceClient::new(Replicas::over(&runtime.network, &config.order_generator)?),
        id: config.agent_id,
        connections,
        journal,
        acknowledged: Acknowledged::default(),
        flight: Flight::default(),
        executions: TaskTracker::new(),
        results: Notify::new(),
        started_at: runtime.clock.now(),
        clock: runtime.clock,
        fulfillment_seen: Seen::default(),
        generator_seen: Seen::default(),
    });
    server.add(AgentServiceServer::new(Api(Arc::clone(&agent))));
    let shared = Arc::clone(&agent);
    server.work("reporting", move |stop| work::report::run(shared, stop));
    let shared = Arc::clone(&agent);
    server.work("renewing leases", move |stop| work::renew::run(shared, stop));
    for connection in agent.connections.iter() {
        // Also those that only read or only write: an order or a task for them gets a clear refusal
        // instead of waiting for ever.
        for which in [Which::Any, Which::Urgent] {
            let (shared, of) = (Arc::clone(&agent), connection.clone());
            server.work("pulling orders", move |stop| work::pull::run(shared, of, which, stop));
        }
        let (shared, of) = (Arc::clone(&agent), connection.clone());
        server.work("exporting", move |stop| work::export::run(shared, of, stop));
    }
    Ok(server)
}
