//! What everybody saw, and what may never be seen.
//!
//! Every observation is judged when it is made: an effect in the managed system, a line of the order feed, an answer
//! that acknowledges something, a look at the ledger. What was observed, in its order, is the trace of a seed.

use provost_contract::fulfillment::v1::feedback::Outcome;
use provost_contract::fulfillment::v1::{Feedback, GetOrderResponse};
use provost_contract::types::v1::{HistoryEntry, Order, OrderEvent, OrderRecord, ProvisioningState as State};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Arguments;
use std::hash::{DefaultHasher, Hasher};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// The lines of the trace that a failure shows.
const SHOWN: usize = 80;

/// The table of the domain, as it stands under review.
const TABLE: &str = include_str!("../../shared/domain/src/order/transitions.txt");

/// Which state may follow which, by their numbers.
static STEPS: LazyLock<BTreeSet<(i32, i32)>> = LazyLock::new(|| {
    let number = |text: &str| text.split_whitespace().next().and_then(|word| word.parse().ok());
    let steps = TABLE.lines().filter_map(|line| line.split_once("->"));
    steps.filter_map(|(from, to)| Some((number(from)?, number(to)?))).collect()
});

/// What the managed system did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Created,
    Titled,
    Deleted,
}

/// What is known of an order.
#[derive(Default)]
struct Known {
    lane: String,
    /// Its place in its lane.
    place: usize,
    depends_on: Vec<String>,
    /// The ledger said that it has it.
    acknowledged: bool,
    /// Where the feed said last that it stands.
    state: Option<i32>,
    version: i64,
    /// The last line changed nothing.
    was_late: bool,
    effects: usize,
    /// The system said that it was done, and it was not.
    lied: bool,
    /// Attempts of which the ledger has acknowledged that they executed it.
    executed: BTreeSet<i32>,
}

#[derive(Default)]
struct Pages {
    now: u64,
    orders: BTreeMap<String, Known>,
    lanes: BTreeMap<String, usize>,
    /// By lane: the place of the order that had an effect last.
    newest: BTreeMap<String, usize>,
    /// Orders that had an effect before something that they depend on had one.
    early: Vec<(String, String)>,
    cursor: i64,
    wrong: Vec<String>,
    trace: DefaultHasher,
    lines: VecDeque<String>,
    figures: BTreeMap<&'static str, usize>,
}

/// The book.
pub(crate) struct Book {
    pages: Mutex<Pages>,
    is_loud: bool,
}

/// A state's name and number, for messages.
fn state(number: i32) -> String {
    State::try_from(number).map_or_else(|_| number.to_string(), |state| state.as_str_name().to_owned())
}

fn is_done(number: i32) -> bool {
    matches!(State::try_from(number), Ok(State::Executed | State::Verified))
}

/// Nothing more will happen to the order by itself, and nothing has to.
pub(crate) fn is_settled(number: i32) -> bool {
    is_done(number) || number == State::Inactive as i32
}

impl Pages {
    fn note(&mut self, line: Arguments<'_>, is_loud: bool) {
        let line = format!("{:>9.3} s  {line}", self.now as f64 / 1_000.0);
        self.trace.write(line.as_bytes());
        if is_loud {
            println!("{line}");
        }
        if self.lines.len() == SHOWN {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    fn wrong(&mut self, what: String) {
        if self.wrong.len() < 10 {
            self.wrong.push(format!("{:.3} s: {what}", self.now as f64 / 1_000.0));
        }
    }

    fn count(&mut self, figure: &'static str) {
        *self.figures.entry(figure).or_default() += 1;
    }
}

impl Book {
    pub(crate) fn new(is_loud: bool) -> Self {
        Self { pages: Mutex::default(), is_loud }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the beginning, as the simulation steps.
    pub(crate) fn now(&self) -> u64 {
        self.pages().now
    }

    pub(crate) fn set_now(&self, now: u64) {
        self.pages().now = now;
    }

    /// Takes a line into the trace.
    pub(crate) fn note(&self, line: Arguments<'_>) {
        self.pages().note(line, self.is_loud);
    }

    /// Something is as it may never be.
    pub(crate) fn wrong(&self, what: String) {
        self.pages().wrong(what);
    }

    pub(crate) fn count(&self, figure: &'static str) {
        self.pages().count(figure);
    }

    /// What is wrong so far.
    pub(crate) fn verdict(&self) -> Vec<String> {
        self.pages().wrong.clone()
    }

    pub(crate) fn figures(&self) -> BTreeMap<&'static str, usize> {
        self.pages().figures.clone()
    }

    /// The whole trace as a number, and its last lines.
    pub(crate) fn trace(&self) -> (u64, Vec<String>) {
        let pages = self.pages();
        (pages.trace.finish(), pages.lines.iter().cloned().collect())
    }

    /// These are about to be submitted.
    pub(crate) fn submitting(&self, orders: &[Order]) {
        let mut pages = self.pages();
        for order in orders {
            let place = pages.lanes.entry(order.target_key.clone()).or_default();
            *place += 1;
            let (place, lane) = (*place, order.target_key.clone());
            let line = format_args!("order {} is submitted: {} {lane}", order.order_id, order.kind().as_str_name());
            pages.note(line, self.is_loud);
            let known = Known { lane, place, depends_on: order.depends_on.clone(), ..Known::default() };
            pages.orders.insert(order.order_id.clone(), known);
            pages.count("orders");
        }
    }

    /// The ledger said that it has these.
    pub(crate) fn acknowledged(&self, orders: &[Order]) {
        let mut pages = self.pages();
        for order in orders {
            if let Some(known) = pages.orders.get_mut(&order.order_id) {
                known.acknowledged = true;
            }
        }
    }

    /// The managed system did something for an order.
    pub(crate) fn effect(&self, id: &str, key: &str, effect: Effect) {
        let mut pages = self.pages();
        pages.note(format_args!("the system: {key} {effect:?} for order {id}"), self.is_loud);
        pages.count("effects");
        let Pages { orders, newest, early, .. } = &mut *pages;
        let mut wrong = Vec::new();
        match orders.get_mut(id) {
            None => wrong.push(format!("nobody ordered it: {key} {effect:?} for order {id}")),
            Some(known) => {
                known.effects += 1;
                if known.effects > 1 {
                    wrong.push(format!("doubled: order {id} has effect {} ({key} {effect:?})", known.effects));
                }
                let before = newest.insert(known.lane.clone(), known.place).unwrap_or_default();
                if before > known.place {
                    let place = known.place;
                    wrong.push(format!(
                        "out of order: {key} {effect:?} by order {id}, {place} of its lane, after {before}"
                    ));
                }
                // Whether that was too early is known when it is known what became of what it depends on.
                let depends_on = known.depends_on.clone();
                let is_missing = |of: &&String| orders.get(*of).is_some_and(|of| of.effects == 0 && !of.lied);
                early.extend(depends_on.iter().filter(is_missing).map(|of| (id.to_owned(), of.clone())));
            }
        }
        wrong.into_iter().for_each(|what| pages.wrong(what));
    }

    /// The system says that it did what it did not.
    pub(crate) fn lied(&self, id: &str) {
        let mut pages = self.pages();
        pages.note(format_args!("the system lies about order {id}"), self.is_loud);
        pages.count("lies");
        if let Some(known) = pages.orders.get_mut(id) {
            known.lied = true;
        }
    }

    /// The ledger has acknowledged a report.
    pub(crate) fn reported(&self, feedback: &Feedback) {
        let Feedback { order_id, attempt, outcome, .. } = feedback;
        let mut pages = self.pages();
        let outcome = match outcome {
            Some(Outcome::Executed(_)) => "executed",
            Some(Outcome::HandedOver(_)) => "handed over",
            Some(Outcome::Failed(_)) => "failed",
            None => "nothing",
        };
        pages.note(format_args!("acknowledged: attempt {attempt} of order {order_id} {outcome}"), self.is_loud);
        pages.count("reports");
        if outcome == "executed"
            && let Some(known) = pages.orders.get_mut(order_id)
        {
            known.executed.insert(*attempt);
        }
    }

    /// A line of the order feed.
    pub(crate) fn told(&self, line: &HistoryEntry) {
        let mut pages = self.pages();
        let HistoryEntry { cursor, order_id, from_state, to_state, attempt, version, actor, .. } = line;
        let (from, to) = (*from_state, *to_state);
        let event = line.event().as_str_name();
        pages.note(
            format_args!("feed {cursor}: order {order_id} {event} by {actor}, attempt {attempt}, {from} -> {to}, version {version}"),
            self.is_loud,
        );
        let mut wrong = Vec::new();
        let before = std::mem::replace(&mut pages.cursor, *cursor);
        if *cursor <= before {
            wrong.push(format!("the feed went back from {before} to {cursor}"));
        }
        match pages.orders.get_mut(order_id) {
            None => wrong.push(format!("the feed tells of order {order_id}, which nobody submitted")),
            Some(known) => {
                // What changes nothing is recorded under the version that stands, or that the same transaction makes;
                // and one that is replaced by another of its own submission is born so.
                let is_born = line.event() == OrderEvent::Superseded && *version == 1;
                let is_late = line.event() == OrderEvent::LateFeedback;
                let was_late = std::mem::replace(&mut known.was_late, is_late);
                let may_stay = is_born || is_late || was_late;
                if *version < known.version || (*version == known.version && !may_stay) {
                    wrong.push(format!("order {order_id}: version {version} after {}", known.version));
                }
                let stood = known.state.unwrap_or_default();
                let is_new = known.state.is_none() && line.event() == OrderEvent::Generated;
                if !is_new && stood != from {
                    wrong.push(format!("order {order_id} was {}, and leaves {}", state(stood), state(from)));
                }
                if !is_new && from != to && !STEPS.contains(&(from, to)) {
                    wrong.push(format!("order {order_id}: {} may not become {} ({event})", state(from), state(to)));
                }
                (known.state, known.version) = (Some(to), *version);
            }
        }
        wrong.into_iter().for_each(|what| pages.wrong(what));
    }

    /// Where the feed said last that an order stands.
    pub(crate) fn stands(&self, id: &str) -> Option<i32> {
        self.pages().orders.get(id).and_then(|known| known.state)
    }

    /// What a look at the ledger has to show: asked before the ledger is.
    pub(crate) fn owed(&self) -> Owed {
        let pages = self.pages();
        let orders = pages.orders.iter();
        let acknowledged = orders.clone().filter(|(_, known)| known.acknowledged).map(|(id, _)| id.clone()).collect();
        let executed = orders.filter(|(_, known)| !known.executed.is_empty()).map(|(id, _)| id.clone()).collect();
        Owed { acknowledged, executed }
    }

    /// A look at the whole ledger.
    pub(crate) fn looked(&self, owed: &Owed, records: &[OrderRecord]) {
        let states: BTreeMap<&str, i32> = records
            .iter()
            .filter_map(|record| Some((record.order.as_ref()?.order_id.as_str(), record.state)))
            .collect();
        let mut pages = self.pages();
        for id in owed.acknowledged.iter().filter(|id| !states.contains_key(id.as_str())) {
            pages.wrong(format!("lost: the ledger acknowledged order {id} and does not know it"));
        }
        for id in &owed.executed {
            let now = states.get(id.as_str()).copied().unwrap_or_default();
            if !is_settled(now) {
                let now = state(now);
                pages.wrong(format!("lost: it was acknowledged that order {id} is executed, and it is {now}"));
            }
        }
    }

    /// The end: what the ledger says of one order, with its whole history.
    pub(crate) fn judge(&self, id: &str, answer: &GetOrderResponse) {
        let mut pages = self.pages();
        let Some(record) = &answer.record else {
            return pages.wrong(format!("lost: the ledger has nothing of order {id}"));
        };
        let mut wrong = Vec::new();
        let (now, mut at, mut version) = (record.state, None, 0);
        for line in &answer.history {
            if at.is_some_and(|at| at != line.from_state) || line.version < version {
                wrong.push(format!("the history of order {id} has a gap before version {}", line.version));
            }
            (at, version) = (Some(line.to_state), line.version);
        }
        // A lane that rests no more is a new version, and no line.
        if at != Some(now) || version > record.version {
            wrong
                .push(format!("the history of order {id} ends at {at:?}, version {version}, and it is {}", state(now)));
        }
        let known = pages.orders.entry(id.to_owned()).or_default();
        if !is_settled(now) {
            wrong.push(format!("not settled: order {id} is {}: {}", state(now), record.state_reason));
        }
        if is_done(now) && known.effects == 0 && !known.lied {
            wrong.push(format!("lost: order {id} is {}, and the system did nothing for it", state(now)));
        }
        let says_so = |attempt: &i32| {
            let events = [OrderEvent::Executed, OrderEvent::LateFeedback, OrderEvent::Verified];
            let lines = answer.history.iter().filter(|line| events.contains(&line.event()));
            is_done(now) || lines.into_iter().any(|line| line.attempt == *attempt)
        };
        if let Some(attempt) = known.executed.iter().find(|attempt| !says_so(attempt)) {
            wrong.push(format!("lost: attempt {attempt} of order {id} was reported as executed, and nothing says so"));
        }
        let is_early = known.effects > 0 && is_done(now);
        let early: Vec<_> = pages.early.iter().filter(|(_, of)| is_early && of == id).cloned().collect();
        wrong.extend(early.iter().map(|(early, of)| format!("too early: order {early} was written before {of}")));
        let outcome = if is_done(now) { "executed" } else { "replaced or given up" };
        pages.count(outcome);
        pages.note(format_args!("order {id} ends as {}, version {version}", state(now)), self.is_loud);
        wrong.into_iter().for_each(|what| pages.wrong(what));
    }
}

/// What the ledger has acknowledged.
pub(crate) struct Owed {
    acknowledged: Vec<String>,
    executed: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_of_the_table() {
        assert!(STEPS.contains(&(1, 8)) && STEPS.contains(&(5, 1)) && STEPS.contains(&(3, 1)));
        assert!(!STEPS.contains(&(4, 1)) && !STEPS.contains(&(8, 1)) && !STEPS.contains(&(6, 1)));
    }
}
