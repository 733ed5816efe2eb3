//! The demo, as a stranger runs it: the built program, in a folder of its own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::{Command, Stdio};
use std::time::Instant;

#[test]
fn demo_plays_every_act_and_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_provost"))
        .arg("demo")
        .current_dir(folder.path())
        .env_remove("PROVOST_SERVER")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let log = std::fs::read_to_string(folder.path().join(".provost-demo/provost.log")).unwrap_or_default();
    let trouble: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).take(20).collect();
    assert!(output.status.success(), "{text}\n{}\n{}", String::from_utf8_lossy(&output.stderr), trouble.join("\n"));
    assert!(!text.contains('✗'), "{text}");
    for act in [
        "1 · The catalog",
        "2 · Automated provisioning",
        "3 · Provisioning review",
        "4 · Manual provisioning",
        "5 · Errored (3)",
        "6 · Error (7)",
        "7 · Inactive (6)",
        "8 · Nothing left to do",
        "9 · View permissions",
        "Go on from here",
    ] {
        assert!(text.contains(act), "{act} is missing in\n{text}");
    }
    for line in [
        "✓ that order went Pending → Executed → Verified",
        "✓ the declined order is Inactive since it was declined",
        "✓ the postponed order still awaits approval",
        "✓ its review is Postponed",
        "✓ each confirmed one went Pending → Transmitted → Executed → Verified",
        "✓ the reported one went Pending → Transmitted → Errored",
        "UNIQUE constraint failed: accounts.mail",
        "✓ the order is in state Error, and names rule, value and message",
        "✓ it ordered nothing",
        "up --data-dir .provost-demo",
        "grpcurl -plaintext",
        "checks hold, in",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains('\x1b'), "colours in a pipe");
    // A minute is promised on a machine that does nothing else; here tests run side by side.
    println!("the demo took {} s", began.elapsed().as_secs());
}

#[test]
fn folder_that_no_demo_made_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("precious"), "x").unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_provost")).args(["demo", "--data-dir"]).arg(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("was not made by a demo"));
    assert!(folder.path().join("precious").exists());
}
