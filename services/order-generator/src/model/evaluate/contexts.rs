//! Step 1: the contexts of an owner: when it counts, and by which dimensions rules tell owners apart.
//!
//! Without positions the owner is its own only context; with positions there is one for each, and without
//! any the owner never counts. The rule that must hold: a context of which something cannot be told fails,
//! it is not an empty one.

use super::Evaluation;
use super::explain::failure;
use super::spans::{Span, Spans};
use crate::model::catalog::{EntityType, Name};
use crate::model::expression::{Expression, Session};
use crate::model::resource::Resource;
use provost_domain::{Period, RuleFailure, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;

/// One context of an owner.
pub(super) struct Context<'a> {
    /// The position behind it, if contexts have positions.
    pub(super) position: Option<&'a Resource>,
    /// Evaluates what is said of this context.
    pub(super) session: &'a Session<'a>,
    pub(super) period: Period,
    pub(super) span: Span,
    /// By place in the catalog.
    pub(super) dimensions: Vec<Result<Option<String>, Box<RuleFailure>>>,
    /// Why its period or one of its dimensions cannot be told.
    pub(super) failure: Option<Box<RuleFailure>>,
}

/// All contexts of an owner.
pub(super) struct Contexts<'a> {
    pub(super) all: Vec<Context<'a>>,
    /// When any of them counts.
    pub(super) spans: Spans,
    /// The one that values are read from: that of now which began last, else the next, else the last.
    pub(super) main: Option<usize>,
}

impl Context<'_> {
    /// The value of a dimension; a dimension of which the context rule does not speak has none.
    pub(super) fn dimension(&self, place: usize) -> Result<Option<&str>, &RuleFailure> {
        match self.dimensions.get(place) {
            Some(Ok(value)) => Ok(value.as_deref()),
            Some(Err(failure)) => Err(failure),
            None => Ok(None),
        }
    }
}

impl<'a> Contexts<'a> {
    /// `sessions` are those of the positions, in their order; or the owner's only one.
    pub(super) fn of(
        entity_type: &'a EntityType,
        dimensions: &[Name],
        positions: Option<&[&'a Resource]>,
        sessions: &'a [Session<'a>],
        now: i64,
    ) -> Self {
        let all: Vec<Context<'a>> = match positions {
            None => sessions.iter().take(1).map(|session| context(entity_type, dimensions, None, session)).collect(),
            Some(positions) => positions
                .iter()
                .zip(sessions)
                .map(|(position, session)| context(entity_type, dimensions, Some(*position), session))
                .collect(),
        };
        let mut spans = Spans::default();
        all.iter().for_each(|context| spans.add(context.span));
        let main = main(&all, now);
        Self { all, spans, main }
    }

    /// When the owner counts.
    pub(super) fn period(&self, now: i64) -> Period {
        match self.spans.chosen(now) {
            Some(span) => span.into(),
            // Contexts that end when they begin are still told as they are.
            None => self.all.last().map(|context| context.period).unwrap_or_default(),
        }
    }

    /// Each dimension with each value that a context has of it; without one where it cannot be told.
    pub(super) fn told(&self, names: &[Name]) -> BTreeSet<(Name, Option<String>)> {
        let told = |(name, value): (&Name, &Result<Option<String>, _>)| match value {
            Ok(Some(value)) => Some((Arc::clone(name), Some(value.clone()))),
            Ok(None) => None,
            Err(_) => Some((Arc::clone(name), None)),
        };
        self.all.iter().flat_map(|context| names.iter().zip(&context.dimensions).filter_map(told)).collect()
    }

    /// The first failure; it costs all that the owner has.
    pub(super) fn failure(&self) -> Option<&RuleFailure> {
        self.all.iter().find_map(|context| context.failure.as_deref())
    }
}

/// Positions come by key, so of two that are alike the one with the lower key is found.
fn main(all: &[Context<'_>], now: i64) -> Option<usize> {
    let best = |is_one: &dyn Fn(&Span) -> bool, order: &dyn Fn(&Span) -> i64| {
        let candidates = all.iter().enumerate().filter(|(_, context)| is_one(&context.span));
        candidates.min_by_key(|(place, context)| (order(&context.span), *place)).map(|(place, _)| place)
    };
    best(&|span| span.contains(now), &|span| -span.from.max(-i64::MAX))
        .or_else(|| best(&|span| span.from > now && !span.is_empty(), &|span| span.from))
        .or_else(|| best(&|_| true, &|span| -span.until.max(-i64::MAX)))
}

fn context<'a>(
    entity_type: &'a EntityType,
    names: &[Name],
    position: Option<&'a Resource>,
    session: &'a Session<'a>,
) -> Context<'a> {
    let time_zone = session.scope().catalog().policy().time_zone;
    let mut made = Context {
        position,
        session,
        period: Period::default(),
        span: Span::ALL,
        dimensions: Vec::new(),
        failure: None,
    };
    let Some(rule) = &entity_type.context else { return made };
    let wrong = |what: &str, expression: &Expression, message: String| {
        let rule = format!("context of {} / {what}", entity_type.name);
        Box::new(failure(session.scope(), rule, None, expression, false, message))
    };
    let instant = |bound: &str, expression: &Option<Expression>| -> Result<Option<Timestamp>, Box<RuleFailure>> {
        let Some(expression) = expression else { return Ok(None) };
        let instant = expression.instant(session).map_err(|message| wrong(bound, expression, message))?;
        Ok(instant.map(|at| time_zone.due(at)))
    };
    let from = instant("valid_from", &rule.valid_from);
    let until = instant("valid_until", &rule.valid_until);
    match (from, until) {
        (Ok(Some(from)), Ok(Some(until))) if until < from => {
            let message = format!("the period ends ({until}) before it begins ({from})");
            made.failure = rule.valid_until.as_ref().map(|expression| wrong("valid_until", expression, message));
        }
        (Ok(from), Ok(until)) => made.period = Period { from, until },
        (Err(failure), _) | (_, Err(failure)) => made.failure = Some(failure),
    }
    made.span = made.period.into();
    if !rule.dimensions.is_empty() {
        made.dimensions = names.iter().map(|_| Ok(None)).collect();
    }
    for (place, expression) in &rule.dimensions {
        let value = expression.text(session).map_err(|message| {
            let name = names.get(*place).map_or("", |name| name);
            wrong(&format!("dimension {name}"), expression, message)
        });
        if let Err(failure) = &value
            && made.failure.is_none()
        {
            made.failure = Some(failure.clone());
        }
        if let Some(slot) = made.dimensions.get_mut(*place) {
            *slot = value;
        }
    }
    made
}

impl<'a> Evaluation<'a> {
    /// The session in which what is said of the owner's main position is evaluated.
    pub(super) fn main(&self) -> &'a Session<'a> {
        let main = self.contexts.main.and_then(|place| self.contexts.all.get(place));
        main.map_or(self.owner, |context| context.session)
    }
}
