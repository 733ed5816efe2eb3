//! A YAML file as a tree in which every node knows where it stands.
//!
//! Read from the parser's events, not through a loader: a loader stops at the first duplicate key
//! and forgets where keys are, and all mistakes shall come in one answer.

use super::{FILE_BYTES_MAX, Problem};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

/// How deep a file may nest; a catalog needs eight.
const DEPTH_MAX: usize = 32;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Index of the file.
    pub(super) file: usize,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A node of the tree.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) data: Data,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(super) enum Data {
    /// Text, as written, and whether it was written without quotes.
    Scalar {
        text: String,
        is_plain: bool,
    },
    List(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// Nothing is written, or `null`.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.data, Data::Scalar { text, is_plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// What the node is, for people.
    pub(super) fn named(&self) -> &'static str {
        match &self.data {
            Data::Mapping(_) => "a mapping",
            Data::List(_) => "a list",
            Data::Scalar { .. } if self.is_null() => "nothing",
            Data::Scalar { is_plain: true, text } if matches!(text.as_str(), "true" | "false") => "a boolean",
            Data::Scalar { is_plain: true, text } if text.parse::<i64>().is_ok() => "a number",
            Data::Scalar { .. } => "text",
        }
    }
}

/// Reads a file into a tree; none when it is empty.
pub(super) fn read(file: usize, name: &str, text: &str) -> Result<Option<Node>, Problem> {
    let problem = |line: usize, column: usize, message: String, hint: &str| Problem {
        file: name.to_owned(),
        line: i32::try_from(line).unwrap_or(i32::MAX),
        column: i32::try_from(column).unwrap_or(i32::MAX),
        message,
        hint: hint.to_owned(),
    };
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes, must have at most {FILE_BYTES_MAX}", text.len());
        return Err(problem(1, 1, message, "split the catalog into several files"));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder { file, open: Vec::new(), root: None };
    for event in Parser::new_from_str(text) {
        let step = event.map_err(|error| wrong(&error)).and_then(|(event, span)| builder.take(event, span));
        if let Err(Wrong { line, column, message, hint }) = step {
            return Err(problem(line, column, message, hint));
        }
    }
    Ok(builder.root.filter(|root| !root.is_null()))
}

struct Wrong {
    line: usize,
    column: usize,
    message: String,
    hint: &'static str,
}

fn wrong(error: &ScanError) -> Wrong {
    Wrong {
        line: error.marker().line(),
        column: error.marker().col() + 1,
        message: format!("this is not YAML: {}", error.info()),
        hint: "check indentation, colons and quotes; quote expressions that hold ': ' or ' #'",
    }
}

struct Builder {
    file: usize,
    /// The collections that are still open, each with the key that waits for its value.
    open: Vec<(Node, Option<Node>)>,
    root: Option<Node>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Wrong> {
        let place = Place { file: self.file, line: span.start.line(), column: span.start.col() + 1 };
        let refuse = |message: &str, hint| {
            Err(Wrong { line: place.line, column: place.column, message: message.to_owned(), hint })
        };
        match event {
            Event::Alias(_) => refuse("anchors and aliases are not supported", "write the value out"),
            Event::Scalar(_, _, anchor, _) | Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                refuse("anchors and aliases are not supported", "write the value out")
            }
            Event::Scalar(text, style, _, tag) => {
                if tag.is_some() {
                    return refuse("tags are not supported", "leave the tag out");
                }
                let data = Data::Scalar { text: text.into_owned(), is_plain: style == ScalarStyle::Plain };
                self.add(Node { place, data });
                Ok(())
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if self.open.len() >= DEPTH_MAX => {
                refuse("the file nests too deep", "a catalog needs eight levels")
            }
            Event::SequenceStart(..) => {
                self.open.push((Node { place, data: Data::List(Vec::new()) }, None));
                Ok(())
            }
            Event::MappingStart(..) => {
                self.open.push((Node { place, data: Data::Mapping(Vec::new()) }, None));
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((node, _)) = self.open.pop() {
                    self.add(node);
                }
                Ok(())
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                refuse("the file holds a second document", "leave out '---', or make it a file of its own")
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some((Node { data: Data::List(items), .. }, _)) => items.push(node),
            Some((Node { data: Data::Mapping(entries), .. }, key)) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => *key = Some(node),
            },
            Some((Node { data: Data::Scalar { .. }, .. }, _)) => {}
        }
    }
}
