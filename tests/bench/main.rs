//! `make bench`: the three figures, each beside a limit that is measured in the same run.
//!
//! 1. Orders per second through submit → pull → feedback, over real gRPC, with real agents whose package
//!    does nothing; the limit is bare SQL doing the ledger's writes on the same engine. The agents'
//!    journals are part of the first and not of the second. Beside it, with much in the ledger; and how soon
//!    an agent that waits gets an order.
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
mod processor;
mod role_model;
mod scale;
mod weight;

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
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 16])]
    agents: Vec<usize>,
    /// Orders that are in the ledger already, waiting or finished, while others go through; none leaves this out.
    /// `10000,100000,1000000` takes some minutes more.
    #[arg(long, value_delimiter = ',', num_args = 0.., default_values_t = [10_000, 100_000])]
    weights: Vec<usize>,
    /// Orders whose way to an agent that waits is measured.
    #[arg(long, default_value_t = 300)]
    delays: usize,
    /// Only the ledger.
    #[arg(long)]
    only_ledger: bool,
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
    let postgres = Postgres::start(PostgresOptions { fsync: true, roomy: true }).await;
    if !sizes.only_scale {
        ledger(&postgres, &sizes).await?;
        println!();
        if sizes.only_ledger {
            return Ok(());
        }
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
        for engine in sizes.engines() {
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

const ENGINES: [&str; 2] = ["SQLite", "PostgreSQL"];

impl Sizes {
    fn engines(&self) -> impl Iterator<Item = &'static str> {
        let only = self.engine.clone().unwrap_or_default();
        ENGINES.into_iter().filter(move |engine| engine.to_lowercase().starts_with(&only))
    }
}

/// An empty database of an engine; the folder holds it where it is a file.
async fn database(engine: &str, postgres: &Postgres) -> Result<(String, tempfile::TempDir)> {
    let folder = tempfile::tempdir()?;
    let url = match engine {
        "SQLite" => format!("sqlite://{}?mode=rwc", folder.path().join("bench.db").display()),
        _ => postgres.database().await.url,
    };
    Ok((url, folder))
}

async fn ledger(postgres: &Postgres, sizes: &Sizes) -> Result<()> {
    let orders = sizes.orders;
    println!(
        "Orders per second: {orders} orders with 8 changes each, batches of {}, agents with a package that does nothing; \
         'processor' is the ratio of processor times, of everybody who takes part",
        ledger::BATCH
    );
    println!(
        "{:<22} {:>9} {:>9} {:>6} {:>10}   {:>9} {:>9} {:>6} {:>10}",
        "", "submit", "bare SQL", "ratio", "processor", "dispatch", "bare SQL", "ratio", "processor"
    );
    for engine in sizes.engines() {
        for agents in sizes.agents.iter().copied() {
            let ((of_ledger, _folder), (of_bare, _other)) =
                (database(engine, postgres).await?, database(engine, postgres).await?);
            let ours = ledger::run(&of_ledger, orders, agents).await?;
            let bare = bare_sql::run(&of_bare, orders).await?;
            let columns = |ours: ledger::Half, bare: ledger::Half| {
                format!(
                    "{:>9.0} {:>9.0} {:>6.2} {:>10.2}",
                    per_second(orders, ours.took),
                    per_second(orders, bare.took),
                    ratio(bare.took, ours.took),
                    ratio(bare.processor, ours.processor)
                )
            };
            let name = format!("{engine}, {agents} agents");
            println!("{name:<22} {}   {}", columns(ours.submit, bare.submit), columns(ours.dispatch, bare.dispatch));
        }
    }
    println!();
    under_weight(postgres, sizes).await?;
    println!("\nMilliseconds from the call that submits an order to the package of an agent that waits for one");
    println!("{:<22} {:>9} {:>9} {:>9}", "", "half", "99 %", "most");
    for engine in sizes.engines() {
        let (url, _folder) = database(engine, postgres).await?;
        let delays = ledger::delays(&url, sizes.delays).await?;
        let at = |part: usize| delays.get((delays.len() * part / 100).min(delays.len().saturating_sub(1)));
        let millis = |part: usize| at(part).map_or(0.0, |delay| delay.as_secs_f64() * 1_000.0);
        println!("{engine:<22} {:>9.2} {:>9.2} {:>9.2}", millis(50), millis(99), millis(100));
    }
    Ok(())
}

async fn under_weight(postgres: &Postgres, sizes: &Sizes) -> Result<()> {
    if sizes.weights.is_empty() {
        return Ok(());
    }
    let orders = sizes.orders;
    println!("Orders per second with others in the ledger: {orders} orders, 4 agents; memory of the ledger's process");
    println!(
        "{:<22} {:>9}   {:>9} {:>9} {:>10}   {:>9} {:>9} {:>10}   {:>12} {:>9}",
        "", "others", "submit", "of first", "processor", "dispatch", "of first", "processor", "filling MiB", "peak MiB"
    );
    for engine in sizes.engines() {
        for (what, name) in [(weight::What::Waiting, "waiting"), (weight::What::Finished, "finished")] {
            let (url, _folder) = database(engine, postgres).await?;
            let weighed = weight::run(&url, what, &sizes.weights, orders).await?;
            let first = weighed.first().map(|weighed| weighed.measured).unwrap_or_default();
            for weight::Weighed { weight, measured, peaks: [filling, peak] } in weighed {
                let columns = |half: ledger::Half, first: ledger::Half| {
                    format!(
                        "{:>9.0} {:>9.2} {:>10.2}",
                        per_second(orders, half.took),
                        ratio(first.took, half.took),
                        ratio(first.processor, half.processor)
                    )
                };
                println!(
                    "{:<22} {weight:>9}   {}   {}   {filling:>12} {peak:>9}",
                    format!("{engine}, {name}"),
                    columns(measured.submit, first.submit),
                    columns(measured.dispatch, first.dispatch)
                );
            }
        }
    }
    Ok(())
}

fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64().max(f64::EPSILON)
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
