//! How large an expression may be, and how much work it may ask for.
//!
//! CEL has no step limit. Loops end because lists are bounded, loops do not nest, and the static
//! estimate below refuses chains of loops whose results multiply.

use super::{Mistake, functions};
use cel::Program;
use cel::common::ast::{EntryExpr, Expr, IdedExpr, operators};
use std::collections::HashMap;

/// Most bytes of an expression.
const SOURCE_BYTES_MAX: usize = 4 * 1024;
/// Most nodes of its tree.
const NODES_MAX: usize = 500;
/// Most levels of its tree. Evaluation takes up to 40 KiB of stack for each in a debug build, and
/// worker threads have 2 MiB.
const DEPTH_MAX: usize = 30;
/// How many items a list is taken to have in the estimate.
const ITEMS: u64 = 100;
/// Most steps, and most values in a result, by the estimate.
const ESTIMATE_MAX: u64 = 2_000_000;

fn refuse(at: usize, message: String, hint: &str) -> Vec<Mistake> {
    vec![Mistake { at, message, hint: hint.to_owned(), unknown_name: None }]
}

/// Checks the length.
pub(super) fn source(source: &str) -> Result<(), Vec<Mistake>> {
    if source.trim().is_empty() {
        return Err(refuse(0, "the expression is empty".to_owned(), "write an expression, or leave the key out"));
    }
    if source.len() > SOURCE_BYTES_MAX {
        let message = format!("the expression has {} bytes, must have at most {SOURCE_BYTES_MAX}", source.len());
        return Err(refuse(0, message, "split the rule into several"));
    }
    Ok(())
}

/// Checks the tree: its size, the nesting of its loops, and the estimate of its work.
pub(super) fn tree(program: &Program) -> Result<(), Vec<Mistake>> {
    let root = program.expression();
    let at = |node: &IdedExpr| program.source_info().offset_for(node.id).map_or(0, |(start, _)| start as usize);
    if let Some(node) = too_deep(root, DEPTH_MAX) {
        let message = format!("the expression nests more than {DEPTH_MAX} levels deep");
        return Err(refuse(
            at(node),
            message,
            "each '+' and each call is a level; split the rule, or use [a, b, c].join()",
        ));
    }
    let mut nodes = 0;
    let mut deepest = None;
    walk(root, 0, &mut |node, loops| {
        // What a loop expands into is the library's, not the author's.
        if loops == 0 || !matches!(node.expr, Expr::Literal(_)) {
            nodes += 1;
        }
        if loops > 0 && matches!(node.expr, Expr::Comprehension(_)) && deepest.is_none() {
            deepest = Some(at(node));
        }
    });
    if nodes > NODES_MAX {
        let message = format!("the expression has {nodes} parts, must have at most {NODES_MAX}");
        return Err(refuse(0, message, "split the rule into several"));
    }
    if let Some(at) = deepest {
        return Err(refuse(at, "a loop stands inside of another loop".to_owned(), "use one loop, or 'in'"));
    }
    let estimate = Estimate { locals: HashMap::new() };
    let weight = estimate.of(root);
    if weight.steps > ESTIMATE_MAX || weight.size > ESTIMATE_MAX {
        let message = "the expression may take too long: loops over the results of loops multiply".to_owned();
        return Err(refuse(0, message, "use fewer loops one after another"));
    }
    Ok(())
}

fn children(expr: &Expr) -> Vec<&IdedExpr> {
    match expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => vec![],
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(it) => {
            vec![&it.iter_range, &it.accu_init, &it.loop_cond, &it.loop_step, &it.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entries(&entry.expr)).collect(),
        Expr::Struct(it) => it.entries.iter().flat_map(|entry| entries(&entry.expr)).collect(),
        Expr::Select(select) => vec![&select.operand],
    }
}

fn entries(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// The first node below `levels` levels. Looks no deeper than that.
fn too_deep(node: &IdedExpr, levels: usize) -> Option<&IdedExpr> {
    match levels.checked_sub(1) {
        None => Some(node),
        Some(levels) => children(&node.expr).into_iter().find_map(|child| too_deep(child, levels)),
    }
}

/// Visits each node with the number of loops around it.
fn walk<'e>(node: &'e IdedExpr, loops: usize, visit: &mut impl FnMut(&'e IdedExpr, usize)) {
    visit(node, loops);
    match &node.expr {
        Expr::Comprehension(it) => {
            // The list is computed before the loop begins.
            walk(&it.iter_range, loops, visit);
            for inner in [&it.accu_init, &it.loop_cond, &it.loop_step, &it.result] {
                walk(inner, loops + 1, visit);
            }
        }
        expr => {
            for child in children(expr) {
                walk(child, loops, visit);
            }
        }
    }
}

/// How large a result may be, in values; how many items it has, if it is a list; how many steps it takes.
#[derive(Clone, Copy)]
struct Weight {
    size: u64,
    items: u64,
    steps: u64,
}

struct Estimate<'e> {
    locals: HashMap<&'e str, u64>,
}

impl<'e> Estimate<'e> {
    fn of(&self, node: &'e IdedExpr) -> Weight {
        match &node.expr {
            Expr::Ident(name) => {
                Weight { size: self.locals.get(name.as_str()).copied().unwrap_or(1), items: ITEMS, steps: 1 }
            }
            Expr::Comprehension(it) => {
                let (range, init) = (self.of(&it.iter_range), self.of(&it.accu_init));
                let rounds = range.items.max(1);
                let mut inner = Estimate { locals: self.locals.clone() };
                inner.locals.insert(&it.iter_var, range.size.div_ceil(rounds));
                // What one round adds; what the rounds before added is counted there.
                inner.locals.insert(&it.accu_var, 0);
                let (round, result) = (inner.of(&it.loop_step), inner.of(&it.result));
                let grown = rounds.saturating_mul(round.size);
                Weight {
                    size: init.size.saturating_add(grown).saturating_add(result.size),
                    items: rounds,
                    steps: [range.steps, init.steps, rounds.saturating_mul(round.steps), grown]
                        .into_iter()
                        .fold(1, u64::saturating_add),
                }
            }
            expr => {
                let children: Vec<Weight> = children(expr).into_iter().map(|child| self.of(child)).collect();
                let sum = children.iter().fold(0, |sum: u64, child| sum.saturating_add(child.size));
                let size = match expr {
                    Expr::Call(call) => match call.func_name.as_str() {
                        operators::CONDITIONAL => children.iter().skip(1).map(|child| child.size).max().unwrap_or(1),
                        operators::ADD => sum,
                        name if functions::builds(name) => sum,
                        _ => 1,
                    },
                    Expr::List(_) | Expr::Map(_) | Expr::Struct(_) => sum,
                    _ => 1,
                };
                let items = match expr {
                    Expr::List(list) => list.elements.len() as u64,
                    _ => ITEMS,
                };
                let steps = children.iter().fold(1, |sum: u64, child| sum.saturating_add(child.steps));
                Weight { size, items, steps }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
    use super::*;

    fn check(source: &str) -> Result<(), String> {
        let program = functions::environment().compile(source).unwrap();
        tree(&program).map_err(|mistakes| mistakes[0].message.clone())
    }

    #[test]
    fn what_rules_need_is_within_bounds() {
        for source in [
            "owner.groups.exists(g, g.startsWith('a'))",
            "owner.groups.filter(g, g != 'x').map(g, g.lower() + '@example.org').join(',')",
            "(owner.first_name + '.' + owner.last_name).fold().lower().replace(' ', '-').replace('..', '.')",
            "owner.groups.filter(g, g != 'a').filter(g, g != 'b').filter(g, g != 'c').filter(g, g != 'd').size() > 0",
        ] {
            assert_eq!(check(source), Ok(()), "{source}");
        }
    }

    #[test]
    fn loops_that_nest_or_multiply_are_refused() {
        let nested = "owner.groups.map(a, owner.groups.map(b, a + b)).size() > 0";
        assert!(check(nested).unwrap_err().contains("inside of another loop"));
        let chained = "['x']".to_owned() + &".map(v, v + v + v + v + v + v + v + v)".repeat(9);
        assert!(check(&chained).unwrap_err().contains("may take too long"), "{:?}", check(&chained));
    }

    #[test]
    fn size_is_bounded() {
        let long = format!("'{}' == ''", "x".repeat(5_000));
        assert!(source(&long).unwrap_err()[0].message.contains("must have at most 4096"));
        assert!(source("  ").unwrap_err()[0].message.contains("is empty"));
        let many = format!("[{}]", vec!["1"; 600].join(", "));
        assert!(check(&many).unwrap_err().contains("must have at most 500"));
        let deep = vec!["1"; 60].join(" + ");
        assert!(check(&deep).unwrap_err().contains("levels deep"));
        assert_eq!(check(&vec!["owner.id"; 25].join(" + ")), Ok(()));
        assert_eq!(check(&vec!["owner.id == 'x'"; 100].join(" || ")), Ok(()));
    }
}
