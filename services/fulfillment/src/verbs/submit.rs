//! Accepting orders: idempotent by id and by content; a newer order replaces what its lane has not
//! yet handed over.

use crate::model::{Entry, Note, submission};
use crate::store::{Batch, Ledger, entries};
use crate::verbs::each::ITEMS_MAX;
use prost::Message;
use provost_contract::fulfillment::v1::SubmitOrdersResponse;
use provost_contract::types::v1::{self as wire, ProvisioningState};
use provost_contract::{Violations, from_wire, to_wire};
use provost_domain::{Order, OrderId, State};
use provost_service_kit::{Fault, FaultKind};
use sea_orm::DatabaseTransaction;
use std::collections::{HashMap, HashSet};

/// Largest order, in bytes on the wire: several must fit into one answer.
const ORDER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most refusals that an answer lists.
const REJECTIONS_MAX: usize = 1_000;

/// One submission: what became of its messages so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Submission {
    actor: String,
    pub(crate) answer: SubmitOrdersResponse,
    /// Ids of duplicates by content, with the ids under which the ledger has them.
    aliases: HashMap<OrderId, OrderId>,
    /// Orders of the lanes that were submitted for review, or are made so by what is before them.
    blocked: HashSet<OrderId>,
}

impl Submission {
    pub(crate) fn new(actor: String) -> Self {
        Self { actor, ..Self::default() }
    }

    fn reject(&mut self, order_id: String, state: ProvisioningState, fault: &Fault) {
        self.answer.rejected += 1;
        if self.answer.rejections.len() < REJECTIONS_MAX {
            self.answer.rejections.push(fault.to_item(order_id, state));
        }
    }
}

impl Ledger {
    /// Takes one message of a submission; when it returns, its accepted orders are durable.
    ///
    /// # Errors
    /// When the message is empty or too large, or the database cannot be reached; then nothing of
    /// this message was accepted.
    pub(crate) async fn submit(&self, submission: Submission, orders: Vec<wire::Order>) -> Result<Submission, Fault> {
        if orders.is_empty() || orders.len() > ITEMS_MAX {
            return Err(Fault::invalid("orders", format!("must hold 1 to {ITEMS_MAX} orders in each message")));
        }
        let mut submission = submission;
        let mut accepted = Vec::with_capacity(orders.len());
        for (index, order) in orders.into_iter().enumerate() {
            let id = order.order_id.clone();
            match read(&format!("orders[{index}]"), order) {
                Ok(order) => accepted.push(order),
                Err(wrong) => submission.reject(id, ProvisioningState::None, &wrong.into()),
            }
        }
        self.accept(submission, accepted).await
    }

    async fn accept(&self, mut submission: Submission, orders: Vec<Order>) -> Result<Submission, Fault> {
        let now = self.now();
        let transaction = self.begin().await?;
        let mut named: Vec<OrderId> = orders.iter().map(|order| order.id).collect();
        let dependencies = orders.iter().flat_map(|order| &order.depends_on);
        named.extend(dependencies.map(|id| submission.aliases.get(id).unwrap_or(id)));
        named.sort();
        named.dedup();
        let known = entries::by_ids(&transaction, &named).await?;
        let mut lanes: HashMap<String, Vec<OrderId>> = HashMap::new();
        let mut batch = Batch::of(&transaction, known.into_values(), now);
        for (lane, orders) in entries::of_lanes(&transaction, &lane_names(&orders)).await? {
            lanes.insert(lane, orders.iter().map(|entry| entry.id).collect());
            orders.into_iter().for_each(|entry| batch.include(entry));
        }
        submission.note_blocked(&transaction, &batch, &lanes, &orders).await?;
        for order in orders {
            let lane = lanes.entry(submission::lane(&order)).or_default();
            submission.take(&mut batch, lane, order);
        }
        let rings = batch.save().await?;
        self.commit(transaction, rings).await?;
        Ok(submission)
    }
}

fn lane_names(orders: &[Order]) -> Vec<String> {
    let mut lanes: Vec<String> = orders.iter().map(submission::lane).collect();
    lanes.sort();
    lanes.dedup();
    lanes
}

fn read(field: &str, order: wire::Order) -> Result<Order, Violations> {
    if order.encoded_len() > ORDER_BYTES_MAX {
        return Err(Violations::one(field, format!("is larger than {ORDER_BYTES_MAX} bytes")));
    }
    from_wire::order(field, order)
}

impl Submission {
    /// Decides on one order. `lane` are the ids of its lane, oldest first.
    fn take(&mut self, batch: &mut Batch<'_>, lane: &mut Vec<OrderId>, mut order: Order) {
        let fingerprint = order.fingerprint();
        if let Some(known) = batch.entry(order.id) {
            if known.fingerprint == fingerprint {
                self.answer.duplicates += 1;
                return;
            }
            let message =
                format!("order {} exists with other content; a changed order needs an id of its own", order.id);
            let state = to_wire::state(known.standing.state.number());
            return self.reject(order.id.to_string(), state, &Fault::new(FaultKind::AlreadyExists, message));
        }
        let newest = lane.last().and_then(|id| batch.entry(*id));
        if let Some(newest) = newest.filter(|newest| newest.fingerprint == fingerprint)
            && submission::makes_duplicate(&newest.standing.state)
            && !self.must_now_be_reviewed(batch, newest, &order)
        {
            self.aliases.insert(order.id, newest.id);
            self.answer.duplicates += 1;
            return;
        }
        let unmet = match self.unmet(batch, lane, &order) {
            Ok(unmet) => unmet,
            Err(fault) => return self.reject(order.id.to_string(), ProvisioningState::None, &fault),
        };
        for older in lane.iter() {
            let gives_way = batch.entry(*older).is_some_and(|entry| submission::gives_way(&entry.standing.state));
            if gives_way && batch.supersede(*older, order.id, &self.actor) {
                self.answer.superseded += 1;
            }
        }
        let ahead = lane.iter().filter_map(|id| batch.entry(*id));
        let ahead: Vec<_> = ahead.filter(|entry| entry.standing.state.number().holds_lane()).collect();
        let states: Vec<&State> = ahead.iter().map(|entry| &entry.standing.state).collect();
        submission::queue_behind(&mut order, &states);
        if !order.block_causes.is_empty() {
            self.blocked.insert(order.id);
        }
        let waits_for = ahead.last().map(|entry| entry.id);
        let count = u32::try_from(unmet.len()).unwrap_or(u32::MAX);
        let entry = submission::entry(&order, fingerprint, waits_for, count, batch.now());
        let note = Note::new(self.actor.clone(), submission::reason(&order));
        lane.push(order.id);
        batch.add(order, entry, &unmet, note);
        self.answer.accepted += 1;
    }

    /// Whether `order` asks for the review of what `newest` was to write without one, and still can
    /// be stopped.
    fn must_now_be_reviewed(&self, batch: &Batch<'_>, newest: &Entry, order: &Order) -> bool {
        let is_waiting = matches!(newest.standing.state, State::Pending { .. })
            && newest.standing.state.live_lease(batch.now()).is_none();
        is_waiting && !order.block_causes.is_empty() && !self.blocked.contains(&newest.id)
    }

    /// Reads which of the lanes' newest orders were submitted for review, where that decides.
    async fn note_blocked(
        &mut self,
        transaction: &DatabaseTransaction,
        batch: &Batch<'_>,
        lanes: &HashMap<String, Vec<OrderId>>,
        orders: &[Order],
    ) -> Result<(), Fault> {
        let is_pending =
            |id: &OrderId| batch.entry(*id).is_some_and(|entry| matches!(entry.standing.state, State::Pending { .. }));
        let mut newest: Vec<OrderId> = orders
            .iter()
            .filter(|order| !order.block_causes.is_empty())
            .filter_map(|order| lanes.get(&submission::lane(order))?.last().copied())
            .filter(is_pending)
            .collect();
        newest.sort();
        newest.dedup();
        let known = entries::full_by_ids(transaction, &newest).await?;
        let blocked = known.into_values().filter(|full| !full.order.block_causes.is_empty());
        self.blocked.extend(blocked.map(|full| full.entry.id));
        Ok(())
    }

    /// The dependencies that are not yet fulfilled. An order of the same lane is none: the lane
    /// itself keeps the order.
    fn unmet(&self, batch: &Batch<'_>, lane: &[OrderId], order: &Order) -> Result<Vec<OrderId>, Fault> {
        let mut unmet = Vec::new();
        for (index, on) in order.depends_on.iter().enumerate() {
            let on = self.aliases.get(on).unwrap_or(on);
            let Some(entry) = batch.entry(*on) else {
                let message = format!("{on} is not an order that was submitted before this one");
                return Err(Fault::invalid(format!("order {}: depends_on[{index}]", order.id), message));
            };
            let is_done = matches!(entry.standing.state, State::Executed { .. } | State::Verified);
            if !is_done && !lane.contains(on) && !unmet.contains(on) {
                unmet.push(*on);
            }
        }
        Ok(unmet)
    }
}
