//! What the owner shall not have (any more): a period that is over, rules that no longer give it, and what
//! was found without a rule. Nothing found goes without a rule change, a source change or a person's word.

use super::{AGAIN, ASKED_BY, AssignedProperty, Assignment, Situation, Wanted, Wish, again_after, asked_by};
use crate::model::decision::{Decision, Verdict};
use crate::model::expected::ExpectedResource;
use crate::model::known_order::{self, KnownOrder, Over, asked_again};
use provost_domain::{OrderKind, ProvisioningState, Reason, WorkflowState};
use std::collections::BTreeMap;

impl Situation<'_, '_> {
    /// The period is over, and nothing of ours is left, or ever was.
    pub(super) fn past(&self, expected: &ExpectedResource) -> Assignment {
        if (self.resource)(&expected.target_key).is_some() {
            let note = "found in the managed system; the owner's time is over, and no rule of ours ever gave it";
            return Assignment { why: expected.why.clone(), ..self.found(&expected.target_key, note) };
        }
        if let Some(gone) = self.previous.filter(|previous| previous.wish == Wish::Gone)
            && gone.target_key == expected.target_key
        {
            let (state, note) = (gone.state, gone.note.clone());
            let workflow = WorkflowState::Inactive;
            return Assignment { workflow, state, note, ..self.waiting(expected, Wish::Gone) };
        }
        let was_linked = self.is_ours() && self.previous.is_some_and(|previous| previous.linked);
        let was_written = was_linked || known_order::newest_written((self.lane)(&expected.target_key)).is_some();
        if self.is_ours() && !was_written {
            // Its order was cancelled, and says so; an order that expires beside it would say it twice.
            return Assignment {
                workflow: WorkflowState::Inactive,
                state: ProvisioningState::Inactive,
                note: "its period is over; its order was cancelled before anything was written".into(),
                ..self.waiting(expected, Wish::Gone)
            };
        }
        if was_written {
            return Assignment {
                workflow: WorkflowState::Inactive,
                note: "its period is over, and it was taken away".into(),
                ..self.waiting(expected, Wish::Gone)
            };
        }
        Assignment {
            workflow: WorkflowState::Inactive,
            state: ProvisioningState::Inactive,
            note: "its period is over and nothing was ever written".into(),
            ..self.waiting(expected, Wish::Past)
        }
    }

    fn why_lost(&self) -> Reason {
        let until = self.expected.and_then(|expected| expected.period.until);
        let detail = match (self.owner_is_gone, until) {
            (true, _) => "the owner is no longer in the source".to_owned(),
            (false, Some(until)) if until <= self.now => format!("the owner's time ended {until}"),
            (false, _) if self.expected.is_some() => "the owner's time has yet to begin".to_owned(),
            (false, _) => "no type rule gives it any more".to_owned(),
        };
        Reason { rule: format!("resource type {}", self.resource_type.name), detail }
    }

    /// The arguments as last computed: now, while the owner is there, else before. Who asked for an order is said of
    /// that one alone.
    fn last_arguments(&self, previous: &Assignment) -> BTreeMap<String, String> {
        let expected = self.expected.filter(|expected| expected.failure.is_none());
        let mut arguments = expected.map_or(&previous.arguments, |expected| &expected.arguments).clone();
        arguments.remove(ASKED_BY);
        arguments.remove(AGAIN);
        arguments
    }

    fn deletion(&self) -> Option<Wanted> {
        Some(Wanted { kind: OrderKind::Deletion, changes: vec![] })
    }

    /// The newest order of the lane is a deletion that somebody declined; nobody decided otherwise since, and the owner
    /// was not given it again in between.
    fn is_deletion_declined(&self, key: &str, delete: Option<&Decision>) -> bool {
        let is_over = |order: &KnownOrder| {
            let before = self.previous.filter(|previous| previous.target_key == key);
            before.is_some_and(|previous| previous.over.contains(&Over::whole(order.id)))
        };
        known_order::declined_deletion((self.lane)(key))
            .is_some_and(|order| delete.is_none_or(|decision| decision.at <= order.generated_at) && !is_over(order))
    }

    /// A deletion that was executed before the export that still shows the resource.
    fn failed_deletion(&self, key: &str) -> Option<&KnownOrder> {
        let written = known_order::newest_written((self.lane)(key))?;
        let is_it = written.kind == OrderKind::Deletion && written.had_to_show(self.seen_at);
        (is_it && (self.resource)(key).is_some()).then_some(written)
    }

    /// No rule gives it any more. `None` when nothing is left of it.
    pub(super) fn lose(&self, previous: &Assignment) -> Option<Assignment> {
        let key = previous.target_key.as_str();
        let current = (self.resource)(key);
        let decision = self.decision(key);
        let delete = decision.filter(|decision| decision.verdict == Verdict::Delete);
        let contradicted = self.failed_deletion(key);
        let is_asked_again =
            contradicted.is_some_and(|order| delete.is_some_and(|decision| decision.at > order.generated_at));
        let is_coming = self.coming(key).is_some() || is_asked_again;
        let (has_open_order, was_written) = (self.has_open_order(key), previous.linked || self.was_written(key));
        // What was only ordered, and is there by another hand, was never ours.
        let is_nothing = !is_coming && current.is_none() && !has_open_order;
        if self.is_anothers(previous) || is_nothing || !(was_written || has_open_order) {
            return None;
        }
        let mut assignment = Assignment {
            why: vec![self.why_lost()],
            properties: previous.properties.clone(),
            linked: previous.linked || (current.is_some() && was_written),
            correlated: previous.correlated.clone(),
            confidence: super::CONFIDENT,
            arguments: self.last_arguments(previous),
            ..self.base(key, Wish::Lose)
        };
        let is_over = self.expected.is_some_and(|expected| expected.period.is_over(self.now));
        assignment.workflow = if is_over { WorkflowState::Inactive } else { WorkflowState::Calculated };
        for (name, property) in &mut assignment.properties {
            property.current = current.and_then(|values| values.get(name)).cloned();
        }
        let is_allowed = self.resource_type.allow_remove && (!self.owner_is_gone || self.resource_type.remove_orphans);
        if !is_coming && current.is_none() || !was_written {
            // Whoever takes its order before it is cancelled makes it exist: until then it stays known.
            assignment.note = "no longer wanted: its order is cancelled".into();
        } else if let Some(kept) = decision.filter(|decision| decision.is_kept() && decision.current.is_some()) {
            assignment.workflow = WorkflowState::Approved;
            assignment.note = format!("no rule gives it any more; kept by {}", kept.by());
        } else if !is_coming && contradicted.is_some() {
            assignment.workflow = WorkflowState::NonConforming;
            assignment.state = ProvisioningState::Executed;
            assignment.note = "its deletion was executed, and it is still there".into();
        } else if !is_coming {
            assignment.state = ProvisioningState::Executed;
        } else if self.is_deletion_declined(key, delete) {
            assignment.workflow = WorkflowState::Declined;
            assignment.left = self.owner_left;
            assignment.note = match self.owner_left {
                true => "its owner has left, and its deletion was declined: kept".into(),
                false => "its deletion was declined: kept".into(),
            };
        } else if !is_allowed && delete.is_none() {
            assignment.workflow = WorkflowState::NonConforming;
            assignment.note = match self.owner_is_gone {
                true => "its owner has disappeared from the source, and remove_orphans is false: left alone".into(),
                false => "no rule gives it any more, and allow_remove is false: left alone".into(),
            };
        } else {
            assignment.why.extend(delete.map(by_decision));
            assignment.arguments.extend(delete.map(asked_by));
            let again = asked_again((self.lane)(key), &assignment.over);
            assignment.arguments.extend(again.map(again_after));
            assignment.state = self.open_state();
            assignment.wanted = self.deletion();
        }
        let state = assignment.state;
        assignment.properties.values_mut().for_each(|property| property.state = state);
        Some(assignment)
    }

    /// What is there, and what no rule of ours ever gave. It is left alone until a person decides.
    pub(crate) fn found(&self, key: &str, note: &str) -> Assignment {
        let decision = self.decision(key);
        // What stands there again, after it was deleted, nobody decided on.
        let delete = decision.filter(|decision| decision.deletes((self.lane)(key)));
        let mut assignment = Assignment {
            workflow: self.found_workflow(),
            note: note.to_owned(),
            ours: false,
            ..self.base(key, Wish::Found)
        };
        assignment.properties = self.found_properties(key, &assignment, decision);
        if let Some(kept) = decision.filter(|decision| decision.is_kept()) {
            assignment.workflow = WorkflowState::Approved;
            assignment.note = format!("authorized by {}", kept.by());
        } else if let Some(delete) = delete {
            self.delete_found(&mut assignment, delete);
        }
        self.argued(assignment)
    }

    fn delete_found(&self, assignment: &mut Assignment, delete: &Decision) {
        let key = assignment.target_key.clone();
        let is_coming = self.coming(&key).is_some();
        let failed = self.failed_deletion(&key);
        if self.is_deletion_declined(&key, Some(delete)) {
            assignment.workflow = WorkflowState::Declined;
            assignment.note = "its deletion was declined: kept".into();
            return;
        }
        (assignment.wish, assignment.ours) = (Wish::Lose, true);
        assignment.why = vec![by_decision(delete)];
        assignment.arguments.extend([asked_by(delete)]);
        match failed {
            Some(order) if order.generated_at >= delete.at => {
                assignment.workflow = WorkflowState::NonConforming;
                assignment.state = ProvisioningState::Executed;
                assignment.note = "its deletion was executed, and it is still there".into();
            }
            None if !is_coming => {
                assignment.workflow = WorkflowState::Cancellation;
                assignment.state = ProvisioningState::Executed;
                assignment.note = format!("deleted, as decided by {}", delete.by());
            }
            Some(_) | None => {
                assignment.workflow = WorkflowState::Cancellation;
                assignment.note = format!("to be deleted, as decided by {}", delete.by());
                assignment.state = self.open_state();
                assignment.wanted = self.deletion();
            }
        }
    }

    /// The values that a found resource has, of those that rules speak of.
    fn found_properties(
        &self,
        key: &str,
        assignment: &Assignment,
        decision: Option<&Decision>,
    ) -> std::collections::BTreeMap<String, AssignedProperty> {
        let Some(current) = (self.resource)(key) else { return [].into() };
        let rules = self.resource_type;
        let scalars = rules.scalar_rules.iter().map(|rule| &rule.property);
        let links = rules.navigation_rules.iter().map(|rule| &rule.property);
        let queries = rules.query_rules.iter().map(|rule| &rule.property);
        let spoken_of: std::collections::BTreeSet<&str> =
            scalars.chain(links).chain(queries).map(|name| &**name).collect();
        let is_kept = decision.is_some_and(Decision::is_kept);
        let property = |name: &&str| {
            let value = current.get(*name)?;
            let on_it = || self.decided.on_property(&rules.name, key, name).find(|(decision, _)| decision.is_kept());
            let is_same = |kept: &Decision| self.comparisons.same(name, kept.current.as_ref(), Some(value));
            let is_approved = is_kept
                && (decision.is_some_and(|decision| decision.takes_over)
                    || **name == *self.target.key
                    || on_it().is_some_and(|(kept, _)| is_same(kept)));
            // A decision on the resource says nothing of its values: they stay what they were found to be.
            let before = self.previous.and_then(|previous| previous.properties.get(*name));
            let was_found = before
                .map(|before| before.workflow)
                .filter(|workflow| matches!(workflow, WorkflowState::PreExisting | WorkflowState::NonConforming));
            let workflow = match is_approved {
                true => WorkflowState::Approved,
                false => was_found.unwrap_or(assignment.workflow),
            };
            let property = AssignedProperty {
                policy: None,
                current: Some(value.clone()),
                workflow,
                state: ProvisioningState::Verified,
                why: vec![],
                granted: vec![],
                conformed: None,
                has_conformed: false,
                strange: vec![],
                missing: vec![],
                spent: vec![],
            };
            Some(((*name).to_owned(), property))
        };
        spoken_of.iter().filter_map(property).collect()
    }
}

fn by_decision(decision: &Decision) -> Reason {
    Reason { rule: "reconciliation".to_owned(), detail: format!("deletion decided by {}", decision.by()) }
}
