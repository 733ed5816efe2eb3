//! Navigation and query rules.

use super::*;

const RULES: &str = "
roles:
  - { name: staff, owner: Person, rules: [ {} ] }
resource_types:
  - name: Account
    owner: Person
    target: Account
    connection: app-sql
    depends_on_owner_property: number
    type_rules: [ {} ]
    scalar_rules: [ { property: login, value: owner.id } ]
    navigation_rules:
      - { property: groups, target: all }
      - { property: groups, target: french, dimensions: { country: FR } }
      - { property: groups, target: chiefs, when: position.title == 'Chief' }
      - { property: groups, target: all, when: position.title == 'Guest', denied: true }
    query_rules:
      - { property: home, source: owner.mail, target: target.mail, confidence: 80 }
      - { property: home, source: position.department, target: target.name.upper(), confidence: 120 }
";

fn group(name: &str, mail: &str) -> Resource {
    record("name", name, &[("mail", mail)])
}

fn fixture(contracts: &[Resource]) -> Fixture {
    let mut fixture = Fixture::with_positions(RULES).contracts(contracts);
    for group in [group("sales", ""), group("ada-home", "Ada@Example.org"), group("twin", "x"), group("other", "x")] {
        fixture.repository.insert("Group", group);
    }
    fixture
}

fn groups(fixture: &Fixture, now: &str) -> Value {
    value(of(&fixture.at(now), "Account").unwrap(), "groups").value.clone().unwrap()
}

#[test]
fn links_follow_their_criteria() {
    let french = contract("1", "2026-01-01", "2026-06-01", &[("country", "FR"), ("title", "Chief")]);
    let german = contract("2", "2026-06-01", "2027-01-01", &[("country", "DE"), ("title", "Chief")]);
    let fixture = fixture(&[french, german]);
    assert_eq!(groups(&fixture, "2026-02-01"), list(&["all", "chiefs", "french"]));
    assert_eq!(groups(&fixture, "2026-07-01"), list(&["all", "chiefs"]));
    let expected = fixture.at("2026-02-01");
    let why: Vec<&str> =
        value(of(&expected, "Account").unwrap(), "groups").why.iter().map(|why| why.detail.as_str()).collect();
    assert_eq!(why, ["everyone", "position '1', dimension country = 'FR'", "position '1', position.title = 'Chief'"]);
}

#[test]
fn a_denied_link_is_not_there_whatever_gives_it() {
    let fixture = fixture(&[contract("1", "", "", &[("title", "Guest"), ("country", "FR")])]);
    assert_eq!(groups(&fixture, "2026-02-01"), list(&["french"]));
}

#[test]
fn the_surest_query_that_finds_something_counts() {
    let in_sales = fixture(&[contract("1", "", "", &[("department", "SALES")])]).at("2026-02-01");
    let home = value(of(&in_sales, "Account").unwrap(), "home");
    assert_eq!((home.value.clone(), home.confidence), (Some("sales".into()), 120));
    assert_eq!(home.why[0].rule, "resource type Account / query home 2", "as declared, and not as tried");
    assert_eq!(home.why[0].detail, "position.department = 'SALES', found 'sales'");
    let elsewhere = fixture(&[contract("1", "", "", &[("department", "NOWHERE")])]).at("2026-02-01");
    let home = value(of(&elsewhere, "Account").unwrap(), "home");
    assert_eq!((home.value.clone(), home.confidence), (Some("ada-home".into()), 80));
}

#[test]
fn a_query_that_finds_nothing_leaves_the_property_empty() {
    let fixture = fixture(&[contract("1", "", "", &[])]).person(&[("mail", "nobody@example.org")]);
    let expected = fixture.at("2026-02-01");
    let home = value(of(&expected, "Account").unwrap(), "home");
    assert_eq!((home.value.clone(), home.why.len()), (None, 0));
    assert_eq!(of(&expected, "Account").unwrap().failure, None);
}

#[test]
fn a_required_query_that_finds_nothing_is_a_failure_unless_another_one_finds_something() {
    let required = RULES.replace("confidence: 120 }", "confidence: 120, required: true }");
    let at = |mail: &str, department: &str| {
        let mut fixture = Fixture::with_positions(&required)
            .contracts(&[contract("1", "", "", &[("department", department)])])
            .person(&[("mail", mail)]);
        fixture.repository.insert("Group", group("ada-home", "x"));
        let explained = fixture.explain("2026-02-01");
        let home = explained.resource_types[0].properties.iter().find(|seen| &*seen.property == "home").unwrap();
        let failed = home.considered.iter().filter(|one| matches!(one.finding, Finding::Failed(_))).count();
        (of(&fixture.at("2026-02-01"), "Account").unwrap().clone(), failed)
    };
    let (found, failed) = at("x", "NOWHERE");
    assert_eq!((value(&found, "home").value.clone(), found.failure, failed), (Some("ada-home".into()), None, 0));
    let (found, failed) = at("y", "NOWHERE");
    let failure = found.failure.unwrap();
    assert_eq!((failure.rule.as_str(), failed), ("resource type Account / query home 2", 1));
    assert!(failure.message.starts_with("it finds no Group, and is required"), "{failure:?}");
    assert_eq!(failure.input, "position.department = 'NOWHERE'");
    // Who has no department has none that could be found.
    assert!(at("y", "").0.failure.unwrap().message.contains("is required"));
}

#[test]
fn a_query_that_cannot_look_at_something_does_not_say_that_nothing_is_there() {
    let rules = RULES.replace("target: target.name.upper(), confidence: 120", "target: string(int(target.mail))");
    let mut fixture = Fixture::with_positions(&rules)
        .contracts(&[contract("1", "", "", &[("department", "7")])])
        .person(&[("mail", "z")]);
    fixture.repository.insert("Group", group("seven", "7"));
    fixture.repository.insert("Group", group("bad", "x"));
    let home = |fixture: &Fixture| of(&fixture.at("2026-02-01"), "Account").unwrap().clone();
    assert_eq!(value(&home(&fixture), "home").value, Some("seven".into()), "what is found is found");
    fixture.repository.remove("Group", "seven");
    let failure = home(&fixture).failure.unwrap();
    assert!(failure.message.starts_with("it finds no Group, and cannot be told of Group 'bad': "), "{failure:?}");
    assert_eq!(
        (failure.rule.as_str(), failure.input.as_str()),
        ("resource type Account / query home 2", "target.mail = 'x'")
    );
    fixture.repository.remove("Group", "bad");
    assert_eq!(home(&fixture).failure, None);
}

#[test]
fn several_for_one_place_are_a_failure_that_names_them() {
    let fixture = fixture(&[contract("1", "", "", &[])]).person(&[("mail", "x")]);
    let expected = fixture.at("2026-02-01");
    let failure = of(&expected, "Account").unwrap().failure.clone().unwrap();
    assert_eq!(failure.rule, "resource type Account / query home 1");
    assert_eq!(failure.message, "2 Group fit 'home', which holds one value: 'other', 'twin'");
    assert_eq!((failure.property.as_deref(), failure.input.as_str()), (Some("home"), "mail = 'x'"));
}

#[test]
fn what_is_found_follows_the_data() {
    let mut fixture = fixture(&[contract("1", "", "", &[("department", "SALES")])]);
    fixture.at("2026-02-01");
    fixture.repository.remove("Group", "sales");
    fixture.repository.insert("Group", group("Sales", ""));
    let expected = fixture.at("2026-02-01");
    assert_eq!(value(of(&expected, "Account").unwrap(), "home").value, Some("Sales".into()));
}

#[test]
fn a_property_with_several_values_takes_all_that_is_found() {
    let rules = RULES
        .replace("property: groups", "property: home")
        .replace("- { property: home, source", "- { property: groups, source");
    let rules = rules.replace("target: chiefs", "target: all").replace("target: french", "target: all");
    let mut fixture = Fixture::with_positions(&rules).contracts(&[contract("1", "", "", &[])]).person(&[("mail", "x")]);
    fixture.repository.insert("Group", group("twin", "x"));
    fixture.repository.insert("Group", group("other", "x"));
    assert_eq!(groups(&fixture, "2026-02-01"), list(&["other", "twin"]));
}

#[test]
fn a_resource_waits_for_what_its_owner_does_not_have_yet() {
    let fixture = fixture(&[contract("1", "", "", &[])]);
    let waits = |fixture: &Fixture| of(&fixture.at("2026-02-01"), "Account").unwrap().waits_for.clone();
    assert_eq!(waits(&fixture).as_deref(), Some("number of the Person 'ada' has no value yet"));
    assert_eq!(waits(&fixture.person(&[("number", "7")])), None);
}

#[test]
fn the_owners_side_of_a_correlation_reads_its_main_position() {
    let fixture = fixture(&[contract("1", "", "", &[("department", "SALES")])]);
    let source = &fixture.catalog.resource_type("Account").unwrap().query_rules[0].source;
    assert_eq!(source.source(), "position.department");
    let text = fixture.run("2026-02-01", |ground, case| text_of(ground, case, "r", source)).unwrap();
    assert_eq!(text, Ok(Some("SALES".to_owned())));
}

#[test]
fn without_reasons_the_rest_is_the_same() {
    let fixture = fixture(&[contract("1", "", "", &[("department", "SALES"), ("country", "FR")])]);
    let lean = fixture.run("2026-02-01", |ground, case| evaluate_without_reasons(ground, case).unwrap());
    let mut full = fixture.at("2026-02-01");
    full.roles.iter_mut().for_each(|role| role.why.clear());
    for resource in &mut full.resources {
        resource.why.clear();
        resource.values.values_mut().for_each(|value| value.why.clear());
    }
    assert_eq!(lean, full);
}
