//! `manual list`.

use crate::client::{Clients, Service};
use crate::command::age;
use crate::failure::{Failure, Outcome};
use crate::session::{Limit, Listing, Session, pages};
use crate::show::{self, Table, instant, short, shortened};
use provost_contract::fulfillment::v1::{ListManualOrdersRequest, ManualDecision, ManualOrder};
use provost_contract::types::v1::OrderRecord;

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
    /// Waiting for so long at least, for example 3d.
    #[arg(long, value_name = "AGE", value_parser = age::minutes)]
    older_than: Option<i32>,
    /// Assigned to this person.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    assignee: String,
    /// Assigned to whoever asks (`--as`).
    #[arg(long, conflicts_with_all = ["assignee", "unassigned"])]
    mine: bool,
    /// Assigned to nobody.
    #[arg(long, conflicts_with = "assignee")]
    unassigned: bool,
}

impl Narrow {
    /// The request for a page.
    pub(super) fn request(&self, clients: &Clients, page_size: i32, page_token: String) -> ListManualOrdersRequest {
        ListManualOrdersRequest {
            entity_type: self.entity_type.clone(),
            resource_type: self.resource_type.clone(),
            connector: self.connector.clone(),
            owner_key: self.owner.clone(),
            page_size,
            page_token,
            older_than_minutes: self.older_than.unwrap_or(0),
            assignee: if self.mine { clients.actor().to_owned() } else { self.assignee.clone() },
            unassigned: self.unassigned,
        }
    }
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
        let message = narrow.request(clients, page_size, page_token);
        let answer = clients.manual().list_manual_orders(clients.request(message)).await;
        let page = clients.answer(Service::Fulfillment, answer)?;
        Ok((page.orders, page.next_page_token))
    })
    .await
}

/// The list as it stands, with the versions seen: what changes meanwhile is not decided unseen.
pub(super) async fn decisions(clients: &Clients, narrow: &Narrow) -> Result<Vec<ManualDecision>, Failure> {
    let listing = read(clients, narrow, Limit::ALL).await?;
    let decision =
        |record: OrderRecord| Some(ManualDecision { order_id: record.order?.order_id, version: record.version });
    Ok(listing.items.into_iter().filter_map(|manual| decision(manual.record?)).collect())
}

/// Manual orders as a table.
pub fn table(orders: &[ManualOrder]) -> Table {
    let mut table = Table::new(&["order", "owner", "what to do", "values", "since", "with"]);
    for manual in orders {
        let record = manual.record.clone().unwrap_or_default();
        let order = record.order.clone().unwrap_or_default();
        let changes: Vec<String> = order.changes.iter().map(show::change).collect();
        table.row(vec![
            short(&order.order_id).to_owned(),
            shortened(&show::subject(&order), 36),
            shortened(&manual.suggestion, 80),
            shortened(&changes.join(", "), 70),
            instant(record.state_since.or(record.updated_at).as_ref()),
            if record.assignee.is_empty() { "–".to_owned() } else { record.assignee.clone() },
        ]);
    }
    table
}
