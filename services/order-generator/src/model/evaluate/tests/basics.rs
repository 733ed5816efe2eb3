//! What the rules give, and what a failing rule costs.

use super::*;
use proptest::prelude::*;
use provost_domain::RuleFailure;

const CATALOG: &str = "
connectors:
  - { name: hr, connections: [ { name: hr-csv, package: csv } ], export: hr-csv }
  - { name: app, connections: [ { name: app-sql, package: sql } ], export: app-sql }
entity_types:
  - name: Person
    connector: hr
    key: id
    display_name: owner.first + ' ' + owner.last
    properties:
      - { name: id, type: string }
      - { name: first, type: string }
      - { name: last, type: string }
      - { name: login, type: string }
      - { name: department, type: string }
      - { name: cost_center, type: string }
      - { name: phone, type: string }
      - { name: pin, type: string, sensitive: true }
      - { name: start, type: timestamp }
      - { name: end, type: timestamp }
      - { name: manager, navigation: Person }
  - name: Account
    connector: app
    key: login
    properties:
      - { name: login, type: string }
      - { name: boss, type: string }
      - { name: cost_center, type: integer }
      - { name: recovery, type: string, sensitive: true }
      - { name: pin_length, type: integer }
      - { name: groups, navigation: Group, multi_valued: true }
      - { name: home, navigation: Group }
  - name: Group
    connector: app
    key: name
    properties: [ { name: name, type: string } ]
contexts:
  - { entity_type: Person, valid_from: owner.start, valid_until: \"owner.end == null ? null : owner.end + duration('24h')\" }
roles:
  - { name: everyone, owner: Person, rules: [ { when: true } ] }
  - { name: finance, owner: Person, rules: [ { when: owner.department == 'Finance' }, { when: owner.department == 'Audit' } ] }
  - { name: numbered, owner: Person, rules: [ { when: int(owner.cost_center) > 100 } ] }
resource_types:
  - name: Basic
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ { role: everyone } ]
    scalar_rules:
      - { property: login, value: owner.login }
      - { property: boss, value: \"owner.manager == null ? null : owner.manager.login\" }
      - { property: recovery, value: owner.phone }
    navigation_rules:
      - { property: groups, role: everyone, target: staff }
      - { property: groups, role: finance, target: finance }
      - { property: home, role: finance, target: finance }
  - name: Numbers
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ { when: owner.department != null } ]
    scalar_rules:
      - { property: login, value: \"owner.login + '-n'\" }
      - { property: cost_center, value: int(owner.cost_center) }
    arguments: { room: owner.department }
  - name: ByNumber
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ { role: numbered }, { when: owner.department == 'Audit' } ]
    scalar_rules: [ { property: login, value: \"owner.login + '-b'\" } ]
  - name: Secret
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ { role: finance, when: owner.pin != null } ]
    scalar_rules:
      - { property: login, value: \"owner.login + '-s'\" }
      - { property: pin_length, value: int(owner.pin) }
";

fn catalog() -> Catalog {
    compiled(CATALOG)
}

fn somebody(values: &[(&str, &str)]) -> Resource {
    let mut all: Properties =
        [("id", "1"), ("first", "Ada"), ("last", "Byron"), ("login", "ada"), ("cost_center", "200")]
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .into();
    for (name, value) in values {
        let value = match *name {
            "start" | "end" => Value::Timestamp(Timestamp::parse(value).unwrap()),
            _ => Value::from(*value),
        };
        all.insert((*name).to_owned(), value);
    }
    all.retain(|_, value| value.as_str() != Some(""));
    Resource { key: "1".into(), values: all }
}

fn evaluated(values: &[(&str, &str)]) -> Expected {
    evaluated_in(&catalog(), &somebody(values), &Repository::default())
}

#[test]
fn roles_give_resources_and_links_and_each_says_why() {
    let expected = evaluated(&[("department", "Finance")]);
    assert_eq!(expected.owner.display_name, "Ada Byron");
    let roles: Vec<&str> = expected.roles.iter().map(|role| &*role.role).collect();
    assert_eq!(roles, ["everyone", "finance", "numbered"]);
    assert_eq!(expected.roles[1].why[0].rule, "role finance / rule 1");
    assert_eq!(expected.roles[1].why[0].detail, "department = 'Finance'");
    let basic = of(&expected, "Basic").unwrap();
    assert_eq!((basic.target_key.as_str(), &basic.failure), ("ada", &None));
    assert_eq!(basic.why[0].rule, "resource type Basic / type rule 1");
    assert_eq!(basic.why[0].detail, "has role everyone");
    assert_eq!(value(basic, "groups").value, Some(list(&["finance", "staff"])));
    assert_eq!(value(basic, "home").value, Some(Value::from("finance")));
    assert_eq!(value(basic, "home").why[1].detail, "department = 'Finance'");
    assert_eq!(value(basic, "login").why[0].rule, "resource type Basic / scalar login");
    assert_eq!(of(&expected, "Numbers").unwrap().arguments["room"], "Finance");
}

#[test]
fn what_no_rule_gives_is_not_there_and_what_a_rule_empties_is() {
    let expected = evaluated(&[]);
    assert!(of(&expected, "Numbers").is_none());
    let basic = of(&expected, "Basic").unwrap();
    assert_eq!(value(basic, "boss").value, None);
    assert_eq!(value(basic, "home").value, None);
    assert_eq!(value(basic, "groups").value, Some(list(&["staff"])));
}

#[test]
fn a_value_that_throws_costs_its_resource_alone() {
    let expected = evaluated(&[("department", "Sales"), ("cost_center", "CC-9")]);
    let numbers = of(&expected, "Numbers").unwrap();
    let failure = numbers.failure.as_ref().unwrap();
    assert_eq!(failure.rule, "resource type Numbers / scalar cost_center");
    assert_eq!(failure.property.as_deref(), Some("cost_center"));
    assert_eq!(failure.input, "cost_center = 'CC-9'");
    assert!(!failure.message.is_empty());
    assert_eq!(numbers.target_key, "ada-n");
    assert_eq!(of(&expected, "Basic").unwrap().failure, None);
}

#[test]
fn what_a_rule_gives_by_itself_is_calculated_in_whatever_order_rules_are_written() {
    for (first, second) in
        [("{ role: staff }", "{ when: owner.kind == 'a' }"), ("{ when: owner.kind == 'a' }", "{ role: staff }")]
    {
        let rules = format!(
            "
roles:
  - {{ name: staff, owner: Person, rules: [ {{}} ] }}
resource_types:
  - name: Account
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ {first}, {second} ]
    scalar_rules: [ {{ property: login, value: owner.id }} ]
"
        );
        let of_kind = |kind: &str| {
            let expected = Fixture::of(&rules).person(&[("kind", kind)]).at("2026-01-01");
            of(&expected, "Account").unwrap().workflow
        };
        assert_eq!(of_kind("a"), WorkflowState::Calculated, "{first} {second}");
        assert_eq!(of_kind("b"), WorkflowState::GivenByARole, "{first} {second}");
    }
}

#[test]
fn a_role_that_throws_costs_what_needs_it_unless_another_rule_gives_it() {
    let broken = evaluated(&[("department", "Sales"), ("cost_center", "CC-9")]);
    assert!(!broken.roles.iter().any(|role| &*role.role == "numbered"));
    let failure = of(&broken, "ByNumber").unwrap().failure.clone().unwrap();
    assert_eq!(failure.rule, "role numbered / rule 1");
    let saved = evaluated(&[("department", "Audit"), ("cost_center", "CC-9")]);
    assert_eq!(of(&saved, "ByNumber").unwrap().failure, None);
}

#[test]
fn a_key_that_is_empty_or_throws_is_a_failure_without_a_key() {
    for (login, message) in
        [("", "the key is empty"), ("   ", "the key is empty"), ("a\u{7}b", "holds a control character")]
    {
        let expected = evaluated(&[("login", login)]);
        let basic = of(&expected, "Basic").unwrap();
        assert_eq!(basic.target_key, "");
        assert!(basic.failure.as_ref().unwrap().message.contains(message), "{:?}", basic.failure);
    }
}

#[test]
fn the_period_comes_from_the_context_and_its_failure_costs_everything() {
    let expected = evaluated(&[("start", "2026-01-01"), ("end", "2026-02-01")]);
    assert_eq!(expected.period.from, Timestamp::parse("2026-01-01"));
    assert_eq!(expected.period.until, Timestamp::parse("2026-02-02"));
    assert_eq!(evaluated(&[]).period, Period::default());
    let reversed = evaluated(&[("start", "2026-03-01"), ("end", "2026-02-01")]);
    assert!(
        reversed.resources.iter().all(|resource| resource
            .failure
            .as_ref()
            .unwrap()
            .message
            .contains("before it begins"))
    );
}

#[test]
fn confidential_values_are_in_no_explanation() {
    let expected = evaluated(&[("department", "Finance"), ("phone", "+44 123"), ("pin", "98x76")]);
    let basic = of(&expected, "Basic").unwrap();
    assert_eq!(value(basic, "recovery").why[0].detail, "phone (confidential)");
    let secret = of(&expected, "Secret").unwrap();
    assert!(secret.failure.is_some());
    let mut shown = format!("{:?} {:?} {:?}", secret.failure, secret.why, expected.roles);
    shown += &format!("{:?}", basic.values.values().map(|value| &value.why).collect::<Vec<_>>());
    assert!(!shown.contains("98x76") && !shown.contains("+44 123"), "{shown}");
}

#[test]
fn a_manager_who_is_not_there_is_a_failure_and_not_nobody() {
    let expected = evaluated_in(&catalog(), &somebody(&[("manager", "404")]), &Repository::default());
    let failures: Vec<_> = expected.resources.iter().filter_map(|resource| resource.failure.clone()).collect();
    let said = |failure: &RuleFailure| failure.message.contains("manager is '404', and no such Person is known");
    assert!(failures.iter().any(said), "{failures:?}");
}

#[test]
fn a_manager_is_looked_up() {
    let mut repository = Repository::default();
    repository.insert("Person", Resource { key: "2".into(), values: [("login".into(), Value::from("bob"))].into() });
    let expected = evaluated_in(&catalog(), &somebody(&[("manager", "2")]), &repository);
    let basic = of(&expected, "Basic").unwrap();
    assert_eq!(value(basic, "boss").value, Some(Value::from("bob")));
    assert_eq!(value(basic, "boss").why[0].detail, "manager = '2', manager.login = 'bob'");
}

#[test]
fn names_for_people_fall_back_on_the_key() {
    let catalog = catalog();
    let repository = Repository::default();
    assert_eq!(display_name(&catalog, "Person", &somebody(&[]), &repository), "Ada Byron");
    assert_eq!(display_name(&catalog, "Person", &somebody(&[("first", "")]), &repository), "1");
    assert_eq!(display_name(&catalog, "Group", &somebody(&[]), &repository), "1");
    let ground =
        Ground { catalog: &catalog, revision: 1, now: Timestamp::default(), lookup: &repository, former: None };
    assert!(evaluate(&ground, &Case::new("Nobody", &somebody(&[]))).is_none());
}

fn anything() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let names = ["first", "last", "login", "department", "cost_center", "phone", "pin", "manager"];
    let text =
        prop_oneof![Just("Finance".to_owned()), Just("7".to_owned()), Just(String::new()), "\\PC{0,12}", ".{0,6}"];
    proptest::collection::vec((proptest::sample::select(names.to_vec()), text), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the data, evaluation answers, and twice the same; the order of rules in a list of
    /// roles or resource types does not matter.
    #[test]
    fn evaluation_is_a_function_of_its_inputs(values in anything()) {
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let once = evaluated(&values);
        prop_assert_eq!(&once, &evaluated(&values));
        let (head, tail) = CATALOG.split_once("resource_types:").unwrap();
        let mut types: Vec<&str> = tail.split("\n  - name:").skip(1).collect();
        types.reverse();
        let reversed = types.iter().fold(format!("{head}resource_types:"), |text, one| text + "\n  - name:" + one);
        let other = evaluated_in(&compiled(&reversed), &somebody(&values), &Repository::default());
        prop_assert_eq!(once, other);
    }
}
