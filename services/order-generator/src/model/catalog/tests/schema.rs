//! The published schema says what the reader takes: the same keys, the same words, the same defaults, and every
//! catalog that we ship or test with.

use super::*;
use crate::model::catalog::node::{Data, Node};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

fn schema() -> Json {
    serde_json::from_str(SCHEMA).unwrap()
}

fn validator() -> &'static jsonschema::Validator {
    static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        jsonschema::draft202012::new(&schema()).unwrap_or_else(|error| panic!("the schema is wrong: {error}"))
    });
    &VALIDATOR
}

/// A file as editors see it: YAML 1.2's core schema.
fn to_json(node: &Node) -> Json {
    match &node.data {
        Data::Mapping(entries) => {
            let key = |node: &Node| to_json(node).as_str().unwrap().to_owned();
            Json::Object(entries.iter().map(|(name, value)| (key(name), to_json(value))).collect())
        }
        Data::List(items) => Json::Array(items.iter().map(to_json).collect()),
        Data::Scalar { .. } if node.is_null() => Json::Null,
        Data::Scalar { text, is_plain: true } => match text.as_str() {
            "true" => json!(true),
            "false" => json!(false),
            text => text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number)),
        },
        Data::Scalar { text, .. } => json!(text),
    }
}

pub(super) fn read(text: &str) -> Json {
    to_json(&node::read(0, "catalog.yaml", text).unwrap().unwrap())
}

pub(super) fn mistakes(file: &Json) -> Vec<String> {
    validator().iter_errors(file).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The definition that a schema stands for.
fn resolved<'s>(schema: &'s Json, mut part: &'s Json) -> (&'s str, &'s Json) {
    let mut name = "";
    while let Some(reference) = part.get("$ref").and_then(Json::as_str) {
        name = reference.strip_prefix("#/$defs/").unwrap();
        part = &schema["$defs"][name];
    }
    (name, part)
}

/// Every mapping in a file that the schema has a definition for: where it is, and the name of that.
fn items(schema: &Json, part: &Json, data: &Json, path: &str, found: &mut Vec<(String, String)>) {
    let (name, part) = resolved(schema, part);
    match data {
        Json::Object(entries) => {
            if part.get("properties").is_some() {
                found.push((path.to_owned(), name.to_owned()));
            }
            for (key, value) in entries {
                if let Some(inner) = part["properties"].get(key) {
                    let inner = inner.get("anyOf").and_then(|choices| choices.get(0)).unwrap_or(inner);
                    items(schema, inner, value, &format!("{path}/{key}"), found);
                }
            }
        }
        Json::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                items(schema, &part["items"], value, &format!("{path}/{index}"), found);
            }
        }
        _ => {}
    }
}

fn whole() -> Json {
    read(whole::WHOLE)
}

/// A file, changed in one mapping.
fn changed(path: &str, change: impl FnOnce(&mut Map<String, Json>)) -> Json {
    let mut file = whole();
    change(file.pointer_mut(path).unwrap().as_object_mut().unwrap());
    file
}

fn compile(file: &Json) -> Result<Catalog, Vec<Problem>> {
    Catalog::compile(&files(&[("catalog.yaml", &serde_json::to_string_pretty(file).unwrap())]))
}

/// What a catalog says, without its indexes, whose order is by chance.
fn said(catalog: &Catalog) -> String {
    let entity_types: Vec<_> =
        catalog.entity_types.iter().map(|it| (&it.name, &it.properties, &it.computed, &it.context)).collect();
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        catalog.policy,
        catalog.connectors,
        entity_types,
        catalog.roles,
        catalog.composite_roles,
        catalog.resource_types,
        catalog.automation_rules
    )
}

#[test]
fn every_key_of_the_reader_is_described_and_no_other() {
    let schema = schema();
    for (item, keys) in keys::ALL {
        let definition = &schema["$defs"][item];
        let described: BTreeSet<&str> = definition["properties"]
            .as_object()
            .unwrap_or_else(|| panic!("{item}"))
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(described, keys.iter().copied().collect(), "keys of {item}");
        assert_eq!(definition["additionalProperties"], json!(false), "{item}");
        assert!(definition["description"].is_string(), "{item}");
        for key in *keys {
            let (_, named) = resolved(&schema, &definition["properties"][key]);
            let own = &definition["properties"][key]["description"];
            assert!(own.as_str().is_some_and(|text| text.ends_with('.')), "{item}.{key} says nothing: {named}");
        }
    }
    let mut known: BTreeSet<&str> = keys::ALL.iter().map(|(item, _)| *item).collect();
    known.extend(["dimension_values", "text", "name", "identifier", "expression", "duration"]);
    let defined: BTreeSet<&str> = schema["$defs"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(defined, known);
}

#[test]
fn the_words_are_those_of_the_reader() {
    let schema = schema();
    let words = |item: &str, key: &str| -> Vec<String> {
        let words = schema["$defs"][item]["properties"][key]["enum"].as_array().unwrap();
        words.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect()
    };
    assert_eq!(words("connection", "package"), Package::ALL.map(Package::name));
    let sorted = |mut words: Vec<String>| {
        words.sort();
        words
    };
    let types = sorted(ValueType::ALL.map(|value_type| value_type.name().to_owned()).to_vec());
    assert_eq!(sorted(words("property", "type")), types);
    assert_eq!(words("property", "comparison"), Comparison::ALL.map(Comparison::name));
    assert_eq!(words("scalar_rule", "comparison"), Comparison::ALL.map(Comparison::name));
    assert_eq!(words("offset", "reference"), declaration::OFFSET_REFERENCES.map(|(word, _)| word));
    assert_eq!(words("automation_rule", "state"), compile::automation::STATES.map(|(word, _)| word));
    for item in ["role", "composite_role", "resource_type"] {
        assert_eq!(words(item, "approval"), declaration::APPROVALS.map(|(word, _)| word));
    }
}

#[test]
fn what_is_shipped_and_tested_with_fits() {
    let texts = [
        include_str!("../../../../../../shared/sample/catalog/10-systems.yaml"),
        include_str!("../../../../../../shared/sample/catalog/20-roles.yaml"),
        include_str!("../../../../../../shared/sample/catalog/30-resource-types.yaml"),
        include_str!("../../../../../../shared/sample/directory/catalog.yaml"),
        include_str!("right.yaml"),
        whole::WHOLE,
    ];
    for text in texts {
        assert_eq!(mistakes(&read(text)), Vec::<String>::new(), "{}", &text[..60]);
    }
}

#[test]
fn the_whole_catalog_uses_every_item() {
    let (schema, file) = (schema(), whole());
    let mut found = Vec::new();
    items(&schema, &schema, &file, "", &mut found);
    let used: BTreeSet<&str> = found.iter().map(|(_, item)| item.as_str()).collect();
    let missing: Vec<_> = keys::ALL.iter().filter(|(item, _)| !used.contains(item)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn what_must_be_there_is_asked_for_by_both() {
    let (schema, file) = (schema(), whole());
    let mut found = Vec::new();
    items(&schema, &schema, &file, "", &mut found);
    for (path, item) in &found {
        let definition = &schema["$defs"][item];
        let required: Vec<&str> =
            definition["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        for key in file.pointer(path).unwrap().as_object().unwrap().keys() {
            let without = changed(path, |entries| {
                entries.remove(key);
            });
            let problems = compile(&without).err().unwrap_or_default();
            let is_asked_for = problems.iter().any(|problem| {
                let asks = |key: &str| problem.message.contains(&format!("has no '{key}'"));
                asks(key) || (item == "property" && asks("type")) || problem.message.ends_with("gives no role")
            });
            // One of the two must be there.
            let is_required = required.contains(&key.as_str())
                || (item == "property" && ["type", "navigation"].contains(&key.as_str()));
            assert_eq!(is_asked_for, is_required, "{path}/{key}: {problems:?}");
            assert_eq!(!mistakes(&without).is_empty(), is_required, "{path}/{key}: {:?}", mistakes(&without));
        }
    }
}

#[test]
fn defaults_are_those_of_the_reader() {
    let (schema, file) = (schema(), whole());
    let mut found = Vec::new();
    items(&schema, &schema, &file, "", &mut found);
    let mut compared = BTreeSet::new();
    for (path, item) in &found {
        let properties = schema["$defs"][item]["properties"].as_object().unwrap();
        for (key, property) in properties {
            let Some(default) = property.get("default") else { continue };
            if compared.contains(&(item.clone(), key.clone())) {
                continue;
            }
            let without = changed(path, |entries| {
                entries.remove(key);
            });
            let with = changed(path, |entries| {
                entries.insert(key.clone(), default.clone());
            });
            let (Ok(without), Ok(with)) = (compile(&without), compile(&with)) else { continue };
            assert_eq!(said(&without), said(&with), "{path}/{key} is {default}");
            compared.insert((item.clone(), key.clone()));
        }
    }
    let with_default = schema["$defs"].as_object().unwrap().iter().flat_map(|(item, definition)| {
        let properties = definition["properties"].as_object().into_iter().flatten();
        properties.filter(|(_, property)| property.get("default").is_some()).map(move |(key, _)| (item, key))
    });
    for (item, key) in with_default {
        assert!(compared.contains(&(item.clone(), key.clone())), "{item}.{key} was never compared");
    }
}

#[test]
fn mistakes_of_form_are_found_by_the_schema_too() {
    let wrong = [
        ("/policy", "grace_period", json!("4w")),
        ("/policy", "grace_period", json!("12h1d")),
        ("/policy", "grace_period", json!("")),
        ("/policy", "grace_period", json!(30)),
        ("/connectors/0", "name", json!("the hr")),
        ("/connectors/0/connections/0", "package", json!("sqll")),
        ("/entity_types/0/properties/0", "name", json!("is-external")),
        ("/entity_types/0/properties/0", "sensitive", json!("yes")),
        ("/entity_types/0/properties/0", "navigation", json!("Person")),
        ("/roles/0", "approval", json!(4)),
        ("/roles/0", "rules", json!({})),
        ("/composite_roles/0", "roles", json!([])),
        ("/resource_types/0", "thresholds", json!({ "additions_percent": 101 })),
        ("/connectors/1", "thresholds", json!({ "deletions_percent": 101 })),
        ("/connectors/1", "thresholds", json!({ "additions": 1 })),
        ("/resource_types/0/query_rules/0", "confidence", json!(151)),
        ("/resource_types/0/type_rules/0", "dimensions", json!({ "country": [] })),
        ("/resource_types/0/type_rules/0/offset", "reference", json!("arround")),
        ("/automation_rules/0", "state", json!("calculated")),
        ("/automation_rules/0", "deadline", json!(1)),
    ];
    for (path, key, value) in wrong {
        let file = changed(path, |entries| {
            entries.insert(key.to_owned(), value.clone());
        });
        assert!(compile(&file).is_err(), "{path}/{key}: {value}");
        assert!(!mistakes(&file).is_empty(), "{path}/{key}: {value}");
    }
}
