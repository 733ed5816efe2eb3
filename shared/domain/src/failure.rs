//! What can go wrong, on both sides: in the outside world ([`Failure`], state Errored) and in our
//! own role model ([`RuleFailure`], state Error). The two are never merged: the first is repaired
//! in the managed system, the second in the catalog or the data.

use serde::{Deserialize, Serialize};
use std::fmt;

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
}

impl Failure {
    /// A failure with nothing but a class and words.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, code: String::new(), message: message.into(), property: None, hint: String::new() }
    }
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
