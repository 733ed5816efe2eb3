//! What the loops and the API of one agent share.

use crate::acknowledged::Acknowledged;
use crate::connections::Connections;
use crate::flight::Flight;
use crate::journal::Journal;
use crate::slots::Capacity;
use provost_contract::fulfillment::v1::dispatch_service_client::DispatchServiceClient;
use provost_contract::generator::v1::synchronization_service_client::SynchronizationServiceClient;
use provost_domain::Timestamp;
use provost_service_kit::caller::request_as;
use provost_service_kit::{Clock, Replicas};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

/// The version that servers are told.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How long a call waits at the server when there is nothing to do.
pub(crate) const LONG_POLL: Duration = Duration::from_secs(30);
/// How long an answer may take beyond the agreed wait.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// One agent.
pub(crate) struct Agent {
    /// The name under which it takes orders.
    pub(crate) id: String,
    /// What it serves.
    pub(crate) connections: Connections,
    /// How much it writes side by side, by connection.
    pub(crate) capacities: BTreeMap<Arc<str>, Arc<Capacity>>,
    /// What it did.
    pub(crate) journal: Journal,
    /// What it did and the journal has just forgotten.
    pub(crate) acknowledged: Acknowledged,
    /// What it is doing.
    pub(crate) flight: Flight,
    /// The tasks that write orders.
    pub(crate) executions: TaskTracker,
    /// Rings when a result was journaled.
    pub(crate) results: Notify,
    /// Where the time comes from.
    pub(crate) clock: Arc<dyn Clock>,
    /// When it started.
    pub(crate) started_at: Timestamp,
    /// Where orders come from.
    pub(crate) dispatch: DispatchServiceClient<Replicas>,
    /// When fulfillment last answered.
    pub(crate) fulfillment_seen: Seen,
    /// Where export tasks come from.
    pub(crate) synchronization: SynchronizationServiceClient<Replicas>,
    /// When the order generator last answered.
    pub(crate) generator_seen: Seen,
}

impl Agent {
    /// A call in this agent's name that gives up after `timeout`.
    pub(crate) fn request<T>(&self, message: T, timeout: Duration) -> tonic::Request<T> {
        let mut request = request_as(&self.id, message);
        request.set_timeout(timeout);
        request
    }
}

/// When somebody last answered.
#[derive(Debug, Default)]
pub(crate) struct Seen(AtomicI64);

impl Seen {
    /// Somebody answered.
    pub(crate) fn note(&self, now: Timestamp) {
        self.0.store(now.millis(), Ordering::Relaxed);
    }

    /// When; none if never.
    pub(crate) fn at(&self) -> Option<Timestamp> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            millis => Some(Timestamp::from_millis(millis)),
        }
    }
}
