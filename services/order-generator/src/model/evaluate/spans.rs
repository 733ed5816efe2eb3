//! Sets of instants: when something is given, when nobody knows.
//!
//! The rule that must hold: a set has one form, whatever it was made from and in whatever order: its
//! spans are sorted, none is empty, and no two touch.

use crate::model::catalog::{Offset, OffsetReference};
use provost_domain::{Period, Timestamp};
use std::cmp::{max, min};

pub(super) const MINUTE_MS: i64 = 60_000;
/// Before any instant: the beginning of what has always been.
const ALWAYS: i64 = i64::MIN;
/// After any instant: the end of what has none.
const FOREVER: i64 = i64::MAX;

/// From the first instant up to but without the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) from: i64,
    pub(super) until: i64,
}

impl Span {
    /// All of time.
    pub(super) const ALL: Self = Self { from: ALWAYS, until: FOREVER };

    pub(super) const fn is_empty(self) -> bool {
        self.from >= self.until
    }

    pub(super) const fn contains(self, instant: i64) -> bool {
        self.from <= instant && instant < self.until
    }

    fn and(self, other: Self) -> Self {
        Self { from: max(self.from, other.from), until: min(self.until, other.until) }
    }

    /// From the earlier beginning to the later end.
    pub(super) fn hull(self, other: Self) -> Self {
        if other.is_empty() {
            return self;
        }
        Self { from: min(self.from, other.from), until: max(self.until, other.until) }
    }

    /// The instant of this span that is nearest.
    pub(super) fn nearest(self, instant: i64) -> i64 {
        max(self.from, min(instant, self.until.saturating_sub(1)))
    }

    /// When a rule counts that else would count for this span.
    pub(super) fn moved(self, offset: Offset) -> Self {
        let (before, after) =
            (i64::from(offset.before_minutes) * MINUTE_MS, i64::from(offset.after_minutes) * MINUTE_MS);
        let earlier = |instant: i64| if instant == ALWAYS { ALWAYS } else { instant.saturating_sub(before) };
        let later = |instant: i64| if instant == FOREVER { FOREVER } else { instant.saturating_add(after) };
        // Around an end that never comes there is nothing.
        let around = |end: i64| match end {
            ALWAYS | FOREVER => Self { from: 0, until: 0 },
            end => Self { from: earlier(end), until: later(end) },
        };
        match offset.reference {
            OffsetReference::Default => self,
            OffsetReference::Around => Self { from: earlier(self.from), until: later(self.until) },
            OffsetReference::Before => around(self.from),
            OffsetReference::After => around(self.until),
        }
    }
}

impl From<Period> for Span {
    fn from(period: Period) -> Self {
        Self {
            from: period.from.map_or(ALWAYS, Timestamp::millis),
            until: period.until.map_or(FOREVER, Timestamp::millis),
        }
    }
}

impl From<Span> for Period {
    fn from(span: Span) -> Self {
        let instant = |instant: i64| (instant != ALWAYS && instant != FOREVER).then(|| Timestamp::from_millis(instant));
        Self { from: instant(span.from), until: instant(span.until) }
    }
}

/// A set of instants. Most have one span, and that one needs no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spans {
    first: Option<Span>,
    rest: Vec<Span>,
}

impl Spans {
    pub(super) fn of(span: Span) -> Self {
        Self { first: (!span.is_empty()).then_some(span), rest: Vec::new() }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Span> + '_ {
        self.first.iter().chain(&self.rest).copied()
    }

    pub(super) fn contains(&self, instant: i64) -> bool {
        self.iter().any(|span| span.contains(instant))
    }

    pub(super) fn add(&mut self, span: Span) {
        if span.is_empty() || self.iter().any(|own| own.from <= span.from && span.until <= own.until) {
            return;
        }
        if self.first.is_none() {
            self.first = Some(span);
            return;
        }
        let mut all: Vec<Span> = self.iter().chain([span]).collect();
        all.sort_unstable();
        *self = Self::default();
        for span in all {
            let last = if self.rest.is_empty() { self.first.as_mut() } else { self.rest.last_mut() };
            match last {
                Some(last) if span.from <= last.until => last.until = max(last.until, span.until),
                Some(_) => self.rest.push(span),
                None => self.first = Some(span),
            }
        }
    }

    pub(super) fn or(&mut self, other: &Self) {
        for span in other.iter() {
            self.add(span);
        }
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        let mut both = Self::default();
        for a in self.iter() {
            for b in other.iter() {
                both.add(a.and(b));
            }
        }
        both
    }

    pub(super) fn without(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        let mut left: Vec<Span> = self.iter().collect();
        for taken in other.iter() {
            left = left
                .into_iter()
                .flat_map(|span| {
                    [
                        Span { from: span.from, until: min(span.until, taken.from) },
                        Span { from: max(span.from, taken.until), until: span.until },
                    ]
                })
                .filter(|span| !span.is_empty())
                .collect();
        }
        let mut spans = Self::default();
        for span in left {
            spans.add(span);
        }
        spans
    }

    pub(super) fn covers(&self, other: &Self) -> bool {
        other.iter().all(|span| self.iter().any(|own| own.from <= span.from && span.until <= own.until))
    }

    pub(super) fn overlaps(&self, span: Span) -> bool {
        self.iter().any(|own| !own.and(span).is_empty())
    }

    /// The span that counts: the one of now, else the next one, else the last.
    pub(super) fn chosen(&self, now: i64) -> Option<Span> {
        let coming = self.iter().find(|span| now < span.until);
        coming.or_else(|| self.iter().last())
    }
}

/// Finds the first instant after now at which something begins or ends.
#[derive(Debug)]
pub(super) struct Edges {
    now: i64,
    next: std::cell::Cell<i64>,
}

impl Edges {
    pub(super) const fn after(now: i64) -> Self {
        Self { now, next: std::cell::Cell::new(FOREVER) }
    }

    pub(super) fn at(&self, instant: i64) {
        if instant > self.now && instant < self.next.get() {
            self.next.set(instant);
        }
    }

    pub(super) fn span(&self, span: Span) {
        self.at(span.from);
        self.at(span.until);
    }

    pub(super) fn spans(&self, spans: &Spans) {
        spans.iter().for_each(|span| self.span(span));
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        let next = self.next.get();
        (next != FOREVER).then(|| Timestamp::from_millis(next))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    fn span(from: i64, until: i64) -> Span {
        Span { from, until }
    }

    fn spans(of: &[(i64, i64)]) -> Spans {
        let mut spans = Spans::default();
        of.iter().for_each(|(from, until)| spans.add(span(*from, *until)));
        spans
    }

    #[test]
    fn the_one_of_now_counts_then_the_next_then_the_last() {
        let two = spans(&[(10, 20), (30, 40)]);
        for (now, from) in [(5, 10), (10, 10), (19, 10), (20, 30), (35, 30), (40, 30), (99, 30)] {
            assert_eq!(two.chosen(now).unwrap().from, from, "{now}");
        }
        assert_eq!(Spans::default().chosen(1), None);
    }

    #[test]
    fn spans_that_touch_are_one() {
        assert_eq!(spans(&[(20, 30), (10, 20)]), spans(&[(10, 30)]));
        assert_eq!(spans(&[(10, 20), (21, 30)]).iter().count(), 2);
    }

    #[test]
    fn offsets_move_the_ends_and_an_open_end_has_no_before_and_after() {
        let offset = |reference, before_minutes, after_minutes| Offset { reference, before_minutes, after_minutes };
        let minutes = |from: i64, until: i64| span(from * MINUTE_MS, until * MINUTE_MS);
        let base = minutes(100, 200);
        assert_eq!(base.moved(offset(OffsetReference::Default, 9, 9)), base);
        assert_eq!(base.moved(offset(OffsetReference::Around, 10, 20)), minutes(90, 220));
        assert_eq!(base.moved(offset(OffsetReference::Before, 10, 20)), minutes(90, 120));
        assert_eq!(base.moved(offset(OffsetReference::After, 10, 20)), minutes(190, 220));
        for reference in [OffsetReference::Before, OffsetReference::After] {
            assert!(Span::ALL.moved(offset(reference, 10, 20)).is_empty());
        }
        assert_eq!(Span::ALL.moved(offset(OffsetReference::Around, 10, 20)), Span::ALL);
    }

    #[test]
    fn edges_find_the_next_instant() {
        let edges = Edges::after(15);
        edges.spans(&spans(&[(10, 20), (30, 40)]));
        edges.span(Span::ALL);
        assert_eq!(edges.next(), Some(Timestamp::from_millis(20)));
        assert_eq!(Edges::after(15).next(), None);
    }

    fn any_spans() -> impl Strategy<Value = Vec<(i64, i64)>> {
        proptest::collection::vec((0_i64..30, 0_i64..30), 0..6)
    }

    proptest! {
        /// The sets are what they say, instant by instant.
        #[test]
        fn the_algebra_is_that_of_instants(a in any_spans(), b in any_spans(), at in -2_i64..32) {
            let has = |of: &[(i64, i64)]| of.iter().any(|(from, until)| *from <= at && at < *until);
            let (x, y) = (spans(&a), spans(&b));
            prop_assert_eq!(x.contains(at), has(&a));
            prop_assert_eq!(x.and(&y).contains(at), has(&a) && has(&b));
            prop_assert_eq!(x.without(&y).contains(at), has(&a) && !has(&b));
            let mut both = x.clone();
            both.or(&y);
            prop_assert_eq!(both.contains(at), has(&a) || has(&b));
            prop_assert!(both.covers(&x) && both.covers(&y));
            let mut reversed = a.clone();
            reversed.reverse();
            prop_assert_eq!(spans(&reversed), x);
        }
    }
}
