//! Orders per second through submit → pull → feedback over real gRPC: the ledger, and agents as they
//! are installed, each with its loops and its journal, whose package does nothing.

use anyhow::{Result, ensure};
use async_trait::async_trait;
use prost_types::Timestamp;
use provost_agent::package::{Abilities, Entity, Outcome, Package, RowSender};
use provost_agent::{Connection, Connections};
use provost_contract::fulfillment::v1 as pb;
use provost_contract::fulfillment::v1::order_service_client::OrderServiceClient;
use provost_contract::types::v1 as types;
use provost_domain::{Failure, Order};
use provost_fulfillment::Config;
use provost_service_kit::server::MESSAGE_BYTES_MAX;
use provost_service_kit::{Runtime, Server};
use provost_testkit::eventually;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use uuid::Uuid;

/// Orders in one message, and orders that one agent writes side by side.
pub(crate) const BATCH: usize = 500;
const CONNECTION: &str = "nothing";
/// Longest wait for all orders to be done.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long each half took for `orders` orders.
pub(crate) struct Measured {
    pub(crate) submit: Duration,
    pub(crate) dispatch: Duration,
}

/// A server in this process, until it is stopped.
struct Running {
    stop: CancellationToken,
    serving: JoinHandle<Result<()>>,
}

impl Running {
    fn start(server: Server, listener: TcpListener, runtime: Runtime) -> Self {
        let stop = runtime.stop.clone();
        Self { stop, serving: tokio::spawn(server.run(listener, runtime.stop)) }
    }

    async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.serving.await?
    }
}

/// Runs a ledger on `url` and agents in this process, which speak through their sockets.
pub(crate) async fn run(url: &str, orders: usize, agents: usize) -> Result<Measured> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let config = Config { database_url: url.to_owned().into(), ..Config::default() };
    let runtime = Runtime::default();
    let server = provost_fulfillment::assemble(config, runtime.clone(), Server::default()).await?;
    let ledger = Running::start(server, listener, runtime);
    let measured = drive(&address, orders, agents).await;
    ledger.stop().await?;
    measured
}

async fn drive(address: &str, orders: usize, agents: usize) -> Result<Measured> {
    let channel = provost_service_kit::channel::to(address)?;
    let mut client = OrderServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let messages: Vec<_> = (0..orders)
        .step_by(BATCH)
        .map(|from| pb::SubmitOrdersRequest { orders: (from..(from + BATCH).min(orders)).map(order).collect() })
        .collect();
    let started = Instant::now();
    let answer = client.submit_orders(tokio_stream::iter(messages)).await?.into_inner();
    let submit = started.elapsed();
    ensure!(answer.accepted == orders as i64, "only {} of {orders} orders were accepted", answer.accepted);

    let folder = tempfile::tempdir()?;
    let nothing = Arc::new(Nothing::default());
    let started = Instant::now();
    let mut running = Vec::new();
    for number in 0..agents {
        running.push(agent(&format!("agent-{number}"), address, folder.path(), Arc::clone(&nothing)).await?);
    }
    let dispatch = until_executed(&mut client, &nothing, orders, started).await?;
    for agent in running {
        agent.stop().await?;
    }
    Ok(Measured { submit, dispatch })
}

/// An agent as it is installed, but for its package.
async fn agent(id: &str, fulfillment: &str, folder: &Path, package: Arc<Nothing>) -> Result<Running> {
    let config = provost_agent::Config {
        agent_id: id.to_owned(),
        fulfillment: fulfillment.into(),
        // Nobody answers there: no export is part of this.
        order_generator: fulfillment.into(),
        journal: format!("{id}.db").into(),
        folder: folder.to_owned(),
        ..provost_agent::Config::default()
    };
    let mut connections = Connections::default();
    let concurrency = u32::try_from(BATCH)?;
    connections.add(Connection { name: CONNECTION.into(), package_name: "nothing", concurrency, package });
    let runtime = Runtime::default();
    let server = provost_agent::assemble_with(config, connections, runtime.clone(), Server::default()).await?;
    Ok(Running::start(server, TcpListener::bind("127.0.0.1:0").await?, runtime))
}

/// Waits until the ledger says that every order was executed; the time since `started`.
async fn until_executed(
    client: &mut OrderServiceClient<Channel>,
    nothing: &Nothing,
    orders: usize,
    started: Instant,
) -> Result<Duration> {
    // Counting costs the ledger something, so it begins when the package has had them all.
    eventually("the package to get every order", PATIENCE, async || {
        let asked = nothing.asked.load(Ordering::Relaxed);
        if asked >= orders { Ok(()) } else { Err(format!("{asked} of {orders}")) }
    })
    .await;
    let took = eventually("every order to be executed", PATIENCE, async || {
        let counts = client.count_orders(pb::CountOrdersRequest::default()).await?.into_inner().counts;
        let executed = |count: &&pb::OrderCount| count.state() == types::ProvisioningState::Executed;
        let executed: i64 = counts.iter().filter(executed).map(|count| count.count).sum();
        ensure!(executed == orders as i64, "{executed} of {orders}");
        Ok(started.elapsed())
    })
    .await;
    let asked = nothing.asked.load(Ordering::Relaxed);
    ensure!(asked == orders, "the package was asked {asked} times for {orders} orders");
    Ok(took)
}

/// The package that does nothing, and counts how often.
#[derive(Default)]
struct Nothing {
    asked: AtomicUsize,
}

#[async_trait]
impl Package for Nothing {
    fn abilities(&self) -> Abilities {
        Abilities { export: false, fulfill: true }
    }

    async fn check(&self) -> Result<String, Failure> {
        Ok("nothing".to_owned())
    }

    async fn export(&self, _: &Entity, _: &RowSender) -> Result<(), Failure> {
        Ok(())
    }

    async fn fulfill(&self, _: &Order) -> Outcome {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Outcome::Executed { note: String::new() }
    }
}

/// An addition with eight changes, as an account has.
fn order(index: usize) -> types::Order {
    let text = |text: String| Some(types::Value { kind: Some(types::value::Kind::StringValue(text)) });
    types::Order {
        order_id: Uuid::from_u128(index as u128 + 1).to_string(),
        kind: types::OrderKind::Addition.into(),
        resource_type: "AppAccount".into(),
        connector: "app".into(),
        connection: CONNECTION.into(),
        entity_type: "Account".into(),
        owner: Some(types::Owner {
            entity_type: "Person".into(),
            key: format!("{index:06}"),
            display_name: format!("Person {index}"),
        }),
        target_key: format!("login{index:06}"),
        changes: (0..8)
            .map(|property| types::Change {
                property: format!("property{property}"),
                operation: types::ChangeOperation::Set.into(),
                proposed: text(format!("value {property} of {index}")),
                ..Default::default()
            })
            .collect(),
        generation_run: "bench".into(),
        generated_at: Some(Timestamp { seconds: 1_800_000_000, nanos: 0 }),
        ..Default::default()
    }
}

/// The bytes that the ledger keeps of one order, so that bare SQL writes rows of the same width.
pub(crate) fn payload(index: usize) -> Vec<u8> {
    prost::Message::encode_to_vec(&order(index))
}
