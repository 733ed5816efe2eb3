//! Which verdict is allowed in which state of a review.
//!
//! The rule that must hold: an approved, declined or withdrawn review never changes again, and
//! saying the same again is success without a change.

use super::{Review, State, Verdict, Wish};
use std::fmt;
use uuid::Uuid;

/// Why a decision is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Somebody else was faster.
    Changed { review: Uuid, seen: i64, now: i64 },
    /// Somebody else asked for the review.
    NotAsked { review: Uuid, asked: String, actor: String },
    /// The review is closed.
    Closed { review: Uuid, action: &'static str, state: State },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { review, seen, now } => {
                write!(f, "review {review} has changed: it is at version {now}, and version {seen} was given")
            }
            Self::NotAsked { review, asked, actor } => write!(
                f,
                "review {review} was requested by {asked}, who alone can withdraw it, and not {actor}; decline it instead"
            ),
            Self::Closed { review, action, state } => {
                write!(f, "cannot {action} review {review}: it is {}, must be open or postponed", state.name())
            }
        }
    }
}

enum Step {
    To(State),
    Already,
    Refused,
}

const fn step(state: State, verdict: Verdict) -> Step {
    match (state, verdict) {
        (State::Open | State::Postponed, Verdict::Approve) => Step::To(State::Approved),
        (State::Open | State::Postponed, Verdict::Decline) => Step::To(State::Declined),
        (State::Open | State::Postponed, Verdict::Postpone) => Step::To(State::Postponed),
        (State::Approved, Verdict::Approve) | (State::Declined, Verdict::Decline) => Step::Already,
        (State::Approved, Verdict::Decline | Verdict::Postpone)
        | (State::Declined, Verdict::Approve | Verdict::Postpone)
        | (State::Withdrawn, Verdict::Approve | Verdict::Decline | Verdict::Postpone) => Step::Refused,
    }
}

/// The state that a wish leads to; none when it was said already.
///
/// # Errors
/// When the review has changed since it was seen, or is closed.
pub(crate) fn decide(review: &Review, wish: &Wish) -> Result<Option<State>, Refusal> {
    let step = step(review.state, wish.verdict);
    // Asked first, because a repeated call carries the version from before its own decision.
    if matches!(step, Step::Already) || is_repeated(review, wish) {
        return Ok(None);
    }
    if let Some(seen) = wish.seen.filter(|seen| *seen != review.version) {
        return Err(Refusal::Changed { review: review.id, seen, now: review.version });
    }
    match step {
        Step::To(state) => Ok(Some(state)),
        Step::Already | Step::Refused => Err(closed(review, wish.verdict.name())),
    }
}

/// A postponed review can be postponed again, by somebody else or in other words; the same words
/// of the same person are a repeated call.
fn is_repeated(review: &Review, wish: &Wish) -> bool {
    review.state == State::Postponed
        && review.decisions.last().is_some_and(|last| {
            (last.verdict, &last.actor, &last.comment) == (wish.verdict, &wish.actor, &wish.comment)
        })
}

/// The state that withdrawing leads to; none when it was withdrawn already. Only who asked can
/// withdraw: the feed does not tell of it, so an order withdrawn by another would wait for ever.
///
/// # Errors
/// When the review was approved or declined, or somebody else asked for it.
pub(crate) fn withdraw(review: &Review, actor: &str) -> Result<Option<State>, Refusal> {
    if review.requested_by != actor {
        let (asked, actor) = (review.requested_by.clone(), actor.to_owned());
        return Err(Refusal::NotAsked { review: review.id, asked, actor });
    }
    match review.state {
        State::Open | State::Postponed => Ok(Some(State::Withdrawn)),
        State::Withdrawn => Ok(None),
        State::Approved | State::Declined => Err(closed(review, "withdraw")),
    }
}

const fn closed(review: &Review, action: &'static str) -> Refusal {
    Refusal::Closed { review: review.id, action, state: review.state }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::Decision;
    use provost_contract::types::v1::Order;
    use provost_domain::Timestamp;

    fn review(state: State) -> Review {
        Review {
            sequence: 1,
            id: Uuid::from_u128(7),
            state,
            order: Order::default(),
            decisions: vec![],
            version: 3,
            requested_by: "fulfillment".into(),
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        }
    }

    fn wish(verdict: Verdict, seen: Option<i64>) -> Wish {
        Wish { review: Uuid::from_u128(7), verdict, comment: "because".into(), seen, actor: "ada".into() }
    }

    #[test]
    fn whole_table() {
        let mut table = String::new();
        for state in State::ALL {
            let of = |answer: Result<Option<State>, Refusal>| match answer {
                Ok(Some(to)) => to.name(),
                Ok(None) => "same",
                Err(_) => "refused",
            };
            let [approve, decline, postpone] =
                Verdict::ALL.map(|verdict| of(decide(&review(state), &wish(verdict, None))));
            let withdraw = of(withdraw(&review(state), "fulfillment"));
            table += &format!("{}: {approve} {decline} {postpone} {withdraw}\n", state.name());
        }
        let expected = "\
            open: approved declined postponed withdrawn\n\
            postponed: approved declined postponed withdrawn\n\
            approved: same refused refused refused\n\
            declined: refused same refused refused\n\
            withdrawn: refused refused refused same\n";
        assert_eq!(table, expected);
    }

    #[test]
    fn stale_version_is_refused_with_both_versions() {
        let refusal = decide(&review(State::Open), &wish(Verdict::Approve, Some(2))).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "review 00000000-0000-0000-0000-000000000007 has changed: it is at version 3, and version 2 was given"
        );
        assert_eq!(decide(&review(State::Open), &wish(Verdict::Approve, Some(3))), Ok(Some(State::Approved)));
    }

    #[test]
    fn repeated_decision_succeeds_although_its_version_is_stale() {
        assert_eq!(decide(&review(State::Approved), &wish(Verdict::Approve, Some(2))), Ok(None));
        assert_eq!(decide(&review(State::Declined), &wish(Verdict::Decline, Some(2))), Ok(None));
    }

    #[test]
    fn same_words_postpone_once_and_others_again() {
        let mut review = review(State::Postponed);
        review.decisions.push(Decision {
            cursor: 1,
            review: review.id,
            order_id: String::new(),
            verdict: Verdict::Postpone,
            actor: "ada".into(),
            comment: "because".into(),
            at: Timestamp::from_millis(0),
        });
        let again = wish(Verdict::Postpone, None);
        assert_eq!(decide(&review, &again), Ok(None));
        let bob = Wish { actor: "bob".into(), ..again.clone() };
        assert_eq!(decide(&review, &bob), Ok(Some(State::Postponed)));
        let other = Wish { comment: "ask the owner".into(), ..again };
        assert_eq!(decide(&review, &other), Ok(Some(State::Postponed)));
    }

    #[test]
    fn only_who_asked_can_withdraw() {
        let refusal = withdraw(&review(State::Open), "ada").unwrap_err();
        assert!(refusal.to_string().ends_with("and not ada; decline it instead"), "{refusal}");
    }

    #[test]
    fn closed_review_names_its_state_and_what_was_tried() {
        let refusal = decide(&review(State::Declined), &wish(Verdict::Approve, None)).unwrap_err();
        assert!(refusal.to_string().starts_with("cannot approve review 00000000-"), "{refusal}");
        assert!(refusal.to_string().ends_with("it is declined, must be open or postponed"), "{refusal}");
    }
}
