//! Asking that a role or a resource type is taken away from an owner: what a request gave ends, what rules give
//! they no longer give to this owner.

use super::requests::{Wish, ask};
use crate::generator::Generator;
use crate::model::request::{Action, Request};
use provost_service_kit::Fault;

/// Asks for a revocation; the comment says why.
///
/// # Errors
/// As [`crate::model::request::Refusal`] says, or for each wrong field.
pub(crate) async fn revoke_assignment(generator: &Generator, wish: Wish) -> Result<Request, Fault> {
    ask(generator, wish, Action::TakeAway).await
}
