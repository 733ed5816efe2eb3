//! Starting a service from its `main`: arguments, configuration, telemetry, then run until a signal.

use crate::configuration::{self, Configuration, Sources};
use crate::server::{Runtime, Server};
use crate::telemetry::{self, LogFormat};
use anyhow::Context;
use clap::{CommandFactory, FromArgMatches, Parser};
use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The arguments that every service takes.
#[derive(Clone, Debug, Parser)]
pub struct Arguments {
    /// The configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to listen on, for example 127.0.0.1:7402.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The database: sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE.
    #[arg(long, value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Sets any other key of the configuration.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// The whole of a service's `main`: `listen` says where the configuration wants to be served, and
/// `assemble` adds the service's parts. Ends on the first SIGINT or SIGTERM; a second one ends at once.
pub fn main<C, L, A, Fut>(prefix: &'static str, listen: L, assemble: A) -> ExitCode
where
    C: Configuration,
    L: FnOnce(&C) -> SocketAddr,
    A: FnOnce(C, Runtime, Server) -> Fut,
    Fut: Future<Output = anyhow::Result<Server>>,
{
    let arguments = arguments(C::HAS_DATABASE);
    let run = async {
        telemetry::start(arguments.log_format, "info")?;
        let mut flags = arguments.set;
        flags.extend(arguments.listen.map(|value| ("listen".to_owned(), value)));
        flags.extend(arguments.database_url.map(|value| ("database_url".to_owned(), value)));
        let configuration: C = configuration::load(&Sources { file: arguments.config, prefix, flags })?;
        let address = listen(&configuration);
        let runtime = Runtime::default();
        stop_on_signals(runtime.stop.clone());
        let server = assemble(configuration, runtime.clone(), Server::default()).await?;
        let listener = bind(address).await?;
        server.run(listener, runtime.stop).await
    };
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot start")
        .and_then(|runtime| runtime.block_on(run));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if tracing::enabled!(tracing::Level::ERROR) {
                tracing::error!("{error:#}");
            } else {
                // There is no log yet, or it is told to be silent. Ending without a word helps nobody; and where
                // even this cannot be written there is nobody to tell.
                let _ = writeln!(std::io::stderr(), "{error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

/// The arguments of this process. An argument for a key that the service does not have is not offered.
fn arguments(has_database: bool) -> Arguments {
    let command = Arguments::command().mut_arg("database_url", |argument| argument.hide(!has_database));
    Arguments::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

/// Binds an address, and says in the log where it listens.
///
/// # Errors
/// When the address is taken or not ours.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "listening beyond loopback, and callers are not authenticated: put it behind a proxy that does");
    }
    tracing::info!(%address, "listening");
    Ok(listener)
}

/// Cancels `stop` on the first SIGINT or SIGTERM, and ends the process on the second.
pub fn stop_on_signals(stop: CancellationToken) {
    tokio::spawn(async move {
        for ending in [false, true] {
            if let Err(error) = signal().await {
                tracing::error!(%error, "signals cannot be heard");
                return;
            }
            if ending {
                std::process::exit(130);
            }
            tracing::info!("stopping; once more to end at once");
            stop.cancel();
        }
    });
}

async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
