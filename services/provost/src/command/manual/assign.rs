//! `manual assign ORDER... --to NAME`, `manual unassign ORDER...`, `manual comment ORDER...`.

use super::super::{ids, items};
use super::list::{self, Narrow};
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use provost_contract::fulfillment::v1::{
    AssignManualOrdersRequest, CommentManualOrdersRequest, ManualDecision, UnassignManualOrdersRequest,
};

/// Which orders, and to whom.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["orders", "all"])))]
#[command(group(clap::ArgGroup::new("whom").required(true).args(["to", "to_me"])))]
pub struct AssignArguments {
    /// The orders; the beginning or end of each is enough.
    #[arg(value_name = "ORDER")]
    orders: Vec<String>,
    /// All that the list shows now, as narrowed by the options below.
    #[arg(long)]
    all: bool,
    /// To this person.
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    /// To whoever asks (`--as`).
    #[arg(long)]
    to_me: bool,
    #[command(flatten)]
    narrow: Narrow,
    /// In which words; the history keeps them.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    comment: String,
}

/// Which orders nobody in particular has any more.
#[derive(Debug, clap::Args)]
pub struct UnassignArguments {
    /// The orders; the beginning or end of each is enough.
    #[arg(required = true, value_name = "ORDER")]
    orders: Vec<String>,
    /// In which words; the history keeps them.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    comment: String,
}

/// On which orders, and what.
#[derive(Debug, clap::Args)]
pub struct CommentArguments {
    /// The orders; the beginning or end of each is enough.
    #[arg(required = true, value_name = "ORDER")]
    orders: Vec<String>,
    /// What is to be said; the history keeps it.
    #[arg(long, short)]
    comment: String,
}

pub(super) async fn assign(arguments: AssignArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let AssignArguments { orders, all, to, to_me: _, narrow, comment } = arguments;
    let assignee = to.unwrap_or_else(|| session.clients.actor().to_owned());
    let decisions =
        if all { list::decisions(&session.clients, &narrow).await? } else { named(session, &orders).await? };
    let mut results = Vec::with_capacity(decisions.len());
    for part in decisions.chunks(items::BATCH_MAX) {
        let (decisions, assignee, comment) = (part.to_vec(), assignee.clone(), comment.clone());
        let message = AssignManualOrdersRequest { decisions, assignee, comment };
        let answer = session.clients.manual().assign_manual_orders(session.clients.request(message)).await;
        results.extend(session.clients.answer(Service::Fulfillment, answer)?.results);
    }
    if results.is_empty() && !session.is_json() {
        session.console.line("nothing to assign")?;
    }
    items::show(session, &results, &format!("assigned to {assignee}"))
}

pub(super) async fn unassign(arguments: UnassignArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let UnassignArguments { orders, comment } = arguments;
    let mut results = Vec::with_capacity(orders.len());
    for part in named(session, &orders).await?.chunks(items::BATCH_MAX) {
        let message = UnassignManualOrdersRequest { decisions: part.to_vec(), comment: comment.clone() };
        let answer = session.clients.manual().unassign_manual_orders(session.clients.request(message)).await;
        results.extend(session.clients.answer(Service::Fulfillment, answer)?.results);
    }
    items::show(session, &results, "given back")
}

pub(super) async fn comment(arguments: CommentArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let CommentArguments { orders, comment } = arguments;
    let mut results = Vec::with_capacity(orders.len());
    for part in named(session, &orders).await?.chunks(items::BATCH_MAX) {
        let message = CommentManualOrdersRequest { decisions: part.to_vec(), comment: comment.clone() };
        let answer = session.clients.manual().comment_manual_orders(session.clients.request(message)).await;
        results.extend(session.clients.answer(Service::Fulfillment, answer)?.results);
    }
    items::show(session, &results, "commented on")
}

async fn named(session: &Session, orders: &[String]) -> Result<Vec<ManualDecision>, Failure> {
    let orders = ids::manual_orders(&session.clients, orders).await?;
    Ok(orders.into_iter().map(|order_id| ManualDecision { order_id, version: 0 }).collect())
}
