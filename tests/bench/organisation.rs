//! A generated organisation of any size, its catalog, and what its systems show once every order is written: four
//! resource types with fifty mapped properties in all, two hundred single roles in forty composite roles, four
//! hundred rules, three groups a person, some of them very large.

use chrono::{DateTime, Duration};
use provost_contract::generator::v1 as pb;
use provost_contract::to_wire;
use provost_domain::{Timestamp, Value};
use std::fmt::Write as _;

/// Departments; each has a composite role.
const DEPARTMENTS: usize = 40;
const SITES: usize = 10;
const ROLES_PER_COMPOSITE: usize = 5;

/// The accounts: entity type, connector, and the properties beside the key, each with the rule that gives it.
pub(crate) const SYSTEMS: [(&str, &str, &[&str]); 4] = [
    (
        "Account",
        "directory",
        &[
            "first_name",
            "last_name",
            "name",
            "mail",
            "title",
            "department",
            "site",
            "phone",
            "manager",
            "company",
            "country",
            "language",
            "start",
            "grade",
        ],
    ),
    (
        "Mailbox",
        "mail",
        &["name", "mail", "title", "department", "site", "phone", "company", "country", "language", "manager", "unit"],
    ),
    (
        "Worker",
        "erp",
        &["first_name", "last_name", "mail", "cost_center", "grade", "start", "floor", "desk", "badge", "unit"],
    ),
    (
        "Badge",
        "doors",
        &["name", "title", "site", "floor", "desk", "badge", "country", "phone", "company", "start", "worker_type"],
    ),
];

/// The rule of a mapped property.
fn rule(property: &str) -> String {
    match property {
        "name" => "owner.first_name + ' ' + owner.last_name".to_owned(),
        "mail" => "(owner.first_name + '.' + owner.last_name + '.' + owner.id).lower() + '@example.org'".to_owned(),
        "manager" => "owner.manager == null ? '' : owner.manager.login".to_owned(),
        "unit" => "owner.department + '/' + owner.site".to_owned(),
        "title" => "owner.worker_type == 'contractor' ? owner.title + ' (external)' : owner.title".to_owned(),
        "start" => "owner.start_date".to_owned(),
        other => format!("owner.{other}"),
    }
}

/// What people have besides their id; the type and the property.
const PERSON: [(&str, &str); 18] = [
    ("first_name", "string"),
    ("last_name", "string"),
    ("login", "string"),
    ("title", "string"),
    ("department", "string"),
    ("site", "string"),
    ("phone", "string"),
    ("company", "string"),
    ("country", "string"),
    ("language", "string"),
    ("cost_center", "string"),
    ("floor", "string"),
    ("desk", "string"),
    ("badge", "string"),
    ("worker_type", "string"),
    ("grade", "integer"),
    ("start_date", "timestamp"),
    ("end_date", "timestamp"),
];

fn kind(property: &str) -> &'static str {
    match property {
        "grade" => "integer",
        "start" => "timestamp",
        _ => "string",
    }
}

/// The catalog. `factor` times the rules: what is more of them gives nobody anything.
pub(crate) fn catalog(factor: usize) -> String {
    let mut text = String::from("dimensions: [ department, site ]\nconnectors:\n");
    for (name, package) in std::iter::once(("hr", "csv")).chain(SYSTEMS.map(|(_, connector, _)| (connector, "sql"))) {
        let _ = writeln!(text, "  - name: {name}");
        let _ = writeln!(text, "    connections: [ {{ name: {name}-c, package: {package} }} ]\n    export: {name}-c");
    }
    text.push_str("entity_types:\n  - name: Person\n    connector: hr\n    key: id\n");
    text.push_str("    display_name: owner.first_name + ' ' + owner.last_name\n    properties:\n");
    text.push_str("      - { name: id, type: string }\n      - { name: manager, navigation: Person }\n");
    for (name, kind) in PERSON {
        let _ = writeln!(text, "      - {{ name: {name}, type: {kind} }}");
    }
    for (entity_type, connector, properties) in SYSTEMS {
        let _ = writeln!(text, "  - name: {entity_type}\n    connector: {connector}\n    key: login\n    properties:");
        text.push_str("      - { name: login, type: string }\n");
        for property in properties {
            let _ = writeln!(text, "      - {{ name: {property}, type: {} }}", kind(property));
        }
        if entity_type == "Account" {
            text.push_str("      - { name: groups, navigation: Group, multi_valued: true }\n");
            text.push_str("  - name: Group\n    connector: directory\n    key: name\n");
            text.push_str("    properties: [ { name: name, type: string } ]\n");
        }
    }
    text.push_str("contexts:\n  - entity_type: Person\n    valid_from: owner.start_date\n");
    text.push_str("    valid_until: owner.end_date\n");
    text.push_str("    dimensions: { department: owner.department, site: owner.site }\nroles:\n");
    for more in 0..factor {
        for role in 0..DEPARTMENTS * ROLES_PER_COMPOSITE {
            let (department, site) = (role / ROLES_PER_COMPOSITE, role % SITES);
            let _ = writeln!(text, "  - name: {}\n    owner: Person", role_name(role, more));
            let department = if more == 0 { format!("D{department:02}") } else { format!("X{more}-{department:02}") };
            let _ = writeln!(
                text,
                "    rules: [ {{ dimensions: {{ department: {department}, site: S{site} }}, when: owner.grade > 7 }} ]"
            );
        }
    }
    text.push_str("composite_roles:\n");
    for more in 0..factor {
        for composite in 0..DEPARTMENTS {
            let first = composite * ROLES_PER_COMPOSITE;
            let roles: Vec<String> = (first..first + ROLES_PER_COMPOSITE).map(|role| role_name(role, more)).collect();
            let department = if more == 0 { format!("D{composite:02}") } else { format!("X{more}-{composite:02}") };
            let _ = writeln!(text, "  - name: c{more}-{composite:02}\n    owner: Person");
            let _ = writeln!(text, "    roles: [ {} ]\n    rules:", roles.join(", "));
            let _ = writeln!(text, "      - {{ dimensions: {{ department: {department} }} }}");
            let _ = writeln!(
                text,
                "      - {{ dimensions: {{ department: {department}, site: [S0, S1] }}, when: owner.grade > 8 }}"
            );
        }
    }
    text.push_str("resource_types:\n");
    for (entity_type, connector, properties) in SYSTEMS {
        let _ = writeln!(text, "  - name: {entity_type}s\n    owner: Person\n    target: {entity_type}");
        let _ = writeln!(text, "    connection: {connector}-c\n    review: false");
        let _ = writeln!(text, "    type_rules: [ {{}} ]\n    scalar_rules:");
        text.push_str("      - { property: login, value: owner.login }\n");
        for property in properties {
            let _ = writeln!(text, "      - {{ property: {property}, value: \"{}\" }}", rule(property));
        }
        if entity_type == "Account" {
            text.push_str("    navigation_rules:\n      - { property: groups, target: everybody }\n");
            for more in 0..factor {
                for role in (0..DEPARTMENTS * ROLES_PER_COMPOSITE).filter(|role| linked(*role)) {
                    let name = role_name(role, more);
                    let _ = writeln!(text, "      - {{ property: groups, role: {name}, target: {} }}", group(role));
                }
            }
        }
    }
    text
}

fn role_name(role: usize, more: usize) -> String {
    format!("r{more}-{role:03}")
}

/// Three of the five roles of a composite role are linked, two of them to the same group.
const fn linked(role: usize) -> bool {
    role % ROLES_PER_COMPOSITE < 3
}

fn group(role: usize) -> String {
    let department = role / ROLES_PER_COMPOSITE;
    match role % ROLES_PER_COMPOSITE {
        0 | 1 => format!("dept-{department:02}"),
        // Four departments share one.
        _ => format!("area-{:02}", department / 4),
    }
}

/// The people, who are what their number says, but for those that changed.
pub(crate) struct Organisation {
    pub(crate) people: usize,
    /// The accounts are there.
    pub(crate) is_written: bool,
    /// The title of every so many-th person is this one's.
    pub(crate) changed: Option<(usize, String)>,
}

/// Rows of an entity type: names of the properties, and the values of each row.
pub(crate) struct Rows {
    pub(crate) names: Vec<&'static str>,
    pub(crate) count: usize,
    pub(crate) rows: Box<dyn Iterator<Item = Vec<Option<Value>>> + Send>,
}

fn text(text: impl Into<String>) -> Option<Value> {
    Some(Value::String(text.into()))
}

impl Organisation {
    fn property(changed: &Option<(usize, String)>, number: usize, property: &str) -> Option<Value> {
        let pick = |all: &[&str]| all.get(number % all.len().max(1)).map(|one| (*one).to_owned());
        match property {
            "first_name" => {
                pick(&["Ada", "Grace", "Émile", "José", "Mary", "Alan", "Edsger", "Barbara", "Zoë"]).and_then(text)
            }
            "last_name" => text(format!("Lovelace{number:06}")),
            "login" => text(login(number)),
            "title" => match changed {
                Some((every, title)) if number.is_multiple_of(*every) => text(title.clone()),
                _ => text(format!("Specialist {}", number % 50)),
            },
            "department" => text(format!("D{:02}", number % DEPARTMENTS)),
            "site" => text(format!("S{}", (number / DEPARTMENTS) % SITES)),
            "phone" => text(format!("+49 30 {number:07}")),
            "company" => pick(&["Example AG", "Example SAS", "Example Ltd"]).and_then(text),
            "country" => pick(&["DE", "FR", "GB", "US"]).and_then(text),
            "language" => pick(&["de", "fr", "en"]).and_then(text),
            "cost_center" => text(format!("{:05}", 10_000 + number % 700)),
            "floor" => text(format!("{}", number % 12)),
            "desk" => text(format!("{:04}", number % 5_000)),
            "badge" => text(format!("B{number:07}")),
            "worker_type" => pick(&["employee", "employee", "employee", "contractor"]).and_then(text),
            "grade" => Some(Value::Integer((number % 10) as i64)),
            "start_date" => {
                let day = DateTime::UNIX_EPOCH + Duration::days(15_000 + (number % 4_000) as i64);
                Some(Value::Timestamp(Timestamp::from_millis(day.timestamp_millis())))
            }
            _ => None,
        }
    }

    /// What a system shows of an entity type, once every order is written.
    pub(crate) fn rows(&self, entity_type: &str) -> Rows {
        let (people, changed) = (self.people, self.changed.clone());
        if entity_type == "Group" {
            let departments = (0..DEPARTMENTS).map(|department| format!("dept-{department:02}"));
            let areas = (0..DEPARTMENTS / 4).map(|area| format!("area-{area:02}"));
            let all: Vec<String> = departments.chain(areas).chain(["everybody".to_owned()]).collect();
            let (names, count) = (vec!["name"], all.len());
            return Rows { names, count, rows: Box::new(all.into_iter().map(|name| vec![text(name)])) };
        }
        if entity_type == "Person" {
            let names: Vec<&'static str> =
                ["id", "manager"].into_iter().chain(PERSON.iter().map(|(name, _)| *name)).collect();
            let row = move |number: usize| {
                let manager = (number > 0).then(|| key(number / 10)).and_then(text);
                let mut row = vec![text(key(number)), manager];
                row.extend(PERSON.iter().map(|(name, _)| Self::property(&changed, number, name)));
                row
            };
            return Rows { names, count: people, rows: Box::new((0..people).map(row)) };
        }
        let properties = SYSTEMS.iter().find(|(name, _, _)| *name == entity_type).map_or(&[][..], |found| found.2);
        let has_groups = entity_type == "Account";
        let names = std::iter::once("login").chain(properties.iter().copied());
        let names = names.chain(has_groups.then_some("groups")).collect();
        let row = move |number: usize| {
            let mut row = vec![text(login(number))];
            row.extend(properties.iter().map(|property| Self::mapped(&changed, number, property)));
            if has_groups {
                let department = number % DEPARTMENTS;
                let groups =
                    [format!("area-{:02}", department / 4), format!("dept-{department:02}"), "everybody".to_owned()];
                row.push(Some(Value::List(groups.into_iter().map(Value::String).collect())));
            }
            row
        };
        let count = if self.is_written { people } else { 0 };
        Rows { names, count, rows: Box::new((0..count).map(row)) }
    }

    /// What [`rule`] gives.
    fn mapped(changed: &Option<(usize, String)>, number: usize, property: &str) -> Option<Value> {
        let of = |property: &str| {
            Self::property(changed, number, property).map(|value| value.to_string()).unwrap_or_default()
        };
        match property {
            "name" => text(format!("{} {}", of("first_name"), of("last_name"))),
            "mail" => {
                let local = format!("{}.{}.{}", of("first_name"), of("last_name"), key(number)).to_lowercase();
                text(format!("{local}@example.org"))
            }
            "manager" => text(if number > 0 { login(number / 10) } else { String::new() }),
            "unit" => text(format!("{}/{}", of("department"), of("site"))),
            "title" if of("worker_type") == "contractor" => text(format!("{} (external)", of("title"))),
            "start" => Self::property(changed, number, "start_date"),
            other => Self::property(changed, number, other),
        }
    }
}

/// Somebody's key.
pub(crate) fn key(number: usize) -> String {
    format!("P{number:07}")
}

fn login(number: usize) -> String {
    format!("u{number:07}")
}

impl Rows {
    /// The batches of an upload.
    pub(crate) fn batches(self, entity_type: String) -> impl Iterator<Item = pb::ExportBatch> + Send {
        let Self { names, mut rows, .. } = self;
        std::iter::from_fn(move || {
            let value = |value: Option<Value>| value.map_or_else(Default::default, |value| to_wire::value(&value));
            let chunk: Vec<pb::ExportRow> = rows
                .by_ref()
                .take(1_000)
                .map(|row| pb::ExportRow { values: row.into_iter().map(value).collect() })
                .collect();
            let properties = names.iter().map(|name| (*name).to_owned()).collect();
            (!chunk.is_empty()).then(|| pb::ExportBatch { entity_type: entity_type.clone(), properties, rows: chunk })
        })
    }
}
