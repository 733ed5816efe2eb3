//! `resources get TYPE KEY`.

use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::{Table, instant, value};
use provost_contract::generator::v1::GetResourceRequest;
use std::collections::BTreeMap;

/// Which resource.
#[derive(Debug, clap::Args)]
pub struct GetArguments {
    /// The entity type, for example Person.
    entity_type: String,
    /// The key.
    key: String,
}

pub(super) async fn run(arguments: GetArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let message = GetResourceRequest { entity_type: arguments.entity_type, key: arguments.key };
    let answer = session.clients.repository().get_resource(session.clients.request(message)).await;
    let resource = session.clients.answer(Service::OrderGenerator, answer)?;
    if session.is_json() {
        session.json("provost.generator.v1.Resource", &resource)?;
        return Ok(Outcome::Done);
    }
    let seen = instant(resource.seen_at.as_ref());
    let how = match resource.virtual_order_id.as_str() {
        "" => format!("as seen by the export of {seen}"),
        order => format!("which no export shows: as written by order {order}, confirmed {seen}"),
    };
    session.console.line(format!("{} {}, {how}\n", resource.entity_type, resource.key))?;
    let mut table = Table::new(&["property", "value"]);
    for (name, held) in resource.properties.iter().collect::<BTreeMap<_, _>>() {
        table.row(vec![name.clone(), value(held)]);
    }
    session.table(&table, "no properties")?;
    Ok(Outcome::Done)
}
