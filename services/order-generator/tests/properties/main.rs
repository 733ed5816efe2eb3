//! The properties of the whole pipeline, from reading the systems to orders in the ledger, under random catalogs,
//! data, and courses of things:
//!
//! - evaluating twice changes nothing, and generating twice orders nothing;
//! - the order of rows and of catalog lists makes no difference;
//! - computing and generating for what changed gives what doing so for everybody gives;
//! - a plan says what generating does, and applying it does the same;
//! - no order touches what no rule, source change or decision asked for;
//! - once everything is written and seen, nothing more is ordered.
//!
//! The usual run plays a few seeds that hold; `make props` takes new ones and prints them. `PROVOST_SEED=n` plays one again (`PROVOST_STEPS=0,3,7` those steps of
//! it alone); `PROVOST_SEEDS=n` plays so many, however long that takes: `make props SEEDS=n`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(unreachable_pub, reason = "a crate of its own, in files")]
#![allow(clippy::print_stderr, reason = "whoever runs it wants to see the seeds")]

mod asked;
mod play;
#[path = "../support/mod.rs"]
mod support;

use play::{Broken, Case, PLAYS, Passed, SIDES, play};
use provost_contract::generator::v1::{ApplyCatalogRequest, CatalogFile};
use provost_testkit::engines;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::random::Dice;
use support::random::catalogs::{Catalog, Shuffled};

/// The seeds of the usual run. New ones are for `make props`, as long as they still find something: a change that is
/// not to blame should not fail by it.
const USUAL: Range<u64> = 34..37;
/// Seeds of the usual run on PostgreSQL.
const ON_POSTGRES: u64 = 1;
/// How many are played at once.
const AT_ONCE: usize = 2;
/// Steps of a case.
const STEPS: usize = 14;
/// Most cases that are played to make a failing one shorter.
const SHORTER: usize = 30;
/// How long one case may take, before it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
    Sqlite = 0,
    Postgres = 1,
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.trim().parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

fn case(seed: u64) -> Case {
    let steps = std::env::var("PROVOST_STEPS").ok().map(|steps| {
        let step = |step: &str| step.trim().parse().unwrap_or_else(|_| panic!("PROVOST_STEPS has {step:?}"));
        steps.split(',').map(step).collect()
    });
    let shuffled = Some(if seed.is_multiple_of(2) { Shuffled::Unseen } else { Shuffled::Numbered });
    Case { seed, steps: steps.unwrap_or_else(|| (0..STEPS).collect()), incremental: true, shuffled }
}

/// Plays a case; whatever goes wrong in it comes back.
async fn outcome(case: &Case, on: On) -> Result<Passed, Box<Broken>> {
    let played = {
        let case = case.clone();
        let runtime = tokio::runtime::Handle::current();
        // On a thread of its own: what is played there need not go from thread to thread.
        tokio::task::spawn_blocking(move || {
            runtime.block_on(async {
                let (first, second) = (engines().await, engines().await);
                tokio::time::timeout(PATIENCE, play(&case, [&first[on as usize], &second[on as usize]])).await
            })
        })
    };
    let broken = |why: String| Box::new(Broken { property: PLAYS, step: 0, why, told: vec![] });
    match played.await {
        Ok(Ok(played)) => played,
        Ok(Err(_)) => Err(broken(format!("it took more than {} s", PATIENCE.as_secs()))),
        Err(panicked) => {
            let panicked = panicked.into_panic();
            let text = panicked.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panicked.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(broken(text.unwrap_or_default()))
        }
    }
}

/// A shorter case in which the same property breaks.
async fn shorter(mut case: Case, mut broken: Box<Broken>, on: On) -> (Case, Box<Broken>) {
    if broken.property != PLAYS {
        case.steps.retain(|step| *step <= broken.step);
    }
    let mut left = SHORTER;
    let mut place = case.steps.len();
    while place > 1 && left > 0 {
        place -= 1;
        left -= 1;
        let mut without = case.clone();
        without.steps.remove(place);
        if let Err(found) = outcome(&without, on).await
            && found.property == broken.property
        {
            (case, broken) = (without, found);
        }
    }
    // Which of both it was: that the second side computes less, or that it reads in another order.
    if broken.property == SIDES {
        for (incremental, shuffled) in [(true, None), (false, case.shuffled)] {
            let one = Case { incremental, shuffled, ..case.clone() };
            if let Err(found) = outcome(&one, on).await
                && found.property == broken.property
            {
                return (one, found);
            }
        }
    }
    (case, broken)
}

fn report(case: &Case, broken: &Broken) -> String {
    let Broken { property, step, why, told } = broken;
    let steps: Vec<String> = case.steps.iter().map(ToString::to_string).collect();
    let by = match (case.incremental, case.shuffled.is_some()) {
        (true, true) => "",
        (true, false) => " (the order of the input does not matter for it)",
        (false, true) => " (only the order of the input matters for it)",
        (false, false) => " (neither incremental nor the order of the input matters for it)",
    };
    format!(
        "seed {}: {property}{by}: does not hold after step {step}\n  {why}\n{}\nPlay it again by PROVOST_SEED={} \
         PROVOST_STEPS={} cargo test -p provost-order-generator --test properties -- --nocapture\n",
        case.seed,
        told.join("\n"),
        case.seed,
        steps.join(",")
    )
}

/// Plays one seed; a report when a property breaks.
async fn seed(seed: u64, on: On) -> Result<Passed, String> {
    let case = case(seed);
    match outcome(&case, on).await {
        Ok(passed) => Ok(passed),
        Err(broken) => {
            eprintln!("seed {seed}: {}: does not hold; it is made shorter", broken.property);
            let (case, broken) = shorter(case, broken, on).await;
            Err(report(&case, &broken))
        }
    }
}

/// Plays seeds as long as `goes_on` says, several at once; what broke, how many there were, and what they were about.
async fn seeds(from: u64, on: On, goes_on: impl Fn(u64) -> bool + Send + Sync + 'static) -> (Vec<String>, u64, Passed) {
    let (next, goes_on) = (Arc::new(AtomicU64::new(0)), Arc::new(goes_on));
    let mut playing = Vec::new();
    for _ in 0..AT_ONCE {
        let (next, goes_on) = (Arc::clone(&next), Arc::clone(&goes_on));
        playing.push(tokio::spawn(async move {
            let (mut broken, mut count, mut all) = (Vec::new(), 0, Passed::default());
            loop {
                let place = next.fetch_add(1, Ordering::SeqCst);
                if !goes_on(place) {
                    return (broken, count, all);
                }
                count += 1;
                match seed(from + place, on).await {
                    Ok(passed) => all.add(&passed),
                    Err(report) => {
                        eprintln!("{report}");
                        broken.push(report);
                    }
                }
            }
        }));
    }
    let (mut broken, mut count, mut all) = (Vec::new(), 0, Passed::default());
    for one in playing {
        let (of_one, played, passed) = one.await.unwrap();
        broken.extend(of_one);
        count += played;
        all.add(&passed);
    }
    (broken, count, all)
}

/// A seed that is another one each time.
fn fresh() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_millis() as u64 % 100_000_000 * 1_000
}

fn judge(engine: &str, from: u64, (broken, count, passed): (Vec<String>, u64, Passed)) {
    eprintln!("{engine}: seeds {from} to {}: {passed:?}", from + count.saturating_sub(1));
    assert!(broken.is_empty(), "{} of {count} seeds:\n{}", broken.len(), broken.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_catalog_and_the_data_on_sqlite() {
    if let Some(one) = number("PROVOST_SEED") {
        match seed(one, On::Sqlite).await {
            Ok(passed) => eprintln!("seed {one} holds: {passed:?}"),
            Err(report) => panic!("{report}"),
        }
        return;
    }
    let asked = number("PROVOST_SEEDS");
    let from = number("PROVOST_FROM").unwrap_or_else(|| if asked.is_some() { fresh() } else { USUAL.start });
    let count = asked.unwrap_or(USUAL.end - USUAL.start);
    let found = seeds(from, On::Sqlite, move |place| place < count).await;
    let is_short = found.1 < 4;
    let passed = found.2.clone();
    judge("SQLite", from, found);
    // It was about something.
    assert!(is_short || passed.orders > 20 && passed.updates > 0 && passed.plans > 10, "{passed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_catalog_and_the_data_on_postgres() {
    if number("PROVOST_SEED").is_some() {
        return;
    }
    let asked = number("PROVOST_SEEDS");
    let from = number("PROVOST_FROM").unwrap_or_else(|| if asked.is_some() { fresh() } else { USUAL.start });
    let count = asked.map_or(ON_POSTGRES, |count| count.div_ceil(20));
    judge("PostgreSQL", from, seeds(from, On::Postgres, move |place| place < count).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_random_catalog_is_right_in_whatever_order_it_is_written() {
    let engine = &engines().await[0];
    let suite = support::Suite::start(&engine.url).await;
    let from = fresh();
    for seed in from..from + 60 {
        let catalog = Catalog::any(&mut Dice::new(seed));
        for text in [catalog.text(None), catalog.text(Some((&mut Dice::new(seed + 1), Shuffled::Numbered)))] {
            let files = vec![CatalogFile { name: "catalog.yaml".into(), content: text.clone() }];
            let request = ApplyCatalogRequest { files, validate_only: true };
            let problems = suite.catalog().apply_catalog(request).await.unwrap().into_inner().problems;
            assert!(problems.is_empty(), "seed {seed}: {problems:#?}\n{text}");
        }
    }
}
