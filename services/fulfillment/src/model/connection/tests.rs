#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use uuid::Uuid;

fn order(number: u128) -> OrderId {
    OrderId::new(Uuid::from_u128(number))
}

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

fn said(comment: &str) -> Said {
    Said { at: at(1), actor: "ada".into(), comment: comment.into() }
}

fn failure(class: FailureClass) -> Failure {
    Failure::new(class, "no route")
}

fn sentence(connection: &Connection, now: Timestamp) -> String {
    connection.permit(Load::default(), now).map_or_else(|hold| hold.sentence("app"), |_| String::new())
}

#[test]
fn new_connection_holds_nothing_and_brakes_deletions() {
    let connection = Connection::named("app");
    let permit = connection.permit(Load::default(), at(0)).unwrap();
    assert_eq!((permit.total, permit.ordinary, permit.orders), (u64::MAX, u64::MAX, u64::MAX));
    assert_eq!(permit.deletions, 1_000);
}

#[test]
fn pause_drain_and_resume_say_who_and_why() {
    let mut connection = Connection::named("app");
    assert_eq!(connection.drain(said("upgrade")), Ok(()));
    assert_eq!(
        sentence(&connection, at(5)),
        "connection app is draining since 1970-01-01T00:00:01.000Z by ada: upgrade"
    );
    connection.drained();
    assert_eq!(connection.mode, Mode::Paused);
    assert_eq!(sentence(&connection, at(5)), "connection app is paused since 1970-01-01T00:00:01.000Z by ada: upgrade");
    assert_eq!(connection.drain(said("again")), Err(Refusal::Paused));
    connection.resume(said(""));
    connection.resume(said("twice"));
    connection.drained();
    assert_eq!(sentence(&connection, at(5)), "");
    let events: Vec<_> = connection.news.iter().map(|news| (news.actor.as_str(), news.event)).collect();
    assert_eq!(events, [("ada", "draining"), ("fulfillment", "drained"), ("ada", "resumed")]);
}

#[test]
fn breaker_counts_the_way_in_and_not_the_orders_own_mistakes() {
    let mut connection = Connection::named("app");
    for number in 0..20 {
        let class = if number % 2 == 0 { FailureClass::Transport } else { FailureClass::Refused };
        connection.hear(order(number), Some(&failure(class)), at(0));
    }
    assert!(connection.breaker.is_closed(), "a refusal is an answer");
    for number in 0..5 {
        connection.hear(order(number), Some(&failure(FailureClass::Authentication)), at(10));
    }
    let held = sentence(&connection, at(11));
    assert!(held.contains("does not answer (no route); it is tried again at 1970-01-01T00:00:15"), "{held}");
    let probe = connection.permit(Load::default(), at(15));
    assert_eq!(probe.map(|permit| (permit.total, permit.is_probe)), Ok((1, true)));
    connection.handed_out(1, 1, 0, Some(order(7)), at(15));
    let flying = Load { probe_lease: Some(at(75)), ..Load::default() };
    assert!(matches!(connection.permit(flying, at(16)), Err(Hold::Breaker { until, .. }) if until == at(75)));
    connection.hear(order(7), None, at(17));
    assert_eq!(sentence(&connection, at(17)), "");
    let events: Vec<_> = connection.news.iter().map(|news| news.event).collect();
    assert_eq!(events, ["breaker opened", "breaker probes", "breaker closed"]);
}

#[test]
fn switching_the_breaker_off_closes_it() {
    let mut connection = Connection::named("app");
    for number in 0..5 {
        connection.hear(order(number), Some(&failure(FailureClass::Transport)), at(0));
    }
    assert_eq!(connection.hurry(&said("up again")), Ok(()));
    let limits = Limits { breaker_failures: 0, ..connection.limits.clone() };
    connection.set_limits(limits, None, None, &said("it flaps"));
    assert!(connection.breaker.is_closed());
    assert_eq!(connection.hurry(&said("")), Err(Refusal::NotOpen));
    let told = connection.news.last().map(|news| news.reason.clone());
    assert_eq!(told.as_deref(), Some("breaker failures 5 → 0, breaker closed: it flaps"));
}

#[test]
fn retry_after_holds_the_connection_and_only_grows() {
    let mut connection = Connection::named("app");
    let wait =
        |seconds| Failure { retry_after: Some(Duration::from_secs(seconds)), ..failure(FailureClass::Throttled) };
    connection.hear(order(1), Some(&wait(30)), at(0));
    connection.hear(order(2), Some(&wait(10)), at(1));
    assert_eq!(connection.permit(Load::default(), at(29)), Err(Hold::Throttled { until: at(30) }));
    assert!(connection.permit(Load::default(), at(30)).is_ok());
    assert_eq!(connection.news.len(), 1, "told once, not for each order");
}

#[test]
fn share_of_what_is_in_flight_is_kept_for_urgent_orders() {
    let mut connection = Connection::named("app");
    connection.limits.in_flight = 8;
    let permit =
        |in_flight, urgent_in_flight| connection.permit(Load { in_flight, urgent_in_flight, probe_lease: None }, at(0));
    assert_eq!(permit(0, 0).map(|permit| (permit.total, permit.ordinary)), Ok((8, 7)));
    assert_eq!(permit(7, 0).map(|permit| (permit.total, permit.ordinary)), Ok((1, 0)));
    assert_eq!(permit(7, 3).map(|permit| (permit.total, permit.ordinary)), Ok((1, 3)));
    assert_eq!(permit(8, 0), Err(Hold::InFlight { most: 8 }));
    let full = Load { in_flight: 7, urgent_in_flight: 0, probe_lease: None };
    assert_eq!(connection.hold(full, false, false, at(0)), Some(Hold::InFlight { most: 8 }));
    assert_eq!(connection.hold(full, true, false, at(0)), None);
    let reserved = |in_flight| Limits { in_flight, ..Limits::default() }.reserved();
    assert_eq!([0, 1, 2, 8, 16, 100].map(reserved), [0, 0, 1, 1, 2, 12]);
}

#[test]
fn brake_on_deletions_lets_the_others_go() {
    let mut connection = Connection::named("app");
    connection.deletions.limit = BrakeLimit { count_max: 2, percent_max: 0 };
    connection.handed_out(2, 2, 2, None, at(0));
    let mut permit = connection.permit(Load::default(), at(1)).unwrap();
    assert_eq!(permit.admit(true, true, true), Admission::Trips(BrakeKind::Deletions));
    assert_eq!(permit.admit(true, true, false), Admission::Goes, "what went before is not counted again");
    connection.trip(BrakeKind::Deletions, at(1));
    connection.trip(BrakeKind::Deletions, at(2));
    assert!(connection.permit(Load::default(), at(999_999)).unwrap().without_deletions, "time does not release it");
    assert_eq!(connection.hold(Load::default(), true, false, at(2)), None);
    let held = connection.hold(Load::default(), true, true, at(2));
    assert_eq!(held, Some(Hold::Brake { kind: BrakeKind::Deletions, since: at(1) }));
    assert_eq!(connection.release(Some(BrakeKind::Orders), &said("no")), Err(Refusal::NotTripped));
    assert_eq!(connection.release(None, &said("the site was closed")), Ok(()));
    assert_eq!(connection.hold(Load::default(), true, true, at(2)), None);
    let told: Vec<_> = connection.news.iter().map(|news| news.reason.as_str()).collect();
    assert_eq!(told, ["on deletions: 2 within 86400s, 2 allowed", "on deletions: the site was closed"]);
}

#[test]
fn brake_on_orders_holds_all() {
    let mut connection = Connection::named("app");
    connection.orders.limit = BrakeLimit { count_max: 1, percent_max: 0 };
    connection.trip(BrakeKind::Orders, at(3));
    assert_eq!(
        connection.hold(Load::default(), true, false, at(9)),
        Some(Hold::Brake { kind: BrakeKind::Orders, since: at(3) })
    );
}

#[test]
fn what_is_kept_is_read_back_and_what_came_later_has_its_default() {
    let mut connection = Connection::named("app");
    connection.pause(said("x"));
    connection.handed_out(1, 1, 1, None, at(5));
    connection.hear(order(1), Some(&failure(FailureClass::Transport)), at(6));
    let text = serde_json::to_string(&connection).unwrap();
    let read: Connection = serde_json::from_str(&text).unwrap();
    let expected = Connection { name: String::new(), news: vec![], ..connection };
    assert_eq!(read, expected);
    assert_eq!(serde_json::from_str::<Connection>("{}").unwrap(), Connection::default());
}

/// What can happen to a connection.
#[derive(Clone, Debug)]
enum Happens {
    Pull { ordinary: u8, deletions: u8 },
    Answer(Option<FailureClass>),
    Pause,
    Resume,
    Release,
}

fn happens() -> impl Strategy<Value = Happens> {
    use FailureClass::{Refused, Throttled, Transport};
    prop_oneof![
        4 => (0_u8..6, 0_u8..3).prop_map(|(ordinary, deletions)| Happens::Pull { ordinary, deletions }),
        4 => proptest::option::of(prop_oneof![Just(Transport), Just(Throttled), Just(Refused)])
            .prop_map(Happens::Answer),
        1 => Just(Happens::Pause),
        1 => Just(Happens::Resume),
        1 => Just(Happens::Release),
    ]
}

proptest! {
    /// Whatever happens in whatever order, with a restart after each step: no deletion too many between two
    /// releases, never more in flight than allowed, the share for urgent orders is free of others, nothing goes
    /// while a person holds the connection, and one at a time while the breaker is not closed.
    #[test]
    fn nothing_goes_that_must_not(steps in proptest::collection::vec((happens(), 0_i64..30), 1..120)) {
        let mut connection = Connection::named("app");
        connection.limits.in_flight = 4;
        connection.deletions.limit = BrakeLimit { count_max: 3, percent_max: 0 };
        let (mut now, mut next, mut flying, mut deleted) = (0, 0_u128, Vec::new(), 0);
        for (step, passed) in steps {
            now += passed;
            let text = serde_json::to_string(&connection).unwrap();
            connection = Connection { name: "app".into(), ..serde_json::from_str(&text).unwrap() };
            match step {
                Happens::Pull { ordinary, deletions } => {
                    let probe_lease = connection.breaker.probe().filter(|probe| flying.contains(probe)).map(|_| at(now + 60));
                    let load = Load { in_flight: flying.len() as u64, urgent_in_flight: 0, probe_lease };
                    let Ok(mut permit) = connection.permit(load, at(now)) else { continue };
                    prop_assert_eq!(connection.mode, Mode::Active);
                    let was_closed = connection.breaker.is_closed();
                    let (mut went, mut first_deletions) = (Vec::new(), 0);
                    for is_deletion in std::iter::repeat_n(true, deletions.into()).chain(std::iter::repeat_n(false, ordinary.into())) {
                        if is_deletion && permit.without_deletions {
                            continue;
                        }
                        next += 1;
                        match permit.admit(false, is_deletion, true) {
                            Admission::Goes => {
                                first_deletions += u64::from(is_deletion);
                                went.push(order(next));
                            }
                            Admission::Full => break,
                            Admission::Trips(kind) => {
                                connection.trip(kind, at(now));
                                permit.without_deletions = true;
                            }
                        }
                    }
                    deleted += first_deletions;
                    let probe = went.first().copied().filter(|_| permit.is_probe);
                    connection.handed_out(went.len() as u64, went.len() as u64, first_deletions, probe, at(now));
                    prop_assert!(was_closed || went.len() <= 1);
                    flying.extend(went);
                    prop_assert!(flying.len() <= 3, "the fourth place is for urgent orders");
                    prop_assert!(deleted <= 3, "{} deletions", deleted);
                }
                Happens::Answer(class) => {
                    if let Some(order) = flying.pop() {
                        connection.hear(order, class.map(failure).as_ref(), at(now));
                    }
                }
                Happens::Pause => connection.pause(said("x")),
                Happens::Resume => connection.resume(said("")),
                Happens::Release => {
                    if connection.release(None, &said("x")).is_ok() {
                        deleted = 0;
                    }
                }
            }
        }
    }
}
