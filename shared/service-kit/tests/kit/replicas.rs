//! Several replicas of one service, behind one channel.

use crate::probe::Running;
use provost_contract::review::v1 as wire;
use provost_contract::review::v1::review_service_client::ReviewServiceClient as Client;
use provost_service_kit::{Addresses, Replicas, Server};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tonic::{Code, Request};

fn to(addresses: &[&str]) -> Client<Replicas> {
    let addresses: Vec<String> = addresses.iter().map(|address| format!("http://{address}")).collect();
    Client::new(Replicas::at(&Addresses::from(addresses.join(","))).unwrap())
}

fn wish(review_id: &str) -> wire::GetReviewRequest {
    wire::GetReviewRequest { review_id: review_id.into() }
}

async fn stop(running: Running) -> String {
    running.stop.cancel();
    running.served.await.unwrap().unwrap();
    running.address
}

#[tokio::test]
async fn replicas_that_are_restarted_one_after_the_other_are_not_noticed() {
    let mut replicas = vec![Running::start(|_| {}).await, Running::start(|_| {}).await];
    let mut client = to(&[&replicas[0].address, &replicas[1].address]);
    let asking = tokio::spawn(async move {
        let (mut answers, end) = (0, Instant::now() + Duration::from_secs(3));
        while Instant::now() < end {
            if let Err(status) = client.get_review(wish("after 1")).await {
                return Err((answers, status));
            }
            answers += 1;
        }
        Ok::<_, (i32, tonic::Status)>(answers)
    });
    while !asking.is_finished() {
        let address = stop(replicas.remove(0)).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        replicas.push(Running::serve(Running::probe(), &address).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(asking.await.unwrap().unwrap() > 50);
}

#[tokio::test]
async fn both_replicas_get_their_share() {
    let replicas = [Running::start(|_| {}).await, Running::start(|_| {}).await];
    let client = to(&[&replicas[0].address, &replicas[1].address]);
    // Each holds one call for a second: on one of them they would be no less under way. What tells is who is left
    // when one of them stops and waits for its own.
    let calls: Vec<_> = (0..2)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.get_review(wish("after 1000")).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    for running in replicas {
        let began = Instant::now();
        stop(running).await;
        // The one that stops first waits for its call; the second's call is over by then.
        if began.elapsed() > Duration::from_millis(300) {
            for call in calls {
                call.await.unwrap().unwrap();
            }
            return;
        }
    }
    panic!("the first one that stopped had no call under way");
}

#[tokio::test]
async fn nobody_there_is_said_in_the_end() {
    let addresses = [provost_testkit::free_address().to_string(), provost_testkit::free_address().to_string()];
    let began = Instant::now();
    let status = to(&[&addresses[0], &addresses[1]]).get_review(wish("x")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    // Thrice each, with two pauses.
    assert!(began.elapsed() >= Duration::from_millis(150), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_every_replica_answers_is_the_answer() {
    let replicas = [Running::start(|_| {}).await, Running::start(|_| {}).await];
    let mut client = to(&[&replicas[0].address, &replicas[1].address]);
    let own = replicas[0].ask("unavailable").await.unwrap_err();
    let status = client.get_review(wish("unavailable")).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, own.message()));
    let refused = client.get_review(wish("invalid")).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "that is not asked again");
}

#[tokio::test]
async fn replica_that_hangs_costs_one_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = Running::start(|_| {}).await;
    let mut client = to(&[&silent.local_addr().unwrap().to_string(), &running.address]);
    let mut late = 0;
    for _ in 0..4 {
        let mut request = Request::new(wish("anything"));
        request.set_timeout(Duration::from_millis(300));
        let began = Instant::now();
        let status = client.get_review(request).await.map(drop);
        late += usize::from(began.elapsed() >= Duration::from_millis(250));
        drop(status);
    }
    assert!((1..=2).contains(&late), "every second call at most goes to the one that hangs: {late}");
}

#[tokio::test]
async fn connections_are_made_anew_and_nobody_notices() {
    let mut server: Server = Running::probe();
    server.reconnecting_after(Duration::from_millis(150));
    let running = Running::serve(server, "127.0.0.1:0").await;
    let mut client = running.client();
    let mut held = running.client();
    let long = tokio::spawn(async move { held.get_review(wish("after 1000")).await });
    let end = Instant::now() + Duration::from_millis(1_500);
    while Instant::now() < end {
        let answer = client.get_review(wish("after 1")).await;
        assert!(answer.is_ok(), "{answer:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    long.await.unwrap().unwrap();
}
