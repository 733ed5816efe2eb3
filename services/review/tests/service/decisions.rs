//! Approving, declining, postponing.

use crate::desk::{Desk, desks, say, say_as};
use provost_contract::review::v1::{ReviewState, Verdict};
use std::time::Duration;
use tonic::Code;
use tonic_types::StatusExt;

const FINAL: [(Verdict, ReviewState); 2] =
    [(Verdict::Approve, ReviewState::Approved), (Verdict::Decline, ReviewState::Declined)];

#[tokio::test]
async fn decision_is_kept_with_who_when_and_words() {
    for desk in desks().await {
        for (verdict, state) in FINAL {
            let id = desk.opened().await;
            desk.clock.advance(Duration::from_secs(60));
            let decided = say(&mut desk.client.clone(), verdict, &id, "four eyes", 1).await.unwrap();
            assert_eq!(decided, desk.get(&id).await.unwrap(), "{}", desk.engine.name);
            assert_eq!((decided.state(), decided.version), (state, 2));
            let decision = &decided.decisions[0];
            assert_eq!((decision.verdict(), decision.actor.as_str()), (verdict, "ada"));
            assert_eq!((decision.comment.as_str(), decision.order_id.as_str()), ("four eyes", id.as_str()));
            assert_eq!(decision.at, decided.updated_at);
            assert_ne!(decided.updated_at, decided.created_at);
        }
    }
}

#[tokio::test]
async fn same_decision_again_changes_nothing() {
    for desk in desks().await {
        for verdict in [Verdict::Approve, Verdict::Decline, Verdict::Postpone] {
            let id = desk.opened().await;
            let mut client = desk.client.clone();
            let first = say(&mut client, verdict, &id, "because", 1).await.unwrap();
            desk.clock.advance(Duration::from_secs(60));
            // The same call, with the version from before its own decision.
            let again = say(&mut client, verdict, &id, "because", 1).await.unwrap();
            assert_eq!(again, first, "{verdict:?} on {}", desk.engine.name);
            assert_eq!(again.decisions.len(), 1);
        }
    }
}

#[tokio::test]
async fn closed_review_takes_no_other_decision() {
    for desk in desks().await {
        for (verdict, state) in FINAL {
            let id = desk.opened().await;
            desk.say(verdict, &id).await.unwrap();
            for other in [Verdict::Approve, Verdict::Decline, Verdict::Postpone] {
                if other == verdict {
                    continue;
                }
                let refused = desk.say(other, &id).await.unwrap_err();
                assert_eq!(refused.code(), Code::FailedPrecondition);
                let violation = &refused.get_details_precondition_failure().unwrap().violations[0];
                assert_eq!(violation.subject, format!("review {id}"));
            }
            let kept = desk.get(&id).await.unwrap();
            assert_eq!((kept.state(), kept.decisions.len()), (state, 1));
        }
    }
}

#[tokio::test]
async fn postponed_review_waits_on_and_can_be_decided() {
    for desk in desks().await {
        for (verdict, state) in FINAL {
            let id = desk.opened().await;
            let mut client = desk.client.clone();
            let postponed = say(&mut client, Verdict::Postpone, &id, "", 0).await.unwrap();
            assert_eq!(postponed.state(), ReviewState::Postponed);
            let bob = say_as("bob", &mut client, Verdict::Postpone, &id, "after the audit", 2).await.unwrap();
            assert_eq!((bob.state(), bob.version, bob.decisions.len()), (ReviewState::Postponed, 3, 2));
            let decided = say(&mut client, verdict, &id, "audited", 3).await.unwrap();
            assert_eq!(decided.state(), state, "{}", desk.engine.name);
            let verdicts: Vec<_> = decided.decisions.iter().map(|decision| decision.verdict()).collect();
            assert_eq!(verdicts, [Verdict::Postpone, Verdict::Postpone, verdict]);
        }
    }
}

#[tokio::test]
async fn postponed_review_can_be_withdrawn() {
    for desk in desks().await {
        let id = desk.opened().await;
        desk.say(Verdict::Postpone, &id).await.unwrap();
        assert_eq!(desk.withdraw(&id).await.unwrap().state(), ReviewState::Withdrawn);
    }
}

#[tokio::test]
async fn stale_version_is_aborted_and_both_versions_are_named() {
    for desk in desks().await {
        let id = desk.opened().await;
        desk.say(Verdict::Postpone, &id).await.unwrap();
        for verdict in [Verdict::Approve, Verdict::Decline, Verdict::Postpone] {
            let refused = say(&mut desk.client.clone(), verdict, &id, "too late", 1).await.unwrap_err();
            assert_eq!(refused.code(), Code::Aborted);
            assert!(refused.message().contains("version 2"), "{refused}");
            assert!(refused.message().contains("version 1"), "{refused}");
        }
        assert_eq!(desk.get(&id).await.unwrap().version, 2);
    }
}

async fn race(desk: &Desk, version: i64) {
    let id = desk.opened().await;
    let (mut one, mut other) = (desk.client.clone(), desk.client.clone());
    // On PostgreSQL a replica takes part: nothing within one process decides who wins.
    if desk.engine.name == "postgres" {
        other = desk.replica().await;
    }
    let (approved, declined) = tokio::join!(
        say_as("ada", &mut one, Verdict::Approve, &id, "yes", version),
        say_as("bob", &mut other, Verdict::Decline, &id, "no", version),
    );
    assert!(approved.is_ok() != declined.is_ok(), "one wins: {approved:?} {declined:?}");
    let (state, refused) = match (approved, declined) {
        (Ok(_), Err(refused)) => (ReviewState::Approved, refused),
        (_, other) => (ReviewState::Declined, other.err().unwrap_or_else(|| tonic::Status::aborted("the other"))),
    };
    assert!([Code::Aborted, Code::FailedPrecondition].contains(&refused.code()), "{refused}");
    let kept = desk.get(&id).await.unwrap();
    assert_eq!((kept.state(), kept.decisions.len(), kept.version), (state, 1, 2));
}

#[tokio::test]
async fn of_approve_and_decline_at_once_exactly_one_wins() {
    for desk in desks().await {
        for round in 0..8 {
            race(&desk, round % 2).await;
        }
    }
}
