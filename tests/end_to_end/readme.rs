//! The four-process form on PostgreSQL, exactly as the README tells it: its commands and its agent
//! configuration are taken from the README; only addresses, the database and the directory are
//! this test's own.

use anyhow::{Context, Result};
use provost_contract::agent::v1::agent_service_client::AgentServiceClient;
use provost_contract::agent::v1::{CheckConnectionRequest, CheckConnectionResponse};
use provost_testkit::{Postgres, Process, Slapd, binary, free_address};
use std::path::Path;
use std::process::Command;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const README: &str = include_str!("../../README.md");

/// The fenced block that contains a text.
fn block(language: &str, containing: &str) -> &'static str {
    let fence = format!("```{language}\n");
    README
        .split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split("\n```").next())
        .find(|block| block.contains(containing))
        .unwrap_or_else(|| panic!("the README has no {language} block with '{containing}'"))
}

/// The commands of a block, one a line, continued lines joined, `&` taken off.
fn commands(block: &str) -> Vec<String> {
    let joined = block.replace("\\\n", " ");
    let lines = joined.lines().map(|line| line.trim().trim_end_matches('&').trim().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn four_processes_start_by_the_commands_of_the_readme() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let slapd = Slapd::start().await;
    let database = Postgres::shared().await.database().await.url;
    let addresses: Vec<_> =
        (7401..=7404).map(|port| (format!("127.0.0.1:{port}"), free_address().to_string())).collect();
    let here = |text: &str| addresses.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));

    let toml = here(block("toml", "[connections.dir-ldap]"))
        .replace("ldaps://127.0.0.1:636", &slapd.ldaps_url())
        .replace("cn=provost,dc=example,dc=org", Slapd::AGENT_DN);
    std::fs::write(folder.path().join("agent.toml"), toml)?;
    std::fs::copy(slapd.ca_file(), folder.path().join("ca.pem"))?;
    std::fs::write(folder.path().join("bind-password"), Slapd::AGENT_PASSWORD)?;

    let mut processes = Vec::new();
    for command in commands(&here(block("sh", "export DATABASE="))) {
        if command.starts_with("export DATABASE=") {
            continue;
        }
        processes.push(start(&command.replace("$DATABASE", &database), folder.path(), &addresses).await?);
    }
    assert_eq!(processes.len(), 4);
    for process in &processes {
        let mut health = HealthClient::new(provost_service_kit::channel::to(&process.url())?);
        let status = health.check(HealthCheckRequest { service: String::new() }).await?.into_inner().status();
        assert_eq!(status, ServingStatus::Serving);
    }
    let agent = processes.last().context("the agent is started last")?;
    let check = CheckConnectionRequest { connection: "dir-ldap".into() };
    let answer: CheckConnectionResponse =
        AgentServiceClient::connect(agent.url()).await?.check_connection(check).await?.into_inner();
    assert!(answer.reachable, "{}", answer.message);
    Ok(())
}

/// Starts one command of the README in the folder.
async fn start(line: &str, folder: &Path, addresses: &[(String, String)]) -> Result<Process> {
    let mut words = line.split_whitespace();
    let program = words.next().context("a command")?;
    let arguments: Vec<_> = words.collect();
    let listen = arguments.iter().position(|argument| *argument == "--listen").and_then(|at| arguments.get(at + 1));
    // The agent's address is in its configuration file.
    let address = listen.copied().unwrap_or(&addresses[3].1).parse()?;
    let mut command = Command::new(binary(program));
    command.args(&arguments).current_dir(folder);
    Ok(Process::start(command, address).await)
}
