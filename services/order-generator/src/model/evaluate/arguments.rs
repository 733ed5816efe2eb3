//! Step 2, last part: the arguments that go with a resource's orders.
//!
//! Those that look at the order can only be told once it is known which order there will be. Of a deletion that is
//! known beforehand: it changes nothing, and its owner may be gone by then with all that is known of it. So what a
//! deletion would carry is told with everything else. The rule that must hold: an argument that fails costs orders
//! that give something; it never holds up one that takes away.

use super::explain::failure;
use super::{Case, Evaluation, Ground, Matching, run};
use crate::model::catalog::{Catalog, ResourceType};
use crate::model::expected::ExpectedResource;
use crate::model::expression::{Expression, Scope, Session, Variable, order_values};
use crate::model::resource::Lookup;
use provost_domain::{Change, OrderKind, RuleFailure};
use std::collections::BTreeMap;

/// What arguments that look at the order say of one: the text, or none, or why that cannot be told. Arguments that
/// nobody can be asked about are not there.
pub type OrderArguments = BTreeMap<String, Result<Option<String>, RuleFailure>>;

/// What the arguments that look at the order say of one of this owner's. `None` when the catalog has no such entity
/// type.
pub fn order_arguments(
    ground: &Ground<'_>,
    case: &Case<'_>,
    resource_type: &ResourceType,
    kind: OrderKind,
    changes: &[Change],
) -> Option<OrderArguments> {
    run(ground, case, Matching::ByIndex, None, |evaluation| evaluation.order_arguments(resource_type, kind, changes))
}

/// What the arguments that look at the order, and at nothing else, say of one whose owner is not there.
pub fn order_arguments_of_nobody(
    catalog: &Catalog,
    lookup: &dyn Lookup,
    resource_type: &ResourceType,
    kind: OrderKind,
    changes: &[Change],
) -> OrderArguments {
    let values = order_values(kind, changes);
    let scope = Scope::of_order(catalog, lookup, &values);
    let needs_nobody = |argument: &Expression| argument.references().iter().all(|one| one.variable == Variable::Order);
    told(resource_type, &Session::new(&scope), needs_nobody)
}

fn told(resource_type: &ResourceType, session: &Session<'_>, is_asked: impl Fn(&Expression) -> bool) -> OrderArguments {
    let asked = resource_type.order_arguments.iter().filter(|(_, argument)| is_asked(argument));
    asked.map(|(name, argument)| (name.clone(), argument_of(resource_type, session, name, argument))).collect()
}

fn argument_of(
    resource_type: &ResourceType,
    session: &Session<'_>,
    name: &str,
    argument: &Expression,
) -> Result<Option<String>, RuleFailure> {
    argument.text(session).map_err(|message| {
        let rule = format!("resource type {} / argument {name}", resource_type.name);
        failure(session.scope(), rule, None, argument, false, message)
    })
}

impl Evaluation<'_> {
    /// The arguments that are the same for every order, and those of a deletion.
    pub(super) fn arguments(
        &self,
        resource_type: &ResourceType,
        expected: &mut ExpectedResource,
    ) -> Result<(), RuleFailure> {
        let mut failed = None;
        for (name, argument) in &resource_type.arguments {
            match argument_of(resource_type, self.main(), name, argument) {
                Ok(Some(text)) => _ = expected.arguments.insert(name.clone(), text),
                Ok(None) => {}
                Err(wrong) => failed = failed.or(Some(wrong)),
            }
        }
        if !resource_type.order_arguments.is_empty() {
            let of_deletion = self.order_arguments(resource_type, OrderKind::Deletion, &[]);
            // One that fails now may not fail when it is asked for, and until then what was told before holds.
            expected.at_deletion =
                of_deletion.into_iter().filter_map(|(name, told)| Some((name, told.ok()?))).collect();
        }
        failed.map_or(Ok(()), Err)
    }

    fn order_arguments(&self, resource_type: &ResourceType, kind: OrderKind, changes: &[Change]) -> OrderArguments {
        let values = order_values(kind, changes);
        let scope = self.main().scope().with_order(&values);
        told(resource_type, &Session::new(&scope), |_| true)
    }
}
