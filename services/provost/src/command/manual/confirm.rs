//! `manual confirm ID...` and `--all`: bulk provision.

use super::super::{ids, items};
use super::list::{self, Narrow};
use crate::client::{Clients, Service};
use crate::failure::{Failure, Outcome};
use crate::session::{Limit, Session};
use provost_contract::fulfillment::v1::{ConfirmOrdersRequest, ManualDecision};

/// Which orders were written.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["orders", "all"])))]
pub struct ConfirmArguments {
    /// The orders; the beginning or end of each is enough.
    #[arg(value_name = "ORDER")]
    orders: Vec<String>,
    /// All that the list shows now, as narrowed by the options below.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    narrow: Narrow,
    /// In which words; the history keeps them.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    comment: String,
}

pub(super) async fn run(arguments: ConfirmArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let decisions = if arguments.all {
        all(&session.clients, &arguments.narrow).await?
    } else {
        let orders = ids::manual_orders(&session.clients, &arguments.orders).await?;
        orders.into_iter().map(|order_id| ManualDecision { order_id, version: 0 }).collect()
    };
    let mut results = Vec::with_capacity(decisions.len());
    for part in decisions.chunks(items::BATCH_MAX) {
        let message = ConfirmOrdersRequest { decisions: part.to_vec(), comment: arguments.comment.clone() };
        let answer = session.clients.manual().confirm_orders(session.clients.request(message)).await;
        results.extend(session.clients.answer(Service::Fulfillment, answer)?.results);
    }
    if results.is_empty() && !session.is_json() {
        session.console.line("nothing to confirm")?;
    }
    items::show(session, &results, "confirmed")
}

/// The list as it stands, with the versions seen: what changes meanwhile is not confirmed unseen.
async fn all(clients: &Clients, narrow: &Narrow) -> Result<Vec<ManualDecision>, Failure> {
    let listing = list::read(clients, narrow, Limit::ALL).await?;
    let decision = |record: provost_contract::types::v1::OrderRecord| {
        Some(ManualDecision { order_id: record.order?.order_id, version: record.version })
    };
    Ok(listing.items.into_iter().filter_map(|manual| decision(manual.record?)).collect())
}
