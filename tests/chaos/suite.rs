//! The suite under attack: PostgreSQL, slapd behind a proxy, two replicas of the ledger, the other services, and two
//! agents, of which one is where it can be cut off from everybody.

use anyhow::Result;
use provost_contract::fulfillment::v1 as ledger;
use provost_contract::fulfillment::v1::connection_service_client::ConnectionServiceClient;
use provost_contract::fulfillment::v1::order_service_client::OrderServiceClient;
use provost_contract::generator::v1::catalog_service_client::CatalogServiceClient;
use provost_contract::generator::v1::job_service_client::JobServiceClient;
use provost_contract::review::v1::review_service_client::ReviewServiceClient;
use provost_service_kit::server::MESSAGE_BYTES_MAX;
use provost_service_kit::{Addresses, Replicas};
use provost_testkit::{Island, Postgres, PostgresOptions, Process, Proxy, Slapd, binary, free_address};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// The groups that accounts come into.
pub(crate) const GROUPS: [&str; 6] = ["red", "green", "blue", "staff", "finance", "night"];
/// The group that every account comes into when it is created.
pub(crate) const EVERYONE: &str = "everyone";
/// The connection of the directory, and its entity type of accounts.
pub(crate) const CONNECTION: &str = "directory";
/// The agents; both serve the connection.
pub(crate) const AGENTS: [&str; 2] = ["agent-1", "agent-2"];
const SERVICES: [&str; 4] = ["review", "fulfillment-1", "fulfillment-2", "order-generator"];
const LEDGERS: [&str; 2] = ["fulfillment-1", "fulfillment-2"];
/// The agent that can be cut off, from the services and from the directory.
pub(crate) const ISLANDER: &str = "agent-2";
/// The feed of people, in the folder of the processes.
const FEED: &str = "people.csv";
/// Orders that one agent writes side by side.
const CONCURRENCY: usize = 24;

pub(crate) struct Suite {
    pub(crate) postgres: Postgres,
    pub(crate) slapd: Slapd,
    pub(crate) proxy: Proxy,
    pub(crate) island: Island,
    processes: BTreeMap<&'static str, Process>,
    folder: TempDir,
}

/// The DN of an account.
pub(crate) fn account_dn(key: &str) -> String {
    format!("uid={key},ou=people,{}", Slapd::SUFFIX)
}

/// The DN of a group.
pub(crate) fn group_dn(name: &str) -> String {
    format!("cn={name},ou=groups,{}", Slapd::SUFFIX)
}

impl Suite {
    /// Everything running, the groups in the directory.
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // What was acknowledged must outlive a crash of the database.
        let postgres = Postgres::start(PostgresOptions { fsync: true, ..Default::default() }).await;
        let database = postgres.database().await.url;
        let slapd = Slapd::start_audited().await;
        let nobody = format!("cn=nobody,{}", Slapd::SUFFIX);
        for group in GROUPS.into_iter().chain([EVERYONE]) {
            let attributes = [("objectClass", &["groupOfNames"][..]), ("cn", &[group]), ("member", &[nobody.as_str()])];
            slapd.add(&group_dn(group), &attributes).await;
        }
        let proxy = Proxy::start(slapd.address()).await;
        let island = Island::new();
        let address =
            |name: &&'static str| (*name, if *name == ISLANDER { island.free_address() } else { free_address() });
        let at: BTreeMap<&'static str, SocketAddr> = SERVICES.iter().chain(&AGENTS).map(address).collect();
        let mut ways = BTreeMap::new();
        for (name, address) in at.iter().filter(|(name, _)| SERVICES.contains(name)) {
            ways.insert(*name, island.way_to(*address).await);
        }
        let ways = Ways { services: ways, directory: island.way_to(proxy.address()).await };
        configure(folder.path(), &at, &database, proxy.address(), &ways)?;
        let mut processes = BTreeMap::new();
        for (name, address) in at {
            let program = name.trim_end_matches(['-', '1', '2']);
            let mut command = Command::new(binary(program));
            command.args(["--config", &format!("{name}.toml")]).current_dir(folder.path());
            let command = if name == ISLANDER { island.command(&command) } else { command };
            // Agents' disks get full.
            let command = if program == "agent" { Process::spared(&command) } else { command };
            processes.insert(name, Process::start(command, address).await);
        }
        Ok(Self { postgres, slapd, proxy, processes, folder, island })
    }

    #[expect(clippy::panic, reason = "the names are those of the constants above")]
    pub(crate) fn process(&self, name: &str) -> &Process {
        self.processes.get(name).unwrap_or_else(|| panic!("there is no process {name}"))
    }

    fn replicas(&self, names: &[&str]) -> Result<Replicas> {
        let urls: Vec<String> = names.iter().map(|name| self.process(name).url()).collect();
        Replicas::at(&Addresses::from(urls.join(",")))
    }

    pub(crate) fn orders(&self) -> Result<OrderServiceClient<Replicas>> {
        Ok(OrderServiceClient::new(self.replicas(&LEDGERS)?).max_decoding_message_size(MESSAGE_BYTES_MAX))
    }

    /// Takes the brake off deletions: the load deletes what it made a moment ago, most of it unknown to the order
    /// generator, whose count of resources the brake goes by.
    pub(crate) async fn without_brake(&self) -> Result<()> {
        let mut connections = ConnectionServiceClient::new(self.replicas(&LEDGERS)?);
        let size = ledger::ConnectionSize { connection: CONNECTION.into(), resources: 0 };
        connections.report_connection_sizes(ledger::ReportConnectionSizesRequest { sizes: vec![size] }).await?;
        let request = ledger::SetConnectionLimitsRequest {
            connection: CONNECTION.into(),
            deletions: Some(ledger::BrakeLimit { count_max: 0, percent_max: 0 }),
            comment: "chaos deletes on purpose".into(),
            ..Default::default()
        };
        connections.set_connection_limits(request).await?;
        Ok(())
    }

    pub(crate) fn reviews(&self) -> Result<ReviewServiceClient<Replicas>> {
        Ok(ReviewServiceClient::new(self.replicas(&["review"])?).max_decoding_message_size(MESSAGE_BYTES_MAX))
    }

    pub(crate) fn catalogs(&self) -> Result<CatalogServiceClient<Replicas>> {
        Ok(CatalogServiceClient::new(self.replicas(&["order-generator"])?))
    }

    pub(crate) fn jobs(&self) -> Result<JobServiceClient<Replicas>> {
        Ok(JobServiceClient::new(self.replicas(&["order-generator"])?))
    }

    /// Writes the feed of people, at once, so that nobody reads half of it.
    pub(crate) fn write_feed(&self, text: &str) -> Result<()> {
        let new = self.folder.path().join("people.new");
        std::fs::write(&new, text)?;
        Ok(std::fs::rename(new, self.folder.path().join(FEED))?)
    }

    /// The ends of all logs: what there is to find out from.
    pub(crate) async fn print_logs(&self) {
        for (name, process) in &self.processes {
            let log = process.log().await;
            let lines: Vec<_> = log.lines().collect();
            println!("---- the last lines of {name} ----");
            for line in lines.iter().skip(lines.len().saturating_sub(15)) {
                println!("{line}");
            }
        }
    }
}

/// How everybody is reached from the island.
struct Ways {
    services: BTreeMap<&'static str, SocketAddr>,
    directory: SocketAddr,
}

fn configure(
    folder: &Path,
    at: &BTreeMap<&'static str, SocketAddr>,
    database: &str,
    directory: SocketAddr,
    ways: &Ways,
) -> Result<()> {
    let url = |name: &str| format!("http://{}", at[name]);
    let ledgers = |at: &BTreeMap<&'static str, SocketAddr>| LEDGERS.map(|name| format!("http://{}", at[name]));
    let service = |name: &str, schema: &str, more: String| {
        let text =
            format!("listen = \"{}\"\ndatabase_url = \"{database}\"\ndatabase_schema = \"{schema}\"\n{more}", at[name]);
        std::fs::write(folder.join(format!("{name}.toml")), text)
    };
    service("review", "review", String::new())?;
    for ledger in LEDGERS {
        service(ledger, "fulfillment", format!("review = \"{}\"\nlease_seconds = 5\n", url("review")))?;
    }
    let peers = format!("fulfillment = {:?}\nreview = \"{}\"\n", ledgers(at), url("review"));
    service("order-generator", "generator", peers)?;
    for agent in AGENTS {
        let (services, directory) = if agent == ISLANDER { (&ways.services, ways.directory) } else { (at, directory) };
        let text = format!(
            "agent_id = '{agent}'\nlisten = '{}'\nfulfillment = {:?}\norder_generator = 'http://{}'\n\
             journal = '{agent}.db'\n\
             [connections.people-csv]\npackage = 'csv'\n\
             [connections.people-csv.entities.Person]\nfile = '{FEED}'\n\
             [connections.{CONNECTION}]\npackage = 'ldap'\nurl = 'ldap://{directory}'\nbind_dn = '{}'\n\
             bind_password = '{}'\nconcurrency = {CONCURRENCY}\n\
             [connections.{CONNECTION}.entities.Account]\nbase_dn = 'ou=people,{suffix}'\nrdn_attribute = 'uid'\n\
             object_classes = ['inetOrgPerson']\nattributes = {{ login = 'uid' }}\n\
             [connections.{CONNECTION}.entities.Account.links.groups]\nentity = 'Group'\nattribute = 'member'\n\
             [connections.{CONNECTION}.entities.Group]\nbase_dn = 'ou=groups,{suffix}'\nrdn_attribute = 'cn'\n\
             object_classes = ['groupOfNames']\n",
            at[agent],
            ledgers(services),
            services["order-generator"],
            Slapd::AGENT_DN,
            Slapd::AGENT_PASSWORD,
            suffix = Slapd::SUFFIX,
        );
        std::fs::write(folder.join(format!("{agent}.toml")), text)?;
    }
    Ok(())
}
