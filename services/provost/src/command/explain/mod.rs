//! `explain ORDER | OWNER | OWNER NAME [PROPERTY [VALUE]]`: why it is so, and why not.

mod order;
mod thing;
mod words;

pub(super) use words::contexts;

use super::ids;
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use provost_contract::generator::v1::{ExplainAssignmentRequest, ExplainOrderRequest, ExplainOwnerRequest};

/// Fewest characters of an order's id that may stand for it.
const SHORT_MIN: usize = 6;

/// What to explain.
#[derive(Debug, clap::Args)]
pub struct ExplainArguments {
    /// An order (its id, or the beginning or end of it), or an owner's key.
    #[arg(value_name = "ORDER|OWNER")]
    subject: String,
    /// Of an owner: a role, single or composite, or a resource type.
    #[arg(value_name = "ROLE|RESOURCE_TYPE")]
    name: Option<String>,
    /// Of a resource type: a property.
    property: Option<String>,
    /// Of a property: one value that was expected, for example the key of a group.
    value: Option<String>,
    /// The owner's entity type, when several own resources.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    entity_type: String,
}

pub(super) async fn run(arguments: ExplainArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let ExplainArguments { subject, name, property, value, entity_type } = arguments;
    if let Some(name) = name {
        let request = ExplainAssignmentRequest {
            owner_entity_type: entity_type,
            owner_key: subject,
            name,
            property: property.unwrap_or_default(),
            value: value.unwrap_or_default(),
        };
        return assignment(request, session).await;
    }
    // A whole id is an order's, unless it is no order and an owner has it for a key.
    if uuid::Uuid::try_parse(&subject).is_ok() && entity_type.is_empty() {
        return match order(subject.clone(), session).await {
            Err(failure) if failure.is_not_found() => match owner(entity_type, subject, session).await {
                Err(other) if other.is_not_found() => Err(failure),
                other => other,
            },
            other => other,
        };
    }
    match owner(entity_type, subject.clone(), session).await {
        Err(failure) if is_refused(&failure) && may_be_short(&subject) => {
            let found = ids::orders(&session.clients, std::slice::from_ref(&subject)).await;
            match found.map(|ids| ids.into_iter().next()) {
                Ok(Some(id)) => order(id, session).await,
                Err(several @ Failure::Usage(_)) => Err(several),
                _ => Err(failure),
            }
        }
        other => other,
    }
}

/// The service knows no such owner, or not which kind of owner is meant.
fn is_refused(failure: &Failure) -> bool {
    matches!(failure, Failure::Call { status, .. }
        if matches!(status.code(), tonic::Code::NotFound | tonic::Code::InvalidArgument))
}

fn may_be_short(text: &str) -> bool {
    text.len() >= SHORT_MIN && text.chars().all(|letter| letter.is_ascii_hexdigit() || letter == '-')
}

async fn order(order_id: String, session: &mut Session) -> Result<Outcome, Failure> {
    let request = session.clients.request(ExplainOrderRequest { order_id });
    let answer = session.clients.explanations().explain_order(request).await;
    let told = session.clients.answer(Service::OrderGenerator, answer)?;
    if session.is_json() {
        session.json("provost.generator.v1.ExplainOrderResponse", &told)?;
    } else {
        let lines = order::lines(&told, session.console.style());
        session.console.lines(lines)?;
    }
    Ok(Outcome::Done)
}

async fn owner(owner_entity_type: String, owner_key: String, session: &mut Session) -> Result<Outcome, Failure> {
    let request = session.clients.request(ExplainOwnerRequest { owner_entity_type, owner_key });
    let answer = session.clients.explanations().explain_owner(request).await;
    let told = session.clients.answer(Service::OrderGenerator, answer)?;
    if session.is_json() {
        session.json("provost.generator.v1.ExplainOwnerResponse", &told)?;
    } else {
        let lines = thing::owner_lines(&told, session.console.style());
        session.console.lines(lines)?;
    }
    Ok(Outcome::Done)
}

async fn assignment(request: ExplainAssignmentRequest, session: &mut Session) -> Result<Outcome, Failure> {
    let request = session.clients.request(request);
    let answer = session.clients.explanations().explain_assignment(request).await;
    let told = session.clients.answer(Service::OrderGenerator, answer)?;
    if session.is_json() {
        session.json("provost.generator.v1.ExplainAssignmentResponse", &told)?;
    } else {
        let lines = thing::lines(&told, session.console.style());
        session.console.lines(lines)?;
    }
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_an_id_may_be_a_short_one() {
        assert!(may_be_short("1093aa") && may_be_short("019aa5c0-1111"));
        assert!(!may_be_short("E00001x") && !may_be_short("10") && !may_be_short("ada.lovelace"));
    }
}
