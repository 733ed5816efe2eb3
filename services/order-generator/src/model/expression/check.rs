//! What can be known of an expression before it is evaluated: names, functions, types.
//!
//! CEL has no type checker, so this one walks the tree with the catalog's property types. What it
//! cannot know is [`Kind::Unknown`] and passes; what it refuses would fail, or be pointless, for everybody.

use super::functions::{SIGNATURES, pattern_misfit};
use super::kind::{Kind, Wanted, with_article};
use super::usage::{accepts, kind_of, usage};
use super::value::operator;
use super::{Mistake, Reference, Variable};
use crate::model::catalog::{EntityType, suggest};
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};
use cel::{ParseErrors, Program};
use std::collections::{BTreeSet, HashMap};

/// What the parser says.
pub(super) fn syntax(source: &str, errors: &ParseErrors) -> Vec<Mistake> {
    let lines: Vec<&str> = source.split('\n').collect();
    let mut mistakes: Vec<Mistake> = errors
        .errors
        .iter()
        .map(|error| {
            let line = usize::try_from(error.pos.0 - 1).unwrap_or(0);
            let before: usize = lines.iter().take(line).map(|line| line.chars().count() + 1).sum();
            let message = plain(&error.msg);
            Mistake {
                at: before + usize::try_from(error.pos.1 - 1).unwrap_or(0),
                message: format!("the expression cannot be read: {message}"),
                hint: "write CEL, for example owner.department == 'Finance'".to_owned(),
                unknown_name: None,
            }
        })
        .collect();
    // The parser stumbles on; what comes after the first stumble is noise.
    mistakes.truncate(1);
    mistakes
}

/// The parser's words, without its grammar.
fn plain(message: &str) -> String {
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    if message.contains("Recursion") || message.contains("recursion") {
        return "it nests too deep".to_owned();
    }
    let message = message.split(" expecting ").next().unwrap_or(message);
    if message.contains("<EOF>") {
        return "it ends too early".to_owned();
    }
    let unexpected = message.strip_prefix("mismatched input ").or_else(|| message.strip_prefix("extraneous input "));
    let message = unexpected.map_or_else(|| message.to_owned(), |input| format!("{input} stands where it cannot"));
    message.chars().take(120).collect()
}

/// Checks names and types, and lists what the expression reads.
pub(super) fn types<'a>(
    program: &Program,
    variables: &[(Variable, &'a EntityType)],
    entity_type: &dyn Fn(&str) -> Option<&'a EntityType>,
    wanted: Wanted,
) -> Result<Vec<Reference>, Vec<Mistake>> {
    let mut check = Check {
        program,
        variables,
        entity_type,
        mistakes: Vec::new(),
        references: BTreeSet::new(),
        locals: HashMap::new(),
        loops: 0,
    };
    let root = program.expression();
    let found = check.kind(root);
    let wanted = wanted.kind();
    if check.mistakes.is_empty() {
        let is_null = matches!(found, Kind::Null) && matches!(wanted, Kind::Boolean);
        if let (Kind::List(items), Kind::List(of)) = (&found, &wanted) {
            if !items.fits(of) {
                let hint = "convert each item, for example owner.numbers.map(n, string(n))".to_owned();
                check.wrong(root, format!("the list holds {items} as item, must hold {of}"), hint);
            }
        } else if is_null || !found.fits(&wanted) {
            let hint = format!("write an expression that yields {wanted}");
            check.wrong(root, format!("the expression yields {found}, must yield {wanted}"), hint);
        }
    }
    if check.mistakes.is_empty() { Ok(check.references.into_iter().collect()) } else { Err(check.mistakes) }
}

struct Check<'p, 'a, 'f> {
    program: &'p Program,
    variables: &'f [(Variable, &'a EntityType)],
    entity_type: &'f dyn Fn(&str) -> Option<&'a EntityType>,
    mistakes: Vec<Mistake>,
    references: BTreeSet<Reference>,
    locals: HashMap<&'p str, Kind<'a>>,
    loops: usize,
}

impl<'p, 'a> Check<'p, 'a, '_> {
    fn wrong(&mut self, node: &IdedExpr, message: String, hint: String) -> Kind<'a> {
        let at = self.program.source_info().offset_for(node.id).map_or(0, |(start, _)| start as usize);
        let mistake = Mistake { at, message, hint, unknown_name: None };
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
        Kind::Unknown
    }

    fn kind(&mut self, node: &'p IdedExpr) -> Kind<'a> {
        match &node.expr {
            Expr::Unspecified => Kind::Unknown,
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Kind::Boolean,
                LiteralValue::Bytes(_) => Kind::Bytes,
                LiteralValue::Double(_) => Kind::Double,
                LiteralValue::Int(_) => Kind::Integer,
                LiteralValue::Null => Kind::Null,
                LiteralValue::String(_) => Kind::String,
                LiteralValue::UInt(_) => Kind::Unsigned,
            },
            Expr::Ident(name) => self.variable(node, name),
            Expr::Select(select) => self.select(node, select),
            Expr::Call(call) => self.call(node, call),
            Expr::Comprehension(it) => self.comprehension(node, it),
            Expr::List(list) => {
                let items: Vec<_> = list.elements.iter().map(|item| self.value(item)).collect();
                Kind::List(Box::new(items.into_iter().reduce(Kind::either).unwrap_or(Kind::Unknown)))
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.value(&entry.key);
                        self.value(&entry.value);
                    }
                }
                Kind::Map
            }
            Expr::Struct(it) => {
                let message = format!("'{}' is not known", it.type_name);
                self.wrong(node, message, "expressions build no structures".to_owned())
            }
        }
    }

    /// What is not a resource: of one that went through a list, a function or a choice nobody could tell
    /// beforehand what is read.
    fn value(&mut self, node: &'p IdedExpr) -> Kind<'a> {
        match self.kind(node) {
            Kind::Resource(of) => {
                let message = format!("{} stands where only values can", with_article(&of.name));
                self.wrong(node, message, "write one of its properties".to_owned())
            }
            kind => kind,
        }
    }

    fn variable(&mut self, node: &IdedExpr, name: &str) -> Kind<'a> {
        if let Some(kind) = self.locals.get(name) {
            return kind.clone();
        }
        if let Some((_, of)) = self.named(name) {
            return Kind::Resource(of);
        }
        if ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"].contains(&name) {
            return Kind::Type;
        }
        let hint = self.meant(name);
        self.wrong(node, format!("unknown variable '{name}'"), hint);
        self.name_is_unknown(name)
    }

    fn named(&self, name: &str) -> Option<(Variable, &'a EntityType)> {
        self.variables.iter().find(|(variable, _)| variable.name() == name).copied()
    }

    /// What an unknown variable may stand for.
    fn meant(&self, name: &str) -> String {
        if let Some((variable, _)) = self.variables.iter().find(|(_, of)| of.property(name).is_some()) {
            return format!("did you mean '{}.{name}'?", variable.name());
        }
        match (self.variables, Variable::ALL.iter().find(|variable| variable.name() == name)) {
            ([(_, of), ..], Some(Variable::Position)) if self.named("owner").is_some() => {
                format!("only rules for owners whose context has positions read 'position'; {} has none", of.name)
            }
            (_, Some(Variable::Order)) => "only the arguments of a resource type read 'order'".to_owned(),
            ([(only, of)], _) => format!("the only variable is '{}', {}", only.name(), with_article(&of.name)),
            (several, _) => {
                let shown = |(variable, of): &(Variable, &EntityType)| {
                    format!("'{}', {}", variable.name(), with_article(&of.name))
                };
                let shown: Vec<String> = several.iter().map(shown).collect();
                format!("the variables are {}", shown.join(", and "))
            }
        }
    }

    fn name_is_unknown(&mut self, name: &str) -> Kind<'a> {
        if let Some(mistake) = self.mistakes.last_mut() {
            mistake.unknown_name = Some(name.to_owned());
        }
        Kind::Unknown
    }

    /// The variable that an expression is, and nothing else.
    fn is_variable(&self, node: &IdedExpr) -> Option<Variable> {
        match &node.expr {
            Expr::Ident(name) if !self.locals.contains_key(name.as_str()) => Some(self.named(name)?.0),
            _ => None,
        }
    }

    /// `variable.property`, written with a dot or with brackets.
    fn is_property<'n>(&self, node: &'n IdedExpr) -> Option<(Variable, &'n str)> {
        match &node.expr {
            Expr::Select(select) => Some((self.is_variable(&select.operand)?, select.field.as_str())),
            Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
                [operand, key] => Some((self.is_variable(operand)?, literal(key)?)),
                _ => None,
            },
            _ => None,
        }
    }

    fn select(&mut self, node: &'p IdedExpr, select: &'p SelectExpr) -> Kind<'a> {
        let found = match self.kind(&select.operand) {
            Kind::Resource(entity_type) => self.property(node, &select.operand, entity_type, &select.field),
            Kind::Unknown | Kind::Map => Kind::Unknown,
            other => {
                let message = format!("{other} has no '{}'", select.field);
                self.wrong(node, message, "only resources have properties".to_owned())
            }
        };
        if select.test { Kind::Boolean } else { found }
    }

    fn property(&mut self, node: &IdedExpr, operand: &IdedExpr, of: &'a EntityType, name: &str) -> Kind<'a> {
        let Some(property) = of.property(name) else {
            let known: Vec<&str> = of.properties.iter().map(|property| &*property.name).collect();
            let message = format!("unknown property '{name}' of {}", of.name);
            self.wrong(node, message, suggest::hint(name, known));
            return self.name_is_unknown(name);
        };
        // What is read must be known beforehand: whom a change touches is found by it.
        let is_navigated = if let Some(variable) = self.is_variable(operand) {
            self.references.insert(Reference { variable, property: name.to_owned(), of_target: None });
            false
        } else if let Some((variable, navigation)) = self.is_property(operand) {
            let reference = Reference { variable, property: navigation.to_owned(), of_target: Some(name.to_owned()) };
            self.references.insert(reference);
            true
        } else {
            let message = format!("'{name}' is read of something that is only found out later");
            let hint = "read properties right from a variable or a navigation of it: owner.mail, owner.manager.mail";
            return self.wrong(node, message, hint.to_owned());
        };
        let found = Kind::of_property(property, self.entity_type);
        let one_step = "navigation goes one step: owner.manager.mail";
        if is_navigated && matches!(found, Kind::Resource(_)) {
            let message = format!("'{name}' is a navigation of {}, which is itself navigated to", of.name);
            return self.wrong(node, message, one_step.to_owned());
        }
        if is_navigated && of.navigates_to_compute(name) {
            let message = format!("'{name}' of {} is computed by navigation, and {} is navigated to", of.name, of.name);
            return self.wrong(node, message, one_step.to_owned());
        }
        if property.write_only {
            let message = format!("'{name}' is write-only, so no expression can read it");
            return self.wrong(node, message, "read another property".to_owned());
        }
        found
    }

    fn comprehension(&mut self, node: &'p IdedExpr, it: &'p ComprehensionExpr) -> Kind<'a> {
        let item = match self.kind(&it.iter_range) {
            Kind::List(item) => *item,
            Kind::Unknown => Kind::Unknown,
            Kind::Map => Kind::String,
            other => self.wrong(node, format!("loops over {other}"), "loop over a list".to_owned()),
        };
        let accumulated = self.kind(&it.accu_init);
        let shadowed = [
            (it.iter_var.as_str(), self.locals.insert(&it.iter_var, item)),
            (it.accu_var.as_str(), self.locals.insert(&it.accu_var, accumulated.clone())),
        ];
        self.loops += 1;
        self.kind(&it.loop_cond);
        let round = self.kind(&it.loop_step);
        let result = self.kind(&it.result);
        self.loops -= 1;
        for (name, before) in shadowed {
            match before {
                Some(kind) => self.locals.insert(name, kind),
                None => self.locals.remove(name),
            };
        }
        // A list that begins empty says nothing of its items; what a round makes of it does.
        if matches!(accumulated, Kind::List(_)) { round } else { result }
    }

    fn call(&mut self, node: &'p IdedExpr, call: &'p CallExpr) -> Kind<'a> {
        if let ([operand, key], operators::INDEX) = (call.args.as_slice(), call.func_name.as_str())
            && (self.is_variable(operand).is_some() || self.is_property(operand).is_some())
            && let Kind::Resource(of) = self.kind(operand)
        {
            let Some(name) = literal(key) else {
                let message = format!("the property of the {} is only found out later", of.name);
                return self.wrong(node, message, "write its name out: owner.mail".to_owned());
            };
            return self.property(node, operand, of, name);
        }
        let receiver = call.target.as_deref().map(|target| self.value(target));
        // Operators say themselves what they make of a resource; all of them yield a value.
        let is_operator = call.target.is_none() && (call.args.len() == 2 && is_binary(&call.func_name));
        let argument = |check: &mut Self, node| if is_operator { check.kind(node) } else { check.value(node) };
        let arguments: Vec<Kind<'a>> = call.args.iter().map(|node| argument(self, node)).collect();
        match (&receiver, arguments.as_slice()) {
            (None, [left, right]) if is_binary(&call.func_name) => self.binary(node, &call.func_name, left, right),
            (None, [of]) if call.func_name == operators::LOGICAL_NOT => {
                self.expect_boolean(node, "!", of);
                Kind::Boolean
            }
            (None, [of]) if call.func_name == operators::NEGATE => match of {
                Kind::Integer | Kind::Double | Kind::Duration | Kind::Unknown => of.clone(),
                other => self.mismatch(node, "-", &[other]),
            },
            (None, [_]) if call.func_name == operators::NOT_STRICTLY_FALSE => Kind::Boolean,
            (None, [condition, yes, no]) if call.func_name == operators::CONDITIONAL => {
                self.expect_boolean(node, "?", condition);
                yes.clone().either(no.clone())
            }
            _ => self.function(node, call, receiver.as_ref(), &arguments),
        }
    }

    fn mismatch(&mut self, node: &IdedExpr, name: &str, of: &[&Kind<'a>]) -> Kind<'a> {
        let of: Vec<String> = of.iter().map(ToString::to_string).collect();
        let message = format!("'{name}' does not work on {}", of.join(" and "));
        let hint = match name {
            "+" => "convert first, for example string(owner.number) or int(owner.text)",
            "&&" | "||" | "!" | "?" => "conditions are booleans, for example owner.title == 'Analyst'",
            _ => "convert one of them first",
        };
        self.wrong(node, message, hint.to_owned())
    }

    fn expect_boolean(&mut self, node: &IdedExpr, name: &str, found: &Kind<'a>) {
        if !matches!(found, Kind::Boolean | Kind::Unknown) {
            self.mismatch(node, name, &[found]);
        }
    }

    fn binary(&mut self, node: &IdedExpr, name: &str, left: &Kind<'a>, right: &Kind<'a>) -> Kind<'a> {
        let shown = operator(name);
        match name {
            operators::LOGICAL_AND | operators::LOGICAL_OR => {
                self.expect_boolean(node, shown, left);
                self.expect_boolean(node, shown, right);
                Kind::Boolean
            }
            operators::EQUALS | operators::NOT_EQUALS => {
                let comparable = left.fits(right) || right.fits(left) || (left.is_number() && right.is_number());
                if !comparable {
                    let message = format!("compares {left} with {right}, which are never equal");
                    self.wrong(node, message, "convert one of them first".to_owned());
                }
                Kind::Boolean
            }
            operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS => {
                let ordered = |kind: &Kind<'_>| {
                    kind.is_number()
                        || matches!(
                            kind,
                            Kind::String
                                | Kind::Boolean
                                | Kind::Bytes
                                | Kind::Timestamp
                                | Kind::Duration
                                | Kind::Unknown
                        )
                };
                let alike =
                    left.is_open() || right.is_open() || left.same(right) || (left.is_number() && right.is_number());
                if !(alike && ordered(left) && ordered(right)) {
                    self.mismatch(node, shown, &[left, right]);
                }
                Kind::Boolean
            }
            operators::IN => {
                if !matches!(right, Kind::List(_) | Kind::Map | Kind::Unknown | Kind::Resource(_)) {
                    self.mismatch(node, shown, &[left, right]);
                }
                if let Kind::List(item) = right
                    && !left.fits(item)
                    && !(left.is_number() && item.is_number())
                {
                    let message = format!("looks for {left} in a list that holds {item}");
                    self.wrong(node, message, "convert one of them first".to_owned());
                }
                Kind::Boolean
            }
            operators::INDEX => match left {
                Kind::List(item) => (**item).clone(),
                Kind::Unknown | Kind::Map => Kind::Unknown,
                other => self.mismatch(node, shown, &[other]),
            },
            _ => self.arithmetic(node, name, left, right),
        }
    }

    fn arithmetic(&mut self, node: &IdedExpr, name: &str, left: &Kind<'a>, right: &Kind<'a>) -> Kind<'a> {
        use Kind as K;
        match (name, left, right) {
            (_, K::Unknown, K::Unknown) => K::Unknown,
            (operators::ADD, K::List(a), K::List(b)) => K::List(Box::new((**a).clone().either((**b).clone()))),
            (operators::ADD, K::String, K::String | K::Unknown) | (operators::ADD, K::Unknown, K::String) => K::String,
            (operators::ADD, K::Bytes, K::Bytes) => K::Bytes,
            (operators::ADD | operators::SUBSTRACT, K::Timestamp, K::Duration) => K::Timestamp,
            (operators::ADD, K::Duration, K::Timestamp) => K::Timestamp,
            (operators::SUBSTRACT, K::Timestamp, K::Timestamp) => K::Duration,
            (operators::ADD | operators::SUBSTRACT, K::Duration, K::Duration) => K::Duration,
            (_, a, b) if a.is_number() && a.same(b) => a.clone(),
            // Nothing adds to null, a boolean, a resource: known to fail whatever the other is.
            (_, K::Null | K::Boolean | K::Resource(_) | K::Map | K::Type, _)
            | (_, _, K::Null | K::Boolean | K::Resource(_) | K::Map | K::Type) => {
                self.mismatch(node, operator(name), &[left, right])
            }
            (_, K::Unknown, _) | (_, _, K::Unknown) => K::Unknown,
            _ => self.mismatch(node, operator(name), &[left, right]),
        }
    }

    fn function(
        &mut self,
        node: &'p IdedExpr,
        call: &'p CallExpr,
        receiver: Option<&Kind<'a>>,
        arguments: &[Kind<'a>],
    ) -> Kind<'a> {
        let name = call.func_name.as_str();
        let mut named = SIGNATURES.iter().filter(|signature| signature.name == name).peekable();
        if named.peek().is_none() {
            let known = SIGNATURES.iter().map(|signature| signature.name).collect::<BTreeSet<_>>();
            return self.wrong(node, format!("unknown function '{name}'"), suggest::hint(name, known));
        }
        if name == "matches" {
            self.pattern(node, call);
        }
        let mut usages = Vec::new();
        for signature in named {
            if accepts(signature, receiver, arguments) {
                return kind_of(signature.returns);
            }
            usages.push(usage(signature));
        }
        let given: Vec<String> = receiver.into_iter().chain(arguments).map(ToString::to_string).collect();
        let message =
            format!("'{name}' does not work on {}", if given.is_empty() { "nothing".into() } else { given.join(", ") });
        self.wrong(node, message, format!("write {}", usages.join(" or ")))
    }

    /// A pattern is compiled at each call, so it is known beforehand and not used in loops.
    fn pattern(&mut self, node: &IdedExpr, call: &CallExpr) {
        let pattern = call.args.last().and_then(|argument| match &argument.expr {
            Expr::Literal(LiteralValue::String(pattern)) => Some((argument, pattern.inner())),
            _ => None,
        });
        let Some((argument, pattern)) = pattern else {
            let hint = "write the pattern out, or use startsWith, endsWith, contains".to_owned();
            self.wrong(node, "the pattern of 'matches' is not written out".to_owned(), hint);
            return;
        };
        if let Some(misfit) = pattern_misfit(pattern) {
            let hint = "write a regular expression; a \\ before a character takes it as it is".to_owned();
            self.wrong(argument, format!("the pattern of 'matches' is wrong: {misfit}"), hint);
        }
        if self.loops > 0 {
            let hint = "use startsWith, endsWith or contains there".to_owned();
            self.wrong(node, "'matches' stands inside of a loop".to_owned(), hint);
        }
    }
}

/// A text that is written out.
fn literal(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn is_binary(name: &str) -> bool {
    matches!(
        name,
        operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS
            | operators::IN
            | operators::INDEX
            | operators::ADD
            | operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO
    )
}
