//! Prolonging leases. A heartbeat is no event: it leaves no line in the history and no new version.

use crate::store::{Ledger, Rings, claim, entries};
use crate::verbs::each::check_size;
use provost_contract::fulfillment::v1::{LeaseKey, RenewLeasesRequest, RenewLeasesResponse};
use provost_contract::types::v1::{ItemResult, ProvisioningState};
use provost_contract::{NAME_MAX, Violations, from_wire, to_wire};
use provost_domain::{OrderId, State};
use provost_service_kit::{Fault, FaultKind};

impl Ledger {
    /// Prolongs the leases that the agent still holds.
    ///
    /// # Errors
    /// When nothing could be done at all.
    pub(crate) async fn renew(&self, request: RenewLeasesRequest) -> Result<RenewLeasesResponse, Fault> {
        let RenewLeasesRequest { agent_id, leases } = request;
        let mut wrong = Violations::default();
        wrong.require_text("agent_id", &agent_id, NAME_MAX);
        wrong.into_result(())?;
        check_size("leases", leases.len())?;
        let ids: Vec<OrderId> = leases.iter().filter_map(|lease| lease.order_id.parse().ok()).collect();
        let transaction = self.begin().await?;
        let until = self.now().plus(self.lease);
        let known = entries::by_ids(&transaction, &ids).await?;
        let (mut held, mut results) = (Vec::new(), Vec::with_capacity(leases.len()));
        for LeaseKey { order_id, attempt } in leases {
            let mut wrong = Violations::default();
            let parsed = from_wire::order_id("order_id", &order_id, &mut wrong);
            let entry = parsed.and_then(|id| known.get(&id));
            let state = entry.map_or(ProvisioningState::None, |e| to_wire::state(e.standing.state.number()));
            results.push(match (parsed, entry) {
                (None, _) => Fault::from(wrong).to_item(order_id, state),
                (Some(id), None) => Fault::not_found(format!("order {id}")).to_item(order_id, state),
                (Some(id), Some(entry)) => match &entry.standing.state {
                    State::Pending { lease: Some(lease), .. }
                        if lease.agent == agent_id && i64::from(entry.standing.attempts) == i64::from(attempt) =>
                    {
                        held.push(entry.sequence);
                        ItemResult { order_id, state: state.into(), error: None }
                    }
                    other => {
                        let message = format!(
                            "attempt {attempt} of order {id} is no longer under a lease of {agent_id}: \
                             the order is {}, its newest attempt is {}",
                            other.number(),
                            entry.standing.attempts
                        );
                        Fault::new(FaultKind::Conflict, message).to_item(order_id, state)
                    }
                },
            });
        }
        claim::prolong(&transaction, &held, until).await?;
        self.commit(transaction, Rings::default()).await?;
        let (lease_expires_at, lease) = (Some(to_wire::timestamp(until)), self.lease.try_into().ok());
        Ok(RenewLeasesResponse { results, lease_expires_at, lease })
    }
}
