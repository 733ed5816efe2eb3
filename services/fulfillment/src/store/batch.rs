//! One unit of work on orders: load them, let the table decide step by step, then write everything
//! in a handful of statements.
//!
//! The rules that must hold: a state changes through the table and in no other way; each step has
//! its line in the history, in the same transaction; when an order lets go of its lane the next one
//! moves up; when it is fulfilled the orders that depend on it are freed, and when it ends unwritten
//! they end too, for nothing would ever free them.

use crate::model::note::{LEDGER, Line};
use crate::model::submission::{Prepared, Prerequisite, prerequisite};
use crate::model::{Entry, LedgerEvent, Note, Offer, Standing};
use crate::store::{Rings, dependencies, entries, history, insert, outbox};
use provost_contract::types::v1::OrderEvent;
use provost_domain::order::state::{Refused, Transition};
use provost_domain::{Event, OrderId, ProvisioningState, State, Timestamp};
use provost_service_kit::Fault;
use provost_service_kit::Rows;
use sea_orm::{DatabaseTransaction, Value};
use std::collections::{HashMap, HashSet};

/// What became of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// The order moved.
    Moved,
    /// Nothing had to change.
    Already,
    /// Recorded as late; nothing changed.
    Late,
}

/// Orders under change in one transaction.
pub(crate) struct Batch<'a> {
    transaction: &'a DatabaseTransaction,
    now: Timestamp,
    entries: HashMap<OrderId, Entry>,
    /// How changed entries were before, and in which sequence they were first changed.
    before: HashMap<OrderId, Standing>,
    changed: Vec<OrderId>,
    new: Vec<Prepared>,
    lines: Vec<Line>,
    /// Superseded orders, each with the order that replaces it.
    replaced: HashMap<OrderId, OrderId>,
    /// New orders, each with an order that it depends on.
    depends_on: Vec<(OrderId, OrderId)>,
}

impl<'a> Batch<'a> {
    /// A batch on those of `ids` that exist.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub(crate) async fn load(
        transaction: &'a DatabaseTransaction,
        ids: &[OrderId],
        now: Timestamp,
    ) -> Result<Self, Fault> {
        Ok(Self::of(transaction, entries::by_ids(transaction, ids).await?.into_values(), now))
    }

    /// A batch on entries that were read in the same transaction.
    pub(crate) fn of(
        transaction: &'a DatabaseTransaction,
        entries: impl IntoIterator<Item = Entry>,
        now: Timestamp,
    ) -> Self {
        Self {
            transaction,
            now,
            entries: entries.into_iter().map(|entry| (entry.id, entry)).collect(),
            before: HashMap::new(),
            changed: Vec::new(),
            new: Vec::new(),
            lines: Vec::new(),
            replaced: HashMap::new(),
            depends_on: Vec::new(),
        }
    }

    /// The instant of the batch.
    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    /// An order as it stands now, in the midst of the batch.
    pub(crate) fn entry(&self, id: OrderId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// The connections of the orders that are here, each once.
    pub(crate) fn connections(&self) -> Vec<String> {
        let mut names: Vec<String> = self.entries.values().map(|entry| entry.connection.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Adds an entry that was read in the same transaction; one that is here already is kept.
    pub(crate) fn include(&mut self, entry: Entry) {
        self.entries.entry(entry.id).or_insert(entry);
    }

    /// Lets `event` happen to an order.
    ///
    /// # Errors
    /// When there is no such order, or the table refuses.
    pub(crate) fn apply(&mut self, id: OrderId, event: &Event, note: Note) -> Result<Applied, Fault> {
        let entry = self.entries.get(&id).ok_or_else(|| Fault::not_found(format!("order {id}")))?;
        let from = entry.standing.state.number();
        let transition = entry.ask(event, self.now).map_err(|refused| refusal(id, &refused))?;
        let now = self.now;
        if entry.standing.held_until.is_some() && !matches!(transition, Transition::To(_)) {
            // The attempt that was still writing says what became of it.
            self.change(id, |entry| entry.note_who_writes(event, now));
        }
        let (to, applied, on_wire) = match transition {
            Transition::Already => return Ok(Applied::Already),
            Transition::Late => (None, Applied::Late, OrderEvent::LateFeedback),
            Transition::To(state) => (Some(state), Applied::Moved, event.on_wire()),
        };
        if let Some(state) = to {
            self.change(id, |entry| entry.move_to(state, event, now));
        }
        let Some(entry) = self.entries.get(&id) else { return Ok(applied) };
        self.lines.push(Line {
            id,
            event: on_wire,
            from: from.number(),
            to: entry.standing.state.number().number(),
            at: self.now,
            attempt: event.attempt().unwrap_or(match event {
                Event::Leased { .. } => entry.standing.attempts,
                _ => 0,
            }),
            note,
            assignee: None,
            version: 0,
        });
        Ok(applied)
    }

    /// Names who writes an order by hand, or nobody.
    ///
    /// # Errors
    /// When it does not wait for a person.
    pub(crate) fn assign(&mut self, id: OrderId, assignee: Option<&str>, note: Note) -> Result<Applied, Fault> {
        let entry = self.with_a_person(id, "assign")?;
        if entry.standing.assignee.as_deref() == assignee {
            return Ok(Applied::Already);
        }
        let event = if assignee.is_some() { OrderEvent::Assigned } else { OrderEvent::Unassigned };
        self.change(id, |entry| entry.standing.assignee = assignee.map(str::to_owned));
        self.beside(id, event, assignee, note);
        Ok(Applied::Moved)
    }

    /// Keeps what somebody says of an order.
    ///
    /// # Errors
    /// When it does not wait for a person.
    pub(crate) fn comment(&mut self, id: OrderId, note: Note) -> Result<Applied, Fault> {
        self.with_a_person(id, "comment on")?;
        self.beside(id, OrderEvent::Commented, None, note);
        Ok(Applied::Moved)
    }

    fn with_a_person(&self, id: OrderId, what: &str) -> Result<&Entry, Fault> {
        let entry = self.entries.get(&id).ok_or_else(|| Fault::not_found(format!("order {id}")))?;
        match &entry.standing.state {
            State::Transmitted { .. } => Ok(entry),
            state => {
                let message = format!("cannot {what} order {id}: state is {}, must be Transmitted", state.number());
                Err(Fault::wrong_state(format!("order {id}"), message))
            }
        }
    }

    /// A line of the history that leaves the state as it is.
    fn beside(&mut self, id: OrderId, event: OrderEvent, assignee: Option<&str>, note: Note) {
        let Some(state) = self.entries.get(&id).map(|entry| entry.standing.state.number().number()) else { return };
        let (at, assignee) = (self.now, assignee.map(str::to_owned));
        self.lines.push(Line { id, event, from: state, to: state, at, attempt: 0, note, assignee, version: 0 });
    }

    /// Takes `older` out of the way of `newer`, if the table allows it.
    pub(crate) fn supersede(&mut self, older: OrderId, newer: OrderId, actor: &str) -> bool {
        let note = Note::new(actor, format!("replaced by order {newer}"));
        let is_replaced = matches!(self.apply(older, &Event::Superseded, note), Ok(Applied::Moved));
        if is_replaced {
            self.replaced.insert(older, newer);
        }
        is_replaced
    }

    /// What a new order of this batch depends on.
    pub(crate) fn new_dependencies(&self, id: OrderId) -> impl Iterator<Item = OrderId> {
        self.depends_on.iter().filter(move |(order, _)| *order == id).map(|(_, on)| *on)
    }

    /// The order that stands for `id` by now: what replaced it in this batch, or itself.
    pub(crate) fn current(&self, id: OrderId) -> OrderId {
        dependencies::successor(id, &self.replaced)
    }

    /// Works out anew from when an order may be had; for one that was offered too early.
    pub(crate) fn offer_again(&mut self, id: OrderId) {
        self.change(id, |_| {});
    }

    /// Adds a new order, which waits until each of `unmet` is fulfilled.
    pub(crate) fn add(&mut self, order: Prepared, entry: Entry, unmet: &[OrderId], note: Note) {
        self.depends_on.extend(unmet.iter().map(|on| (entry.id, *on)));
        self.lines.push(Line {
            id: entry.id,
            event: OrderEvent::Generated,
            from: ProvisioningState::None.number(),
            to: entry.standing.state.number().number(),
            at: self.now,
            attempt: 0,
            note,
            assignee: None,
            version: 0,
        });
        self.entries.insert(entry.id, entry);
        self.new.push(order);
    }

    fn change(&mut self, id: OrderId, change: impl FnOnce(&mut Entry)) {
        let now = self.now;
        let Some(entry) = self.entries.get_mut(&id) else { return };
        // New entries (sequence 0) are inserted whole; they have no "before".
        if entry.sequence != 0 && !self.before.contains_key(&id) {
            self.before.insert(id, entry.standing.clone());
            self.changed.push(id);
        }
        change(entry);
        entry.standing.offer = entry.standing.offer_at(entry.not_before, now);
    }

    /// Writes everything. Says which bells to ring after the commit.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub(crate) async fn save(mut self) -> Result<Rings, Fault> {
        if self.changed.is_empty() && self.new.is_empty() && self.lines.is_empty() {
            return Ok(Rings::default());
        }
        self.follow_replaced().await?;
        self.end_dependents().await?;
        self.move_up().await?;
        self.let_go().await?;
        self.free_dependents().await?;
        self.update().await?;
        self.write_outbox().await?;
        let added: Vec<OrderId> = self.new.iter().map(|new| new.order.id).collect();
        insert::orders(self.transaction, std::mem::take(&mut self.new), &self.entries).await?;
        let is_open =
            |id: &OrderId| self.entries.get(id).is_some_and(|entry| entry.standing.state.number().holds_lane());
        self.depends_on.retain(|(id, _)| is_open(id));
        dependencies::add(self.transaction, &self.depends_on).await?;
        let mut lines = history::without_repeated_late(self.transaction, std::mem::take(&mut self.lines)).await?;
        lines.iter_mut().for_each(|line| line.version = self.version_after(line.id));
        let touched = self.changed.iter().chain(&added);
        let offers = touched.filter_map(|id| self.entries.get(id)).any(|entry| entry.standing.offer != Offer::No);
        let rings = Rings { news: !lines.is_empty(), offers };
        history::append(self.transaction, lines).await?;
        Ok(rings)
    }

    /// The version that an order has once the batch is written: each batch that changes it adds one.
    fn version_after(&self, id: OrderId) -> i64 {
        let is_changed = self.before.contains_key(&id);
        self.entries.get(&id).map_or(0, |entry| entry.version + i64::from(is_changed))
    }

    /// Orders that depend on replaced ones wait for what replaces them, and for each of those once.
    async fn follow_replaced(&mut self) -> Result<(), Fault> {
        let mut unmet = dependencies::follow(self.transaction, &self.replaced).await?;
        let unread: Vec<OrderId> = unmet.keys().filter(|id| !self.entries.contains_key(id)).copied().collect();
        for (_, entry) in entries::by_ids(self.transaction, &unread).await? {
            self.include(entry);
        }
        let current = |(id, on): &(OrderId, OrderId)| (*id, dependencies::successor(*on, &self.replaced));
        let mut pairs: Vec<_> = self.depends_on.iter().map(current).collect();
        pairs.sort();
        pairs.dedup();
        for (id, _) in &pairs {
            *unmet.entry(*id).or_default() += 1;
        }
        self.depends_on = pairs;
        for (id, count) in unmet {
            self.change(id, |entry| entry.standing.unmet_dependencies = count);
        }
        Ok(())
    }

    /// Orders that ended unwritten and unreplaced: what depends on them ends with them, and what
    /// depends on that.
    async fn end_dependents(&mut self) -> Result<(), Fault> {
        let has_ended = |state: &State| prerequisite(state) == Prerequisite::Ended;
        let is_over = |id: &OrderId| self.entries.get(id).is_some_and(|entry| has_ended(&entry.standing.state));
        let unreplaced =
            self.before.iter().filter(|(id, before)| !has_ended(&before.state) && !self.replaced.contains_key(id));
        let ended = unreplaced.map(|(id, _)| *id).chain(self.new.iter().map(|new| new.order.id));
        // A new one may be over from its beginning, and what it replaced had dependents.
        let mut ended: Vec<OrderId> = ended.filter(is_over).collect();
        while !ended.is_empty() {
            let mut dependents = dependencies::waiting_for(self.transaction, &ended).await?;
            dependents.extend(self.depends_on.iter().filter(|(_, on)| ended.contains(on)));
            let unread: Vec<OrderId> =
                dependents.iter().map(|(id, _)| *id).filter(|id| !self.entries.contains_key(id)).collect();
            for (_, entry) in entries::by_ids(self.transaction, &unread).await? {
                self.include(entry);
            }
            ended.clear();
            for (id, on) in dependents {
                let why = match self.entries.get(&on).map(|entry| &entry.standing.state) {
                    Some(State::Inactive { reason }) => reason.to_string(),
                    Some(other) => other.number().to_string(),
                    None => "gone".to_owned(),
                };
                let note = Note::new(LEDGER, format!("depends on order {on}, which is {why}"));
                if matches!(self.apply(id, &Event::Cancelled, note), Ok(Applied::Moved)) {
                    ended.push(id);
                }
            }
        }
        Ok(())
    }

    /// Lanes whose last unreported attempt has spoken: what waits behind it need not wait longer.
    async fn let_go(&mut self) -> Result<(), Fault> {
        let spoken: HashMap<String, Timestamp> = self
            .before
            .iter()
            .filter(|(_, before)| !before.state.number().holds_lane())
            .filter_map(|(id, before)| Some((self.entries.get(id)?, before.held_until?)))
            .filter(|(entry, _)| entry.standing.held_until.is_none())
            .map(|(entry, held)| (entry.lane.clone(), held))
            .collect();
        let lanes: Vec<String> = spoken.keys().cloned().collect();
        for (lane, orders) in entries::of_lanes(self.transaction, &lanes, self.now).await? {
            for entry in orders {
                let id = entry.id;
                self.include(entry);
                // Another hold is another attempt's, which has not spoken.
                let held = self.entries.get(&id).and_then(|entry| entry.standing.held_until);
                if held.is_some() && held == spoken.get(&lane).copied() {
                    self.change(id, |entry| entry.standing.held_until = None);
                }
            }
        }
        Ok(())
    }

    /// Orders that no longer hold their lane: the one behind each moves up to what it waited for.
    async fn move_up(&mut self) -> Result<(), Fault> {
        let released: HashMap<OrderId, (Option<OrderId>, Option<Timestamp>)> = self
            .before
            .iter()
            .filter(|(_, before)| before.state.number().holds_lane())
            .filter_map(|(id, _)| self.entries.get(id))
            .filter(|entry| !entry.standing.state.number().holds_lane())
            .map(|entry| (entry.id, (entry.standing.waits_for, entry.standing.held_until)))
            .collect();
        if released.is_empty() {
            return Ok(());
        }
        let ids: Vec<OrderId> = released.keys().copied().collect();
        for (_, entry) in entries::successors(self.transaction, &ids).await? {
            self.include(entry);
        }
        let waiting: Vec<OrderId> = self
            .entries
            .values()
            .filter(|entry| entry.standing.waits_for.is_some_and(|before| released.contains_key(&before)))
            .filter(|entry| !released.contains_key(&entry.id))
            .map(|entry| entry.id)
            .collect();
        for id in waiting {
            self.change(id, |entry| {
                while let Some((next, held)) = entry.standing.waits_for.and_then(|before| released.get(&before)) {
                    entry.standing.waits_for = *next;
                    entry.standing.held_until = entry.standing.held_until.max(*held);
                }
            });
        }
        for id in ids {
            self.change(id, |entry| entry.standing.waits_for = None);
        }
        Ok(())
    }

    /// Orders that became Executed or Verified: what depends on them waits for one less.
    async fn free_dependents(&mut self) -> Result<(), Fault> {
        let is_done = |state: &State| matches!(state, State::Executed { .. } | State::Verified);
        let fulfilled: Vec<OrderId> = self
            .before
            .iter()
            .filter(|(id, before)| {
                let after = self.entries.get(id).map(|entry| &entry.standing.state);
                !is_done(&before.state) && after.is_some_and(is_done)
            })
            .map(|(id, _)| *id)
            .collect();
        let freed = dependencies::fulfil(self.transaction, &fulfilled).await?;
        let unread: Vec<OrderId> = freed.keys().filter(|id| !self.entries.contains_key(id)).copied().collect();
        for (_, entry) in entries::by_ids(self.transaction, &unread).await? {
            self.include(entry);
        }
        for (id, fulfilled) in freed {
            self.change(id, |entry| {
                entry.standing.unmet_dependencies = entry.standing.unmet_dependencies.saturating_sub(fulfilled);
            });
        }
        Ok(())
    }

    /// Writes changed rows: all in which the same columns change go in one statement.
    async fn update(&self) -> Result<(), Fault> {
        let mut groups: Vec<(Vec<&'static str>, Rows)> = Vec::new();
        for id in &self.changed {
            let (Some(entry), Some(before)) = (self.entries.get(id), self.before.get(id)) else { continue };
            let old = entries::changing(before, entry.validity);
            let new = entries::changing(&entry.standing, entry.validity);
            let changes =
                entries::CHANGING.into_iter().zip(new.into_iter().zip(old)).filter(|(_, (new, old))| new != old);
            let (mut columns, mut row) = (vec!["sequence"], vec![Value::from(entry.sequence)]);
            for (column, (new, _)) in changes {
                columns.push(column);
                row.push(new);
            }
            match groups.iter_mut().find(|(known, _)| *known == columns) {
                Some((_, rows)) => rows.push(row),
                None => {
                    let mut rows = Rows::of(&columns, self.changed.len());
                    rows.push(row);
                    groups.push((columns, rows));
                }
            }
        }
        for (_, rows) in groups {
            let always = [("updated_at", self.now.millis().into())];
            rows.update(self.transaction, "order_standings", "version = version + 1", &always).await?;
        }
        Ok(())
    }

    /// Asks for the review of new orders that await one, and withdraws it from orders that stopped
    /// awaiting it without a decision.
    async fn write_outbox(&self) -> Result<(), Fault> {
        let is_waiting = |state: &State| matches!(state, State::AwaitingApproval);
        let state_of = |id: &OrderId| self.entries.get(id).map(|entry| &entry.standing.state);
        let requests: Vec<OrderId> =
            self.new.iter().map(|new| new.order.id).filter(|id| state_of(id).is_some_and(is_waiting)).collect();
        let decided: HashSet<OrderId> = self
            .lines
            .iter()
            .filter(|line| matches!(line.event, OrderEvent::Approved | OrderEvent::Declined))
            .map(|line| line.id)
            .collect();
        let withdrawals: Vec<OrderId> = self
            .changed
            .iter()
            .filter(|id| self.before.get(id).is_some_and(|before| is_waiting(&before.state)))
            .filter(|id| !decided.contains(id) && !state_of(id).is_some_and(is_waiting))
            .copied()
            .collect();
        outbox::put(self.transaction, outbox::Action::Request, &requests, "", self.now).await?;
        outbox::put(self.transaction, outbox::Action::Withdraw, &withdrawals, outbox::NOT_WAITING, self.now).await
    }
}

/// The table's refusal, as the caller sees it.
fn refusal(id: OrderId, refused: &Refused) -> Fault {
    match refused {
        Refused::UnknownAttempt { .. } => Fault::invalid("attempt", format!("of order {id}: {refused}")),
        Refused::WrongState { .. }
        | Refused::InFlight { .. }
        | Refused::StaleExport { .. }
        | Refused::NotDue { .. } => Fault::wrong_state(format!("order {id}"), format!("order {id}: {refused}")),
    }
}
