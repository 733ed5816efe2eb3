//! Following the ledger: the projection and the cursor move together, in one transaction, so each
//! event takes effect once.

use crate::generator::Generator;
use crate::store::{orders, sensitive_orders};
use provost_contract::fulfillment::v1::WatchOrdersResponse;
use provost_contract::types::v1::OrderRecord;
use provost_service_kit::{Fault, feed};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The feed's name among this service's cursors.
pub(crate) const FEED: &str = "fulfillment orders";

/// Follows the feed until `stop`.
pub(crate) async fn follow(generator: Arc<Generator>, stop: CancellationToken) -> anyhow::Result<()> {
    feed::follow(
        FEED,
        stop,
        || feed::cursor(generator.database.read(), FEED),
        |after| generator.ledger.watch(after),
        |events| take(&generator, events),
    )
    .await
}

async fn take(generator: &Generator, events: Vec<WatchOrdersResponse>) -> Result<(), Fault> {
    let transaction = generator.database.begin().await?;
    let from = feed::cursor(&transaction, FEED).await?;
    let mut to = from;
    let mut records: Vec<OrderRecord> = Vec::with_capacity(events.len());
    for WatchOrdersResponse { entry, record } in events {
        let cursor = entry.map_or(0, |entry| entry.cursor);
        if cursor > from {
            to = to.max(cursor);
            records.extend(record);
        }
    }
    let engine = generator.database.engine();
    orders::save(&transaction, engine, to, &records).await?;
    sensitive_orders::forget_ended(&transaction, engine, &records).await?;
    feed::advance(&transaction, FEED, from, to).await?;
    generator.orders.announce(&transaction).await?;
    transaction.commit().await?;
    generator.orders.ring();
    Ok(())
}
