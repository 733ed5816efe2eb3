//! The short form of the simulation: many seeds hold the promise, each replays, and every breach is found.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

use provost_testkit::binary;
use std::process::Command;

/// Seeds of the short form: as many as take less than a minute on two processors, in a build that was not optimized.
const SEEDS: &str = "60";

fn sim(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(binary("sim")).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    (output.status.success(), format!("{}{errors}", String::from_utf8_lossy(&output.stdout)))
}

fn figure(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(name));
    let figure = line.and_then(|line| line.split_whitespace().last()).and_then(|figure| figure.parse().ok());
    figure.unwrap_or_else(|| panic!("no figure '{name}' in\n{text}"))
}

#[test]
fn many_seeds_hold_the_promise() {
    let (is_well, text) = sim(&["--seeds", SEEDS]);
    assert!(is_well, "{text}");
    assert_eq!(figure(&text, "seeds that fail"), 0);
    let (orders, executed) = (figure(&text, "orders"), figure(&text, "executed"));
    assert_eq!(orders, executed + figure(&text, "replaced or given up"), "{text}");
    // It is no simulation of nothing.
    assert!(executed > orders / 2 && figure(&text, "effects") > 300, "{text}");
    for trouble in ["faults", "calls lost, repeated or delayed", "lies"] {
        assert!(figure(&text, trouble) > 10, "{trouble}\n{text}");
    }
}

#[test]
fn one_seed_gives_one_trace() {
    let (is_well, text) = sim(&["--seeds", "8", "--from", "500", "--twice", "--jobs", "4"]);
    assert!(is_well, "{text}");
    let trace = |seed: &str| {
        let (_, text) = sim(&["--quiet", "--seed", seed]);
        text.lines().find(|line| line.starts_with("trace ")).map(str::to_owned).unwrap()
    };
    assert_ne!(trace("500"), trace("501"));
}

#[test]
fn failing_seed_is_named_and_fails_again() {
    let (is_well, text) = sim(&["--seeds", "1", "--from", "3", "--sabotage", "writes-twice"]);
    assert!(!is_well && text.contains("make sim SEED=3"), "{text}");
    let wrong = |text: &str| text.lines().filter(|line| line.starts_with("WRONG")).map(str::to_owned).collect();
    let first: Vec<String> = wrong(&text);
    let (is_well, text) = sim(&["--seed", "3", "--sabotage", "writes-twice"]);
    assert!(!is_well && !first.is_empty());
    assert_eq!(wrong(&text) as Vec<String>, first);
}

/// What some of a few seeds have to find.
fn finds(sabotage: &str, seeds: &str, word: &str) {
    let (is_well, text) = sim(&["--seeds", seeds, "--all", "--sabotage", sabotage]);
    assert!(!is_well, "{sabotage} is not found\n{text}");
    let found = text.lines().any(|line| line.starts_with("WRONG") && line.contains(word));
    assert!(found, "{sabotage} is not found as '{word}'\n{text}");
}

#[test]
fn package_that_writes_twice_is_found() {
    finds("writes-twice", "4", "doubled");
}

#[test]
fn package_that_does_not_look_is_found() {
    finds("blind", "12", "doubled");
}

#[test]
fn package_that_writes_after_its_word_is_found() {
    finds("overtakes", "40", "out of order");
}

#[test]
fn ledger_that_forgets_reports_is_found() {
    finds("forgets-feedback", "4", "lost: it was acknowledged that order");
}

#[test]
fn ledger_that_forgets_orders_is_found() {
    finds("forgets-orders", "12", "lost: the ledger acknowledged order");
}
