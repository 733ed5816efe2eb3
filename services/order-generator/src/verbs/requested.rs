//! What requests add to what an owner has: what waits, was declined, was approved and is not computed yet, or
//! was taken away.

use super::compute::KnownRole;
use super::permissions::{HeldRole, display_name};
use crate::catalogs::Loaded;
use crate::model::assign::{Assignment, Wish};
use crate::model::request::{Action, Effect, Kind, Request};
use provost_domain::{Timestamp, WorkflowState};
use std::collections::{BTreeMap, BTreeSet};

/// The roles that the owner has, and those that requests speak of; by name.
pub(super) fn held_roles(loaded: &Loaded, roles: Vec<KnownRole>, told: &mut Told, now: Timestamp) -> Vec<HeldRole> {
    let mut held: Vec<HeldRole> = Vec::with_capacity(roles.len());
    for KnownRole { role, is_composite, why, workflow, period } in roles {
        let request = told.about(true, &role);
        let is_taken = request.as_ref().is_some_and(|request| is_taken_away(request, now));
        // What is over is nobody's any more (workflow state 19), whether it was computed since or not; what was
        // taken away is shown as long as that holds.
        if period.is_over(now) && !is_taken {
            continue;
        }
        let workflow = match workflow {
            _ if is_taken => WorkflowState::Cancellation,
            workflow => workflow,
        };
        let display_name = display_name(loaded, &role);
        held.push(HeldRole { role, is_composite, display_name, why, workflow, period, request });
    }
    for request in told.rest(true) {
        held.push(HeldRole {
            role: request.name.clone(),
            is_composite: request.kind == Kind::CompositeRole,
            display_name: display_name(loaded, &request.name),
            why: vec![],
            workflow: shown_state(&request, now),
            period: request.period,
            request: Some(request),
        });
    }
    held.sort_by(|a, b| a.role.cmp(&b.role));
    held
}

/// What it says was taken away from the owner, by now.
fn is_taken_away(request: &Request, now: Timestamp) -> bool {
    request.effect == Effect::Denies && request.counts(now) && !request.period.is_future(now)
}

pub(super) fn shown_state(request: &Request, now: Timestamp) -> WorkflowState {
    if is_taken_away(request, now) { WorkflowState::Cancellation } else { request.state }
}

/// The roles that were taken away by request, and those that came with them.
pub(super) fn roles_taken_away(loaded: &Loaded, requests: &[Request], now: Timestamp) -> BTreeSet<String> {
    let mut taken = BTreeSet::new();
    let approved = requests.iter().filter(|request| {
        let is_role = request.kind != Kind::ResourceType;
        is_role && request.state == WorkflowState::Approved && !request.period.is_future(now)
    });
    for request in approved {
        let single = loaded.catalog.composite_role(&request.name).map(|role| role.roles.as_slice()).unwrap_or_default();
        let all = single.iter().map(|role| role.name.to_string()).chain([request.name.clone()]);
        match request.action {
            Action::TakeAway => taken.extend(all),
            Action::Give => all.for_each(|role| {
                taken.remove(&role);
            }),
        }
    }
    taken
}

/// A resource that goes because it was taken away, or a role that gives it.
pub(super) fn goes_with(
    loaded: &Loaded,
    assignment: &Assignment,
    request: Option<&Request>,
    roles: &BTreeSet<String>,
    now: Timestamp,
) -> bool {
    let is_taken = || request.is_some_and(|request| is_taken_away(request, now));
    let came_with_a_role = || {
        let rules = loaded.catalog.resource_type(&assignment.resource_type).map(|kind| kind.type_rules.as_slice());
        let mut named = rules.unwrap_or_default().iter().filter_map(|rule| rule.role.as_ref());
        named.any(|role| roles.contains(&*role.name))
    };
    assignment.wish == Wish::Lose && (is_taken() || came_with_a_role())
}

/// The requests about an owner that still say something: of each thing one.
pub(super) struct Told {
    requests: BTreeMap<(bool, String), Request>,
    /// What was asked for.
    asked: BTreeSet<(bool, String)>,
}

impl Told {
    /// Of what waits or counts, the newest speaks for the thing; else what was declined, when nothing came
    /// after it.
    pub(super) fn of(requests: Vec<Request>, now: Timestamp) -> Self {
        let mut told: BTreeMap<(bool, String), Request> = BTreeMap::new();
        let counts = |request: &Request| request.is_open() || request.counts(now);
        for request in requests {
            let key = (request.kind != Kind::ResourceType, request.name.clone());
            if told.get(&key).is_some_and(|before| counts(before) && !counts(&request)) {
                continue;
            }
            if request.speaks(now) {
                told.insert(key, request);
            } else {
                told.remove(&key);
            }
        }
        Self { requests: told, asked: BTreeSet::new() }
    }

    /// The one about a role, or a resource type.
    pub(super) fn about(&mut self, is_role: bool, name: &str) -> Option<Request> {
        let key = (is_role, name.to_owned());
        let found = self.requests.get(&key).cloned();
        self.asked.insert(key);
        found
    }

    /// Those of roles, or of resource types, that nobody has asked about. That somebody was not allowed to take
    /// away what is gone by now says nothing.
    pub(super) fn rest(&self, is_role: bool) -> Vec<Request> {
        let says =
            |request: &Request| !(request.action == Action::TakeAway && request.state == WorkflowState::Declined);
        let left = self.requests.iter().filter(|(key, _)| key.0 == is_role && !self.asked.contains(*key));
        left.map(|(_, request)| request).filter(|request| says(request)).cloned().collect()
    }
}
