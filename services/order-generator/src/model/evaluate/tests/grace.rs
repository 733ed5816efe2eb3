//! What a change of rules took away.

use super::*;

const BEFORE: &str = "
roles:
  - { name: vault, owner: Person, grace_period: 10d, rules: [ { when: owner.kind == 'guard' } ] }
  - { name: keys, owner: Person, grace_period: 10d }
  - { name: plain, owner: Person, rules: [ { when: owner.kind == 'guard' } ] }
composite_roles:
  - { name: watch, owner: Person, grace_period: 5d, roles: [ keys ], rules: [ { when: owner.kind == 'guard' } ] }
resource_types:
  - name: Vault
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ { role: vault } ]
    scalar_rules: [ { property: login, value: owner.id } ]
";

/// A guard, as it was on the first of January, under rules that by now ask for something else.
fn changed() -> Fixture {
    let mut fixture = Fixture::with_positions(BEFORE).person(&[("kind", "guard")]).contracts(&[contract(
        "1",
        "2025-01-01",
        "2027-01-01",
        &[],
    )]);
    fixture.remember("2026-01-01");
    fixture.apply(&format!("{SYSTEMS}{POSITIONS}{}", BEFORE.replace("'guard'", "'watchman'")));
    fixture
}

#[test]
fn a_role_lost_by_a_change_of_rules_is_kept_for_a_while() {
    let mut fixture = changed();
    let expected = fixture.at("2026-02-01");
    assert_eq!(roles(&expected), ["keys", "vault", "watch"]);
    let vault = role(&expected, "vault").unwrap();
    assert_eq!((vault.workflow, vault.period), (WorkflowState::Prolonged, period("2025-01-01", "2026-02-11")));
    assert_eq!(vault.why[0].rule, "role vault / grace period");
    assert!(vault.why[0].detail.contains("kept until 2026-02-11"), "{:?}", vault.why);
    assert_eq!(of(&expected, "Vault").unwrap().period, vault.period);
    // The composite role has a shorter grace, and gives its roles for as long; then they have their own.
    assert_eq!(role(&expected, "watch").unwrap().period.until, Some(at("2026-02-06")));
    assert_eq!(role(&expected, "keys").unwrap().workflow, WorkflowState::GivenByARole);
    assert_eq!(expected.next_change, Some(at("2026-02-06")));
    // Computing again does not begin the time again.
    fixture.remember("2026-02-01");
    let later = fixture.at("2026-02-05");
    assert_eq!(role(&later, "vault").unwrap().period.until, Some(at("2026-02-11")));
    assert_eq!(later.next_change, Some(at("2026-02-06")));
    assert!(role(&fixture.at("2026-02-11"), "vault").is_none());
}

#[test]
fn what_facts_took_away_goes_at_once_whatever_rules_changed_beside() {
    // By the rules as they were, a driver has none of it.
    let mut fixture = changed();
    fixture.person.values.insert("kind".into(), "driver".into());
    assert!(fixture.at("2026-02-01").roles.is_empty());
    // Nothing but facts changed.
    let mut fixture = changed();
    fixture.revision = 1;
    assert!(fixture.at("2026-02-01").roles.is_empty());
    // Its time is over: that was no change of rules.
    assert!(changed().at("2027-01-01").roles.is_empty());
}

#[test]
fn what_rules_took_away_is_kept_whatever_facts_changed_beside() {
    let mut fixture = changed();
    fixture.person.values.insert("mail".into(), "other@example.org".into());
    fixture.contracts[0].values.insert("title".into(), "Clerk".into());
    assert_eq!(roles(&fixture.at("2026-02-01")), ["keys", "vault", "watch"]);
}

#[test]
fn facts_of_others_count_as_facts() {
    // The role is by the manager, who is another now; the rules of something else changed that day.
    const RULES: &str = "
roles:
  - { name: chosen, owner: Person, grace_period: 10d, rules: [ { when: owner.manager.kind == 'guard' } ] }
";
    let mut fixture = Fixture::of(RULES).person(&[("manager", "boss")]);
    let mut boss = record("id", "boss", &[("kind", "guard")]);
    fixture.repository.insert("Person", boss.clone());
    fixture.remember("2026-01-01");
    fixture.apply(&format!("{SYSTEMS}{RULES}  - {{ name: other, owner: Person }}\n"));
    assert_eq!(roles(&fixture.at("2026-02-01")), ["chosen"]);
    boss.values.insert("kind".into(), "driver".into());
    fixture.repository.insert("Person", boss);
    assert!(fixture.at("2026-02-01").roles.is_empty());
}

#[test]
fn rules_that_nobody_has_any_more_are_blamed_when_the_owner_is_the_same() {
    let mut fixture = changed();
    fixture.former = None;
    assert_eq!(roles(&fixture.at("2026-02-01")), ["keys", "vault", "watch"]);
    fixture.person.values.insert("mail".into(), "other@example.org".into());
    assert!(fixture.at("2026-02-01").roles.is_empty());
}

#[test]
fn rules_that_read_what_is_gone_from_the_catalog_are_blamed() {
    let mut fixture = changed();
    let without = SYSTEMS.replace("      - { name: kind, type: string }\n", "");
    fixture
        .apply(&format!("{without}{POSITIONS}{}", BEFORE.replace("'guard'", "''").replace("owner.kind", "owner.mail")));
    fixture.revision = 2;
    fixture.former.as_mut().unwrap().1 = 1;
    fixture.former.as_mut().unwrap().0 = compiled(&format!("{SYSTEMS}{POSITIONS}{BEFORE}"));
    fixture.person.values.remove("kind");
    assert_eq!(roles(&fixture.at("2026-02-01")), ["keys", "vault", "watch"]);
}

const TYPES: &str = "
policy: { grace_period: 10d }
roles:
  - { name: staff, owner: Person, grace_period: 0, rules: [ { when: owner.kind == 'guard' } ] }
resource_types:
  - name: Plain
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ { when: owner.kind == 'guard' } ]
    scalar_rules: [ { property: login, value: owner.id }, { property: title, value: owner.mail } ]
  - name: ByRole
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ { role: staff } ]
    scalar_rules: [ { property: login, value: owner.id } ]
";

#[test]
fn a_resource_type_lost_by_a_change_of_rules_is_kept_for_as_long_as_the_policy_says() {
    let mut fixture = Fixture::of(TYPES).person(&[("kind", "guard"), ("mail", "a")]);
    fixture.remember("2026-01-01");
    fixture.apply(&format!("{SYSTEMS}{}", TYPES.replace("'guard'", "'watchman'")));
    // Its values are as the rules of now say.
    fixture.person.values.insert("mail".into(), "b".into());
    let expected = fixture.at("2026-02-01");
    let plain = of(&expected, "Plain").unwrap();
    assert_eq!((plain.workflow, plain.period), (WorkflowState::Prolonged, period("", "2026-02-11")));
    assert_eq!(value(plain, "title").value, Some("b".into()));
    assert!(plain.why[0].detail.contains("kept until 2026-02-11"), "{:?}", plain.why);
    assert_eq!(expected.next_change, Some(at("2026-02-11")));
    // The role goes at once, and so does what came by it.
    assert!(expected.roles.is_empty() && of(&expected, "ByRole").is_none());
    // Computing again does not begin the time again.
    fixture.remember("2026-02-01");
    assert_eq!(of(&fixture.at("2026-02-05"), "Plain").unwrap().period.until, Some(at("2026-02-11")));
    assert!(of(&fixture.at("2026-02-11"), "Plain").is_none());
    // Who is no guard any more has lost it by that.
    let mut fixture = Fixture::of(TYPES).person(&[("kind", "guard")]);
    fixture.remember("2026-01-01");
    fixture.apply(&format!("{SYSTEMS}{}", TYPES.replace("'guard'", "'watchman'")));
    fixture.person.values.insert("kind".into(), "driver".into());
    assert!(fixture.at("2026-02-01").resources.is_empty());
    // Without a policy it goes at once.
    let without = TYPES.replace("policy: { grace_period: 10d }", "");
    let mut fixture = Fixture::of(&without).person(&[("kind", "guard")]);
    fixture.remember("2026-01-01");
    fixture.apply(&format!("{SYSTEMS}{}", without.replace("'guard'", "'watchman'")));
    assert!(fixture.at("2026-02-01").resources.is_empty());
}

#[test]
fn rules_with_offsets_do_not_make_grace_longer_each_time() {
    let title = "{ property: title, value: owner.mail }";
    let longer = "{ property: note, value: \"'gone'\", offset: { reference: around, after: 3d } }";
    let rules = TYPES.replacen(title, &format!("{title}, {longer}"), 1);
    assert_ne!(rules, TYPES);
    let mut fixture = Fixture::of(&rules).person(&[("kind", "guard")]);
    fixture.remember("2026-01-01");
    fixture.apply(&format!("{SYSTEMS}{}", rules.replace("'guard'", "'watchman'")));
    for _ in 0..3 {
        let plain = fixture.at("2026-02-01");
        let plain = of(&plain, "Plain").unwrap();
        assert_eq!((plain.given, plain.period), (period("", "2026-02-11"), period("", "2026-02-14")));
        fixture.remember("2026-02-01");
    }
}

#[test]
fn what_came_by_a_role_that_is_kept_is_kept_though_its_own_rule_changed() {
    let rules = TYPES.replace("{ name: staff, owner: Person, grace_period: 0", "{ name: staff, owner: Person");
    let mut fixture = Fixture::of(&rules).person(&[("kind", "guard")]);
    fixture.remember("2026-01-01");
    fixture
        .apply(&format!("{SYSTEMS}{}", rules.replace("{ role: staff }", "{ role: staff, when: owner.mail == 'x' }")));
    let expected = fixture.at("2026-02-01");
    assert_eq!(roles(&expected), ["staff"]);
    assert_eq!(of(&expected, "ByRole").unwrap().workflow, WorkflowState::Prolonged);
}

#[test]
fn grace_ends_with_the_owners_time() {
    let expected = changed().at("2026-12-25");
    assert_eq!(role(&expected, "vault").unwrap().period.until, Some(at("2027-01-01")));
}

#[test]
fn people_end_grace_and_make_it_permanent() {
    let fixture = changed().grants(&[denial("vault"), denial("watch"), denial("keys")]);
    assert!(fixture.at("2026-02-01").roles.is_empty());
    let fixture = changed().grants(&[grant("vault", "2026-01-15", "")]);
    let expected = fixture.at("2026-02-01");
    let vault = role(&expected, "vault").unwrap();
    assert_eq!((vault.workflow, vault.period), (WorkflowState::Approved, period("2026-01-15", "2027-01-01")));
}

#[test]
fn what_a_person_gave_and_took_is_not_prolonged() {
    let mut fixture =
        Fixture::with_positions(BEFORE).contracts(&[contract("1", "", "", &[])]).grants(&[grant("vault", "", "")]);
    fixture.remember("2026-01-01");
    fixture.grants.clear();
    fixture.revision = 2;
    assert!(fixture.at("2026-02-01").roles.is_empty());
}

#[test]
fn a_role_without_grace_goes_at_once_and_one_that_comes_back_is_calculated() {
    let mut fixture = changed();
    assert!(role(&fixture.at("2026-02-01"), "plain").is_none());
    fixture.remember("2026-02-01");
    fixture.apply(&format!("{SYSTEMS}{POSITIONS}{BEFORE}"));
    let expected = fixture.at("2026-02-02");
    let vault = role(&expected, "vault").unwrap();
    assert_eq!((vault.workflow, vault.period), (WorkflowState::Calculated, period("2025-01-01", "2027-01-01")));
}

#[test]
fn the_fingerprint_sees_values_and_positions_and_no_order() {
    let (one, two) = (contract("1", "", "", &[]), contract("2", "", "", &[]));
    let somebody = person(&[("kind", "guard")]);
    let print = fingerprint(&somebody, &[&one, &two]);
    assert_eq!(print, fingerprint(&somebody, &[&two, &one]));
    assert_ne!(print, fingerprint(&somebody, &[&one]));
    assert_ne!(print, fingerprint(&person(&[("kind", "guards")]), &[&one, &two]));
    assert_ne!(print, fingerprint(&person(&[("number", "guard")]), &[&one, &two]));
    // It is kept, so it must not change with the program.
    assert_eq!(fingerprint(&Resource { key: "a".into(), values: Properties::default() }, &[]), 0x69d0_02cc_20f4_b137);
}
