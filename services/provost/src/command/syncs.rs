//! `syncs list`: what each reading of a managed system changed; `syncs held [RUN]`: what a blocked one would change.

use crate::client::Service;
use crate::command::ids;
use crate::failure::{Failure, Outcome};
use crate::session::{Limit, Session, pages};
use crate::show::{Table, elapsed, instant, short, shortened};
use clap::Subcommand;
use provost_contract::generator::v1::{
    EntityTypeCounts, HeldResource, ListHeldResourcesRequest, ListHeldResourcesResponse, ListSynchronizationsRequest,
    Synchronization, SynchronizationBreach, SynchronizationState,
};

/// What to do with synchronizations.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists synchronizations, newest first.
    List(ListArguments),
    /// Lists every resource that a synchronization, blocked by a threshold, would have changed.
    Held(HeldArguments),
}

/// Which blocked synchronization.
#[derive(Debug, clap::Args)]
pub struct HeldArguments {
    /// The job run, or the synchronization; the newest that is blocked unless one is named.
    run: Option<String>,
    #[command(flatten)]
    limit: Limit,
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
        let arguments = match self {
            Self::List(arguments) => arguments,
            Self::Held(arguments) => return held(arguments, session).await,
        };
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

async fn held(arguments: HeldArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let clients = &session.clients;
    let run = match &arguments.run {
        Some(run) => ids::run(clients, run).await?,
        None => String::new(),
    };
    let mut about = ListHeldResourcesResponse::default();
    let listing = pages(arguments.limit, async |page_size, page_token| {
        let message = ListHeldResourcesRequest { run: run.clone(), page_size, page_token };
        let answer = clients.synchronizations().list_held_resources(clients.request(message)).await;
        let mut page = clients.answer(Service::OrderGenerator, answer)?;
        let (resources, next) = (std::mem::take(&mut page.resources), std::mem::take(&mut page.next_page_token));
        about = page;
        Ok((resources, next))
    })
    .await?;
    if !session.is_json() {
        session.console.lines(about.breaches.iter().map(breach))?;
    }
    session.list("provost.generator.v1.HeldResource", &listing, held_table, "nothing is held back")?;
    if !session.is_json() && !about.synchronizations.is_empty() {
        session.console.lines(release(&about.job_run_id))?;
    }
    Ok(Outcome::Done)
}

fn breach(breach: &SynchronizationBreach) -> String {
    let SynchronizationBreach { connection, entity_type, change, count, limit, rule, rows, known } = breach;
    format!(
        "{connection} shows {rows} {entity_type}, where there were {known}: {count} would be {change}, more than {limit} \
         ({rule})"
    )
}

fn release(job_run_id: &str) -> Vec<String> {
    if job_run_id.is_empty() {
        return vec!["no job run waits for it; the next one reads anew".to_owned()];
    }
    let id = short(job_run_id);
    vec![
        format!("if the numbers are right: provost jobs resume {id} --comment WHY"),
        format!("if not: provost jobs cancel {id}"),
    ]
}

fn held_table(held: &[HeldResource]) -> Table {
    let mut table = Table::new(&["connection", "entity type", "would be", "key"]);
    for HeldResource { connection, entity_type, change, key } in held {
        table.row(vec![connection.clone(), entity_type.clone(), change.clone(), key.clone()]);
    }
    table
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
    fn what_is_held_is_told_with_the_way_to_release_it() {
        let broken = SynchronizationBreach {
            connection: "hr-csv".into(),
            entity_type: "Person".into(),
            change: "deleted".into(),
            count: 10,
            limit: 6,
            rule: "30 % of 20 resources".into(),
            rows: 10,
            known: 20,
        };
        let said =
            "hr-csv shows 10 Person, where there were 20: 10 would be deleted, more than 6 (30 % of 20 resources)";
        assert_eq!(breach(&broken), said);
        let first = "if the numbers are right: provost jobs resume complete-1 --comment WHY";
        assert_eq!(release("complete-1").first().map(String::as_str), Some(first));
        assert_eq!(release(""), ["no job run waits for it; the next one reads anew"]);
    }

    #[test]
    fn changes_are_told_by_entity_type() {
        let changed = EntityTypeCounts { entity_type: "Person".into(), rows: 250, inserted: 3, updated: 2, deleted: 1 };
        assert_eq!(counts(&changed), "Person: 250 rows, +3 ~2 −1");
    }
}
