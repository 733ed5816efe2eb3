//! Taking back a request that is not decided yet.

use super::requests::{WORDS_MAX, commit, id_of};
use crate::generator::Generator;
use crate::model::request::Request;
use crate::store::request_outbox::{self, Action};
use crate::store::requests;
use provost_contract::Violations;
use provost_service_kit::{Fault, FaultKind};

/// Withdraws a request; repeating it changes nothing.
///
/// # Errors
/// [`FaultKind::NotFound`]; [`FaultKind::Forbidden`] when somebody else asked; [`FaultKind::WrongState`] when
/// it was decided, or is over.
pub(crate) async fn withdraw_request(
    generator: &Generator,
    id: &str,
    comment: &str,
    actor: &str,
) -> Result<Request, Fault> {
    let id = id_of(id)?;
    let mut wrong = Violations::default();
    wrong.check_text("comment", comment, WORDS_MAX);
    wrong.into_result(())?;
    let transaction = generator.database.begin().await?;
    requests::turn(&generator.database, &transaction).await?;
    let found = requests::get(&transaction, &id).await?;
    let mut request = found.ok_or_else(|| Fault::not_found(format!("request {id}")))?;
    if request.asked.by != actor {
        let by = &request.asked.by;
        let message = format!("the request {id} was made by {by}, who alone can withdraw it, and not {actor}");
        return Err(Fault::new(FaultKind::Forbidden, message));
    }
    let now = generator.clock.now();
    let is_news = request.withdraw(actor, comment, now).map_err(|state| {
        let message = format!("cannot withdraw the request {id}: it is {state}, must be Requested or Pending Approval");
        Fault::wrong_state(format!("request {id}"), message)
    })?;
    if is_news {
        requests::save(&transaction, &request).await?;
        request_outbox::put(&transaction, &id, Action::Withdraw, &request.reason(), now).await?;
        commit(generator, transaction, []).await?;
        tracing::info!(request_id = id, actor, "request withdrawn");
    }
    Ok(request)
}
