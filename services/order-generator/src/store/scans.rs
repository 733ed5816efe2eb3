//! What the store is asked on the way of some people, from a computation to the order, walks through no table that
//! grows with the people: each statement is caught, and its plan read.

#![allow(clippy::unwrap_used)]

use super::assignments::{self, OwnerKey};
use super::{Migrator, changes, computations, dependencies, found_items, orders, requests, resources};
use super::{sensitive_orders, texts, ungenerated, virtual_resources};
use crate::model::need::Need;
use futures::StreamExt;
use provost_contract::types::v1::{Order, OrderRecord, ProvisioningState};
use provost_domain::Timestamp;
use provost_service_kit::{Database, Engine, feed};
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, Statement};
use std::sync::{Arc, Mutex};

/// So many people there are.
const PEOPLE: i64 = 20_000;
/// Tables that grow with them.
const LARGE: [&str; 6] = ["orders", "assignments", "owners", "dependencies", "dependents", "resources"];

/// What PostgreSQL believes of its tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Statistics {
    /// What whoever runs it for a day has.
    Fresh,
    /// Those of empty tables, which were filled since.
    Stale,
    /// None.
    Never,
}

async fn fill(database: &Database, statistics: Statistics) {
    let analyze = || database.write().execute_unprepared("ANALYZE");
    if statistics == Statistics::Stale {
        analyze().await.unwrap();
    }
    let bytes = if database.engine() == Engine::Postgres { "bytea" } else { "blob" };
    let verified = ProvisioningState::Verified as i32;
    let columns = [
        (
            "orders (order_id, sequence, lane, resource_type, connection, owner_type, owner_key, generation_run, state, \
             inactive_reason, version, record, entity_type, generated_at, changed)",
            format!(
                "'o' || i, i, 'app' || {unit} || 'Account' || {unit} || 'k' || i, 'A', 'c', 'Person', 'E' || i, 'r' || (i % 9), \
                 {verified}, 0, 1, CAST('' AS {bytes}), 'Account', 0, i",
                unit = if bytes == "bytea" { "chr(31)" } else { "char(31)" }
            ),
        ),
        (
            "assignments (owner_type, owner_key, resource_type, body, content)",
            format!("'Person', 'E' || i, 'A', '', CAST('' AS {bytes})"),
        ),
        ("owners (entity_type, key, body)", "'Person', 'E' || i, ''".to_owned()),
        (
            "dependencies (owner_type, owner_key, claims, needs)",
            format!("'Person', 'E' || i, CAST('' AS {bytes}), CAST('' AS {bytes})"),
        ),
        ("dependents (need, owner_type, owner_key)", "i, 'Person', 'E' || i".to_owned()),
        ("resources (entity_type, key, properties)", "'Account', 'k' || i, '{}'".to_owned()),
    ];
    for (into, values) in columns {
        let rows = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {PEOPLE})");
        let sql = match database.engine() {
            Engine::Postgres => format!("INSERT INTO {into} {rows} SELECT {values} FROM n"),
            Engine::Sqlite => format!("{rows} INSERT INTO {into} SELECT {values} FROM n"),
        };
        database.write().execute_unprepared(&sql).await.unwrap();
    }
    if statistics == Statistics::Fresh {
        analyze().await.unwrap();
    }
}

/// Asks whatever is asked for some people.
async fn ask(connection: &DatabaseConnection, engine: Engine, people: std::ops::Range<i64>) {
    let owners: Vec<OwnerKey> = people.clone().map(|number| ("Person".into(), format!("E{number}"))).collect();
    let owners: Vec<&OwnerKey> = owners.iter().collect();
    // Of a type that everybody has, the first row that is met is enough.
    let names = || ["HadByNobody"].into_iter();
    let keys: Vec<String> = people.clone().map(|number| format!("k{number}")).collect();
    let lane = |key: &String| orders::lane_text(&("app".into(), "Account".into(), key.clone()));
    let lanes: Vec<String> = keys.iter().map(lane).collect();
    let ids: Vec<String> = people.clone().map(|number| format!("o{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let needs = people.map(Need).collect();
    changes::newest(connection).await.unwrap();
    changes::until(connection, 0).await.unwrap();
    feed::cursor(connection, "fulfillment orders").await.unwrap();
    computations::newest(connection).await.unwrap();
    computations::newest_sequence(connection).await.unwrap();
    assignments::known_types(connection, names()).await.unwrap();
    assignments::these_owners(connection, engine, &owners).await.unwrap();
    assignments::of_owners(connection, engine, &owners).await.unwrap();
    let assigned: Vec<_> = owners.iter().map(|owner| (owner.0.clone(), owner.1.clone(), "A".to_owned())).collect();
    let bodies = assignments::by_keys(connection, engine, &assigned).await.unwrap();
    assert!(bodies.iter().all(Option::is_some));
    // A page of all, from wherever the last one ended.
    let pieces: Vec<_> = assignments::pieces(connection, 5).take(2).collect().await;
    assert!(pieces.into_iter().all(|piece| piece.unwrap().len() == 5));
    assert_eq!(dependencies::of_owners(connection, engine, &owners).await.unwrap().len(), owners.len());
    dependencies::dependents(connection, engine, &needs).await.unwrap();
    dependencies::due(connection, engine, Timestamp::from_millis(1)).await.unwrap();
    dependencies::first_due(connection).await.unwrap();
    found_items::of_owners(connection, engine, &owners).await.unwrap();
    requests::grants(connection, engine, Some(&owners), None).await.unwrap();
    requests::grants(connection, engine, Some(&owners), Some(Timestamp::from_millis(1))).await.unwrap();
    assert_eq!(resources::these(connection, engine, "Account", &keys).await.unwrap().len(), keys.len());
    texts::having(connection, engine, &needs).await.unwrap();
    texts::of(connection, engine, "Account", &keys).await.unwrap();
    virtual_resources::these(connection, engine, "Account", &keys).await.unwrap();
    assert_eq!(orders::glances_of(connection, engine, &ids).await.unwrap().len(), ids.len());
    orders::by_ids(connection, engine, &ids).await.unwrap();
    resources::get(connection, "Account", "k77").await.unwrap();
    ungenerated::read(connection).await.unwrap();
    ungenerated::existing(connection).await.unwrap();
    assert!(orders::any(connection).await.unwrap());
    orders::written(connection, names()).await.unwrap();
    orders::moved_since(connection, engine, PEOPLE - 2).await.unwrap();
    orders::open_of(connection, engine, &owners).await.unwrap();
    assert_eq!(orders::that_count_of(connection, engine, &lanes).await.unwrap().len(), lanes.len());
    orders::briefs_of(connection, engine, &lanes).await.unwrap();
    orders::waiting_in(connection, engine, &lanes).await.unwrap();
    sensitive_orders::these(connection, engine, &ids).await.unwrap();
    let order = Some(Order { order_id: "o77".into(), ..Order::default() });
    let ended = OrderRecord { order, state: ProvisioningState::Verified.into(), ..OrderRecord::default() };
    sensitive_orders::forget_ended(connection, engine, &[ended]).await.unwrap();
}

async fn plan(connection: &DatabaseConnection, mut statement: Statement, engine: Engine) -> Vec<String> {
    let (explain, column) = match engine {
        // What is read and thrown away shows only while it is done; nothing else that is asked writes.
        Engine::Postgres if statement.sql.starts_with("SELECT") => ("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)", 0),
        Engine::Postgres => ("EXPLAIN", 0),
        Engine::Sqlite => ("EXPLAIN QUERY PLAN", 3),
    };
    statement.sql = format!("{explain} {}", statement.sql);
    let rows = connection.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index::<String>(column).unwrap()).collect()
}

/// Whether a line of a plan walks through a large table, or through much of an index.
fn walks(line: &str) -> bool {
    let table = |table: &&str| {
        line.trim() == format!("SCAN {table}")
            || line.starts_with(&format!("SCAN {table} "))
            || line.contains(&format!("Seq Scan on {table} "))
    };
    let thrown_away = || {
        let (_, rows) = line.split_once("Rows Removed by ")?.1.split_once(": ")?;
        rows.trim().parse::<i64>().ok()
    };
    LARGE.iter().any(table) || thrown_away().is_some_and(|rows| rows > PEOPLE / 100)
}

async fn nothing_walks(engine: &provost_testkit::Engine, statistics: Statistics) {
    let database = Database::connect(&engine.url.as_str().into(), None).await.unwrap();
    database.migrate::<Migrator>().await.unwrap();
    fill(&database, statistics).await;
    let asked: Arc<Mutex<Vec<Statement>>> = Arc::default();
    let mut connection = sea_orm::Database::connect(ConnectOptions::new(engine.url.as_str())).await.unwrap();
    let caught = Arc::clone(&asked);
    connection.set_metric_callback(move |info| caught.lock().unwrap().push(info.statement.clone()));
    ask(&connection, database.engine(), 77..78).await;
    ask(&connection, database.engine(), 1_000..1_300).await;
    let asked = std::mem::take(&mut *asked.lock().unwrap());
    assert!(asked.len() > 50, "{}: {} statements were caught", engine.name, asked.len());
    for statement in asked {
        let text = statement.to_string();
        for line in plan(database.write(), statement, database.engine()).await {
            // The first row of a table, without any condition, is no walk.
            let is_walk = walks(&line) && !text.contains("FROM \"orders\" LIMIT 1");
            assert!(!is_walk, "{}, {statistics:?} statistics: {text}: {line}", engine.name);
        }
    }
}

#[tokio::test]
async fn nothing_that_is_asked_for_some_people_walks_through_a_table_that_grows_with_people() {
    for statistics in [Statistics::Fresh, Statistics::Stale, Statistics::Never] {
        for engine in provost_testkit::engines().await {
            nothing_walks(&engine, statistics).await;
        }
    }
}
