//! Orders that an agent gives back because it does not begin them, for example because it stops.
//!
//! The rule that must hold: nothing was written, so that no try is used up and nothing waits for a lease to end. The
//! next attempt has a number of its own; whoever begins a returned one after all reports under the older.

use crate::model::{Entry, Note};
use crate::store::Ledger;
use crate::verbs::each::{Step, check_size};
use crate::verbs::resolve::WORDS_MAX;
use provost_contract::fulfillment::v1::ReturnOrdersRequest;
use provost_contract::types::v1::ItemResult;
use provost_contract::{NAME_MAX, Violations};
use provost_domain::{Event, State};
use provost_service_kit::{Fault, FaultKind};

impl Ledger {
    /// Takes orders back, each on its own. It may be repeated.
    ///
    /// # Errors
    /// When the request is wrong, or nothing could be done at all.
    pub(crate) async fn return_orders(&self, request: ReturnOrdersRequest) -> Result<Vec<ItemResult>, Fault> {
        let ReturnOrdersRequest { agent_id, leases, reason } = request;
        let mut wrong = Violations::default();
        wrong.require_text("agent_id", &agent_id, NAME_MAX);
        wrong.check_text("reason", &reason, WORDS_MAX);
        wrong.into_result(())?;
        check_size("leases", leases.len())?;
        let ids: Vec<String> = leases.iter().map(|lease| lease.order_id.clone()).collect();
        self.each(&ids, |index, entry, _| {
            let attempt = leases.get(index).map_or(0, |lease| u32::try_from(lease.attempt).unwrap_or(0));
            if let Some(holder) = other_holder(entry, attempt, &agent_id) {
                let id = entry.id;
                let message =
                    format!("attempt {attempt} of order {id} is under a lease of {holder}, not of {agent_id}");
                return Err(Fault::new(FaultKind::Conflict, message));
            }
            let note = Note::new(agent_id.as_str(), reason.as_str());
            Ok(Step { event: Event::Returned { attempt }, note, version: 0 })
        })
        .await
    }
}

/// Who else holds this attempt.
fn other_holder<'a>(entry: &'a Entry, attempt: u32, agent: &str) -> Option<&'a str> {
    match &entry.standing.state {
        State::Pending { lease: Some(lease), .. } if entry.standing.attempts == attempt && lease.agent != agent => {
            Some(&lease.agent)
        }
        _ => None,
    }
}
