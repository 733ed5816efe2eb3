//! What is wrong with a request, field by field.

use std::fmt;

/// Whether a character steers machines and says nothing to people. Line breaks and tabs say something.
fn is_control(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\r' | '\t')
}

/// Whether a text holds a control character. Most texts hold nothing but plain ASCII, and are told at a glance.
fn has_control(text: &str) -> bool {
    text.bytes().any(|byte| !(b' '..0x7f).contains(&byte)) && text.contains(is_control)
}

/// `text` with a replacement character (U+FFFD) in place of each control character other than line
/// breaks and tabs. For words that others chose and that must be kept: PostgreSQL stores no NUL, and
/// terminals obey the rest.
pub fn printable(text: impl Into<String>) -> String {
    let text = text.into();
    if has_control(&text) { text.replace(is_control, "\u{fffd}") } else { text }
}

/// The first `max` characters of `text`. For words that others chose, which must not make a message
/// too large to be answered.
pub fn cut(mut text: String, max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(max) {
        text.truncate(end);
    }
    text
}

/// One wrong field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field's path, for example `orders[3].owner.key`.
    pub field: String,
    /// What is wrong and what would be right.
    pub description: String,
}

/// All wrong fields of one request, collected while it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Notes a wrong field.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(Violation { field: field.into(), description: description.into() });
    }

    /// One wrong field, alone.
    pub fn one(field: impl Into<String>, description: impl Into<String>) -> Self {
        let mut violations = Self::default();
        violations.add(field, description);
        violations
    }

    /// Notes the field when its text is empty, and as [`Violations::check_text`].
    pub fn require_text(&mut self, field: impl fmt::Display, text: &str, max: usize) {
        if text.trim().is_empty() {
            self.add(field.to_string(), "must not be empty");
        } else {
            self.check_text(field, text, max);
        }
    }

    /// Notes the field when its text is longer than `max` characters, or holds a control character
    /// other than a line break or a tab. It may be empty.
    pub fn check_text(&mut self, field: impl fmt::Display, text: &str, max: usize) {
        // No text has more characters than bytes.
        if text.len() > max && text.chars().count() > max {
            self.add(field.to_string(), format!("is longer than {max} characters"));
        } else if has_control(text) {
            self.add(field.to_string(), "holds a control character");
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The wrong fields, in the order in which they were noted.
    pub fn iter(&self) -> impl Iterator<Item = &Violation> {
        self.0.iter()
    }

    /// `value` when nothing is wrong.
    ///
    /// # Errors
    /// Itself, when something is.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Violation { field, description }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{field} {description}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_refused_in_names_and_replaced_in_words() {
        let mut wrong = Violations::default();
        wrong.require_text("a", "x\0y", 10);
        wrong.require_text("b", "two\nlines\tand more", 30);
        wrong.require_text("c", "é", 1);
        wrong.check_text("d", "", 1);
        wrong.check_text("e", "ab", 1);
        assert_eq!(wrong.to_string(), "a holds a control character; e is longer than 1 characters");
        assert_eq!(cut("éé".into(), 1), "é");
        assert_eq!(cut("éé".into(), 2), "éé");
        assert_eq!(printable("no\0pe\u{1b}[2J\n"), "no\u{fffd}pe\u{fffd}[2J\n");
    }
}
