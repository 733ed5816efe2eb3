//! Assignments and generation together, in a small world: a repository, a ledger that is only its
//! projection, and what the rules give.
#![allow(clippy::expect_used, clippy::panic)]

mod arguments;
mod comparison;
mod correlation;
mod decisions;
mod failures;
mod found;
mod orders;
mod periods;

use super::{AssignedProperty, Assignment, Remains, Situation, Wish, assign, left_behind};
use crate::model::catalog::Catalog;
use crate::model::comparison::Comparisons;
use crate::model::decision::{Decided, Decision, Decisions, Subject, Verdict};
use crate::model::evaluate::OrderArguments;
use crate::model::expected::{Candidate, Correlated, ExpectedResource, ExpectedValue};
use crate::model::found::{Item, items};
use crate::model::generate::{Generation, LaneKey, Run, generate, lane_of_order};
use crate::model::known_order::KnownOrder;
use crate::model::verify;
use proptest::prelude::*;
use provost_domain::{
    BlockCause, Change, ChangeOperation, InactiveReason, Order, OrderId, OrderKind, Owner, Period, ProvisioningState,
    RuleFailure, Timestamp, Value, WorkflowState,
};
use std::collections::BTreeMap;
use uuid::Uuid;

type Values = BTreeMap<String, Value>;

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
    properties:
      - { name: login, type: string }
      - { name: title, type: string }
      - { name: password, type: string, sensitive: true, write_only: true }
      - { name: groups, navigation: Group, multi_valued: true }
      - { name: home, navigation: Group }
      - { name: place, type: string, comparison: distinguished_name }
  - name: Group
    connector: app
    key: name
    properties: [ { name: name, type: string } ]
resource_types:
  - name: Free
    owner: Person
    target: Account
    connection: app-sql
    thresholds: { additions_percent: 0, updates_percent: 0, deletions_percent: 0 }
    review: false
    type_rules: [ {} ]
    scalar_rules: [ { property: login, value: owner.id } ]
  - name: Reviewed
    owner: Person
    target: Account
    connection: app-sql
    thresholds: { additions_percent: 0, updates_percent: 0, deletions_percent: 0 }
    type_rules: [ {} ]
    scalar_rules: [ { property: login, value: owner.id } ]
  - name: Kept
    owner: Person
    target: Account
    connection: app-sql
    thresholds: { additions_percent: 0, updates_percent: 0, deletions_percent: 0 }
    review: false
    allow_add: false
    allow_remove: false
    type_rules: [ {} ]
    scalar_rules: [ { property: login, value: owner.id } ]
  - name: Discarding
    owner: Person
    target: Account
    connection: app-sql
    thresholds: { additions_percent: 0, updates_percent: 0, deletions_percent: 0 }
    review: false
    discard_manual_assignments: true
    type_rules: [ {} ]
    scalar_rules: [ { property: login, value: owner.id } ]
  - name: Early
    owner: Person
    target: Account
    connection: app-sql
    thresholds: { additions_percent: 0, updates_percent: 0, deletions_percent: 0 }
    review: false
    fulfill_ahead_hours: 24
    type_rules: [ {} ]
    scalar_rules: [ { property: login, value: owner.id } ]
  - name: Told
    owner: Person
    target: Account
    connection: app-sql
    thresholds: { additions_percent: 0, updates_percent: 0, deletions_percent: 0 }
    review: false
    type_rules: [ {} ]
    scalar_rules: [ { property: login, value: owner.id } ]
    arguments: { flow: order.kind, place: \"owner.id + order.kind\" }
  - name: Guarded
    owner: Person
    target: Account
    connection: app-sql
    review: false
    type_rules: [ {} ]
    scalar_rules: [ { property: login, value: owner.id } ]
";

fn list(items: &[&str]) -> Value {
    Value::List(items.iter().map(|item| Value::from(*item)).collect())
}

/// The catalog with a property of accounts compared in another way.
fn comparing(property: &str, comparison: &str) -> Catalog {
    let plain = format!("{{ name: {property}, type: string }}");
    let other = format!("{{ name: {property}, type: string, comparison: {comparison} }}");
    let (before, after) = CATALOG.split_once("  - name: Account\n").expect("accounts");
    let text = format!("{before}  - name: Account\n{}", after.replacen(&plain, &other, 1));
    Catalog::compile(&[("catalog.yaml".into(), text)]).expect("a right catalog")
}

/// What the rules give one owner in these tests.
#[derive(Clone, Debug)]
struct Given {
    /// The account's key, where it is not the owner's.
    login: Option<&'static str>,
    /// Nothing stands for no value.
    title: &'static str,
    groups: Vec<&'static str>,
    /// What the navigation rules of `home` say, where there are any.
    home: Option<Option<&'static str>>,
    password: &'static str,
    period: Period,
    failure: Option<RuleFailure>,
    /// What the failure leaves open; everything when that is not said.
    open: Option<&'static [&'static str]>,
    waits_for: Option<&'static str>,
    correlated: Option<Correlated>,
    workflow: WorkflowState,
    confidence: u32,
    candidates: Vec<Candidate>,
}

fn given(title: &'static str, groups: &[&'static str]) -> Given {
    let (login, home, failure) = (None, None, None);
    Given {
        login,
        title,
        groups: groups.to_vec(),
        home,
        password: "initial",
        period: Period::default(),
        failure,
        open: None,
        waits_for: None,
        correlated: None,
        workflow: WorkflowState::Calculated,
        confidence: 100,
        candidates: vec![],
    }
}

struct World {
    catalog: Catalog,
    resource_type: &'static str,
    accounts: BTreeMap<String, Values>,
    lanes: BTreeMap<LaneKey, Vec<KnownOrder>>,
    assignments: BTreeMap<String, Assignment>,
    orders: BTreeMap<OrderId, Order>,
    seen_at: Option<Timestamp>,
    now: Timestamp,
    ids: u128,
    decisions: Vec<Decision>,
    /// Owners that the source no longer has.
    gone: Vec<&'static str>,
    /// What the arguments that look at the order say of one.
    order_arguments: fn(&Owner, OrderKind, &[Change]) -> OrderArguments,
}

impl World {
    fn new(resource_type: &'static str) -> Self {
        let catalog = Catalog::compile(&[("catalog.yaml".into(), CATALOG.into())]).expect("a right catalog");
        Self {
            catalog,
            resource_type,
            accounts: BTreeMap::new(),
            lanes: BTreeMap::new(),
            assignments: BTreeMap::new(),
            orders: BTreeMap::new(),
            seen_at: Some(Timestamp::from_millis(0)),
            now: Timestamp::from_millis(1_000),
            ids: 0,
            decisions: vec![],
            gone: vec![],
            order_arguments: |_, _, _| OrderArguments::new(),
        }
    }

    /// A person decides on ada's account, on what is there now.
    fn decide(&mut self, verdict: Verdict, property: &str, item: Option<&str>) {
        let assigned = self.assignment("ada").clone();
        let item = item.map(Value::from);
        let lines = items(&assigned);
        let line = lines.iter().find(|line| line.name == property && line.item == item);
        let line = line.unwrap_or_else(|| panic!("{property} waits for nobody: {lines:?}")).clone();
        self.decide_on(&line, verdict);
    }

    fn decide_on(&mut self, line: &Item, verdict: Verdict) {
        self.tick();
        let decision = line.decided(Decision {
            sequence: self.decisions.len() as i64 + 1,
            id: format!("d{}", self.decisions.len()),
            at: self.now,
            actor: "grace".into(),
            comment: "seen to".into(),
            of: line.owner.clone(),
            subject: line.subject(),
            verdict,
            proposed: None,
            current: None,
            owner: None,
            takes_over: false,
        });
        self.decisions.push(decision);
    }

    /// Somebody writes into the managed system, and it is synchronized.
    fn by_hand(&mut self, property: &str, value: impl Into<Option<Value>>) {
        let account = self.accounts.get_mut("ada").expect("an account");
        match value.into() {
            Some(value) => account.insert(property.to_owned(), value),
            None => account.remove(property),
        };
        self.synchronize();
    }

    fn held(&self, property: &str) -> Option<Value> {
        self.accounts.get("ada").and_then(|account| account.get(property)).cloned()
    }

    fn property(&self, name: &str) -> &AssignedProperty {
        self.assignment("ada").properties.get(name).expect("a property")
    }

    fn tick(&mut self) {
        self.now = Timestamp::from_millis(self.now.millis() + 10);
    }

    /// An export begins now, and is applied: the repository is what the system shows.
    fn synchronize(&mut self) {
        self.tick();
        self.seen_at = Some(self.now);
        self.tick();
    }

    /// Computes for everybody whom the rules or the past know; verified orders become so.
    fn compute(&mut self, rules: &BTreeMap<&'static str, Given>) {
        let keys: Vec<String> = rules.keys().map(ToString::to_string).chain(self.assignments.keys().cloned()).collect();
        let mut next = BTreeMap::new();
        let decisions = Decisions::new(self.decisions.iter().cloned());
        for key in keys {
            let given = rules.get(key.as_str());
            let expected = given.map(|given| expected(self.resource_type, &key, given));
            let assignment = self.assign_one(&owner(&key), expected.as_ref(), self.assignments.get(&key), &decisions);
            next.extend(assignment.map(|assignment| (key, assignment)));
        }
        self.assignments = next;
        let resource_type = self.catalog.resource_type(self.resource_type);
        let target = self.catalog.entity_type("Account").expect("declared");
        let comparisons = Comparisons::new(&self.catalog, target, resource_type);
        let verified =
            verify::shown(&self.lanes, |_, key| self.accounts.get(key), |_, _| self.seen_at, |_, _| comparisons);
        verified.into_iter().for_each(|(id, _)| self.set(id, ProvisioningState::Verified, None));
    }

    /// Compares what one owner shall have with what was assigned before.
    fn assign_one(
        &self,
        owner: &Owner,
        expected: Option<&ExpectedResource>,
        previous: Option<&Assignment>,
        decisions: &Decisions,
    ) -> Option<Assignment> {
        let resource_type = self.catalog.resource_type(self.resource_type).expect("declared");
        let target = self.catalog.entity_type(&resource_type.target).expect("declared");
        assign(&Situation {
            resource_type,
            target,
            comparisons: Comparisons::new(&self.catalog, target, Some(resource_type)),
            owner,
            owner_is_gone: self.gone.contains(&owner.key.as_str()),
            owner_left: self.gone.contains(&owner.key.as_str()),
            expected,
            previous,
            resource: &|key| self.accounts.get(key),
            lane: &|key| self.lanes.get(&lane(key)).map_or(&[][..], Vec::as_slice),
            decided: Decided::of(decisions, owner),
            seen_at: self.seen_at,
            now: self.now,
            arguments: &|kind, changes| (self.order_arguments)(owner, kind, changes),
        })
    }

    fn generate(&mut self) -> Generation {
        self.generate_with(false, false)
    }

    fn generate_with(&mut self, force_review: bool, waive_review: bool) -> Generation {
        self.tick();
        let run = Run { id: "run".into(), force_review, waive_review, now: self.now };
        let assignments: Vec<_> = self.assignments.values().cloned().collect();
        let mut ids = self.ids;
        let generation = generate(&self.catalog, &assignments, &self.lanes, &run, || {
            ids += 1;
            OrderId::new(Uuid::from_u128(ids))
        });
        self.ids = ids;
        if generation.breaches.is_empty() {
            generation
                .cancel
                .iter()
                .for_each(|id| self.set(*id, ProvisioningState::Inactive, Some(InactiveReason::Cancelled)));
            generation.orders.iter().for_each(|order| self.submit(order));
        }
        generation
    }

    fn submit(&mut self, order: &Order) {
        let lane = self.lanes.entry(lane_of_order(order)).or_default();
        for older in lane.iter_mut().filter(|older| older.gives_way()) {
            (older.state, older.inactive_reason) = (ProvisioningState::Inactive, Some(InactiveReason::Superseded));
        }
        lane.push(KnownOrder {
            id: order.id,
            kind: order.kind,
            owner: order.owner.clone(),
            resource_type: order.resource_type.as_str().into(),
            state: provost_domain::State::initial(order).number(),
            inactive_reason: order.expired.then_some(InactiveReason::Expired),
            in_flight: false,
            changes: order.changes.clone(),
            block_causes: order.block_causes.clone(),
            fingerprint: order.fingerprint(),
            generated_at: order.generated_at,
            executed_at: None,
        });
        self.orders.insert(order.id, order.clone());
    }

    fn set(&mut self, id: OrderId, state: ProvisioningState, reason: Option<InactiveReason>) {
        let order = self.known(id);
        (order.state, order.inactive_reason) = (state, reason);
    }

    /// The managed system does what the order says.
    fn execute(&mut self, id: OrderId) {
        let order = self.orders.get(&id).expect("a known order").clone();
        if order.kind == OrderKind::Deletion {
            self.accounts.remove(&order.target_key);
        } else {
            let account = self.accounts.entry(order.target_key.clone()).or_default();
            for change in order.changes.iter().filter(|change| !change.write_only) {
                let items = change.proposed.as_ref().map(|value| value.items().to_vec()).unwrap_or_default();
                let mut held = account.get(&change.property).map(|held| held.items().to_vec()).unwrap_or_default();
                match (change.operation, &change.proposed) {
                    (ChangeOperation::Set, Some(value)) => {
                        account.insert(change.property.clone(), value.clone());
                        continue;
                    }
                    (ChangeOperation::Set, None) => {
                        account.remove(&change.property);
                        continue;
                    }
                    (ChangeOperation::Add, _) => held.extend(items),
                    (ChangeOperation::Remove, _) => held.retain(|item| !items.contains(item)),
                }
                account.insert(change.property.clone(), Value::List(held));
            }
        }
        self.set(id, ProvisioningState::Executed, None);
        self.known(id).executed_at = Some(self.now);
    }

    fn known(&mut self, id: OrderId) -> &mut KnownOrder {
        self.lanes.values_mut().flatten().find(|order| order.id == id).expect("a known order")
    }

    /// Compute, generate, execute what is Pending, synchronize, compute again.
    fn run(&mut self, rules: &BTreeMap<&'static str, Given>) -> Generation {
        self.compute(rules);
        let generation = self.generate();
        let pending: Vec<_> = self
            .lanes
            .values()
            .flatten()
            .filter(|order| order.state == ProvisioningState::Pending)
            .map(|order| order.id)
            .collect();
        pending.into_iter().for_each(|id| self.execute(id));
        self.synchronize();
        self.compute(rules);
        generation
    }

    fn assignment(&self, key: &str) -> &Assignment {
        self.assignments.get(key).expect("an assignment")
    }

    fn only_order(generation: &Generation) -> &Order {
        let [order] = generation.orders.as_slice() else { panic!("one order expected: {:?}", generation.orders) };
        order
    }
}

fn owner(key: &str) -> Owner {
    Owner { entity_type: "Person".into(), key: key.into(), display_name: key.into() }
}

fn lane(key: &str) -> LaneKey {
    ("app".into(), "Account".into(), key.into())
}

fn expected(resource_type: &str, key: &str, given: &Given) -> ExpectedResource {
    let key = given.login.unwrap_or(key);
    let value = |value| ExpectedValue { value, confidence: given.confidence, ..ExpectedValue::default() };
    let mut values: BTreeMap<_, _> = [
        ("login".into(), value(Some(Value::from(key)))),
        ("title".into(), value(Some(given.title).filter(|title| !title.is_empty()).map(Value::from))),
        ("password".into(), value(Some(Value::from(given.password)))),
        ("groups".into(), value(Some(list(&given.groups)))),
    ]
    .into();
    if let Some(home) = given.home {
        values.insert("home".into(), value(home.map(Value::from)));
    }
    ExpectedResource {
        waits_for: given.waits_for.map(str::to_owned),
        slot: String::new(),
        correlated: given.correlated.clone(),
        candidates: given.candidates.clone(),
        behind: None,
        refused: None,
        open: given.open.map(|open| open.iter().map(|name| (*name).into()).collect()),
        period: given.period,
        given: given.period,
        workflow: given.workflow,
        resource_type: resource_type.into(),
        target_key: key.into(),
        values,
        arguments: BTreeMap::new(),
        at_deletion: BTreeMap::new(),
        why: vec![],
        failure: given.failure.clone(),
    }
}

fn ada(given: Given) -> BTreeMap<&'static str, Given> {
    [("ada", given)].into()
}

fn settled(title: &'static str, groups: &[&'static str]) -> World {
    let mut world = World::new("Free");
    world.run(&ada(given(title, groups)));
    assert_eq!(world.assignment("ada").state, ProvisioningState::Verified, "{:?}", world.assignment("ada"));
    world
}
