//! Existing accounts instead of second ones.

use super::*;
use crate::model::catalog::{CONFIDENT, ResourceType};
use crate::model::correlate::{Existing, Sorting, find, seen, settle, suspects};
use crate::model::evaluate::Finding;
use crate::model::expected::Expected;
use provost_domain::Reason;

const RULES: &str = "    correlation_rules:
      - { source: owner.id, target: target.login, confidence: 120 }
      - { source: owner.id, target: target.title, confidence: 60 }
";

fn catalog(more: &str) -> Catalog {
    let text = CATALOG.replacen("  - name: Free\n", &format!("  - name: Free\n{RULES}{more}"), 1);
    Catalog::compile(&[("catalog.yaml".into(), text)]).expect("a right catalog")
}

/// Accounts, by which rule they are whose.
struct Accounts<'a> {
    world: &'a World,
    /// Owner, rule, key.
    found: Vec<(&'static str, usize, &'static str)>,
    owner: String,
    fails: bool,
    sorting: Sorting,
}

/// Nothing speaks against it.
const SURE: Sorting = Sorting::Is(CONFIDENT);

impl Existing for Accounts<'_> {
    fn by_key(&self, _: &ResourceType, key: &str) -> Vec<String> {
        let means = |other: &&String| other.to_lowercase() == key.to_lowercase();
        self.world.accounts.keys().filter(means).cloned().collect()
    }

    fn text(&self, _: &ResourceType, _: usize) -> Result<Option<String>, RuleFailure> {
        let failure =
            || RuleFailure { rule: "r".into(), property: None, input: String::new(), message: "no text".into() };
        if self.fails { Err(failure()) } else { Ok(Some(self.owner.clone())) }
    }

    fn by_rule(&self, _: &ResourceType, rule: usize, text: &str) -> Vec<String> {
        let is_it = |(owner, of, key): &&(&str, usize, &str)| {
            *owner == text && *of == rule && self.world.accounts.contains_key(*key)
        };
        self.found.iter().filter(is_it).map(|(.., key)| (*key).to_owned()).collect()
    }

    fn key(&self, _: &ResourceType) -> Option<String> {
        Some(self.owner.clone())
    }

    fn sorting(&self, _: &ResourceType, _: &str) -> Sorting {
        self.sorting.clone()
    }

    fn lane(&self, _: &ResourceType, key: &str) -> &[KnownOrder] {
        self.world.lanes.get(&lane(key)).map_or(&[][..], Vec::as_slice)
    }
}

impl World {
    fn account(&mut self, key: &str) {
        let values = [("login".to_owned(), Value::from(key)), ("title".to_owned(), Value::from("Analyst"))];
        self.accounts.insert(key.into(), values.into());
        self.synchronize();
    }

    /// What each of these is found to have; `found` says who is found by which rule.
    fn correlated(&self, owners: &[&'static str], found: &[(&'static str, usize, &'static str)]) -> Vec<Expected> {
        self.correlated_by(owners, found, false, &SURE)
    }

    fn correlated_by(
        &self,
        owners: &[&'static str],
        found: &[(&'static str, usize, &'static str)],
        fails: bool,
        sorting: &Sorting,
    ) -> Vec<Expected> {
        let decisions = Decisions::new(self.decisions.iter().cloned());
        let kind = |name: &str| self.catalog.resource_type(name);
        let of = |key: &str| -> BTreeMap<String, Assignment> {
            let all = self.assignments.iter().filter(|(_, one)| one.owner.key == key);
            all.map(|(_, one)| (one.place(), one.clone())).collect()
        };
        let mut all: Vec<Expected> = owners
            .iter()
            .map(|key| {
                let owner = owner(key);
                let sorting = sorting.clone();
                let existing =
                    Accounts { world: self, found: found.to_vec(), owner: (*key).to_owned(), fails, sorting };
                let mut one = Expected {
                    owner: owner.clone(),
                    period: Period::default(),
                    roles: vec![],
                    resources: vec![expected("Free", key, &given("Analyst", &[]))],
                    suspects: vec![],
                    next_change: None,
                    dimensions: Default::default(),
                };
                find(&mut one, &of(key), Decided::of(&decisions, &owner), kind, &existing);
                one
            })
            .collect();
        settle(&mut all, kind, |_, key, asking| {
            self.assignments.values().any(|one| one.is_ours() && one.target_key == key && one.owner.key != asking.key)
        });
        all
    }

    /// Computes for ada what was correlated, slot by slot.
    fn take_over(&mut self, all: &[Expected]) {
        let decisions = Decisions::new(self.decisions.iter().cloned());
        let mut next = BTreeMap::new();
        for resource in all.iter().flat_map(|one| &one.resources) {
            let at = if resource.slot.is_empty() { "ada".to_owned() } else { format!("ada {}", resource.slot) };
            let one = self.assign_one(&owner("ada"), Some(resource), self.assignments.get(&at), &decisions);
            next.extend(one.map(|one| (at, one)));
        }
        self.assignments = next;
        let target = self.catalog.entity_type("Account").expect("declared");
        let comparisons = Comparisons::new(&self.catalog, target, None);
        let verified =
            verify::shown(&self.lanes, |_, key| self.accounts.get(key), |_, _| self.seen_at, |_, _| comparisons);
        verified.into_iter().for_each(|(id, _)| self.set(id, ProvisioningState::Verified, None));
    }
}

fn keys(all: &[Expected]) -> Vec<(&str, Option<u32>)> {
    let resources = all.iter().flat_map(|one| &one.resources);
    resources.map(|one| (one.target_key.as_str(), one.correlated.as_ref().map(|found| found.confidence))).collect()
}

fn world(more: &str) -> World {
    World { catalog: catalog(more), ..World::new("Free") }
}

#[test]
fn a_sure_resource_is_taken_with_its_key_which_never_changes() {
    let mut world = world("");
    world.account("old-1");
    let found = world.correlated(&["ada"], &[("ada", 0, "old-1")]);
    assert_eq!(keys(&found), [("old-1", Some(120))]);
    world.take_over(&found);
    for _ in 0..3 {
        // Nobody need find it again.
        world.take_over(&world.correlated(&["ada"], &[]));
        assert!(
            world.generate().orders.iter().all(|order| order.changes.iter().all(|change| change.property != "login"))
        );
        let assignment = world.assignment("ada");
        assert_eq!((assignment.target_key.as_str(), assignment.linked, assignment.proposed), ("old-1", true, false));
        assert_eq!(assignment.properties.get("login").map(|login| &login.current), Some(&Some("old-1".into())));
    }
    assert!(items(world.assignment("ada")).iter().all(|line| line.name != "login"));
}

#[test]
fn the_same_key_goes_before_any_rule() {
    let mut world = world("");
    world.account("ada");
    world.account("old-1");
    assert_eq!(keys(&world.correlated(&["ada"], &[("ada", 0, "old-1")])), [("ada", None)]);
    // Spelled otherwise, it is the same key.
    world.accounts.remove("ada");
    world.account("ADA");
    assert_eq!(keys(&world.correlated(&["ada"], &[("ada", 0, "old-1")])), [("ADA", Some(150))]);
}

#[test]
fn an_unsure_resource_is_proposed_and_becomes_theirs_when_it_is_confirmed() {
    let mut world = world("");
    world.account("old-1");
    let found = [("ada", 1, "old-1")];
    world.take_over(&world.correlated(&["ada"], &found));
    let assignment = world.assignment("ada");
    assert_eq!((assignment.proposed, assignment.linked, assignment.confidence), (true, false, 60));
    assert_eq!(assignment.state, ProvisioningState::AwaitingApproval);
    assert!(!assignment.is_ours(), "nothing of it is taken away");
    let generation = world.generate();
    let order = World::only_order(&generation);
    assert_eq!((order.kind, order.target_key.as_str()), (OrderKind::Association, "old-1"));
    assert!(order.changes.iter().all(|change| change.property != "login"), "{:?}", order.changes);
    let id = order.id;
    world.take_over(&world.correlated(&["ada"], &found));
    assert_eq!(world.generate().duplicates, 1, "asked once");
    // Approved and written.
    world.execute(id);
    world.take_over(&world.correlated(&["ada"], &found));
    assert!(!world.assignment("ada").proposed && world.assignment("ada").linked);
    world.synchronize();
    for _ in 0..2 {
        world.take_over(&world.correlated(&["ada"], &[]));
        assert!(world.generate().orders.is_empty());
        assert_eq!(world.assignment("ada").target_key, "old-1");
    }
}

#[test]
fn data_that_shows_all_values_confirms_no_proposal_before_a_person_does() {
    let mut world = world("");
    world.account("old-1");
    let found = [("ada", 1, "old-1")];
    world.take_over(&world.correlated(&["ada"], &found));
    let order = World::only_order(&world.generate()).clone();
    let shown = world.accounts.get_mut("old-1").expect("an account");
    let values = order.changes.iter().map(|change| (change.property.clone(), change.proposed.clone()));
    shown.extend(values.filter_map(|(name, value)| Some((name, value?))));
    for _ in 0..2 {
        world.synchronize();
        world.take_over(&world.correlated(&["ada"], &found));
        assert_eq!(world.known(order.id).state, ProvisioningState::AwaitingApproval);
        assert!(world.assignment("ada").proposed && !world.assignment("ada").is_ours());
    }
    // Approved: nothing is left to write.
    world.set(order.id, ProvisioningState::Pending, None);
    world.synchronize();
    world.take_over(&world.correlated(&["ada"], &found));
    assert_eq!(world.known(order.id).state, ProvisioningState::Verified);
    world.take_over(&world.correlated(&["ada"], &found));
    assert!(world.assignment("ada").is_ours());
}

#[test]
fn who_loses_the_rule_before_a_proposal_is_confirmed_loses_nothing() {
    let mut world = world("");
    world.account("old-1");
    world.take_over(&world.correlated(&["ada"], &[("ada", 1, "old-1")]));
    let id = World::only_order(&world.generate()).id;
    let previous = world.assignments.clone();
    let lost = world.assign_one(&owner("ada"), None, previous.get("ada"), &Decisions::default());
    assert_eq!(lost, None);
    world.assignments.clear();
    let generation = world.generate();
    assert_eq!((generation.orders.len(), generation.cancel.as_slice()), (0, [id].as_slice()));
}

#[test]
fn what_a_reviewer_denied_is_not_proposed_again_and_another_one_is_created() {
    let mut world = world("");
    world.account("old-1");
    let found = [("ada", 1, "old-1")];
    world.take_over(&world.correlated(&["ada"], &found));
    let id = World::only_order(&world.generate()).id;
    world.set(id, ProvisioningState::Inactive, Some(InactiveReason::Declined));
    for _ in 0..2 {
        let again = world.correlated(&["ada"], &found);
        assert_eq!(keys(&again), [("ada", None)]);
        world.take_over(&again);
        assert_eq!(world.assignment("ada").wanted.as_ref().map(|wanted| wanted.kind), Some(OrderKind::Addition));
    }
}

#[test]
fn of_several_that_fit_equally_none_is_taken() {
    let mut world = world("");
    world.account("old-1");
    world.account("old-2");
    let found = world.correlated(&["ada"], &[("ada", 0, "old-1"), ("ada", 0, "old-2")]);
    let failure = found.first().and_then(|one| one.resources.first()).and_then(|one| one.failure.clone());
    let failure = failure.expect("a failure");
    assert!(failure.message.contains("old-1, old-2"), "{failure:?}");
    assert_eq!(failure.rule, "resource type Free / correlation rule 1");
    // A surer one decides.
    let found = world.correlated(&["ada"], &[("ada", 0, "old-2"), ("ada", 1, "old-1")]);
    assert_eq!(keys(&found), [("old-2", Some(120))]);
}

#[test]
fn where_several_are_allowed_all_that_are_sure_are_taken() {
    let mut world = world("    correlate_multiple: true\n");
    world.account("old-1");
    world.account("old-2");
    world.account("old-3");
    let found = [("ada", 0, "old-1"), ("ada", 0, "old-2"), ("ada", 1, "old-3")];
    let all = world.correlated(&["ada"], &found);
    assert_eq!(keys(&all), [("old-1", Some(120)), ("old-2", Some(120))]);
    world.take_over(&all);
    assert_eq!(world.assignments.keys().collect::<Vec<_>>(), ["ada", "ada old-2"]);
    assert_eq!(world.assignments.values().map(Assignment::place).collect::<Vec<_>>(), ["Free", "Free\u{1f}old-2"]);
    // They stay, and one that comes later is taken as well.
    world.account("old-4");
    let all = world.correlated(&["ada"], &[("ada", 0, "old-4")]);
    assert_eq!(keys(&all), [("old-1", Some(120)), ("old-2", Some(120)), ("old-4", Some(120))]);
}

#[test]
fn of_several_owners_the_surest_has_it_and_who_is_not_given_it_comes_last() {
    let mut world = world("");
    world.account("old-1");
    let all = world.correlated(&["ada", "bob"], &[("ada", 1, "old-1"), ("bob", 0, "old-1")]);
    assert_eq!(keys(&all), [("ada", None), ("old-1", Some(120))]);
    // What somebody has is not taken from them.
    let all = world.correlated(&["bob"], &[("bob", 0, "old-1")]);
    let bobs = all.first().and_then(|one| one.resources.first()).expect("a resource");
    let has = world.assign_one(&owner("bob"), Some(bobs), None, &Decisions::default()).expect("an assignment");
    world.assignments.insert("bob".into(), has);
    assert_eq!(keys(&world.correlated(&["ada"], &[("ada", 0, "old-1")])), [("ada", None)]);
}

#[test]
fn a_rule_that_fails_costs_its_own_resource_alone() {
    let mut world = world("");
    world.account("old-1");
    let all = world.correlated_by(&["ada"], &[("ada", 0, "old-1")], true, &SURE);
    let failure = all.first().and_then(|one| one.resources.first()).and_then(|one| one.failure.as_ref());
    assert_eq!(failure.map(|failure| failure.message.as_str()), Some("no text"));
    // What stands under the very key is surer than whatever the rule would find.
    world.account("ada");
    let all = world.correlated_by(&["ada"], &[], true, &SURE);
    assert_eq!(keys(&all), [("ada", None)]);
    assert!(all.iter().flat_map(|one| &one.resources).all(|one| one.failure.is_none()));
    // What the owner has already is, too.
    world.take_over(&all);
    let all = world.correlated_by(&["ada"], &[], true, &SURE);
    assert!(all.iter().flat_map(|one| &one.resources).all(|one| one.failure.is_none()));
}

#[test]
fn what_is_not_taken_is_told_with_the_reason() {
    let mut world = world("");
    world.account("ada");
    world.account("old-1");
    world.decisions.push(kept("old-1", itself("old-1"), Some(owner("bob"))));
    let decisions = Decisions::new(world.decisions.iter().cloned());
    let found = vec![("ada", 0, "old-1"), ("ada", 1, "ada")];
    let existing = Accounts { world: &world, found, owner: "ada".to_owned(), fails: false, sorting: SURE };
    let kind = world.catalog.resource_type("Free").expect("declared");
    let decided = Decided::of(&decisions, &owner("ada"));
    let (rules, existing) = seen((kind, "ada"), &owner("ada"), decided, &existing, |_, place| format!("saw {place}"));
    let told: Vec<_> = rules.iter().map(|rule| (rule.asks.as_str(), rule.saw.as_str(), &rule.finding)).collect();
    let gives = &Finding::Gives;
    assert_eq!(
        told,
        [
            ("owner.id == target.login, confidence 120", "saw 0", gives),
            ("owner.id == target.title, confidence 60", "saw 1", gives)
        ]
    );
    let existing: Vec<_> =
        existing.iter().map(|one| (one.key.as_str(), one.confidence, one.refusal.as_deref())).collect();
    let [("ada", 150, None), ("old-1", 120, Some(refusal))] = &*existing else { panic!("{existing:?}") };
    assert!(refusal.starts_with("it is kept for Person bob by grace on "), "{refusal}");
}

#[test]
fn what_no_rule_gives_is_suspected_of_its_owner() {
    let mut world = world("");
    world.account("old-1");
    let found = vec![("ada", 0, "old-1"), ("bob", 1, "old-1")];
    let of = |key: &str| {
        let existing =
            Accounts { world: &world, found: found.clone(), owner: key.to_owned(), fails: false, sorting: SURE };
        let nothing = Expected {
            owner: owner(key),
            period: Period::default(),
            roles: vec![],
            resources: vec![],
            suspects: vec![],
            next_change: None,
            dimensions: Default::default(),
        };
        let kinds = world.catalog.resource_type("Free").into_iter();
        suspects(&nothing, &BTreeMap::new(), Decided::default(), kinds, &existing)
    };
    let [suspect] = &*of("ada") else { panic!("one: {:?}", of("ada")) };
    assert_eq!(suspect.candidate.key, "old-1");
    assert!(of("bob").is_empty(), "not sure enough");
    // Whoever is given it by a rule goes before.
    let kind = |name: &str| world.catalog.resource_type(name);
    let mut all = world.correlated(&["bob"], &[]);
    if let Some(resource) = all.first_mut().and_then(|one| one.resources.first_mut()) {
        let why = Reason { rule: "r".into(), detail: String::new() };
        resource.candidates = vec![Candidate { key: "old-1".into(), why, confidence: 100, weight: 100 }];
    }
    let mut adas = Expected { resources: vec![], owner: owner("ada"), ..all.first().expect("bob").clone() };
    adas.suspects = of("ada");
    all.push(adas);
    settle(&mut all, kind, |_, _, _| false);
    assert!(all.iter().all(|one| one.suspects.is_empty()));
}

/// What grace decided on an account that nobody owned, or that seemed to be `of`'s.
fn kept(key: &str, of: Owner, given: Option<Owner>) -> Decision {
    Decision {
        sequence: 1,
        id: "d1".into(),
        at: Timestamp::from_millis(500),
        actor: "grace".into(),
        comment: "technical".into(),
        of,
        subject: Subject::Resource { entity_type: "Account".into(), target_key: key.into() },
        verdict: Verdict::Keep,
        proposed: None,
        current: Some(key.into()),
        owner: given,
        takes_over: true,
    }
}

fn itself(key: &str) -> Owner {
    Owner { entity_type: "Account".into(), key: key.into(), display_name: key.into() }
}

#[test]
fn what_a_person_kept_for_nobody_is_proposed_and_never_taken() {
    // Found by a rule that is sure, and under the very key.
    for (key, found) in [("old-1", vec![("ada", 0, "old-1")]), ("ada", vec![])] {
        let mut world = world("");
        world.account(key);
        world.decisions.push(kept(key, itself(key), None));
        let all = world.correlated(&["ada"], &found);
        assert_eq!(keys(&all), [(key, Some(99))]);
        world.take_over(&all);
        let assignment = world.assignment("ada");
        assert!(assignment.proposed && !assignment.is_ours(), "{key}: nothing of it is written or taken away");
        assert!(assignment.note.contains("kept for nobody by grace on "), "{key}: {}", assignment.note);
        assert!(assignment.note.contains("technical"), "{key}: {}", assignment.note);
        let generation = world.generate();
        let order = World::only_order(&generation);
        assert_eq!(
            (order.kind, order.block_causes.as_slice()),
            (OrderKind::Association, &[BlockCause::Confidence][..])
        );
        // A reviewer says that it is: then it is, from then on.
        let id = order.id;
        world.execute(id);
        world.synchronize();
        world.take_over(&world.correlated(&["ada"], &found));
        assert!(world.assignment("ada").is_ours() && !world.assignment("ada").proposed, "{key}");
    }
}

#[test]
fn what_a_person_kept_for_somebody_else_is_no_candidate() {
    for decision in [kept("old-1", owner("bob"), None), kept("old-1", itself("old-1"), Some(owner("bob")))] {
        let mut world = world("");
        world.account("old-1");
        world.decisions.push(decision);
        assert_eq!(keys(&world.correlated(&["ada"], &[("ada", 0, "old-1")])), [("ada", None)]);
    }
    // Under the very key nothing else can be made, and the account is not hers.
    let mut world = world("");
    world.account("ada");
    world.decisions.push(kept("ada", owner("bob"), None));
    world.take_over(&world.correlated(&["ada"], &[]));
    let assignment = world.assignment("ada");
    assert_eq!((assignment.state, assignment.is_ours()), (ProvisioningState::Error, false));
    let failure = assignment.failure.as_ref().expect("a failure");
    assert!(failure.message.contains("kept for Person bob by grace"), "{failure:?}");
    assert_eq!(failure.input, "key = 'ada'");
    // It is bob's, who may have it.
    world.assignments.clear();
    let all = world.correlated(&["bob"], &[("bob", 0, "ada")]);
    assert_eq!(keys(&all), [("ada", Some(120))]);
}

#[test]
fn what_classification_takes_for_another_type_is_no_candidate() {
    let machine = Sorting::Another("Machine".into());
    let mut world = world("");
    world.account("old-1");
    let sorted = |world: &World, sorting: &Sorting, found| world.correlated_by(&["ada"], found, false, sorting);
    assert_eq!(keys(&sorted(&world, &machine, &[("ada", 0, "old-1")])), [("ada", None)]);
    // Under the very key nothing else can be made.
    world.account("ada");
    let all = sorted(&world, &machine, &[]);
    let failure = all.first().and_then(|one| one.resources.first()?.failure.as_ref()).expect("a failure");
    assert!(failure.message.contains("classification takes it for a Machine"), "{failure:?}");
    // What is linked already stays linked.
    world.take_over(&sorted(&world, &SURE, &[]));
    assert_eq!(keys(&sorted(&world, &machine, &[])), [("ada", None)]);
    assert!(sorted(&world, &machine, &[]).iter().all(|one| one.resources.iter().all(|one| one.failure.is_none())));
}

#[test]
fn a_candidate_is_no_surer_than_its_classification() {
    for (sorting, confidence) in
        [(Sorting::Is(60), Some(60)), (Sorting::Is(120), None), (Sorting::Unsorted, Some(0)), (Sorting::Not, Some(0))]
    {
        let mut world = world("    classification_rules: [ { when: target.title == 'Clerk', confidence: 60 } ]\n");
        world.account("ada");
        let all = world.correlated_by(&["ada"], &[], false, &sorting);
        assert_eq!(keys(&all), [("ada", confidence)], "{sorting:?}");
    }
    // Without rules of its own a type says nothing of what it is.
    let mut world = world("");
    world.account("ada");
    assert_eq!(keys(&world.correlated_by(&["ada"], &[], false, &Sorting::Unsorted)), [("ada", None)]);
    // A rule that fails says nothing: a person looks.
    let failure = RuleFailure { rule: "c".into(), property: None, input: String::new(), message: "no".into() };
    let all = world.correlated_by(&["ada"], &[], false, &Sorting::Failed(failure));
    assert_eq!(keys(&all), [("ada", Some(0))]);
}

#[test]
fn what_a_reviewer_declined_under_the_very_key_is_left_alone() {
    let mut world = world("    classification_rules: [ { when: target.title == 'Clerk', confidence: 60 } ]\n");
    world.account("ada");
    world.take_over(&world.correlated_by(&["ada"], &[], false, &Sorting::Is(60)));
    let id = World::only_order(&world.generate()).id;
    world.set(id, ProvisioningState::Inactive, Some(InactiveReason::Declined));
    world.take_over(&world.correlated_by(&["ada"], &[], false, &Sorting::Is(60)));
    let assignment = world.assignment("ada");
    assert!(!assignment.is_ours() && assignment.wanted.is_none(), "{assignment:?}");
    assert!(assignment.note.contains("a reviewer declined that it is this owner's"), "{}", assignment.note);
}
