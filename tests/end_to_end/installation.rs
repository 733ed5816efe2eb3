//! One installation: slapd, PostgreSQL, four processes, and the files of the organisation.

use crate::expectation;
use anyhow::{Context, Result, anyhow, ensure};
use provost_contract::fulfillment::v1 as ledger;
use provost_contract::fulfillment::v1::connection_service_client::ConnectionServiceClient;
use provost_contract::fulfillment::v1::order_service_client::OrderServiceClient;
use provost_contract::generator::v1 as generator;
use provost_contract::generator::v1::assignment_service_client::AssignmentServiceClient;
use provost_contract::generator::v1::catalog_service_client::CatalogServiceClient;
use provost_contract::generator::v1::job_service_client::JobServiceClient;
use provost_contract::review::v1::ListReviewsRequest;
use provost_contract::review::v1::review_service_client::ReviewServiceClient;
use provost_contract::types::v1 as types;
use provost_sample::Organisation;
use provost_sample::directory::{AgentSettings, LDAP_CATALOG, agent_toml, initial_ldif};
use provost_service_kit::channel;
use provost_testkit::{Postgres, Process, Slapd, binary, eventually, free_address};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};
use tonic::transport::Channel;

/// The four processes, by the name of their program.
pub(crate) const PROGRAMS: [&str; 4] = ["review", "fulfillment", "order-generator", "agent"];
/// Longest that a job may take here; a run takes seconds, a slow machine gets minutes.
const JOB_TIMEOUT: Duration = Duration::from_secs(600);

/// Two cores carry one installation at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

pub(crate) struct Installation {
    pub(crate) organisation: Organisation,
    pub(crate) slapd: Slapd,
    folder: TempDir,
    processes: BTreeMap<&'static str, Process>,
    _turn: MutexGuard<'static, ()>,
}

/// Waits until no other test has an installation.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().await
}

/// Adds the entries of an LDIF, as `ldapadd` does.
pub(crate) async fn load(slapd: &Slapd, ldif: &str) {
    for entry in ldif.split("\n\n").filter(|entry| !entry.trim().is_empty()) {
        let pairs: Vec<(&str, &str)> = entry.lines().map(|line| line.split_once(": ").expect("NAME: VALUE")).collect();
        let ((_, dn), attributes) = pairs.split_first().expect("a dn first");
        // The two branches stand in a fresh slapd of the tests already.
        if !dn.starts_with("ou=") {
            let attributes: Vec<_> =
                attributes.iter().map(|(name, value)| (*name, std::slice::from_ref(value))).collect();
            slapd.add(dn, &attributes).await;
        }
    }
}

/// Where the services keep their data.
#[derive(Clone, Copy)]
enum Engine {
    /// One database, a schema each.
    Postgres,
    /// A file each.
    Sqlite,
}

impl Installation {
    /// Everything running, the feed written, the groups in the directory, the catalog applied.
    pub(crate) async fn start(people: usize) -> Result<Self> {
        Self::start_with(people, Engine::Postgres, |catalog| catalog.to_owned()).await
    }

    /// The same, on SQLite.
    pub(crate) async fn start_on_sqlite(people: usize) -> Result<Self> {
        Self::start_with(people, Engine::Sqlite, |catalog| catalog.to_owned()).await
    }

    /// The same, on PostgreSQL, and every order waits for a review.
    pub(crate) async fn start_reviewed(people: usize) -> Result<Self> {
        Self::start_with(people, Engine::Postgres, |catalog| {
            assert!(catalog.contains("review: false"), "the sample catalog reviews already");
            catalog.replace("review: false", "review: true")
        })
        .await
    }

    /// The same, on PostgreSQL, and the role of the leadership team takes two approvals.
    pub(crate) async fn start_with_approvals(people: usize) -> Result<Self> {
        Self::start_with(people, Engine::Postgres, |catalog| {
            assert!(catalog.contains("  - name: leadership\n"), "the sample catalog has no such role");
            catalog.replace("  - name: leadership\n", "  - name: leadership\n    approval: 2\n")
        })
        .await
    }

    async fn start_with(people: usize, engine: Engine, catalog: impl Fn(&str) -> String) -> Result<Self> {
        let turn = turn().await;
        let folder = tempfile::tempdir()?;
        let slapd = Slapd::start().await;
        load(&slapd, &initial_ldif(Slapd::SUFFIX)).await;
        let today = chrono::Utc::now().date_naive();
        let organisation = Organisation::generate(42, people, today);
        std::fs::create_dir_all(folder.path().join("systems/hr"))?;
        let database = match engine {
            Engine::Postgres => Some(Postgres::shared().await.database().await.url),
            Engine::Sqlite => None,
        };
        let addresses: BTreeMap<_, _> = PROGRAMS.map(|program| (program, free_address())).into();
        configure(folder.path(), &addresses, database.as_deref(), &slapd)?;
        let mut installation = Self { organisation, slapd, folder, processes: BTreeMap::new(), _turn: turn };
        installation.write_feed()?;
        for program in PROGRAMS {
            let mut command = Command::new(binary(program));
            command.args(["--config", &format!("{program}.toml")]).current_dir(installation.folder.path());
            installation.processes.insert(program, Process::start(command, addresses[program]).await);
        }
        installation.apply_catalog(catalog).await?;
        Ok(installation)
    }

    /// Writes the HR feed as the organisation now stands.
    pub(crate) fn write_feed(&self) -> Result<()> {
        Ok(self.organisation.write_people_csv(self.feed())?)
    }

    fn feed(&self) -> PathBuf {
        self.folder.path().join("systems/hr/people.csv")
    }

    pub(crate) fn process(&self, program: &str) -> &Process {
        &self.processes[program]
    }

    fn channel(&self, program: &str) -> Result<Channel> {
        channel::to(&self.process(program).url())
    }

    pub(crate) fn orders(&self) -> Result<OrderServiceClient<Channel>> {
        Ok(OrderServiceClient::new(self.channel("fulfillment")?).max_decoding_message_size(16 << 20))
    }

    pub(crate) fn connections(&self) -> Result<ConnectionServiceClient<Channel>> {
        Ok(ConnectionServiceClient::new(self.channel("fulfillment")?))
    }

    async fn apply_catalog(&self, change: impl Fn(&str) -> String) -> Result<()> {
        let mut client = CatalogServiceClient::new(self.channel("order-generator")?);
        let file =
            |(name, content): &(&str, &str)| generator::CatalogFile { name: (*name).into(), content: change(content) };
        let files = LDAP_CATALOG.iter().map(file).collect();
        let request = generator::ApplyCatalogRequest { files, validate_only: false };
        let answer = client.apply_catalog(request).await?.into_inner();
        ensure!(answer.applied, "the catalog has mistakes: {:?}", answer.problems);
        Ok(())
    }

    pub(crate) fn assignments(&self) -> Result<AssignmentServiceClient<Channel>> {
        Ok(AssignmentServiceClient::new(self.channel("order-generator")?))
    }

    pub(crate) fn reviews(&self) -> Result<ReviewServiceClient<Channel>> {
        Ok(ReviewServiceClient::new(self.channel("review")?).max_decoding_message_size(16 << 20))
    }

    /// The ids of all reviews that wait for a decision.
    pub(crate) async fn open_reviews(&self) -> Result<Vec<String>> {
        let mut client = self.reviews()?;
        let (mut ids, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListReviewsRequest { page_size: 1000, page_token, ..Default::default() };
            let page = client.list_reviews(request).await?.into_inner();
            ids.extend(page.reviews.into_iter().map(|review| review.review_id));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(ids);
            }
        }
    }

    /// Starts the complete job; its run id.
    pub(crate) async fn start_job(&self) -> Result<String> {
        let mut client = JobServiceClient::new(self.channel("order-generator")?);
        let request = generator::RunJobRequest { job: "complete".into(), ..Default::default() };
        Ok(client.run_job(request).await?.into_inner().run_id)
    }

    /// Waits until a run is over, through restarts of whatever is restarted meanwhile.
    pub(crate) async fn finish_job(&self, run_id: &str) -> Result<generator::JobRun> {
        let run = eventually("the job to end", JOB_TIMEOUT, async || {
            let run = self.job_run(run_id).await?;
            if is_over(&run) { Ok(run) } else { Err(anyhow!("{:?}: {}", run.state(), told(&run))) }
        })
        .await;
        ensure!(run.state() == generator::JobRunState::Completed, "{:?}: {}", run.state(), told(&run));
        Ok(run)
    }

    /// A whole complete job.
    pub(crate) async fn run_job(&self) -> Result<generator::JobRun> {
        let run_id = self.start_job().await?;
        self.finish_job(&run_id).await
    }

    pub(crate) async fn job_run(&self, run_id: &str) -> Result<generator::JobRun> {
        let mut client = JobServiceClient::new(self.channel("order-generator")?);
        let request = generator::ListJobRunsRequest::default();
        let runs = client.list_job_runs(request).await?.into_inner().runs;
        runs.into_iter().find(|run| run.run_id == run_id).context("the run is not in the list of runs")
    }

    /// The orders that a run generated.
    pub(crate) async fn orders_of(&self, run: &generator::JobRun) -> Result<Vec<types::OrderRecord>> {
        let mut client = self.orders()?;
        let filter = ledger::OrderFilter { generation_run: run.generation_run.clone(), ..Default::default() };
        let mut orders = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ledger::ListOrdersRequest { filter: Some(filter.clone()), page_size: 1000, page_token };
            let page = client.list_orders(request).await?.into_inner();
            orders.extend(page.orders);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(orders);
            }
        }
    }

    /// Every order of the ledger, counted by state.
    pub(crate) async fn counts(&self) -> Result<BTreeMap<types::ProvisioningState, i64>> {
        let answer = self.orders()?.count_orders(ledger::CountOrdersRequest::default()).await?.into_inner();
        let mut counts = BTreeMap::new();
        for count in answer.counts {
            *counts.entry(count.state()).or_default() += count.count;
        }
        Ok(counts)
    }

    /// Compares the directory with the feed, person by person.
    pub(crate) async fn assert_directory_is_as_expected(&self) {
        expectation::assert_directory(&self.feed(), &self.slapd).await;
    }
}

pub(crate) fn is_over(run: &generator::JobRun) -> bool {
    !matches!(run.state(), generator::JobRunState::Waiting | generator::JobRunState::Running)
}

fn told(run: &generator::JobRun) -> String {
    let task = |task: &generator::JobTaskRun| {
        format!("\n  {} {} {}/{} {}", task.name, task.state().as_str_name(), task.done, task.total, task.message)
    };
    run.message.clone() + &run.tasks.iter().map(task).collect::<String>()
}

/// Writes the four configuration files; without a database, the services keep SQLite files.
fn configure(folder: &Path, at: &BTreeMap<&str, SocketAddr>, database: Option<&str>, slapd: &Slapd) -> Result<()> {
    let service = |program: &str, schema: &str, peers: String| {
        let data = match database {
            Some(url) => format!("database_url = \"{url}\"\ndatabase_schema = \"{schema}\""),
            None => format!("database_url = \"sqlite://{schema}.db\""),
        };
        let text = format!("listen = \"{}\"\n{data}\n{peers}", at[program]);
        std::fs::write(folder.join(format!("{program}.toml")), text)
    };
    service("review", "review", String::new())?;
    service("fulfillment", "fulfillment", format!("review = \"http://{}\"\nlease_seconds = 10\n", at["review"]))?;
    let peers = ["fulfillment", "review"].map(|peer| format!("{peer} = \"http://{}\"\n", at[peer]));
    service("order-generator", "generator", peers.concat())?;
    let agent = agent_toml(&AgentSettings {
        listen: &at["agent"].to_string(),
        fulfillment: &format!("http://{}", at["fulfillment"]),
        order_generator: &format!("http://{}", at["order-generator"]),
        ldap_url: &slapd.ldap_url(),
        bind_dn: Slapd::AGENT_DN,
        bind_password: Slapd::AGENT_PASSWORD,
        base_dn: Slapd::SUFFIX,
    });
    std::fs::write(folder.join("agent.toml"), agent)?;
    Ok(())
}
