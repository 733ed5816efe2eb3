//! Typed reading of a YAML tree, collecting every mistake on the way.
//!
//! The rule that must hold: a mistake is reported once, where it stands, with what would be right;
//! reading then goes on with a stand-in, so that the next mistake is found too.

use super::Problem;
use super::keys::Keys;
use super::node::{Data, Node, Place};
use super::{duration, suggest};
use std::collections::{HashMap, HashSet};

/// A text and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) place: Place,
    /// The text begins right here in the file, without escapes (after a quote, if there is one).
    pub(super) starts_at: Option<usize>,
}

/// Collects mistakes.
pub(super) struct Reader<'f> {
    pub(super) files: &'f [(String, String)],
    /// Their lines.
    lines: Vec<Vec<&'f str>>,
    pub(super) problems: Vec<Problem>,
    /// Names whose declaration is itself wrong: what refers to them is not reported as well.
    pub(super) spoilt: HashSet<String>,
}

impl<'f> Reader<'f> {
    pub(super) fn new(files: &'f [(String, String)]) -> Self {
        let lines = files.iter().map(|(_, text)| text.lines().collect()).collect();
        Self { files, lines, problems: Vec::new(), spoilt: HashSet::new() }
    }
}

impl Reader<'_> {
    pub(super) fn wrong(&mut self, place: &Place, message: impl Into<String>, hint: impl Into<String>) {
        let file = self.files.get(place.file).map(|(name, _)| name.clone()).unwrap_or_default();
        self.problems.push(Problem {
            file,
            line: i32::try_from(place.line).unwrap_or(i32::MAX),
            column: i32::try_from(place.column).unwrap_or(i32::MAX),
            message: message.into(),
            hint: hint.into(),
        });
    }

    /// A place, for messages: `line 3 of people.yaml`.
    pub(super) fn shown(&self, place: &Place) -> String {
        let file = self.files.get(place.file).map_or("", |(name, _)| name.as_str());
        format!("line {} of {file}", place.line)
    }

    /// Opens a mapping. `what` says what it describes, `known` which keys it may have.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, what: &str, known: Keys) -> Option<Fields<'n>> {
        let Data::Mapping(entries) = &node.data else {
            let message = format!("{what} must be a mapping, this is {}", node.named());
            self.wrong(&node.place, message, format!("write keys and values: {}", known.join(", ")));
            return None;
        };
        let mut found: HashMap<&str, &Node> = HashMap::new();
        let mut places: HashMap<&str, &Place> = HashMap::new();
        for (key, value) in entries {
            let Data::Scalar { text, .. } = &key.data else {
                self.wrong(&key.place, format!("a key of {what} must be text, this is {}", key.named()), "");
                continue;
            };
            if let Some(first) = places.get(text.as_str()) {
                let message = format!("duplicate key '{text}'; the first is on {}", self.shown(first));
                self.wrong(&key.place, message, "keep one of them");
                continue;
            }
            places.insert(text, &key.place);
            if !known.contains(&text.as_str()) {
                let message = format!("unknown key '{text}' in {what}");
                self.wrong(&key.place, message, suggest::hint(text, known.iter().copied()));
                continue;
            }
            found.insert(text, value);
        }
        Some(Fields { what: what.to_owned(), place: node.place.clone(), found })
    }

    /// The items of a list; what is not there has none.
    pub(super) fn items<'n>(&mut self, node: Option<&'n Node>, what: &str) -> &'n [Node] {
        match node {
            None => &[],
            Some(node) if node.is_null() => &[],
            Some(Node { data: Data::List(items), .. }) => items,
            Some(node) => {
                self.wrong(
                    &node.place,
                    format!("{what} must be a list, this is {}", node.named()),
                    "write '- ' before each item",
                );
                &[]
            }
        }
    }

    /// A scalar as text, whatever it looks like: an expression may well be `true`.
    pub(super) fn text(&mut self, node: &Node, what: &str) -> Option<Text> {
        let Data::Scalar { text, is_plain } = &node.data else {
            self.wrong(
                &node.place,
                format!("{what} must be text, this is {}", node.named()),
                "write it on one line, or in quotes",
            );
            return None;
        };
        if node.is_null() {
            self.wrong(&node.place, format!("{what} is empty"), "write it, or leave the key out");
            return None;
        }
        let column = node.place.column + usize::from(!is_plain);
        let line = self.lines.get(node.place.file).and_then(|lines| lines.get(node.place.line.wrapping_sub(1)));
        let rest = line.and_then(|line| {
            let (start, _) = line.char_indices().nth(column - 1)?;
            line.get(start..)
        });
        let starts_at = rest.is_some_and(|rest| rest.starts_with(text.as_str())).then_some(column);
        Some(Text { text: text.clone(), place: node.place.clone(), starts_at })
    }

    /// A text that has the form of a name, or a problem.
    pub(super) fn name(&mut self, name: Text, is_identifier: bool) -> Option<Text> {
        let mut letters = name.text.chars();
        let is_right = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
            && letters.all(|letter| {
                letter.is_ascii_alphanumeric() || letter == '_' || (!is_identifier && matches!(letter, '.' | '-'))
            })
            && name.text.len() <= 100;
        if !is_right {
            let shown: String = name.text.chars().take(40).collect();
            self.spoilt.insert(name.text.clone());
            let others = if is_identifier { "digits and underscores" } else { "digits, dots, dashes and underscores" };
            self.wrong(
                &name.place,
                format!("'{shown}' is not a name"),
                format!("begin with a letter (a to z); then letters, {others}, up to 100"),
            );
            return None;
        }
        Some(name)
    }

    /// The entries of a mapping whose keys are names of the catalog's own, each once.
    pub(super) fn entries<'n>(
        &mut self,
        node: Option<&'n Node>,
        what: &str,
        of_key: &str,
        example: &str,
    ) -> Vec<(Text, &'n Node)> {
        let Some(node) = node.filter(|node| !node.is_null()) else { return vec![] };
        let Data::Mapping(entries) = &node.data else {
            self.wrong(&node.place, format!("{what} must be a mapping, this is {}", node.named()), example);
            return vec![];
        };
        let mut found: Vec<(Text, &Node)> = Vec::new();
        for (key, value) in entries {
            let Some(name) = self.text(key, of_key) else { continue };
            if let Some((first, _)) = found.iter().find(|(known, _)| known.text == name.text) {
                let message = format!("duplicate key '{}'; the first is on {}", name.text, self.shown(&first.place));
                self.wrong(&name.place, message, "keep one of them");
                continue;
            }
            found.push((name, value));
        }
        found
    }

    fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        match &node.data {
            Data::Scalar { text, is_plain: true } if text == "true" => Some(true),
            Data::Scalar { text, is_plain: true } if text == "false" => Some(false),
            _ => {
                self.wrong(
                    &node.place,
                    format!("{what} must be true or false, this is {}", node.named()),
                    "write true or false, without quotes",
                );
                None
            }
        }
    }

    fn number(&mut self, node: &Node, what: &str, from: i64, to: i64) -> Option<i64> {
        let number = match &node.data {
            Data::Scalar { text, is_plain: true } => text.parse::<i64>().ok(),
            _ => None,
        };
        match number {
            Some(number) if (from..=to).contains(&number) => Some(number),
            Some(number) => {
                self.wrong(
                    &node.place,
                    format!("{what} is {number}, must be {from} to {to}"),
                    format!("write a number from {from} to {to}"),
                );
                None
            }
            None => {
                self.wrong(
                    &node.place,
                    format!("{what} must be a whole number, this is {}", node.named()),
                    format!("write a number from {from} to {to}"),
                );
                None
            }
        }
    }
}

/// A mapping whose keys are known to be right.
pub(super) struct Fields<'n> {
    pub(super) what: String,
    pub(super) place: Place,
    found: HashMap<&'n str, &'n Node>,
}

impl<'n> Fields<'n> {
    pub(super) fn node(&self, key: &str) -> Option<&'n Node> {
        self.found.get(key).copied()
    }

    /// A text that may be left out.
    pub(super) fn text(&self, reader: &mut Reader<'_>, key: &str) -> Option<Text> {
        reader.text(self.node(key)?, &format!("'{key}' of {}", self.what))
    }

    /// A text that must be there.
    pub(super) fn required(&self, reader: &mut Reader<'_>, key: &str, example: &str) -> Option<Text> {
        if self.node(key).is_none() {
            reader.wrong(&self.place, format!("{} has no '{key}'", self.what), format!("add {key}: {example}"));
        }
        self.text(reader, key)
    }

    /// A name that must be there and have the form of one.
    pub(super) fn name(&self, reader: &mut Reader<'_>, example: &str, is_identifier: bool) -> Option<Text> {
        let name = self.required(reader, "name", example)?;
        reader.name(name, is_identifier)
    }

    pub(super) fn boolean(&self, reader: &mut Reader<'_>, key: &str, default: bool) -> bool {
        self.node(key).and_then(|node| reader.boolean(node, &format!("'{key}' of {}", self.what))).unwrap_or(default)
    }

    pub(super) fn number(&self, reader: &mut Reader<'_>, key: &str, from: i64, to: i64, default: i64) -> i64 {
        let what = format!("'{key}' of {}", self.what);
        self.node(key).and_then(|node| reader.number(node, &what, from, to)).unwrap_or(default)
    }

    pub(super) fn items(&self, reader: &mut Reader<'_>, key: &str) -> &'n [Node] {
        reader.items(self.node(key), &format!("'{key}' of {}", self.what))
    }

    /// A whole number that must be there.
    pub(super) fn required_number(&self, reader: &mut Reader<'_>, key: &str, from: i64, to: i64) -> Option<i64> {
        let Some(node) = self.node(key) else {
            let hint = format!("add {key}: and a number from {from} to {to}");
            reader.wrong(&self.place, format!("{} has no '{key}'", self.what), hint);
            return None;
        };
        reader.number(node, &format!("'{key}' of {}", self.what), from, to)
    }

    /// Minutes, written as a duration; none when it is left out or wrong.
    pub(super) fn minutes(&self, reader: &mut Reader<'_>, key: &str) -> Option<u32> {
        let text = self.text(reader, key)?;
        let shown: String = text.text.chars().take(40).collect();
        let what = format!("'{key}' of {} is '{shown}'", self.what);
        match duration::minutes(&text.text) {
            Some(minutes) if minutes <= u64::from(duration::MINUTES_MAX) => u32::try_from(minutes).ok(),
            Some(_) => {
                let hint = format!("write at most {}d", duration::MINUTES_MAX / (24 * 60));
                reader.wrong(&text.place, format!("{what}, which is too long"), hint);
                None
            }
            None => {
                let hint = "write days, hours and minutes: 30d, 12h, 90m, 1d12h; or 0";
                reader.wrong(&text.place, format!("{what}, which is no duration"), hint);
                None
            }
        }
    }

    /// One of some words; none when it is left out or wrong.
    pub(super) fn choice<T: Copy>(&self, reader: &mut Reader<'_>, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(reader, key)?;
        let found = words.iter().find(|(word, _)| *word == text.text).map(|(_, chosen)| *chosen);
        if found.is_none() {
            let shown: String = text.text.chars().take(40).collect();
            let hint = suggest::one_of(&text.text, words.iter().map(|(word, _)| *word));
            reader.wrong(&text.place, format!("'{key}' of {} is '{shown}'", self.what), hint);
        }
        found
    }
}
