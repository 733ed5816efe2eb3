//! The benchmark runs, at a size that shows nothing but that it runs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use provost_testkit::binary;
use std::process::Command;

#[test]
fn tiny_benchmark_gives_every_figure() {
    let sizes = [
        "--orders=600",
        "--agents=2",
        "--weights=100,700",
        "--delays=3",
        "--people=120",
        "--scale=60",
        "--accounts=60",
    ];
    let output = Command::new(binary("bench")).args(sizes).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let figures = |start: &str| -> Vec<Vec<f64>> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(start));
        lines.map(|line| line.split_whitespace().map(|figure| figure.parse().unwrap()).collect()).collect()
    };
    for engine in ["SQLite", "PostgreSQL"] {
        // What is small may be rounded to 0.00.
        for (start, lines) in [
            (format!("{engine}, 2 agents "), vec![8]),
            (format!("{engine}, waiting "), vec![9, 9]),
            (format!("{engine}, finished "), vec![9, 9]),
            (format!("{engine} "), vec![3, 5]),
        ] {
            let found = figures(&start);
            assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), lines, "{start}\n{text}");
            assert!(found.iter().all(|figures| figures[0] > 0.0 && figures.iter().all(|figure| *figure >= 0.0)));
        }
        assert!(text.contains(&format!("{engine}, 60 people")), "{text}");
    }
    for what in ["account additions", "account changes", "group memberships"] {
        let line = text.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_default();
        let figures: Vec<f64> = line.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
        assert!(figures.len() == 3 && figures.iter().all(|figure| *figure > 0.0), "{what}{line}\n{text}");
    }
}
