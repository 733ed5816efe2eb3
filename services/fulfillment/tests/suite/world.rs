//! One fulfillment service in process, its clients, a clock that stands still, and a review service
//! that does what the test says.

use crate::fake_review::FakeReview;
use provost_contract::fulfillment::v1 as api;
use provost_contract::fulfillment::v1::connection_service_client::ConnectionServiceClient;
use provost_contract::fulfillment::v1::dispatch_service_client::DispatchServiceClient;
use provost_contract::fulfillment::v1::manual_provisioning_service_client::ManualProvisioningServiceClient;
use provost_contract::fulfillment::v1::order_service_client::OrderServiceClient;
use provost_contract::types::v1::{self as types, ItemResult, OrderEvent, OrderRecord, ProvisioningState};
use provost_domain::Timestamp;
use provost_fulfillment::{Config, assemble};
use provost_service_kit::caller::request_as;
use provost_service_kit::{Clock, ManualClock, Runtime, Server, channel};
use provost_testkit::engines;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

/// When the test clock starts.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// The connection that test orders name.
pub(crate) const CONNECTION: &str = "app-sql";

/// A running service.
struct Running {
    stop: CancellationToken,
    ended: JoinHandle<anyhow::Result<()>>,
    channel: Channel,
}

/// What a test works with.
pub(crate) struct World {
    pub(crate) engine: &'static str,
    pub(crate) clock: ManualClock,
    pub(crate) review: FakeReview,
    url: String,
    running: Running,
}

/// Runs a test once per database engine, each on a fresh database.
pub(crate) async fn on_each_engine(test: impl AsyncFn(&mut World)) {
    for engine in engines().await {
        let mut world = World::start(engine.name, engine.url.clone()).await;
        test(&mut world).await;
        world.stop().await;
    }
}

async fn serve(url: &str, clock: &ManualClock, review: &FakeReview) -> Running {
    let stop = CancellationToken::new();
    let runtime = Runtime { clock: Arc::new(clock.clone()), stop: stop.clone(), ..Runtime::default() };
    let config = Config {
        database_url: url.to_owned().into(),
        review: review.address().into(),
        lease_seconds: 60,
        ..Config::default()
    };
    let server = assemble(config, runtime, Server::default()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let ended = tokio::spawn(server.run(listener, stop.clone()));
    Running { stop, ended, channel: channel::to(&address).unwrap() }
}

impl World {
    async fn start(engine: &'static str, url: String) -> Self {
        let clock = ManualClock::at(START);
        let review = FakeReview::start().await;
        let running = serve(&url, &clock, &review).await;
        Self { engine, clock, review, url, running }
    }

    async fn stop(self) {
        self.running.stop.cancel();
        drop(self.running.channel);
        self.running.ended.await.unwrap().unwrap();
    }

    /// Ends the service and starts it again on the same database.
    pub(crate) async fn restart(&mut self) {
        let fresh = serve(&self.url, &self.clock, &self.review).await;
        let old = std::mem::replace(&mut self.running, fresh);
        old.stop.cancel();
        drop(old.channel);
        old.ended.await.unwrap().unwrap();
    }

    /// A second replica on the same database: its clients.
    pub(crate) async fn replica(&self) -> DispatchServiceClient<Channel> {
        let running = serve(&self.url, &self.clock, &self.review).await;
        DispatchServiceClient::new(running.channel)
    }

    /// A replica whose clock runs ahead by so many seconds, and stands still.
    pub(crate) async fn replica_ahead(&self, seconds: u64) -> DispatchServiceClient<Channel> {
        let clock = ManualClock::at(self.clock.now().plus(Duration::from_secs(seconds)));
        DispatchServiceClient::new(serve(&self.url, &clock, &self.review).await.channel)
    }

    pub(crate) fn orders(&self) -> OrderServiceClient<Channel> {
        OrderServiceClient::new(self.running.channel.clone())
    }

    pub(crate) fn dispatch(&self) -> DispatchServiceClient<Channel> {
        DispatchServiceClient::new(self.running.channel.clone())
    }

    pub(crate) fn connections(&self) -> ConnectionServiceClient<Channel> {
        ConnectionServiceClient::new(self.running.channel.clone())
    }

    pub(crate) fn manual(&self) -> ManualProvisioningServiceClient<Channel> {
        ManualProvisioningServiceClient::new(self.running.channel.clone())
    }

    /// What the clock says.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Moves the clock on.
    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) async fn submit(&self, orders: Vec<types::Order>) -> api::SubmitOrdersResponse {
        let messages = tokio_stream::iter(vec![api::SubmitOrdersRequest { orders }]);
        self.orders().submit_orders(request_as("order-generator", messages)).await.unwrap().into_inner()
    }

    pub(crate) async fn pull_as(&self, agent: &str, max_orders: i32) -> Vec<api::LeasedOrder> {
        pull(&mut self.dispatch(), agent, max_orders, 0).await
    }

    pub(crate) async fn pull(&self) -> Vec<api::LeasedOrder> {
        self.pull_as("agent-1", 100).await
    }

    pub(crate) async fn report(&self, feedback: Vec<api::Feedback>) -> Vec<ItemResult> {
        let request = api::ReportFeedbackRequest { agent_id: "agent-1".into(), feedback };
        self.dispatch().report_feedback(request).await.unwrap().into_inner().results
    }

    pub(crate) async fn get(&self, id: &str) -> (OrderRecord, Vec<types::HistoryEntry>) {
        let request = api::GetOrderRequest { order_id: id.into() };
        let answer = self.orders().get_order(request).await.unwrap().into_inner();
        (answer.record.unwrap(), answer.history)
    }

    pub(crate) async fn state(&self, id: &str) -> ProvisioningState {
        self.get(id).await.0.state()
    }

    /// The events of an order's history.
    pub(crate) async fn events(&self, id: &str) -> Vec<OrderEvent> {
        self.get(id).await.1.iter().map(types::HistoryEntry::event).collect()
    }

    /// A person gives orders up.
    pub(crate) async fn cancel(&self, ids: &[&str]) -> Vec<ItemResult> {
        self.end("ada", ids, false).await
    }

    /// The order generator evaluated again what orders stand for.
    pub(crate) async fn reevaluate(&self, ids: &[&str]) -> Vec<ItemResult> {
        self.end("order-generator", ids, true).await
    }

    async fn end(&self, actor: &str, ids: &[&str], reevaluated: bool) -> Vec<ItemResult> {
        let order_ids = ids.iter().map(ToString::to_string).collect();
        let request = api::CancelOrdersRequest { order_ids, reason: "not needed".into(), reevaluated };
        self.orders().cancel_orders(request_as(actor, request)).await.unwrap().into_inner().results
    }

    pub(crate) async fn unblock(&self, ids: &[&str]) -> Vec<ItemResult> {
        let order_ids = ids.iter().map(ToString::to_string).collect();
        let request = api::UnblockOrdersRequest { order_ids, comment: "mended".into() };
        self.orders().unblock_orders(request_as("ada", request)).await.unwrap().into_inner().results
    }

    pub(crate) async fn verify(&self, id: &str, export_started_at: Timestamp) -> ItemResult {
        let verification = api::Verification {
            order_id: id.into(),
            export_started_at: Some(provost_contract::to_wire::timestamp(export_started_at)),
            synchronization_id: "sync-1".into(),
            unsynchronized: false,
        };
        let request = api::VerifyOrdersRequest { verifications: vec![verification] };
        let mut results = self.orders().verify_orders(request).await.unwrap().into_inner().results;
        results.remove(0)
    }

    pub(crate) async fn list(&self, filter: api::OrderFilter) -> Vec<OrderRecord> {
        let request = api::ListOrdersRequest { filter: Some(filter), ..Default::default() };
        self.orders().list_orders(request).await.unwrap().into_inner().orders
    }
}

pub(crate) async fn pull(
    dispatch: &mut DispatchServiceClient<Channel>,
    agent: &str,
    max_orders: i32,
    wait_seconds: i64,
) -> Vec<api::LeasedOrder> {
    let request = api::PullOrdersRequest {
        agent_id: agent.into(),
        connections: vec![CONNECTION.into()],
        max_orders,
        wait: Some(prost_types::Duration { seconds: wait_seconds, nanos: 0 }),
        agent_version: "1".into(),
        urgent_only: false,
    };
    dispatch.pull_orders(request).await.unwrap().into_inner().orders
}

/// The order ids of leased orders.
pub(crate) fn ids(leased: &[api::LeasedOrder]) -> Vec<String> {
    leased.iter().map(|leased| leased.order.as_ref().unwrap().order_id.clone()).collect()
}

pub(crate) fn new_id() -> String {
    provost_service_kit::new_id().to_string()
}

/// An order that adds an account named `key`, with `title`.
pub(crate) fn order(key: &str, title: &str) -> types::Order {
    let text = |text: &str| types::Value { kind: Some(types::value::Kind::StringValue(text.into())) };
    let change = |property: &str, value: &str| types::Change {
        property: property.into(),
        operation: types::ChangeOperation::Set.into(),
        proposed: Some(text(value)),
        ..Default::default()
    };
    types::Order {
        order_id: new_id(),
        kind: types::OrderKind::Addition.into(),
        resource_type: "AppAccount".into(),
        connector: "app".into(),
        connection: CONNECTION.into(),
        entity_type: "Account".into(),
        owner: Some(types::Owner {
            entity_type: "Person".into(),
            key: format!("p-{key}"),
            display_name: "Ada Byron".into(),
        }),
        target_key: key.into(),
        changes: vec![change("login", key), change("title", title)],
        generation_run: "run-1".into(),
        generated_at: Some(provost_contract::to_wire::timestamp(START)),
        ..Default::default()
    }
}

/// An order that must be reviewed.
pub(crate) fn reviewed(key: &str, title: &str) -> types::Order {
    types::Order { block_causes: vec![types::BlockCause::ResourceType.into()], ..order(key, title) }
}

fn feedback(id: &str, attempt: i32, outcome: api::feedback::Outcome) -> api::Feedback {
    api::Feedback { order_id: id.into(), attempt, outcome: Some(outcome), at: None }
}

pub(crate) fn executed(id: &str, attempt: i32) -> api::Feedback {
    feedback(id, attempt, api::feedback::Outcome::Executed(api::Executed { note: String::new() }))
}

pub(crate) fn failed(id: &str, attempt: i32, class: types::FailureClass) -> api::Feedback {
    let failure =
        types::Failure { failure_class: class.into(), code: "E1".into(), message: "no".into(), ..Default::default() };
    feedback(id, attempt, api::feedback::Outcome::Failed(failure))
}

pub(crate) fn handed_over(id: &str, attempt: i32) -> api::Feedback {
    feedback(id, attempt, api::feedback::Outcome::HandedOver(api::HandedOver { ticket: "T-1".into() }))
}

/// The gRPC code of an item's error.
pub(crate) fn code(result: &ItemResult) -> tonic::Code {
    result.error.as_ref().map_or(tonic::Code::Ok, |error| tonic::Code::from(error.code))
}
