//! What was found, and what people decide on it: through the service, on both engines, until the managed system
//! shows what was decided.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use provost_contract::generator::v1::*;
use provost_contract::types::v1::value::Kind as ValueKind;
use provost_domain::{OrderKind, Value};
use provost_service_kit::Clock as _;
use provost_service_kit::caller::request_as;
use provost_testkit::engines;
use support::organisation::{catalog, people};
use support::{Agent, Suite, World};
use tonic::{Code, Status};

/// Runs the complete job with an agent that does its work.
async fn complete(suite: &Suite, world: &World) {
    let run = suite.run("complete").await;
    let _agent = Agent::working(suite, world);
    let run = suite.watch(&run.run_id).await;
    assert!(matches!(run.state(), JobRunState::Completed | JobRunState::Warning), "{run:#?}");
}

/// People with their accounts, and nothing under way.
async fn settled(database: &str, count: u32) -> (Suite, World) {
    let suite = Suite::start(database).await;
    suite.apply(&catalog()).await;
    let world = people(count);
    complete(&suite, &world).await;
    (suite, world)
}

async fn items(suite: &Suite, filter: ReconciliationFilter) -> Vec<ReconciliationItem> {
    let request = ListReconciliationItemsRequest { filter: Some(filter), ..Default::default() };
    suite.reconciliation().list_reconciliation_items(request).await.unwrap().into_inner().items
}

async fn all(suite: &Suite) -> Vec<ReconciliationItem> {
    items(suite, ReconciliationFilter::default()).await
}

fn of_kind(kind: ReconciliationKind) -> ReconciliationFilter {
    ReconciliationFilter { kinds: vec![kind.into()], ..Default::default() }
}

fn on(item: &ReconciliationItem, verdict: ReconciliationVerdict) -> DecideReconciliationItemsRequest {
    DecideReconciliationItemsRequest {
        items: vec![ItemToDecide { item_id: item.item_id.clone(), version: item.version.clone() }],
        verdict: verdict.into(),
        comment: "seen to".into(),
        ..Default::default()
    }
}

async fn decide(
    suite: &Suite,
    request: DecideReconciliationItemsRequest,
) -> Result<DecideReconciliationItemsResponse, Status> {
    let answer = suite.reconciliation().decide_reconciliation_items(request_as("grace", request)).await?;
    Ok(answer.into_inner())
}

async fn decided(suite: &Suite, request: DecideReconciliationItemsRequest) -> DecidedItem {
    let answer = decide(suite, request).await.unwrap();
    assert_eq!(answer.results.len(), 1, "{answer:?}");
    answer.results.into_iter().next().unwrap()
}

fn text(value: Option<&provost_contract::types::v1::Value>) -> Option<&str> {
    match value?.kind.as_ref()? {
        ValueKind::StringValue(text) => Some(text),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drift_is_listed_and_written_by_a_decision_once() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url, 2).await;
        assert!(all(&suite).await.is_empty(), "{}", engine.name);
        world.set("Account", "p1", "title", "Emperor");
        complete(&suite, &world).await;
        let found = all(&suite).await;
        let [line] = found.as_slice() else { panic!("{}: {found:#?}", engine.name) };
        assert_eq!((line.kind(), line.property.as_str()), (ReconciliationKind::Property, "title"));
        assert_eq!((text(line.proposed.as_ref()), text(line.current.as_ref())), (Some("Clerk"), Some("Emperor")));
        assert_eq!(world.get("Account", "p1").unwrap()["title"], "Emperor".into(), "left alone");
        let result = decided(&suite, on(line, ReconciliationVerdict::Write)).await;
        assert!(result.error.is_none() && !result.decision_id.is_empty(), "{result:?}");
        assert!(all(&suite).await.is_empty(), "{}: decided", engine.name);
        complete(&suite, &world).await;
        assert_eq!(world.get("Account", "p1").unwrap()["title"], "Clerk".into(), "{}", engine.name);
        complete(&suite, &world).await;
        assert!(all(&suite).await.is_empty());
        // The same once more waits for another decision.
        world.set("Account", "p1", "title", "Emperor");
        complete(&suite, &world).await;
        complete(&suite, &world).await;
        assert_eq!(all(&suite).await.len(), 1, "{}", engine.name);
        assert_eq!(world.get("Account", "p1").unwrap()["title"], "Emperor".into());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_stays_and_who_kept_it_is_told() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url, 2).await;
        world.set("Account", "p1", "title", "Emperor");
        complete(&suite, &world).await;
        let line = all(&suite).await.remove(0);
        let without =
            DecideReconciliationItemsRequest { comment: String::new(), ..on(&line, ReconciliationVerdict::Keep) };
        let refused = decide(&suite, without).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{}: {refused}", engine.name);
        assert!(decided(&suite, on(&line, ReconciliationVerdict::Keep)).await.error.is_none());
        for _ in 0..2 {
            complete(&suite, &world).await;
            assert!(all(&suite).await.is_empty(), "{}", engine.name);
        }
        let title = |permissions: &ListAssignmentsResponse| {
            let account = permissions.resources.iter().find(|one| one.resource_type == "AppAccount").unwrap();
            account.properties.iter().find(|one| one.property == "title").unwrap().workflow_state
        };
        assert_eq!(title(&suite.permissions("E1").await), 16, "Approved");
        // The source changes: kept all the same, and asked again.
        world.set("Person", "E1", "title", "Boss");
        complete(&suite, &world).await;
        assert_eq!(title(&suite.permissions("E1").await), 24, "Questioned");
        assert_eq!(world.get("Account", "p1").unwrap()["title"], "Emperor".into(), "{}", engine.name);
        assert_eq!(all(&suite).await.len(), 1);
        let request = ListDecisionsRequest { owner_key: "E1".into(), ..Default::default() };
        let decisions = suite.reconciliation().list_decisions(request).await.unwrap().into_inner().decisions;
        let [decision] = decisions.as_slice() else { panic!("{decisions:#?}") };
        assert_eq!((decision.actor.as_str(), decision.comment.as_str(), decision.standing), ("grace", "seen to", true));
        assert_eq!(text(decision.current.as_ref()), Some("Emperor"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_on_what_moved_meanwhile_is_refused_with_the_difference() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url, 1).await;
        world.set("Account", "p1", "title", "Emperor");
        complete(&suite, &world).await;
        let seen = all(&suite).await.remove(0);
        world.set("Account", "p1", "title", "Tsar");
        complete(&suite, &world).await;
        let error = decided(&suite, on(&seen, ReconciliationVerdict::Keep)).await.error.unwrap();
        assert_eq!(error.code, Code::Aborted as i32, "{}: {error:?}", engine.name);
        assert!(error.message.contains("'Tsar'"), "{error:?}");
        let unknown = ItemToDecide { item_id: "0".into(), version: String::new() };
        let nobody =
            DecideReconciliationItemsRequest { items: vec![unknown], ..on(&seen, ReconciliationVerdict::Write) };
        assert_eq!(decided(&suite, nobody).await.error.unwrap().code, Code::NotFound as i32);
        let error = decided(&suite, on(&seen, ReconciliationVerdict::Delete)).await.error.unwrap();
        assert_eq!(error.code, Code::FailedPrecondition as i32, "{error:?}");
        assert!(error.message.contains("write, keep, postpone"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobodys_account_waits_and_goes_by_an_order_that_names_itself() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url, 1).await;
        world.put("Account", "svc", &[("login", "svc".into()), ("title", "robot".into())]);
        complete(&suite, &world).await;
        let found = items(&suite, of_kind(ReconciliationKind::Orphan)).await;
        let [line] = found.as_slice() else { panic!("{}: {found:#?}", engine.name) };
        assert_eq!((line.target_key.as_str(), line.resource_type.as_str()), ("svc", "AppAccount"));
        complete(&suite, &world).await;
        assert!(world.get("Account", "svc").is_some(), "nobody decided");
        assert!(decided(&suite, on(line, ReconciliationVerdict::Delete)).await.error.is_none());
        complete(&suite, &world).await;
        assert_eq!(world.get("Account", "svc"), None, "{}", engine.name);
        suite.ledger.read(|orders| {
            let deletion = orders.iter().find(|held| held.order.kind == OrderKind::Deletion).unwrap();
            let owner = &deletion.order.owner;
            assert_eq!((owner.entity_type.as_str(), owner.key.as_str()), ("Account", "svc"));
        });
        complete(&suite, &world).await;
        assert!(all(&suite).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobodys_account_is_authorized_or_given_to_somebody() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url, 1).await;
        for key in ["svc", "old"] {
            world.put("Account", key, &[("login", key.into())]);
        }
        complete(&suite, &world).await;
        let found = items(&suite, of_kind(ReconciliationKind::Orphan)).await;
        let [old, svc] = found.as_slice() else { panic!("{}: {found:#?}", engine.name) };
        let keep = |line| DecideReconciliationItemsRequest { take_over: true, ..on(line, ReconciliationVerdict::Keep) };
        assert!(decided(&suite, keep(svc)).await.error.is_none());
        let give = DecideReconciliationItemsRequest { owner_key: "E1".into(), ..keep(old) };
        assert!(decided(&suite, give).await.error.is_none());
        for _ in 0..2 {
            complete(&suite, &world).await;
            assert!(all(&suite).await.is_empty(), "{}", engine.name);
        }
        let held = suite.permissions("E1").await.resources;
        let given = held.iter().find(|one| one.target_key == "old").expect("ada has it");
        assert_eq!(given.workflow_state, 16, "{given:?}");
        assert!(world.get("Account", "old").is_some() && world.get("Account", "svc").is_some());
        let nobody = DecideReconciliationItemsRequest { owner_key: "E99".into(), ..keep(old) };
        assert_eq!(decide(&suite, nobody).await.unwrap_err().code(), Code::InvalidArgument);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_found_link_deduces_a_role_which_is_granted_or_goes_with_its_links() {
    for verdict in [ReconciliationVerdict::Keep, ReconciliationVerdict::Delete] {
        for engine in engines().await {
            let (suite, world) = settled(&engine.url, 2).await;
            world.set("Account", "p2", "groups", Value::List(vec!["finance".into()]));
            complete(&suite, &world).await;
            let roles = items(&suite, of_kind(ReconciliationKind::Role)).await;
            let [role] = roles.as_slice() else { panic!("{}: {roles:#?}", engine.name) };
            assert_eq!((role.property.as_str(), role.owner.as_ref().unwrap().key.as_str()), ("finance", "E2"));
            let result = decided(&suite, on(role, verdict)).await;
            assert_eq!(result.with.len(), 1, "{result:?}");
            complete(&suite, &world).await;
            assert!(all(&suite).await.is_empty(), "{}: {verdict:?}", engine.name);
            let held = suite.permissions("E2").await;
            let groups = world.get("Account", "p2").unwrap()["groups"].clone();
            if verdict == ReconciliationVerdict::Keep {
                assert_eq!(held.roles.iter().map(|role| role.role.as_str()).collect::<Vec<_>>(), ["finance"]);
                assert_eq!(groups, Value::List(vec!["finance".into()]));
                assert!(held.resources.iter().any(|one| one.resource_type == "SafeAccess"), "what the role gives");
            } else {
                assert!(held.roles.is_empty() && groups.items().is_empty(), "{held:#?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_all_links_of_a_role_keeps_the_role() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url, 2).await;
        world.set("Account", "p2", "groups", Value::List(vec!["finance".into()]));
        complete(&suite, &world).await;
        let links = items(&suite, of_kind(ReconciliationKind::Property)).await;
        let result = decided(&suite, on(&links[0], ReconciliationVerdict::Keep)).await;
        assert_eq!(result.with.len(), 1, "{}: {result:?}", engine.name);
        complete(&suite, &world).await;
        assert_eq!(suite.permissions("E2").await.roles.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_decided_by_a_filter_and_pages_hold_each_once() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url, 5).await;
        for number in 1..=5 {
            world.set("Account", &format!("p{number}"), "title", "Emperor");
        }
        complete(&suite, &world).await;
        let mut seen = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListReconciliationItemsRequest { filter: None, page_size: 2, page_token };
            let page = suite.reconciliation().list_reconciliation_items(request).await.unwrap().into_inner();
            seen.extend(page.items.into_iter().map(|item| item.target_key));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, ["p1", "p2", "p3", "p4", "p5"], "{}", engine.name);
        let filter = ReconciliationFilter { property: "title".into(), owner_key: "E1".into(), ..Default::default() };
        let by_filter = |filter, verdict: ReconciliationVerdict| DecideReconciliationItemsRequest {
            filter: Some(filter),
            verdict: verdict.into(),
            comment: "all of them".into(),
            ..Default::default()
        };
        let none = decide(&suite, by_filter(ReconciliationFilter::default(), ReconciliationVerdict::Write)).await;
        assert_eq!(none.unwrap_err().code(), Code::InvalidArgument, "not by accident");
        assert_eq!(decide(&suite, by_filter(filter, ReconciliationVerdict::Keep)).await.unwrap().decided, 1);
        let titles = ReconciliationFilter { property: "title".into(), ..Default::default() };
        let answer = decide(&suite, by_filter(titles, ReconciliationVerdict::Write)).await.unwrap();
        assert_eq!((answer.decided, answer.more), (4, false));
        complete(&suite, &world).await;
        let title = |key: &str| world.get("Account", key).unwrap()["title"].clone();
        assert_eq!((title("p1"), title("p5")), ("Emperor".into(), "Clerk".into()), "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postponed_items_stay_and_say_so() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url, 1).await;
        world.set("Account", "p1", "title", "Emperor");
        complete(&suite, &world).await;
        let line = all(&suite).await.remove(0);
        assert!(decided(&suite, on(&line, ReconciliationVerdict::Postpone)).await.error.is_none());
        complete(&suite, &world).await;
        let again = all(&suite).await.remove(0);
        let decision = again.decision.expect("a decision");
        assert_eq!(
            (decision.verdict(), decision.actor.as_str()),
            (ReconciliationVerdict::Postpone, "grace"),
            "{}",
            engine.name
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn going_live_takes_what_differs_for_pre_existing() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(2);
        world.put("Account", "p1", &[("login", "p1".into()), ("title", "Veteran".into()), ("size", Value::Integer(1))]);
        let early = suite.reconciliation().set_baseline(SetBaselineRequest::default()).await.unwrap_err();
        assert_eq!(early.code(), Code::FailedPrecondition, "{early}");
        suite.synchronize(&world).await;
        suite.compute().await;
        assert!(all(&suite).await.is_empty(), "it would be written");
        let request = SetBaselineRequest { comment: "going live".into(), ..Default::default() };
        let said_at = suite.clock.now();
        let taken = suite.reconciliation().set_baseline(request_as("grace", request)).await.unwrap().into_inner();
        assert_eq!((taken.resources, taken.values), (1, 2), "{}: a title and a group", engine.name);
        let found = all(&suite).await;
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(found.iter().all(|line| line.workflow_state == 3), "{found:#?}");
        complete(&suite, &world).await;
        assert_eq!(all(&suite).await.len(), 2, "{}", engine.name);
        assert_eq!(world.get("Account", "p1").unwrap()["title"], "Veteran".into(), "left alone");
        assert!(world.get("Account", "p2").is_some(), "what was not there is created");
        let again = suite.reconciliation().set_baseline(SetBaselineRequest::default()).await.unwrap().into_inner();
        assert_eq!(again.values, 0);
        // Both are kept, newest first, beside what people decide on items.
        decided(&suite, on(&found[0], ReconciliationVerdict::Keep)).await;
        let list = async |request: ListDecisionsRequest| {
            suite.reconciliation().list_decisions(request).await.unwrap().into_inner().decisions
        };
        let told = list(ListDecisionsRequest { only_standing: true, ..Default::default() }).await;
        let kinds: Vec<_> = told.iter().map(|one| (one.kind(), one.verdict())).collect();
        let baseline = (ReconciliationKind::Baseline, ReconciliationVerdict::Baseline);
        assert_eq!(
            kinds,
            [(ReconciliationKind::Property, ReconciliationVerdict::Keep), baseline, baseline],
            "{}",
            engine.name
        );
        let first = &told[2];
        assert_eq!(first.decision_id, taken.decision_id);
        assert_eq!((first.actor.as_str(), first.comment.as_str(), first.standing), ("grace", "going live", true));
        assert_eq!((first.resource_type.as_str(), first.resources, first.values), ("", 1, 2));
        let at = first.at.unwrap();
        let at = at.seconds * 1_000 + i64::from(at.nanos / 1_000_000);
        assert!((said_at.millis()..suite.clock.now().millis()).contains(&at), "{at}");
        assert!(first.owner.is_none() && first.item_id.is_empty(), "{first:?}");
        for request in [
            ListDecisionsRequest { kind: ReconciliationKind::Baseline.into(), ..Default::default() },
            ListDecisionsRequest { verdict: ReconciliationVerdict::Baseline.into(), ..Default::default() },
            ListDecisionsRequest { kind: ReconciliationKind::Baseline.into(), page_size: 2, ..Default::default() },
        ] {
            let found = list(request.clone()).await;
            assert_eq!(found.iter().map(|one| one.values).collect::<Vec<_>>(), [0, 2], "{request:?}");
        }
        let of_grace = ListDecisionsRequest { actor: "grace".into(), kind: 6, ..Default::default() };
        assert_eq!(list(of_grace).await.len(), 1);
        // Nobody can say it of an item.
        let item = on(&found[1], ReconciliationVerdict::Baseline);
        let refused = suite.reconciliation().decide_reconciliation_items(item).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        // Nor is it computed with.
        suite.compute().await;
        assert_eq!(all(&suite).await.len(), 1, "{}", engine.name);
        let wrong = SetBaselineRequest { resource_type: "AppAcount".into(), ..Default::default() };
        let unknown = suite.reconciliation().set_baseline(wrong).await.unwrap_err();
        assert!(unknown.message().contains("AppAccount"), "{unknown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn confidential_values_are_nowhere_shown() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url, 1).await;
        let pin = |permissions: ListAssignmentsResponse| {
            let safe = permissions.resources.into_iter().find(|one| one.resource_type == "SafeAccess").unwrap();
            safe.properties.into_iter().find(|one| one.property == "pin").unwrap()
        };
        let shown = pin(suite.permissions("E1").await);
        assert!(shown.sensitive && shown.proposed.is_none(), "{}: {shown:?}", engine.name);
        world.put("Safe", "p1", &[("login", "p1".into()), ("title", "Clerk".into()), ("pin", "other".into())]);
        suite.synchronize(&world).await;
        suite.compute().await;
        suite.reconciliation().set_baseline(SetBaselineRequest::default()).await.unwrap();
        let line = items(&suite, ReconciliationFilter { property: "pin".into(), ..Default::default() }).await.remove(0);
        assert!(line.sensitive && line.proposed.is_none() && line.current.is_none(), "{line:?}");
        decided(&suite, on(&line, ReconciliationVerdict::Keep)).await;
        let request = ListDecisionsRequest::default();
        let decisions = suite.reconciliation().list_decisions(request).await.unwrap().into_inner().decisions;
        assert!(decisions.iter().all(|one| one.proposed.is_none() && one.current.is_none()), "{decisions:#?}");
    }
}
