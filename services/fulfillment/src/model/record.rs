//! An order as the ledger shows it.
//!
//! The rule that must hold: a confidential value is shown only to whoever writes it (an agent that
//! pulls the order, a person who opens it in the manual provisioning list). Everywhere else, also in
//! the review, the change is there, marked sensitive, without its values.

use crate::model::Entry;
use crate::model::connection::Hold;
use provost_contract::{to_wire, types::v1 as wire};
use provost_domain::{State, Timestamp};

/// The whole record. `dependencies` are the unmet ones; the lane's predecessor is in the entry. `hold` is what
/// holds orders like it on their connection; it counts for those that would be collectable otherwise.
pub(crate) fn record(
    order: wire::Order,
    entry: &Entry,
    dependencies: &[provost_domain::OrderId],
    hold: Option<&Hold>,
    now: Timestamp,
) -> wire::OrderRecord {
    let is_next = matches!(&entry.standing.state, State::Pending { .. })
        && entry.standing.state.live_lease(now).is_none()
        && entry.standing.waits_for.is_none()
        && dependencies.is_empty();
    let hold = hold.filter(|_| is_next);
    let standing = &entry.standing;
    let state = &standing.state;
    let failure = match state {
        State::Errored { failure } => Some(failure),
        State::Pending { retry: Some(retry), .. } => Some(&retry.failure),
        _ => None,
    };
    let next_attempt_at = match state {
        State::Pending { retry: Some(retry), .. } if now < retry.at => Some(retry.at),
        _ => None,
    };
    let inactive_reason = match state {
        State::Inactive { reason } => *reason as i32,
        _ => 0,
    };
    let ticket = match state {
        State::Transmitted { ticket, .. } => ticket.clone(),
        _ => String::new(),
    };
    let lease = state.live_lease(now).map(|lease| wire::Lease {
        agent_id: lease.agent.clone(),
        attempt: count(standing.attempts),
        expires_at: Some(to_wire::timestamp(lease.until)),
    });
    let error_cause = match state {
        State::Errored { failure } => failure.cause().as_str().to_owned(),
        _ => String::new(),
    };
    let is_waiting = state.number().holds_lane();
    let ahead = standing.waits_for.iter().chain(dependencies).filter(|_| is_waiting);
    wire::OrderRecord {
        state: to_wire::state(state.number()).into(),
        inactive_reason,
        state_reason: sentence(&order, entry, dependencies, hold, now),
        failure: failure.map(to_wire::failure),
        attempts: count(standing.attempts),
        version: entry.version,
        lease,
        waits_for: ahead.map(ToString::to_string).collect(),
        next_attempt_at: next_attempt_at.map(to_wire::timestamp),
        created_at: Some(to_wire::timestamp(entry.created_at)),
        updated_at: Some(to_wire::timestamp(entry.updated_at)),
        executed_at: standing.executed_at.map(to_wire::timestamp),
        ticket,
        sequence: entry.sequence,
        error_cause,
        hold: hold.map(|hold| connection_hold(hold, &order.connection)),
        order: Some(order),
    }
}

/// What holds a connection, for the wire.
pub(crate) fn connection_hold(hold: &Hold, connection: &str) -> wire::ConnectionHold {
    let kind = match hold {
        Hold::Paused { .. } => wire::HoldKind::Paused,
        Hold::Draining { .. } => wire::HoldKind::Draining,
        Hold::Brake { .. } => wire::HoldKind::Brake,
        Hold::Breaker { .. } => wire::HoldKind::Breaker,
        Hold::Throttled { .. } => wire::HoldKind::Throttled,
        Hold::Rate { .. } => wire::HoldKind::RateLimit,
        Hold::InFlight { .. } => wire::HoldKind::InFlight,
    };
    wire::ConnectionHold {
        kind: kind.into(),
        connection: connection.to_owned(),
        message: hold.sentence(connection),
        until: hold.until().map(to_wire::timestamp),
    }
}

/// A count for the wire.
pub(crate) fn count(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// One sentence on the state, for people.
fn sentence(
    order: &wire::Order,
    entry: &Entry,
    dependencies: &[provost_domain::OrderId],
    hold: Option<&Hold>,
    now: Timestamp,
) -> String {
    let standing = &entry.standing;
    match &standing.state {
        State::Pending { retry, .. } => {
            if let Some(lease) = standing.state.live_lease(now) {
                format!("in flight at {} until {}, attempt {}", lease.agent, lease.until, standing.attempts)
            } else if let Some(before) = standing.waits_for {
                format!("waits for order {before} of the same resource")
            } else if let Some(dependency) = dependencies.first() {
                format!("waits for order {dependency}, on which it depends")
            } else if let Some(instant) = standing.held_until.filter(|instant| now < *instant) {
                format!("not before {instant}: an agent may still be writing to the same resource")
            } else if let Some(retry) = retry.as_ref().filter(|retry| now < retry.at) {
                format!("tried again at {}: {}", retry.at, retry.failure)
            } else if let Some(instant) = entry.not_before.filter(|instant| now < *instant) {
                format!("not before {instant}")
            } else if let Some(hold) = hold {
                hold.sentence(&order.connection)
            } else {
                format!("waits for an agent that serves {}", order.connection)
            }
        }
        State::Transmitted { ticket, since } if ticket.is_empty() => format!("with a person since {since}"),
        State::Transmitted { ticket, since } => format!("with a person since {since}, ticket {ticket}"),
        State::Errored { failure } => failure.to_string(),
        State::Verified => "synchronized data shows the values".to_owned(),
        State::AwaitingApproval => "waits for review".to_owned(),
        State::Inactive { reason } => reason.to_string(),
        State::Error { failure } => failure.to_string(),
        State::Executed { since } => format!("written at {since}; not yet seen in synchronized data"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::tests::an_entry;
    use crate::model::submission::tests::an_order;
    use provost_domain::{Failure, FailureClass, Lease, OrderId, Retry};

    #[test]
    fn pending_says_what_it_waits_for() {
        let at = Timestamp::from_millis;
        let order = to_wire::order(&an_order());
        let mut entry = an_entry();
        let before = OrderId::new(uuid::Uuid::nil());
        let show = |entry: &Entry| record(order.clone(), entry, &[], None, at(1_000));
        assert_eq!(show(&entry).state_reason, "waits for an agent that serves badge-desk");
        entry.standing.waits_for = Some(before);
        assert_eq!(show(&entry).waits_for, [before.to_string()]);
        entry.standing.waits_for = None;
        let hold = Hold::Throttled { until: at(9_000) };
        let held = |entry: &Entry, on: &[OrderId]| record(order.clone(), entry, on, Some(&hold), at(1_000));
        let shown = held(&entry, &[]);
        assert!(shown.state_reason.contains("badge-desk asked to be left alone"), "{}", shown.state_reason);
        assert_eq!(shown.hold.map(|hold| hold.kind()), Some(wire::HoldKind::Throttled));
        assert_eq!(held(&entry, &[before]).hold, None, "something goes before it");
        assert!(record(order.clone(), &entry, &[before], None, at(1)).state_reason.ends_with("on which it depends"));
        let retry = Retry { failure: Failure::new(FailureClass::Transport, "down"), at: at(2_000) };
        entry.standing.state = State::Pending { lease: None, retry: Some(retry) };
        assert_eq!(show(&entry).next_attempt_at, Some(to_wire::timestamp(at(2_000))));
        assert!(show(&entry).state_reason.ends_with("down"));
        let lease = Lease { agent: "agent-1".into(), until: at(1_500) };
        entry.standing.state = State::Pending { lease: Some(lease), retry: None };
        assert_eq!(show(&entry).lease.map(|lease| lease.agent_id), Some("agent-1".to_owned()));
        assert_eq!(record(order.clone(), &entry, &[], None, at(1_500)).lease, None);
    }
}
