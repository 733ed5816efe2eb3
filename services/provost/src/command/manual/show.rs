//! `manual show ID`: what to enter where.

use super::super::ids;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::{self, Table};
use provost_contract::fulfillment::v1::{GetManualOrderRequest, ManualOrder};

/// Which manual order.
#[derive(Debug, clap::Args)]
pub struct ShowArguments {
    /// The order; its beginning or end is enough.
    order: String,
}

pub(super) async fn run(arguments: ShowArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let found = ids::manual_orders(&session.clients, &[arguments.order]).await?;
    let message = GetManualOrderRequest { order_id: found.into_iter().next().unwrap_or_default() };
    let answer = session.clients.manual().get_manual_order(session.clients.request(message)).await;
    let manual = session.clients.answer(Service::Fulfillment, answer)?;
    if session.is_json() {
        session.json("provost.fulfillment.v1.ManualOrder", &manual)?;
        return Ok(Outcome::Done);
    }
    let record = manual.record.clone().unwrap_or_default();
    let (order, version) = (record.order.unwrap_or_default(), record.version);
    session.console.line(format!("{}  {}", order.order_id, show::subject(&order)))?;
    let with = if record.assignee.is_empty() { "nobody".to_owned() } else { record.assignee };
    let since = show::instant(record.state_since.as_ref());
    session.console.line(format!("waits since {since}, with {with}; version {version}"))?;
    session.console.line(format!("{}\n", manual.suggestion))?;
    session.table(&values(&manual), "no values to enter")?;
    let id = show::short(&order.order_id);
    session.console.line(format!("\nwhen it is done:  provost manual confirm {id} --seen {version}"))?;
    session
        .console
        .line(format!("when it cannot:   provost manual report-error {id} --seen {version} --comment WHY"))?;
    Ok(Outcome::Done)
}

/// The values to enter, as a table: the sensitive ones too, for this is what somebody has to type.
pub fn values(manual: &ManualOrder) -> Table {
    // In full: what is cut short cannot be typed.
    let whole = |value: Option<&_>| value.map_or_else(|| "–".to_owned(), show::value);
    let mut table = Table::new(&["property", "does", "old value", "value"]);
    for suggested in &manual.values {
        table.row(vec![
            suggested.property.clone(),
            show::operation(suggested.operation).to_owned(),
            whole(suggested.old_value.as_ref()),
            whole(suggested.new_value.as_ref()),
        ]);
    }
    table
}
