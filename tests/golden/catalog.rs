//! The catalog of a scenario: one that several share, with small changes.
//!
//! A change names what it changes and says only that: keys with values change a mapping; where the
//! catalog has a list of named things, they change (or add) the thing of that name; `none` takes it away.
//! Any other list is replaced whole.

use crate::yaml::{Data, Entry, Node, Reading, mistake, read};
use std::path::Path;

/// Reads a shared catalog, by name.
pub(crate) fn shared(folder: &Path, name: &str, line: usize) -> Reading<Node> {
    let path = folder.join("catalogs").join(format!("{name}.yaml"));
    match std::fs::read_to_string(&path) {
        Ok(text) => read(&text).or_else(|wrong| mistake(line, format!("{}: {wrong}", path.display()))),
        Err(error) => mistake(line, format!("there is no catalog '{name}': {}: {error}", path.display())),
    }
}

/// The catalog with changes.
pub(crate) fn changed(base: &Node, changes: &Node) -> Reading<Node> {
    let data = match (&base.data, &changes.data) {
        (Data::Map(entries), Data::Map(changes)) => Data::Map(map(entries, changes)?),
        (Data::List(items), Data::Map(changes)) => Data::List(list(items, changes)?),
        (_, data) => data.clone(),
    };
    Ok(Node { line: changes.line, data })
}

fn map(entries: &[Entry], changes: &[Entry]) -> Reading<Vec<Entry>> {
    let mut merged = entries.to_vec();
    for change in changes {
        let place = merged.iter().position(|entry| entry.key == change.key);
        match place {
            Some(place) if is_taken_away(&change.value) => {
                merged.remove(place);
            }
            Some(place) => merged[place].value = changed(&merged[place].value, &change.value)?,
            None if is_taken_away(&change.value) => {
                return mistake(change.line, format!("'{}' cannot be taken away: it is not there", change.key));
            }
            None => merged.push(Entry { value: unnamed(&change.key, &change.value)?, ..change.clone() }),
        }
    }
    Ok(merged)
}

/// What a section that is not there yet is: a list of the named things.
fn unnamed(key: &str, value: &Node) -> Reading<Node> {
    match &value.data {
        Data::Map(things) if has_names(key) => Ok(Node { line: value.line, data: Data::List(list(&[], things)?) }),
        _ => Ok(value.clone()),
    }
}

fn has_names(section: &str) -> bool {
    matches!(section, "connectors" | "entity_types" | "contexts" | "roles" | "composite_roles" | "resource_types")
}

fn list(items: &[Node], changes: &[Entry]) -> Reading<Vec<Node>> {
    let mut merged = items.to_vec();
    // A context has the name of its entity type.
    let name_key = if items.iter().any(|item| name(item, "entity_type").is_some() && name(item, "name").is_none()) {
        "entity_type"
    } else {
        "name"
    };
    for change in changes {
        let place = merged.iter().position(|item| name(item, name_key).as_deref() == Some(&*change.key));
        match place {
            Some(place) if is_taken_away(&change.value) => {
                merged.remove(place);
            }
            Some(place) => merged[place] = changed(&merged[place], &change.value)?,
            None => {
                let Data::Map(entries) = &change.value.data else {
                    return mistake(change.line, format!("there is no '{}' to change", change.key));
                };
                let value = Node { line: change.line, data: Data::Text { text: change.key.clone(), is_plain: false } };
                let mut entries = entries.clone();
                entries.insert(0, Entry { key: name_key.to_owned(), line: change.line, value });
                merged.push(Node { line: change.line, data: Data::Map(entries) });
            }
        }
    }
    Ok(merged)
}

fn name(item: &Node, key: &str) -> Option<String> {
    let Data::Map(entries) = &item.data else { return None };
    entries.iter().find(|entry| entry.key == key)?.value.text(key).ok()
}

fn is_taken_away(node: &Node) -> bool {
    matches!(&node.data, Data::Text { text, is_plain: true } if text == "none")
}

/// The catalog as text.
pub(crate) fn text(node: &Node) -> String {
    let mut text = String::new();
    write(node, 0, &mut text);
    text
}

fn write(node: &Node, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match &node.data {
        Data::Text { text, is_plain } => {
            let is_bare = *is_plain && (matches!(text.as_str(), "true" | "false") || text.parse::<i64>().is_ok());
            let shown = if is_bare || node.is_nothing() { text.clone() } else { quoted(text) };
            out.push_str(&format!(" {shown}\n"));
        }
        Data::List(items) if items.is_empty() => out.push_str(" []\n"),
        Data::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
        Data::List(items) => {
            out.push('\n');
            for item in items {
                out.push_str(&format!("{indent}-"));
                write(item, depth + 1, out);
            }
        }
        Data::Map(entries) => {
            out.push('\n');
            for Entry { key, value, .. } in entries {
                out.push_str(&format!("{indent}{}:", quoted(key)));
                write(value, depth + 1, out);
            }
        }
    }
}

/// JSON's way of quoting is one of YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "
contexts: [ { entity_type: Person, valid_until: owner.end } ]
resource_types:
  - name: A
    review: false
    thresholds: { additions: 1 }
    type_rules: [ {} ]
  - name: B
";

    fn after(changes: &str) -> String {
        text(&changed(&read(BASE).unwrap(), &read(changes).unwrap()).unwrap())
    }

    #[test]
    fn named_things_are_changed_added_and_taken_away() {
        let text = after("resource_types: { A: { review: true, thresholds: { updates: 2 } }, B: none, C: { x: y } }");
        let types = text.split_once("\"resource_types\":").unwrap().1;
        for part in ["\"review\": true", "\"additions\": 1", "\"updates\": 2", "\"name\": \"C\"", "\"x\": \"y\""] {
            assert!(types.contains(part), "{part} is not in {types}");
        }
        assert!(!types.contains("\"B\""), "{types}");
        let text = after("contexts: { Person: { valid_from: owner.start } }");
        assert!(text.contains("\"valid_from\": \"owner.start\"") && text.contains("owner.end"), "{text}");
    }

    #[test]
    fn lists_are_replaced_and_what_is_written_reads_back() {
        let base = read(BASE).unwrap();
        let after = changed(&base, &read("resource_types: { A: { type_rules: [ { when: 'a: b' } ] } }").unwrap());
        let text = text(&after.unwrap());
        assert!(text.contains("\"when\": \"a: b\""), "{text}");
        read(&text).unwrap();
    }

    #[test]
    fn what_is_not_there_cannot_be_taken_away() {
        let wrong = changed(&read(BASE).unwrap(), &read("a: 1\nroles: none").unwrap()).unwrap_err();
        assert_eq!(wrong.to_string(), "line 2: 'roles' cannot be taken away: it is not there");
    }
}
