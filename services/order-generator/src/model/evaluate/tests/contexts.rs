//! Contexts: positions, periods and dimensions.

use super::*;

const RULES: &str = "
roles:
  - { name: staff, owner: Person, rules: [ {} ] }
  - { name: finance, owner: Person, rules: [ { dimensions: { department: [ Finance, Audit ] } } ] }
  - { name: boss, owner: Person, rules: [ { when: position.title == 'Chief' } ] }
  - { name: french-chief, owner: Person, rules: [ { dimensions: { country: FR }, when: position.title == 'Chief' } ] }
resource_types:
  - name: Account
    owner: Person
    target: Account
    connection: app-sql
    type_rules: [ { role: staff } ]
    scalar_rules:
      - { property: login, value: owner.id }
      - { property: title, value: position.title }
    navigation_rules: [ { property: groups, role: finance, target: finance } ]
";

fn finance(code: &str, start: &str, end: &str) -> Resource {
    contract(code, start, end, &[("department", "Finance")])
}

#[test]
fn contracts_that_follow_each_other_are_one_time() {
    let fixture = Fixture::with_positions(RULES)
        .contracts(&[finance("2", "2026-03-01", "2026-05-01"), finance("1", "2026-01-01", "2026-03-01")]);
    let expected = fixture.at("2026-02-01");
    assert_eq!(expected.period, period("2026-01-01", "2026-05-01"));
    assert_eq!(role(&expected, "finance").unwrap().period, period("2026-01-01", "2026-05-01"));
    assert_eq!(of(&expected, "Account").unwrap().period, period("2026-01-01", "2026-05-01"));
}

#[test]
fn of_times_with_a_gap_the_one_of_now_counts_then_the_next_then_the_last() {
    let fixture = Fixture::with_positions(RULES)
        .contracts(&[finance("1", "2026-01-01", "2026-03-01"), finance("2", "2026-06-01", "2026-08-01")]);
    let (first, second) = (period("2026-01-01", "2026-03-01"), period("2026-06-01", "2026-08-01"));
    for (now, counts) in [
        ("2025-12-31", first),
        ("2026-01-01", first),
        ("2026-03-01", second),
        ("2026-07-01", second),
        ("2026-08-01", second),
    ] {
        let expected = fixture.at(now);
        assert_eq!(role(&expected, "finance").unwrap().period, counts, "{now}");
        assert_eq!((expected.period, of(&expected, "Account").unwrap().period), (counts, counts), "{now}");
    }
}

#[test]
fn a_role_lasts_as_long_as_the_contexts_that_give_it() {
    let sales = contract("2", "2026-03-01", "2026-05-01", &[("department", "Sales")]);
    let fixture = Fixture::with_positions(RULES).contracts(&[finance("1", "2026-01-01", "2026-03-01"), sales]);
    let expected = fixture.at("2026-02-01");
    assert_eq!(role(&expected, "finance").unwrap().period, period("2026-01-01", "2026-03-01"));
    assert_eq!(role(&expected, "staff").unwrap().period, period("2026-01-01", "2026-05-01"));
    let account = of(&expected, "Account").unwrap();
    assert_eq!(account.period, period("2026-01-01", "2026-05-01"));
    assert_eq!(value(account, "groups").value, Some(list(&["finance"])));
    assert_eq!(expected.next_change, Some(at("2026-03-01")));
    // At 00:00 the link goes without anybody having touched the data; the account stays.
    let later = fixture.at("2026-03-01");
    assert_eq!(value(of(&later, "Account").unwrap(), "groups").value, Some(list(&[])));
    assert_eq!(later.next_change, Some(at("2026-05-01")));
    assert_eq!(fixture.at("2026-05-01").next_change, None);
}

#[test]
fn all_criteria_must_hold_in_the_same_context() {
    let chief = contract("1", "", "", &[("country", "DE"), ("title", "Chief")]);
    let french = contract("2", "", "", &[("country", "FR"), ("title", "Clerk")]);
    let fixture = Fixture::with_positions(RULES).contracts(&[chief.clone(), french]);
    assert_eq!(roles(&fixture.at("2026-01-01")), ["boss", "staff"]);
    let both = contract("2", "", "", &[("country", "FR"), ("title", "Chief")]);
    let fixture = Fixture::with_positions(RULES).contracts(&[chief, both]);
    let expected = fixture.at("2026-01-01");
    assert_eq!(roles(&expected), ["boss", "french-chief", "staff"]);
    let why = &role(&expected, "french-chief").unwrap().why[0];
    assert_eq!(why.detail, "position '2', dimension country = 'FR', position.title = 'Chief'");
}

#[test]
fn values_come_from_the_main_position() {
    let one = |code: &str, start: &str, end: &str| contract(code, start, end, &[("title", code)]);
    let fixture = Fixture::with_positions(RULES).contracts(&[
        one("late", "2026-04-01", "2026-09-01"),
        one("early", "2026-01-01", "2026-06-01"),
        one("same", "2026-04-01", "2026-07-01"),
        one("last", "2026-12-01", "2026-12-31"),
    ]);
    for (now, title) in [
        ("2025-01-01", "early"), // before the first, the next one
        ("2026-02-01", "early"),
        ("2026-05-01", "late"), // the one that began last; of two, the lower key
        ("2026-08-01", "late"),
        ("2026-10-01", "last"), // between them, the next one
        ("2027-01-01", "last"), // after all, the last
    ] {
        let expected = fixture.at(now);
        assert_eq!(value(of(&expected, "Account").unwrap(), "title").value, Some(title.into()), "{now}");
    }
}

#[test]
fn without_any_position_nothing_is_given() {
    let expected = Fixture::with_positions(RULES).grants(&[grant("finance", "", "")]).at("2026-01-01");
    assert!(expected.roles.is_empty() && expected.resources.is_empty(), "{expected:?}");
    assert_eq!(expected.owner.display_name, "ada");
}

#[test]
fn a_dimension_without_a_value_is_met_by_nobody() {
    let fixture = Fixture::with_positions(RULES).contracts(&[contract("1", "", "", &[])]);
    assert_eq!(roles(&fixture.at("2026-01-01")), ["staff"]);
}

#[test]
fn an_order_that_may_go_out_ahead_is_looked_at_ahead() {
    let rules = RULES.replace("type_rules: [ { role: staff } ]", "fulfill_ahead_hours: 48\n    type_rules: [ {} ]");
    let fixture = Fixture::with_positions(&rules).contracts(&[finance("1", "2026-03-10", "")]);
    assert_eq!(fixture.at("2026-03-01").next_change, Some(at("2026-03-08")));
    assert_eq!(fixture.at("2026-03-08").next_change, Some(at("2026-03-10")));
}

#[test]
fn dates_begin_and_end_where_the_policy_says_and_instants_when_they_say() {
    let rules = format!("policy: {{ time_zone: Europe/Paris }}{RULES}");
    // Clocks change on the 29th of March, a day of 23 hours.
    let fixture = Fixture::with_positions(&rules)
        .contracts(&[finance("1", "2026-03-29", "2026-03-30"), finance("2", "2026-06-01T06:30:00Z", "2026-07-01")]);
    let first = period("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
    let expected = fixture.at("2026-03-28T22:59:59Z");
    assert_eq!((expected.period, expected.next_change), (first, first.from));
    let expected = fixture.at("2026-03-28T23:00:00Z");
    assert_eq!((expected.period, expected.next_change), (first, first.until));
    let second = period("2026-06-01T06:30:00Z", "2026-06-30T22:00:00Z");
    let expected = fixture.at("2026-03-29T22:00:00Z");
    assert_eq!((expected.period, expected.next_change), (second, second.from));
}
