//! Reasons: what one rule, order or person did to a result, as a sentence.

use super::words;
use super::{Ask, Line, Standing};
use crate::model::catalog::Approval;
use crate::model::evaluate::{Considered, Finding};
use provost_domain::{Period, RuleFailure, Timestamp};

/// What kind of reason a cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CauseKind {
    /// The owner is no longer in the source.
    OwnerGone,
    /// A rule failed.
    RuleFailed,
    /// It was taken away by request.
    DeniedByRequest,
    /// A rule denies it.
    DeniedByRule,
    /// A rule would give it, and something else counts.
    Overridden,
    /// A rule gives it.
    GivenByRule,
    /// A composite role gives it.
    GivenByRole,
    /// An approved request, or a decision, gives it.
    GivenByRequest,
    /// The rule is gone, and its grace period is not over.
    Prolonged,
    /// The resource that would hold the property is not given.
    NoResource,
    /// It is given from a later time on.
    NotYet,
    /// It was given until an earlier time.
    Over,
    /// A value of the owner is missing that must be there first.
    WaitsForValue,
    /// The resource type does not create.
    AddNotAllowed,
    /// A reviewer declined it.
    ReviewDeclined,
    /// The resource type does not delete.
    RemoveNotAllowed,
    /// What synchronization found is left alone.
    Found,
    /// A person decided on what was found.
    Decision,
    /// It was found by rules that are not sure, or by which it was correlated.
    Confidence,
    /// Another resource of the owner must be there first.
    WaitsForResource,
    /// There is an order, which stands somewhere.
    Order,
    /// What is known was computed before something changed.
    NotComputed,
    /// The newest generation was blocked by a threshold.
    Threshold,
    /// No order was generated yet.
    NotGenerated,
    /// A request for it waits.
    RequestWaits,
    /// A request for it was declined.
    RequestDeclined,
    /// A request for it is over.
    RequestOver,
    /// A rule that would give it is not for this owner.
    RuleDoesNotApply,
    /// No rule gives it to anybody.
    NoRule,
    /// Whether it can be asked for.
    Requestable,
    /// Why an order waits for a review.
    ReviewRequired,
    /// What a run waived, forced, or let pass.
    Run,
    /// What somebody did to an order.
    History,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What kind.
    pub kind: CauseKind,
    /// The sentence, without a period.
    pub sentence: String,
    /// Who did it; empty when nobody did.
    pub by: String,
    /// When.
    pub at: Option<Timestamp>,
    /// The id of what is behind it; empty when there is none.
    pub reference: String,
}

impl Cause {
    /// A reason that nobody in particular is behind.
    pub const fn new(kind: CauseKind, sentence: String) -> Self {
        Self { kind, sentence, by: String::new(), at: None, reference: String::new() }
    }

    /// With who did it, and when.
    #[must_use]
    pub fn done(mut self, by: &str, at: Timestamp) -> Self {
        (self.by, self.at) = (by.to_owned(), Some(at));
        self
    }

    /// With the id of what is behind it.
    #[must_use]
    pub fn about(mut self, reference: &str) -> Self {
        reference.clone_into(&mut self.reference);
        self
    }
}

/// What a failed rule is told as.
pub(super) fn failed(failure: &RuleFailure) -> Cause {
    let input = if failure.input.is_empty() { String::new() } else { format!(", on {}", failure.input) };
    Cause::new(CauseKind::RuleFailed, format!("{} failed: {}{input}", failure.rule, failure.message))
}

/// Everything that was considered, each in a sentence, and as causes. `prefix` is what all of its rules are named by.
pub(super) fn considered(considered: &[Considered], prefix: &str, now: Timestamp) -> (Vec<Line>, Vec<Cause>) {
    let denies = |one: &&Considered| one.finding == Finding::Denies && one.period.unwrap_or_default().contains(now);
    // Of links, each is denied by itself.
    let link = |one: &Considered| one.rule.split_once(" -> ").map(|(_, target)| target.to_owned());
    considered
        .iter()
        .map(|one| {
            let denied_by = considered.iter().filter(denies).find(|other| link(other) == link(one));
            let cause = cause(one, denied_by.map(|denies| denies.rule.as_str()), prefix, now);
            (Line { considered: one.clone(), sentence: cause.sentence.clone() }, cause)
        })
        .unzip()
}

/// One of those that were considered. What denies now counts before what gives, also when it does so only for a part of
/// the time.
fn cause(one: &Considered, denied_by: Option<&str>, prefix: &str, now: Timestamp) -> Cause {
    let rule = one.rule.strip_prefix(prefix).unwrap_or(&one.rule);
    let saw = match (one.saw.as_str(), one.asks.as_str()) {
        ("", "") if rule.starts_with("rule ") || rule.starts_with("type rule ") => ": it is for everybody".to_owned(),
        ("", asks) => words::comment(asks),
        (saw, _) => words::comment(saw),
    };
    let is_composite = one.rule.starts_with("composite role ") && !one.rule.contains(" / ");
    let request = one.rule.strip_prefix("request ");
    let period = one.period.unwrap_or_default();
    let instead_of = |by: &str| {
        let by = by.strip_prefix(prefix).unwrap_or(by);
        (CauseKind::Overridden, format!("{rule} would give it, and {by} counts instead{saw}"))
    };
    let (kind, sentence) = match &one.finding {
        Finding::Gives if period.is_future(now) => {
            (CauseKind::NotYet, format!("{rule} gives it from {} on{saw}", words::from(period)))
        }
        Finding::Gives if period.is_over(now) => {
            (CauseKind::Over, format!("{rule} gave it until {}{saw}", words::until(period)))
        }
        Finding::Gives if denied_by.is_some() => instead_of(denied_by.unwrap_or_default()),
        Finding::Gives => {
            let kind = match (request, is_composite) {
                (Some(_), _) => CauseKind::GivenByRequest,
                (None, true) => CauseKind::GivenByRole,
                (None, false) if one.rule.ends_with("grace period") => CauseKind::Prolonged,
                (None, false) => CauseKind::GivenByRule,
            };
            // That a composite role gives it is what its saw says.
            let saw = if is_composite { "" } else { &saw };
            (kind, format!("{rule} gives it{}{saw}", words::while_it_lasts(period)))
        }
        Finding::DoesNotApply if is_composite => {
            (CauseKind::RuleDoesNotApply, format!("{rule} would give it, and the owner does not have that"))
        }
        Finding::DoesNotApply if one.unmet.is_empty() && one.asks.contains(" == ") => {
            (CauseKind::RuleDoesNotApply, format!("{rule} finds nothing{saw}"))
        }
        Finding::DoesNotApply if one.unmet.is_empty() => {
            (CauseKind::RuleDoesNotApply, format!("{rule} does not apply{saw}"))
        }
        Finding::DoesNotApply => {
            (CauseKind::RuleDoesNotApply, format!("{rule} does not apply: {}", one.unmet.join("; ")))
        }
        Finding::NotNow => (CauseKind::NotYet, format!("{rule} counts at another time{}", when(one.period))),
        Finding::Denies if period.is_future(now) => {
            (CauseKind::NotYet, format!("{rule} denies it from {} on{saw}", words::from(period)))
        }
        Finding::Denies if period.is_over(now) => {
            (CauseKind::Over, format!("{rule} denied it until {}{saw}", words::until(period)))
        }
        Finding::Denies if request.is_some() => {
            (CauseKind::DeniedByRequest, format!("{rule} took it away{}{saw}", words::while_it_lasts(period)))
        }
        Finding::Denies => (CauseKind::DeniedByRule, format!("{rule} denies it{saw}")),
        Finding::Overridden { by } => instead_of(by),
        Finding::Failed(failure) => {
            let input = if failure.input.is_empty() { String::new() } else { format!(", on {}", failure.input) };
            (CauseKind::RuleFailed, format!("{rule} failed: {}{input}", failure.message))
        }
    };
    Cause::new(kind, sentence).about(request.unwrap_or_default())
}

fn when(period: Option<Period>) -> String {
    match period {
        None => ", never for this owner".to_owned(),
        Some(Period { from: None, until: None }) => String::new(),
        Some(Period { from, until }) => {
            let from = from.map(|from| format!(" from {}", words::at(from))).unwrap_or_default();
            let until = until.map(|until| format!(" until {}", words::at(until))).unwrap_or_default();
            format!(":{from}{until}")
        }
    }
}

/// The most decisive first; of what is had, without the rules that had no part in it.
pub(super) fn decisive(mut causes: Vec<Cause>, standing: Standing) -> Vec<Cause> {
    if matches!(standing, Standing::Has | Standing::Waits) {
        let had_no_part = |kind| {
            use CauseKind as K;
            matches!(kind, K::RuleDoesNotApply | K::NoRule | K::Requestable | K::NotYet | K::Over | K::RequestOver)
        };
        causes.retain(|cause| !had_no_part(cause.kind));
    }
    causes.sort_by_key(|cause| cause.kind);
    causes
}

impl Ask<'_> {
    /// Whether people can ask for it.
    pub(super) fn requestable(approval: Approval) -> Cause {
        let sentence = match approval {
            Approval::NotAllowed => "nobody can ask for it".to_owned(),
            Approval::Steps(0) => "it can be asked for, and needs no approval".to_owned(),
            Approval::Steps(steps) => {
                format!("it can be asked for, and needs {}", words::counted(steps as usize, "approval"))
            }
        };
        Cause::new(CauseKind::Requestable, sentence)
    }
}
