//! From declarations to a catalog: names are unique, references resolve, types agree, expressions compile.
//!
//! The rule that must hold: every mistake is found in one pass, and a catalog with a mistake is no catalog.

mod entity_types;
mod resource_types;
mod systems;

use super::declaration::{self, Declared};
use super::node::Place;
use super::reader::{Reader, Text};
use super::{
    Approval, Catalog, Context, Criteria, EntityType, Name, Policy, Problem, Role, RoleRef, RoleRule, node, suggest,
};
use crate::model::expression::{Expression, Mistake, Wanted};
use provost_domain::ValueType;
use std::collections::{HashMap, HashSet};
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
    let mut reader = Reader { files, problems: Vec::new(), spoilt: HashSet::new() };
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
    let Declared { connectors, entity_types, contexts, roles, resource_types } = declared;
    if connectors.is_empty() && entity_types.is_empty() && resource_types.is_empty() && reader.problems.is_empty() {
        let place = Place { file: 0, line: 1, column: 1 };
        reader.wrong(&place, "the catalog declares nothing", "declare connectors, entity_types and resource_types");
    }
    let connectors = systems::connectors(reader, connectors);
    let connector_index = index(connectors.iter().map(|connector| &connector.name));
    let (mut entity_types, display_names) = entity_types::shapes(reader, entity_types, &connector_index);
    let entity_type_index = index(entity_types.iter().map(|entity_type| &entity_type.name));

    let shapes = Shapes { entity_types: &entity_types, index: &entity_type_index };
    let display_names = entity_types::display_names(reader, &shapes, display_names);
    let contexts = entity_types::contexts(reader, &shapes, contexts);
    let (roles, role_places) = roles_of(reader, &shapes, roles);
    let scope = resource_types::Surroundings {
        shapes: &shapes,
        connectors: &connectors,
        connector_index: &connector_index,
        roles: &roles,
        role_places: &role_places,
    };
    let resource_types = resource_types::resource_types(reader, &scope, resource_types);

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
    Catalog {
        policy: Policy::default(),
        dimensions: vec![],
        composite_roles: vec![],
        automation_rules: vec![],
        roles_by_owner: grouped(roles.iter().map(|role| &role.owner)),
        resource_types_by_owner: grouped(resource_types.iter().map(|resource_type| &resource_type.owner)),
        role_index: index(roles.iter().map(|role| &role.name)),
        resource_type_index: index(resource_types.iter().map(|resource_type| &resource_type.name)),
        connectors,
        entity_types,
        roles,
        resource_types,
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

/// The shapes of entity types, for whatever refers to them.
struct Shapes<'a> {
    entity_types: &'a [EntityType],
    index: &'a HashMap<Name, usize>,
}

impl<'a> Shapes<'a> {
    fn place(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    fn get(&self, name: &str) -> Option<&'a EntityType> {
        self.entity_types.get(self.place(name)?)
    }

    /// The entity type that a text names, or a problem.
    fn named(&self, reader: &mut Reader<'_>, name: Option<&Text>) -> Option<&'a EntityType> {
        let name = name?;
        let found = self.get(&name.text);
        if found.is_none() {
            let known = self.entity_types.iter().map(|entity_type| &*entity_type.name);
            unknown(reader, "entity type", name, "", known);
        }
        found
    }

    /// Compiles an expression over an owner of that entity type, with positions in the file.
    fn compile(
        &self,
        reader: &mut Reader<'_>,
        text: &Text,
        owner: &'a EntityType,
        wanted: Wanted,
    ) -> Option<Expression> {
        match Expression::compile(&text.text, owner, &|name| self.get(name), wanted) {
            Ok(expression) => Some(expression),
            Err(mistakes) => {
                let is_spoilt = |name: &String| reader.spoilt.contains(name);
                let (_, mistakes): (Vec<Mistake>, Vec<Mistake>) =
                    mistakes.into_iter().partition(|mistake| mistake.unknown_property.as_ref().is_some_and(is_spoilt));
                for mistake in mistakes {
                    let mut place = text.place.clone();
                    let mut message = mistake.message;
                    match text.starts_at {
                        Some(column) => place.column = column + mistake.at,
                        // Quotes, escapes or line breaks moved the letters; count in the expression then.
                        None if mistake.at > 0 => {
                            message.push_str(&format!(" (at character {} of the expression)", mistake.at + 1))
                        }
                        None => {}
                    }
                    reader.wrong(&place, message, mistake.hint);
                }
                None
            }
        }
    }
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

/// The single roles, and where each is found.
fn roles_of(
    reader: &mut Reader<'_>,
    shapes: &Shapes<'_>,
    declared: Vec<declaration::Role>,
) -> (Vec<Role>, HashMap<Name, RoleRef>) {
    let mut taken = Taken::default();
    let mut roles = Vec::new();
    let mut places = HashMap::new();
    for role in declared {
        let is_new = taken.take(reader, "role", &role.name, "");
        let Some(owner) = shapes.named(reader, role.owner.as_ref()) else { continue };
        let rules: Vec<Option<Expression>> =
            role.rules.iter().map(|rule| shapes.compile(reader, rule, owner, Wanted::Condition)).collect();
        if is_new {
            let name: Name = role.name.text.as_str().into();
            places.insert(Arc::clone(&name), RoleRef { name: Arc::clone(&name), place: roles.len() });
            roles.push(Role {
                display_name: role.display_name.map_or_else(|| name.to_string(), |text| text.text),
                name,
                owner: Arc::clone(&owner.name),
                rules: rules.into_iter().flatten().map(role_rule).collect(),
                approval: Approval::default(),
                grace_period_minutes: 0,
                max_duration_minutes: 0,
            });
        }
    }
    (roles, places)
}

fn role_rule(when: Expression) -> RoleRule {
    RoleRule { criteria: Criteria { dimensions: vec![], when: Some(when) }, denied: false }
}

/// A context of its two expressions.
fn context(valid_from: Option<Expression>, valid_until: Option<Expression>) -> Context {
    Context { positions: None, valid_from, valid_until, dimensions: vec![] }
}

/// What an instant is compiled to.
const INSTANT: Wanted = Wanted::Value(ValueType::Timestamp);
/// What a text is compiled to.
const TEXT: Wanted = Wanted::Value(ValueType::String);
