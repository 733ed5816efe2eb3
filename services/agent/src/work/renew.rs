//! Renewing leases while slow writes run.

use crate::agent::{ANSWER_TIMEOUT, Agent};
use crate::flight::Lease;
use crate::journal::Execution;
use provost_contract::from_wire;
use provost_contract::fulfillment::v1::{LeaseKey, RenewLeasesRequest};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// How often to look for leases that want renewing.
const TICK: Duration = Duration::from_millis(250);
/// The most leases of one call.
const LEASES_MAX: usize = 1_000;

/// Renews leases until `stop`, and then until the last write has ended.
pub(crate) async fn run(agent: Arc<Agent>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut failing = false;
    while !(stop.is_cancelled() && agent.flight.is_empty()) {
        tokio::time::sleep(TICK).await;
        for leases in agent.flight.due(Instant::now()).chunks(LEASES_MAX) {
            let renewed = renew(&agent, leases).await;
            if let Err(status) = &renewed
                && !failing
            {
                tracing::warn!(code = ?status.code(), message = status.message(), "leases cannot be renewed; trying again");
            }
            failing = renewed.is_err();
        }
    }
    Ok(())
}

async fn renew(agent: &Agent, leases: &[Execution]) -> Result<(), Status> {
    let key = |lease: &Execution| LeaseKey { order_id: lease.order_id.to_string(), attempt: lease.attempt };
    let message = RenewLeasesRequest { agent_id: agent.id.clone(), leases: leases.iter().map(key).collect() };
    let sent = Instant::now();
    let response = agent.dispatch.clone().renew_leases(agent.request(message, ANSWER_TIMEOUT)).await?.into_inner();
    let now = agent.clock.now();
    agent.fulfillment_seen.note(now);
    let by_clock = || response.lease_expires_at.map(|at| from_wire::timestamp(&at).since(now)).unwrap_or_default();
    let lease = match response.lease.and_then(|length| Duration::try_from(length).ok()) {
        Some(length) => Lease::lasting(length, sent, Instant::now()),
        None => Lease::by_clock(by_clock()),
    };
    for (execution, result) in leases.iter().zip(response.results) {
        match result.error {
            None => agent.flight.renewed(*execution, lease, Instant::now()),
            Some(error) => {
                // A write that was begun goes on: it may have happened already, and what is known is reported.
                tracing::warn!(order_id = %execution.order_id, attempt = execution.attempt, reason = error.reason, "a lease was lost");
                agent.flight.lost(*execution);
            }
        }
    }
    Ok(())
}
