//! `catalog schema`: the JSON Schema of catalog files, to be kept beside them.

use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use provost_contract::generator::v1::GetCatalogSchemaRequest;

/// How editors are told of it.
pub(super) const HELP: &str = "\
Keep it beside the catalog and name it in the first line of each file:
  provost catalog schema > catalog/catalog.schema.json
  # yaml-language-server: $schema=catalog.schema.json";

pub(super) async fn run(session: &mut Session) -> Result<Outcome, Failure> {
    let request = session.clients.request(GetCatalogSchemaRequest {});
    let answer = session.clients.catalog().get_catalog_schema(request).await;
    let response = session.clients.answer(Service::OrderGenerator, answer)?;
    if session.is_json() {
        session.json("provost.generator.v1.GetCatalogSchemaResponse", &response)?;
    } else {
        session.console.line(response.schema.trim_end())?;
    }
    Ok(Outcome::Done)
}
