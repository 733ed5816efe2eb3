//! `agents list`.

use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::{Listing, Session};
use crate::show::{Table, ago};
use clap::Subcommand;
use provost_contract::fulfillment::v1::{Agent, ListAgentsRequest};
use provost_service_kit::{Clock, SystemClock};

/// What to do with agents.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the agents that have collected orders, and when they were last seen.
    List,
}

impl Command {
    pub(super) async fn run(self, session: &mut Session) -> Result<Outcome, Failure> {
        let Self::List = self;
        let request = session.clients.request(ListAgentsRequest {});
        let answer = session.clients.dispatch().list_agents(request).await;
        let items = session.clients.answer(Service::Fulfillment, answer)?.agents;
        let listing = Listing { items, more: false };
        session.list("provost.fulfillment.v1.Agent", &listing, table, "no agent has called yet")?;
        Ok(Outcome::Done)
    }
}

fn table(agents: &[Agent]) -> Table {
    let now = SystemClock.now();
    let mut table = Table::new(&["agent", "version", "connections", "last seen", "in flight"]);
    for agent in agents {
        table.row(vec![
            agent.agent_id.clone(),
            agent.agent_version.clone(),
            agent.connections.join(", "),
            ago(agent.last_seen_at.as_ref(), now),
            agent.in_flight.to_string(),
        ]);
    }
    table
}
