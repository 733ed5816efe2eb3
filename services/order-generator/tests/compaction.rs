//! What has not gone out yet and what comes after it are one: against the ledger, through the whole job.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use provost_contract::generator::v1::GenerateOrdersResponse;
use provost_domain::Value;
use provost_testkit::engines;
use support::organisation::{NO_LIMITS, catalog_with, leave, people};
use support::{Agent, Suite, World};

/// Two people, all as they shall be, and nobody who writes anything from now on.
async fn settled(url: &str, count: u32) -> (Suite, World) {
    let suite = Suite::start(url).await;
    suite.apply(&catalog_with(NO_LIMITS, &format!("review: false\n    {NO_LIMITS}"))).await;
    let world = people(count);
    let run = suite.run("complete").await;
    let agent = Agent::working(&suite, &world);
    suite.watch(&run.run_id).await;
    drop(agent);
    (suite, world)
}

async fn generate(suite: &Suite, world: &World) -> GenerateOrdersResponse {
    suite.synchronize(world).await;
    suite.generate().await
}

/// The states of the account's orders, oldest first, without the one that made it.
fn states(suite: &Suite, login: &str) -> Vec<String> {
    let table = suite.ledger.table();
    let of_it = table.iter().filter(|row| row.0 == "AppAccount" && row.1 == login);
    of_it.map(|row| format!("{} {}", row.2, row.3)).collect()
}

fn stay(world: &World, key: &str) {
    world.set("Person", key, "end_date", Value::Timestamp(provost_domain::Timestamp::parse("2027-01-01").unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn unsent_addition_and_removal_cancel_out() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url, 1).await;
        support::organisation::hire(&world, 2, "Sales");
        generate(&suite, &world).await;
        leave(&world, "E2", "2026-02-28");
        let generated = generate(&suite, &world).await;
        assert_eq!((generated.submitted, generated.cancelled), (0, 1), "{}: {generated:?}", engine.name);
        assert_eq!(states(&suite, "p2"), ["addition Inactive, cancelled"], "{}", engine.name);
        assert!(suite.ledger.execute_pending().is_empty(), "nobody writes anything");
        assert_eq!(generate(&suite, &world).await.submitted, 0, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unsent_deletion_and_a_new_grant_keep_the_account() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url, 2).await;
        leave(&world, "E2", "2026-02-28");
        assert_eq!(generate(&suite, &world).await.submitted, 1);
        stay(&world, "E2");
        let generated = generate(&suite, &world).await;
        assert_eq!((generated.submitted, generated.cancelled), (0, 1), "{}: {generated:?}", engine.name);
        assert_eq!(states(&suite, "p2"), ["addition Verified", "deletion Inactive, cancelled"], "{}", engine.name);
        // With another title at once: the update takes its place.
        leave(&world, "E2", "2026-02-28");
        generate(&suite, &world).await;
        stay(&world, "E2");
        world.set("Person", "E2", "title", "Boss");
        let generated = generate(&suite, &world).await;
        assert_eq!((generated.submitted, generated.superseded), (1, 1), "{}: {generated:?}", engine.name);
        assert_eq!(states(&suite, "p2")[2..], ["deletion Inactive, superseded", "update Pending"], "{}", engine.name);
        suite.ledger.execute_pending().iter().for_each(|order| world.write(order));
        assert_eq!(world.get("Account", "p2").unwrap()["title"], "Boss".into(), "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn update_and_the_old_value_again_cancel_out_and_the_newest_value_goes_alone() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url, 1).await;
        world.set("Person", "E1", "title", "Boss");
        generate(&suite, &world).await;
        world.set("Person", "E1", "title", "Clerk");
        let generated = generate(&suite, &world).await;
        assert_eq!((generated.submitted, generated.cancelled), (0, 2), "{}: {generated:?}", engine.name);
        for title in ["Boss", "Head", "Chief"] {
            world.set("Person", "E1", "title", title);
            generate(&suite, &world).await;
        }
        assert_eq!(
            states(&suite, "p1")[1..],
            [
                "update Inactive, cancelled",
                "update Inactive, superseded",
                "update Inactive, superseded",
                "update Pending"
            ],
            "{}",
            engine.name
        );
        let written = suite.ledger.execute_pending();
        let titles: Vec<_> =
            written.iter().flat_map(|order| &order.changes).filter_map(|one| one.proposed.clone()).collect();
        assert_eq!(titles, ["Chief".into(), "Chief".into()], "{}: the account's and the safe's", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_already_so_is_not_sent() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url, 1).await;
        world.set("Person", "E1", "title", "Boss");
        generate(&suite, &world).await;
        // Somebody was faster, by hand.
        world.set("Account", "p1", "title", "Boss");
        world.set("Safe", "p1", "title", "Boss");
        let generated = generate(&suite, &world).await;
        assert_eq!((generated.submitted, generated.cancelled), (0, 0), "{}: {generated:?}", engine.name);
        assert_eq!(states(&suite, "p1")[1..], ["update Verified"], "{}", engine.name);
        assert!(suite.ledger.execute_pending().is_empty(), "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_go_ahead_of_a_storm_of_updates() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url, 4).await;
        (2..=4).for_each(|number| world.set("Person", &format!("E{number}"), "title", "Boss"));
        leave(&world, "E1", "2026-02-28");
        generate(&suite, &world).await;
        suite.ledger.read(|orders| {
            let open = || orders.iter().filter(|held| !held.state.number().is_final());
            let of = |kind| open().filter(move |held| held.order.kind == kind).map(|held| held.order.priority);
            let highest_update = of(provost_domain::OrderKind::Update).max().unwrap();
            assert!(of(provost_domain::OrderKind::Deletion).all(|one| one > highest_update), "{}", engine.name);
        });
    }
}
