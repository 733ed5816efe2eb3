//! The catalogs against the people: every expression is evaluated for everyone and compared with the expectation in Rust.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use cel::common::types::CelString;
use cel::{Context, Env, Program, Value};
use chrono::NaiveDate;
use provost_sample::{Organisation, Person, WorkerType, directory, special, workplace};
use saphyr::{LoadableYamlNode, Yaml};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

fn organisation(people: usize) -> Organisation {
    Organisation::generate(11, people, NaiveDate::from_ymd_opt(2026, 3, 1).unwrap())
}

fn documents(catalog: &[(&str, &'static str)]) -> Vec<Yaml<'static>> {
    catalog
        .iter()
        .map(|(name, text)| {
            let mut documents = Yaml::load_from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(documents.len(), 1, "{name}");
            documents.remove(0)
        })
        .collect()
}

/// The items of a top-level list, from all files together.
fn items<'a>(documents: &'a [Yaml<'static>], list: &str) -> Vec<&'a Yaml<'static>> {
    documents
        .iter()
        .filter_map(|document| document.as_mapping_get(list))
        .flat_map(|list| list.as_vec().unwrap())
        .collect()
}

fn text<'a>(item: &'a Yaml<'static>, key: &str) -> &'a str {
    item.as_mapping_get(key).and_then(|value| value.as_str()).unwrap_or_else(|| panic!("no {key} in {item:?}"))
}

fn list<'a>(item: &'a Yaml<'static>, key: &str) -> &'a [Yaml<'static>] {
    item.as_mapping_get(key).and_then(|value| value.as_vec()).map_or(&[], |list| list.as_slice())
}

fn fold(text: &CelString<'_>) -> CelString<'static> {
    CelString::from(deunicode::deunicode(text.inner()))
}

fn upper(text: &CelString<'_>) -> CelString<'static> {
    CelString::from(text.inner().to_uppercase())
}

/// CEL with the functions that the order generator adds to it, as far as the catalogs use them.
fn environment() -> Arc<Env> {
    let mut env = Env::stdlib();
    cel::add_member_overload!(env, fn fold: (CelString) -> CelString).unwrap();
    cel::add_member_overload!(env, fn upper: (CelString) -> CelString).unwrap();
    Arc::new(env)
}

fn compile(source: &str) -> Program {
    environment().compile(source).unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn scalars(person: &Person) -> HashMap<String, Value> {
    let worker_type = match person.worker_type {
        WorkerType::Employee => "employee",
        WorkerType::Contractor => "contractor",
    };
    [
        ("employee_id", person.employee_id.as_str()),
        ("first_name", &person.first_name),
        ("last_name", &person.last_name),
        ("login", &person.login),
        ("mail", &person.mail),
        ("department", &person.department),
        ("title", &person.title),
        ("location", &person.location),
        ("worker_type", worker_type),
        ("badge_number", &person.badge_number),
        ("phone", &person.phone),
        ("cost_center", &person.cost_center),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), Value::from(value)))
    .collect()
}

/// The variable `owner` as the order generator gives it to expressions, dates left out.
fn owner(person: &Person, manager: Option<&Person>) -> Value {
    let mut owner = scalars(person);
    owner.insert("manager".into(), manager.map_or(Value::Null, |manager| scalars(manager).into()));
    owner.into()
}

fn evaluate(program: &Program, owner: &Value) -> Result<Value, cel::ExecutionError> {
    let mut context = Context::with_env(environment());
    context.add_variable_from_value("owner", owner.clone());
    program.execute(&context)
}

/// A rule that gives a role: an expression for each dimension with the value that it must have, and the condition.
struct Rule {
    dimensions: Vec<(Program, String)>,
    when: Option<Program>,
}

impl Rule {
    fn holds(&self, owner: &Value) -> bool {
        let has =
            |(program, value): &(Program, String)| evaluate(program, owner).unwrap() == Value::from(value.as_str());
        self.dimensions.iter().all(has) && self.when.as_ref().is_none_or(|when| holds(when, owner))
    }
}

fn holds(program: &Program, owner: &Value) -> bool {
    match evaluate(program, owner) {
        Ok(Value::Bool(answer)) => answer,
        other => panic!("not a yes or no: {other:?}"),
    }
}

fn with_manager(organisation: &Organisation) -> impl Iterator<Item = (&Person, Option<&Person>)> {
    let by_id: HashMap<&str, &Person> = organisation.people.iter().map(|p| (p.employee_id.as_str(), p)).collect();
    organisation.people.iter().map(move |p| (p, p.manager.as_deref().and_then(|id| by_id.get(id).copied())))
}

/// The rules of a role, single or composite.
fn rules(documents: &[Yaml<'static>], role: &Yaml<'static>) -> Vec<Rule> {
    let context = items(documents, "contexts").first().and_then(|context| context.as_mapping_get("dimensions"));
    let dimension = |(name, value): (&Yaml<'static>, &Yaml<'static>)| {
        let source = text(context.expect("dimensions in the context"), name.as_str().unwrap());
        (compile(source), value.as_str().unwrap().to_owned())
    };
    let rule = |rule: &Yaml<'static>| Rule {
        dimensions: rule
            .as_mapping_get("dimensions")
            .map_or(vec![], |dimensions| dimensions.as_mapping().unwrap().iter().map(dimension).collect()),
        when: rule.as_mapping_get("when").map(|when| compile(when.as_str().unwrap())),
    };
    list(role, "rules").iter().map(rule).collect()
}

/// The rules that give each single role: its own, and those of the composite roles that hold it.
fn roles(documents: &[Yaml<'static>]) -> BTreeMap<String, Vec<Rule>> {
    items(documents, "roles")
        .into_iter()
        .map(|role| {
            let name = text(role, "name");
            let holds =
                |composite: &&Yaml<'static>| list(composite, "roles").iter().any(|it| it.as_str() == Some(name));
            let composite = items(documents, "composite_roles").into_iter().filter(holds);
            let rules: Vec<Rule> = [role].into_iter().chain(composite).flat_map(|it| rules(documents, it)).collect();
            assert!(!rules.is_empty(), "nobody has {name}");
            (name.to_owned(), rules)
        })
        .collect()
}

/// What the navigation rules of a resource type add up to for one owner.
fn groups(resource_type: &Yaml<'static>, roles: &BTreeMap<String, Vec<Rule>>, owner: &Value) -> BTreeSet<String> {
    list(resource_type, "navigation_rules")
        .iter()
        .filter(|rule| roles[text(rule, "role")].iter().any(|rule| rule.holds(owner)))
        .map(|rule| text(rule, "target").to_owned())
        .collect()
}

fn resource_type<'a>(documents: &'a [Yaml<'static>], name: &str) -> &'a Yaml<'static> {
    items(documents, "resource_types").into_iter().find(|item| text(item, "name") == name).expect("resource type")
}

fn type_rules(resource_type: &Yaml<'static>, roles: &BTreeMap<String, Vec<Rule>>, owner: &Value) -> bool {
    list(resource_type, "type_rules").iter().any(|rule| match rule.as_mapping_get("role") {
        Some(role) => roles[role.as_str().unwrap()].iter().any(|rule| rule.holds(owner)),
        None => holds(&compile(text(rule, "when")), owner),
    })
}

fn owned(groups: Vec<&str>) -> BTreeSet<String> {
    groups.into_iter().map(str::to_owned).collect()
}

#[test]
fn names_that_catalogs_refer_to_exist() {
    for catalog in [workplace::CATALOG, directory::LDAP_CATALOG] {
        let documents = documents(catalog);
        let names =
            |kind: &str| -> BTreeSet<&str> { items(&documents, kind).iter().map(|i| text(i, "name")).collect() };
        let connections: BTreeSet<&str> = items(&documents, "connectors")
            .iter()
            .flat_map(|connector| list(connector, "connections").iter().map(|connection| text(connection, "name")))
            .collect();
        for entity_type in items(&documents, "entity_types") {
            assert!(names("connectors").contains(text(entity_type, "connector")));
        }
        for resource_type in items(&documents, "resource_types") {
            assert!(names("entity_types").contains(text(resource_type, "owner")));
            assert!(names("entity_types").contains(text(resource_type, "target")));
            assert!(connections.contains(text(resource_type, "connection")));
            let target = items(&documents, "entity_types")
                .into_iter()
                .find(|item| text(item, "name") == text(resource_type, "target"))
                .unwrap();
            let properties: BTreeSet<&str> = list(target, "properties").iter().map(|item| text(item, "name")).collect();
            let ruled: BTreeSet<&str> = list(resource_type, "scalar_rules")
                .iter()
                .chain(list(resource_type, "navigation_rules"))
                .map(|rule| text(rule, "property"))
                .collect();
            assert_eq!(ruled, properties, "{}", text(resource_type, "name"));
            let used = list(resource_type, "navigation_rules").iter().map(|rule| text(rule, "role"));
            assert!(used.into_iter().all(|role| names("roles").contains(role)));
        }
    }
}

#[test]
fn directory_roles_are_the_groups_one_to_one() {
    let documents = documents(directory::LDAP_CATALOG);
    let roles: Vec<&str> = items(&documents, "roles").iter().map(|role| text(role, "name")).collect();
    assert_eq!(roles, directory::GROUPS);
    let account = resource_type(&documents, "DirectoryAccount");
    let targets: Vec<&str> = list(account, "navigation_rules").iter().map(|rule| text(rule, "target")).collect();
    assert_eq!(targets, directory::GROUPS);
}

#[test]
fn directory_catalog_and_expectation_agree_on_everyone() {
    let documents = documents(directory::LDAP_CATALOG);
    let roles = roles(&documents);
    let account = resource_type(&documents, "DirectoryAccount");
    let values: Vec<(&str, Program)> =
        list(account, "scalar_rules").iter().map(|r| (text(r, "property"), compile(text(r, "value")))).collect();
    for (person, manager) in with_manager(&organisation(400)) {
        let owner = owner(person, manager);
        assert!(type_rules(account, &roles, &owner));
        assert_eq!(groups(account, &roles, &owner), owned(directory::expected_groups(person)), "{person:?}");
        for (name, expected) in directory::expected_attributes(person) {
            let (_, program) = values.iter().find(|(property, _)| *property == name).expect(name);
            assert_eq!(evaluate(program, &owner).unwrap(), Value::from(expected), "{name} of {person:?}");
        }
    }
}

#[test]
fn every_directory_group_has_members_and_none_but_everyone_has_all() {
    let organisation = organisation(1_000);
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for group in organisation.active().flat_map(directory::expected_groups) {
        *sizes.entry(group).or_default() += 1;
    }
    assert_eq!(sizes.len(), directory::GROUPS.len());
    let all = organisation.active().count();
    assert!(sizes.iter().all(|(group, &size)| (size == all) == (*group == "everyone")), "{sizes:?}");
}

#[test]
fn initial_ldif_has_every_group_with_a_member() {
    let ldif = directory::initial_ldif("dc=example,dc=org");
    assert_eq!(ldif.matches("objectClass: groupOfNames\n").count(), directory::GROUPS.len());
    assert_eq!(ldif.matches("member: dc=example,dc=org\n").count(), directory::GROUPS.len());
    assert!(ldif.starts_with("dn: ou=people,dc=example,dc=org\n"));
    assert!(ldif.contains("dn: cn=newsletter-n-to-z,ou=groups,dc=example,dc=org\n"));
}

#[test]
fn workplace_catalog_and_expectation_agree_on_everyone() {
    let documents = documents(workplace::CATALOG);
    let roles = roles(&documents);
    let [account, vault, badge] = ["AppAccount", "VaultAccount", "Badge"].map(|name| resource_type(&documents, name));
    let values: Vec<(&str, Program)> =
        list(account, "scalar_rules").iter().map(|r| (text(r, "property"), compile(text(r, "value")))).collect();
    for (person, manager) in with_manager(&organisation(400)) {
        let owner = owner(person, manager);
        assert!(type_rules(account, &roles, &owner));
        assert_eq!(type_rules(vault, &roles, &owner), workplace::expects_vault_account(person), "{person:?}");
        assert_eq!(type_rules(badge, &roles, &owner), workplace::expects_badge(person), "{person:?}");
        assert_eq!(groups(account, &roles, &owner), owned(workplace::expected_groups(person)), "{person:?}");
        let Some(row) = workplace::expected_account(person, manager) else {
            assert_eq!(person.employee_id, special::DEMO_BAD_DATA);
            continue;
        };
        for (property, program) in &values {
            let expected: Value = match *property {
                "login" => row.login.as_str().into(),
                "mail" => row.mail.as_str().into(),
                "display_name" => row.full_name.as_str().into(),
                "title" => row.title.as_str().into(),
                "department" => row.department.as_str().into(),
                "location" => row.location.as_str().into(),
                "manager_login" => row.manager_login.clone().map_or(Value::Null, Value::from),
                "cost_center" => Value::Int(row.cost_center),
                other => panic!("nothing expected of {other}"),
            };
            assert_eq!(evaluate(program, &owner).unwrap(), expected, "{property} of {person:?}");
        }
    }
}

/// The values of a resource type's scalar rules for one owner.
fn values(resource_type: &Yaml<'static>, owner: &Value) -> BTreeMap<String, Value> {
    list(resource_type, "scalar_rules")
        .iter()
        .map(|rule| (text(rule, "property").to_owned(), evaluate(&compile(text(rule, "value")), owner).unwrap()))
        .collect()
}

fn row(columns: &[(&str, &str)]) -> BTreeMap<String, Value> {
    columns.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect()
}

#[test]
fn vault_and_badge_values_agree_with_the_expectation() {
    let documents = documents(workplace::CATALOG);
    let [vault, badge] = ["VaultAccount", "Badge"].map(|name| resource_type(&documents, name));
    let organisation = organisation(400);
    let mut seen = (0, 0);
    for (person, manager) in with_manager(&organisation) {
        let owner = owner(person, manager);
        if let Some(expected) = workplace::expected_vault_account(person) {
            seen.0 += 1;
            let columns = [
                ("login", expected.login.as_str()),
                ("full_name", &expected.full_name),
                ("clearance", expected.clearance),
                ("recovery_phone", &expected.recovery_phone),
            ];
            assert_eq!(values(vault, &owner), row(&columns));
        }
        if let Some(expected) = workplace::expected_badge(person) {
            seen.1 += 1;
            let columns = [
                ("badge_number", expected.badge_number.as_str()),
                ("printed_name", &expected.printed_name),
                ("employee_id", &expected.employee_id),
                ("zone", expected.zone),
            ];
            assert_eq!(values(badge, &owner), row(&columns));
            assert!(expected.printed_name.is_ascii(), "{}", expected.printed_name);
        }
    }
    assert!(seen.0 >= 6 && seen.1 >= 12, "{seen:?}");
}

#[test]
fn last_day_counts_in_full() {
    for catalog in [workplace::CATALOG, directory::LDAP_CATALOG] {
        let documents = documents(catalog);
        let rule = compile(text(items(&documents, "contexts")[0], "valid_until"));
        let until = |end_date: Value| {
            let owner: HashMap<String, Value> = [("end_date".to_owned(), end_date)].into();
            evaluate(&rule, &owner.into()).unwrap()
        };
        let midnight = |day: &str| Value::Timestamp(format!("{day}T00:00:00Z").parse().unwrap());
        assert_eq!(until(midnight("2026-02-28")), midnight("2026-03-01"));
        assert_eq!(until(Value::Null), Value::Null);
    }
}

#[test]
fn cost_center_rule_throws_for_one_person_alone() {
    let documents = documents(workplace::CATALOG);
    let rules = list(resource_type(&documents, "AppAccount"), "scalar_rules");
    let rule = rules.iter().find(|rule| text(rule, "property") == "cost_center").unwrap();
    let program = compile(text(rule, "value"));
    let organisation = organisation(250);
    let failed: Vec<&str> = with_manager(&organisation)
        .filter(|(person, manager)| evaluate(&program, &owner(person, *manager)).is_err())
        .map(|(person, _)| person.employee_id.as_str())
        .collect();
    assert_eq!(failed, [special::DEMO_BAD_DATA]);
    assert!(special::MENDED_COST_CENTER.parse::<i64>().is_ok());
}

#[test]
fn only_vault_accounts_are_reviewed() {
    let documents = documents(workplace::CATALOG);
    let reviewed: Vec<&str> = items(&documents, "resource_types")
        .into_iter()
        .filter(|item| item.as_mapping_get("review").and_then(|review| review.as_bool()).unwrap_or(true))
        .map(|item| text(item, "name"))
        .collect();
    assert_eq!(reviewed, ["VaultAccount"]);
}
