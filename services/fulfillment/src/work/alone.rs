//! Work that one replica does at a time: whoever holds the lease of its name.
//!
//! The rule that must hold: when the holder ends, or falls silent, another one takes over, within [`LEASE`].

use crate::store::{Ledger, leases};
use crate::work::rounds;
use provost_domain::Timestamp;
use provost_service_kit::{Engine, Fault};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a lease lasts without renewal.
const LEASE: Duration = Duration::from_secs(15);
/// How often it is renewed, at most: a write per round would cost more than the round.
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// How often whoever has it not asks for it.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How long giving it back may take when the service stops.
const RELEASE_MAX: Duration = Duration::from_secs(1);

/// Runs `round` every `period` while this replica holds the lease of `name`, until `stop`.
///
/// # Errors
/// None: a failed round is tried again.
pub(crate) async fn alone<R>(
    name: &'static str,
    ledger: &Ledger,
    stop: CancellationToken,
    period: Duration,
    round: impl Fn() -> R,
) -> anyhow::Result<()>
where
    R: Future<Output = Result<bool, Fault>>,
{
    let lease = Lease { name, ledger, renewed: Mutex::new(None) };
    let rest = || tokio::time::sleep(if lease.is_held() { period } else { period.min(ASK_EVERY) });
    rounds(name, stop, rest, || async { if lease.hold().await? { round().await } else { Ok(false) } }).await?;
    lease.release().await;
    Ok(())
}

struct Lease<'a> {
    name: &'static str,
    ledger: &'a Ledger,
    /// When it was last taken or renewed, while it is held.
    renewed: Mutex<Option<Timestamp>>,
}

impl Lease<'_> {
    fn renewed(&self) -> Option<Timestamp> {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, renewed: Option<Timestamp>) {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = renewed;
    }

    /// An SQLite file has one process, which needs no lease.
    fn is_needed(&self) -> bool {
        self.ledger.database.engine() == Engine::Postgres
    }

    fn is_held(&self) -> bool {
        !self.is_needed() || self.renewed().is_some()
    }

    /// Takes the lease, or renews it when it is time.
    async fn hold(&self) -> Result<bool, Fault> {
        let now = self.ledger.now();
        let is_fresh = self.renewed().is_some_and(|at| at <= now && now.since(at) < RENEW_EVERY);
        if !self.is_needed() || is_fresh {
            return Ok(true);
        }
        let Ledger { database, replica, .. } = self.ledger;
        let taken = leases::take(database.write(), self.name, replica, now, now.plus(LEASE)).await?;
        if taken != self.renewed().is_some() {
            tracing::info!(work = self.name, taken, "a timer moves between replicas");
        }
        self.note(taken.then_some(now));
        Ok(taken)
    }

    /// Gives it back, so that another replica need not wait for its end.
    async fn release(&self) {
        if self.renewed().is_none() {
            return;
        }
        let Ledger { database, replica, .. } = self.ledger;
        let released = leases::release(database.write(), self.name, replica);
        match tokio::time::timeout(RELEASE_MAX, released).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => {
                tracing::warn!(work = self.name, %fault, "the lease was not given back; it ends by itself")
            }
            Err(_) => tracing::warn!(work = self.name, "giving the lease back took too long; it ends by itself"),
        }
    }
}
