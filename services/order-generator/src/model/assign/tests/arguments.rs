//! Arguments that look at the order.

use super::*;

fn told(kind: OrderKind, changes: &[Change]) -> String {
    let names: Vec<&str> = changes.iter().map(|change| change.property.as_str()).collect();
    format!("{kind} {}", names.join(" ")).trim().to_owned()
}

/// While the owner is there.
fn of_somebody(owner: &Owner, kind: OrderKind, changes: &[Change]) -> OrderArguments {
    let place = format!("{} {kind}", owner.key);
    [("flow".to_owned(), Ok(Some(told(kind, changes)))), ("place".to_owned(), Ok(Some(place)))].into()
}

/// Once it is not.
fn of_nobody(_: &Owner, kind: OrderKind, changes: &[Change]) -> OrderArguments {
    [("flow".to_owned(), Ok(Some(told(kind, changes))))].into()
}

fn failing(_: &Owner, _: OrderKind, _: &[Change]) -> OrderArguments {
    let failure = RuleFailure { rule: "flow".into(), property: None, input: "i".into(), message: "it fails".into() };
    [("flow".to_owned(), Err(failure)), ("place".to_owned(), Ok(None))].into()
}

/// What evaluation says: two arguments of a deletion, and one that every order has.
fn expecting(title: &'static str) -> ExpectedResource {
    let of_deletion = |name: &str, text: &str| (name.to_owned(), Some(text.to_owned()));
    ExpectedResource {
        arguments: [("fixed".to_owned(), "x".to_owned())].into(),
        at_deletion: [of_deletion("flow", "deletion"), of_deletion("place", "before")].into(),
        ..expected("Told", "ada", &given(title, &[]))
    }
}

fn assigned(world: &World, rules: Option<&ExpectedResource>, previous: Option<&Assignment>) -> Assignment {
    world.assign_one(&owner("ada"), rules, previous, &Decisions::default()).expect("an assignment")
}

fn arguments(assignment: &Assignment) -> Vec<(&str, &str)> {
    assignment.arguments.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
}

/// A world in which ada's account is there.
fn settled_and_told() -> (World, Assignment) {
    let mut world = World::new("Told");
    world.order_arguments = of_somebody;
    world.run(&ada(given("Analyst", &[])));
    let settled = assigned(&world, Some(&expecting("Analyst")), Some(world.assignment("ada")));
    (world, settled)
}

#[test]
fn an_order_carries_what_is_said_of_it_and_nothing_of_the_one_before() {
    let mut world = World::new("Told");
    world.order_arguments = of_somebody;
    let added = assigned(&world, Some(&expecting("Analyst")), None);
    assert_eq!(
        arguments(&added),
        [("fixed", "x"), ("flow", "addition login password title"), ("place", "ada addition")]
    );
    let (world, settled) = settled_and_told();
    // There is no order of which anything could be said.
    assert_eq!((settled.wanted.is_none(), arguments(&settled)), (true, vec![("fixed", "x")]));
    let updated = assigned(&world, Some(&expecting("Boss")), Some(&settled));
    assert_eq!(arguments(&updated), [("fixed", "x"), ("flow", "update title"), ("place", "ada update")]);
    let again = assigned(&world, Some(&expecting("Boss")), Some(&updated));
    assert_eq!(again, updated, "what was said of it is said again");
}

#[test]
fn a_deletion_carries_what_was_said_last_where_its_owner_is_gone() {
    let (mut world, settled) = settled_and_told();
    assert_eq!(settled.at_deletion.get("place").map(String::as_str), Some("before"));
    // No rule gives it any more; the owner is there and can be asked.
    let lost = assigned(&world, None, Some(&settled));
    assert_eq!(arguments(&lost), [("fixed", "x"), ("flow", "deletion"), ("place", "ada deletion")]);
    world.order_arguments = of_nobody;
    let lost = assigned(&world, None, Some(&settled));
    assert_eq!(arguments(&lost), [("fixed", "x"), ("flow", "deletion"), ("place", "before")]);
    // Nor does one that fails hold it up, and one that says nothing is not there.
    world.order_arguments = failing;
    let lost = assigned(&world, None, Some(&settled));
    assert_eq!((lost.wish, arguments(&lost)), (Wish::Lose, vec![("fixed", "x"), ("flow", "deletion")]));
    assert!(lost.wanted.is_some());
}

#[test]
fn an_argument_that_fails_costs_the_order_that_gives() {
    let (mut world, settled) = settled_and_told();
    world.order_arguments = failing;
    let unknown = assigned(&world, Some(&expecting("Boss")), Some(&settled));
    let failure = unknown.failure.as_ref().expect("a failure");
    assert_eq!((failure.rule.as_str(), unknown.wish, unknown.state), ("flow", Wish::Unknown, ProvisioningState::Error));
    assert!(unknown.wanted.is_none() && unknown.is_ours());
    // Should it be lost before the rule is mended, what was said before is still known.
    assert_eq!(unknown.at_deletion, settled.at_deletion);
    world.order_arguments = of_nobody;
    let lost = assigned(&world, None, Some(&unknown));
    assert_eq!(arguments(&lost), [("fixed", "x"), ("flow", "deletion"), ("place", "before")]);
    // With nothing to order there is nothing to fail.
    world.order_arguments = failing;
    assert_eq!(assigned(&world, Some(&expecting("Analyst")), Some(&unknown)).failure, None);
}

#[test]
fn what_evaluation_cannot_tell_of_a_deletion_stays_as_told_before() {
    let (world, settled) = settled_and_told();
    let mut partly = expecting("Analyst");
    partly.at_deletion = [("flow".to_owned(), None)].into();
    let kept = assigned(&world, Some(&partly), Some(&settled)).at_deletion;
    assert_eq!(kept, [("place".to_owned(), "before".to_owned())].into());
    // What the catalog no longer declares is forgotten.
    let mut world = World::new("Free");
    world.run(&ada(given("Analyst", &[])));
    assert_eq!(
        assigned(&world, Some(&expected("Free", "ada", &given("Analyst", &[]))), Some(&settled)).arguments,
        [].into()
    );
}
