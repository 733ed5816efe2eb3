//! `provost up`, as its users run it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use provost_testkit::{Process, free_address};
use std::path::Path;
use std::process::Command;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provost"));
    command.env_remove("PROVOST_SERVER");
    command
}

async fn up(data: &Path) -> Process {
    let address = free_address();
    let mut command = program();
    command.arg("up").arg("--data-dir").arg(data).args(["--listen", &address.to_string()]);
    Process::start(command, address).await
}

fn client(server: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = program().args(["--server", server]).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn suite_greets_serves_and_ends_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let process = up(&folder.path().join("data")).await;
    let (code, out, err) = client(&process.url(), &["orders", "count"]);
    assert_eq!((code, out.as_str()), (Some(0), "no such orders\n"), "{err}");
    assert_eq!(process.terminate().await, 0);
    let log = process.log().await;
    for part in ["provost is up: http://127.0.0.1:", "none, since there is no", "catalog apply", "provost is down"] {
        assert!(log.contains(part), "{part} is missing in\n{log}");
    }
    let (code, _, err) = client(&process.url(), &["orders", "count"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("is `provost up` running?"), "{err}");
}

#[tokio::test]
async fn data_directory_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _process = up(folder.path()).await;
    let second = program().arg("up").arg("--data-dir").arg(folder.path()).args(["--listen", "127.0.0.1:0"]).output();
    let second = second.unwrap();
    assert_eq!(second.status.code(), Some(1));
    let err = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(err.contains("is in use by process"), "{err}");
}

#[tokio::test]
async fn killed_suite_goes_on_with_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let process = up(folder.path()).await;
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/sample/catalog");
    let (code, out, err) = client(&process.url(), &["catalog", "apply", catalog.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{out}{err}");
    process.restart().await;
    let (code, out, err) = client(&process.url(), &["catalog", "show"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("# revision 1, applied "), "{out}");
    assert!(out.contains("AppAccount"));
}

#[test]
fn wrong_agent_file_is_told_before_anything_listens() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("agent.toml"), "agent_id = \"a\"\ncolour = \"red\"\n").unwrap();
    let output = program().arg("up").arg("--data-dir").arg(folder.path()).args(["--listen", "127.0.0.1:0"]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(err.contains("agent.toml") && err.contains("colour"), "{err}");
}
