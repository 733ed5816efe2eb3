//! Reports arrive, whatever is down; and only once where once is enough.

use crate::probe::Probe;
use crate::scene::{SOON, Scene, order};
use crate::servers::{Reports, State};
use provost_contract::agent::v1::GetStatusRequest;
use provost_contract::agent::v1::agent_service_client::AgentServiceClient;
use provost_contract::fulfillment::v1::feedback::Outcome;
use provost_service_kit::channel;
use provost_testkit::eventually;
use std::time::Duration;
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn agent_that_starts_before_its_servers_finds_them() {
    let (mut scene, probe) = (Scene::unreachable(), Probe::open());
    scene.servers.submit([order(1, "app", "ada")]);
    let agent = scene.agent([("app", &probe)]).await;
    scene.serve().await;
    scene.reported(1).await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_reported_until_they_are_taken() {
    let (scene, probe) = (Scene::new().await, Probe::open());
    scene.servers.with(|state| state.reports = Reports::Refused);
    scene.servers.submit([order(1, "app", "ada"), order(2, "app", "bob")]);
    let agent = scene.agent([("app", &probe)]).await;
    scene.until("several tries", || scene.servers.with(|state| state.report_calls) >= 3).await;
    assert!(scene.servers.with(|state| state.feedback.is_empty()));
    scene.servers.with(|state| state.reports = Reports::Taken);
    scene.reported(2).await;
    assert_eq!((probe.times("ada"), probe.times("bob")), (1, 1));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn same_attempt_again_is_answered_from_the_journal() {
    let (scene, probe) = (Scene::new().await, Probe::open());
    scene.servers.with(|state| state.reports = Reports::Refused);
    let ada = order(1, "app", "ada");
    scene.servers.submit([ada.clone()]);
    let agent = scene.agent([("app", &probe)]).await;
    scene.until("a try", || scene.servers.with(|state| state.report_calls) >= 1).await;
    scene.servers.with(|state| state.redeliver.push_back(ada.id.to_string()));
    scene.until("redelivery", || scene.servers.with(|state| state.redeliver.is_empty())).await;
    // Whatever comes after it in the same loop was written after the redelivery was looked at.
    scene.servers.submit([order(2, "app", "bob")]);
    scene.until("the next order", || probe.times("bob") == 1).await;
    scene.servers.with(|state| state.reports = Reports::Taken);
    scene.reported(2).await;
    assert_eq!(probe.times("ada"), 1);
    assert_eq!(scene.servers.feedback_of(&ada).len(), 1);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn written_order_that_comes_back_under_the_next_attempt_is_answered_from_the_journal() {
    let (scene, probe) = (Scene::new().await, Probe::open());
    scene.servers.with(|state| {
        state.reports = Reports::Refused;
        state.lease = Duration::from_millis(200);
    });
    let (ada, person, refused) = (order(1, "app", "ada"), order(2, "app", "person"), order(3, "app", "refused"));
    scene.servers.submit([ada.clone(), person.clone(), refused.clone()]);
    let agent = scene.agent([("app", &probe)]).await;
    let third = |state: &mut State| {
        [&ada, &person, &refused].iter().all(|order| state.attempts.get(&order.id.to_string()) >= Some(&3))
    };
    scene.until("the third attempt", || scene.servers.with(third)).await;
    scene.servers.with(|state| {
        state.reports = Reports::Taken;
        state.lease = Duration::from_secs(60);
    });
    let settled = || scene.servers.with(|state| state.leased.is_empty() && state.pending.is_empty());
    scene.until("all settle", settled).await;
    assert_eq!((probe.times("ada"), probe.times("person")), (1, 1), "what was done is not done again");
    assert!(probe.times("refused") >= 2, "what failed is tried again");
    let attempts = scene.servers.with(|state| state.attempts[&person.id.to_string()]);
    let last = scene.servers.feedback_of(&person).into_iter().filter(|(attempt, _)| *attempt == attempts);
    assert!(last.into_iter().all(|(_, outcome)| matches!(outcome, Outcome::HandedOver(_))));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_leased_again_before_its_report_and_delivered_after_the_thanks_is_not_written_again() {
    let (scene, probe) = (Scene::new().await, Probe::closed());
    let ada = order(1, "app", "ada");
    scene.servers.submit([ada.clone()]);
    let agent = scene.agent([("app", &probe)]).await;
    let client = AgentServiceClient::new(channel::to(&format!("http://{}", agent.at)).unwrap());
    let all_thanked = async || {
        let status = client.clone().get_status(GetStatusRequest {}).await.unwrap().into_inner();
        if status.unreported == 0 { Ok(()) } else { Err(format!("{} are unreported", status.unreported)) }
    };
    let pulls = |count| scene.servers.with(|state| state.pulls.len() >= count);
    scene.until("the write and the next pull", || probe.running() == 1 && pulls(2)).await;
    probe.gate.add_permits(1_000);
    scene.reported(1).await;
    eventually("the thanks", SOON, all_thanked).await;
    // The answer of the pull that was under way all the time.
    scene.servers.submit([ada.clone()]);
    scene.reported(2).await;
    let feedback = scene.servers.feedback_of(&ada);
    assert!(matches!(feedback[1], (2, Outcome::Executed(_))) && probe.times("ada") == 1, "{feedback:?}");
    eventually("the thanks", SOON, all_thanked).await;
    // A pull that begins after the thanks: whoever leases the order now knows, and means it.
    scene.servers.submit([order(2, "app", "bob")]);
    scene.until("a new pull", || probe.times("bob") == 1 && pulls(4)).await;
    scene.servers.submit([ada.clone()]);
    scene.until("the second write", || probe.times("ada") == 2).await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn result_refused_for_good_does_not_block_the_others() {
    let (scene, probe) = (Scene::new().await, Probe::open());
    let gone = order(1, "app", "ada");
    scene.servers.with(|state| state.item_errors.insert(gone.id.to_string(), Code::NotFound));
    scene.servers.submit([gone, order(2, "app", "bob")]);
    let agent = scene.agent([("app", &probe)]).await;
    scene.reported(1).await;
    let calls = scene.servers.with(|state| state.report_calls);
    scene.servers.submit([order(3, "app", "eve")]);
    scene.reported(2).await;
    assert!(scene.servers.with(|state| state.report_calls) <= calls + 2, "it is not sent again and again");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn result_refused_for_now_is_sent_again() {
    let (scene, probe) = (Scene::new().await, Probe::open());
    let ada = order(1, "app", "ada");
    scene.servers.with(|state| state.item_errors.insert(ada.id.to_string(), Code::Unavailable));
    scene.servers.submit([ada.clone()]);
    let agent = scene.agent([("app", &probe)]).await;
    scene.until("several tries", || scene.servers.with(|state| state.report_calls) >= 2).await;
    scene.servers.with(|state| state.item_errors.clear());
    scene.reported(1).await;
    assert_eq!(probe.times("ada"), 1);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_waits_for_the_write_that_runs_and_reports_it() {
    let (scene, probe) = (Scene::new().await, Probe::closed());
    let ada = order(1, "app", "ada");
    scene.servers.submit([ada.clone()]);
    let agent = scene.agent([("app", &probe)]).await;
    scene.until("the write", || probe.running() == 1).await;
    let stopping = tokio::spawn(agent.stop());
    scene.servers.submit([order(2, "app", "bob")]);
    probe.gate.add_permits(1);
    stopping.await.unwrap();
    assert!(matches!(scene.servers.feedback_of(&ada)[..], [(1, Outcome::Executed(_))]));
}

#[tokio::test(flavor = "multi_thread")]
async fn results_outlive_a_stop() {
    let (scene, probe) = (Scene::new().await, Probe::open());
    scene.servers.with(|state| state.reports = Reports::Refused);
    scene.servers.submit([order(1, "app", "ada")]);
    let agent = scene.agent([("app", &probe)]).await;
    scene.until("a try", || scene.servers.with(|state| state.report_calls) >= 1).await;
    agent.stop().await;
    scene.servers.with(|state| state.reports = Reports::Taken);
    let agent = scene.agent([("app", &probe)]).await;
    scene.reported(1).await;
    assert_eq!(probe.times("ada"), 1);
    agent.stop().await;
}
