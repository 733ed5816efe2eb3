//! Waiting until agents have written what they can. Orders that wait for a person, or behind one
//! that does, are not waited for.
//!
//! The rule that must hold: looking costs little beside what the agents do. What did not change since the
//! last look is not read again, and the more a look takes, the longer it rests.

use super::{Outcome, Progress, is_cancelled};
use crate::generator::Generator;
use crate::store::jobs::{Run, RunState};
use crate::store::orders::{self, Glance};
use crate::verbs::catch_up::catch_up;
use provost_contract::from_wire;
use provost_contract::types::v1::{InactiveReason, OrderRecord, ProvisioningState};
use provost_domain::Timestamp;
use provost_service_kit::Fault;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

/// How long to wait for the bell before looking again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Least rest between two looks, and how many times as long as the look itself it is.
const REST_MIN: Duration = Duration::from_millis(50);
const REST_FACTOR: u32 = 10;

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
    let mut book = Book::default();
    let mut total = 0;
    loop {
        let began = Instant::now();
        let now = generator.clock.now();
        book.look(generator).await?;
        let left = book.executable(now);
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
            return Ok(Outcome::of(RunState::Completed, book.said(total)));
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
        let rest = (began.elapsed() * REST_FACTOR).clamp(REST_MIN, LOOK_AGAIN);
        tokio::time::sleep(rest).await;
        bell.wait(LOOK_AGAIN - rest).await;
    }
}

/// What matters here of one open order.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Open {
    id: String,
    version: i64,
    state: i32,
    lane: String,
    connection: String,
    not_before: Option<Timestamp>,
    next_attempt_at: Option<Timestamp>,
    depends_on: Vec<String>,
    /// The agent that holds it.
    held_by: Option<String>,
}

impl Open {
    fn of(record: OrderRecord) -> Self {
        let OrderRecord { order, state, version, lease, next_attempt_at, .. } = record;
        let order = order.unwrap_or_default();
        Self {
            version,
            state,
            lane: orders::lane(&order),
            not_before: order.not_before.as_ref().map(from_wire::timestamp),
            next_attempt_at: next_attempt_at.as_ref().map(from_wire::timestamp),
            held_by: lease.map(|lease| lease.agent_id),
            id: order.order_id,
            connection: order.connection,
            depends_on: order.depends_on,
        }
    }
}

/// What became of an order that others depend on and that is not open.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Prerequisite {
    /// Written: nothing waits for it.
    Met,
    /// Another open order took its place.
    ReplacedBy(String),
    /// Declined, cancelled, expired, or in Error: what depends on it has to be ordered anew.
    Ended,
}

/// The open orders, as last seen.
#[derive(Default)]
struct Book {
    /// Oldest first.
    order: Vec<String>,
    open: HashMap<String, Open>,
    prerequisites: HashMap<String, Prerequisite>,
}

impl Book {
    /// Reads what changed.
    async fn look(&mut self, generator: &Generator) -> Result<(), Fault> {
        let (connection, engine) = (generator.database.read(), generator.database.engine());
        let versions = orders::versions(connection, &HOLDING).await?;
        let is_known = |(id, version): &&(String, i64)| self.open.get(id).is_some_and(|open| open.version == *version);
        let changed: Vec<&str> = versions.iter().filter(|one| !is_known(one)).map(|(id, _)| id.as_str()).collect();
        let records = orders::by_ids(connection, engine, &changed).await?;
        self.take(versions, records);
        self.look_at_prerequisites(generator).await
    }

    /// Takes over which orders are open, and those of them that changed. Between the two reads an order may
    /// have been written: it holds up nothing then.
    fn take(&mut self, versions: Vec<(String, i64)>, records: Vec<OrderRecord>) {
        for open in records.into_iter().map(Open::of) {
            self.open.insert(open.id.clone(), open);
        }
        self.order = versions.into_iter().map(|(id, _)| id).collect();
        let still: HashSet<&str> = self.order.iter().map(String::as_str).collect();
        let is_holding = |open: &Open| HOLDING.iter().any(|state| open.state == *state as i32);
        self.open.retain(|id, open| still.contains(id.as_str()) && is_holding(open));
    }

    /// Reads what became of what open orders depend on. What was written stays written.
    async fn look_at_prerequisites(&mut self, generator: &Generator) -> Result<(), Fault> {
        let (connection, engine) = (generator.database.read(), generator.database.engine());
        self.prerequisites.retain(|_, known| *known == Prerequisite::Met);
        let named: HashSet<&str> = self.open.values().flat_map(|open| &open.depends_on).map(String::as_str).collect();
        let unknown: Vec<&str> = named
            .into_iter()
            .filter(|id| !self.open.contains_key(*id) && !self.prerequisites.contains_key(*id))
            .collect();
        let glances = orders::glances_of(connection, engine, &unknown).await?;
        let is_replaced = |glance: &&Glance| glance.inactive_reason == InactiveReason::Superseded as i32;
        let mut lanes: Vec<&str> = glances.iter().filter(is_replaced).map(|glance| glance.lane.as_str()).collect();
        lanes.sort_unstable();
        lanes.dedup();
        let newest = orders::newest_of_lanes(connection, engine, &lanes).await?;
        let replacement = |glance: &Glance| newest.get(&glance.lane).filter(|_| is_replaced(&glance));
        let found: Vec<_> =
            glances.iter().map(|glance| (glance.order_id.clone(), became(glance, replacement(glance)))).collect();
        self.prerequisites.extend(found);
        Ok(())
    }

    /// The orders that an agent could write now, or soon without a person, by connection: Pending, their
    /// time has come, and nothing in front of them waits for a person or has ended.
    fn executable(&self, now: Timestamp) -> BTreeMap<String, Vec<&Open>> {
        let mut blocked: HashSet<&str> = HashSet::new();
        loop {
            let (left, stopped) = self.unless_blocked(&blocked, now);
            // What took the place of a prerequisite is younger than what depends on it: once more, then.
            if stopped.len() == blocked.len() {
                return left;
            }
            blocked = stopped;
        }
    }

    fn unless_blocked<'a>(
        &'a self,
        blocked: &HashSet<&'a str>,
        now: Timestamp,
    ) -> (BTreeMap<String, Vec<&'a Open>>, HashSet<&'a str>) {
        let mut blocked_lanes: HashSet<&str> = HashSet::new();
        let mut blocked = blocked.clone();
        let mut left: BTreeMap<String, Vec<&Open>> = BTreeMap::new();
        for open in self.order.iter().filter_map(|id| self.open.get(id)) {
            let is_hopeless = |id: &String| match self.prerequisites.get(id) {
                Some(Prerequisite::Met) => false,
                Some(Prerequisite::ReplacedBy(other)) => blocked.contains(other.as_str()),
                Some(Prerequisite::Ended) => true,
                None => blocked.contains(id.as_str()),
            };
            let can_go = open.state == ProvisioningState::Pending as i32
                && open.not_before.is_none_or(|at| at <= now)
                && !blocked_lanes.contains(open.lane.as_str())
                && !open.depends_on.iter().any(is_hopeless);
            if can_go {
                left.entry(open.connection.clone()).or_default().push(open);
            } else {
                blocked_lanes.insert(&open.lane);
                blocked.insert(&open.id);
            }
        }
        (left, blocked)
    }

    fn said(&self, total: u64) -> String {
        let count = |state: ProvisioningState| self.open.values().filter(|open| open.state == state as i32).count();
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
}

/// What became of an order; `replacement` is the newest of its lane, when it was replaced.
fn became(glance: &Glance, replacement: Option<&Glance>) -> Prerequisite {
    let is = |glance: &Glance, states: &[ProvisioningState]| states.iter().any(|state| glance.state == *state as i32);
    let written = [ProvisioningState::Executed, ProvisioningState::Verified];
    let younger = replacement.filter(|replacement| replacement.sequence > glance.sequence);
    match younger {
        _ if is(glance, &written) => Prerequisite::Met,
        Some(replacement) if is(replacement, &written) => Prerequisite::Met,
        Some(replacement) if is(replacement, &HOLDING) => Prerequisite::ReplacedBy(replacement.order_id.clone()),
        // Seen between two looks: it is open, and the next look reads it.
        None if is(glance, &HOLDING) => Prerequisite::ReplacedBy(glance.order_id.clone()),
        _ => Prerequisite::Ended,
    }
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

    fn look(&mut self, orders: &[&Open], now: Timestamp) {
        let is_news = |open: &&Open| self.seen.get(&open.id) != Some(&open.version);
        if orders.len() != self.seen.len() || orders.iter().any(is_news) {
            self.seen = orders.iter().map(|open| (open.id.clone(), open.version)).collect();
            self.moved_at = now;
        }
        // A passing failure is tried again later: until then nothing is expected.
        let retries = orders.iter().filter_map(|open| open.next_attempt_at);
        self.moved_at = retries.fold(self.moved_at, Timestamp::max).min(self.moved_at.max(now));
    }
}

/// One sentence for each connection on which nothing moves and nobody is at work.
async fn stuck(
    generator: &Generator,
    left: &BTreeMap<String, Vec<&Open>>,
    now: Timestamp,
) -> Result<Vec<String>, Fault> {
    let agents = generator.ledger.agents().await?;
    let is_live = |agent: &&provost_contract::fulfillment::v1::Agent| {
        let seen = agent.last_seen_at.as_ref().map(from_wire::timestamp);
        seen.is_some_and(|seen| now.since(seen) < generator.fulfill_wait)
    };
    let live: Vec<_> = agents.iter().filter(is_live).collect();
    // Only for the words: an older ledger does not say.
    let holds = generator.ledger.holds().await.unwrap_or_default();
    let mut stuck = Vec::new();
    for (connection, orders) in left {
        // What an agent holds of other connections is no work on this one.
        let is_held = |open: &&&Open| live.iter().any(|agent| open.held_by.as_deref() == Some(agent.agent_id.as_str()));
        if orders.iter().any(|open| is_held(&open)) {
            continue;
        }
        if let Some(hold) = holds.get(connection) {
            stuck.push(format!("{hold}: {} orders are still Pending", orders.len()));
            continue;
        }
        let seconds = generator.fulfill_wait.as_secs();
        stuck.push(match live.iter().find(|agent| agent.connections.contains(connection)) {
            Some(agent) => format!(
                "nothing moved on the connection {connection} in {seconds} s, though the agent {} serves it: {} orders are \
                 still Pending",
                agent.agent_id,
                orders.len()
            ),
            None => format!(
                "no agent serves the connection {connection}: {} orders are still Pending",
                orders.len()
            ),
        });
    }
    Ok(stuck)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProvisioningState as S;
    use provost_contract::types::v1 as wire;

    fn open(id: &str, target: &str, state: ProvisioningState) -> Open {
        Open {
            id: id.into(),
            version: 1,
            state: state.into(),
            lane: target.into(),
            connection: "app-sql".into(),
            not_before: None,
            next_attempt_at: None,
            depends_on: vec![],
            held_by: None,
        }
    }

    fn after(prerequisite: &str, open: Open) -> Open {
        Open { depends_on: vec![prerequisite.into()], ..open }
    }

    fn book(open: Vec<Open>) -> Book {
        Book {
            order: open.iter().map(|open| open.id.clone()).collect(),
            open: open.into_iter().map(|open| (open.id.clone(), open)).collect(),
            prerequisites: HashMap::new(),
        }
    }

    fn ids(book: &Book) -> Vec<&str> {
        book.executable(Timestamp::from_millis(1_000)).values().flatten().map(|open| open.id.as_str()).collect()
    }

    #[test]
    fn orders_behind_a_person_are_not_waited_for() {
        let book = book(vec![
            open("1", "ada", S::Pending),
            open("2", "ada", S::Pending),
            open("3", "bob", S::AwaitingApproval),
            open("4", "bob", S::Pending),
            open("5", "eve", S::Errored),
            open("6", "eve", S::Pending),
            open("7", "kim", S::Transmitted),
        ]);
        assert_eq!(ids(&book), ["1", "2"]);
    }

    #[test]
    fn orders_of_later_and_what_depends_on_them_are_not_waited_for() {
        let later = Some(Timestamp::from_millis(1_001));
        let book = book(vec![
            Open { not_before: later, ..open("1", "ada", S::Pending) },
            after("1", open("2", "bob", S::Pending)),
            open("3", "eve", S::Pending),
        ]);
        assert_eq!(ids(&book), ["3"]);
    }

    #[test]
    fn what_depends_on_something_errored_or_ended_is_not_waited_for() {
        let mut book = book(vec![
            open("errored", "ada", S::Errored),
            after("errored", open("1", "ada-mail", S::Pending)),
            after("declined", open("2", "bob-mail", S::Pending)),
            after("written", open("3", "eve-mail", S::Pending)),
            after("replaced", open("4", "kim-mail", S::Pending)),
            after("4", open("5", "kim-phone", S::Pending)),
            open("replacement", "kim", S::AwaitingApproval),
        ]);
        book.prerequisites = [
            ("declined".to_owned(), Prerequisite::Ended),
            ("written".to_owned(), Prerequisite::Met),
            ("replaced".to_owned(), Prerequisite::ReplacedBy("replacement".into())),
        ]
        .into();
        assert_eq!(ids(&book), ["3"]);
        book.open.entry("replacement".into()).and_modify(|open| open.state = S::Pending.into());
        assert_eq!(ids(&book), ["3", "4", "5", "replacement"]);
    }

    #[test]
    fn what_was_written_between_two_reads_holds_up_nothing() {
        let mut book = book(vec![open("1", "ada", S::Pending), open("2", "ada", S::Pending)]);
        let record = |id: &str, state: S, version| OrderRecord {
            order: Some(wire::Order { order_id: id.into(), connection: "app-sql".into(), ..Default::default() }),
            state: state.into(),
            version,
            ..Default::default()
        };
        let versions = ["1", "2", "3"].map(|id| (id.to_owned(), 2)).to_vec();
        book.take(versions, vec![record("1", S::Executed, 3), record("3", S::Verified, 4)]);
        assert_eq!(ids(&book), ["2"]);
        // What depends on it asks what became of it.
        assert!(!book.open.contains_key("1") && !book.open.contains_key("3"));
    }

    #[test]
    fn a_prerequisite_is_followed_to_what_replaced_it() {
        let glance = |order_id: &str, sequence, state: S, reason: InactiveReason| Glance {
            order_id: order_id.into(),
            lane: "ada".into(),
            sequence,
            state: state.into(),
            inactive_reason: reason.into(),
        };
        let none = InactiveReason::Unspecified;
        let replaced = glance("1", 1, S::Inactive, InactiveReason::Superseded);
        let by = |state| became(&replaced, Some(&glance("2", 2, state, none)));
        assert_eq!(by(S::Verified), Prerequisite::Met);
        assert_eq!(by(S::Pending), Prerequisite::ReplacedBy("2".into()));
        assert_eq!(by(S::Error), Prerequisite::Ended);
        assert_eq!(became(&replaced, None), Prerequisite::Ended);
        let before = glance("0", 0, S::Verified, none);
        assert_eq!(became(&replaced, Some(&before)), Prerequisite::Ended, "older than what was replaced");
        for (state, reason, ended) in [
            (S::Executed, none, Prerequisite::Met),
            (S::Error, none, Prerequisite::Ended),
            (S::Inactive, InactiveReason::Declined, Prerequisite::Ended),
            (S::Inactive, InactiveReason::Cancelled, Prerequisite::Ended),
        ] {
            assert_eq!(became(&glance("1", 1, state, reason), None), ended);
        }
    }

    #[test]
    fn news_and_due_retries_count_as_moving() {
        let at = Timestamp::from_millis;
        let mut one = open("1", "ada", S::Pending);
        let mut watched = Watched::since(at(0));
        watched.look(&[&one], at(10));
        assert_eq!(watched.moved_at, at(10));
        watched.look(&[&one], at(20));
        assert_eq!(watched.moved_at, at(10));
        one.next_attempt_at = Some(at(500));
        watched.look(&[&one], at(30));
        assert_eq!(watched.moved_at, at(30));
        one.version = 2;
        watched.look(&[&one], at(600));
        assert_eq!(watched.moved_at, at(600));
    }
}
