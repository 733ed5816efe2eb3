//! The words for kinds and verdicts.

use provost_contract::generator::v1::{ReconciliationKind, ReconciliationVerdict};

/// What an item is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kind {
    /// A value or a link.
    Property,
    /// An account that is gone.
    Resource,
    /// An account that nobody owns.
    Orphan,
    /// An account that no rule gives its owner.
    Unauthorized,
    /// A role that somebody seems to have.
    Role,
    /// What was taken for found on the day of going live; of decisions only.
    Baseline,
}

impl From<Kind> for ReconciliationKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Property => Self::Property,
            Kind::Resource => Self::Resource,
            Kind::Orphan => Self::Orphan,
            Kind::Unauthorized => Self::Unauthorized,
            Kind::Role => Self::Role,
            Kind::Baseline => Self::Baseline,
        }
    }
}

/// What can be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Verdict {
    /// Write what the rules say.
    Write,
    /// Keep what is there.
    Keep,
    /// Not now.
    Postpone,
    /// Delete the account; of a role, remove its links.
    Delete,
}

impl From<Verdict> for ReconciliationVerdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Write => Self::Write,
            Verdict::Keep => Self::Keep,
            Verdict::Postpone => Self::Postpone,
            Verdict::Delete => Self::Delete,
        }
    }
}

pub(super) fn kind(number: i32) -> &'static str {
    match ReconciliationKind::try_from(number) {
        Ok(ReconciliationKind::Property) => "property",
        Ok(ReconciliationKind::Resource) => "resource",
        Ok(ReconciliationKind::Orphan) => "orphan",
        Ok(ReconciliationKind::Unauthorized) => "unauthorized",
        Ok(ReconciliationKind::Role) => "role",
        Ok(ReconciliationKind::Baseline) => "baseline",
        Ok(ReconciliationKind::Unspecified) | Err(_) => "?",
    }
}

pub(super) fn verdict(number: i32) -> &'static str {
    match ReconciliationVerdict::try_from(number) {
        Ok(ReconciliationVerdict::Write) => "write",
        Ok(ReconciliationVerdict::Keep) => "keep",
        Ok(ReconciliationVerdict::Postpone) => "postpone",
        Ok(ReconciliationVerdict::Delete) => "delete",
        Ok(ReconciliationVerdict::Baseline) => "pre-existing",
        Ok(ReconciliationVerdict::Unspecified) | Err(_) => "",
    }
}
