//! What the rules give, split by question.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::model::expected::{ExpectedResource, ExpectedRole, ExpectedValue};
use crate::model::grant::{Grant, Granted};
use crate::model::resource::{Properties, Repository};
use provost_domain::{Period, Value, WorkflowState};

mod arguments;
mod basics;
mod computed;
mod contexts;
mod grace;
mod isolation;
mod links;
mod offsets;
mod random;
mod roles;
mod speed;
mod trace;

fn compiled(text: &str) -> Catalog {
    Catalog::compile(&[("catalog.yaml".into(), text.into())]).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// An owner of which nothing else is known, in 1970.
fn evaluated_in(catalog: &Catalog, owner: &Resource, lookup: &dyn Lookup) -> Expected {
    let ground = Ground { catalog, revision: 1, now: Timestamp::default(), lookup, former: None };
    evaluate(&ground, &Case::new("Person", owner)).unwrap()
}

fn of<'a>(expected: &'a Expected, resource_type: &str) -> Option<&'a ExpectedResource> {
    expected.resources.iter().find(|resource| &*resource.resource_type == resource_type)
}

fn role<'a>(expected: &'a Expected, role: &str) -> Option<&'a ExpectedRole> {
    expected.roles.iter().find(|one| &*one.role == role)
}

fn roles(expected: &Expected) -> Vec<&str> {
    expected.roles.iter().map(|role| &*role.role).collect()
}

fn value<'a>(resource: &'a ExpectedResource, property: &str) -> &'a ExpectedValue {
    resource.values.get(property).unwrap_or_else(|| panic!("no {property} in {resource:?}"))
}

fn list(items: &[&str]) -> Value {
    Value::List(items.iter().map(|item| Value::from(*item)).collect())
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|| panic!("'{text}' is no instant"))
}

/// Empty texts are open ends.
fn period(from: &str, until: &str) -> Period {
    let end = |text: &str| (!text.is_empty()).then(|| at(text));
    Period { from: end(from), until: end(until) }
}

/// People with contracts, accounts and groups; each test adds the roles and resource types that it is about.
const SYSTEMS: &str = "
dimensions: [ country, department ]
connectors:
  - { name: hr, connections: [ { name: hr-csv, package: csv } ], export: hr-csv }
  - { name: app, connections: [ { name: app-sql, package: sql } ], export: app-sql }
entity_types:
  - name: Person
    connector: hr
    key: id
    properties:
      - { name: id, type: string }
      - { name: mail, type: string }
      - { name: kind, type: string }
      - { name: pin, type: string, sensitive: true }
      - { name: number, type: string }
      - { name: manager, navigation: Person }
      - { name: handle, type: string, computed: owner.mail.lower() }
      - { name: greeting, type: string, computed: \"'hello ' + owner.handle\" }
      - { name: secret_end, type: string, sensitive: true, computed: owner.pin.substring(1) }
  - name: Contract
    connector: hr
    key: code
    properties:
      - { name: code, type: string }
      - { name: person, navigation: Person }
      - { name: title, type: string }
      - { name: department, type: string }
      - { name: country, type: string }
      - { name: level, type: string }
      - { name: start, type: timestamp }
      - { name: end, type: timestamp }
  - name: Account
    connector: app
    key: login
    properties:
      - { name: login, type: string }
      - { name: title, type: string }
      - { name: enabled, type: boolean }
      - { name: note, type: string }
      - { name: tags, type: string, multi_valued: true }
      - { name: groups, navigation: Group, multi_valued: true }
      - { name: home, navigation: Group }
  - name: Group
    connector: app
    key: name
    properties:
      - { name: name, type: string }
      - { name: mail, type: string }
";

/// With one context for each contract.
const POSITIONS: &str = "
contexts:
  - entity_type: Person
    positions: { entity_type: Contract, owner: person }
    valid_from: position.start
    valid_until: position.end
    dimensions:
      department: position.department
      country: position.country
";

/// Values as texts; what is called start or end is an instant, and an empty text is no value.
fn record(key_name: &str, key: &str, values: &[(&str, &str)]) -> Resource {
    let mut all: Properties = [(key_name.to_owned(), Value::from(key))].into();
    for (name, value) in values.iter().filter(|(_, value)| !value.is_empty()) {
        let value = match *name {
            "start" | "end" => Value::Timestamp(at(value)),
            _ => Value::from(*value),
        };
        all.insert((*name).to_owned(), value);
    }
    Resource { key: key.into(), values: all }
}

fn person(values: &[(&str, &str)]) -> Resource {
    let mut person = record("id", "ada", values);
    person.values.entry("mail".into()).or_insert_with(|| "Ada@Example.org".into());
    person
}

fn contract(code: &str, start: &str, end: &str, values: &[(&str, &str)]) -> Resource {
    let mut all = vec![("person", "ada"), ("start", start), ("end", end)];
    all.extend(values);
    record("code", code, &all)
}

fn grant(name: &str, from: &str, until: &str) -> Grant {
    Grant {
        request_id: format!("r-{name}"),
        what: Granted::Role(name.into()),
        period: period(from, until),
        denied: false,
        workflow: WorkflowState::Approved,
        because: "asked by Ada, approved by Bob".into(),
    }
}

fn denial(name: &str) -> Grant {
    Grant { request_id: format!("d-{name}"), denied: true, ..grant(name, "", "") }
}

/// A catalog and what is known of one person.
struct Fixture {
    catalog: Catalog,
    repository: Repository,
    person: Resource,
    contracts: Vec<Resource>,
    grants: Vec<Grant>,
    before: Option<Before>,
    former: Option<(Catalog, i64)>,
    revision: i64,
}

impl Fixture {
    /// Without positions and contexts.
    fn of(rules: &str) -> Self {
        let catalog = compiled(&format!("{SYSTEMS}{rules}"));
        let (repository, person) = (Repository::default(), person(&[]));
        Self { catalog, repository, person, contracts: vec![], grants: vec![], before: None, former: None, revision: 1 }
    }

    fn with_positions(rules: &str) -> Self {
        Self::of(&format!("{POSITIONS}{rules}"))
    }

    fn person(mut self, values: &[(&str, &str)]) -> Self {
        self.person = person(values);
        self
    }

    fn contracts(mut self, contracts: &[Resource]) -> Self {
        self.contracts = contracts.to_vec();
        self
    }

    fn grants(mut self, grants: &[Grant]) -> Self {
        self.grants = grants.to_vec();
        self
    }

    fn run<T>(&self, now: &str, run: impl FnOnce(&Ground<'_>, &Case<'_>) -> T) -> T {
        let former = self.former.as_ref().map(|(catalog, revision)| Former { catalog, revision: *revision });
        let ground =
            Ground { catalog: &self.catalog, revision: self.revision, now: at(now), lookup: &self.repository, former };
        let positions: Vec<&Resource> = self.contracts.iter().collect();
        let case = Case {
            positions: &positions,
            grants: &self.grants,
            before: self.before.as_ref(),
            ..Case::new("Person", &self.person)
        };
        run(&ground, &case)
    }

    /// What is expected, which is always the same as what is explained.
    fn at(&self, now: &str) -> Expected {
        let explained = self.explain(now);
        self.run(now, |ground, case| {
            let expected = evaluate(ground, case).unwrap();
            assert_eq!(expected, explained.expected);
            expected
        })
    }

    fn explain(&self, now: &str) -> Explanation {
        self.run(now, |ground, case| explain(ground, case).unwrap())
    }

    /// Remembers what is expected at an instant as what was computed the last time.
    fn remember(&mut self, now: &str) {
        let expected = self.at(now);
        let roles = expected.roles.iter().map(|role| RoleBefore {
            role: Arc::clone(&role.role),
            workflow: role.workflow,
            period: role.period,
        });
        let types = expected.resources.iter().map(|resource| TypeBefore {
            resource_type: Arc::clone(&resource.resource_type),
            workflow: resource.workflow,
            period: resource.given,
        });
        let positions: Vec<&Resource> = self.contracts.iter().collect();
        let fingerprint = fingerprint(&self.person, &positions);
        let (roles, types) = (roles.collect(), types.collect());
        self.before = Some(Before { revision: self.revision, fingerprint, roles, types });
    }

    /// Applies other rules, as the next revision.
    fn apply(&mut self, catalog: &str) {
        let former = std::mem::replace(&mut self.catalog, compiled(catalog));
        self.former = Some((former, self.revision));
        self.revision += 1;
    }
}
