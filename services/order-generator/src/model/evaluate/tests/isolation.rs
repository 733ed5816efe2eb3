//! What fails costs what depends on it, and nothing else.

use super::*;

const RULES: &str = "
contexts:
  - entity_type: Person
    positions: { entity_type: Contract, owner: person }
    valid_from: position.start
    valid_until: position.end
    dimensions:
      department: position.department
      country: position.country.substring(0, 2)
roles:
  - { name: staff, owner: Person, rules: [ {} ] }
  - { name: french, owner: Person, rules: [ { dimensions: { country: FR } } ] }
  - { name: senior, owner: Person, rules: [ { when: int(position.level) > 3 } ] }
  - { name: picky, owner: Person, rules: [ {}, { when: int(owner.number) > 3, denied: true } ] }
resource_types:
  - name: Plain
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ { role: staff } ]
    scalar_rules: [ { property: login, value: owner.id } ]
    navigation_rules: [ { property: groups, role: senior, target: seniors } ]
  - name: ForSeniors
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ { role: senior } ]
    scalar_rules: [ { property: login, value: \"owner.id + '-s'\" } ]
  - name: ForPicky
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ { role: picky } ]
    scalar_rules: [ { property: login, value: \"owner.id + '-p'\" } ]
  - name: ForFrench
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ { role: french } ]
    scalar_rules: [ { property: login, value: \"owner.id + '-f'\" } ]
";

fn failure(expected: &Expected, resource_type: &str) -> Option<String> {
    of(expected, resource_type)
        .unwrap_or_else(|| panic!("no {resource_type}"))
        .failure
        .clone()
        .map(|failure| failure.rule)
}

#[test]
fn a_role_that_throws_costs_the_resources_and_links_that_need_it() {
    let fixture = Fixture::of(RULES).person(&[("number", "1")]).contracts(&[contract(
        "1",
        "2026-01-01",
        "",
        &[("level", "high"), ("country", "DE")],
    )]);
    let expected = fixture.at("2026-02-01");
    assert_eq!(roles(&expected), ["picky", "staff"]);
    assert_eq!(failure(&expected, "ForSeniors").as_deref(), Some("role senior / rule 1"));
    assert_eq!(failure(&expected, "Plain").as_deref(), Some("role senior / rule 1"));
    assert_eq!(failure(&expected, "ForPicky"), None);
    assert!(of(&expected, "ForFrench").is_none());
}

#[test]
fn a_role_that_throws_at_another_time_costs_nothing_now() {
    let fixture = Fixture::of(RULES).person(&[("number", "1")]).contracts(&[
        contract("1", "2026-01-01", "2026-06-01", &[("level", "5"), ("country", "DE")]),
        contract("2", "2026-06-01", "2027-01-01", &[("level", "high"), ("country", "DE")]),
    ]);
    let now = fixture.at("2026-02-01");
    assert_eq!((failure(&now, "ForSeniors"), failure(&now, "Plain")), (None, None));
    assert_eq!(role(&now, "senior").unwrap().period, period("2026-01-01", "2026-06-01"));
    assert_eq!(now.next_change, Some(at("2026-06-01")));
    let later = fixture.at("2026-06-01");
    assert_eq!(failure(&later, "ForSeniors").as_deref(), Some("role senior / rule 1"));
    assert!(role(&later, "senior").is_none());
}

#[test]
fn a_denial_that_throws_leaves_nobody_knowing() {
    let fixture = Fixture::of(RULES).person(&[("number", "many")]).contracts(&[contract(
        "1",
        "",
        "",
        &[("level", "1"), ("country", "DE")],
    )]);
    let expected = fixture.at("2026-02-01");
    assert!(role(&expected, "picky").is_none());
    assert_eq!(failure(&expected, "ForPicky").as_deref(), Some("role picky / rule 2"));
    assert_eq!(failure(&expected, "Plain"), None);
}

#[test]
fn a_dimension_that_throws_costs_all_that_the_owner_has_and_refuses_nothing_by_guess() {
    let fixture = Fixture::of(RULES).person(&[("number", "1")]).contracts(&[contract(
        "1",
        "",
        "",
        &[("level", "1"), ("country", "F")],
    )]);
    let expected = fixture.at("2026-02-01");
    for resource_type in ["Plain", "ForPicky", "ForFrench"] {
        assert_eq!(failure(&expected, resource_type).as_deref(), Some("context of Person / dimension country"));
    }
    let said = of(&expected, "ForFrench").unwrap().failure.clone().unwrap();
    assert_eq!(said.input, "position.country = 'F'");
    assert!(of(&expected, "ForSeniors").is_none());
    assert_eq!(fixture.explain("2026-02-01").contexts[0].failure, Some(said));
}

#[test]
fn a_position_whose_time_is_wrong_costs_all_that_the_owner_has() {
    let fixture = Fixture::of(RULES).person(&[("number", "1")]).contracts(&[
        contract("1", "2026-01-01", "", &[("level", "1"), ("country", "DE")]),
        contract("2", "2026-05-01", "2026-04-01", &[("level", "1"), ("country", "DE")]),
    ]);
    let expected = fixture.at("2026-02-01");
    let said = of(&expected, "Plain").unwrap().failure.clone().unwrap();
    assert_eq!(
        (said.rule.as_str(), said.input.as_str()),
        ("context of Person / valid_until", "position.end = 2026-04-01T00:00:00.000Z")
    );
    assert!(said.message.contains("before it begins"), "{}", said.message);
}

#[test]
fn of_two_rules_that_throw_the_one_is_told_that_decides() {
    let rules = "
resource_types:
  - name: Account
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ {}, { when: \"int(owner.number) > 1 && owner.kind == 'a'\", denied: true }, { when: int(owner.number) > 1 } ]
    scalar_rules: [ { property: login, value: owner.id } ]
";
    // The third would give what everybody has; the second would take it away.
    let fixture = Fixture::of(rules).person(&[("kind", "a")]);
    assert_eq!(failure(&fixture.at("2026-01-01"), "Account").unwrap(), "resource type Account / type rule 2");
}

#[test]
fn a_failure_says_what_it_leaves_open() {
    let rules = "
resource_types:
  - name: Account
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ {} ]
    scalar_rules:
      - { property: login, value: owner.id }
      - { property: title, value: owner.mail }
      - { property: note, value: string(int(owner.number)) }
    navigation_rules: [ { property: groups, target: many, when: int(owner.number) > 1 } ]
    query_rules: [ { property: home, source: string(int(owner.number)), target: target.name } ]
";
    let open = |rules: &str, number: &str| -> Option<Vec<String>> {
        let expected = Fixture::of(rules).person(&[("number", number)]).at("2026-01-01");
        let account = of(&expected, "Account").unwrap();
        assert_eq!(account.failure.is_some(), number == "many");
        account.open.as_ref().map(|open| open.iter().map(ToString::to_string).collect())
    };
    assert_eq!(open(rules, "7"), None);
    assert_eq!(open(rules, "many").unwrap(), ["groups", "home", "note"]);
    // Values aside, an argument, and what must be there first, leave nothing open of what exists.
    let calm = "
resource_types:
  - name: Account
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ {} ]
    scalar_rules: [ { property: login, value: owner.id } ]
    arguments: { size: string(int(owner.number)) }
";
    assert_eq!(open(calm, "many"), Some(vec![]));
    // Without its type, or its key, nobody knows anything.
    let by_type = rules.replace("type_rules: [ {} ]", "type_rules: [ { when: int(owner.number) > 1 } ]");
    assert_eq!(open(&by_type, "many"), None);
    let by_key = rules.replace("value: owner.id }", "value: owner.id + string(int(owner.number)) }");
    assert_eq!(open(&by_key, "many"), None);
}
