//! One connection: whether its orders are handed out, how many, and what people and the managed system said about it.
//!
//! Leaves to the orders themselves which of them are next, and to the store what is kept. The rules that must hold:
//! an order that is held loses nothing by it, no try and no place; whatever holds it has a sentence that says who or
//! what ends it; every turn leaves news for the history.

pub(crate) mod brake;
pub(crate) mod breaker;
mod hold;
mod rate;

pub(crate) use brake::{Brake, BrakeLimit};
pub(crate) use breaker::{Answer, Breaker};
pub(crate) use hold::{Admission, BrakeKind, Hold, Load, Permit};

use crate::model::note::LEDGER;
use breaker::{Gate, Turn};
use provost_domain::{Failure, FailureClass, OrderId, Timestamp};
use rate::Rate;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Whether orders are handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mode {
    #[default]
    Active,
    /// By a person's word.
    Paused,
    /// By a person's word; paused once nothing is in flight.
    Draining,
}

/// Who said something, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) at: Timestamp,
    pub(crate) actor: String,
    pub(crate) comment: String,
}

/// What people set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Limits {
    /// Orders a minute; 0 is no limit.
    pub(crate) per_minute: u32,
    /// Orders in flight at once; 0 is no limit.
    pub(crate) in_flight: u32,
    /// Different orders in a row without an answer that open the breaker; 0 switches it off.
    pub(crate) breaker_failures: u32,
    /// What the brakes count in.
    pub(crate) brake_window: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_minute: 0, in_flight: 0, breaker_failures: 5, brake_window: Duration::from_secs(86_400) }
    }
}

impl Limits {
    /// What of the orders in flight is kept for urgent ones.
    pub(crate) fn reserved(&self) -> u32 {
        match self.in_flight {
            0 | 1 => 0,
            most => (most / 8).max(1),
        }
    }
}

/// A line for the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) actor: String,
    pub(crate) event: &'static str,
    pub(crate) reason: String,
}

/// One connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Connection {
    #[serde(skip)]
    pub(crate) name: String,
    pub(crate) mode: Mode,
    /// Who set the mode.
    pub(crate) said: Option<Said>,
    pub(crate) limits: Limits,
    pub(crate) breaker: Breaker,
    pub(crate) deletions: Brake,
    pub(crate) orders: Brake,
    rate: Rate,
    /// Until when the managed system asked to be left alone.
    pub(crate) throttled_until: Option<Timestamp>,
    /// Resources that are known behind it.
    pub(crate) resources: Option<u64>,
    /// What happened since it was read.
    #[serde(skip)]
    pub(crate) news: Vec<News>,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            name: String::new(),
            mode: Mode::Active,
            said: None,
            limits: Limits::default(),
            breaker: Breaker::default(),
            // As the thresholds of a generation: nothing is deleted by the thousand unseen.
            deletions: Brake::with(BrakeLimit { count_max: 0, percent_max: 30 }),
            orders: Brake::default(),
            rate: Rate::default(),
            throttled_until: None,
            resources: None,
            news: Vec::new(),
        }
    }
}

/// Why something that a person asks for cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("it is paused already; nothing is to be drained")]
    Paused,
    #[error("the brake has not tripped")]
    NotTripped,
    #[error("the circuit breaker is not open")]
    NotOpen,
}

impl Connection {
    pub(crate) fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    fn tell(&mut self, actor: &str, event: &'static str, reason: impl Into<String>) {
        self.news.push(News { actor: actor.to_owned(), event, reason: reason.into() });
    }

    fn set_mode(&mut self, mode: Mode, event: &'static str, said: Said) {
        self.tell(&said.actor, event, said.comment.clone());
        (self.mode, self.said) = (mode, Some(said));
    }

    /// Hands out nothing more. Said again, the newer comment counts.
    pub(crate) fn pause(&mut self, said: Said) {
        self.set_mode(Mode::Paused, "paused", said);
    }

    /// Hands out nothing more, and is paused once nothing is in flight.
    pub(crate) fn drain(&mut self, said: Said) -> Result<(), Refusal> {
        match self.mode {
            Mode::Paused => Err(Refusal::Paused),
            Mode::Active | Mode::Draining => {
                self.set_mode(Mode::Draining, "draining", said);
                Ok(())
            }
        }
    }

    /// Nothing is in flight any more. Who drained it, and why, stays said.
    pub(crate) fn drained(&mut self) {
        if self.mode == Mode::Draining {
            self.mode = Mode::Paused;
            self.tell(LEDGER, "drained", "nothing is in flight any more");
        }
    }

    /// Hands out again; of an active one nothing changes.
    pub(crate) fn resume(&mut self, said: Said) {
        if self.mode != Mode::Active {
            self.set_mode(Mode::Active, "resumed", said);
        }
    }

    /// Changes limits.
    pub(crate) fn set_limits(
        &mut self,
        limits: Limits,
        deletions: Option<BrakeLimit>,
        orders: Option<BrakeLimit>,
        said: &Said,
    ) {
        let mut changes = Vec::new();
        let numbers = [
            ("orders a minute", self.limits.per_minute, limits.per_minute),
            ("in flight", self.limits.in_flight, limits.in_flight),
            ("breaker failures", self.limits.breaker_failures, limits.breaker_failures),
        ];
        for (name, before, after) in numbers.into_iter().filter(|(_, before, after)| before != after) {
            changes.push(format!("{name} {before} → {after}"));
        }
        if limits.brake_window != self.limits.brake_window {
            changes.push(format!("brake window {:?} → {:?}", self.limits.brake_window, limits.brake_window));
        }
        if limits.breaker_failures == 0 && !self.breaker.is_closed() {
            self.breaker = Breaker::default();
            changes.push("breaker closed".to_owned());
        }
        self.limits = limits;
        let brakes = [("deletions", &mut self.deletions, deletions), ("orders", &mut self.orders, orders)];
        for (name, brake, limit) in brakes {
            let Some(limit) = limit.filter(|limit| *limit != brake.limit) else { continue };
            let show = |BrakeLimit { count_max, percent_max }| format!("{count_max} or {percent_max} %");
            changes.push(format!("brake on {name} {} → {}", show(brake.limit), show(limit)));
            brake.limit = limit;
        }
        let comment = if said.comment.is_empty() { String::new() } else { format!(": {}", said.comment) };
        let what = if changes.is_empty() { "nothing changed".to_owned() } else { changes.join(", ") };
        self.tell(&said.actor, "limits set", format!("{what}{comment}"));
    }

    /// Releases the brake of a kind, or each that has tripped.
    pub(crate) fn release(&mut self, kind: Option<BrakeKind>, said: &Said) -> Result<(), Refusal> {
        let mut released = Vec::new();
        for one in [BrakeKind::Deletions, BrakeKind::Orders].into_iter().filter(|one| kind.is_none_or(|k| k == *one)) {
            let brake = self.brake_mut(one);
            if brake.tripped_at.is_some() && brake.release() {
                released.push(one.to_string());
            }
        }
        if released.is_empty() {
            return Err(Refusal::NotTripped);
        }
        self.tell(&said.actor, "brake released", format!("on {}: {}", released.join(" and "), said.comment));
        Ok(())
    }

    /// Has the breaker try at once.
    pub(crate) fn hurry(&mut self, said: &Said) -> Result<(), Refusal> {
        if !self.breaker.hurry(said.at) {
            return Err(Refusal::NotOpen);
        }
        self.tell(&said.actor, "breaker probes", said.comment.clone());
        Ok(())
    }

    pub(crate) const fn brake(&self, kind: BrakeKind) -> &Brake {
        match kind {
            BrakeKind::Deletions => &self.deletions,
            BrakeKind::Orders => &self.orders,
        }
    }

    fn brake_mut(&mut self, kind: BrakeKind) -> &mut Brake {
        match kind {
            BrakeKind::Deletions => &mut self.deletions,
            BrakeKind::Orders => &mut self.orders,
        }
    }

    /// Trips a brake: the next order would be one too many.
    pub(crate) fn trip(&mut self, kind: BrakeKind, now: Timestamp) {
        let (window, resources) = (self.limits.brake_window, self.resources);
        let brake = self.brake_mut(kind);
        let (counted, allowed) = (brake.counted(window, now), brake.limit.allowed(resources).unwrap_or_default());
        if brake.trip(now) {
            let of = resources.map(|known| format!(" of {known} known resources")).unwrap_or_default();
            self.tell(
                LEDGER,
                "brake tripped",
                format!("on {kind}: {counted} within {window:?}, {allowed} allowed{of}"),
            );
        }
    }

    /// Orders went out: so many, so many of them for the first time, and of these so many deletions. The first of
    /// them is the probe when the breaker wanted one.
    pub(crate) fn handed_out(
        &mut self,
        orders: u64,
        first: u64,
        deletions: u64,
        probe: Option<OrderId>,
        now: Timestamp,
    ) {
        let window = self.limits.brake_window;
        if self.limits.per_minute > 0 {
            self.rate.take(orders, self.limits.per_minute, now);
        }
        self.orders.count(first, window, now);
        self.deletions.count(deletions, window, now);
        if let Some(probe) = probe.filter(|_| !self.breaker.is_closed()) {
            self.breaker.send_probe(probe);
            self.tell(LEDGER, "breaker probes", format!("order {probe} tries whether the managed system answers"));
        }
    }

    /// An order came back: written or handed over (no failure), or how it failed.
    pub(crate) fn hear(&mut self, order: OrderId, failure: Option<&Failure>, now: Timestamp) {
        let answer = match failure {
            Some(failure) if failure.class.is_of_the_connection() => Answer::Unreachable(failure.clone()),
            _ => Answer::Reached,
        };
        match self.breaker.hear(order, &answer, self.limits.breaker_failures, now) {
            Some(Turn::Opened) => {
                let (orders, said) = (self.limits.breaker_failures, spoken(failure));
                self.tell(LEDGER, "breaker opened", format!("{orders} orders in a row met no answer: {said}"));
            }
            Some(Turn::Reopened) => {
                self.tell(LEDGER, "breaker opened", format!("the probe met no answer: {}", spoken(failure)))
            }
            Some(Turn::Closed) => self.tell(LEDGER, "breaker closed", format!("order {order} was answered")),
            None => {}
        }
        let wait = failure.filter(|failure| failure.class == FailureClass::Throttled).and_then(|f| f.retry_after);
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            let until = now.plus(wait);
            if self.throttled_until.is_none_or(|known| known <= now) {
                self.tell(LEDGER, "throttled", format!("the managed system asks for a pause until {until}"));
            }
            self.throttled_until = self.throttled_until.max(Some(until));
        }
    }

    /// What may be handed out now.
    ///
    /// # Errors
    /// What holds everything.
    pub(crate) fn permit(&self, load: Load, now: Timestamp) -> Result<Permit, Hold> {
        self.held_by_people()?;
        if let Some(until) = self.throttled_until.filter(|until| now < *until) {
            return Err(Hold::Throttled { until });
        }
        let gate = self.breaker.gate(load.probe_lease, now);
        if let Gate::Shut(until) = gate {
            return Err(Hold::Breaker { until, failure: self.last_failure() });
        }
        let Limits { per_minute, in_flight, brake_window, .. } = self.limits;
        let mut total = if gate == Gate::Probe { 1 } else { u64::MAX };
        if per_minute > 0 {
            total = total.min(self.rate.available(per_minute, now));
            if total == 0 {
                return Err(Hold::Rate { until: self.rate.next(per_minute), per_minute });
            }
        }
        let mut ordinary = u64::MAX;
        if in_flight > 0 {
            total = total.min(u64::from(in_flight).saturating_sub(load.in_flight));
            if total == 0 {
                return Err(Hold::InFlight { most: in_flight });
            }
            let held = load.in_flight.saturating_sub(load.urgent_in_flight);
            ordinary = u64::from(in_flight - self.limits.reserved()).saturating_sub(held);
        }
        let left = |brake: &Brake| brake.left(self.resources, brake_window, now).unwrap_or(u64::MAX);
        Ok(Permit {
            total,
            ordinary,
            orders: left(&self.orders),
            deletions: left(&self.deletions),
            is_probe: gate == Gate::Probe,
            without_deletions: self.deletions.tripped_at.is_some(),
        })
    }

    /// What holds one order; `permit` alone cannot tell, since deletions may be held while the others go.
    pub(crate) fn hold(&self, load: Load, urgent: bool, deletion: bool, now: Timestamp) -> Option<Hold> {
        match self.permit(load, now) {
            Err(hold) => Some(hold),
            Ok(permit) if permit.without_deletions && deletion => {
                let since = self.deletions.tripped_at?;
                Some(Hold::Brake { kind: BrakeKind::Deletions, since })
            }
            Ok(permit) if permit.ordinary == 0 && !urgent => Some(Hold::InFlight { most: self.limits.in_flight }),
            Ok(_) => None,
        }
    }

    fn held_by_people(&self) -> Result<(), Hold> {
        let said = || self.said.clone();
        match self.mode {
            Mode::Paused => return Err(Hold::Paused { said: said() }),
            Mode::Draining => return Err(Hold::Draining { said: said() }),
            Mode::Active => {}
        }
        match self.orders.tripped_at {
            Some(since) => Err(Hold::Brake { kind: BrakeKind::Orders, since }),
            None => Ok(()),
        }
    }

    fn last_failure(&self) -> String {
        match &self.breaker {
            Breaker::Open { failure, .. } | Breaker::HalfOpen { failure, .. } => failure.to_string(),
            Breaker::Closed { .. } => String::new(),
        }
    }
}

fn spoken(failure: Option<&Failure>) -> String {
    failure.map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests;
