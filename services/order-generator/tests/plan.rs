//! Plan and apply: what is planned is what is done, and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use provost_contract::generator::v1::*;
use provost_contract::types::v1::BlockCause;
use provost_domain::{Order, OrderKind};
use provost_testkit::engines;
use std::collections::BTreeMap;
use support::organisation::{NO_LIMITS, catalog, catalog_with, hire, leave, people};
use support::{Agent, Suite, World, lines};
use tonic::Code;

async fn complete(suite: &Suite, world: &World) -> JobRun {
    let run = suite.run("complete").await;
    let _agent = Agent::working(suite, world);
    suite.watch(&run.run_id).await
}

/// Reads everything, and computes nothing.
async fn read(suite: &Suite, world: &World) {
    suite.synchronize(world).await;
}

/// Three people, all as they shall be.
async fn settled(url: &str) -> (Suite, World) {
    let suite = Suite::start(url).await;
    let no_review = format!("review: false\n    {NO_LIMITS}");
    suite.apply(&catalog_with(NO_LIMITS, &no_review)).await;
    let world = people(3);
    let run = complete(&suite, &world).await;
    assert_eq!(run.state(), JobRunState::Completed, "{run:#?}");
    (suite, world)
}

/// What the ledger got: kind, resource type, key, changed properties, block causes.
type Said = (String, String, String, Vec<String>, Vec<i32>);

fn said_by(order: &Order) -> Said {
    let properties = order.changes.iter().map(|change| change.property.clone()).collect();
    let causes = order.block_causes.iter().map(|cause| *cause as i32).collect();
    (order.kind.to_string(), order.resource_type.clone(), order.target_key.clone(), properties, causes)
}

fn said_in(planned: &PlannedOrder) -> Option<Said> {
    let order = planned.order.as_ref().unwrap();
    let kind = match planned.action() {
        PlannedAction::Add => OrderKind::Addition,
        PlannedAction::Associate => OrderKind::Association,
        PlannedAction::Change => OrderKind::Update,
        PlannedAction::Delete => OrderKind::Deletion,
        _ => return None,
    };
    let properties = order.changes.iter().map(|change| change.property.clone()).collect();
    let causes = order.block_causes.clone();
    Some((kind.to_string(), order.resource_type.clone(), order.target_key.clone(), properties, causes))
}

fn sorted<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    items.sort();
    items
}

/// Everybody's fate at once: somebody comes, changes, leaves, and an order is no longer needed.
async fn stir(suite: &Suite, world: &World) {
    world.set("Person", "E2", "title", "Boss");
    read(suite, world).await;
    suite.generate().await;
    world.set("Person", "E2", "title", "Clerk");
    world.set("Person", "E1", "title", "Head");
    hire(world, 4, "Finance");
    leave(world, "E3", "2026-02-28");
    read(suite, world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_everything_and_does_nothing() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url).await;
        stir(&suite, &world).await;
        let before = suite.ledger.table();
        let plan = suite.plan().await;
        assert_eq!(
            sorted(plan.lines()),
            [
                "+ AppAccount p4",
                "+ SafeAccess p4",
                "- AppAccount p3",
                "x AppAccount p2",
                "~ AppAccount p1",
                "~ SafeAccess p1",
            ],
            "{}",
            engine.name
        );
        assert_eq!(suite.ledger.table(), before, "{}: nothing was done", engine.name);
        let update = plan.orders.iter().find(|one| one.action() == PlannedAction::Change).unwrap();
        let [title] = update.order.as_ref().unwrap().changes.as_slice() else { panic!("{update:?}") };
        assert_eq!(title.property, "title");
        assert!(title.proposed.is_some() && title.current.is_some() && !title.why.is_empty());
        // What is confidential is not told.
        let safe = plan.orders.iter().find(|one| lines(&[(*one).clone()]) == ["+ SafeAccess p4"]).unwrap();
        let pin = safe.order.as_ref().unwrap().changes.iter().find(|change| change.property == "pin").unwrap();
        assert!(pin.sensitive && pin.proposed.is_none(), "{pin:?}");
        // The numbers are of everything, and thresholds that hold are told too.
        let counts: BTreeMap<_, _> = plan
            .summary
            .counts
            .iter()
            .map(|count| ((count.resource_type.as_str(), count.action().as_str_name()), count.count))
            .collect();
        assert_eq!(counts[&("AppAccount", "PLANNED_ACTION_CANCEL")], 1);
        assert_eq!(counts[&("SafeAccess", "PLANNED_ACTION_ADD")], 1);
        assert!(!plan.summary.blocked && plan.summary.verdicts.iter().all(|verdict| verdict.holds));
        assert_eq!(plan.summary.owners, 4);
        let again = suite.plan().await;
        assert_eq!(again.lines(), plan.lines());
        assert_eq!(again.head.inputs_digest, plan.head.inputs_digest);
        assert_ne!(again.head.plan_id, plan.head.plan_id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_what_generating_does() {
    for engine in engines().await {
        for applies in [true, false] {
            let url = if applies { engine.url.clone() } else { "sqlite::memory:".to_owned() };
            let (suite, world) = settled(&url).await;
            stir(&suite, &world).await;
            let plan = suite.plan().await;
            let known = suite.ledger.table().len();
            if applies {
                let applied = suite.apply_plan(&plan).await.unwrap();
                assert_eq!(applied.generated.unwrap().generation_run, plan.head.plan_id);
            } else {
                suite.generate().await;
            }
            let submitted = suite.ledger.read(|orders| sorted(orders[known..].iter().map(|held| said_by(&held.order))));
            assert_eq!(submitted, sorted(plan.orders.iter().filter_map(said_in)), "{} {applies}", engine.name);
            let cancelled = suite.ledger.table().iter().filter(|row| row.3 == "Inactive, cancelled").count();
            assert_eq!(cancelled, 1, "{} {applies}", engine.name);
            assert_eq!(suite.plan().await.orders.len(), 0, "{}: nothing is left", engine.name);
            assert_eq!(suite.generate().await.submitted, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_plan_again_submits_nothing_and_says_so() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url).await;
        stir(&suite, &world).await;
        let plan = suite.plan().await;
        let first = suite.apply_plan(&plan).await.unwrap();
        assert_eq!(first.message, "5 orders submitted, 1 cancelled", "{}", engine.name);
        let table = suite.ledger.table();
        let again = suite.apply_plan(&plan).await.unwrap();
        assert_eq!((again.already_submitted, again.generated.unwrap().submitted), (6, 0), "{}", engine.name);
        assert!(again.message.starts_with("nothing new was submitted"), "{}", again.message);
        // Also when what it ordered is done by now.
        suite.ledger.execute_pending().iter().for_each(|order| world.write(order));
        read(&suite, &world).await;
        let again = suite.apply_plan(&plan).await.unwrap();
        assert_eq!(again.already_submitted, 6, "{}", engine.name);
        assert_eq!(suite.ledger.table().len(), table.len(), "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_whose_inputs_moved_is_refused_with_the_difference() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url).await;
        stir(&suite, &world).await;
        let plan = suite.plan().await;
        world.set("Person", "E1", "title", "Chief");
        world.set(
            "Person",
            "E3",
            "end_date",
            provost_domain::Value::Timestamp(provost_domain::Timestamp::parse("2027-01-01").unwrap()),
        );
        hire(&world, 5, "Sales");
        read(&suite, &world).await;
        let before = suite.ledger.table();
        let refused = suite.apply_plan(&plan).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{}", engine.name);
        for part in [
            "moved since it was made: Account, Group, Person, Safe",
            "changed: ~ AppAccount p1 of Person E1",
            "gone: - AppAccount p3 of Person E3",
            "new: + AppAccount p5 of Person E5",
            "Plan again",
        ] {
            assert!(refused.message().contains(part), "{}: {part}: {}", engine.name, refused.message());
        }
        assert_eq!(suite.ledger.table(), before, "{}: nothing was done", engine.name);
        // What has not moved may still be applied by name.
        let only = PlanSelection { owner_keys: vec!["E4".into()], ..PlanSelection::default() };
        let applied = suite.apply_part(&plan, only, false).await.unwrap();
        assert_eq!((applied.generated.unwrap().submitted, applied.left_out), (2, 4), "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_part_is_applied_and_the_rest_is_left_for_later() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url).await;
        stir(&suite, &world).await;
        let plan = suite.plan().await;
        let wrong = PlanSelection { resource_types: vec!["SafeAcess".into()], ..PlanSelection::default() };
        let wrong = suite.apply_part(&plan, wrong, false).await.unwrap_err();
        assert_eq!(wrong.code(), Code::InvalidArgument, "{}", engine.name);
        assert_eq!(wrong.message(), "only.resource_types[0] the plan has no order of 'SafeAcess'");
        let safes = PlanSelection { resource_types: vec!["SafeAccess".into()], ..PlanSelection::default() };
        let applied = suite.apply_part(&plan, safes, false).await.unwrap();
        assert_eq!(applied.message, "2 orders submitted, 0 cancelled; 4 orders of the plan were left out");
        let deletion = plan.orders.iter().find(|one| one.action() == PlannedAction::Delete).unwrap();
        let print = PlanSelection { fingerprints: vec![deletion.fingerprint[..10].into()], ..PlanSelection::default() };
        suite.apply_part(&plan, print, false).await.unwrap();
        let rest = suite.apply_plan(&plan).await.unwrap();
        assert_eq!(rest.message, "2 orders submitted, 1 cancelled, 3 ordered before", "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_is_what_is_applied() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url).await;
        stir(&suite, &world).await;
        let scope = |owner_key: &str, resource_types: &[&str]| PlanScope {
            owner_key: owner_key.into(),
            resource_types: resource_types.iter().map(|name| (*name).to_owned()).collect(),
            ..PlanScope::default()
        };
        let asked = |scope| PlanOrdersRequest { scope: Some(scope), ..PlanOrdersRequest::default() };
        let plan = suite.plan_by(asked(scope("E4", &["AppAccount"]))).await.unwrap();
        assert_eq!(plan.lines(), ["+ AppAccount p4"], "{}", engine.name);
        assert_eq!(plan.summary.counts.iter().map(|count| count.count).sum::<i64>(), 6, "of everything");
        let applied = suite.apply_plan(&plan).await.unwrap();
        assert_eq!(applied.generated.unwrap().submitted, 1, "{}", engine.name);
        let wrong = suite.plan_by(asked(scope("", &["AppAcount"]))).await.unwrap_err();
        assert_eq!(wrong.code(), Code::InvalidArgument);
        assert!(wrong.message().contains("did you mean 'AppAccount'?"), "{}", wrong.message());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thresholds_hold_for_plans_too() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog_with("remove_orphans: true", NO_LIMITS)).await;
        let world = people(10);
        complete(&suite, &world).await;
        (6..=10).for_each(|number| world.remove("Person", &format!("E{number}")));
        read(&suite, &world).await;
        let plan = suite.plan().await;
        assert!(plan.summary.blocked, "{}", engine.name);
        let verdict = plan.summary.verdicts.iter().find(|verdict| verdict.counted == "deletions").unwrap();
        assert_eq!((verdict.count, verdict.limit, verdict.holds), (5, Some(3), false));
        let blocked = suite.apply_plan(&plan).await.unwrap().generated.unwrap();
        assert!(blocked.blocked && blocked.submitted == 0, "{}: {blocked:?}", engine.name);
        let forced = suite.apply_part(&plan, PlanSelection::default(), true).await.unwrap();
        assert_eq!(forced.generated.unwrap().submitted, 5, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reviews_are_foretold() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        read(&suite, &people(1)).await;
        let causes = |plan: &support::Planned| -> BTreeMap<String, Vec<i32>> {
            let orders = plan.orders.iter().map(|one| one.order.clone().unwrap());
            orders.map(|order| (order.resource_type, order.block_causes)).collect()
        };
        let plan = suite.plan().await;
        let of_type = BlockCause::ResourceType as i32;
        assert_eq!(causes(&plan)["SafeAccess"], [of_type], "{}", engine.name);
        assert!(causes(&plan)["AppAccount"].is_empty());
        let waived = PlanOrdersRequest { waive_review: true, ..PlanOrdersRequest::default() };
        assert!(causes(&suite.plan_by(waived).await.unwrap()).values().all(Vec::is_empty));
        let forced = PlanOrdersRequest { force_review: true, ..PlanOrdersRequest::default() };
        let forced = suite.plan_by(forced).await.unwrap();
        assert_eq!(causes(&forced)["SafeAccess"], [of_type, BlockCause::Run as i32]);
        // Applied as it was planned: with the review that it foretold.
        suite.apply_plan(&forced).await.unwrap();
        assert_eq!(suite.ledger.states().get("Awaiting Approval"), Some(&2), "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_catalog_says_what_it_would_do_before_it_is_applied() {
    for engine in engines().await {
        let (suite, world) = settled(&engine.url).await;
        let no_review = format!("review: false\n    {NO_LIMITS}");
        let now = catalog_with(NO_LIMITS, &no_review);
        let other = now.replace("owner.department == 'Finance'", "owner.department == 'Sales'");
        let files = |text: &str| vec![CatalogFile { name: "other.yaml".into(), content: text.into() }];
        let asked = PlanOrdersRequest { catalog_files: files(&other), ..PlanOrdersRequest::default() };
        let plan = suite.plan_by(asked).await.unwrap();
        assert_eq!(
            sorted(plan.lines()),
            [
                "+ SafeAccess p2",
                "+ SafeAccess p3",
                "- SafeAccess p1",
                "~ AppAccount p1",
                "~ AppAccount p2",
                "~ AppAccount p3",
            ],
            "{}",
            engine.name
        );
        let roles: Vec<_> = plan
            .changes
            .iter()
            .filter(|change| change.thing() == AssignedThing::Role)
            .map(|change| (change.owner.clone().unwrap().key, change.name.as_str(), change.gained))
            .collect();
        assert_eq!(
            roles,
            [
                ("E1".to_owned(), "finance", false),
                ("E2".to_owned(), "finance", true),
                ("E3".to_owned(), "finance", true)
            ]
        );
        let finance = plan.summary.assignments.iter().find(|count| count.name == "finance").unwrap();
        assert_eq!((finance.gained, finance.lost), (2, 1), "{}", engine.name);
        // Nothing of it is kept; and it is not applied before the catalog is.
        assert_eq!(suite.plan().await.orders.len(), 0, "{}", engine.name);
        let early = suite.apply_plan(&plan).await.unwrap_err();
        assert_eq!(early.code(), Code::FailedPrecondition);
        assert!(early.message().contains("not the current one"), "{}", early.message());
        suite.apply(&other).await;
        let applied = suite.apply_plan(&plan).await.unwrap();
        assert_eq!(applied.generated.unwrap().submitted, 6, "{}", engine.name);
        assert_eq!(complete(&suite, &world).await.state(), JobRunState::Completed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_catalog_with_mistakes_is_refused_with_all_of_them() {
    let suite = Suite::start("sqlite::memory:").await;
    let early = suite.plan_by(PlanOrdersRequest::default()).await.unwrap_err();
    assert_eq!((early.code(), early.message()), (Code::FailedPrecondition, "there is no catalog; apply one first"));
    let file = |content: &str| CatalogFile { name: "a.yaml".into(), content: content.into() };
    let wrong = PlanOrdersRequest {
        catalog_files: vec![file("roles: [ { nmae: x } ]\nconectors: []\n")],
        ..PlanOrdersRequest::default()
    };
    let wrong = suite.plan_by(wrong).await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
    assert!(wrong.message().contains("nmae") && wrong.message().contains("conectors"), "{}", wrong.message());
    let both = PlanOrdersRequest { force_review: true, waive_review: true, ..PlanOrdersRequest::default() };
    assert_eq!(suite.plan_by(both).await.unwrap_err().message(), "waive_review contradicts force_review");
    // A catalog of what was never read has nothing to go by.
    suite.apply(&catalog()).await;
    let unread = suite.plan_by(PlanOrdersRequest::default()).await.unwrap_err();
    assert_eq!(unread.code(), Code::FailedPrecondition);
    assert!(unread.message().contains("was never synchronized"), "{}", unread.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_cut_off_or_made_up_is_refused() {
    let (suite, world) = settled("sqlite::memory:").await;
    stir(&suite, &world).await;
    let plan = suite.plan().await;
    let mut cut = plan.clone();
    cut.orders.pop();
    let mut head_says_more = cut.clone();
    head_says_more.head.plan_id = "no id".into();
    let refused = suite.apply_plan(&head_says_more).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("plan_id must be the id that PlanOrders gave"), "{}", refused.message());
    // One order less, and the head says so: then that order is new.
    let refused = suite.apply_plan(&cut).await.unwrap_err();
    assert!(refused.message().contains("new: "), "{}", refused.message());
    let head = ApplyPlanHead { plan: Some(plan.head.clone()), orders: 6, ..ApplyPlanHead::default() };
    let parts = [ApplyPlanRequest { part: Some(apply_plan_request::Part::Head(head)) }];
    let refused = suite.generator().apply_plan(futures::stream::iter(parts)).await.unwrap_err();
    assert!(refused.message().contains("the plan was cut off"), "{}", refused.message());
    let mut changed = plan;
    changed.orders[0].fingerprint = "00".repeat(16);
    let refused = suite.apply_plan(&changed).await.unwrap_err();
    assert!(refused.message().contains("changed: "), "{}", refused.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_does_not_go_without_what_goes_before_it() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        let dependent = format!("review: false\n    depends_on: AppAccount\n    {NO_LIMITS}");
        suite.apply(&catalog_with(NO_LIMITS, &dependent)).await;
        let world = people(1);
        read(&suite, &world).await;
        let plan = suite.plan().await;
        assert_eq!(plan.lines(), ["+ AppAccount p1", "+ SafeAccess p1"], "{}", engine.name);
        assert_eq!(plan.orders[1].goes_after, ["AppAccount p1"]);
        let safes = || PlanSelection { resource_types: vec!["SafeAccess".into()], ..PlanSelection::default() };
        let refused = suite.apply_part(&plan, safes(), false).await.unwrap_err();
        assert_eq!(
            refused.message(),
            "only + SafeAccess p1 of Person E1 goes after + AppAccount p1 of Person E1, which is not in the part; \
             name that too"
        );
        suite.apply_plan(&plan).await.unwrap();
        suite.ledger.execute_pending().iter().for_each(|order| world.write(order));
        suite.ledger.execute_pending().iter().for_each(|order| world.write(order));
        read(&suite, &world).await;
        // And the other way round: the safe goes before the account.
        leave(&world, "E1", "2026-02-28");
        read(&suite, &world).await;
        let plan = suite.plan().await;
        assert_eq!(plan.lines(), ["- SafeAccess p1", "- AppAccount p1"], "{}", engine.name);
        assert_eq!(plan.orders[1].goes_after, ["SafeAccess p1"]);
        suite.apply_plan(&plan).await.unwrap();
        suite.ledger.read(|orders| {
            let [.., safe, account] = orders else { panic!("two orders") };
            assert_eq!(account.order.depends_on, [safe.order.id], "{}", engine.name);
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn catalogs_say_what_they_change() {
    let suite = Suite::start("sqlite::memory:").await;
    let file = |content: String| vec![CatalogFile { name: "a.yaml".into(), content }];
    let ask = |content: String| ApplyCatalogRequest { files: file(content), validate_only: true };
    let first = suite.catalog().apply_catalog(ask(catalog())).await.unwrap().into_inner();
    assert!(first.changes.iter().all(|change| change.change == "added"));
    suite.apply(&catalog()).await;
    let other = catalog().replacen("review: false", "review: true", 1);
    let changed = suite.catalog().apply_catalog(ask(other)).await.unwrap().into_inner();
    let [change] = changed.changes.as_slice() else { panic!("{:?}", changed.changes) };
    assert_eq!(
        (change.section.as_str(), change.name.as_str(), change.change.as_str()),
        ("resource_types", "AppAccount", "changed")
    );
    assert_eq!(change.details, ["review: false -> true"]);
}
