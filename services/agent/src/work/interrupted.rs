//! One order's way through the agent, dropped at every point at which it waits: between taking it and the intent, the
//! intent and the write, the write and the journal, the journal and the report, the report and its acknowledgement. Then
//! the agent starts again, with nothing but its journal, and the order comes again if its report did not arrive.
//!
//! The rules that must hold: one effect; what was acknowledged was really done, and is told as Executed; nothing stays
//! behind in the journal.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::execute::execute;
use super::pull::{Arrived, arrive, intended};
use super::report::{Reported, report};
use crate::acknowledged::Acknowledged;
use crate::agent::{Agent, Seen};
use crate::connections::{Connection, Connections};
use crate::flight::Flight;
use crate::journal::Journal;
use crate::package::{Abilities, Entity, Outcome, Package, RowSender};
use crate::slots::Capacity;
use async_trait::async_trait;
use provost_contract::fulfillment::v1 as wire;
use provost_contract::fulfillment::v1::dispatch_service_client::DispatchServiceClient;
use provost_contract::fulfillment::v1::dispatch_service_server::{DispatchService, DispatchServiceServer};
use provost_contract::generator::v1::synchronization_service_client::SynchronizationServiceClient;
use provost_contract::types::v1 as types;
use provost_domain::{Failure, Order, Timestamp};
use provost_service_kit::{ManualClock, Replicas, Server};
use provost_testkit::{cut_off, eventually};
use std::future::pending;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};

const CONNECTION: &str = "app";

/// A managed system that says how often it was written, and waits before and after.
#[derive(Default)]
struct System {
    written: Mutex<usize>,
}

impl System {
    fn written(&self) -> usize {
        *self.written.lock().unwrap()
    }
}

#[async_trait]
impl Package for System {
    fn abilities(&self) -> Abilities {
        Abilities { export: false, fulfill: true }
    }

    async fn check(&self) -> Result<String, Failure> {
        Ok("here".into())
    }

    async fn export(&self, _: &Entity, _: &RowSender) -> Result<(), Failure> {
        Ok(())
    }

    async fn fulfill(&self, _: &Order) -> Outcome {
        tokio::task::yield_now().await;
        *self.written.lock().unwrap() += 1;
        tokio::task::yield_now().await;
        Outcome::Executed { note: "created".into() }
    }

    async fn fulfill_again(&self, order: &Order) -> Outcome {
        tokio::task::yield_now().await;
        if self.written() > 0 {
            return Outcome::Executed { note: "already so".into() };
        }
        self.fulfill(order).await
    }
}

/// What the ledger was told, and whether it is silent: notes what it is told, and never answers.
#[derive(Clone, Default)]
struct Ledger {
    told: Arc<Mutex<Vec<wire::Feedback>>>,
    is_silent: Arc<AtomicBool>,
    noted: Arc<Notify>,
}

impl Ledger {
    fn told(&self) -> Vec<wire::Feedback> {
        self.told.lock().unwrap().clone()
    }
}

#[tonic::async_trait]
impl DispatchService for Ledger {
    async fn pull_orders(
        &self,
        _: Request<wire::PullOrdersRequest>,
    ) -> Result<Response<wire::PullOrdersResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn renew_leases(
        &self,
        _: Request<wire::RenewLeasesRequest>,
    ) -> Result<Response<wire::RenewLeasesResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn report_feedback(
        &self,
        request: Request<wire::ReportFeedbackRequest>,
    ) -> Result<Response<wire::ReportFeedbackResponse>, Status> {
        let feedback = request.into_inner().feedback;
        let result =
            |item: &wire::Feedback| types::ItemResult { order_id: item.order_id.clone(), ..Default::default() };
        let results = feedback.iter().map(result).collect();
        self.told.lock().unwrap().extend(feedback);
        self.noted.notify_one();
        if self.is_silent.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
        Ok(Response::new(wire::ReportFeedbackResponse { results }))
    }

    async fn return_orders(
        &self,
        _: Request<wire::ReturnOrdersRequest>,
    ) -> Result<Response<wire::ReturnOrdersResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn list_agents(
        &self,
        _: Request<wire::ListAgentsRequest>,
    ) -> Result<Response<wire::ListAgentsResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}

/// An agent that starts on a journal.
async fn start(journal: &Path, system: &Arc<System>, fulfillment: &Replicas) -> Agent {
    // The one before may still be letting go of the file, as a process that ends does.
    let now = Timestamp::from_millis(1_000);
    let opened = async || Journal::open(journal, now).await;
    let journal = eventually("the journal to be free", Duration::from_secs(20), opened).await;
    journal.take_interrupted().await.unwrap();
    let package = Arc::clone(system) as Arc<dyn Package>;
    let mut connections = Connections::default();
    connections.add(Connection { name: CONNECTION.into(), package_name: "system", concurrency: 2, package });
    Agent {
        id: "agent-1".into(),
        capacities: [(CONNECTION.into(), Arc::new(Capacity::new(2)))].into(),
        connections,
        journal,
        acknowledged: Acknowledged::default(),
        flight: Flight::default(),
        executions: TaskTracker::new(),
        results: Notify::new(),
        started_at: now,
        clock: Arc::new(ManualClock::at(now)),
        dispatch: DispatchServiceClient::new(fulfillment.clone()),
        fulfillment_seen: Seen::default(),
        synchronization: SynchronizationServiceClient::new(fulfillment.clone()),
        generator_seen: Seen::default(),
    }
}

fn leased(attempt: i32) -> wire::LeasedOrder {
    let order = types::Order {
        order_id: uuid::Uuid::from_u128(7).to_string(),
        kind: types::OrderKind::Addition.into(),
        resource_type: "AppAccount".into(),
        connector: "app".into(),
        connection: CONNECTION.into(),
        entity_type: "Account".into(),
        owner: Some(types::Owner { entity_type: "Person".into(), key: "E1".into(), display_name: "Ada".into() }),
        target_key: "ada".into(),
        changes: vec![types::Change {
            property: "title".into(),
            operation: types::ChangeOperation::Set.into(),
            proposed: Some(types::Value { kind: Some(types::value::Kind::StringValue("Analyst".into())) }),
            ..Default::default()
        }],
        generation_run: "run-1".into(),
        generated_at: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
        ..Default::default()
    };
    let lease_expires_at = Some(prost_types::Timestamp { seconds: 3_600, nanos: 0 });
    wire::LeasedOrder { order: Some(order), attempt, lease_expires_at, lane_written: false }
}

/// Takes the order, writes it, and reports, as the loops do.
async fn life(agent: &Agent, attempt: i32) {
    let connection = agent.connections.get(CONNECTION).unwrap().clone();
    let capacity = Arc::clone(agent.capacities.get(CONNECTION).unwrap());
    let arrived = arrive(agent, &connection, leased(attempt), None).into_iter().collect();
    for Arrived { execution, task } in intended(agent, arrived, Instant::now()).await {
        execute(agent, (CONNECTION, connection.package.as_ref(), &capacity), execution, task).await;
    }
    finish(agent).await;
}

/// Reports what there is.
async fn finish(agent: &Agent) {
    while matches!(report(agent).await.unwrap(), Reported::All) {}
}

/// How far the order had come when the agent died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Died {
    Unwritten,
    Unreported,
    Unacknowledged,
    /// It did not: the order was through.
    Never,
}

/// Lets an agent live until `end` ends its life, starts it again on its journal, and checks the rules.
async fn dies<'a, D, R>(file: &'a Path, fulfillment: &'a Replicas, ledger: &'a Ledger, end: D) -> Died
where
    D: FnOnce(Agent) -> R,
    R: Future<Output = bool>,
{
    let system = Arc::new(System::default());
    ledger.told.lock().unwrap().clear();
    let is_done = end(start(file, &system, fulfillment).await).await;
    let (written, told) = (system.written(), ledger.told());
    assert!(told.is_empty() || written == 1, "{file:?}: told of what was not written");
    let died = match (written, told.is_empty()) {
        _ if is_done => Died::Never,
        (0, _) => Died::Unwritten,
        (_, true) => Died::Unreported,
        (_, false) => Died::Unacknowledged,
    };

    // It starts again, reports what it has, and gets the order again if the ledger does not know better.
    ledger.is_silent.store(false, Ordering::SeqCst);
    let second = start(file, &system, fulfillment).await;
    finish(&second).await;
    if ledger.told().is_empty() {
        life(&second, 2).await;
    }
    let told = ledger.told();
    let is_executed = |item: &wire::Feedback| matches!(item.outcome, Some(wire::feedback::Outcome::Executed(_)));
    assert!(!told.is_empty() && told.iter().all(is_executed), "{file:?}: {told:?}");
    assert_eq!(system.written(), 1, "{file:?}: written not once");
    assert_eq!(second.journal.unreported_count().await.unwrap(), 0, "{file:?}: something stays behind");
    assert!(second.journal.take_interrupted().await.unwrap().is_empty(), "{file:?}: an intent stays behind");
    died
}

#[tokio::test(flavor = "multi_thread")]
async fn one_effect_and_nothing_acknowledged_is_lost_wherever_the_agent_dies() {
    let (folder, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let ledger = Ledger::default();
    let mut server = Server::default();
    server.add(DispatchServiceServer::new(ledger.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(server.run(listener, stop.clone()));
    let fulfillment = Replicas::at(&address.as_str().into()).unwrap();

    let mut deaths = Vec::new();
    for polls in 1.. {
        let file = folder.path().join(format!("{polls}.db"));
        let end = async |agent: Agent| cut_off(polls, life(&agent, 1)).await.is_some();
        match dies(&file, &fulfillment, &ledger, end).await {
            Died::Never => break,
            died => deaths.push(died),
        }
    }
    // It was cut off in each part of the way. Whether the ledger heard of a report that was cut off is a matter of
    // luck, so that it hears and its answer does not arrive is tried on purpose.
    let count = |wanted| deaths.iter().filter(|died| **died == wanted).count();
    assert!(count(Died::Unwritten) >= 2, "{deaths:?}");
    assert!(count(Died::Unreported) + count(Died::Unacknowledged) >= 2, "{deaths:?}");

    ledger.is_silent.store(true, Ordering::SeqCst);
    let was_told = async || {
        while ledger.told().is_empty() {
            ledger.noted.notified().await;
        }
    };
    let end = async |agent: Agent| {
        tokio::select! {
            () = life(&agent, 1) => true,
            () = was_told() => false,
        }
    };
    let died = dies(&folder.path().join("silent.db"), &fulfillment, &ledger, end).await;
    assert_eq!(died, Died::Unacknowledged);
    stop.cancel();
    serving.await.unwrap().unwrap();
}
