//! `catalog show`: the current catalog, as it was applied.

use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::instant;
use provost_contract::generator::v1::GetCatalogRequest;

pub(super) async fn run(session: &mut Session) -> Result<Outcome, Failure> {
    let request = session.clients.request(GetCatalogRequest {});
    let answer = session.clients.catalog().get_catalog(request).await;
    let catalog = session.clients.answer(Service::OrderGenerator, answer)?;
    if session.is_json() {
        session.json("provost.generator.v1.GetCatalogResponse", &catalog)?;
        return Ok(Outcome::Done);
    }
    // Comments, so that each part stays YAML.
    let applied = instant(catalog.applied_at.as_ref());
    session.console.line(format!("# revision {}, applied {applied} by {}", catalog.revision, catalog.applied_by))?;
    for file in &catalog.files {
        session.console.line(format!("\n# ---- {} ----", file.name))?;
        session.console.line(file.content.trim_end())?;
    }
    Ok(Outcome::Done)
}
