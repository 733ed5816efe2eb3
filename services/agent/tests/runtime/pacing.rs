//! How many orders are written side by side, what is kept for urgent ones, and what is given back.

use crate::crashes::{Town, account};
use crate::probe::Probe;
use crate::scene::{Running, Scene, order, set};
use provost_contract::agent::v1::agent_service_client::AgentServiceClient;
use provost_contract::agent::v1::{ConnectionStatus, GetStatusRequest};
use provost_contract::fulfillment::v1::feedback::Outcome;
use provost_contract::types::v1::{Failure, FailureClass};
use provost_domain::{Order, Value};
use provost_service_kit::channel;
use std::time::{Duration, Instant};

const URGENT: i32 = 10_000_000;

async fn status(agent: &Running) -> ConnectionStatus {
    let mut client = AgentServiceClient::new(channel::to(&format!("http://{}", agent.at)).unwrap());
    client.get_status(GetStatusRequest {}).await.unwrap().into_inner().connections.remove(0)
}

fn failure(scene: &Scene, order: &Order) -> Failure {
    match scene.servers.feedback_of(order).pop() {
        Some((_, Outcome::Failed(failure))) => failure,
        other => panic!("{other:?}"),
    }
}

/// A leaver is disabled although slow updates hold the slots and very many wait.
#[tokio::test(flavor = "multi_thread")]
async fn urgent_order_is_begun_within_a_second_while_slow_ones_hold_the_slots() {
    let (scene, probe) = (Scene::new().await, Probe::closed());
    let agent = scene.agent([("app", &probe)]).await;
    scene.servers.submit((1..=500).map(|number| order(number, "app", &format!("user{number}"))));
    scene.until("the slots are taken", || probe.running() == 2).await;
    let begun = Instant::now();
    scene.servers.submit([Order { priority: URGENT, ..order(1_000, "app", "leaver") }]);
    scene.until("the urgent one is begun", || probe.running() == 3).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    scene.servers.submit([order(1_001, "app", "other")]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(probe.running(), 3, "what is kept for urgent orders is not given to others");
    assert_eq!(scene.servers.with(|state| state.pending.len()), 499);
    probe.gate.add_permits(1_000);
    scene.reported(502).await;
    assert_eq!(probe.times("leaver"), 1);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_connection_is_written_with_fewer_hands_and_recovers() {
    let (scene, probe) = (Scene::new().await, Probe::open());
    *probe.throttles.lock().unwrap() = 1;
    let agent = scene.agent([("app", &probe)]).await;
    let first = order(1, "app", "ada");
    scene.servers.submit([first.clone()]);
    scene.reported(1).await;
    let told = failure(&scene, &first);
    assert_eq!((told.failure_class(), told.code.as_str()), (FailureClass::Throttled, "429"));
    assert_eq!(told.retry_after, Some(prost_types::Duration { seconds: 7, nanos: 0 }));
    let slow = status(&agent).await;
    assert_eq!((slow.slots, slow.limit, slow.throttled), (2, 1, 1));
    scene.servers.submit((2..=20).map(|number| order(number, "app", &format!("user{number}"))));
    scene.reported(20).await;
    let fast = status(&agent).await;
    assert_eq!((fast.limit, fast.throttled, fast.in_flight), (2, 1, 0));
    agent.stop().await;
}

/// What was leased a moment before the agent stops, and is still on its way to it.
#[tokio::test(flavor = "multi_thread")]
async fn orders_that_are_not_begun_when_the_agent_stops_are_given_back() {
    let (scene, probe) = (Scene::new().await, Probe::open());
    scene.servers.with(|state| state.slow_answers = Duration::from_millis(120));
    let agent = scene.agent([("app", &probe)]).await;
    scene.servers.submit([order(1, "app", "ada"), order(2, "app", "bob")]);
    scene.until("they are leased", || scene.servers.with(|state| state.leased.len() == 2)).await;
    agent.stop().await;
    let (returned, pending, leased) =
        scene.servers.with(|state| (state.returned.len(), state.pending.len(), state.leased.len()));
    assert_eq!((returned, pending, leased), (2, 2, 0));
    assert_eq!(probe.times("ada") + probe.times("bob"), 0);
    // The next one has them at once, under the next attempt.
    scene.servers.with(|state| state.slow_answers = Duration::ZERO);
    let agent = scene.agent([("app", &probe)]).await;
    scene.reported(2).await;
    assert!(scene.servers.feedback_of(&order(1, "app", "ada")).iter().all(|(attempt, _)| *attempt == 2));
    agent.stop().await;
}

/// A package that forgets to redact tells no secret.
#[tokio::test(flavor = "multi_thread")]
async fn confidential_values_are_taken_out_of_what_any_package_says() {
    let (scene, probe) = (Scene::new().await, Probe::open());
    let mut secret = order(1, "app", "secret");
    let mut password = set("password", Value::from("hunter2"));
    password.sensitive = true;
    secret.changes.push(password);
    scene.servers.submit([secret.clone()]);
    let agent = scene.agent([("app", &probe)]).await;
    scene.reported(1).await;
    let told = failure(&scene, &secret);
    assert_eq!((told.code.as_str(), told.message.as_str()), ("E-***", "'***' is too short"));
    agent.stop().await;
}

/// SQLite says "busy" as long as somebody else writes: that is no failure of the order, and nothing is half written.
#[tokio::test(flavor = "multi_thread")]
async fn database_that_is_busy_throttles_and_the_order_has_one_effect_later() {
    let town = Town::new(Duration::from_secs(60)).await;
    town.sql("BEGIN EXCLUSIVE").await;
    let ada = account(1);
    town.scene.servers.submit([ada.clone()]);
    town.scene.reported(1).await;
    let told = failure(&town.scene, &ada);
    assert_eq!((told.failure_class(), told.code.as_str()), (FailureClass::Throttled, "SQLITE_BUSY"), "{told:?}");
    assert!(!told.hint.is_empty());
    town.sql("ROLLBACK").await;
    assert_eq!(town.effects("user1").await, 0);
    // The ledger offers it again when its wait is over.
    town.scene.servers.submit([ada.clone()]);
    town.scene.reported(2).await;
    assert!(matches!(town.scene.servers.feedback_of(&ada).pop(), Some((2, Outcome::Executed(_)))));
    assert_eq!(town.effects("user1").await, 2);
    assert_eq!(town.agent.terminate().await, 0);
}
