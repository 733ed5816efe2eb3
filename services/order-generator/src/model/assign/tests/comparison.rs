//! Nothing is sent that is already so.

use super::*;

fn found(world: &mut World, values: &[(&str, Value)]) {
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    world.accounts.insert("ada".into(), values.collect());
    world.synchronize();
}

#[test]
fn a_value_that_only_differs_in_spelling_is_not_written() {
    for (comparison, spelled, is_same) in [
        ("exact", "analyst", false),
        ("ignore_case", "ANALYST", true),
        ("ignore_diacritics", "Ánalyst", true),
        ("simplified", "ana-lyst", true),
        ("approximate", "Annalist", true),
        ("simplified", "Manager", false),
    ] {
        let mut world = World { catalog: comparing("title", comparison), ..World::new("Free") };
        found(&mut world, &[("login", "ada".into()), ("title", spelled.into())]);
        let generation = world.run(&ada(given("Analyst", &[])));
        assert_eq!(generation.orders.is_empty(), is_same, "{comparison} {spelled}: {generation:?}");
        let left = if is_same { spelled } else { "Analyst" };
        assert_eq!(world.held("title"), Some(left.into()), "{comparison}");
        assert_eq!(world.property("title").state, ProvisioningState::Verified, "{comparison}");
    }
}

#[test]
fn links_are_told_apart_as_the_keys_of_what_they_link() {
    let (before, after) = CATALOG.split_once("  - name: Group\n").expect("groups");
    let after = after.replacen(
        "{ name: name, type: string }",
        "{ name: name, type: string, comparison: distinguished_name }",
        1,
    );
    let text = format!("{before}  - name: Group\n{after}");
    let catalog = Catalog::compile(&[("catalog.yaml".into(), text)]).expect("a right catalog");
    let mut world = World { catalog, ..World::new("Free") };
    let groups = list(&["cn=staff,ou=groups", "CN=Club, OU=Groups"]);
    found(&mut world, &[("login", "ada".into()), ("title", "Analyst".into()), ("groups", groups)]);
    assert!(world.run(&ada(given("Analyst", &["CN=Staff, OU=Groups"]))).orders.is_empty());
    // What is ours by now is taken away as the system spells it.
    let generation = world.run(&ada(given("Analyst", &[])));
    let [change] = World::only_order(&generation).changes.as_slice() else { panic!("{generation:?}") };
    assert_eq!((change.operation, &change.proposed), (ChangeOperation::Remove, &Some(list(&["cn=staff,ou=groups"]))));
    assert_eq!(world.held("groups"), Some(list(&["CN=Club, OU=Groups"])));
}

#[test]
fn an_order_is_verified_by_another_spelling() {
    let mut world = World { catalog: comparing("title", "ignore_case"), ..World::new("Free") };
    world.compute(&ada(given("Analyst", &[])));
    let id = World::only_order(&world.generate()).id;
    world.execute(id);
    // The system keeps titles in capitals.
    world.by_hand("title", Value::from("ANALYST"));
    world.compute(&ada(given("Analyst", &[])));
    assert_eq!(world.known(id).state, ProvisioningState::Verified);
    assert!(world.generate().orders.is_empty());
}

#[test]
fn what_was_declined_is_not_proposed_again_in_another_spelling() {
    let mut world = World { catalog: comparing("title", "ignore_case"), ..World::new("Free") };
    world.run(&ada(given("Analyst", &[])));
    world.compute(&ada(given("Boss", &[])));
    let id = World::only_order(&world.generate()).id;
    world.set(id, ProvisioningState::Inactive, Some(InactiveReason::Declined));
    assert!(world.run(&ada(given("BOSS", &[]))).orders.is_empty());
    assert_eq!(world.run(&ada(given("Chief", &[]))).orders.len(), 1);
}
