//! Generation by itself: assignments and lanes as they may be, and what comes of them.
#![allow(clippy::expect_used, clippy::panic)]

use super::*;
use crate::model::assign::Assignment;
use proptest::prelude::*;
use provost_domain::{BlockCause, OrderKind, ProvisioningState as S};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use uuid::Uuid;

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
      - { name: home, navigation: Archive }
      - { name: head, navigation: Account }
  - name: Mailbox
    connector: app
    key: address
    properties: [ { name: address, type: string } ]
  - name: Archive
    connector: app
    key: address
    properties: [ { name: address, type: string } ]
  - name: Card
    connector: app
    key: number
    properties: [ { name: number, type: string }, { name: pin, type: string, sensitive: true } ]
resource_types:
  - name: Account
    owner: Person
    target: Account
    connection: app-sql
    review: false
    priority: 1000000
    thresholds: { additions_percent: 0, updates_percent: 0, deletions_percent: 0 }
    type_rules: [ {} ]
    scalar_rules: [ { property: login, value: owner.id } ]
  - name: Mailbox
    owner: Person
    target: Mailbox
    connection: app-sql
    depends_on: Account
    thresholds: { additions_percent: 0, updates_percent: 0, deletions_percent: 0 }
    type_rules: [ {} ]
    scalar_rules: [ { property: address, value: owner.id } ]
  - name: Archive
    owner: Person
    target: Archive
    connection: app-sql
    review: false
    depends_on: Mailbox
    thresholds: { additions_percent: 0, updates_percent: 0, deletions_percent: 0 }
    type_rules: [ {} ]
    scalar_rules: [ { property: address, value: owner.id } ]
  - name: Card
    owner: Person
    target: Card
    connection: app-sql
    review: false
    type_rules: [ {} ]
    scalar_rules: [ { property: number, value: owner.id } ]
";

fn catalog() -> Catalog {
    Catalog::compile(&[("catalog.yaml".into(), CATALOG.into())]).expect("a right catalog")
}

/// An assignment as it is kept: what later fields say by default, it says too.
fn assigned(resource_type: &str, owner: &str, wish: &str, linked: bool, more: Json) -> Assignment {
    let mut kept = json!({
        "owner": { "entity_type": "Person", "key": owner, "display_name": owner },
        "resource_type": resource_type,
        "entity_type": resource_type,
        "target_key": owner,
        "period": { "from": null, "until": null },
        "wish": wish,
        "linked": linked,
        "workflow": "Calculated",
        "state": "Pending",
        "note": "",
        "why": [],
        "properties": {},
        "arguments": {},
        "failure": null,
        "wanted": null,
    });
    let (Json::Object(kept_fields), Json::Object(more)) = (&mut kept, more) else { panic!("objects") };
    kept_fields.extend(more);
    serde_json::from_value(kept).expect("an assignment")
}

fn wants(kind: &str, title: Option<&str>) -> Json {
    let change = |title: &str| {
        json!({
            "property": "title", "operation": "Set", "proposed": { "string": title }, "current": null,
            "sensitive": false, "write_only": false, "why": [],
        })
    };
    let changes: Vec<Json> = title.map(change).into_iter().collect();
    json!({ "wanted": { "kind": kind, "changes": changes } })
}

fn adds(resource_type: &str, owner: &str) -> Assignment {
    assigned(resource_type, owner, "Have", false, wants("Addition", None))
}

fn updates(resource_type: &str, owner: &str, title: &str) -> Assignment {
    assigned(resource_type, owner, "Have", true, wants("Update", Some(title)))
}

fn deletes(resource_type: &str, owner: &str) -> Assignment {
    assigned(resource_type, owner, "Lose", true, wants("Deletion", None))
}

/// As it shall be.
fn has(resource_type: &str, owner: &str) -> Assignment {
    assigned(resource_type, owner, "Have", true, json!({ "state": "Verified" }))
}

fn fails(resource_type: &str, owner: &str) -> Assignment {
    let failure = json!({ "rule": "r", "property": null, "input": "", "message": "no" });
    assigned(resource_type, owner, "Unknown", true, json!({ "failure": failure }))
}

/// A ledger that is only its projection.
#[derive(Default)]
struct Ledger {
    lanes: BTreeMap<LaneKey, Vec<KnownOrder>>,
    ids: u128,
}

impl Ledger {
    fn run(&mut self, catalog: &Catalog, assignments: &[Assignment], force: bool, waive: bool) -> Generation {
        let now = Timestamp::from_millis(1_000);
        let run = Run { id: "run".into(), force_review: force, waive_review: waive, now };
        let mut ids = self.ids;
        let generation = generate(catalog, assignments, &self.lanes, &run, || {
            ids += 1;
            OrderId::new(Uuid::from_u128(ids))
        });
        self.ids = ids;
        generation
    }

    fn generate(&mut self, assignments: &[Assignment]) -> Generation {
        self.run(&catalog(), assignments, false, false)
    }

    /// Takes orders as fulfillment does: newer ones replace what gives way.
    fn submit(&mut self, generation: &Generation) {
        for lane in self.lanes.values_mut() {
            for order in lane.iter_mut().filter(|order| generation.cancel.contains(&order.id)) {
                order.state = S::Inactive;
                order.inactive_reason = Some(provost_domain::InactiveReason::Cancelled);
            }
        }
        for order in &generation.orders {
            let lane = self.lanes.entry(lane_of_order(order)).or_default();
            for older in lane.iter_mut().filter(|older| older.gives_way()) {
                older.state = S::Inactive;
                older.inactive_reason = Some(provost_domain::InactiveReason::Superseded);
            }
            lane.push(known(order));
        }
    }

    fn set(&mut self, id: OrderId, state: S) {
        let order = self.lanes.values_mut().flatten().find(|order| order.id == id).expect("a known order");
        order.state = state;
        if state == S::Inactive {
            order.inactive_reason = Some(provost_domain::InactiveReason::Declined);
        }
    }

    fn open(&self) -> Vec<(OrderKind, S)> {
        let open = self.lanes.values().flatten().filter(|order| order.state != S::Inactive);
        open.map(|order| (order.kind, order.state)).collect()
    }
}

fn known(order: &Order) -> KnownOrder {
    KnownOrder {
        id: order.id,
        kind: order.kind,
        resource_type: order.resource_type.as_str().into(),
        owner: order.owner.clone(),
        state: provost_domain::State::initial(order).number(),
        inactive_reason: None,
        in_flight: false,
        changes: order.changes.clone(),
        block_causes: order.block_causes.clone(),
        fingerprint: order.fingerprint(),
        generated_at: order.generated_at,
        executed_at: None,
    }
}

fn only(generation: &Generation) -> &Order {
    let [order] = generation.orders.as_slice() else { panic!("one order expected: {:?}", generation.orders) };
    order
}

fn named(generation: &Generation) -> Vec<(&str, OrderKind)> {
    generation.orders.iter().map(|order| (order.resource_type.as_str(), order.kind)).collect()
}

#[test]
fn causes_of_a_run_and_of_doubt_are_not_waived() {
    let doubtful = |resource_type: &str| {
        let mut assignment = updates(resource_type, "ada", "Boss");
        assignment.confidence = 99;
        assignment
    };
    let causes = |assignment: Assignment, force, waive| {
        only(&Ledger::default().run(&catalog(), &[assignment], force, waive)).block_causes.clone()
    };
    use BlockCause::{Confidence, ResourceType, Run};
    assert_eq!(causes(updates("Account", "ada", "Boss"), false, false), []);
    assert_eq!(causes(updates("Mailbox", "ada", "Boss"), false, false), [ResourceType]);
    assert_eq!(causes(updates("Mailbox", "ada", "Boss"), false, true), []);
    assert_eq!(causes(updates("Mailbox", "ada", "Boss"), true, false), [ResourceType, Run]);
    assert_eq!(causes(updates("Account", "ada", "Boss"), true, false), [Run]);
    assert_eq!(causes(doubtful("Account"), false, true), [Confidence]);
    assert_eq!(causes(doubtful("Mailbox"), false, true), [Confidence]);
    assert_eq!(causes(doubtful("Mailbox"), true, false), [ResourceType, Run, Confidence]);
    // What is never written needs no review.
    assert_eq!(causes(fails("Mailbox", "ada"), true, false), []);
}

#[test]
fn whoever_comes_behind_a_review_waits_for_one_whatever_is_waived() {
    let catalog = catalog();
    let mut ledger = Ledger::default();
    let first = ledger.run(&catalog, &[updates("Account", "ada", "Boss")], true, false);
    ledger.submit(&first);
    let run = Run { id: "r".into(), force_review: false, waive_review: true, now: Timestamp::from_millis(2_000) };
    let ground = Ground::new(&catalog, &ledger.lanes, &run);
    let second = updates("Account", "ada", "Head");
    let standing = Standing::of(&catalog, &second).expect("a known type");
    let look = ground.look(0, &second, OrderId::new(Uuid::nil())).expect("an order");
    let decided = decide(&catalog, &[standing], vec![look], &Afoot::in_lanes(&ledger.lanes), Inventory::default());
    let [intent] = decided.new.as_slice() else { panic!("one intent: {decided:?}") };
    assert!(intent.block_causes.is_empty() && intent.is_queued);
    assert_eq!(intent.state(), S::AwaitingApproval);
}

#[test]
fn leaving_goes_ahead_of_a_storm_of_updates_whatever_the_catalog_says() {
    let priority = |assignment: Assignment| only(&Ledger::default().generate(&[assignment])).priority;
    let mut disable = updates("Card", "ada", "Boss");
    disable.leaving = true;
    let mut withdrawal = updates("Card", "ada", "Boss");
    for change in withdrawal.wanted.iter_mut().flat_map(|wanted| &mut wanted.changes) {
        change.operation = provost_domain::ChangeOperation::Remove;
    }
    let (storm, disable, withdrawal) =
        (priority(updates("Account", "ada", "Boss")), priority(disable), priority(withdrawal));
    // The account's own priority is the highest that a catalog can say.
    assert_eq!(storm, 1_000_000);
    assert_eq!((disable, withdrawal), (priority::WITHDRAWAL, priority::WITHDRAWAL));
    assert!(storm < disable);
    assert_eq!(priority(deletes("Archive", "ada")), priority::DELETION);
    let (reviewed, confidential) = (priority(deletes("Mailbox", "ada")), priority(deletes("Card", "ada")));
    assert_eq!((reviewed, confidential), (priority::SENSITIVE_DELETION, priority::SENSITIVE_DELETION));
    assert!(priority(deletes("Account", "ada")) < reviewed, "the account's priority lifts it over its like alone");
    assert_eq!(priority(adds("Account", "ada")), 1_000_000);
    assert_eq!(priority(fails("Account", "ada")), 1_000_000, "an Error is written by nobody");
}

#[test]
fn what_depends_on_a_resource_comes_after_it_and_goes_before_it() {
    use OrderKind::{Addition, Deletion};
    let all = |of: fn(&str, &str) -> Assignment| ["Archive", "Account", "Mailbox"].map(|kind| of(kind, "ada"));
    let added = Ledger::default().generate(&all(adds));
    assert_eq!(named(&added), [("Account", Addition), ("Mailbox", Addition), ("Archive", Addition)]);
    let deleted = Ledger::default().generate(&all(deletes));
    assert_eq!(named(&deleted), [("Archive", Deletion), ("Mailbox", Deletion), ("Account", Deletion)]);
    for generation in [added, deleted] {
        let [first, second, third] = generation.orders.as_slice() else { panic!("three orders") };
        assert!(first.depends_on.is_empty());
        assert_eq!((&*second.depends_on, &*third.depends_on), (&[first.id][..], &[second.id][..]));
    }
}

#[test]
fn what_is_there_holds_up_nothing_whatever_becomes_of_a_change_of_it() {
    // The account is there, and a change of it is new.
    let generation = Ledger::default().generate(&[updates("Account", "ada", "Boss"), adds("Mailbox", "ada")]);
    assert!(generation.orders.iter().all(|order| order.depends_on.is_empty()), "{:?}", generation.orders);
    // It is in the ledger, and open, or was declined, or is stuck.
    for state in [S::Pending, S::AwaitingApproval, S::Errored, S::Inactive, S::Executed] {
        let mut ledger = Ledger::default();
        let update = ledger.generate(&[updates("Account", "ada", "Boss")]);
        ledger.submit(&update);
        ledger.set(only(&update).id, state);
        let mailbox = ledger.generate(&[updates("Account", "ada", "Boss"), adds("Mailbox", "ada")]);
        assert_eq!((named(&mailbox), only(&mailbox).depends_on.len()), (vec![("Mailbox", OrderKind::Addition)], 0));
    }
    // Its deletion may yet be written: the mailbox is left for later.
    let mut ledger = Ledger::default();
    let deletion = ledger.generate(&[deletes("Account", "ada")]);
    ledger.submit(&deletion);
    assert!(ledger.generate(&[has("Account", "ada"), adds("Mailbox", "ada")]).orders.is_empty());
}

#[test]
fn what_is_on_its_way_is_waited_for_also_when_a_change_of_it_came_after() {
    let mut ledger = Ledger::default();
    let addition = ledger.generate(&[adds("Account", "ada")]);
    ledger.submit(&addition);
    let account = only(&addition).id;
    ledger.set(account, S::Transmitted);
    let coming = || assigned("Account", "ada", "Have", false, wants("Update", Some("Boss")));
    let update = ledger.generate(&[coming()]);
    ledger.submit(&update);
    let mailbox = ledger.generate(&[coming(), adds("Mailbox", "ada")]);
    assert_eq!(only(&mailbox).depends_on, [account], "for what makes it, not for what changes it");
    ledger.set(account, S::Executed);
    assert!(only(&ledger.generate(&[coming(), adds("Mailbox", "ada")])).depends_on.is_empty());
}

/// One that is also linked: a property, and the key of what it points at.
fn linking(mut assignment: Assignment, property: &str, key: &str) -> Assignment {
    let change = json!({
        "property": property, "operation": "Set", "proposed": { "string": key }, "current": null,
        "sensitive": false, "write_only": false, "why": [],
    });
    let wanted = assignment.wanted.as_mut().expect("an order");
    wanted.changes.push(serde_json::from_value(change).expect("a change"));
    assignment
}

fn waits(generation: &Generation) -> Vec<(String, Vec<String>)> {
    let name = |id: &OrderId| {
        let of = generation.orders.iter().find(|order| order.id == *id);
        of.map_or_else(|| "the ledger's".to_owned(), |order| format!("{} {}", order.resource_type, order.target_key))
    };
    let one = |order: &Order| (name(&order.id), order.depends_on.iter().map(name).collect());
    generation.orders.iter().map(one).collect()
}

fn waiting(name: &str, on: &[&str]) -> (String, Vec<String>) {
    (name.to_owned(), on.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn what_is_linked_to_is_made_first() {
    // Bob's archive needs his mailbox, which needs his account; Ada's account is to point at it.
    let bob = ["Account", "Mailbox", "Archive"].map(|kind| adds(kind, "bob"));
    let mut all = vec![linking(updates("Account", "ada", "Boss"), "home", "bob")];
    all.extend(bob);
    let generation = Ledger::default().generate(&all);
    assert_eq!(
        waits(&generation),
        [
            waiting("Account bob", &[]),
            waiting("Mailbox bob", &["Account bob"]),
            waiting("Archive bob", &["Mailbox bob"]),
            waiting("Account ada", &["Archive bob"]),
        ]
    );
    // It is in the ledger already.
    let mut ledger = Ledger::default();
    let first = ledger.generate(&["Account", "Mailbox", "Archive"].map(|kind| adds(kind, "bob")));
    ledger.submit(&first);
    let second = ledger.generate(&all);
    let archive = first.orders.iter().find(|order| order.resource_type == "Archive").expect("an order").id;
    assert_eq!(only(&second).depends_on, [archive]);
    // It is written, and nothing has to be waited for.
    ledger.set(archive, S::Executed);
    assert!(only(&ledger.generate(&all)).depends_on.is_empty());
    // What is there is waited for by nobody, nor is what nobody makes.
    let there = [linking(updates("Account", "ada", "Boss"), "home", "bob"), updates("Archive", "bob", "Boss")];
    assert!(Ledger::default().generate(&there).orders.iter().all(|order| order.depends_on.is_empty()));
}

/// One that is no longer linked: a property, and the key of what it pointed at.
fn unlinking(assignment: Assignment, property: &str, key: &str) -> Assignment {
    let mut assignment = linking(assignment, property, key);
    let change = assignment.wanted.iter_mut().flat_map(|wanted| &mut wanted.changes).last().expect("a change");
    (change.current, change.proposed) = (change.proposed.take(), None);
    assignment
}

#[test]
fn what_was_linked_to_goes_last() {
    let all = [
        deletes("Account", "bob"),
        unlinking(updates("Account", "ada", "Boss"), "head", "bob"),
        unlinking(updates("Account", "cleo", "Boss"), "head", "bob"),
        updates("Account", "dan", "Boss"),
    ];
    assert_eq!(
        waits(&Ledger::default().generate(&all)),
        [
            waiting("Account ada", &[]),
            waiting("Account cleo", &[]),
            waiting("Account bob", &["Account ada", "Account cleo"]),
            waiting("Account dan", &[]),
        ]
    );
    // Who goes, too, and what was pointed at elsewhere, keep nothing waiting.
    let others = [
        deletes("Account", "bob"),
        deletes("Account", "ada"),
        unlinking(updates("Account", "cleo", "Boss"), "head", "dan"),
    ];
    assert!(Ledger::default().generate(&others).orders.iter().all(|order| order.depends_on.is_empty()));
    // Of a very large group not all are waited for.
    let members: Vec<String> = (0..super::linked::WAITS_MAX + 10).map(|number| format!("m{number}")).collect();
    let leaving = members.iter().map(|member| unlinking(updates("Account", member, "Boss"), "head", "bob"));
    let all: Vec<Assignment> = leaving.chain([deletes("Account", "bob")]).collect();
    let generation = Ledger::default().generate(&all);
    let deletion = generation.orders.iter().find(|order| order.kind == OrderKind::Deletion).expect("an order");
    assert_eq!(deletion.depends_on.len(), super::linked::WAITS_MAX);
}

#[test]
fn of_a_circle_of_links_one_is_not_waited_for() {
    let all = [
        linking(adds("Account", "ada"), "head", "bob"),
        linking(adds("Account", "bob"), "head", "cleo"),
        linking(adds("Account", "cleo"), "head", "ada"),
        linking(adds("Account", "dan"), "head", "dan"),
    ];
    let generation = Ledger::default().generate(&all);
    assert_eq!(
        waits(&generation),
        [
            waiting("Account cleo", &[]),
            waiting("Account bob", &["Account cleo"]),
            waiting("Account ada", &["Account bob"]),
            waiting("Account dan", &[]),
        ]
    );
}

#[test]
fn a_deletion_waits_for_the_one_that_the_ledger_has() {
    let mut ledger = Ledger::default();
    let first = ledger.generate(&[deletes("Mailbox", "ada"), has("Account", "ada")]);
    ledger.submit(&first);
    let mailbox = only(&first).id;
    let both = [deletes("Mailbox", "ada"), deletes("Account", "ada")];
    let second = ledger.generate(&both);
    assert_eq!((only(&second).resource_type.as_str(), &*only(&second).depends_on), ("Account", &[mailbox][..]));
    // It is done: nothing to wait for.
    ledger.set(mailbox, S::Executed);
    let gone = assigned("Mailbox", "ada", "Lose", true, json!({ "state": "Executed" }));
    assert!(only(&ledger.generate(&[gone, deletes("Account", "ada")])).depends_on.is_empty());
    // Somebody else's mailbox is somebody else's.
    let others = Ledger::default().generate(&[deletes("Mailbox", "bob"), deletes("Account", "ada")]);
    assert!(others.orders.iter().all(|order| order.depends_on.is_empty()));
}

#[test]
fn what_a_person_kept_keeps_what_it_stands_on() {
    let kept = || assigned("Archive", "ada", "Lose", true, json!({ "workflow": "Declined", "state": "Inactive" }));
    let generation = Ledger::default().generate(&[kept(), deletes("Mailbox", "ada"), deletes("Account", "ada")]);
    assert!(generation.orders.is_empty(), "{:?}", generation.orders);
    assert_eq!(
        generation.notes,
        [
            "Account: 1 deletions are left out, because a person declined to delete what depends on them",
            "Mailbox: 1 deletions are left out, because a person declined to delete what depends on them",
        ]
    );
    // What the catalog leaves alone is no person's word.
    let left_alone = assigned("Archive", "ada", "Lose", true, json!({ "workflow": "NonConforming", "state": "None" }));
    assert_eq!(Ledger::default().generate(&[left_alone, deletes("Mailbox", "ada")]).orders.len(), 1);
}

#[test]
fn what_waits_for_something_that_was_left_out_is_left_out_too() {
    // Nobody shall have the account, so there is no mailbox, and no archive.
    assert!(Ledger::default().generate(&[adds("Archive", "ada"), adds("Mailbox", "ada")]).orders.is_empty());
    // The account's rule fails: its Error is told, and nothing waits for it.
    let mut broken = fails("Account", "ada");
    broken.linked = false;
    let generation = Ledger::default().generate(&[adds("Archive", "ada"), adds("Mailbox", "ada"), broken]);
    assert_eq!(named(&generation), [("Account", OrderKind::Addition)]);
}

#[test]
fn unsent_addition_and_removal_cancel_out() {
    let mut ledger = Ledger::default();
    let added = ledger.generate(&[adds("Account", "ada")]);
    ledger.submit(&added);
    let lost = assigned("Account", "ada", "Lose", false, json!({}));
    let removed = ledger.generate(&[lost]);
    assert_eq!((removed.orders.len(), &*removed.cancel), (0, &[only(&added).id][..]));
    ledger.submit(&removed);
    assert!(ledger.open().is_empty());
    assert_eq!(ledger.generate(&[]), Generation::default(), "nothing is left to say");
}

#[test]
fn unsent_deletion_and_a_new_grant_keep_the_account() {
    let mut ledger = Ledger::default();
    let deleted = ledger.generate(&[deletes("Account", "ada")]);
    ledger.submit(&deleted);
    let granted = ledger.generate(&[has("Account", "ada")]);
    assert_eq!((granted.orders.len(), &*granted.cancel), (0, &[only(&deleted).id][..]));
    // Granted with another title: the update takes the deletion's place.
    let changed = ledger.generate(&[updates("Account", "ada", "Boss")]);
    assert!(changed.cancel.is_empty(), "replaced, not cancelled");
    ledger.submit(&changed);
    assert_eq!(ledger.open(), [(OrderKind::Update, S::Pending)]);
}

#[test]
fn update_and_the_old_value_again_cancel_out() {
    let mut ledger = Ledger::default();
    let updated = ledger.generate(&[updates("Account", "ada", "Boss")]);
    ledger.submit(&updated);
    let back = ledger.generate(&[has("Account", "ada")]);
    assert_eq!((back.orders.len(), &*back.cancel), (0, &[only(&updated).id][..]));
}

#[test]
fn the_newest_order_says_it_all() {
    let mut ledger = Ledger::default();
    for title in ["Boss", "Head", "Chief"] {
        let generation = ledger.generate(&[updates("Account", "ada", title)]);
        assert!(generation.cancel.is_empty());
        ledger.submit(&generation);
    }
    assert_eq!(ledger.open(), [(OrderKind::Update, S::Pending)]);
    let again = ledger.generate(&[updates("Account", "ada", "Chief")]);
    assert_eq!((again.orders.len(), again.duplicates, again.cancel.len()), (0, 1, 0));
}

#[test]
fn failures_of_what_exists_count_like_deletions() {
    let people = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let failing = |count: usize| -> Vec<Assignment> {
        let of = |(place, owner): (usize, &&str)| {
            if place < count { fails("Card", owner) } else { has("Card", owner) }
        };
        people.iter().enumerate().map(of).collect()
    };
    assert!(Ledger::default().generate(&failing(3)).breaches.is_empty());
    let generation = Ledger::default().generate(&failing(5));
    let [breach] = generation.breaches.as_slice() else { panic!("one breach: {:?}", generation.breaches) };
    assert_eq!((breach.counted, breach.count, breach.limit), ("failures", 5, 3));
    // Those that the ledger knows of already are not counted again.
    let mut ledger = Ledger::default();
    let three = ledger.generate(&failing(3));
    ledger.submit(&three);
    assert!(ledger.generate(&failing(5)).breaches.is_empty());
    // Of people who have nothing yet, nothing can be lost.
    let mut new = failing(10);
    new.iter_mut().for_each(|one| one.linked = false);
    assert!(Ledger::default().generate(&new).breaches.is_empty());
}

#[test]
fn a_first_load_is_one_until_something_was_written() {
    let people = ["a", "b", "c", "d", "e"];
    let mut all: Vec<Assignment> = people.iter().map(|owner| adds("Card", owner)).collect();
    // Somebody's card was there before, and a stray one that nobody has.
    all.push(has("Card", "f"));
    all.push(assigned("Card", "g", "Found", true, json!({ "found": true })));
    let mut ledger = Ledger::default();
    let first = ledger.generate(&all);
    assert!(first.breaches.is_empty());
    assert_eq!(first.notes, ["Card: 5 additions are its first load, to which the 30 % limit does not apply"]);
    ledger.submit(&first);
    for order in &first.orders {
        ledger.set(order.id, S::Verified);
    }
    let mut later: Vec<Assignment> = people.iter().map(|owner| has("Card", owner)).collect();
    later.extend(["x", "y", "z", "v"].map(|owner| adds("Card", owner)));
    assert!(ledger.generate(&later).breaches.is_empty(), "of so few, a percentage says nothing");
    later.push(adds("Card", "w"));
    let [breach] = &*ledger.generate(&later).breaches else { panic!("one breach") };
    assert_eq!((breach.count, breach.limit, breach.rule.as_str()), (5, 1, "30 % of 5 resources"));
}

/// The deletions of a type that break a threshold, when so many of so many owners lose what they have.
fn breached(having: impl Fn(&str) -> Assignment, losing: impl Fn(&str) -> Assignment, count: usize, of: usize) -> bool {
    let one = |place: usize| {
        let owner = format!("p{place}");
        if place < count { losing(&owner) } else { having(&owner) }
    };
    !Ledger::default().generate(&(0..of).map(one).collect::<Vec<_>>()).breaches.is_empty()
}

#[test]
fn a_percentage_says_nothing_of_a_handful_unless_half_of_all_goes() {
    let deletions = |count, of| breached(|owner| has("Card", owner), |owner| deletes("Card", owner), count, of);
    for (count, of) in [(1, 1), (1, 2), (1, 3), (2, 6), (3, 8), (4, 10), (5, 17)] {
        assert!(!deletions(count, of), "{count} of {of} go");
    }
    for (count, of) in [(2, 2), (2, 3), (2, 4), (2, 5), (3, 6), (4, 8), (4, 9), (5, 16), (9, 9)] {
        assert!(deletions(count, of), "{count} of {of} stay");
    }
    let updates = |count, of| breached(|owner| has("Card", owner), |owner| updates("Card", owner, "Boss"), count, of);
    assert!(!updates(1, 1) && !updates(4, 4));
    assert!(updates(5, 5) && updates(5, 16) && !updates(5, 17));
}

#[test]
fn what_failed_counts_beside_what_is_certain() {
    let partly = |owner: &str| Assignment { failure: fails("Card", owner).failure, ..updates("Card", owner, "Boss") };
    let all = ["a", "b", "c", "d", "e", "f"].map(partly);
    let generation = Ledger::default().generate(&all);
    assert!(generation.orders.iter().all(|order| order.rule_failure.is_none()));
    let breached: Vec<_> = generation.breaches.iter().map(|breach| (breach.counted, breach.count)).collect();
    assert_eq!(breached, [("updates", 6), ("failures", 6)]);
}

#[test]
fn what_was_written_and_is_not_seen_yet_counts_among_what_exists() {
    let written = |owner: &str| assigned("Card", owner, "Have", false, json!({ "state": "Executed" }));
    let unseen = |owner: &str| assigned("Card", owner, "Lose", false, wants("Deletion", None));
    assert!(!breached(written, unseen, 5, 17), "5 of 17 go");
    assert!(breached(written, unseen, 5, 16), "5 of 16 stay");
    let exists = |wish: &str, linked: bool, more: Json| assigned("Card", "a", wish, linked, more).exists();
    let state = |workflow: &str, state: &str| json!({ "workflow": workflow, "state": state });
    assert!(exists("Have", true, state("Calculated", "Verified")));
    assert!(exists("Have", false, wants("Update", None)));
    assert!(exists("Lose", false, state("NonConforming", "None")), "left alone, as the catalog says");
    assert!(!exists("Have", false, wants("Addition", None)), "only ordered");
    assert!(!exists("Have", false, state("NonConforming", "Executed")), "written, and it did not come");
    assert!(!exists("Lose", false, state("Calculated", "Executed")), "deleted");
    assert!(!exists("Lose", false, state("Calculated", "None")), "its order is cancelled");
    assert!(!exists("Have", true, json!({ "proposed": true })), "nobody confirmed it");
    assert!(!exists("Found", true, json!({ "found": true })), "nobody's");
}

#[test]
fn whoever_goes_live_links_and_adds_on_the_first_load() {
    let proposed = |owner: &str| {
        let mut one = assigned("Card", owner, "Have", false, wants("Association", None));
        one.proposed = true;
        one
    };
    let mut all: Vec<Assignment> = ["a", "b", "c", "d", "e", "f"].map(proposed).into();
    all.push(adds("Card", "g"));
    let first = Ledger::default().generate(&all);
    assert!(first.breaches.is_empty(), "{:?}", first.breaches);
    assert_eq!(first.notes, ["Card: 7 additions are its first load, to which the 30 % limit does not apply"]);
}

#[test]
fn thresholds_that_hold_are_told_too() {
    let catalog = catalog();
    let having = (0..15).map(|place| has("Card", &format!("has-{place}")));
    let updated = ["a", "b", "c", "d", "e"].iter().map(|owner| updates("Card", owner, "Boss"));
    let assignments: Vec<Assignment> = having.chain(updated).collect();
    let run = Run { id: "r".into(), force_review: false, waive_review: false, now: Timestamp::from_millis(1) };
    let lanes = BTreeMap::new();
    let ground = Ground::new(&catalog, &lanes, &run);
    let standings: Vec<Standing> = assignments.iter().filter_map(|one| Standing::of(&catalog, one)).collect();
    let look = |(place, one): (usize, &Assignment)| ground.look(place, one, OrderId::new(Uuid::nil()));
    let looks = assignments.iter().enumerate().filter_map(look).collect();
    let inventory = Inventory {
        existing: Inventory::existing(&catalog, &standings),
        provisioned: Inventory::provisioned(&catalog, &lanes),
    };
    let decided = decide(&catalog, &standings, looks, &Afoot::in_lanes(&lanes), inventory);
    let [verdict] = decided.verdicts.as_slice() else { panic!("one verdict: {:?}", decided.verdicts) };
    assert_eq!((verdict.counted, verdict.count, verdict.limit), (Counted::Updates, 5, Some(6)));
    assert!(verdict.holds() && verdict.breach().is_none());
}

fn any_assignment() -> impl Strategy<Value = Assignment> {
    let kinds = prop::sample::select(vec!["Account", "Mailbox", "Archive", "Card"]);
    let owners = prop::sample::select(vec!["ada", "bob", "cyd"]);
    (kinds, owners, 0..5_u8).prop_map(|(kind, owner, what)| match what {
        0 => adds(kind, owner),
        1 => updates(kind, owner, "Boss"),
        2 => deletes(kind, owner),
        3 => fails(kind, owner),
        _ => has(kind, owner),
    })
}

/// Everybody has one assignment of each resource type at most.
fn any_assignments() -> impl Strategy<Value = Vec<Assignment>> {
    proptest::collection::vec(any_assignment(), 0..12).prop_map(|all| {
        let by_key: BTreeMap<_, _> =
            all.into_iter().map(|one| ((one.owner.key.clone(), one.resource_type.clone()), one)).collect();
        by_key.into_values().collect()
    })
}

/// What a generation says, whatever the ids are and in whatever order it comes.
fn said(generation: &Generation) -> Vec<String> {
    let by_id: BTreeMap<OrderId, &Order> = generation.orders.iter().map(|order| (order.id, order)).collect();
    let name = |order: &Order| format!("{} {} {}", order.kind, order.resource_type, order.owner.key);
    let mut said: Vec<String> = generation
        .orders
        .iter()
        .map(|order| {
            let mut after: Vec<String> =
                order.depends_on.iter().map(|on| by_id.get(on).map_or("open".to_owned(), |on| name(on))).collect();
            after.sort();
            format!("{} {} {} {after:?}", name(order), order.fingerprint(), order.priority)
        })
        .collect();
    said.extend(generation.notes.iter().cloned());
    said.extend(generation.breaches.iter().map(|breach| format!("{breach:?}")));
    said.sort();
    said
}

proptest! {
    /// The order of the input decides nothing.
    #[test]
    fn order_of_input_decides_nothing(assignments in any_assignments(), turn in 0..12_usize) {
        let mut turned = assignments.clone();
        if !turned.is_empty() {
            let by = turn % turned.len();
            turned.rotate_left(by);
        }
        prop_assert_eq!(said(&Ledger::default().generate(&assignments)), said(&Ledger::default().generate(&turned)));
    }

    /// Whatever is submitted is submitted once, and waits only for what was submitted before it.
    #[test]
    fn generating_twice_submits_nothing_new(assignments in any_assignments()) {
        let mut ledger = Ledger::default();
        let first = ledger.generate(&assignments);
        for (place, order) in first.orders.iter().enumerate() {
            for on in &order.depends_on {
                prop_assert!(first.orders.iter().take(place).any(|before| before.id == *on));
            }
        }
        ledger.submit(&first);
        let again = ledger.generate(&assignments);
        prop_assert!(again.orders.is_empty() && again.cancel.is_empty(), "{:?}", again);
    }
}
