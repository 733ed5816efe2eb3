//! Handing orders to agents.
//!
//! The rule that must hold: no order is under two live leases, and each lease has its own attempt
//! number.

use crate::model::note::LEDGER;
use crate::model::{Note, record, retry};
use crate::store::agents::{self, Presence};
use crate::store::{Batch, Ledger, Rings, claim, entries, lane};
use crate::verbs::each::ITEMS_MAX;
use provost_contract::fulfillment::v1::{LeasedOrder, PullOrdersRequest};
use provost_contract::{NAME_MAX, Violations, printable, to_wire};
use provost_domain::{Event, Lease};
use provost_service_kit::Fault;
use std::time::Duration;
use tokio::time::Instant;

/// Longest time that a pull waits.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Most connections of one agent.
const CONNECTIONS_MAX: usize = 100;

/// What an agent asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pull {
    agent: String,
    presence: Presence,
    limit: i64,
    wait: Duration,
}

impl TryFrom<PullOrdersRequest> for Pull {
    type Error = Violations;

    fn try_from(request: PullOrdersRequest) -> Result<Self, Violations> {
        let PullOrdersRequest { agent_id, mut connections, max_orders, wait, agent_version } = request;
        let mut wrong = Violations::default();
        wrong.require_text("agent_id", &agent_id, NAME_MAX);
        if connections.is_empty() || connections.len() > CONNECTIONS_MAX {
            wrong.add("connections", format!("must name 1 to {CONNECTIONS_MAX} connections"));
        }
        for (index, name) in connections.iter().enumerate() {
            wrong.require_text(&format!("connections[{index}]"), name, NAME_MAX);
        }
        connections.sort();
        connections.dedup();
        let limit = usize::try_from(max_orders).ok().filter(|limit| (1..=ITEMS_MAX).contains(limit));
        if limit.is_none() {
            wrong.add("max_orders", format!("must be 1 to {ITEMS_MAX}"));
        }
        let wait = Duration::try_from(wait.unwrap_or_default()).ok().filter(|wait| *wait <= WAIT_MAX);
        if wait.is_none() {
            wrong.add("wait", format!("must be 0 to {} seconds", WAIT_MAX.as_secs()));
        }
        let pull = Self {
            agent: agent_id,
            presence: Presence { version: printable(agent_version).chars().take(NAME_MAX).collect(), connections },
            limit: i64::from(max_orders),
            wait: wait.unwrap_or_default(),
        };
        wrong.into_result(pull)
    }
}

impl Ledger {
    /// Leases the first collectable orders to an agent; waits until there is one, or until the wait
    /// is over, or until the service stops.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub(crate) async fn pull(&self, pull: Pull) -> Result<Vec<LeasedOrder>, Fault> {
        let deadline = Instant::now() + pull.wait;
        // Listening before looking: what comes between the look and the wait is heard.
        let mut bell = self.offers.listener();
        agents::saw(self.database.write(), &self.agents, &pull.agent, &pull.presence, self.now()).await?;
        loop {
            let now = self.now();
            let look = claim::look(self.read(), &pull.presence.connections, now).await?;
            if look.is_ready {
                let (leased, was_offered) = self.lease_front(&pull).await?;
                if !leased.is_empty() {
                    return Ok(leased);
                }
                if was_offered {
                    // What was offered was not to be had, and is offered no more: others may stand behind it.
                    continue;
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stop.is_cancelled() {
                return Ok(Vec::new());
            }
            let due = look.next_due.map_or(left, |due| due.since(now).max(Duration::from_millis(1)));
            self.stop.run_until_cancelled(bell.wait(left.min(due))).await;
        }
    }

    /// Leases what is at the front; whether there was anything at all.
    async fn lease_front(&self, pull: &Pull) -> Result<(Vec<LeasedOrder>, bool), Fault> {
        let connections = &pull.presence.connections;
        let transaction = self.begin().await?;
        let now = self.now();
        claim::offer_due(&transaction, connections, now).await?;
        // What does not fit into the answer must not be leased: the agent would never hear of it.
        let (front, _) = entries::fitting(claim::front(&transaction, connections, pull.limit).await?);
        let lease = Lease { agent: pull.agent.clone(), until: now.plus(self.lease) };
        let event = Event::Leased { lease: lease.clone() };
        let mut batch = Batch::of(&transaction, front.iter().map(|full| full.entry.clone()), now);
        let was_offered = !front.is_empty();
        // Only an order that was begun before is compared with what it says that it found.
        let again: Vec<_> =
            front.iter().filter(|full| full.entry.standing.attempts > 0).map(|full| full.entry.id).collect();
        let written = lane::written_since(&transaction, &again).await?;
        let mut leased = Vec::with_capacity(front.len());
        for full in front {
            if let Some(failure) = retry::lost(&full.entry, now) {
                let note = Note::new(LEDGER, failure.to_string());
                batch.apply(full.entry.id, &Event::Failed { attempt: full.entry.standing.attempts, failure }, note)?;
                continue;
            }
            if let Err(early) = batch.apply(full.entry.id, &event, Note::new(pull.agent.clone(), "")) {
                // Offered by a clock that runs ahead of this one. It is due when this one says so, and
                // the others of the pull go on.
                tracing::debug!(order_id = %full.entry.id, %early, "offered too early");
                batch.offer_again(full.entry.id);
                continue;
            }
            leased.push(LeasedOrder {
                order: Some(full.order),
                attempt: record::count(full.entry.standing.attempts + 1),
                lease_expires_at: Some(to_wire::timestamp(lease.until)),
                lane_written: written.contains(&full.entry.id),
            });
        }
        let rings = batch.save().await?;
        self.commit(transaction, Rings { offers: false, ..rings }).await?;
        Ok((leased, was_offered))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_wrong_field_is_named() {
        let request = PullOrdersRequest {
            max_orders: 1_001,
            wait: Some(prost_types::Duration { seconds: 61, nanos: 0 }),
            ..Default::default()
        };
        let wrong = Pull::try_from(request).unwrap_err();
        let fields: Vec<_> = wrong.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["agent_id", "connections", "max_orders", "wait"]);
    }

    #[test]
    fn connections_are_taken_once() {
        let request = PullOrdersRequest {
            agent_id: "agent-1".into(),
            connections: vec!["b".into(), "a".into(), "b".into()],
            max_orders: 1,
            ..Default::default()
        };
        let pull = Pull::try_from(request).unwrap();
        assert_eq!(pull.presence.connections, ["a", "b"]);
        assert_eq!(pull.wait, Duration::ZERO);
    }
}
