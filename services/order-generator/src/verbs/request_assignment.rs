//! Asking that an owner is given a role or a resource type. Of what was taken away from the owner, this takes
//! that back.

use super::requests::{Wish, ask};
use crate::generator::Generator;
use crate::model::request::{Action, Request};
use provost_service_kit::Fault;

/// Asks for an assignment.
///
/// # Errors
/// As [`crate::model::request::Refusal`] says, or for each wrong field.
pub(crate) async fn request_assignment(generator: &Generator, wish: Wish) -> Result<Request, Fault> {
    ask(generator, wish, Action::Give).await
}
