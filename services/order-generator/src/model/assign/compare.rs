//! One property: what the rule wants, what was wanted before, what is there, what is on its way.

use super::AssignedProperty;
use crate::model::catalog::{Property, PropertyKind};
use crate::model::expected::ExpectedValue;
use crate::model::known_order::{KnownOrder, last_sent, was_item_declined, was_value_declined};
use provost_domain::value::same;
use provost_domain::{Change, ChangeOperation, ProvisioningState, Timestamp, Value, WorkflowState};
use std::collections::BTreeMap;

/// What the comparison looks at.
pub(super) struct Question<'a> {
    pub(super) property: &'a Property,
    pub(super) value: &'a ExpectedValue,
    pub(super) previous: Option<&'a AssignedProperty>,
    /// What synchronization shows.
    pub(super) current: Option<&'a Value>,
    /// Synchronization shows the resource: no value is no value then, and not one that was never seen.
    pub(super) is_there: bool,
    /// The whole resource once everything under way has arrived; none when there will be none.
    pub(super) coming: Option<&'a BTreeMap<String, Value>>,
    pub(super) lane: &'a [KnownOrder],
    /// Where an open difference stands.
    pub(super) open_state: ProvisioningState,
    /// Nothing was ever computed for this owner and resource type.
    pub(super) is_first: bool,
    /// When the export began that `current` comes from.
    pub(super) seen_at: Option<Timestamp>,
}

/// What the comparison says.
pub(super) struct Compared {
    pub(super) assigned: AssignedProperty,
    pub(super) changes: Vec<Change>,
}

pub(super) fn compare(question: &Question<'_>) -> Compared {
    if question.property.write_only {
        question.write_only()
    } else if question.property.multi_valued && matches!(question.property.kind, PropertyKind::Navigation(_)) {
        question.links()
    } else {
        question.scalar()
    }
}

impl Question<'_> {
    fn policy(&self) -> Option<&Value> {
        self.value.value.as_ref()
    }

    fn assigned(&self, state: ProvisioningState) -> AssignedProperty {
        AssignedProperty {
            policy: self.value.value.clone(),
            current: self.current.cloned(),
            workflow: WorkflowState::Calculated,
            state,
            why: self.value.why.clone(),
            granted: vec![],
            conformed: None,
            has_conformed: false,
        }
    }

    fn change(&self, operation: ChangeOperation, proposed: Option<Value>) -> Change {
        Change {
            property: self.property.name.to_string(),
            operation,
            proposed,
            current: self.current.cloned(),
            sensitive: self.property.sensitive,
            write_only: self.property.write_only,
            why: self.value.why.clone(),
        }
    }

    fn found_workflow(&self) -> WorkflowState {
        if self.is_first { WorkflowState::PreExisting } else { WorkflowState::NonConforming }
    }

    /// Never compared with the system: what counts is what was last sent. `conformed` remembers it.
    fn write_only(&self) -> Compared {
        let last = match (last_sent(self.lane, &self.property.name), self.previous) {
            (Some(sent), _) => sent.cloned(),
            (None, Some(previous)) => previous.conformed.clone(),
            // Found, not made by us: what it holds is not ours to set.
            (None, None) => self.policy().filter(|_| self.coming.is_some()).cloned(),
        };
        let is_sent = self.coming.is_some() && same(last.as_ref(), self.policy());
        if is_sent || self.policy().is_none() {
            let assigned = AssignedProperty { conformed: last, ..self.assigned(ProvisioningState::Executed) };
            return Compared { assigned, changes: vec![] };
        }
        let change = self.change(ChangeOperation::Set, self.policy().cloned());
        Compared {
            assigned: AssignedProperty { conformed: last, ..self.assigned(self.open_state) },
            changes: vec![change],
        }
    }

    /// What was executed and yet is not there, by an export that had to show it, is not sent again by
    /// itself: it is shown as Non-conforming (domain.md, "Verification and reconciliation").
    fn written_workflow(&self, is_shown: bool, otherwise: WorkflowState) -> WorkflowState {
        let is_contradicted = |order: &KnownOrder| order.is_contradicted(&self.property.name, self.seen_at);
        let newest = self.lane.iter().rev().find(|order| order.is_under_way());
        if !is_shown && newest.is_some_and(is_contradicted) { WorkflowState::NonConforming } else { otherwise }
    }

    fn scalar(&self) -> Compared {
        let name = &*self.property.name;
        let coming = self.coming.and_then(|values| values.get(name));
        let granted = self.granted_link(coming);
        if self.coming.is_some() && same(coming, self.policy()) {
            let is_shown = self.is_there && same(self.current, self.policy());
            let state = if is_shown { ProvisioningState::Verified } else { ProvisioningState::Executed };
            let conformed = self.policy().filter(|_| is_shown).cloned();
            let workflow = self.written_workflow(is_shown, WorkflowState::Calculated);
            let has_conformed = is_shown;
            let assigned = AssignedProperty { granted, conformed, has_conformed, workflow, ..self.assigned(state) };
            return Compared { assigned, changes: vec![] };
        }
        let unchanged = self.previous.filter(|previous| same(previous.policy.as_ref(), self.policy()));
        let conformed = unchanged.and_then(|previous| previous.conformed.clone());
        let has_conformed = conformed.is_some() || unchanged.is_some_and(|previous| previous.has_conformed);
        if has_conformed && self.coming.is_some() {
            let workflow = WorkflowState::NonConforming;
            let state = ProvisioningState::None;
            let assigned = AssignedProperty { workflow, granted, conformed, has_conformed, ..self.assigned(state) };
            return Compared { assigned, changes: vec![] };
        }
        let is_strange = coming.is_some_and(|link| !granted.contains(link));
        if self.is_link() && self.policy().is_none() && is_strange {
            // No rule of ours ever linked it: somebody else's, as a stranger in a list of links is.
            let workflow = self.found_workflow();
            let assigned = AssignedProperty { workflow, granted, ..self.assigned(ProvisioningState::Verified) };
            return Compared { assigned, changes: vec![] };
        }
        if self.coming.is_some() && was_value_declined(self.lane, name, self.policy()) {
            let workflow = WorkflowState::Declined;
            let assigned = AssignedProperty { workflow, granted, ..self.assigned(ProvisioningState::Inactive) };
            return Compared { assigned, changes: vec![] };
        }
        if self.coming.is_none() && self.policy().is_none() {
            return Compared { assigned: self.assigned(self.open_state), changes: vec![] };
        }
        let change = self.change(ChangeOperation::Set, self.policy().cloned());
        let assigned = AssignedProperty { granted, ..self.assigned(self.open_state) };
        Compared { assigned, changes: vec![change] }
    }

    fn is_link(&self) -> bool {
        matches!(self.property.kind, PropertyKind::Navigation(_))
    }

    /// Of a navigation that holds one value: what a rule links now, and the link that a rule gave before
    /// and that is not yet gone.
    fn granted_link(&self, coming: Option<&Value>) -> Vec<Value> {
        if !self.is_link() {
            return vec![];
        }
        let was_ours = |link: &&Value| {
            self.previous
                .is_some_and(|previous| previous.granted.contains(link) || previous.policy.as_ref() == Some(*link))
        };
        let left = coming.into_iter().chain(self.current).filter(was_ours);
        let mut granted: Vec<Value> = self.policy().into_iter().chain(left).cloned().collect();
        granted.sort();
        granted.dedup();
        granted
    }

    /// Links are deltas: what is missing is added, what was ours and is no longer wanted is removed,
    /// and the rest is somebody else's.
    fn links(&self) -> Compared {
        let name = &*self.property.name;
        let items = |value: Option<&Value>| value.map(|value| value.items().to_vec()).unwrap_or_default();
        let wanted = items(self.policy());
        let current = items(self.current);
        let coming = items(self.coming.and_then(|values| values.get(name)));
        let ours = self.previous.map(|previous| previous.granted.clone()).unwrap_or_default();
        let shown_before = items(self.previous.and_then(|previous| previous.conformed.as_ref()));
        let is_known =
            |item: &Value| self.previous.is_some_and(|previous| items(previous.policy.as_ref()).contains(item));

        let missing: Vec<_> = wanted.iter().filter(|item| !coming.contains(item)).cloned().collect();
        // Was there, was wanted then as now, and is gone: somebody took it away.
        let (drifted, add): (Vec<_>, Vec<_>) = missing
            .into_iter()
            .partition(|item| shown_before.contains(item) && is_known(item) && self.coming.is_some());
        let remove: Vec<_> =
            ours.iter().filter(|item| !wanted.contains(item) && coming.contains(item)).cloned().collect();
        let strangers = coming.iter().any(|item| !wanted.contains(item) && !ours.contains(item));

        let still_ours =
            ours.iter().filter(|item| !wanted.contains(item) && (coming.contains(item) || current.contains(item)));
        let granted = wanted.iter().chain(still_ours).cloned().collect();
        let conformed: Vec<_> =
            wanted.iter().filter(|item| current.contains(item) || drifted.contains(item)).cloned().collect();

        let is_declined =
            |operation, item: &Value| self.coming.is_some() && was_item_declined(self.lane, name, operation, item);
        let differences = [(ChangeOperation::Add, add), (ChangeOperation::Remove, remove)];
        let mut has_refused = false;
        let open = differences.map(|(operation, items)| {
            let (refused, open): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| is_declined(operation, item));
            has_refused |= !refused.is_empty();
            (operation, open)
        });
        let open: Vec<_> = open.into_iter().filter(|(_, items)| !items.is_empty()).collect();

        let is_shown = wanted.iter().all(|item| current.contains(item))
            && !ours.iter().any(|item| !wanted.contains(item) && current.contains(item));
        let state = if !open.is_empty() {
            self.open_state
        } else if has_refused {
            ProvisioningState::Inactive
        } else if !drifted.is_empty() {
            ProvisioningState::None
        } else if is_shown && self.coming.is_some() {
            ProvisioningState::Verified
        } else if self.coming.is_some() {
            ProvisioningState::Executed
        } else {
            self.open_state
        };
        let workflow = if has_refused {
            WorkflowState::Declined
        } else if !drifted.is_empty() || strangers {
            self.found_workflow()
        } else {
            let is_settled = !matches!(state, ProvisioningState::Executed);
            self.written_workflow(is_settled, WorkflowState::GivenByARole)
        };
        let assigned = AssignedProperty {
            workflow,
            granted,
            conformed: (!conformed.is_empty()).then_some(Value::List(conformed)),
            ..self.assigned(state)
        };
        let changes =
            open.into_iter().map(|(operation, items)| self.change(operation, Some(Value::List(items)))).collect();
        Compared { assigned, changes }
    }
}
