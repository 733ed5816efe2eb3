//! How many orders are written side by side, and which.

use crate::probe::Probe;
use crate::scene::{Scene, order};
use provost_contract::fulfillment::v1::feedback::Outcome;
use provost_contract::types::v1::FailureClass;
use std::sync::atomic::Ordering;
use tokio::sync::Semaphore;

#[tokio::test(flavor = "multi_thread")]
async fn slots_are_taken_before_orders_are() {
    let (scene, probe) = (Scene::new().await, Probe::closed());
    let agent = scene.agent([("app", &probe)]).await;
    scene.servers.submit((1..=7).map(|number| order(number, "app", &format!("user{number}"))));
    scene.until("two writes", || probe.running() == 2).await;
    assert_eq!(scene.servers.with(|state| state.pending.len()), 5, "no order was taken without a slot");
    probe.gate.add_permits(7);
    scene.reported(7).await;
    assert_eq!(probe.most.load(Ordering::SeqCst), 2);
    assert!(scene.servers.with(|state| state.pulls.iter().all(|asked| (1..=2).contains(asked))));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_connection_does_not_hold_up_another() {
    let (scene, slow, fast) = (Scene::new().await, Probe::closed(), Probe::open());
    let agent = scene.agent([("slow", &slow), ("fast", &fast)]).await;
    scene.servers.submit((1..=4).map(|number| order(number, "slow", "ada")));
    scene.servers.submit((5..=8).map(|number| order(number, "fast", "ada")));
    scene.reported(4).await;
    assert_eq!(fast.times("ada"), 4);
    slow.gate.add_permits(Semaphore::MAX_PERMITS - 8);
    scene.reported(8).await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_outcome_is_reported_as_it_was() {
    let (scene, probe) = (Scene::new().await, Probe::open());
    let orders =
        [order(1, "app", "ada"), order(2, "app", "refused"), order(3, "app", "person"), order(4, "app", "panic")];
    scene.servers.submit(orders.clone());
    let agent = scene.agent([("app", &probe)]).await;
    scene.reported(4).await;
    let outcome = |place: usize| scene.servers.feedback_of(&orders[place]).pop().unwrap().1;
    assert!(matches!(outcome(0), Outcome::Executed(executed) if executed.note == "created"));
    assert!(matches!(outcome(1), Outcome::Failed(failure) if failure.failure_class() == FailureClass::Refused));
    assert!(matches!(outcome(2), Outcome::HandedOver(handed) if handed.ticket == "T-1"));
    assert!(matches!(outcome(3), Outcome::Failed(failure) if failure.failure_class() == FailureClass::Unknown));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_that_cannot_be_read_is_reported_and_not_written() {
    let (scene, probe) = (Scene::new().await, Probe::open());
    let mut wrong = order(1, "app", "ada");
    wrong.target_key = String::new();
    scene.servers.submit([wrong.clone()]);
    let agent = scene.agent([("app", &probe)]).await;
    scene.reported(1).await;
    let outcome = scene.servers.feedback_of(&wrong).pop().unwrap().1;
    assert!(matches!(&outcome, Outcome::Failed(failure) if failure.message.contains("target_key")), "{outcome:?}");
    assert!(probe.written.lock().unwrap().is_empty());
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_orders_are_each_written_and_reported_once() {
    const ORDERS: u128 = 600;
    let (scene, probe) = (Scene::new().await, Probe::open());
    scene.servers.submit((1..=ORDERS).map(|number| order(number, "app", &format!("user{number}"))));
    let agent = scene.agent([("app", &probe)]).await;
    scene.reported(600).await;
    agent.stop().await;
    assert!((1..=ORDERS).all(|number| probe.times(&format!("user{number}")) == 1));
    assert_eq!(scene.servers.with(|state| state.feedback.len()), 600);
}
