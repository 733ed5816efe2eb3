//! Who may have a key: no resource has two masters.
//!
//! The rule that must hold: whoever has a resource keeps it, whoever is losing one is waited for, and of
//! those who would share one that nobody has, none gets it. What a refused order says does not change
//! when one more claims the same.

use super::assign::{Assignment, place as kept_as};
use super::catalog::{Catalog, ResourceType};
use super::comparison::Comparisons;
use super::expected::{Expected, ExpectedResource};
use super::generate::LaneKey;
use super::known_order::{self, KnownOrder};
use provost_domain::{Owner, Reason, RuleFailure, Timestamp};
use std::collections::{BTreeMap, HashMap, HashSet};

/// An owner: entity type and key.
pub(crate) type OwnerKey = (String, String);

/// Most claimants that are named: everybody may claim one key.
const NAMED_MAX: usize = 3;

/// What decides who may have a key.
pub(crate) struct Claims<'a> {
    pub(crate) catalog: &'a Catalog,
    /// What was assigned last time, by owner and resource type.
    pub(crate) previous: &'a HashMap<OwnerKey, BTreeMap<String, Assignment>>,
    pub(crate) lanes: &'a BTreeMap<LaneKey, Vec<KnownOrder>>,
    /// Whether synchronization shows a resource of an entity type and key.
    pub(crate) exists: &'a (dyn Fn(&str, &str) -> bool + Sync),
    pub(crate) now: Timestamp,
}

/// How an owner stands to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// Shall have it now, and has it already.
    Holds,
    /// Shall have it now.
    Wants,
    /// Had it, and it is yet to be taken away.
    Leaves,
}

/// One owner's claim on one key.
struct Claim {
    stand: Stand,
    /// Where it stands among the expected; none of what no rule gives any more.
    place: Option<(usize, usize)>,
    owner: OwnerKey,
    resource_type: String,
}

/// How what one resource type gave stands to what another gives the same owner now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Handover {
    /// The other one gives the very same: it changes hands, and nothing is taken away.
    Done,
    /// The other one's key rule fails, so that nobody knows whether it gives the same. By name.
    Unclear(String),
}

/// Whether another resource type of the same owner gives the very resource that this one gave.
pub(crate) fn hands_over(
    catalog: &Catalog,
    expected: &Expected,
    from: &ResourceType,
    key: &str,
    now: Timestamp,
) -> Option<Handover> {
    let mut unclear = None;
    for resource in expected.resources.iter().filter(|resource| resource.resource_type != from.name) {
        let Some(other) = catalog.resource_type(&resource.resource_type) else { continue };
        if other.target != from.target || !resource.due(other.fulfill_ahead_hours).contains(now) {
            continue;
        }
        if resource.target_key == key {
            return Some(Handover::Done);
        }
        if resource.target_key.is_empty() && resource.failure.is_some() {
            unclear = Some(Handover::Unclear(other.name.to_string()));
        }
    }
    unclear
}

/// What another resource type gave this owner before, and gives no more, of the resource that `to` gives now:
/// whoever had it has it still. `previous` is what was assigned to the owner last time.
pub(crate) fn handed_over<'a>(
    catalog: &Catalog,
    expected: &Expected,
    to: &ExpectedResource,
    previous: &'a BTreeMap<String, Assignment>,
    now: Timestamp,
) -> Option<&'a Assignment> {
    let resource_type = catalog.resource_type(&to.resource_type)?;
    let target = &resource_type.target;
    let is_due = to.due(resource_type.fulfill_ahead_hours).contains(now);
    previous.values().find(|before| {
        let from = catalog.resource_type(&before.resource_type);
        let is_of_target = match from {
            Some(from) => from.target == *target,
            None => before.entity_type == **target,
        };
        let is_given = || expected.resources.iter().any(|resource| *resource.resource_type == *before.resource_type);
        // What a person decided to delete of what was found is not handed on.
        before.is_ours()
            && !before.found
            && is_of_target
            && !to.target_key.is_empty()
            && before.target_key == to.target_key
            && *before.resource_type != *to.resource_type
            // Once the time is over, the resource type that gave it takes it away, if there still is one.
            && (is_due || from.is_none())
            && !is_given()
    })
}

impl Claims<'_> {
    /// Which resources, by entity type and key, which owners have, want, or are about to lose.
    pub(crate) fn claimed(&self, all: &[Expected]) -> Vec<((String, String), OwnerKey)> {
        let claims = self.leaving(all).into_iter().chain(self.expected(all));
        claims.map(|(key, claim)| (key, claim.owner)).collect()
    }

    /// Which resources, by entity type and key, somebody has, is about to lose, or is to get as they are. Of what
    /// stands there to be deleted nobody gets anything, whoever waits for the key.
    pub(crate) fn taken(&self, all: &[Expected]) -> HashSet<(String, String)> {
        let waits = |claim: &Claim| {
            let at = claim.place.and_then(|(person, place)| all.get(person)?.resources.get(place));
            claim.stand == Stand::Wants && at.is_some_and(|resource| resource.behind.is_some())
        };
        let claims = self.leaving(all).into_iter().chain(self.expected(all));
        claims.filter(|(_, claim)| !waits(claim)).map(|(key, _)| key).collect()
    }

    /// Fails the resources that two owners would share. A resource with a failed rule keeps its failure,
    /// and its claim.
    pub(crate) fn refuse_shared(&self, all: &mut [Expected]) {
        let mut by_key: BTreeMap<(String, String), Vec<Claim>> = BTreeMap::new();
        for (key, claim) in self.leaving(all).into_iter().chain(self.expected(all)) {
            by_key.entry(key).or_default().push(claim);
        }
        for ((entity_type, key), claims) in by_key.into_iter().filter(|(_, claims)| claims.len() > 1) {
            let count = |stand: Stand| claims.iter().filter(|claim| claim.stand == stand).count();
            let (holding, leaving) = (count(Stand::Holds), count(Stand::Leaves));
            let is_kept = holding == 1 && leaving == 0;
            let named = names(&claims);
            let refused = claims.iter().filter(|claim| match claim.stand {
                Stand::Holds => !is_kept,
                Stand::Wants => true,
                Stand::Leaves => false,
            });
            for (person, place) in refused.filter_map(|claim| claim.place) {
                let resource = all.get_mut(person).and_then(|one| one.resources.get_mut(place));
                let Some(resource) = resource else { continue };
                // Whose it is nobody knows, whatever else failed, or is certain.
                resource.open = None;
                if resource.failure.is_some() {
                    continue;
                }
                let rule = format!("resource type {}", resource.resource_type);
                // The names change with each newcomer, so they stand where nothing is compared.
                let detail = format!("{entity_type} '{key}' is claimed by {named}");
                resource.why.push(Reason { rule: rule.clone(), detail });
                resource.failure = Some(RuleFailure {
                    rule,
                    property: None,
                    input: format!("key = '{key}'"),
                    message: format!(
                        "{entity_type} '{key}' has more than one owner: give all but one of them another key"
                    ),
                });
            }
        }
    }

    /// What somebody still has whose rules no longer give it, or give another key: it is yet to be taken away,
    /// or it is left alone.
    fn leaving(&self, all: &[Expected]) -> Vec<((String, String), Claim)> {
        let here: HashMap<(&str, &str), &Expected> =
            all.iter().map(|one| ((one.owner.entity_type.as_str(), one.owner.key.as_str()), one)).collect();
        let before = self.previous.iter().flat_map(|(owner, of_owner)| of_owner.values().map(move |one| (owner, one)));
        // What was found and is to be deleted was never anybody's: whoever is given its key waits for that.
        before
            .filter(|(_, previous)| !previous.found)
            .filter_map(|(owner, previous)| {
                let expected = here.get(&(owner.0.as_str(), owner.1.as_str())).copied();
                let (entity_type, stand) = match self.catalog.resource_type(&previous.resource_type) {
                    Some(kind) => (kind.target.to_string(), self.losing(previous, kind, expected)?),
                    None => (previous.entity_type.clone(), self.left_behind(previous, expected)?),
                };
                let resource_type = previous.resource_type.clone();
                let claim = Claim { stand, place: None, owner: owner.clone(), resource_type };
                Some(((entity_type, previous.target_key.clone()), claim))
            })
            .collect()
    }

    fn losing(
        &self,
        previous: &Assignment,
        resource_type: &ResourceType,
        expected: Option<&Expected>,
    ) -> Option<Stand> {
        let given = expected.and_then(|expected| {
            let is_it = |resource: &&ExpectedResource| {
                resource.resource_type == resource_type.name && resource.slot == previous.slot
            };
            expected.resources.iter().find(is_it)
        });
        let key = &previous.target_key;
        let is_kept = match given {
            Some(given) => given.target_key == *key,
            None => match expected.and_then(|one| hands_over(self.catalog, one, resource_type, key, self.now)) {
                Some(Handover::Unclear(_)) => return previous.linked.then_some(Stand::Holds),
                handover => handover.is_some(),
            },
        };
        if is_kept || !self.may_have(previous, resource_type) {
            return None;
        }
        let is_removed = resource_type.allow_remove && (expected.is_some() || resource_type.remove_orphans);
        match given.is_some() || is_removed {
            true => Some(Stand::Leaves),
            // Left alone, and ours all the same: a rule may give it, or may take it away, again.
            false => previous.linked.then_some(Stand::Holds),
        }
    }

    /// Its resource type is no longer in the catalog. It may come back.
    fn left_behind(&self, previous: &Assignment, expected: Option<&Expected>) -> Option<Stand> {
        let is_given = |resource: &ExpectedResource| {
            let kind = self.catalog.resource_type(&resource.resource_type);
            resource.target_key == previous.target_key && kind.is_some_and(|kind| *kind.target == *previous.entity_type)
        };
        let has_gone_over = expected.is_some_and(|expected| expected.resources.iter().any(is_given));
        let is_there = previous.linked && (self.exists)(&previous.entity_type, &previous.target_key);
        (previous.is_ours() && is_there && !has_gone_over).then_some(Stand::Holds)
    }

    /// What the rules give, and who has it or had it.
    fn expected(&self, all: &[Expected]) -> Vec<((String, String), Claim)> {
        let mut claims = Vec::new();
        for (person, expected) in all.iter().enumerate() {
            let Owner { entity_type, key, .. } = &expected.owner;
            let owner = (entity_type.clone(), key.clone());
            let before = self.previous.get(&owner);
            for (place, resource) in expected.resources.iter().enumerate() {
                let Some(resource_type) = self.catalog.resource_type(&resource.resource_type) else { continue };
                let own = before
                    .and_then(|of_owner| of_owner.get(&kept_as(&resource.resource_type, &resource.slot)))
                    .filter(|previous| previous.is_ours() && previous.target_key == resource.target_key);
                let handed_over =
                    || before.and_then(|before| handed_over(self.catalog, expected, resource, before, self.now));
                let previous = own.or_else(handed_over);
                let is_due = resource.due(resource_type.fulfill_ahead_hours).contains(self.now);
                let stand = match previous {
                    Some(previous) if is_due && previous.linked => Stand::Holds,
                    _ if is_due => Stand::Wants,
                    Some(previous) if self.may_have(previous, resource_type) => Stand::Leaves,
                    _ => continue,
                };
                if resource.target_key.is_empty() {
                    continue;
                }
                let key = (resource_type.target.to_string(), resource.target_key.clone());
                let resource_type = resource_type.name.to_string();
                claims.push((key, Claim { stand, place: Some((person, place)), owner: owner.clone(), resource_type }));
            }
        }
        claims
    }

    /// What was assigned exists, or may come to exist, as this owner's.
    fn may_have(&self, previous: &Assignment, resource_type: &ResourceType) -> bool {
        if !previous.is_ours() || previous.target_key.is_empty() {
            return false;
        }
        let (connector, target, key) = (&resource_type.connector, &resource_type.target, &previous.target_key);
        let lane = (connector.to_string(), target.to_string(), key.clone());
        let lane = self.lanes.get(&lane).map_or(&[][..], Vec::as_slice);
        let is_anothers = !previous.linked
            && known_order::newest_written(lane).is_some_and(|written| !written.is_of(&previous.owner));
        let current = (self.exists)(target, key).then(BTreeMap::new);
        let is_there = current.is_some() || known_order::overlay(current.as_ref(), lane, Comparisons::EXACT).is_some();
        let is_ordered = || lane.iter().any(|order| order.is_of(&previous.owner) && order.may_be_written());
        !is_anothers && (is_there || is_ordered())
    }
}

/// The first claimants by name, for people.
fn names(claims: &[Claim]) -> String {
    let mut first: Vec<(&OwnerKey, &str)> =
        claims.iter().map(|claim| (&claim.owner, claim.resource_type.as_str())).collect();
    first.sort_unstable();
    let mut named: Vec<String> = first
        .iter()
        .take(NAMED_MAX)
        .map(|((entity_type, key), resource_type)| format!("{entity_type} {key} by {resource_type}"))
        .collect();
    if first.len() > NAMED_MAX {
        named.push("others".to_owned());
    }
    match named.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => named.concat(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]
    use super::*;
    use provost_domain::{OrderId, OrderKind, Period, ProvisioningState, WorkflowState};

    const CATALOG: &str = "
connectors:
  - name: hr
    connections: [ { name: hr-csv, package: csv } ]
    export: hr-csv
  - name: app
    connections: [ { name: app-sql, package: sql } ]
    export: app-sql
entity_types:
  - name: Person
    connector: hr
    key: id
    properties: [ { name: id, type: string } ]
  - name: Account
    connector: app
    key: login
    properties: [ { name: login, type: string } ]
resource_types:
  - name: AppAccount
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ {} ]
    scalar_rules: [ { property: login, value: owner.id } ]
  - name: Kept
    owner: Person
    target: Account
    connection: app-sql
    allow_remove: false
    type_rules: [ {} ]
    scalar_rules: [ { property: login, value: owner.id } ]
";

    fn person(key: &str) -> Owner {
        Owner { entity_type: "Person".into(), key: key.into(), display_name: key.into() }
    }

    fn somebody(key: &str, target_key: &str) -> Expected {
        Expected {
            owner: person(key),
            period: Period::default(),
            roles: vec![],
            suspects: vec![],
            next_change: None,
            dimensions: Default::default(),
            resources: vec![ExpectedResource {
                resource_type: "AppAccount".into(),
                period: Period::default(),
                given: Period::default(),
                workflow: WorkflowState::Calculated,
                target_key: target_key.into(),
                values: BTreeMap::new(),
                arguments: BTreeMap::new(),
                at_deletion: BTreeMap::new(),
                why: vec![],
                failure: None,
                waits_for: None,
                slot: String::new(),
                correlated: None,
                candidates: vec![],
                behind: None,
                refused: None,
                open: None,
            }],
        }
    }

    fn over(mut one: Expected) -> Expected {
        one.period = Period { from: None, until: Some(Timestamp::from_millis(5)) };
        let period = one.period;
        one.resources.iter_mut().for_each(|resource| resource.period = period);
        one
    }

    /// What was assigned, whether it was seen, which orders there are, and what exists.
    #[derive(Default)]
    struct World {
        previous: HashMap<OwnerKey, BTreeMap<String, Assignment>>,
        lanes: BTreeMap<LaneKey, Vec<KnownOrder>>,
        existing: Vec<&'static str>,
    }

    impl World {
        fn had(mut self, key: &str, target_key: &'static str, linked: bool) -> Self {
            let assignment = Assignment {
                entity_type: "Account".into(),
                target_key: target_key.into(),
                linked,
                ours: true,
                ..Assignment::empty(person(key), "AppAccount")
            };
            if linked {
                self.existing.push(target_key);
            }
            let of_owner = [("AppAccount".to_owned(), assignment)].into();
            self.previous.insert(("Person".into(), key.into()), of_owner);
            self
        }

        fn ordered(mut self, key: &str, target_key: &str, state: ProvisioningState) -> Self {
            let order = KnownOrder {
                id: OrderId::new(uuid::Uuid::nil()),
                kind: OrderKind::Addition,
                owner: person(key),
                resource_type: "AppAccount".into(),
                state,
                inactive_reason: None,
                in_flight: false,
                changes: vec![],
                block_causes: vec![],
                fingerprint: String::new(),
                generated_at: Timestamp::from_millis(1),
                executed_at: None,
            };
            self.lanes.entry(("app".into(), "Account".into(), target_key.into())).or_default().push(order);
            self
        }

        fn refuse(&self, all: &mut [Expected]) {
            let catalog = Catalog::compile(&[("catalog.yaml".into(), CATALOG.into())]).expect("a right catalog");
            Claims {
                catalog: &catalog,
                previous: &self.previous,
                lanes: &self.lanes,
                exists: &|_, key| self.existing.contains(&key),
                now: Timestamp::from_millis(10),
            }
            .refuse_shared(all);
        }

        /// The keys of those who are refused.
        fn refused(&self, mut all: Vec<Expected>) -> Vec<String> {
            self.refuse(&mut all);
            let is_refused = |one: &&Expected| one.resources.iter().any(|resource| resource.failure.is_some());
            all.iter().filter(is_refused).map(|one| one.owner.key.clone()).collect()
        }
    }

    #[test]
    fn two_who_want_one_key_are_both_refused_and_others_are_not() {
        let all = vec![somebody("1", "ada"), somebody("2", "bob"), somebody("3", "ada")];
        assert_eq!(World::default().refused(all), ["1", "3"]);
    }

    #[test]
    fn a_newcomer_changes_nothing_that_the_ledger_compares_and_few_are_named() {
        let refusal = |count: usize| {
            let mut all: Vec<_> = (0..count).map(|number| somebody(&format!("{number:05}"), "ada")).collect();
            all.reverse();
            World::default().refuse(&mut all);
            let last = all.pop().and_then(|mut one| one.resources.pop()).expect("a resource");
            (last.failure, last.why.into_iter().map(|reason| reason.detail).collect::<String>())
        };
        let (two, names_of_two) = refusal(2);
        let (many, names_of_many) = refusal(10_000);
        assert!(two.is_some());
        assert_eq!(two, many);
        assert_eq!(
            names_of_two,
            "Account 'ada' is claimed by Person 00000 by AppAccount and Person 00001 by AppAccount"
        );
        assert_eq!(
            names_of_many,
            "Account 'ada' is claimed by Person 00000 by AppAccount, Person 00001 by AppAccount, Person 00002 by \
             AppAccount and others"
        );
    }

    #[test]
    fn whoever_has_it_keeps_it() {
        let all = || vec![somebody("1", "ada"), somebody("2", "ada"), somebody("3", "ada")];
        assert_eq!(World::default().had("2", "ada", true).refused(all()), ["1", "3"]);
        // Ordered and not yet seen: nobody has it.
        assert_eq!(World::default().had("2", "ada", false).refused(all()), ["1", "2", "3"]);
        // Has another one: claims this one like the others.
        assert_eq!(World::default().had("2", "bob", true).refused(all()), ["1", "2", "3"]);
    }

    #[test]
    fn newcomer_waits_for_who_is_leaving_and_not_for_who_never_had_it() {
        let all = || vec![over(somebody("1", "ada")), somebody("2", "ada")];
        assert_eq!(World::default().had("1", "ada", true).refused(all()), ["2"]);
        assert!(World::default().refused(all()).is_empty());
        // Nothing was written, and an order may yet be.
        let ordered = World::default().had("1", "ada", false).ordered("1", "ada", ProvisioningState::Pending);
        assert_eq!(ordered.refused(all()), ["2"]);
        let cancelled = World::default().had("1", "ada", false).ordered("1", "ada", ProvisioningState::Inactive);
        assert!(cancelled.refused(all()).is_empty());
    }

    #[test]
    fn newcomer_waits_for_what_is_taken_away_or_has_another_key_by_now() {
        let world = World::default().had("1", "ada", true);
        let gone = || vec![Expected { resources: vec![], ..somebody("1", "") }, somebody("2", "ada")];
        assert_eq!(world.refused(gone()), ["2"]);
        // The account of the old key is still the first one's, until it is renamed there.
        assert_eq!(world.refused(vec![somebody("1", "lovelace"), somebody("2", "ada")]), ["2"]);
        // An order of the first one's that nobody has taken yet.
        let ordered = World::default().had("1", "ada", false).ordered("1", "ada", ProvisioningState::Pending);
        assert_eq!(ordered.refused(gone()), ["2"]);
        // It was somebody else's order that wrote it.
        let anothers = World { existing: vec!["ada"], ..World::default().had("1", "ada", false) };
        let anothers = anothers.ordered("2", "ada", ProvisioningState::Verified);
        assert!(anothers.refused(gone()).is_empty());
    }

    #[test]
    fn what_is_left_alone_has_a_master() {
        let gone = || vec![Expected { resources: vec![], ..somebody("1", "") }, somebody("2", "ada")];
        let by = |resource_type: &str, linked| {
            let mut world = World::default().had("1", "ada", linked);
            let assignments = world.previous.values_mut().flat_map(BTreeMap::values_mut);
            assignments.for_each(|one| one.resource_type = resource_type.to_owned());
            world
        };
        // No rule gives it, and allow_remove is false; or its resource type is not in the catalog any more.
        for resource_type in ["Kept", "Former"] {
            let world = by(resource_type, true);
            assert_eq!(world.refused(gone()), ["2"], "{resource_type}");
            assert!(by(resource_type, false).refused(gone()).is_empty(), "{resource_type}: never seen");
            let deleted = World { existing: vec![], ..world };
            assert!(deleted.refused(gone()).is_empty(), "{resource_type}: deleted by somebody");
        }
        // Its owner is gone, and orphans stay.
        let orphan = World::default().had("1", "ada", true);
        assert_eq!(orphan.refused(vec![somebody("2", "ada")]), ["2"]);
        // Its resource type has another name: it is the same owner's still, and alone.
        assert!(by("Former", true).refused(vec![somebody("1", "ada")]).is_empty());
    }

    #[test]
    fn whoever_gets_it_by_another_resource_type_has_it_still() {
        let world = World::default().had("1", "ada", true);
        let mut all = vec![somebody("1", "ada"), somebody("2", "ada")];
        all.iter_mut().take(1).flat_map(|one| &mut one.resources).for_each(|one| one.resource_type = "Kept".into());
        assert_eq!(world.refused(all), ["2"]);
    }

    #[test]
    fn a_failed_rule_keeps_its_failure_and_its_claim() {
        let mut all = [somebody("1", "ada"), somebody("2", "ada")];
        let own = RuleFailure { rule: "r".into(), property: None, input: String::new(), message: "own".into() };
        all.iter_mut().take(1).flat_map(|one| &mut one.resources).for_each(|one| one.failure = Some(own.clone()));
        World::default().refuse(&mut all);
        let failures = all.iter().flat_map(|one| &one.resources).filter_map(|resource| resource.failure.as_ref());
        let messages: Vec<_> = failures.map(|failure| failure.message.as_str()).collect();
        assert_eq!(messages.first().copied(), Some("own"));
        assert!(messages.last().is_some_and(|message| message.contains("has more than one owner")), "{messages:?}");
    }
}
