//! What the verbs of this service share: the database, the clock, the current catalog, the ledger, the reviews,
//! and the bells.

use crate::catalogs::Catalogs;
use crate::ledger::Ledger;
use crate::reviews::Reviews;
use crate::store::leases;
use provost_service_kit::{Clock, Database, Fault, FaultKind, Wake};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a lease of a replica lasts without renewal.
const LEASE: Duration = Duration::from_secs(15);
/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(4);

/// The service's shared parts.
pub(crate) struct Generator {
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) catalogs: Catalogs,
    pub(crate) ledger: Ledger,
    pub(crate) reviews: Reviews,
    /// Rings when an export task, or a synchronization, changed.
    pub(crate) exports: Wake,
    /// Rings when a job run changed.
    pub(crate) jobs: Wake,
    /// Rings when the projection of the ledger moved.
    pub(crate) orders: Wake,
    /// Rings when a request changed, or review must hear of one.
    pub(crate) requests: Wake,
    /// This process, among replicas.
    pub(crate) replica: String,
    pub(crate) stop: CancellationToken,
    /// How long "fulfill" waits while nothing moves.
    pub(crate) fulfill_wait: Duration,
    /// How long an export waits for an agent.
    pub(crate) export_wait: Duration,
}

impl Generator {
    /// Does `work` while no other replica, and nobody else here, does what `name` stands for.
    ///
    /// # Errors
    /// [`FaultKind::Conflict`] when somebody does; or what `work` says.
    pub(crate) async fn alone<T>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, Fault>> + Send,
    ) -> Result<T, Fault> {
        let holder = format!("{} {}", self.replica, provost_service_kit::new_id());
        if !self.take(name, &holder).await? {
            return Err(Fault::new(FaultKind::Conflict, format!("{name} is already under way; wait until it is over")));
        }
        let keep = async {
            loop {
                tokio::time::sleep(RENEW_EVERY).await;
                match self.take(name, &holder).await {
                    Ok(true) => {}
                    Ok(false) => {
                        return Fault::new(FaultKind::Conflict, format!("{name} was taken over by another replica"));
                    }
                    // The lease may still be ours: the next renewal says so.
                    Err(fault) => tracing::warn!(%fault, lease = name, "the lease was not renewed"),
                }
            }
        };
        let result = tokio::select! {
            result = work => result,
            lost = keep => Err(lost),
        };
        leases::release(self.database.write(), name, &holder).await?;
        result
    }

    async fn take(&self, name: &str, holder: &str) -> Result<bool, Fault> {
        let now = self.clock.now();
        Ok(leases::take(self.database.write(), name, holder, now, now.plus(LEASE)).await?)
    }
}
