//! Nothing outlives the test process, however it ends.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use provost_testkit::{Postgres, PostgresOptions, Process, Slapd, eventually, free_address};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const GONE_MAX: Duration = Duration::from_secs(20);
const TEMPORARY: &str = "PROVOST_TESTKIT_TEST_DIRECTORY";
const ADDRESS: &str = "PROVOST_TESTKIT_TEST_ADDRESS";

/// Runs one of the ignored helpers below in a process of its own.
fn helper(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", name, "--nocapture"]);
    command
}

/// Not a test of its own: the process that the tests below kill.
#[tokio::test]
#[ignore = "helper of the tests in this file"]
async fn holder() {
    let postgres = Postgres::start(PostgresOptions::default()).await;
    let slapd = Slapd::start().await;
    let address = free_address();
    let mut command = helper("listener");
    command.env(ADDRESS, address.to_string());
    let process = Process::start(command, address).await;
    let database = postgres.database().await;
    let postgres_address = database.url.split(['@', '/']).nth(3).unwrap();
    println!("\nholding {postgres_address} {} {}", slapd.ldap_url().trim_start_matches("ldap://"), process.address());
    if std::env::var_os("PROVOST_TESTKIT_TEST_PANIC").is_some() {
        panic!("as asked");
    }
    std::future::pending::<()>().await;
}

/// Not a test of its own: a program that listens, and shows what it was given.
#[test]
#[ignore = "helper of the tests in this file"]
fn listener() {
    let listener = TcpListener::bind(std::env::var(ADDRESS).unwrap()).unwrap();
    println!("listening in {}", std::env::current_dir().unwrap().display());
    for connection in listener.incoming() {
        drop(connection);
    }
}

/// Starts a holder whose servers live under `temporary`, and waits until all of them run.
fn hold(temporary: &Path, panic: bool) -> (Child, Vec<SocketAddr>) {
    let mut command = helper("holder");
    command.env("TMPDIR", temporary).env(TEMPORARY, temporary).stdout(Stdio::piped()).stderr(Stdio::null());
    if panic {
        command.env("PROVOST_TESTKIT_TEST_PANIC", "1");
    }
    let mut holder = command.spawn().unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.starts_with("holding ")).expect("the holder starts its servers");
    (holder, line.split(' ').skip(1).map(|address| address.parse().unwrap()).collect())
}

async fn all_gone(temporary: &Path, addresses: &[SocketAddr]) {
    eventually("every server and directory to be gone", GONE_MAX, async || {
        let left: Vec<_> = std::fs::read_dir(temporary).unwrap().map(|entry| entry.unwrap().path()).collect();
        let answering: Vec<_> = addresses.iter().filter(|address| TcpStream::connect(address).is_ok()).collect();
        if left.is_empty() && answering.is_empty() { Ok(()) } else { Err(format!("{left:?}, {answering:?}")) }
    })
    .await;
}

/// A directory in which `nobody` may work too.
fn open_directory() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    directory
}

#[tokio::test]
async fn servers_of_a_killed_process_are_gone() {
    let temporary = open_directory();
    let (mut holder, addresses) = hold(temporary.path(), false);
    assert_eq!(addresses.len(), 3);
    for address in &addresses {
        TcpStream::connect(address).expect("every server runs while its holder lives");
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
    all_gone(temporary.path(), &addresses).await;
}

#[tokio::test]
async fn servers_of_a_panicked_process_are_gone() {
    let temporary = open_directory();
    let (mut holder, addresses) = hold(temporary.path(), true);
    assert!(!holder.wait().unwrap().success());
    all_gone(temporary.path(), &addresses).await;
}

#[tokio::test]
async fn dropped_process_is_gone_at_once() {
    let address = free_address();
    let mut command = helper("listener");
    command.env(ADDRESS, address.to_string());
    drop(Process::start(command, address).await);
    TcpStream::connect(address).expect_err("nothing listens any more");
}

#[tokio::test]
async fn process_is_killed_and_restarted_with_its_command() {
    let (address, directory) = (free_address(), tempfile::tempdir().unwrap());
    let mut command = helper("listener");
    command.env(ADDRESS, address.to_string()).current_dir(directory.path());
    let process = Process::start(command, address).await;
    assert_eq!(process.exit_code().await, None);

    process.kill9().await;
    TcpStream::connect(address).expect_err("nothing listens any more");
    assert_eq!(process.exit_code().await, Some(128 + 9));

    process.restart().await;
    TcpStream::connect(address).expect("it listens again");
    assert_eq!(process.terminate().await, 128 + 15, "a program without a handler ends by the signal");
    let said = format!("listening in {}", directory.path().canonicalize().unwrap().display());
    assert_eq!(process.log().await.matches(&said).count(), 2, "{}", process.log().await);
}

#[tokio::test]
#[should_panic(expected = "before it was ready\ncannot read the configuration")]
async fn process_that_ends_early_fails_with_its_log() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo cannot read the configuration; exit 2"]);
    Process::start(command, free_address()).await;
}

#[test]
#[should_panic(expected = "program no-such-program is not built; run: cargo build --workspace")]
fn missing_program_says_how_to_build_it() {
    provost_testkit::binary("no-such-program");
}
