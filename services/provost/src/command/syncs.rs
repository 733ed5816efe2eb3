//! `syncs list`: what each reading of a managed system changed.

use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::{Limit, Session, pages};
use crate::show::{Table, elapsed, instant, shortened};
use clap::Subcommand;
use provost_contract::generator::v1::{
    EntityTypeCounts, ListSynchronizationsRequest, Synchronization, SynchronizationState,
};

/// What to do with synchronizations.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists synchronizations, newest first.
    List(ListArguments),
}

/// Which synchronizations.
#[derive(Debug, clap::Args)]
pub struct ListArguments {
    /// Of this connector.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    connector: String,
    #[command(flatten)]
    limit: Limit,
}

impl Command {
    pub(super) async fn run(self, session: &mut Session) -> Result<Outcome, Failure> {
        let Self::List(arguments) = self;
        let clients = &session.clients;
        let listing = pages(arguments.limit, async |page_size, page_token| {
            let connector = arguments.connector.clone();
            let message = ListSynchronizationsRequest { connector, page_size, page_token };
            let answer = clients.synchronizations().list_synchronizations(clients.request(message)).await;
            let page = clients.answer(Service::OrderGenerator, answer)?;
            Ok((page.synchronizations, page.next_page_token))
        })
        .await?;
        session.list("provost.generator.v1.Synchronization", &listing, table, "nothing was synchronized yet")?;
        Ok(Outcome::Done)
    }
}

fn table(synchronizations: &[Synchronization]) -> Table {
    let mut table = Table::new(&["started", "connector", "connection", "agent", "state", "took", "changed", "message"]);
    for synchronization in synchronizations {
        let state = match SynchronizationState::try_from(synchronization.state) {
            Ok(SynchronizationState::Running) => "running",
            Ok(SynchronizationState::Completed) => "completed",
            Ok(SynchronizationState::Failed) => "failed",
            Ok(SynchronizationState::Blocked) => "blocked",
            Ok(SynchronizationState::Unspecified) | Err(_) => "unknown",
        };
        let counts: Vec<String> = synchronization.counts.iter().map(counts).collect();
        table.row(vec![
            instant(synchronization.started_at.as_ref()),
            synchronization.connector.clone(),
            synchronization.connection.clone(),
            synchronization.agent_id.clone(),
            state.to_owned(),
            elapsed(synchronization.started_at.as_ref(), synchronization.ended_at.as_ref()),
            counts.join("; "),
            shortened(&synchronization.message, 100),
        ]);
    }
    table
}

fn counts(counts: &EntityTypeCounts) -> String {
    let EntityTypeCounts { entity_type, rows, inserted, updated, deleted } = counts;
    let rows = crate::show::counted(*rows, "rows");
    format!("{entity_type}: {rows}, +{inserted} ~{updated} −{deleted}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_by_entity_type() {
        let changed = EntityTypeCounts { entity_type: "Person".into(), rows: 250, inserted: 3, updated: 2, deleted: 1 };
        assert_eq!(counts(&changed), "Person: 250 rows, +3 ~2 −1");
    }
}
