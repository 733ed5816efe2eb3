//! Connections: reading them, and what people decide about them.
//!
//! The rule that must hold: what is decided is kept with who decided it and why, in the same transaction, and who
//! waits for orders hears of it at once.

use crate::model::Connection;
use crate::model::connection::{BrakeKind, BrakeLimit, Limits, Load, Refusal, Said};
use crate::store::connections::{self, Connections};
use crate::store::{Ledger, Rings};
use crate::verbs::each::check_size;
use crate::verbs::resolve::WORDS_MAX;
use provost_contract::fulfillment::v1 as wire;
use provost_contract::{NAME_MAX, Violations};
use provost_service_kit::Fault;
use std::collections::BTreeMap;
use std::time::Duration;

mod view;

/// Most orders a minute.
const PER_MINUTE_MAX: i32 = 1_000_000;
/// Most orders in flight.
const IN_FLIGHT_MAX: i32 = 100_000;
/// Most failures that open the breaker.
const FAILURES_MAX: i32 = 1_000;
/// Most orders of a brake.
const COUNT_MAX: i64 = 100_000_000;
/// The shortest and the longest window of a brake.
const WINDOW_MIN: Duration = Duration::from_secs(60);
const WINDOW_MAX: Duration = Duration::from_secs(30 * 86_400);

/// What is asked of one connection: which, and why.
pub(crate) struct Decision {
    actor: String,
    connection: String,
    comment: String,
}

impl Decision {
    /// A decision that needs a reason.
    ///
    /// # Errors
    /// When the name or the comment is missing or too long.
    pub(crate) fn reasoned(actor: String, connection: String, comment: String) -> Result<Self, Violations> {
        let mut wrong = Violations::default();
        wrong.require_text("connection", &connection, NAME_MAX);
        wrong.require_text("comment", &comment, WORDS_MAX);
        wrong.into_result(Self { actor, connection, comment })
    }

    /// A decision that needs none.
    ///
    /// # Errors
    /// When the name is missing, or a text is too long.
    pub(crate) fn plain(actor: String, connection: String, comment: String) -> Result<Self, Violations> {
        let mut wrong = Violations::default();
        wrong.require_text("connection", &connection, NAME_MAX);
        wrong.check_text("comment", &comment, WORDS_MAX);
        wrong.into_result(Self { actor, connection, comment })
    }
}

impl Ledger {
    /// All connections that are known, by name.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub(crate) async fn connections(&self) -> Result<Vec<wire::Connection>, Fault> {
        let pending = connections::names(self.read()).await?;
        let names: Vec<String> = pending.keys().cloned().collect();
        let known = connections::load(self.read(), &names).await?;
        self.shown(known, &pending).await
    }

    /// One connection with its history.
    ///
    /// # Errors
    /// When nothing knows it.
    pub(crate) async fn connection(&self, name: &str) -> Result<wire::GetConnectionResponse, Fault> {
        let mut wrong = Violations::default();
        wrong.require_text("connection", name, NAME_MAX);
        wrong.into_result(())?;
        self.require_known(name).await?;
        let history = connections::history(self.read(), name).await?;
        Ok(wire::GetConnectionResponse { connection: Some(self.shown_one(name).await?), history })
    }

    /// Hands out nothing more, at once.
    ///
    /// # Errors
    /// When nothing knows the connection.
    pub(crate) async fn pause(&self, decision: Decision) -> Result<wire::Connection, Fault> {
        self.decide_on(decision, |connection, said| {
            connection.pause(said);
            Ok(())
        })
        .await
    }

    /// Hands out nothing more, and is paused once nothing is in flight.
    ///
    /// # Errors
    /// When nothing knows the connection, or it is paused.
    pub(crate) async fn drain(&self, decision: Decision) -> Result<wire::Connection, Fault> {
        let name = decision.connection.clone();
        self.decide_on(decision, |connection, said| connection.drain(said)).await?;
        // What is empty already is not kept draining until somebody looks.
        self.end_drains().await?;
        self.shown_one(&name).await
    }

    /// Hands out again.
    ///
    /// # Errors
    /// When nothing knows the connection.
    pub(crate) async fn resume(&self, decision: Decision) -> Result<wire::Connection, Fault> {
        self.decide_on(decision, |connection, said| {
            connection.resume(said);
            Ok(())
        })
        .await
    }

    /// Releases the brake.
    ///
    /// # Errors
    /// When nothing knows the connection, or no brake of it has tripped.
    pub(crate) async fn release(&self, decision: Decision, kind: wire::BrakeKind) -> Result<wire::Connection, Fault> {
        let kind = match kind {
            wire::BrakeKind::Unspecified => None,
            wire::BrakeKind::Deletions => Some(BrakeKind::Deletions),
            wire::BrakeKind::Orders => Some(BrakeKind::Orders),
        };
        self.decide_on(decision, |connection, said| connection.release(kind, &said)).await
    }

    /// Has the breaker try at once.
    ///
    /// # Errors
    /// When nothing knows the connection, or its breaker is not open.
    pub(crate) async fn probe(&self, decision: Decision) -> Result<wire::Connection, Fault> {
        self.decide_on(decision, |connection, said| connection.hurry(&said)).await
    }

    /// Changes those limits that are given.
    ///
    /// # Errors
    /// When a number is out of range, nothing is to be changed, or nothing knows the connection.
    pub(crate) async fn set_limits(
        &self,
        actor: String,
        request: wire::SetConnectionLimitsRequest,
    ) -> Result<wire::Connection, Fault> {
        let (decision, changes) = Changes::read(actor, request)?;
        self.decide_on(decision, |connection, said| {
            let limits = changes.applied_to(&connection.limits);
            connection.set_limits(limits, changes.deletions, changes.orders, &said);
            Ok(())
        })
        .await
    }

    /// Takes note of how many resources are known behind connections.
    ///
    /// # Errors
    /// When a size is wrong, or the database cannot be reached.
    pub(crate) async fn report_sizes(&self, sizes: Vec<wire::ConnectionSize>) -> Result<(), Fault> {
        check_size("sizes", sizes.len())?;
        let mut wrong = Violations::default();
        let mut known: BTreeMap<String, u64> = BTreeMap::new();
        for (index, wire::ConnectionSize { connection, resources }) in sizes.into_iter().enumerate() {
            wrong.require_text(format_args!("sizes[{index}].connection"), &connection, NAME_MAX);
            match u64::try_from(resources) {
                Ok(resources) => *known.entry(connection).or_default() += resources,
                Err(_) => wrong.add(format!("sizes[{index}].resources"), "must not be negative"),
            }
        }
        wrong.into_result(())?;
        let names: Vec<String> = known.keys().cloned().collect();
        let transaction = self.begin().await?;
        let before = connections::load(&transaction, &names).await?;
        let mut after = before.clone();
        for (name, resources) in known {
            after.entry(name).and_modify(|connection| connection.resources = Some(resources));
        }
        connections::save(&transaction, &before, after, self.now()).await?;
        self.commit(transaction, Rings::default()).await
    }

    /// Pauses what was to run empty and has.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub(crate) async fn end_drains(&self) -> Result<bool, Fault> {
        if connections::draining(self.read()).await?.is_empty() {
            return Ok(false);
        }
        let transaction = self.begin().await?;
        let now = self.now();
        let before = connections::load(&transaction, &connections::draining(&transaction).await?).await?;
        let names: Vec<String> = before.keys().cloned().collect();
        let flying = connections::in_flight(&transaction, &names, now).await?;
        let mut after = before.clone();
        after.values_mut().filter(|one| !flying.contains_key(&one.name)).for_each(Connection::drained);
        connections::save(&transaction, &before, after, now).await?;
        self.commit(transaction, Rings::default()).await?;
        Ok(false)
    }

    async fn require_known(&self, name: &str) -> Result<(), Fault> {
        if connections::is_known(self.read(), name).await? {
            return Ok(());
        }
        Err(Fault::not_found(format!("connection '{name}': no agent serves it, and no order waits for it")))
    }

    /// One decision, kept with its news.
    async fn decide_on(
        &self,
        decision: Decision,
        decide: impl FnOnce(&mut Connection, Said) -> Result<(), Refusal> + Send,
    ) -> Result<wire::Connection, Fault> {
        let Decision { actor, connection: name, comment } = decision;
        self.require_known(&name).await?;
        let transaction = self.begin().await?;
        let now = self.now();
        let before = connections::load(&transaction, std::slice::from_ref(&name)).await?;
        let mut after = before.clone();
        if let Some(connection) = after.get_mut(&name) {
            decide(connection, Said { at: now, actor, comment }).map_err(|refusal| {
                let subject = format!("connection {name}");
                Fault::wrong_state(subject.clone(), format!("{subject}: {refusal}"))
            })?;
        }
        connections::save(&transaction, &before, after, now).await?;
        self.commit(transaction, Rings { news: false, offers: true }).await?;
        self.shown_one(&name).await
    }

    async fn shown_one(&self, name: &str) -> Result<wire::Connection, Fault> {
        let known = connections::load(self.read(), &[name.to_owned()]).await?;
        let pending = BTreeMap::from([(name.to_owned(), connections::pending(self.read(), name).await?)]);
        let shown = self.shown(known, &pending).await?;
        shown.into_iter().next().ok_or_else(|| Fault::not_found(format!("connection '{name}'")))
    }

    async fn shown(&self, known: Connections, pending: &BTreeMap<String, i64>) -> Result<Vec<wire::Connection>, Fault> {
        let now = self.now();
        let names: Vec<String> = known.keys().cloned().collect();
        let flying = connections::in_flight(self.read(), &names, now).await?;
        let loads = connections::loads(self.read(), &known, now).await?;
        let shown = known.into_values().map(|connection| {
            let load = loads.get(&connection.name).copied().unwrap_or_else(Load::default);
            let in_flight = flying.get(&connection.name).map_or(0, |(in_flight, _)| *in_flight);
            let pending = pending.get(&connection.name).copied().unwrap_or(0);
            view::of(&connection, load, pending, in_flight, now)
        });
        Ok(shown.collect())
    }
}

/// What is to be changed; what is not given stays.
#[derive(Default)]
struct Changes {
    per_minute: Option<u32>,
    in_flight: Option<u32>,
    breaker_failures: Option<u32>,
    window: Option<Duration>,
    deletions: Option<BrakeLimit>,
    orders: Option<BrakeLimit>,
}

impl Changes {
    fn read(actor: String, request: wire::SetConnectionLimitsRequest) -> Result<(Decision, Self), Violations> {
        let wire::SetConnectionLimitsRequest {
            connection,
            per_minute,
            in_flight,
            breaker_failures,
            deletions,
            orders,
            brake_window,
            comment,
        } = request;
        let mut wrong = Violations::default();
        wrong.require_text("connection", &connection, NAME_MAX);
        wrong.check_text("comment", &comment, WORDS_MAX);
        let changes = Self {
            per_minute: number("per_minute", per_minute, PER_MINUTE_MAX, &mut wrong),
            in_flight: number("in_flight", in_flight, IN_FLIGHT_MAX, &mut wrong),
            breaker_failures: number("breaker_failures", breaker_failures, FAILURES_MAX, &mut wrong),
            window: brake_window.and_then(|window| {
                let window = Duration::try_from(window).ok().filter(|w| (WINDOW_MIN..=WINDOW_MAX).contains(w));
                if window.is_none() {
                    wrong.add("brake_window", "must be a minute to 30 days");
                }
                window
            }),
            deletions: deletions.map(|limit| brake_limit("deletions", limit, &mut wrong)),
            orders: orders.map(|limit| brake_limit("orders", limit, &mut wrong)),
        };
        let Self { per_minute, in_flight, breaker_failures, window, deletions, orders } = &changes;
        let numbers = per_minute.is_none() && in_flight.is_none() && breaker_failures.is_none();
        if wrong.is_empty() && numbers && window.is_none() && deletions.is_none() && orders.is_none() {
            wrong.add(
                "per_minute",
                "nothing is to be changed; give it, in_flight, breaker_failures, deletions, orders or brake_window",
            );
        }
        wrong.into_result((Decision { actor, connection, comment }, changes))
    }

    fn applied_to(&self, limits: &Limits) -> Limits {
        Limits {
            per_minute: self.per_minute.unwrap_or(limits.per_minute),
            in_flight: self.in_flight.unwrap_or(limits.in_flight),
            breaker_failures: self.breaker_failures.unwrap_or(limits.breaker_failures),
            brake_window: self.window.unwrap_or(limits.brake_window),
        }
    }
}

/// A number that may be left out.
fn number(field: &str, number: Option<i32>, most: i32, wrong: &mut Violations) -> Option<u32> {
    let number = number?;
    let fits = u32::try_from(number).ok().filter(|_| number <= most);
    if fits.is_none() {
        wrong.add(field, format!("must be 0 to {most}; 0 means none"));
    }
    fits
}

fn brake_limit(field: &str, limit: wire::BrakeLimit, wrong: &mut Violations) -> BrakeLimit {
    let wire::BrakeLimit { count_max, percent_max } = limit;
    if !(0..=COUNT_MAX).contains(&count_max) {
        wrong.add(format!("{field}.count_max"), format!("must be 0 to {COUNT_MAX}; 0 means no limit by count"));
    }
    if !(0..=100).contains(&percent_max) {
        wrong.add(format!("{field}.percent_max"), "must be 0 to 100; 0 means no limit by percent");
    }
    BrakeLimit {
        count_max: u64::try_from(count_max).unwrap_or(0),
        percent_max: u32::try_from(percent_max).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn wrong(request: wire::SetConnectionLimitsRequest) -> Vec<String> {
        let wrong = Changes::read("ada".into(), request).map(|_| ()).unwrap_err();
        wrong.iter().map(|violation| violation.field.clone()).collect()
    }

    #[test]
    fn every_wrong_field_is_named() {
        let limit = |count_max, percent_max| Some(wire::BrakeLimit { count_max, percent_max });
        let request = wire::SetConnectionLimitsRequest {
            connection: String::new(),
            per_minute: Some(-1),
            in_flight: Some(100_001),
            breaker_failures: Some(1_001),
            deletions: limit(-1, 0),
            orders: limit(0, 101),
            brake_window: Some(prost_types::Duration { seconds: 59, nanos: 0 }),
            comment: "x".repeat(2_001),
        };
        let fields = [
            "connection",
            "comment",
            "per_minute",
            "in_flight",
            "breaker_failures",
            "brake_window",
            "deletions.count_max",
            "orders.percent_max",
        ];
        assert_eq!(wrong(request), fields);
        let nothing = wire::SetConnectionLimitsRequest { connection: "app".into(), ..Default::default() };
        assert_eq!(wrong(nothing), ["per_minute"]);
    }

    #[test]
    fn what_is_not_given_stays() {
        let request =
            wire::SetConnectionLimitsRequest { connection: "app".into(), in_flight: Some(7), ..Default::default() };
        let (_, changes) = Changes::read("ada".into(), request).unwrap();
        let limits = Limits { per_minute: 60, ..Limits::default() };
        assert_eq!(changes.applied_to(&limits), Limits { in_flight: 7, ..limits });
    }

    /// The instant is part of what is said; here only its type matters.
    #[test]
    fn decisions_that_stop_something_need_a_reason() {
        let refused = Decision::reasoned("ada".into(), "app".into(), " ".into()).map(|_| ()).unwrap_err();
        assert_eq!(refused.to_string(), "comment must not be empty");
        assert!(Decision::plain("ada".into(), "app".into(), String::new()).is_ok());
        assert!(Decision::plain("ada".into(), String::new(), String::new()).is_err());
    }
}
