//! The nine provisioning states, and the one table that knows which step may follow which
//! (domain.md, "Transitions").
//!
//! The rule that must hold: everything that is not in the table is refused, and an event that
//! already happened changes nothing. [`transition`] matches on pairs without a wildcard, so a new
//! state or event does not compile until each pair has an answer; the whole table stands in
//! `transitions.txt` beside this file, for people, and a test keeps the two equal.

use crate::failure::{Failure, FailureClass, RuleFailure};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The numbers of the nine states. They are the wire values and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProvisioningState {
    /// Internal computation only; never stored on an order.
    None = 0,
    /// Ready, not yet handed over.
    Pending = 1,
    /// Handed over to a person or a ticket; no feedback yet.
    Transmitted = 2,
    /// The outside world failed.
    Errored = 3,
    /// Synchronized data shows the ordered values.
    Verified = 4,
    /// Blocked until a review.
    AwaitingApproval = 5,
    /// Pointless: expired, declined, cancelled or superseded.
    Inactive = 6,
    /// Our own side failed: the role model threw.
    Error = 7,
    /// Feedback said OK.
    Executed = 8,
}

impl ProvisioningState {
    /// All nine, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::None,
        Self::Pending,
        Self::Transmitted,
        Self::Errored,
        Self::Verified,
        Self::AwaitingApproval,
        Self::Inactive,
        Self::Error,
        Self::Executed,
    ];

    /// The wire value.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The state of that number.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }

    /// Nothing more can happen to the order.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Verified | Self::Inactive)
    }

    /// Later orders of the same lane wait for an order in this state. An Executed order is done for
    /// the lane though not yet verified; an Error was never going to be written.
    pub const fn holds_lane(self) -> bool {
        matches!(self, Self::Pending | Self::Transmitted | Self::Errored | Self::AwaitingApproval)
    }
}

impl fmt::Display for ProvisioningState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Pending => "Pending",
            Self::Transmitted => "Transmitted",
            Self::Errored => "Errored",
            Self::Verified => "Verified",
            Self::AwaitingApproval => "Awaiting Approval",
            Self::Inactive => "Inactive",
            Self::Error => "Error",
            Self::Executed => "Executed",
        })
    }
}

/// Why an order is Inactive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum InactiveReason {
    /// Its period was over and nothing had been written.
    Expired = 1,
    /// A reviewer declined it.
    Declined = 2,
    /// No longer needed, or given up.
    Cancelled = 3,
    /// A newer order for the same resource replaced it.
    Superseded = 4,
}

impl fmt::Display for InactiveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "expired",
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
        })
    }
}

/// Who holds an order in flight, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The agent.
    pub agent: String,
    /// When the order becomes collectable again.
    pub until: Timestamp,
}

/// The failure of the last attempt, and when the order is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// What went wrong.
    pub failure: Failure,
    /// Not collectable before this instant.
    pub at: Timestamp,
}

/// An order's state, each with what only this state needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Ready. In flight while a lease is live; after a passing failure, waits for its retry.
    Pending {
        /// Who took it last; a lease that ran out no longer counts.
        lease: Option<Lease>,
        /// The failure of the last attempt, when the next one has to wait.
        retry: Option<Retry>,
    },
    /// Handed over to a person or a ticket.
    Transmitted {
        /// The ticket's reference.
        ticket: String,
        /// Since when.
        since: Timestamp,
    },
    /// The outside world failed.
    Errored {
        /// How.
        failure: Failure,
    },
    /// Seen in synchronized data.
    Verified,
    /// Blocked until a review.
    AwaitingApproval,
    /// Pointless.
    Inactive {
        /// Why.
        reason: InactiveReason,
    },
    /// The role model threw.
    Error {
        /// How.
        failure: RuleFailure,
    },
    /// Feedback said OK.
    Executed {
        /// Since when.
        since: Timestamp,
    },
}

impl State {
    /// The state's number.
    pub const fn number(&self) -> ProvisioningState {
        match self {
            Self::Pending { .. } => ProvisioningState::Pending,
            Self::Transmitted { .. } => ProvisioningState::Transmitted,
            Self::Errored { .. } => ProvisioningState::Errored,
            Self::Verified => ProvisioningState::Verified,
            Self::AwaitingApproval => ProvisioningState::AwaitingApproval,
            Self::Inactive { .. } => ProvisioningState::Inactive,
            Self::Error { .. } => ProvisioningState::Error,
            Self::Executed { .. } => ProvisioningState::Executed,
        }
    }

    /// The lease, if it is live at `now`.
    pub fn live_lease(&self, now: Timestamp) -> Option<&Lease> {
        match self {
            Self::Pending { lease: Some(lease), .. } if now < lease.until => Some(lease),
            _ => None,
        }
    }

    /// Where a new order starts (domain.md, first four rows of the table).
    pub fn initial(order: &super::Order) -> Self {
        if let Some(failure) = &order.rule_failure {
            Self::Error { failure: failure.clone() }
        } else if order.expired {
            Self::Inactive { reason: InactiveReason::Expired }
        } else if order.block_causes.is_empty() {
            Self::ready()
        } else {
            Self::AwaitingApproval
        }
    }

    /// Pending, held by nobody, not tried yet.
    pub const fn ready() -> Self {
        Self::Pending { lease: None, retry: None }
    }
}

/// What can happen to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// All required approvals were given.
    Approved,
    /// A reviewer declined.
    Declined,
    /// A reviewer postponed.
    Postponed,
    /// An agent takes the order; its attempt becomes the order's next.
    Leased {
        /// Who, and until when.
        lease: Lease,
    },
    /// The package accepted it, feedback follows.
    HandedOver {
        /// The attempt that says so.
        attempt: u32,
        /// The ticket's reference.
        ticket: String,
    },
    /// The package wrote it, or found it written.
    Executed {
        /// The attempt that says so.
        attempt: u32,
    },
    /// The package failed for good.
    Failed {
        /// The attempt that says so.
        attempt: u32,
        /// How.
        failure: Failure,
    },
    /// The package failed in passing, and retries are left.
    Retried {
        /// The attempt that says so.
        attempt: u32,
        /// How, and when it is tried again.
        retry: Retry,
        /// It is one of the failures in a row that make an order Errored. Not so when the managed system asked
        /// to slow down, nor while its connection is known to be broken: neither says anything of the order.
        counted: bool,
    },
    /// An agent gives the order back that it took and did not begin; nothing was written.
    Returned {
        /// The attempt that it was taken under.
        attempt: u32,
    },
    /// A person confirmed, or the ticket was closed.
    Confirmed,
    /// A person reported an error, or the ticket was cancelled.
    ErrorReported {
        /// What was reported.
        failure: Failure,
    },
    /// The validity period is over without verification.
    ValidityOver,
    /// A reviewer unblocked it.
    Unblocked {
        /// Not collectable before this instant, when many are unblocked little by little.
        at: Option<Timestamp>,
    },
    /// Synchronized data shows the ordered values.
    Verified {
        /// When the export began that showed them.
        export_started_at: Timestamp,
    },
    /// A newer order for the same resource replaces it.
    Superseded,
    /// No longer needed, or given up.
    Cancelled,
    /// The rule or the data behind an Error was mended, and it was evaluated again.
    Reevaluated,
}

impl Event {
    /// The event's name, for messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Postponed => "postponed",
            Self::Leased { .. } => "leased",
            Self::HandedOver { .. } => "handed over",
            Self::Executed { .. } => "executed",
            Self::Failed { .. } => "failed",
            Self::Retried { .. } => "retried",
            Self::Returned { .. } => "returned",
            Self::Confirmed => "confirmed",
            Self::ErrorReported { .. } => "error reported",
            Self::ValidityOver => "validity over",
            Self::Unblocked { .. } => "unblocked",
            Self::Verified { .. } => "verified",
            Self::Superseded => "superseded",
            Self::Cancelled => "cancelled",
            Self::Reevaluated => "evaluated again",
        }
    }
}

/// The facts about an order, beside its state, that the table asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// When the generator decided the order.
    pub generated_at: Timestamp,
    /// How many times an agent took it: the number of the newest attempt.
    pub attempts: u32,
}

/// What the table answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The order moves (or, postponed, stays and the decision is recorded).
    To(State),
    /// It already happened: success, nothing changes, nothing is recorded.
    Already,
    /// Late feedback of an older attempt, or on an order that is over: recorded, nothing changes.
    Late,
}

/// Why the table refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The state has no such step.
    #[error("an order that is {state} cannot be {event}")]
    WrongState {
        /// Where the order stands.
        state: ProvisioningState,
        /// What was asked.
        event: &'static str,
    },
    /// An agent holds it.
    #[error("an order in flight at {agent} cannot be {event}")]
    InFlight {
        /// Who holds it.
        agent: String,
        /// What was asked.
        event: &'static str,
    },
    /// The export began before the order was generated.
    #[error("an export that started at {export_started_at} cannot verify an order generated at {generated_at}")]
    StaleExport {
        /// When the export began.
        export_started_at: Timestamp,
        /// When the order was generated.
        generated_at: Timestamp,
    },
    /// Feedback for an attempt that was never leased.
    #[error("attempt {attempt} was never leased; the newest is {newest}")]
    UnknownAttempt {
        /// The attempt in the feedback.
        attempt: u32,
        /// The newest attempt.
        newest: u32,
    },
    /// The retry after a passing failure is not due.
    #[error("the order is tried again at {at}, not before")]
    NotDue {
        /// When it is.
        at: Timestamp,
    },
}

/// The table: what becomes of an order in `state` when `event` happens at `now`.
///
/// # Errors
/// [`Refused`] for every pair that is not in the table of domain.md.
pub fn transition(facts: Facts, state: &State, event: &Event, now: Timestamp) -> Result<Transition, Refused> {
    use State as S;
    use Transition::{Already, Late, To};
    let refused = || Err(Refused::WrongState { state: state.number(), event: event.name() });
    let unless_in_flight = |to: S| match state.live_lease(now) {
        Some(lease) => Err(Refused::InFlight { agent: lease.agent.clone(), event: event.name() }),
        None => Ok(To(to)),
    };
    let inactive = |reason| S::Inactive { reason };
    match event {
        Event::Approved => match state {
            S::AwaitingApproval => Ok(To(S::ready())),
            S::Pending { .. } | S::Transmitted { .. } | S::Errored { .. } | S::Verified | S::Executed { .. } => {
                Ok(Already)
            }
            S::Inactive { .. } | S::Error { .. } => refused(),
        },
        Event::Declined => match state {
            S::AwaitingApproval => Ok(To(inactive(InactiveReason::Declined))),
            S::Inactive { reason: InactiveReason::Declined } => Ok(Already),
            S::Pending { .. }
            | S::Transmitted { .. }
            | S::Errored { .. }
            | S::Verified
            | S::Inactive { .. }
            | S::Error { .. }
            | S::Executed { .. } => refused(),
        },
        Event::Postponed => match state {
            S::AwaitingApproval => Ok(To(S::AwaitingApproval)),
            S::Pending { .. }
            | S::Transmitted { .. }
            | S::Errored { .. }
            | S::Verified
            | S::Inactive { .. }
            | S::Error { .. }
            | S::Executed { .. } => refused(),
        },
        Event::Leased { lease } => match state {
            S::Pending { retry: Some(retry), .. } if now < retry.at => Err(Refused::NotDue { at: retry.at }),
            S::Pending { retry, .. } => {
                unless_in_flight(S::Pending { lease: Some(lease.clone()), retry: retry.clone() })
            }
            S::Transmitted { .. }
            | S::Errored { .. }
            | S::Verified
            | S::AwaitingApproval
            | S::Inactive { .. }
            | S::Error { .. }
            | S::Executed { .. } => refused(),
        },
        Event::HandedOver { attempt, .. }
        | Event::Failed { attempt, .. }
        | Event::Retried { attempt, .. }
        | Event::Returned { attempt }
        | Event::Executed { attempt }
            if *attempt == 0 || *attempt > facts.attempts =>
        {
            Err(Refused::UnknownAttempt { attempt: *attempt, newest: facts.attempts })
        }
        Event::HandedOver { attempt, ticket } => match state {
            S::Pending { lease: Some(_), .. } if *attempt == facts.attempts => {
                Ok(To(S::Transmitted { ticket: ticket.clone(), since: now }))
            }
            S::Transmitted { .. } => Ok(Already),
            S::Pending { .. } | S::Errored { .. } | S::Verified | S::Inactive { .. } | S::Executed { .. } => Ok(Late),
            S::AwaitingApproval | S::Error { .. } => refused(),
        },
        // Executed is the truth about the managed system, whichever attempt says it.
        Event::Executed { .. } => match state {
            S::Pending { .. } | S::Transmitted { .. } | S::Errored { .. } => Ok(To(S::Executed { since: now })),
            S::Executed { .. } | S::Verified => Ok(Already),
            S::Inactive { .. } => Ok(Late),
            S::AwaitingApproval | S::Error { .. } => refused(),
        },
        Event::Failed { attempt, failure } => match state {
            S::Pending { lease: Some(_), .. } | S::Transmitted { .. } if *attempt == facts.attempts => {
                Ok(To(S::Errored { failure: failure.clone() }))
            }
            S::Errored { .. } if *attempt == facts.attempts => Ok(Already),
            S::Pending { .. }
            | S::Transmitted { .. }
            | S::Errored { .. }
            | S::Verified
            | S::Inactive { .. }
            | S::Executed { .. } => Ok(Late),
            S::AwaitingApproval | S::Error { .. } => refused(),
        },
        Event::Retried { attempt, retry, .. } => match state {
            S::Pending { lease: Some(_), .. } if *attempt == facts.attempts => {
                Ok(To(S::Pending { lease: None, retry: Some(retry.clone()) }))
            }
            S::Pending { retry: Some(_), .. } if *attempt == facts.attempts => Ok(Already),
            S::Pending { .. }
            | S::Transmitted { .. }
            | S::Errored { .. }
            | S::Verified
            | S::Inactive { .. }
            | S::Executed { .. } => Ok(Late),
            S::AwaitingApproval | S::Error { .. } => refused(),
        },
        // The next attempt has a number of its own: what was given back and is begun after all is known as late.
        Event::Returned { attempt } => match state {
            S::Pending { lease: Some(_), retry } if *attempt == facts.attempts => {
                Ok(To(S::Pending { lease: None, retry: retry.clone() }))
            }
            S::Pending { .. }
            | S::Transmitted { .. }
            | S::Errored { .. }
            | S::Verified
            | S::Inactive { .. }
            | S::Executed { .. } => Ok(Already),
            S::AwaitingApproval | S::Error { .. } => refused(),
        },
        Event::Confirmed => match state {
            S::Transmitted { .. } => Ok(To(S::Executed { since: now })),
            S::Executed { .. } | S::Verified => Ok(Already),
            S::Pending { .. } | S::Errored { .. } | S::AwaitingApproval | S::Inactive { .. } | S::Error { .. } => {
                refused()
            }
        },
        Event::ErrorReported { failure } => match state {
            S::Transmitted { .. } => Ok(To(S::Errored { failure: failure.clone() })),
            S::Errored { .. } => Ok(Already),
            S::Pending { .. }
            | S::Verified
            | S::AwaitingApproval
            | S::Inactive { .. }
            | S::Error { .. }
            | S::Executed { .. } => refused(),
        },
        Event::ValidityOver => match state {
            S::Transmitted { .. } | S::Executed { .. } => Ok(To(S::Errored {
                failure: Failure {
                    hint: "check the managed system, then unblock the order to write it again, or cancel it".into(),
                    ..Failure::new(
                        FailureClass::Unknown,
                        "the validity period is over and no synchronization has shown the values",
                    )
                },
            })),
            S::Errored { .. } => Ok(Already),
            S::Pending { .. } | S::Verified | S::AwaitingApproval | S::Inactive { .. } | S::Error { .. } => refused(),
        },
        Event::Unblocked { at } => match state {
            S::Errored { failure } => {
                let retry = at.map(|at| Retry { failure: failure.clone(), at });
                Ok(To(S::Pending { lease: None, retry }))
            }
            S::Pending { .. } => Ok(Already),
            S::Transmitted { .. }
            | S::Verified
            | S::AwaitingApproval
            | S::Inactive { .. }
            | S::Error { .. }
            | S::Executed { .. } => refused(),
        },
        Event::Verified { export_started_at } => match state {
            S::Pending { .. }
            | S::Transmitted { .. }
            | S::Errored { .. }
            | S::AwaitingApproval
            | S::Executed { .. } => {
                if *export_started_at > facts.generated_at {
                    Ok(To(S::Verified))
                } else {
                    Err(Refused::StaleExport {
                        export_started_at: *export_started_at,
                        generated_at: facts.generated_at,
                    })
                }
            }
            S::Verified => Ok(Already),
            S::Inactive { .. } | S::Error { .. } => refused(),
        },
        Event::Superseded => match state {
            S::Pending { .. } | S::Errored { .. } | S::AwaitingApproval | S::Error { .. } => {
                unless_in_flight(inactive(InactiveReason::Superseded))
            }
            S::Inactive { reason: InactiveReason::Superseded } => Ok(Already),
            S::Transmitted { .. } | S::Verified | S::Inactive { .. } | S::Executed { .. } => refused(),
        },
        Event::Cancelled => match state {
            S::Pending { .. } | S::Errored { .. } | S::AwaitingApproval => {
                unless_in_flight(inactive(InactiveReason::Cancelled))
            }
            S::Inactive { reason: InactiveReason::Cancelled } => Ok(Already),
            S::Transmitted { .. } | S::Verified | S::Inactive { .. } | S::Error { .. } | S::Executed { .. } => {
                refused()
            }
        },
        Event::Reevaluated => match state {
            S::Error { .. } => Ok(To(inactive(InactiveReason::Superseded))),
            S::Inactive { reason: InactiveReason::Superseded } => Ok(Already),
            S::Pending { .. }
            | S::Transmitted { .. }
            | S::Errored { .. }
            | S::Verified
            | S::AwaitingApproval
            | S::Inactive { .. }
            | S::Executed { .. } => refused(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::tests::an_order;
    use proptest::prelude::*;
    use std::fmt::Write as _;

    const NOW: Timestamp = Timestamp::from_millis(10_000);
    const FACTS: Facts = Facts { generated_at: Timestamp::from_millis(5_000), attempts: 2 };

    fn failure() -> Failure {
        Failure::new(FailureClass::Refused, "no")
    }

    fn lease(until: i64) -> Lease {
        Lease { agent: "agent-1".into(), until: Timestamp::from_millis(until) }
    }

    fn retry(at: i64) -> Retry {
        Retry { failure: Failure::new(FailureClass::Transport, "down"), at: Timestamp::from_millis(at) }
    }

    /// Every state, and within Pending and Inactive every variety that the table tells apart.
    fn states() -> Vec<(&'static str, State)> {
        let inactive = |reason| State::Inactive { reason };
        vec![
            ("1 Pending", State::ready()),
            ("1 Pending, in flight", State::Pending { lease: Some(lease(20_000)), retry: None }),
            ("1 Pending, lease ran out", State::Pending { lease: Some(lease(9_000)), retry: None }),
            ("1 Pending, retry not due", State::Pending { lease: None, retry: Some(retry(11_000)) }),
            ("1 Pending, retry due", State::Pending { lease: None, retry: Some(retry(9_000)) }),
            ("2 Transmitted", State::Transmitted { ticket: "T-1".into(), since: NOW }),
            ("3 Errored", State::Errored { failure: failure() }),
            ("4 Verified", State::Verified),
            ("5 Awaiting Approval", State::AwaitingApproval),
            ("6 Inactive, expired", inactive(InactiveReason::Expired)),
            ("6 Inactive, declined", inactive(InactiveReason::Declined)),
            ("6 Inactive, cancelled", inactive(InactiveReason::Cancelled)),
            ("6 Inactive, superseded", inactive(InactiveReason::Superseded)),
            (
                "7 Error",
                State::Error {
                    failure: RuleFailure {
                        rule: "r".into(),
                        property: None,
                        input: String::new(),
                        message: "m".into(),
                    },
                },
            ),
            ("8 Executed", State::Executed { since: NOW }),
        ]
    }

    fn events() -> Vec<(&'static str, Event)> {
        vec![
            ("approved", Event::Approved),
            ("declined", Event::Declined),
            ("postponed", Event::Postponed),
            ("leased", Event::Leased { lease: lease(30_000) }),
            ("handed over, newest attempt", Event::HandedOver { attempt: 2, ticket: "T-1".into() }),
            ("handed over, older attempt", Event::HandedOver { attempt: 1, ticket: "T-1".into() }),
            ("executed, newest attempt", Event::Executed { attempt: 2 }),
            ("executed, older attempt", Event::Executed { attempt: 1 }),
            ("executed, unknown attempt", Event::Executed { attempt: 3 }),
            ("failed, newest attempt", Event::Failed { attempt: 2, failure: failure() }),
            ("failed, older attempt", Event::Failed { attempt: 1, failure: failure() }),
            ("retried, newest attempt", Event::Retried { attempt: 2, retry: retry(11_000), counted: true }),
            ("retried, older attempt", Event::Retried { attempt: 1, retry: retry(11_000), counted: true }),
            ("returned, newest attempt", Event::Returned { attempt: 2 }),
            ("returned, older attempt", Event::Returned { attempt: 1 }),
            ("returned, unknown attempt", Event::Returned { attempt: 3 }),
            ("confirmed", Event::Confirmed),
            ("error reported", Event::ErrorReported { failure: failure() }),
            ("validity over", Event::ValidityOver),
            ("unblocked", Event::Unblocked { at: None }),
            ("unblocked, from an instant on", Event::Unblocked { at: Some(Timestamp::from_millis(11_000)) }),
            ("verified, export after", Event::Verified { export_started_at: Timestamp::from_millis(6_000) }),
            ("verified, export before", Event::Verified { export_started_at: Timestamp::from_millis(5_000) }),
            ("superseded", Event::Superseded),
            ("cancelled", Event::Cancelled),
            ("evaluated again", Event::Reevaluated),
        ]
    }

    fn answer(result: &Result<Transition, Refused>) -> String {
        match result {
            Ok(Transition::To(State::Inactive { reason })) => format!("-> 6 {reason}"),
            Ok(Transition::To(state)) => format!("-> {} {}", state.number().number(), state.number()),
            Ok(Transition::Already) => "already so".into(),
            Ok(Transition::Late) => "late: recorded".into(),
            Err(refused) => format!(
                "refused: {}",
                match refused {
                    Refused::WrongState { .. } => "wrong state",
                    Refused::InFlight { .. } => "in flight",
                    Refused::StaleExport { .. } => "stale export",
                    Refused::UnknownAttempt { .. } => "unknown attempt",
                    Refused::NotDue { .. } => "not due",
                }
            ),
        }
    }

    #[test]
    fn whole_table_is_the_reviewed_one() {
        let mut table = String::new();
        for (event_name, event) in events() {
            let _ = writeln!(table, "{event_name}");
            for (state_name, state) in states() {
                let _ = writeln!(table, "    {state_name:<26} {}", answer(&transition(FACTS, &state, &event, NOW)));
            }
        }
        if std::env::var_os("UPDATE_TABLE").is_some() {
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/order/transitions.txt");
            assert!(std::fs::write(file, &table).is_ok(), "{file} cannot be written");
        }
        let reviewed = include_str!("transitions.txt");
        assert_eq!(table, reviewed, "the table changed: review it, then run with UPDATE_TABLE=1");
    }

    #[test]
    fn only_the_steps_of_the_table_move_an_order() {
        // domain.md, "Transitions", as (from, to) pairs of numbers.
        let allowed = [
            (5, 1),
            (5, 6),
            (5, 5),
            (1, 1),
            (1, 2),
            (1, 8),
            (1, 3),
            (2, 8),
            (2, 3),
            (8, 3),
            (3, 1),
            (3, 6),
            (3, 8),
            (1, 4),
            (2, 4),
            (3, 4),
            (5, 4),
            (8, 4),
            (1, 6),
            (7, 6),
        ];
        for (_, state) in states() {
            for (_, event) in events() {
                if let Ok(Transition::To(to)) = transition(FACTS, &state, &event, NOW) {
                    let step = (state.number().number(), to.number().number());
                    assert!(allowed.contains(&step), "{step:?} by {}", event.name());
                }
            }
        }
    }

    #[test]
    fn final_states_never_move() {
        for (name, state) in states().into_iter().filter(|(_, state)| state.number().is_final()) {
            for (_, event) in events() {
                let result = transition(FACTS, &state, &event, NOW);
                assert!(!matches!(result, Ok(Transition::To(_))), "{name} moved by {}", event.name());
            }
        }
    }

    #[test]
    fn new_orders_start_where_the_table_says() {
        let mut order = an_order();
        assert_eq!(State::initial(&order).number(), ProvisioningState::Pending);
        order.block_causes = vec![super::super::BlockCause::ResourceType];
        assert_eq!(State::initial(&order).number(), ProvisioningState::AwaitingApproval);
        order.expired = true;
        assert_eq!(State::initial(&order), State::Inactive { reason: InactiveReason::Expired });
        order.rule_failure =
            Some(RuleFailure { rule: "r".into(), property: None, input: String::new(), message: "m".into() });
        assert_eq!(State::initial(&order).number(), ProvisioningState::Error);
    }

    proptest! {
        /// Whatever happened before: an event that moved the order, repeated at once, changes
        /// nothing. A lease is the exception that proves it: the second taker is refused.
        #[test]
        fn repeating_an_event_changes_nothing(
            state in 0..states().len(),
            first in 0..events().len(),
        ) {
            let (_, state) = states().swap_remove(state);
            let (_, event) = events().swap_remove(first);
            if let Ok(Transition::To(moved)) = transition(FACTS, &state, &event, NOW) {
                match transition(FACTS, &moved, &event, NOW) {
                    Ok(Transition::To(again)) => prop_assert_eq!(again, moved),
                    Ok(Transition::Already | Transition::Late) => {}
                    Err(refused) => prop_assert!(matches!(refused, Refused::InFlight { .. }), "{}", refused),
                }
            }
        }

        /// Any sequence of events keeps to the states of the table, and never leaves a final one.
        #[test]
        fn random_lives_end_and_stay_ended(steps in proptest::collection::vec(0..events().len(), 1..60)) {
            let mut state = State::AwaitingApproval;
            for step in steps {
                let (_, event) = events().swap_remove(step);
                let before = state.number();
                if let Ok(Transition::To(next)) = transition(FACTS, &state, &event, NOW) {
                    prop_assert!(!before.is_final());
                    state = next;
                }
                prop_assert_ne!(state.number(), ProvisioningState::None);
            }
        }
    }
}
