//! `make chaos`: the suite in real processes under real faults, and the directory's own log to judge by.
//!
//! Orders, submitted and generated, go through two replicas of the ledger and two agents into an OpenLDAP server, while,
//! by a seed, every process is killed, an agent is cut off from the network, the database crashes, the directory goes
//! away, its answers are lost on their way back, and the disk of an agent is full. Then all is mended, and every order has to settle. The rule that must hold: what slapd says that it did is
//! each executed order once, in the order of its lane, and nothing else. The exit code says whether it did.

mod dice;
mod faults;
mod generated;
mod load;
mod oracle;
mod suite;

use anyhow::Result;
use clap::Parser;
use dice::Dice;
use faults::Faults;
use generated::Generated;
use load::Load;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use suite::Suite;

/// How long, and which.
#[derive(Parser)]
struct Options {
    /// Minutes of faults.
    #[arg(long, default_value_t = 3.0)]
    minutes: f64,
    /// Decides which faults come when, and which orders; chosen by the clock when absent.
    #[arg(long)]
    seed: Option<u64>,
    /// How many resources are written at the same time.
    #[arg(long, default_value_t = 60)]
    lanes: usize,
    /// Also prints what happens while it happens.
    #[arg(long)]
    verbose: bool,
}

/// Longest wait for all orders to settle when all was mended.
const SETTLE_MAX: Duration = Duration::from_secs(240);

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let seed = options.seed.unwrap_or_else(|| chrono::Utc::now().timestamp_subsec_nanos().into());
    println!("chaos: seed {seed}, {} minutes of faults; again with SEED={seed}", options.minutes);
    let suite = Arc::new(Suite::start().await?);
    suite.without_brake().await?;
    let (load, running) = Load::start(Arc::clone(&suite), Dice::new(seed), options.lanes).await?;
    let generated = Generated::start(Arc::clone(&suite)).await?;
    let faults = Faults::new(Arc::clone(&suite), Dice::new(seed.wrapping_add(1)), options.verbose);
    let injected = faults.inject(Duration::from_secs_f64(options.minutes * 60.0)).await;
    running.stop().await;
    generated.stop().await?;
    let unsettled = load.settle(SETTLE_MAX).await;
    let records = load.records().await?;
    let verdict = oracle::judge(&records, &suite.slapd.audit());
    println!("{:<52}{:>10}", "faults injected", injected.values().sum::<usize>());
    for (kind, count) in &injected {
        println!("  {kind:<50}{count:>10}");
    }
    println!("{:<52}{:>10}", "orders submitted", verdict.orders);
    println!("{:<52}{:>10}", "  generated", records.iter().filter(|record| load::is_generated(record)).count());
    println!("{:<52}{:>10}", "orders settled", verdict.orders - unsettled.len());
    println!("{:<52}{:>10}", "  executed", verdict.executed);
    println!("{:<52}{:>10}", "  replaced before they were written", verdict.replaced);
    println!("{:<52}{:>10}", "effects in slapd's own log", verdict.effects);
    let wrong = [
        ("not settled", &unsettled),
        ("lost", &verdict.lost),
        ("doubled", &verdict.doubled),
        ("out of order", &verdict.out_of_order),
        ("nobody ordered it", &verdict.unordered),
    ];
    for (name, which) in wrong {
        println!("{name:<52}{:>10}", which.len());
        for one in which.iter().take(5) {
            println!("  {one}");
        }
    }
    let is_well = wrong.iter().all(|(_, which)| which.is_empty()) && verdict.executed > 0 && !injected.is_empty();
    if !is_well {
        println!("chaos: the promise was broken; seed {seed}");
        suite.print_logs().await;
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
