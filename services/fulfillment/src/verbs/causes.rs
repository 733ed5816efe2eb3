//! What Errored orders failed of, with how many failed of the same (scenarios.md, P5).

use crate::store::causes::{self, Group};
use crate::store::{Ledger, list};
use crate::verbs::read::filter_of;
use provost_contract::fulfillment::v1::{ErrorCause, OrderFilter};
use provost_contract::types::v1::Failure;
use provost_contract::{cut, to_wire};
use provost_domain::State;
use provost_service_kit::Fault;

/// Longest words of an example, in characters: a thousand causes must fit into one answer.
const WORDS_MAX: usize = 1_000;

impl Ledger {
    /// The causes of errors, the one of most orders first.
    ///
    /// # Errors
    /// When the filter is wrong, or the database cannot be reached.
    pub(crate) async fn error_causes(&self, filter: Option<OrderFilter>) -> Result<Vec<ErrorCause>, Fault> {
        let filter = list::Filter { states: vec![], ..filter_of(filter.unwrap_or_default(), self.now())? };
        let groups = causes::groups(self.read(), &filter).await?;
        Ok(groups.into_iter().map(to_wire_cause).collect())
    }
}

fn to_wire_cause(group: Group) -> ErrorCause {
    let Group { cause, connection, count, first_at, last_at, example } = group;
    let failure = match &example.standing.state {
        State::Errored { failure } => {
            let failure = to_wire::failure(failure);
            let (message, hint) = (cut(failure.message, WORDS_MAX), cut(failure.hint, WORDS_MAX));
            Some(Failure { message, hint, ..failure })
        }
        _ => None,
    };
    ErrorCause {
        error_cause: cause,
        connection,
        count,
        example_order_id: example.id.to_string(),
        example: failure,
        first_at: Some(to_wire::timestamp(first_at)),
        last_at: Some(to_wire::timestamp(last_at)),
    }
}
