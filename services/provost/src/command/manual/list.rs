//! `manual list`.

use crate::client::{Clients, Service};
use crate::failure::{Failure, Outcome};
use crate::session::{Limit, Listing, Session, pages};
use crate::show::{self, Table, instant, short, shortened};
use provost_contract::fulfillment::v1::{ListManualOrdersRequest, ManualOrder};

/// Which manual orders.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Narrow {
    /// Of this target entity type.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    entity_type: String,
    /// Of this resource type.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    resource_type: String,
    /// Of this connector.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    connector: String,
    /// Of the owner with this key.
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    owner: String,
}

/// Which manual orders, and how many.
#[derive(Debug, clap::Args)]
pub struct ListArguments {
    #[command(flatten)]
    narrow: Narrow,
    #[command(flatten)]
    limit: Limit,
}

pub(super) async fn run(arguments: ListArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let listing = read(&session.clients, &arguments.narrow, arguments.limit).await?;
    session.list("provost.fulfillment.v1.ManualOrder", &listing, table, "nothing is left to do by hand")?;
    Ok(Outcome::Done)
}

/// Reads the list.
pub(super) async fn read(clients: &Clients, narrow: &Narrow, limit: Limit) -> Result<Listing<ManualOrder>, Failure> {
    pages(limit, async |page_size, page_token| {
        let message = ListManualOrdersRequest {
            entity_type: narrow.entity_type.clone(),
            resource_type: narrow.resource_type.clone(),
            connector: narrow.connector.clone(),
            owner_key: narrow.owner.clone(),
            page_size,
            page_token,
        };
        let answer = clients.manual().list_manual_orders(clients.request(message)).await;
        let page = clients.answer(Service::Fulfillment, answer)?;
        Ok((page.orders, page.next_page_token))
    })
    .await
}

/// Manual orders as a table.
pub fn table(orders: &[ManualOrder]) -> Table {
    let mut table = Table::new(&["order", "owner", "what to do", "values", "since"]);
    for manual in orders {
        let record = manual.record.clone().unwrap_or_default();
        let order = record.order.clone().unwrap_or_default();
        let changes: Vec<String> = order.changes.iter().map(show::change).collect();
        table.row(vec![
            short(&order.order_id).to_owned(),
            shortened(&show::subject(&order), 36),
            shortened(&manual.suggestion, 80),
            shortened(&changes.join(", "), 70),
            instant(record.updated_at.as_ref()),
        ]);
    }
    table
}
