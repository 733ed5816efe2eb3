//! What a review is, and who may say what in which of its states. Pure.
//!
//! What is under review is kept and shown as it was delivered, since hardly anything here is decided by
//! its content; that is why the messages of the contract are used for it.

mod rules;
mod subject;

pub(crate) use rules::{Refusal, decide, withdraw};
pub(crate) use subject::{Subject, SubjectKind};

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
    /// The order that the review is about; empty when it is about something else.
    pub(crate) order_id: String,
    pub(crate) kind: SubjectKind,
    /// At which step, counted from 1.
    pub(crate) step: u32,
    pub(crate) verdict: Verdict,
    /// The review is over by it.
    pub(crate) is_complete: bool,
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
    pub(crate) subject: Subject,
    /// How many must approve, one after the other, each another person.
    pub(crate) approvals_required: u32,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) version: i64,
    pub(crate) requested_by: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Review {
    /// How many approved.
    pub(crate) fn approvals_given(&self) -> u32 {
        self.approvals().count() as u32
    }

    /// The step that a decision now would be taken at, counted from 1.
    pub(crate) fn step(&self) -> u32 {
        (self.approvals_given() + 1).min(self.approvals_required)
    }

    fn approvals(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|decision| decision.verdict == Verdict::Approve)
    }
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
