//! `connections show NAME`: everything that is known about one connection.

use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::show::{Table, instant};
use provost_contract::fulfillment::v1::{
    Brake, BrakeKind, BrakeLimit, BreakerState, Connection, ConnectionEvent, ConnectionLimits, ConnectionMode,
    GetConnectionRequest, GetConnectionResponse,
};

/// Which connection.
#[derive(Debug, clap::Args)]
pub struct ShowArguments {
    /// The connection.
    connection: String,
}

pub(super) async fn run(arguments: ShowArguments, session: &mut Session) -> Result<Outcome, Failure> {
    let request = session.clients.request(GetConnectionRequest { connection: arguments.connection });
    let answer = session.clients.connections().get_connection(request).await;
    let response = session.clients.answer(Service::Fulfillment, answer)?;
    if session.is_json() {
        session.json("provost.fulfillment.v1.GetConnectionResponse", &response)?;
        return Ok(Outcome::Done);
    }
    let GetConnectionResponse { connection, history } = response;
    session.console.lines(facts(&connection.unwrap_or_default()))?;
    session.console.line("")?;
    session.table(&history_table(&history), "no history: nobody has set anything, and nothing went wrong")?;
    Ok(Outcome::Done)
}

/// A mode in a word.
pub(super) const fn mode(mode: ConnectionMode) -> &'static str {
    match mode {
        ConnectionMode::Active => "active",
        ConnectionMode::Paused => "paused",
        ConnectionMode::Draining => "draining",
        ConnectionMode::Unspecified => "?",
    }
}

/// A breaker's state in a word.
pub(super) const fn breaker(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => "closed",
        BreakerState::Open => "open",
        BreakerState::HalfOpen => "half open",
        BreakerState::Unspecified => "?",
    }
}

/// What is known, one fact per line, without those that are not set.
pub(super) fn facts(connection: &Connection) -> Vec<String> {
    let mut facts = vec![("connection", connection.name.clone()), ("mode", said(connection))];
    if let Some(hold) = &connection.hold {
        facts.push(("held", hold.message.clone()));
    }
    facts.push(("orders", format!("{} pending, {} in flight", connection.pending, connection.in_flight)));
    if let Some(resources) = connection.resources {
        facts.push(("resources", resources.to_string()));
    }
    if let Some(limits) = &connection.limits {
        facts.extend(limits_of(limits));
    }
    facts.push(("breaker", breaker_of(connection)));
    facts.extend(connection.brakes.iter().map(|brake| (brake_name(brake.kind()), brake_of(brake, connection))));
    facts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("{name:<18}{text}")).collect()
}

fn said(connection: &Connection) -> String {
    let mode = mode(connection.mode());
    match (&connection.mode_since, connection.mode_comment.as_str()) {
        (None, _) => mode.to_owned(),
        (Some(since), "") => format!("{mode} since {} by {}", instant(Some(since)), connection.mode_actor),
        (Some(since), why) => format!("{mode} since {} by {}: {why}", instant(Some(since)), connection.mode_actor),
    }
}

fn limits_of(limits: &ConnectionLimits) -> [(&'static str, String); 2] {
    let shown = |number: i32| if number == 0 { "any number".to_owned() } else { number.to_string() };
    [("a minute", shown(limits.per_minute)), ("at once", shown(limits.in_flight))]
}

fn breaker_of(connection: &Connection) -> String {
    let opens_at = connection.limits.as_ref().map_or(0, |limits| limits.breaker_failures);
    let Some(one) = connection.breaker.as_ref().filter(|_| opens_at > 0) else { return "off".to_owned() };
    let state = breaker(one.state());
    let why = one.failure.as_ref().map(|failure| failure.message.as_str()).unwrap_or_default();
    match one.state() {
        BreakerState::Closed if one.failures == 0 => format!("{state}, opens after {opens_at} failures in a row"),
        BreakerState::Closed => format!("{state}, {} of {opens_at} failures in a row", one.failures),
        BreakerState::Open => format!(
            "{state} since {}, tried again at {}, {} times in vain: {why}",
            instant(one.since.as_ref()),
            instant(one.probe_at.as_ref()),
            one.probes
        ),
        BreakerState::HalfOpen => {
            format!("{state} since {}, order {} tries: {why}", instant(one.since.as_ref()), one.probe_order_id)
        }
        BreakerState::Unspecified => state.to_owned(),
    }
}

const fn brake_name(kind: BrakeKind) -> &'static str {
    match kind {
        BrakeKind::Deletions => "brake, deletions",
        BrakeKind::Orders => "brake, orders",
        BrakeKind::Unspecified => "brake",
    }
}

fn brake_of(brake: &Brake, connection: &Connection) -> String {
    if let Some(since) = &brake.tripped_at {
        return format!("tripped at {}: {} went, {} allowed", instant(Some(since)), brake.counted, brake.allowed);
    }
    let limits = connection.limits.unwrap_or_default();
    let limit = match brake.kind() {
        BrakeKind::Deletions => limits.deletions,
        BrakeKind::Orders => limits.orders,
        BrakeKind::Unspecified => None,
    };
    let BrakeLimit { count_max, percent_max } = limit.unwrap_or_default();
    let by = match (count_max, percent_max) {
        (0, 0) => return "off".to_owned(),
        (0, percent) => format!("{percent} %"),
        (count, 0) => format!("{count}"),
        (count, percent) => format!("{count} or {percent} %"),
    };
    let hours =
        limits.brake_window.map_or(0.0, |window| f64::from(i32::try_from(window.seconds).unwrap_or(0)) / 3_600.0);
    format!("{} of {} went, {by} in {hours} hours", brake.counted, brake.allowed)
}

fn history_table(history: &[ConnectionEvent]) -> Table {
    let mut table = Table::new(&["when", "event", "who", "reason"]);
    for line in history {
        table.row(vec![instant(line.at.as_ref()), line.event.clone(), line.actor.clone(), line.reason.clone()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_contract::fulfillment::v1::Breaker;
    use provost_contract::types::v1::{ConnectionHold, Failure};

    fn at(seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds, nanos: 0 })
    }

    #[test]
    fn facts_say_what_holds_it_and_what_may_go() {
        let limits = ConnectionLimits {
            per_minute: 60,
            breaker_failures: 5,
            deletions: Some(BrakeLimit { count_max: 0, percent_max: 30 }),
            brake_window: Some(prost_types::Duration { seconds: 86_400, nanos: 0 }),
            ..Default::default()
        };
        let brakes = vec![
            Brake { kind: BrakeKind::Deletions.into(), counted: 2, allowed: 15, tripped_at: None },
            Brake { kind: BrakeKind::Orders.into(), ..Default::default() },
        ];
        let mut connection = Connection {
            name: "dir".into(),
            mode: ConnectionMode::Paused.into(),
            mode_since: at(1_767_225_600),
            mode_actor: "ada".into(),
            mode_comment: "it moves".into(),
            limits: Some(limits),
            breaker: Some(Breaker { state: BreakerState::Closed.into(), failures: 2, ..Default::default() }),
            brakes,
            hold: Some(ConnectionHold { message: "connection dir is paused".into(), ..Default::default() }),
            resources: Some(50),
            ..Default::default()
        };
        let text = facts(&connection).join("\n");
        for line in [
            "mode              paused since 2026-01-01 00:00:00Z by ada: it moves",
            "held              connection dir is paused",
            "a minute          60",
            "at once           any number",
            "breaker           closed, 2 of 5 failures in a row",
            "brake, deletions  2 of 15 went, 30 % in 24 hours",
            "brake, orders     off",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        connection.breaker = Some(Breaker {
            state: BreakerState::Open.into(),
            since: at(0),
            probe_at: at(60),
            probes: 3,
            failure: Some(Failure { message: "no route".into(), ..Default::default() }),
            ..Default::default()
        });
        connection.brakes.iter_mut().for_each(|brake| brake.tripped_at = at(0));
        let text = facts(&connection).join("\n");
        assert!(text.contains("tried again at 1970-01-01 00:01:00Z, 3 times in vain: no route"), "{text}");
        assert!(text.contains("tripped at 1970-01-01 00:00:00Z: 2 went, 15 allowed"), "{text}");
    }
}
