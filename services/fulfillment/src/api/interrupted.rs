//! Every call that writes, dropped at every point at which it waits, on both engines. Whatever was answered is there when
//! the database is opened again; what was not answered is there whole or not at all, and the same call again makes it
//! exactly what it would have been undisturbed: state, attempts, and each line of the history, which is the feed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::{Dispatch, Manual, Orders};
use crate::store::{Ledger, Migrator};
use crate::verbs::submit::{Message, Submission};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use provost_contract::fulfillment::v1::dispatch_service_server::DispatchService;
use provost_contract::fulfillment::v1::feedback::Outcome;
use provost_contract::fulfillment::v1::manual_provisioning_service_server::ManualProvisioningService;
use provost_contract::fulfillment::v1::order_service_server::OrderService;
use provost_contract::fulfillment::v1::{self as api, GetOrderResponse, LeasedOrder};
use provost_contract::review::v1::{Decision, Verdict};
use provost_contract::to_wire;
use provost_contract::types::v1::{self as types, ItemResult, OrderEvent, ProvisioningState};
use provost_domain::Timestamp;
use provost_service_kit::caller::request_as;
use provost_service_kit::{Clock, Database, ManualClock, new_id};
use provost_testkit::{cut_off, engines};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tonic::Status;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const LEASE: Duration = Duration::from_secs(60);
const CONNECTION: &str = "app-sql";

async fn open(url: &str, clock: &ManualClock) -> Ledger {
    let database = Database::connect(&url.into(), None).await.unwrap();
    database.migrate::<Migrator>().await.unwrap();
    Ledger::new(database, Arc::new(clock.clone()), CancellationToken::new(), LEASE)
}

/// As after a restart: nothing is left of the process but what is in the database, once that has ended what it was in
/// the middle of.
async fn reopened(url: &str, clock: &ManualClock) -> Ledger {
    let ledger = open(url, clock).await;
    ledger.begin().await.unwrap().rollback().await.unwrap();
    ledger
}

/// Whether the one order of a call was taken.
fn taken(results: Vec<ItemResult>) -> Result<(), String> {
    match results.as_slice() {
        [ItemResult { error: None, .. }] => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn failed(status: Status) -> String {
    format!("{status:?}")
}

/// An order in a lane of its own; it waits for a review if it shall.
fn order(is_reviewed: bool) -> types::Order {
    let text = |text: &str| types::Value { kind: Some(types::value::Kind::StringValue(text.into())) };
    let id = new_id().to_string();
    types::Order {
        kind: types::OrderKind::Addition.into(),
        resource_type: "AppAccount".into(),
        connector: "app".into(),
        connection: CONNECTION.into(),
        entity_type: "Account".into(),
        owner: Some(types::Owner { entity_type: "Person".into(), key: "E1".into(), display_name: "Ada".into() }),
        target_key: id.clone(),
        changes: vec![types::Change {
            property: "title".into(),
            operation: types::ChangeOperation::Set.into(),
            proposed: Some(text("Analyst")),
            ..Default::default()
        }],
        block_causes: if is_reviewed { vec![types::BlockCause::ResourceType.into()] } else { vec![] },
        generation_run: "run-1".into(),
        generated_at: Some(to_wire::timestamp(START)),
        order_id: id,
        ..Default::default()
    }
}

async fn submit(ledger: &Ledger, order: &types::Order) -> Result<(), String> {
    let submission = Submission::new("order-generator".into());
    let message = Message::try_from(vec![order.clone()]).map_err(|fault| fault.to_string())?;
    let done = ledger.submit(submission, message).await.map_err(|fault| fault.to_string())?;
    if done.answer.rejected == 0 { Ok(()) } else { Err(format!("{:?}", done.answer)) }
}

async fn pull(ledger: &Ledger) -> Result<Vec<LeasedOrder>, String> {
    let request = api::PullOrdersRequest {
        agent_id: "agent-1".into(),
        connections: vec![CONNECTION.into()],
        max_orders: 100,
        wait: None,
        agent_version: "1".into(),
        urgent_only: false,
    };
    let answer = Dispatch(ledger.clone()).pull_orders(request_as("agent-1", request)).await;
    Ok(answer.map_err(failed)?.into_inner().orders)
}

async fn report(ledger: &Ledger, id: &str, outcome: Outcome) -> Result<(), String> {
    let feedback = vec![api::Feedback { order_id: id.into(), attempt: 1, outcome: Some(outcome), at: None }];
    let request = api::ReportFeedbackRequest { agent_id: "agent-1".into(), feedback };
    let answer = Dispatch(ledger.clone()).report_feedback(request_as("agent-1", request)).await;
    taken(answer.map_err(failed)?.into_inner().results)
}

fn executed() -> Outcome {
    Outcome::Executed(api::Executed { note: String::new() })
}

fn refused() -> Outcome {
    let class = types::FailureClass::Refused.into();
    Outcome::Failed(types::Failure { failure_class: class, message: "no".into(), ..Default::default() })
}

fn handed_over() -> Outcome {
    Outcome::HandedOver(api::HandedOver { ticket: "T-1".into() })
}

/// How far an order is when the call comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Unknown,
    AwaitingApproval,
    Leased,
    Executed,
    Errored,
    Transmitted,
}

async fn bring_to(ledger: &Ledger, order: &types::Order, before: Before) {
    if before == Before::Unknown {
        return;
    }
    submit(ledger, order).await.unwrap();
    if before == Before::AwaitingApproval {
        return;
    }
    let leased = pull(ledger).await.unwrap();
    assert_eq!(leased.len(), 1, "the order under test and no other");
    let id = &order.order_id;
    match before {
        Before::Executed => report(ledger, id, executed()).await.unwrap(),
        Before::Errored => report(ledger, id, refused()).await.unwrap(),
        Before::Transmitted => report(ledger, id, handed_over()).await.unwrap(),
        Before::Unknown | Before::AwaitingApproval | Before::Leased => {}
    }
}

type Call = for<'a> fn(&'a Ledger, &'a types::Order, i64) -> BoxFuture<'a, Result<(), String>>;

fn lease(order: &types::Order) -> Vec<api::LeaseKey> {
    vec![api::LeaseKey { order_id: order.order_id.clone(), attempt: 1 }]
}

fn ids(order: &types::Order) -> Vec<String> {
    vec![order.order_id.clone()]
}

/// The calls, and how far the order is for each.
const CALLS: [(&str, Before, Call); 13] = [
    ("submit", Before::Unknown, |ledger, order, _| submit(ledger, order).boxed()),
    ("report executed", Before::Leased, |ledger, order, _| report(ledger, &order.order_id, executed()).boxed()),
    ("report refused", Before::Leased, |ledger, order, _| report(ledger, &order.order_id, refused()).boxed()),
    ("report handed over", Before::Leased, |ledger, order, _| report(ledger, &order.order_id, handed_over()).boxed()),
    ("renew", Before::Leased, |ledger, order, _| {
        let request = api::RenewLeasesRequest { agent_id: "agent-1".into(), leases: lease(order) };
        async {
            let answer = Dispatch(ledger.clone()).renew_leases(request_as("agent-1", request)).await;
            taken(answer.map_err(failed)?.into_inner().results)
        }
        .boxed()
    }),
    ("return", Before::Leased, |ledger, order, _| {
        let reason = "stops".to_owned();
        let request = api::ReturnOrdersRequest { agent_id: "agent-1".into(), leases: lease(order), reason };
        async {
            let answer = Dispatch(ledger.clone()).return_orders(request_as("agent-1", request)).await;
            taken(answer.map_err(failed)?.into_inner().results)
        }
        .boxed()
    }),
    ("verify", Before::Executed, |ledger, order, _| {
        let verification = api::Verification {
            order_id: order.order_id.clone(),
            export_started_at: Some(to_wire::timestamp(START.plus(Duration::from_secs(5)))),
            synchronization_id: "sync-1".into(),
            unsynchronized: false,
        };
        let request = api::VerifyOrdersRequest { verifications: vec![verification] };
        async {
            let answer = Orders(ledger.clone()).verify_orders(request_as("order-generator", request)).await;
            taken(answer.map_err(failed)?.into_inner().results)
        }
        .boxed()
    }),
    ("cancel", Before::Errored, |ledger, order, _| {
        let request =
            api::CancelOrdersRequest { order_ids: ids(order), reason: "not needed".into(), reevaluated: false };
        async {
            let answer = Orders(ledger.clone()).cancel_orders(request_as("ada", request)).await;
            taken(answer.map_err(failed)?.into_inner().results)
        }
        .boxed()
    }),
    ("unblock", Before::Errored, |ledger, order, _| {
        let request = api::UnblockOrdersRequest { order_ids: ids(order), comment: "mended".into() };
        async {
            let answer = Orders(ledger.clone()).unblock_orders(request_as("ada", request)).await;
            taken(answer.map_err(failed)?.into_inner().results)
        }
        .boxed()
    }),
    ("confirm", Before::Transmitted, |ledger, order, _| {
        let decisions = vec![api::ManualDecision { order_id: order.order_id.clone(), version: 0 }];
        let request = api::ConfirmOrdersRequest { decisions, comment: "done".into() };
        async {
            let answer = Manual(ledger.clone()).confirm_orders(request_as("ada", request)).await;
            taken(answer.map_err(failed)?.into_inner().results)
        }
        .boxed()
    }),
    ("report an error", Before::Transmitted, |ledger, order, _| {
        let decisions = vec![api::ManualDecision { order_id: order.order_id.clone(), version: 0 }];
        let request = api::ReportOrderErrorsRequest { decisions, comment: "no blanks".into() };
        async {
            let answer = Manual(ledger.clone()).report_order_errors(request_as("ada", request)).await;
            taken(answer.map_err(failed)?.into_inner().results)
        }
        .boxed()
    }),
    ("approved in review", Before::AwaitingApproval, |ledger, order, number| {
        decide(ledger, order, number, Verdict::Approve).boxed()
    }),
    ("declined in review", Before::AwaitingApproval, |ledger, order, number| {
        decide(ledger, order, number, Verdict::Decline).boxed()
    }),
];

/// What the feed of review brings.
async fn decide(ledger: &Ledger, order: &types::Order, cursor: i64, verdict: Verdict) -> Result<(), String> {
    let decision = Decision {
        cursor,
        review_id: order.order_id.clone(),
        order_id: order.order_id.clone(),
        verdict: verdict.into(),
        actor: "ada".into(),
        comment: "seen".into(),
        complete: true,
        ..Default::default()
    };
    ledger.decide(vec![decision]).await.map_err(|fault| fault.to_string())
}

/// What there is of an order: its state, its attempts, and what the history says, in its order.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    state: ProvisioningState,
    attempts: i32,
    lease_until: Option<prost_types::Timestamp>,
    history: Vec<(OrderEvent, String, String)>,
}

fn told(answer: GetOrderResponse) -> Told {
    let record = answer.record.unwrap();
    let cursors: Vec<i64> = answer.history.iter().map(|entry| entry.cursor).collect();
    assert!(cursors.is_sorted_by(|before, after| before < after), "{cursors:?}");
    let line = |entry: &types::HistoryEntry| (entry.event(), entry.actor.clone(), entry.reason.clone());
    Told {
        state: record.state(),
        attempts: record.attempts,
        lease_until: record.lease.and_then(|lease| lease.expires_at),
        history: answer.history.iter().map(line).collect(),
    }
}

/// The order as the ledger has it; none when it does not know it.
async fn look(ledger: &Ledger, order: &types::Order) -> Option<Told> {
    ledger.order(&order.order_id).await.ok().map(told)
}

/// The lines of the feed about an order.
async fn in_feed(ledger: &Ledger, order: &types::Order, count: usize) -> usize {
    let newest = ledger.newest_cursor().await.unwrap();
    let mut feed = ledger.watch(api::WatchOrdersRequest::default()).unwrap();
    let mut found = 0;
    while let Some(event) = feed.next().await {
        let entry = event.unwrap().entry.unwrap();
        found += usize::from(entry.order_id == order.order_id);
        if entry.cursor >= newest {
            break;
        }
    }
    assert_eq!(found, count, "the feed tells each line of the history once");
    found
}

/// One call on one engine. Returns at how many points it was cut off.
async fn interrupted(engine: &str, url: &str, (name, before, call): (&str, Before, Call)) -> usize {
    let clock = ManualClock::at(START);
    let mut ledger = open(url, &clock).await;
    let mut number = ledger.newest_cursor().await.unwrap() + 1_000;
    let is_reviewed = before == Before::AwaitingApproval;
    // What it is undisturbed.
    park(&ledger).await;
    let undisturbed = order(is_reviewed);
    bring_to(&ledger, &undisturbed, before).await;
    let ready = look(&ledger, &undisturbed).await;
    call(&ledger, &undisturbed, number).await.unwrap();
    let expected = look(&ledger, &undisturbed).await.unwrap();
    for polls in 1.. {
        let (place, order) = (format!("{engine}: {name}, cut off at poll {polls}"), order(is_reviewed));
        park(&ledger).await;
        bring_to(&ledger, &order, before).await;
        number += 1;
        let answer = cut_off(polls, call(&ledger, &order, number)).await;
        ledger = reopened(url, &clock).await;
        let found = look(&ledger, &order).await;
        match &answer {
            Some(answer) => {
                answer.as_ref().unwrap_or_else(|error| panic!("{place}: {error}"));
                assert_eq!(found.as_ref(), Some(&expected), "{place}: it was answered");
            }
            None => assert!(found == ready || found.as_ref() == Some(&expected), "{place}: {found:?}"),
        }
        call(&ledger, &order, number).await.unwrap_or_else(|error| panic!("{place}, again: {error}"));
        let again = look(&ledger, &order).await;
        assert_eq!(again.as_ref(), Some(&expected), "{place}, again");
        in_feed(&ledger, &order, expected.history.len()).await;
        if answer.is_some() {
            return polls - 1;
        }
    }
    0
}

/// Takes away what is collectable, so that a pull finds the order under test alone.
async fn park(ledger: &Ledger) {
    for leased in pull(ledger).await.unwrap() {
        let id = leased.order.unwrap().order_id;
        let feedback =
            vec![api::Feedback { order_id: id, attempt: leased.attempt, outcome: Some(executed()), at: None }];
        let request = api::ReportFeedbackRequest { agent_id: "agent-1".into(), feedback };
        ledger.report(request).await.unwrap();
    }
}

/// Most sweeps through one call.
const SWEEPS_MAX: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_nothing_is_done_twice_wherever_a_call_is_cut_off() {
    for engine in engines().await {
        // A database may answer before anybody waits, now here, now there: each sweep cuts off at other points, and
        // on a busy machine at few.
        let (sweeps, least) = if engine.name == "sqlite" { (2, 2) } else { (1, 4) };
        for call in CALLS {
            let mut points = 0;
            for sweep in 0..SWEEPS_MAX {
                if sweep >= sweeps && points >= least {
                    break;
                }
                points += interrupted(engine.name, &engine.url, call).await;
            }
            assert!(points >= least, "{}: {} was cut off at {points} points only", engine.name, call.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pull_that_is_cut_off_leaves_the_order_free_or_under_a_lease_that_ends() {
    for engine in engines().await {
        let clock = ManualClock::at(START);
        let mut ledger = open(&engine.url, &clock).await;
        for polls in 1.. {
            let place = format!("{}: pull, cut off at poll {polls}", engine.name);
            let order = order(false);
            submit(&ledger, &order).await.unwrap();
            let answer = cut_off(polls, pull(&ledger)).await;
            ledger = reopened(&engine.url, &clock).await;
            let now = clock.now();
            let found = look(&ledger, &order).await.unwrap();
            let is_leased = found.lease_until == Some(to_wire::timestamp(now.plus(LEASE)));
            assert_eq!((found.attempts, is_leased), (i32::from(is_leased), found.attempts == 1), "{place}: {found:?}");
            if let Some(leased) = &answer {
                let leased = leased.as_ref().unwrap();
                assert_eq!((leased.len(), leased[0].attempt, is_leased), (1, 1, true), "{place}");
            }
            // Nobody else gets it while its lease lasts; afterwards it is given again, under the next attempt.
            let before = pull(&ledger).await.unwrap();
            assert_eq!(before.len(), usize::from(!is_leased), "{place}: {before:?}");
            clock.advance(LEASE + Duration::from_secs(1));
            let after = pull(&ledger).await.unwrap();
            assert_eq!((after.len(), after[0].attempt), (1, 2), "{place}");
            // What an agent says that had it before counts, and once.
            report(&ledger, &order.order_id, executed()).await.unwrap();
            let settled = look(&ledger, &order).await.unwrap();
            assert_eq!(settled.state, ProvisioningState::Executed, "{place}: {settled:?}");
            clock.advance(LEASE + Duration::from_secs(1));
            if answer.is_some() {
                assert!(polls > 1, "{place}: it waits nowhere");
                break;
            }
        }
    }
}
