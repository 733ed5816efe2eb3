//! Grace: what a change of rules took away, a role or a resource type, stays for a while, Prolonged.
//!
//! The rule that must hold: only rules that changed prolong. Who loses something because facts changed, the owner's
//! own or others', or because its time is over, or because a person decided it, loses it now. Which of both it was,
//! the rules that gave it say: they are asked again, of the facts as they are. What they would still give, only a
//! change of rules took away.

use super::roles::Subject;
use super::rules::Matching;
use super::spans::{Span, Spans};
use super::trace::Considered;
use super::verdict::{Judged, Verdict};
use super::{Case, Evaluation, Former, Ground, run};
use crate::model::catalog::{Catalog, EntityType, Name, OffsetReference, ResourceType};
use crate::model::resource::Resource;
use provost_domain::{Period, Timestamp, Value, WorkflowState};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What was computed for an owner the last time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// The revision of the catalog.
    pub revision: i64,
    /// What [`fingerprint`] said of the owner.
    pub fingerprint: u64,
    /// The roles it had, single and composite.
    pub roles: Vec<RoleBefore>,
    /// The resource types by which it had a resource.
    pub types: Vec<TypeBefore>,
}

/// A resource type by which an owner had a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeBefore {
    /// The resource type.
    pub resource_type: Name,
    /// How it came to be approved.
    pub workflow: WorkflowState,
    /// When it counted.
    pub period: Period,
}

/// A role that an owner had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleBefore {
    /// The role.
    pub role: Name,
    /// How it came to be approved.
    pub workflow: WorkflowState,
    /// When it counted.
    pub period: Period,
}

/// A number that differs when something of the owner's own, or of its positions, differs; the same in every
/// version of the program.
pub fn fingerprint(owner: &Resource, positions: &[&Resource]) -> u64 {
    let mut hash = Fnv::default();
    hash.resource(owner);
    let mut positions = positions.to_vec();
    positions.sort_by(|a, b| a.key.cmp(&b.key));
    positions.iter().for_each(|position| hash.resource(position));
    hash.0
}

/// FNV-1a. Somebody who finds a second owner of the same number has prolonged a role.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Lengths go in too, so that "ab","c" and "a","bc" differ.
    fn part(&mut self, kind: u8, bytes: &[u8]) {
        self.bytes(&[kind]);
        self.bytes(&(bytes.len() as u64).to_be_bytes());
        self.bytes(bytes);
    }

    fn resource(&mut self, resource: &Resource) {
        self.part(0, resource.key.as_bytes());
        for (name, value) in &resource.values {
            self.part(1, name.as_bytes());
            self.value(&value.canonical());
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.part(2, text.as_bytes()),
            Value::Integer(number) => self.part(3, &number.to_be_bytes()),
            Value::Boolean(flag) => self.part(4, &[u8::from(*flag)]),
            Value::Timestamp(instant) => self.part(5, &instant.millis().to_be_bytes()),
            Value::Bytes(bytes) => self.part(6, bytes),
            Value::List(items) => {
                self.part(7, &(items.len() as u64).to_be_bytes());
                items.iter().for_each(|item| self.value(item));
            }
        }
    }
}

/// What the rules of an earlier revision give an owner now, as it is now.
#[derive(Debug, Default)]
pub(super) struct ByFormerRules {
    /// Single and composite.
    roles: BTreeSet<Name>,
    /// Each with the role by which a rule gives it; none when the rule asks for no role.
    types: Vec<(Name, Option<Name>)>,
    /// What those rules read, the catalog no longer has: nobody can know what they would say.
    is_unreadable: bool,
}

impl ByFormerRules {
    fn of(former: Former<'_>, evaluation: &Evaluation<'_>) -> Option<Self> {
        let Evaluation { ground, case, entity_type, .. } = *evaluation;
        if !is_readable(former.catalog, ground.catalog, entity_type) {
            return Some(Self { is_unreadable: true, ..Self::default() });
        }
        let Former { catalog, revision } = former;
        let ground = Ground { catalog, revision, former: None, ..*ground };
        let case = Case { before: None, ..*case };
        run(&ground, &case, Matching::ByIndex, None, |evaluation| {
            evaluation.has_reasons = false;
            evaluation.all_given()
        })
    }
}

/// Whether everything that rules of an earlier catalog may read of an owner, and of its positions, is still there.
fn is_readable(former: &Catalog, now: &Catalog, owner: &EntityType) -> bool {
    let positions = |catalog: &Catalog| {
        let context = catalog.entity_type(&owner.name)?.context.as_ref()?;
        context.positions.as_ref().map(|positions| (Arc::clone(&positions.entity_type), Arc::clone(&positions.owner)))
    };
    let (before, after) = (positions(former), positions(now));
    let read = before.iter().map(|(entity_type, _)| entity_type).chain([&owner.name]);
    let has_all = |name: &Name| {
        let Some(before) = former.entity_type(name) else { return true };
        let after = now.entity_type(name);
        before.stored().all(|property| after.is_some_and(|after| after.property(&property.name).is_some()))
    };
    before == after && read.into_iter().all(has_all)
}

impl Evaluation<'_> {
    /// What rules give now, or may give where one fails.
    fn all_given(&mut self) -> ByFormerRules {
        let catalog = self.ground.catalog;
        let is_given = |judged: &Judged| judged.given.contains(self.now) || judged.unknown.contains(self.now);
        let composites = self.composite_roles();
        let singles = self.single_roles(&composites);
        let composite = composites.iter().filter(|(_, held)| is_given(held.judged()));
        let composite = composite.filter_map(|(place, _)| Some(&catalog.composite_roles().get(place)?.name));
        let single = singles.iter().filter(|(_, held)| is_given(held.judged()));
        let single = single.filter_map(|(place, _)| Some(&catalog.roles().get(place)?.name));
        let roles = composite.chain(single).cloned().collect();
        self.roles = singles;
        let candidates = self.candidates(&self.rules.types);
        let places = catalog.resource_type_places_of(&self.entity_type.name);
        let types = places.iter().filter_map(|place| Some((*place, catalog.resource_types().get(*place)?)));
        let given = |(place, resource_type): (usize, &ResourceType)| {
            let by = self.given_by(resource_type, self.rules.types.for_place(&candidates, place));
            by.into_iter().map(|role| (Arc::clone(&resource_type.name), role)).collect::<Vec<_>>()
        };
        ByFormerRules { roles, types: types.flat_map(given).collect(), is_unreadable: false }
    }

    /// The roles by which rules give a resource type now, or none where a rule asks for none.
    fn given_by(&self, resource_type: &ResourceType, candidates: &[u32]) -> Vec<Option<Name>> {
        let mut by = Vec::new();
        for candidate in candidates {
            let Some(at) = self.rules.types.rule(*candidate) else { continue };
            let Some(rule) = resource_type.type_rules.get(at.number) else { continue };
            let held = self.judge_with_role(rule.role.as_ref(), &rule.criteria, &at.name);
            let is_moved = rule.offset.reference != OffsetReference::Default;
            let judged = if is_moved { held.moved(|span| span.moved(rule.offset)) } else { held };
            match (rule.denied, judged.given.contains(self.now), judged.unknown.contains(self.now)) {
                (true, true, _) => return vec![],
                (false, true, _) | (false, _, true) => by.push(rule.role.as_ref().map(|role| Arc::clone(&role.name))),
                _ => {}
            }
        }
        by
    }

    /// What the rules say by which the owner was evaluated the last time; none when they are the same, or when nobody
    /// has them any more.
    fn former(&self) -> Option<&ByFormerRules> {
        let judged = || {
            let former = self.ground.former.filter(|former| Some(former.revision) == self.revision_before())?;
            ByFormerRules::of(former, self)
        };
        self.former.get_or_init(judged).as_ref()
    }

    fn revision_before(&self) -> Option<i64> {
        self.case.before.map(|before| before.revision)
    }

    /// Whether it was a change of rules that took away what `is_still_given` finds among what they give.
    fn was_lost_by_rules(&self, is_still_given: impl FnOnce(&ByFormerRules) -> bool) -> bool {
        let Some(before) = self.case.before.filter(|before| before.revision != self.ground.revision) else {
            return false;
        };
        match self.former() {
            Some(former) => former.is_unreadable || is_still_given(former),
            // Nobody has the rules that gave it. It was them, if the owner is the same as then.
            None => before.fingerprint == fingerprint(self.case.owner, self.case.positions),
        }
    }

    /// What the owner had by a resource type.
    pub(super) fn had_type(&self, resource_type: &Name) -> Option<&TypeBefore> {
        self.case.before?.types.iter().find(|had| had.resource_type == *resource_type)
    }

    /// What the owner had of a role.
    pub(super) fn had_role(&self, role: &Name) -> Option<&RoleBefore> {
        self.case.before?.roles.iter().find(|had| had.role == *role)
    }

    /// Keeps a role that the owner had, that nothing gives now, and that only changed rules took away.
    pub(super) fn grace(
        &self,
        subject: &Subject<'_>,
        verdict: &mut Verdict,
        denied: &Judged,
        seen: &mut Option<Vec<Considered>>,
    ) {
        let Some(had) = self.had_role(subject.name) else { return };
        let what = if subject.is_composite { "composite role" } else { "role" };
        let had = Had {
            rule: format!("{what} {} / grace period", subject.name),
            workflow: had.workflow,
            period: had.period,
            grace_minutes: subject.grace_minutes,
        };
        self.prolong(&had, verdict, denied, seen, |former| former.roles.contains(subject.name));
    }

    /// Keeps a resource type that the owner had, that nothing gives now, and that only changed rules took away. What
    /// came by a role goes with the role: that has a grace period of its own.
    pub(super) fn grace_of_type(
        &self,
        resource_type: &ResourceType,
        verdict: &mut Verdict,
        denied: &Judged,
        seen: &mut Option<Vec<Considered>>,
    ) {
        let Some(had) = self.had_type(&resource_type.name) else { return };
        let had = Had {
            rule: format!("resource type {} / grace period", resource_type.name),
            workflow: had.workflow,
            period: had.period,
            grace_minutes: self.ground.catalog.policy().grace_period_minutes,
        };
        let roles = self.ground.catalog.roles();
        let has_role = |name: &Name| {
            let has = |(place, held): (usize, &super::roles::Held)| {
                roles.get(place).is_some_and(|role| role.name == *name) && held.judged().given.contains(self.now)
            };
            self.roles.iter().any(has)
        };
        self.prolong(&had, verdict, denied, seen, |former| {
            let by = former.types.iter().filter(|(name, _)| *name == resource_type.name);
            by.map(|(_, role)| role).any(|role| role.as_ref().is_none_or(has_role))
        });
    }

    fn prolong(
        &self,
        had: &Had,
        verdict: &mut Verdict,
        denied: &Judged,
        seen: &mut Option<Vec<Considered>>,
        is_still_given: impl FnOnce(&ByFormerRules) -> bool,
    ) {
        let judged = &verdict.judged;
        let is_known = judged.given.contains(self.now) || judged.unknown.contains(self.now);
        if is_known || !had.period.contains(self.ground.now) {
            return;
        }
        let until = match had.workflow {
            // It ends when it was said that it would.
            WorkflowState::Prolonged => had.period.until,
            WorkflowState::Calculated | WorkflowState::GivenByARole => {
                if had.grace_minutes == 0 || !self.was_lost_by_rules(is_still_given) {
                    return;
                }
                let grace = whole_minute(self.ground.now.plus(Duration::from_secs(u64::from(had.grace_minutes) * 60)));
                Some(had.period.until.map_or(grace, |until| until.min(grace)))
            }
            // What a person gave, a person took.
            _ => return,
        };
        let kept = Spans::of(Span::from(Period { from: had.period.from, until })).and(&self.contexts.spans);
        let kept = Judged { given: kept.without(&denied.given).without(&denied.unknown), ..Judged::default() };
        if !kept.given.contains(self.now) {
            return;
        }
        let detail = match until.as_ref().map(Timestamp::to_string) {
            Some(until) => format!("a change of rules took it away, it is kept until {until}"),
            None => "a change of rules took it away".to_owned(),
        };
        if let Some(seen) = seen {
            seen.push(Considered::of(had.rule.clone(), detail.clone(), &kept, false));
        }
        verdict.gain(kept, WorkflowState::Prolonged, || self.reason(&had.rule, || detail));
    }
}

/// The next whole minute: whoever is computed in one run, or by one replica or another, is left as much.
const fn whole_minute(at: Timestamp) -> Timestamp {
    Timestamp::from_millis((at.millis() + 59_999).div_euclid(60_000) * 60_000)
}

/// What an owner had, and how long a change of rules leaves it.
struct Had {
    /// Its name in reasons.
    rule: String,
    workflow: WorkflowState,
    period: Period,
    grace_minutes: u32,
}
