//! Handing orders to agents, and what they report.

use crate::world::{code, executed, failed, handed_over, ids, new_id, on_each_engine, order, pull};
use provost_contract::fulfillment::v1::feedback::Outcome;
use provost_contract::fulfillment::v1::{
    HandedOver, LeaseKey, ListAgentsRequest, OrderFilter, PullOrdersRequest, RenewLeasesRequest, ReportFeedbackRequest,
    WatchOrdersRequest,
};
use provost_contract::to_wire;
use provost_contract::types::v1::{FailureClass, OrderEvent, ProvisioningState};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use tonic::Code;

#[tokio::test]
async fn order_is_leased_executed_and_verified() {
    on_each_engine(async |world| {
        let ada = order("ada", "Analyst");
        world.submit(vec![ada.clone()]).await;
        let leased = world.pull().await;
        assert_eq!(leased[0].order.as_ref(), Some(&ada));
        assert_eq!(leased[0].attempt, 1);
        let (record, _) = world.get(&ada.order_id).await;
        assert_eq!(record.lease.as_ref().unwrap().agent_id, "agent-1");
        assert!(record.state_reason.starts_with("in flight at agent-1"));
        let results = world.report(vec![executed(&ada.order_id, 1)]).await;
        assert_eq!((code(&results[0]), results[0].state()), (Code::Ok, ProvisioningState::Executed));
        let again = world.report(vec![executed(&ada.order_id, 1)]).await;
        assert_eq!(code(&again[0]), Code::Ok, "feedback may be repeated");
        assert!(world.get(&ada.order_id).await.0.executed_at.is_some());
        let export = crate::world::START;
        let stale = world.verify(&ada.order_id, export).await;
        assert_eq!((code(&stale), stale.state()), (Code::FailedPrecondition, ProvisioningState::Executed));
        assert!(stale.error.unwrap().message.contains(&ada.order_id));
        let verified = world.verify(&ada.order_id, export.plus(Duration::from_millis(1))).await;
        assert_eq!((code(&verified), verified.state()), (Code::Ok, ProvisioningState::Verified));
        let events = [OrderEvent::Generated, OrderEvent::Leased, OrderEvent::Executed, OrderEvent::Verified];
        assert_eq!(world.events(&ada.order_id).await, events);
    })
    .await;
}

#[tokio::test]
async fn highest_priority_goes_first_then_the_oldest() {
    on_each_engine(async |world| {
        let (low, mid, high) = (order("low", "x"), order("mid", "x"), order("high", "x"));
        let mut high = high;
        high.priority = 5;
        world.submit(vec![low.clone(), mid.clone(), high.clone()]).await;
        assert_eq!(ids(&world.pull_as("agent-1", 2).await), [high.order_id, low.order_id]);
        assert_eq!(ids(&world.pull().await), [mid.order_id]);
    })
    .await;
}

#[tokio::test]
async fn only_orders_of_the_agents_connections_are_leased() {
    on_each_engine(async |world| {
        let (ours, mut theirs) = (order("ada", "x"), order("bob", "x"));
        theirs.connection = "dir".into();
        world.submit(vec![theirs.clone(), ours.clone()]).await;
        assert_eq!(ids(&world.pull().await), [ours.order_id]);
        let request = PullOrdersRequest {
            agent_id: "agent-2".into(),
            connections: vec!["dir".into(), "other".into()],
            max_orders: 5,
            ..Default::default()
        };
        let leased = world.dispatch().pull_orders(request).await.unwrap().into_inner().orders;
        assert_eq!(ids(&leased), [theirs.order_id]);
    })
    .await;
}

#[tokio::test]
async fn waiting_pull_wakes_at_once() {
    on_each_engine(async |world| {
        let mut dispatch = world.dispatch();
        let waiting = tokio::spawn(async move { pull(&mut dispatch, "agent-1", 10, 30).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let ada = order("ada", "x");
        let submitted = Instant::now();
        world.submit(vec![ada.clone()]).await;
        assert_eq!(ids(&waiting.await.unwrap()), [ada.order_id]);
        assert!(submitted.elapsed() < Duration::from_millis(800), "{:?}", submitted.elapsed());
        assert!(pull(&mut world.dispatch(), "agent-1", 10, 1).await.is_empty(), "the wait has an end");
    })
    .await;
}

#[tokio::test]
async fn waiting_pull_of_another_replica_gets_the_order_too() {
    on_each_engine(async |world| {
        let mut dispatch = world.replica().await;
        let waiting = tokio::spawn(async move { pull(&mut dispatch, "agent-2", 10, 30).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let ada = order("ada", "x");
        world.submit(vec![ada.clone()]).await;
        assert_eq!(ids(&waiting.await.unwrap()), [ada.order_id]);
    })
    .await;
}

#[tokio::test]
async fn no_order_is_leased_twice_at_once() {
    on_each_engine(async |world| {
        let orders: Vec<_> = (0..300).map(|n| order(&format!("p{n}"), "x")).collect();
        world.submit(orders).await;
        let pullers = (0..8).map(|n| {
            let mut dispatch = world.dispatch();
            tokio::spawn(async move {
                let mut got = Vec::new();
                loop {
                    let leased = pull(&mut dispatch, &format!("agent-{n}"), 7, 0).await;
                    if leased.is_empty() {
                        return got;
                    }
                    got.extend(ids(&leased));
                }
            })
        });
        let mut all = Vec::new();
        for puller in pullers.collect::<Vec<_>>() {
            all.extend(puller.await.unwrap());
        }
        assert_eq!(all.len(), 300);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 300);
    })
    .await;
}

#[tokio::test]
async fn lost_lease_is_offered_again_under_the_next_attempt() {
    on_each_engine(async |world| {
        let ada = order("ada", "x");
        world.submit(vec![ada.clone()]).await;
        world.pull().await;
        world.pass(59);
        assert!(world.pull_as("agent-2", 1).await.is_empty());
        world.pass(2);
        let leased = world.pull_as("agent-2", 1).await;
        assert_eq!(leased[0].attempt, 2);
        // The first agent comes late with a failure: recorded once, nothing changes.
        for _ in 0..2 {
            let late = world.report(vec![failed(&ada.order_id, 1, FailureClass::Refused)]).await;
            assert_eq!((code(&late[0]), late[0].state()), (Code::Ok, ProvisioningState::Pending));
        }
        let (record, history) = world.get(&ada.order_id).await;
        assert_eq!(record.lease.unwrap().agent_id, "agent-2");
        let late: Vec<_> = history.iter().filter(|line| line.event() == OrderEvent::LateFeedback).collect();
        assert_eq!((late.len(), late[0].attempt), (1, 1));
        assert_eq!(late[0].reason, "failed: no (E1)");
        // Executed is the truth about the managed system, whichever attempt says it.
        let truth = world.report(vec![executed(&ada.order_id, 1)]).await;
        assert_eq!((code(&truth[0]), truth[0].state()), (Code::Ok, ProvisioningState::Executed));
        let second = world.report(vec![executed(&ada.order_id, 2)]).await;
        assert_eq!(code(&second[0]), Code::Ok);
    })
    .await;
}

#[tokio::test]
async fn renewed_lease_is_kept_and_a_lost_one_is_not() {
    on_each_engine(async |world| {
        let ada = order("ada", "x");
        world.submit(vec![ada.clone()]).await;
        world.pull().await;
        let renew = async |agent: &str, id: &str, attempt: i32| {
            let leases = vec![LeaseKey { order_id: id.into(), attempt }];
            let request = RenewLeasesRequest { agent_id: agent.into(), leases };
            world.dispatch().renew_leases(request).await.unwrap().into_inner()
        };
        world.pass(50);
        let renewed = renew("agent-1", &ada.order_id, 1).await;
        assert_eq!(code(&renewed.results[0]), Code::Ok);
        let end = crate::world::START.plus(Duration::from_secs(110));
        assert_eq!(renewed.lease_expires_at, Some(to_wire::timestamp(end)));
        world.pass(50);
        assert!(world.pull_as("agent-2", 1).await.is_empty());
        world.pass(11);
        assert_eq!(world.pull_as("agent-2", 1).await[0].attempt, 2);
        assert_eq!(code(&renew("agent-1", &ada.order_id, 1).await.results[0]), Code::Aborted);
        assert_eq!(code(&renew("agent-2", &ada.order_id, 1).await.results[0]), Code::Aborted);
        assert_eq!(code(&renew("agent-2", &ada.order_id, 2).await.results[0]), Code::Ok);
        assert_eq!(code(&renew("agent-2", &new_id(), 1).await.results[0]), Code::NotFound);
        assert_eq!(code(&renew("agent-2", "x", 1).await.results[0]), Code::InvalidArgument);
        let (record, history) = world.get(&ada.order_id).await;
        assert_eq!((record.version, history.len()), (3, 3), "a heartbeat leaves no trace");
    })
    .await;
}

#[tokio::test]
async fn passing_failures_are_tried_again_and_the_fifth_is_the_last() {
    on_each_engine(async |world| {
        let ada = order("ada", "x");
        world.submit(vec![ada.clone()]).await;
        for (attempt, wait) in [(1, 1), (2, 2), (3, 4), (4, 8)] {
            assert_eq!(world.pull().await[0].attempt, attempt);
            let report = failed(&ada.order_id, attempt, FailureClass::Transport);
            let results = world.report(vec![report.clone()]).await;
            assert_eq!(results[0].state(), ProvisioningState::Pending);
            world.report(vec![report]).await;
            let (record, _) = world.get(&ada.order_id).await;
            assert!(record.next_attempt_at.is_some() && record.failure.is_some(), "{record:?}");
            assert!(world.pull().await.is_empty(), "not before its time");
            world.pass(wait);
        }
        assert_eq!(world.pull().await[0].attempt, 5);
        let results = world.report(vec![failed(&ada.order_id, 5, FailureClass::Transport)]).await;
        assert_eq!(results[0].state(), ProvisioningState::Errored);
        let events = world.events(&ada.order_id).await;
        assert_eq!(events.iter().filter(|event| **event == OrderEvent::Retried).count(), 4);
        // Unblocked, it has all its tries again.
        world.unblock(&[&ada.order_id]).await;
        assert_eq!(world.pull().await[0].attempt, 6);
        let results = world.report(vec![failed(&ada.order_id, 6, FailureClass::Throttled)]).await;
        assert_eq!(results[0].state(), ProvisioningState::Pending);
    })
    .await;
}

#[tokio::test]
async fn each_item_of_feedback_has_its_own_result() {
    on_each_engine(async |world| {
        let (ada, bob, eve) = (order("ada", "x"), order("bob", "x"), order("eve", "x"));
        world.submit(vec![ada.clone(), bob.clone(), eve.clone()]).await;
        world.pull().await;
        let mut empty = executed(&bob.order_id, 1);
        empty.outcome = None;
        let results = world
            .report(vec![
                executed(&new_id(), 1),
                executed("nonsense", 1),
                executed(&ada.order_id, 7),
                executed(&ada.order_id, 0),
                empty,
                executed(&ada.order_id, 1),
                handed_over(&eve.order_id, 1),
                failed(&bob.order_id, 1, FailureClass::Conflict),
            ])
            .await;
        let codes: Vec<_> = results.iter().map(code).collect();
        let bad = Code::InvalidArgument;
        assert_eq!(codes, [Code::NotFound, bad, bad, bad, bad, Code::Ok, Code::Ok, Code::Ok]);
        assert_eq!(results[0].state(), ProvisioningState::None);
        assert_eq!(world.state(&ada.order_id).await, ProvisioningState::Executed);
        assert_eq!(world.state(&bob.order_id).await, ProvisioningState::Errored);
        assert_eq!(world.get(&eve.order_id).await.0.ticket, "T-1");
    })
    .await;
}

#[tokio::test]
async fn wrong_calls_name_their_fields() {
    on_each_engine(async |world| {
        let status = world.dispatch().pull_orders(PullOrdersRequest::default()).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        for field in ["agent_id", "connections", "max_orders"] {
            assert!(status.message().contains(field), "{field}: {}", status.message());
        }
        let many = vec![executed(&new_id(), 1); 1_001];
        let request = ReportFeedbackRequest { agent_id: "agent-1".into(), feedback: many };
        let status = world.dispatch().report_feedback(request).await.unwrap_err();
        assert!(status.code() == Code::InvalidArgument && status.message().contains("feedback holds 1001"));
        let status = world.dispatch().report_feedback(ReportFeedbackRequest::default()).await.unwrap_err();
        assert!(status.code() == Code::InvalidArgument && status.message().contains("agent_id"));
        let status = world.dispatch().renew_leases(RenewLeasesRequest::default()).await.unwrap_err();
        assert!(status.code() == Code::InvalidArgument && status.message().contains("agent_id"));
    })
    .await;
}

#[tokio::test]
async fn order_is_not_handed_over_before_its_time() {
    on_each_engine(async |world| {
        let mut ada = order("ada", "x");
        ada.not_before = Some(to_wire::timestamp(crate::world::START.plus(Duration::from_secs(30))));
        world.submit(vec![ada.clone()]).await;
        assert!(world.pull().await.is_empty());
        assert!(world.get(&ada.order_id).await.0.state_reason.starts_with("not before"));
        world.pass(30);
        assert_eq!(ids(&world.pull().await), [ada.order_id]);
    })
    .await;
}

#[tokio::test]
async fn agents_are_listed_with_what_they_hold() {
    on_each_engine(async |world| {
        world.submit(vec![order("ada", "x"), order("bob", "x")]).await;
        world.pull_as("agent-2", 2).await;
        world.pass(10);
        world.pull_as("agent-1", 2).await;
        let agents = world.dispatch().list_agents(ListAgentsRequest {}).await.unwrap().into_inner().agents;
        let shown: Vec<_> = agents.iter().map(|agent| (agent.agent_id.as_str(), agent.in_flight)).collect();
        assert_eq!(shown, [("agent-1", 0), ("agent-2", 2)]);
        assert_eq!(agents[0].connections, [crate::world::CONNECTION]);
        assert!(agents[0].last_seen_at.unwrap().seconds > agents[1].last_seen_at.unwrap().seconds);
    })
    .await;
}

/// Agents ask for each connection in a call of its own.
#[tokio::test]
async fn agent_is_listed_with_all_that_it_served_lately() {
    on_each_engine(async |world| {
        let ask = async |name: &str| {
            let request = PullOrdersRequest {
                agent_id: "agent-1".into(),
                connections: vec![name.into()],
                max_orders: 1,
                agent_version: "2".into(),
                ..Default::default()
            };
            world.dispatch().pull_orders(request).await.unwrap();
        };
        let served = async || {
            let agents = world.dispatch().list_agents(ListAgentsRequest {}).await.unwrap().into_inner().agents;
            let [agent] = agents.as_slice() else { panic!("one agent: {agents:?}") };
            agent.connections.clone()
        };
        for name in ["b", "a", "b"] {
            ask(name).await;
        }
        assert_eq!(served().await, ["a", "b"], "{}", world.engine);
        world.clock.advance(Duration::from_secs(601));
        assert_eq!(served().await, ["a", "b"], "an agent that is gone keeps what it served");
        ask("b").await;
        assert_eq!(served().await, ["b"]);
    })
    .await;
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    on_each_engine(async |world| {
        let (ada, bob) = (order("ada", "x"), order("bob", "x"));
        world.submit(vec![ada.clone(), bob.clone()]).await;
        world.pull_as("agent-1", 1).await;
        world.restart().await;
        assert_eq!(world.get(&ada.order_id).await.0.lease.unwrap().attempt, 1, "leases hold through a restart");
        assert_eq!(world.report(vec![executed(&ada.order_id, 1)]).await[0].state(), ProvisioningState::Executed);
        assert_eq!(ids(&world.pull().await), [bob.order_id]);
    })
    .await;
}

#[tokio::test]
async fn control_characters_in_words_hold_up_no_feedback() {
    on_each_engine(async |world| {
        let (ada, bob, eve) = (order("ada", "x"), order("bob", "x"), order("eve", "x"));
        world.submit(vec![ada.clone(), bob.clone(), eve.clone()]).await;
        world.pull().await;
        let mut nope = failed(&ada.order_id, 1, FailureClass::Refused);
        if let Some(Outcome::Failed(failure)) = &mut nope.outcome {
            failure.message = "no\0pe".into();
            failure.code = "E\0".into();
        }
        let mut handed = handed_over(&eve.order_id, 1);
        handed.outcome = Some(Outcome::HandedOver(HandedOver { ticket: "T\0".into() }));
        let results = world.report(vec![nope, executed(&bob.order_id, 1), handed]).await;
        let states: Vec<_> = results.iter().map(|result| result.state()).collect();
        let expected = [ProvisioningState::Errored, ProvisioningState::Executed, ProvisioningState::Transmitted];
        assert_eq!(states, expected, "{}", world.engine);
        let (record, history) = world.get(&ada.order_id).await;
        assert_eq!(record.failure.unwrap().message, "no\u{fffd}pe");
        assert_eq!(history.last().unwrap().reason, "no\u{fffd}pe (E\u{fffd})");
        assert_eq!(world.get(&eve.order_id).await.0.ticket, "T\u{fffd}");
    })
    .await;
}

/// Two replicas, two clocks: what the faster one offers is not due for the slower one, whose other
/// orders go on.
#[tokio::test]
async fn order_that_is_offered_too_early_holds_up_no_other() {
    on_each_engine(async |world| {
        let (first, second, free) = (order("ada", "x"), order("bob", "x"), order("eve", "x"));
        world.submit(vec![first.clone(), second.clone()]).await;
        assert_eq!(world.pull_as("agent-1", 2).await.len(), 2);
        // By the faster clock both leases are over: both are offered, and one is taken.
        let mut fast = world.replica_ahead(120).await;
        assert_eq!(ids(&pull(&mut fast, "agent-2", 1, 0).await), [first.order_id.as_str()]);
        world.submit(vec![free.clone()]).await;
        assert_eq!(ids(&world.pull().await), [free.order_id.as_str()], "{}", world.engine);
        world.report(vec![executed(&free.order_id, 1)]).await;
        world.pass(300);
        assert_eq!(ids(&world.pull().await), [first.order_id, second.order_id]);
    })
    .await;
}

/// Words of a managed system can be long; the feed and the lists must still carry them.
#[tokio::test]
async fn oversized_feedback_is_cut_and_every_reader_goes_on() {
    on_each_engine(async |world| {
        let orders: Vec<_> = (0..3).map(|number| order(&format!("p{number}"), "x")).collect();
        world.submit(orders.clone()).await;
        world.pull().await;
        for order in &orders {
            let mut feedback = failed(&order.order_id, 1, FailureClass::Refused);
            if let Some(Outcome::Failed(failure)) = &mut feedback.outcome {
                failure.message = "é".repeat(2 * 1024 * 1024);
                failure.hint = failure.message.clone();
            }
            assert!(world.report(vec![feedback]).await[0].error.is_none());
        }
        let listed = world.list(OrderFilter::default()).await;
        assert_eq!(listed.len(), 3);
        assert!(listed.iter().all(|record| record.failure.as_ref().unwrap().message.chars().count() == 4_000));
        let request = WatchOrdersRequest::default();
        let mut feed = world.orders().watch_orders(request).await.unwrap().into_inner();
        for _ in 0..9 {
            assert!(feed.message().await.unwrap().is_some());
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_ticket_system_lost_is_errored_and_not_tried_again() {
    on_each_engine(async |world| {
        let ada = order("ada", "x");
        world.submit(vec![ada.clone()]).await;
        world.pull().await;
        world.report(vec![handed_over(&ada.order_id, 1)]).await;
        world.report(vec![failed(&ada.order_id, 1, FailureClass::Transport)]).await;
        assert_eq!(world.state(&ada.order_id).await, ProvisioningState::Errored, "{}", world.engine);
    })
    .await;
}

/// It may be the order that ends its agents.
#[tokio::test]
async fn order_whose_agents_are_lost_one_after_the_other_is_errored() {
    on_each_engine(async |world| {
        let (ada, bob) = (order("ada", "x"), order("bob", "x"));
        world.submit(vec![ada.clone()]).await;
        for attempt in 1..=5 {
            assert_eq!(world.pull().await[0].attempt, attempt, "{}", world.engine);
            world.pass(60);
        }
        world.submit(vec![bob.clone()]).await;
        assert_eq!(ids(&world.pull_as("agent-1", 1).await), [bob.order_id], "the others go on at once");
        let (record, history) = world.get(&ada.order_id).await;
        assert_eq!(record.state(), ProvisioningState::Errored);
        assert_eq!(record.state_reason, "agent-1 took attempt 5 and never said what became of it");
        assert_eq!(history.last().unwrap().actor, "fulfillment");
        // The truth is heard however late; unblocked, the count begins anew.
        assert!(world.unblock(&[&ada.order_id]).await[0].error.is_none());
        assert_eq!(world.pull().await[0].attempt, 6);
        world.pass(60);
        assert_eq!(world.pull().await[0].attempt, 7);
        world.report(vec![executed(&ada.order_id, 5)]).await;
        assert_eq!(world.state(&ada.order_id).await, ProvisioningState::Executed);
    })
    .await;
}

#[tokio::test]
async fn agents_are_told_how_old_their_leases_can_be_without_a_clock() {
    on_each_engine(async |world| {
        let mut dispatch = world.dispatch();
        let wait = Some(prost_types::Duration { seconds: 20, nanos: 0 });
        let connections = vec![crate::world::CONNECTION.into()];
        let request =
            PullOrdersRequest { agent_id: "agent-1".into(), connections, max_orders: 1, wait, ..Default::default() };
        let (sent, waiting) = (Instant::now(), tokio::spawn(async move { dispatch.pull_orders(request).await }));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let ada = order("ada", "Analyst");
        world.submit(vec![ada.clone()]).await;
        let pulled = waiting.await.unwrap().unwrap().into_inner();
        let elapsed = sent.elapsed();
        let length = |duration: Option<prost_types::Duration>| Duration::try_from(duration.unwrap()).unwrap();
        let (waited, lease) = (length(pulled.waited), length(pulled.lease));
        assert_eq!(ids(&pulled.orders), std::slice::from_ref(&ada.order_id));
        assert!(waited >= Duration::from_millis(100) && waited <= elapsed, "{waited:?} of {elapsed:?}");
        let leases = vec![LeaseKey { order_id: ada.order_id, attempt: 1 }];
        let renewal = RenewLeasesRequest { agent_id: "agent-1".into(), leases };
        let renewed = world.dispatch().renew_leases(renewal).await.unwrap().into_inner();
        assert_eq!(length(renewed.lease), lease);
        assert!(lease >= Duration::from_secs(5));
    })
    .await;
}
