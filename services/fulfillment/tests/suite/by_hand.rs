//! Who has what of the manual provisioning list, what is said of it, and decisions on what has changed since.

use crate::manual::{confirm, decision, transmitted};
use crate::world::{World, code, new_id, on_each_engine, order};
use provost_contract::fulfillment::v1 as api;
use provost_contract::types::v1::{ItemResult, OrderEvent, ProvisioningState};
use provost_service_kit::caller::request_as;
use tonic::Code;

async fn assign(world: &World, decisions: Vec<api::ManualDecision>, assignee: &str) -> Vec<ItemResult> {
    let request = api::AssignManualOrdersRequest { decisions, assignee: assignee.into(), comment: "knows it".into() };
    world.manual().assign_manual_orders(request_as("head", request)).await.unwrap().into_inner().results
}

async fn unassign(world: &World, decisions: Vec<api::ManualDecision>) -> Vec<ItemResult> {
    let request = api::UnassignManualOrdersRequest { decisions, comment: String::new() };
    world.manual().unassign_manual_orders(request_as("head", request)).await.unwrap().into_inner().results
}

async fn comment(world: &World, decisions: Vec<api::ManualDecision>, words: &str) -> Vec<ItemResult> {
    let request = api::CommentManualOrdersRequest { decisions, comment: words.into() };
    world.manual().comment_manual_orders(request_as("bob", request)).await.unwrap().into_inner().results
}

async fn listed(world: &World, request: api::ListManualOrdersRequest) -> Vec<(String, String)> {
    let list = world.manual().list_manual_orders(request).await.unwrap().into_inner().orders;
    let line = |manual: api::ManualOrder| {
        let record = manual.record.unwrap();
        (record.order.unwrap().target_key, record.assignee)
    };
    list.into_iter().map(line).collect()
}

fn lines(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    lines.iter().map(|(key, assignee)| ((*key).to_owned(), (*assignee).to_owned())).collect()
}

/// The differences that an item was refused with.
fn differences(result: &ItemResult) -> Vec<(&str, &str, &str)> {
    let error = result.error.as_ref().unwrap();
    error.differences.iter().map(|one| (one.what.as_str(), one.seen.as_str(), one.now.as_str())).collect()
}

#[tokio::test]
async fn orders_are_assigned_each_with_its_result_and_the_history_says_by_whom() {
    on_each_engine(async |world| {
        let orders = transmitted(world, &["a", "b", "c"]).await;
        let pending = order("d", "Clerk");
        world.submit(vec![pending.clone()]).await;
        let [a, b, c] = [0, 1, 2].map(|index| orders[index].order_id.as_str());
        let all = vec![decision(a, 0), decision(b, 99), decision(&pending.order_id, 0), decision(&new_id(), 0)];
        let results = assign(world, all, "bob").await;
        let codes: Vec<_> = results.iter().map(code).collect();
        assert_eq!(codes, [Code::Ok, Code::Aborted, Code::FailedPrecondition, Code::NotFound], "{}", world.engine);
        assert!(results[1].error.as_ref().unwrap().message.contains("never had version 99"));
        let mismatch = &results[2].error.as_ref().unwrap().message;
        assert!(mismatch.contains("state is Pending, must be Transmitted"), "{mismatch}");
        assert_eq!(results[0].state(), ProvisioningState::Transmitted, "the state stays");
        assert_eq!(code(&assign(world, vec![decision(a, 1)], " bob ").await[0]), Code::Ok, "it is bob's already");

        let (record, history) = world.get(a).await;
        assert_eq!((record.assignee.as_str(), record.ticket.as_str()), ("bob", "T-1"));
        assert!(record.state_reason.starts_with("with bob since"), "{}", record.state_reason);
        let line = history.last().unwrap();
        let said = (line.event(), line.actor.as_str(), line.assignee.as_str(), line.reason.as_str());
        assert_eq!(said, (OrderEvent::Assigned, "head", "bob", "knows it"));
        assert_eq!((line.from_state, line.to_state, line.version), (2, 2, record.version));
        assert_eq!(history.iter().filter(|line| line.event() == OrderEvent::Assigned).count(), 1, "once is enough");

        assert_eq!(listed(world, Default::default()).await, lines(&[("a", "bob"), ("b", ""), ("c", "")]));
        let of_bob = api::ListManualOrdersRequest { assignee: "bob".into(), ..Default::default() };
        assert_eq!(listed(world, of_bob).await, lines(&[("a", "bob")]));
        let of_nobody = api::ListManualOrdersRequest { unassigned: true, ..Default::default() };
        assert_eq!(listed(world, of_nobody.clone()).await, lines(&[("b", ""), ("c", "")]));

        assert_eq!(code(&unassign(world, vec![decision(a, 0), decision(c, 0)]).await[1]), Code::Ok, "nobody has it");
        assert_eq!(listed(world, of_nobody).await.len(), 3);
        let last = world.get(a).await.1.pop().unwrap();
        assert_eq!((last.event(), last.assignee.as_str()), (OrderEvent::Unassigned, ""));
        let (_, history) = world.get(c).await;
        assert!(history.iter().all(|line| line.event() != OrderEvent::Unassigned), "nothing happened");
    })
    .await;
}

#[tokio::test]
async fn wrong_requests_name_the_field() {
    on_each_engine(async |world| {
        let refused = async |request: api::AssignManualOrdersRequest| {
            world.manual().assign_manual_orders(request).await.unwrap_err().message().to_owned()
        };
        let nobody = api::AssignManualOrdersRequest { assignee: " ".into(), ..Default::default() };
        assert!(refused(nobody).await.contains("assignee"), "{}", world.engine);
        let words =
            api::AssignManualOrdersRequest { assignee: "bob".into(), comment: "x".repeat(2_001), ..Default::default() };
        assert!(refused(words).await.contains("comment"));
        let many = vec![decision(&new_id(), 0); 1_001];
        let many = api::AssignManualOrdersRequest { decisions: many, assignee: "bob".into(), ..Default::default() };
        assert!(refused(many).await.contains("at most 1000"));
        let silent = api::CommentManualOrdersRequest::default();
        let status = world.manual().comment_manual_orders(silent).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        for request in [
            api::ListManualOrdersRequest { unassigned: true, assignee: "bob".into(), ..Default::default() },
            api::ListManualOrdersRequest { older_than_minutes: -1, ..Default::default() },
        ] {
            let status = world.manual().list_manual_orders(request.clone()).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            let request = api::CountManualOrdersRequest { filter: Some(request) };
            let status = world.manual().count_manual_orders(request).await.unwrap_err();
            assert!(status.message().contains("filter."), "{}", status.message());
        }
    })
    .await;
}

#[tokio::test]
async fn comments_are_kept_and_outdate_nobodys_decision() {
    on_each_engine(async |world| {
        let orders = transmitted(world, &["ada"]).await;
        let id = &orders[0].order_id;
        let (seen, _) = world.get(id).await;
        let results = comment(world, vec![decision(id, 0), decision(&new_id(), 0)], "asked the vendor").await;
        assert_eq!(results.iter().map(code).collect::<Vec<_>>(), [Code::Ok, Code::NotFound]);
        let (record, history) = world.get(id).await;
        let last = history.last().unwrap();
        let said = (last.event(), last.actor.as_str(), last.reason.as_str());
        assert_eq!(said, (OrderEvent::Commented, "bob", "asked the vendor"), "{}", world.engine);
        assert_eq!(record.version, seen.version);
        assert_eq!(code(&confirm(world, vec![decision(id, seen.version)]).await[0]), Code::Ok);
        assert_eq!(code(&comment(world, vec![decision(id, 0)], "late").await[0]), Code::FailedPrecondition);
    })
    .await;
}

#[tokio::test]
async fn stale_decisions_are_refused_with_what_differs() {
    on_each_engine(async |world| {
        let orders = transmitted(world, &["ada"]).await;
        let id = &orders[0].order_id;
        let version = async || world.get(id).await.0.version;
        let seen = version().await;
        assign(world, vec![decision(id, seen)], "bob").await;
        let now = version().await;
        let results = confirm(world, vec![decision(id, seen)]).await;
        assert_eq!(code(&results[0]), Code::Aborted);
        let (before, after) = (seen.to_string(), now.to_string());
        let expected = [("version", before.as_str(), after.as_str()), ("assignee", "(none)", "bob")];
        assert_eq!(differences(&results[0]), expected, "{}", world.engine);
        let message = &results[0].error.as_ref().unwrap().message;
        assert!(message.contains("assigned to bob by head"), "{message}");

        // Reported as an error, mended, handed over anew: it is with a person again, and not the same.
        let report = api::ReportOrderErrorsRequest { decisions: vec![decision(id, now)], comment: "broken".into() };
        world.manual().report_order_errors(request_as("bob", report)).await.unwrap();
        let results = confirm(world, vec![decision(id, now)]).await;
        assert!(differences(&results[0]).contains(&("state", "Transmitted", "Errored")), "{results:?}");
        world.unblock(&[id]).await;
        world.pull().await;
        world.report(vec![crate::world::handed_over(id, 2)]).await;
        let results = confirm(world, vec![decision(id, now)]).await;
        assert_eq!(code(&results[0]), Code::Aborted);
        assert_eq!(differences(&results[0]).len(), 1, "the version alone: {results:?}");
        let message = &results[0].error.as_ref().unwrap().message;
        assert!(
            message.contains("it is still Transmitted (since then: error reported by bob, unblocked by"),
            "{message}"
        );
        assert_eq!(world.get(id).await.0.assignee, "bob", "it is still bob's");
        assert_eq!(code(&confirm(world, vec![decision(id, version().await)]).await[0]), Code::Ok);
    })
    .await;
}

#[tokio::test]
async fn decision_on_what_was_replaced_shows_the_values_of_what_took_its_place() {
    on_each_engine(async |world| {
        let orders = transmitted(world, &["ada"]).await;
        let id = &orders[0].order_id;
        let seen = world.get(id).await.0.version;
        let report = api::ReportOrderErrorsRequest { decisions: vec![decision(id, seen)], comment: "broken".into() };
        world.manual().report_order_errors(request_as("bob", report)).await.unwrap();
        let mut newer = order("ada", "Boss");
        newer.changes[0].sensitive = true;
        world.submit(vec![newer.clone()]).await;
        let results = confirm(world, vec![decision(id, seen)]).await;
        let differences = differences(&results[0]);
        assert!(differences.contains(&("state", "Transmitted", "Inactive")), "{differences:?}");
        assert!(differences.contains(&("order", id, &newer.order_id)), "{differences:?}");
        assert!(differences.contains(&("value of title", "Clerk", "Boss")), "{}: {differences:?}", world.engine);
        assert!(!differences.iter().any(|(_, _, now)| *now == "ada"), "a confidential value: {differences:?}");
    })
    .await;
}

#[tokio::test]
async fn list_is_narrowed_by_age_and_counted() {
    on_each_engine(async |world| {
        transmitted(world, &["old"]).await;
        world.pass(3_600);
        let mut badge = order("badge", "Clerk");
        (badge.entity_type, badge.resource_type, badge.connector) = ("Badge".into(), "Badge".into(), "desk".into());
        world.submit(vec![badge.clone()]).await;
        world.pull().await;
        world.report(vec![crate::world::handed_over(&badge.order_id, 1)]).await;
        assign(world, vec![decision(&badge.order_id, 0)], "bob").await;
        let older = |minutes| api::ListManualOrdersRequest { older_than_minutes: minutes, ..Default::default() };
        assert_eq!(listed(world, older(60)).await, lines(&[("old", "")]), "{}", world.engine);
        assert_eq!(listed(world, older(61)).await, lines(&[]));
        let count = async |filter: api::ListManualOrdersRequest| {
            let request = api::CountManualOrdersRequest { filter: Some(filter) };
            let counts = world.manual().count_manual_orders(request).await.unwrap().into_inner().counts;
            let line = |count: api::ManualCount| (count.entity_type, count.count, count.unassigned);
            counts.into_iter().map(line).collect::<Vec<_>>()
        };
        let expected = [("Account".to_owned(), 1, 1), ("Badge".to_owned(), 1, 0)];
        assert_eq!(count(Default::default()).await, expected);
        assert_eq!(count(older(60)).await, expected[..1]);
    })
    .await;
}
