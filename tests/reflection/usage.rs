//! The README's other lines: each call of `provost` in a fenced block is one that the program takes.

use crate::shell;
use clap::Parser;
use provost::arguments::Arguments;

const README: &str = include_str!("../../README.md");

/// The lines of fenced `sh` blocks that call the program, with their numbers.
fn calls(markdown: &str) -> Vec<(usize, &str)> {
    let mut inside = false;
    let mut found = Vec::new();
    for (index, line) in markdown.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(language) => inside = !inside && language == "sh",
            None if inside && line.starts_with("provost ") => found.push((index + 1, line)),
            None => {}
        }
    }
    found
}

/// What is wrong with a line.
fn mistake(line: &str) -> Result<(), String> {
    let words = shell::words(line)?;
    Arguments::try_parse_from(words).map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn every_call_in_the_readme_is_one_that_the_program_takes() {
    let calls = calls(README);
    for command in ["provost up", "provost orders unblock", "provost permissions", "provost jobs run complete --watch"]
    {
        assert!(calls.iter().any(|(_, line)| line.starts_with(command)), "the README has no line with {command}");
    }
    let mistakes: Vec<_> = calls
        .iter()
        .filter_map(|(number, line)| Some(format!("line {number}: {line}\n{}", mistake(line).err()?)))
        .collect();
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn wrong_call_is_found() {
    let text = "```sh\nprovost orders lsit # all\n```\n```text\nprovost nothing\n```\nprovost nothing\n";
    let calls = calls(text);
    assert_eq!(calls, [(2, "provost orders lsit # all")]);
    assert!(mistake(calls[0].1).unwrap_err().contains("lsit"));
}
