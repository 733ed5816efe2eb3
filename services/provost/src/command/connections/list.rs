//! `connections list`.

use super::show::{breaker, mode};
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::{Listing, Session};
use crate::show::Table;
use provost_contract::fulfillment::v1::{Connection, ListConnectionsRequest};

pub(super) async fn run(session: &mut Session) -> Result<Outcome, Failure> {
    let request = session.clients.request(ListConnectionsRequest {});
    let answer = session.clients.connections().list_connections(request).await;
    let items = session.clients.answer(Service::Fulfillment, answer)?.connections;
    let listing = Listing { items, more: false };
    let when_empty = "no connection is known yet: no agent has called and no order waits";
    session.list("provost.fulfillment.v1.Connection", &listing, table, when_empty)?;
    Ok(Outcome::Done)
}

fn table(connections: &[Connection]) -> Table {
    let mut table = Table::new(&["connection", "mode", "breaker", "pending", "in flight", "held because"]);
    for connection in connections {
        table.row(vec![
            connection.name.clone(),
            mode(connection.mode()).to_owned(),
            connection.breaker.as_ref().map_or("", |one| breaker(one.state())).to_owned(),
            connection.pending.to_string(),
            connection.in_flight.to_string(),
            connection.hold.as_ref().map(|hold| hold.message.clone()).unwrap_or_default(),
        ]);
    }
    table
}
