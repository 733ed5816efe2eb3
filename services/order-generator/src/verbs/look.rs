//! One owner under a look: which existing resources are the owner's, and how what the rules give compares with what
//! was assigned before and with what is there.
//!
//! Leaves judging to the model. The rule that must hold: whatever is looked up is noted, found or not.

use super::texts::KEY_SIDE;
use super::world::{Ground, Looking, Taken};
use crate::model::assign::{Assignment, Remains, Situation, Wish, assign, left_behind, place};
use crate::model::catalog::{Comparison, ResourceType};
use crate::model::claims::{Handover, handed_over, hands_over};
use crate::model::comparison::{Comparisons, text_form};
use crate::model::correlate::{self, Existing, Sorting, Suspect};
use crate::model::decision::Decided;
use crate::model::evaluate::{self, Case, Explanation, OrderArguments};
use crate::model::expected::{Expected, ExpectedResource};
use crate::model::expression::{Scope, Session};
use crate::model::found::{Rules, Sorted, Unclaimed, found, sorted};
use crate::model::generate::unknown_key;
use crate::model::known_order::KnownOrder;
use crate::model::need::Need;
use crate::model::resource::{Resource, Side};
use crate::store::assignments::OwnerKey;
use provost_domain::{Change, OrderKind, Owner, ProvisioningState, RuleFailure, Timestamp};
use std::collections::BTreeMap;

impl Looking<'_> {
    fn ground(&self) -> &Ground {
        self.world.ground()
    }

    fn seen_at(&self, entity_type: &str) -> Option<Timestamp> {
        self.ground().readings.get(entity_type).map(|reading| reading.export_started_at)
    }

    /// Says which existing resources the expected ones may be, and which others are the owner's.
    pub(super) fn correlate(
        &self,
        ground: &evaluate::Ground<'_>,
        case: &Case<'_>,
        previous: &BTreeMap<String, Assignment>,
        expected: &mut Expected,
    ) {
        let owner = expected.owner.clone();
        let decided = Decided::of(&self.ground().decisions, &owner);
        let catalog = &self.ground().loaded.catalog;
        let existing = Correlating { looking: self, ground, case };
        let kind = |name: &str| catalog.resource_type(name);
        correlate::find(expected, previous, decided, kind, &existing);
        let kinds = catalog.resource_types_of(&owner.entity_type);
        expected.suspects = correlate::suspects(expected, previous, decided, kinds, &existing);
    }

    /// Says which existing resources may be the owner's, or would be, and what each correlation rule found.
    pub(super) fn explain_correlation(
        &self,
        ground: &evaluate::Ground<'_>,
        case: &Case<'_>,
        explained: &mut Explanation,
    ) {
        let Explanation { expected, resource_types, .. } = explained;
        let decided = Decided::of(&self.ground().decisions, &expected.owner);
        let existing = Correlating { looking: self, ground, case };
        let saw = |kind: &ResourceType, place: usize| {
            let source = kind.correlation_rules.get(place).map(|rule| &rule.source);
            source.map(|source| evaluate::inputs_of(ground, case, source)).unwrap_or_default()
        };
        for seen in resource_types {
            let Some(kind) = ground.catalog.resource_type(&seen.resource_type) else { continue };
            let given = expected.resources.iter().find(|resource| resource.resource_type == kind.name);
            let key = given.map(|given| given.target_key.clone()).filter(|key| !key.is_empty());
            let key = key.or_else(|| existing.key(kind)).unwrap_or_default();
            (seen.correlation, seen.existing) = correlate::seen((kind, &key), &expected.owner, decided, &existing, saw);
        }
    }

    /// What the owner has by the rules, or shall have.
    pub(super) fn assign(
        &self,
        expected: Option<&Expected>,
        previous: &BTreeMap<String, Assignment>,
    ) -> Vec<Assignment> {
        let catalog = &self.ground().loaded.catalog;
        // What was found without an owner's rules is looked at by itself.
        let of_rules = || previous.values().filter(|before| !before.found);
        let known = of_rules().next();
        let Some(owner) = expected.map(|expected| &expected.owner).or(known.map(|known| &known.owner)) else {
            return Vec::new();
        };
        // Another resource type may give the very same by now.
        let is_given = |before: &Assignment| {
            let mut given = expected.iter().flat_map(|expected| &expected.resources);
            given.any(|other| {
                let target = catalog.resource_type(&other.resource_type).map(|kind| &*kind.target);
                other.target_key == before.target_key && target == Some(before.entity_type.as_str())
            })
        };
        let is_known = |name: &str| catalog.resource_type(name).is_some_and(|kind| *kind.owner == *owner.entity_type);
        let left = of_rules().filter(|before| !is_known(&before.resource_type) && !is_given(before));
        let left: Vec<Assignment> = left.filter_map(|before| left_behind(before, &self.remains(before))).collect();
        let decided = Decided::of(&self.ground().decisions, owner);
        let parts = Parts { looking: self, owner, expected, previous, decided };
        let resource_types = catalog.resource_types_of(&owner.entity_type);
        resource_types.flat_map(|resource_type| parts.of_type(resource_type)).chain(left).collect()
    }

    /// What is the owner's, and what no rule gives the owner.
    pub(super) fn suspected(
        &self,
        expected: Option<&Expected>,
        previous: &BTreeMap<String, Assignment>,
    ) -> Vec<Assignment> {
        let Some(expected) = expected else { return vec![] };
        let one = |suspect: &Suspect| {
            let kind = self.ground().catalog().resource_type(&suspect.resource_type)?;
            let key = suspect.candidate.key.as_str();
            self.unclaimed(&kind.target, key, previous, |unclaimed, rules| {
                found(unclaimed, Some((&expected.owner, suspect)), rules)
            })
        };
        expected.suspects.iter().filter_map(one).collect()
    }

    /// The resource of that key itself, when resource types are about its kind and nobody has it.
    pub(super) fn stray(
        &self,
        (entity_type, key): &OwnerKey,
        previous: &BTreeMap<String, Assignment>,
        taken: &Taken,
    ) -> Option<Assignment> {
        if !self.ground().looks_for_strays(entity_type) || taken.contains(&(entity_type.clone(), key.clone())) {
            return None;
        }
        self.unclaimed(entity_type, key, previous, |unclaimed, rules| found(unclaimed, None, rules))
    }

    fn unclaimed(
        &self,
        entity_type: &str,
        key: &str,
        previous: &BTreeMap<String, Assignment>,
        look: impl FnOnce(&Unclaimed<'_>, &dyn Rules) -> Option<Assignment>,
    ) -> Option<Assignment> {
        let ground = self.ground();
        let entity_type = ground.catalog().entity_type(entity_type)?;
        let resource = self.find(&entity_type.name, key)?;
        let is_it =
            |before: &&Assignment| before.found && before.target_key == key && *before.entity_type == *entity_type.name;
        let unclaimed = Unclaimed {
            catalog: &ground.loaded.catalog,
            entity_type,
            resource,
            previous: previous.values().find(is_it),
            lane: self.lane(&entity_type.connector, &entity_type.name, key),
            decisions: &ground.decisions,
            seen_at: self.seen_at(&entity_type.name),
            now: ground.now,
            arguments: &|owner, kind, order, changes| self.order_arguments(owner, kind, order, changes),
        };
        look(&unclaimed, &Classifying { looking: self, resource })
    }

    /// What the arguments that look at the order say of one of an owner's.
    fn order_arguments(
        &self,
        owner: &Owner,
        resource_type: &ResourceType,
        kind: OrderKind,
        changes: &[Change],
    ) -> OrderArguments {
        let told = self.evaluate((&owner.entity_type, &owner.key), &[], None, |ground, case| {
            evaluate::order_arguments(ground, case, resource_type, kind, changes)
        });
        let catalog = self.ground().catalog();
        told.unwrap_or_else(|| evaluate::order_arguments_of_nobody(catalog, self, resource_type, kind, changes))
    }

    /// What is known of a resource whose resource type is no longer in the catalog.
    fn remains(&self, before: &Assignment) -> Remains<'_> {
        let ground = self.ground();
        let (entity_type, key) = (&before.entity_type, &before.target_key);
        let Some(known) = ground.loaded.catalog.entity_type(entity_type) else {
            return Remains { resource: None, lane: &[] };
        };
        let lane = self.lane(&known.connector, entity_type, key);
        let is_read = ground.readings.contains_key(entity_type) || ground.loaded.is_unsynchronized(entity_type);
        let resource = || self.find(entity_type, key).map(|found| &found.values);
        Remains { resource: is_read.then(resource), lane }
    }
}

impl Ground {
    /// Whether resources of an entity type can have something.
    pub(crate) fn can_own(&self, entity_type: &str) -> bool {
        let catalog = self.catalog();
        catalog.resource_types_of(entity_type).next().is_some()
            || catalog.roles_of(entity_type).next().is_some()
            || catalog.composite_roles().iter().any(|role| *role.owner == *entity_type)
    }

    /// Whether resources of an entity type that nobody has are looked at: when a resource type is about them.
    pub(crate) fn looks_for_strays(&self, entity_type: &str) -> bool {
        self.catalog().resource_types().iter().any(|kind| *kind.target == *entity_type)
    }
}

/// One owner's correlation.
struct Correlating<'a> {
    looking: &'a Looking<'a>,
    ground: &'a evaluate::Ground<'a>,
    case: &'a Case<'a>,
}

impl Existing for Correlating<'_> {
    fn by_key(&self, resource_type: &ResourceType, key: &str) -> Vec<String> {
        let target = self.ground.catalog.entity_type(&resource_type.target);
        let mode = target.and_then(|target| target.property(&target.key)).map(|property| property.comparison);
        match mode.unwrap_or_default() {
            Comparison::Exact => {
                let is_there = self.looking.find(&resource_type.target, key).is_some();
                if is_there { vec![key.to_owned()] } else { vec![] }
            }
            mode => self.looking.keys(Need::text(&resource_type.target, KEY_SIDE, &text_form(mode, key))),
        }
    }

    fn text(&self, resource_type: &ResourceType, rule: usize) -> Result<Option<String>, RuleFailure> {
        let Some(correlation) = resource_type.correlation_rules.get(rule) else { return Ok(None) };
        let name = correlate::correlation_rule(resource_type, rule);
        evaluate::text_of(self.ground, self.case, &name, &correlation.source).unwrap_or(Ok(None))
    }

    fn by_rule(&self, resource_type: &ResourceType, rule: usize, text: &str) -> Vec<String> {
        let target = self.ground.catalog.entity_type(&resource_type.target);
        let Some((correlation, entity_type)) = resource_type.correlation_rules.get(rule).zip(target) else {
            return vec![];
        };
        let side = Side { catalog: self.ground.catalog, entity_type, text: &correlation.target };
        self.ground.lookup.having(&side, text)
    }

    fn key(&self, resource_type: &ResourceType) -> Option<String> {
        let target = self.ground.catalog.entity_type(&resource_type.target)?;
        let rule = resource_type.scalar_rules.iter().find(|rule| rule.property == target.key)?;
        evaluate::text_of(self.ground, self.case, "", &rule.value)?.ok().flatten()
    }

    fn sorting(&self, resource_type: &ResourceType, key: &str) -> Sorting {
        let Some(target) = self.ground.catalog.entity_type(&resource_type.target) else { return Sorting::Not };
        let Some(resource) = self.looking.find(&target.name, key) else { return Sorting::Not };
        let rules = Classifying { looking: self.looking, resource };
        match sorted(self.ground.catalog, target, &rules) {
            None => Sorting::Not,
            Some(sorted) if sorted.is_unsorted => Sorting::Unsorted,
            Some(Sorted { failure: Some(failure), .. }) => Sorting::Failed(failure),
            Some(Sorted { resource_type: kind, confidence, .. }) if kind.name == resource_type.name => {
                Sorting::Is(confidence)
            }
            Some(Sorted { resource_type: kind, .. }) => Sorting::Another(kind.name.clone()),
        }
    }

    fn lane(&self, resource_type: &ResourceType, key: &str) -> &[KnownOrder] {
        self.looking.lane(&resource_type.connector, &resource_type.target, key)
    }
}

/// The classification of one resource.
struct Classifying<'a> {
    looking: &'a Looking<'a>,
    resource: &'a Resource,
}

impl Rules for Classifying<'_> {
    fn classifies(&self, resource_type: &ResourceType, rule: usize) -> Result<bool, RuleFailure> {
        let catalog = self.looking.ground().catalog();
        let Some(target) = catalog.entity_type(&resource_type.target) else { return Ok(false) };
        let Some(rule) = resource_type.classification_rules.get(rule) else { return Ok(false) };
        let scope = Scope::of_target(catalog, target, &self.resource.values, self.looking);
        let name = format!("resource type {} / classification rule {}", resource_type.name, rule.number);
        let held = rule.when.holds(&Session::new(&scope));
        held.map_err(|message| evaluate::failure_on(&scope, name, &rule.when, message))
    }

    fn unreadable(&self, resource_type: &ResourceType) -> Option<RuleFailure> {
        let catalog = self.looking.ground().catalog();
        let target = catalog.entity_type(&resource_type.target)?;
        let scope = Scope::of_target(catalog, target, &self.resource.values, self.looking);
        resource_type.correlation_rules.iter().enumerate().find_map(|(place, rule)| {
            let side = Side { catalog, entity_type: target, text: &rule.target };
            let message = side.told(self.resource, self.looking).err()?;
            let name = correlate::correlation_rule(resource_type, place);
            Some(evaluate::failure_on(&scope, name, &rule.target, message))
        })
    }

    fn is_known(&self, resource_type: &ResourceType) -> bool {
        self.looking.ground().known_types.contains(&*resource_type.name)
    }
}

/// What the comparisons of one owner are made from.
struct Parts<'a> {
    looking: &'a Looking<'a>,
    owner: &'a Owner,
    expected: Option<&'a Expected>,
    previous: &'a BTreeMap<String, Assignment>,
    decided: Decided<'a>,
}

impl Parts<'_> {
    /// What the owner has by one resource type: the first, and those beside it.
    fn of_type(&self, resource_type: &ResourceType) -> Vec<Assignment> {
        let name = &*resource_type.name;
        let given = || {
            let given = self.expected.iter().flat_map(|expected| &expected.resources);
            given.filter(|resource| &*resource.resource_type == name)
        };
        let had = self.previous.values().filter(|before| before.resource_type == name && !before.found);
        let slots = given().map(|one| one.slot.as_str()).chain(had.map(|one| one.slot.as_str()));
        let mut beside: Vec<&str> = slots.filter(|slot| !slot.is_empty()).collect();
        beside.sort_unstable();
        beside.dedup();
        let slots = std::iter::once("").chain(beside);
        slots.filter_map(|slot| self.of_slot(resource_type, slot, given().find(|one| one.slot == slot))).collect()
    }

    fn of_slot(
        &self,
        resource_type: &ResourceType,
        slot: &str,
        wanted: Option<&ExpectedResource>,
    ) -> Option<Assignment> {
        let Self { looking, expected, previous, .. } = *self;
        let (catalog, now) = (&looking.ground().loaded.catalog, looking.ground().now);
        let own = previous.get(&place(&resource_type.name, slot)).filter(|own| !own.found);
        // What another resource type gave until now is as much the owner's as before.
        let given = || handed_over(catalog, expected?, wanted?, previous, now);
        let before = own.filter(|own| own.is_ours()).or_else(given).or(own);
        if wanted.is_none() && before.is_none() {
            return None;
        }
        let handover = expected.zip(before).filter(|_| wanted.is_none());
        let handover = handover
            .and_then(|(expected, before)| hands_over(catalog, expected, resource_type, &before.target_key, now));
        match (handover, before) {
            (Some(Handover::Done), _) => None,
            (Some(Handover::Unclear(other)), Some(before)) if before.is_ours() => Some(held_back(before, &other)),
            _ => self.compare(resource_type, wanted, before),
        }
    }

    fn compare(
        &self,
        resource_type: &ResourceType,
        expected: Option<&ExpectedResource>,
        previous: Option<&Assignment>,
    ) -> Option<Assignment> {
        let Self { looking, owner, decided, .. } = *self;
        let ground = looking.ground();
        let target = ground.catalog().entity_type(&resource_type.target)?;
        let resource = |key: &str| looking.find(&resource_type.target, key).map(|found| &found.values);
        let lane = |key: &str| -> &[KnownOrder] {
            let (connector, target) = (&resource_type.connector, &resource_type.target);
            match key {
                "" => {
                    looking.lane(connector, target, &unknown_key(&resource_type.name, &owner.entity_type, &owner.key))
                }
                key => looking.lane(connector, target, key),
            }
        };
        assign(&Situation {
            resource_type,
            target,
            comparisons: Comparisons::new(&ground.loaded.catalog, target, Some(resource_type)),
            owner,
            owner_is_gone: self.expected.is_none(),
            owner_left: self.expected.is_none_or(|expected| expected.period.is_over(ground.now)),
            expected,
            previous,
            resource: &resource,
            lane: &lane,
            decided,
            seen_at: looking.seen_at(&resource_type.target),
            now: ground.now,
            arguments: &|kind, changes| looking.order_arguments(owner, resource_type, kind, changes),
        })
    }
}

/// Nobody knows yet whether another resource type gives it: it stays as it is.
fn held_back(before: &Assignment, other: &str) -> Assignment {
    Assignment {
        wish: Wish::Unknown,
        ours: true,
        note: format!("left alone: the resource type {other} may give it now, and its key rule fails"),
        failure: None,
        wanted: None,
        state: ProvisioningState::None,
        ..before.clone()
    }
}
