//! What one replica does at a time, and the clock that all of them go by; on a real PostgreSQL.

use provost_domain::Timestamp;
use provost_service_kit::{Clock, CommonClock, Database, ManualClock, Server, SystemClock};
use provost_testkit::{Postgres, PostgresOptions, eventually};
use sea_orm::ConnectionTrait;
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

async fn replicas(url: &str) -> (Database, Database) {
    let connect = || async { Database::connect(&url.into(), None).await.unwrap() };
    (connect().await, connect().await)
}

#[tokio::test]
async fn one_holds_it_until_it_is_given_back_or_its_session_ends() {
    let postgres = Postgres::start(PostgresOptions::default()).await;
    let (one, other) = replicas(&postgres.database().await.url).await;
    let held = one.try_exclusive("work").await.unwrap().unwrap();
    assert!(other.try_exclusive("work").await.unwrap().is_none(), "another replica");
    assert!(one.try_exclusive("work").await.unwrap().is_none(), "and the same one, a second time");
    assert!(other.try_exclusive("other work").await.unwrap().is_some());
    held.release().await;

    // Dropped, as when the call that holds it is cut off: nobody waits for the end of anything.
    let held = other.try_exclusive("work").await.unwrap().unwrap();
    drop(held);
    let mut held =
        eventually("it is free", PATIENCE, async || one.try_exclusive("work").await.unwrap().ok_or("held")).await;

    // The session ends from the other side, and the holder hears of it.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()";
    other.write().execute_unprepared(end).await.unwrap();
    let why = tokio::time::timeout(PATIENCE, held.lost()).await.unwrap();
    assert!(!why.is_empty());
    assert!(other.try_exclusive("work").await.unwrap().is_some());
}

#[tokio::test]
async fn schemas_of_one_database_do_not_disturb_each_other() {
    let url = Postgres::shared().await.database().await.url;
    let schema = |name: &'static str| {
        let url = url.clone();
        async move { Database::connect(&url.into(), Some(name)).await.unwrap() }
    };
    let (one, other) = (schema("one").await, schema("other").await);
    let held = one.try_exclusive("work").await.unwrap().unwrap();
    assert!(other.try_exclusive("work").await.unwrap().is_some());
    held.release().await;
}

#[tokio::test]
async fn sqlite_has_no_such_lock() {
    let database = Database::connect(&"sqlite::memory:".into(), None).await.unwrap();
    let refused = database.try_exclusive("work").await.unwrap_err();
    assert!(refused.to_string().contains("one process"), "{refused}");
}

/// A machine's clock that is wrong.
struct Wrong(i64);

impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.now().millis() + self.0)
    }

    fn is_of_a_machine(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn machines_with_wrong_clocks_go_by_the_database() {
    let url = Postgres::shared().await.database().await.url;
    let (one, other) = replicas(&url).await;
    let fast = CommonClock::of(&one, Arc::new(Wrong(90_000)), &mut Server::default()).await.unwrap();
    let slow = CommonClock::of(&other, Arc::new(Wrong(-90_000)), &mut Server::default()).await.unwrap();
    let apart = (fast.now().millis() - slow.now().millis()).abs();
    assert!(apart < 1_000, "{apart} ms apart");
    assert!((fast.now().millis() - SystemClock.now().millis()).abs() < 1_000, "the database is on this machine");
}

#[tokio::test]
async fn clock_of_a_test_stays_what_it_is() {
    let url = Postgres::shared().await.database().await.url;
    let (database, _) = replicas(&url).await;
    let own: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_millis(7)));
    let common = CommonClock::of(&database, own, &mut Server::default()).await.unwrap();
    assert_eq!(common.now().millis(), 7);
}
