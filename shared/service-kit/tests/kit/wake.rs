//! Waking who waits, here and in other replicas.

use provost_service_kit::{Database, Wake};
use provost_testkit::{Postgres, eventually};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A waiter that hears nothing looks again after a second; sooner means that it heard.
const HEARD: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(20);

async fn replicas() -> (Database, Database) {
    let url = Postgres::shared().await.database().await.url;
    let connect = || async { Database::connect(&url.clone().into(), None).await.unwrap() };
    (connect().await, connect().await)
}

/// Announces at one and measures how long a waiter at the other waits.
async fn announced(here: &Wake, database: &Database, there: &Wake) -> Duration {
    let mut listener = there.listener();
    let began = Instant::now();
    let transaction = database.begin().await.unwrap();
    here.announce(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    here.ring();
    listener.wait(Duration::MAX).await;
    began.elapsed()
}

#[tokio::test]
async fn ring_at_one_replica_is_heard_at_the_other() {
    let (one, other) = replicas().await;
    let (here, there) = (Wake::new(&one, "test_bell"), Wake::new(&other, "test_bell"));
    let stop = CancellationToken::new();
    let hearing = tokio::spawn(there.clone().hear_replicas(stop.clone()));
    eventually("the ring is heard at once", PATIENCE, async || {
        let waited = announced(&here, &one, &there).await;
        if waited < HEARD { Ok(()) } else { Err(format!("waited {waited:?}")) }
    })
    .await;
    stop.cancel();
    hearing.await.unwrap().unwrap();
}

#[tokio::test]
async fn ring_is_heard_again_after_the_database_was_away() {
    let postgres = Postgres::start(provost_testkit::PostgresOptions::default()).await;
    let url = postgres.database().await.url;
    let one = Database::connect(&url.clone().into(), None).await.unwrap();
    let other = Database::connect(&url.into(), None).await.unwrap();
    let (here, there) = (Wake::new(&one, "test_bell"), Wake::new(&other, "test_bell"));
    let hearing = tokio::spawn(there.clone().hear_replicas(CancellationToken::new()));
    postgres.restart().await;
    eventually("the ring is heard at once", PATIENCE, async || {
        let transaction = one.begin().await.map_err(|error| error.to_string())?;
        drop(transaction);
        let waited = announced(&here, &one, &there).await;
        if waited < HEARD { Ok(()) } else { Err(format!("waited {waited:?}")) }
    })
    .await;
    hearing.abort();
}

#[tokio::test]
async fn transaction_that_fails_rings_nobody() {
    let (one, other) = replicas().await;
    let (here, there) = (Wake::new(&one, "test_bell"), Wake::new(&other, "test_bell"));
    tokio::spawn(there.clone().hear_replicas(CancellationToken::new()));
    eventually("the other listens", PATIENCE, async || {
        let waited = announced(&here, &one, &there).await;
        if waited < HEARD { Ok(()) } else { Err("not yet") }
    })
    .await;
    let mut listener = there.listener();
    let transaction = one.begin().await.unwrap();
    here.announce(&transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    let began = Instant::now();
    listener.wait(Duration::MAX).await;
    assert!(began.elapsed() >= HEARD, "{:?}", began.elapsed());
}

#[tokio::test]
async fn ring_before_the_wait_is_not_lost() {
    let database = Database::connect(&"sqlite::memory:".into(), None).await.unwrap();
    let wake = Wake::new(&database, "test_bell");
    let mut listener = wake.listener();
    wake.ring();
    let began = Instant::now();
    listener.wait(Duration::MAX).await;
    assert!(began.elapsed() < HEARD, "{:?}", began.elapsed());
    wake.hear_replicas(CancellationToken::new()).await.unwrap();
}

#[tokio::test]
async fn waiter_looks_again_by_itself_and_sooner_when_asked() {
    let database = Database::connect(&"sqlite::memory:".into(), None).await.unwrap();
    let mut listener = Wake::new(&database, "test_bell").listener();
    let began = Instant::now();
    listener.wait(Duration::from_millis(50)).await;
    assert!(began.elapsed() < HEARD, "{:?}", began.elapsed());
    listener.wait(Duration::MAX).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
