//! Expressions of the catalog: CEL over `owner` and, where the place has them, `position`, `target` and `order`;
//! compiled and checked once, evaluated many times.
//!
//! Answers for what an expression may say ([`Expression::compile`]) and what it yields for one owner.
//! The rule that must hold: evaluation ends, soon and within bounded memory, and what goes wrong is
//! a sentence, never a panic.

mod bounds;
mod check;
mod conjuncts;
mod functions;
mod kind;
mod order;
mod scope;
mod shape;
#[cfg(test)]
mod tests;
mod usage;
mod value;

pub use kind::Wanted;
pub(crate) use order::{order_type, order_values};
pub(crate) use scope::{Facts, Plain};
pub use scope::{Scope, Session};
pub(crate) use shape::{Equality, Read};

use crate::model::catalog::EntityType;
use cel::{Program, Value as CelValue};
use provost_domain::{Timestamp, Value, ValueType};
use shape::Shape;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Something wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where, in characters from the start of the expression.
    pub at: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: String,
    /// The property or variable that is not known, when that is the mistake.
    pub unknown_name: Option<String>,
}

/// What an expression can speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// The owner; of a computed property or a display name, the resource itself.
    Owner,
    /// One of the owner's positions.
    Position,
    /// The resource that a query, correlation or classification rule looks at.
    Target,
    /// The order that an argument goes with.
    Order,
}

impl Variable {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Position, Self::Target, Self::Order];

    /// Its name in expressions.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Position => "position",
            Self::Target => "target",
            Self::Order => "order",
        }
    }
}

/// A path that an expression reads: a property of a variable, or of what that property points at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Of which variable.
    pub variable: Variable,
    /// The variable's property.
    pub property: String,
    /// The property of what that one points at.
    pub of_target: Option<String>,
}

/// An expression that compiled. `Send` and `Sync`; share it with the catalog.
pub struct Expression {
    source: String,
    shape: Shape,
    references: Vec<Reference>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl Expression {
    /// Compiles an expression over an owner of that entity type, and nothing else.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn compile<'a>(
        source: &str,
        owner: &'a EntityType,
        entity_type: &dyn Fn(&str) -> Option<&'a EntityType>,
        wanted: Wanted,
    ) -> Result<Self, Vec<Mistake>> {
        Self::compile_over(source, &[(Variable::Owner, owner)], entity_type, wanted)
    }

    /// Compiles an expression over those variables, each of an entity type, and checks, as far as types are
    /// known, that it yields what is wanted. `entity_type` finds what navigations point at.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn compile_over<'a>(
        source: &str,
        variables: &[(Variable, &'a EntityType)],
        entity_type: &dyn Fn(&str) -> Option<&'a EntityType>,
        wanted: Wanted,
    ) -> Result<Self, Vec<Mistake>> {
        Self::compile_checked(source, variables, entity_type, wanted, |_| vec![])
    }

    /// Compiles an argument: a text, over those variables and the order that it goes with, whose target is of an
    /// entity type.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn compile_argument<'a>(
        source: &str,
        variables: &[(Variable, &'a EntityType)],
        entity_type: &dyn Fn(&str) -> Option<&'a EntityType>,
        target: &EntityType,
    ) -> Result<Self, Vec<Mistake>> {
        let variables: Vec<_> = variables.iter().copied().chain([(Variable::Order, order_type())]).collect();
        let wanted = Wanted::Value(ValueType::String);
        Self::compile_checked(source, &variables, entity_type, wanted, |program| order::words(program, target))
    }

    fn compile_checked<'a>(
        source: &str,
        variables: &[(Variable, &'a EntityType)],
        entity_type: &dyn Fn(&str) -> Option<&'a EntityType>,
        wanted: Wanted,
        check_words: impl FnOnce(&Program) -> Vec<Mistake>,
    ) -> Result<Self, Vec<Mistake>> {
        bounds::source(source)?;
        let program = functions::environment().compile(source).map_err(|errors| check::syntax(source, &errors))?;
        bounds::tree(&program)?;
        let references = check::types(&program, variables, entity_type, wanted)?;
        match check_words(&program) {
            mistakes if mistakes.is_empty() => {}
            mistakes => return Err(mistakes),
        }
        let of = |wanted: Variable| variables.iter().find(|(variable, _)| *variable == wanted).map(|(_, of)| *of);
        let shape = Shape::of(program.expression(), &references, &of);
        Ok(Self { source: source.to_owned(), shape, references })
    }

    /// What was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The parts of the source that are joined by `&&`: all of them must hold. One part, the whole, when it is
    /// not made like that.
    pub(crate) fn conjuncts(&self) -> Vec<&str> {
        match conjuncts::of(&self.source) {
            parts if parts.len() == self.shape.conjuncts => parts,
            _ => vec![self.source.trim()],
        }
    }

    /// What it reads, each path once, sorted. Complete: nothing is read by another way.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Whether it reads anything of a variable.
    pub fn reads(&self, variable: Variable) -> bool {
        self.references.iter().any(|reference| reference.variable == variable)
    }

    /// Whether it reads anything of what a property points at.
    pub fn navigates(&self) -> bool {
        self.references.iter().any(|reference| reference.of_target.is_some())
    }

    /// The references, by place in entity types.
    pub(crate) fn reads_at(&self) -> &[Read] {
        &self.shape.reads
    }

    /// The conditions on texts of the owner that it begins with: all of them must hold, and nothing before
    /// them can fail.
    pub(crate) fn equalities(&self) -> &[Equality] {
        &self.shape.equalities
    }

    /// Whether it says nothing but [`Expression::equalities`].
    pub(crate) fn is_equalities(&self) -> bool {
        self.shape.form == shape::Form::Equalities
    }

    /// Whether it is true for the owner of the session.
    ///
    /// # Errors
    /// What went wrong, in a sentence.
    pub fn holds(&self, session: &Session<'_>) -> Result<bool, String> {
        match self.shape.holds(session.scope()) {
            Some(holds) => Ok(holds),
            None => self.run(session, |value| value::boolean(value)),
        }
    }

    /// The value for the owner of the session; none for null.
    ///
    /// # Errors
    /// What went wrong, in a sentence; also when the value is not of the wanted type.
    pub fn value(&self, session: &Session<'_>, of: ValueType, multi_valued: bool) -> Result<Option<Value>, String> {
        match self.shape.value(session.scope(), of, multi_valued) {
            Some(value) => Ok(value),
            None => self.run(session, |value| value::wanted(value, of, multi_valued)),
        }
    }

    /// The instant for the owner of the session; none for null.
    ///
    /// # Errors
    /// What went wrong, in a sentence.
    pub fn instant(&self, session: &Session<'_>) -> Result<Option<Timestamp>, String> {
        match self.value(session, ValueType::Timestamp, false)? {
            Some(Value::Timestamp(instant)) => Ok(Some(instant)),
            _ => Ok(None),
        }
    }

    /// The text for the owner of the session; none for null.
    ///
    /// # Errors
    /// What went wrong, in a sentence.
    pub fn text(&self, session: &Session<'_>) -> Result<Option<String>, String> {
        match self.value(session, ValueType::String, false)? {
            Some(Value::String(text)) => Ok(Some(text)),
            _ => Ok(None),
        }
    }

    fn run<T>(
        &self,
        session: &Session<'_>,
        take: impl FnOnce(&dyn cel::common::value::Val) -> Result<T, String>,
    ) -> Result<T, String> {
        session.scope().prepare(self);
        // The library is not ours: a panic in it must cost one person's order, not the service.
        let result = catch_unwind(AssertUnwindSafe(|| {
            let value = CelValue::resolve_val(&self.shape.code, session.context());
            value.map_err(|error| value::sentence(&error)).and_then(|value| take(value.as_ref()))
        }));
        session.scope().overrun()?;
        result.unwrap_or_else(|_| Err("the expression library failed".to_owned()))
    }
}
