//! `make bench`: the three figures, each beside a limit that is measured in the same run.
//!
//! 1. Orders per second through submit → pull → feedback, over real gRPC, with real agents whose package
//!    does nothing; the limit is bare SQL doing the ledger's writes on the same engine. The agents'
//!    journals are part of the first and not of the second.
//! 2. People per second through compute and generate, over real gRPC; the limit is the bare
//!    expression library evaluating the same expressions for the same people.
//!
//! 3. Changes per second into a real directory; the limit is OpenLDAP's own tools writing the same changes from one
//!    LDIF.
//!
//! Ratios, not verdicts: nothing fails because the machine had a slow day.

mod bare_sql;
mod ldap;
mod ledger;
mod organisation;
mod role_model;
mod scale;

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
    /// People of the generated organisations through the role model.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000])]
    scale: Vec<usize>,
    /// So many times the rules of the generated organisations.
    #[arg(long, default_value_t = 1)]
    rules: usize,
    /// Only this engine: sqlite or postgres.
    #[arg(long)]
    engine: Option<String>,
    /// Only the generated organisations.
    #[arg(long)]
    only_scale: bool,
    /// Accounts into the directory.
    #[arg(long, default_value_t = 4_000)]
    accounts: usize,
    /// Only the directory.
    #[arg(long)]
    ldap: bool,
    /// Serves a part of the suite, for another process of the benchmark.
    #[arg(long, hide = true)]
    serve: Option<scale::Role>,
    #[arg(long, hide = true, default_value = "")]
    database: String,
    #[arg(long, hide = true, default_value = "")]
    ledger: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let sizes = Sizes::parse();
    if let Some(role) = sizes.serve {
        return scale::serve(role, sizes.database, sizes.ledger).await;
    }
    if sizes.ldap {
        return directory(sizes.accounts).await;
    }
    let postgres = Postgres::start(PostgresOptions { fsync: true }).await;
    if !sizes.only_scale {
        ledger(&postgres, sizes.orders, sizes.agents).await?;
        println!();
        role_model(&postgres, sizes.people).await?;
        println!();
        directory(sizes.accounts).await?;
        println!();
    }
    at_scale(&postgres, &sizes).await
}

async fn directory(accounts: usize) -> Result<()> {
    println!("Changes per second into OpenLDAP: {accounts} accounts with 7 attributes each, all in one group");
    println!("{:<20} {:>10} {:>24} {:>7}", "", "package", "ldapadd, ldapmodify", "ratio");
    for ldap::Measured { what, package, tool } in ldap::run(accounts).await? {
        println!(
            "{what:<20} {:>10.0} {:>24.0} {:>7.2}",
            per_second(accounts, package),
            per_second(accounts, tool),
            tool.as_secs_f64() / package.as_secs_f64(),
        );
    }
    Ok(())
}

async fn at_scale(postgres: &Postgres, sizes: &Sizes) -> Result<()> {
    println!(
        "A generated organisation: 4 resource types, 50 mapped properties, {} rules; processor time is the generator's \
         and the ledger's, without the database server's",
        400 * sizes.rules
    );
    for people in &sizes.scale {
        for engine in ["SQLite", "PostgreSQL"] {
            if sizes.engine.as_ref().is_some_and(|only| !engine.to_lowercase().starts_with(only.as_str())) {
                continue;
            }
            let folder = tempfile::tempdir()?;
            let databases = match engine {
                "SQLite" => {
                    let file = |name: &str| format!("sqlite://{}?mode=rwc", folder.path().join(name).display());
                    scale::Databases { generator: file("generator.db"), ledger: file("ledger.db") }
                }
                _ => {
                    scale::Databases { generator: postgres.database().await.url, ledger: postgres.database().await.url }
                }
            };
            println!("{engine}, {people} people");
            println!(
                "  {:<28} {:>10} {:>12} {:>10} {:>10} {:>9}",
                "", "seconds", "people/s", "generator", "ledger", "peak MiB"
            );
            for phase in scale::run(&databases, *people, sizes.rules).await? {
                let scale::Phase { what, people, took, processor: [generator, ledger], peak } = phase;
                println!(
                    "  {what:<28} {:>10.3} {:>12.0} {:>10.2} {:>10.2} {peak:>9}",
                    took.as_secs_f64(),
                    per_second(people, took),
                    generator.as_secs_f64(),
                    ledger.as_secs_f64(),
                );
            }
        }
    }
    Ok(())
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
