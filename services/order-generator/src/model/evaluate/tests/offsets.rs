//! Rules that count before, around and after a time.

use super::*;

const RULES: &str = "
roles:
  - { name: staff, owner: Person, rules: [ {} ] }
resource_types:
  - name: Account
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ { role: staff } ]
    scalar_rules:
      - { property: login, value: owner.id }
      - { property: title, value: position.title }
      - { property: enabled, value: 'true' }
      - { property: enabled, value: 'false', offset: { reference: before, before: 30d } }
      - { property: enabled, value: 'false', offset: { reference: after, after: 180d } }
      - { property: note, value: \"'new'\", offset: { reference: before, before: 5d, after: 5d } }
      - { property: note, value: \"'all along'\", offset: { reference: around, before: 2d, after: 2d } }
      - { property: tags, value: \"['always']\" }
      - { property: tags, value: \"['gone']\", offset: { reference: after, after: 10d } }
      - { property: tags, value: \"['near']\", offset: { reference: around, before: 10d, after: 20d } }
    navigation_rules:
      - { property: groups, role: staff, target: staff }
      - { property: groups, role: staff, target: leavers, offset: { reference: after, after: 60d } }
      - { property: home, target: everybody }
";

fn fixture() -> Fixture {
    Fixture::with_positions(RULES).contracts(&[contract("1", "2026-03-01", "2026-09-01", &[("title", "Clerk")])])
}

#[test]
fn an_account_is_there_disabled_before_and_after() {
    let fixture = fixture();
    for (now, enabled) in [
        ("2026-01-01", false), // waits for its time
        ("2026-02-15", false),
        ("2026-03-01", true),
        ("2026-08-31", true),
        ("2026-09-01", false),
        ("2027-02-01", false),
        ("2028-01-01", false), // over
    ] {
        let expected = fixture.at(now);
        let account = of(&expected, "Account").unwrap();
        assert_eq!(account.period, period("2026-01-30", "2027-02-28"), "{now}");
        assert_eq!(value(account, "enabled").value, Some(Value::Boolean(enabled)), "{now}");
        // What has no offset is there throughout.
        assert_eq!(value(account, "title").value, Some("Clerk".into()), "{now}");
        assert_eq!(account.target_key, "ada");
    }
}

#[test]
fn of_several_rules_after_before_around_and_default_overwrite_in_this_order() {
    let fixture = fixture();
    for (now, note) in
        [("2026-02-25", Some("new")), ("2026-03-03", Some("all along")), ("2026-07-01", Some("all along"))]
    {
        let expected = fixture.at(now);
        let account = of(&expected, "Account").unwrap();
        assert_eq!(account.values.get("note").and_then(|note| note.value.clone()), note.map(Value::from), "{now}");
    }
    // Of a property of which no rule speaks now, nothing is said.
    assert!(!of(&fixture.at("2026-12-01"), "Account").unwrap().values.contains_key("note"));
}

#[test]
fn several_values_accumulate() {
    let fixture = fixture();
    for (now, tags) in [
        ("2026-02-01", list(&["always"])),
        ("2026-02-25", list(&["near"])),
        ("2026-04-01", list(&["always", "near"])),
        ("2026-09-05", list(&["gone", "near"])),
        ("2026-09-15", list(&["near"])),
        ("2026-12-01", list(&["always"])),
    ] {
        let expected = fixture.at(now);
        assert_eq!(value(of(&expected, "Account").unwrap(), "tags").value, Some(tags), "{now}");
    }
}

#[test]
fn what_comes_with_a_role_goes_with_it_and_what_everybody_has_stays() {
    let fixture = fixture();
    for (now, groups) in [
        ("2026-02-15", list(&[])),
        ("2026-03-01", list(&["staff"])),
        ("2026-09-01", list(&["leavers"])),
        ("2026-12-01", list(&[])),
    ] {
        let expected = fixture.at(now);
        let account = of(&expected, "Account").unwrap();
        assert_eq!(value(account, "groups").value, Some(groups), "{now}");
        assert_eq!(value(account, "home").value, Some("everybody".into()), "{now}");
    }
}

#[test]
fn each_edge_is_a_next_change() {
    let fixture = fixture();
    let mut now = "2026-01-01".to_owned();
    let mut edges = Vec::new();
    while let Some(next) = fixture.at(&now).next_change {
        now = next.to_string();
        edges.push(now[..10].to_owned());
        assert!(edges.len() < 30, "{edges:?}");
    }
    assert_eq!(
        edges,
        [
            "2026-01-30",
            "2026-02-19",
            "2026-02-24",
            "2026-02-27",
            "2026-03-01",
            "2026-03-06",
            "2026-09-01",
            "2026-09-03",
            "2026-09-11",
            "2026-09-21",
            "2026-10-31",
            "2027-02-28"
        ]
    );
}

#[test]
fn a_time_after_the_first_and_before_the_second_contract_join() {
    let fixture = Fixture::with_positions(RULES)
        .contracts(&[contract("1", "2026-01-01", "2026-03-01", &[]), contract("2", "2026-05-01", "2026-07-01", &[])]);
    let expected = fixture.at("2026-04-15");
    let account = of(&expected, "Account").unwrap();
    assert_eq!(account.period, period("2025-12-02", "2026-12-28"));
    assert_eq!(value(account, "enabled").value, Some(Value::Boolean(false)));
    assert_eq!(value(of(&fixture.at("2026-05-02"), "Account").unwrap(), "enabled").value, Some(Value::Boolean(true)));
}

#[test]
fn a_type_rule_with_an_offset_moves_the_resource_and_not_the_role() {
    let rules = RULES.replace(
        "type_rules: [ { role: staff } ]",
        "type_rules: [ { role: staff, offset: { reference: before, before: 10d } } ]",
    );
    let fixture = Fixture::with_positions(rules.split("      - { property: title").next().unwrap())
        .contracts(&[contract("1", "2026-03-01", "2026-09-01", &[])]);
    let expected = fixture.at("2026-02-25");
    assert_eq!(role(&expected, "staff").unwrap().period, period("2026-03-01", "2026-09-01"));
    assert_eq!(of(&expected, "Account").unwrap().period, period("2026-02-19", "2026-03-01"));
    assert_eq!(of(&expected, "Account").unwrap().why[0].detail, "has role staff");
}

#[test]
fn without_an_end_there_is_no_after() {
    let fixture = Fixture::with_positions(RULES).contracts(&[contract("1", "2026-03-01", "", &[])]);
    assert_eq!(of(&fixture.at("2026-04-01"), "Account").unwrap().period, period("2026-01-30", ""));
    let fixture = fixture.contracts(&[contract("1", "", "", &[])]);
    let expected = fixture.at("2026-04-01");
    assert_eq!((of(&expected, "Account").unwrap().period, expected.next_change), (Period::default(), None));
}

/// Staff by request, and not by rule.
fn by_request() -> String {
    RULES.replace("rules: [ {} ] }", "}").replace("position.title", "owner.kind")
}

#[test]
fn what_was_requested_reaches_as_far_after_its_end_as_what_rules_give() {
    let role = || Fixture::of(&by_request()).grants(&[grant("staff", "2026-03-01", "2026-09-01")]);
    for (now, enabled) in [("2026-08-31", true), ("2026-09-01", false), ("2027-02-27", false)] {
        let expected = role().at(now);
        let account = of(&expected, "Account").unwrap();
        assert_eq!(account.period, period("2026-01-30", "2027-02-28"), "{now}");
        assert_eq!(value(account, "enabled").value, Some(Value::Boolean(enabled)), "{now}");
    }
    // Then nothing is left of it, and that is an instant at which something changes.
    assert_eq!(role().at("2027-02-27").next_change, Some(at("2027-02-28")));
    let over = role().at("2027-02-28");
    assert!(over.resources.is_empty() && over.next_change.is_none());
    // Without offsets that is at once.
    let plain = by_request();
    let plain: Vec<&str> = plain.lines().filter(|line| !line.contains("offset")).collect();
    let plain = Fixture::of(&plain.join("\n")).grants(&[grant("staff", "2026-03-01", "2026-09-01")]);
    assert!(of(&plain.at("2026-08-31"), "Account").is_some());
    let over = plain.at("2026-09-01");
    assert!(over.resources.is_empty() && over.roles.is_empty() && over.next_change.is_none());
}

#[test]
fn an_offset_of_the_type_and_one_of_a_value_reach_one_after_the_other() {
    let rules = by_request().replace(
        "type_rules: [ { role: staff } ]",
        "type_rules: [ { role: staff, offset: { reference: around, after: 10d } } ]",
    );
    let fixture = Fixture::of(&rules).grants(&[grant("staff", "2026-03-01", "2026-09-01")]);
    assert_eq!(fixture.catalog.rules().reach(), std::time::Duration::from_secs(190 * 86_400));
    assert_eq!(of(&fixture.at("2027-03-09"), "Account").unwrap().period.until, Some(at("2027-03-10")));
    assert!(fixture.at("2027-03-10").resources.is_empty());
}
