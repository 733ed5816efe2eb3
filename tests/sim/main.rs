//! `make sim`: the suite in one process, under a simulated network, simulated clocks and a managed system that lies.
//!
//! The ledger, review and two agents are the real ones, each on a host of its own; so are their databases, whose
//! threads run in step with the simulation ([`lockstep`]). A seed decides everything: which orders, which faults and
//! when, how long each message and each statement takes. While hosts crash, links break, calls are lost or repeated
//! and clocks jump, everything that is seen is judged ([`book`]); then all is mended and every order has to settle.
//!
//! What replays: one seed gives one trace, in any process, on any machine with the same build: runtimes, network,
//! chance (also that of hash maps and of `select!`) and clocks all come from the seed, and databases answer in step.
//! Each seed therefore has a process of its own. What does not replay across builds: a change of the code changes
//! what the seeds mean.

mod book;
#[path = "../chaos/dice.rs"]
mod dice;
mod lockstep;
mod network;
mod people;
mod system;
mod wire;
mod world;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use rand_of_mad_turmoil::SeedableRng;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use world::Setting;

/// A seed that runs for so long does not end.
const HANGS_AFTER: Duration = Duration::from_secs(300);
/// How often to look whether a seed has ended.
const LOOK: Duration = Duration::from_millis(5);

/// What is done wrong on purpose, to see that it is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Sabotage {
    /// Nothing.
    #[default]
    None,
    /// The package writes twice.
    WritesTwice,
    /// The package does not look before it writes.
    Blind,
    /// The package says that it is done, and writes later.
    Overtakes,
    /// The ledger forgets reports that it acknowledged.
    ForgetsFeedback,
    /// The ledger forgets orders that it acknowledged.
    ForgetsOrders,
}

/// Which seeds.
#[derive(Parser)]
struct Options {
    /// How many seeds, one after the other.
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// One seed alone, with its trace.
    #[arg(long)]
    seed: Option<u64>,
    /// Seeds side by side; as many as there are processors when absent.
    #[arg(long)]
    jobs: Option<usize>,
    /// Also prints what the services log of one seed; for example `debug`.
    #[arg(long, value_name = "LEVEL")]
    log: Option<tracing::Level>,
    /// Prints nothing of one seed but how it ended.
    #[arg(long)]
    quiet: bool,
    /// Shows of every seed that fails what was wrong, not of the first one only.
    #[arg(long)]
    all: bool,
    /// Runs each seed twice, and fails where the two traces differ.
    #[arg(long)]
    twice: bool,
    #[arg(long, value_enum, default_value_t)]
    sabotage: Sabotage,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    match options.seed {
        Some(seed) => one(seed, &options),
        None => many(&options),
    }
}

/// Runs one seed in this process.
fn one(seed: u64, options: &Options) -> Result<ExitCode> {
    mad_turmoil::rand::set_rng(rand_of_mad_turmoil::rngs::StdRng::seed_from_u64(seed));
    let inner = options.log.map(|level| -> Box<dyn tracing::Subscriber + Send + Sync> {
        Box::new(tracing_subscriber::fmt().with_max_level(level).with_ansi(false).finish())
    });
    tracing::subscriber::set_global_default(lockstep::Spans(inner))?;
    let folder = std::env::temp_dir();
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { memory } else { folder };
    let folder = folder.join(format!("provost-sim-{}", std::process::id()));
    let setting = Setting { seed, sabotage: options.sabotage, is_loud: !options.quiet, folder: folder.clone() };
    // On a thread of its own, whose hash maps are of this seed from the first one on.
    let running = thread::Builder::new().stack_size(16 << 20).spawn(move || {
        let _clocks = mad_turmoil::time::SimClocksGuard::init();
        world::run(&setting)
    })?;
    let ended = running.join();
    world::clear(&folder);
    let Ok(ended) = ended else { anyhow::bail!("the simulation of seed {seed} broke down") };
    let (wrong, (trace, lines)) = (ended.book.verdict(), ended.book.trace());
    for (figure, count) in ended.book.figures() {
        println!("figure {count} {figure}");
    }
    println!("trace {trace:016x} of {:.1} simulated seconds", ended.seconds);
    if wrong.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    if options.quiet {
        lines.iter().for_each(|line| println!("{line}"));
    }
    for what in wrong {
        println!("WRONG at {what}");
    }
    Ok(ExitCode::FAILURE)
}

/// What a process says until it ends. One that hangs is ended.
fn bounded(mut command: Command) -> Result<Output> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("a simulation cannot be started")?;
    // Counted, for this program's clock stands still outside a simulation.
    for _ in 0..HANGS_AFTER.as_millis() / LOOK.as_millis() {
        if child.try_wait()?.is_some() {
            return Ok(child.wait_with_output()?);
        }
        thread::sleep(LOOK);
    }
    child.kill()?;
    let mut output = child.wait_with_output()?;
    output.stderr.extend_from_slice(b"WRONG at an unknown time: the simulation hangs\n");
    Ok(output)
}

/// Runs many seeds, each in a process of its own.
fn many(options: &Options) -> Result<ExitCode> {
    let jobs = options.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let (next, done) = (AtomicU64::new(options.from), AtomicUsize::new(0));
    let end = options.from.saturating_add(options.seeds);
    let failed: Mutex<BTreeMap<u64, String>> = Mutex::default();
    let figures: Mutex<BTreeMap<String, u64>> = Mutex::default();
    let program = std::env::current_exe().context("the program's own file is not known")?;
    let run = |seed: u64| {
        let mut command = Command::new(&program);
        let sabotage = options.sabotage.to_possible_value().map(|value| value.get_name().to_owned());
        command.args(["--quiet", "--seed", &seed.to_string(), "--sabotage", &sabotage.unwrap_or_default()]);
        let output = bounded(command)?;
        Ok::<_, anyhow::Error>((String::from_utf8_lossy(&output.stdout).into_owned(), output))
    };
    let trace = |text: &str| text.lines().find(|line| line.starts_with("trace ")).map(str::to_owned);
    let work = || -> Result<()> {
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= end {
                return Ok(());
            }
            let (text, output) = run(seed)?;
            if options.twice {
                let (first, second) = (trace(&text), trace(&run(seed)?.0));
                if first != second || first.is_none() {
                    println!("seed {seed} does not replay: {first:?}, then {second:?}");
                    failed.lock().unwrap_or_else(PoisonError::into_inner).insert(seed, text.clone());
                }
            }
            let mut figures = figures.lock().unwrap_or_else(PoisonError::into_inner);
            for (count, name) in text.lines().filter_map(|line| line.strip_prefix("figure ")?.split_once(' ')) {
                *figures.entry(name.to_owned()).or_default() += count.parse::<u64>().unwrap_or_default();
            }
            drop(figures);
            if !output.status.success() {
                let text = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
                println!("seed {seed} fails; again with SEED={seed}");
                failed.lock().unwrap_or_else(PoisonError::into_inner).insert(seed, text);
            }
            let done = done.fetch_add(1, Ordering::SeqCst) + 1;
            if done.is_multiple_of(1_000) {
                println!("{done} seeds");
            }
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| anyhow::bail!("a worker broke down")))
    })?;
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (name, count) in figures.into_inner().unwrap_or_else(PoisonError::into_inner) {
        println!("{name:<52}{count:>10}");
    }
    println!("{:<52}{:>10}", "seeds", done.into_inner());
    println!("{:<52}{:>10}", "seeds that fail", failed.len());
    for (seed, text) in failed.iter().take(if options.all { usize::MAX } else { 1 }) {
        println!("---- seed {seed} ----\n{text}");
    }
    if let Some(seed) = failed.keys().next() {
        let seeds: Vec<_> = failed.keys().take(20).map(u64::to_string).collect();
        println!("sim: the promise was broken; seeds {}; one again: make sim SEED={seed}", seeds.join(", "));
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
