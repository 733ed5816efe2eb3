//! A short chaos: every kind of fault, and what slapd's own log says afterwards.

#![allow(clippy::unwrap_used, clippy::panic)]

use provost_testkit::binary;
use std::process::Command;

#[test]
fn short_chaos_loses_nothing_and_writes_nothing_twice() {
    let output = Command::new(binary("chaos")).args(["--minutes", "0.4", "--seed", "7"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let figure = |name: &str| -> usize {
        let line = text.lines().find(|line| line.trim_start().starts_with(name));
        let figure = line.and_then(|line| line.split_whitespace().last()).and_then(|figure| figure.parse().ok());
        figure.unwrap_or_else(|| panic!("no figure '{name}' in\n{text}"))
    };
    for kind in [
        "kill -9 of agent",
        "kill -9 of fulfillment-1",
        "kill -9 of fulfillment-2",
        "agent-2 cut off from everybody",
        "PostgreSQL crashed",
        "slapd stopped",
        "directory's answer cut",
        "disk full",
    ] {
        assert!(figure(kind) > 0, "{kind}");
    }
    assert!(figure("executed") > 50 && figure("effects in slapd's own log") >= figure("executed"), "{text}");
    assert_eq!(figure("orders submitted"), figure("orders settled"));
    assert!(figure("generated") > 0, "{text}");
    for wrong in ["lost", "doubled", "out of order", "nobody ordered it"] {
        assert_eq!(figure(wrong), 0, "{wrong}");
    }
}
