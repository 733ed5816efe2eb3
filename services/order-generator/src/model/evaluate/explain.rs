//! What a rule saw, in words that may be shown to anybody who may see the assignment.
//!
//! The rule that must hold: no confidential value leaves through an explanation.

use crate::model::catalog::EntityType;
use crate::model::expression::{Expression, Reference, Scope};
use crate::model::resource::Properties;
use provost_domain::{RuleFailure, Value};

/// Most characters of one value.
const VALUE_MAX: usize = 60;
/// Most characters of an explanation.
const TEXT_MAX: usize = 200;

/// Explains rules for one owner.
pub(super) struct Explain<'a> {
    scope: &'a Scope<'a>,
}

impl<'a> Explain<'a> {
    pub(super) const fn new(scope: &'a Scope<'a>) -> Self {
        Self { scope }
    }

    /// The properties that an expression reads, with their values: `department = 'Finance'`. With
    /// `is_confidential` what it yields is confidential, so what it reads is named but not shown.
    pub(super) fn inputs(&self, expression: &Expression, is_confidential: bool) -> String {
        let inputs: Vec<String> =
            expression.references().iter().map(|reference| self.input(reference, is_confidential)).collect();
        shortened(&inputs.join(", "), TEXT_MAX)
    }

    /// A failure of the rule. What the library says of a confidential input may quote it, so it is left out.
    pub(super) fn failure(
        &self,
        rule: String,
        property: Option<&str>,
        expression: &Expression,
        is_confidential: bool,
        message: String,
    ) -> RuleFailure {
        let reads_secrets = expression.references().iter().any(|reference| self.is_sensitive(reference));
        let message = if is_confidential || reads_secrets {
            "the rule failed; what it said is left out, since a value is confidential".to_owned()
        } else {
            shortened(&message, TEXT_MAX)
        };
        RuleFailure {
            rule,
            property: property.map(str::to_owned),
            input: self.inputs(expression, is_confidential),
            message,
        }
    }

    fn input(&self, reference: &Reference, is_confidential: bool) -> String {
        let (name, value) = match &reference.of_target {
            None => (reference.property.clone(), self.scope.values().get(&reference.property)),
            Some(field) => {
                let target = self.scope.target(&reference.property);
                let value = target.and_then(|(_, values): (&EntityType, &Properties)| values.get(field));
                (format!("{}.{field}", reference.property), value)
            }
        };
        if is_confidential || self.is_sensitive(reference) {
            return format!("{name} (confidential)");
        }
        match value {
            Some(value @ (Value::Integer(_) | Value::Boolean(_) | Value::Timestamp(_))) => format!("{name} = {value}"),
            Some(value) => format!("{name} = '{}'", shortened(&value.to_string(), VALUE_MAX)),
            None => format!("{name} is empty"),
        }
    }

    fn is_sensitive(&self, reference: &Reference) -> bool {
        let own = self.scope.entity_type().property(&reference.property);
        let is_own_sensitive = own.is_some_and(|property| property.sensitive);
        let is_target_sensitive = reference.of_target.as_ref().is_some_and(|field| {
            let target =
                self.scope.target(&reference.property).and_then(|(entity_type, _)| entity_type.property(field));
            target.is_some_and(|property| property.sensitive)
        });
        is_own_sensitive || is_target_sensitive
    }
}

fn shortened(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max - 1).chain(['…']).collect()
}
