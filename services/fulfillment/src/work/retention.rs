//! The timer that archives what has been finished for long.

use crate::store::Ledger;
use crate::work::alone::alone;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Nobody waits for it.
const PERIOD: Duration = Duration::from_secs(300);

/// Archives finished orders, on one replica, until `stop`.
///
/// # Errors
/// None: a failed round is tried again.
pub(crate) async fn watch_retention(ledger: Ledger, stop: CancellationToken) -> anyhow::Result<()> {
    alone("retention timer", &ledger, stop, PERIOD, || ledger.retain()).await
}
