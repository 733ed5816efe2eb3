//! `manual confirm ID...` and `--all`: bulk provision.

use super::super::{ids, items};
use super::list::{self, Narrow};
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
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
    /// The version that was seen (`manual show` tells it), of one order: when the order has changed since, nothing
    /// is confirmed, and the answer says what differs.
    #[arg(long, value_name = "VERSION", conflicts_with = "all")]
    seen: Option<i64>,
    #[command(flatten)]
    narrow: Narrow,
    /// In which words; the history keeps them.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    comment: String,
}

pub(super) async fn run(arguments: ConfirmArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let decisions = if arguments.all {
        list::decisions(&session.clients, &arguments.narrow).await?
    } else {
        let orders = ids::manual_orders(&session.clients, &arguments.orders).await?;
        let version = seen(arguments.seen, &orders)?;
        orders.into_iter().map(|order_id| ManualDecision { order_id, version }).collect()
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

/// The version that a decision carries; 0 when none was given.
///
/// # Errors
/// When one is given for several orders: each has its own.
pub(super) fn seen(version: Option<i64>, orders: &[String]) -> Result<i64, Failure> {
    match version {
        Some(_) if orders.len() != 1 => {
            Err(Failure::Usage("--seen is of one order; decide on each of them by itself".to_owned()))
        }
        version => Ok(version.unwrap_or(0)),
    }
}
