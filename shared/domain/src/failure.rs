//! What can go wrong, on both sides: in the outside world ([`Failure`], state Errored) and in our
//! own role model ([`RuleFailure`], state Error). The two are never merged: the first is repaired
//! in the managed system, the second in the catalog or the data.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::time::Duration;

/// The kinds of trouble that a package can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FailureClass {
    /// The system could not be reached.
    Transport,
    /// The system asked to slow down.
    Throttled,
    /// The system understood and refused.
    Refused,
    /// Something else stands where the order wants to write.
    Conflict,
    /// A value has the wrong type or form.
    InvalidValue,
    /// Something that the order refers to does not exist.
    MissingDependency,
    /// The agent's own credentials were refused.
    Authentication,
    /// None of the others.
    Unknown,
}

impl FailureClass {
    /// Whether it is about the way in, not about the one order: the next order fails of the same.
    pub const fn is_of_the_connection(self) -> bool {
        match self {
            Self::Transport | Self::Authentication => true,
            Self::Throttled
            | Self::Refused
            | Self::Conflict
            | Self::InvalidValue
            | Self::MissingDependency
            | Self::Unknown => false,
        }
    }

    /// Whether trying again, with nothing mended by a person, may help.
    pub const fn is_passing(self) -> bool {
        match self {
            Self::Transport | Self::Throttled => true,
            Self::Refused
            | Self::Conflict
            | Self::InvalidValue
            | Self::MissingDependency
            | Self::Authentication
            | Self::Unknown => false,
        }
    }
}

/// What went wrong in the outside world. Holds no confidential values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of trouble.
    pub class: FailureClass,
    /// The managed system's own code; may be empty.
    pub code: String,
    /// The managed system's own words.
    pub message: String,
    /// The property at fault, where the system says so.
    pub property: Option<String>,
    /// What a person may do about it; may be empty.
    pub hint: String,
    /// How long the system asks to be left alone, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure with nothing but a class and words.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        let (code, hint) = (String::new(), String::new());
        Self { class, code, message: message.into(), property: None, hint, retry_after: None }
    }
}

/// What failures have in common that one mending may mend (scenarios.md, P5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cause(String);

impl Cause {
    /// 16 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Failure {
    /// The failure's cause: its class, code and property, and its words without what differs from one
    /// order to the next.
    pub fn cause(&self) -> Cause {
        let mut hash = Sha256::new();
        let property = self.property.as_deref().unwrap_or_default();
        for part in [&format!("{:?}", self.class), &self.code, property, &pattern(&self.message)] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Cause(hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Most words of a message that tell causes apart.
const PATTERN_WORDS: usize = 40;

/// The words of a message with an ellipsis for each that names one order's values: what is quoted,
/// unless it is a name as databases give to constraints, and what holds a digit, `@` or `=`.
fn pattern(message: &str) -> String {
    let is_value = |word: &str| word.contains(|letter: char| letter.is_ascii_digit() || "@=".contains(letter));
    let words = quoted_apart(message).into_iter().take(PATTERN_WORDS);
    let kept = words.map(|(word, is_quoted)| {
        let is_name =
            word.contains('_') && word.chars().all(|letter| letter.is_alphanumeric() || "_.".contains(letter));
        let word = word.trim_matches(|letter: char| ",;:.()[]{}".contains(letter));
        if (is_quoted && !is_name) || is_value(word) { "…" } else { word }
    });
    kept.collect::<Vec<_>>().join(" ")
}

/// The words of a text, and what stands in quotes as one word each; whether it was quoted.
fn quoted_apart(text: &str) -> Vec<(&str, bool)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(|letter: char| !letter.is_whitespace()) {
        rest = rest.split_at(start).1;
        let quote = rest.chars().next().filter(|letter| "'\"`".contains(*letter));
        let quoted = quote.and_then(|quote| rest.split_at(1).1.split_once(quote));
        let (part, is_quoted, after) = match quoted {
            Some((inside, after)) => (inside, true, after),
            None => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                (word, false, after)
            }
        };
        parts.push((part, is_quoted));
        rest = after;
    }
    parts
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code.is_empty() { f.write_str(&self.message) } else { write!(f, "{} ({})", self.message, self.code) }
    }
}

/// A rule of the role model that threw while evaluating.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFailure {
    /// The rule, as the catalog names it.
    pub rule: String,
    /// The property whose value could not be computed, if it was one.
    pub property: Option<String>,
    /// The input that the rule saw, shortened; never a sensitive value.
    pub input: String,
    /// What the expression language said.
    pub message: String,
}

impl fmt::Display for RuleFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.message)?;
        if self.input.is_empty() { Ok(()) } else { write!(f, " (input: {})", self.input) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(code: &str, message: &str) -> Cause {
        Failure { code: code.into(), ..Failure::new(FailureClass::Refused, message) }.cause()
    }

    #[test]
    fn what_differs_from_order_to_order_makes_no_other_cause() {
        for (one, other) in [
            ("Key (mail)=(ada@x.org) already exists.", "Key (mail)=(bob@x.org) already exists."),
            ("entry uid=ada,ou=people exists", "entry uid=bob,ou=people exists"),
            ("value 'Ada Byron' is too long", "value 'Bob' is too long"),
            ("row 17 of accounts", "row 4711 of accounts"),
            ("it's 'x' here", "it's 'y z' here"),
        ] {
            assert_eq!(cause("c", one), cause("c", other), "{one}");
        }
    }

    #[test]
    fn what_is_mended_in_another_place_is_another_cause() {
        let here = cause("23505", "violates unique constraint \"accounts_mail_key\"");
        assert_ne!(here, cause("23505", "violates unique constraint \"accounts_login_key\""));
        assert_ne!(here, cause("23514", "violates unique constraint \"accounts_mail_key\""));
        assert_ne!(cause("", "UNIQUE constraint failed: accounts.mail"), cause("", "no such table"));
        let at_mail = Failure { property: Some("mail".into()), ..Failure::new(FailureClass::Refused, "no") };
        assert_ne!(at_mail.cause(), cause("", "no"));
        assert_eq!(here.as_str().len(), 16);
    }

    #[test]
    fn odd_texts_are_read_to_their_end() {
        for text in ["", "   ", "'", "a'b", "\"unclosed é", "''", "é'é'é"] {
            assert!(pattern(text).len() <= text.len() + 6, "{text}");
        }
    }
}
