//! A connection as it goes over the wire.

use crate::model::Connection;
use crate::model::connection::{BrakeKind, BrakeLimit, Breaker, Load, Mode};
use crate::model::record::connection_hold;
use provost_contract::fulfillment::v1 as wire;
use provost_contract::to_wire;
use provost_domain::{Failure, OrderId, Timestamp};

pub(super) fn of(
    connection: &Connection,
    load: Load,
    pending: i64,
    in_flight: u64,
    now: Timestamp,
) -> wire::Connection {
    let said = connection.said.as_ref();
    let mode = match connection.mode {
        Mode::Active => wire::ConnectionMode::Active,
        Mode::Paused => wire::ConnectionMode::Paused,
        Mode::Draining => wire::ConnectionMode::Draining,
    };
    // Of whatever kind: a deletion is the one that most can hold.
    let hold = connection.hold(load, false, true, now);
    wire::Connection {
        name: connection.name.clone(),
        mode: mode.into(),
        mode_since: said.map(|said| to_wire::timestamp(said.at)),
        mode_actor: said.map(|said| said.actor.clone()).unwrap_or_default(),
        mode_comment: said.map(|said| said.comment.clone()).unwrap_or_default(),
        limits: Some(limits(connection)),
        breaker: Some(breaker(&connection.breaker)),
        brakes: [BrakeKind::Deletions, BrakeKind::Orders].map(|kind| brake(connection, kind, now)).into(),
        throttled_until: connection.throttled_until.filter(|until| now < *until).map(to_wire::timestamp),
        hold: hold.map(|hold| connection_hold(&hold, &connection.name)),
        pending,
        in_flight: whole(in_flight),
        resources: connection.resources.map(whole),
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn limits(connection: &Connection) -> wire::ConnectionLimits {
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let brake = |BrakeLimit { count_max, percent_max }| wire::BrakeLimit {
        count_max: whole(count_max),
        percent_max: number(percent_max),
    };
    let limits = &connection.limits;
    wire::ConnectionLimits {
        per_minute: number(limits.per_minute),
        in_flight: number(limits.in_flight),
        breaker_failures: number(limits.breaker_failures),
        deletions: Some(brake(connection.deletions.limit)),
        orders: Some(brake(connection.orders.limit)),
        brake_window: prost_types::Duration::try_from(limits.brake_window).ok(),
    }
}

fn breaker(breaker: &Breaker) -> wire::Breaker {
    let troubled = |state: wire::BreakerState, since: &Timestamp, probes: &u32, failure: &Failure| wire::Breaker {
        state: state.into(),
        since: Some(to_wire::timestamp(*since)),
        probes: i32::try_from(*probes).unwrap_or(i32::MAX),
        failure: Some(to_wire::failure(failure)),
        ..Default::default()
    };
    match breaker {
        Breaker::Closed { failed } => wire::Breaker {
            state: wire::BreakerState::Closed.into(),
            failures: i32::try_from(failed.len()).unwrap_or(i32::MAX),
            ..Default::default()
        },
        Breaker::Open { since, until, probes, failure } => wire::Breaker {
            probe_at: Some(to_wire::timestamp(*until)),
            ..troubled(wire::BreakerState::Open, since, probes, failure)
        },
        Breaker::HalfOpen { since, probe, probes, failure } => wire::Breaker {
            probe_order_id: OrderId::to_string(probe),
            ..troubled(wire::BreakerState::HalfOpen, since, probes, failure)
        },
    }
}

fn brake(connection: &Connection, kind: BrakeKind, now: Timestamp) -> wire::Brake {
    let brake = connection.brake(kind);
    let on_wire = match kind {
        BrakeKind::Deletions => wire::BrakeKind::Deletions,
        BrakeKind::Orders => wire::BrakeKind::Orders,
    };
    wire::Brake {
        kind: on_wire.into(),
        counted: whole(brake.counted(connection.limits.brake_window, now)),
        allowed: brake.limit.allowed(connection.resources).map_or(0, whole),
        tripped_at: brake.tripped_at.map(to_wire::timestamp),
    }
}
