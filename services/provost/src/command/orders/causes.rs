//! `orders causes`: what Errored orders failed of, and how many of the same.

use super::filter::FilterArguments;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::{self, Table};
use provost_contract::fulfillment::v1::{ErrorCause, ListErrorCausesRequest, OrderFilter};

pub(super) async fn run(arguments: FilterArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let causes = all(session, OrderFilter::from(arguments)).await?;
    if session.is_json() {
        session.json_list("provost.fulfillment.v1.ErrorCause", &causes)?;
    } else {
        session.table(&table(&causes), "no order is Errored")?;
    }
    Ok(Outcome::Done)
}

/// The causes of the errors of these orders.
pub(super) async fn all(session: &Session, filter: OrderFilter) -> Result<Vec<ErrorCause>, Failure> {
    let request = session.clients.request(ListErrorCausesRequest { filter: Some(filter) });
    let answer = session.clients.orders().list_error_causes(request).await;
    Ok(session.clients.answer(Service::Fulfillment, answer)?.causes)
}

fn table(causes: &[ErrorCause]) -> Table {
    let mut table =
        Table::new(&["cause", "connection", "orders", "since", "code", "property", "for example", "example order"]);
    for cause in causes {
        let example = cause.example.clone().unwrap_or_default();
        table.row(vec![
            cause.error_cause.clone(),
            cause.connection.clone(),
            cause.count.to_string(),
            show::instant(cause.first_at.as_ref()),
            example.code,
            example.property,
            example.message,
            show::short(&cause.example_order_id).to_owned(),
        ]);
    }
    table
}
