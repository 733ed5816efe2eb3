//! `orders unblock ID...`, and `orders unblock --cause CAUSE`.

use super::super::{ids, items};
use super::causes;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show;
use provost_contract::fulfillment::v1::{OrderFilter, UnblockErrorCauseRequest, UnblockOrdersRequest};

/// Which orders, and what was mended.
#[derive(Debug, clap::Args)]
pub struct UnblockArguments {
    /// The orders; the beginning or end of each is enough.
    #[arg(required_unless_present = "cause", conflicts_with = "cause", value_name = "ORDER")]
    orders: Vec<String>,
    /// What was mended; the history keeps it.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    comment: String,
    /// Instead: all orders that are Errored with this cause, as `orders causes` shows it.
    #[arg(long, value_name = "CAUSE")]
    cause: Option<String>,
    /// The connection that the cause is on, when it is on several.
    #[arg(long, value_name = "NAME", requires = "cause", default_value = "", hide_default_value = true)]
    connection: String,
    /// At most so many of them, oldest first: --max 1 is a probe.
    #[arg(long, value_name = "N", requires = "cause", value_parser = clap::value_parser!(i32).range(1..))]
    max: Option<i32>,
    /// At most so many of them each minute.
    #[arg(long, value_name = "N", requires = "cause", value_parser = clap::value_parser!(i32).range(1..=1_000_000))]
    per_minute: Option<i32>,
}

pub(super) async fn run(arguments: UnblockArguments, session: &mut Session) -> Result<Outcome, Failure> {
    match arguments.cause.clone() {
        Some(cause) => of_cause(cause, arguments, session).await,
        None => single(arguments, session).await,
    }
}

async fn single(arguments: UnblockArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let orders = ids::orders(&session.clients, &arguments.orders).await?;
    let mut results = Vec::with_capacity(orders.len());
    for part in orders.chunks(items::BATCH_MAX) {
        let message = UnblockOrdersRequest { order_ids: part.to_vec(), comment: arguments.comment.clone() };
        let answer = session.clients.orders().unblock_orders(session.clients.request(message)).await;
        results.extend(session.clients.answer(Service::Fulfillment, answer)?.results);
    }
    items::show(session, &results, "unblocked")
}

async fn of_cause(cause: String, arguments: UnblockArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let connection = match arguments.connection {
        name if name.is_empty() => only_connection(&cause, session).await?,
        name => name,
    };
    let message = UnblockErrorCauseRequest {
        error_cause: cause,
        connection,
        orders_max: arguments.max.unwrap_or(0),
        per_minute: arguments.per_minute.unwrap_or(0),
        comment: arguments.comment,
    };
    let answer = session.clients.orders().unblock_error_cause(session.clients.request(message)).await;
    let answer = session.clients.answer(Service::Fulfillment, answer)?;
    let failures = usize::try_from(answer.refused).unwrap_or(usize::MAX);
    if session.is_json() {
        session.json("provost.fulfillment.v1.UnblockErrorCauseResponse", &answer)?;
        return Ok(Outcome::of_failures(failures));
    }
    let until = match &answer.last_at {
        Some(at) => format!(", the last of them goes out at {}", show::instant(Some(at))),
        None => String::new(),
    };
    let style = session.console.style();
    let line = format!("{} {} unblocked{until}; {} stay Errored", style.green("✓"), answer.unblocked, answer.left);
    session.console.line(line)?;
    items::show_refused(session, &answer.refusals)?;
    Ok(Outcome::of_failures(failures))
}

/// The connection of a cause that is on one alone.
async fn only_connection(cause: &str, session: &Session) -> Result<String, Failure> {
    let found = causes::all(session, OrderFilter { error_cause: cause.to_owned(), ..Default::default() }).await?;
    match found.as_slice() {
        [] => Err(Failure::Other(anyhow::anyhow!("no order is Errored with cause '{cause}'; see 'orders causes'"))),
        [one] => Ok(one.connection.clone()),
        several => {
            let names: Vec<_> = several.iter().map(|one| one.connection.as_str()).collect();
            Err(Failure::Usage(format!("it is on {}; say --connection", names.join(" and "))))
        }
    }
}
