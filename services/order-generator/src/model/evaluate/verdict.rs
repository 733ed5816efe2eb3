//! What rules say of one thing over time: when it is given, when nobody knows, and why.
//!
//! The rule that must hold: what is known to be given is given, whatever else failed; what is known to be
//! denied is not, whatever gives it; and a failure counts only where it decides.

use super::spans::{Span, Spans};
use provost_domain::{Period, Reason, RuleFailure, WorkflowState};

/// What one rule says.
#[derive(Clone, Debug, Default)]
pub(super) struct Judged {
    /// When it holds.
    pub(super) given: Spans,
    /// When nobody knows.
    pub(super) unknown: Spans,
    /// Why nobody knows; there when `unknown` is not empty.
    pub(super) failure: Option<Box<RuleFailure>>,
    /// The first context in which it holds, by place.
    pub(super) context: Option<usize>,
}

impl Judged {
    pub(super) const fn is_refused(&self) -> bool {
        self.given.is_empty() && self.unknown.is_empty()
    }

    /// The failure that leaves nobody knowing whether it is given now; or ever, when nothing is known to give it.
    pub(super) fn failure_at(&self, now: i64) -> Option<&RuleFailure> {
        let decides = self.given.is_empty() || self.unknown.contains(now);
        self.failure.as_deref().filter(|_| decides)
    }

    /// When both hold; where one is known not to hold, nothing else matters.
    pub(super) fn and(self, other: &Self) -> Self {
        let given = self.given.and(&other.given);
        if self.unknown.is_empty() && other.unknown.is_empty() {
            return Self { given, context: self.context.or(other.context), ..Self::default() };
        }
        let either = |one: &Self| {
            let mut all = one.given.clone();
            all.or(&one.unknown);
            all
        };
        let unknown = either(&self).and(&either(other)).without(&given);
        let failure = self.failure.or_else(|| other.failure.clone());
        let context = self.context.or(other.context);
        Self { given, failure: failure.filter(|_| !unknown.is_empty()), unknown, context }
    }

    /// When this holds and the other does not.
    pub(super) fn unless(self, denied: &Self) -> Self {
        if denied.is_refused() {
            return self;
        }
        let left = self.given.without(&denied.given);
        let given = left.without(&denied.unknown);
        let mut unknown = self.unknown.without(&denied.given);
        unknown.or(&left.and(&denied.unknown));
        let failure = self.failure.or_else(|| denied.failure.clone());
        Self { given, failure: failure.filter(|_| !unknown.is_empty()), unknown, context: self.context }
    }

    /// Adds what another rule says that gives the same.
    pub(super) fn or(&mut self, other: Self) {
        self.given.or(&other.given);
        self.unknown.or(&other.unknown);
        if self.failure.is_none() {
            self.failure = other.failure;
        }
    }

    /// The same, at the times of which another rule speaks that counts earlier or later.
    pub(super) fn moved(&self, of: impl Fn(Span) -> Span) -> Self {
        let all = |spans: &Spans| {
            let mut moved = Spans::default();
            spans.iter().for_each(|span| moved.add(of(span)));
            moved
        };
        let given = all(&self.given);
        Self {
            unknown: all(&self.unknown).without(&given),
            given,
            failure: self.failure.clone(),
            context: self.context,
        }
    }
}

/// Something that gave a role or a resource type.
#[derive(Clone, Debug)]
struct Origin {
    workflow: WorkflowState,
    given: Spans,
    why: Vec<Reason>,
}

/// What all that speaks of a role or a resource type say together.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    pub(super) judged: Judged,
    origins: Vec<Origin>,
}

/// How it came to be, for the time that counts.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) span: Span,
    pub(super) workflow: WorkflowState,
    pub(super) why: Vec<Reason>,
}

impl Given {
    pub(super) fn period(&self) -> Period {
        self.span.into()
    }
}

impl Verdict {
    /// Adds what one rule, role or person gives; `why` is asked only when that adds something.
    pub(super) fn gain(&mut self, judged: Judged, workflow: WorkflowState, why: impl FnOnce() -> Vec<Reason>) {
        if !self.judged.given.covers(&judged.given) {
            self.origins.push(Origin { workflow, given: judged.given.clone(), why: why() });
        }
        self.judged.or(judged);
    }

    /// Takes away what is denied, and forgets failures that decide nothing.
    pub(super) fn settle(&mut self, denied: &Judged) {
        let mut judged = std::mem::take(&mut self.judged);
        if !judged.unknown.is_empty() {
            judged.unknown = judged.unknown.without(&judged.given);
        }
        // Before what is denied is looked at: a rule that failed where another one gives it anyway decides nothing, and
        // is not even judged when nobody asks why.
        judged.failure = judged.failure.filter(|_| !judged.unknown.is_empty());
        judged = judged.unless(denied);
        judged.failure = judged.failure.filter(|_| !judged.unknown.is_empty());
        self.judged = judged;
    }

    /// When and how it is given, for the time that counts: that of now, else the next, else the last.
    pub(super) fn outcome(&self, now: i64) -> Option<(Span, WorkflowState)> {
        let span = self.judged.given.chosen(now)?;
        let counting = self.origins.iter().filter(|origin| origin.given.overlaps(span));
        let workflow = counting.map(|origin| origin.workflow).min_by_key(|workflow| rank(*workflow));
        Some((span, workflow.unwrap_or(WorkflowState::Calculated)))
    }

    /// As [`Verdict::outcome`], with why; none when it is never given.
    pub(super) fn into_given(self, now: i64) -> (Judged, Option<Given>) {
        let given = self.outcome(now).map(|(span, workflow)| {
            let mut counting = self.origins.into_iter().filter(|origin| origin.given.overlaps(span));
            let mut why = counting.next().map(|origin| origin.why).unwrap_or_default();
            counting.for_each(|origin| why.extend(origin.why));
            Given { span, workflow, why }
        });
        (self.judged, given)
    }
}

/// What is given by several shows the one that comes first here: what rules give stays without anybody's decision.
const fn rank(workflow: WorkflowState) -> u8 {
    match workflow {
        WorkflowState::Calculated => 0,
        WorkflowState::GivenByARole => 1,
        WorkflowState::Prolonged => 3,
        _ => 2,
    }
}
