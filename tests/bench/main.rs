//! `make bench`: the two figures, each beside a limit that is measured in the same run.
//!
//! 1. Orders per second through submit → pull → feedback, over real gRPC, with a package that does
//!    nothing; the limit is bare SQL doing the same writes on the same engine.
//! 2. People per second through compute and generate, over real gRPC; the limit is the bare
//!    expression library evaluating the same expressions for the same people.
//!
//! Ratios, not verdicts: nothing fails because the machine had a slow day.

mod bare_sql;
mod ledger;
mod role_model;

use anyhow::Result;
use provost_testkit::{Postgres, PostgresOptions};
use std::time::Duration;

/// Orders through the ledger, and agents that pull.
const ORDERS: usize = 20_000;
const AGENTS: usize = 4;
/// People through the role model.
const PEOPLE: usize = 10_000;

#[tokio::main]
async fn main() -> Result<()> {
    let postgres = Postgres::start(PostgresOptions { fsync: true }).await;
    println!("Orders per second: {ORDERS} orders with 8 changes each, batches of {}, {AGENTS} agents", ledger::BATCH);
    println!(
        "{:<12} {:>10} {:>10} {:>7}   {:>10} {:>10} {:>7}",
        "", "submit", "bare SQL", "ratio", "dispatch", "bare SQL", "ratio"
    );
    for engine in ["SQLite", "PostgreSQL"] {
        let folder = tempfile::tempdir()?;
        let (of_ledger, of_bare) = match engine {
            "SQLite" => {
                let file = |name: &str| format!("sqlite://{}?mode=rwc", folder.path().join(name).display());
                (file("ledger.db"), file("bare.db"))
            }
            _ => (postgres.database().await.url, postgres.database().await.url),
        };
        let ours = ledger::run(&of_ledger, ORDERS, AGENTS).await?;
        let bare = bare_sql::run(&of_bare, ORDERS).await?;
        println!(
            "{engine:<12} {:>10.0} {:>10.0} {:>7.2}   {:>10.0} {:>10.0} {:>7.2}",
            per_second(ORDERS, ours.submit),
            per_second(ORDERS, bare.submit),
            bare.submit.as_secs_f64() / ours.submit.as_secs_f64(),
            per_second(ORDERS, ours.dispatch),
            per_second(ORDERS, bare.dispatch),
            bare.dispatch.as_secs_f64() / ours.dispatch.as_secs_f64(),
        );
    }
    println!("\nPeople per second: {PEOPLE} people of the sample organisation, its whole catalog");
    println!("{:<12} {:>10} {:>10} {:>10}   {:>12} {:>7}", "", "compute", "generate", "both", "bare rules", "ratio");
    for engine in ["SQLite", "PostgreSQL"] {
        let folder = tempfile::tempdir()?;
        let url = match engine {
            "SQLite" => format!("sqlite://{}?mode=rwc", folder.path().join("generator.db").display()),
            _ => postgres.database().await.url,
        };
        let measured = role_model::run(&url, PEOPLE).await?;
        let both = measured.compute + measured.generate;
        println!(
            "{engine:<12} {:>10.0} {:>10.0} {:>10.0}   {:>12.0} {:>7.3}",
            per_second(PEOPLE, measured.compute),
            per_second(PEOPLE, measured.generate),
            per_second(PEOPLE, both),
            per_second(PEOPLE, measured.bare),
            measured.bare.as_secs_f64() / both.as_secs_f64(),
        );
    }
    Ok(())
}

fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
