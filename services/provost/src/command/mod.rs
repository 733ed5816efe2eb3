//! The commands, one file per verb.

pub mod agents;
pub mod apply;
pub mod catalog;
pub mod connections;
pub mod explain;
pub mod ids;
pub mod items;
pub mod jobs;
pub mod manual;
pub mod orders;
pub mod permissions;
pub mod plan;
pub mod reconcile;
pub mod request;
pub mod resources;
pub mod review;
pub mod sample;
pub mod syncs;
pub mod up;

use crate::arguments::{Arguments, GlobalArguments};
use crate::client::Clients;
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use clap::Subcommand;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows a whole order's life on a sample organisation, in under a minute.
    Demo(crate::demo::DemoArguments),
    /// Runs all four services in this process, until it is told to stop.
    Up(up::UpArguments),
    /// Writes a sample organisation of any size: its people, systems, catalog and agent configuration.
    Sample(sample::SampleArguments),
    #[command(flatten)]
    Client(ClientCommand),
}

/// What to ask a running suite.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// The catalog: systems, resource types, roles, rules.
    #[command(subcommand)]
    Catalog(catalog::Command),
    /// Says what would be added (+), changed (~), associated (=), deleted (-) and cancelled (x), and does nothing.
    Plan(plan::PlanArguments),
    /// Does what a saved plan says, or a named part of it, unless something has changed since.
    Apply(apply::ApplyArguments),
    /// Jobs: run, watch, resume, cancel.
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// Provisioning orders: the ledger.
    #[command(subcommand)]
    Orders(orders::Command),
    /// Reviews: decide on orders before they are written, and on requests before they count.
    #[command(subcommand)]
    Review(review::Command),
    /// Manual provisioning: what people write by hand.
    #[command(subcommand)]
    Manual(manual::Command),
    /// Why it is so, and why not: an order, an owner, or one role, resource type or property of an owner.
    Explain(explain::ExplainArguments),
    /// View permissions: what one owner has, why, and where each value stands.
    Permissions(permissions::PermissionsArguments),
    /// Requests: that somebody is given a role or a resource type, or that it is taken away.
    #[command(subcommand)]
    Request(request::Command),
    /// Reconciliation: what was found and no rule explains, and what people decide on it.
    #[command(subcommand)]
    Reconcile(reconcile::Command),
    /// What synchronization read.
    #[command(subcommand)]
    Resources(resources::Command),
    /// Synchronizations.
    #[command(subcommand)]
    Syncs(syncs::Command),
    /// Agents.
    #[command(subcommand)]
    Agents(agents::Command),
    /// Connections: pause and drain them for maintenance, limit them, release their brake.
    #[command(subcommand)]
    Connections(connections::Command),
}

/// Carries out a command.
///
/// # Errors
/// When it cannot be carried out.
pub async fn run(arguments: Arguments, console: Console) -> Result<Outcome, Failure> {
    let global = arguments.global;
    match arguments.command {
        Command::Demo(arguments) => crate::demo::run(arguments, console).await,
        Command::Up(arguments) => up::run(arguments, console).await,
        Command::Sample(arguments) => sample::run(arguments, console).await,
        Command::Client(command) => client(command, global, console).await,
    }
}

async fn client(command: ClientCommand, global: GlobalArguments, console: Console) -> Result<Outcome, Failure> {
    let clients = Clients::new(&global.server, global.actor)?;
    let mut session = Session { clients, console, output: global.output };
    let session = &mut session;
    match command {
        ClientCommand::Catalog(command) => command.run(session).await,
        ClientCommand::Plan(arguments) => plan::run(arguments, session).await,
        ClientCommand::Apply(arguments) => apply::run(arguments, session).await,
        ClientCommand::Jobs(command) => command.run(session).await,
        ClientCommand::Orders(command) => command.run(session).await,
        ClientCommand::Review(command) => command.run(session).await,
        ClientCommand::Manual(command) => command.run(session).await,
        ClientCommand::Explain(arguments) => explain::run(arguments, session).await,
        ClientCommand::Permissions(arguments) => permissions::run(arguments, session).await,
        ClientCommand::Request(command) => command.run(session).await,
        ClientCommand::Reconcile(command) => command.run(session).await,
        ClientCommand::Resources(command) => command.run(session).await,
        ClientCommand::Syncs(command) => command.run(session).await,
        ClientCommand::Agents(command) => command.run(session).await,
        ClientCommand::Connections(command) => command.run(session).await,
    }
}
