//! `provost sample`, as a stranger runs it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::{Command, Output};

fn sample(arguments: &[&str], directory: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_provost")).arg("sample").args(arguments).arg(directory).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn thousand_people_have_their_systems_catalog_and_agent() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("org");
    let output = sample(&["--people", "1000"], &directory);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("1000 people, "), "{}", text(&output.stdout));
    let people = std::fs::read_to_string(directory.join("systems/hr/people.csv")).unwrap();
    assert_eq!(people.lines().count(), 1_001, "the header and a line each");
    for file in ["systems/app/app.db", "systems/vault/vault.db", "systems/badge/badges.csv", "agent.toml"] {
        assert!(std::fs::metadata(directory.join(file)).unwrap().len() > 0, "{file}");
    }
    let ldif = std::fs::read_to_string(directory.join("directory.ldif")).unwrap();
    assert!(ldif.contains("dn: ou=people,dc=example,dc=org\n"), "{ldif}");
    assert!(directory.join("catalog").read_dir().unwrap().count() > 1);

    let again = folder.path().join("again");
    assert!(sample(&["--people", "1000"], &again).status.success());
    assert_eq!(std::fs::read_to_string(again.join("systems/hr/people.csv")).unwrap(), people, "same seed, same people");
    let other = folder.path().join("other");
    assert!(sample(&["--people", "1000", "--seed", "7"], &other).status.success());
    assert_ne!(std::fs::read_to_string(other.join("systems/hr/people.csv")).unwrap(), people);
}

#[test]
fn directory_with_anything_in_it_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("precious"), "x").unwrap();
    let output = sample(&["--people", "1000"], folder.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is not empty"), "{}", text(&output.stderr));
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn nobody_else_may_enter_what_is_made() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("org");
    assert!(sample(&["--people", "100"], &directory).status.success());
    assert_eq!(std::fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    let data = folder.path().join("data");
    drop(provost::suite::DataDirectory::open(&data).unwrap());
    assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
}
