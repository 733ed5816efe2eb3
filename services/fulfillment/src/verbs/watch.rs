//! The order feed: the history, line by line, each with its order as it stands.

use crate::store::{Ledger, archive, entries, history};
use provost_contract::fulfillment::v1::{WatchOrdersRequest, WatchOrdersResponse};
use provost_contract::types::v1::OrderRecord;
use provost_domain::OrderId;
use provost_service_kit::{Fault, feed};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio_stream::Stream;
use tonic::Status;

/// Lines read at once.
const PAGE: u64 = 500;

/// The feed as it goes over the wire.
pub(crate) type Feed = std::pin::Pin<Box<dyn Stream<Item = Result<WatchOrdersResponse, Status>> + Send>>;

impl Ledger {
    /// Everything after a cursor, then live, until the service stops.
    ///
    /// # Errors
    /// When the cursor is negative.
    pub(crate) fn watch(&self, request: WatchOrdersRequest) -> Result<Feed, Fault> {
        let WatchOrdersRequest { after_cursor, resource_types } = request;
        if after_cursor < 0 {
            return Err(Fault::invalid("after_cursor", "must not be negative"));
        }
        let ledger = self.clone();
        let wanted = Arc::new(resource_types);
        // Lines of other resource types are read once and passed over.
        let read_to = Arc::new(AtomicI64::new(after_cursor));
        let fetch = move |after: i64| {
            let (ledger, wanted, read_to) = (ledger.clone(), Arc::clone(&wanted), Arc::clone(&read_to));
            async move {
                loop {
                    let from = after.max(read_to.load(Ordering::Relaxed));
                    let (events, last) = ledger.events(from, &wanted).await?;
                    let Some(last) = last else { return Ok(events) };
                    read_to.store(last, Ordering::Relaxed);
                    if !events.is_empty() {
                        return Ok(events);
                    }
                }
            }
        };
        Ok(Box::pin(feed::serve(after_cursor, self.news.listener(), self.stop.clone(), fetch)))
    }

    /// The next events after a cursor, and how far was read.
    async fn events(
        &self,
        after: i64,
        resource_types: &[String],
    ) -> Result<(Vec<(i64, WatchOrdersResponse)>, Option<i64>), Fault> {
        let mut lines = history::after(self.read(), after, PAGE).await?;
        // Read after the history: what is archived in between is in both, and told once.
        let archived = archive::after(self.read(), after, PAGE).await?;
        lines.extend(archived);
        lines.sort_by_key(|line| line.cursor);
        lines.dedup_by_key(|line| line.cursor);
        lines.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
        let last = lines.last().map(|line| line.cursor);
        let mut ids: Vec<OrderId> = lines.iter().filter_map(|line| line.order_id.parse().ok()).collect();
        ids.sort();
        ids.dedup();
        let orders = entries::full_by_ids(self.read(), &ids).await?;
        let gone: Vec<OrderId> = ids.into_iter().filter(|id| !orders.contains_key(id)).collect();
        let mut records = self.records(orders.into_values().collect()).await?;
        records.extend(archive::bodies(self.read(), &gone).await?.into_values().filter_map(|body| body.record));
        let is_wanted = |record: &OrderRecord| {
            let of = record.order.as_ref().map(|order| &order.resource_type);
            resource_types.is_empty() || of.is_some_and(|of| resource_types.contains(of))
        };
        records.retain(is_wanted);
        let records: HashMap<String, _> = records
            .into_iter()
            .filter_map(|record| Some((record.order.as_ref()?.order_id.parse::<OrderId>().ok()?.to_string(), record)))
            .collect();
        let events = lines.into_iter().filter_map(|line| {
            let record = records.get(&line.order_id)?.clone();
            Some((line.cursor, WatchOrdersResponse { entry: Some(line), record: Some(record) }))
        });
        Ok((events.collect(), last))
    }
}
