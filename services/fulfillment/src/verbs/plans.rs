//! What submitting, pulling and reporting read stays the same however much is in the ledger, and whatever the planner
//! believes of it: measured by what the server says that it read.

#![allow(clippy::unwrap_used)]

use crate::store::claim::tests::fill;
use crate::store::entries::{lanes_sql, list_sql};
use crate::store::{Ledger, Migrator};
use crate::verbs::pull::Pull;
use crate::verbs::submit::{Message, Submission};
use provost_contract::fulfillment::v1::{
    Executed, Feedback, PullOrdersRequest, ReportFeedbackRequest, feedback::Outcome,
};
use provost_contract::to_wire;
use provost_contract::types::v1::ItemResult;
use provost_domain::{Order, OrderId, Timestamp};
use provost_service_kit::{Database, SystemClock};
use provost_testkit::{Postgres, engines, eventually};
use sea_orm::{ConnectionTrait, DbBackend};
use sqlx::Connection;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const WAITING: u32 = 20_000;
/// As many lanes as one statement names: of so many the planner believes that they are all of a table.
const BATCH: u32 = 500;

/// What the planner was told before the ledger filled up.
#[derive(Clone, Copy, Debug)]
enum Told {
    Nothing,
    /// The tables are empty.
    Empty,
    /// There are ten orders, all on offer.
    Few,
}

async fn filled(url: &str, told: Told) {
    let database = Database::connect(&url.into(), None).await.unwrap();
    database.migrate::<Migrator>().await.unwrap();
    let run = async |sql: &str| database.write().execute_unprepared(sql).await.unwrap();
    // Nobody tells the planner behind our back.
    for table in ["order_contents", "order_standings", "order_history", "order_dependencies", "order_archive"] {
        run(&format!("ALTER TABLE {table} SET (autovacuum_enabled = off)")).await;
    }
    match told {
        Told::Nothing => {}
        Told::Empty => {
            run("ANALYZE").await;
        }
        Told::Few => {
            fill(&database, 10).await;
            run("ANALYZE").await;
            run("DELETE FROM order_standings").await;
            run("DELETE FROM order_contents").await;
        }
    }
    fill(&database, WAITING).await;
    run("UPDATE order_standings SET state = 4, offer = 0 WHERE sequence % 2 = 0").await;
    run(&format!(
        "INSERT INTO order_history (order_id,event,from_state,to_state,actor,at,attempt,reason) \
         SELECT id,1,0,1,'a',0,0,'' FROM orders WHERE sequence <= {WAITING}"
    ))
    .await;
    database.write().clone().close().await.unwrap();
}

fn order(number: u32) -> Order {
    let mut order = crate::model::submission::tests::an_order();
    order.id = OrderId::new(Uuid::from_u128(u128::from(number) + 1));
    order.target_key = format!("key{number}");
    order.connection = "mine".into();
    order
}

/// Brings a batch of orders through the ledger.
async fn go_through(ledger: &Ledger, first: u32) {
    let orders = (first..first + BATCH).map(|number| to_wire::order(&order(number))).collect::<Vec<_>>();
    let submission = Submission::new("test".into());
    let submission = ledger.submit(submission, Message::try_from(orders).unwrap()).await.unwrap();
    assert_eq!(submission.answer.accepted, i64::from(BATCH));
    let pull = PullOrdersRequest {
        agent_id: "agent-1".into(),
        connections: vec!["mine".into()],
        max_orders: 1_000,
        ..Default::default()
    };
    let leased = ledger.pull(Pull::try_from(pull.clone()).unwrap()).await.unwrap().orders;
    assert_eq!(leased.len(), BATCH as usize);
    let executed = |order_id: String| Feedback {
        order_id,
        attempt: 1,
        outcome: Some(Outcome::Executed(Executed::default())),
        at: None,
    };
    let feedback = leased.into_iter().map(|leased| executed(leased.order.unwrap().order_id)).collect();
    let report = ReportFeedbackRequest { agent_id: "agent-1".into(), feedback };
    let results: Vec<ItemResult> = ledger.report(report).await.unwrap();
    assert!(results.iter().all(|result| result.error.is_none()), "{results:?}");
    // An agent that finds nothing looks again every second.
    assert!(ledger.pull(Pull::try_from(pull).unwrap()).await.unwrap().orders.is_empty());
}

/// Rows that the server read of the ledger's tables: by walking through them, and by an index. Connections tell what they
/// read when they end, so nobody else may be connected.
async fn read(url: &str) -> (i64, i64) {
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    eventually("everybody else to leave", Duration::from_secs(60), async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
        let others: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
        if others == 0 { Ok(()) } else { Err(format!("{others} are connected")) }
    })
    .await;
    let sql = "SELECT CAST(sum(seq_tup_read) AS BIGINT), CAST(sum(idx_tup_fetch) AS BIGINT) FROM pg_stat_user_tables \
               WHERE relname IN ('order_contents','order_standings','order_history','order_dependencies','order_archive')";
    let read = sqlx::query_as(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    read
}

#[tokio::test]
async fn postgres_reads_as_many_rows_as_it_is_asked_for() {
    for told in [Told::Nothing, Told::Empty, Told::Few] {
        let url = Postgres::shared().await.database().await.url;
        filled(&url, told).await;
        let before = read(&url).await;
        let database = Database::connect(&url.as_str().into(), None).await.unwrap();
        let (clock, stop) = (Arc::new(SystemClock), CancellationToken::new());
        let ledger = Ledger::new(database.clone(), clock, stop, Duration::from_secs(60));
        // More often than it takes until the server plans a statement for good.
        for round in 0..8 {
            go_through(&ledger, round * BATCH).await;
        }
        database.write().clone().close().await.unwrap();
        let after = read(&url).await;
        let (walked, fetched) = (after.0 - before.0, after.1 - before.1);
        // A walk through one table would be tens of thousands.
        assert!(walked < 1_000, "{told:?}: {walked} rows were walked through");
        let orders = i64::from(8 * BATCH);
        assert!((orders..20 * orders).contains(&fetched), "{told:?}: {fetched} rows were fetched for {orders} orders");
    }
}

/// SQLite knows nothing of its tables unless it is told, and nobody tells it.
#[tokio::test]
async fn sqlite_looks_everything_up() {
    let engine = engines().await.into_iter().find(|engine| engine.name == "sqlite").unwrap();
    let database = Database::connect(&engine.url.clone().into(), None).await.unwrap();
    database.migrate::<Migrator>().await.unwrap();
    let ids: Vec<Uuid> = (0..300).map(Uuid::from_u128).collect();
    let lanes: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    for (sql, index) in [
        (list_sql(DbBackend::Sqlite, "id", &ids), "orders_id"),
        (list_sql(DbBackend::Sqlite, "waits_for", &ids), "orders_successors"),
        (lanes_sql(DbBackend::Sqlite, &lanes, Timestamp::from_millis(0)), "orders_lane"),
    ] {
        let plan = sql.plan(database.read()).await;
        assert!(plan.contains(index) && !plan.contains("SCAN"), "{plan}");
    }
}
