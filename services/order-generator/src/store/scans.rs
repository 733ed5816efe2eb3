//! What the store is asked on the way of one person, from a computation to the order, walks through no table that
//! grows with the people: each statement is caught, and its plan read.

#![allow(clippy::unwrap_used)]

use super::assignments::{self, OwnerKey};
use super::{Migrator, changes, computations, dependencies, found_items, orders, requests, resources};
use super::{sensitive_orders, ungenerated};
use crate::model::need::Need;
use futures::StreamExt;
use provost_contract::types::v1::{Order, OrderRecord, ProvisioningState};
use provost_service_kit::{Database, Engine, feed};
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, Statement};
use std::sync::{Arc, Mutex};

/// So many people there are.
const PEOPLE: i64 = 20_000;
/// Tables that grow with them.
const LARGE: [&str; 6] = ["orders", "assignments", "owners", "dependencies", "dependents", "resources"];

async fn fill(database: &Database) {
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
    // Whoever runs it for a day has statistics on PostgreSQL; on SQLite nobody has.
    if database.engine() == Engine::Postgres {
        database.write().execute_unprepared("ANALYZE").await.unwrap();
    }
}

/// Asks whatever is asked for one person.
async fn ask(connection: &DatabaseConnection, engine: Engine) {
    let owner: OwnerKey = ("Person".into(), "E77".into());
    let owners = [&owner];
    // Of a type that everybody has, the first row that is met is enough.
    let names = || ["HadByNobody"].into_iter();
    let lanes = [orders::lane_text(&("app".into(), "Account".into(), "k77".into()))];
    changes::newest(connection).await.unwrap();
    changes::until(connection, 0).await.unwrap();
    feed::cursor(connection, "fulfillment orders").await.unwrap();
    computations::newest(connection).await.unwrap();
    computations::newest_sequence(connection).await.unwrap();
    assignments::known_types(connection, names()).await.unwrap();
    assignments::these_owners(connection, engine, &owners).await.unwrap();
    assignments::of_owners(connection, engine, &owners).await.unwrap();
    let key = ("Person".to_owned(), "E77".to_owned(), "A".to_owned());
    assignments::by_keys(connection, engine, &[key]).await.unwrap();
    // A page of all, from wherever the last one ended.
    let pieces: Vec<_> = assignments::pieces(connection, 5).take(2).collect().await;
    assert!(pieces.into_iter().all(|piece| piece.unwrap().len() == 5));
    dependencies::of_owners(connection, engine, &owners).await.unwrap();
    dependencies::dependents(connection, engine, &[Need(1), Need(2)].into()).await.unwrap();
    found_items::of_owners(connection, engine, &owners).await.unwrap();
    requests::grants(connection, engine, Some(&owners)).await.unwrap();
    resources::these(connection, engine, "Account", &["k77".to_owned()]).await.unwrap();
    resources::get(connection, "Account", "k77").await.unwrap();
    ungenerated::read(connection).await.unwrap();
    ungenerated::existing(connection).await.unwrap();
    assert!(orders::any(connection).await.unwrap());
    orders::written(connection, names()).await.unwrap();
    orders::moved_since(connection, PEOPLE - 2).await.unwrap();
    orders::open_of(connection, engine, &owners).await.unwrap();
    orders::that_count_of(connection, engine, &lanes).await.unwrap();
    orders::briefs_of(connection, engine, &lanes).await.unwrap();
    orders::waiting_in(connection, engine, &lanes).await.unwrap();
    sensitive_orders::these(connection, engine, &["o77"]).await.unwrap();
    let order = Some(Order { order_id: "o77".into(), ..Order::default() });
    let ended = OrderRecord { order, state: ProvisioningState::Verified.into(), ..OrderRecord::default() };
    sensitive_orders::forget_ended(connection, engine, &[ended]).await.unwrap();
}

async fn plan(connection: &DatabaseConnection, mut statement: Statement, engine: Engine) -> Vec<String> {
    let (explain, column) = match engine {
        Engine::Postgres => ("EXPLAIN", 0),
        Engine::Sqlite => ("EXPLAIN QUERY PLAN", 3),
    };
    statement.sql = format!("{explain} {}", statement.sql);
    let rows = connection.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index::<String>(column).unwrap()).collect()
}

#[tokio::test]
async fn nothing_that_is_asked_for_one_person_walks_through_a_table_that_grows_with_people() {
    for engine in provost_testkit::engines().await {
        let database = Database::connect(&engine.url.as_str().into(), None).await.unwrap();
        database.migrate::<Migrator>().await.unwrap();
        fill(&database).await;
        let asked: Arc<Mutex<Vec<Statement>>> = Arc::default();
        let mut connection = sea_orm::Database::connect(ConnectOptions::new(engine.url.as_str())).await.unwrap();
        let caught = Arc::clone(&asked);
        connection.set_metric_callback(move |info| caught.lock().unwrap().push(info.statement.clone()));
        ask(&connection, database.engine()).await;
        let asked = std::mem::take(&mut *asked.lock().unwrap());
        assert!(asked.len() > 25, "{}: {} statements were caught", engine.name, asked.len());
        for statement in asked {
            let text = statement.to_string();
            for line in plan(database.write(), statement, database.engine()).await {
                let walks = |table: &&str| {
                    line.trim() == format!("SCAN {table}")
                        || line.starts_with(&format!("SCAN {table} "))
                        || line.contains(&format!("Seq Scan on {table} "))
                };
                // The first row of a table, without any condition, is no walk.
                let is_walk = LARGE.iter().any(walks) && !text.contains("FROM \"orders\" LIMIT 1");
                assert!(!is_walk, "{}: {text}: {line}", engine.name);
            }
        }
    }
}
