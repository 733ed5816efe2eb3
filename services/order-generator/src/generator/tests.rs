#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::store::{Migrator, changes};
use provost_domain::Timestamp;
use provost_service_kit::{ManualClock, Replicas};
use provost_testkit::{Engine as TestEngine, engines, eventually};
use sea_orm::ConnectionTrait;

const NAME: &str = "computing";
const PATIENCE: Duration = Duration::from_secs(20);

/// One replica on a database.
async fn replica(url: &str) -> Generator {
    let database = Database::connect(&url.into(), None).await.unwrap();
    database.migrate::<Migrator>().await.unwrap();
    let nowhere = || Replicas::at(&"http://127.0.0.1:1".into()).unwrap();
    Generator {
        clock: Arc::new(ManualClock::at(Timestamp::from_millis(1_000))),
        catalogs: Catalogs::new(&database),
        ledger: Ledger::new(nowhere()),
        reviews: Reviews::new(nowhere()),
        exports: Wake::new(&database, "test_exports"),
        jobs: Wake::new(&database, "test_jobs"),
        orders: Wake::new(&database, "test_orders"),
        requests: Wake::new(&database, "test_requests"),
        replica: provost_service_kit::new_id().to_string(),
        stop: CancellationToken::new(),
        fulfill_wait: Duration::from_secs(1),
        export_wait: Duration::from_secs(1),
        database,
    }
}

async fn postgres() -> TestEngine {
    engines().await.into_iter().find(|engine| engine.name == "postgres").unwrap()
}

async fn nothing() -> Result<(), Fault> {
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_at_a_time_and_the_other_is_told_so() {
    for engine in engines().await {
        let generator = replica(&engine.url).await;
        let inside = async {
            let refused = generator.alone(NAME, nothing()).await.unwrap_err();
            assert_eq!(refused.kind(), FaultKind::Conflict);
            assert!(refused.to_string().contains("computing is already under way; wait until it is over"), "{refused}");
            generator.alone("something else", nothing()).await.unwrap();
            Ok(())
        };
        generator.alone(NAME, inside).await.unwrap();
        // Over, it is free at once.
        generator.alone(NAME, nothing()).await.unwrap_or_else(|fault| panic!("{}: {fault}", engine.name));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_that_start_at_once_exclude_each_other_and_nobody_waits_for_one_that_died() {
    let engine = postgres().await;
    // Both bring the schema up to date.
    let (one, other) = tokio::join!(replica(&engine.url), replica(&engine.url));
    let (started, begun) = tokio::sync::oneshot::channel();
    let work = tokio::spawn(async move {
        let forever = async {
            started.send(()).unwrap();
            std::future::pending::<Result<(), Fault>>().await
        };
        one.alone(NAME, forever).await
    });
    begun.await.unwrap();
    assert_eq!(other.alone(NAME, nothing()).await.unwrap_err().kind(), FaultKind::Conflict);
    // It dies with whoever held it. The clock stands still: no lease runs out.
    work.abort();
    eventually("the other one takes over", PATIENCE, async || other.alone(NAME, nothing()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_taken_over_and_does_not_know_it_writes_nothing() {
    for engine in engines().await {
        let (one, other) = (replica(&engine.url).await, replica(&engine.url).await);
        let outside = one.begin_alone().await.unwrap();
        outside.rollback().await.unwrap();
        let work = async {
            // Its own to write.
            let transaction = one.begin_alone().await?;
            transaction.commit().await?;
            let now = one.clock.now();
            leases::seize(other.database.write(), NAME, "another replica", now.plus(LEASE)).await?;
            one.begin_alone().await.map(drop)
        };
        let refused = one.alone(NAME, work).await.unwrap_err();
        assert_eq!(refused.kind(), FaultKind::Conflict, "{}: {refused}", engine.name);
        assert!(refused.to_string().contains("was taken over by another replica; nothing was written"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writing_holds_off_whoever_takes_over() {
    let engine = postgres().await;
    let (one, other) = (replica(&engine.url).await, replica(&engine.url).await);
    let work = async {
        let transaction = one.begin_alone().await?;
        let seizing = leases::seize(other.database.write(), NAME, "another replica", Timestamp::from_millis(9_999));
        let early = tokio::time::timeout(Duration::from_millis(300), seizing).await;
        assert!(early.is_err(), "it was taken over while something was being written under it");
        Ok(transaction.commit().await?)
    };
    one.alone(NAME, work).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn work_whose_session_ends_is_cut_off_and_may_be_asked_for_again() {
    let engine = postgres().await;
    let generator = replica(&engine.url).await;
    let work = async {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_locks \
                   WHERE locktype = 'advisory' AND pid <> pg_backend_pid() \
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        generator.database.write().execute_unprepared(end).await?;
        std::future::pending::<Result<(), Fault>>().await
    };
    let cut_off = tokio::time::timeout(PATIENCE, generator.alone(NAME, work)).await.unwrap().unwrap_err();
    assert_eq!(cut_off.kind(), FaultKind::Unavailable, "{cut_off}");
    assert!(cut_off.to_string().contains("do it again"), "{cut_off}");
    generator.alone(NAME, nothing()).await.unwrap();
    // What the feeds of changes are written by goes on as before.
    let transaction = generator.begin_alone().await.unwrap();
    changes::note(&generator.database, &transaction, []).await.unwrap();
    transaction.commit().await.unwrap();
}
