//! `manual report-error ID... --comment`.

use super::super::{ids, items};
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use provost_contract::fulfillment::v1::{ManualDecision, ReportOrderErrorsRequest};

/// Which orders could not be written, and why.
#[derive(Debug, clap::Args)]
pub struct ReportErrorArguments {
    /// The orders; the beginning or end of each is enough.
    #[arg(required = true, value_name = "ORDER")]
    orders: Vec<String>,
    /// The version that was seen (`manual show` tells it), of one order: when the order has changed since, nothing
    /// is reported, and the answer says what differs.
    #[arg(long, value_name = "VERSION")]
    seen: Option<i64>,
    /// What went wrong; it becomes the orders' failure.
    #[arg(long, short)]
    comment: String,
}

pub(super) async fn run(arguments: ReportErrorArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let orders = ids::manual_orders(&session.clients, &arguments.orders).await?;
    let version = super::confirm::seen(arguments.seen, &orders)?;
    let mut results = Vec::with_capacity(orders.len());
    for part in orders.chunks(items::BATCH_MAX) {
        let decisions = part.iter().map(|order_id| ManualDecision { order_id: order_id.clone(), version }).collect();
        let message = ReportOrderErrorsRequest { decisions, comment: arguments.comment.clone() };
        let answer = session.clients.manual().report_order_errors(session.clients.request(message)).await;
        results.extend(session.clients.answer(Service::Fulfillment, answer)?.results);
    }
    items::show(session, &results, "reported")
}
