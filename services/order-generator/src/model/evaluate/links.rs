//! The links of a resource: what navigation rules name, and what query rules find by a value.
//!
//! The rules that must hold: a link is there while its own rule holds, and no longer, even where an offset
//! keeps the resource itself; a property that a rule speaks of is among the values even when nothing is
//! linked, so that what was linked before can go; and of several that fit one place none is taken by guess.

use super::Evaluation;
use super::explain::{failure, inputs, separate, shown};
use super::resource::{Time, moved};
use super::rules::{Plan, PropertyPlan};
use super::spans::Spans;
use super::trace::{Considered, Finding};
use super::verdict::Judged;
use crate::model::catalog::{
    EntityType, Name, NavigationRule, Offset, OffsetReference, Property, QueryRule, ResourceType,
};
use crate::model::expected::{ExpectedResource, ExpectedValue};
use crate::model::expression::Scope;
use crate::model::resource::Side;
use provost_domain::{RuleFailure, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Most resources that a message names.
const NAMED_MAX: usize = 5;

/// A navigation rule that may be for the owner.
pub(super) struct Link<'a> {
    pub(super) rule: &'a NavigationRule,
    name: &'a str,
    /// When the rule's role and criteria hold.
    pub(super) judged: Judged,
}

impl<'a> Evaluation<'a> {
    /// Judges the navigation rules of a resource type. Rules that are refused are left out, unless somebody
    /// wants to know.
    pub(super) fn judge_links(&self, resource_type: &'a ResourceType, candidates: &[u32]) -> Vec<Link<'a>> {
        let matcher = &self.rules.links;
        let mut links = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let Some(at) = matcher.rule(*candidate) else { continue };
            let Some(rule) = resource_type.navigation_rules.get(at.number) else { continue };
            let judged = self.judge_with_role(rule.role.as_ref(), &rule.criteria, &at.name);
            self.edges.spans(&judged.given);
            self.edges.spans(&judged.unknown);
            if self.recorder.is_some() || !judged.is_refused() {
                links.push(Link { rule, name: &at.name, judged });
            }
        }
        links
    }

    /// The links that navigation rules give. Properties of which a rule failed are left `open`.
    pub(super) fn links(
        &self,
        target: &EntityType,
        plan: &Plan,
        links: &[Link<'_>],
        time: &Time,
        expected: &mut ExpectedResource,
        open: &mut BTreeSet<Name>,
    ) -> Result<(), RuleFailure> {
        let mut failed = None;
        for place in &plan.navigations {
            let Some(property) = target.properties.get(*place) else { continue };
            let own: Vec<&Link<'_>> = links.iter().filter(|link| link.rule.property == property.name).collect();
            match self.linked(property, &own, time) {
                Ok(value) => {
                    expected.values.insert(Arc::clone(&property.name), value);
                }
                Err(wrong) => {
                    expected.values.insert(Arc::clone(&property.name), nothing(property));
                    open.insert(Arc::clone(&property.name));
                    failed = failed.or(Some(wrong));
                }
            }
            if let Some(recorder) = self.recorder {
                let seen = own.iter().map(|link| self.link_seen(link, &own, time)).collect();
                recorder.property(property, expected.values.get(&property.name), seen, self.now);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// What the rules of one property link.
    fn linked(&self, property: &Property, own: &[&Link<'_>], time: &Time) -> Result<ExpectedValue, RuleFailure> {
        let mut value = nothing(property);
        let mut counting: Vec<&Link<'_>> = Vec::new();
        let mut failed = None;
        for link in own.iter().filter(|link| !link.rule.denied) {
            let judged = self.counted(link, own, time);
            let at = instant(link, time);
            if judged.given.contains(at) {
                counting.push(*link);
            } else if judged.unknown.contains(at) {
                failed = failed.or_else(|| judged.failure.as_deref().cloned());
            }
        }
        if !property.multi_valued {
            // Rules with an offset give way to those that come later in the order.
            let last = counting.iter().map(|link| link.rule.offset.reference).max();
            counting.retain(|link| Some(link.rule.offset.reference) == last);
        }
        for link in counting {
            let linked = Value::String(link.rule.target.clone());
            match &mut value.value {
                Some(Value::List(items)) => items.push(linked),
                None => value.value = Some(linked),
                Some(other) if *other == linked => {}
                Some(other) => {
                    return Err(RuleFailure {
                        rule: link.name.to_owned(),
                        property: Some(property.name.to_string()),
                        input: format!("'{other}', '{linked}'"),
                        message: format!(
                            "two rules link '{}', which holds one value, to '{other}' and '{linked}'",
                            property.name
                        ),
                    });
                }
            }
            value.why.extend(self.why(link.rule.role.as_ref(), &link.rule.criteria, link.name, &link.judged));
        }
        if let Some(list @ Value::List(_)) = &mut value.value {
            *list = list.canonical();
        }
        failed.map_or(Ok(value), Err)
    }

    /// When a rule counts, offsets and denials of the same link considered.
    fn counted(&self, link: &Link<'_>, own: &[&Link<'_>], time: &Time) -> Judged {
        let within = |link: &Link<'_>| {
            let resource = Judged { given: time.base.clone(), ..Judged::default() };
            let judged = link.judged.clone().and(&resource);
            match link.rule.offset.reference {
                OffsetReference::Default => judged,
                _ => judged.moved(|span| span.moved(link.rule.offset)),
            }
        };
        let mut denied = Judged::default();
        for denier in own.iter().filter(|other| other.rule.denied && other.rule.target == link.rule.target) {
            denied.or(within(denier));
        }
        within(link).unless(&denied)
    }

    fn link_seen(&self, link: &Link<'_>, own: &[&Link<'_>], time: &Time) -> Considered {
        let rule = link.rule;
        let mut seen =
            self.considered(link.name.to_owned(), rule.role.as_ref(), &rule.criteria, &link.judged, rule.denied);
        if rule.denied || seen.finding != Finding::Gives {
            return seen;
        }
        let at = instant(link, time);
        let judged = self.counted(link, own, time);
        let denier = own.iter().find(|other| other.rule.denied && other.rule.target == rule.target);
        if !judged.given.contains(at) {
            seen.finding = match denier.filter(|denier| denier.judged.given.contains(at)) {
                Some(denier) => Finding::Overridden { by: denier.name.to_owned() },
                None => Finding::NotNow,
            };
        }
        seen
    }

    /// The links that query rules find. Properties of which a rule failed are left `open`.
    pub(super) fn queries(
        &self,
        resource_type: &ResourceType,
        target: &EntityType,
        plan: &Plan,
        time: &Time,
        expected: &mut ExpectedResource,
        open: &mut BTreeSet<Name>,
    ) -> Result<(), RuleFailure> {
        let mut failed = None;
        for plan in &plan.queries {
            let Some(property) = target.properties.get(plan.property) else { continue };
            let mut seen = self.recorder.map(|_| Vec::new());
            let value = self.query(resource_type, property, plan, time, &mut seen);
            let value = value.unwrap_or_else(|wrong| {
                failed = failed.take().or(Some(wrong));
                open.insert(Arc::clone(&property.name));
                nothing(property)
            });
            if let (Some(recorder), Some(seen)) = (self.recorder, seen) {
                recorder.property(property, Some(&value), seen, self.now);
            }
            expected.values.insert(Arc::clone(&property.name), value);
        }
        failed.map_or(Ok(()), Err)
    }

    fn query(
        &self,
        resource_type: &ResourceType,
        property: &Property,
        plan: &PropertyPlan,
        time: &Time,
        seen: &mut Option<Vec<Considered>>,
    ) -> Result<ExpectedValue, RuleFailure> {
        let rule = |number: usize| resource_type.query_rules.get(number);
        let offset = |number: usize| rule(number).map(|rule| rule.offset).unwrap_or_default();
        let is_plain = plan.rules.iter().all(|(number, _)| offset(*number) == Offset::default());
        let counts = if is_plain { vec![true; plan.rules.len()] } else { self.counting(plan, offset, time) };
        let mut found: Result<Option<(ExpectedValue, &str)>, RuleFailure> = Ok(None);
        // A required rule found nothing: which of those that were seen it is, and why.
        let mut missing: Option<(usize, RuleFailure)> = None;
        let mut place = 0;
        for ((number, name), counts) in plan.rules.iter().zip(counts) {
            let Some(rule) = rule(*number) else { continue };
            let finding = match &found {
                Ok(Some((_, by))) => Finding::Overridden { by: (*by).to_owned() },
                _ if !counts => Finding::NotNow,
                // Where the surest rule failed nobody knows whether a less sure one counts.
                Err(wrong) => Finding::Overridden { by: wrong.rule.clone() },
                Ok(None) => match self.found(property, rule, name) {
                    Ok(Some(value)) => {
                        found = Ok(Some((value, name)));
                        Finding::Gives
                    }
                    Ok(None) => {
                        if rule.required && missing.is_none() {
                            missing = Some((place, self.finds_nothing(property, rule, name)));
                        }
                        Finding::DoesNotApply
                    }
                    Err(wrong) => {
                        found = Err(wrong.clone());
                        Finding::Failed(wrong)
                    }
                },
            };
            place += 1;
            match seen {
                Some(seen) => seen.push(self.query_seen(property, rule, name, finding, time)),
                None if !matches!(found, Ok(None)) => break,
                None => {}
            }
        }
        match (found?, missing) {
            (Some((value, _)), _) => Ok(value),
            (None, Some((place, wrong))) => {
                if let Some(one) = seen.as_mut().and_then(|seen| seen.get_mut(place)) {
                    one.finding = Finding::Failed(wrong.clone());
                }
                Err(wrong)
            }
            (None, None) => Ok(nothing(property)),
        }
    }

    /// That a required rule finds nothing.
    fn finds_nothing(&self, property: &Property, rule: &QueryRule, name: &str) -> RuleFailure {
        let linked = property.navigates_to().map(|name| &**name).unwrap_or_default();
        let message =
            format!("it finds no {linked}, and is required: mend the source, or the {linked} that it looks for");
        let scope = self.main().scope();
        failure(scope, name.to_owned(), Some(&property.name), &rule.source, property.sensitive, message)
    }

    /// Why nobody knows whether something was found: the first resource whose side of the rule cannot be told.
    fn unreadable(&self, side: &Side<'_>, property: &Property, name: &str) -> Option<RuleFailure> {
        let keys = self.ground.lookup.unreadable(side);
        let key = keys.first()?;
        let linked = &side.entity_type.name;
        let resource = self.ground.lookup.resource(linked, key)?;
        let scope = Scope::of_target(side.catalog, side.entity_type, &resource.values, self.ground.lookup);
        let message = side.told(resource, self.ground.lookup).err()?;
        let more = if keys.len() > 1 { " and others" } else { "" };
        let property_name = Some(&*property.name);
        let mut wrong = failure(&scope, name.to_owned(), property_name, side.text, property.sensitive, message);
        wrong.message =
            format!("it finds no {linked}, and cannot be told of {linked} '{key}'{more}: {}", wrong.message);
        Some(wrong)
    }

    /// What one query rule finds.
    fn found(&self, property: &Property, rule: &QueryRule, name: &str) -> Result<Option<ExpectedValue>, RuleFailure> {
        let (session, named, is_confidential) = (self.main(), Some(&*property.name), property.sensitive);
        let wrong = |message| failure(session.scope(), name.to_owned(), named, &rule.source, is_confidential, message);
        let text = rule.source.text(session).map_err(wrong)?;
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
        let Some(linked) = property.navigates_to().and_then(|name| self.ground.catalog.entity_type(name)) else {
            return Ok(None);
        };
        let side = Side { catalog: self.ground.catalog, entity_type: linked, text: &rule.target };
        let keys = self.ground.lookup.having(&side, &text);
        if keys.is_empty() {
            return self.unreadable(&side, property, name).map_or(Ok(None), Err);
        }
        if let (false, [_, _, ..]) = (property.multi_valued, keys.as_slice()) {
            let shown: Vec<String> = keys.iter().take(NAMED_MAX).map(|key| format!("'{key}'")).collect();
            let more =
                if keys.len() > NAMED_MAX { format!(" and {} more", keys.len() - NAMED_MAX) } else { String::new() };
            let message = format!(
                "{} {} fit '{}', which holds one value: {}{more}",
                keys.len(),
                linked.name,
                property.name,
                shown.join(", ")
            );
            return Err(wrong(message));
        }
        let value = match property.multi_valued {
            true => Value::List(keys.into_iter().map(Value::String).collect()),
            false => keys.into_iter().next().map(Value::String).unwrap_or_else(|| Value::List(vec![])),
        };
        let why = self.reason(name, || {
            let mut detail = inputs(session.scope(), &rule.source, is_confidential);
            if !is_confidential {
                separate(&mut detail);
                detail.extend(["found ", &shown(&value)]);
            }
            detail
        });
        Ok(Some(ExpectedValue { value: Some(value), confidence: rule.confidence, why }))
    }

    fn query_seen(
        &self,
        property: &Property,
        rule: &QueryRule,
        name: &str,
        finding: Finding,
        time: &Time,
    ) -> Considered {
        let given: Spans = moved(&time.base, rule.offset);
        let saw = inputs(self.main().scope(), &rule.source, property.sensitive);
        let mut seen = Considered::of(name.to_owned(), saw, &Judged { given, ..Judged::default() }, false);
        seen.finding = finding;
        seen.asking(format!("{} == {}, confidence {}", rule.source.source(), rule.target.source(), rule.confidence))
    }
}

/// The instant at which a rule must count. What everybody of a kind gets, like a container, is there as long
/// as the resource is; what comes with a role is not there before the role, or after it.
fn instant(link: &Link<'_>, time: &Time) -> i64 {
    match (link.rule.offset.reference, &link.rule.role) {
        (OffsetReference::Default, None) => time.near,
        _ => time.at,
    }
}

fn nothing(property: &Property) -> ExpectedValue {
    ExpectedValue { value: property.multi_valued.then(|| Value::List(vec![])), ..ExpectedValue::default() }
}
