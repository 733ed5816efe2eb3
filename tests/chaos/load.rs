//! Orders, as an order generator would have them: an account is created, changes its title again and again, comes into
//! groups and leaves them, and is deleted; then another one begins. Some wait for a review, which is given.
//!
//! No two orders mean the same effect, so that the directory's log says of each how often it was written.

use crate::dice::Dice;
use crate::suite::{CONNECTION, EVERYONE, GROUPS, Suite};
use anyhow::{Context, Result, ensure};
use prost_types::Timestamp;
use provost_contract::fulfillment::v1 as ledger;
use provost_contract::review::v1::{ApproveRequest, ListReviewsRequest};
use provost_contract::types::v1 as types;
use provost_contract::types::v1::value::Kind;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const RUN: &str = "chaos";
/// Waits between two looks, and between two tries of a call that failed.
const MOMENT: Duration = Duration::from_millis(150);
/// The most orders of one submission.
const AT_ONCE: usize = 12;

/// What the load knows of the ledger: where each order stands, by its feed.
type States = Arc<Mutex<HashMap<String, types::ProvisioningState>>>;

pub(crate) struct Load {
    suite: Arc<Suite>,
    states: States,
}

/// Goes on until it is stopped.
pub(crate) struct Running {
    stop: CancellationToken,
    submitting: JoinHandle<()>,
}

impl Running {
    /// No order is submitted any more.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        // A panic in it would have been printed; what was submitted is judged all the same.
        let _ = self.submitting.await;
    }
}

impl Load {
    pub(crate) async fn start(suite: Arc<Suite>, dice: Dice, lanes: usize) -> Result<(Self, Running)> {
        let (states, stop) = (States::default(), CancellationToken::new());
        tokio::spawn(follow(Arc::clone(&suite), Arc::clone(&states)));
        tokio::spawn(attend(Arc::clone(&suite)));
        let lanes = (0..lanes).map(|number| Lane::new(format!("p{number}"))).collect();
        let submitter = Submitter { suite: Arc::clone(&suite), states: Arc::clone(&states), dice, lanes, orders: 0 };
        let submitting = tokio::spawn(submitter.run(stop.clone()));
        Ok((Self { suite, states }, Running { stop, submitting }))
    }

    /// Waits until every order is settled. Those that are not, when the time is over.
    pub(crate) async fn settle(&self, longest: Duration) -> Vec<String> {
        let end = Instant::now() + longest;
        loop {
            let left = match self.records().await {
                Ok(records) => records.into_iter().filter(|record| !is_settled(record.state())).collect::<Vec<_>>(),
                Err(error) if Instant::now() >= end => return vec![format!("the ledger does not answer: {error:#}")],
                Err(_) => {
                    sleep(MOMENT).await;
                    continue;
                }
            };
            if left.is_empty() || Instant::now() >= end {
                return left.iter().map(told).collect();
            }
            sleep(MOMENT).await;
        }
    }

    /// Every order of the ledger.
    pub(crate) async fn records(&self) -> Result<Vec<types::OrderRecord>> {
        let (mut records, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ledger::ListOrdersRequest { filter: None, page_size: 1000, page_token };
            let page = self.suite.orders()?.list_orders(request).await?.into_inner();
            records.extend(page.orders);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let known = lock(&self.states).len();
        ensure!(records.len() >= known, "the feed told of {known} orders, the ledger has {}", records.len());
        Ok(records)
    }
}

fn lock(
    states: &Mutex<HashMap<String, types::ProvisioningState>>,
) -> MutexGuard<'_, HashMap<String, types::ProvisioningState>> {
    states.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_settled(state: types::ProvisioningState) -> bool {
    use types::ProvisioningState as State;
    matches!(state, State::Executed | State::Verified | State::Inactive)
}

fn id(record: &types::OrderRecord) -> String {
    record.order.as_ref().map(|order| order.order_id.clone()).unwrap_or_default()
}

/// Whether the order generator made it.
pub(crate) fn is_generated(record: &types::OrderRecord) -> bool {
    record.order.as_ref().is_some_and(|order| order.generation_run != RUN)
}

fn told(record: &types::OrderRecord) -> String {
    let failure = record.failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default();
    format!(
        "order {} is {} after {} attempts: {} {failure}",
        id(record),
        record.state().as_str_name(),
        record.attempts,
        record.state_reason
    )
}

/// Follows the feed for ever, through restarts.
async fn follow(suite: Arc<Suite>, states: States) {
    let mut cursor = 0;
    loop {
        let _ = follow_on(&suite, &states, &mut cursor).await;
        sleep(MOMENT).await;
    }
}

async fn follow_on(suite: &Suite, states: &States, cursor: &mut i64) -> Result<()> {
    let request = ledger::WatchOrdersRequest { after_cursor: *cursor, ..Default::default() };
    let mut feed = suite.orders()?.watch_orders(request).await?.into_inner();
    while let Some(event) = feed.message().await? {
        let entry = event.entry.context("an event without an entry")?;
        assert!(entry.cursor > *cursor, "the feed went back from {cursor} to {}", entry.cursor);
        *cursor = entry.cursor;
        lock(states).insert(entry.order_id.clone(), entry.to_state());
    }
    Ok(())
}

/// What people do, for ever: approve whatever waits for it, and unblock what failed for good.
async fn attend(suite: Arc<Suite>) {
    loop {
        let _ = approve_all(&suite).await;
        let _ = unblock_all(&suite).await;
        sleep(MOMENT * 4).await;
    }
}

async fn unblock_all(suite: &Suite) -> Result<()> {
    let mut orders = suite.orders()?;
    let states = vec![types::ProvisioningState::Errored.into()];
    let filter = Some(ledger::OrderFilter { states, ..Default::default() });
    let request = ledger::ListOrdersRequest { filter, page_size: 1000, ..Default::default() };
    let errored = orders.list_orders(request).await?.into_inner().orders;
    if !errored.is_empty() {
        let order_ids = errored.iter().map(id).collect();
        let request = ledger::UnblockOrdersRequest { order_ids, comment: "what failed is mended".into() };
        orders.unblock_orders(request).await?;
    }
    Ok(())
}

async fn approve_all(suite: &Suite) -> Result<()> {
    let mut reviews = suite.reviews()?;
    let open = reviews.list_reviews(ListReviewsRequest { page_size: 1000, ..Default::default() }).await?.into_inner();
    for review in open.reviews {
        // One that was withdrawn meanwhile is refused, and the others go on.
        let _ = reviews.approve(ApproveRequest { review_id: review.review_id, ..Default::default() }).await;
    }
    Ok(())
}

/// One account, and what it has been through.
struct Lane {
    name: String,
    /// So many lived under this name before.
    life: usize,
    is_there: bool,
    /// Of the groups, those that it may still come into.
    fresh: Vec<&'static str>,
    joined: Vec<&'static str>,
    /// What was ordered and is not settled.
    open: Vec<(String, Step)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    Title,
    Join(&'static str),
    Leave(&'static str),
    Delete,
}

impl Lane {
    fn new(name: String) -> Self {
        Self { name, life: 0, is_there: false, fresh: GROUPS.to_vec(), joined: vec![], open: vec![] }
    }

    fn key(&self) -> String {
        format!("{}x{}", self.name, self.life)
    }

    /// Takes note of what is settled.
    fn settle(&mut self, states: &HashMap<String, types::ProvisioningState>) {
        for (order, step) in std::mem::take(&mut self.open) {
            match states.get(&order) {
                Some(state) if is_settled(*state) => {
                    if *state != types::ProvisioningState::Inactive {
                        self.done(step);
                    }
                }
                _ => self.open.push((order, step)),
            }
        }
    }

    fn done(&mut self, step: Step) {
        match step {
            Step::Create => self.is_there = true,
            Step::Title => {}
            Step::Join(group) => self.joined.push(group),
            Step::Leave(_) => {}
            Step::Delete => *self = Self { life: self.life + 1, ..Self::new(std::mem::take(&mut self.name)) },
        }
    }

    /// What comes next, if anything may.
    fn next(&mut self, dice: &mut Dice) -> Option<Step> {
        if !self.open.is_empty() {
            // Now and then more of the same while the former is under way: it is replaced, or it goes first.
            let is_title = self.open.iter().all(|(_, step)| *step == Step::Title);
            return (is_title && self.open.len() < 3 && dice.percent(10)).then_some(Step::Title);
        }
        if !self.is_there {
            return Some(Step::Create);
        }
        match dice.place(100) {
            0..5 => Some(Step::Delete),
            5..40 if !self.fresh.is_empty() => Some(Step::Join(self.fresh.swap_remove(dice.place(self.fresh.len())))),
            40..60 if !self.joined.is_empty() => {
                Some(Step::Leave(self.joined.swap_remove(dice.place(self.joined.len()))))
            }
            _ => Some(Step::Title),
        }
    }
}

struct Submitter {
    suite: Arc<Suite>,
    states: States,
    dice: Dice,
    lanes: Vec<Lane>,
    orders: usize,
}

impl Submitter {
    async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let mut orders = Vec::new();
            for _ in 0..AT_ONCE {
                let place = self.dice.place(self.lanes.len());
                orders.extend(self.next(place));
            }
            if !orders.is_empty() {
                self.submit(&orders).await;
            }
            sleep(MOMENT / 2).await;
        }
    }

    /// Until the ledger has acknowledged it: submitting again is harmless.
    async fn submit(&self, orders: &[types::Order]) {
        loop {
            let message = ledger::SubmitOrdersRequest { orders: orders.to_vec() };
            if let Ok(mut client) = self.suite.orders()
                && let Ok(answer) = client.submit_orders(tokio_stream::iter([message])).await
            {
                let answer = answer.into_inner();
                assert_eq!(answer.rejected, 0, "the ledger refuses orders: {answer:?}");
                return;
            }
            sleep(MOMENT).await;
        }
    }

    fn next(&mut self, place: usize) -> Option<types::Order> {
        let lane = self.lanes.get_mut(place)?;
        lane.settle(&lock(&self.states));
        let step = lane.next(&mut self.dice)?;
        self.orders += 1;
        let order = order(&lane.key(), step, self.dice.id().to_string(), self.orders, self.dice.percent(8));
        lane.open.push((order.order_id.clone(), step));
        Some(order)
    }
}

fn text(text: &str) -> types::Value {
    types::Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

fn order(key: &str, step: Step, order_id: String, number: usize, is_reviewed: bool) -> types::Order {
    let change = |property: &str, operation: types::ChangeOperation, proposed| types::Change {
        property: property.to_owned(),
        operation: operation.into(),
        proposed: Some(proposed),
        ..Default::default()
    };
    let set = |property, value: &str| change(property, types::ChangeOperation::Set, text(value));
    let list = |group| types::Value { kind: Some(Kind::ListValue(types::ListValue { values: vec![text(group)] })) };
    let (kind, changes) = match step {
        Step::Create => (
            types::OrderKind::Addition,
            vec![
                set("login", key),
                set("cn", &format!("Person {key}")),
                set("sn", key),
                set("title", &format!("Newcomer {number}")),
                change("groups", types::ChangeOperation::Set, list(EVERYONE)),
            ],
        ),
        Step::Title => (types::OrderKind::Update, vec![set("title", &format!("Title {number}"))]),
        Step::Join(group) => {
            (types::OrderKind::Update, vec![change("groups", types::ChangeOperation::Add, list(group))])
        }
        Step::Leave(group) => {
            (types::OrderKind::Update, vec![change("groups", types::ChangeOperation::Remove, list(group))])
        }
        Step::Delete => (types::OrderKind::Deletion, vec![]),
    };
    let seconds = chrono::Utc::now().timestamp();
    types::Order {
        order_id,
        kind: kind.into(),
        resource_type: "DirectoryAccount".into(),
        connector: "directory".into(),
        connection: CONNECTION.into(),
        entity_type: "Account".into(),
        owner: Some(types::Owner { entity_type: "Person".into(), key: key.into(), display_name: key.into() }),
        target_key: key.into(),
        changes,
        block_causes: if is_reviewed { vec![types::BlockCause::ResourceType.into()] } else { vec![] },
        generation_run: RUN.into(),
        generated_at: Some(Timestamp { seconds, nanos: 0 }),
        ..Default::default()
    }
}
