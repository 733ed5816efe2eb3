//! What `order` means in the arguments of a resource type: which kind of order it is, and which properties it
//! changes; so that a package can be told another workflow for each kind.
//!
//! The rule that must hold: a word that can never be the answer is a mistake, found when the catalog is applied. It
//! would else only show in the order that ought to have gone another way.

use super::{Mistake, Variable};
use crate::model::catalog::{EntityType, suggest};
use crate::model::resource::Properties;
use cel::Program;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use provost_domain::{Change, OrderKind, Value, ValueType};
use std::collections::BTreeSet;
use std::sync::LazyLock;

const KIND: &str = "kind";
const CHANGES: &str = "changes";

const KINDS: [OrderKind; 4] = [OrderKind::Addition, OrderKind::Update, OrderKind::Deletion, OrderKind::Association];

static ORDER: LazyLock<EntityType> = LazyLock::new(|| {
    let name = Variable::Order.name();
    EntityType::of_scalars(name, KIND, &[(KIND, ValueType::String, false), (CHANGES, ValueType::String, true)])
});

/// The shape of an order, as expressions see it.
pub(crate) fn order_type() -> &'static EntityType {
    &ORDER
}

/// What expressions see of an order.
pub(crate) fn order_values(kind: OrderKind, changes: &[Change]) -> Properties {
    // A link that goes and one that comes are two changes of one property.
    let names: BTreeSet<&str> = changes.iter().map(|change| change.property.as_str()).collect();
    let names = names.into_iter().map(Value::from).collect();
    [(KIND.to_owned(), Value::from(kind.to_string().as_str())), (CHANGES.to_owned(), Value::List(names))].into()
}

/// The words that an expression compares with what it reads of the order, and that are never there: kinds that do
/// not exist, and properties that the target does not have.
pub(super) fn words(program: &Program, target: &EntityType) -> Vec<Mistake> {
    let mut words = Words { program, target, names: Vec::new(), mistakes: Vec::new() };
    words.look(program.expression());
    words.mistakes
}

/// What of the order an expression is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Kind,
    Changes,
    /// One of the changes.
    Change,
}

struct Words<'p> {
    program: &'p Program,
    target: &'p EntityType,
    /// The names that loops give, innermost last, and what of the order they are.
    names: Vec<(&'p str, Option<Part>)>,
    mistakes: Vec<Mistake>,
}

impl<'p> Words<'p> {
    fn part(&self, node: &IdedExpr) -> Option<Part> {
        let named = |name: &str| self.names.iter().rev().find(|(known, _)| *known == name);
        let is_order = |node: &IdedExpr| matches!(&node.expr, Expr::Ident(name) if name == Variable::Order.name() && named(name).is_none());
        let field = match &node.expr {
            Expr::Ident(name) => return named(name).and_then(|(_, part)| *part),
            Expr::Select(select) if !select.test && is_order(&select.operand) => select.field.as_str(),
            Expr::Call(CallExpr { func_name, target: None, args }) if func_name == operators::INDEX => {
                match args.as_slice() {
                    [of, name] if is_order(of) => text(name)?,
                    [of, _] if self.part(of) == Some(Part::Changes) => return Some(Part::Change),
                    _ => return None,
                }
            }
            _ => return None,
        };
        match field {
            KIND => Some(Part::Kind),
            CHANGES => Some(Part::Changes),
            _ => None,
        }
    }

    fn look(&mut self, node: &'p IdedExpr) {
        match &node.expr {
            Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
            Expr::Select(select) => self.look(&select.operand),
            Expr::List(list) => list.elements.iter().for_each(|item| self.look(item)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Struct(it) => it.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Comprehension(it) => {
                self.look(&it.iter_range);
                self.look(&it.accu_init);
                let item = (self.part(&it.iter_range) == Some(Part::Changes)).then_some(Part::Change);
                let before = self.names.len();
                self.names.extend([(it.iter_var.as_str(), item), (it.accu_var.as_str(), None)]);
                [&it.loop_cond, &it.loop_step, &it.result].into_iter().for_each(|inner| self.look(inner));
                self.names.truncate(before);
            }
            Expr::Call(call) => {
                self.compared(call);
                call.target.as_deref().into_iter().chain(&call.args).for_each(|inner| self.look(inner));
            }
        }
    }

    fn entry(&mut self, entry: &'p EntryExpr) {
        match entry {
            EntryExpr::StructField(field) => self.look(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.look(&entry.key);
                self.look(&entry.value);
            }
        }
    }

    /// `order.kind == 'update'`, either way round, `order.kind in ['update']`, `'title' in order.changes`.
    fn compared(&mut self, call: &'p CallExpr) {
        let (None, [left, right]) = (&call.target, call.args.as_slice()) else { return };
        match call.func_name.as_str() {
            operators::EQUALS | operators::NOT_EQUALS => {
                for (of, with) in [(left, right), (right, left)] {
                    match (self.part(of), &with.expr) {
                        // The changes as a whole are compared with a list.
                        (Some(Part::Changes), Expr::List(list)) => self.all(Part::Change, &list.elements),
                        (Some(part), _) => self.one(part, with),
                        (None, _) => {}
                    }
                }
            }
            operators::IN => match (self.part(left), self.part(right), &right.expr) {
                (_, Some(Part::Changes), _) => self.one(Part::Change, left),
                (Some(part), _, Expr::List(list)) => self.all(part, &list.elements),
                _ => {}
            },
            _ => {}
        }
    }

    fn all(&mut self, part: Part, words: &'p [IdedExpr]) {
        words.iter().for_each(|word| self.one(part, word));
    }

    fn one(&mut self, part: Part, node: &'p IdedExpr) {
        let Some(word) = text(node) else { return };
        let (message, hint) = match part {
            Part::Changes => return,
            Part::Kind => {
                let kinds = KINDS.map(|kind| kind.to_string());
                if kinds.iter().any(|kind| kind == word) {
                    return;
                }
                let known = kinds.iter().map(String::as_str);
                (format!("no order is of the kind '{word}'"), suggest::one_of(word, known))
            }
            Part::Change => {
                if self.target.property(word).is_some() {
                    return;
                }
                let known: Vec<&str> = self.target.properties.iter().map(|property| &*property.name).collect();
                (
                    format!("no order changes '{word}': {} has no such property", self.target.name),
                    suggest::hint(word, known),
                )
            }
        };
        let at = self.program.source_info().offset_for(node.id).map_or(0, |(start, _)| start as usize);
        let mistake = Mistake { at, message, hint, unknown_name: Some(word.to_owned()) };
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }
}

/// A text that is written out.
fn text(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}
