//! Properties that nobody reads: computed from the others.

use super::*;

const RULES: &str = "
roles:
  - { name: greeted, owner: Person, rules: [ { when: owner.greeting == 'hello ada@example.org' } ] }
  - { name: led, owner: Person, rules: [ { when: owner.manager != null && owner.manager.handle == 'bob' } ] }
  - { name: secret, owner: Person, rules: [ { when: owner.secret_end == '77' } ] }
  - { name: numbered, owner: Person, rules: [ { when: owner.number == '7' } ] }
resource_types:
  - name: Account
    owner: Person
    target: Account
    connection: app-sql
    depends_on_owner_property: greeting
    type_rules: [ { role: numbered } ]
    scalar_rules:
      - { property: login, value: owner.id }
      - { property: title, value: owner.greeting }
      - { property: secret, value: owner.secret_end }
";

#[test]
fn they_may_need_each_other_and_are_explained() {
    let expected = Fixture::of(RULES).person(&[("number", "7"), ("pin", "977")]).at("2026-01-01");
    assert_eq!(roles(&expected), ["greeted", "numbered", "secret"]);
    assert_eq!(role(&expected, "greeted").unwrap().why[0].detail, "greeting = 'hello ada@example.org'");
    let account = of(&expected, "Account").unwrap();
    assert_eq!(value(account, "title").value, Some("hello ada@example.org".into()));
    assert_eq!((&account.failure, &account.waits_for), (&None, &None));
}

#[test]
fn what_is_computed_of_a_secret_is_a_secret() {
    let fixture = Fixture::of(RULES).person(&[("number", "7"), ("pin", "977")]);
    let expected = fixture.at("2026-01-01");
    assert_eq!(role(&expected, "secret").unwrap().why[0].detail, "secret_end (confidential)");
    assert_eq!(value(of(&expected, "Account").unwrap(), "secret").why[0].detail, "secret_end (confidential)");
}

#[test]
fn those_of_what_is_navigated_to_are_computed_too() {
    let mut fixture = Fixture::of(RULES).person(&[("manager", "bob"), ("number", "7"), ("pin", "977")]);
    fixture.repository.insert("Person", record("id", "bob", &[("mail", "BOB")]));
    let expected = fixture.at("2026-01-01");
    assert_eq!(roles(&expected), ["greeted", "led", "numbered", "secret"]);
    assert_eq!(role(&expected, "led").unwrap().why[0].detail, "manager = 'bob', manager.handle (computed)");
}

#[test]
fn one_that_throws_fails_the_rules_that_read_it_with_its_own_message() {
    let mut fixture = Fixture::of(RULES).person(&[("number", "7"), ("pin", "977")]);
    fixture.person.values.remove("mail");
    let expected = fixture.at("2026-01-01");
    assert_eq!(roles(&expected), ["numbered", "secret"]);
    let failure = of(&expected, "Account").unwrap().failure.clone().unwrap();
    assert_eq!(failure.rule, "resource type Account / scalar title");
    assert_eq!(failure.message, "computed property 'handle': 'lower' does not work on null");
}

#[test]
fn a_stored_value_of_the_same_name_is_not_read() {
    let fixture = Fixture::of(RULES).person(&[("number", "7"), ("pin", "977"), ("greeting", "bye")]);
    assert!(role(&fixture.at("2026-01-01"), "greeted").is_some());
}
