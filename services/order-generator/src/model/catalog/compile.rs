//! From declarations to a catalog: names are unique, references resolve, types agree, expressions compile.
//!
//! The rule that must hold: every mistake is found in one pass, and a catalog with a mistake is no catalog.

pub(super) mod automation;
mod computed;
mod contexts;
mod criteria;
mod entity_types;
mod resource_types;
mod roles;
mod rules;
mod shapes;
mod systems;

use super::declaration::{self, Declared};
use super::node::Place;
use super::reader::{Reader, Text};
use super::{Catalog, Name, Problem, node, suggest};
use crate::model::expression::{Expression, Wanted};
use provost_domain::ValueType;
use shapes::Shapes;
use std::collections::HashMap;
use std::sync::Arc;

/// Stack for the compiler, in bytes. CEL's parser goes 96 levels deep before it refuses, and takes
/// more than 100 KiB for each in a debug build: a thread of common size would end the process.
const STACK_BYTES: usize = 128 * 1024 * 1024;

/// Compiles a whole catalog, on a thread whose stack is large enough for any expression.
pub(super) fn catalog(files: &[(String, String)]) -> Result<Catalog, Vec<Problem>> {
    let failed = |message: &str| {
        let hint = "try again; if it goes on, this is a defect of the order generator".to_owned();
        let file = files.first().map(|(name, _)| name.clone()).unwrap_or_default();
        vec![Problem { file, line: 1, column: 1, message: message.to_owned(), hint }]
    };
    std::thread::scope(|scope| {
        let compiler = std::thread::Builder::new().name("catalog".into()).stack_size(STACK_BYTES);
        match compiler.spawn_scoped(scope, || compiled(files)) {
            Ok(compiler) => compiler.join().unwrap_or_else(|_| Err(failed("the compiler failed on this catalog"))),
            Err(error) => Err(failed(&format!("no thread for the compiler: {error}"))),
        }
    })
}

fn compiled(files: &[(String, String)]) -> Result<Catalog, Vec<Problem>> {
    let mut reader = Reader::new(files);
    let mut declared = Declared::default();
    let mut is_whole = true;
    for (index, (name, text)) in files.iter().enumerate() {
        match node::read(index, name, text) {
            Ok(Some(root)) => declared.file(&mut reader, &root),
            Ok(None) => {}
            Err(problem) => {
                is_whole = false;
                reader.problems.push(problem);
            }
        }
    }
    // What a file that cannot be read declares is not known, so references would be refused for nothing.
    let catalog = is_whole.then(|| assemble(&mut reader, declared));
    let mut problems = reader.problems;
    match catalog {
        Some(catalog) if problems.is_empty() => Ok(catalog),
        _ => {
            let place = |problem: &Problem| {
                let file = files.iter().position(|(name, _)| *name == problem.file);
                (file, problem.line, problem.column)
            };
            problems.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| a.cmp(b)));
            problems.dedup();
            Err(problems)
        }
    }
}

fn assemble(reader: &mut Reader<'_>, declared: Declared) -> Catalog {
    if declared.is_empty() && reader.problems.is_empty() {
        let place = Place { file: 0, line: 1, column: 1 };
        reader.wrong(&place, "the catalog declares nothing", "declare connectors, entity_types and resource_types");
    }
    let policy = declared.policy.map(|(policy, _)| policy).unwrap_or_default();
    let connectors = systems::connectors(reader, declared.connectors);
    let connector_index = index(connectors.iter().map(|connector| &connector.name));
    let (mut entity_types, texts) = entity_types::shapes(reader, declared.entity_types, &connector_index);
    let entity_type_index = index(entity_types.iter().map(|entity_type| &entity_type.name));
    let dimensions = criteria::dimensions(reader, declared.dimensions);

    // In the order in which they need each other: every expression may read what is computed.
    let computed = {
        let shapes = Shapes::new(&entity_types, &entity_type_index, &dimensions);
        computed::computed(reader, &shapes, &texts.computed)
    };
    for (place, computed) in computed {
        if let Some(entity_type) = entity_types.get_mut(place) {
            entity_type.computed = computed;
        }
    }
    let mut shapes = Shapes::new(&entity_types, &entity_type_index, &dimensions);
    computed::check(reader, &shapes, &texts.computed);
    let display_names = entity_types::display_names(reader, &shapes, texts.display_names);
    contexts::positions(reader, &mut shapes, &declared.contexts);
    let contexts = contexts::contexts(reader, &mut shapes, declared.contexts);
    let roles = roles::Roles::compile(reader, &shapes, policy, declared.roles, declared.composite_roles);
    let around = resource_types::Surroundings {
        shapes: &shapes,
        connectors: &connectors,
        connector_index: &connector_index,
        roles: &roles,
    };
    let resource_types = resource_types::resource_types(reader, &around, declared.resource_types);
    let automation_rules_declared = declared.automation_rules.len();
    let automation_rules = automation::automation_rules(reader, &roles, &resource_types, declared.automation_rules);

    for (place, display_name) in display_names {
        if let Some(entity_type) = entity_types.get_mut(place) {
            entity_type.display_name = Some(display_name);
        }
    }
    for (place, context) in contexts {
        if let Some(entity_type) = entity_types.get_mut(place) {
            entity_type.context = Some(context);
        }
    }
    let roles::Roles { roles, composite_roles, .. } = roles;
    Catalog {
        policy,
        roles_by_owner: grouped(roles.iter().map(|role| &role.owner)),
        rules: std::sync::OnceLock::new(),
        resource_types_by_owner: grouped(resource_types.iter().map(|resource_type| &resource_type.owner)),
        role_index: index(roles.iter().map(|role| &role.name)),
        composite_role_index: index(composite_roles.iter().map(|role| &role.name)),
        resource_type_index: index(resource_types.iter().map(|resource_type| &resource_type.name)),
        dimensions,
        connectors,
        entity_types,
        roles,
        composite_roles,
        resource_types,
        automation_rules,
        automation_rules_declared,
        connector_index,
        entity_type_index,
    }
}

fn index<'a>(names: impl Iterator<Item = &'a Name>) -> HashMap<Name, usize> {
    names.enumerate().map(|(place, name)| (Arc::clone(name), place)).collect()
}

fn grouped<'a>(names: impl Iterator<Item = &'a Name>) -> HashMap<Name, Vec<usize>> {
    let mut groups: HashMap<Name, Vec<usize>> = HashMap::new();
    for (place, name) in names.enumerate() {
        groups.entry(Arc::clone(name)).or_default().push(place);
    }
    groups
}

/// Reports a name that nothing has. `of` says where it was looked for, for example ` of Person`.
fn unknown<'a>(reader: &mut Reader<'_>, what: &str, name: &Text, of: &str, known: impl Iterator<Item = &'a str>) {
    if reader.spoilt.contains(&name.text) {
        return;
    }
    let known: Vec<&str> = known.collect();
    let shown: String = name.text.chars().take(60).collect();
    reader.wrong(&name.place, format!("unknown {what} '{shown}'{of}"), suggest::hint(&name.text, known));
}

/// Remembers which names are taken, without regard to case.
#[derive(Default)]
struct Taken {
    names: HashMap<String, Place>,
}

impl Taken {
    /// Takes a name; reports and refuses one that is taken.
    fn take(&mut self, reader: &mut Reader<'_>, what: &str, name: &Text, of: &str) -> bool {
        match self.names.get(&name.text.to_lowercase()) {
            Some(first) => {
                let message =
                    format!("{what} '{}'{of} is declared twice; the first is on {}", name.text, reader.shown(first));
                reader.spoilt.insert(name.text.clone());
                reader.wrong(
                    &name.place,
                    message,
                    "keep or rename one of them; upper and lower case make no difference",
                );
                false
            }
            None => {
                self.names.insert(name.text.to_lowercase(), name.place.clone());
                true
            }
        }
    }
}

/// What an instant is compiled to.
const INSTANT: Wanted = Wanted::Value(ValueType::Timestamp);
/// What a text is compiled to.
const TEXT: Wanted = Wanted::Value(ValueType::String);
