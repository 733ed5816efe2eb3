//! `orders list`.

use super::filter::FilterArguments;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::{Limit, Session, pages};
use crate::show::{self, Table, instant, short, shortened};
use provost_contract::fulfillment::v1::{ListOrdersRequest, OrderFilter};
use provost_contract::types::v1::OrderRecord;

/// Which orders.
#[derive(Debug, clap::Args)]
pub struct ListArguments {
    #[command(flatten)]
    filter: FilterArguments,
    #[command(flatten)]
    limit: Limit,
}

pub(super) async fn run(arguments: ListArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let filter = OrderFilter::from(arguments.filter);
    let clients = &session.clients;
    let listing = pages(arguments.limit, async |page_size, page_token| {
        let message = ListOrdersRequest { filter: Some(filter.clone()), page_size, page_token };
        let answer = clients.orders().list_orders(clients.request(message)).await;
        let page = clients.answer(Service::Fulfillment, answer)?;
        Ok((page.orders, page.next_page_token))
    })
    .await?;
    session.list("provost.types.v1.OrderRecord", &listing, table, "no such orders")?;
    Ok(Outcome::Done)
}

/// Orders as a table.
pub fn table(records: &[OrderRecord]) -> Table {
    let mut table = Table::new(&["order", "kind", "resource type", "target", "owner", "state", "updated", "reason"]);
    for record in records {
        let order = record.order.clone().unwrap_or_default();
        table.row(vec![
            short(&order.order_id).to_owned(),
            show::kind(&order).to_owned(),
            order.resource_type.clone(),
            shortened(&order.target_key, 32),
            shortened(&show::subject(&order), 40),
            show::standing(record),
            instant(record.updated_at.as_ref()),
            shortened(&reason(record), 70),
        ]);
    }
    table
}

fn reason(record: &OrderRecord) -> String {
    match (&record.failure, record.state_reason.as_str()) {
        (Some(failure), "") => failure.message.clone(),
        (_, reason) => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Style;
    use provost_contract::types::v1::{Failure, Order};

    #[test]
    fn failure_is_the_reason_when_there_is_no_other() {
        let order = Order { order_id: "o-1".into(), kind: 1, target_key: "ada".into(), ..Order::default() };
        let failure = Failure { message: "mail is taken".into(), ..Failure::default() };
        let record = OrderRecord { order: Some(order), state: 3, failure: Some(failure), ..OrderRecord::default() };
        let lines = table(&[record]).render(Style::new(false));
        assert_eq!(
            lines.first().map(String::as_str),
            Some("ORDER  KIND      TARGET  OWNER  STATE             UPDATED  REASON")
        );
        assert_eq!(
            lines.get(1).map(String::as_str),
            Some("o-1    Addition  ada     –      Errored (system)  –        mail is taken")
        );
    }
}
