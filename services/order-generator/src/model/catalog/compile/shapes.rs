//! The shapes of entity types, for whatever refers to them: which expressions can be said of them.
//!
//! The rule that must hold: what is made of a sensitive property is sensitive. Where people see what an expression
//! yields, it reads nothing that is sensitive ([`Shapes::refuse_secrets`]). Conditions may: they say yes or no, and the
//! words about them leave the value out.

use super::criteria::Given;
use super::{Reader, Text, unknown};
use crate::model::catalog::{EntityType, Name, Property};
use crate::model::expression::{Expression, Mistake, Reference, Variable, Wanted};
use std::collections::HashMap;

/// What an expression may speak of.
pub(super) type Variables<'a> = Vec<(Variable, &'a EntityType)>;

/// The shapes of entity types.
pub(super) struct Shapes<'a> {
    pub(super) entity_types: &'a [EntityType],
    /// The dimensions, as declared.
    pub(super) dimensions: &'a [Name],
    index: &'a HashMap<Name, usize>,
    /// The entity type of the positions of owners, by the owners' entity type.
    pub(super) positions: HashMap<Name, &'a EntityType>,
    /// Which dimensions have a value for owners, by the owners' entity type.
    pub(super) given: HashMap<Name, Given>,
}

impl<'a> Shapes<'a> {
    pub(super) fn new(entity_types: &'a [EntityType], index: &'a HashMap<Name, usize>, dimensions: &'a [Name]) -> Self {
        Self { entity_types, dimensions, index, positions: HashMap::new(), given: HashMap::new() }
    }

    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a EntityType> {
        self.entity_types.get(self.place(name)?)
    }

    /// The entity type that a text names, or a problem.
    pub(super) fn named(&self, reader: &mut Reader<'_>, name: Option<&Text>) -> Option<&'a EntityType> {
        let name = name?;
        let found = self.get(&name.text);
        if found.is_none() {
            let known = self.entity_types.iter().map(|entity_type| &*entity_type.name);
            unknown(reader, "entity type", name, "", known);
        }
        found
    }

    /// What a rule for owners of that entity type may speak of.
    pub(super) fn of_owner(&self, owner: &'a EntityType) -> Variables<'a> {
        let position = self.positions.get(&owner.name).map(|position| (Variable::Position, *position));
        [(Variable::Owner, owner)].into_iter().chain(position).collect()
    }

    /// The sensitive property that an expression reads, as explanations name it.
    pub(super) fn secret(&self, expression: &Expression, variables: &[(Variable, &'a EntityType)]) -> Option<String> {
        let in_variable = |reference: &Reference| {
            let (_, of) = variables.iter().find(|(variable, _)| *variable == reference.variable)?;
            let path = self.secret_path(of, reference)?;
            Some(match reference.variable {
                Variable::Owner => path,
                Variable::Position | Variable::Target | Variable::Order => {
                    format!("{}.{path}", reference.variable.name())
                }
            })
        };
        expression.references().iter().find_map(in_variable)
    }

    fn secret_path(&self, of: &EntityType, reference: &Reference) -> Option<String> {
        let is_secret = |of: &EntityType, name: &str| of.property(name).is_some_and(|property| property.sensitive);
        if is_secret(of, &reference.property) {
            return Some(reference.property.clone());
        }
        let target = of.property(&reference.property).and_then(Property::navigates_to)?;
        let field = reference.of_target.as_ref()?;
        is_secret(self.get(target)?, field).then(|| format!("{}.{field}", reference.property))
    }

    /// Reports an expression that reads what is sensitive, where people see what it yields.
    pub(super) fn refuse_secrets(
        &self,
        reader: &mut Reader<'_>,
        text: &Text,
        expression: &Expression,
        variables: &[(Variable, &'a EntityType)],
        what: &str,
        hint: &str,
    ) {
        if let Some(secret) = self.secret(expression, variables) {
            reader.wrong(&text.place, format!("{what} reads '{secret}', which is sensitive"), hint);
        }
    }

    /// Compiles an expression over those variables, with positions in the file.
    pub(super) fn compile(
        &self,
        reader: &mut Reader<'_>,
        text: &Text,
        variables: &[(Variable, &'a EntityType)],
        wanted: Wanted,
    ) -> Option<Expression> {
        let compiled = Expression::compile_over(&text.text, variables, &|name| self.get(name), wanted);
        told(reader, text, compiled)
    }

    /// Compiles an argument of a resource type, which may look at the order that it goes with.
    pub(super) fn argument(
        &self,
        reader: &mut Reader<'_>,
        text: &Text,
        variables: &[(Variable, &'a EntityType)],
        target: &EntityType,
    ) -> Option<Expression> {
        let compiled = Expression::compile_argument(&text.text, variables, &|name| self.get(name), target);
        told(reader, text, compiled)
    }
}

/// The expression, or its mistakes with positions in the file.
fn told(reader: &mut Reader<'_>, text: &Text, compiled: Result<Expression, Vec<Mistake>>) -> Option<Expression> {
    match compiled {
        Ok(expression) => Some(expression),
        Err(mistakes) => {
            let is_spoilt = |name: &String| reader.spoilt.contains(name);
            let (_, mistakes): (Vec<Mistake>, Vec<Mistake>) =
                mistakes.into_iter().partition(|mistake| mistake.unknown_name.as_ref().is_some_and(is_spoilt));
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
