//! The documents send nobody to a place that is not there: every path that README.md and
//! ARCHITECTURE.md name exists.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::Path;

const DOCUMENTS: [(&str, &str); 2] =
    [("README.md", include_str!("../../README.md")), ("ARCHITECTURE.md", include_str!("../../ARCHITECTURE.md"))];
/// What paths of this repository begin with.
const TOP: [&str; 5] = ["proto", "shared", "services", "tests", ".ci"];

/// The paths of this repository that a text names: in backquotes, as the target of a link, or first on
/// a line of a listing. `{a,b}` stands for both.
fn paths(text: &str) -> Vec<String> {
    let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let linked = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let listed = text.lines().filter_map(|line| line.split_whitespace().next());
    let ours = |path: &&str| {
        !path.contains([' ', '<', '…'])
            && TOP.iter().any(|top| path.split('/').next().is_some_and(|first| first == *top))
    };
    let documents = |path: &&str| DOCUMENTS.iter().any(|(name, _)| path == name);
    let mut found: Vec<String> =
        quoted.chain(linked).chain(listed).filter(|path| ours(path) || documents(path)).flat_map(expanded).collect();
    found.sort();
    found.dedup();
    found
}

fn expanded(path: &str) -> Vec<String> {
    match path.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
        Some((before, (names, after))) => names.split(',').map(|name| format!("{before}{name}{after}")).collect(),
        None => vec![path.to_owned()],
    }
}

#[test]
fn every_path_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (document, text) in DOCUMENTS {
        let paths = paths(text);
        let missing: Vec<_> = paths.iter().filter(|path| !root.join(path).exists()).collect();
        assert!(missing.is_empty(), "{document} names {missing:?}");
    }
    assert!(paths(DOCUMENTS[1].1).len() > 20, "the paths of ARCHITECTURE.md are not found");
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let text =
        "```\nshared/domain   states\n```\nsee (`services/a/src/{x,y}.rs`, `cargo test`) and [it](proto/b.proto)\n";
    assert_eq!(paths(text), ["proto/b.proto", "services/a/src/x.rs", "services/a/src/y.rs", "shared/domain"]);
}
