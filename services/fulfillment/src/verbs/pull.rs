//! Handing orders to agents.
//!
//! The rules that must hold: no order is under two live leases, and each lease has its own attempt number; what a
//! connection holds is not handed out, and costs the order nothing.

use crate::model::connection::{Admission, BrakeKind, Permit};
use crate::model::note::LEDGER;
use crate::model::{Note, record, retry};
use crate::store::agents::{self, Presence};
use crate::store::claim::Wanted;
use crate::store::connections::Connections;
use crate::store::entries::Full;
use crate::store::{Batch, Ledger, Rings, claim, connections, entries, lane};
use crate::verbs::each::ITEMS_MAX;
use provost_contract::fulfillment::v1::{LeasedOrder, PullOrdersRequest, PullOrdersResponse};
use provost_contract::types::v1::OrderKind;
use provost_contract::{NAME_MAX, Violations, printable, to_wire};
use provost_domain::{Event, Lease, OrderId, Timestamp, is_urgent};
use provost_service_kit::Fault;
use sea_orm::ConnectionTrait;
use std::cmp::Reverse;
use std::collections::BTreeMap;
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
    urgent_only: bool,
}

impl TryFrom<PullOrdersRequest> for Pull {
    type Error = Violations;

    fn try_from(request: PullOrdersRequest) -> Result<Self, Violations> {
        let PullOrdersRequest { agent_id, mut connections, max_orders, wait, agent_version, urgent_only } = request;
        let mut wrong = Violations::default();
        wrong.require_text("agent_id", &agent_id, NAME_MAX);
        if connections.is_empty() || connections.len() > CONNECTIONS_MAX {
            wrong.add("connections", format!("must name 1 to {CONNECTIONS_MAX} connections"));
        }
        for (index, name) in connections.iter().enumerate() {
            wrong.require_text(format_args!("connections[{index}]"), name, NAME_MAX);
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
            urgent_only,
        };
        wrong.into_result(pull)
    }
}

/// What the connections of a pull let go now.
#[derive(Default)]
struct Open {
    permits: BTreeMap<String, Permit>,
    wanted: Vec<Wanted>,
    /// When the first of those that are held is let go by itself.
    next: Option<Timestamp>,
}

impl Open {
    async fn of(
        connection: &impl ConnectionTrait,
        connections: &Connections,
        pull: &Pull,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let loads = connections::loads(connection, connections, now).await?;
        let mut open = Self::default();
        for (name, one) in connections {
            match one.permit(loads.get(name).copied().unwrap_or_default(), now) {
                Err(hold) => open.next = open.next.into_iter().chain(hold.until()).min(),
                Ok(permit) => {
                    open.wanted.push(Wanted {
                        connection: name.clone(),
                        limit: pull.limit.min(i64::try_from(permit.total).unwrap_or(i64::MAX)),
                        urgent_only: pull.urgent_only || permit.ordinary == 0,
                        without_deletions: permit.without_deletions,
                    });
                    open.permits.insert(name.clone(), permit);
                }
            }
        }
        Ok(open)
    }
}

/// What went to an agent, by connection.
#[derive(Default)]
struct Went {
    orders: u64,
    first: u64,
    deletions: u64,
    probe: Option<OrderId>,
}

impl Ledger {
    /// Leases the first collectable orders to an agent; waits until there is one, or until the wait
    /// is over, or until the service stops.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub(crate) async fn pull(&self, pull: Pull) -> Result<PullOrdersResponse, Fault> {
        let began = Instant::now();
        let deadline = began + pull.wait;
        // Listening before looking: what comes between the look and the wait is heard.
        let mut bell = self.offers.listener();
        agents::saw(self.database.write(), &self.agents, &pull.agent, &pull.presence, self.now()).await?;
        loop {
            let now = self.now();
            let known = connections::load(self.read(), &pull.presence.connections).await?;
            let open = Open::of(self.read(), &known, &pull, now).await?;
            let look = claim::look(self.read(), &open.wanted, now).await?;
            if look.is_ready {
                let waited = began.elapsed();
                let (orders, again) = self.lease_front(&pull).await?;
                if !orders.is_empty() {
                    let (waited, lease) = (waited.try_into().ok(), self.lease.try_into().ok());
                    return Ok(PullOrdersResponse { orders, waited, lease });
                }
                if again {
                    // What was offered was not to be had, and is offered no more: others may stand behind it.
                    continue;
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stop.is_cancelled() {
                return Ok(PullOrdersResponse::default());
            }
            let next = look.next_due.into_iter().chain(open.next).min();
            let due = next.map_or(left, |due| due.since(now).max(Duration::from_millis(1)));
            self.stop.run_until_cancelled(bell.wait(left.min(due))).await;
        }
    }

    /// Leases what is at the front. When nothing was leased: whether it is worth looking again at once.
    async fn lease_front(&self, pull: &Pull) -> Result<(Vec<LeasedOrder>, bool), Fault> {
        let transaction = self.begin().await?;
        let now = self.now();
        let before = connections::load(&transaction, &pull.presence.connections).await?;
        let Open { mut permits, wanted, .. } = Open::of(&transaction, &before, pull, now).await?;
        let mut after = before.clone();
        let names: Vec<String> = permits.keys().cloned().collect();
        claim::offer_due(&transaction, &names, now).await?;
        let front = front(&transaction, &wanted, pull.limit).await?;
        let lease = Lease { agent: pull.agent.clone(), until: now.plus(self.lease) };
        let event = Event::Leased { lease: lease.clone() };
        let mut batch = Batch::of(&transaction, front.iter().map(|full| full.entry.clone()), now);
        let mut again = false;
        // Only an order that was begun before is compared with what it says that it found.
        let begun: Vec<_> =
            front.iter().filter(|full| full.entry.standing.attempts > 0).map(|full| full.entry.id).collect();
        let written = lane::written_since(&transaction, &begun).await?;
        let mut leased = Vec::with_capacity(front.len());
        let mut went: BTreeMap<String, Went> = BTreeMap::new();
        for full in front {
            let id = full.entry.id;
            if let Some(failure) = retry::lost(&full.entry, now) {
                let note = Note::new(LEDGER, failure.to_string());
                batch.apply(id, &Event::Failed { attempt: full.entry.standing.attempts, failure }, note)?;
                again = true;
                continue;
            }
            let name = full.entry.connection.as_str();
            let (Some(permit), Some(connection)) = (permits.get_mut(name), after.get_mut(name)) else { continue };
            let is_deletion = full.order.kind() == OrderKind::Deletion;
            let is_first = full.entry.standing.attempts == 0;
            if is_deletion && permit.without_deletions {
                continue;
            }
            match permit.admit(is_urgent(full.order.priority), is_deletion, is_first) {
                Admission::Goes => {}
                Admission::Full => continue,
                Admission::Trips(kind) => {
                    connection.trip(kind, now);
                    match kind {
                        BrakeKind::Deletions => permit.without_deletions = true,
                        BrakeKind::Orders => permit.total = 0,
                    }
                    tracing::warn!(connection = name, %kind, "the dispatch brake tripped; a person releases it");
                    again = true;
                    continue;
                }
            }
            if let Err(early) = batch.apply(id, &event, Note::new(pull.agent.clone(), "")) {
                // Offered by a clock that runs ahead of this one. It is due when this one says so, and
                // the others of the pull go on.
                tracing::debug!(order_id = %id, %early, "offered too early");
                batch.offer_again(id);
                again = true;
                continue;
            }
            let went = went.entry(name.to_owned()).or_default();
            went.orders += 1;
            went.first += u64::from(is_first);
            went.deletions += u64::from(is_first && is_deletion);
            went.probe = went.probe.or(Some(id)).filter(|_| permit.is_probe);
            leased.push(LeasedOrder {
                order: Some(full.order),
                attempt: record::count(full.entry.standing.attempts + 1),
                lease_expires_at: Some(to_wire::timestamp(lease.until)),
                lane_written: written.contains(&full.entry.id),
            });
        }
        for (name, Went { orders, first, deletions, probe }) in went {
            if let Some(connection) = after.get_mut(&name) {
                connection.handed_out(orders, first, deletions, probe, now);
            }
        }
        connections::save(&transaction, &before, after, now).await?;
        let rings = batch.save().await?;
        self.commit(transaction, Rings { offers: false, ..rings }).await?;
        Ok((leased, again))
    }
}

/// The front of all connections together, as much as fits into the answer: what does not fit must not be leased, the
/// agent would never hear of it.
async fn front(connection: &impl ConnectionTrait, wanted: &[Wanted], limit: i64) -> Result<Vec<Full>, Fault> {
    let mut front = Vec::new();
    for wanted in wanted {
        front.extend(claim::front(connection, wanted).await?);
    }
    front.sort_by_key(|full| (Reverse(full.order.priority), full.entry.sequence));
    front.truncate(usize::try_from(limit).unwrap_or(0));
    Ok(entries::fitting(front).0)
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
