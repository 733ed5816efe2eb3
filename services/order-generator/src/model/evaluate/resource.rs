//! Step 2, second half: one resource type for one owner: whether it is given and when, and which key and values
//! its resource shall have. Links are in `links`, arguments in `arguments`.
//!
//! The rule that must hold: a resource says what it shall be at one instant: now, or when its time begins, or
//! before it ended.

use super::Evaluation;
use super::explain::{failure, inputs};
use super::links::Link;
use super::rules::PropertyPlan;
use super::spans::{Span, Spans};
use super::trace::{Considered, Finding, Outcome};
use super::verdict::{Judged, Verdict};
use crate::model::catalog::{EntityType, Offset, OffsetReference, Property, ResourceType, ScalarRule};
use crate::model::expected::{ExpectedResource, ExpectedValue};
use crate::model::grant::{Grant, Granted};
use provost_domain::{Period, RuleFailure, Value, WorkflowState};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most characters of a key; what the contract takes.
const KEY_MAX: usize = 500;

/// When a resource is there.
pub(super) struct Time {
    /// When something gives it.
    pub(super) base: Spans,
    /// The instant of which its values speak.
    pub(super) at: i64,
    /// The instant of `base` that is nearest to that.
    pub(super) near: i64,
}

impl Time {
    /// Whether something gives the resource at the instant of which its values speak.
    pub(super) const fn is_given(&self) -> bool {
        self.at == self.near
    }
}

/// Adds what one rule with an offset says of a set of instants.
pub(super) fn moved(spans: &Spans, offset: Offset) -> Spans {
    let mut moved = Spans::default();
    spans.iter().for_each(|span| moved.add(span.moved(offset)));
    moved
}

impl Evaluation<'_> {
    /// The resource that rules and people give; none when they give none.
    pub(super) fn resource(
        &self,
        place: usize,
        resource_type: &ResourceType,
        types: &[u32],
        links: &[u32],
    ) -> Option<ExpectedResource> {
        let catalog = self.ground.catalog;
        let target = catalog.entity_type(&resource_type.target)?;
        let plan = catalog.rules().plan(place)?;
        let verdict = self.resource_type(resource_type, types);
        if verdict.judged.is_refused() {
            return None;
        }
        let (judged, given) = verdict.into_given(self.now);
        let mut failed = judged.failure_at(self.now).cloned();
        let mut base = judged.given;
        if failed.is_some() {
            base.or(&judged.unknown);
        }
        let links = self.judge_links(resource_type, links);
        let hulls = match plan.has_offsets {
            true => self.extended(resource_type, &base, &links),
            false => vec![],
        };
        let mut extended = base.clone();
        hulls.iter().for_each(|(_, hull)| extended.add(*hull));
        let span = extended.chosen(self.now)?;
        let at = span.nearest(self.now);
        let near = match base.contains(at) {
            true => at,
            // Of two that keep the resource, the one that is to come.
            false => hulls.iter().rev().find(|(_, hull)| hull.contains(at)).map_or(at, |(given, _)| given.nearest(at)),
        };
        let time = Time { base, at, near };
        self.note(resource_type, &extended, span);
        let is_given_when = given.as_ref().map_or_else(|| Period::from(span), super::verdict::Given::period);
        let (workflow, why) = match given {
            Some(given) if failed.is_none() => (given.workflow, given.why),
            _ => (WorkflowState::Calculated, vec![]),
        };
        let mut expected = ExpectedResource {
            resource_type: Arc::clone(&resource_type.name),
            period: Period::from(span),
            given: is_given_when,
            workflow,
            target_key: String::new(),
            values: BTreeMap::new(),
            arguments: BTreeMap::new(),
            at_deletion: BTreeMap::new(),
            why,
            failure: None,
            open: None,
            waits_for: None,
            slot: String::new(),
            correlated: None,
            candidates: vec![],
            behind: None,
            refused: None,
        };
        // Without a context, or without its type or its key, nobody knows what the owner shall have. Any other rule that
        // fails leaves open what it speaks of.
        let mut is_certain = failed.is_none() && self.contexts.failure().is_none();
        let mut open = BTreeSet::new();
        // The key comes first: an order in state 7 belongs to the lane of its resource, if that is known.
        for property in &plan.scalars {
            let found = self.scalar(resource_type, target, property, &time);
            match found {
                Ok(Some((key, value))) => {
                    if let Some(key) = key {
                        expected.target_key = key;
                    }
                    if let Some(property) = target.properties.get(property.property) {
                        expected.values.insert(Arc::clone(&property.name), value);
                    }
                }
                Ok(None) => {}
                Err(wrong) => {
                    is_certain &= !property.is_key;
                    open.extend(target.properties.get(property.property).map(|property| Arc::clone(&property.name)));
                    failed = failed.or(Some(wrong));
                }
            }
        }
        failed = failed.or(self.links(target, plan, &links, &time, &mut expected, &mut open).err());
        failed = failed.or(self.queries(resource_type, target, plan, &time, &mut expected, &mut open).err());
        failed = failed.or(self.arguments(resource_type, &mut expected).err());
        failed = failed.or(self.wait(resource_type, &mut expected).err());
        expected.failure = self.contexts.failure().cloned().or(failed);
        expected.open = (is_certain && expected.failure.is_some()).then_some(open);
        Some(expected)
    }

    /// Whether a resource type is given, and when.
    fn resource_type(&self, resource_type: &ResourceType, candidates: &[u32]) -> Verdict {
        let matcher = &self.rules.types;
        let mut seen = self.recorder.map(|_| Vec::new());
        let mut verdict = Verdict::default();
        let mut deniers = Vec::new();
        let mut considered = Vec::new();
        // What a rule gives by itself is Calculated, also where a rule before it gives it by a role.
        for is_by_role in [false, true] {
            for candidate in candidates {
                let Some(at) = matcher.rule(*candidate) else { continue };
                let Some(rule) = resource_type.type_rules.get(at.number) else { continue };
                if rule.role.is_some() != is_by_role {
                    continue;
                }
                if rule.denied {
                    deniers.push((at, rule));
                    continue;
                }
                let is_moved = rule.offset.reference != OffsetReference::Default;
                if seen.is_none() && !is_moved && verdict.judged.given.covers(&self.contexts.spans) {
                    continue;
                }
                let held = self.judge_with_role(rule.role.as_ref(), &rule.criteria, &at.name);
                let judged = if is_moved { held.moved(|span| span.moved(rule.offset)) } else { held.clone() };
                if seen.is_some() {
                    let name = at.name.to_string();
                    let one = self.considered(name, rule.role.as_ref(), &rule.criteria, &judged, false);
                    considered.push((at.number, one));
                }
                let workflow = if is_by_role { WorkflowState::GivenByARole } else { WorkflowState::Calculated };
                verdict.gain(judged, workflow, || self.why(rule.role.as_ref(), &rule.criteria, &at.name, &held));
            }
        }
        deniers.sort_by_key(|(at, _)| at.number);
        considered.sort_by_key(|(number, _)| *number);
        if let Some(seen) = &mut seen {
            seen.extend(considered.into_iter().map(|(_, one)| one));
        }
        let mut denied = Judged::default();
        for (at, rule) in deniers {
            // What the owner had may be kept for a while, unless it is denied.
            let had = || self.had_type(&resource_type.name).is_some();
            let may_be_had = !verdict.judged.is_refused() || self.has_grants || had();
            if seen.is_none() && !may_be_had {
                continue;
            }
            let judged = self.judge_with_role(rule.role.as_ref(), &rule.criteria, &at.name);
            let judged = judged.moved(|span| span.moved(rule.offset));
            if let Some(seen) = &mut seen {
                seen.push(self.considered(at.name.to_string(), rule.role.as_ref(), &rule.criteria, &judged, true));
            }
            denied.or(judged);
        }
        let is_it = |grant: &&Grant| matches!(&grant.what, Granted::ResourceType(name) if *name == resource_type.name);
        self.grants(is_it, &mut verdict, &mut denied, &mut seen);
        verdict.settle(&denied);
        self.grace_of_type(resource_type, &mut verdict, &denied, &mut seen);
        self.edges.spans(&verdict.judged.given);
        self.edges.spans(&verdict.judged.unknown);
        if let (Some(recorder), Some(considered)) = (self.recorder, seen) {
            let outcome = Outcome::of(&verdict, self.now);
            recorder.resource_type(resource_type, outcome, super::roles::overridden(considered), self.now);
        }
        verdict
    }

    /// When the resource is there: while something gives it, and while rules with offsets speak of it; each
    /// time that something gives it, and how far that reaches.
    fn extended(&self, resource_type: &ResourceType, base: &Spans, links: &[Link<'_>]) -> Vec<(Span, Span)> {
        let is_moved = |offset: &Offset| offset.reference != OffsetReference::Default;
        let scalars = resource_type.scalar_rules.iter().map(|rule| rule.offset);
        let offsets: Vec<Offset> =
            scalars.chain(resource_type.query_rules.iter().map(|rule| rule.offset)).filter(is_moved).collect();
        let reaches = |given: Span| {
            let mut hull = given;
            for offset in &offsets {
                // Each rule begins and ends to count at instants of its own.
                self.edges.span(given.moved(*offset));
                hull = hull.hull(given.moved(*offset));
            }
            for link in links.iter().filter(|link| is_moved(&link.rule.offset)) {
                let within = |spans: &Spans| spans.and(&Spans::of(given));
                within(&link.judged.unknown).iter().for_each(|own| self.edges.span(own.moved(link.rule.offset)));
                for own in within(&link.judged.given).iter() {
                    self.edges.span(own.moved(link.rule.offset));
                    // What denies a link keeps no resource.
                    if !link.rule.denied {
                        hull = hull.hull(own.moved(link.rule.offset));
                    }
                }
            }
            self.edges.span(hull);
            (given, hull)
        };
        base.iter().map(reaches).collect()
    }

    fn note(&self, resource_type: &ResourceType, extended: &Spans, span: Span) {
        self.edges.spans(extended);
        let ahead = i64::from(resource_type.fulfill_ahead_hours) * 3_600_000;
        if ahead > 0 {
            self.edges.at(span.from.saturating_sub(ahead));
        }
    }

    /// Which rule of a property counts, by its place among the rules of the plan.
    ///
    /// Where nothing gives the resource, because an offset only keeps it, what has no offset counts as long
    /// as nothing that has one does: an account has a name before its owner's time begins.
    pub(super) fn counting(&self, plan: &PropertyPlan, offset: impl Fn(usize) -> Offset, time: &Time) -> Vec<bool> {
        let is_default = |number: usize| offset(number).reference == OffsetReference::Default;
        let is_in_time = |number: usize| moved(&time.base, offset(number)).contains(time.at);
        let others = || plan.rules.iter().any(|(number, _)| !is_default(*number) && is_in_time(*number));
        let default_counts = time.is_given() || !others();
        let counts = |number: usize| if is_default(number) { default_counts } else { is_in_time(number) };
        plan.rules.iter().map(|(number, _)| counts(*number)).collect()
    }

    /// The value of a scalar property, and the key if it is the key's; none when no rule speaks of it now.
    fn scalar(
        &self,
        resource_type: &ResourceType,
        target: &EntityType,
        plan: &PropertyPlan,
        time: &Time,
    ) -> Result<Option<(Option<String>, ExpectedValue)>, RuleFailure> {
        let Some(property) = target.properties.get(plan.property) else { return Ok(None) };
        let rule = |number: usize| resource_type.scalar_rules.get(number);
        let offset = |number: usize| rule(number).map(|rule| rule.offset).unwrap_or_default();
        let is_single = matches!(plan.rules.as_slice(), [(number, _)] if offset(*number) == Offset::default());
        let counts = if is_single { vec![] } else { self.counting(plan, offset, time) };
        let counts = |place: usize| is_single || counts.get(place).copied().unwrap_or(false);
        let last = (0..plan.rules.len()).rev().find(|place| counts(*place));
        let is_used = |place: usize| counts(place) && (property.multi_valued || last == Some(place));
        let mut found: Option<ExpectedValue> = None;
        let mut failed = None;
        let mut seen = self.recorder.map(|_| Vec::new());
        for (place, (number, name)) in plan.rules.iter().enumerate() {
            let Some(rule) = rule(*number) else { continue };
            let finding = if is_used(place) {
                match self.evaluated(property, rule, name) {
                    Ok(value) => {
                        found = Some(match found.take() {
                            Some(before) => together(before, value),
                            None => value,
                        });
                        Finding::Gives
                    }
                    Err(wrong) => {
                        failed = failed.or(Some(wrong.clone()));
                        Finding::Failed(wrong)
                    }
                }
            } else if counts(place) {
                let by = last.and_then(|last| plan.rules.get(last)).map(|(_, name)| name.to_string());
                Finding::Overridden { by: by.unwrap_or_default() }
            } else {
                Finding::NotNow
            };
            if let Some(seen) = &mut seen {
                seen.push(self.scalar_seen(property, rule, name, finding, time));
            }
        }
        let result = match (failed, found) {
            (Some(wrong), _) => Err(wrong),
            (None, Some(value)) if plan.is_key => {
                let by = last.and_then(|last| plan.rules.get(last));
                let by = by.and_then(|(number, name)| Some((rule(*number)?, &**name)));
                self.key(property, by, value)
            }
            (None, found) => Ok(found.map(|value| (None, value))),
        };
        if let (Some(recorder), Some(seen)) = (self.recorder, seen) {
            let value = result.as_ref().ok().and_then(Option::as_ref).map(|(_, value)| value);
            recorder.property(property, value, seen, self.now);
        }
        result
    }

    fn evaluated(&self, property: &Property, rule: &ScalarRule, name: &str) -> Result<ExpectedValue, RuleFailure> {
        let is_confidential = property.sensitive || property.write_only;
        let session = self.main();
        match rule.value.value(session, property.value_type(), property.multi_valued) {
            Ok(value) => {
                let why = self.reason(name, || inputs(session.scope(), &rule.value, is_confidential));
                Ok(ExpectedValue { value, why, ..ExpectedValue::default() })
            }
            Err(message) => {
                let property = Some(&*property.name);
                Err(failure(session.scope(), name.to_owned(), property, &rule.value, is_confidential, message))
            }
        }
    }

    fn scalar_seen(
        &self,
        property: &Property,
        rule: &ScalarRule,
        name: &str,
        finding: Finding,
        time: &Time,
    ) -> Considered {
        let is_confidential = property.sensitive || property.write_only;
        let given = moved(&time.base, rule.offset);
        let saw = inputs(self.main().scope(), &rule.value, is_confidential);
        let mut seen = Considered::of(name.to_owned(), saw, &Judged { given, ..Judged::default() }, false);
        seen.finding = finding;
        seen.asking(rule.value.source().to_owned())
    }

    /// Step 5: the key by which the resource is found, or created.
    fn key(
        &self,
        property: &Property,
        by: Option<(&ScalarRule, &str)>,
        value: ExpectedValue,
    ) -> Result<Option<(Option<String>, ExpectedValue)>, RuleFailure> {
        let key = value.value.as_ref().map(Value::to_string).unwrap_or_default();
        let wrong = if key.trim().is_empty() {
            Some("the key is empty".to_owned())
        } else if key.chars().count() > KEY_MAX {
            Some(format!("the key has more than {KEY_MAX} characters"))
        } else if key.chars().any(char::is_control) {
            Some("the key holds a control character".to_owned())
        } else {
            None
        };
        match (wrong, by) {
            (Some(message), Some((rule, name))) => {
                let (scope, property) = (self.main().scope(), Some(&*property.name));
                Err(failure(scope, name.to_owned(), property, &rule.value, false, message))
            }
            _ => Ok(Some((Some(key), value))),
        }
    }

    /// What the resource needs of its owner before it is created.
    fn wait(&self, resource_type: &ResourceType, expected: &mut ExpectedResource) -> Result<(), RuleFailure> {
        let Some(needed) = &resource_type.depends_on_owner_property else { return Ok(()) };
        let Some(place) = self.entity_type.place(needed) else { return Ok(()) };
        match self.owner.scope().value_at(self.facts, place) {
            Ok(Some(value)) if value.as_str() != Some("") && !value.items().is_empty() => {}
            Ok(_) => {
                let owner = &self.entity_type.name;
                expected.waits_for =
                    Some(format!("{needed} of the {owner} '{}' has no value yet", self.case.owner.key));
            }
            Err(message) => {
                let rule = format!("resource type {} / depends_on_owner_property", resource_type.name);
                let is_confidential = self.entity_type.property(needed).is_some_and(|property| property.sensitive);
                // What fails is what the value is computed from.
                return Err(match self.entity_type.computed(needed) {
                    Some(computed) => failure(self.owner.scope(), rule, None, computed, is_confidential, message),
                    None => RuleFailure { rule, property: None, input: needed.to_string(), message },
                });
            }
        }
        Ok(())
    }
}

/// What several rules give a property that holds several values.
fn together(before: ExpectedValue, more: ExpectedValue) -> ExpectedValue {
    let value = match (before.value, more.value) {
        (Some(Value::List(mut items)), Some(Value::List(others))) => {
            items.extend(others);
            Some(Value::List(items).canonical())
        }
        (before, more) => more.or(before),
    };
    let why = before.why.into_iter().chain(more.why).collect();
    ExpectedValue { value, confidence: before.confidence.min(more.confidence), why }
}
