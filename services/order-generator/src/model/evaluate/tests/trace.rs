//! Why, and why not.

use super::*;

const RULES: &str = "
roles:
  - name: vault
    owner: Person
    rules:
      - { dimensions: { department: [ Finance, Audit ] }, when: owner.kind == 'guard' }
      - { when: int(owner.number) > 3 }
      - { when: owner.pin == '1234' }
  - { name: staff, owner: Person, rules: [ {}, { dimensions: { country: KP }, denied: true } ] }
composite_roles:
  - { name: watch, owner: Person, roles: [ vault ] }
resource_types:
  - name: Account
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ { role: staff } ]
    scalar_rules:
      - { property: login, value: owner.id }
      - { property: enabled, value: 'true' }
      - { property: enabled, value: 'false', offset: { reference: after, after: 30d } }
      - { property: enabled, value: 'true', offset: { reference: around, after: 5d } }
    navigation_rules:
      - { property: groups, role: vault, target: vault }
      - { property: groups, role: staff, target: all }
      - { property: groups, target: all, when: owner.kind == 'guest', denied: true }
    query_rules:
      - { property: home, source: owner.mail, target: target.mail }
      - { property: home, source: owner.id, target: target.name, confidence: 50 }
  - name: Vault
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ { role: vault } ]
    scalar_rules: [ { property: login, value: owner.id } ]
";

fn fixture() -> Fixture {
    let mut fixture = Fixture::with_positions(RULES)
        .person(&[("kind", "guest"), ("number", "2"), ("pin", "0000")])
        .contracts(&[contract("1", "2026-01-01", "2026-06-01", &[("department", "Sales"), ("country", "FR")])]);
    fixture.repository.insert("Group", record("name", "ada", &[]));
    fixture
}

fn lines(considered: &[Considered]) -> Vec<String> {
    considered.iter().map(|one| format!("{} | {} | {} | {:?}", one.rule, one.asks, one.saw, one.finding)).collect()
}

#[test]
fn of_every_role_every_rule_says_what_it_asked_and_saw() {
    let explained = fixture().explain("2026-02-01");
    let vault = &explained.roles[0];
    assert_eq!((&*vault.role, &vault.outcome), ("vault", &Outcome::Refused));
    assert_eq!(
        lines(&vault.considered),
        [
            "role vault / rule 1 | dimension department in [Finance, Audit], owner.kind == 'guard' | position '1', \
             dimension department = 'Sales', kind = 'guest' | DoesNotApply",
            "role vault / rule 2 | int(owner.number) > 3 | number = '2' | DoesNotApply",
            "role vault / rule 3 | owner.pin == '1234' | pin (confidential) | DoesNotApply",
            "composite role watch |  | does not have it | DoesNotApply",
        ]
    );
    let unmet: Vec<&[String]> = vault.considered.iter().map(|one| one.unmet.as_slice()).collect();
    assert_eq!(
        unmet,
        [
            &[
                "dimension department is 'Sales', must be 'Finance' or 'Audit'".to_owned(),
                "kind is 'guest', must be 'guard'".to_owned()
            ][..],
            &["int(owner.number) > 3 does not hold: number = '2'".to_owned()],
            &["owner.pin == '1234' does not hold: pin (confidential)".to_owned()],
            &[],
        ]
    );
    let staff = &explained.roles[1];
    let given = Outcome::Given { period: period("2026-01-01", "2026-06-01"), workflow: WorkflowState::Calculated };
    assert_eq!((&staff.outcome, staff.considered.len()), (&given, 2));
    assert_eq!(staff.considered[0].period, Some(period("2026-01-01", "2026-06-01")));
    assert_eq!(
        (&*explained.composite_roles[0].role, &explained.composite_roles[0].outcome),
        ("watch", &Outcome::Refused)
    );
}

#[test]
fn of_a_condition_each_part_that_does_not_hold_is_told() {
    let rules =
        RULES.replace("int(owner.number) > 3", "(owner.kind == 'guest' && owner.mail == '') && int(owner.number) > 3");
    let mut fixture = Fixture::with_positions(&rules)
        .person(&[("kind", "guest"), ("number", "2")])
        .contracts(&[contract("1", "2026-01-01", "2026-06-01", &[("department", "Finance")])]);
    fixture.person.values.remove("mail");
    let unmet = fixture.explain("2026-02-01").roles[0].considered[1].unmet.clone();
    assert_eq!(unmet, ["mail is empty, must be ''", "int(owner.number) > 3 does not hold: number = '2'"]);
}

#[test]
fn of_several_positions_each_tells_what_it_lacks() {
    let fixture = Fixture::with_positions(RULES).person(&[("kind", "guard"), ("number", "2")]).contracts(&[
        contract("1", "2026-01-01", "2026-06-01", &[("department", "Sales")]),
        contract("2", "2026-03-01", "2026-06-01", &[]),
    ]);
    let explained = fixture.explain("2026-02-01");
    assert_eq!(
        explained.roles[0].considered[0].unmet,
        [
            "position '1': dimension department is 'Sales', must be 'Finance' or 'Audit'",
            "position '2': dimension department is empty, must be 'Finance' or 'Audit'",
        ]
    );
    let nobody = Fixture::with_positions(RULES).person(&[]).explain("2026-02-01");
    let unmet = &nobody.roles[0].considered[0].unmet;
    assert!(unmet[0].contains("no position belongs to the Person"), "{unmet:?}");
}

#[test]
fn contexts_tell_their_time_and_dimensions() {
    let explained = fixture().explain("2026-02-01");
    let context = &explained.contexts[0];
    assert_eq!((context.position.as_deref(), context.is_main), (Some("1"), true));
    assert_eq!(context.period, period("2026-01-01", "2026-06-01"));
    let dimensions: Vec<(&str, Option<&str>)> =
        context.dimensions.iter().map(|dimension| (&*dimension.name, dimension.value.as_deref())).collect();
    assert_eq!(dimensions, [("country", Some("FR")), ("department", Some("Sales"))]);
}

#[test]
fn a_rule_that_gives_is_overridden_by_what_denies() {
    let mut fixture = fixture();
    fixture.contracts[0].values.insert("country".into(), "KP".into());
    let explained = fixture.explain("2026-02-01");
    let findings: Vec<&Finding> = explained.roles[1].considered.iter().map(|one| &one.finding).collect();
    assert_eq!(findings, [&Finding::Overridden { by: "role staff / rule 2".into() }, &Finding::Denies]);
    assert_eq!(explained.resource_types[0].outcome, Outcome::Refused);
    assert_eq!(explained.resource_types[0].considered[0].saw, "does not have role staff");
    assert!(explained.resource_types[0].properties.is_empty());
}

#[test]
fn values_and_links_tell_what_counted_and_what_did_not() {
    let explained = fixture().explain("2026-02-01");
    let account = &explained.resource_types[0];
    let property = |name: &str| account.properties.iter().find(|one| &*one.property == name).unwrap();
    let enabled = property("enabled");
    assert_eq!(enabled.value, Some(Value::Boolean(true)));
    assert_eq!(
        lines(&enabled.considered),
        [
            "resource type Account / scalar enabled (after) | false |  | NotNow",
            "resource type Account / scalar enabled (around) | true |  | Overridden { by: \"resource type Account / scalar enabled\" }",
            "resource type Account / scalar enabled | true |  | Gives",
        ]
    );
    let groups = property("groups");
    assert_eq!(groups.value, Some(list(&[])));
    assert_eq!(
        lines(&groups.considered),
        [
            "resource type Account / navigation groups -> vault | role vault | does not have role vault | DoesNotApply",
            "resource type Account / navigation groups -> all | role staff | has role staff | Overridden { by: \"resource type Account / navigation groups -> all\" }",
            "resource type Account / navigation groups -> all | owner.kind == 'guest' | kind = 'guest' | Denies",
        ]
    );
    let home = property("home");
    assert_eq!(home.value, Some("ada".into()));
    assert_eq!(
        lines(&home.considered),
        [
            "resource type Account / query home 1 | owner.mail == target.mail, confidence 100 | mail = 'Ada@Example.org' | DoesNotApply",
            "resource type Account / query home 2 | owner.id == target.name, confidence 50 | id = 'ada' | Gives",
        ]
    );
}

#[test]
fn failures_and_decisions_of_people_are_told() {
    let mut fixture = fixture();
    fixture.person.values.insert("number".into(), "many".into());
    let explained = fixture.explain("2026-02-01");
    assert!(matches!(&explained.roles[0].outcome, Outcome::Failed(failure) if failure.rule == "role vault / rule 2"));
    assert!(matches!(&explained.roles[0].considered[1].finding, Finding::Failed(_)));
    assert!(matches!(&explained.resource_types[1].outcome, Outcome::Failed(_)));
    fixture.grants = vec![grant("vault", "2026-01-01", "2026-03-01"), denial("staff")];
    let explained = fixture.explain("2026-02-01");
    let asked = explained.roles[0].considered.last().unwrap();
    assert_eq!((asked.rule.as_str(), &asked.finding), ("request r-vault", &Finding::Gives));
    assert_eq!(explained.roles[1].considered[0].finding, Finding::Overridden { by: "request d-staff".into() });
}

#[test]
fn no_confidential_value_is_in_an_explanation() {
    let mut fixture = fixture();
    fixture.person.values.insert("pin".into(), "98x76".into());
    assert!(!format!("{:?}", fixture.explain("2026-02-01")).contains("98x76"));
}
