//! Step 2, first half: composite roles, then single roles: by rule, from composite roles, by what people decided,
//! and kept for a grace period.
//!
//! The rule that must hold: denied wins over everything that gives.

use super::trace::{Considered, Finding, RoleSeen};
use super::verdict::{Given, Judged, Verdict};
use super::{Evaluation, spans::Span, spans::Spans};
use crate::model::catalog::{CompositeRole, Name, RoleRule};
use crate::model::evaluate::rules::{Ask, Matcher};
use crate::model::expected::ExpectedRole;
use crate::model::grant::{Grant, Granted};
use provost_domain::{Reason, RuleFailure, WorkflowState};
use std::sync::Arc;

/// The roles of an owner that are not plainly refused, by place in the catalog.
#[derive(Debug, Default)]
pub(super) struct Roles {
    held: Vec<(usize, Held)>,
}

/// What is said of one role.
#[derive(Debug)]
pub(super) struct Held {
    judged: Judged,
    given: Option<Given>,
}

impl Held {
    pub(super) const fn judged(&self) -> &Judged {
        &self.judged
    }

    pub(super) fn why(&self) -> &[Reason] {
        self.given.as_ref().map_or(&[], |given| &given.why)
    }

    /// The failure that leaves nobody knowing whether the owner has it now.
    pub(super) fn failure_at(&self, now: i64) -> Option<&RuleFailure> {
        self.judged.failure_at(now)
    }
}

impl Roles {
    pub(super) fn get(&self, place: usize) -> Option<&Held> {
        let found = self.held.binary_search_by_key(&place, |(place, _)| *place).ok()?;
        self.held.get(found).map(|(_, held)| held)
    }

    pub(super) fn places(&self) -> impl Iterator<Item = usize> + '_ {
        self.held.iter().map(|(place, _)| *place)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Held)> + '_ {
        self.held.iter().map(|(place, held)| (*place, held))
    }
}

/// A role, single or composite, while it is judged.
pub(super) struct Subject<'s> {
    pub(super) name: &'s Name,
    pub(super) is_composite: bool,
    pub(super) rules: &'s [RoleRule],
    pub(super) grace_minutes: u32,
    pub(super) matcher: &'s Matcher,
    pub(super) candidates: &'s [u32],
    /// The composite roles that give it.
    pub(super) from: &'s [(&'s Name, &'s Held)],
}

impl<'a> Evaluation<'a> {
    /// Judges all composite roles.
    pub(super) fn composite_roles(&self) -> Roles {
        let matcher = &self.rules.composite_roles;
        let candidates = self.candidates(matcher);
        let all = self.ground.catalog.composite_roles();
        let named = |name: &Name| all.iter().position(|role| role.name == *name && role.owner == self.entity_type.name);
        let every = || {
            (0..all.len())
                .filter(|place| all.get(*place).is_some_and(|role| role.owner == self.entity_type.name))
                .collect()
        };
        let places = self.places(matcher.places(&candidates), named, every);
        let judge = |place: usize| {
            let role = all.get(place)?;
            let subject = Subject {
                name: &role.name,
                is_composite: true,
                rules: &role.rules,
                grace_minutes: role.grace_period_minutes,
                matcher,
                candidates: matcher.for_place(&candidates, place),
                from: &[],
            };
            self.held(place, &subject)
        };
        Roles { held: places.into_iter().filter_map(judge).collect() }
    }

    /// Judges all single roles.
    pub(super) fn single_roles(&self, composites: &Roles) -> Roles {
        let matcher = &self.rules.roles;
        let candidates = self.candidates(matcher);
        let catalog = self.ground.catalog;
        let mut from: Vec<(usize, &Name, &Held)> = Vec::new();
        for (place, held) in composites.iter() {
            let Some(composite) = catalog.composite_roles().get(place) else { continue };
            from.extend(composite.roles.iter().map(|role| (role.place, &composite.name, held)));
        }
        from.sort_by_key(|(place, ..)| *place);
        let named = |name: &Name| catalog.role_ref(name).map(|role| role.place);
        let own = |place: &usize| catalog.roles().get(*place).is_some_and(|role| role.owner == self.entity_type.name);
        let every = || (0..catalog.roles().len()).filter(own).collect();
        let mut places = matcher.places(&candidates);
        places.extend(from.iter().map(|(place, ..)| *place));
        let mut places = self.places(places, named, every);
        places.retain(own);
        let judge = |place: usize| {
            let role = catalog.roles().get(place)?;
            let begin = from.partition_point(|(of, ..)| *of < place);
            let end = from.partition_point(|(of, ..)| *of <= place);
            let given: Vec<(&Name, &Held)> =
                from.get(begin..end).unwrap_or_default().iter().map(|(_, name, held)| (*name, *held)).collect();
            let subject = Subject {
                name: &role.name,
                is_composite: false,
                rules: &role.rules,
                grace_minutes: role.grace_period_minutes,
                matcher,
                candidates: matcher.for_place(&candidates, place),
                from: &given,
            };
            self.held(place, &subject)
        };
        Roles { held: places.into_iter().filter_map(judge).collect() }
    }

    pub(super) fn candidates(&self, matcher: &Matcher) -> Vec<u32> {
        let ask = Ask { facts: self.facts, contexts: &self.contexts.all, roles: &self.roles, matching: self.matching };
        matcher.candidates(&ask)
    }

    /// The places of all roles of which anything speaks, sorted.
    fn places(
        &self,
        mut places: Vec<usize>,
        named: impl Fn(&Name) -> Option<usize>,
        every: impl Fn() -> Vec<usize>,
    ) -> Vec<usize> {
        if self.recorder.is_some() {
            return every();
        }
        places.extend(self.grants.iter().filter_map(|grant| match &grant.what {
            Granted::Role(name) => named(name),
            Granted::ResourceType(_) => None,
        }));
        let before = self.case.before.iter().flat_map(|before| &before.roles);
        places.extend(before.filter_map(|role| named(&role.role)));
        places.sort_unstable();
        places.dedup();
        places
    }

    fn held(&self, place: usize, subject: &Subject<'_>) -> Option<(usize, Held)> {
        let verdict = self.role(subject);
        if verdict.judged.is_refused() {
            return None;
        }
        self.edges.spans(&verdict.judged.given);
        self.edges.spans(&verdict.judged.unknown);
        let (judged, given) = verdict.into_given(self.now);
        Some((place, Held { judged, given }))
    }

    fn role(&self, subject: &Subject<'_>) -> Verdict {
        let mut seen = self.recorder.map(|_| Vec::new());
        let mut verdict = Verdict::default();
        let mut deniers = Vec::new();
        for candidate in subject.candidates {
            let Some(at) = subject.matcher.rule(*candidate) else { continue };
            let Some(rule) = subject.rules.get(at.number) else { continue };
            if rule.denied {
                deniers.push((at, rule));
                continue;
            }
            if seen.is_none() && verdict.judged.given.covers(&self.contexts.spans) {
                continue;
            }
            let judged = self.judge(&rule.criteria, &at.name);
            if let Some(seen) = &mut seen {
                seen.push(self.considered(at.name.to_string(), None, &rule.criteria, &judged, false));
            }
            let why = judged.clone();
            verdict.gain(judged, WorkflowState::Calculated, || self.why(None, &rule.criteria, &at.name, &why));
        }
        for (name, held) in subject.from {
            let judged = held.judged().clone();
            if let Some(seen) = &mut seen {
                seen.push(Considered::of(
                    format!("composite role {name}"),
                    format!("gives role {}", subject.name),
                    &judged,
                    false,
                ));
            }
            verdict.gain(judged, WorkflowState::GivenByARole, || {
                if !self.has_reasons {
                    return vec![];
                }
                let own =
                    Reason { rule: format!("composite role {name}"), detail: format!("gives role {}", subject.name) };
                std::iter::once(own).chain(held.why().iter().cloned()).collect()
            });
        }
        if let Some(seen) = &mut seen {
            seen.extend(self.composites_without(subject));
        }
        let mut denied = Judged::default();
        for (at, rule) in deniers {
            // What the owner had may be kept for a while, unless it is denied.
            let may_be_had = !verdict.judged.is_refused() || self.has_grants || self.had_role(subject.name).is_some();
            if seen.is_none() && !may_be_had {
                continue;
            }
            let judged = self.judge(&rule.criteria, &at.name);
            if let Some(seen) = &mut seen {
                seen.push(self.considered(at.name.to_string(), None, &rule.criteria, &judged, true));
            }
            denied.or(judged);
        }
        let is_it = |grant: &&Grant| matches!(&grant.what, Granted::Role(name) if name == subject.name);
        self.grants(is_it, &mut verdict, &mut denied, &mut seen);
        verdict.settle(&denied);
        self.grace(subject, &mut verdict, &denied, &mut seen);
        if let (Some(recorder), Some(considered)) = (self.recorder, seen) {
            let considered = overridden(considered);
            recorder.role(RoleSeen::of(subject, &verdict, self.now, considered));
        }
        verdict
    }

    /// The composite roles that would give a role, and that the owner does not have.
    fn composites_without(&self, subject: &Subject<'_>) -> Vec<Considered> {
        let has = |name: &Name| subject.from.iter().any(|(from, _)| *from == name);
        let gives = |role: &&CompositeRole| {
            !subject.is_composite && role.roles.iter().any(|role| role.name == *subject.name) && !has(&role.name)
        };
        let composites = self.ground.catalog.composite_roles().iter().filter(gives);
        let seen = |role: &CompositeRole| {
            let rule = format!("composite role {}", role.name);
            Considered::of(rule, "does not have it".to_owned(), &Judged::default(), false)
        };
        composites.map(seen).collect()
    }

    /// What people decided, beside what rules say.
    pub(super) fn grants(
        &self,
        is_it: impl Fn(&&Grant) -> bool,
        verdict: &mut Verdict,
        denied: &mut Judged,
        seen: &mut Option<Vec<Considered>>,
    ) {
        for grant in self.grants.iter().copied().filter(|grant| is_it(grant)) {
            let rule = || format!("request {}", grant.request_id);
            let mut judged = Judged { given: Spans::of(Span::from(grant.period)), ..Judged::default() };
            if !grant.denied {
                judged.given = judged.given.and(&self.contexts.spans);
            }
            // A request that lies ahead or is over changes nothing now, and something then.
            self.edges.spans(&judged.given);
            super::end_of_reach(self.rules, grant).into_iter().for_each(|end| self.edges.at(end));
            if let Some(seen) = seen {
                seen.push(Considered::of(rule(), grant.because.clone(), &judged, grant.denied));
            }
            if grant.denied {
                denied.or(judged);
            } else {
                verdict.gain(judged, grant.workflow, || self.reason(&rule(), || grant.because.clone()));
            }
        }
    }

    /// The roles that are known to be given, by name.
    pub(super) fn expected_roles(&self, composites: &Roles) -> Vec<ExpectedRole> {
        let catalog = self.ground.catalog;
        let one = |name: &Name, is_composite: bool, held: &Held| {
            let given = held.given.as_ref().filter(|_| held.failure_at(self.now).is_none())?;
            Some(ExpectedRole {
                role: Arc::clone(name),
                is_composite,
                period: given.period(),
                workflow: given.workflow,
                why: given.why.clone(),
            })
        };
        let composite = |(place, held): (usize, &Held)| one(&catalog.composite_roles().get(place)?.name, true, held);
        let single = |(place, held): (usize, &Held)| one(&catalog.roles().get(place)?.name, false, held);
        let mut roles: Vec<ExpectedRole> =
            composites.iter().filter_map(composite).chain(self.roles.iter().filter_map(single)).collect();
        roles.sort_by(|a, b| a.role.cmp(&b.role));
        roles
    }
}

/// Marks what would give, and does not because something denies it.
pub(super) fn overridden(mut considered: Vec<Considered>) -> Vec<Considered> {
    let denials: Vec<(String, Spans)> = considered
        .iter()
        .filter(|one| one.finding == Finding::Denies)
        .map(|one| (one.rule.clone(), one.given.clone()))
        .collect();
    let mut all = Spans::default();
    denials.iter().for_each(|(_, spans)| all.or(spans));
    for one in considered.iter_mut().filter(|one| one.finding == Finding::Gives && all.covers(&one.given)) {
        let by = denials.iter().find(|(_, spans)| one.given.iter().any(|span| spans.overlaps(span)));
        if let Some((by, _)) = by {
            one.finding = Finding::Overridden { by: by.clone() };
        }
    }
    considered
}
