//! `orders cancel ID... --reason`.

use super::super::{ids, items};
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use provost_contract::fulfillment::v1::CancelOrdersRequest;

/// Which orders, and why.
#[derive(Debug, clap::Args)]
pub struct CancelArguments {
    /// The orders; the beginning or end of each is enough.
    #[arg(required = true, value_name = "ORDER")]
    orders: Vec<String>,
    /// Why; the history keeps it.
    #[arg(long, short)]
    reason: String,
}

pub(super) async fn run(arguments: CancelArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let orders = ids::orders(&session.clients, &arguments.orders).await?;
    let mut results = Vec::with_capacity(orders.len());
    for part in orders.chunks(items::BATCH_MAX) {
        let message =
            CancelOrdersRequest { order_ids: part.to_vec(), reason: arguments.reason.clone(), reevaluated: false };
        let answer = session.clients.orders().cancel_orders(session.clients.request(message)).await;
        results.extend(session.clients.answer(Service::Fulfillment, answer)?.results);
    }
    items::show(session, &results, "cancelled")
}
