//! The suite under attack: PostgreSQL, slapd behind a proxy, and five processes.

use anyhow::Result;
use provost_contract::fulfillment::v1::order_service_client::OrderServiceClient;
use provost_contract::review::v1::review_service_client::ReviewServiceClient;
use provost_service_kit::channel;
use provost_service_kit::server::MESSAGE_BYTES_MAX;
use provost_testkit::{Postgres, PostgresOptions, Process, Proxy, Slapd, binary, free_address};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use tonic::transport::Channel;

/// The groups that accounts come into.
pub(crate) const GROUPS: [&str; 6] = ["red", "green", "blue", "staff", "finance", "night"];
/// The group that every account comes into when it is created.
pub(crate) const EVERYONE: &str = "everyone";
/// The connection of the directory, and its entity type of accounts.
pub(crate) const CONNECTION: &str = "directory";
/// The agents; both serve the connection.
pub(crate) const AGENTS: [&str; 2] = ["agent-1", "agent-2"];
const SERVICES: [&str; 3] = ["review", "fulfillment", "order-generator"];
/// Orders that one agent writes side by side.
const CONCURRENCY: usize = 24;

pub(crate) struct Suite {
    pub(crate) postgres: Postgres,
    pub(crate) slapd: Slapd,
    pub(crate) proxy: Proxy,
    processes: BTreeMap<&'static str, Process>,
    _folder: TempDir,
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
        let postgres = Postgres::start(PostgresOptions { fsync: true }).await;
        let database = postgres.database().await.url;
        let slapd = Slapd::start_audited().await;
        let nobody = format!("cn=nobody,{}", Slapd::SUFFIX);
        for group in GROUPS.into_iter().chain([EVERYONE]) {
            let attributes = [("objectClass", &["groupOfNames"][..]), ("cn", &[group]), ("member", &[nobody.as_str()])];
            slapd.add(&group_dn(group), &attributes).await;
        }
        let proxy = Proxy::start(slapd.address()).await;
        let programs = SERVICES.into_iter().chain(AGENTS);
        let at: BTreeMap<&'static str, SocketAddr> = programs.map(|name| (name, free_address())).collect();
        configure(folder.path(), &at, &database, proxy.address())?;
        let mut processes = BTreeMap::new();
        for (name, address) in at {
            let program = if SERVICES.contains(&name) { name } else { "agent" };
            let mut command = Command::new(binary(program));
            command.args(["--config", &format!("{name}.toml")]).current_dir(folder.path());
            // Agents' disks get full.
            let command = if program == "agent" { Process::spared(&command) } else { command };
            processes.insert(name, Process::start(command, address).await);
        }
        Ok(Self { postgres, slapd, proxy, processes, _folder: folder })
    }

    #[expect(clippy::panic, reason = "the names are those of the constants above")]
    pub(crate) fn process(&self, name: &str) -> &Process {
        self.processes.get(name).unwrap_or_else(|| panic!("there is no process {name}"))
    }

    fn channel(&self, name: &str) -> Result<Channel> {
        channel::to(&self.process(name).url())
    }

    pub(crate) fn orders(&self) -> Result<OrderServiceClient<Channel>> {
        Ok(OrderServiceClient::new(self.channel("fulfillment")?).max_decoding_message_size(MESSAGE_BYTES_MAX))
    }

    pub(crate) fn reviews(&self) -> Result<ReviewServiceClient<Channel>> {
        Ok(ReviewServiceClient::new(self.channel("review")?).max_decoding_message_size(MESSAGE_BYTES_MAX))
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

fn configure(folder: &Path, at: &BTreeMap<&str, SocketAddr>, database: &str, directory: SocketAddr) -> Result<()> {
    let url = |name: &str| format!("http://{}", at[name]);
    let service = |name: &str, schema: &str, more: String| {
        let text =
            format!("listen = \"{}\"\ndatabase_url = \"{database}\"\ndatabase_schema = \"{schema}\"\n{more}", at[name]);
        std::fs::write(folder.join(format!("{name}.toml")), text)
    };
    service("review", "review", String::new())?;
    service("fulfillment", "fulfillment", format!("review = \"{}\"\nlease_seconds = 5\n", url("review")))?;
    let peers = format!("fulfillment = \"{}\"\nreview = \"{}\"\n", url("fulfillment"), url("review"));
    service("order-generator", "generator", peers)?;
    for agent in AGENTS {
        let text = format!(
            "agent_id = '{agent}'\nlisten = '{}'\nfulfillment = '{}'\norder_generator = '{}'\njournal = '{agent}.db'\n\
             [connections.{CONNECTION}]\npackage = 'ldap'\nurl = 'ldap://{directory}'\nbind_dn = '{}'\n\
             bind_password = '{}'\nconcurrency = {CONCURRENCY}\n\
             [connections.{CONNECTION}.entities.Account]\nbase_dn = 'ou=people,{suffix}'\nrdn_attribute = 'uid'\n\
             object_classes = ['inetOrgPerson']\nattributes = {{ login = 'uid' }}\n\
             [connections.{CONNECTION}.entities.Account.links.groups]\nentity = 'Group'\nattribute = 'member'\n\
             [connections.{CONNECTION}.entities.Group]\nbase_dn = 'ou=groups,{suffix}'\nrdn_attribute = 'cn'\n\
             object_classes = ['groupOfNames']\n",
            at[agent],
            url("fulfillment"),
            url("order-generator"),
            Slapd::AGENT_DN,
            Slapd::AGENT_PASSWORD,
            suffix = Slapd::SUFFIX,
        );
        std::fs::write(folder.join(format!("{agent}.toml")), text)?;
    }
    Ok(())
}
