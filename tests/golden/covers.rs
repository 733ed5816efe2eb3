//! Whether a scenario shows what it says that it covers, as far as a machine can tell: a row of the feature checklist by
//! what the catalog declares, by what is done and by what is expected; a word (a kind of order, a block cause, a state)
//! by standing in an expectation.
//!
//! The rule that must hold: a tag without content is a mistake of the scenario, and each kind, cause and state that
//! there is stands in an expectation of some scenario, tagged or not.

use crate::yaml::{Data, Entry, Node};
use provost_domain::{OrderKind, ProvisioningState, WorkflowState};
use std::collections::BTreeSet;

/// What a scenario claims to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// A row of the feature checklist.
    Row(u32),
    /// A kind of order, a block cause or a state, as expectations write them.
    Word(String),
}

/// Keys and texts, wherever they stand in a part of a scenario.
#[derive(Clone, Debug, Default)]
struct Words {
    keys: BTreeSet<String>,
    texts: Vec<String>,
}

impl Words {
    fn add(&mut self, node: &Node) {
        match &node.data {
            Data::Text { text, .. } => self.texts.push(text.clone()),
            Data::List(items) => items.iter().for_each(|item| self.add(item)),
            Data::Map(entries) => entries.iter().for_each(|entry| {
                self.keys.insert(entry.key.clone());
                self.add(&entry.value);
            }),
        }
    }

    fn has_key(&self, any: &[&str]) -> bool {
        any.iter().any(|key| self.keys.contains(*key))
    }

    /// A text, or a key, that is one of these or holds it as words of its own.
    fn says(&self, any: &[&str]) -> bool {
        any.iter().any(|word| self.texts.iter().chain(&self.keys).any(|text| holds(text, word)))
    }
}

/// Whether a word stands in a text, and not as a part of another one.
fn holds(text: &str, word: &str) -> bool {
    let is_part = |sign: Option<char>| sign.is_some_and(char::is_alphanumeric);
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + word.len()..).unwrap_or_default());
        !is_part(before.chars().next_back()) && !is_part(after.chars().next())
    })
}

/// What stands in a scenario.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    /// What it declares: its whole catalog, unless it takes the one that all take, and then what it changes of that.
    declared: Words,
    done: BTreeSet<String>,
    /// What was decided on.
    decided: Words,
    ends: BTreeSet<String>,
    expected: Words,
    /// Texts of `blocked by`.
    causes: BTreeSet<String>,
}

/// The catalog that most scenarios take: what stands in it says nothing of any.
const USUAL: &str = "workplace";

impl Content {
    /// What stands in a scenario: its root, and its catalog before changes.
    pub(crate) fn of(root: &Node, catalog: &Node) -> Self {
        let mut content = Self::default();
        let Data::Map(entries) = &root.data else { return content };
        for Entry { key, value, .. } in entries {
            match key.as_str() {
                "catalog" if matches!(&value.data, Data::Text { text, .. } if text.trim() == USUAL) => {}
                "catalog" => content.declared.add(catalog),
                "with" => content.declared.add(value),
                "steps" => content.steps(value),
                _ => {}
            }
        }
        content
    }

    fn steps(&mut self, steps: &Node) {
        let Data::List(steps) = &steps.data else { return };
        for step in steps {
            let Data::Map(entries) = &step.data else { continue };
            for Entry { key, value, .. } in entries {
                match key.as_str() {
                    "expect" => {
                        self.expected.add(value);
                        self.blocked(value);
                    }
                    "catalog" => self.declared.add(value),
                    "ends" => self.ends.extend(text(value)),
                    "says" => self.expected.add(value),
                    key => {
                        if key == "decide" {
                            self.decided.add(value);
                        }
                        self.done.insert(key.to_owned());
                    }
                }
            }
        }
    }

    fn blocked(&mut self, node: &Node) {
        match &node.data {
            Data::Text { .. } => {}
            Data::List(items) => items.iter().for_each(|item| self.blocked(item)),
            Data::Map(entries) => entries.iter().for_each(|entry| {
                if entry.key == "blocked by" {
                    let said = match &entry.value.data {
                        Data::List(items) => items.iter().filter_map(text).collect(),
                        _ => text(&entry.value).into_iter().collect::<Vec<_>>(),
                    };
                    self.causes.extend(said.iter().flat_map(|said| said.split(", ")).map(str::to_owned));
                }
                self.blocked(&entry.value);
            }),
        }
    }

    fn does(&self, any: &[&str]) -> bool {
        any.iter().any(|act| self.done.contains(*act))
    }

    /// Whether it expects such a kind of order, block cause or state; none when there is no such word.
    pub(crate) fn expects(&self, word: &str) -> Option<bool> {
        let is_kind = KINDS.iter().any(|kind| capital(&kind.to_string()) == word);
        if is_kind {
            return Some(self.expected.keys.iter().chain(&self.expected.texts).any(|text| {
                let rest = text.strip_prefix(word);
                rest.is_some_and(|rest| rest.starts_with(" of "))
            }));
        }
        if CAUSES.contains(&word) {
            return Some(self.causes.contains(word));
        }
        let is_state = ProvisioningState::ALL.iter().any(|state| state.to_string() == word)
            || WorkflowState::ALL.iter().any(|state| state.to_string() == word);
        is_state.then(|| self.expected.texts.iter().any(|text| text.split(", ").any(|text| text == word)))
    }

    /// Whether it shows a claim; why not, when it does not.
    pub(crate) fn shows(&self, claim: &Claim) -> Result<(), String> {
        let row = match claim {
            Claim::Row(row) => *row,
            Claim::Word(word) => {
                return match self.expects(word) {
                    Some(true) => Ok(()),
                    Some(false) => Err(format!("it covers '{word}', and expects nothing of that name")),
                    None => Err(format!("'{word}' is no kind of order, no block cause and no state")),
                };
            }
        };
        let Some((shown, what)) = self.row(row) else {
            return Err(format!("it covers row {row}, which is none that scenarios answer for"));
        };
        if shown { Ok(()) } else { Err(format!("it covers row {row}, and has {what}")) }
    }

    /// Whether it shows a row, and what it would have to have; none when scenarios do not answer for the row.
    fn row(&self, row: u32) -> Option<(bool, &'static str)> {
        let (declared, expected) = (&self.declared, &self.expected);
        let is_brought = || self.ends.contains("blocked") || expected.has_key(&["held"]);
        Some(match row {
            59 => (
                declared.has_key(&["depends_on", "depends_on_owner_property"]) || expected.has_key(&["waits for"]),
                "nothing that depends on anything: no depends_on, no 'waits for'",
            ),
            60 => (
                declared.has_key(&["allow_add", "allow_remove", "remove_orphans", "thresholds"]) || is_brought(),
                "no allow_add, allow_remove, remove_orphans or thresholds",
            ),
            61 => (declared.has_key(&["transmitted_validity_minutes"]), "no transmitted_validity_minutes"),
            62 => (declared.has_key(&["fulfill_ahead_hours"]), "no fulfill_ahead_hours"),
            64 => (
                declared.has_key(&["write_only"]) && expected.says(&["Executed"]),
                "no write_only property that stays Executed",
            ),
            65 => (declared.has_key(&["comparison"]), "no comparison"),
            66 => (
                expected.says(&["Non-conforming", "Pre-existing", "unauthorized", "orphan"])
                    || self.decided.says(&["unauthorized", "orphan"]),
                "nothing that is Non-conforming, Pre-existing, unauthorized or an orphan",
            ),
            67 => (
                self.does(&["decide", "baseline"]) || expected.has_key(&["to decide"]),
                "no decision, and nothing to decide",
            ),
            68 => (
                expected.says(&["Questioned"]) || declared.has_key(&["discard_manual_assignments"]),
                "nothing Questioned, and no discard_manual_assignments",
            ),
            69 => (declared.has_key(&["positions"]), "no positions"),
            70 => (
                declared.has_key(&[
                    "correlation_rules",
                    "classification_rules",
                    "correlate_multiple",
                    "resource_types",
                ]),
                "no correlation, no classification, and no resource type of its own",
            ),
            71 => (
                declared.has_key(&["scalar_rules", "navigation_rules", "query_rules", "type_rules"])
                    || expected.has_key(&["changes", "systems"]),
                "no rules, and no values that come of them",
            ),
            72 => (
                declared.has_key(&["roles", "composite_roles", "role", "denied"])
                    || expected.has_key(&["roles"])
                    || expected.says(&["Given by a role"]),
                "no roles",
            ),
            73 => (declared.has_key(&["dimensions", "contexts", "positions"]), "no dimensions and no contexts"),
            74 => (declared.has_key(&["offset"]), "no offset"),
            75 => (
                declared.has_key(&["grace_period", "max_duration"]) || expected.says(&["Prolonged"]),
                "no grace_period, no max_duration and nothing Prolonged",
            ),
            76 => (declared.has_key(&["automation_rules"]), "no automation_rules"),
            77 => (
                declared.texts.iter().any(|text| text.contains("owner.") || text.contains("position.")),
                "no expression of its own",
            ),
            78 => (
                self.does(&["compute", "generate", "job", "synchronize"])
                    && expected.has_key(&["orders", "new orders", "orders among", "assignments"]),
                "no computation from which orders or assignments come",
            ),
            79 => (
                expected.has_key(&["to decide"]) && declared.has_key(&["roles"])
                    || expected.texts.iter().chain(&expected.keys).any(|text| text.starts_with("role ")),
                "no role that is deduced, and none that is not",
            ),
            80 => (self.expects("Inactive") == Some(true), "nothing Inactive"),
            81 => (
                self.expects("Error") == Some(true) || expected.says(&["failures", "failed"]),
                "nothing in the state Error",
            ),
            82 => (expected.has_key(&["assignments", "roles"]), "neither assignments nor roles, with their states"),
            83 => (self.does(&["request", "revoke"]), "no request"),
            _ => return None,
        })
    }
}

const KINDS: [OrderKind; 4] = [OrderKind::Addition, OrderKind::Association, OrderKind::Update, OrderKind::Deletion];
const CAUSES: [&str; 4] = ["resource type", "run", "queued behind", "confidence"];

fn capital(text: &str) -> String {
    let mut signs = text.chars();
    signs.next().into_iter().flat_map(char::to_uppercase).chain(signs).collect()
}

fn text(node: &Node) -> Option<String> {
    match &node.data {
        Data::Text { text, .. } => Some(text.clone()),
        _ => None,
    }
}

/// Every kind of order, block cause and state that some scenario must expect.
pub(crate) fn all_words() -> Vec<String> {
    let kinds = KINDS.iter().map(|kind| capital(&kind.to_string()));
    let causes = CAUSES.iter().map(|cause| (*cause).to_owned());
    // No order is in the state None.
    let states = ProvisioningState::ALL.iter().filter(|state| **state != ProvisioningState::None);
    // Requested lasts only while nobody could be asked yet: review is never away here.
    let workflows = WorkflowState::ALL.iter().filter(|state| **state != WorkflowState::Requested);
    let workflows = workflows.map(ToString::to_string);
    kinds.chain(causes).chain(states.map(ToString::to_string)).chain(workflows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::read;

    fn content(text: &str) -> Content {
        let root = read(text).unwrap();
        let catalog = read("roles: []").unwrap();
        Content::of(&root, &catalog)
    }

    const STORY: &str = "
catalog: workplace
with: { resource_types: { AppAccount: { fulfill_ahead_hours: 2 } } }
steps:
  - request: { role: archive, for: E1 }
  - expect:
      orders:
        - Addition of AppAccount for E1: { state: Awaiting Approval, blocked by: [ run, confidence ] }
        - Update of AppAccount for E1: Inactive, cancelled
";

    #[test]
    fn a_word_counts_where_it_is_expected_and_nowhere_else() {
        let content = content(STORY);
        for (word, expected) in [
            ("Addition", Some(true)),
            ("Deletion", Some(false)),
            ("run", Some(true)),
            ("confidence", Some(true)),
            ("resource type", Some(false)),
            ("Awaiting Approval", Some(true)),
            ("Inactive", Some(true)),
            ("Approved", Some(false)),
            ("Additions", None),
        ] {
            assert_eq!(content.expects(word), expected, "{word}");
        }
    }

    #[test]
    fn a_claim_without_content_is_told() {
        let content = content(STORY);
        let told = |claim: Claim| content.shows(&claim).err().unwrap_or_default();
        assert_eq!(told(Claim::Row(62)), "");
        assert_eq!(told(Claim::Row(83)), "");
        assert_eq!(told(Claim::Word("Addition".into())), "");
        assert_eq!(told(Claim::Row(61)), "it covers row 61, and has no transmitted_validity_minutes");
        assert_eq!(told(Claim::Row(1)), "it covers row 1, which is none that scenarios answer for");
        assert_eq!(told(Claim::Word("Deletion".into())), "it covers 'Deletion', and expects nothing of that name");
        let none = "'Deleting' is no kind of order, no block cause and no state";
        assert_eq!(told(Claim::Word("Deleting".into())), none);
    }
}
