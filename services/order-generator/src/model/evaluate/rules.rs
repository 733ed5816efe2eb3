//! Which rules may be for an owner, found by what they ask for instead of by trying each.
//!
//! Each rule stands under one thing that it asks for: a dimension's value, a property's text, a role. Of
//! several it is the rarest among all rules. The rule that must hold: whoever stands under nothing that an
//! owner has would have been refused without a failure; everybody else is judged in full.

use super::contexts::Context;
use super::roles::Roles;
use super::spans::MINUTE_MS;
use crate::model::catalog::{Catalog, Criteria, EntityType, Name, Offset, OffsetReference, ResourceType};
use crate::model::expression::{Facts, Plain};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// The rules of a catalog, ready to be found. Built once for each catalog.
#[derive(Debug)]
pub struct Rules {
    owners: HashMap<Name, OwnerRules>,
    plans: Vec<Plan>,
}

/// The rules for owners of one entity type.
#[derive(Debug, Default)]
pub(super) struct OwnerRules {
    pub(super) composite_roles: Matcher,
    pub(super) roles: Matcher,
    pub(super) types: Matcher,
    pub(super) links: Matcher,
    /// How long after its end, in milliseconds, something may still count, by an offset.
    pub(super) reach: i64,
}

/// How the resources of one resource type are made.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// By property; that of the key first.
    pub(super) scalars: Vec<PropertyPlan>,
    /// The places of the properties that navigation rules speak of.
    pub(super) navigations: Vec<usize>,
    pub(super) queries: Vec<PropertyPlan>,
    /// Some rule counts at another time than the resource.
    pub(super) has_offsets: bool,
}

/// The rules of one property.
#[derive(Debug)]
pub(super) struct PropertyPlan {
    /// Its place in the target entity type.
    pub(super) property: usize,
    pub(super) is_key: bool,
    /// Each with its place in the resource type and its name. Scalar rules so that a later one overwrites the
    /// ones before it; query rules in the order in which they are tried.
    pub(super) rules: Vec<(usize, Arc<str>)>,
}

/// One rule, of those that are matched.
#[derive(Debug)]
pub(super) struct RuleAt {
    /// The place of what it gives: a role, a composite role or a resource type.
    pub(super) of: usize,
    /// Its place there.
    pub(super) number: usize,
    pub(super) name: Arc<str>,
}

/// What a rule can stand under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Axis {
    Dimension(usize),
    Property(usize),
    Role(usize),
}

/// How rules are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matching {
    ByIndex,
    /// All of them: for explanations, which also tell what does not apply.
    Each,
}

/// What an owner has that rules ask for.
pub(super) struct Ask<'q, 'a> {
    pub(super) facts: &'q Facts<'a>,
    pub(super) contexts: &'q [Context<'a>],
    pub(super) roles: &'q Roles,
    pub(super) matching: Matching,
}

/// Rules under what they ask for. Places of rules are in catalog order: by what they give, then as declared.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    rules: Vec<RuleAt>,
    always: Vec<u32>,
    dimensions: BTreeMap<usize, HashMap<String, Vec<u32>>>,
    properties: BTreeMap<usize, HashMap<String, Vec<u32>>>,
    roles: HashMap<usize, Vec<u32>>,
    /// Properties that are read before, or as, what a rule stands under. While one of them has to be looked
    /// at, reading it may fail, so each rule is judged.
    guarded: Vec<usize>,
}

/// A rule, before it stands anywhere.
struct Filed<'a> {
    rule: RuleAt,
    criteria: &'a Criteria,
    role: Option<usize>,
}

impl Rules {
    pub(in crate::model) fn of(catalog: &Catalog) -> Self {
        let entity_types = catalog.entity_types().iter();
        let owners = entity_types.map(|owner| (Arc::clone(&owner.name), OwnerRules::of(catalog, owner))).collect();
        Self { owners, plans: catalog.resource_types().iter().map(|kind| Plan::of(catalog, kind)).collect() }
    }

    /// How long after its end, in milliseconds, something may still count for owners of an entity type.
    pub(crate) fn reach_of(&self, entity_type: &str) -> i64 {
        self.owners.get(entity_type).map_or(0, |owner| owner.reach)
    }

    /// How long after its end something may still count, for any owner.
    pub(crate) fn reach(&self) -> Duration {
        let longest = self.owners.values().map(|owner| owner.reach).max();
        Duration::from_millis(longest.and_then(|reach| u64::try_from(reach).ok()).unwrap_or_default())
    }

    pub(super) fn of_owner(&self, entity_type: &str) -> Option<&OwnerRules> {
        self.owners.get(entity_type)
    }

    pub(super) fn plan(&self, resource_type: usize) -> Option<&Plan> {
        self.plans.get(resource_type)
    }
}

impl OwnerRules {
    fn of(catalog: &Catalog, owner: &EntityType) -> Self {
        let mut composite_roles = Vec::new();
        for (of, role) in catalog.composite_roles().iter().enumerate().filter(|(_, role)| role.owner == owner.name) {
            for (number, rule) in role.rules.iter().enumerate() {
                let name = format!("composite role {} / rule {}", role.name, number + 1).into();
                composite_roles.push(Filed { rule: RuleAt { of, number, name }, criteria: &rule.criteria, role: None });
            }
        }
        let mut roles = Vec::new();
        for (of, role) in catalog.roles().iter().enumerate().filter(|(_, role)| role.owner == owner.name) {
            for (number, rule) in role.rules.iter().enumerate() {
                let name = format!("role {} / rule {}", role.name, number + 1).into();
                roles.push(Filed { rule: RuleAt { of, number, name }, criteria: &rule.criteria, role: None });
            }
        }
        let (mut types, mut links) = (Vec::new(), Vec::new());
        for (of, kind) in catalog.resource_types().iter().enumerate().filter(|(_, kind)| kind.owner == owner.name) {
            for (number, rule) in kind.type_rules.iter().enumerate() {
                let name = format!("resource type {} / type rule {}", kind.name, number + 1).into();
                let role = rule.role.as_ref().map(|role| role.place);
                types.push(Filed { rule: RuleAt { of, number, name }, criteria: &rule.criteria, role });
            }
            for (number, rule) in kind.navigation_rules.iter().enumerate() {
                let name = format!("resource type {} / navigation {} -> {}", kind.name, rule.property, rule.target);
                let role = rule.role.as_ref().map(|role| role.place);
                links.push(Filed { rule: RuleAt { of, number, name: name.into() }, criteria: &rule.criteria, role });
            }
        }
        Self {
            composite_roles: Matcher::of(composite_roles, owner),
            roles: Matcher::of(roles, owner),
            types: Matcher::of(types, owner),
            links: Matcher::of(links, owner),
            reach: catalog
                .resource_types()
                .iter()
                .filter(|kind| kind.owner == owner.name)
                .map(reach)
                .max()
                .unwrap_or(0),
        }
    }
}

/// How long after the end of what gives it a resource, or one of its values or links, may still count. The offset of
/// the resource type moves the end from which the others count.
fn reach(kind: &ResourceType) -> i64 {
    let after = |offset: Offset| match offset.reference {
        OffsetReference::Default => 0,
        OffsetReference::Around | OffsetReference::Before | OffsetReference::After => {
            i64::from(offset.after_minutes) * MINUTE_MS
        }
    };
    let scalars = kind.scalar_rules.iter().map(|rule| rule.offset);
    let links = kind.navigation_rules.iter().map(|rule| rule.offset);
    let queries = kind.query_rules.iter().map(|rule| rule.offset);
    let of_type = kind.type_rules.iter().map(|rule| after(rule.offset)).max().unwrap_or(0);
    of_type + scalars.chain(links).chain(queries).map(after).max().unwrap_or(0)
}

impl Filed<'_> {
    /// All that the rule could stand under, each with what it may be.
    fn asks(&self, owner: &EntityType) -> Vec<(Axis, Vec<String>)> {
        let dimensions = self.criteria.dimensions.iter();
        let mut asks: Vec<_> =
            dimensions.map(|(dimension, values)| (Axis::Dimension(*dimension), values.clone())).collect();
        asks.extend(self.role.map(|role| (Axis::Role(role), vec![String::new()])));
        // Computing may fail, so from the first condition on a computed property nothing is taken for granted.
        let is_computed = |place: usize| owner.computed.iter().any(|(computed, _)| *computed == place);
        let equalities = self.criteria.when.iter().flat_map(|when| when.equalities());
        let sure = equalities.take_while(|equality| !is_computed(equality.place));
        asks.extend(sure.map(|equality| (Axis::Property(equality.place), equality.any_of.clone())));
        asks
    }
}

impl Matcher {
    fn of(filed: Vec<Filed<'_>>, owner: &EntityType) -> Self {
        let mut counts: HashMap<(Axis, String), usize> = HashMap::new();
        let asks: Vec<Vec<(Axis, Vec<String>)>> = filed.iter().map(|filed| filed.asks(owner)).collect();
        for (axis, values) in asks.iter().flatten() {
            for value in values {
                *counts.entry((*axis, value.clone())).or_default() += 1;
            }
        }
        let crowd = |(axis, values): &(Axis, Vec<String>)| -> usize {
            values.iter().filter_map(|value| counts.get(&(*axis, value.clone()))).sum()
        };
        let mut matcher = Self::default();
        for (place, (filed, asks)) in filed.into_iter().zip(asks).enumerate() {
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            matcher.rules.push(filed.rule);
            matcher.guarded.extend(asks.iter().filter_map(|(axis, _)| match axis {
                Axis::Property(property) => Some(*property),
                Axis::Dimension(_) | Axis::Role(_) => None,
            }));
            let Some((axis, values)) = asks.into_iter().min_by_key(|ask| (crowd(ask), ask.0)) else {
                matcher.always.push(place);
                continue;
            };
            for value in values {
                let under = match axis {
                    Axis::Dimension(dimension) => matcher.dimensions.entry(dimension).or_default().entry(value),
                    Axis::Property(property) => matcher.properties.entry(property).or_default().entry(value),
                    Axis::Role(role) => {
                        matcher.roles.entry(role).or_default().push(place);
                        continue;
                    }
                };
                under.or_default().push(place);
            }
        }
        matcher.guarded.sort_unstable();
        matcher.guarded.dedup();
        matcher
    }

    pub(super) fn rule(&self, place: u32) -> Option<&RuleAt> {
        self.rules.get(place as usize)
    }

    /// The places of the rules that may be for an owner, in catalog order.
    pub(super) fn candidates(&self, ask: &Ask<'_, '_>) -> Vec<u32> {
        let each = || (0..u32::try_from(self.rules.len()).unwrap_or(u32::MAX)).collect();
        let is_sure = |place: &usize| ask.facts.plain(*place) != Plain::Unknown;
        if ask.matching == Matching::Each || !self.guarded.iter().all(is_sure) {
            return each();
        }
        let mut found = self.always.clone();
        for (dimension, under) in &self.dimensions {
            for context in ask.contexts {
                match context.dimension(*dimension) {
                    Ok(Some(value)) => found.extend(under.get(value).into_iter().flatten()),
                    Ok(None) => {}
                    // Nobody knows which rules would be for this value.
                    Err(_) => return each(),
                }
            }
        }
        for (property, under) in &self.properties {
            if let Plain::Text(text) = ask.facts.plain(*property) {
                found.extend(under.get(text).into_iter().flatten());
            }
        }
        if !self.roles.is_empty() {
            found.extend(ask.roles.places().filter_map(|role| self.roles.get(&role)).flatten());
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Of candidates, those for what stands at that place.
    pub(super) fn for_place<'c>(&self, candidates: &'c [u32], of: usize) -> &'c [u32] {
        let place = |candidate: &u32| self.rule(*candidate).map_or(usize::MAX, |rule| rule.of);
        let from = candidates.partition_point(|candidate| place(candidate) < of);
        let until = candidates.partition_point(|candidate| place(candidate) <= of);
        candidates.get(from..until).unwrap_or_default()
    }

    /// The places of what candidates give, each once, in catalog order.
    pub(super) fn places(&self, candidates: &[u32]) -> Vec<usize> {
        let mut places: Vec<usize> =
            candidates.iter().filter_map(|candidate| Some(self.rule(*candidate)?.of)).collect();
        places.dedup();
        places
    }
}

impl Plan {
    fn of(catalog: &Catalog, kind: &ResourceType) -> Self {
        let Some(target) = catalog.entity_type(&kind.target) else { return Self::default() };
        let mut plan = Self::default();
        for (number, rule) in kind.scalar_rules.iter().enumerate() {
            let name = format!("resource type {} / scalar {}{}", kind.name, rule.property, suffix(rule.offset));
            plan.note(rule.offset);
            add(&mut plan.scalars, target, &rule.property, (number, name.into()));
        }
        plan.scalars.sort_by_key(|property| !property.is_key);
        for property in &mut plan.scalars {
            // A stable sort: of two that count alike the later declared overwrites.
            property.rules.sort_by_key(|(number, _)| kind.scalar_rules.get(*number).map(|rule| rule.offset.reference));
        }
        for rule in &kind.navigation_rules {
            plan.note(rule.offset);
            if let Some(place) = target.place(&rule.property).filter(|place| !plan.navigations.contains(place)) {
                plan.navigations.push(place);
            }
        }
        for (number, rule) in kind.query_rules.iter().enumerate() {
            let name =
                format!("resource type {} / query {} {}{}", kind.name, rule.property, rule.number, suffix(rule.offset));
            plan.note(rule.offset);
            add(&mut plan.queries, target, &rule.property, (number, name.into()));
        }
        for property in &mut plan.queries {
            let confidence = |number: usize| kind.query_rules.get(number).map(|rule| rule.confidence);
            property.rules.sort_by_key(|(number, _)| std::cmp::Reverse(confidence(*number)));
        }
        plan
    }

    fn note(&mut self, offset: Offset) {
        self.has_offsets |= offset.reference != OffsetReference::Default;
    }
}

fn add(plans: &mut Vec<PropertyPlan>, target: &EntityType, property: &Name, rule: (usize, Arc<str>)) {
    let Some(place) = target.place(property) else { return };
    match plans.iter_mut().find(|plan| plan.property == place) {
        Some(plan) => plan.rules.push(rule),
        None => plans.push(PropertyPlan { property: place, is_key: *property == target.key, rules: vec![rule] }),
    }
}

/// Tells the rules of one property apart.
const fn suffix(offset: Offset) -> &'static str {
    match offset.reference {
        OffsetReference::Default => "",
        OffsetReference::Around => " (around)",
        OffsetReference::Before => " (before)",
        OffsetReference::After => " (after)",
    }
}
