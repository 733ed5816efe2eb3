//! The benchmark runs, at a size that shows nothing but that it runs.

#![allow(clippy::unwrap_used)]

use provost_testkit::binary;
use std::process::Command;

#[test]
fn tiny_benchmark_gives_every_figure() {
    let sizes = ["--orders", "600", "--agents", "2", "--people", "120", "--scale", "60", "--accounts", "60"];
    let output = Command::new(binary("bench")).args(sizes).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    // Six figures in each line of the ledger, five in each of the role model.
    for (engine, lines) in [("SQLite", [6, 5]), ("PostgreSQL", [6, 5])] {
        let figures = text.lines().filter_map(|line| line.strip_prefix(&format!("{engine} "))).map(|line| {
            let figures: Vec<f64> = line.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
            // The ratios are the third and the last of six, the last of five; one may be rounded to 0.00.
            let is_ratio = |place| place + 1 == figures.len() || (figures.len() == 6 && place == 2);
            let is_given = |(place, figure): (usize, &f64)| *figure > 0.0 || (is_ratio(place) && *figure == 0.0);
            assert!(figures.iter().enumerate().all(is_given), "{line}");
            figures.len()
        });
        assert_eq!(figures.collect::<Vec<_>>(), lines, "{engine}\n{text}");
        assert!(text.contains(&format!("{engine}, 60 people")), "{text}");
    }
    for what in ["account additions", "account changes", "group memberships"] {
        let line = text.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_default();
        let figures: Vec<f64> = line.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
        assert!(figures.len() == 3 && figures.iter().all(|figure| *figure > 0.0), "{what}{line}\n{text}");
    }
}
