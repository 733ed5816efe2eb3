//! The demo: a provisioning order's whole life on a sample organisation, acted through the public
//! gRPC contract and proved by reading the managed systems back.
//!
//! Leaves the people and their systems to the sample crate, and the services to the suite. The rule
//! that must hold: it ends well only if every act really happened; what is checked is what stands in
//! the managed systems, not what the ledger says.

mod acts;
mod expected;
mod narrator;
mod stage;
mod story;
mod systems;
pub mod workplace;

use crate::client::{Clients, DEFAULT_ADDRESS, ServerArgument};
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::suite::Suite;
use anyhow::Context;
use narrator::Narrator;
use provost_service_kit::{Runtime, start};
use stage::Stage;
pub use stage::adopt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Instant;
use story::Story;
use tokio::net::TcpListener;

/// Where the demo keeps its data.
#[derive(Debug, clap::Args)]
pub struct DemoArguments {
    /// Where databases and the sample systems go. An earlier demo's is replaced, unless `provost up` went on with it; anything else is left alone.
    #[arg(long, value_name = "DIR", default_value = ".provost-demo")]
    data_dir: PathBuf,
}

/// Plays the demo.
///
/// # Errors
/// When it cannot begin. An act that fails is told, and is the outcome.
pub async fn run(arguments: DemoArguments, console: Console) -> Result<Outcome, Failure> {
    let began = Instant::now();
    let stage = Stage::prepare(&arguments.data_dir).await?;
    stage.log_to_file()?;
    play(stage, &arguments.data_dir, began, console).await
}

/// Plays on a stage that is set.
async fn play(stage: Stage, data_dir: &Path, began: Instant, console: Console) -> Result<Outcome, Failure> {
    let mut narrator = Narrator::new(console);
    let listener = listener(&mut narrator).await?;
    stage.write_agent_file(listener.local_addr().context("the listener has no address")?)?;
    narrator.opening(&stage.organisation, data_dir)?;

    let (systems, organisation) = (stage.systems(), stage.organisation.clone());
    let suite = Suite::start(stage.directory, listener, None, Runtime::default()).await?;
    let server = ServerArgument { service: None, address: suite.url() };
    let address = suite.address;
    let clients = Clients::new(&[server], "demo")?;
    let mut story = Story { clients, narrator, organisation, systems };
    let played = acts::play(&mut story, data_dir, address).await;
    let stopped = suite.stop().await;

    let mut narrator = story.narrator;
    if let Err(failure) = played {
        narrator.broken_off(&failure.text().unwrap_or_default())?;
    }
    if let Err(failure) = stopped {
        narrator.broken_off(&format!("the suite failed: {failure:#}"))?;
    }
    narrator.closing(began.elapsed(), data_dir)
}

/// The usual port, or a free one when it is taken.
async fn listener(narrator: &mut Narrator) -> Result<TcpListener, Failure> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, 7400));
    if let Ok(listener) = start::bind(usual).await {
        return Ok(listener);
    }
    let listener = start::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let address = listener.local_addr().context("the listener has no address")?;
    narrator.say(&format!("{DEFAULT_ADDRESS} is taken; this demo listens on http://{address} instead."))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::console::Style;
    use crate::console::tests::Captured;
    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;

    /// The application takes whatever it is given, and keeps another title for some people.
    const APP_SABOTAGE: &str = "CREATE TRIGGER sabotage AFTER INSERT ON accounts
        WHEN NEW.login LIKE 'a%' BEGIN UPDATE accounts SET title = 'Saboteur' WHERE login = NEW.login; END";
    /// The vault takes whatever it is given, and forgets whose it is.
    const VAULT_SABOTAGE: &str = "CREATE TRIGGER sabotage AFTER INSERT ON vault_accounts
        BEGIN UPDATE vault_accounts SET full_name = 'Nobody' WHERE login = NEW.login; END";

    #[tokio::test(flavor = "multi_thread")]
    async fn demo_in_which_systems_keep_something_else_fails_and_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo");
        let stage = Stage::prepare(&path).await.unwrap();
        let systems = stage.systems();
        for (file, sabotage) in [(systems.app, APP_SABOTAGE), (systems.vault, VAULT_SABOTAGE)] {
            let mut system = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
            sqlx::raw_sql(sabotage).execute(&mut system).await.unwrap();
        }
        let captured = Captured::default();
        let console = Console::to(captured.clone(), Style::new(false));
        let outcome = play(stage, &path, Instant::now(), console).await.unwrap();
        let text = captured.text();
        assert_eq!(outcome, Outcome::Failed, "{text}");
        for part in ["✗ app.db holds the ", "\"Saboteur\"", "✗ vault.db holds ", "\"Nobody\"", "checks failed, after"]
        {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }
}
