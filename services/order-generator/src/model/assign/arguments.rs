//! What the order that an assignment wants tells the package beside values: arguments that look at the order.
//!
//! The rule that must hold: a deletion goes out whatever fails, with what can be told: now, else as last told while
//! its owner was there.

use super::{Assignment, Situation};
use provost_domain::OrderKind;
use std::collections::BTreeMap;

impl Situation<'_, '_> {
    /// The assignment with the arguments of the order that it wants. When one of those of an order that gives
    /// something cannot be told, nobody knows what to order.
    pub(super) fn argued(&self, mut assignment: Assignment) -> Assignment {
        let declared = &self.resource_type.order_arguments;
        if declared.is_empty() {
            return assignment;
        }
        // What an earlier order was told is not said of this one.
        let is_of_order = |name: &String| declared.contains_key(name);
        assignment.arguments.retain(|name, _| !is_of_order(name));
        assignment.at_deletion = self.at_deletion();
        let Some(wanted) = &assignment.wanted else { return assignment };
        let is_deletion = wanted.kind == OrderKind::Deletion;
        if is_deletion {
            assignment.arguments.extend(assignment.at_deletion.clone());
        }
        let mut failed = None;
        for (name, told) in (self.arguments)(wanted.kind, &wanted.changes) {
            match told {
                Ok(Some(text)) => _ = assignment.arguments.insert(name, text),
                Ok(None) => _ = assignment.arguments.remove(&name),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        match (failed, self.expected) {
            (Some(failure), Some(expected)) if !is_deletion => {
                let mut unknown = self.unknown_because(expected, Some(&failure));
                unknown.arguments.retain(|name, _| !is_of_order(name));
                Assignment { at_deletion: assignment.at_deletion, ..unknown }
            }
            _ => assignment,
        }
    }

    /// What a deletion would be told: as computed now, else before.
    fn at_deletion(&self) -> BTreeMap<String, String> {
        let is_declared = |name: &str| self.resource_type.order_arguments.contains_key(name);
        let mut told = self.previous.map(|previous| previous.at_deletion.clone()).unwrap_or_default();
        told.retain(|name, _| is_declared(name));
        for (name, text) in self.expected.iter().flat_map(|expected| &expected.at_deletion) {
            match text {
                Some(text) => _ = told.insert(name.clone(), text.clone()),
                None => _ = told.remove(name),
            }
        }
        told
    }
}
