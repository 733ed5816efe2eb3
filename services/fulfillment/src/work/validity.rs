//! The timer for Transmitted and Executed orders that no synchronization confirms in time.

use crate::store::Ledger;
use crate::work::alone::alone;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const PERIOD: Duration = Duration::from_secs(1);

/// Makes overdue orders Errored, on one replica, until `stop`.
///
/// # Errors
/// None: a failed round is tried again.
pub(crate) async fn watch_validity(ledger: Ledger, stop: CancellationToken) -> anyhow::Result<()> {
    alone("validity timer", &ledger, stop, PERIOD, || ledger.expire()).await
}
