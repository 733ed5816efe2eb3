//! Orders per second through submit → pull → feedback over real gRPC: the ledger, and agents as they
//! are installed, each with its loops and its journal, whose package does nothing.

use crate::processor::Processor;
use anyhow::{Context as _, Result, ensure};
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
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use uuid::Uuid;

/// Orders in one message, and orders that one agent writes side by side.
pub(crate) const BATCH: usize = 500;
const CONNECTION: &str = "nothing";
/// Orders before the first whose delay counts.
const WARM_UP: usize = 20;
/// Longest wait for all orders to be done.
const PATIENCE: Duration = Duration::from_secs(600);

/// What it took to bring a number of orders through one half.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Half {
    pub(crate) took: Duration,
    /// Processor time of everybody who took part.
    pub(crate) processor: Duration,
}

impl Half {
    /// What `work` takes.
    pub(crate) async fn of<T>(processor: &Processor, work: impl Future<Output = Result<T>>) -> Result<(Self, T)> {
        let (before, started) = (processor.used()?, Instant::now());
        let done = work.await?;
        let took = started.elapsed();
        Ok((Self { took, processor: processor.used()?.saturating_sub(before) }, done))
    }
}

/// Both halves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) submit: Half,
    pub(crate) dispatch: Half,
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
    let measured = drive(&address, &Processor::of(url).await?, 0..orders, agents).await;
    ledger.stop().await?;
    measured
}

/// Brings the orders of these numbers through the ledger at `address`.
pub(crate) async fn drive(
    address: &str,
    processor: &Processor,
    numbers: Range<usize>,
    agents: usize,
) -> Result<Measured> {
    let mut client = client(address)?;
    let orders = numbers.len();
    let (submit, ()) = Half::of(processor, submit(&mut client, numbers, CONNECTION)).await?;
    let before = newest_cursor(&mut client).await?;
    let (executed_before, _) = counted(&mut client).await?;
    let folder = tempfile::tempdir()?;
    let nothing = Arc::new(Nothing::default());
    let dispatching = async {
        let mut running = Vec::new();
        for number in 0..agents {
            running.push(agent(&format!("agent-{number}"), address, folder.path(), Arc::clone(&nothing)).await?);
        }
        // Leased and executed: two lines each. Counting would cost the ledger more than this.
        let until = before + 2 * i64::try_from(orders)?;
        eventually("every order to be executed", PATIENCE, async || {
            let newest = newest_cursor(&mut client).await?;
            ensure!(newest >= until, "the history is at {newest} of {until}");
            Ok(())
        })
        .await;
        Ok(running)
    };
    let (dispatch, running) = Half::of(processor, dispatching).await?;
    for agent in running {
        agent.stop().await?;
    }
    let (executed, _) = counted(&mut client).await?;
    let asked = nothing.asked.load(Ordering::Relaxed);
    let executed = usize::try_from(executed - executed_before)?;
    ensure!(asked == orders && executed == orders, "{asked} asked for, {executed} executed of {orders}");
    Ok(Measured { submit, dispatch })
}

pub(crate) type Client = OrderServiceClient<Channel>;

pub(crate) fn client(address: &str) -> Result<Client> {
    let channel = provost_service_kit::channel::to(address)?;
    Ok(OrderServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX))
}

/// Submits the orders of these numbers, for a connection.
pub(crate) async fn submit(client: &mut Client, numbers: Range<usize>, connection: &'static str) -> Result<()> {
    let orders = numbers.len();
    let end = numbers.end;
    let messages = numbers.step_by(BATCH).map(move |from| pb::SubmitOrdersRequest {
        orders: (from..(from + BATCH).min(end)).map(|number| order(number, connection)).collect(),
    });
    let answer = client.submit_orders(tokio_stream::iter(messages)).await?.into_inner();
    ensure!(answer.accepted == orders as i64, "only {} of {orders} orders were accepted", answer.accepted);
    Ok(())
}

async fn newest_cursor(client: &mut Client) -> Result<i64> {
    let request = pb::CountOrdersRequest { only_cursor: true, ..Default::default() };
    client.count_orders(request).await?.into_inner().newest_cursor.context("the ledger names no cursor")
}

/// How many orders are Executed, and how many there are.
async fn counted(client: &mut Client) -> Result<(i64, i64)> {
    let counts = client.count_orders(pb::CountOrdersRequest::default()).await?.into_inner().counts;
    let executed = counts.iter().filter(|count| count.state() == types::ProvisioningState::Executed);
    Ok((executed.map(|count| count.count).sum(), counts.iter().map(|count| count.count).sum()))
}

/// How long an order takes from the call that submits it to the package of an agent that waits for one, `times` times;
/// shortest first.
pub(crate) async fn delays(url: &str, times: usize) -> Result<Vec<Duration>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let config = Config { database_url: url.to_owned().into(), ..Config::default() };
    let runtime = Runtime::default();
    let server = provost_fulfillment::assemble(config, runtime.clone(), Server::default()).await?;
    let ledger = Running::start(server, listener, runtime);
    let folder = tempfile::tempdir()?;
    let nothing = Arc::new(Nothing::default());
    let agent = agent("agent-0", &address, folder.path(), Arc::clone(&nothing)).await?;
    let mut client = client(&address)?;
    let mut delays = Vec::with_capacity(times);
    // The first ones open connections and prepare statements.
    for number in 0..times + WARM_UP {
        let arrived = nothing.arrived.notified();
        let started = Instant::now();
        submit(&mut client, number..number + 1, CONNECTION).await?;
        tokio::time::timeout(PATIENCE, arrived).await.context("an order did not arrive")?;
        if number >= WARM_UP {
            delays.push(nothing.last_at().duration_since(started));
        }
        // The agent has to report, and to wait again.
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    agent.stop().await?;
    ledger.stop().await?;
    delays.sort();
    Ok(delays)
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

/// The package that does nothing, and counts how often.
#[derive(Default)]
struct Nothing {
    asked: AtomicUsize,
    last: Mutex<Option<Instant>>,
    arrived: Notify,
}

impl Nothing {
    fn last_at(&self) -> Instant {
        self.last.lock().ok().and_then(|last| *last).unwrap_or_else(Instant::now)
    }
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
        if let Ok(mut last) = self.last.lock() {
            *last = Some(Instant::now());
        }
        self.arrived.notify_waiters();
        Outcome::Executed { note: String::new() }
    }
}

/// An addition with eight changes, as an account has.
fn order(index: usize, connection: &str) -> types::Order {
    let text = |text: String| Some(types::Value { kind: Some(types::value::Kind::StringValue(text)) });
    types::Order {
        order_id: Uuid::from_u128(index as u128 + 1).to_string(),
        kind: types::OrderKind::Addition.into(),
        resource_type: "AppAccount".into(),
        connector: "app".into(),
        connection: connection.into(),
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
    prost::Message::encode_to_vec(&order(index, CONNECTION))
}
