//! The managed system: accounts with a title, and a log of what was done to them and for which order.
//!
//! It is slow, does not answer, refuses, asks to slow down, does what it was asked and loses the answer, or says that
//! it did what it did not. What was sent to it is under way whatever becomes of the sender. Like a directory it
//! changes a title only from what the sender says that it is, so that what arrives late is refused instead of done.

use crate::Sabotage;
use crate::book::{Book, Effect};
use crate::dice::Dice;
use async_trait::async_trait;
use provost_agent::package::{ALREADY_GONE, ALREADY_SO, Abilities, Entity, Outcome, Package, RowSender};
use provost_domain::{Failure, FailureClass, Order, OrderKind};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// How long the package waits for an answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// How the system is disposed for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Nothing goes wrong at all.
    Calm,
    /// Now and then something goes wrong.
    Usual,
    Down,
    Throttling,
    Slow,
    /// Answers are lost.
    Losing,
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treatment {
    Fair,
    Unreachable,
    Throttled,
    Refused,
    AnswerLost,
    /// It says that it did it.
    Lie,
}

#[derive(Clone, Debug)]
enum Step {
    Create(String),
    Title {
        from: String,
        to: String,
    },
    /// Whatever is there: what no good package sends.
    Force(String),
    Delete,
}

struct Write {
    order: String,
    key: String,
    step: Step,
    answer: oneshot::Sender<bool>,
}

struct State {
    accounts: BTreeMap<String, String>,
    /// By when they arrive.
    under_way: BTreeMap<(u64, u64), Write>,
    sent: u64,
    mood: Mood,
    dice: Dice,
}

pub(crate) struct System {
    state: Mutex<State>,
    book: Arc<Book>,
}

impl System {
    pub(crate) fn new(book: Arc<Book>, dice: Dice) -> Self {
        let (accounts, under_way) = (BTreeMap::new(), BTreeMap::new());
        Self { state: Mutex::new(State { accounts, under_way, sent: 0, mood: Mood::Usual, dice }), book }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.lock().mood = mood;
    }

    /// What an export shows of an account.
    pub(crate) fn title(&self, key: &str) -> Option<String> {
        self.lock().accounts.get(key).cloned()
    }

    /// Does what has arrived.
    pub(crate) fn work(&self, now: u64) {
        loop {
            let mut state = self.lock();
            let Some(first) = state.under_way.first_entry().filter(|first| first.key().0 <= now) else { return };
            let Write { order, key, step, answer } = first.remove();
            let there = state.accounts.get(&key).cloned();
            let effect = match (step, there) {
                (Step::Create(title), None) => Some((Effect::Created, Some(title))),
                (Step::Title { from, to }, Some(there)) if there == from => Some((Effect::Titled, Some(to))),
                (Step::Force(to), _) => Some((Effect::Titled, Some(to))),
                (Step::Delete, Some(_)) => Some((Effect::Deleted, None)),
                (Step::Create(_) | Step::Title { .. } | Step::Delete, _) => None,
            };
            let is_done = effect.is_some();
            if let Some((effect, after)) = effect {
                match after {
                    Some(title) => state.accounts.insert(key.clone(), title),
                    None => state.accounts.remove(&key),
                };
                drop(state);
                self.book.effect(&order, &key, effect);
            } else {
                drop(state);
                self.book.note(format_args!("the system refuses what order {order} sends: {key} is otherwise"));
            }
            // The sender may be gone.
            let _ = answer.send(is_done);
        }
    }

    /// What becomes of the next request, how long it is on its way, and how long its answer.
    fn treat(&self, is_creation: bool) -> (Treatment, Duration, Duration) {
        let mut state = self.lock();
        let mood = state.mood;
        let chance = state.dice.place(100);
        let treatment = match (mood, chance) {
            (Mood::Calm, _) => Treatment::Fair,
            (Mood::Down, _) => Treatment::Unreachable,
            (Mood::Throttling, 0..60) => Treatment::Throttled,
            (Mood::Losing, 0..50) => Treatment::AnswerLost,
            (_, 60..66) => Treatment::AnswerLost,
            (_, 66..70) => Treatment::Unreachable,
            (_, 70..72) => Treatment::Throttled,
            (_, 72..75) => Treatment::Refused,
            (_, 75..77) => Treatment::Lie,
            _ => Treatment::Fair,
        };
        let there = match mood {
            // A creation that arrives after everything that followed it was done could not be told from a new one.
            Mood::Slow if !is_creation => state.dice.millis(500..11_000),
            _ => state.dice.millis(1..120),
        };
        let back = state.dice.millis(1..120);
        (treatment, there, back)
    }

    fn send(&self, order: &Order, step: Step, after: Duration) -> oneshot::Receiver<bool> {
        let (answer, answered) = oneshot::channel();
        let arrives = self.book.now() + u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        let mut state = self.lock();
        state.sent += 1;
        let place = (arrives, state.sent);
        let (order, key) = (order.id.to_string(), order.target_key.clone());
        state.under_way.insert(place, Write { order, key, step, answer });
        answered
    }
}

/// The way from an agent to the system.
pub(crate) struct Way {
    pub(crate) system: Arc<System>,
    pub(crate) sabotage: Sabotage,
}

fn transport(message: &str) -> Outcome {
    Outcome::Failed(Failure::new(FailureClass::Transport, message))
}

fn executed(note: &str) -> Outcome {
    Outcome::Executed { note: note.to_owned() }
}

fn proposed(order: &Order) -> String {
    let title = order.changes.iter().find(|change| change.property == "title");
    title.and_then(|change| change.proposed.as_ref()).map(ToString::to_string).unwrap_or_default()
}

fn current(order: &Order) -> Option<String> {
    let title = order.changes.iter().find(|change| change.property == "title");
    title.and_then(|change| change.current.as_ref()).map(ToString::to_string)
}

impl Way {
    /// What is to be sent, by what is there; or what there is to say at once.
    fn decide(&self, order: &Order, is_again: bool) -> Result<Step, Outcome> {
        let (there, proposed) = (self.system.title(&order.target_key), proposed(order));
        let failed = |class, message: &str| Err(Outcome::Failed(Failure::new(class, message)));
        if self.sabotage == Sabotage::Blind && order.kind != OrderKind::Deletion {
            return Ok(Step::Force(proposed));
        }
        match (order.kind, there) {
            (OrderKind::Addition, None) => Ok(Step::Create(proposed)),
            (OrderKind::Addition | OrderKind::Update, Some(there)) if there == proposed => Err(executed(ALREADY_SO)),
            (OrderKind::Addition, Some(_)) => failed(FailureClass::Conflict, "somebody else has this name"),
            (OrderKind::Update, None) => failed(FailureClass::MissingDependency, "there is no such account"),
            (OrderKind::Update, Some(there)) if is_again && current(order).is_some_and(|found| found != there) => {
                failed(FailureClass::Conflict, "somebody else changed the title")
            }
            (OrderKind::Update, Some(from)) => Ok(Step::Title { from, to: proposed }),
            (OrderKind::Deletion, None) => Err(executed(ALREADY_GONE)),
            (OrderKind::Deletion, Some(_)) => Ok(Step::Delete),
            (OrderKind::Association, _) => failed(FailureClass::Refused, "nothing is associated here"),
        }
    }

    async fn carry_out(&self, order: &Order, mut is_again: bool) -> Outcome {
        // What was decided on may have changed by the time that the write arrives: then it is looked at once more.
        for _ in 0..3 {
            let (treatment, there, back) = self.system.treat(order.kind == OrderKind::Addition);
            sleep(back).await;
            match treatment {
                Treatment::Unreachable => return transport("the system cannot be reached"),
                Treatment::Throttled => {
                    let failure = Failure::new(FailureClass::Throttled, "too many requests");
                    return Outcome::Failed(Failure { retry_after: Some(Duration::from_secs(1)), ..failure });
                }
                Treatment::Refused => {
                    return Outcome::Failed(Failure::new(FailureClass::Refused, "not today"));
                }
                Treatment::Fair | Treatment::AnswerLost | Treatment::Lie => {}
            }
            let step = match self.decide(order, is_again) {
                Ok(step) => step,
                Err(outcome) => return outcome,
            };
            if treatment == Treatment::Lie {
                self.system.book.lied(&order.id.to_string());
                return executed("done");
            }
            if self.sabotage == Sabotage::Overtakes && order.kind == OrderKind::Update {
                drop(self.system.send(order, Step::Force(proposed(order)), there * 80));
                return executed("done");
            }
            let answer = self.system.send(order, step, there);
            if treatment == Treatment::AnswerLost {
                sleep(there + back * 20).await;
                return transport("the connection was cut off after the request was sent");
            }
            match timeout(PATIENCE, answer).await {
                Ok(Ok(true)) => {
                    sleep(back).await;
                    if self.sabotage == Sabotage::WritesTwice {
                        drop(self.system.send(order, Step::Force(proposed(order)), Duration::ZERO));
                    }
                    return executed("done");
                }
                // Somebody else was there: perhaps an earlier attempt, perhaps what follows in the lane.
                Ok(Ok(false)) => is_again = true,
                Ok(Err(_)) | Err(_) => return transport("no answer in time"),
            }
        }
        Outcome::Failed(Failure::new(FailureClass::Conflict, "it changes faster than it can be looked at"))
    }
}

#[async_trait]
impl Package for Way {
    fn abilities(&self) -> Abilities {
        Abilities { export: false, fulfill: true }
    }

    async fn check(&self) -> Result<String, Failure> {
        Ok("the simulated system".to_owned())
    }

    async fn export(&self, entity: &Entity, _rows: &RowSender) -> Result<(), Failure> {
        Err(Failure::new(FailureClass::Refused, format!("'{}' is read by the simulation itself", entity.name)))
    }

    async fn fulfill(&self, order: &Order) -> Outcome {
        self.carry_out(order, false).await
    }

    async fn fulfill_again(&self, order: &Order) -> Outcome {
        self.carry_out(order, true).await
    }
}
