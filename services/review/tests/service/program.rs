//! The service as a program: configured from outside, stopped by a signal.

use crate::desk::{Client, order};
use provost_contract::review::v1::RequestReviewRequest;
use provost_service_kit::{channel, new_id};
use provost_testkit::{Process, free_address};
use std::process::Command;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_review"))
}

#[tokio::test]
async fn program_keeps_what_it_answered_through_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let mut command = program();
    command
        .env("PROVOST_REVIEW_LISTEN", address.to_string())
        .arg("--database-url")
        .arg(format!("sqlite://{}", folder.path().join("review.db").display()));
    let process = Process::start(command, address).await;
    let mut client = Client::new(channel::to(&format!("http://{address}")).unwrap());
    let id = new_id().to_string();
    let request = RequestReviewRequest { review_id: id.clone(), order: Some(order(&id)), ..Default::default() };
    let opened = client.request_review(request.clone()).await.unwrap().into_inner();
    process.kill9().await;
    process.restart().await;
    let mut client = Client::new(channel::to(&format!("http://{address}")).unwrap());
    assert_eq!(client.request_review(request).await.unwrap().into_inner(), opened);
    assert_eq!(process.terminate().await, 0, "{}", process.log().await);
}

#[test]
fn wrong_configuration_is_told_whole_and_nothing_starts() {
    let output = program()
        .env("PROVOST_REVIEW_DATABASE_URL", "mysql://ada:hunter2@localhost/x")
        .args(["--listen", "nowhere", "--set", "colour=red"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    for wrong in ["listen", "`colour`", "database_url: must begin"] {
        assert!(said.contains(wrong), "{wrong} is missing in {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}
