//! What whoever starts the agent is told when it does not start.

use std::process::{Command, Output};

fn agent(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
    command.args(arguments).envs(environment.iter().copied());
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn wrong_log_filter_is_told_although_there_is_no_log_yet() {
    let output = agent(&[], &[("RUST_LOG", "agent=loud")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("RUST_LOG='agent=loud' is wrong"), "{}", said(&output));
}

#[test]
fn failure_to_start_is_told_although_the_log_is_off() {
    let output = agent(&["--config", "/nowhere/agent.toml"], &[("RUST_LOG", "off")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("/nowhere/agent.toml cannot be read"), "{}", said(&output));
}

#[test]
fn mistakes_of_file_variables_and_connections_come_together() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    let text = "agent_id = ''\n[connections.app-sql]\npackage = 'sql'\nurl = 'sqlite://app.db'\n\
                [connections.app-sql.entities.Account]\ntable = 'accounts'\n";
    std::fs::write(&file, text).unwrap();
    let output = agent(
        &["--config", file.to_str().unwrap()],
        &[("PROVOST_AGENT_CONNECTIONS__APP_SQL__URL", "mysql://x"), ("PROVOST_AGENT_COLOUR", "red")],
    );
    for mistake in [
        "agent_id: must have",
        "`colour`",
        "connections.app-sql: url: must begin with",
        "connections.app-sql: entities.Account: missing field `key`",
    ] {
        assert!(said(&output).contains(mistake), "'{mistake}' is not in {}", said(&output));
    }
}

/// A variable cannot say that it is a number: one that is, is taken, and out of bounds it is told.
#[test]
fn numbers_of_a_connection_may_come_from_variables() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    std::fs::write(&file, "agent_id = ''\n[connections.desk]\npackage = 'manual-ticket'\n").unwrap();
    let with = |value: &str| {
        let variable = ("PROVOST_AGENT_CONNECTIONS__DESK__CONCURRENCY", value);
        said(&agent(&["--config", file.to_str().unwrap()], &[variable]))
    };
    assert!(!with("8").contains("concurrency"), "{}", with("8"));
    assert!(with("999").contains("concurrency: must be 1 to 256"), "{}", with("999"));
    assert!(with("many").contains("concurrency: "), "{}", with("many"));
}

#[test]
fn argument_for_a_database_is_not_offered() {
    let help = String::from_utf8(agent(&["--help"], &[]).stdout).unwrap();
    assert!(help.contains("--config") && !help.contains("database"), "{help}");
}
