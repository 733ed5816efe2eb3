//! A whole order generator in this process, over real gRPC, with a fake ledger and a fake review behind it and
//! a fake agent before it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test equipment; each test file uses a part of it"
)]
#![allow(unreachable_pub, reason = "shared by test files, each a crate of its own")]

pub mod ledger;
pub mod organisation;
pub mod random;
pub mod review;
pub mod side;

use futures::stream;
use ledger::Ledger;
use provost_contract::generator::v1::assignment_service_client::AssignmentServiceClient;
use provost_contract::generator::v1::catalog_service_client::CatalogServiceClient;
use provost_contract::generator::v1::explain_service_client::ExplainServiceClient;
use provost_contract::generator::v1::job_service_client::JobServiceClient;
use provost_contract::generator::v1::order_generator_service_client::OrderGeneratorServiceClient;
use provost_contract::generator::v1::reconciliation_service_client::ReconciliationServiceClient;
use provost_contract::generator::v1::repository_service_client::RepositoryServiceClient;
use provost_contract::generator::v1::synchronization_service_client::SynchronizationServiceClient;
use provost_contract::generator::v1::upload_export_request::Part;
use provost_contract::generator::v1::*;
use provost_contract::to_wire;
use provost_contract::types::v1::Value as WireValue;
use provost_domain::{Timestamp, Value};
use provost_order_generator::{Config, assemble};
use provost_service_kit::{Clock, Runtime, Server};
use review::Reviews;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::Channel;

/// A clock that moves a millisecond whenever it is read, and by hand.
#[derive(Clone)]
pub struct TestClock {
    millis: Arc<AtomicI64>,
    /// How far it moves when it is read.
    step: Arc<AtomicI64>,
}

impl TestClock {
    pub fn new() -> Self {
        let millis = Timestamp::parse("2026-03-01").unwrap().millis();
        Self { millis: Arc::new(AtomicI64::new(millis)), step: Arc::new(AtomicI64::new(1)) }
    }

    pub fn advance(&self, by: Duration) {
        self.millis.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }

    /// From now on it moves by hand alone, so that two who live through the same read the same.
    pub fn stop_at(&self, at: Timestamp) {
        self.step.store(0, Ordering::SeqCst);
        self.millis.store(at.millis(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis.fetch_add(self.step.load(Ordering::SeqCst), Ordering::SeqCst))
    }
}

pub async fn free_port_listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// One order generator, its ledger, and a way to call it.
pub struct Suite {
    pub clock: TestClock,
    pub ledger: Ledger,
    pub reviews: Reviews,
    config: Config,
    stop: CancellationToken,
    serving: JoinHandle<anyhow::Result<()>>,
    pub channel: Channel,
}

impl Suite {
    pub async fn start(database_url: &str) -> Self {
        Self::start_with(database_url, |_| {}).await
    }

    pub async fn start_with(database_url: &str, change: impl FnOnce(&mut Config)) -> Self {
        let clock = TestClock::new();
        let ledger = Ledger::start(Arc::new(clock.clone())).await;
        let reviews = Reviews::start().await;
        let mut config = Config {
            database_url: database_url.into(),
            fulfillment: format!("http://{}", ledger.address).into(),
            review: format!("http://{}", reviews.address).into(),
            fulfill_wait_seconds: 60,
            export_wait_seconds: 120,
            due_seconds: 0,
            ..Config::default()
        };
        change(&mut config);
        let (stop, serving, channel) = serve(&config, &clock).await;
        Self { clock, ledger, reviews, config, stop, serving, channel }
    }

    /// Ends the service without a word, as `kill -9` does, and starts it again on the same database.
    pub async fn kill_and_restart(&mut self) {
        self.serving.abort();
        // Whatever it had spawned ends with its stop signal; nothing of it is awaited.
        self.stop.cancel();
        let (stop, serving, channel) = serve(&self.config, &self.clock).await;
        (self.stop, self.serving, self.channel) = (stop, serving, channel);
    }

    pub fn catalog(&self) -> CatalogServiceClient<Channel> {
        CatalogServiceClient::new(self.channel.clone())
    }

    pub fn repository(&self) -> RepositoryServiceClient<Channel> {
        RepositoryServiceClient::new(self.channel.clone())
    }

    pub fn synchronization(&self) -> SynchronizationServiceClient<Channel> {
        SynchronizationServiceClient::new(self.channel.clone())
    }

    pub fn jobs(&self) -> JobServiceClient<Channel> {
        JobServiceClient::new(self.channel.clone())
    }

    pub fn generator(&self) -> OrderGeneratorServiceClient<Channel> {
        OrderGeneratorServiceClient::new(self.channel.clone())
    }

    pub fn assignments(&self) -> AssignmentServiceClient<Channel> {
        AssignmentServiceClient::new(self.channel.clone())
    }

    pub fn reconciliation(&self) -> ReconciliationServiceClient<Channel> {
        ReconciliationServiceClient::new(self.channel.clone())
    }

    pub fn explain(&self) -> ExplainServiceClient<Channel> {
        ExplainServiceClient::new(self.channel.clone())
    }

    pub async fn apply(&self, catalog: &str) -> ApplyCatalogResponse {
        let files = vec![CatalogFile { name: "catalog.yaml".into(), content: catalog.into() }];
        let request = ApplyCatalogRequest { files, validate_only: false };
        let response = self.catalog().apply_catalog(request).await.unwrap().into_inner();
        assert!(response.applied, "{:#?}", response.problems);
        response
    }

    pub async fn run(&self, job: &str) -> JobRun {
        let request = RunJobRequest { job: job.into(), ..Default::default() };
        self.jobs().run_job(request).await.unwrap().into_inner()
    }

    /// Watches a run until it is over; the last that was shown.
    pub async fn watch(&self, run_id: &str) -> JobRun {
        let request = WatchJobRunRequest { run_id: run_id.to_owned() };
        let watched = async {
            let mut stream = self.jobs().watch_job_run(request).await.unwrap().into_inner();
            let mut last = None;
            while let Some(run) = stream.message().await.unwrap() {
                last = Some(run);
            }
            last.unwrap()
        };
        tokio::time::timeout(Duration::from_secs(60), watched).await.expect("the run ends in time")
    }

    pub async fn resource(&self, entity_type: &str, key: &str) -> Result<Resource, Status> {
        let request = GetResourceRequest { entity_type: entity_type.into(), key: key.into() };
        self.repository().get_resource(request).await.map(tonic::Response::into_inner)
    }

    pub async fn keys(&self, entity_type: &str) -> Vec<String> {
        let request = ListResourcesRequest { entity_type: entity_type.into(), page_size: 1_000, ..Default::default() };
        let page = self.repository().list_resources(request).await.unwrap().into_inner();
        page.resources.into_iter().map(|resource| resource.key).collect()
    }

    /// Everything that one owner has.
    pub async fn permissions(&self, owner_key: &str) -> ListAssignmentsResponse {
        let request = ListAssignmentsRequest { owner_entity_type: String::new(), owner_key: owner_key.into() };
        self.assignments().list_assignments(request).await.unwrap().into_inner()
    }

    pub async fn compute(&self) -> ComputeRoleModelResponse {
        self.generator().compute_role_model(ComputeRoleModelRequest::default()).await.unwrap().into_inner()
    }

    /// Plans by the current catalog.
    pub async fn plan(&self) -> Planned {
        self.plan_by(PlanOrdersRequest::default()).await.unwrap()
    }

    pub async fn plan_by(&self, request: PlanOrdersRequest) -> Result<Planned, Status> {
        let mut parts = self.generator().plan_orders(request).await?.into_inner();
        let mut planned = Planned::default();
        while let Some(response) = parts.message().await? {
            match response.part.unwrap() {
                plan_orders_response::Part::Head(head) => planned.head = head,
                plan_orders_response::Part::Orders(some) => planned.orders.extend(some.orders),
                plan_orders_response::Part::Assignments(some) => planned.changes.extend(some.changes),
                plan_orders_response::Part::Summary(summary) => planned.summary = summary,
            }
        }
        Ok(planned)
    }

    /// Applies a plan, whole.
    pub async fn apply_plan(&self, planned: &Planned) -> Result<ApplyPlanResponse, Status> {
        self.apply_part(planned, PlanSelection::default(), false).await
    }

    pub async fn apply_part(
        &self,
        planned: &Planned,
        only: PlanSelection,
        force_thresholds: bool,
    ) -> Result<ApplyPlanResponse, Status> {
        let head = ApplyPlanHead {
            plan: Some(planned.head.clone()),
            orders: planned.orders.len() as i64,
            only: Some(only),
            force_thresholds,
        };
        let marks = PlanMarks { marks: planned.orders.iter().map(mark).collect() };
        let parts = [apply_plan_request::Part::Head(head), apply_plan_request::Part::Marks(marks)];
        let parts = parts.map(|part| ApplyPlanRequest { part: Some(part) });
        Ok(self.generator().apply_plan(stream::iter(parts)).await?.into_inner())
    }

    pub async fn held(&self, run: &str) -> Result<ListHeldOrdersResponse, Status> {
        let request = ListHeldOrdersRequest { generation_run: run.into(), ..Default::default() };
        Ok(self.generator().list_held_orders(request).await?.into_inner())
    }

    pub async fn generate(&self) -> GenerateOrdersResponse {
        self.generator().generate_orders(GenerateOrdersRequest::default()).await.unwrap().into_inner()
    }

    /// Reads everything of the world into the repository, by the job "synchronize".
    pub async fn synchronize(&self, world: &World) -> JobRun {
        let run = self.run("synchronize").await;
        let agent = Agent::start(self, world);
        let run = self.watch(&run.run_id).await;
        drop(agent);
        run
    }
}

/// A plan, as it was streamed.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    pub head: PlanHead,
    pub orders: Vec<PlannedOrder>,
    pub changes: Vec<AssignmentChange>,
    pub summary: PlanSummary,
}

impl Planned {
    /// What it would do, a line each: sign, resource type, key.
    pub fn lines(&self) -> Vec<String> {
        lines(&self.orders)
    }
}

/// What planned or held orders would do, a line each.
pub fn lines(orders: &[PlannedOrder]) -> Vec<String> {
    let line = |planned: &PlannedOrder| {
        let order = planned.order.as_ref().unwrap();
        let sign = match planned.action() {
            PlannedAction::Add => '+',
            PlannedAction::Associate => '=',
            PlannedAction::Change => '~',
            PlannedAction::Delete => '-',
            PlannedAction::Cancel => 'x',
            PlannedAction::Fail => '!',
            PlannedAction::Expire => 'o',
            PlannedAction::Unspecified => '?',
        };
        format!("{sign} {} {}", order.resource_type, order.target_key)
    };
    orders.iter().map(line).collect()
}

/// What a planned order is known by.
pub fn mark(planned: &PlannedOrder) -> PlanMark {
    let order = planned.order.clone().unwrap();
    let owner = order.owner.unwrap();
    PlanMark {
        action: planned.action,
        resource_type: order.resource_type,
        owner_entity_type: owner.entity_type,
        owner_key: owner.key,
        target_key: order.target_key,
        order_id: order.order_id,
        fingerprint: planned.fingerprint.clone(),
    }
}

impl Drop for Suite {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(config: &Config, clock: &TestClock) -> (CancellationToken, JoinHandle<anyhow::Result<()>>, Channel) {
    let stop = CancellationToken::new();
    let runtime = Runtime { clock: Arc::new(clock.clone()), stop: stop.clone(), ..Runtime::default() };
    let server = assemble(config.clone(), runtime, Server::default()).await.unwrap();
    let (listener, address) = free_port_listener().await;
    let serving = tokio::spawn(server.run(listener, stop.clone()));
    let channel = provost_service_kit::channel::to(&format!("http://{address}")).unwrap();
    (stop, serving, channel)
}

/// The managed systems: entity type → key → properties.
#[derive(Clone, Default)]
pub struct World(pub Arc<Mutex<BTreeMap<String, BTreeMap<String, Row>>>>);

pub type Row = BTreeMap<String, Value>;

impl World {
    pub fn put(&self, entity_type: &str, key: &str, properties: &[(&str, Value)]) {
        let row = properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        self.0.lock().unwrap().entry(entity_type.to_owned()).or_default().insert(key.to_owned(), row);
    }

    pub fn set(&self, entity_type: &str, key: &str, property: &str, value: impl Into<Value>) {
        let mut world = self.0.lock().unwrap();
        world.get_mut(entity_type).unwrap().get_mut(key).unwrap().insert(property.to_owned(), value.into());
    }

    pub fn remove(&self, entity_type: &str, key: &str) {
        self.0.lock().unwrap().get_mut(entity_type).unwrap().remove(key);
    }

    pub fn get(&self, entity_type: &str, key: &str) -> Option<Row> {
        self.0.lock().unwrap().get(entity_type)?.get(key).cloned()
    }

    pub fn clear(&self, entity_type: &str) {
        self.0.lock().unwrap().insert(entity_type.to_owned(), BTreeMap::new());
    }

    /// Writes an order as an agent would.
    pub fn write(&self, order: &provost_domain::Order) {
        use provost_domain::{ChangeOperation, OrderKind};
        let mut world = self.0.lock().unwrap();
        let rows = world.entry(order.entity_type.clone()).or_default();
        if order.kind == OrderKind::Deletion {
            rows.remove(&order.target_key);
            return;
        }
        let row = rows.entry(order.target_key.clone()).or_default();
        for change in order.changes.iter().filter(|change| !change.write_only) {
            let mut items: Vec<Value> =
                row.get(&change.property).map(|value| value.items().to_vec()).unwrap_or_default();
            let proposed = change.proposed.as_ref().map(|value| value.items().to_vec()).unwrap_or_default();
            match change.operation {
                ChangeOperation::Set => match &change.proposed {
                    Some(value) => {
                        row.insert(change.property.clone(), value.clone());
                    }
                    None => {
                        row.remove(&change.property);
                    }
                },
                ChangeOperation::Add => {
                    items.extend(proposed);
                    row.insert(change.property.clone(), Value::List(items).canonical());
                }
                ChangeOperation::Remove => {
                    items.retain(|item| !proposed.contains(item));
                    row.insert(change.property.clone(), Value::List(items));
                }
            }
        }
    }

    /// The parts of an honest upload of a task.
    pub fn upload(&self, task: &ExportTask, agent_id: &str, at: Timestamp) -> Vec<UploadExportRequest> {
        let world = self.0.lock().unwrap();
        let mut parts = vec![header(&task.task_id, agent_id, at)];
        let mut counts = Vec::new();
        for entity in &task.entity_types {
            let rows = world.get(&entity.entity_type).cloned().unwrap_or_default();
            let names: Vec<&str> = entity.properties.iter().map(|property| property.name.as_str()).collect();
            counts.push((entity.entity_type.clone(), rows.len() as i64));
            let rows: Vec<Vec<Option<Value>>> =
                rows.values().map(|row| names.iter().map(|name| row.get(*name).cloned()).collect()).collect();
            for chunk in rows.chunks(1_000) {
                parts.push(batch(&entity.entity_type, &names, chunk.to_vec()));
            }
        }
        let counts: Vec<_> = counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        parts.push(end(&counts));
        parts
    }
}

pub fn header(task_id: &str, agent_id: &str, at: Timestamp) -> UploadExportRequest {
    let started_at = Some(to_wire::timestamp(at));
    let header = ExportHeader { task_id: task_id.into(), agent_id: agent_id.into(), started_at };
    UploadExportRequest { part: Some(Part::Header(header)) }
}

pub fn batch(entity_type: &str, properties: &[&str], rows: Vec<Vec<Option<Value>>>) -> UploadExportRequest {
    let value = |value: Option<Value>| value.map_or_else(WireValue::default, |value| to_wire::value(&value));
    let batch = ExportBatch {
        entity_type: entity_type.into(),
        properties: properties.iter().map(|name| (*name).to_owned()).collect(),
        rows: rows.into_iter().map(|row| ExportRow { values: row.into_iter().map(value).collect() }).collect(),
    };
    UploadExportRequest { part: Some(Part::Batch(batch)) }
}

pub fn end(counts: &[(&str, i64)]) -> UploadExportRequest {
    let row_counts = counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    UploadExportRequest { part: Some(Part::End(ExportEnd { row_counts })) }
}

pub fn failure(message: &str) -> UploadExportRequest {
    UploadExportRequest { part: Some(Part::Failure(ExportFailure { message: message.into() })) }
}

impl Suite {
    pub async fn upload(&self, parts: Vec<UploadExportRequest>) -> Result<Synchronization, Status> {
        let response = self.synchronization().upload_export(stream::iter(parts)).await?;
        Ok(response.into_inner().synchronization.unwrap())
    }

    pub async fn poll(&self, agent_id: &str, connections: &[&str], wait: Duration) -> Vec<ExportTask> {
        let request = PollExportTasksRequest {
            agent_id: agent_id.into(),
            connections: connections.iter().map(|name| (*name).to_owned()).collect(),
            wait: Some(wait.try_into().unwrap()),
        };
        self.synchronization().poll_export_tasks(request).await.unwrap().into_inner().tasks
    }

    pub async fn synchronizations(&self) -> Vec<Synchronization> {
        let request = ListSynchronizationsRequest::default();
        self.synchronization().list_synchronizations(request).await.unwrap().into_inner().synchronizations
    }
}

/// An agent that answers every export from a world, and executes every pending order on it.
pub struct Agent(JoinHandle<()>);

impl Agent {
    /// One that only exports.
    pub fn start(suite: &Suite, world: &World) -> Self {
        Self::with(suite, world, false)
    }

    /// One that also executes.
    pub fn working(suite: &Suite, world: &World) -> Self {
        Self::with(suite, world, true)
    }

    fn with(suite: &Suite, world: &World, works: bool) -> Self {
        let (mut client, world) = (suite.synchronization(), world.clone());
        let (clock, ledger) = (suite.clock.clone(), suite.ledger.clone());
        Self(tokio::spawn(async move {
            loop {
                if works {
                    for order in ledger.execute_pending() {
                        world.write(&order);
                    }
                }
                let request = PollExportTasksRequest {
                    agent_id: "agent-1".into(),
                    connections: ["hr-csv", "app-sql", "vault-sql"].map(str::to_owned).into(),
                    wait: Some(Duration::from_millis(50).try_into().unwrap()),
                };
                let Ok(response) = client.poll_export_tasks(request).await else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                };
                for task in response.into_inner().tasks {
                    let parts = world.upload(&task, "agent-1", clock.now());
                    // What is refused shows in the run.
                    let _ = client.upload_export(stream::iter(parts)).await;
                }
            }
        }))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.0.abort();
    }
}
