//! Archiving finished orders: after a long time they make room, and stay known.

use crate::store::{Ledger, Rings, archive};
use provost_service_kit::Fault;

/// Most orders in one transaction; others wait for the ledger so long.
const BATCH: i64 = 200;

impl Ledger {
    /// Archives some of the orders that have been finished for so long. Says whether there may be more.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub(crate) async fn retain(&self) -> Result<bool, Fault> {
        let Some(retention) = self.retention else { return Ok(false) };
        let until = |now: provost_domain::Timestamp| {
            let age = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
            provost_domain::Timestamp::from_millis(now.millis().saturating_sub(age))
        };
        let now = self.now();
        if archive::ripe(self.read(), until(now), now, 1).await?.is_empty() {
            return Ok(false);
        }
        let transaction = self.begin().await?;
        let now = self.now();
        let ripe = archive::ripe(&transaction, until(now), now, BATCH).await?;
        let archived = archive::put(&transaction, &ripe, now).await?;
        self.commit(transaction, Rings::default()).await?;
        tracing::info!(archived, "finished orders archived");
        Ok(ripe.len() as i64 == BATCH)
    }
}
