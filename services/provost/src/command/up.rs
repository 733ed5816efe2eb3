//! `up`: the embedded suite, until it is told to stop.
//!
//! The rule that must hold: what somebody goes on with is theirs, also when a demo began it.

use crate::console::Console;
use crate::demo;
use crate::failure::{Failure, Outcome};
use crate::show::program;
use crate::suite::{AGENT_FILE, AgentFound, DataDirectory, Suite};
use provost_service_kit::telemetry::{self, LogFormat};
use provost_service_kit::{Runtime, start};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where, and with which data.
#[derive(Debug, clap::Args)]
pub struct UpArguments {
    /// Where databases and the agent's configuration are; created when there is none.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7400")]
    listen: SocketAddr,
    /// The agent's configuration [default: agent.toml in the data directory].
    #[arg(long, value_name = "FILE")]
    agent_config: Option<PathBuf>,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
}

pub(super) async fn run(arguments: UpArguments, mut console: Console) -> Result<Outcome, Failure> {
    telemetry::start(arguments.log_format, "info")?;
    let directory = DataDirectory::open(&arguments.data_dir)?;
    let listener = start::bind(arguments.listen).await?;
    let place = directory.path().to_owned();
    let runtime = Runtime::default();
    start::stop_on_signals(runtime.stop.clone());
    let suite = Suite::start(directory, listener, arguments.agent_config, runtime).await?;
    // Not before it runs: whoever could not start it has made nothing theirs.
    let was_a_demo = demo::adopt(&place)?;
    console.lines(greeting(&suite, &arguments.data_dir))?;
    if was_a_demo {
        console.line("From now on this data is yours: the next demo leaves it alone.")?;
    }
    suite.ended().await?;
    console.line("provost is down; everything it acknowledged is kept")?;
    Ok(Outcome::Done)
}

fn greeting(suite: &Suite, data_dir: &Path) -> Vec<String> {
    let program = program();
    let mut lines = vec![
        format!("provost is up: {}", suite.url()),
        format!("  data directory  {}", data_dir.display()),
        format!("  agent           {}", agent(&suite.agent)),
        "next, in another terminal:".to_owned(),
    ];
    if suite.url() != crate::client::DEFAULT_ADDRESS {
        lines.push(format!("  export PROVOST_SERVER={}", suite.url()));
    }
    lines.extend([
        format!("  {program} catalog apply FILE|DIR"),
        format!("  {program} jobs run complete --watch"),
        format!("  {program} orders count"),
        format!("  grpcurl -plaintext {} list", suite.address),
        "Ctrl-C stops it.".to_owned(),
    ]);
    lines
}

fn agent(found: &AgentFound) -> String {
    match found {
        AgentFound::Configured(file) => file.display().to_string(),
        AgentFound::Missing(file) => {
            format!(
                "none, since there is no {}: no system can be read or written ({AGENT_FILE} names the connections)",
                file.display()
            )
        }
    }
}
