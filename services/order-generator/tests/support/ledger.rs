//! A ledger in memory that stands for fulfillment. What it assumes of the real one:
//!
//! - an order starts where `State::initial` says, and moves by `transition` and in no other way;
//! - orders share a lane that have connector, entity type and key in common, whoever's they are; one without a
//!   key is in a lane of its owner's and resource type's own;
//! - an order with the content of the newest in its lane is a duplicate, unless that is verified, or about to
//!   be written without the review that the new one asks for;
//! - a new order supersedes older ones of its lane that the table lets go, and queues behind a review;
//! - an order goes to nobody before what it depends on is written; it is cancelled when that ends
//!   without being replaced, and refused when that is over already;
//! - each event goes to the feed with a growing cursor and the order as it stands then, where a
//!   sensitive change is there without its values; it says how far the feed is;
//! - answers come per item, and everything acknowledged is in the feed soon after.

use super::free_port_listener;
use futures::Stream;
use provost_contract::fulfillment::v1 as wire;
use provost_contract::fulfillment::v1::dispatch_service_server::{DispatchService, DispatchServiceServer};
use provost_contract::fulfillment::v1::order_service_server::{OrderService, OrderServiceServer};
use provost_contract::types::v1::{HistoryEntry, ItemError, ItemResult, OrderEvent, OrderRecord, ProvisioningState};
use provost_contract::{from_wire, to_wire};
use provost_domain::order::state::{Facts, Transition, transition};
use provost_domain::{
    BlockCause, Event, Failure, FailureClass, InactiveReason, Lane, Lease, Order, OrderId, State, Timestamp,
};
use provost_service_kit::Clock;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming};

pub struct Held {
    pub order: Order,
    pub state: State,
    pub attempts: u32,
    pub version: i64,
    pub sequence: i64,
    pub executed_at: Option<Timestamp>,
}

#[derive(Default)]
struct Book {
    orders: Vec<Held>,
    feed: Vec<wire::WatchOrdersResponse>,
    submissions: usize,
    agents: Vec<wire::Agent>,
    /// Resource types whose orders are refused.
    refused: Vec<String>,
}

#[derive(Clone)]
pub struct Ledger {
    book: Arc<Mutex<Book>>,
    bell: Arc<watch::Sender<usize>>,
    clock: Arc<dyn Clock>,
    is_away: Arc<AtomicBool>,
    verifies_nothing: Arc<AtomicBool>,
    is_mute: Arc<AtomicBool>,
    hold: Arc<watch::Sender<bool>>,
    waiting: Arc<watch::Sender<usize>>,
    pub address: SocketAddr,
}

impl Ledger {
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let (listener, address) = free_port_listener().await;
        let ledger = Self {
            book: Arc::default(),
            bell: Arc::new(watch::Sender::new(0)),
            clock,
            is_away: Arc::default(),
            verifies_nothing: Arc::default(),
            is_mute: Arc::default(),
            hold: Arc::new(watch::Sender::new(false)),
            waiting: Arc::new(watch::Sender::new(0)),
            address,
        };
        let serving = tonic::transport::Server::builder()
            .add_service(OrderServiceServer::new(ledger.clone()))
            .add_service(DispatchServiceServer::new(ledger.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(serving);
        ledger
    }

    /// From now on everything but the feed answers UNAVAILABLE, or does so no longer.
    pub fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    /// From now on verifications are answered UNAVAILABLE, or are so no longer.
    pub fn set_verifies_nothing(&self, verifies_nothing: bool) {
        self.verifies_nothing.store(verifies_nothing, Ordering::SeqCst);
    }

    /// From now on the feed tells nothing, or does so again.
    pub fn set_mute(&self, is_mute: bool) {
        self.is_mute.store(is_mute, Ordering::SeqCst);
        self.bell.send_modify(|rings| *rings += 1);
    }

    /// From now on the orders of these resource types are refused.
    pub fn refuse(&self, resource_types: &[&str]) {
        self.book.lock().unwrap().refused = resource_types.iter().map(|name| (*name).to_owned()).collect();
    }

    /// From now on every call waits, until [`Self::release`].
    pub fn hold(&self) {
        self.hold.send_replace(true);
    }

    pub fn release(&self) {
        self.hold.send_replace(false);
    }

    /// Waits until a call waits.
    pub async fn wait_for_a_caller(&self) {
        self.waiting.subscribe().wait_for(|waiting| *waiting > 0).await.unwrap();
    }

    async fn present(&self) -> Result<(), Status> {
        if *self.hold.borrow() {
            self.waiting.send_modify(|waiting| *waiting += 1);
            self.hold.subscribe().wait_for(|hold| !hold).await.unwrap();
            self.waiting.send_modify(|waiting| *waiting -= 1);
        }
        if self.is_away.load(Ordering::SeqCst) { Err(Status::unavailable("away")) } else { Ok(()) }
    }

    /// How many submissions came.
    pub fn submissions(&self) -> usize {
        self.book.lock().unwrap().submissions
    }

    /// An agent that is always there.
    pub fn set_agent(&self, agent_id: &str, connections: &[&str], in_flight: i64) {
        self.book.lock().unwrap().agents = vec![wire::Agent {
            agent_id: agent_id.into(),
            agent_version: "test".into(),
            connections: connections.iter().map(|name| (*name).to_owned()).collect(),
            last_seen_at: None,
            in_flight,
        }];
    }

    /// All orders, oldest first: resource type, target key, kind, state.
    pub fn table(&self) -> Vec<(String, String, String, String)> {
        let book = self.book.lock().unwrap();
        let row = |held: &Held| {
            let state = match &held.state {
                State::Inactive { reason } => format!("Inactive, {reason}"),
                other => other.number().to_string(),
            };
            (held.order.resource_type.clone(), held.order.target_key.clone(), held.order.kind.to_string(), state)
        };
        book.orders.iter().map(row).collect()
    }

    /// How many orders are in each state.
    pub fn states(&self) -> BTreeMap<String, usize> {
        let mut states = BTreeMap::new();
        for (_, _, _, state) in self.table() {
            *states.entry(state).or_default() += 1;
        }
        states
    }

    /// Reads the orders.
    pub fn read<T>(&self, read: impl FnOnce(&[Held]) -> T) -> T {
        read(&self.book.lock().unwrap().orders)
    }

    /// The ids of the orders on one target, oldest first.
    pub fn ids(&self, target_key: &str) -> Vec<OrderId> {
        self.read(|orders| {
            orders.iter().filter(|held| held.order.target_key == target_key).map(|held| held.order.id).collect()
        })
    }

    /// Lets something happen to an order.
    pub fn happen(&self, id: OrderId, event: &Event) {
        let mut book = self.book.lock().unwrap();
        step(&mut book, id, event, self.clock.now()).unwrap();
        drop(book);
        self.bell.send_modify(|rings| *rings += 1);
    }

    /// The orders that are Pending and wait for another one to be written.
    pub fn waiting(&self) -> Vec<OrderId> {
        self.read(|orders| {
            let waits = |held: &&Held| held.order.depends_on.iter().any(|on| !is_written(orders, *on));
            orders.iter().filter(waits).map(|held| held.order.id).collect()
        })
    }

    /// An agent executes every order that is Pending, at once; gives what it wrote.
    pub fn execute_pending(&self) -> Vec<Order> {
        let ids: Vec<_> = self.read(|orders| {
            let is_due = |held: &&Held| held.order.depends_on.iter().all(|on| is_written(orders, *on));
            let pending = orders.iter().filter(|held| matches!(held.state, State::Pending { .. })).filter(is_due);
            pending.map(|held| held.order.clone()).collect()
        });
        for order in &ids {
            self.execute(order.id);
        }
        ids
    }

    pub fn execute(&self, id: OrderId) {
        let attempt = self.lease(id);
        self.happen(id, &Event::Executed { attempt });
    }

    /// An agent takes the order; gives the attempt.
    pub fn lease(&self, id: OrderId) -> u32 {
        let until = self.clock.now().plus(std::time::Duration::from_secs(60));
        self.happen(id, &Event::Leased { lease: Lease { agent: "agent-1".into(), until } });
        self.read(|orders| orders.iter().find(|held| held.order.id == id).unwrap().attempts)
    }

    pub fn fail(&self, id: OrderId, message: &str) {
        let attempt = self.lease(id);
        let failure = Failure::new(FailureClass::Refused, message);
        self.happen(id, &Event::Failed { attempt, failure });
    }
}

fn step(book: &mut Book, id: OrderId, event: &Event, now: Timestamp) -> Result<(), String> {
    let held = book.orders.iter_mut().find(|held| held.order.id == id).ok_or("no such order")?;
    let facts = Facts { generated_at: held.order.generated_at, attempts: held.attempts };
    match transition(facts, &held.state, event, now).map_err(|refused| refused.to_string())? {
        Transition::Already | Transition::Late => return Ok(()),
        Transition::To(state) => held.state = state,
    }
    if matches!(event, Event::Leased { .. }) {
        held.attempts += 1;
    }
    if let State::Executed { since } = held.state {
        held.executed_at = Some(since);
    }
    held.version += 1;
    let has_ended = matches!(held.state, State::Inactive { reason } if reason != InactiveReason::Superseded);
    let response = event_of(book.feed.len(), held, event.name(), now);
    book.feed.push(response);
    if has_ended {
        let depends = |held: &&Held| held.order.depends_on.iter().any(|on| replacement(&book.orders, *on) == id);
        let dependents: Vec<_> = book.orders.iter().filter(depends).map(|held| held.order.id).collect();
        for dependent in dependents {
            // What is in flight, or over, stays as it is.
            let _ = step(book, dependent, &Event::Cancelled, now);
        }
    }
    Ok(())
}

/// The order itself, or what took its place.
fn replacement(orders: &[Held], id: OrderId) -> OrderId {
    let Some(held) = orders.iter().find(|held| held.order.id == id) else { return id };
    if !matches!(held.state, State::Inactive { reason: InactiveReason::Superseded }) {
        return id;
    }
    let lane_of = lane(&held.order);
    let younger = orders.iter().filter(|other| other.sequence > held.sequence && lane(&other.order) == lane_of);
    younger.map(|other| other.order.id).next_back().unwrap_or(id)
}

fn is_written(orders: &[Held], id: OrderId) -> bool {
    let id = replacement(orders, id);
    let held = orders.iter().find(|held| held.order.id == id);
    held.is_some_and(|held| matches!(held.state, State::Executed { .. } | State::Verified))
}

fn record(held: &Held) -> OrderRecord {
    let number = held.state.number();
    let mut order = to_wire::order(&held.order);
    for change in order.changes.iter_mut().filter(|change| change.sensitive) {
        change.proposed = None;
        change.current = None;
    }
    let mut record = OrderRecord {
        order: Some(order),
        state: to_wire::state(number).into(),
        state_reason: number.to_string(),
        attempts: held.attempts.cast_signed(),
        version: held.version,
        sequence: held.sequence,
        executed_at: held.executed_at.map(to_wire::timestamp),
        ..Default::default()
    };
    match &held.state {
        State::Inactive { reason } => record.inactive_reason = *reason as i32,
        State::Errored { failure } => record.failure = Some(to_wire::failure(failure)),
        State::Pending { lease: Some(lease), .. } => {
            record.lease = Some(provost_contract::types::v1::Lease {
                agent_id: lease.agent.clone(),
                attempt: held.attempts.cast_signed(),
                expires_at: Some(to_wire::timestamp(lease.until)),
            });
        }
        _ => {}
    }
    record
}

fn event_of(before: usize, held: &Held, reason: &str, now: Timestamp) -> wire::WatchOrdersResponse {
    let name = format!("ORDER_EVENT_{}", reason.to_uppercase().replace(' ', "_"));
    let entry = HistoryEntry {
        cursor: before as i64 + 1,
        order_id: held.order.id.to_string(),
        event: OrderEvent::from_str_name(&name).map_or(0, Into::into),
        actor: "somebody".into(),
        at: Some(to_wire::timestamp(now)),
        reason: reason.to_owned(),
        ..Default::default()
    };
    wire::WatchOrdersResponse { entry: Some(entry), record: Some(record(held)) }
}

fn refusal(order_id: &str, message: String) -> ItemResult {
    let error = ItemError { code: 9, reason: "WRONG_STATE".into(), message, differences: vec![] };
    ItemResult { order_id: order_id.to_owned(), state: ProvisioningState::None.into(), error: Some(error) }
}

#[tonic::async_trait]
impl OrderService for Ledger {
    async fn submit_orders(
        &self,
        request: Request<Streaming<wire::SubmitOrdersRequest>>,
    ) -> Result<Response<wire::SubmitOrdersResponse>, Status> {
        self.present().await?;
        let mut messages = request.into_inner();
        let mut response = wire::SubmitOrdersResponse::default();
        while let Some(message) = messages.message().await? {
            let mut book = self.book.lock().unwrap();
            for order in message.orders {
                let id = order.order_id.clone();
                match from_wire::order("order", order) {
                    Ok(order) => accept(&mut book, order, self.clock.now(), &mut response),
                    Err(wrong) => {
                        response.rejected += 1;
                        response.rejections.push(refusal(&id, wrong.to_string()));
                    }
                }
            }
        }
        self.book.lock().unwrap().submissions += 1;
        self.bell.send_modify(|rings| *rings += 1);
        Ok(Response::new(response))
    }

    async fn verify_orders(
        &self,
        request: Request<wire::VerifyOrdersRequest>,
    ) -> Result<Response<wire::VerifyOrdersResponse>, Status> {
        self.present().await?;
        if self.verifies_nothing.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        let now = self.clock.now();
        let mut book = self.book.lock().unwrap();
        let mut results = Vec::new();
        for wire::Verification { order_id, export_started_at, .. } in request.into_inner().verifications {
            let export_started_at = from_wire::timestamp(&export_started_at.unwrap());
            let verified = step(&mut book, order_id.parse().unwrap(), &Event::Verified { export_started_at }, now);
            results.push(match verified {
                Ok(()) => ItemResult { order_id, state: ProvisioningState::Verified.into(), error: None },
                Err(message) => refusal(&order_id, message),
            });
        }
        drop(book);
        self.bell.send_modify(|rings| *rings += 1);
        Ok(Response::new(wire::VerifyOrdersResponse { results }))
    }

    async fn cancel_orders(
        &self,
        request: Request<wire::CancelOrdersRequest>,
    ) -> Result<Response<wire::CancelOrdersResponse>, Status> {
        self.present().await?;
        let now = self.clock.now();
        let mut book = self.book.lock().unwrap();
        let mut results = Vec::new();
        let wire::CancelOrdersRequest { order_ids, reevaluated, .. } = request.into_inner();
        for order_id in order_ids {
            let id: OrderId = order_id.parse().unwrap();
            let held = book.orders.iter().find(|held| held.order.id == id);
            let event = match held.map(|held| &held.state) {
                Some(State::Error { .. }) if reevaluated => Event::Reevaluated,
                _ => Event::Cancelled,
            };
            results.push(match step(&mut book, id, &event, now) {
                Ok(()) => ItemResult { order_id, state: ProvisioningState::Inactive.into(), error: None },
                Err(message) => refusal(&order_id, message),
            });
        }
        drop(book);
        self.bell.send_modify(|rings| *rings += 1);
        Ok(Response::new(wire::CancelOrdersResponse { results }))
    }

    async fn count_orders(
        &self,
        request: Request<wire::CountOrdersRequest>,
    ) -> Result<Response<wire::CountOrdersResponse>, Status> {
        self.present().await?;
        let newest_cursor = Some(self.book.lock().unwrap().feed.len() as i64);
        if request.into_inner().only_cursor {
            return Ok(Response::new(wire::CountOrdersResponse { counts: vec![], newest_cursor }));
        }
        let mut counts: BTreeMap<(String, i32), i64> = BTreeMap::new();
        self.read(|orders| {
            for held in orders {
                *counts.entry((held.order.resource_type.clone(), held.state.number().number())).or_default() += 1;
            }
        });
        let count = |((resource_type, state), count)| wire::OrderCount {
            resource_type,
            state,
            count,
            in_flight: 0,
            archived: 0,
        };
        Ok(Response::new(wire::CountOrdersResponse { counts: counts.into_iter().map(count).collect(), newest_cursor }))
    }

    async fn count_orders_by_age(
        &self,
        _request: Request<wire::CountOrdersByAgeRequest>,
    ) -> Result<Response<wire::CountOrdersByAgeResponse>, Status> {
        Err(Status::unimplemented("the order generator does not ask for it"))
    }

    type WatchOrdersStream = Pin<Box<dyn Stream<Item = Result<wire::WatchOrdersResponse, Status>> + Send>>;

    async fn watch_orders(
        &self,
        request: Request<wire::WatchOrdersRequest>,
    ) -> Result<Response<Self::WatchOrdersStream>, Status> {
        let mut at = request.into_inner().after_cursor as usize;
        let ledger = self.clone();
        let mut bell = self.bell.subscribe();
        Ok(Response::new(Box::pin(async_stream::stream! {
            loop {
                let is_mute = ledger.is_mute.load(Ordering::SeqCst);
                let events = match is_mute {
                    true => vec![],
                    false => ledger.book.lock().unwrap().feed.get(at..).unwrap_or_default().to_vec(),
                };
                at += events.len();
                for event in events {
                    yield Ok(event);
                }
                if bell.changed().await.is_err() {
                    return;
                }
            }
        })))
    }

    async fn get_order(
        &self,
        request: Request<wire::GetOrderRequest>,
    ) -> Result<Response<wire::GetOrderResponse>, Status> {
        self.present().await?;
        let order_id = request.into_inner().order_id;
        let book = self.book.lock().unwrap();
        let held = book.orders.iter().find(|held| held.order.id.to_string() == order_id);
        let record = record(held.ok_or_else(|| Status::not_found(format!("order {order_id}")))?);
        let entries = book.feed.iter().filter_map(|told| told.entry.clone());
        let history = entries.filter(|entry| entry.order_id == order_id).collect();
        Ok(Response::new(wire::GetOrderResponse { record: Some(record), history, archived_at: None }))
    }

    async fn list_orders(
        &self,
        _request: Request<wire::ListOrdersRequest>,
    ) -> Result<Response<wire::ListOrdersResponse>, Status> {
        Err(Status::unimplemented("the order generator does not ask for it"))
    }

    async fn unblock_orders(
        &self,
        _request: Request<wire::UnblockOrdersRequest>,
    ) -> Result<Response<wire::UnblockOrdersResponse>, Status> {
        Err(Status::unimplemented("the order generator does not ask for it"))
    }

    async fn list_error_causes(
        &self,
        _request: Request<wire::ListErrorCausesRequest>,
    ) -> Result<Response<wire::ListErrorCausesResponse>, Status> {
        Err(Status::unimplemented("the order generator does not ask for it"))
    }

    async fn unblock_error_cause(
        &self,
        _request: Request<wire::UnblockErrorCauseRequest>,
    ) -> Result<Response<wire::UnblockErrorCauseResponse>, Status> {
        Err(Status::unimplemented("the order generator does not ask for it"))
    }
}

/// The lane; without a key, one of the owner's own.
fn lane(order: &Order) -> Lane {
    if order.target_key.is_empty() {
        let Order { owner, resource_type, .. } = order;
        let stand_in = format!("\u{1f}{resource_type}\u{1f}{}\u{1f}{}", owner.entity_type, owner.key);
        Lane::new(&order.connector, &order.entity_type, &stand_in)
    } else {
        order.lane()
    }
}

/// States in which an order with the same content makes a new one pointless.
fn makes_duplicate(newest: &State) -> bool {
    match newest {
        State::Inactive { reason } => matches!(reason, InactiveReason::Declined | InactiveReason::Expired),
        other => !matches!(other, State::Verified),
    }
}

fn accept(book: &mut Book, mut order: Order, now: Timestamp, response: &mut wire::SubmitOrdersResponse) {
    if book.orders.iter().any(|held| held.order.id == order.id) {
        response.duplicates += 1;
        return;
    }
    let is_gone = |state: &State| {
        matches!(state, State::Inactive { reason: InactiveReason::Superseded | InactiveReason::Cancelled })
    };
    let is_near = |held: &&Held| lane(&held.order) == lane(&order) && !is_gone(&held.state);
    let is_same = |newest: &&Held| {
        let is_unreviewed =
            matches!(newest.state, State::Pending { lease: None, .. }) && newest.order.block_causes.is_empty();
        let must_now_be_reviewed = is_unreviewed && !order.block_causes.is_empty();
        let asks_the_same = newest.order.fingerprint() == order.fingerprint();
        makes_duplicate(&newest.state) && asks_the_same && !must_now_be_reviewed
    };
    if book.orders.iter().rfind(is_near).filter(is_same).is_some() {
        response.duplicates += 1;
        return;
    }
    let has_ended = |on: &&OrderId| {
        let on = replacement(&book.orders, **on);
        let state = book.orders.iter().find(|held| held.order.id == on).map(|held| &held.state);
        !state.is_some_and(|state| !matches!(state, State::Inactive { .. } | State::Error { .. }))
    };
    let refused = match order.depends_on.iter().find(has_ended) {
        Some(on) => Some(format!("depends_on names the order {on}, which is over")),
        None => book.refused.contains(&order.resource_type).then(|| "refused by the test".to_owned()),
    };
    if let Some(message) = refused {
        response.rejected += 1;
        response.rejections.push(refusal(&order.id.to_string(), message));
        return;
    }
    let near: Vec<&Held> = book.orders.iter().filter(is_near).collect();
    let is_to_be_written = order.rule_failure.is_none() && !order.expired;
    let is_reviewed = near.iter().any(|held| matches!(held.state, State::AwaitingApproval));
    let older: Vec<_> = near.iter().map(|held| held.order.id).collect();
    if is_to_be_written && is_reviewed && !order.block_causes.contains(&BlockCause::QueuedBehind) {
        order.block_causes.push(BlockCause::QueuedBehind);
    }
    for id in older {
        if step(book, id, &Event::Superseded, now).is_ok() {
            response.superseded += 1;
        }
    }
    let sequence = book.orders.len() as i64 + 1;
    let held = Held { state: State::initial(&order), order, attempts: 0, version: 1, sequence, executed_at: None };
    let event = event_of(book.feed.len(), &held, "generated", now);
    book.feed.push(event);
    book.orders.push(held);
    response.accepted += 1;
}

#[tonic::async_trait]
impl DispatchService for Ledger {
    async fn list_agents(
        &self,
        _request: Request<wire::ListAgentsRequest>,
    ) -> Result<Response<wire::ListAgentsResponse>, Status> {
        self.present().await?;
        let now = Some(to_wire::timestamp(self.clock.now()));
        let agents = self.book.lock().unwrap().agents.clone();
        let agents = agents.into_iter().map(|agent| wire::Agent { last_seen_at: now, ..agent }).collect();
        Ok(Response::new(wire::ListAgentsResponse { agents }))
    }

    async fn pull_orders(
        &self,
        _request: Request<wire::PullOrdersRequest>,
    ) -> Result<Response<wire::PullOrdersResponse>, Status> {
        Err(Status::unimplemented("the order generator does not ask for it"))
    }

    async fn return_orders(
        &self,
        _request: Request<wire::ReturnOrdersRequest>,
    ) -> Result<Response<wire::ReturnOrdersResponse>, Status> {
        Err(Status::unimplemented("the order generator does not ask for it"))
    }

    async fn renew_leases(
        &self,
        _request: Request<wire::RenewLeasesRequest>,
    ) -> Result<Response<wire::RenewLeasesResponse>, Status> {
        Err(Status::unimplemented("the order generator does not ask for it"))
    }

    async fn report_feedback(
        &self,
        _request: Request<wire::ReportFeedbackRequest>,
    ) -> Result<Response<wire::ReportFeedbackResponse>, Status> {
        Err(Status::unimplemented("the order generator does not ask for it"))
    }
}
