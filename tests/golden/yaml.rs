//! A YAML file as a tree in which every node knows its line, and reading it with words for every mistake.
//!
//! The rule that must hold: nothing in a file is passed over. What nobody asked for is a mistake, and a
//! mistake says on which line it stands.

use saphyr_parser::{Event, Parser, ScalarStyle};
use std::fmt;

/// A node of the tree.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) data: Data,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    /// Text, as written, and whether it was written without quotes.
    Text {
        text: String,
        is_plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) value: Node,
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for Mistake {}

/// The result of reading something.
pub(crate) type Reading<T> = Result<T, Mistake>;

/// A mistake on a line.
pub(crate) fn mistake<T>(line: usize, message: impl Into<String>) -> Reading<T> {
    Err(Mistake { line, message: message.into() })
}

/// Reads a text into a tree.
pub(crate) fn read(text: &str) -> Reading<Node> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event
            .map_err(|error| Mistake { line: error.marker().line(), message: format!("no YAML: {}", error.info()) })?;
        builder.take(event, span.start.line())?;
    }
    builder.root.ok_or(Mistake { line: 1, message: "the file is empty".to_owned() })
}

#[derive(Default)]
struct Builder {
    /// The collections that are still open, each with the key that waits for its value.
    open: Vec<(Node, Option<(String, usize)>)>,
    root: Option<Node>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, line: usize) -> Reading<()> {
        let data = match event {
            Event::Scalar(text, style, ..) => {
                Data::Text { text: text.into_owned(), is_plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(..) => {
                self.open.push((Node { line, data: Data::List(vec![]) }, None));
                return Ok(());
            }
            Event::MappingStart(..) => {
                self.open.push((Node { line, data: Data::Map(vec![]) }, None));
                return Ok(());
            }
            Event::SequenceEnd | Event::MappingEnd => {
                return self.open.pop().map_or(Ok(()), |(node, _)| self.add(node));
            }
            Event::Alias(_) => return mistake(line, "anchors and aliases are not understood: write it out"),
            _ => return Ok(()),
        };
        self.add(Node { line, data })
    }

    fn add(&mut self, node: Node) -> Reading<()> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some((Node { data: Data::List(items), .. }, _)) => items.push(node),
            Some((Node { data: Data::Map(entries), .. }, waiting)) => match waiting.take() {
                Some((key, line)) => entries.push(Entry { key, line, value: node }),
                None => {
                    let line = node.line;
                    let Data::Text { text, .. } = node.data else { return mistake(line, "a key must be text") };
                    if entries.iter().any(|entry| entry.key == text) {
                        return mistake(line, format!("'{text}' is there twice"));
                    }
                    *waiting = Some((text, line));
                }
            },
            Some(_) => {}
        }
        Ok(())
    }
}

impl Node {
    /// What the node is, for people.
    fn named(&self) -> &'static str {
        match &self.data {
            Data::Text { .. } if self.is_nothing() => "nothing",
            Data::Text { .. } => "text",
            Data::List(_) => "a list",
            Data::Map(_) => "keys with values",
        }
    }

    /// Nothing is written, or `null`.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(&self.data, Data::Text { text, is_plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }

    fn not<T>(&self, what: &str, wanted: &str) -> Reading<T> {
        mistake(self.line, format!("{what} must be {wanted}, this is {}", self.named()))
    }

    /// The text, trimmed.
    pub(crate) fn text(&self, what: &str) -> Reading<String> {
        match &self.data {
            Data::Text { text, .. } if !self.is_nothing() => Ok(text.trim().to_owned()),
            _ => self.not(what, "text"),
        }
    }

    /// Several texts: a list of them, or one.
    pub(crate) fn texts(&self, what: &str) -> Reading<Vec<String>> {
        match &self.data {
            Data::List(items) => items.iter().map(|item| item.text(what)).collect(),
            Data::Text { .. } => Ok(vec![self.text(what)?]),
            Data::Map(_) => self.not(what, "text, or a list of texts"),
        }
    }

    /// True or false.
    pub(crate) fn boolean(&self, what: &str) -> Reading<bool> {
        match self.text(what)?.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => self.not(what, "true or false"),
        }
    }

    /// The items of a list.
    pub(crate) fn list(&self, what: &str) -> Reading<&[Node]> {
        match &self.data {
            Data::List(items) => Ok(items),
            _ => self.not(what, "a list"),
        }
    }

    /// The keys and values of a mapping.
    pub(crate) fn map(&self, what: &str) -> Reading<&[Entry]> {
        match &self.data {
            Data::Map(entries) => Ok(entries),
            _ => self.not(what, "keys with values"),
        }
    }

    /// A mapping that may have these keys and no others.
    pub(crate) fn fields<'n>(&'n self, what: &str, known: &[&str]) -> Reading<Fields<'n>> {
        let entries = self.map(what)?;
        if let Some(entry) = entries.iter().find(|entry| !known.contains(&entry.key.as_str())) {
            let known = known.join(", ");
            return mistake(entry.line, format!("unknown key '{}' in {what}; there are: {known}", entry.key));
        }
        Ok(Fields { what: what.to_owned(), line: self.line, entries })
    }
}

/// A mapping whose keys are known to be right.
pub(crate) struct Fields<'n> {
    what: String,
    pub(crate) line: usize,
    entries: &'n [Entry],
}

impl<'n> Fields<'n> {
    /// The value of a key, if it is there.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The value of a key that must be there.
    pub(crate) fn required(&self, key: &str) -> Reading<&'n Node> {
        self.get(key).ok_or_else(|| Mistake { line: self.line, message: format!("{} has no '{key}'", self.what) })
    }

    /// The text of a key, if it is there.
    pub(crate) fn text(&self, key: &str) -> Reading<Option<String>> {
        self.get(key).map(|node| node.text(&format!("'{key}'"))).transpose()
    }

    /// The texts of a key; none when it is not there.
    pub(crate) fn texts(&self, key: &str) -> Reading<Vec<String>> {
        self.get(key).map_or_else(|| Ok(vec![]), |node| node.texts(&format!("'{key}'")))
    }

    /// A switch, off unless it is there.
    pub(crate) fn is_on(&self, key: &str) -> Reading<bool> {
        self.get(key).map_or(Ok(false), |node| node.boolean(&format!("'{key}'")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_know_their_lines() {
        let root = read("title: x\nsteps:\n  - at: 2026-01-01\n  - facts:\n      Person: none\n").unwrap();
        let fields = root.fields("a scenario", &["title", "steps"]).unwrap();
        assert_eq!(fields.text("title").unwrap().as_deref(), Some("x"));
        let steps = fields.required("steps").unwrap().list("steps").unwrap();
        assert_eq!((steps[0].line, steps[1].line), (3, 4));
    }

    #[test]
    fn mistakes_say_where_they_stand() {
        let said = |text: &str| read(text).and_then(|root| root.fields("it", &["a"]).map(|_| ())).unwrap_err();
        assert_eq!(said("a: 1\nb: 2").to_string(), "line 2: unknown key 'b' in it; there are: a");
        assert_eq!(said("a: 1\na: 2").to_string(), "line 2: 'a' is there twice");
        assert_eq!(said("[1]").to_string(), "line 1: it must be keys with values, this is a list");
        assert_eq!(said("a: *x").line, 1);
        let root = read("a: maybe").unwrap();
        let wrong = root.fields("it", &["a"]).unwrap().is_on("a").unwrap_err();
        assert_eq!(wrong.to_string(), "line 1: 'a' must be true or false, this is text");
    }
}
