//! What a rule saw, in words that may be shown to anybody who may see the assignment.
//!
//! The rule that must hold: no confidential value leaves through an explanation, nor what was computed of one.

use crate::model::catalog::{Catalog, EntityType, Property};
use crate::model::expression::{Expression, Read, Scope, Variable};
use provost_domain::{RuleFailure, Value};
use std::fmt::Write;

/// Bytes that most explanations fit in.
pub(super) const TYPICAL: usize = 48;
/// Most characters of one value.
const VALUE_MAX: usize = 60;
/// Most characters of an explanation.
const TEXT_MAX: usize = 200;

/// The properties that an expression reads, with their values: `department = 'Finance'`. With
/// `is_confidential` what it yields is confidential, so what it reads is named but not shown.
pub(super) fn inputs(scope: &Scope<'_>, expression: &Expression, is_confidential: bool) -> String {
    let mut text = String::with_capacity(TYPICAL);
    append_inputs(&mut text, scope, expression, is_confidential);
    text
}

/// As [`inputs`], after what was seen before.
pub(super) fn append_inputs(text: &mut String, scope: &Scope<'_>, expression: &Expression, is_confidential: bool) {
    for read in expression.reads_at() {
        separate(text);
        input(text, scope, read, is_confidential);
    }
    shorten(text, TEXT_MAX);
}

/// Begins the next of several things.
pub(super) fn separate(text: &mut String) {
    if !text.is_empty() {
        text.push_str(", ");
    }
}

/// A failure of the rule. What the library says of a confidential input may quote it, so it is left out.
pub(super) fn failure(
    scope: &Scope<'_>,
    rule: String,
    property: Option<&str>,
    expression: &Expression,
    is_confidential: bool,
    mut message: String,
) -> RuleFailure {
    if is_confidential || reads_secrets(scope, expression) {
        "the rule failed; what it said is left out, since a value is confidential".clone_into(&mut message);
    }
    shorten(&mut message, TEXT_MAX);
    let input = inputs(scope, expression, is_confidential);
    RuleFailure { rule, property: property.map(str::to_owned), input, message }
}

/// Whether an expression reads anything confidential.
pub(super) fn reads_secrets(scope: &Scope<'_>, expression: &Expression) -> bool {
    expression.reads_at().iter().any(|read| is_secret(scope, read))
}

/// A value, as explanations show it.
pub(super) fn shown(value: &Value) -> String {
    let mut text = String::new();
    append_value(&mut text, value);
    text
}

fn append_value(text: &mut String, value: &Value) {
    // Writing to a text does not fail.
    match value {
        Value::Integer(_) | Value::Boolean(_) | Value::Timestamp(_) => _ = write!(text, "{value}"),
        Value::String(of) if of.len() <= VALUE_MAX => text.extend(["'", of, "'"]),
        value => {
            let mut of = value.to_string();
            shorten(&mut of, VALUE_MAX);
            text.extend(["'", &of, "'"]);
        }
    }
}

fn input(text: &mut String, scope: &Scope<'_>, read: &Read, is_confidential: bool) {
    let Some(facts) = scope.facts(read.variable) else { return };
    let Some(property) = facts.entity_type().properties.get(read.place) else { return };
    match read.variable {
        Variable::Owner => {}
        Variable::Position | Variable::Target | Variable::Order => text.extend([read.variable.name(), "."]),
    }
    text.push_str(&property.name);
    if let Some(field) = &read.field {
        text.extend([".", field]);
    }
    if is_confidential || is_secret(scope, read) {
        text.push_str(" (confidential)");
        return;
    }
    let value = match &read.field {
        None => facts.value(read.place),
        Some(field) => scope.navigated(facts, read.place).and_then(|(_, values)| values.get(&**field)),
    };
    match value {
        Some(value) => {
            text.push_str(" = ");
            append_value(text, value);
        }
        None if is_computed_of_another(scope.catalog(), property, read) => text.push_str(" (computed)"),
        None => text.push_str(" is empty"),
    }
}

fn target<'c>(catalog: &'c Catalog, property: &Property) -> Option<&'c EntityType> {
    catalog.entity_type(property.navigates_to()?)
}

/// What is computed of what is navigated to is not kept.
fn is_computed_of_another(catalog: &Catalog, property: &Property, read: &Read) -> bool {
    let Some(field) = &read.field else { return false };
    let of = target(catalog, property);
    of.is_some_and(|of| of.place(field).is_some_and(|place| of.computed.iter().any(|(computed, _)| *computed == place)))
}

/// What is computed of what is confidential is declared to be so: catalogs without that do not compile.
fn is_secret(scope: &Scope<'_>, read: &Read) -> bool {
    let Some(facts) = scope.facts(read.variable) else { return false };
    let Some(property) = facts.entity_type().properties.get(read.place) else { return false };
    let of_field = |field: &str| target(scope.catalog(), property).and_then(|of| of.property(field));
    property.sensitive || read.field.as_deref().and_then(of_field).is_some_and(|field| field.sensitive)
}

fn shorten(text: &mut String, max: usize) {
    // Bytes are no fewer than characters.
    if text.len() > max
        && let Some((end, _)) = text.char_indices().nth(max - 1)
        && text.chars().count() > max
    {
        text.truncate(end);
        text.push('…');
    }
}
