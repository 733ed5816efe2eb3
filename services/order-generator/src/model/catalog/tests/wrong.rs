//! Wrong catalogs. Each case changes the right catalog beside this file in one place; what the
//! answer must be stands in `wrong.txt`, which people can read.

use super::*;

const RIGHT: &str = include_str!("right.yaml");

/// What is wrong, what is replaced in the right catalog, and by what.
const CASES: &[(&str, &str, &str)] = &[
    ("a bracket that is never closed", "{ name: hr-csv, package: csv }", "{ name: hr-csv, package: csv"),
    ("a tab as indentation", "    connector: hr\n", "\tconnector: hr\n"),
    ("a second document", "contexts:\n", "---\ncontexts:\n"),
    ("an anchor", "key: name\n", "key: &k name\n"),
    ("an unknown list", "contexts:\n", "context:\n"),
    ("an unknown key", "display_name: Application", "displayname: Application"),
    ("an unknown key that nothing is near to", "    key: id\n", "    key: id\n    colour: blue\n"),
    ("a key twice", "    key: id\n", "    key: id\n    key: name\n"),
    ("a missing key", "    owner: Person\n    target: Account\n", "    owner: Person\n"),
    ("an empty value", "    target: Account\n", "    target:\n"),
    (
        "a list that is a mapping",
        "    rules:\n      - { when: owner.level >= 3 }",
        "    rules: { when: owner.level >= 3 }",
    ),
    ("a mapping that is text", "      - { role: expert }", "      - expert"),
    ("a flag that is text", "sensitive: true", "sensitive: yes"),
    ("a percentage over 100", "additions_percent: 50", "additions_percent: 500"),
    ("a number that is text", "additions_percent: 50", "additions_percent: half"),
    ("a name with a space", "- name: expert", "- name: the expert"),
    ("a property name that no expression could say", "{ name: is_external, type", "{ name: is-external, type"),
    ("a name twice, in other letters", "- name: group-role", "- name: EXPERT"),
    ("a connection twice", "{ name: app-desk, package", "{ name: hr-csv, package"),
    (
        "a property twice",
        "{ name: level, type: integer }\n      - { name: aliases",
        "{ name: login, type: string }\n      - { name: aliases",
    ),
    ("an unknown package", "package: sql }", "package: sqll }"),
    ("an export through a package that only writes", "    export: app-sql", "    export: app-desk"),
    ("an export through an unknown connection", "    export: app-sql", "    export: app-sq"),
    ("an unknown connector", "    connector: hr\n", "    connector: hrr\n"),
    (
        "an unknown type",
        "{ name: level, type: integer }\n      - { name: is_external",
        "{ name: level, type: int }\n      - { name: is_external",
    ),
    (
        "a property with neither type nor navigation",
        "{ name: name, type: string }\n      - { name: level",
        "{ name: name }\n      - { name: level",
    ),
    ("a property with type and navigation", "manager, navigation", "manager, type: string, navigation"),
    ("a navigation to nowhere", "manager, navigation: Person", "manager, navigation: Persons"),
    ("a key that is no property", "    key: login\n", "    key: logon\n"),
    ("a key that holds many values", "    key: login\n", "    key: aliases\n"),
    ("a key that is confidential", "    key: id\n", "    key: secret\n"),
    ("an unknown owner", "    owner: Person\n    target", "    owner: Human\n    target"),
    ("an unknown target", "    target: Account\n", "    target: Acount\n"),
    ("an unknown prerequisite", "    connection: app-sql\n", "    connection: app-sql\n    depends_on: Mailbox\n"),
    (
        "a resource type that depends on itself",
        "    connection: app-sql\n",
        "    connection: app-sql\n    depends_on: AppAccount\n",
    ),
    (
        "resource types that depend on each other",
        "resource_types:\n",
        "resource_types:\n  - name: Mailbox\n    owner: Person\n    target: Account\n    connection: app-sql\n    depends_on: Calendar\n    type_rules: [ {} ]\n    scalar_rules: [ { property: login, value: owner.id } ]\n  - name: Calendar\n    owner: Person\n    target: Account\n    connection: app-sql\n    depends_on: Mailbox\n    type_rules: [ {} ]\n    scalar_rules: [ { property: login, value: owner.id } ]\n",
    ),
    (
        "a prerequisite of other owners",
        "resource_types:\n",
        "resource_types:\n  - name: GroupThing\n    owner: Group\n    target: Account\n    connection: app-sql\n    depends_on: AppAccount\n    type_rules: [ {} ]\n    scalar_rules: [ { property: login, value: owner.name } ]\n",
    ),
    ("a connection of another system", "    connection: app-sql\n", "    connection: hr-csv\n"),
    ("an unknown connection", "    connection: app-sql\n", "    connection: app-sqlite-x\n"),
    (
        "a connection that cannot write",
        "      - { name: app-sql, package: sql }",
        "      - { name: app-sql, package: csv }",
    ),
    ("no type rule", "    type_rules:\n      - { role: expert }\n      - { when: owner.is_external }\n", ""),
    ("an unknown role", "{ role: expert }", "{ role: experts }"),
    ("a role of others", "{ role: expert }", "{ role: group-role }"),
    ("a scalar rule for an unknown property", "{ property: level, value", "{ property: levle, value"),
    (
        "a scalar rule for a navigation",
        "{ property: level, value: owner.level + 1 }",
        "{ property: groups, value: owner.tags }",
    ),
    (
        "two scalar rules for one property",
        "{ property: level, value: owner.level + 1 }",
        "{ property: login, value: owner.id }",
    ),
    ("no scalar rule for the key", "      - { property: login, value: owner.id.lower() }\n", ""),
    ("a navigation rule on a scalar property", "{ property: groups, role", "{ property: level, role"),
    (
        "the same navigation rule twice",
        "      - { property: groups, role: expert, target: experts }\n",
        "      - { property: groups, role: expert, target: experts }\n      - { property: groups, role: expert, target: experts }\n",
    ),
    ("two contexts", "    valid_from: owner.start\n", "    valid_from: owner.start\n  - entity_type: Person\n"),
    ("a context of the wrong type", "valid_from: owner.start", "valid_from: owner.name"),
    ("an expression that cannot be read", "owner.level >= 3", "owner.level >="),
    ("an unknown variable", "owner.level >= 3", "level >= 3"),
    ("an unknown property", "owner.level >= 3", "owner.levels >= 3"),
    ("an unknown property one step away", "owner.level >= 3", "owner.manager.levl >= 3"),
    ("two steps of navigation", "owner.level >= 3", "owner.manager.manager != null"),
    ("an unknown function", "owner.id.lower()", "owner.id.toLower()"),
    ("a function on the wrong type", "owner.id.lower()", "owner.level.lower()"),
    ("a condition that is text", "when: owner.is_external", "when: \"'external'\""),
    ("a condition that is a number", "when: owner.is_external", "when: owner.level"),
    ("text plus a number", "owner.level + 1", "owner.name + 1"),
    ("a comparison that is never true", "owner.level >= 3", "owner.level == '3'"),
    ("an order between types", "owner.level >= 3", "owner.level >= owner.name"),
    ("a value of the wrong type", "value: owner.level + 1", "value: owner.name"),
    ("one value where a list must be", "\"owner.tags.filter(t, t != 'x')\"", "owner.name"),
    ("a list where one value must be", "value: owner.id.lower()", "value: owner.tags"),
    ("a list of the wrong type", "\"owner.tags.filter(t, t != 'x')\"", "\"[1, 2]\""),
    ("a resource where a value must be", "value: owner.id.lower()", "value: owner.manager"),
    ("what cannot be read", "value: owner.id.lower()", "value: owner.secret"),
    (
        "a loop in a loop",
        "\"owner.tags.filter(t, t != 'x')\"",
        "\"owner.tags.filter(t, owner.tags.exists(u, u == t))\"",
    ),
    ("a pattern that is no regular expression", "when: owner.is_external", "when: \"owner.id.matches('[')\""),
    ("a pattern that is not written out", "when: owner.is_external", "when: owner.id.matches(owner.name)"),
    ("a condition of null", "when: owner.is_external", "when: \"null == null ? null : null\""),
    ("a mistake in an argument", "\"'/bin/sh'\"", "owner.shell"),
    (
        "a mistake on a later line of an expression",
        "- { when: owner.is_external }",
        "- when: |\n          owner.is_external &&\n          owner.nobody",
    ),
    (
        "several mistakes at once",
        "    connection: app-sql\n    type_rules:\n      - { role: expert }",
        "    conection: app-sql\n    priority: high\n    type_rules:\n      - { role: expret }",
    ),
];

fn shown(problems: &[Problem]) -> String {
    problems.iter().fold(String::new(), |text, problem| {
        text + &format!("  {}:{} {}\n", problem.line, problem.column, problem.message)
            + &format!("      {}\n", problem.hint)
    })
}

/// What each case is answered with, compared with what it shall be.
pub(super) fn compare(right: &str, cases: &[(&str, &str, &str)], expected: &str) {
    let mut answers = String::new();
    for (what, from, to) in cases {
        assert_eq!(right.matches(from).count(), 1, "{what}: {from}");
        let text = right.replace(from, to);
        let problems = Catalog::compile(&files(&[("catalog.yaml", &text)])).err().unwrap_or_default();
        answers += &format!("{what}\n{}\n", shown(&problems));
    }
    if answers != expected {
        let differing = answers.lines().zip(expected.lines()).find(|(is, shall)| is != shall);
        panic!("the answers differ, first here: {differing:?}\n\n{answers}");
    }
}

#[test]
fn every_mistake_is_named_where_it_stands() {
    compare(RIGHT, CASES, include_str!("wrong.txt"));
}

#[test]
fn the_right_catalog_is_right() {
    let catalog =
        Catalog::compile(&files(&[("catalog.yaml", RIGHT)])).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let resource_type = catalog.resource_type("AppAccount").unwrap();
    assert!(resource_type.review && resource_type.allow_add && resource_type.allow_remove);
    assert!(!resource_type.remove_orphans);
    assert_eq!(resource_type.thresholds.additions_percent, 50);
    assert_eq!(resource_type.thresholds.deletions_percent, 30);
    assert_eq!(&*resource_type.connector, "app");
    assert_eq!(
        catalog.entity_type("Account").unwrap().property("groups").unwrap().navigates_to().map(|name| &**name),
        Some("Group")
    );
    assert_eq!(catalog.owner_entity_types().len(), 2);
}

#[test]
fn problems_come_by_file_and_line_and_name_the_other_file() {
    let other = "roles:\n  - name: Expert\n    owner: Person\n";
    let broken = RIGHT.replace("{ role: expert }", "{ role: nobody }");
    let problems = Catalog::compile(&files(&[("b.yaml", &broken), ("a.yaml", other)])).unwrap_err();
    let places: Vec<_> = problems.iter().map(|problem| (problem.file.as_str(), problem.line)).collect();
    assert_eq!(places, [("b.yaml", 57), ("a.yaml", 2)]);
    assert!(problems[1].message.contains("line 43 of b.yaml"), "{}", problems[1]);
}

#[test]
fn a_file_that_cannot_be_read_does_not_make_its_names_unknown() {
    let roles = "roles:\n  - name: late\n    owner: Person\n";
    let problems = Catalog::compile(&files(&[("a.yaml", "connectors: [\n"), ("b.yaml", roles)])).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].file, "a.yaml");
}

#[test]
fn limits_are_kept() {
    let large = " ".repeat(FILE_BYTES_MAX + 1);
    let problems = Catalog::compile(&files(&[("large.yaml", &large)])).unwrap_err();
    assert!(problems[0].message.contains("must have at most 4194304"), "{}", problems[0]);
    let deep = "[".repeat(100) + &"]".repeat(100);
    let problems = Catalog::compile(&files(&[("deep.yaml", &deep)])).unwrap_err();
    assert!(problems[0].message.contains("nests too deep"), "{}", problems[0]);
    let problems = Catalog::compile(&files(&[("empty.yaml", "# nothing\n")])).unwrap_err();
    assert!(problems[0].message.contains("declares nothing"), "{}", problems[0]);
}

#[test]
fn expressions_that_nest_deep_are_refused_and_do_no_harm() {
    let nested = |open: &str, inner: &str, close: &str| open.repeat(300) + inner + &close.repeat(300);
    for expression in [
        nested("(", "true", ")"),
        nested("[", "1", "]") + " == []",
        nested("int(", "1", ")") + " == 1",
        nested("!(", "true", ")"),
        "true ? false : ".repeat(200) + "true",
        vec!["1"; 240].join(" + ") + " == 1",
        "owner.id".to_owned() + &".trim()".repeat(240) + " == ''",
    ] {
        let text = RIGHT.replace("owner.level >= 3", &format!("\"{expression}\""));
        let problems = Catalog::compile(&files(&[("catalog.yaml", &text)])).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].line, 46, "{}", problems[0]);
    }
}
