//! Arguments, those that look at the order among them.

use super::*;
use provost_domain::{Change, ChangeOperation, OrderKind};

const ARGUMENTS: &str = "
resource_types:
  - name: Told
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ {} ]
    scalar_rules: [ { property: login, value: owner.id } ]
    arguments:
      fixed: owner.mail
      flow: \"order.kind == 'update' && 'title' in order.changes ? 'move' : order.kind\"
      moved: \"order.changes.filter(c, c != 'note').join(' ')\"
      where: \"order.kind == 'deletion' ? owner.mail : null\"
      left: \"order.kind == 'deletion' ? 'was ' + owner.number.substring(1) : order.kind\"
";

fn catalog() -> Catalog {
    compiled(&format!("{SYSTEMS}{ARGUMENTS}"))
}

fn ada(mail: &str, number: Option<&str>) -> Resource {
    let number = number.map(|number| ("number", number));
    let values = [("id", "1"), ("mail", mail)].into_iter().chain(number);
    Resource { key: "1".into(), values: values.map(|(name, value)| (name.to_owned(), Value::from(value))).collect() }
}

fn changes(names: &[&str]) -> Vec<Change> {
    let change = |name: &&str| Change {
        property: (*name).to_owned(),
        operation: ChangeOperation::Set,
        proposed: None,
        current: None,
        sensitive: false,
        write_only: false,
        why: vec![],
    };
    names.iter().map(change).collect()
}

fn shown(told: OrderArguments) -> Vec<String> {
    let one = |(name, told): (String, Result<Option<String>, RuleFailure>)| match told {
        Ok(Some(text)) => format!("{name} {text}"),
        Ok(None) => format!("{name} -"),
        Err(failure) => format!("{name} fails: {} on {}", failure.rule, failure.input),
    };
    told.into_iter().map(one).collect()
}

fn of_order(owner: &Resource, kind: OrderKind, changed: &[&str]) -> Vec<String> {
    let (catalog, lookup) = (catalog(), Repository::default());
    let ground = Ground { catalog: &catalog, revision: 1, now: Timestamp::default(), lookup: &lookup, former: None };
    let kind_of = catalog.resource_type("Told").unwrap();
    shown(order_arguments(&ground, &Case::new("Person", owner), kind_of, kind, &changes(changed)).unwrap())
}

#[test]
fn arguments_see_which_kind_of_order_it_is_and_what_it_changes() {
    let ada = ada("ada@x", Some("123"));
    // Two changes of one property are one name.
    let addition = of_order(&ada, OrderKind::Addition, &["title", "login", "title"]);
    assert_eq!(addition, ["flow addition", "left addition", "moved login title", "where -"]);
    assert_eq!(of_order(&ada, OrderKind::Update, &["title"])[0], "flow move");
    assert_eq!(of_order(&ada, OrderKind::Update, &["note"]), ["flow update", "left update", "moved ", "where -"]);
    assert_eq!(of_order(&ada, OrderKind::Association, &[])[0], "flow association");
    let deletion = of_order(&ada, OrderKind::Deletion, &[]);
    assert_eq!(deletion, ["flow deletion", "left was 23", "moved ", "where ada@x"]);
}

#[test]
fn what_a_deletion_would_be_told_is_told_beforehand_and_costs_nothing_when_it_fails() {
    let catalog = catalog();
    let expected = evaluated_in(&catalog, &ada("ada@x", None), &Repository::default());
    let told = of(&expected, "Told").unwrap();
    assert_eq!(told.failure, None);
    assert_eq!(told.arguments, [("fixed".to_owned(), "ada@x".to_owned())].into());
    let deletion: Vec<(&str, Option<&str>)> =
        told.at_deletion.iter().map(|(name, text)| (name.as_str(), text.as_deref())).collect();
    assert_eq!(deletion, [("flow", Some("deletion")), ("moved", Some("")), ("where", Some("ada@x"))]);
    let failed = of_order(&ada("ada@x", None), OrderKind::Deletion, &[]);
    assert_eq!(failed[1], "left fails: resource type Told / argument left on number is empty, order.kind = 'deletion'");
}

#[test]
fn of_nobody_only_what_looks_at_nothing_but_the_order_is_told() {
    let (catalog, lookup) = (catalog(), Repository::default());
    let kind = catalog.resource_type("Told").unwrap();
    let told = order_arguments_of_nobody(&catalog, &lookup, kind, OrderKind::Deletion, &[]);
    assert_eq!(shown(told), ["flow deletion", "moved "]);
}
