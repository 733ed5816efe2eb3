//! The complete job: from the feed to values that synchronization has verified, and what comes in
//! its way.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use provost_contract::generator::v1::*;
use provost_domain::{ChangeOperation, Event, OrderKind, ProvisioningState, Timestamp, Value};
use provost_service_kit::Clock;
use provost_testkit::{engines, eventually};
use std::collections::BTreeMap;
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

fn counted(pairs: &[(&str, usize)]) -> BTreeMap<String, usize> {
    pairs.iter().map(|(state, count)| ((*state).to_owned(), *count)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_job_goes_all_the_way_and_a_second_one_orders_nothing() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(3);
        let run = complete(&suite, &world).await;
        assert_eq!(run.state(), JobRunState::Completed, "{}: {run:#?}", engine.name);
        assert!(run.tasks.iter().all(|task| task.state() == JobRunState::Completed), "{run:#?}");
        assert_eq!(suite.ledger.states(), counted(&[("Verified", 3), ("Awaiting Approval", 1)]), "{}", engine.name);
        let account = world.get("Account", "p1").unwrap();
        assert_eq!(account["size"], Value::Integer(1));
        assert_eq!(account["groups"], Value::List(vec!["finance".into()]));
        assert_eq!(world.get("Safe", "p1"), None, "not approved, not written");
        suite.ledger.read(|orders| {
            assert!(orders.iter().all(|held| held.order.generation_run == run.generation_run));
        });
        let again = complete(&suite, &world).await;
        assert_eq!(again.state(), JobRunState::Completed);
        assert_eq!(suite.ledger.table().len(), 4, "{}: nothing new", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_title_makes_exactly_one_update() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(3);
        complete(&suite, &world).await;
        world.set("Person", "E2", "title", "Boss");
        complete(&suite, &world).await;
        suite.ledger.read(|orders| {
            assert_eq!(orders.len(), 5, "{}", engine.name);
            let order = &orders[4].order;
            assert_eq!((order.kind, order.target_key.as_str()), (OrderKind::Update, "p2"));
            assert_eq!(order.changes.len(), 1);
            assert_eq!(order.changes[0].property, "title");
            assert_eq!(order.changes[0].proposed, Some("Boss".into()));
            assert_eq!(order.changes[0].current, Some("Clerk".into()));
            assert!(!order.changes[0].why.is_empty() && !order.why.is_empty(), "an order can say why");
        });
        assert_eq!(world.get("Account", "p2").unwrap()["title"], "Boss".into());
        assert_eq!(suite.ledger.states()["Verified"], 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mover_loses_the_group_and_a_leaver_the_account() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(3);
        complete(&suite, &world).await;
        world.set("Person", "E1", "department", "Sales");
        leave(&world, "E2", "2026-02-28");
        complete(&suite, &world).await;
        assert_eq!(world.get("Account", "p2"), None, "{}: the leaver's account is gone", engine.name);
        assert!(world.get("Account", "p1").unwrap()["groups"].items().is_empty(), "{}", engine.name);
        suite.ledger.read(|orders| {
            let removal = orders.iter().find(|held| held.order.kind == OrderKind::Update).unwrap();
            assert_eq!(removal.order.changes[0].operation, ChangeOperation::Remove);
            let deletion = orders.iter().find(|held| held.order.kind == OrderKind::Deletion).unwrap();
            assert_eq!(deletion.order.target_key, "p2");
        });
        let table = suite.ledger.table();
        let safe: Vec<_> = table.iter().filter(|row| row.0 == "SafeAccess").collect();
        assert_eq!(
            safe[0].3, "Inactive, cancelled",
            "{}: the mover's unapproved order is no longer needed",
            engine.name
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_declined_is_not_proposed_again_until_it_changes() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(1);
        complete(&suite, &world).await;
        let safe = || {
            suite.ledger.read(|orders| {
                orders
                    .iter()
                    .filter(|held| held.order.resource_type == "SafeAccess")
                    .map(|held| held.order.id)
                    .collect::<Vec<_>>()
            })
        };
        suite.ledger.happen(safe()[0], &Event::Declined);
        complete(&suite, &world).await;
        complete(&suite, &world).await;
        assert_eq!(safe().len(), 1, "{}", engine.name);
        world.set("Person", "E1", "title", "Boss");
        complete(&suite, &world).await;
        assert_eq!(safe().len(), 2, "{}: another value is another question", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensitive_value_is_verified_although_the_feed_leaves_it_out() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(1);
        complete(&suite, &world).await;
        let safe = |state: ProvisioningState| {
            let (at, id) = suite.ledger.read(|orders| {
                let mut safes = orders.iter().filter(|held| held.order.resource_type == "SafeAccess");
                let held = safes.next().unwrap();
                assert!(safes.next().is_none(), "{}: ordered once", engine.name);
                (held.state.number(), held.order.id)
            });
            assert_eq!(at, state, "{}", engine.name);
            id
        };
        let id = safe(ProvisioningState::AwaitingApproval);
        let before = suite.generate().await;
        assert_eq!(before.submitted, 0, "{}: it still waits", engine.name);
        suite.ledger.happen(id, &Event::Approved);
        complete(&suite, &world).await;
        safe(ProvisioningState::Verified);
        assert_eq!(world.get("Safe", "p1").unwrap()["pin"], "secret-1".into());
        assert_eq!(suite.generate().await.submitted, 0, "{}", engine.name);
        complete(&suite, &world).await;
        assert_eq!(suite.ledger.table().len(), 2, "{}: nothing new", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_and_was_never_written_is_inactive_once() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(2);
        leave(&world, "E2", "2025-12-31");
        complete(&suite, &world).await;
        complete(&suite, &world).await;
        let expired: Vec<_> = suite.ledger.table().into_iter().filter(|row| row.3 == "Inactive, expired").collect();
        assert_eq!(expired.len(), 1, "{}: {:?}", engine.name, suite.ledger.table());
        assert_eq!(world.get("Account", "p2"), None);
        let shown = suite.permissions("E2").await;
        assert!(
            shown.resources.iter().all(|resource| resource.provisioning_state == ProvisioningState::Inactive.number()),
            "{shown:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_throws_is_an_error_of_that_order_alone_until_it_is_mended() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(3);
        world.set("Person", "E2", "size", "large");
        let run = complete(&suite, &world).await;
        assert_ne!(run.state(), JobRunState::Errored, "{}: {run:#?}", engine.name);
        assert_eq!(
            suite.ledger.states(),
            counted(&[("Verified", 2), ("Awaiting Approval", 1), ("Error", 1)]),
            "{}",
            engine.name
        );
        let shown = suite.permissions("E2").await;
        assert_eq!(shown.resources[0].provisioning_state, ProvisioningState::Error.number());
        assert!(shown.resources[0].state_reason.contains("size"), "{}", shown.resources[0].state_reason);
        complete(&suite, &world).await;
        assert_eq!(suite.ledger.table().len(), 4, "{}: the same error is not news", engine.name);
        world.set("Person", "E2", "size", "2");
        complete(&suite, &world).await;
        let states = suite.ledger.states();
        assert_eq!((states["Verified"], states.get("Error")), (3, None), "{}: {states:?}", engine.name);
        assert_eq!(states["Inactive, superseded"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_errored_order_is_not_waited_for_and_shows_its_reason() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(1);
        let run = suite.run("complete").await;
        let agent = Agent::start(&suite, &world);
        let id = eventually("the order", Duration::from_secs(20), async || {
            suite.ledger.ids("p1").first().copied().ok_or("none")
        })
        .await;
        suite.ledger.fail(id, "badge number taken");
        let run = suite.watch(&run.run_id).await;
        drop(agent);
        assert_eq!(run.state(), JobRunState::Completed, "{}: {run:#?}", engine.name);
        let fulfill = run.tasks.iter().find(|task| task.name == "fulfill").unwrap();
        assert!(fulfill.message.contains("1 are Errored"), "{}", fulfill.message);
        let shown = suite.permissions("E1").await;
        let account = shown.resources.iter().find(|resource| resource.resource_type == "AppAccount").unwrap();
        assert_eq!(account.provisioning_state, ProvisioningState::Errored.number());
        assert!(account.state_reason.contains("badge number taken"), "{}", account.state_reason);
        assert_eq!(account.order_id, id.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_no_agent_serves_is_a_warning() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(1);
        let run = suite.run("complete").await;
        let _agent = Agent::start(&suite, &world);
        eventually("the order", Duration::from_secs(20), async || {
            suite.ledger.ids("p1").first().copied().ok_or("none")
        })
        .await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        suite.clock.advance(Duration::from_secs(61));
        let run = suite.watch(&run.run_id).await;
        assert_eq!(run.state(), JobRunState::Warning, "{}: {run:#?}", engine.name);
        assert!(
            run.message.contains("no agent serves the connection app-sql: 1 orders are still Pending"),
            "{}",
            run.message
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_threshold_blocks_the_run_until_someone_resumes_it() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog_with("thresholds: { additions: 2 }", NO_LIMITS)).await;
        let world = people(3);
        let run = complete(&suite, &world).await;
        assert_eq!(run.state(), JobRunState::Blocked, "{}: {run:#?}", engine.name);
        assert!(run.message.contains("AppAccount"), "{}", run.message);
        assert!(suite.ledger.table().is_empty(), "nothing was submitted");
        let direct = suite.generate().await;
        assert!(direct.blocked);
        assert_eq!((direct.breaches[0].count, direct.breaches[0].limit), (3, 2), "{:?}", direct.breaches);
        let request = ResumeJobRunRequest { run_id: run.run_id.clone(), comment: "the first load".into() };
        // The list that the run had shown is another generation's by now: it shows its own again.
        suite.jobs().resume_job_run(request.clone()).await.unwrap();
        let run = suite.watch(&run.run_id).await;
        assert_eq!(run.state(), JobRunState::Blocked, "{}: {run:#?}", engine.name);
        assert!(suite.ledger.table().is_empty(), "nothing was submitted");
        suite.jobs().resume_job_run(request).await.unwrap();
        let _agent = Agent::working(&suite, &world);
        let run = suite.watch(&run.run_id).await;
        assert_eq!(run.state(), JobRunState::Completed, "{}: {run:#?}", engine.name);
        assert_eq!(suite.ledger.states()["Verified"], 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_run_can_be_let_go() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog_with("thresholds: { additions: 2 }", NO_LIMITS)).await;
        let run = complete(&suite, &people(3)).await;
        let request = CancelJobRunRequest { run_id: run.run_id.clone(), comment: String::new() };
        let run = suite.jobs().cancel_job_run(request).await.unwrap().into_inner();
        assert_eq!(run.state(), JobRunState::Cancelled, "{}", engine.name);
        assert!(suite.ledger.table().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn review_can_be_forced_or_waived_for_a_run() {
    for engine in engines().await {
        for (force_review, waive_review, awaiting) in [(true, false, 2), (false, true, 0)] {
            let url = if force_review { engine.url.clone() } else { "sqlite::memory:".to_owned() };
            let suite = Suite::start(&url).await;
            suite.apply(&catalog()).await;
            let world = people(1);
            let request = RunJobRequest { job: "complete".into(), force_review, waive_review, ..Default::default() };
            let run = suite.jobs().run_job(request).await.unwrap().into_inner();
            let _agent = Agent::working(&suite, &world);
            suite.watch(&run.run_id).await;
            let states = suite.ledger.states();
            assert_eq!(states.get("Awaiting Approval").copied().unwrap_or(0), awaiting, "{}: {states:?}", engine.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn run_goes_on_after_the_service_was_killed_in_any_task() {
    for engine in engines().await {
        for task in ["compute role model", "generate provisioning orders", "fulfill", "verify"] {
            // A database of its own for each, on the engine that is quick to make.
            let file = tempfile::tempdir().unwrap();
            let url = format!("sqlite://{}", file.path().join("generator.db").display());
            let url = if task == "fulfill" { engine.url.clone() } else { url };
            let mut suite = Suite::start(&url).await;
            suite.apply(&catalog()).await;
            let world = people(2);
            // Holding the ledger's answers keeps the task where it is.
            let agent = Agent::start(&suite, &world);
            let run = suite.run("complete").await;
            let held = stop_in(&suite, &world, &run.run_id, task).await;
            suite.kill_and_restart().await;
            suite.clock.advance(Duration::from_secs(16));
            drop((held, agent));
            suite.ledger.release();
            let agent = Agent::working(&suite, &world);
            let run = suite.watch(&run.run_id).await;
            drop(agent);
            assert_eq!(run.state(), JobRunState::Completed, "{} {task}: {run:#?}", engine.name);
            assert_eq!(
                suite.ledger.states(),
                counted(&[("Verified", 2), ("Awaiting Approval", 1)]),
                "{} {task}: the same end, and nothing twice",
                engine.name
            );
        }
    }
}

/// Waits until a run is in that task, held there.
async fn stop_in(suite: &Suite, world: &World, run_id: &str, task: &str) -> Option<Agent> {
    let mut agent = None;
    if task == "compute role model" {
        suite.ledger.hold();
    }
    eventually(task, Duration::from_secs(30), async || {
        let runs = suite.jobs().list_job_runs(ListJobRunsRequest::default()).await.unwrap().into_inner().runs;
        let run = runs.into_iter().find(|run| run.run_id == run_id).unwrap();
        let state = |name: &str| run.tasks.iter().find(|task| task.name == name).unwrap().state();
        if task == "generate provisioning orders" && state("compute role model") == JobRunState::Completed {
            suite.ledger.hold();
        }
        if task == "verify" && state("fulfill") == JobRunState::Running && agent.is_none() {
            agent = Some(Agent::working(suite, world));
        }
        if task == "verify" && state("fulfill") == JobRunState::Completed {
            suite.ledger.hold();
        }
        // A task that was too quick to be held is as good: the run goes on after it.
        if matches!(state(task), JobRunState::Running | JobRunState::Completed) {
            Ok(())
        } else {
            Err(format!("{run:#?}"))
        }
    })
    .await;
    agent
}

#[tokio::test(flavor = "multi_thread")]
async fn run_waits_while_the_ledger_is_away() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(1);
        suite.ledger.set_away(true);
        let run = suite.run("complete").await;
        let _agent = Agent::working(&suite, &world);
        eventually("the task to wait", Duration::from_secs(20), async || {
            let runs = suite.jobs().list_job_runs(ListJobRunsRequest::default()).await.unwrap().into_inner().runs;
            let message = runs[0].tasks.iter().find(|task| task.name == "compute role model").unwrap().message.clone();
            if message.contains("tries again: fulfillment cannot be reached") { Ok(()) } else { Err(message) }
        })
        .await;
        suite.ledger.set_away(false);
        assert_eq!(suite.watch(&run.run_id).await.state(), JobRunState::Completed, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compute_and_generate_say_what_they_lack_and_run_alone() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        let compute = || async { suite.generator().compute_role_model(ComputeRoleModelRequest::default()).await };
        let generate = || async { suite.generator().generate_orders(GenerateOrdersRequest::default()).await };
        assert_eq!(compute().await.unwrap_err().code(), Code::FailedPrecondition, "{}", engine.name);
        assert_eq!(generate().await.unwrap_err().code(), Code::FailedPrecondition);
        suite.apply(&catalog()).await;
        let early = generate().await.unwrap_err();
        assert_eq!(early.code(), Code::FailedPrecondition);
        assert!(early.message().contains("compute"), "{}", early.message());
        suite.synchronize(&people(2)).await;
        suite.ledger.set_away(true);
        assert_eq!(generate().await.unwrap_err().code(), Code::Unavailable);
        suite.ledger.set_away(false);
        suite.ledger.hold();
        let (first, second) = tokio::join!(compute(), async {
            suite.ledger.wait_for_a_caller().await;
            let second = compute().await;
            suite.ledger.release();
            second
        });
        assert_eq!(second.unwrap_err().code(), Code::Aborted, "{}", engine.name);
        assert_eq!(first.unwrap().into_inner().owners, 2);
        let first = suite.generate().await;
        assert_eq!((first.submitted, first.duplicates), (3, 0), "{}: {first:?}", engine.name);
        let second = suite.generate().await;
        assert_eq!(second.submitted, 0, "{}: generating twice submits nothing new", engine.name);
        assert_ne!(first.generation_run, second.generation_run);
        let both = GenerateOrdersRequest { force_review: true, waive_review: true, ..Default::default() };
        assert_eq!(suite.generator().generate_orders(both).await.unwrap_err().code(), Code::InvalidArgument);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_hire_is_served_by_the_next_run() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(1);
        complete(&suite, &world).await;
        hire(&world, 2, "Sales");
        complete(&suite, &world).await;
        assert_eq!(suite.ledger.states()["Verified"], 2, "{}", engine.name);
        assert!(suite.clock.now() > Timestamp::parse("2026-03-01").unwrap());
    }
}
