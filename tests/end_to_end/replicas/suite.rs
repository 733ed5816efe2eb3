//! Two of everything on one PostgreSQL, and one directory that writes down what was done to it.

use crate::installation::{load, turn};
use anyhow::{Result, ensure};
use provost_contract::generator::v1 as generator;
use provost_contract::generator::v1::catalog_service_client::CatalogServiceClient;
use provost_sample::Organisation;
use provost_sample::directory::{AgentSettings, LDAP_CATALOG, agent_toml, initial_ldif};
use provost_service_kit::{Addresses, Replicas};
use provost_testkit::{Postgres, Process, Slapd, binary, free_address};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use tokio::sync::MutexGuard;

/// The replicas of the services, by the order in which they are restarted; each name begins with its program's.
pub(super) const SERVICES: [&str; 6] =
    ["review-1", "fulfillment-1", "order-generator-1", "review-2", "fulfillment-2", "order-generator-2"];
/// Both serve every connection.
const AGENTS: [&str; 2] = ["agent-1", "agent-2"];

pub(super) struct Suite {
    pub(super) organisation: Organisation,
    pub(super) slapd: Slapd,
    processes: BTreeMap<&'static str, Process>,
    folder: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Suite {
    pub(super) async fn start(people: usize) -> Result<Self> {
        let turn = turn().await;
        let folder = tempfile::tempdir()?;
        let slapd = Slapd::start_audited().await;
        load(&slapd, &initial_ldif(Slapd::SUFFIX)).await;
        let organisation = Organisation::generate(42, people, chrono::Utc::now().date_naive());
        std::fs::create_dir_all(folder.path().join("systems/hr"))?;
        let database = Postgres::shared().await.database().await.url;
        let at: BTreeMap<_, _> = SERVICES.into_iter().chain(AGENTS).map(|name| (name, free_address())).collect();
        configure(folder.path(), &at, &database, &slapd)?;
        let mut suite = Self { organisation, slapd, processes: BTreeMap::new(), folder, _turn: turn };
        suite.write_feed_of(&suite.organisation)?;
        // Both of a service at once: each brings the schema up to date, and neither minds the other.
        let start = async |name: &'static str| {
            let mut command = Command::new(binary(program(name)));
            command.args(["--config", &format!("{name}.toml")]).current_dir(suite.folder.path());
            (name, Process::start(command, at[name]).await)
        };
        let all = SERVICES.into_iter().chain(AGENTS).map(start);
        let processes = futures::future::join_all(all).await.into_iter().collect();
        suite.processes = processes;
        let file = |(name, content): &(&str, &str)| generator::CatalogFile {
            name: (*name).into(),
            content: (*content).into(),
        };
        let files = LDAP_CATALOG.iter().map(file).collect();
        let mut catalogs = CatalogServiceClient::new(suite.replicas("order-generator"));
        let request = generator::ApplyCatalogRequest { files, validate_only: false };
        let answer = catalogs.apply_catalog(request).await?.into_inner();
        ensure!(answer.applied, "the catalog has mistakes: {:?}", answer.problems);
        Ok(suite)
    }

    /// Writes the HR feed as an organisation now stands, at once, so that nobody reads half of it.
    pub(super) fn write_feed_of(&self, organisation: &Organisation) -> Result<()> {
        let (new, feed) = ("systems/hr/people.new", "systems/hr/people.csv");
        organisation.write_people_csv(self.folder.path().join(new))?;
        Ok(std::fs::rename(self.folder.path().join(new), self.folder.path().join(feed))?)
    }

    pub(super) fn process(&self, name: &str) -> &Process {
        &self.processes[name]
    }

    /// Both replicas of a service, as a client names them.
    pub(super) fn replicas(&self, service: &str) -> Replicas {
        let both = [1, 2].map(|number| self.process(&format!("{service}-{number}")).url());
        Replicas::at(&Addresses::from(both.join(","))).unwrap()
    }

    /// One of them alone.
    pub(super) fn replica(&self, name: &str) -> Replicas {
        Replicas::at(&Addresses::from(self.process(name).url())).unwrap()
    }
}

fn program(name: &str) -> &str {
    name.rsplit_once('-').map_or(name, |(program, _)| program)
}

fn configure(folder: &Path, at: &BTreeMap<&str, SocketAddr>, database: &str, slapd: &Slapd) -> Result<()> {
    let both = |service: &str| [1, 2].map(|number| format!("http://{}", at[format!("{service}-{number}").as_str()]));
    let peer = |key: &str, service: &str| format!("{key} = {:?}\n", both(service));
    for name in SERVICES {
        let (schema, more) = match program(name) {
            "review" => ("review", String::new()),
            "fulfillment" => ("fulfillment", format!("{}lease_seconds = 5\n", peer("review", "review"))),
            _ => ("generator", peer("fulfillment", "fulfillment") + &peer("review", "review")),
        };
        let listen = at[name];
        let text =
            format!("listen = \"{listen}\"\ndatabase_url = \"{database}\"\ndatabase_schema = \"{schema}\"\n{more}");
        std::fs::write(folder.join(format!("{name}.toml")), text)?;
    }
    for name in AGENTS {
        let text = agent_toml(&AgentSettings {
            listen: &at[name].to_string(),
            fulfillment: &both("fulfillment").join(", "),
            order_generator: &both("order-generator").join(", "),
            ldap_url: &slapd.ldap_url(),
            bind_dn: Slapd::AGENT_DN,
            bind_password: Slapd::AGENT_PASSWORD,
            base_dn: Slapd::SUFFIX,
        });
        let text =
            text.replace("\"agent-1\"", &format!("\"{name}\"")).replace("agent-journal", &format!("{name}-journal"));
        std::fs::write(folder.join(format!("{name}.toml")), text)?;
    }
    Ok(())
}
