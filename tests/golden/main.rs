//! Golden scenarios: what happens to people, their accounts and the orders for them, told as stories that
//! anybody can read (`scenarios`), and played on the real services with a clock that the story sets.
//!
//! `GOLDEN=leaver cargo test -p provost-tests --test golden` plays the scenarios whose file name holds
//! `leaver`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod agent;
mod assignments;
mod catalog;
mod covers;
mod diff;
mod expect;
mod explained;
mod facts;
mod orders;
mod plan;
mod play;
mod reconcile;
mod requests;
mod scenario;
mod suite;
mod words;
mod yaml;

use covers::Claim;
use futures::{StreamExt, stream};
use scenario::Scenario;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The rows of the feature checklist that the role model and the generation of orders answer for.
const ROWS: [u32; 24] =
    [59, 60, 61, 62, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83];
/// Scenarios that are played side by side.
const BESIDE: usize = 6;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// All scenarios, by file name, or what is wrong with them.
fn scenarios() -> Vec<Result<Scenario, String>> {
    let entries = std::fs::read_dir(folder().join("scenarios")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let read = |file: PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        scenario::scenario(&folder(), &name, &text).map_err(|wrong| format!("{name}, {wrong}"))
    };
    files.into_iter().map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_goes_as_it_is_told() {
    let wanted = std::env::var("GOLDEN").unwrap_or_default();
    let mut all = scenarios();
    all.retain(|one| one.as_ref().map_or(true, |scenario| scenario.file.contains(&wanted)));
    assert!(!all.is_empty(), "no scenario is named '{wanted}'");
    let count = all.len();
    let started = Instant::now();
    let played = stream::iter(all).map(|one| async move {
        match one {
            Ok(scenario) => {
                let started = Instant::now();
                let failures = play::play(&scenario).await;
                println!("{:>6} ms  {}  {}", started.elapsed().as_millis(), scenario.file, scenario.title);
                let told = |failure: String| format!("{} ({})\n{failure}", scenario.file, scenario.title);
                failures.into_iter().map(told).collect()
            }
            Err(wrong) => vec![wrong],
        }
    });
    let failures: Vec<Vec<String>> = played.buffered(BESIDE).collect().await;
    println!("{count} scenarios in {:.1} s", started.elapsed().as_secs_f64());
    let failed = failures.iter().filter(|failures| !failures.is_empty()).count();
    let failures = failures.concat();
    assert!(failures.is_empty(), "{failed} of {count} scenarios failed\n\n{}\n", failures.join("\n\n"));
}

#[test]
fn every_row_of_the_checklist_is_shown_by_a_scenario() {
    let all = scenarios();
    let covered: Vec<&Claim> = all.iter().flatten().flat_map(|scenario| &scenario.covers).collect();
    let is_covered = |row: &u32| covered.contains(&&Claim::Row(*row));
    let missing: Vec<String> = ROWS.iter().filter(|row| !is_covered(row)).map(ToString::to_string).collect();
    assert!(missing.is_empty(), "no scenario covers the rows {}", missing.join(", "));
}

#[test]
fn every_scenario_shows_what_it_says_that_it_covers() {
    let all = scenarios();
    let shows = |scenario: &Scenario| {
        let mistakes = scenario.covers.iter().filter_map(|claim| scenario.content.shows(claim).err());
        mistakes.map(|mistake| format!("{}: {mistake}", scenario.file)).collect::<Vec<_>>()
    };
    let mistakes: Vec<String> = all.iter().flatten().flat_map(shows).collect();
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn every_kind_of_order_block_cause_and_state_is_expected_by_a_scenario() {
    let all = scenarios();
    let is_expected = |word: &String| all.iter().flatten().any(|one| one.content.expects(word) == Some(true));
    let missing: Vec<String> = covers::all_words().into_iter().filter(|word| !is_expected(word)).collect();
    assert!(missing.is_empty(), "no scenario expects {}", missing.join(", "));
}
