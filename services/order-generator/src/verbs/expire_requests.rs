//! Ending requests whose period is over: those that wait, and those that counted until then.
//!
//! The rule that must hold: it changes what lists say of a request, and nothing of what anybody has. That goes by the
//! dates alone, so whether this has run yet makes no difference to a computation.

use super::requests::{commit, keep, owner_of};
use crate::generator::Generator;
use crate::model::request::Outcome;
use crate::store::request_outbox::{self, Action};
use crate::store::requests;
use provost_service_kit::Fault;
use std::collections::BTreeSet;

/// Requests of one round.
const ROUND: u64 = 200;

/// Makes requests Inactive whose period is over; says whether there may be more.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn expire_requests(generator: &Generator) -> Result<bool, Fault> {
    let now = generator.clock.now();
    if requests::past(generator.database.read(), now, 1).await?.is_empty() {
        return Ok(false);
    }
    let transaction = generator.database.begin().await?;
    requests::turn(&generator.database, &transaction).await?;
    let past = requests::past(&transaction, now, ROUND).await?;
    let (mut expired, found) = (0, past.len());
    let mut changed = BTreeSet::new();
    for mut request in past {
        let was_open = request.is_open();
        if request.expire(now) {
            expired += 1;
            keep(&transaction, &request, Outcome::TooLate, now).await?;
            if was_open {
                request_outbox::put(&transaction, &request.id, Action::Withdraw, &request.reason(), now).await?;
            } else {
                changed.insert(owner_of(&request));
            }
        }
    }
    commit(generator, transaction, changed).await?;
    tracing::info!(expired, "requests are over");
    Ok(expired > 0 && found as u64 == ROUND)
}
