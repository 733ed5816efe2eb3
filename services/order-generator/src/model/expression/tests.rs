//! What expressions yield, and how they fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::model::catalog::Catalog;
use crate::model::resource::{Lookup, Properties, Repository, Resource};

const CATALOG: &str = "
connectors:
  - { name: hr, connections: [ { name: hr-csv, package: csv } ], export: hr-csv }
entity_types:
  - name: Person
    connector: hr
    key: id
    properties:
      - { name: id, type: string }
      - { name: name, type: string }
      - { name: empty, type: string }
      - { name: level, type: integer }
      - { name: is_external, type: boolean }
      - { name: start, type: timestamp }
      - { name: photo, type: bytes }
      - { name: tags, type: string, multi_valued: true }
      - { name: manager, navigation: Person }
";

fn catalog() -> Catalog {
    Catalog::compile(&[("catalog.yaml".into(), CATALOG.into())]).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn list(items: &[&str]) -> Value {
    Value::List(items.iter().map(|item| Value::from(*item)).collect())
}

fn ada() -> Properties {
    [
        ("id".into(), Value::from("1")),
        ("name".into(), Value::from("Jean-Élie Ñu")),
        ("level".into(), Value::Integer(4)),
        ("is_external".into(), Value::Boolean(false)),
        ("start".into(), Value::Timestamp(Timestamp::parse("2026-03-01T00:00:00.500Z").unwrap())),
        ("photo".into(), Value::Bytes(vec![1, 2])),
        ("tags".into(), list(&["b", "a"])),
        ("manager".into(), Value::from("2")),
    ]
    .into()
}

fn repository() -> Repository {
    let mut repository = Repository::default();
    let values = [("id".into(), Value::from("2")), ("name".into(), Value::from("Bob"))].into();
    repository.insert("Person", Resource { key: "2".into(), values });
    repository
}

fn compile(catalog: &Catalog, source: &str, wanted: Wanted) -> Result<Expression, Vec<Mistake>> {
    let person = catalog.entity_type("Person").unwrap();
    Expression::compile(source, person, &|name| catalog.entity_type(name), wanted)
}

fn with<T>(values: &Properties, run: impl FnOnce(&Catalog, &Session<'_>) -> T) -> T {
    let (catalog, repository) = (catalog(), repository());
    let lookup: &dyn Lookup = &repository;
    let scope = Scope::new(&catalog, catalog.entity_type("Person").unwrap(), values, lookup);
    run(&catalog, &Session::new(&scope))
}

fn value_of(values: &Properties, source: &str, of: ValueType, multi_valued: bool) -> Result<Option<Value>, String> {
    let wanted = if multi_valued { Wanted::Values(of) } else { Wanted::Value(of) };
    with(values, |catalog, session| {
        let expression = compile(catalog, source, wanted).unwrap_or_else(|mistakes| panic!("{source}: {mistakes:?}"));
        expression.value(session, of, multi_valued)
    })
}

fn text(source: &str) -> Result<Option<String>, String> {
    value_of(&ada(), source, ValueType::String, false).map(|value| value.map(|value| value.to_string()))
}

fn holds(source: &str) -> Result<bool, String> {
    with(&ada(), |catalog, session| {
        let expression = compile(catalog, source, Wanted::Condition);
        expression.unwrap_or_else(|mistakes| panic!("{source}: {mistakes:?}")).holds(session)
    })
}

#[test]
fn texts_are_made() {
    for (source, made) in [
        ("owner.name.fold().lower()", "jean-elie nu"),
        ("owner.name.upper()", "JEAN-ÉLIE ÑU"),
        ("owner.name.lowerAscii()", "jean-Élie Ñu"),
        ("owner.name.replace(' ', '.').replace('É', 'E')", "Jean-Elie.Ñu"),
        ("owner.name.split(' ').join('_')", "Jean-Élie_Ñu"),
        ("owner.name.split(' ')[1]", "Ñu"),
        ("owner.name.substring(5, 9)", "Élie"),
        ("owner.name.substring(owner.name.indexOf('É'))", "Élie Ñu"),
        ("owner.name.charAt(5)", "É"),
        ("string(owner.level).padStart(5, '0')", "00004"),
        ("' x '.trim() + string(owner.level + 1)", "x5"),
        ("owner.tags.map(t, t + '!').join(',')", "b!,a!"),
        ("owner.manager == null ? 'none' : owner.manager.name", "Bob"),
        ("string(owner.start)", "2026-03-01T00:00:00.5Z"),
        ("owner['name']", "Jean-Élie Ñu"),
    ] {
        assert_eq!(text(source), Ok(Some(made.to_owned())), "{source}");
    }
    assert_eq!(text("owner.empty"), Ok(None));
    assert_eq!(text("null"), Ok(None));
}

#[test]
fn other_values_are_made() {
    let values = ada();
    let make = |source, of, many| value_of(&values, source, of, many).unwrap();
    assert_eq!(make("owner.level + 1", ValueType::Integer, false), Some(Value::Integer(5)));
    assert_eq!(make("owner.tags", ValueType::String, true), Some(list(&["a", "b"])));
    assert_eq!(make("owner.photo", ValueType::Bytes, false), Some(Value::Bytes(vec![1, 2])));
    assert_eq!(
        make("owner.start + duration('24h')", ValueType::Timestamp, false),
        Some(Value::Timestamp(Timestamp::parse("2026-03-02T00:00:00.500Z").unwrap()))
    );
}

#[test]
fn conditions_are_judged() {
    for (source, answer) in [
        ("owner.level >= 3", true),
        ("owner.is_external", false),
        ("owner.empty == null", true),
        ("owner.manager != null && owner.manager.id == '2'", true),
        ("has(owner.empty)", true),
        ("'a' in owner.tags", true),
        ("owner.tags.exists(t, t == 'c')", false),
        ("owner.name.matches('^Jean')", true),
        ("owner.start < timestamp('2026-04-01T00:00:00Z')", true),
        ("owner.id in ['1', '2']", true),
        ("true", true),
    ] {
        assert_eq!(holds(source), Ok(answer), "{source}");
    }
}

#[test]
fn failures_are_sentences_without_values() {
    for (source, message) in [
        ("owner.empty.lower()", "'lower' does not work on null"),
        ("owner.name + owner.empty", "does not work on"),
        ("owner.name.substring(500)", "index 500 is outside of the text"),
        ("string(1 / (owner.level - 4))", "division by zero"),
        ("owner.tags[7]", "no item at that index"),
        ("'x'.padStart(100000, '0')", "would have more than 65536 bytes"),
    ] {
        let said = text(source).unwrap_err();
        assert!(said.contains(message), "{source}: {said}");
        assert!(!said.contains("Jean"), "{source}: {said}");
    }
}

#[test]
fn the_deepest_expressions_fit_on_the_stack_of_a_worker() {
    let sum = vec!["owner.name"; 28].join(" + ");
    let calls = "owner.name".to_owned() + &".trim()".repeat(27);
    let loops = "owner.tags".to_owned() + &".filter(t, t != 'x')".repeat(12) + ".size() == 2 ? 'two' : 'other'";
    let choices = "owner.level == 9 ? '9' : ".repeat(27) + "'other'";
    for source in [sum, calls, loops, choices] {
        let made = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(move || text(&source)).unwrap();
        assert!(made.join().unwrap().unwrap().is_some());
    }
}

#[test]
fn of_a_manager_who_is_not_there_nothing_can_be_read() {
    let mut values = ada();
    values.insert("manager".into(), Value::from("nobody"));
    for expression in ["owner.manager == null ? 'none' : 'some'", "owner.manager.name"] {
        let said = value_of(&values, expression, ValueType::String, false).unwrap_err();
        assert_eq!(said, "manager is 'nobody', and no such Person is known");
    }
    values.remove("manager");
    let none = value_of(&values, "owner.manager == null ? 'none' : 'some'", ValueType::String, false);
    assert_eq!(none, Ok(Some("none".into())));
}

#[test]
fn large_values_end_in_a_sentence() {
    let mut values = ada();
    values.insert("tags".into(), Value::List((0..2_000).map(|n| Value::String(n.to_string())).collect()));
    let said = value_of(&values, "owner.tags", ValueType::String, true).unwrap_err();
    assert!(said.contains("at most 1000"), "{said}");
    values.insert("tags".into(), Value::List((0..900).map(|n| Value::String(n.to_string())).collect()));
    values.insert("name".into(), Value::String("x".repeat(10_000)));
    let said = value_of(&values, "owner.tags.map(t, owner.name)", ValueType::String, true).unwrap_err();
    assert!(said.contains("reads more than"), "{said}");
    // The next expression of the same owner starts counting anew.
    let said = value_of(&values, "owner.name.replace('x', 'yyyyyyyyyy')", ValueType::String, false).unwrap_err();
    assert!(said.contains("would have more than"), "{said}");
}

#[test]
fn an_overrun_does_not_spoil_the_next_expression() {
    let mut values = ada();
    values.insert("tags".into(), Value::List((0..2_000).map(|n| Value::String(n.to_string())).collect()));
    with(&values, |catalog, session| {
        let greedy = compile(catalog, "owner.tags.size() > 0", Wanted::Condition).unwrap();
        let modest = compile(catalog, "owner.level > 0", Wanted::Condition).unwrap();
        assert!(greedy.holds(session).is_err());
        assert_eq!(modest.holds(session), Ok(true));
    });
}

#[test]
fn references_are_listed_once_and_sorted() {
    let catalog = catalog();
    let expression =
        compile(&catalog, "owner.name == owner.manager.name || owner.name == ''", Wanted::Condition).unwrap();
    let shown: Vec<_> = expression
        .references()
        .iter()
        .map(|reference| (reference.property.as_str(), reference.of_target.as_deref()))
        .collect();
    assert_eq!(shown, [("manager", None), ("manager", Some("name")), ("name", None)]);
}

#[test]
fn every_declared_function_exists() {
    // Each signature is known to the library as well: called wrongly it does not say "not known".
    for signature in functions::SIGNATURES {
        let arguments = vec!["null"; signature.arguments.len()].join(", ");
        let call = match signature.receiver {
            Some(_) => format!("null.{}({arguments})", signature.name),
            None => format!("{}({arguments})", signature.name),
        };
        let program = functions::environment().compile(&call).unwrap();
        let context = cel::Context::with_env(functions::environment().clone());
        if let Err(error) = program.execute(&context) {
            assert!(!matches!(error, cel::ExecutionError::UndeclaredReference(_)), "{call}: {error}");
        }
    }
}

#[test]
fn properties_found_by_place_are_those_of_the_name() {
    // A loop may take the name of a variable; then it is the loop's.
    assert_eq!(text("owner.tags.map(owner, owner + '!').join(',')"), Ok(Some("b!,a!".to_owned())));
    assert_eq!(text("owner.tags.filter(t, t == owner.id || owner.name != '').join(',')"), Ok(Some("b,a".to_owned())));
    assert_eq!(text("[owner.id, owner.name][0] + {'k': owner.id}['k']"), Ok(Some("11".to_owned())));
    assert_eq!(holds("has(owner.name) && has(owner.manager.name)"), Ok(true));
}

#[test]
fn what_needs_no_library_says_what_the_library_says() {
    for (plain, library) in [
        ("owner.name", "owner.name + ''"),
        ("'x'", "'' + 'x'"),
        ("owner.empty", "owner.empty == null ? null : owner.empty"),
    ] {
        assert_eq!(text(plain), text(library), "{plain}");
    }
    let mut values = ada();
    values.insert("name".into(), Value::from("a\0b"));
    let said = value_of(&values, "owner.name", ValueType::String, false).unwrap_err();
    assert!(said.contains("NUL"), "{said}");
    for (condition, answer) in [
        ("owner.id == '1'", true),
        ("'2' == owner.id", false),
        ("owner.id in ['2', '1'] && owner.empty == '1'", false),
        ("owner.id == '1' && owner.id in ['1']", true),
    ] {
        assert_eq!(holds(condition), Ok(answer), "{condition}");
    }
}

#[test]
fn only_equalities_that_come_first_are_found() {
    let catalog = catalog();
    let found = |source: &str| -> Vec<Vec<String>> {
        let expression = compile(&catalog, source, Wanted::Condition).unwrap();
        expression.equalities().iter().map(|equality| equality.any_of.clone()).collect()
    };
    assert_eq!(found("owner.id == 'a' && ('b' == owner.name && owner.level > 1)"), [["a"], ["b"]]);
    assert_eq!(found("owner.id in ['a', 'b']"), [["a", "b"]]);
    // What comes before may fail, and then the whole condition does.
    for source in [
        "owner.manager.name == 'x' && owner.id == 'a'",
        "owner.id == 'a' || owner.name == 'b'",
        "owner.id != 'a'",
        "!(owner.id == 'a')",
        "owner.id == owner.name",
        "owner.tags == ['a']",
    ] {
        assert!(found(source).is_empty(), "{source}");
    }
}
