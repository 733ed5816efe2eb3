//! Between the role model and the ledger: what is submitted, refused, waited for, and not forgotten,
//! whatever comes in between.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use provost_contract::generator::v1::*;
use provost_domain::{Event, OrderId, OrderKind};
use provost_testkit::{engines, eventually};
use std::time::Duration;
use support::organisation::{NO_LIMITS, catalog, catalog_with, hire, leave, people};
use support::{Agent, Suite, World};
use tonic::Code;

/// Runs the complete job with an agent that does its work.
async fn complete(suite: &Suite, world: &World) -> JobRun {
    let run = suite.run("complete").await;
    let _agent = Agent::working(suite, world);
    suite.watch(&run.run_id).await
}

/// The orders of one resource type, oldest first: id and state.
fn orders_of(suite: &Suite, resource_type: &str) -> Vec<(OrderId, String)> {
    let ids = suite.ledger.read(|orders| orders.iter().map(|held| held.order.id).collect::<Vec<_>>());
    let table = suite.ledger.table();
    ids.into_iter().zip(table).filter(|(_, row)| row.0 == resource_type).map(|(id, row)| (id, row.3)).collect()
}

fn states_of(suite: &Suite, resource_type: &str) -> Vec<String> {
    orders_of(suite, resource_type).into_iter().map(|(_, state)| state).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_is_verified_although_the_verification_was_interrupted() {
    for engine in engines().await {
        let mut suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(2);
        complete(&suite, &world).await;
        leave(&world, "E2", "2026-02-28");
        suite.synchronize(&world).await;
        suite.generate().await;
        suite.ledger.execute_pending().iter().for_each(|order| world.write(order));
        assert_eq!(world.get("Account", "p2"), None, "{}", engine.name);
        // Everything is kept, and the ledger is away when it should hear of it.
        suite.ledger.set_verifies_nothing(true);
        let run = suite.run("synchronize").await;
        let agent = Agent::start(&suite, &world);
        eventually("the verification to fail", Duration::from_secs(20), async || {
            let runs = suite.jobs().list_job_runs(ListJobRunsRequest::default()).await.unwrap().into_inner().runs;
            let task = runs[0].tasks.iter().find(|task| task.name == "compute role model").unwrap().clone();
            if task.message.contains("tries again") { Ok(()) } else { Err(task.message) }
        })
        .await;
        suite.kill_and_restart().await;
        suite.clock.advance(Duration::from_secs(16));
        suite.ledger.set_verifies_nothing(false);
        drop(agent);
        let _agent = Agent::start(&suite, &world);
        assert_eq!(suite.watch(&run.run_id).await.state(), JobRunState::Completed, "{}", engine.name);
        let deletion = suite.ledger.read(|orders| {
            let held = orders.iter().find(|held| held.order.kind == OrderKind::Deletion).unwrap();
            held.state.number().to_string()
        });
        assert_eq!(deletion, "Verified", "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn order_that_an_agent_took_before_it_was_cancelled_is_taken_back() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(2);
        suite.synchronize(&world).await;
        suite.generate().await;
        leave(&world, "E2", "2026-02-28");
        suite.synchronize(&world).await;
        // Between computing and cancelling, an agent takes it, and writes it.
        suite.ledger.execute_pending().iter().for_each(|order| world.write(order));
        assert!(world.get("Account", "p2").is_some());
        suite.generate().await;
        complete(&suite, &world).await;
        assert_eq!(world.get("Account", "p2"), None, "{}", engine.name);
        assert_eq!(states_of(&suite, "AppAccount"), ["Verified"; 3], "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_depends_on_something_declined_is_cancelled_and_ordered_again_with_it() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        let dependent = format!("review: false\n    depends_on: AppAccount\n    {NO_LIMITS}");
        suite.apply(&catalog_with(NO_LIMITS, &dependent).replacen("review: false", "review: true", 1)).await;
        let world = people(1);
        let run = complete(&suite, &world).await;
        // Nobody waits for what a person holds up.
        assert_eq!(run.state(), JobRunState::Completed, "{}: {run:#?}", engine.name);
        assert_eq!(states_of(&suite, "SafeAccess"), ["Pending"], "{}", engine.name);
        let account = orders_of(&suite, "AppAccount")[0].0;
        suite.ledger.read(|orders| {
            let safe = orders.iter().find(|held| held.order.resource_type == "SafeAccess").unwrap();
            assert_eq!(safe.order.depends_on, [account]);
        });
        suite.ledger.happen(account, &Event::Declined);
        assert_eq!(states_of(&suite, "SafeAccess"), ["Inactive, cancelled"], "{}", engine.name);
        for _ in 0..2 {
            let again = complete(&suite, &world).await;
            assert_eq!(again.state(), JobRunState::Completed, "{}: {again:#?}", engine.name);
            assert_eq!(suite.ledger.table().len(), 2, "{}: no account, no safe", engine.name);
        }
        // Another title is another question, and the safe is asked for with it.
        world.set("Person", "E1", "title", "Boss");
        complete(&suite, &world).await;
        assert_eq!(suite.ledger.table().len(), 4, "{}", engine.name);
        suite.ledger.happen(orders_of(&suite, "AppAccount")[1].0, &Event::Approved);
        complete(&suite, &world).await;
        for resource_type in ["AppAccount", "SafeAccess"] {
            assert_eq!(orders_of(&suite, resource_type)[1].1, "Verified", "{} {resource_type}", engine.name);
        }
        assert!(world.get("Safe", "p1").is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forced_review_stops_what_is_already_on_its_way_unreviewed() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        suite.synchronize(&people(1)).await;
        assert_eq!(suite.generate().await.submitted, 2);
        assert_eq!(states_of(&suite, "AppAccount"), ["Pending"], "{}", engine.name);
        let force = || async {
            let forced = GenerateOrdersRequest { force_review: true, ..Default::default() };
            suite.generator().generate_orders(forced).await.unwrap().into_inner()
        };
        let forced = force().await;
        assert_eq!((forced.submitted, forced.superseded), (1, 1), "{}: {forced:?}", engine.name);
        assert_eq!(states_of(&suite, "AppAccount"), ["Inactive, superseded", "Awaiting Approval"], "{}", engine.name);
        assert_eq!(states_of(&suite, "SafeAccess"), ["Awaiting Approval"], "{}", engine.name);
        assert_eq!(force().await.submitted, 0, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_the_ledger_refuses_are_told_and_hold_up_nobody() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(1);
        suite.ledger.refuse(&["SafeAccess"]);
        let run = complete(&suite, &world).await;
        assert_eq!(run.state(), JobRunState::Warning, "{}: {run:#?}", engine.name);
        assert!(
            run.message.contains("1 refused by the ledger, the first because refused by the test"),
            "{}",
            run.message
        );
        assert_eq!(states_of(&suite, "AppAccount"), ["Verified"], "{}", engine.name);
        let generated = suite.generate().await;
        assert_eq!((generated.submitted, generated.rejected), (0, 1), "{}: {generated:?}", engine.name);
        assert_eq!(generated.rejection, "refused by the test");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_that_is_there_and_does_nothing_is_a_warning() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(1);
        // What it holds of other connections is no work on this one.
        suite.ledger.set_agent("agent-1", &["app-sql"], 7);
        let run = suite.run("complete").await;
        let _agent = Agent::start(&suite, &world);
        eventually("the task to wait", Duration::from_secs(20), async || {
            let runs = suite.jobs().list_job_runs(ListJobRunsRequest::default()).await.unwrap().into_inner().runs;
            let task = runs[0].tasks.iter().find(|task| task.name == "fulfill").unwrap().clone();
            if task.message.contains("waits for app-sql: 1") { Ok(()) } else { Err(task.message) }
        })
        .await;
        suite.clock.advance(Duration::from_secs(61));
        let run = suite.watch(&run.run_id).await;
        assert_eq!(run.state(), JobRunState::Warning, "{}: {run:#?}", engine.name);
        assert!(run.message.contains("though the agent agent-1 serves it: 1 orders are still"), "{}", run.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn owner_who_disappears_loses_the_account_only_where_orphans_are_removed() {
    for engine in engines().await {
        for (remove_orphans, is_left) in [(true, false), (false, true)] {
            let url = if remove_orphans { engine.url.clone() } else { "sqlite::memory:".to_owned() };
            let suite = Suite::start(&url).await;
            let app = format!("remove_orphans: {remove_orphans}\n    {NO_LIMITS}");
            suite.apply(&catalog_with(&app, NO_LIMITS)).await;
            let world = people(2);
            complete(&suite, &world).await;
            world.remove("Person", "E2");
            complete(&suite, &world).await;
            assert_eq!(world.get("Account", "p2").is_some(), is_left, "{} {remove_orphans}", engine.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn newcomer_with_somebody_elses_login_holds_up_only_the_newcomer() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(1);
        complete(&suite, &world).await;
        hire(&world, 2, "Sales");
        world.set("Person", "E2", "login", "p1");
        world.set("Person", "E1", "title", "Boss");
        complete(&suite, &world).await;
        assert_eq!(world.get("Account", "p1").unwrap()["title"], "Boss".into(), "{}", engine.name);
        assert_eq!(suite.ledger.states().get("Error"), Some(&1), "{}: {:?}", engine.name, suite.ledger.table());
        let shown = suite.permissions("E2").await;
        let account = &shown.resources[0];
        assert!(account.state_reason.contains("'p1' has more than one owner"), "{}", account.state_reason);
        let why = account.why.iter().map(|reason| reason.detail.as_str()).collect::<Vec<_>>().join("; ");
        assert!(why.contains("claimed by Person E1 by AppAccount and Person E2 by AppAccount"), "{why}");
    }
}

/// Runs the complete job once more: nothing is ordered, and nothing that was is gone.
async fn settles(suite: &Suite, world: &World, what: &str) {
    let before = suite.ledger.table();
    let run = complete(suite, world).await;
    assert_eq!(run.state(), JobRunState::Completed, "{what}: {run:#?}");
    assert_eq!(suite.ledger.table(), before, "{what}: a second run has nothing to say");
}

#[tokio::test(flavor = "multi_thread")]
async fn claimants_of_one_key_are_refused_once_each() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(4);
        (2..=4).for_each(|number| world.set("Person", &format!("E{number}"), "login", "shared"));
        complete(&suite, &world).await;
        assert_eq!(states_of(&suite, "AppAccount"), ["Verified", "Error", "Error", "Error"], "{}", engine.name);
        settles(&suite, &world, engine.name).await;
        // All but one take another login: the refusals end, and nobody's order is in another's way.
        (3..=4).for_each(|number| world.set("Person", &format!("E{number}"), "login", format!("p{number}").as_str()));
        complete(&suite, &world).await;
        let states = suite.ledger.states();
        assert_eq!((states.get("Verified"), states.get("Error")), (Some(&4), None), "{}: {states:?}", engine.name);
        settles(&suite, &world, engine.name).await;
        assert!(["shared", "p3", "p4"].iter().all(|login| world.get("Account", login).is_some()), "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn order_of_somebody_whose_key_another_one_wants_is_withdrawn() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog().replacen("review: false", "review: true", 1)).await;
        let world = people(1);
        complete(&suite, &world).await;
        assert_eq!(states_of(&suite, "AppAccount"), ["Awaiting Approval"], "{}", engine.name);
        hire(&world, 2, "Sales");
        world.set("Person", "E2", "login", "p1");
        complete(&suite, &world).await;
        let states = states_of(&suite, "AppAccount");
        assert_eq!(states, ["Inactive, superseded", "Error", "Error"], "{}", engine.name);
        settles(&suite, &world, engine.name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn newcomer_with_somebody_elses_login_withdraws_no_review() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(1);
        complete(&suite, &world).await;
        suite.apply(&catalog().replacen("review: false", "review: true", 1)).await;
        world.set("Person", "E1", "title", "Boss");
        complete(&suite, &world).await;
        hire(&world, 2, "Sales");
        world.set("Person", "E2", "login", "p1");
        complete(&suite, &world).await;
        let states = || states_of(&suite, "AppAccount");
        assert_eq!(states(), ["Verified", "Awaiting Approval", "Error"], "{}", engine.name);
        settles(&suite, &world, engine.name).await;
        // The holder needs the order no longer; that the newcomer wants the key does not keep it.
        world.set("Person", "E1", "title", "Clerk");
        complete(&suite, &world).await;
        assert_eq!(states(), ["Verified", "Inactive, cancelled", "Error"], "{}", engine.name);
        settles(&suite, &world, engine.name).await;
        // The holder leaves: the deletion waits for its review, and the newcomer for the deletion.
        leave(&world, "E1", "2026-02-28");
        complete(&suite, &world).await;
        let kept = ["Verified", "Inactive, cancelled", "Error", "Awaiting Approval"];
        assert_eq!(states(), kept, "{}", engine.name);
        settles(&suite, &world, engine.name).await;
        suite.ledger.happen(orders_of(&suite, "AppAccount")[3].0, &Event::Approved);
        complete(&suite, &world).await;
        complete(&suite, &world).await;
        let after = ["Verified", "Inactive, cancelled", "Inactive, superseded", "Verified", "Awaiting Approval"];
        assert_eq!(states(), after, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_of_the_past_with_the_same_login_is_in_nobodys_way() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog().replacen("review: false", "review: true", 1)).await;
        let world = people(1);
        hire(&world, 2, "Sales");
        hire(&world, 3, "Sales");
        for key in ["E2", "E3"] {
            world.set("Person", key, "login", "p1");
            leave(&world, key, "2026-02-28");
        }
        complete(&suite, &world).await;
        assert_eq!(states_of(&suite, "AppAccount"), ["Awaiting Approval"], "{}", engine.name);
        settles(&suite, &world, engine.name).await;
        let past = suite.permissions("E2").await;
        assert_eq!(past.resources[0].provisioning_state, 6, "{}: Inactive", engine.name);
        suite.ledger.happen(orders_of(&suite, "AppAccount")[0].0, &Event::Approved);
        complete(&suite, &world).await;
        assert_eq!(states_of(&suite, "AppAccount"), ["Verified"], "{}", engine.name);
        settles(&suite, &world, engine.name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn account_that_goes_to_a_resource_type_whose_rule_fails_is_still_ours() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(1);
        complete(&suite, &world).await;
        assert!(world.get("Account", "p1").is_some(), "{}", engine.name);
        // The resource type has another name by now, and the size says nothing.
        suite.apply(&catalog().replace("AppAccount", "Login")).await;
        world.set("Person", "E1", "size", "large");
        complete(&suite, &world).await;
        assert_eq!(states_of(&suite, "Login"), ["Error"], "{}", engine.name);
        leave(&world, "E1", "2026-02-28");
        complete(&suite, &world).await;
        assert_eq!(world.get("Account", "p1"), None, "{}: {:?}", engine.name, suite.ledger.table());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_out_of_date_is_refused_until_it_is_made_again() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let unread = suite.generator().compute_role_model(ComputeRoleModelRequest::default()).await.unwrap_err();
        assert_eq!(unread.code(), Code::FailedPrecondition, "{}", engine.name);
        assert!(unread.message().contains("was never synchronized; run the job synchronize"), "{}", unread.message());
        suite.synchronize(&people(1)).await;
        suite.apply(&catalog().replace("Finance, staff", "Finance")).await;
        let stale = suite.generator().generate_orders(GenerateOrdersRequest::default()).await.unwrap_err();
        assert_eq!(stale.code(), Code::FailedPrecondition, "{}", engine.name);
        assert!(stale.message().contains("the catalog changed since"), "{}", stale.message());
        suite.compute().await;
        assert_eq!(suite.generate().await.submitted, 2, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn projection_that_lags_behind_the_ledger_is_not_believed() {
    // Waits for real: on the engine that is quick to make.
    let file = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", file.path().join("generator.db").display());
    let mut suite = Suite::start(&url).await;
    suite.apply(&catalog()).await;
    suite.synchronize(&people(1)).await;
    suite.ledger.set_mute(true);
    let mut client = suite.generator();
    let generating = tokio::spawn(async move { client.generate_orders(GenerateOrdersRequest::default()).await });
    eventually("the orders", Duration::from_secs(20), async || {
        if suite.ledger.table().is_empty() { Err("none") } else { Ok(()) }
    })
    .await;
    suite.kill_and_restart().await;
    generating.abort();
    let refused = suite.generator().compute_role_model(ComputeRoleModelRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    assert!(refused.message().contains("lags behind"), "{}", refused.message());
    suite.ledger.set_mute(false);
    assert_eq!(suite.generate().await.submitted, 0, "the orders are known by now");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_removed_resource_type_gave_is_shown_and_left_alone() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(1);
        complete(&suite, &world).await;
        let without = catalog();
        let (before, after) = without.split_once("  - name: AppAccount").unwrap();
        let (_, after) = after.split_once("  - name: SafeAccess").unwrap();
        suite.apply(&format!("{before}  - name: SafeAccess{after}")).await;
        for _ in 0..2 {
            complete(&suite, &world).await;
            assert!(world.get("Account", "p1").is_some(), "{}", engine.name);
            assert_eq!(states_of(&suite, "AppAccount"), ["Verified"], "{}", engine.name);
            let shown = suite.permissions("E1").await;
            let account = shown.resources.iter().find(|held| held.resource_type == "AppAccount").unwrap();
            assert_eq!(account.workflow_state, 1, "{}: Non-conforming", engine.name);
            assert!(account.state_reason.contains("no longer in the catalog"), "{}", account.state_reason);
        }
        // It comes back, and is ours as before.
        suite.apply(&catalog()).await;
        leave(&world, "E1", "2026-02-28");
        complete(&suite, &world).await;
        assert_eq!(world.get("Account", "p1"), None, "{}", engine.name);
    }
}
