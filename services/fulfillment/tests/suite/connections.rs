//! What holds the orders of a connection: people, the breaker, the brake, the limits.

use crate::world::{CONNECTION, START, World, code, executed, failed, ids, on_each_engine, order, pull};
use provost_contract::fulfillment::v1::feedback::Outcome;
use provost_contract::fulfillment::v1::{
    BrakeKind, BrakeLimit, BreakerState, Connection, ConnectionMode, ConnectionSize, DrainConnectionRequest, Feedback,
    GetConnectionRequest, LeaseKey, ListConnectionsRequest, PauseConnectionRequest, ProbeConnectionRequest,
    PullOrdersRequest, ReleaseBrakeRequest, ReportConnectionSizesRequest, ResumeConnectionRequest, ReturnOrdersRequest,
    SetConnectionLimitsRequest,
};
use provost_contract::to_wire;
use provost_contract::types::v1::{FailureClass, HoldKind, Order, OrderKind, OrderRecord, ProvisioningState};
use provost_service_kit::caller::request_as;
use std::time::{Duration, Instant};
use tonic::Code;

/// Above what a catalog can say.
const URGENT: i32 = 10_000_000;

fn deletion(key: &str) -> Order {
    Order { kind: OrderKind::Deletion.into(), changes: vec![], priority: 2 * URGENT, ..order(key, "x") }
}

async fn pause(world: &World, comment: &str) -> Connection {
    let request = PauseConnectionRequest { connection: CONNECTION.into(), comment: comment.into() };
    world.connections().pause_connection(request_as("ada", request)).await.unwrap().into_inner().connection.unwrap()
}

async fn resume(world: &World) -> Connection {
    let request = ResumeConnectionRequest { connection: CONNECTION.into(), comment: "it is over".into() };
    world.connections().resume_connection(request_as("bob", request)).await.unwrap().into_inner().connection.unwrap()
}

async fn limit(world: &World, request: SetConnectionLimitsRequest) -> Connection {
    let request = SetConnectionLimitsRequest { connection: CONNECTION.into(), ..request };
    let answer = world.connections().set_connection_limits(request_as("ada", request)).await.unwrap();
    answer.into_inner().connection.unwrap()
}

async fn release(world: &World, kind: BrakeKind) -> Result<Connection, tonic::Status> {
    let request =
        ReleaseBrakeRequest { connection: CONNECTION.into(), kind: kind.into(), comment: "the site was closed".into() };
    let answer = world.connections().release_brake(request_as("ada", request)).await?;
    Ok(answer.into_inner().connection.unwrap())
}

async fn shown(world: &World) -> Connection {
    let request = GetConnectionRequest { connection: CONNECTION.into() };
    world.connections().get_connection(request).await.unwrap().into_inner().connection.unwrap()
}

/// The history, oldest first, as (actor, event).
async fn told(world: &World) -> Vec<(String, String)> {
    let request = GetConnectionRequest { connection: CONNECTION.into() };
    let history = world.connections().get_connection(request).await.unwrap().into_inner().history;
    history.into_iter().rev().map(|line| (line.actor, line.event)).collect()
}

fn hold(record: &OrderRecord) -> HoldKind {
    record.hold.as_ref().map_or(HoldKind::Unspecified, |hold| hold.kind())
}

/// So many orders, submitted.
async fn submitted(world: &World, count: usize) -> Vec<Order> {
    let orders: Vec<Order> = (0..count).map(|number| order(&format!("p{number}"), "x")).collect();
    world.submit(orders.clone()).await;
    orders
}

#[tokio::test]
async fn paused_connection_hands_out_nothing_and_says_so_until_it_is_resumed() {
    on_each_engine(async |world| {
        let orders = submitted(world, 2).await;
        let held = world.pull_as("agent-1", 1).await;
        let paused = pause(world, "the directory moves").await;
        assert_eq!((paused.mode(), paused.pending, paused.in_flight), (ConnectionMode::Paused, 2, 1));
        assert!(world.pull().await.is_empty());
        let (record, _) = world.get(&orders[1].order_id).await;
        assert_eq!((record.state(), hold(&record)), (ProvisioningState::Pending, HoldKind::Paused));
        assert!(record.state_reason.ends_with("by ada: the directory moves"), "{}", record.state_reason);
        assert_eq!(
            hold(&world.get(&orders[0].order_id).await.0),
            HoldKind::Unspecified,
            "what is in flight is not held"
        );
        // What is in flight ends as it would.
        assert_eq!(code(&world.report(vec![executed(&ids(&held)[0], 1)]).await[0]), Code::Ok);
        world.restart().await;
        assert!(world.pull().await.is_empty(), "{}", world.engine);

        // Whoever waits gets it at once.
        let mut dispatch = world.dispatch();
        let waiting = tokio::spawn(async move { pull(&mut dispatch, "agent-2", 10, 30).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let resumed = Instant::now();
        assert_eq!(resume(world).await.mode(), ConnectionMode::Active);
        assert_eq!(ids(&waiting.await.unwrap()), [orders[1].order_id.as_str()]);
        assert!(resumed.elapsed() < Duration::from_millis(800), "{:?}", resumed.elapsed());
        resume(world).await;
        let expected = [("ada", "paused"), ("bob", "resumed")].map(|(who, what)| (who.to_owned(), what.to_owned()));
        assert_eq!(told(world).await, expected);
    })
    .await;
}

#[tokio::test]
async fn drained_connection_is_paused_once_nothing_is_in_flight() {
    on_each_engine(async |world| {
        let orders = submitted(world, 2).await;
        world.pull_as("agent-1", 1).await;
        let request = || DrainConnectionRequest { connection: CONNECTION.into(), comment: "upgrade".into() };
        let drain = async || world.connections().drain_connection(request_as("ada", request())).await;
        let draining = drain().await.unwrap().into_inner().connection.unwrap();
        assert_eq!((draining.mode(), draining.in_flight), (ConnectionMode::Draining, 1));
        assert!(world.pull().await.is_empty());
        assert_eq!(hold(&world.get(&orders[1].order_id).await.0), HoldKind::Draining);
        world.report(vec![failed(&orders[0].order_id, 1, FailureClass::Transport)]).await;
        provost_testkit::eventually("the end of the drain", Duration::from_secs(20), async || {
            let mode = shown(world).await.mode();
            if mode == ConnectionMode::Paused { Ok(()) } else { Err(format!("{mode:?}")) }
        })
        .await;
        world.pass(60);
        assert!(world.pull().await.is_empty(), "nor is it tried again");
        let refused = drain().await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains("connection app-sql: it is paused already"), "{}", refused.message());
        let events: Vec<_> = told(world).await.into_iter().map(|(_, event)| event).collect();
        assert_eq!(events, ["draining", "drained"], "{}", world.engine);
    })
    .await;
}

#[tokio::test]
async fn breaker_holds_orders_probes_with_one_and_closes_with_its_success() {
    on_each_engine(async |world| {
        let orders = submitted(world, 12).await;
        let flying = world.pull_as("agent-1", 8).await;
        assert_eq!(flying.len(), 8);
        // Five in a row open it; the other three in flight meet a connection that is known to be broken.
        let down = ids(&flying).iter().map(|id| failed(id, 1, FailureClass::Transport)).collect();
        assert!(world.report(down).await.iter().all(|result| result.state() == ProvisioningState::Pending));
        let breaker = shown(world).await.breaker.unwrap();
        assert_eq!((breaker.state(), breaker.probes), (BreakerState::Open, 0));
        assert_eq!(breaker.failure.unwrap().message, "no");
        assert!(world.pull().await.is_empty());
        let (record, _) = world.get(&orders[11].order_id).await;
        assert_eq!(
            (record.state(), hold(&record), record.attempts),
            (ProvisioningState::Pending, HoldKind::Breaker, 0)
        );
        assert_eq!(record.hold.unwrap().until, Some(to_wire::timestamp(START.plus(Duration::from_secs(5)))));
        // In vain, over and over: the pauses grow, and the order that finds out has all its tries still.
        for pause in [5, 10, 20, 40, 80, 160] {
            world.pass(pause - 1);
            world.restart().await;
            assert!(world.pull().await.is_empty(), "{}: it survives a restart", world.engine);
            world.pass(1);
            let leased = world.pull().await;
            assert_eq!(leased.len(), 1, "one finds out after {pause} seconds");
            assert!(world.pull_as("agent-2", 5).await.is_empty());
            let report = failed(&ids(&leased)[0], leased[0].attempt, FailureClass::Transport);
            assert_eq!(world.report(vec![report]).await[0].state(), ProvisioningState::Pending);
        }
        assert_eq!(shown(world).await.breaker.unwrap().probes, 6);

        // A person says that it is up again.
        let request = ProbeConnectionRequest { connection: CONNECTION.into(), comment: "the cable is in".into() };
        world.connections().probe_connection(request_as("ada", request.clone())).await.unwrap();
        let leased = world.pull().await;
        assert_eq!(leased.len(), 1);
        let half = shown(world).await.breaker.unwrap();
        assert_eq!((half.state(), half.probe_order_id), (BreakerState::HalfOpen, ids(&leased)[0].clone()));
        let refused = world.connections().probe_connection(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        world.report(vec![executed(&ids(&leased)[0], leased[0].attempt)]).await;
        assert_eq!(shown(world).await.breaker.unwrap().state(), BreakerState::Closed);
        world.pass(300);
        assert_eq!(world.pull().await.len(), 11, "nothing was lost, nothing is Errored");
        let (_, events): (Vec<_>, Vec<_>) = told(world).await.into_iter().unzip();
        assert_eq!((events[0].as_str(), events.last().unwrap().as_str()), ("breaker opened", "breaker closed"));
    })
    .await;
}

#[tokio::test]
async fn probe_that_is_lost_or_given_back_is_followed_by_another() {
    on_each_engine(async |world| {
        let orders = submitted(world, 6).await;
        world.pull_as("agent-1", 5).await;
        world.report(orders.iter().take(5).map(|o| failed(&o.order_id, 1, FailureClass::Transport)).collect()).await;
        world.pass(5);
        let probe = world.pull().await;
        world.pass(59);
        assert!(world.pull().await.is_empty());
        world.pass(1);
        let second = world.pull().await;
        assert_eq!((probe.len(), second.len()), (1, 1), "{}", world.engine);
        let lease = LeaseKey { order_id: ids(&second)[0].clone(), attempt: second[0].attempt };
        let request = ReturnOrdersRequest { agent_id: "agent-1".into(), leases: vec![lease], reason: String::new() };
        world.dispatch().return_orders(request).await.unwrap();
        assert_eq!(world.pull_as("agent-2", 5).await.len(), 1);
    })
    .await;
}

/// A password that ran out fails every order of the connection.
#[tokio::test]
async fn refused_credentials_open_the_breaker_instead_of_erroring_everything() {
    on_each_engine(async |world| {
        let orders = submitted(world, 50).await;
        let mut errored = 0;
        for _ in 0..50 {
            let leased = world.pull_as("agent-1", 1).await;
            let Some(one) = leased.first() else { break };
            let report = failed(&ids(&leased)[0], one.attempt, FailureClass::Authentication);
            errored += usize::from(world.report(vec![report]).await[0].state() == ProvisioningState::Errored);
        }
        assert_eq!(errored, 5, "{}", world.engine);
        assert_eq!(hold(&world.get(&orders[49].order_id).await.0), HoldKind::Breaker);
        let off = SetConnectionLimitsRequest { breaker_failures: Some(0), ..Default::default() };
        assert_eq!(limit(world, off).await.breaker.unwrap().state(), BreakerState::Closed);
        assert_eq!(world.pull().await.len(), 45);
    })
    .await;
}

fn throttled(id: &str, attempt: i32, seconds: i64) -> Feedback {
    let mut feedback = failed(id, attempt, FailureClass::Throttled);
    if let Some(Outcome::Failed(failure)) = &mut feedback.outcome {
        failure.retry_after = (seconds > 0).then_some(prost_types::Duration { seconds, nanos: 0 });
    }
    feedback
}

#[tokio::test]
async fn throttling_is_never_a_failure_and_retry_after_holds_the_connection() {
    on_each_engine(async |world| {
        let orders = submitted(world, 2).await;
        for attempt in 1..=12 {
            let leased = world.pull_as("agent-1", 1).await;
            assert_eq!((ids(&leased), leased[0].attempt), (vec![orders[0].order_id.clone()], attempt));
            let results = world.report(vec![throttled(&orders[0].order_id, attempt, 0)]).await;
            assert_eq!(results[0].state(), ProvisioningState::Pending, "{} times on {}", attempt, world.engine);
            world.pass(300);
        }
        let leased = world.pull_as("agent-1", 1).await;
        world.report(vec![throttled(&orders[0].order_id, leased[0].attempt, 600)]).await;
        let (record, _) = world.get(&orders[0].order_id).await;
        let until = Some(to_wire::timestamp(world.now().plus(Duration::from_secs(600))));
        assert_eq!(record.next_attempt_at, until);
        let (other, _) = world.get(&orders[1].order_id).await;
        assert_eq!((hold(&other), other.hold.unwrap().until), (HoldKind::Throttled, until));
        world.restart().await;
        world.pass(599);
        assert!(world.pull().await.is_empty(), "the others leave it alone too");
        world.pass(1);
        assert_eq!(world.pull().await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn brake_on_deletions_trips_holds_them_alone_and_survives_a_restart() {
    on_each_engine(async |world| {
        let brake = Some(BrakeLimit { count_max: 3, percent_max: 0 });
        submitted(world, 1).await;
        world.pull().await;
        limit(world, SetConnectionLimitsRequest { deletions: brake, ..Default::default() }).await;
        let gone: Vec<Order> = (0..5).map(|number| deletion(&format!("d{number}"))).collect();
        world.submit(gone.clone()).await;
        assert_eq!(world.pull_as("agent-1", 2).await.len(), 2);
        world.restart().await;
        assert_eq!(ids(&world.pull().await), [gone[2].order_id.as_str()], "{}: what went is counted", world.engine);
        let tripped = shown(world).await;
        let brake = tripped.brakes.iter().find(|brake| brake.kind() == BrakeKind::Deletions).unwrap();
        assert_eq!((brake.counted, brake.allowed), (3, 3));
        assert!(brake.tripped_at.is_some());
        assert_eq!(tripped.hold.unwrap().kind(), HoldKind::Brake);
        let (record, _) = world.get(&gone[3].order_id).await;
        assert_eq!(hold(&record), HoldKind::Brake);
        assert!(record.state_reason.contains("release the brake or cancel"), "{}", record.state_reason);
        // Everything else goes on, also what is urgent.
        let (disable, update) = (Order { priority: URGENT, ..order("leaver", "x") }, order("other", "x"));
        world.submit(vec![update.clone(), disable.clone()]).await;
        assert_eq!(ids(&world.pull().await), [disable.order_id.as_str(), update.order_id.as_str()]);
        // Time does not release it; a person does.
        world.pass(10 * 86_400);
        world.restart().await;
        let (late, held) = (ids(&world.pull().await), [&gone[3].order_id, &gone[4].order_id]);
        assert!(!late.is_empty() && !late.iter().any(|id| held.contains(&id)), "what is held stays so");
        assert_eq!(release(world, BrakeKind::Orders).await.unwrap_err().code(), Code::FailedPrecondition);
        release(world, BrakeKind::Unspecified).await.unwrap();
        assert!(ids(&world.pull().await).ends_with(&held.map(String::clone)));
        let events: Vec<_> = told(world).await.into_iter().map(|(who, event)| format!("{who} {event}")).collect();
        assert_eq!(events, ["ada limits set", "fulfillment brake tripped", "ada brake released"]);
    })
    .await;
}

#[tokio::test]
async fn percent_of_the_brake_counts_against_the_known_resources() {
    on_each_engine(async |world| {
        let report = async |resources| {
            let sizes = vec![ConnectionSize { connection: CONNECTION.into(), resources }];
            world.connections().report_connection_sizes(ReportConnectionSizesRequest { sizes }).await
        };
        report(50).await.unwrap();
        assert_eq!(report(-1).await.unwrap_err().code(), Code::InvalidArgument);
        let known = shown(world).await;
        assert_eq!((known.resources, known.brakes[0].allowed), (Some(50), 15), "30 percent unless set");
        let gone: Vec<Order> = (0..20).map(|number| deletion(&format!("d{number}"))).collect();
        world.submit(gone).await;
        assert_eq!(world.pull().await.len(), 15, "{}", world.engine);
        assert!(world.pull().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn brake_on_orders_holds_everything() {
    on_each_engine(async |world| {
        submitted(world, 5).await;
        world.pull_as("agent-1", 1).await;
        let orders = Some(BrakeLimit { count_max: 2, percent_max: 0 });
        let window = Some(prost_types::Duration { seconds: 60, nanos: 0 });
        limit(world, SetConnectionLimitsRequest { orders, brake_window: window, ..Default::default() }).await;
        assert_eq!(world.pull_as("agent-1", 1).await.len(), 1);
        // The window is over before the brake trips: it counts anew by itself.
        world.pass(62);
        let went = world.pull_as("agent-1", 1).await.len();
        assert_eq!(went, 1);
        let urgent = Order { priority: URGENT, ..order("leaver", "x") };
        world.submit(vec![urgent.clone()]).await;
        let last = world.pull_as("agent-2", 10).await;
        assert!(!last.is_empty());
        assert!(world.pull_as("agent-2", 10).await.is_empty());
        assert_eq!(shown(world).await.hold.unwrap().kind(), HoldKind::Brake, "{}", world.engine);
        release(world, BrakeKind::Orders).await.unwrap();
        assert!(!world.pull_as("agent-2", 10).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn so_many_orders_go_in_a_minute_and_no_more() {
    on_each_engine(async |world| {
        let orders = submitted(world, 5).await;
        world.pull_as("agent-1", 1).await;
        limit(world, SetConnectionLimitsRequest { per_minute: Some(6), ..Default::default() }).await;
        assert_eq!(world.pull().await.len(), 1);
        assert!(world.pull().await.is_empty());
        let (record, _) = world.get(&orders[4].order_id).await;
        assert_eq!(hold(&record), HoldKind::RateLimit);
        assert_eq!(record.state_reason, "connection app-sql takes 6 orders a minute");
        world.restart().await;
        assert!(world.pull().await.is_empty(), "{}", world.engine);
        world.pass(10);
        assert_eq!(world.pull().await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn so_many_orders_are_in_flight_and_a_share_is_kept_for_urgent_ones() {
    on_each_engine(async |world| {
        submitted(world, 10).await;
        world.pull_as("agent-1", 1).await;
        let limited = limit(world, SetConnectionLimitsRequest { in_flight: Some(4), ..Default::default() }).await;
        assert_eq!(limited.limits.unwrap().in_flight, 4);
        let flying = world.pull().await;
        assert_eq!(flying.len(), 2, "three of four, one of them before");
        assert!(world.pull_as("agent-2", 10).await.is_empty());
        let urgent = Order { priority: URGENT, ..order("leaver", "x") };
        let mut dispatch = world.dispatch();
        let waiting = tokio::spawn(async move { pull(&mut dispatch, "agent-2", 10, 30).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begun = Instant::now();
        world.submit(vec![urgent.clone()]).await;
        assert_eq!(ids(&waiting.await.unwrap()), [urgent.order_id.as_str()]);
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        let record = world.list(Default::default()).await.pop().unwrap();
        assert_eq!(record.order.unwrap().order_id, urgent.order_id);
        // Whoever waits for room hears that there is some.
        let mut dispatch = world.dispatch();
        let waiting = tokio::spawn(async move { pull(&mut dispatch, "agent-2", 10, 30).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.report(vec![executed(&ids(&flying)[0], 1)]).await;
        assert_eq!(waiting.await.unwrap().len(), 1, "{}", world.engine);
    })
    .await;
}

/// A slot that is kept for urgent orders is not given away, and gets its order within a second although very many
/// others wait.
#[tokio::test]
async fn urgent_order_goes_within_a_second_although_many_wait() {
    on_each_engine(async |world| {
        for part in 0..5 {
            let orders = (0..1_000).map(|number| order(&format!("p{part}-{number}"), "x")).collect();
            world.submit(orders).await;
        }
        let ask = |wait| PullOrdersRequest {
            agent_id: "agent-1".into(),
            connections: vec![CONNECTION.into()],
            max_orders: 1,
            wait: Some(prost_types::Duration { seconds: wait, nanos: 0 }),
            agent_version: "1".into(),
            urgent_only: true,
        };
        let none = world.dispatch().pull_orders(ask(0)).await.unwrap().into_inner().orders;
        assert!(none.is_empty(), "the others are not urgent");
        let mut dispatch = world.dispatch();
        let request = ask(30);
        let waiting = tokio::spawn(async move { dispatch.pull_orders(request).await.unwrap().into_inner().orders });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let urgent = Order { priority: URGENT, ..order("leaver", "x") };
        let begun = Instant::now();
        world.submit(vec![urgent.clone()]).await;
        assert_eq!(ids(&waiting.await.unwrap()), [urgent.order_id.as_str()]);
        assert!(begun.elapsed() < Duration::from_secs(1), "{}: {:?}", world.engine, begun.elapsed());
    })
    .await;
}

#[tokio::test]
async fn connections_are_listed_once_and_unknown_ones_are_not_found() {
    on_each_engine(async |world| {
        let mut desk = order("ada", "x");
        desk.connection = "desk".into();
        world.submit(vec![desk, order("bob", "x")]).await;
        world.pull().await;
        let listed = world.connections().list_connections(ListConnectionsRequest {}).await.unwrap().into_inner();
        let names: Vec<_> =
            listed.connections.iter().map(|one| (one.name.as_str(), one.pending, one.in_flight)).collect();
        assert_eq!(names, [("app-sql", 1, 1), ("desk", 1, 0)], "{}", world.engine);
        let limits = listed.connections[0].limits.unwrap();
        assert_eq!((limits.per_minute, limits.in_flight, limits.breaker_failures), (0, 0, 5));
        assert_eq!(limits.deletions, Some(BrakeLimit { count_max: 0, percent_max: 30 }));
        let request = PauseConnectionRequest { connection: "dsek".into(), comment: "x".into() };
        let unknown = world.connections().pause_connection(request).await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound);
        assert!(unknown.message().contains("connection 'dsek': no agent serves it"), "{}", unknown.message());
        let request = PauseConnectionRequest { connection: "desk".into(), comment: String::new() };
        let silent = world.connections().pause_connection(request).await.unwrap_err();
        assert!(silent.code() == Code::InvalidArgument && silent.message().contains("comment"), "{silent}");
        let nameless = world.connections().get_connection(GetConnectionRequest::default()).await.unwrap_err();
        assert_eq!(nameless.code(), Code::InvalidArgument);
        let request = SetConnectionLimitsRequest { connection: "desk".into(), ..Default::default() };
        let nothing = world.connections().set_connection_limits(request).await.unwrap_err();
        assert!(nothing.message().contains("nothing is to be changed"), "{nothing}");
    })
    .await;
}

/// One connection's trouble is its own.
#[tokio::test]
async fn pull_of_several_connections_gets_what_the_others_let_go() {
    on_each_engine(async |world| {
        let mut desk = order("ada", "x");
        desk.connection = "desk".into();
        world.submit(vec![desk.clone(), order("bob", "x")]).await;
        pause(world, "x").await;
        let request = PullOrdersRequest {
            agent_id: "agent-1".into(),
            connections: vec![CONNECTION.into(), "desk".into()],
            max_orders: 5,
            ..Default::default()
        };
        let leased = world.dispatch().pull_orders(request).await.unwrap().into_inner().orders;
        assert_eq!(ids(&leased), [desk.order_id], "{}", world.engine);
    })
    .await;
}
