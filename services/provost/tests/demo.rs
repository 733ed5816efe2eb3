//! The demo, as a stranger runs it: the built program, in a folder of its own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use provost_testkit::{Process, free_address};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provost"));
    command.current_dir(folder).env_remove("PROVOST_SERVER").stdin(Stdio::null());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_plays_every_act_ends_well_and_can_be_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    demo_plays_every_act_and_ends_well(folder.path());
    what_it_left_can_be_gone_on_with(folder.path()).await;
}

fn demo_plays_every_act_and_ends_well(folder: &Path) {
    let began = Instant::now();
    let output = program(folder).arg("demo").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let log = std::fs::read_to_string(folder.join(".provost-demo/provost.log")).unwrap_or_default();
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

/// By the commands that the demo names at its end.
async fn what_it_left_can_be_gone_on_with(folder: &Path) {
    let address = free_address();
    let mut command = program(folder);
    command.args(["up", "--data-dir", ".provost-demo", "--listen", &address.to_string()]);
    let process = Process::start(command, address).await;
    let client = |arguments: &[&str]| {
        let output = program(folder).args(["--server", &process.url()]).args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let done = |arguments: &[&str]| {
        let (code, text) = client(arguments);
        assert_eq!(code, Some(0), "{arguments:?}\n{text}");
        text
    };
    let counts = done(&["orders", "count"]);
    for state in ["3 ERRORED", "4 VERIFIED", "5 AWAITING APPROVAL", "6 INACTIVE", "7 ERROR (RULE)"] {
        assert!(counts.contains(state), "{state} is missing in\n{counts}");
    }
    let permissions = done(&["permissions", "E000008"]);
    assert!(permissions.contains("Célestine Abara-Møller") && permissions.contains("VaultAccount"), "{permissions}");
    let job = done(&["jobs", "run", "complete", "--watch"]);
    assert!(job.contains("job complete: completed"), "{job}");
    assert_eq!(done(&["orders", "count"]), counts, "there was nothing left to do");

    std::fs::remove_file(folder.join(".provost-demo/systems/hr/people.csv")).unwrap();
    let (code, text) = client(&["jobs", "run", "complete", "--watch"]);
    assert_eq!(code, Some(1), "{text}");
    assert_eq!(process.terminate().await, 0);
    assert!(process.log().await.contains("the next demo leaves it alone"));
    let output = program(folder).arg("demo").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "a demo replaced what somebody went on with");
}

#[test]
fn folder_that_no_demo_made_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("precious"), "x").unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_provost")).args(["demo", "--data-dir"]).arg(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("so it is left alone"));
    assert!(folder.path().join("precious").exists());
}
