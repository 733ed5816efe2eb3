//! A navigation that holds several links.
//!
//! The rule that must hold: links are deltas. What is missing is added, what was ours and is no longer wanted
//! is removed, and the rest is somebody else's.

use super::{Compared, Question};
use crate::model::assign::AssignedProperty;
use crate::model::comparison::Items;
use crate::model::decision::Verdict;
use provost_domain::{ChangeOperation, ProvisioningState, Value, WorkflowState};

/// The items of a possibly empty list.
fn items(value: Option<&Value>) -> &[Value] {
    value.map_or(&[][..], Value::items)
}

/// What is to be added or removed, and what a reviewer refused.
struct Open {
    differences: Vec<(ChangeOperation, Vec<Value>)>,
    has_refused: bool,
}

impl Question<'_> {
    pub(super) fn links(&self) -> Compared {
        let mode = self.comparisons.of(self.name());
        let wanted = items(self.policy());
        let current = items(self.current);
        let coming = items(self.coming.and_then(|values| values.get(self.name()))).to_vec();
        let ours = self.previous.map_or(&[][..], |previous| previous.granted.as_slice());
        let shown_before = items(self.previous.and_then(|previous| previous.conformed.as_ref()));
        let was_wanted = items(self.previous.and_then(|previous| previous.policy.as_ref()));
        let (is_wanted, is_current, is_ours) =
            (Items::new(mode, wanted), Items::new(mode, current), Items::new(mode, ours));
        let (was_shown, was_wanted) = (Items::new(mode, shown_before), Items::new(mode, was_wanted));
        let coming = self.believed(coming, &is_current);
        let is_coming = Items::new(mode, &coming);
        let is_kept = |item: &&Value| self.decision(Some(item), Verdict::Keep).is_some();
        let is_there = self.coming.is_some();

        // A person accepted that it is not there.
        let (accepted, missing): (Vec<&Value>, Vec<&Value>) =
            wanted.iter().filter(|item| !is_coming.holds(item)).partition(|item| is_there && is_kept(item));
        // Was there, was wanted then as now, and is gone: somebody took it away.
        let (drifted, add): (Vec<&Value>, Vec<&Value>) =
            missing.into_iter().partition(|item| was_shown.holds(item) && was_wanted.holds(item) && is_there);
        let unwanted = || coming.iter().filter(|item| !is_wanted.holds(item));
        let (approved, unwanted): (Vec<&Value>, Vec<&Value>) =
            unwanted().partition(|item| is_kept(item) && !(self.discards_manual && is_ours.holds(item)));
        // Spelled as the system spells it.
        let (remove, strange): (Vec<&Value>, Vec<&Value>) = unwanted.into_iter().partition(|item| is_ours.holds(item));
        // Executed, and yet not so, by an export that had to show it.
        let is_contradicted = self.contradicted().is_some();
        let not_come = wanted.iter().filter(|item| is_contradicted && is_coming.holds(item) && !is_current.holds(item));
        let not_gone = current.iter().filter(|item| {
            is_contradicted && !is_coming.holds(item) && !is_wanted.holds(item) && is_ours.holds(item) && !is_kept(item)
        });

        let still_ours =
            ours.iter().filter(|item| !is_wanted.holds(item) && (is_coming.holds(item) || is_current.holds(item)));
        let granted = wanted.iter().chain(still_ours).cloned().collect();
        let drifted_items = Items::new(mode, drifted.iter().copied());
        let conformed: Vec<_> =
            wanted.iter().filter(|item| is_current.holds(item) || drifted_items.holds(item)).cloned().collect();
        let missing: Vec<Value> = drifted.iter().copied().chain(not_come).cloned().collect();
        let strange: Vec<Value> = strange.into_iter().chain(not_gone).cloned().collect();

        let Open { differences, has_refused } = self.open(add, remove);
        let (is_accepted, is_approved) =
            (Items::new(mode, accepted.iter().copied()), Items::new(mode, approved.iter().copied()));
        let is_shown = wanted.iter().all(|item| is_current.holds(item) || is_accepted.holds(item))
            && !ours.iter().any(|item| !is_wanted.holds(item) && is_current.holds(item) && !is_approved.holds(item));
        let state = if !differences.is_empty() {
            self.open_state
        } else if has_refused {
            ProvisioningState::Inactive
        } else if !drifted.is_empty() {
            ProvisioningState::None
        } else if is_there && is_shown {
            ProvisioningState::Verified
        } else if is_there {
            ProvisioningState::Executed
        } else {
            self.open_state
        };
        let workflow = if has_refused {
            WorkflowState::Declined
        } else if !missing.is_empty() || !strange.is_empty() {
            self.found_workflow(self.were_found(&strange, &missing))
        } else if !accepted.is_empty() || !approved.is_empty() {
            WorkflowState::Approved
        } else {
            let is_settled = !matches!(state, ProvisioningState::Executed);
            self.written_workflow(is_settled, WorkflowState::GivenByARole)
        };
        let mut spent = self.spent();
        spent.extend(self.spent_on_links(&is_wanted));
        spent.sort_unstable();
        spent.dedup();
        let assigned = AssignedProperty {
            workflow,
            granted,
            conformed: (!conformed.is_empty()).then_some(Value::List(conformed)),
            strange,
            missing,
            spent,
            ..self.assigned(state)
        };
        let changes = differences
            .into_iter()
            .map(|(operation, items)| self.change(operation, Some(Value::List(items))))
            .collect();
        Compared { assigned, changes }
    }

    /// What will be linked, without what was executed, did not come, and was looked at by a person since.
    fn believed(&self, mut coming: Vec<Value>, is_current: &Items<'_>) -> Vec<Value> {
        let Some(order) = self.contradicted() else { return coming };
        let is_decided = |item: &Value| {
            let write = self.decision(Some(item), Verdict::Write);
            write.is_some_and(|write| order.generated_at <= write.at)
                || self.decision(Some(item), Verdict::Keep).is_some()
        };
        coming.retain(|item| is_current.holds(item) || !is_decided(item));
        let known = Items::new(self.comparisons.of(self.name()), &coming);
        let still_there: Vec<Value> =
            items(self.current).iter().filter(|item| !known.holds(item) && is_decided(item)).cloned().collect();
        coming.extend(still_there);
        coming
    }

    fn open(&self, add: Vec<&Value>, remove: Vec<&Value>) -> Open {
        let mut open = Open { differences: vec![], has_refused: false };
        for (operation, items) in [(ChangeOperation::Add, add), (ChangeOperation::Remove, remove)] {
            let (refused, items): (Vec<&Value>, Vec<&Value>) = items
                .into_iter()
                .partition(|item| self.coming.is_some() && self.refusals(Some(item)).has_item(operation, item));
            open.has_refused |= !refused.is_empty();
            if !items.is_empty() {
                open.differences.push((operation, items.into_iter().cloned().collect()));
            }
        }
        open
    }

    /// The same was found, or less of it, the last time.
    fn were_found(&self, strange: &[Value], missing: &[Value]) -> bool {
        let before = self.previous;
        let holds = |known: &[Value], item: &Value| self.comparisons.holds(self.name(), known, item);
        before.is_some_and(|before| {
            strange.iter().all(|item| holds(&before.strange, item))
                && missing.iter().all(|item| holds(&before.missing, item))
        })
    }

    /// That a link is missing was accepted, and no rule wants it any more: should one want it again, that is
    /// another matter. So it is when rules want what was only accepted.
    fn spent_on_links(&self, is_wanted: &Items<'_>) -> Vec<i64> {
        let over = self.decisions.iter().filter(|(decision, item)| {
            decision.is_kept() && item.is_some_and(|item| decision.current.is_none() && !is_wanted.holds(item))
        });
        over.map(|(decision, _)| decision.sequence).collect()
    }
}
