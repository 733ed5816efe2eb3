//! The feed of decisions: replay, live, restart.

use crate::desk::{Desk, desks, say};
use provost_contract::review::v1::{Decision, Verdict};
use provost_testkit::eventually;
use std::time::Duration;
use tokio_stream::StreamExt;
use tonic::{Code, Streaming};

const PATIENCE: Duration = Duration::from_secs(10);

async fn next(feed: &mut Streaming<Decision>) -> Decision {
    tokio::time::timeout(PATIENCE, feed.next()).await.expect("an event comes in time").unwrap().unwrap()
}

#[tokio::test]
async fn missed_decisions_are_replayed_then_new_ones_come_live() {
    for desk in desks().await {
        let (first, second, third) = (desk.opened().await, desk.opened().await, desk.opened().await);
        desk.say(Verdict::Approve, &first).await.unwrap();
        desk.say(Verdict::Postpone, &second).await.unwrap();
        let mut feed = desk.watch(0).await;
        let (one, two) = (next(&mut feed).await, next(&mut feed).await);
        assert_eq!((one.review_id.as_str(), one.verdict()), (first.as_str(), Verdict::Approve));
        assert_eq!((two.review_id.as_str(), two.verdict()), (second.as_str(), Verdict::Postpone));
        assert!(one.cursor < two.cursor);
        desk.say(Verdict::Decline, &third).await.unwrap();
        let live = next(&mut feed).await;
        assert_eq!(
            (live.order_id.as_str(), live.verdict(), live.actor.as_str()),
            (third.as_str(), Verdict::Decline, "ada")
        );
        assert_eq!(live.comment, "because");

        let mut from_there = desk.watch(one.cursor).await;
        assert_eq!(next(&mut from_there).await, two);
        assert_eq!(next(&mut from_there).await, live);
    }
}

#[tokio::test]
async fn repeated_and_refused_decisions_and_withdrawals_are_no_news() {
    for desk in desks().await {
        let (decided, withdrawn, last) = (desk.opened().await, desk.opened().await, desk.opened().await);
        desk.say(Verdict::Approve, &decided).await.unwrap();
        desk.say(Verdict::Approve, &decided).await.unwrap();
        desk.say(Verdict::Decline, &decided).await.unwrap_err();
        desk.withdraw(&withdrawn).await.unwrap();
        desk.say(Verdict::Approve, &last).await.unwrap();
        let mut feed = desk.watch(0).await;
        assert_eq!(next(&mut feed).await.review_id, decided);
        assert_eq!(next(&mut feed).await.review_id, last);
    }
}

#[tokio::test]
async fn everything_survives_a_restart_and_the_feed_goes_on_at_its_cursor() {
    for desk in desks().await {
        let (first, second) = (desk.opened().await, desk.opened().await);
        let approved = desk.say(Verdict::Approve, &first).await.unwrap();
        let mut feed = desk.watch(0).await;
        let seen = next(&mut feed).await;
        let engine = desk.stop().await;
        let ended = tokio::time::timeout(PATIENCE, feed.next()).await.expect("the stream ends");
        assert_eq!(ended.unwrap().unwrap_err().code(), Code::Unavailable);

        let desk = Desk::start(engine).await;
        assert_eq!(desk.get(&first).await.unwrap(), approved, "{}", desk.engine.name);
        let mut feed = desk.watch(seen.cursor).await;
        desk.say(Verdict::Decline, &second).await.unwrap();
        let after = next(&mut feed).await;
        assert_eq!((after.review_id, after.cursor > seen.cursor), (second, true));
    }
}

#[tokio::test]
async fn decision_at_one_replica_is_heard_at_the_other() {
    for desk in desks().await {
        if desk.engine.name == "sqlite" {
            continue;
        }
        let mut other = desk.replica().await;
        let mut feed = desk.watch(0).await;
        let id = desk.opened().await;
        say(&mut other, Verdict::Approve, &id, "", 0).await.unwrap();
        assert_eq!(next(&mut feed).await.review_id, id);
    }
}

#[tokio::test]
async fn cursors_grow_without_a_gap_being_passed_over_while_many_decide() {
    for desk in desks().await {
        let mut ids = Vec::new();
        for _ in 0..40 {
            ids.push(desk.opened().await);
        }
        let mut feed = desk.watch(0).await;
        let other = if desk.engine.name == "postgres" { desk.replica().await } else { desk.client.clone() };
        let decided = ids.iter().enumerate().map(|(index, id)| {
            let mut client = if index % 2 == 0 { desk.client.clone() } else { other.clone() };
            async move { say(&mut client, Verdict::Approve, id, "", 0).await.unwrap() }
        });
        futures::future::join_all(decided).await;
        let mut seen = Vec::new();
        for _ in &ids {
            seen.push(next(&mut feed).await);
        }
        assert!(seen.is_sorted_by_key(|decision| decision.cursor), "{}", desk.engine.name);
        let mut reviews: Vec<_> = seen.into_iter().map(|decision| decision.review_id).collect();
        reviews.sort();
        ids.sort();
        assert_eq!(reviews, ids);
    }
}

#[tokio::test]
async fn watcher_that_went_away_holds_nothing() {
    for desk in desks().await {
        drop(desk.watch(0).await);
        let engine = desk.stop().await;
        let desk = Desk::start(engine).await;
        eventually("an answer", PATIENCE, async || desk.list(Default::default()).await).await;
    }
}
