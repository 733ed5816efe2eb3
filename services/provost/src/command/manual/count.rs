//! `manual count`: what waits for people, by what it is.

use super::list::Narrow;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::{Table, instant};
use provost_contract::fulfillment::v1::{CountManualOrdersRequest, ManualCount};

/// Of which orders.
#[derive(Debug, clap::Args)]
pub struct CountArguments {
    #[command(flatten)]
    narrow: Narrow,
}

pub(super) async fn run(arguments: CountArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let filter = arguments.narrow.request(&session.clients, 0, String::new());
    let request = session.clients.request(CountManualOrdersRequest { filter: Some(filter) });
    let answer = session.clients.manual().count_manual_orders(request).await;
    let counts = session.clients.answer(Service::Fulfillment, answer)?.counts;
    if session.is_json() {
        session.json_list("provost.fulfillment.v1.ManualCount", &counts)?;
    } else {
        session.table(&table(&counts), "nothing is left to do by hand")?;
    }
    Ok(Outcome::Done)
}

fn table(counts: &[ManualCount]) -> Table {
    let mut table = Table::new(&["connector", "entity type", "resource type", "waiting", "unassigned", "oldest since"]);
    for count in counts {
        table.row(vec![
            count.connector.clone(),
            count.entity_type.clone(),
            count.resource_type.clone(),
            count.count.to_string(),
            count.unassigned.to_string(),
            instant(count.oldest_since.as_ref()),
        ]);
    }
    table
}
