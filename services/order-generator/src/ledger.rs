//! The ledger, as this service calls it: fulfillment's `OrderService`, with its limits kept.

use futures::stream;
use prost::Message;
use provost_contract::fulfillment::v1::connection_service_client::ConnectionServiceClient;
use provost_contract::fulfillment::v1::dispatch_service_client::DispatchServiceClient;
use provost_contract::fulfillment::v1::order_service_client::OrderServiceClient;
use provost_contract::fulfillment::v1::{
    Agent, CancelOrdersRequest, ConnectionSize, CountOrdersRequest, GetOrderRequest, GetOrderResponse,
    ListAgentsRequest, ListConnectionsRequest, ReportConnectionSizesRequest, SubmitOrdersRequest, SubmitOrdersResponse,
    Verification, VerifyOrdersRequest, WatchOrdersRequest, WatchOrdersResponse,
};
use provost_contract::types::v1::{ItemResult, Order};
use provost_service_kit::server::MESSAGE_BYTES_MAX;
use provost_service_kit::{Fault, FaultKind, Replicas, caller};
use std::collections::BTreeMap;
use tonic::{Code, Status, Streaming};

/// Most items in one message.
const ITEMS_MAX: usize = 1_000;
/// Most bytes in one message of a submission.
const SUBMISSION_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Under which name this service calls.
const ACTOR: &str = "order-generator";

/// A client of fulfillment. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    channel: Replicas,
}

fn fault(status: Status) -> Fault {
    let kind = match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted | Code::ResourceExhausted => {
            FaultKind::Unavailable
        }
        _ => FaultKind::Internal,
    };
    let words = format!("fulfillment said {}: {}", status.code(), status.message());
    match kind {
        FaultKind::Unavailable => Fault::new(kind, format!("fulfillment cannot be reached; try again ({words})")),
        _ => Fault::internal(anyhow::anyhow!(words)),
    }
}

impl Ledger {
    pub(crate) const fn new(channel: Replicas) -> Self {
        Self { channel }
    }

    fn orders(&self) -> OrderServiceClient<Replicas> {
        OrderServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Submits orders in the name of `actor`, as [`batches`] made messages of them; safe to repeat.
    pub(crate) async fn submit(
        &self,
        actor: &str,
        messages: Vec<SubmitOrdersRequest>,
    ) -> Result<SubmitOrdersResponse, Fault> {
        let messages = stream::iter(messages);
        let response = self.orders().submit_orders(caller::request_as(actor, messages)).await;
        response.map(tonic::Response::into_inner).map_err(fault)
    }

    /// Tells how many resources there are behind connections.
    pub(crate) async fn tell_sizes(&self, sizes: &BTreeMap<String, i64>) -> Result<(), Fault> {
        let size =
            |(name, resources): (&String, &i64)| ConnectionSize { connection: name.clone(), resources: *resources };
        let sizes: Vec<ConnectionSize> = sizes.iter().map(size).collect();
        let mut client = ConnectionServiceClient::new(self.channel.clone());
        for sizes in sizes.chunks(ITEMS_MAX) {
            let request = ReportConnectionSizesRequest { sizes: sizes.to_vec() };
            client.report_connection_sizes(caller::request_as(ACTOR, request)).await.map_err(fault)?;
        }
        Ok(())
    }

    /// What holds connections, in a sentence each, by their names.
    pub(crate) async fn holds(&self) -> Result<BTreeMap<String, String>, Fault> {
        let mut client = ConnectionServiceClient::new(self.channel.clone());
        let request = caller::request_as(ACTOR, ListConnectionsRequest {});
        let connections = client.list_connections(request).await.map_err(fault)?.into_inner().connections;
        Ok(connections.into_iter().filter_map(|one| Some((one.name, one.hold?.message))).collect())
    }

    /// Reports verified orders; answers per item.
    pub(crate) async fn verify(&self, verifications: &[Verification]) -> Result<Vec<ItemResult>, Fault> {
        let mut results = Vec::with_capacity(verifications.len());
        for chunk in verifications.chunks(ITEMS_MAX) {
            let request = VerifyOrdersRequest { verifications: chunk.to_vec() };
            let response = self.orders().verify_orders(caller::request_as(ACTOR, request)).await.map_err(fault)?;
            results.extend(response.into_inner().results);
        }
        Ok(results)
    }

    /// Cancels orders that are no longer needed; answers per item.
    pub(crate) async fn cancel(&self, order_ids: &[String], reason: &str) -> Result<Vec<ItemResult>, Fault> {
        let mut results = Vec::with_capacity(order_ids.len());
        for chunk in order_ids.chunks(ITEMS_MAX) {
            let request =
                CancelOrdersRequest { order_ids: chunk.to_vec(), reason: reason.to_owned(), reevaluated: true };
            let response = self.orders().cancel_orders(caller::request_as(ACTOR, request)).await.map_err(fault)?;
            results.extend(response.into_inner().results);
        }
        Ok(results)
    }

    /// One order with its history; none when the ledger does not know it.
    pub(crate) async fn get(&self, order_id: &str) -> Result<Option<GetOrderResponse>, Fault> {
        let request = caller::request_as(ACTOR, GetOrderRequest { order_id: order_id.to_owned() });
        match self.orders().get_order(request).await {
            Ok(answer) => Ok(Some(answer.into_inner())),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(fault(status)),
        }
    }

    /// The cursor of the newest event of the order feed.
    pub(crate) async fn newest_cursor(&self) -> Result<i64, Fault> {
        let request = caller::request_as(ACTOR, CountOrdersRequest { filter: None, only_cursor: true });
        let answer = self.orders().count_orders(request).await.map_err(fault)?.into_inner();
        answer.newest_cursor.ok_or_else(|| {
            let older =
                "fulfillment is older than this order generator and does not say how far its feed is; upgrade it first";
            Fault::new(FaultKind::Unavailable, older)
        })
    }

    /// The agents that have pulled orders.
    pub(crate) async fn agents(&self) -> Result<Vec<Agent>, Fault> {
        let mut client = DispatchServiceClient::new(self.channel.clone());
        let request = caller::request_as(ACTOR, ListAgentsRequest {});
        Ok(client.list_agents(request).await.map_err(fault)?.into_inner().agents)
    }

    /// Opens the order feed.
    pub(crate) async fn watch(&self, after_cursor: i64) -> Result<Streaming<WatchOrdersResponse>, Status> {
        let request = WatchOrdersRequest { after_cursor, resource_types: Vec::new() };
        self.orders().watch_orders(caller::request_as(ACTOR, request)).await.map(tonic::Response::into_inner)
    }
}

/// The messages of a submission, each within its limits.
pub(crate) fn batches(orders: Vec<Order>) -> Vec<SubmitOrdersRequest> {
    let mut messages = Vec::new();
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for order in orders {
        let size = order.encoded_len() + 8;
        if batch.len() == ITEMS_MAX || (bytes + size > SUBMISSION_BYTES_MAX && !batch.is_empty()) {
            messages.push(SubmitOrdersRequest { orders: std::mem::take(&mut batch) });
            bytes = 0;
        }
        bytes += size;
        batch.push(order);
    }
    if !batch.is_empty() {
        messages.push(SubmitOrdersRequest { orders: batch });
    }
    messages
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn order(argument: String) -> Order {
        Order { arguments: [("text".to_owned(), argument)].into(), ..Order::default() }
    }

    #[test]
    fn submissions_keep_both_limits() {
        let many = vec![order(String::new()); 2_500];
        let sizes: Vec<_> = batches(many).iter().map(|message| message.orders.len()).collect();
        assert_eq!(sizes, [1_000, 1_000, 500]);
        let large = vec![order("x".repeat(3 * 1024 * 1024)); 3];
        let messages = batches(large);
        assert_eq!(messages.len(), 3);
        assert!(messages[0].encoded_len() <= SUBMISSION_BYTES_MAX);
        assert!(batches(vec![]).is_empty());
    }
}
