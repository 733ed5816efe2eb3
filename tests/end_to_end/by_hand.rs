//! A card desk that nobody can read: people make the cards, and say so. The order generator, which takes their
//! word, is killed again and again between the word and its hearing of it.

use crate::installation::{PROGRAMS, is_over, turn};
use anyhow::{Context, Result, anyhow, ensure};
use provost_contract::fulfillment::v1 as ledger;
use provost_contract::fulfillment::v1::manual_provisioning_service_client::ManualProvisioningServiceClient;
use provost_contract::fulfillment::v1::order_service_client::OrderServiceClient;
use provost_contract::generator::v1 as generator;
use provost_contract::generator::v1::catalog_service_client::CatalogServiceClient;
use provost_contract::generator::v1::job_service_client::JobServiceClient;
use provost_contract::generator::v1::repository_service_client::RepositoryServiceClient;
use provost_contract::types::v1::{self as types, OrderEvent, OrderKind, ProvisioningState as State, value::Kind};
use provost_service_kit::caller::request_as;
use provost_service_kit::channel;
use provost_testkit::{Postgres, Process, binary, eventually, free_address};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tonic::transport::Channel;

/// How many have a card.
const PEOPLE: usize = 30;
/// How many are confirmed between two kills.
const ROUND: usize = 5;
/// How long after a confirmation the order generator dies, one after the other, in milliseconds.
const DELAYS: [u64; 5] = [0, 2, 8, 25, 80];
/// Longest wait for anything here.
const PATIENCE: Duration = Duration::from_secs(240);

const CATALOG: &str = "
connectors:
  - { name: hr, connections: [ { name: hr-csv, package: csv } ], export: hr-csv }
  - { name: desk, connections: [ { name: card-desk, package: manual-ticket } ] }
entity_types:
  - name: Person
    connector: hr
    key: id
    properties: [ { name: id, type: string }, { name: room, type: string } ]
  - name: Card
    connector: desk
    key: number
    properties: [ { name: number, type: string }, { name: room, type: string } ]
resource_types:
  - name: Card
    owner: Person
    target: Card
    connection: card-desk
    review: false
    type_rules: [ {} ]
    scalar_rules: [ { property: number, value: owner.id }, { property: room, value: owner.room } ]
    thresholds: { additions_percent: 0, updates_percent: 0, deletions_percent: 0 }
";

/// Four processes, an HR feed, and the desk.
struct Desk {
    folder: TempDir,
    processes: BTreeMap<&'static str, Process>,
}

impl Desk {
    async fn start(postgres: bool) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let at: BTreeMap<_, _> = PROGRAMS.map(|program| (program, free_address())).into();
        let url = if postgres { Some(Postgres::shared().await.database().await.url) } else { None };
        let peers = [("fulfillment", "review"), ("order-generator", "fulfillment"), ("order-generator", "review")];
        for program in ["review", "fulfillment", "order-generator"] {
            let data = match &url {
                Some(url) => format!("database_url = \"{url}\"\ndatabase_schema = \"{}\"", program.replace('-', "_")),
                None => format!("database_url = \"sqlite://{program}.db\""),
            };
            let peers = peers.iter().filter(|(of, _)| *of == program);
            let peers: String = peers.map(|(_, peer)| format!("{peer} = \"http://{}\"\n", at[peer])).collect();
            let text = format!("listen = \"{}\"\n{data}\n{peers}", at[program]);
            std::fs::write(folder.path().join(format!("{program}.toml")), text)?;
        }
        let agent = format!(
            "agent_id = \"agent-1\"\nlisten = \"{}\"\nfulfillment = \"http://{}\"\norder_generator = \"http://{}\"\n\
             journal = \"journal.db\"\n[connections.hr-csv]\npackage = \"csv\"\n\
             [connections.hr-csv.entities.Person]\nfile = \"people.csv\"\n\
             [connections.card-desk]\npackage = \"manual-ticket\"\n",
            at["agent"], at["fulfillment"], at["order-generator"]
        );
        std::fs::write(folder.path().join("agent.toml"), agent)?;
        let mut desk = Self { folder, processes: BTreeMap::new() };
        desk.everybody_sits_in("north")?;
        for program in PROGRAMS {
            let mut command = Command::new(binary(program));
            command.args(["--config", &format!("{program}.toml")]).current_dir(desk.folder.path());
            desk.processes.insert(program, Process::start(command, at[program]).await);
        }
        let files = vec![generator::CatalogFile { name: "catalog.yaml".into(), content: CATALOG.into() }];
        let request = generator::ApplyCatalogRequest { files, validate_only: false };
        let mut catalogs = CatalogServiceClient::new(desk.channel("order-generator")?);
        let answer = catalogs.apply_catalog(request).await?.into_inner();
        ensure!(answer.applied, "the catalog has mistakes: {:?}", answer.problems);
        Ok(desk)
    }

    fn everybody_sits_in(&self, room: &str) -> Result<()> {
        let rows: String = (0..PEOPLE).map(|number| format!("E{number:03},{room}\n")).collect();
        Ok(std::fs::write(self.folder.path().join("people.csv"), format!("id,room\n{rows}"))?)
    }

    fn channel(&self, program: &str) -> Result<Channel> {
        channel::to(&self.processes[program].url())
    }

    /// kill -9, and a start of its own.
    async fn kill(&self) {
        self.processes["order-generator"].kill9().await;
    }

    async fn restart(&self) {
        self.processes["order-generator"].restart().await;
    }

    async fn run(&self, job: &str) -> Result<generator::JobRun> {
        let mut jobs = JobServiceClient::new(self.channel("order-generator")?);
        let request = generator::RunJobRequest { job: job.into(), ..Default::default() };
        let run_id = jobs.run_job(request).await?.into_inner().run_id;
        let run = eventually("the job to end", PATIENCE, async || {
            let runs = jobs.clone().list_job_runs(generator::ListJobRunsRequest::default()).await?.into_inner().runs;
            let run = runs.into_iter().find(|run| run.run_id == run_id).context("the run is gone")?;
            if is_over(&run) { Ok(run) } else { Err(anyhow!("{}", run.message)) }
        })
        .await;
        ensure!(run.state() == generator::JobRunState::Completed, "{:?}: {}", run.state(), run.message);
        Ok(run)
    }

    async fn orders(&self) -> Result<Vec<types::OrderRecord>> {
        let mut orders = OrderServiceClient::new(self.channel("fulfillment")?);
        let request = ledger::ListOrdersRequest { page_size: 1_000, ..Default::default() };
        Ok(orders.list_orders(request).await?.into_inner().orders)
    }

    /// The orders that wait for a person, once there are so many.
    async fn waiting(&self, count: usize) -> Vec<ledger::ManualOrder> {
        eventually(&format!("{count} orders to wait for a person"), PATIENCE, async || {
            let mut manual = ManualProvisioningServiceClient::new(self.channel("fulfillment")?);
            let request = ledger::ListManualOrdersRequest { page_size: 1_000, ..Default::default() };
            let orders = manual.list_manual_orders(request).await?.into_inner().orders;
            if orders.len() == count { Ok(orders) } else { Err(anyhow!("{} wait", orders.len())) }
        })
        .await
    }

    /// A person confirms what was seen in the list.
    async fn confirm(&self, orders: &[ledger::ManualOrder]) -> Result<()> {
        let decision = |manual: &ledger::ManualOrder| {
            let record = manual.record.clone().unwrap_or_default();
            ledger::ManualDecision { order_id: record.order.unwrap_or_default().order_id, version: record.version }
        };
        let decisions = orders.iter().map(decision).collect();
        let request = ledger::ConfirmOrdersRequest { decisions, comment: "made".into() };
        let mut manual = ManualProvisioningServiceClient::new(self.channel("fulfillment")?);
        let results = manual.confirm_orders(request_as("desk", request)).await?.into_inner().results;
        ensure!(results.iter().all(|result| result.error.is_none()), "{results:?}");
        Ok(())
    }

    /// What the repository holds: each card's room, and the order that it is known by.
    async fn cards(&self) -> Result<BTreeMap<String, (String, String)>> {
        let mut repository = RepositoryServiceClient::new(self.channel("order-generator")?);
        let request =
            generator::ListResourcesRequest { entity_type: "Card".into(), page_size: 1_000, ..Default::default() };
        let cards = repository.list_resources(request).await?.into_inner().resources;
        let card = |card: generator::Resource| {
            let room = card.properties.get("room").and_then(|value| value.kind.clone());
            let Some(Kind::StringValue(room)) = room else { return (card.key, (String::new(), card.virtual_order_id)) };
            (card.key, (room, card.virtual_order_id))
        };
        Ok(cards.into_iter().map(card).collect())
    }
}

/// Each order's history tells of one confirmation and one verification, by the word that was given.
async fn assert_each_was_taken_once(desk: &Desk, records: &[types::OrderRecord]) -> Result<()> {
    let mut orders = OrderServiceClient::new(desk.channel("fulfillment")?);
    for record in records {
        let order_id = record.order.as_ref().context("an order")?.order_id.clone();
        let history = orders.get_order(ledger::GetOrderRequest { order_id }).await?.into_inner().history;
        let of = |event: OrderEvent| history.iter().filter(move |line| line.event() == event);
        assert_eq!((of(OrderEvent::Confirmed).count(), of(OrderEvent::Verified).count()), (1, 1), "{history:?}");
        assert!(
            of(OrderEvent::Verified).all(|line| line.reason.contains("the confirmation is believed")),
            "{history:?}"
        );
    }
    Ok(())
}

async fn word_is_taken(postgres: bool) -> Result<()> {
    let _turn = turn().await;
    let desk = Desk::start(postgres).await?;
    desk.run("complete").await?;
    let cards = desk.waiting(PEOPLE).await;
    assert_eq!(desk.cards().await?.len(), 0, "nobody has said anything");

    // All but the last round, with a death after each: now before the word is heard, now after.
    let (said, unsaid) = cards.split_at(PEOPLE - ROUND);
    for (round, delay) in said.chunks(ROUND).zip(DELAYS) {
        desk.confirm(round).await?;
        tokio::time::sleep(Duration::from_millis(delay)).await;
        desk.kill().await;
        desk.restart().await;
    }
    // Everybody moves, while the last cards are still being made: their new orders wait behind.
    desk.everybody_sits_in("south")?;
    desk.run("complete").await?;
    let verified = desk.orders().await?.iter().filter(|record| record.state() == State::Verified).count();
    assert_eq!(verified, PEOPLE - ROUND, "every word that was given was heard");
    let waiting = desk.waiting(PEOPLE).await;
    assert_eq!(desk.cards().await?.values().filter(|(room, _)| room == "north").count(), PEOPLE - ROUND);

    // The old cards and the new ones are confirmed while the order generator is not there at all.
    desk.kill().await;
    desk.confirm(&waiting).await?;
    let newest = desk.waiting(ROUND).await;
    let keys = |orders: &[ledger::ManualOrder]| -> BTreeSet<String> {
        let key = |manual: &ledger::ManualOrder| Some(manual.record.as_ref()?.order.as_ref()?.target_key.clone());
        orders.iter().filter_map(key).collect()
    };
    assert_eq!(keys(&newest), keys(unsaid), "the newer orders of the same cards follow");
    desk.confirm(&newest).await?;
    desk.restart().await;
    desk.run("complete").await?;

    let orders = desk.orders().await?;
    assert_eq!(orders.len(), 2 * PEOPLE);
    let others: Vec<_> = orders.iter().filter(|record| record.state() != State::Verified).collect();
    assert!(others.is_empty(), "orders that are not verified: {others:?}");
    assert_each_was_taken_once(&desk, &orders).await?;
    let updates: BTreeMap<String, (String, String)> = orders
        .iter()
        .filter_map(|record| record.order.as_ref())
        .filter(|order| order.kind() == OrderKind::Update)
        .map(|order| (order.target_key.clone(), ("south".to_owned(), order.order_id.clone())))
        .collect();
    assert_eq!(desk.cards().await?, updates, "each card is as the newest order of its lane wrote it");
    let last = desk.run("complete").await?;
    let again = desk.orders().await?.len();
    assert_eq!(again, 2 * PEOPLE, "{}", last.message);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn word_of_who_writes_by_hand_is_taken_once_through_kills_on_postgresql() -> Result<()> {
    word_is_taken(true).await
}

#[tokio::test(flavor = "multi_thread")]
async fn word_of_who_writes_by_hand_is_taken_once_through_kills_on_sqlite() -> Result<()> {
    word_is_taken(false).await
}
