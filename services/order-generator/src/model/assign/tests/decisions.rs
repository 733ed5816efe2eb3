//! What people decide on what was found, and what becomes of it.

use super::*;

fn drifted() -> World {
    let mut world = settled("Analyst", &["staff", "depot"]);
    world.by_hand("title", Value::from("Emperor"));
    world.by_hand("groups", list(&["staff", "club"]));
    world.run(&ada(given("Analyst", &["staff", "depot"])));
    world
}

fn as_before() -> BTreeMap<&'static str, Given> {
    ada(given("Analyst", &["staff", "depot"]))
}

#[test]
fn what_waits_for_a_person_is_listed_line_by_line() {
    let world = drifted();
    let lines = items(world.assignment("ada"));
    let seen: Vec<_> = lines
        .iter()
        .map(|line| (line.name.as_str(), line.proposed.clone(), line.current.clone(), line.workflow))
        .collect();
    let found = WorkflowState::NonConforming;
    assert_eq!(
        seen,
        [
            ("groups", None, Some("club".into()), found),
            ("groups", Some("depot".into()), None, found),
            ("title", Some("Analyst".into()), Some("Emperor".into()), found),
        ]
    );
    let ids: std::collections::BTreeSet<_> = lines.iter().map(Item::id).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn a_value_that_shall_be_written_is_ordered_once() {
    let mut world = drifted();
    world.decide(Verdict::Write, "title", None);
    let generation = world.run(&as_before());
    let [change] = World::only_order(&generation).changes.as_slice() else { panic!("{generation:?}") };
    assert_eq!((change.property.as_str(), &change.proposed), ("title", &Some("Analyst".into())));
    assert!(change.why.iter().any(|why| why.detail.contains("grace")), "{:?}", change.why);
    assert_eq!(world.property("title").workflow, WorkflowState::Calculated);
    // The same drift again is another matter: nobody decided on that.
    world.by_hand("title", Value::from("Emperor"));
    assert!(world.run(&as_before()).orders.is_empty());
    assert_eq!(world.property("title").workflow, WorkflowState::NonConforming);
}

#[test]
fn a_decision_to_write_survives_until_its_order_is_written() {
    let mut world = drifted();
    world.decide(Verdict::Write, "title", None);
    world.compute(&as_before());
    let id = World::only_order(&world.generate()).id;
    for _ in 0..2 {
        world.compute(&as_before());
        let again = world.generate();
        assert_eq!((again.orders.len(), again.cancel.len(), again.duplicates), (0, 0, 1));
    }
    world.execute(id);
    world.synchronize();
    world.compute(&as_before());
    assert_eq!(world.property("title").state, ProvisioningState::Verified);
}

#[test]
fn links_are_decided_on_one_by_one() {
    let mut world = drifted();
    world.decide(Verdict::Write, "groups", Some("depot"));
    let generation = world.run(&as_before());
    let [change] = World::only_order(&generation).changes.as_slice() else { panic!("{generation:?}") };
    assert_eq!((change.operation, &change.proposed), (ChangeOperation::Add, &Some(list(&["depot"]))));
    world.decide(Verdict::Write, "groups", Some("club"));
    let generation = world.run(&as_before());
    let [change] = World::only_order(&generation).changes.as_slice() else { panic!("{generation:?}") };
    assert_eq!((change.operation, &change.proposed), (ChangeOperation::Remove, &Some(list(&["club"]))));
    assert_eq!(world.property("groups").workflow, WorkflowState::GivenByARole);
}

#[test]
fn what_is_kept_is_approved_and_no_longer_proposed() {
    let mut world = drifted();
    world.decide(Verdict::Keep, "title", None);
    world.decide(Verdict::Keep, "groups", Some("club"));
    world.decide(Verdict::Keep, "groups", Some("depot"));
    for _ in 0..3 {
        assert!(world.run(&as_before()).orders.is_empty());
        for property in ["title", "groups"] {
            assert_eq!(world.property(property).workflow, WorkflowState::Approved, "{property}");
        }
    }
    assert!(items(world.assignment("ada")).is_empty());
    assert_eq!((world.held("title"), world.held("groups")), (Some("Emperor".into()), Some(list(&["staff", "club"]))));
}

#[test]
fn a_kept_value_is_questioned_when_the_source_changes_and_kept_all_the_same() {
    let mut world = drifted();
    world.decide(Verdict::Keep, "title", None);
    world.run(&as_before());
    let changed = || ada(given("Manager", &["staff", "depot"]));
    for _ in 0..2 {
        assert!(world.run(&changed()).orders.is_empty());
        assert_eq!(world.property("title").workflow, WorkflowState::Questioned);
    }
    // A person looks at it again.
    world.decide(Verdict::Write, "title", None);
    assert_eq!(world.run(&changed()).orders.len(), 1);
    assert_eq!(world.held("title"), Some("Manager".into()));
    // Back to what it was when it was kept: that decision is over.
    assert_eq!(world.run(&as_before()).orders.len(), 1);
    assert_eq!(world.held("title"), Some("Analyst".into()));
}

#[test]
fn where_manual_values_are_discarded_a_source_change_is_written() {
    let mut world = World::new("Discarding");
    world.run(&as_before());
    world.by_hand("title", Value::from("Emperor"));
    world.run(&as_before());
    world.decide(Verdict::Keep, "title", None);
    assert!(world.run(&as_before()).orders.is_empty());
    assert_eq!(world.property("title").workflow, WorkflowState::Approved);
    for title in ["Manager", "Analyst"] {
        assert_eq!(world.run(&ada(given(title, &["staff", "depot"]))).orders.len(), 1, "{title}");
        assert_eq!(world.held("title"), Some(title.into()));
    }
}

#[test]
fn another_value_than_the_kept_one_is_a_drift_again() {
    let mut world = World::new("Free");
    world.compute(&as_before());
    let id = World::only_order(&world.generate()).id;
    world.execute(id);
    world.by_hand("title", Value::from("Emperor"));
    world.compute(&as_before());
    world.decide(Verdict::Keep, "title", None);
    world.run(&as_before());
    world.by_hand("title", Value::from("Tsar"));
    for _ in 0..2 {
        assert!(world.run(&as_before()).orders.is_empty(), "nobody asked for it");
        assert_eq!(world.property("title").workflow, WorkflowState::NonConforming);
    }
}

#[test]
fn what_is_postponed_stays_as_it_is() {
    let mut world = drifted();
    let before = world.assignment("ada").clone();
    world.decide(Verdict::Postpone, "title", None);
    world.run(&as_before());
    assert_eq!(world.assignment("ada"), &before);
}

#[test]
fn what_was_executed_and_did_not_come_is_written_again_by_a_decision() {
    let mut world = World::new("Free");
    world.compute(&as_before());
    let id = World::only_order(&world.generate()).id;
    world.execute(id);
    // The system took the account and lost a value and a group.
    world.by_hand("title", None);
    world.by_hand("groups", list(&["staff"]));
    assert!(world.run(&as_before()).orders.is_empty());
    world.decide(Verdict::Write, "title", None);
    world.decide(Verdict::Write, "groups", Some("depot"));
    world.compute(&as_before());
    let generation = world.generate();
    let order = World::only_order(&generation);
    let names: Vec<_> = order.changes.iter().map(|change| change.property.as_str()).collect();
    assert_eq!(names, ["groups", "title"]);
    world.compute(&as_before());
    assert_eq!(world.generate().cancel.len(), 0, "still wanted");
    let id = order.id;
    world.execute(id);
    world.synchronize();
    world.run(&as_before());
    assert_eq!(world.assignment("ada").state, ProvisioningState::Verified);
}

#[test]
fn what_was_executed_and_did_not_come_can_be_left_like_that() {
    let mut world = World::new("Free");
    world.compute(&as_before());
    let id = World::only_order(&world.generate()).id;
    world.execute(id);
    world.by_hand("title", None);
    world.by_hand("groups", list(&["staff"]));
    world.run(&as_before());
    world.decide(Verdict::Keep, "title", None);
    world.decide(Verdict::Keep, "groups", Some("depot"));
    for _ in 0..2 {
        assert!(world.run(&as_before()).orders.is_empty());
        assert_eq!(world.property("title").workflow, WorkflowState::Approved);
        assert_eq!(world.property("groups").workflow, WorkflowState::Approved);
    }
}

#[test]
fn an_account_deleted_by_somebody_is_created_again_only_by_a_decision() {
    let deleted = || {
        let mut world = settled("Analyst", &[]);
        world.accounts.clear();
        world.synchronize();
        assert!(world.run(&ada(given("Analyst", &[]))).orders.is_empty());
        let lines = items(world.assignment("ada"));
        assert_eq!(lines.len(), 1, "{lines:?}");
        (world, lines.into_iter().next().expect("a line"))
    };
    let (mut world, line) = deleted();
    world.decide_on(&line, Verdict::Write);
    world.compute(&ada(given("Analyst", &[])));
    world.compute(&ada(given("Analyst", &[])));
    assert_eq!(World::only_order(&world.run(&ada(given("Analyst", &[])))).kind, OrderKind::Addition);
    assert_eq!(world.assignment("ada").state, ProvisioningState::Verified);
    // Deleted once more: that needs another decision.
    world.accounts.clear();
    world.synchronize();
    assert!(world.run(&ada(given("Analyst", &[]))).orders.is_empty());

    let (mut world, line) = deleted();
    world.decide_on(&line, Verdict::Keep);
    for _ in 0..2 {
        assert!(world.run(&ada(given("Boss", &[]))).orders.is_empty());
        assert_eq!(world.assignment("ada").workflow, WorkflowState::Approved);
        assert!(world.assignment("ada").note.contains("grace"), "{}", world.assignment("ada").note);
    }
    assert!(items(world.assignment("ada")).is_empty());
}

#[test]
fn what_is_left_alone_goes_or_stays_by_a_decision() {
    let lost = || {
        let mut world = World::new("Kept");
        let found = [("login".to_owned(), Value::from("ada")), ("title".to_owned(), Value::from("Analyst"))];
        world.accounts.insert("ada".into(), found.into());
        world.run(&ada(given("Analyst", &[])));
        assert!(world.run(&BTreeMap::new()).orders.is_empty());
        let line = items(world.assignment("ada")).into_iter().next().expect("a line");
        assert_eq!(line.kind, crate::model::found::Kind::Unauthorized);
        (world, line)
    };
    let (mut world, line) = lost();
    world.decide_on(&line, Verdict::Delete);
    assert_eq!(World::only_order(&world.run(&BTreeMap::new())).kind, OrderKind::Deletion);
    assert!(world.accounts.is_empty() && world.assignments.is_empty());

    let (mut world, line) = lost();
    world.decide_on(&line, Verdict::Keep);
    assert!(world.run(&BTreeMap::new()).orders.is_empty());
    assert_eq!(world.assignment("ada").workflow, WorkflowState::Approved);
    assert!(items(world.assignment("ada")).is_empty());
}

#[test]
fn a_deletion_that_did_not_happen_waits_for_a_person() {
    let mut world = settled("Analyst", &[]);
    world.compute(&BTreeMap::new());
    let id = World::only_order(&world.generate()).id;
    let account = world.accounts.clone();
    world.execute(id);
    world.accounts = account;
    world.synchronize();
    assert!(world.run(&BTreeMap::new()).orders.is_empty());
    let line = items(world.assignment("ada")).into_iter().next().expect("a line");
    world.decide_on(&line, Verdict::Delete);
    assert_eq!(World::only_order(&world.run(&BTreeMap::new())).kind, OrderKind::Deletion);
    assert!(world.assignments.is_empty(), "{:?}", world.assignments);
}
