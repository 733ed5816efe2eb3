//! What a review is, and who may say what in which of its states. Pure.
//!
//! The order under review is kept and shown as it was delivered, since nothing here is decided by
//! its content; that is why the message of the contract is used for it.

mod rules;
mod subject;

pub(crate) use rules::{Refusal, decide, withdraw};
pub(crate) use subject::is_same;

use provost_contract::types::v1::Order;
use provost_domain::Timestamp;
use uuid::Uuid;

/// Where a review stands. The numbers are those of the wire and of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open = 1,
    Postponed = 2,
    Approved = 3,
    Declined = 4,
    Withdrawn = 5,
}

impl State {
    pub(crate) const ALL: [Self; 5] = [Self::Open, Self::Postponed, Self::Approved, Self::Declined, Self::Withdrawn];
    /// The states that wait for a decision.
    pub(crate) const WAITING: [Self; 2] = [Self::Open, Self::Postponed];

    pub(crate) const fn number(self) -> i32 {
        self as i32
    }

    pub(crate) fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Postponed => "postponed",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// What a reviewer can say. The numbers are those of the wire and of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Approve = 1,
    Decline = 2,
    Postpone = 3,
}

impl Verdict {
    pub(crate) const ALL: [Self; 3] = [Self::Approve, Self::Decline, Self::Postpone];

    pub(crate) const fn number(self) -> i32 {
        self as i32
    }

    pub(crate) fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.number() == number)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Decline => "decline",
            Self::Postpone => "postpone",
        }
    }
}

/// One decision that was made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decision {
    pub(crate) cursor: i64,
    pub(crate) review: Uuid,
    pub(crate) order_id: String,
    pub(crate) verdict: Verdict,
    pub(crate) actor: String,
    pub(crate) comment: String,
    pub(crate) at: Timestamp,
}

/// One review, with the decisions so far, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Review {
    /// Grows with every review; lists go by it.
    pub(crate) sequence: i64,
    pub(crate) id: Uuid,
    pub(crate) state: State,
    pub(crate) order: Order,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) version: i64,
    pub(crate) requested_by: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What somebody wants to say on a review.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) review: Uuid,
    pub(crate) verdict: Verdict,
    pub(crate) comment: String,
    /// The version that the reviewer saw; none skips the check.
    pub(crate) seen: Option<i64>,
    pub(crate) actor: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_contract::review::v1 as wire;

    #[test]
    fn numbers_are_those_of_the_wire() {
        for state in State::ALL {
            let name = wire::ReviewState::try_from(state.number()).map(|state| state.as_str_name().to_lowercase());
            assert_eq!(name, Ok(format!("review_state_{}", state.name())));
            assert_eq!(State::from_number(state.number()), Some(state));
        }
        for verdict in Verdict::ALL {
            let name = wire::Verdict::try_from(verdict.number()).map(|verdict| verdict.as_str_name().to_lowercase());
            assert_eq!(name, Ok(format!("verdict_{}", verdict.name())));
            assert_eq!(Verdict::from_number(verdict.number()), Some(verdict));
        }
        assert_eq!((State::from_number(0), Verdict::from_number(0)), (None, None));
    }
}
