//! Which verdict is allowed in which state of a review.
//!
//! The rules that must hold: an approved, declined or withdrawn review never changes again, and
//! saying the same again is success without a change; who asked for something does not approve it, and
//! nobody approves two steps of it.

use super::{Review, State, Verdict, Wish};
use provost_domain::workflow::AUTOMATION;
use std::fmt;
use uuid::Uuid;

/// Why a decision is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Somebody else was faster.
    Changed { review: Uuid, seen: i64, now: i64 },
    /// Somebody else asked for the review.
    NotAsked { review: Uuid, asked: String, actor: String },
    /// What a person asked for is another person's to approve.
    OwnRequest { review: Uuid, actor: String },
    /// Each step is another person's.
    ApprovedBefore { review: Uuid, actor: String, step: u32, waiting: u32, required: u32 },
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
            Self::OwnRequest { review, actor } => {
                write!(f, "cannot approve review {review}: {actor} asked for it, so somebody else must approve")
            }
            Self::ApprovedBefore { review, actor, step, waiting, required } => write!(
                f,
                "cannot approve review {review}: {actor} approved step {step} of {required}, so somebody else must \
                 approve step {waiting}"
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

/// The state that a wish leads to; none when it was said already. An approval with others to come leads
/// to open.
///
/// # Errors
/// When the review has changed since it was seen, is closed, or its step is somebody else's to approve.
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
        Step::To(State::Approved) => {
            refuse_two_eyes(review, &wish.actor)?;
            let is_last = review.approvals_given() + 1 >= review.approvals_required;
            Ok(Some(if is_last { State::Approved } else { State::Open }))
        }
        Step::To(state) => Ok(Some(state)),
        Step::Already | Step::Refused => Err(closed(review, wish.verdict.name())),
    }
}

/// Four eyes: what a person asked for takes another person, and each step one more. Rules that decide
/// instead of people are no person; whoever wrote them knows the steps.
fn refuse_two_eyes(review: &Review, actor: &str) -> Result<(), Refusal> {
    if actor == AUTOMATION {
        return Ok(());
    }
    let Some(asked_by) = review.subject.asked_by() else { return Ok(()) };
    if asked_by == actor {
        return Err(Refusal::OwnRequest { review: review.id, actor: actor.to_owned() });
    }
    match review.approvals().find(|approval| approval.actor == actor) {
        Some(before) => Err(Refusal::ApprovedBefore {
            review: review.id,
            actor: actor.to_owned(),
            step: before.step,
            waiting: review.step(),
            required: review.approvals_required,
        }),
        None => Ok(()),
    }
}

/// The same words of the same person, with nothing said in between, are a repeated call. A postponed review
/// can be postponed again, by somebody else or in other words. An approval of one step of several is told from
/// a wish to approve the next one by the version: a repeated call carries that from before its own decision.
fn is_repeated(review: &Review, wish: &Wish) -> bool {
    let is_open = match (review.state, wish.verdict) {
        (State::Postponed, Verdict::Postpone) => true,
        (State::Open, Verdict::Approve) => wish.seen == Some(review.version - 1),
        _ => false,
    };
    is_open
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
    use crate::model::{Decision, Subject, SubjectKind};
    use provost_contract::types::v1::{AssignmentRequest, Order};
    use provost_domain::Timestamp;

    fn review(state: State) -> Review {
        Review {
            sequence: 1,
            id: Uuid::from_u128(7),
            state,
            subject: Subject::Order(Order::default()),
            approvals_required: 1,
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
            kind: SubjectKind::Order,
            step: 1,
            verdict: Verdict::Postpone,
            is_complete: false,
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

    /// A request of eve's that takes so many approvals, and has these.
    fn requested(required: u32, approved_by: &[&str]) -> Review {
        let request = AssignmentRequest { requested_by: "eve".into(), ..AssignmentRequest::default() };
        let mut review = Review {
            subject: Subject::AssignmentRequest(request),
            approvals_required: required,
            ..review(State::Open)
        };
        for actor in approved_by {
            review.version += 1;
            review.decisions.push(Decision {
                cursor: review.version,
                review: review.id,
                order_id: String::new(),
                kind: SubjectKind::AssignmentRequest,
                step: review.step(),
                verdict: Verdict::Approve,
                is_complete: false,
                actor: (*actor).to_owned(),
                comment: "because".into(),
                at: Timestamp::from_millis(0),
            });
        }
        review
    }

    fn said_by(actor: &str, verdict: Verdict) -> Wish {
        Wish { actor: actor.into(), ..wish(verdict, None) }
    }

    #[test]
    fn each_step_takes_another_person_and_the_last_one_approves() {
        let steps: [&[&str]; 3] = [&[], &["ada"], &["ada", "bob"]];
        for (required, approved) in [(1, 0), (2, 1), (3, 2)] {
            for given in 0..=approved {
                let review = requested(required, steps.get(given as usize).unwrap());
                assert_eq!(review.step(), given + 1);
                let state = if given == approved { State::Approved } else { State::Open };
                assert_eq!(
                    decide(&review, &said_by("zoe", Verdict::Approve)),
                    Ok(Some(state)),
                    "{given} of {required}"
                );
            }
        }
    }

    #[test]
    fn nobody_approves_two_steps_or_the_own_request() {
        let refused = decide(&requested(3, &["ada", "bob"]), &said_by("ada", Verdict::Approve)).unwrap_err();
        assert!(refused.to_string().ends_with("ada approved step 1 of 3, so somebody else must approve step 3"));
        let refused = decide(&requested(1, &[]), &said_by("eve", Verdict::Approve)).unwrap_err();
        assert!(refused.to_string().ends_with("eve asked for it, so somebody else must approve"), "{refused}");
        for verdict in [Verdict::Decline, Verdict::Postpone] {
            assert!(decide(&requested(3, &["ada"]), &said_by("ada", verdict)).is_ok());
        }
    }

    #[test]
    fn rules_are_no_person_and_may_approve_each_step() {
        let automated = requested(2, &[AUTOMATION]);
        assert_eq!(decide(&automated, &said_by(AUTOMATION, Verdict::Approve)), Ok(Some(State::Approved)));
    }

    #[test]
    fn repeated_approval_of_a_step_changes_nothing() {
        let review = requested(2, &["ada"]);
        let again = Wish { seen: Some(review.version - 1), ..said_by("ada", Verdict::Approve) };
        assert_eq!(decide(&review, &again), Ok(None));
        let on = Wish { seen: Some(review.version), ..again };
        assert!(matches!(decide(&review, &on), Err(Refusal::ApprovedBefore { .. })));
    }

    #[test]
    fn decline_ends_it_at_any_step() {
        for approved_by in [&[][..], &["ada"], &["ada", "bob"]] {
            let declined = decide(&requested(3, approved_by), &said_by("zoe", Verdict::Decline));
            assert_eq!(declined, Ok(Some(State::Declined)));
        }
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
