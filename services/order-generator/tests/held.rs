//! A feed that cannot be right: nothing is deleted and no Errors flood in; the run is blocked, and says what
//! it holds and how to let it go.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use provost_contract::generator::v1::*;
use provost_testkit::engines;
use support::organisation::{NO_LIMITS, catalog_with, leave, people};
use support::{Agent, Suite, World, lines};
use tonic::Code;

/// Accounts of owners who are gone are deleted, within the limits that hold unless something else is said.
const ORPHANS_GO: &str = "remove_orphans: true";

async fn complete(suite: &Suite, world: &World) -> JobRun {
    let run = suite.run("complete").await;
    let _agent = Agent::working(suite, world);
    suite.watch(&run.run_id).await
}

/// Ten people with accounts, and the first with a safe.
async fn settled(url: &str) -> (Suite, World) {
    let suite = Suite::start(url).await;
    suite.apply(&catalog_with(ORPHANS_GO, &format!("review: false\n    {NO_LIMITS}"))).await;
    let world = people(10);
    let run = complete(&suite, &world).await;
    assert_eq!(run.state(), JobRunState::Completed, "{run:#?}");
    (suite, world)
}

async fn resume(suite: &Suite, run_id: &str) -> JobRun {
    let request = ResumeJobRunRequest { run_id: run_id.into(), comment: "they really left".into() };
    suite.jobs().resume_job_run(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halved_feed_deletes_nothing_and_says_what_it_holds_and_how_to_release_it() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url).await;
        let before = suite.ledger.table();
        (6..=10).for_each(|number| world.remove("Person", &format!("E{number}")));
        let run = complete(&suite, &world).await;
        assert_eq!(run.state(), JobRunState::Blocked, "{}: {run:#?}", engine.name);
        for said in [
            "AppAccount: 5 deletions, more than 3 (30 % of 10 resources)",
            &format!("provost orders held {}", run.run_id),
            &format!("provost jobs resume {}", run.run_id),
        ] {
            assert!(run.message.contains(said), "{said}: {}", run.message);
        }
        assert_eq!(suite.ledger.table(), before, "{}: nothing was submitted", engine.name);
        for name in ["", &run.run_id, &run.generation_run] {
            let held = suite.held(name).await.unwrap();
            let expected = ["p10", "p6", "p7", "p8", "p9"].map(|key| format!("- AppAccount {key}"));
            let mut found = lines(&held.orders);
            found.sort();
            assert_eq!(found, expected, "{} {name}", engine.name);
            assert_eq!((&held.generation_run, &held.job_run_id), (&run.generation_run, &run.run_id));
            assert_eq!((held.breaches.len(), held.blocked_at.is_some()), (1, true));
            let why = &held.orders[0].order.as_ref().unwrap().why[0];
            assert_eq!(why.detail, "the owner is no longer in the source");
        }
        let only = ListHeldOrdersRequest { owner_key: "E7".into(), page_size: 1, ..Default::default() };
        let only = suite.generator().list_held_orders(only).await.unwrap().into_inner();
        assert_eq!(lines(&only.orders), ["- AppAccount p7"]);
        let none = suite.held("another run").await.unwrap_err();
        assert_eq!(none.code(), Code::NotFound);
        assert!(none.message().contains("a newer generation has taken its place"), "{}", none.message());

        resume(&suite, &run.run_id).await;
        let _agent = Agent::working(&suite, &world);
        let run = suite.watch(&run.run_id).await;
        assert_eq!(run.state(), JobRunState::Completed, "{}: {run:#?}", engine.name);
        assert_eq!(run.comments.len(), 1, "{:?}", run.comments);
        assert!(run.comments[0].contains("they really left") && run.force_thresholds);
        assert_eq!(world.get("Account", "p7"), None, "{}", engine.name);
        assert_eq!(suite.held("").await.unwrap_err().code(), Code::NotFound, "{}: released", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_resumes_a_run_lets_pass_what_it_showed_and_nothing_that_came_since() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url).await;
        let gone = |numbers: std::ops::RangeInclusive<usize>| {
            numbers.for_each(|number| world.remove("Person", &format!("E{number}")));
        };
        gone(6..=10);
        let run = complete(&suite, &world).await;
        assert_eq!(run.state(), JobRunState::Blocked, "{}: {run:#?}", engine.name);
        // One who was shown is back, and one more is gone.
        support::organisation::hire(&world, 6, "Sales");
        gone(5..=5);
        suite.synchronize(&world).await;
        let before = suite.ledger.table();
        resume(&suite, &run.run_id).await;
        let run = suite.watch(&run.run_id).await;
        assert_eq!(run.state(), JobRunState::Blocked, "{}: {run:#?}", engine.name);
        let said = "5 deletions, more than 3 (30 % of 10 resources), 1 of them not among what was shown";
        assert!(run.message.contains(said), "{}", run.message);
        assert!(!run.force_thresholds, "{}: it holds back something else", engine.name);
        assert_eq!(suite.ledger.table(), before, "{}: nothing was submitted", engine.name);
        let mut found = lines(&suite.held(&run.run_id).await.unwrap().orders);
        found.sort();
        assert_eq!(found, ["p10", "p5", "p7", "p8", "p9"].map(|key| format!("- AppAccount {key}")));
        // What was shown and is no longer wanted is no news.
        support::organisation::hire(&world, 5, "Sales");
        suite.synchronize(&world).await;
        resume(&suite, &run.run_id).await;
        let _agent = Agent::working(&suite, &world);
        let run = suite.watch(&run.run_id).await;
        assert_eq!(run.state(), JobRunState::Completed, "{}: {run:#?}", engine.name);
        let left = (5..=10).filter(|number| world.get("Account", &format!("p{number}")).is_some());
        assert_eq!(left.collect::<Vec<_>>(), [5, 6], "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_feed_changes_nothing_at_all() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url).await;
        let before = suite.ledger.table();
        world.clear("Person");
        let run = complete(&suite, &world).await;
        assert_eq!(run.state(), JobRunState::Blocked, "{}: {run:#?}", engine.name);
        assert!(run.message.contains("10 would be deleted, more than 0 (never all of them)"), "{}", run.message);
        assert_eq!(suite.ledger.table(), before, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_list_gives_way_to_the_next_generation() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url).await;
        (6..=10).for_each(|number| world.remove("Person", &format!("E{number}")));
        let first = complete(&suite, &world).await;
        assert_eq!(suite.held(&first.run_id).await.unwrap().orders.len(), 5, "{}", engine.name);
        // Blocked again, with another list.
        world.remove("Person", "E5");
        let second = complete(&suite, &world).await;
        assert_eq!(second.state(), JobRunState::Blocked);
        assert_eq!(suite.held("").await.unwrap().orders.len(), 6, "{}", engine.name);
        assert_eq!(suite.held(&first.run_id).await.unwrap_err().code(), Code::NotFound);
        // The feed is whole again: nothing is held any more.
        (5..=10).for_each(|number| support::organisation::hire(&world, number, "Sales"));
        let third = complete(&suite, &world).await;
        assert_eq!(third.state(), JobRunState::Completed, "{}: {third:#?}", engine.name);
        assert_eq!(suite.held("").await.unwrap_err().code(), Code::NotFound);
        assert!(world.get("Account", "p7").is_some(), "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_cancelled_is_held_too() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url).await;
        world.set("Person", "E1", "title", "Boss");
        suite.synchronize(&world).await;
        assert_eq!(suite.generate().await.submitted, 2, "{}", engine.name);
        world.set("Person", "E1", "title", "Clerk");
        (6..=10).for_each(|number| leave(&world, &format!("E{number}"), "2026-02-28"));
        suite.synchronize(&world).await;
        let blocked = suite.generate().await;
        assert!(blocked.blocked, "{}: {blocked:?}", engine.name);
        let held = suite.held(&blocked.generation_run).await.unwrap();
        assert_eq!(held.job_run_id, "", "no job's");
        let mut found = lines(&held.orders);
        found.sort();
        found.retain(|line| line.starts_with('x'));
        assert_eq!(found, ["x AppAccount p1", "x SafeAccess p1"], "{}", engine.name);
        let cancel = held.orders.iter().find(|one| one.action() == PlannedAction::Cancel).unwrap();
        assert!(!cancel.order.as_ref().unwrap().order_id.is_empty(), "an order that there is");
        assert_eq!(suite.ledger.states().get("Pending"), Some(&2), "{}: not cancelled", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_lost_a_column_does_not_flood_the_ledger_with_errors() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url).await;
        let before = suite.ledger.table();
        (4..=10).for_each(|number| world.set("Person", &format!("E{number}"), "size", "?"));
        let run = complete(&suite, &world).await;
        assert_eq!(run.state(), JobRunState::Blocked, "{}: {run:#?}", engine.name);
        assert!(run.message.contains("AppAccount: 7 failures, more than 3"), "{}", run.message);
        assert_eq!(suite.ledger.table(), before, "{}", engine.name);
        let held = suite.held("").await.unwrap();
        assert!(held.orders.iter().all(|one| one.action() == PlannedAction::Fail), "{:?}", lines(&held.orders));
        let failure = held.orders[0].order.as_ref().unwrap().rule_failure.clone().unwrap();
        assert_eq!(failure.property, "size");
        // Two bad values are two people's trouble.
        (4..=8).for_each(|number| world.set("Person", &format!("E{number}"), "size", number.to_string().as_str()));
        let run = complete(&suite, &world).await;
        assert_eq!(run.state(), JobRunState::Completed, "{}: {run:#?}", engine.name);
        assert_eq!(suite.ledger.states().get("Error"), Some(&2), "{}", engine.name);
    }
}
