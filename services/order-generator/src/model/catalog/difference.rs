//! What one catalog declares otherwise than another, for people who are about to apply it.
//!
//! Compares the files as they are written, section by section and name by name; so it knows no vocabulary, and
//! what has no meaning (the order of keys, line breaks, which file it stands in) is no difference. The rule that
//! must hold: two catalogs without a difference say the same.

use super::node::{self, Data, Node};
use std::collections::{BTreeMap, BTreeSet};

/// Longest text of one detail.
const DETAIL_MAX: usize = 160;
/// Most details of one thing.
const DETAILS_MAX: usize = 20;

/// How a thing differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It is new.
    Added,
    /// It is declared otherwise.
    Changed,
    /// It is no longer declared.
    Removed,
}

impl Change {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

/// One thing that is declared otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The section that it stands in.
    pub section: String,
    /// Its name; empty where a section is one thing.
    pub name: String,
    /// How it differs.
    pub change: Change,
    /// What differs in it.
    pub details: Vec<String>,
}

/// A tree without places: equal when it means the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tree {
    Text(String),
    List(Vec<Tree>),
    Mapping(BTreeMap<String, Tree>),
}

impl Tree {
    fn of(node: &Node) -> Self {
        match &node.data {
            Data::Scalar { text, .. } => Self::Text(text.clone()),
            Data::List(items) => Self::List(items.iter().map(Self::of).collect()),
            Data::Mapping(entries) => {
                let entry = |(key, value): &(Node, Node)| match &key.data {
                    Data::Scalar { text, .. } => Some((text.clone(), Self::of(value))),
                    Data::List(_) | Data::Mapping(_) => None,
                };
                Self::Mapping(entries.iter().filter_map(entry).collect())
            }
        }
    }

    /// In one line, as YAML would have it.
    fn line(&self) -> String {
        match self {
            Self::Text(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
            Self::List(items) => format!("[{}]", items.iter().map(Self::line).collect::<Vec<_>>().join(", ")),
            Self::Mapping(entries) => {
                let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{key}: {}", value.line())).collect();
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }

    /// What it is called in its section.
    fn name(&self) -> String {
        let Self::Mapping(entries) = self else { return self.line() };
        let called = ["name", "entity_type", "role", "composite_role", "resource_type"];
        let name = called.iter().find_map(|key| entries.get(*key));
        name.map_or_else(|| short(&self.line()), Self::line)
    }
}

type Section = BTreeMap<String, Vec<Tree>>;

/// What is declared, by section and name.
pub(super) type Sections = BTreeMap<String, Section>;

/// What `after` declares otherwise than `before`; files are names and texts. Files that are not YAML count as
/// empty.
pub fn differences(before: &[(&str, &str)], after: &[(&str, &str)]) -> Vec<Difference> {
    let (before, after) = (sections(before), sections(after));
    let nothing = Section::new();
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut found = Vec::new();
    for section in names {
        let (old, new) = (before.get(section).unwrap_or(&nothing), after.get(section).unwrap_or(&nothing));
        for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let difference =
                |change, details| Difference { section: section.clone(), name: name.clone(), change, details };
            match (old.get(name), new.get(name)) {
                (Some(old), Some(new)) if old == new => {}
                (Some(old), Some(new)) => found.push(difference(Change::Changed, details(old, new))),
                (None, _) => found.push(difference(Change::Added, vec![])),
                (_, None) => found.push(difference(Change::Removed, vec![])),
            }
        }
    }
    found
}

/// The sections of all files together: things by name. A name may be declared twice where that has a meaning.
pub(super) fn sections(files: &[(&str, &str)]) -> Sections {
    let mut found = Sections::new();
    for (file, (name, text)) in files.iter().enumerate() {
        let Ok(Some(root)) = node::read(file, name, text) else { continue };
        let Tree::Mapping(sections) = Tree::of(&root) else { continue };
        for (section, content) in sections {
            let things = found.entry(section).or_default();
            match content {
                Tree::List(items) => {
                    for item in items {
                        things.entry(item.name()).or_default().push(item);
                    }
                }
                whole => things.entry(String::new()).or_default().push(whole),
            }
        }
    }
    found.values_mut().flat_map(BTreeMap::values_mut).for_each(|things| things.sort());
    found
}

fn details(old: &[Tree], new: &[Tree]) -> Vec<String> {
    let mut details = Vec::new();
    if let ([Tree::Mapping(old)], [Tree::Mapping(new)]) = (old, new) {
        for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            of_key(key, old.get(key), new.get(key), &mut details);
        }
    } else {
        items("", old, new, &mut details);
    }
    let more = details.len().saturating_sub(DETAILS_MAX);
    details.truncate(DETAILS_MAX);
    if more > 0 {
        details.push(format!("and {more} more"));
    }
    details
}

fn of_key(key: &str, old: Option<&Tree>, new: Option<&Tree>, details: &mut Vec<String>) {
    match (old, new) {
        (Some(old), Some(new)) if old == new => {}
        (Some(Tree::List(old)), Some(Tree::List(new))) => items(key, old, new, details),
        (Some(Tree::List(old)), None) => items(key, old, &[], details),
        (None, Some(Tree::List(new))) => items(key, &[], new, details),
        (old, new) => {
            let shown = |tree: Option<&Tree>| tree.map_or_else(|| "(not set)".to_owned(), |tree| short(&tree.line()));
            details.push(format!("{key}: {} -> {}", shown(old), shown(new)));
        }
    }
}

/// What a list has lost and gained. Where only its order differs, that is said.
fn items(key: &str, old: &[Tree], new: &[Tree], details: &mut Vec<String>) {
    let key = if key.is_empty() { String::new() } else { format!("{key} ") };
    let before = details.len();
    let mut left: Vec<&Tree> = old.iter().collect();
    let mut gained = Vec::new();
    for item in new {
        match left.iter().position(|known| *known == item) {
            Some(place) => {
                left.remove(place);
            }
            None => gained.push(item),
        }
    }
    details.extend(left.iter().map(|item| format!("{key}- {}", short(&item.line()))));
    details.extend(gained.iter().map(|item| format!("{key}+ {}", short(&item.line()))));
    if details.len() == before {
        details.push(format!("{key}in another order"));
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= DETAIL_MAX {
        return text.to_owned();
    }
    let cut: String = text.chars().take(DETAIL_MAX - 1).collect();
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "
policy: { grace_period: 30d }
roles:
  - { name: finance, owner: Person }
  - { name: gone, owner: Person }
resource_types:
  - name: Account
    review: false
    type_rules: [ { role: finance } ]
    scalar_rules: [ { property: login, value: owner.login }, { property: title, value: owner.title } ]
";
    const AFTER: &str = "
resource_types:
  - type_rules: [ { role: finance }, { when: \"owner.title == 'Boss'\" } ]
    name: Account
    scalar_rules: [ { property: login, value: owner.login } ]
    priority: 5
";
    const ROLES: &str = "
policy: { grace_period: 10d }
roles: [ { owner: Person, name: finance }, { name: new, owner: Person } ]
";

    #[test]
    fn what_is_added_changed_and_removed_is_told_by_name() {
        let found = differences(&[("a", BEFORE)], &[("b", AFTER), ("c", ROLES)]);
        let told: Vec<_> =
            found.iter().map(|one| format!("{} {} {}", one.section, one.name, one.change.word())).collect();
        assert_eq!(
            told,
            ["policy  changed", "resource_types Account changed", "roles gone removed", "roles new added"]
        );
        let details: Vec<_> = found.iter().flat_map(|one| &one.details).map(String::as_str).collect();
        assert_eq!(
            details,
            [
                "grace_period: 30d -> 10d",
                "priority: (not set) -> 5",
                "review: false -> (not set)",
                "scalar_rules - { property: title, value: owner.title }",
                "type_rules + { when: owner.title == 'Boss' }",
            ]
        );
    }

    #[test]
    fn the_same_in_other_files_and_another_order_of_keys_is_no_difference() {
        let (head, rest) = BEFORE.split_at(BEFORE.find("resource_types").unwrap_or(0));
        assert!(differences(&[("a", BEFORE)], &[("x", rest), ("y", head)]).is_empty());
    }

    #[test]
    fn another_order_of_rules_is_told() {
        let list = |items: &str| format!("resource_types:\n  - {{ name: A, query_rules: [ {items} ] }}\n");
        let found = differences(&[("a", &list("{ x: 1 }, { x: 2 }"))], &[("a", &list("{ x: 2 }, { x: 1 }"))]);
        assert_eq!(found.iter().flat_map(|one| &one.details).collect::<Vec<_>>(), ["query_rules in another order"]);
    }
}
