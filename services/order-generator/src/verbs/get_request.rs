//! Reading one request, with what was decided.

use super::requests::id_of;
use crate::generator::Generator;
use crate::model::request::Request;
use crate::store::requests;
use provost_service_kit::Fault;

/// One request.
///
/// # Errors
/// [`provost_service_kit::FaultKind::NotFound`] when there is none.
pub(crate) async fn get_request(generator: &Generator, id: &str) -> Result<Request, Fault> {
    let id = id_of(id)?;
    let found = requests::get(generator.database.read(), &id).await?;
    found.ok_or_else(|| Fault::not_found(format!("request {id}")))
}
