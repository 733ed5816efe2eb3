//! A ledger and an order generator in memory, for one agent.
//!
//! They assume of the real ones: an order is leased under an attempt that grows by one each time; a
//! lease that runs out makes the order collectable again; feedback may be repeated, and of an older
//! attempt only "executed" counts; an upload without its end changes nothing.

use provost_contract::fulfillment::v1::dispatch_service_server::{DispatchService, DispatchServiceServer};
use provost_contract::fulfillment::v1::*;
use provost_contract::generator::v1::synchronization_service_server::{
    SynchronizationService, SynchronizationServiceServer,
};
use provost_contract::generator::v1::*;
use provost_contract::to_wire;
use provost_contract::types::v1::{ItemError, ItemResult};
use provost_domain::Order;
use provost_service_kit::{Clock, SystemClock};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, Response, Status, Streaming};

/// How the ledger treats reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reports {
    #[default]
    Taken,
    /// The call fails; nothing is kept.
    Refused,
    /// Kept, but the answer never comes.
    AnswerLost,
    /// Never kept, and no answer comes.
    Swallowed,
}

#[derive(Default)]
pub struct State {
    /// Waiting to be pulled.
    pub pending: VecDeque<Order>,
    /// Pulled, under which attempt, and until when (ms).
    pub leased: BTreeMap<String, (Order, i32, i64)>,
    /// Attempts so far.
    pub attempts: BTreeMap<String, i32>,
    /// Offered again under the attempt that they are leased under: a response that was lost.
    pub redeliver: VecDeque<String>,
    /// What was reported and kept, in order.
    pub feedback: Vec<Feedback>,
    /// Item errors to give, by order.
    pub item_errors: BTreeMap<String, Code>,
    pub reports: Reports,
    /// How many report calls came.
    pub report_calls: usize,
    pub renewals: Vec<LeaseKey>,
    /// Renewals are refused: the lease is somebody else's.
    pub leases_lost: bool,
    pub lease: Duration,
    /// Said of every attempt after the first.
    pub lane_written: bool,
    /// `max_orders` of every pull for any orders.
    pub pulls: Vec<i32>,
    /// What was given back.
    pub returned: Vec<LeaseKey>,
    /// Pulls are answered only after so long, whatever they found.
    pub slow_answers: Duration,
    pub tasks: VecDeque<ExportTask>,
    /// The parts of every upload.
    pub uploads: Vec<Vec<UploadExportRequest>>,
    /// What uploads are answered with, when not with success.
    pub upload_error: Option<Code>,
    /// Uploads are answered at their first part, when not with success.
    pub answers_early: bool,
}

#[derive(Clone)]
pub struct Servers {
    pub state: Arc<Mutex<State>>,
    pub news: Arc<Notify>,
}

impl Servers {
    pub fn new() -> Self {
        let state = State { lease: Duration::from_secs(30), ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), news: Arc::new(Notify::new()) }
    }

    /// Starts serving at an address, until the returned task is aborted.
    pub async fn serve(&self, address: SocketAddr) -> tokio::task::JoinHandle<()> {
        let listener = TcpListener::bind(address).await.unwrap();
        let server = tonic::transport::Server::builder()
            .add_service(DispatchServiceServer::new(self.clone()))
            .add_service(SynchronizationServiceServer::new(self.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(async move { server.await.unwrap() })
    }

    pub fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        let result = look(&mut self.state.lock().unwrap());
        self.news.notify_waiters();
        result
    }

    pub fn submit(&self, orders: impl IntoIterator<Item = Order>) {
        self.with(|state| state.pending.extend(orders));
    }

    /// The kept feedback of an order, as (attempt, outcome).
    pub fn feedback_of(&self, order: &Order) -> Vec<(i32, feedback::Outcome)> {
        let id = order.id.to_string();
        let of = |state: &mut State| {
            let own = state.feedback.iter().filter(|feedback| feedback.order_id == id);
            own.map(|feedback| (feedback.attempt, feedback.outcome.clone().unwrap())).collect()
        };
        self.with(of)
    }

    fn now() -> i64 {
        SystemClock.now().millis()
    }
}

impl State {
    fn end_leases(&mut self) {
        let now = Servers::now();
        let over: Vec<_> = self.leased.iter().filter(|(_, lease)| lease.2 <= now).map(|(id, _)| id.clone()).collect();
        for id in over {
            let (order, _, _) = self.leased.remove(&id).unwrap();
            self.pending.push_front(order);
        }
    }

    fn take(&mut self, connections: &[String], urgent_only: bool, at_most: usize) -> Vec<LeasedOrder> {
        self.end_leases();
        let mut taken = Vec::new();
        let expires = Servers::now() + i64::try_from(self.lease.as_millis()).unwrap();
        let lease = |order: &Order, attempt| LeasedOrder {
            order: Some(to_wire::order(order)),
            attempt,
            lease_expires_at: Some(to_wire::timestamp(provost_domain::Timestamp::from_millis(expires))),
            lane_written: attempt > 1 && self.lane_written,
        };
        while let Some(id) = self.redeliver.pop_front_if(|_| !urgent_only) {
            let (order, attempt, _) = &self.leased[&id];
            taken.push(lease(order, *attempt));
        }
        while taken.len() < at_most
            && let Some(place) = self.next(connections, urgent_only)
        {
            let order = self.pending.remove(place).unwrap();
            let id = order.id.to_string();
            let attempt = self.attempts.entry(id.clone()).or_default();
            *attempt += 1;
            taken.push(lease(&order, *attempt));
            let attempt = *attempt;
            self.leased.insert(id, (order, attempt, expires));
        }
        taken
    }

    /// The place of the next order: the highest priority first, then the oldest.
    fn next(&self, connections: &[String], urgent_only: bool) -> Option<usize> {
        let fits = |order: &Order| {
            connections.contains(&order.connection) && (!urgent_only || provost_domain::is_urgent(order.priority))
        };
        let fitting = self.pending.iter().enumerate().filter(|(_, order)| fits(order));
        fitting.min_by_key(|(place, order)| (std::cmp::Reverse(order.priority), *place)).map(|(place, _)| place)
    }

    fn give_back(&mut self, lease: &LeaseKey) -> ItemResult {
        // What is not under this attempt any more is not given back, which is no error.
        let is_held = self.leased.get(&lease.order_id).is_some_and(|held| held.1 == lease.attempt);
        if is_held && let Some((order, _, _)) = self.leased.remove(&lease.order_id) {
            self.returned.push(lease.clone());
            self.pending.push_front(order);
        }
        ItemResult { order_id: lease.order_id.clone(), ..ItemResult::default() }
    }

    fn keep(&mut self, feedback: Feedback) -> ItemResult {
        let error = self.item_errors.get(&feedback.order_id).map(|code| ItemError {
            code: *code as i32,
            reason: "REASON".into(),
            message: "words".into(),
            differences: vec![],
        });
        let result = ItemResult { order_id: feedback.order_id.clone(), error, ..ItemResult::default() };
        let newest = self.attempts.get(&feedback.order_id).copied().unwrap_or_default();
        let executed = matches!(feedback.outcome, Some(feedback::Outcome::Executed(_)));
        if result.error.is_none() {
            if feedback.attempt == newest || executed {
                self.leased.remove(&feedback.order_id);
                self.pending.retain(|order| order.id.to_string() != feedback.order_id);
            }
            self.feedback.push(feedback);
        }
        result
    }
}

fn wait_of(wait: Option<prost_types::Duration>) -> Duration {
    wait.and_then(|wait| wait.try_into().ok()).unwrap_or_default()
}

#[tonic::async_trait]
impl DispatchService for Servers {
    async fn pull_orders(&self, request: Request<PullOrdersRequest>) -> Result<Response<PullOrdersResponse>, Status> {
        let pull = request.into_inner();
        assert_eq!(pull.agent_id, "agent-1");
        let at_most = usize::try_from(pull.max_orders).unwrap();
        if !pull.urgent_only {
            self.with(|state| state.pulls.push(pull.max_orders));
        }
        let began = tokio::time::Instant::now();
        let deadline = began + wait_of(pull.wait);
        loop {
            let news = self.news.notified();
            let waited = began.elapsed();
            let (orders, slow) = {
                let mut state = self.state.lock().unwrap();
                (state.take(&pull.connections, pull.urgent_only, at_most), state.slow_answers)
            };
            if !orders.is_empty() {
                tokio::time::sleep(slow).await;
            }
            if !orders.is_empty() || tokio::time::Instant::now() >= deadline {
                let lease = (self.with(|state| state.lease)).try_into().ok();
                return Ok(Response::new(PullOrdersResponse { orders, waited: waited.try_into().ok(), lease }));
            }
            // Looks by itself now and then: leases run out without news.
            let _ = tokio::time::timeout(Duration::from_millis(50), news).await;
        }
    }

    async fn renew_leases(
        &self,
        request: Request<RenewLeasesRequest>,
    ) -> Result<Response<RenewLeasesResponse>, Status> {
        let leases = request.into_inner().leases;
        self.with(|state| {
            let expires = Self::now() + i64::try_from(state.lease.as_millis()).unwrap();
            let mut results = Vec::new();
            for lease in leases {
                let held = state.leased.get_mut(&lease.order_id).filter(|held| held.1 == lease.attempt);
                let error = match held {
                    Some(held) if !state.leases_lost => {
                        held.2 = expires;
                        None
                    }
                    _ => Some(ItemError {
                        code: Code::Aborted as i32,
                        reason: "CONFLICT".into(),
                        message: String::new(),
                        differences: vec![],
                    }),
                };
                results.push(ItemResult { order_id: lease.order_id.clone(), error, ..ItemResult::default() });
                state.renewals.push(lease);
            }
            let expires = provost_domain::Timestamp::from_millis(expires);
            let (lease_expires_at, lease) = (Some(to_wire::timestamp(expires)), state.lease.try_into().ok());
            Ok(Response::new(RenewLeasesResponse { results, lease_expires_at, lease }))
        })
    }

    async fn report_feedback(
        &self,
        request: Request<ReportFeedbackRequest>,
    ) -> Result<Response<ReportFeedbackResponse>, Status> {
        let feedback = request.into_inner().feedback;
        let (reports, results) = self.with(|state| {
            state.report_calls += 1;
            let kept = match state.reports {
                Reports::Taken | Reports::AnswerLost => feedback.into_iter().map(|item| state.keep(item)).collect(),
                Reports::Refused | Reports::Swallowed => vec![],
            };
            (state.reports, kept)
        });
        match reports {
            Reports::Taken => Ok(Response::new(ReportFeedbackResponse { results })),
            Reports::Refused => Err(Status::unavailable("not now")),
            Reports::AnswerLost | Reports::Swallowed => std::future::pending().await,
        }
    }

    async fn return_orders(
        &self,
        request: Request<ReturnOrdersRequest>,
    ) -> Result<Response<ReturnOrdersResponse>, Status> {
        let request = request.into_inner();
        assert_eq!((request.agent_id.as_str(), request.reason.is_empty()), ("agent-1", false));
        let results = self.with(|state| request.leases.iter().map(|lease| state.give_back(lease)).collect());
        Ok(Response::new(ReturnOrdersResponse { results }))
    }

    async fn list_agents(&self, _request: Request<ListAgentsRequest>) -> Result<Response<ListAgentsResponse>, Status> {
        Err(Status::unimplemented("agents do not ask"))
    }
}

#[tonic::async_trait]
impl SynchronizationService for Servers {
    async fn poll_export_tasks(
        &self,
        request: Request<PollExportTasksRequest>,
    ) -> Result<Response<PollExportTasksResponse>, Status> {
        let poll = request.into_inner();
        let deadline = tokio::time::Instant::now() + wait_of(poll.wait);
        loop {
            let news = self.news.notified();
            let task = {
                let tasks = &mut self.state.lock().unwrap().tasks;
                let place = tasks.iter().position(|task| poll.connections.contains(&task.connection));
                place.and_then(|place| tasks.remove(place))
            };
            if task.is_some() || tokio::time::Instant::now() >= deadline {
                return Ok(Response::new(PollExportTasksResponse { tasks: task.into_iter().collect() }));
            }
            let _ = tokio::time::timeout(Duration::from_millis(50), news).await;
        }
    }

    async fn upload_export(
        &self,
        request: Request<Streaming<UploadExportRequest>>,
    ) -> Result<Response<UploadExportResponse>, Status> {
        let mut stream = request.into_inner();
        let mut parts = Vec::new();
        while let Some(part) = stream.message().await? {
            parts.push(part);
            if self.with(|state| state.answers_early && state.upload_error.is_some()) {
                break;
            }
        }
        let error = self.with(|state| {
            state.uploads.push(parts);
            state.upload_error.take()
        });
        match error {
            Some(code) => Err(Status::new(code, "words")),
            None => Ok(Response::new(UploadExportResponse::default())),
        }
    }

    async fn list_synchronizations(
        &self,
        _request: Request<ListSynchronizationsRequest>,
    ) -> Result<Response<ListSynchronizationsResponse>, Status> {
        Err(Status::unimplemented("agents do not ask"))
    }

    async fn list_held_resources(
        &self,
        _request: Request<ListHeldResourcesRequest>,
    ) -> Result<Response<ListHeldResourcesResponse>, Status> {
        Err(Status::unimplemented("agents do not ask"))
    }
}
