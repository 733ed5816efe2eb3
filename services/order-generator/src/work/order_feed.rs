//! Following the ledger: the projection and the cursor move together, in one transaction, so each
//! event takes effect once. So do the resources that are known by an order alone (`verbs::virtual_resources`).

use crate::generator::Generator;
use crate::store::{changes, orders, sensitive_orders};
use crate::verbs::virtual_resources::{believe, catalog_for};
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
    let (cursors, records): (Vec<i64>, Vec<Option<OrderRecord>>) =
        events.into_iter().map(|event| (event.entry.map_or(0, |entry| entry.cursor), event.record)).unzip();
    let mut records: Vec<(i64, OrderRecord)> =
        cursors.iter().copied().zip(records).filter_map(|(cursor, record)| Some((cursor, record?))).collect();
    let loaded = catalog_for(generator, records.iter().map(|(_, record)| record)).await;
    let transaction = generator.database.begin().await?;
    let from = feed::cursor(&transaction, FEED).await?;
    let to = cursors.into_iter().fold(from, i64::max);
    records.retain(|(cursor, _)| *cursor > from);
    let records: Vec<OrderRecord> = records.into_iter().map(|(_, record)| record).collect();
    let engine = generator.database.engine();
    orders::save(&transaction, to, &records).await?;
    // Before the content of what has ended is forgotten: what is written needs its confidential values.
    let noted = match loaded {
        Some(loaded) => believe(generator, &transaction, loaded, &records).await?,
        None => vec![],
    };
    sensitive_orders::forget_ended(&transaction, engine, &records).await?;
    feed::advance(&transaction, FEED, from, to).await?;
    generator.orders.announce(&transaction).await?;
    changes::note(&generator.database, &transaction, noted).await?;
    transaction.commit().await?;
    generator.orders.ring();
    Ok(())
}
