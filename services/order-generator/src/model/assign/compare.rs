//! One property: what the rule wants, what was wanted before, what is there, what is on its way, and what a
//! person decided on it.

mod links;

use super::AssignedProperty;
use crate::model::catalog::{Property, PropertyKind};
use crate::model::comparison::Comparisons;
use crate::model::decision::{Decision, Verdict};
use crate::model::expected::ExpectedValue;
use crate::model::known_order::{KnownOrder, Over, Refusals, last_sent};
use provost_domain::{Change, ChangeOperation, OrderKind, ProvisioningState, Timestamp, Value, WorkflowState};
use std::collections::BTreeMap;

/// What the comparison looks at.
pub(super) struct Question<'a> {
    pub(super) property: &'a Property,
    pub(super) value: &'a ExpectedValue,
    pub(super) comparisons: Comparisons<'a>,
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
    /// The resource was there before an order of ours could make it.
    pub(super) is_found: bool,
    /// When the export began that `current` comes from.
    pub(super) seen_at: Option<Timestamp>,
    /// What was declined of the property before, and is over.
    pub(super) over: Vec<Over>,
    /// What people decided on the property, and on which of its links.
    pub(super) decisions: Vec<(&'a Decision, Option<&'a Value>)>,
    /// What a person approved gives way when what the rules say changes.
    pub(super) discards_manual: bool,
}

/// What the comparison says.
pub(super) struct Compared {
    pub(super) assigned: AssignedProperty,
    pub(super) changes: Vec<Change>,
}

impl<'a> Question<'a> {
    /// The newest decision to write just what is proposed, of the value or of one of these links.
    pub(super) fn write_decision(&self, change: &Change) -> Option<&'a Decision> {
        let is_it = |decision: &Decision, item: Option<&Value>| match item {
            None => self.same(decision.proposed.as_ref(), change.proposed.as_ref()),
            Some(item) => {
                change.proposed.as_ref().is_some_and(|links| self.comparisons.holds(self.name(), links.items(), item))
            }
        };
        let written = self
            .decisions
            .iter()
            .filter(|(decision, item)| decision.verdict == Verdict::Write && is_it(decision, *item));
        written.map(|(decision, _)| *decision).max_by_key(|decision| decision.sequence)
    }
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

/// How a kept value stands to what the rules and the system say now.
enum Kept {
    /// As it was when it was kept.
    Holds,
    /// It is still there, and the rules say something else by now.
    IsQuestioned,
    /// The rules say what they said, and the value is another one.
    HasMoved,
    /// No longer: by its decision.
    IsOver(i64),
}

impl<'a> Question<'a> {
    fn policy(&self) -> Option<&Value> {
        self.value.value.as_ref()
    }

    fn name(&self) -> &str {
        &self.property.name
    }

    fn same(&self, a: Option<&Value>, b: Option<&Value>) -> bool {
        self.comparisons.same(self.name(), a, b)
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
            strange: vec![],
            missing: vec![],
            spent: self.spent(),
        }
    }

    /// Decisions that no longer hold, of those that still stand.
    fn spent(&self) -> Vec<i64> {
        let before = self.previous.map_or(&[][..], |previous| previous.spent.as_slice());
        let stands = |sequence: &&i64| self.decisions.iter().any(|(decision, _)| decision.sequence == **sequence);
        before.iter().filter(stands).copied().collect()
    }

    /// The decision on the value, or on one link.
    fn decision(&self, item: Option<&Value>, verdict: Verdict) -> Option<&'a Decision> {
        let is_spent =
            |decision: &Decision| self.previous.is_some_and(|previous| previous.spent.contains(&decision.sequence));
        let is_it = |of: Option<&Value>| match (of, item) {
            (None, None) => true,
            (Some(of), Some(item)) => self.same(Some(of), Some(item)),
            _ => false,
        };
        let of = self.decisions.iter().rev().find(|(decision, of)| is_it(*of) && !is_spent(decision))?;
        (of.0.verdict == verdict).then_some(of.0)
    }

    fn change(&self, operation: ChangeOperation, proposed: Option<Value>) -> Change {
        let mut change = Change {
            property: self.name().to_owned(),
            operation,
            proposed,
            current: self.current.cloned(),
            sensitive: self.property.sensitive,
            write_only: self.property.write_only,
            why: self.value.why.clone(),
        };
        let by_decision = self.write_decision(&change).map(|decision| provost_domain::Reason {
            rule: "reconciliation".to_owned(),
            detail: format!("written by the decision of {}", decision.by()),
        });
        change.why.extend(by_decision);
        change
    }

    fn refusals(&self, item: Option<&Value>) -> Refusals<'_> {
        let since = self.decision(item, Verdict::Write).map(|decision| decision.at);
        let Self { lane, comparisons, over, .. } = self;
        Refusals { lane, property: self.name(), comparisons: *comparisons, since, over }
    }

    /// What was declined of the property and is over by now: rules say another value, or about a link the contrary.
    pub(super) fn ended(&self) -> Vec<Over> {
        let wanted = self.policy().map_or(&[][..], Value::items);
        let declined = self.lane.iter().filter(|order| order.was_declined() && order.kind == OrderKind::Update);
        let mut ended = Vec::new();
        for order in declined {
            for change in order.changes.iter().filter(|change| change.property == self.name()) {
                let over = |item: Option<&Value>| Over {
                    order: order.id,
                    property: Some(self.name().to_owned()),
                    item: item.cloned(),
                };
                let items = change.proposed.as_ref().map_or(&[][..], Value::items);
                let is_wanted = |item: &&Value| self.comparisons.holds(self.name(), wanted, item);
                match change.operation {
                    ChangeOperation::Set if self.same(change.proposed.as_ref(), self.policy()) => {}
                    ChangeOperation::Set => ended.push(over(None)),
                    ChangeOperation::Add => {
                        ended.extend(items.iter().filter(|item| !is_wanted(item)).map(|item| over(Some(item))));
                    }
                    ChangeOperation::Remove => {
                        ended.extend(items.iter().filter(is_wanted).map(|item| over(Some(item))));
                    }
                }
            }
        }
        ended
    }

    /// Pre-existing when it was there before anything was computed, and as long as it is the same.
    fn found_workflow(&self, is_as_before: bool) -> WorkflowState {
        let was_pre_existing = self.previous.is_some_and(|before| before.workflow == WorkflowState::PreExisting);
        match self.is_first || (was_pre_existing && is_as_before) {
            true => WorkflowState::PreExisting,
            false => WorkflowState::NonConforming,
        }
    }

    /// Never compared with the system: what counts is what was last sent. `conformed` remembers it.
    fn write_only(&self) -> Compared {
        let last = match (last_sent(self.lane, self.name()), self.previous) {
            (Some(sent), _) => sent.cloned(),
            (None, Some(previous)) => previous.conformed.clone(),
            // Found, not made by us: what it holds is not ours to set.
            (None, None) => self.policy().filter(|_| self.coming.is_some()).cloned(),
        };
        let is_sent = self.coming.is_some() && self.same(last.as_ref(), self.policy());
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

    /// The newest order under way was executed, and an export that had to show it does not.
    fn contradicted(&self) -> Option<&'a KnownOrder> {
        let newest = self.lane.iter().rev().find(|order| order.is_under_way())?;
        newest.is_contradicted(self.name(), self.seen_at).then_some(newest)
    }

    /// What was executed and yet is not there, by an export that had to show it, is not sent again by
    /// itself: it is shown as Non-conforming (domain.md, "Verification and reconciliation").
    fn written_workflow(&self, is_shown: bool, otherwise: WorkflowState) -> WorkflowState {
        if !is_shown && self.contradicted().is_some() { WorkflowState::NonConforming } else { otherwise }
    }

    /// What the value will be. What was executed and did not come will not come either, once a person has
    /// looked at it.
    fn coming_value(&self) -> Option<&'a Value> {
        let is_decided = self.contradicted().is_some_and(|order| {
            let write = self.decision(None, Verdict::Write);
            write.is_some_and(|write| order.generated_at <= write.at) || self.decision(None, Verdict::Keep).is_some()
        });
        match is_decided {
            true => self.current,
            false => self.coming.and_then(|values| values.get(self.name())),
        }
    }

    /// How the value that a person kept stands.
    fn kept(&self, coming: Option<&Value>) -> Option<Kept> {
        let decision = self.decision(None, Verdict::Keep)?;
        let is_there = self.same(coming, decision.current.as_ref());
        let is_as_decided = self.same(self.policy(), decision.proposed.as_ref());
        Some(match (is_there, is_as_decided) {
            (true, true) => Kept::Holds,
            (true, false) if !self.discards_manual => Kept::IsQuestioned,
            (false, true) => Kept::HasMoved,
            (_, false) => Kept::IsOver(decision.sequence),
        })
    }

    fn scalar(&self) -> Compared {
        let settled = |assigned| Compared { assigned, changes: vec![] };
        let coming = self.coming_value();
        let granted = self.granted(coming);
        if self.coming.is_some() && self.same(coming, self.policy()) {
            let is_shown = self.is_there && self.same(self.current, self.policy());
            let state = if is_shown { ProvisioningState::Verified } else { ProvisioningState::Executed };
            let conformed = self.policy().filter(|_| is_shown).cloned();
            let workflow = self.written_workflow(is_shown, WorkflowState::Calculated);
            let has_conformed = is_shown;
            return settled(AssignedProperty { granted, conformed, has_conformed, workflow, ..self.assigned(state) });
        }
        let unchanged = self.previous.filter(|previous| self.same(previous.policy.as_ref(), self.policy()));
        let conformed = unchanged.and_then(|previous| previous.conformed.clone());
        let mut has_conformed = conformed.is_some() || unchanged.is_some_and(|previous| previous.has_conformed);
        let mut spent = self.spent();
        match self.coming.and_then(|_| self.kept(coming)) {
            Some(kept @ (Kept::Holds | Kept::IsQuestioned)) => {
                let workflow = match kept {
                    Kept::IsQuestioned => WorkflowState::Questioned,
                    _ => WorkflowState::Approved,
                };
                let is_shown = self.same(self.current, coming);
                let state = if is_shown { ProvisioningState::Verified } else { ProvisioningState::Executed };
                let has_conformed = true;
                return settled(AssignedProperty { workflow, granted, has_conformed, ..self.assigned(state) });
            }
            // Another value than the kept one came by another hand: that is for a person, too.
            Some(Kept::HasMoved) => has_conformed = true,
            Some(Kept::IsOver(decision)) => {
                has_conformed = false;
                spent.push(decision);
            }
            None => {}
        }
        if has_conformed && self.coming.is_some() {
            let is_as_before = self.previous.is_some_and(|before| self.same(before.current.as_ref(), self.current));
            let workflow = match self.found_workflow(is_as_before) {
                WorkflowState::PreExisting if self.is_first => WorkflowState::NonConforming,
                workflow => workflow,
            };
            let state = ProvisioningState::None;
            return settled(AssignedProperty {
                workflow,
                granted,
                conformed,
                has_conformed,
                spent,
                ..self.assigned(state)
            });
        }
        let is_strange = coming.is_some_and(|value| !granted.iter().any(|ours| self.same(Some(ours), Some(value))));
        if self.gives_nothing() && is_strange && (self.is_link() || self.is_found) {
            // No rule of ours ever gave it: somebody else's, as a stranger in a list of links is.
            let is_as_before = self.previous.is_some_and(|before| self.same(before.current.as_ref(), self.current));
            let workflow = self.found_workflow(is_as_before);
            let state = if self.is_link() { ProvisioningState::Verified } else { ProvisioningState::None };
            return settled(AssignedProperty { workflow, granted, spent, ..self.assigned(state) });
        }
        if self.coming.is_some() && self.refusals(None).has_value(self.policy()) {
            let workflow = WorkflowState::Declined;
            return settled(AssignedProperty {
                workflow,
                granted,
                spent,
                ..self.assigned(ProvisioningState::Inactive)
            });
        }
        if self.coming.is_none() && self.policy().is_none() {
            return settled(self.assigned(self.open_state));
        }
        let change = self.change(ChangeOperation::Set, self.policy().cloned());
        let assigned = AssignedProperty { granted, spent, ..self.assigned(self.open_state) };
        Compared { assigned, changes: vec![change] }
    }

    /// Rules speak of the property, and yield no value for it.
    fn gives_nothing(&self) -> bool {
        self.policy().is_none_or(is_nothing)
    }

    fn is_link(&self) -> bool {
        matches!(self.property.kind, PropertyKind::Navigation(_))
    }

    /// Of a navigation that holds one value: what a rule links now, and the link that a rule gave before
    /// and that is not yet gone. Of any other value: what a rule gave before, once no rule gives any.
    fn granted(&self, coming: Option<&Value>) -> Vec<Value> {
        if !self.is_link() && !self.gives_nothing() {
            return vec![];
        }
        let was_ours = |link: &&Value| {
            self.previous.is_some_and(|previous| {
                let is_it = |ours: &Value| self.same(Some(ours), Some(*link));
                previous.granted.iter().any(is_it) || previous.policy.as_ref().is_some_and(is_it)
            })
        };
        // An empty text is nobody's, and nothing that could be taken away.
        let there = coming.into_iter().chain(self.current).filter(|value| !is_nothing(value));
        let left = there.filter(was_ours);
        let linked = self.policy().filter(|_| self.is_link());
        let mut granted: Vec<Value> = linked.into_iter().chain(left).cloned().collect();
        granted.sort();
        granted.dedup();
        granted
    }
}

/// No value, though there is one.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::List(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Integer(_) | Value::Boolean(_) | Value::Timestamp(_) | Value::Bytes(_) => false,
    }
}
