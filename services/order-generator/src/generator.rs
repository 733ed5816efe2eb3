//! What the verbs of this service share: the database, the clock, the current catalog, the ledger, the reviews,
//! and the bells.

use crate::catalogs::Catalogs;
use crate::ledger::Ledger;
use crate::reviews::Reviews;
use crate::store::leases;
use provost_service_kit::{Clock, Database, Engine, Fault, FaultKind, Wake};
use sea_orm::DatabaseTransaction;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a lease of the one process of an SQLite file lasts without renewal.
const LEASE: Duration = Duration::from_secs(15);
/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(4);

/// What this task does alone: its name, and under which the database knows who does it.
#[derive(Clone, Debug)]
struct Held {
    name: String,
    holder: String,
}

tokio::task_local! {
    static HELD: Held;
}

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
    /// Does `work` while no other replica, and nobody else here, does what `name` stands for. What it writes it writes
    /// in transactions of [`Self::begin_alone`].
    ///
    /// On PostgreSQL a lock of the database says who it is, and it ends with whoever holds it, at once: no clock
    /// decides, and nobody waits for the end of a lease. The row beside it is what writes are guarded by.
    ///
    /// # Errors
    /// [`FaultKind::Conflict`] when somebody does; [`FaultKind::Unavailable`] when the lock was lost, so that the same
    /// may be asked for again; or what `work` says.
    pub(crate) async fn alone<T>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, Fault>> + Send,
    ) -> Result<T, Fault> {
        let holder = format!("{} {}", self.replica, provost_service_kit::new_id());
        let busy = || Fault::new(FaultKind::Conflict, format!("{name} is already under way; wait until it is over"));
        let held = Held { name: name.to_owned(), holder: holder.clone() };
        let work = HELD.scope(held, work);
        if self.database.engine() == Engine::Sqlite {
            if !self.take(name, &holder).await? {
                return Err(busy());
            }
            let result = tokio::select! {
                result = work => result,
                lost = self.renew(name, &holder) => Err(lost),
            };
            leases::release(self.database.write(), name, &holder).await?;
            return result;
        }
        let mut lock = self.database.try_exclusive(name).await?.ok_or_else(busy)?;
        let now = self.clock.now();
        let result = async {
            leases::seize(self.database.write(), name, &holder, now.plus(LEASE)).await?;
            tokio::select! {
                result = work => result,
                why = lock.lost() => {
                    let what = format!("{name} was cut off: its lock in the database was lost ({why}); do it again");
                    Err(Fault::new(FaultKind::Unavailable, what))
                }
            }
        }
        .await;
        lock.release().await;
        result
    }

    /// Begins a transaction that writes what this task does alone, if anything: it goes through only while nobody else
    /// has taken over.
    ///
    /// # Errors
    /// [`FaultKind::Conflict`] when somebody has; when the database cannot be reached.
    pub(crate) async fn begin_alone(&self) -> Result<DatabaseTransaction, Fault> {
        let transaction = self.database.begin().await?;
        let Ok(Held { name, holder }) = HELD.try_with(Clone::clone) else { return Ok(transaction) };
        if leases::is_held(&transaction, self.database.engine(), &name, &holder).await? {
            return Ok(transaction);
        }
        transaction.rollback().await?;
        Err(Fault::new(FaultKind::Conflict, format!("{name} was taken over by another replica; nothing was written")))
    }

    /// Renews a lease until it is lost.
    async fn renew(&self, name: &str, holder: &str) -> Fault {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            match self.take(name, holder).await {
                Ok(true) => {}
                Ok(false) => {
                    return Fault::new(FaultKind::Conflict, format!("{name} was taken over by somebody else"));
                }
                // The lease may still be ours: the next renewal says so.
                Err(fault) => tracing::warn!(%fault, lease = name, "the lease was not renewed"),
            }
        }
    }

    async fn take(&self, name: &str, holder: &str) -> Result<bool, Fault> {
        let now = self.clock.now();
        Ok(leases::take(self.database.write(), name, holder, now, now.plus(LEASE)).await?)
    }
}

#[cfg(test)]
mod tests;
