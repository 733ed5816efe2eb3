//! Stopping: health says so, calls finish, streams end, and nothing takes longer than the grace period.

use crate::probe::Running;
use provost_service_kit::server::GRACE;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const SERVICE: &str = "provost.review.v1.ReviewService";
/// Well below the grace period, and enough on a busy machine.
const SOON: Duration = Duration::from_secs(5);

async fn ended(running: Running) -> anyhow::Result<()> {
    tokio::time::timeout(GRACE * 2 + SOON, running.served).await.expect("the server ends").unwrap()
}

#[tokio::test]
async fn idle_server_ends_at_once() {
    let running = Running::start(|_| {}).await;
    running.ask("unknown").await.unwrap_err();
    let began = Instant::now();
    running.stop.cancel();
    ended(running).await.unwrap();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[tokio::test]
async fn health_watchers_hear_of_the_stop_and_do_not_delay_it() {
    let running = Running::start(|_| {}).await;
    let mut watches = Vec::new();
    for service in ["", SERVICE] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let mut watch = HealthClient::new(running.channel()).watch(request).await.unwrap().into_inner();
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
        watches.push(watch);
    }
    let began = Instant::now();
    running.stop.cancel();
    for watch in &mut watches {
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    }
    ended(running).await.unwrap();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[tokio::test]
async fn call_under_way_is_answered() {
    let running = Running::start(|_| {}).await;
    let (mut client, stop) = (running.client(), running.stop.clone());
    let call = tokio::spawn(async move {
        let request = provost_contract::review::v1::GetReviewRequest { review_id: "after 1000".into() };
        client.get_review(request).await
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.cancel();
    ended(running).await.unwrap();
    call.await.unwrap().unwrap();
}

#[tokio::test]
async fn open_stream_that_ignores_the_stop_holds_the_server_for_the_grace_period_only() {
    let running = Running::start(|_| {}).await;
    let _stream = running.stream().await;
    let began = Instant::now();
    running.stop.cancel();
    ended(running).await.unwrap();
    let elapsed = began.elapsed();
    assert!(elapsed >= GRACE && elapsed < GRACE + SOON, "{elapsed:?}");
}

#[tokio::test]
async fn new_calls_are_refused_after_the_stop() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client();
    running.stop.cancel();
    ended(running).await.unwrap();
    let request = provost_contract::review::v1::GetReviewRequest::default();
    assert_eq!(client.get_review(request).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn background_work_gets_the_signal_and_finishes() {
    let (finished, hears) = oneshot::channel();
    let running = Running::start(|server| {
        server.work("tidying", |stop| async move {
            stop.cancelled().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            finished.send(()).map_err(|()| anyhow::anyhow!("nobody hears"))
        });
    })
    .await;
    running.stop.cancel();
    ended(running).await.unwrap();
    hears.await.unwrap();
}

#[tokio::test]
async fn failure_of_background_work_stops_everything_and_is_the_result() {
    let running = Running::start(|server| {
        server.work("tidying", |_| async { anyhow::bail!("the broom broke") });
        server.work("waiting", |stop| async move {
            stop.cancelled().await;
            Ok(())
        });
    })
    .await;
    let failure = format!("{:#}", ended(running).await.unwrap_err());
    assert_eq!(failure, "tidying failed: the broom broke");
}

#[tokio::test]
async fn panic_of_background_work_stops_everything_too() {
    let running = Running::start(|server| {
        server.work("tidying", |_| async { panic!("the broom broke") });
    })
    .await;
    let failure = format!("{:#}", ended(running).await.unwrap_err());
    assert!(failure.starts_with("background work panicked"), "{failure}");
}

#[tokio::test]
async fn background_work_that_ignores_the_stop_is_ended() {
    let running = Running::start(|server| {
        server.work("sleeping", |_| async {
            futures::future::pending::<()>().await;
            Ok(())
        });
    })
    .await;
    let began = Instant::now();
    running.stop.cancel();
    ended(running).await.unwrap();
    assert!(began.elapsed() < GRACE + SOON, "{:?}", began.elapsed());
}

#[tokio::test]
async fn who_asks_at_the_moment_of_the_stop_hears_not_serving() {
    let running = Running::start(|_| {}).await;
    let mut health = HealthClient::new(running.channel());
    let all = || HealthCheckRequest { service: String::new() };
    let mut watch = health.watch(all()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    // A call that takes a while keeps the connection.
    let mut client = running.client();
    let call = tokio::spawn(async move {
        let request = provost_contract::review::v1::GetReviewRequest { review_id: "after 1000".into() };
        client.get_review(request).await
    });
    let began = Instant::now();
    running.stop.cancel();
    while let Ok(Some(answer)) = watch.message().await {
        assert_eq!(answer.status(), ServingStatus::NotServing);
    }
    match health.check(all()).await {
        Ok(answer) => assert_eq!(answer.into_inner().status(), ServingStatus::NotServing),
        // The connection was closed before the question arrived.
        Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
    }
    drop(health.watch(all()).await);
    drop(call.await);
    ended(running).await.unwrap();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}
