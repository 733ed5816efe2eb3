//! A rule that fails costs the property it speaks of, and nothing else of what is there.

use super::*;

fn failure() -> RuleFailure {
    let (rule, message) = ("resource type Free / scalar title".into(), "it is no title".into());
    RuleFailure { rule, property: Some("title".into()), input: "title = '?'".into(), message }
}

/// The rule for the title fails; the rest is certain.
fn failing(groups: &[&'static str]) -> Given {
    Given { failure: Some(failure()), open: Some(&["title"]), ..given("", groups) }
}

#[test]
fn what_is_certain_is_written_and_the_failure_is_an_order_when_nothing_is() {
    let mut world = settled("Analyst", &["staff", "secret"]);
    let generation = world.run(&ada(failing(&["staff"])));
    let order = World::only_order(&generation);
    assert_eq!((order.kind, &order.rule_failure), (OrderKind::Update, &None));
    let [change] = order.changes.as_slice() else { panic!("{order:?}") };
    assert_eq!((change.operation, change.proposed.clone()), (ChangeOperation::Remove, Some(list(&["secret"]))));
    assert_eq!(order.priority, crate::model::generate::priority::WITHDRAWAL);
    let account = world.accounts.get("ada").expect("an account");
    assert_eq!((account.get("title"), account.get("groups")), (Some(&"Analyst".into()), Some(&list(&["staff"]))));

    // It stands in state 7 all the while, with what went wrong.
    let assignment = world.assignment("ada");
    assert_eq!((assignment.wish, assignment.state), (Wish::Have, ProvisioningState::Error));
    assert_eq!(assignment.failure, Some(failure()));
    assert!(assignment.leaves_open("title") && !assignment.leaves_open("groups"));
    assert!(assignment.note.contains("it is no title"), "{}", assignment.note);
    // Nothing else is left to write: now it is the order that says it, once.
    let generation = world.run(&ada(failing(&["staff"])));
    assert_eq!(World::only_order(&generation).rule_failure, Some(failure()));
    assert_eq!(world.run(&ada(failing(&["staff"]))).orders.len(), 0);

    // What was known of the title before is not forgotten.
    let generation = world.run(&ada(given("Boss", &["staff"])));
    let [change] = World::only_order(&generation).changes.as_slice() else { panic!("{generation:?}") };
    assert_eq!((change.property.as_str(), &change.proposed), ("title", &Some("Boss".into())));
    assert_eq!((world.assignment("ada").state, &world.assignment("ada").failure), (ProvisioningState::Verified, &None));
}

#[test]
fn links_of_which_a_rule_fails_stay_as_they_are() {
    let mut world = settled("Analyst", &["staff", "secret"]);
    let failing = || Given { open: Some(&["groups"]), failure: Some(failure()), ..given("Clerk", &[]) };
    let generation = world.run(&ada(failing()));
    let [change] = World::only_order(&generation).changes.as_slice() else { panic!("{generation:?}") };
    assert_eq!((change.property.as_str(), &change.proposed), ("title", &Some("Clerk".into())));
    let granted = world.assignment("ada").properties.get("groups").map(|groups| groups.granted.clone());
    assert_eq!(granted.as_deref(), Some(&[Value::from("staff"), "secret".into()][..]));
    // They are still ours: once it is mended, what no rule gives goes.
    let generation = world.run(&ada(given("Clerk", &["staff"])));
    let [change] = World::only_order(&generation).changes.as_slice() else { panic!("{generation:?}") };
    assert_eq!((change.operation, change.proposed.clone()), (ChangeOperation::Remove, Some(list(&["secret"]))));
}

#[test]
fn what_is_not_there_yet_or_not_ours_waits_whole() {
    // Nothing is there.
    let mut world = World::new("Free");
    let generation = world.run(&ada(failing(&["staff"])));
    assert_eq!(World::only_order(&generation).rule_failure, Some(failure()));
    assert!(world.accounts.is_empty());
    // It is there, by another hand.
    let mut world = World::new("Free");
    world.accounts.insert("ada".into(), Values::from([("login".into(), "ada".into())]));
    world.synchronize();
    let generation = world.run(&ada(failing(&["staff"])));
    assert_eq!(World::only_order(&generation).rule_failure, Some(failure()));
    assert_eq!(world.assignment("ada").wish, Wish::Unknown);
    // It is only ordered.
    let mut world = World::new("Free");
    world.compute(&ada(given("Analyst", &["staff"])));
    world.generate();
    world.compute(&ada(failing(&[])));
    assert_eq!(world.assignment("ada").wish, Wish::Unknown);
    // Its key is another one.
    let mut world = settled("Analyst", &["staff"]);
    world.compute(&ada(Given { login: Some("lovelace"), ..failing(&[]) }));
    assert_eq!((world.assignment("ada").wish, &world.assignment("ada").wanted), (Wish::Unknown, &None));
}

#[test]
fn deletion_goes_on_and_failure_of_everything_touches_nothing() {
    let mut world = settled("Analyst", &["staff"]);
    world.compute(&ada(Given { failure: Some(failure()), ..given("Clerk", &[]) }));
    assert_eq!((world.assignment("ada").wish, &world.assignment("ada").wanted), (Wish::Unknown, &None));
    let over = Period { from: None, until: Some(Timestamp::from_millis(5)) };
    let generation = world.run(&ada(Given { period: over, ..failing(&[]) }));
    assert_eq!(World::only_order(&generation).kind, OrderKind::Deletion);
}
