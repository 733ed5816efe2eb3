//! Configuration from the environment. A process's environment is set before it starts, so each
//! test runs this program again, as a child that only loads its configuration.

use provost_service_kit::configuration::{Configuration, Sources, load};
use std::process::Command;

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Sample {
    seconds: u32,
    is_on: bool,
    name: String,
    limits: Limits,
    named: Named,
}

/// Tables by names that the user chooses.
type Named = std::collections::BTreeMap<String, std::collections::BTreeMap<String, String>>;

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Limits {
    rows: u64,
    label: String,
}

impl Default for Sample {
    fn default() -> Self {
        Self { seconds: 30, is_on: false, name: "nobody".into(), limits: Limits::default(), named: Named::new() }
    }
}

impl Configuration for Sample {
    fn mistakes(&self) -> Vec<String> {
        if self.seconds == 0 { vec!["seconds: must be at least 1".into()] } else { vec![] }
    }
}

/// What the child does; on its own it only shows the defaults.
#[test]
fn child_loads_its_configuration() {
    let file = std::env::var_os("KIT_TEST_FILE").map(Into::into);
    let flags = std::env::var("KIT_TEST_FLAG")
        .ok()
        .and_then(|text| text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())));
    let sources = Sources { file, prefix: "KIT_SAMPLE", flags: flags.into_iter().collect() };
    match load::<Sample>(&sources) {
        Ok(sample) => println!("loaded {sample:?}"),
        Err(mistakes) => println!("{mistakes}"),
    }
}

fn child(environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "configuration::child_loads_its_configuration", "--nocapture"]);
    command.envs(environment.iter().copied());
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

#[test]
fn variables_set_keys_of_every_type_and_of_tables() {
    let loaded = child(&[
        ("KIT_SAMPLE_SECONDS", "7"),
        ("KIT_SAMPLE_IS_ON", "true"),
        ("KIT_SAMPLE_NAME", "0123"),
        ("KIT_SAMPLE_LIMITS__ROWS", "5"),
        ("KIT_SAMPLE_LIMITS__LABEL", "12"),
        ("KIT_SAMPLED", "not ours"),
    ]);
    let expected = r#"loaded Sample { seconds: 7, is_on: true, name: "0123", limits: Limits { rows: 5, label: "12" }, named: {} }"#;
    assert!(loaded.contains(expected), "{loaded}");
}

#[test]
fn variables_win_over_the_file_and_flags_over_both() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "seconds = 1\nname = 'file'\n[limits]\nrows = 3\n").unwrap();
    let loaded = child(&[
        ("KIT_TEST_FILE", file.path().to_str().unwrap()),
        ("KIT_SAMPLE_SECONDS", "2"),
        ("KIT_SAMPLE_LIMITS__LABEL", "variable"),
        ("KIT_TEST_FLAG", "seconds=3"),
    ]);
    let expected = r#"seconds: 3, is_on: false, name: "file", limits: Limits { rows: 3, label: "variable" }"#;
    assert!(loaded.contains(expected), "{loaded}");
}

#[test]
fn unknown_and_wrong_variables_are_reported_together() {
    let refused = child(&[
        ("KIT_SAMPLE_SECOND", "7"),
        ("KIT_SAMPLE_IS_ON", "perhaps"),
        ("KIT_SAMPLE_LIMITS__ROWS", "-1"),
        ("KIT_SAMPLE_SECONDS", "0"),
    ]);
    for wrong in ["`second`", "is_on: ", "limits: ", "seconds: must be at least 1"] {
        assert!(refused.contains(wrong), "{wrong} is missing in {refused}");
    }
}

#[test]
fn table_in_place_of_a_value_is_refused() {
    let refused = child(&[("KIT_SAMPLE_NAME", "x"), ("KIT_SAMPLE_NAME__INNER", "y")]);
    assert!(refused.contains("the configuration is wrong") && refused.contains("name"), "{refused}");
}

#[test]
fn variables_find_keys_that_no_variable_can_spell() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[named.app-sql]\nUserName = 'file'\n[named.other_one]\nx = 'y'\n").unwrap();
    let loaded = child(&[
        ("KIT_TEST_FILE", file.path().to_str().unwrap()),
        ("KIT_SAMPLE_NAMED__APP_SQL__USERNAME", "variable"),
        ("KIT_SAMPLE_NAMED__APP_SQL__NEW_KEY", "7"),
        ("KIT_SAMPLE_NAMED__OTHER_ONE__X", "z"),
        ("KIT_SAMPLE_NAMED__NOT_THERE__X", "w"),
    ]);
    let expected = r#"named: {"app-sql": {"UserName": "variable", "new_key": "7"}, "not_there": {"x": "w"}, "other_one": {"x": "z"}}"#;
    assert!(loaded.contains(expected), "{loaded}");
}

#[test]
fn file_and_variables_that_cannot_be_taken_are_reported_with_the_rest() {
    let refused = child(&[
        ("KIT_TEST_FILE", "/nowhere/kit.toml"),
        ("KIT_SAMPLE_NAME", "x"),
        ("KIT_SAMPLE_NAME__INNER", "y"),
        ("KIT_SAMPLE_SECONDS", "0"),
        ("KIT_SAMPLE_LIMITS__ROWS", "what the file has beside it is not known"),
    ]);
    assert!(!refused.contains("limits"), "{refused}");
    for wrong in ["/nowhere/kit.toml", "name is not a table", "seconds: must be at least 1"] {
        assert!(refused.contains(wrong), "{wrong} is missing in {refused}");
    }
}
