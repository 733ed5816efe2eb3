//! The timer for connections that run empty: once nothing is in flight they are paused.

use crate::store::Ledger;
use crate::work::rounds;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const PERIOD: Duration = Duration::from_secs(1);

/// Pauses connections that have run empty, until `stop`.
///
/// # Errors
/// None: a failed round is tried again.
pub(crate) async fn watch_drains(ledger: Ledger, stop: CancellationToken) -> anyhow::Result<()> {
    rounds("drain timer", stop, || tokio::time::sleep(PERIOD), || ledger.end_drains()).await
}
