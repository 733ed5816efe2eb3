//! What an expression looks like: what it reads, which forms of it can be answered without the expression
//! library, and its tree with properties found by place instead of by name.
//!
//! The rule that must hold: an answer by form is the answer of the library, or there is none, and the
//! library is asked.

use super::scope::{Plain, Scope, placed};
use super::{Reference, Variable};
use crate::model::catalog::{EntityType, Name, Property, PropertyKind};
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use provost_domain::{Value, ValueType};
use std::sync::Arc;

/// A path that an expression reads: a property of a variable, or of what that property points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// Of what.
    pub(crate) variable: Variable,
    /// The place of the property in its entity type.
    pub(crate) place: usize,
    /// The property of what that one points at.
    pub(crate) field: Option<Name>,
}

/// A condition that a property of the owner is one of some texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Equality {
    /// The place of the property, which holds one text, in the owner's entity type.
    pub(crate) place: usize,
    /// What it may be.
    pub(crate) any_of: Vec<String>,
}

/// Forms that need no library.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form {
    General,
    /// A literal.
    Constant(Value),
    /// A property of a variable, as it is.
    Property(Variable, usize),
    /// All of the equalities that it begins with, and nothing else.
    Equalities,
}

/// What an expression looks like.
pub(super) struct Shape {
    /// The tree to evaluate.
    pub(super) code: IdedExpr,
    pub(super) form: Form,
    /// Each path once, in the order of the references.
    pub(super) reads: Vec<Read>,
    /// The conditions that it begins with: all of them must hold, and none of them can fail.
    pub(super) equalities: Vec<Equality>,
    /// How many parts are joined by `&&`.
    pub(super) conjuncts: usize,
}

/// The entity types of the variables that an expression may read.
pub(super) type Variables<'f, 'a> = &'f dyn Fn(Variable) -> Option<&'a EntityType>;

impl Shape {
    pub(super) fn of(tree: &IdedExpr, references: &[Reference], variables: Variables<'_, '_>) -> Self {
        let read = |reference: &Reference| {
            let place = variables(reference.variable)?.place(&reference.property)?;
            let field = reference.of_target.as_deref().map(Arc::from);
            Some(Read { variable: reference.variable, place, field })
        };
        let conjuncts = conjuncts(tree);
        let equalities: Vec<Equality> =
            conjuncts.iter().map_while(|conjunct| equality(conjunct, variables(Variable::Owner)?)).collect();
        let form = match &tree.expr {
            Expr::Literal(literal) => constant(literal).map_or(Form::General, Form::Constant),
            Expr::Select(_) => match own_property(tree, variables) {
                Some((variable, _, place)) => Form::Property(variable, place),
                None => Form::General,
            },
            _ if equalities.len() == conjuncts.len() => Form::Equalities,
            _ => Form::General,
        };
        let conjuncts = conjuncts.len();
        let mut code = tree.clone();
        place_properties(&mut code, &mut Vec::new(), variables);
        Self { code, form, reads: references.iter().filter_map(read).collect(), equalities, conjuncts }
    }
}

impl Shape {
    /// Whether it is true, if that can be told without the library.
    pub(super) fn holds(&self, scope: &Scope<'_>) -> Option<bool> {
        match &self.form {
            Form::Constant(Value::Boolean(holds)) => Some(*holds),
            Form::Equalities => {
                let owner = scope.facts(Variable::Owner)?;
                for equality in &self.equalities {
                    let holds = match owner.plain(equality.place) {
                        Plain::Text(text) => equality.any_of.iter().any(|one| one == text),
                        Plain::Empty => false,
                        Plain::Unknown => return None,
                    };
                    if !holds {
                        return Some(false);
                    }
                }
                Some(true)
            }
            _ => None,
        }
    }

    /// The value, if it can be told without the library.
    pub(super) fn value(&self, scope: &Scope<'_>, of: ValueType, multi_valued: bool) -> Option<Option<Value>> {
        match &self.form {
            Form::Constant(value) => (!multi_valued && value.value_type() == Some(of)).then(|| Some(value.clone())),
            Form::Property(variable, place) => scope.as_it_is(*variable, *place, of, multi_valued),
            _ => None,
        }
    }
}

fn constant(literal: &LiteralValue) -> Option<Value> {
    match literal {
        LiteralValue::String(text) if !text.inner().contains('\0') => Some(Value::String(text.inner().to_owned())),
        LiteralValue::Int(number) => Some(Value::Integer(*number.inner())),
        LiteralValue::Boolean(flag) => Some(Value::Boolean(*flag.inner())),
        _ => None,
    }
}

/// What is joined by `&&`, in the order in which it is evaluated.
fn conjuncts(node: &IdedExpr) -> Vec<&IdedExpr> {
    match &node.expr {
        Expr::Call(CallExpr { func_name, target: None, args }) if func_name == operators::LOGICAL_AND => {
            args.iter().flat_map(conjuncts).collect()
        }
        _ => vec![node],
    }
}

/// `owner.p == 'text'`, either way round, or `owner.p in ['text', …]`.
fn equality(node: &IdedExpr, owner: &EntityType) -> Option<Equality> {
    let Expr::Call(CallExpr { func_name, target: None, args }) = &node.expr else { return None };
    let [left, right] = args.as_slice() else { return None };
    let property = |node: &IdedExpr| {
        let owner_only = |variable: Variable| (variable == Variable::Owner).then_some(owner);
        let (_, property, place) = own_property(node, &owner_only)?;
        let is_one_text = property.kind == PropertyKind::Scalar(ValueType::String) && !property.multi_valued;
        is_one_text.then_some(place)
    };
    let text = |node: &IdedExpr| match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner().to_owned()),
        _ => None,
    };
    match func_name.as_str() {
        operators::EQUALS => {
            let (place, literal) = property(left).zip(text(right)).or_else(|| property(right).zip(text(left)))?;
            Some(Equality { place, any_of: vec![literal] })
        }
        operators::IN => {
            let Expr::List(list) = &right.expr else { return None };
            let any_of: Option<Vec<String>> = list.elements.iter().map(text).collect();
            Some(Equality { place: property(left)?, any_of: any_of.filter(|_| list.optional_indices.is_empty())? })
        }
        _ => None,
    }
}

/// A property of a variable that needs no other resource: scalars, and navigations to many.
fn own_property<'a>(node: &IdedExpr, variables: Variables<'_, 'a>) -> Option<(Variable, &'a Property, usize)> {
    let Expr::Select(select) = &node.expr else { return None };
    let Expr::Ident(name) = &select.operand.expr else { return None };
    let variable = Variable::ALL.into_iter().find(|variable| variable.name() == name).filter(|_| !select.test)?;
    let entity_type = variables(variable)?;
    let place = entity_type.place(&select.field)?;
    let property = entity_type.properties.get(place)?;
    (property.multi_valued || property.navigates_to().is_none()).then_some((variable, property, place))
}

/// Replaces `owner.property` by a name from which the property's place is read, and which nobody has to put
/// together while evaluating.
fn place_properties(node: &mut IdedExpr, shadows: &mut Vec<String>, variables: Variables<'_, '_>) {
    if let Some((variable, _, place)) = own_property(node, variables)
        && !shadows.iter().any(|shadow| shadow == variable.name())
    {
        node.expr = Expr::Ident(placed(variable, place));
        return;
    }
    match &mut node.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        Expr::Call(call) => {
            let target = call.target.as_deref_mut();
            target.into_iter().chain(&mut call.args).for_each(|child| place_properties(child, shadows, variables));
        }
        Expr::Comprehension(it) => {
            place_properties(&mut it.iter_range, shadows, variables);
            place_properties(&mut it.accu_init, shadows, variables);
            let before = shadows.len();
            shadows.extend([it.iter_var.clone(), it.accu_var.clone()]);
            for inner in [&mut it.loop_cond, &mut it.loop_step, &mut it.result] {
                place_properties(inner, shadows, variables);
            }
            shadows.truncate(before);
        }
        Expr::List(list) => list.elements.iter_mut().for_each(|item| place_properties(item, shadows, variables)),
        Expr::Map(map) => {
            map.entries.iter_mut().for_each(|entry| place_in_entry(&mut entry.expr, shadows, variables));
        }
        Expr::Struct(it) => {
            it.entries.iter_mut().for_each(|entry| place_in_entry(&mut entry.expr, shadows, variables));
        }
        Expr::Select(select) => place_properties(&mut select.operand, shadows, variables),
    }
}

fn place_in_entry(entry: &mut EntryExpr, shadows: &mut Vec<String>, variables: Variables<'_, '_>) {
    match entry {
        EntryExpr::StructField(field) => place_properties(&mut field.value, shadows, variables),
        EntryExpr::MapEntry(entry) => {
            place_properties(&mut entry.key, shadows, variables);
            place_properties(&mut entry.value, shadows, variables);
        }
    }
}
