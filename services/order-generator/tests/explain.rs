//! Why, and why not, asked of a whole order generator: each cause for which something that somebody expected is not
//! there, and each fact behind an order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use provost_contract::generator::v1::*;
use provost_contract::review::v1::Verdict;
use provost_contract::types::v1::WorkflowState;
use provost_domain::{Event, OrderId, Timestamp, Value};
use provost_service_kit::{caller, new_id};
use provost_testkit::{engines, eventually};
use std::fmt::Debug;
use std::time::Duration;
use support::organisation::{NO_LIMITS, catalog, catalog_with, hire, leave, people};
use support::{Agent, Suite, World};
use tonic::{Code, Status};

type Kind = ExplainedCauseKind;
type Stands = ExplainedStanding;

async fn asked(suite: &Suite, owner: &str, thing: [&str; 3]) -> Result<ExplainAssignmentResponse, Status> {
    let [name, property, value] = thing.map(str::to_owned);
    let request =
        ExplainAssignmentRequest { owner_entity_type: String::new(), owner_key: owner.into(), name, property, value };
    suite.explain().explain_assignment(request).await.map(tonic::Response::into_inner)
}

async fn why(suite: &Suite, owner: &str, thing: [&str; 3]) -> Explained {
    asked(suite, owner, thing).await.unwrap().explained.unwrap()
}

async fn order(suite: &Suite, id: OrderId) -> ExplainOrderResponse {
    suite.explain().explain_order(ExplainOrderRequest { order_id: id.to_string() }).await.unwrap().into_inner()
}

async fn complete(suite: &Suite, world: &World) -> JobRun {
    let run = suite.run("complete").await;
    let _agent = Agent::working(suite, world);
    suite.watch(&run.run_id).await
}

/// The order of a resource type that was submitted last.
fn newest(suite: &Suite, resource_type: &str) -> OrderId {
    suite
        .ledger
        .read(|orders| orders.iter().rev().find(|held| held.order.resource_type == resource_type).unwrap().order.id)
}

/// The sentence of the first cause of a kind.
#[track_caller]
fn sentence(causes: &[ExplainedCause], kind: Kind) -> String {
    let found = causes.iter().find(|cause| cause.kind() == kind);
    found.unwrap_or_else(|| panic!("no cause is {kind:?}: {causes:#?}")).sentence.clone()
}

#[track_caller]
fn stands(explained: &Explained, standing: Stands, answer: &str) {
    assert_eq!((explained.standing(), explained.answer.as_str()), (standing, answer), "{explained:#?}");
}

fn tells_no_secret(told: &impl Debug) {
    assert!(!format!("{told:?}").contains("secret-"), "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_does_not_give_names_the_part_that_does_not_hold() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        complete(&suite, &people(2)).await;
        let role = why(&suite, "E2", ["finance", "", ""]).await;
        stands(&role, Stands::HasNot, "Person 2 (E2) does not have role finance.");
        assert_eq!(
            role.causes[0].sentence, "rule 1 does not apply: department is 'Sales', must be 'Finance'",
            "{}",
            engine.name
        );
        assert_eq!(role.considered[0].unmet, ["department is 'Sales', must be 'Finance'"]);
        assert_eq!(role.considered[0].finding(), RuleFinding::DoesNotApply);
        let kind = why(&suite, "E2", ["SafeAccess", "", ""]).await;
        stands(&kind, Stands::HasNot, "Person 2 (E2) does not have SafeAccess.");
        assert_eq!(
            sentence(&kind.causes, Kind::RuleDoesNotApply),
            "type rule 1 does not apply: does not have role finance"
        );
        let property = why(&suite, "E2", ["SafeAccess", "title", ""]).await;
        stands(&property, Stands::HasNot, "Person 2 (E2) has no title, for want of SafeAccess.");
        let link = why(&suite, "E2", ["AppAccount", "groups", "finance"]).await;
        let answer = "groups 'finance' of AppAccount 'p2' of Person 2 (E2) is not there, and no rule gives it now.";
        stands(&link, Stands::HasNot, answer);
        assert_eq!(
            sentence(&link.causes, Kind::RuleDoesNotApply),
            "navigation groups -> finance does not apply: does not have role finance"
        );
        let nobody = why(&suite, "E2", ["AppAccount", "groups", "sales"]).await;
        assert_eq!(sentence(&nobody.causes, Kind::NoRule), "no rule of groups gives 'sales'");
        // And what they have.
        let role = why(&suite, "E1", ["finance", "", ""]).await;
        stands(&role, Stands::Has, "Person 1 (E1) has role finance (Calculated).");
        assert_eq!(sentence(&role.causes, Kind::GivenByRule), "rule 1 gives it: department = 'Finance'");
        let link = why(&suite, "E1", ["AppAccount", "groups", "finance"]).await;
        stands(&link, Stands::Has, "groups 'finance' of AppAccount 'p1' of Person 1 (E1) is there, as the rules say.");
        let title = asked(&suite, "E1", ["AppAccount", "title", ""]).await.unwrap();
        let sources: Vec<_> = title.sources.iter().map(|source| (source.key.as_str(), source.is_there)).collect();
        assert_eq!(sources, [("E1", true), ("p1", true), ("p1", false)], "{}", engine.name);
        assert!(title.sources.iter().all(|source| !source.synchronization_id.is_empty()));
        let title = title.explained.unwrap();
        stands(&title, Stands::Has, "title of AppAccount 'p1' of Person 1 (E1) is 'Clerk', as the rules say.");
        assert_eq!(sentence(&title.causes, Kind::GivenByRule), "scalar title gives it: title = 'Clerk'");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_explained_whole_and_without_secrets() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(2);
        complete(&suite, &world).await;
        suite.ledger.happen(newest(&suite, "SafeAccess"), &Event::Approved);
        complete(&suite, &world).await;
        let ask = |owner: &str| ExplainOwnerRequest { owner_entity_type: String::new(), owner_key: owner.into() };
        let told = suite.explain().explain_owner(ask("E1")).await.unwrap().into_inner();
        assert_eq!(told.answer, "Person 1 (E1) has 1 role, 2 resource types.", "{}", engine.name);
        let names: Vec<_> = told.has.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["finance", "AppAccount", "SafeAccess"]);
        let pin = told.has[2].parts.iter().find(|part| part.property == "pin").unwrap();
        assert!(pin.withheld && pin.proposed.is_none() && pin.current.is_none(), "{pin:#?}");
        tells_no_secret(&told);
        tells_no_secret(&why(&suite, "E1", ["SafeAccess", "pin", ""]).await);
        tells_no_secret(&why(&suite, "E1", ["SafeAccess", "pin", "something"]).await);
        assert!(told.catalog_revision > 0 && told.as_of.is_some());
        let told = suite.explain().explain_owner(ask("E2")).await.unwrap().into_inner();
        let not: Vec<_> = told.has_not.iter().map(|one| one.answer.as_str()).collect();
        assert_eq!(not, ["Person 2 (E2) does not have role finance.", "Person 2 (E2) does not have SafeAccess."]);
        assert_eq!(told.has_not[0].causes.len(), 1);
        // Somebody who left the source, and has left something.
        world.remove("Person", "E2");
        suite.synchronize(&world).await;
        let role = why(&suite, "E2", ["finance", "", ""]).await;
        assert_eq!(sentence(&role.causes, Kind::OwnerGone), "Person 2 (E2) is no longer in the source");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn denials_and_times_that_have_not_come_or_are_over_are_told() {
    let denied = "rules: [ { when: owner.department == 'Finance' }, { when: owner.title == 'Temp', denied: true } ]";
    let rules = catalog().replace("rules: [ { when: owner.department == 'Finance' } ]", denied).replace(
        "    valid_until: owner.end_date",
        "    valid_from: owner.start_date\n    valid_until: owner.end_date",
    );
    let rules = rules.replace(
        "      - { name: end_date, type: timestamp }",
        "      - { name: end_date, type: timestamp }\n      - { name: start_date, type: timestamp }",
    );
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&rules).await;
        let world = people(1);
        for number in 2..=4 {
            hire(&world, number, "Finance");
        }
        world.set("Person", "E2", "title", "Temp");
        leave(&world, "E3", "2026-02-01");
        world.set("Person", "E4", "start_date", Value::Timestamp(Timestamp::parse("2026-06-01").unwrap()));
        complete(&suite, &world).await;
        let role = why(&suite, "E2", ["finance", "", ""]).await;
        assert_eq!(role.standing(), Stands::HasNot, "{}", engine.name);
        assert_eq!(sentence(&role.causes, Kind::DeniedByRule), "rule 2 denies it: title = 'Temp'");
        assert_eq!(
            sentence(&role.causes, Kind::Overridden),
            "rule 1 would give it, and rule 2 counts instead: department = 'Finance'"
        );
        let role = why(&suite, "E3", ["finance", "", ""]).await;
        stands(&role, Stands::NoLonger, "Person 3 (E3) has role finance no longer, since 2026-02-01.");
        assert_eq!(sentence(&role.causes, Kind::Over), "rule 1 gave it until 2026-02-01: department = 'Finance'");
        let kind = why(&suite, "E3", ["AppAccount", "", ""]).await;
        stands(&kind, Stands::NoLonger, "Person 3 (E3) has AppAccount 'p3' no longer, since 2026-02-01.");
        let role = why(&suite, "E4", ["finance", "", ""]).await;
        stands(&role, Stands::NotYet, "Person 4 (E4) does not have role finance yet: from 2026-06-01 on.");
        let kind = why(&suite, "E4", ["AppAccount", "", ""]).await;
        stands(&kind, Stands::NotYet, "Person 4 (E4) does not have AppAccount 'p4' yet: from 2026-06-01 on.");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_or_may_not_be_created_says_for_what() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        let app = format!("allow_add: false\n    {NO_LIMITS}");
        let vault = format!("depends_on: AppAccount\n    depends_on_owner_property: title\n    {NO_LIMITS}");
        suite.apply(&catalog_with(&app, &vault)).await;
        let world = people(1);
        complete(&suite, &world).await;
        let kind = why(&suite, "E1", ["AppAccount", "", ""]).await;
        stands(&kind, Stands::HasNot, "Person 1 (E1) shall have AppAccount 'p1', and it is not there.");
        assert!(sentence(&kind.causes, Kind::AddNotAllowed).contains("allow_add is false"), "{}", engine.name);
        let safe = why(&suite, "E1", ["SafeAccess", "", ""]).await;
        assert_eq!(safe.standing(), Stands::Waits, "{safe:#?}");
        assert!(sentence(&safe.causes, Kind::WaitsForResource).starts_with("it depends on AppAccount, which is not"));
        world.set("Person", "E1", "title", "");
        complete(&suite, &world).await;
        let safe = why(&suite, "E1", ["SafeAccess", "", ""]).await;
        stands(&safe, Stands::Waits, "Person 1 (E1) shall have SafeAccess 'p1', and it is not there yet.");
        assert!(sentence(&safe.causes, Kind::WaitsForValue).contains("title of the Person 'E1' has no value yet"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_run_and_a_failed_rule_are_told_where_something_is_expected() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog_with("thresholds: { additions: 1 }", NO_LIMITS)).await;
        let world = people(3);
        world.set("Person", "E3", "size", "many");
        suite.synchronize(&world).await;
        let waiting = why(&suite, "E2", ["AppAccount", "", ""]).await;
        assert_eq!(sentence(&waiting.causes, Kind::NotGenerated), "no order was generated yet", "{}", engine.name);
        assert!(suite.generate().await.blocked, "{}", engine.name);
        let blocked = why(&suite, "E2", ["AppAccount", "", ""]).await;
        stands(&blocked, Stands::Waits, "Person 2 (E2) shall have AppAccount 'p2', and it is not there yet.");
        let why_not = sentence(&blocked.causes, Kind::Threshold);
        assert!(
            why_not.contains("was blocked, and nothing was submitted: 2 additions of AppAccount, at most 1"),
            "{why_not}"
        );
        let title = why(&suite, "E2", ["AppAccount", "title", ""]).await;
        assert!(sentence(&title.causes, Kind::Threshold).contains("at most 1"));
        let failed = why(&suite, "E3", ["AppAccount", "", ""]).await;
        stands(&failed, Stands::Unknown, "Nobody knows what Person 3 (E3) shall have of AppAccount: a rule failed.");
        assert!(sentence(&failed.causes, Kind::RuleFailed).contains("scalar size"), "{failed:#?}");
        // What changed since is told as what it is, and that nobody computed it yet.
        world.set("Person", "E2", "login", "q2");
        let run = suite.run("synchronize").await;
        let agent = Agent::start(&suite, &world);
        suite.watch(&run.run_id).await;
        drop(agent);
        let moved = why(&suite, "E2", ["AppAccount", "", ""]).await;
        assert_eq!(moved.target_key, "q2", "{moved:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reviewer_declined_says_who_and_when() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(1);
        complete(&suite, &world).await;
        let id = newest(&suite, "SafeAccess");
        let waiting = why(&suite, "E1", ["SafeAccess", "", ""]).await;
        stands(&waiting, Stands::Waits, "Person 1 (E1) shall have SafeAccess 'p1', and it is not there yet.");
        let on_its_way = sentence(&waiting.causes, Kind::Order);
        assert_eq!(on_its_way, format!("order {id}, its addition, is Awaiting Approval: waits for a review"));
        assert_eq!(waiting.order_id, id.to_string());
        suite.ledger.happen(id, &Event::Declined);
        complete(&suite, &world).await;
        let declined = why(&suite, "E1", ["SafeAccess", "", ""]).await;
        assert_eq!(declined.standing(), Stands::HasNot, "{} {declined:#?}", engine.name);
        let cause = declined.causes.iter().find(|cause| cause.kind() == Kind::ReviewDeclined).unwrap();
        let until = "until a proposed value changes, or it is taken away and given again; by somebody on 2026-03-01";
        assert!(cause.sentence.contains(until), "{}", cause.sentence);
        assert_eq!((cause.by.as_str(), cause.reference.clone()), ("somebody", id.to_string()));
        assert!(cause.at.is_some());
        let told = order(&suite, id).await;
        assert!(sentence(&told.causes, Kind::History).starts_with("declined by somebody on 2026-03-01"), "{told:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_tells_its_rules_run_review_and_what_is_another_today() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog()).await;
        let world = people(1);
        suite.synchronize(&world).await;
        let forced = GenerateOrdersRequest { force_review: true, ..Default::default() };
        suite.generator().generate_orders(forced).await.unwrap();
        let id = newest(&suite, "AppAccount");
        let told = order(&suite, id).await;
        let answer = "It is to create AppAccount 'p1' of Person 1 (E1) in app; Awaiting Approval: waits for a review.";
        assert_eq!(told.answer, answer, "{}", engine.name);
        assert_eq!(told.causes[0].kind(), Kind::GivenByRule, "{told:#?}");
        assert!(sentence(&told.causes, Kind::ReviewRequired).starts_with("its run forced a review of everything, as "));
        let run = told.run.clone().unwrap();
        assert!(run.forced_review && !run.waived_review && run.catalog_revision > 0, "{run:?}");
        assert!(run.at.is_some() && run.catalog_applied_at.is_some(), "{run:?}");
        let then: Vec<_> = told.sources.iter().map(|source| source.connector.as_str()).collect();
        assert_eq!(then, ["hr", "app"]);
        assert!(told.sources.iter().all(|source| source.export_started_at.is_some()), "{told:#?}");
        assert_eq!((told.differences.len(), told.notes.len()), (0, 0), "{told:#?}");
        // The source moves on; the order stays the truth of then.
        world.set("Person", "E1", "title", "Boss");
        let run = suite.run("synchronize").await;
        let agent = Agent::start(&suite, &world);
        suite.watch(&run.run_id).await;
        drop(agent);
        let told = order(&suite, id).await;
        assert_eq!(
            told.differences,
            ["title: at generation 'Clerk', today 'Boss' (title = 'Boss')"],
            "{}",
            engine.name
        );
        let title = told.changes.iter().find(|change| change.change.as_ref().unwrap().property == "title").unwrap();
        assert_eq!(title.today, told.differences[0]);
        assert_eq!(title.change.as_ref().unwrap().why.last().unwrap().detail, "title = 'Clerk'");
        world.set("Person", "E1", "pin", "secret-9");
        leave(&world, "E1", "2026-02-01");
        let run = suite.run("synchronize").await;
        let agent = Agent::start(&suite, &world);
        suite.watch(&run.run_id).await;
        drop(agent);
        let told = order(&suite, id).await;
        assert!(told.differences[0].starts_with("today the rules do not give it: Person 1 (E1) "), "{told:#?}");
        tells_no_secret(&order(&suite, newest(&suite, "SafeAccess")).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_tells_what_it_waits_for_and_is_told_while_the_ledger_is_away() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        let vault = format!("depends_on: AppAccount\n    {NO_LIMITS}");
        suite.apply(&catalog_with(NO_LIMITS, &vault)).await;
        suite.synchronize(&people(1)).await;
        suite.generate().await;
        let (account, safe) = (newest(&suite, "AppAccount"), newest(&suite, "SafeAccess"));
        let told = order(&suite, safe).await;
        assert_eq!(told.prerequisites[0].order_id, account.to_string(), "{} {told:#?}", engine.name);
        let sentence_of = &told.prerequisites[0].sentence;
        assert_eq!(sentence_of, "the addition of AppAccount 'p1', on which it depends, is Pending");
        assert!(sentence(&told.causes, Kind::ReviewRequired).contains("SafeAccess requires a review of every order"));
        suite.ledger.set_away(true);
        let told = order(&suite, safe).await;
        assert!(told.notes[0].starts_with("who decided on it cannot be told now"), "{:?}", told.notes);
        assert!(told.history.is_empty() && told.today.is_some());
        let unknown = ExplainOrderRequest { order_id: "00000000-0000-0000-0000-000000000007".into() };
        let refused = suite.explain().explain_order(unknown).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    }
}

/// Asks for a role, as eve, and waits until review has heard of it.
async fn requested(suite: &Suite, owner: &str, role: &str) -> String {
    let id = new_id().to_string();
    let request = RequestAssignmentRequest {
        request_id: id.clone(),
        owner_key: owner.into(),
        role: role.into(),
        comment: "for the audit".into(),
        ..Default::default()
    };
    suite.assignments().request_assignment(caller::request_as("eve", request)).await.unwrap();
    stands_at(suite, &id, WorkflowState::PendingApproval).await;
    id
}

async fn stands_at(suite: &Suite, id: &str, state: WorkflowState) {
    eventually(&format!("the request to be {state:?}"), Duration::from_secs(30), async || {
        suite.clock.advance(Duration::from_millis(200));
        let request = GetRequestRequest { request_id: id.to_owned() };
        let record = suite.assignments().get_request(request).await.unwrap().into_inner();
        if record.workflow_state() == state { Ok(()) } else { Err(format!("{record:?}")) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_were_declined_gave_or_took_away_are_told_with_who_did_it() {
    let roles = "roles:\n  - { name: auditor, owner: Person }\n";
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&catalog().replacen("roles:\n", roles, 1)).await;
        suite.synchronize(&people(2)).await;
        let nothing = why(&suite, "E1", ["auditor", "", ""]).await;
        assert_eq!(
            sentence(&nothing.causes, Kind::NoRule),
            "no rule and no composite role gives it",
            "{}",
            engine.name
        );
        assert_eq!(sentence(&nothing.causes, Kind::Requestable), "it can be asked for, and needs 1 approval");
        let id = requested(&suite, "E1", "auditor").await;
        let waits = why(&suite, "E1", ["auditor", "", ""]).await;
        assert_eq!(
            sentence(&waits.causes, Kind::RequestWaits),
            "eve asked for it on 2026-03-01 (for the audit): it waits for approval 1 of 1"
        );
        suite.reviews.say("bob", Verdict::Decline, &id, "not her task");
        stands_at(&suite, &id, WorkflowState::Declined).await;
        let declined = why(&suite, "E1", ["auditor", "", ""]).await;
        assert_eq!(declined.standing(), Stands::HasNot);
        assert_eq!(
            sentence(&declined.causes, Kind::RequestDeclined),
            "eve asked for it on 2026-03-01 (for the audit), and it was declined by bob: not her task"
        );
        let cause = declined.causes.iter().find(|cause| cause.kind() == Kind::RequestDeclined).unwrap();
        assert_eq!((cause.by.as_str(), cause.reference.as_str(), cause.at.is_some()), ("bob", id.as_str(), true));
        let id = requested(&suite, "E1", "auditor").await;
        suite.reviews.say("bob", Verdict::Approve, &id, "");
        stands_at(&suite, &id, WorkflowState::Approved).await;
        let has = why(&suite, "E1", ["auditor", "", ""]).await;
        assert_eq!(has.standing(), Stands::Has, "{has:#?}");
        assert!(sentence(&has.causes, Kind::GivenByRequest).ends_with(": requested by eve, approved by bob"));
        // What a rule gives is taken away by request.
        let revocation = RevokeAssignmentRequest {
            request_id: new_id().to_string(),
            owner_key: "E1".into(),
            role: "finance".into(),
            comment: "moved on".into(),
            ..Default::default()
        };
        let id = revocation.request_id.clone();
        suite.assignments().revoke_assignment(caller::request_as("eve", revocation)).await.unwrap();
        stands_at(&suite, &id, WorkflowState::PendingApproval).await;
        suite.reviews.say("bob", Verdict::Approve, &id, "");
        stands_at(&suite, &id, WorkflowState::Approved).await;
        suite.compute().await;
        let taken = why(&suite, "E1", ["finance", "", ""]).await;
        // It was had until then.
        assert_eq!(taken.standing(), Stands::NoLonger, "{taken:#?}");
        assert_eq!(taken.causes[0].kind(), Kind::DeniedByRequest);
        assert!(taken.causes[0].sentence.contains("took it away"), "{}", taken.causes[0].sentence);
        assert_eq!(taken.causes[0].reference, id);
        assert!(
            sentence(&taken.causes, Kind::Overridden).starts_with(&format!("rule 1 would give it, and request {id}"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_show_dimensions_composite_roles_and_periods() {
    let rules = catalog().replace(
        "    valid_until: owner.end_date",
        "    valid_until: owner.end_date\n    dimensions: { department: owner.department, pin: owner.pin }",
    ) + "
dimensions: [ department, pin ]
composite_roles:
  - { name: books, owner: Person, roles: [ finance ], rules: [ { dimensions: { department: Audit } } ] }
";
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        suite.apply(&rules).await;
        let world = people(1);
        hire(&world, 2, "Audit");
        leave(&world, "E2", "2026-12-01");
        suite.synchronize(&world).await;
        let told = suite.permissions("E2").await;
        let context = &told.contexts[0];
        let dimensions: Vec<_> =
            context.dimensions.iter().map(|one| (one.name.as_str(), one.value.as_str(), one.withheld)).collect();
        assert_eq!(dimensions, [("department", "Audit", false), ("pin", "", true)], "{}", engine.name);
        let roles: Vec<_> =
            told.roles.iter().map(|role| (role.role.as_str(), role.composite, role.workflow_state())).collect();
        assert_eq!(
            roles,
            [("books", true, WorkflowState::Calculated), ("finance", false, WorkflowState::GivenByARole)]
        );
        assert!(told.roles.iter().all(|role| role.period.as_ref().unwrap().valid_until.is_some()), "{told:#?}");
        tells_no_secret(&told);
        let not = why(&suite, "E1", ["books", "", ""]).await;
        assert_eq!(
            sentence(&not.causes, Kind::RuleDoesNotApply),
            "rule 1 does not apply: dimension department is 'Finance', must be 'Audit'"
        );
        // Another catalog, by which nothing was computed yet: the rest is shown all the same.
        suite.apply(&rules.replace("Finance, staff", "Finance people")).await;
        let told = suite.permissions("E2").await;
        assert_eq!((told.contexts.len(), told.roles.len()), (0, 2), "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_refused_with_the_nearest_name() {
    for engine in engines().await {
        let suite = Suite::start(&engine.url).await;
        let without = asked(&suite, "E1", ["finance", "", ""]).await.unwrap_err();
        assert_eq!(without.code(), Code::FailedPrecondition, "{} {without}", engine.name);
        suite.apply(&catalog()).await;
        suite.synchronize(&people(1)).await;
        for (owner, thing, code, part) in [
            ("E9", ["finance", "", ""], Code::NotFound, "Person 'E9'"),
            ("E1", ["finanze", "", ""], Code::NotFound, "did you mean 'finance'?"),
            ("E1", ["AppAcount", "", ""], Code::NotFound, "did you mean 'AppAccount'?"),
            ("E1", ["AppAccount", "titel", ""], Code::NotFound, "did you mean 'title'?"),
            ("E1", ["finance", "title", ""], Code::InvalidArgument, "is a role, and has no properties"),
            ("E1", ["AppAccount", "", "x"], Code::InvalidArgument, "needs the property whose value it is"),
            ("E1", ["", "", ""], Code::InvalidArgument, "name"),
        ] {
            let refused = asked(&suite, owner, thing).await.unwrap_err();
            assert_eq!(refused.code(), code, "{thing:?}: {refused}");
            assert!(refused.message().contains(part), "{thing:?}: {refused}");
        }
        for (id, code) in [("nothing", Code::InvalidArgument), ("00000000-0000-0000-0000-000000000007", Code::NotFound)]
        {
            let refused = suite.explain().explain_order(ExplainOrderRequest { order_id: id.into() }).await.unwrap_err();
            assert_eq!(refused.code(), code, "{refused}");
        }
    }
}
