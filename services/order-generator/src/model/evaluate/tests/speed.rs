//! What evaluation costs, beside the bare expression library on the same rules.
//!
//! `cargo test --release -p provost-order-generator --lib evaluate::tests::speed -- --ignored --nocapture`

use super::*;
use cel::common::types::CelString;
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::{Context as CelContext, Env, Program, Value as CelValue};
use std::fmt::Write;
use std::time::{Duration, Instant};

const PEOPLE: usize = 4_000;

/// The organisation that the figures are said of: 200 single and 40 composite roles with rules, 4 resource
/// types with 50 properties in all; `times` as many roles, each for as many fewer people.
fn organisation(times: usize) -> (String, Vec<String>) {
    let mut text = "
dimensions: [ department ]
connectors:
  - { name: hr, connections: [ { name: hr-csv, package: csv } ], export: hr-csv }
  - { name: app, connections: [ { name: app-sql, package: sql } ], export: app-sql }
entity_types:
  - name: Person
    connector: hr
    key: id
    properties:
      - { name: id, type: string }
      - { name: first, type: string }
      - { name: last, type: string }
      - { name: login, type: string }
      - { name: mail, type: string }
      - { name: title, type: string }
      - { name: department, type: string }
      - { name: kind, type: string }
      - { name: phone, type: string }
      - { name: start, type: timestamp }
  - name: Account
    connector: app
    key: login
    properties:
      - { name: login, type: string }
      - { name: groups, navigation: Group, multi_valued: true }
"
    .to_owned();
    let values = [
        "owner.login",
        "owner.first + ' ' + owner.last",
        "owner.mail",
        "owner.title",
        "owner.department",
        "owner.login.lowerAscii() + '@example.org'",
        "owner.kind == 'employee' ? 'internal' : 'external'",
        "owner.phone == null ? '' : owner.phone",
        "owner.title.startsWith('Chief') ? 'board' : owner.department",
        "'person'",
        "owner.last.substring(0, 1)",
        "owner.id",
    ];
    for number in 1..12 {
        _ = writeln!(text, "      - {{ name: p{number}, type: string }}");
    }
    text += "  - name: Group\n    connector: app\n    key: name\n    properties: [ { name: name, type: string } ]\n";
    text += "contexts:\n  - { entity_type: Person, valid_from: owner.start, dimensions: { department: owner.department } }\nroles:\n";
    let mut conditions = Vec::new();
    for number in 0..200 * times {
        let department = number % (40 * times);
        let when = match number % 3 {
            0 => format!("owner.department == 'D{department}'"),
            1 => format!("owner.department == 'D{department}' && owner.title.startsWith('Chief')"),
            _ => format!("owner.department == 'D{department}' && owner.kind == 'employee'"),
        };
        _ = writeln!(text, "  - {{ name: role{number}, owner: Person, rules: [ {{ when: \"{when}\" }} ] }}");
        conditions.push(when);
    }
    text += "composite_roles:\n";
    for number in 0..40 * times {
        let roles: Vec<String> = (0..5).map(|role| format!("role{}", (number * 5 + role) % (200 * times))).collect();
        _ = writeln!(
            text,
            "  - {{ name: composite{number}, owner: Person, roles: [ {} ], rules: [ {{ dimensions: {{ department: D{number} }}, when: owner.title == 'Clerk' }} ] }}",
            roles.join(", ")
        );
    }
    text += "resource_types:\n";
    let mut evaluated = vec!["owner.start".to_owned(), "owner.department".to_owned()];
    for kind in 0..4 {
        _ = writeln!(
            text,
            "  - name: Type{kind}\n    owner: Person\n    target: Account\n    connection: app-sql\n    type_rules: [ {{ when: owner.kind == 'employee' }} ]\n    scalar_rules:"
        );
        for (number, value) in values.iter().enumerate() {
            let property = if number == 0 { "login".to_owned() } else { format!("p{number}") };
            _ = writeln!(text, "      - {{ property: {property}, value: \"{value}\" }}");
            evaluated.push((*value).to_owned());
        }
        text += "    navigation_rules:\n";
        for number in (0..200 * times).filter(|number| number % 4 == kind) {
            _ = writeln!(text, "      - {{ property: groups, role: role{number}, target: g{number} }}");
        }
        evaluated.push("owner.kind == 'employee'".to_owned());
    }
    (text, evaluated.into_iter().chain(conditions).collect())
}

fn people(departments: usize) -> Vec<Resource> {
    (0..PEOPLE)
        .map(|number| {
            let texts = [
                ("id", format!("{number}")),
                ("first", "Ada".to_owned()),
                ("last", format!("Byron{number}")),
                ("login", format!("AByron{number}")),
                ("mail", format!("ada{number}@example.org")),
                ("title", if number % 7 == 0 { "Chief Clerk" } else { "Clerk" }.to_owned()),
                ("department", format!("D{}", number % departments)),
                ("kind", "employee".to_owned()),
                ("phone", "+44 1".to_owned()),
            ];
            let mut values: Properties =
                texts.into_iter().map(|(name, text)| (name.to_owned(), Value::String(text))).collect();
            values.insert("start".into(), Value::Timestamp(at("2020-01-01")));
            Resource { key: format!("{number}"), values }
        })
        .collect()
}

/// Microseconds a person: the best of several rounds, since other programs run beside this one.
fn best(mut round: impl FnMut()) -> f64 {
    let once = |round: &mut dyn FnMut()| {
        let started = Instant::now();
        round();
        started.elapsed()
    };
    let best: Duration = (0..7).map(|_| once(&mut round)).min().unwrap();
    best.as_secs_f64() * 1e6 / PEOPLE as f64
}

struct Values<'a>(&'a Properties);

impl VariableResolver for Values<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        match self.0.get(variable.strip_prefix("owner.")?)? {
            Value::String(text) => Some(CowVal::owned(CelString::from(text.as_str()))),
            Value::Timestamp(instant) => {
                Some(CowVal::owned(cel::common::types::CelTimestamp::from(instant.to_chrono().unwrap().fixed_offset())))
            }
            _ => None,
        }
    }
}

#[test]
#[ignore = "a measurement, for release builds on an idle machine: `make bench` runs it"]
fn evaluation_beside_the_bare_library_and_with_ten_times_the_rules() {
    let repository = Repository::default();
    let measured = |times: usize| {
        let (text, expressions) = organisation(times);
        let (catalog, people) = (compiled(&text), people(40 * times));
        let ground =
            Ground { catalog: &catalog, revision: 1, now: at("2026-01-01"), lookup: &repository, former: None };
        let evaluated = best(|| {
            for person in &people {
                std::hint::black_box(evaluate(&ground, &Case::new("Person", person)));
            }
        });
        (evaluated, expressions, people)
    };
    let (evaluated, expressions, people) = measured(1);
    let env = Arc::new(Env::stdlib());
    // Functions of our own are not in the library; what stands there instead costs no less.
    let plain = |text: &String| text.replace(".lowerAscii()", "").replace(".substring(0, 1)", "");
    let programs: Vec<Program> = expressions.iter().map(|text| env.compile(&plain(text)).unwrap()).collect();
    let bare = |programs: &[Program]| {
        best(|| {
            for person in &people {
                let values = Values(&person.values);
                let mut context = CelContext::with_env(Arc::clone(&env));
                context.set_variable_resolver(&values);
                for program in programs {
                    let _ = std::hint::black_box(CelValue::resolve_val(program.expression(), &context));
                }
            }
        })
    };
    let values_only = 2 + 4 * 13;
    let (all, values) = (bare(&programs), bare(&programs[..values_only]));
    let (text, _) = organisation(1);
    let catalog = compiled(&text);
    let ground = Ground { catalog: &catalog, revision: 1, now: at("2026-01-01"), lookup: &repository, former: None };
    let lean = best(|| {
        for person in &people {
            std::hint::black_box(evaluate_without_reasons(&ground, &Case::new("Person", person)));
        }
    });
    println!("without reasons: {lean:.1} microseconds");
    let (tenfold, ..) = measured(10);
    println!(
        "a person, in microseconds: evaluation {evaluated:.1}, bare library on every rule {all:.1}, on the rules of values and types alone {values:.1}"
    );
    println!(
        "the bare library beside evaluation: {:.2}; on values and types alone {:.2}",
        all / evaluated,
        values / evaluated
    );
    println!("with ten times the roles and rules: {tenfold:.1} microseconds, {:.2} times as much", tenfold / evaluated);
    assert!(all / evaluated > 0.7, "evaluation takes {evaluated} microseconds, the bare library {all}");
    assert!(tenfold / evaluated < 2.0, "ten times the rules take {} times as long", tenfold / evaluated);
}
