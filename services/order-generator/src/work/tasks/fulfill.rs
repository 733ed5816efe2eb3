//! Waiting until agents have written what they can. Orders that wait for a person, or behind one
//! that does, are not waited for.

use super::{Outcome, Progress, is_cancelled};
use crate::generator::Generator;
use crate::store::jobs::{Run, RunState};
use crate::store::orders;
use crate::verbs::catch_up::catch_up;
use provost_contract::from_wire;
use provost_contract::types::v1::{OrderRecord, ProvisioningState};
use provost_domain::Timestamp;
use provost_service_kit::Fault;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// How long to wait for the bell before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The states of orders that matter here: those that hold their lane.
const HOLDING: [ProvisioningState; 4] = [
    ProvisioningState::Pending,
    ProvisioningState::Transmitted,
    ProvisioningState::Errored,
    ProvisioningState::AwaitingApproval,
];

/// Waits until no order is left that an agent could write now.
pub(super) async fn fulfill(generator: &Generator, run: &Run, progress: &Progress<'_>) -> Result<Outcome, Fault> {
    catch_up(generator).await?;
    let mut bell = generator.orders.listener();
    let mut watched: BTreeMap<String, Watched> = BTreeMap::new();
    let mut total = 0;
    loop {
        let now = generator.clock.now();
        let open = orders::in_states(generator.database.read(), &HOLDING).await?;
        let left = executable(&open, now);
        let count = left.values().map(|orders| orders.len() as u64).sum();
        total = total.max(count);
        watched.retain(|connection, _| left.contains_key(connection));
        for (connection, orders) in &left {
            watched.entry(connection.clone()).or_insert_with(|| Watched::since(now)).look(orders, now);
        }
        let shown = left.iter().map(|(connection, orders)| format!("{connection}: {}", orders.len()));
        let message = if left.is_empty() {
            "done".to_owned()
        } else {
            format!("waits for {}", shown.collect::<Vec<_>>().join(", "))
        };
        progress.show(total - count, total, &message).await?;
        if left.is_empty() {
            return Ok(Outcome::of(RunState::Completed, said(total, &open)));
        }
        if is_cancelled(generator, run).await? {
            return Ok(Outcome::cancelled());
        }
        if watched.values().all(|watched| now.since(watched.moved_at) >= generator.fulfill_wait) {
            let stuck = stuck(generator, &left, now).await?;
            if stuck.len() == left.len() {
                return Ok(Outcome::of(RunState::Warning, stuck.join("; ")));
            }
            // An agent is at work, slowly: it counts as moving.
            watched.values_mut().for_each(|watched| watched.moved_at = now);
        }
        bell.wait(LOOK_AGAIN).await;
    }
}

fn said(total: u64, open: &[OrderRecord]) -> String {
    let count = |state: ProvisioningState| open.iter().filter(|record| record.state == state as i32).count();
    let mut said = format!("{total} orders were handed to agents");
    for (state, words) in [
        (ProvisioningState::AwaitingApproval, "await approval"),
        (ProvisioningState::Transmitted, "wait for a person or a ticket"),
        (ProvisioningState::Errored, "are Errored"),
    ] {
        let count = count(state);
        if count > 0 {
            said.push_str(&format!("; {count} {words}"));
        }
    }
    said
}

/// When something last moved on a connection.
struct Watched {
    seen: HashMap<String, i64>,
    moved_at: Timestamp,
}

impl Watched {
    fn since(now: Timestamp) -> Self {
        Self { seen: HashMap::new(), moved_at: now }
    }

    fn look(&mut self, orders: &[&OrderRecord], now: Timestamp) {
        let seen: HashMap<String, i64> = orders.iter().map(|record| (id(record).to_owned(), record.version)).collect();
        if seen != self.seen {
            self.seen = seen;
            self.moved_at = now;
        }
        // A passing failure is tried again later: until then nothing is expected.
        let retries = orders.iter().filter_map(|record| record.next_attempt_at.as_ref().map(from_wire::timestamp));
        self.moved_at = retries.fold(self.moved_at, Timestamp::max).min(self.moved_at.max(now));
    }
}

/// One sentence for each connection on which nothing moves and nobody is at work.
async fn stuck(
    generator: &Generator,
    left: &BTreeMap<String, Vec<&OrderRecord>>,
    now: Timestamp,
) -> Result<Vec<String>, Fault> {
    let agents = generator.ledger.agents().await?;
    let mut stuck = Vec::new();
    for (connection, orders) in left {
        let live = agents.iter().find(|agent| {
            let seen = agent.last_seen_at.as_ref().map(from_wire::timestamp);
            agent.connections.contains(connection) && seen.is_some_and(|seen| now.since(seen) < generator.fulfill_wait)
        });
        let seconds = generator.fulfill_wait.as_secs();
        match live {
            Some(agent) if agent.in_flight > 0 => {}
            Some(agent) => stuck.push(format!(
                "nothing moved on the connection {connection} in {seconds} s, though the agent {} serves it: {} orders are \
                 still Pending",
                agent.agent_id,
                orders.len()
            )),
            None => stuck.push(format!(
                "no agent serves the connection {connection}: {} orders are still Pending",
                orders.len()
            )),
        }
    }
    Ok(stuck)
}

fn id(record: &OrderRecord) -> &str {
    record.order.as_ref().map(|order| order.order_id.as_str()).unwrap_or_default()
}

/// The orders that an agent could write now, or soon without a person, by connection: Pending, their
/// time has come, and nothing in front of them waits for a person. `open` is in the order of sequence.
fn executable(open: &[OrderRecord], now: Timestamp) -> BTreeMap<String, Vec<&OrderRecord>> {
    let mut blocked_lanes: HashSet<String> = HashSet::new();
    let mut blocked_orders: HashSet<&str> = HashSet::new();
    let mut left: BTreeMap<String, Vec<&OrderRecord>> = BTreeMap::new();
    for record in open {
        let Some(order) = &record.order else { continue };
        let lane = orders::lane(order);
        let is_due = order.not_before.as_ref().is_none_or(|at| from_wire::timestamp(at) <= now);
        let can_go = record.state == ProvisioningState::Pending as i32
            && is_due
            && !blocked_lanes.contains(&lane)
            && !order.depends_on.iter().any(|other| blocked_orders.contains(other.as_str()));
        if can_go {
            left.entry(order.connection.clone()).or_default().push(record);
        } else {
            blocked_lanes.insert(lane);
            blocked_orders.insert(&order.order_id);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use provost_contract::types::v1::Order;

    fn record(id: &str, target: &str, state: ProvisioningState) -> OrderRecord {
        let order = Order {
            order_id: id.into(),
            connector: "app".into(),
            connection: "app-sql".into(),
            entity_type: "Account".into(),
            target_key: target.into(),
            ..Default::default()
        };
        OrderRecord { order: Some(order), state: state.into(), version: 1, ..Default::default() }
    }

    fn ids(open: &[OrderRecord]) -> Vec<&str> {
        executable(open, Timestamp::from_millis(1_000)).values().flatten().map(|record| id(record)).collect()
    }

    #[test]
    fn orders_behind_a_person_are_not_waited_for() {
        use ProvisioningState as S;
        let open = [
            record("1", "ada", S::Pending),
            record("2", "ada", S::Pending),
            record("3", "bob", S::AwaitingApproval),
            record("4", "bob", S::Pending),
            record("5", "eve", S::Errored),
            record("6", "eve", S::Pending),
            record("7", "kim", S::Transmitted),
        ];
        assert_eq!(ids(&open), ["1", "2"]);
    }

    #[test]
    fn orders_of_later_and_what_depends_on_them_are_not_waited_for() {
        let mut open = [
            record("1", "ada", ProvisioningState::Pending),
            record("2", "bob", ProvisioningState::Pending),
            record("3", "eve", ProvisioningState::Pending),
        ];
        let later = provost_contract::to_wire::timestamp(Timestamp::from_millis(1_001));
        open[0].order.as_mut().unwrap().not_before = Some(later);
        open[1].order.as_mut().unwrap().depends_on = vec!["1".into()];
        assert_eq!(ids(&open), ["3"]);
    }

    #[test]
    fn news_and_due_retries_count_as_moving() {
        let at = Timestamp::from_millis;
        let mut one = record("1", "ada", ProvisioningState::Pending);
        let mut watched = Watched::since(at(0));
        watched.look(&[&one], at(10));
        assert_eq!(watched.moved_at, at(10));
        watched.look(&[&one], at(20));
        assert_eq!(watched.moved_at, at(10));
        one.next_attempt_at = Some(provost_contract::to_wire::timestamp(at(500)));
        watched.look(&[&one], at(30));
        assert_eq!(watched.moved_at, at(30));
        one.version = 2;
        watched.look(&[&one], at(600));
        assert_eq!(watched.moved_at, at(600));
    }
}
