//! Accepting orders: idempotent by id and by content; a newer order replaces what its lane has not
//! yet handed over.

use crate::model::submission::{Place, Prepared, Prerequisite};
use crate::model::{Entry, Note, submission};
use crate::store::{Batch, Ledger, archive, dependencies, entries};
use crate::verbs::each::ITEMS_MAX;
use prost::Message as _;
use provost_contract::fulfillment::v1::SubmitOrdersResponse;
use provost_contract::types::v1::{self as wire, ProvisioningState};
use provost_contract::{Violations, from_wire, to_wire};
use provost_domain::{InactiveReason, Order, OrderId, State};
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
    /// Ids that orders to depend on were named by, each with the order that stands for it: what the
    /// ledger has for a duplicate by content, and the newest of the lane for one that was replaced.
    aliases: HashMap<OrderId, OrderId>,
    /// Orders of the lanes that were submitted for review, or are made so by what is before them.
    blocked: HashSet<OrderId>,
    /// What the orders that are depended on wait for themselves.
    ahead: HashMap<OrderId, Vec<OrderId>>,
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
    /// When the database cannot be reached; then nothing of this message was accepted.
    pub(crate) async fn submit(&self, mut submission: Submission, message: Message) -> Result<Submission, Fault> {
        let Message { orders, refused } = message;
        for (id, fault) in refused {
            submission.reject(id, ProvisioningState::None, &fault);
        }
        let now = self.now();
        let transaction = self.begin().await?;
        let mut named: Vec<OrderId> = orders.iter().map(|prepared| prepared.order.id).collect();
        let needed: Vec<OrderId> = orders
            .iter()
            .flat_map(|prepared| &prepared.order.depends_on)
            .map(|id| dependencies::successor(*id, &submission.aliases))
            .collect();
        named.extend(&needed);
        named.sort();
        named.dedup();
        let mut known = entries::by_ids(&transaction, &named).await?;
        let unknown: Vec<OrderId> = named.iter().filter(|id| !known.contains_key(id)).copied().collect();
        known.extend(archive::entries(&transaction, &unknown).await?.into_iter().map(|entry| (entry.id, entry)));
        let replaced: Vec<(OrderId, String)> = needed.iter().filter_map(|id| replaced_in(known.get(id)?)).collect();
        let mut names: Vec<String> = orders.iter().map(|prepared| prepared.lane.clone()).collect();
        names.extend(replaced.iter().map(|(_, lane)| lane.clone()));
        names.sort();
        names.dedup();
        let mut lanes: HashMap<String, Vec<OrderId>> = HashMap::new();
        let mut batch = Batch::of(&transaction, known.into_values(), now);
        for (lane, orders) in entries::of_lanes(&transaction, &names, now).await? {
            lanes.insert(lane, orders.iter().map(|entry| entry.id).collect());
            orders.into_iter().for_each(|entry| batch.include(entry));
        }
        for (id, lane) in replaced {
            if let Some(newest) = lanes.get(&lane).and_then(|orders| orders.last()).filter(|newest| **newest != id) {
                submission.aliases.insert(id, *newest);
            }
        }
        // An order of this message may turn out to be what its lane has already.
        let twins = orders.iter().filter(|prepared| needed.contains(&prepared.order.id));
        let twins = twins.filter_map(|prepared| lanes.get(&prepared.lane)).flatten().copied();
        let needed = needed.iter().map(|id| dependencies::successor(*id, &submission.aliases));
        let needed: Vec<OrderId> = needed.chain(twins).collect();
        submission.ahead = dependencies::all_ahead(&transaction, &needed).await?;
        submission.note_blocked(&transaction, &batch, &lanes, &orders).await?;
        for order in orders {
            let lane = lanes.entry(order.lane.clone()).or_default();
            submission.take(&mut batch, lane, order);
        }
        let rings = batch.save().await?;
        self.commit(transaction, rings).await?;
        Ok(submission)
    }
}

/// One message of a submission, read and checked: what needs no look at the ledger.
#[derive(Debug)]
pub(crate) struct Message {
    orders: Vec<Prepared>,
    /// Ids of orders that cannot be taken, and why.
    refused: Vec<(String, Fault)>,
}

impl TryFrom<Vec<wire::Order>> for Message {
    type Error = Fault;

    fn try_from(orders: Vec<wire::Order>) -> Result<Self, Fault> {
        if orders.is_empty() || orders.len() > ITEMS_MAX {
            return Err(Fault::invalid("orders", format!("must hold 1 to {ITEMS_MAX} orders in each message")));
        }
        let mut message = Self { orders: Vec::with_capacity(orders.len()), refused: Vec::new() };
        for (index, order) in orders.into_iter().enumerate() {
            let id = order.order_id.clone();
            match read(&format!("orders[{index}]"), order) {
                Ok(order) => message.orders.push(order.into()),
                Err(wrong) => message.refused.push((id, wrong.into())),
            }
        }
        Ok(message)
    }
}

/// The id and the lane of an order that was replaced.
fn replaced_in(entry: &Entry) -> Option<(OrderId, String)> {
    let is_replaced = matches!(entry.standing.state, State::Inactive { reason: InactiveReason::Superseded });
    is_replaced.then(|| (entry.id, entry.lane.clone()))
}

fn read(field: &str, order: wire::Order) -> Result<Order, Violations> {
    if order.encoded_len() > ORDER_BYTES_MAX {
        return Err(Violations::one(field, format!("is larger than {ORDER_BYTES_MAX} bytes")));
    }
    from_wire::order(field, order)
}

impl Submission {
    /// Decides on one order. `lane` are the ids of its lane, oldest first.
    fn take(&mut self, batch: &mut Batch<'_>, lane: &mut Vec<OrderId>, mut prepared: Prepared) {
        let Prepared { order, fingerprint, .. } = &prepared;
        if let Some(known) = batch.entry(order.id) {
            if known.fingerprint == *fingerprint {
                self.answer.duplicates += 1;
                return;
            }
            let message =
                format!("order {} exists with other content; a changed order needs an id of its own", order.id);
            let state = to_wire::state(known.standing.state.number());
            return self.reject(order.id.to_string(), state, &Fault::new(FaultKind::AlreadyExists, message));
        }
        let newest = lane.last().and_then(|id| batch.entry(*id));
        if let Some(newest) = newest.filter(|newest| newest.fingerprint == *fingerprint)
            && submission::makes_duplicate(&newest.standing.state)
            && !self.must_now_be_reviewed(batch, newest, order)
        {
            self.aliases.insert(order.id, newest.id);
            self.answer.duplicates += 1;
            return;
        }
        // The id is an order's own from here on, whatever it stood for before.
        self.aliases.remove(&order.id);
        let unmet = match self.unmet(batch, lane, order) {
            Ok(unmet) => unmet,
            Err(fault) => return self.reject(order.id.to_string(), ProvisioningState::None, &fault),
        };
        let states: Vec<&State> = lane.iter().filter_map(|id| Some(&batch.entry(*id)?.standing.state)).collect();
        prepared.queue_behind(&states);
        let order = &prepared.order;
        for older in lane.iter() {
            let gives_way = batch.entry(*older).is_some_and(|entry| submission::gives_way(&entry.standing.state));
            if gives_way && batch.supersede(*older, order.id, &self.actor) {
                self.answer.superseded += 1;
            }
        }
        let standings = || lane.iter().filter_map(|id| batch.entry(*id)).map(|entry| (entry.id, &entry.standing));
        let place = Place {
            waits_for: standings().rfind(|(_, standing)| standing.state.number().holds_lane()).map(|(id, _)| id),
            held_until: standings().filter_map(|(_, standing)| standing.held_until).max(),
        };
        if !order.block_causes.is_empty() {
            self.blocked.insert(order.id);
        }
        let count = u32::try_from(unmet.len()).unwrap_or(u32::MAX);
        let entry = submission::entry(&prepared, place, count, batch.now());
        let note = Note::new(self.actor.clone(), submission::reason(order));
        lane.push(order.id);
        batch.add(prepared, entry, &unmet, note);
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
        orders: &[Prepared],
    ) -> Result<(), Fault> {
        let is_pending =
            |id: &OrderId| batch.entry(*id).is_some_and(|entry| matches!(entry.standing.state, State::Pending { .. }));
        let mut newest: Vec<OrderId> = orders
            .iter()
            .filter(|prepared| !prepared.order.block_causes.is_empty())
            .filter_map(|prepared| lanes.get(&prepared.lane)?.last().copied())
            .filter(is_pending)
            .collect();
        newest.sort();
        newest.dedup();
        let known = entries::full_by_ids(transaction, &newest).await?;
        let blocked = known.into_values().filter(|full| !full.order.block_causes.is_empty());
        self.blocked.extend(blocked.map(|full| full.entry.id));
        Ok(())
    }

    /// The order of `lane` that would be replaced, and that `id` waits for, be it through others. What
    /// depends on an order depends on what replaces it, so the replacement would wait for itself.
    fn waits_for_one_of(&self, batch: &Batch<'_>, id: OrderId, lane: &[OrderId]) -> Option<OrderId> {
        let is_replaced = |entry: &Entry| {
            submission::gives_way(&entry.standing.state) && entry.standing.state.live_lease(batch.now()).is_none()
        };
        let replaced: Vec<OrderId> =
            lane.iter().filter(|id| batch.entry(**id).is_some_and(is_replaced)).copied().collect();
        let mut seen = HashSet::from([id]);
        let mut unread = vec![id];
        while let Some(id) = unread.pop() {
            let stored = self.ahead.get(&id).into_iter().flatten().copied();
            for on in stored.chain(batch.new_dependencies(id)).map(|on| batch.current(on)) {
                if replaced.contains(&on) {
                    return Some(on);
                }
                if seen.insert(on) {
                    unread.push(on);
                }
            }
        }
        None
    }

    /// The dependencies that are not yet fulfilled. An order of the same lane is none: the lane
    /// itself keeps the order.
    fn unmet(&self, batch: &Batch<'_>, lane: &[OrderId], order: &Order) -> Result<Vec<OrderId>, Fault> {
        let mut unmet = Vec::new();
        for (index, on) in order.depends_on.iter().enumerate() {
            let on = batch.current(dependencies::successor(*on, &self.aliases));
            let Some(entry) = batch.entry(on) else {
                let message = format!("{on} is not an order that was submitted before this one");
                return Err(Fault::invalid(format!("order {}: depends_on[{index}]", order.id), message));
            };
            if lane.contains(&on) || unmet.contains(&on) {
                continue;
            }
            match submission::prerequisite(&entry.standing.state) {
                Prerequisite::Fulfilled => {}
                Prerequisite::Awaited => {
                    if let Some(own) = self.waits_for_one_of(batch, on, lane) {
                        let id = order.id;
                        let message = format!(
                            "order {id}: depends_on[{index}] is order {on}, which itself waits for order {own} of the \
                             resource that this order writes; neither would ever be written"
                        );
                        return Err(Fault::wrong_state(format!("order {on}"), message));
                    }
                    unmet.push(on);
                }
                Prerequisite::Ended => {
                    let (id, state) = (order.id, entry.standing.state.number());
                    let message = format!(
                        "order {id}: depends_on[{index}] is order {on}, which is {state} and will not be written; \
                         order that anew, or depend on nothing"
                    );
                    return Err(Fault::wrong_state(format!("order {on}"), message));
                }
            }
        }
        Ok(unmet)
    }
}
