//! Puts the four services together on one server.

use super::DataDirectory;
use anyhow::Context;
use provost_service_kit::configuration::{self, Configuration, Sources};
use provost_service_kit::{Runtime, Server};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The agent's configuration in a data directory.
pub const AGENT_FILE: &str = "agent.toml";

/// The agent that runs in the suite.
#[derive(Clone, Debug)]
pub enum AgentFound {
    /// It is configured by this file.
    Configured(PathBuf),
    /// There is no configuration here, so nothing can be read or written.
    Missing(PathBuf),
}

pub(super) async fn assemble(
    directory: &DataDirectory,
    address: SocketAddr,
    agent_file: Option<PathBuf>,
    runtime: &Runtime,
) -> anyhow::Result<(Server, AgentFound)> {
    let url = format!("http://{address}");
    let generator: provost_order_generator::Config = configured(
        "PROVOST_ORDER_GENERATOR",
        None,
        &[("database_url", &directory.sqlite("generator.db")), ("fulfillment", &url), ("review", &url)],
    )?;
    let fulfillment: provost_fulfillment::Config = configured(
        "PROVOST_FULFILLMENT",
        None,
        &[("database_url", &directory.sqlite("fulfillment.db")), ("review", &url)],
    )?;
    let review: provost_review::Config =
        configured("PROVOST_REVIEW", None, &[("database_url", &directory.sqlite("review.db"))])?;
    let server = Server::default();
    let server = provost_review::assemble(review, runtime.clone(), server).await.context("review")?;
    let server = provost_fulfillment::assemble(fulfillment, runtime.clone(), server).await.context("fulfillment")?;
    let server =
        provost_order_generator::assemble(generator, runtime.clone(), server).await.context("order generator")?;

    let file = agent_file.clone().unwrap_or_else(|| directory.path().join(AGENT_FILE));
    if agent_file.is_none() && !file.exists() {
        return Ok((server, AgentFound::Missing(file)));
    }
    let agent: provost_agent::Config =
        configured("PROVOST_AGENT", Some(file.clone()), &[("fulfillment", &url), ("order_generator", &url)])
            .with_context(|| format!("agent, {}", file.display()))?;
    let server = provost_agent::assemble(agent, runtime.clone(), server).await.context("agent")?;
    Ok((server, AgentFound::Configured(file)))
}

/// A service's configuration as it would be alone, with its database here and the others on this port.
fn configured<C: Configuration>(
    prefix: &'static str,
    file: Option<PathBuf>,
    flags: &[(&str, &str)],
) -> anyhow::Result<C> {
    let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Ok(configuration::load(&Sources { file, prefix, flags })?)
}
