//! `orders unblock ID...`.

use super::super::{ids, items};
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use provost_contract::fulfillment::v1::UnblockOrdersRequest;

/// Which orders, and what was mended.
#[derive(Debug, clap::Args)]
pub struct UnblockArguments {
    /// The orders; the beginning or end of each is enough.
    #[arg(required = true, value_name = "ORDER")]
    orders: Vec<String>,
    /// What was mended; the history keeps it.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    comment: String,
}

pub(super) async fn run(arguments: UnblockArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let orders = ids::orders(&session.clients, &arguments.orders).await?;
    let mut results = Vec::with_capacity(orders.len());
    for part in orders.chunks(items::BATCH_MAX) {
        let message = UnblockOrdersRequest { order_ids: part.to_vec(), comment: arguments.comment.clone() };
        let answer = session.clients.orders().unblock_orders(session.clients.request(message)).await;
        results.extend(session.clients.answer(Service::Fulfillment, answer)?.results);
    }
    items::show(session, &results, "unblocked")
}
