//! What the README says of the catalog: its example compiles and fits the schema, and its table has every key.

use super::*;
use std::collections::BTreeSet;

const README: &str = include_str!("../../../../../../README.md");

fn section() -> &'static str {
    let (_, section) = README.split_once("### The catalog\n").unwrap();
    section.split("\n## ").next().unwrap()
}

#[test]
fn the_example_compiles() {
    let (_, example) = section().split_once("```yaml\n").unwrap();
    let example = example.split("```").next().unwrap();
    let catalog =
        Catalog::compile(&files(&[("README.md", example)])).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(catalog.entity_type("Person").unwrap().context.as_ref().unwrap().positions.is_some());
    let kind = catalog.resource_type("AppAccount").unwrap();
    assert!(
        !kind.query_rules.is_empty() && !kind.correlation_rules.is_empty() && !kind.classification_rules.is_empty()
    );
    assert_eq!(super::schema::mistakes(&super::schema::read(example)), Vec::<String>::new());
}

/// The words in backquotes of a table's cell.
fn words(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn the_table_has_every_key_and_says_which_must_be_there() {
    let rows: Vec<(&str, &str)> = section()
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
        .filter(|(item, _)| !item.starts_with("item") && !item.starts_with("---"))
        .collect();
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(rows.len(), keys::ALL.len());
    for (item, keys) in keys::ALL {
        let called = if *item == "catalog" { "a file".to_owned() } else { item.replace('_', " ") };
        let row = rows.iter().find(|(name, _)| name.trim_matches('`') == called);
        let (_, cell) = row.unwrap_or_else(|| panic!("there is no row for '{called}'"));
        let said: BTreeSet<&str> = words(cell).collect();
        let must: BTreeSet<&str> = cell.split("**").skip(1).step_by(2).flat_map(words).collect();
        let required = schema["$defs"][item]["required"].as_array().into_iter().flatten();
        let required: BTreeSet<&str> = required.filter_map(serde_json::Value::as_str).collect();
        // Composite roles are told as what they have beside roles.
        let keys: BTreeSet<&str> = match *item {
            "composite_role" => keys.iter().copied().filter(|key| !keys::ROLE.contains(key)).collect(),
            _ => keys.iter().copied().collect(),
        };
        let required: BTreeSet<&str> = required.intersection(&keys).copied().collect();
        assert!(keys.is_subset(&said), "{called} lacks {:?}", keys.difference(&said));
        assert_eq!(must, required, "{called}");
        let words = |word: &&&str| {
            let enums = schema["$defs"][item]["properties"].as_object().unwrap().values();
            let known = enums.filter_map(|property| property["enum"].as_array()).flatten();
            known.clone().any(|known| known == *word) || *word == &"{}"
        };
        let other: Vec<&&str> = said.difference(&keys).filter(|word| !words(word)).collect();
        assert!(other.is_empty(), "{called} has {other:?}, which are neither keys nor words");
    }
}
