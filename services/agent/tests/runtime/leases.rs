//! Leases live as long as the write.

use crate::probe::Probe;
use crate::scene::{Scene, order};
use provost_contract::fulfillment::v1::feedback::Outcome;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn leases_are_renewed_while_a_slow_write_runs() {
    let (scene, probe) = (Scene::new().await, Probe::closed());
    scene.servers.with(|state| state.lease = Duration::from_millis(1_500));
    let ada = order(1, "app", "ada");
    scene.servers.submit([ada.clone()]);
    let agent = scene.agent([("app", &probe)]).await;
    scene.until("renewals", || scene.servers.with(|state| state.renewals.len()) >= 4).await;
    assert_eq!(scene.servers.with(|state| state.attempts[&ada.id.to_string()]), 1, "it never ran out");
    probe.gate.add_permits(1);
    scene.reported(1).await;
    assert!(matches!(scene.servers.feedback_of(&ada)[..], [(1, Outcome::Executed(_))]));
    let renewals = scene.servers.with(|state| state.renewals.len());
    scene.servers.submit([order(2, "app", "bob")]);
    probe.gate.add_permits(1);
    scene.reported(2).await;
    assert!(scene.servers.with(|state| state.renewals.len()) <= renewals + 1, "what is written is not renewed");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_that_comes_back_while_it_is_written_is_written_once() {
    let (scene, probe) = (Scene::new().await, Probe::closed());
    scene.servers.with(|state| {
        state.lease = Duration::from_millis(1_000);
        state.leases_lost = true;
    });
    let ada = order(1, "app", "ada");
    scene.servers.submit([ada.clone()]);
    let agent = scene.agent([("app", &probe)]).await;
    let second = |state: &mut crate::servers::State| state.attempts.get(&ada.id.to_string()) >= Some(&2);
    scene.until("the second attempt", || scene.servers.with(second)).await;
    scene.servers.with(|state| {
        state.lease = Duration::from_secs(60);
        state.leases_lost = false;
    });
    probe.gate.add_permits(100);
    scene.reported(1).await;
    scene.until("nothing is leased", || scene.servers.with(|state| state.leased.is_empty())).await;
    assert_eq!(probe.times("ada"), 1);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_whose_lease_ended_on_its_way_is_given_back_and_not_begun() {
    let (scene, probe) = (Scene::new().await, Probe::closed());
    probe.gate.add_permits(100);
    scene.servers.with(|state| {
        state.lease = Duration::from_millis(1_000);
        state.slow_answers = Duration::from_millis(1_500);
    });
    let ada = order(1, "app", "ada");
    scene.servers.submit([ada.clone()]);
    let agent = scene.agent([("app", &probe)]).await;
    let again = |state: &mut crate::servers::State| state.attempts.get(&ada.id.to_string()) >= Some(&3);
    scene.until("the third attempt", || scene.servers.with(again)).await;
    assert_eq!(probe.times("ada"), 0, "what was late may be somebody else's");
    scene.servers.with(|state| state.slow_answers = Duration::ZERO);
    scene.reported(1).await;
    assert_eq!(probe.times("ada"), 1);
    agent.stop().await;
}
