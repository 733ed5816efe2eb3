//! `make bench`: the two figures, each beside a limit that is measured in the same run.
//!
//! 1. Orders per second through submit → pull → feedback, over real gRPC, with real agents whose package
//!    does nothing; the limit is bare SQL doing the ledger's writes on the same engine. The agents'
//!    journals are part of the first and not of the second.
//! 2. People per second through compute and generate, over real gRPC; the limit is the bare
//!    expression library evaluating the same expressions for the same people.
//!
//! Ratios, not verdicts: nothing fails because the machine had a slow day.

mod bare_sql;
mod ledger;
mod role_model;

use anyhow::Result;
use clap::Parser;
use provost_testkit::{Postgres, PostgresOptions};
use std::time::Duration;

/// How much of each.
#[derive(clap::Parser)]
struct Sizes {
    /// Orders through the ledger.
    #[arg(long, default_value_t = 20_000)]
    orders: usize,
    /// Agents that write them.
    #[arg(long, default_value_t = 4)]
    agents: usize,
    /// People through the role model.
    #[arg(long, default_value_t = 10_000)]
    people: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let sizes = Sizes::parse();
    let postgres = Postgres::start(PostgresOptions { fsync: true }).await;
    ledger(&postgres, sizes.orders, sizes.agents).await?;
    println!();
    role_model(&postgres, sizes.people).await
}

async fn ledger(postgres: &Postgres, orders: usize, agents: usize) -> Result<()> {
    println!(
        "Orders per second: {orders} orders with 8 changes each, batches of {}, {agents} agents with a package that does nothing",
        ledger::BATCH
    );
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
        let ours = ledger::run(&of_ledger, orders, agents).await?;
        let bare = bare_sql::run(&of_bare, orders).await?;
        println!(
            "{engine:<12} {:>10.0} {:>10.0} {:>7.2}   {:>10.0} {:>10.0} {:>7.2}",
            per_second(orders, ours.submit),
            per_second(orders, bare.submit),
            bare.submit.as_secs_f64() / ours.submit.as_secs_f64(),
            per_second(orders, ours.dispatch),
            per_second(orders, bare.dispatch),
            bare.dispatch.as_secs_f64() / ours.dispatch.as_secs_f64(),
        );
    }
    Ok(())
}

async fn role_model(postgres: &Postgres, people: usize) -> Result<()> {
    println!("People per second: {people} people of the sample organisation, its whole catalog");
    println!("{:<12} {:>10} {:>10} {:>10}   {:>12} {:>7}", "", "compute", "generate", "both", "bare rules", "ratio");
    for engine in ["SQLite", "PostgreSQL"] {
        let folder = tempfile::tempdir()?;
        let url = match engine {
            "SQLite" => format!("sqlite://{}?mode=rwc", folder.path().join("generator.db").display()),
            _ => postgres.database().await.url,
        };
        let measured = role_model::run(&url, people).await?;
        let both = measured.compute + measured.generate;
        println!(
            "{engine:<12} {:>10.0} {:>10.0} {:>10.0}   {:>12.0} {:>7.3}",
            per_second(people, measured.compute),
            per_second(people, measured.generate),
            per_second(people, both),
            per_second(people, measured.bare),
            measured.bare.as_secs_f64() / both.as_secs_f64(),
        );
    }
    Ok(())
}

fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
