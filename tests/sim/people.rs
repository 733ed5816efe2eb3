//! Everybody who is no service: who orders, who looks after what failed and what waits for a review, and who follows
//! the feed.
//!
//! Orders come as from an order generator: in lanes, some depending on others, each with the value that an export
//! shows; submitted again whenever the outcome is not known, and now and then although it is.

use crate::Sabotage;
use crate::book::{Book, is_settled};
use crate::dice::Dice;
use crate::network::HostClock;
use crate::system::System;
use provost_contract::fulfillment::v1 as ledger;
use provost_contract::fulfillment::v1::order_service_client::OrderServiceClient;
use provost_contract::review::v1::review_service_client::ReviewServiceClient;
use provost_contract::review::v1::{ApproveRequest, ListReviewsRequest};
use provost_contract::to_wire;
use provost_contract::types::v1 as types;
use provost_contract::types::v1::value::Kind;
use provost_service_kit::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;
use tonic::{Request, Status};

/// The connection of the managed system.
pub(crate) const CONNECTION: &str = "system";
/// Waits between two looks.
const MOMENT: Duration = Duration::from_millis(400);
/// How long a call may take.
const CALL_MAX: Duration = Duration::from_secs(6);

#[derive(Clone)]
pub(crate) struct People {
    pub(crate) orders: OrderServiceClient<Channel>,
    pub(crate) reviews: ReviewServiceClient<Channel>,
    pub(crate) book: Arc<Book>,
    pub(crate) system: Arc<System>,
    pub(crate) clock: HostClock,
    pub(crate) sabotage: Sabotage,
    /// Everything was mended: nothing is ordered any more.
    pub(crate) is_calm: Arc<AtomicBool>,
}

fn bounded<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_MAX);
    request
}

/// A call that ends, whatever the network does.
async fn within<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    timeout(CALL_MAX * 2, call).await.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer at all")))
}

impl People {
    /// Until everything that was ordered is settled and judged.
    pub(crate) async fn live(self, dice: Dice, lanes: usize) {
        tokio::spawn(self.clone().follow());
        tokio::spawn(self.clone().attend());
        let mut submitter = Submitter::new(self.clone(), dice, lanes);
        submitter.run().await;
        let ids: Vec<String> = submitter.ids;
        while !ids.iter().all(|id| self.book.stands(id).is_some_and(is_settled)) {
            sleep(MOMENT).await;
        }
        self.book.note(format_args!("everything is settled"));
        // What is still on its way may not change anything.
        sleep(Duration::from_secs(8)).await;
        let _ = self.look().await;
        for id in &ids {
            let answer = loop {
                let request = bounded(ledger::GetOrderRequest { order_id: id.clone() });
                match within(self.orders.clone().get_order(request)).await {
                    Ok(answer) => break answer.into_inner(),
                    Err(status) if status.code() == tonic::Code::NotFound => break ledger::GetOrderResponse::default(),
                    Err(_) => sleep(MOMENT).await,
                }
            };
            self.book.judge(id, &answer);
        }
    }

    /// Follows the order feed for ever, through restarts.
    async fn follow(self) {
        let mut cursor = 0;
        loop {
            let request = ledger::WatchOrdersRequest { after_cursor: cursor, ..Default::default() };
            if let Ok(feed) = within(self.orders.clone().watch_orders(request)).await {
                let mut feed = feed.into_inner();
                while let Ok(Some(event)) = feed.message().await {
                    if let Some(line) = event.entry {
                        self.book.told(&line);
                        cursor = line.cursor;
                    }
                }
            }
            sleep(MOMENT).await;
        }
    }

    /// What people do, for ever: look at the ledger, approve what waits for it, unblock what failed for good.
    async fn attend(self) {
        loop {
            sleep(MOMENT * 4).await;
            let _ = self.look().await;
            let _ = self.approve().await;
        }
    }

    /// Looks at the whole ledger, and unblocks what failed for good.
    async fn look(&self) -> Result<(), Status> {
        let owed = self.book.owed();
        let request = bounded(ledger::ListOrdersRequest { page_size: 1_000, ..Default::default() });
        let records = within(self.orders.clone().list_orders(request)).await?.into_inner().orders;
        self.book.looked(&owed, &records);
        let errored = records.iter().filter(|record| record.state() == types::ProvisioningState::Errored);
        let order_ids: Vec<String> =
            errored.filter_map(|record| record.order.as_ref()).map(|order| order.order_id.clone()).collect();
        if !order_ids.is_empty() {
            let request = ledger::UnblockOrdersRequest { order_ids, comment: "what failed is mended".into() };
            within(self.orders.clone().unblock_orders(bounded(request))).await?;
        }
        Ok(())
    }

    async fn approve(&self) -> Result<(), Status> {
        let mut reviews = self.reviews.clone();
        let request = bounded(ListReviewsRequest { page_size: 1_000, ..Default::default() });
        for review in within(reviews.list_reviews(request)).await?.into_inner().reviews {
            let request = bounded(ApproveRequest { review_id: review.review_id, ..Default::default() });
            // One that was withdrawn meanwhile is refused, and the others go on.
            let _ = within(reviews.approve(request)).await;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    Title,
    Delete,
}

/// One account, and what was ordered for it.
struct Lane {
    number: usize,
    /// So many lived under this name before.
    life: usize,
    open: Vec<(String, Step)>,
    /// What was ordered last.
    last: Option<String>,
}

impl Lane {
    fn key(&self) -> String {
        format!("a{}x{}", self.number, self.life)
    }

    /// What comes next, if anything may, and what an export shows.
    fn next(&mut self, people: &People, dice: &mut Dice) -> Option<(Step, Option<String>)> {
        let key = self.key();
        let is_open = |id: &str| !people.book.stands(id).is_some_and(is_settled);
        let was_deleted = self.open.iter().any(|(_, step)| *step == Step::Delete);
        self.open.retain(|(id, _)| is_open(id));
        let there = people.system.title(&key);
        if !self.open.is_empty() {
            // Now and then more of the same while the former is under way: it is replaced, or it goes first.
            let is_title = self.open.iter().all(|(_, step)| *step == Step::Title);
            return (is_title && self.open.len() < 3 && dice.percent(20)).then_some((Step::Title, there));
        }
        match there {
            None if was_deleted => {
                self.life += 1;
                Some((Step::Create, None))
            }
            None => Some((Step::Create, None)),
            Some(there) if dice.percent(12) => Some((Step::Delete, Some(there))),
            Some(there) => Some((Step::Title, Some(there))),
        }
    }
}

struct Submitter {
    people: People,
    dice: Dice,
    lanes: Vec<Lane>,
    ids: Vec<String>,
    /// Batches that were acknowledged, to be submitted once more.
    before: Vec<Vec<types::Order>>,
}

fn text(text: &str) -> types::Value {
    types::Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

impl Submitter {
    fn new(people: People, dice: Dice, lanes: usize) -> Self {
        let lane = |number| Lane { number, life: 0, open: vec![], last: None };
        Self { people, dice, lanes: (0..lanes).map(lane).collect(), ids: vec![], before: vec![] }
    }

    async fn run(&mut self) {
        while !self.people.is_calm.load(Ordering::SeqCst) {
            let count = 1 + self.dice.place(3);
            let orders: Vec<types::Order> = (0..count).filter_map(|_| self.next()).collect();
            if !orders.is_empty() {
                self.people.book.submitting(&orders);
                self.submit(&orders).await;
                self.people.book.acknowledged(&orders);
                self.before.push(orders);
            }
            if !self.before.is_empty() && self.dice.percent(10) {
                let place = self.dice.place(self.before.len());
                let again = self.before.get(place).cloned().unwrap_or_default();
                self.submit(&again).await;
            }
            sleep(self.dice.millis(100..1_500)).await;
        }
    }

    /// Until the ledger has acknowledged it: submitting again is harmless.
    async fn submit(&mut self, orders: &[types::Order]) {
        if self.people.sabotage == Sabotage::ForgetsOrders && self.ids.len() > 5 {
            // A ledger that says that it has them and has not.
            return;
        }
        loop {
            let message = ledger::SubmitOrdersRequest { orders: orders.to_vec() };
            let mut client = self.people.orders.clone();
            let request = bounded(tokio_stream::iter([message]));
            match within(client.submit_orders(request)).await {
                Ok(answer) => {
                    let answer = answer.into_inner();
                    if answer.rejected > 0 {
                        self.people.book.wrong(format!("the ledger refuses orders: {:?}", answer.rejections));
                    }
                    // Now and then the answer is not heard.
                    if self.people.is_calm.load(Ordering::SeqCst) || !self.dice.percent(10) {
                        return;
                    }
                }
                Err(_) => sleep(self.dice.millis(50..1_000)).await,
            }
        }
    }

    fn next(&mut self) -> Option<types::Order> {
        let place = self.dice.place(self.lanes.len());
        let depends_on = if self.dice.percent(20) { self.dependency(place) } else { vec![] };
        let lane = self.lanes.get_mut(place)?;
        let (step, there) = lane.next(&self.people, &mut self.dice)?;
        let (id, key) = (self.dice.id().to_string(), lane.key());
        lane.open.push((id.clone(), step));
        lane.last = Some(id.clone());
        self.ids.push(id.clone());
        let change = types::Change {
            property: "title".to_owned(),
            operation: types::ChangeOperation::Set.into(),
            proposed: Some(text(&format!("title {}", self.ids.len()))),
            current: there.as_deref().map(text),
            ..Default::default()
        };
        let (kind, changes) = match step {
            Step::Create => (types::OrderKind::Addition, vec![change]),
            Step::Title => (types::OrderKind::Update, vec![change]),
            Step::Delete => (types::OrderKind::Deletion, vec![]),
        };
        let is_reviewed = self.dice.percent(10);
        Some(types::Order {
            order_id: id,
            kind: kind.into(),
            resource_type: "SystemAccount".into(),
            connector: "system".into(),
            connection: CONNECTION.into(),
            entity_type: "Account".into(),
            owner: Some(types::Owner { entity_type: "Person".into(), key: key.clone(), display_name: key.clone() }),
            target_key: key,
            changes,
            depends_on,
            block_causes: if is_reviewed { vec![types::BlockCause::ResourceType.into()] } else { vec![] },
            generation_run: "sim".into(),
            generated_at: Some(to_wire::timestamp(self.people.clock.now())),
            ..Default::default()
        })
    }

    /// The last order of another lane, when the ledger is known to have it.
    fn dependency(&mut self, of: usize) -> Vec<String> {
        let place = self.dice.place(self.lanes.len());
        let other = self.lanes.get(place).filter(|_| place != of).and_then(|lane| lane.last.clone());
        other.filter(|id| self.people.book.stands(id).is_some()).into_iter().collect()
    }
}
