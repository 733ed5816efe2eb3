//! `plan`: what computing and generating would do, before anything is saved or submitted.

mod collected;
mod file;
mod lines;

pub use collected::Collected;
pub use file::{read as read_file, write as write_file};
pub use lines::{lines, order_lines, sign};

use crate::client::Service;
use crate::command::catalog::read_files;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use provost_contract::generator::v1::{CatalogFile, PlanOrdersRequest, PlanScope};
use std::path::PathBuf;

/// What to plan, and what of it to show.
#[derive(Debug, clap::Args)]
pub struct PlanArguments {
    /// Only the owner with this key.
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    owner: String,
    /// The owner's entity type, when several own resources.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    entity_type: String,
    /// Only these resource types.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    resource_type: Vec<String>,
    /// Another catalog, files or folders, to learn what it would do; it is not applied.
    #[arg(long, value_name = "FILE|DIR")]
    catalog: Vec<PathBuf>,
    /// As if every order were blocked until it was reviewed.
    #[arg(long, conflicts_with = "waive_review")]
    force_review: bool,
    /// As if no resource type required review.
    #[arg(long)]
    waive_review: bool,
    /// Saves the plan, for `provost apply`. What is not shown is not in it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How many orders to show at most of each resource type; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

pub(super) async fn run(arguments: PlanArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let catalog_files = if arguments.catalog.is_empty() { vec![] } else { read_files(&arguments.catalog)? };
    let request = PlanOrdersRequest {
        scope: Some(PlanScope {
            owner_entity_type: arguments.entity_type,
            owner_key: arguments.owner,
            resource_types: arguments.resource_type,
        }),
        force_review: arguments.force_review,
        waive_review: arguments.waive_review,
        catalog_files,
    };
    let plan = collect(session, request).await?;
    if let Some(path) = &arguments.out {
        write_file(path, &plan)?;
    }
    if session.is_json() {
        let json = plan.to_json()?;
        session.console.line(format!("{json:#}"))?;
        return Ok(Outcome::Done);
    }
    let style = session.console.style();
    session.console.lines(lines(&plan, arguments.limit, style))?;
    let next = match &arguments.out {
        Some(path) => format!("saved; to do just this: provost apply {}", path.display()),
        None => "nothing was saved or submitted; --out FILE saves the plan, and provost apply FILE does it".to_owned(),
    };
    session.console.line(style.dim(&next))?;
    Ok(Outcome::Done)
}

/// Asks for a plan, and puts its parts together.
///
/// # Errors
/// When it is refused, or the stream breaks.
pub async fn collect(session: &Session, request: PlanOrdersRequest) -> Result<Collected, Failure> {
    let clients = &session.clients;
    let answer = clients.generator().plan_orders(clients.request(request)).await;
    let mut parts = clients.answer(Service::OrderGenerator, answer)?;
    let mut plan = Collected::default();
    while let Some(part) = parts.message().await.map_err(|status| clients.refused(Service::OrderGenerator, status))? {
        plan.take(part);
    }
    Ok(plan)
}

/// A plan by another catalog.
///
/// # Errors
/// As [`collect`].
pub async fn by_catalog(session: &Session, catalog_files: Vec<CatalogFile>) -> Result<Collected, Failure> {
    collect(session, PlanOrdersRequest { catalog_files, ..PlanOrdersRequest::default() }).await
}
