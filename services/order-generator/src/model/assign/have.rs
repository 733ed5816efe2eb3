//! What the owner shall have now: whether it is there, how its values differ, and the order that would close
//! the difference.

use super::compare::{Compared, Question, compare};
use super::{AGAIN, ASKED_BY, AssignedProperty, Assignment, Situation, Wanted, Wish, again_after, asked_by};
use crate::model::catalog::{CONFIDENT, Property};
use crate::model::decision::{KeptFor, Verdict};
use crate::model::expected::{Correlated, ExpectedResource, ExpectedValue};
use crate::model::known_order::{self, KnownOrder, Over, asked_again};
use provost_domain::{Change, ChangeOperation, OrderKind, ProvisioningState, RuleFailure, Value, WorkflowState};
use std::collections::BTreeMap;

impl Situation<'_, '_> {
    pub(super) fn have(&self, expected: &ExpectedResource) -> Assignment {
        let key = &expected.target_key;
        let previous =
            self.previous.filter(|previous| matches!(previous.wish, Wish::Have | Wish::Lose | Wish::Unknown));
        if let Some(renamed) = previous.and_then(|previous| self.renamed(expected, previous)) {
            return renamed;
        }
        let previous = previous.filter(|previous| previous.target_key == *key);
        let (current, lane) = ((self.resource)(key), (self.lane)(key));
        let coming = self.coming(key);
        let mut assignment = Assignment {
            why: expected.why.clone(),
            arguments: expected.arguments.clone(),
            correlated: expected.correlated.clone(),
            proposed: expected.correlated.as_ref().is_some_and(|found| self.is_proposed(key, found)),
            ..self.base(key, Wish::Have)
        };
        assignment.ours = !assignment.proposed;
        // An order that is not yet known to have been written may be the one that made it.
        assignment.created = previous.is_some_and(|previous| previous.created) || self.was_created(key);
        assignment.why.extend(expected.correlated.as_ref().map(|found| found.why.clone()));
        assignment.over.retain(|over| lane.iter().any(|order| order.id == over.order));
        let changes = self.values(expected, previous, coming.as_deref(), &mut assignment);
        let is_addition_declined = self.declined_as_a_whole(key, &changes, &mut assignment.over);

        let kind = match (assignment.proposed, coming.is_some()) {
            (true, _) => OrderKind::Association,
            (false, true) => OrderKind::Update,
            (false, false) => OrderKind::Addition,
        };
        let by_us = known_order::newest(lane).is_some_and(|order| {
            order.kind == OrderKind::Deletion && (order.is_under_way() || order.state == ProvisioningState::Verified)
        });
        let was_there = previous.is_some_and(|previous| previous.linked && previous.wish != Wish::Lose);
        let was_deleted_outside = coming.is_none() && was_there && !by_us;
        assignment.linked = !assignment.proposed
            && (current.is_some() || was_deleted_outside || (coming.is_some() && assignment.linked));
        let is_contradicted = current.is_none()
            && coming.is_some()
            && known_order::newest_written(lane).is_some_and(|order| {
                matches!(order.kind, OrderKind::Addition | OrderKind::Association) && order.had_to_show(self.seen_at)
            });
        let kept = self.decision(key).filter(|decision| decision.is_kept() && decision.current.is_none());
        match (kind, kept) {
            (_, Some(kept)) if was_deleted_outside || is_contradicted => {
                assignment.workflow = WorkflowState::Approved;
                assignment.note = format!("not in the managed system; its absence was approved by {}", kept.by());
                assignment.properties.values_mut().for_each(|property| property.workflow = WorkflowState::Approved);
            }
            _ if was_deleted_outside => {
                assignment.workflow = WorkflowState::NonConforming;
                assignment.note = "deleted in the managed system; not created again by itself".into();
            }
            _ if is_contradicted => {
                assignment.workflow = WorkflowState::NonConforming;
                assignment.state = ProvisioningState::Executed;
                assignment.note = "written, and a later synchronization does not show it".into();
            }
            (OrderKind::Addition, _) if expected.waits_for.is_some() => {
                assignment.note = format!("not created yet: {}", expected.waits_for.clone().unwrap_or_default());
            }
            (OrderKind::Addition, _) if !self.resource_type.allow_add => {
                assignment.note = "not created: allow_add is false; create it in the managed system".into();
            }
            (OrderKind::Addition, _) if is_addition_declined => {
                assignment.workflow = WorkflowState::Declined;
                assignment.state = ProvisioningState::Inactive;
                assignment.note =
                    "declined, and not proposed again until a proposed value changes, or it is taken away and given again"
                        .into();
            }
            (OrderKind::Addition | OrderKind::Association, _) => self.want(&mut assignment, expected, kind, changes),
            (OrderKind::Update | OrderKind::Deletion, _) if changes.is_empty() => {
                assignment.state = self.settled(&assignment.properties, current.is_some());
            }
            (OrderKind::Update | OrderKind::Deletion, _) => self.want(&mut assignment, expected, kind, changes),
        }
        if assignment.wanted.is_none() && assignment.state != ProvisioningState::Executed && coming.is_none() {
            assignment.properties.values_mut().for_each(|property| property.state = assignment.state);
        }
        assignment
    }

    /// A rule failed that leaves some values open of what is the owner's and is there: those stay as they are, and the
    /// rest is as the rules say. None where that is not so; then nothing is touched.
    pub(super) fn have_in_part(&self, expected: &ExpectedResource) -> Option<Assignment> {
        let (failure, key) = (expected.failure.as_ref()?, &expected.target_key);
        expected.open.as_ref()?;
        let previous = self.previous.filter(|previous| self.is_ours() && previous.target_key == *key)?;
        let is_there = (self.resource)(key).is_some() && self.coming(key).is_some();
        if !is_there || !(previous.linked || self.was_written(key)) || self.is_anothers(previous) {
            return None;
        }
        let mut assignment = self.have(expected);
        // An argument that cannot be told is the one that was last computed. Who asked for an order is said of that
        // one alone.
        for (name, argument) in
            previous.arguments.iter().filter(|(name, _)| ![ASKED_BY, AGAIN].contains(&name.as_str()))
        {
            assignment.arguments.entry(name.clone()).or_insert_with(|| argument.clone());
        }
        assignment.state = ProvisioningState::Error;
        assignment.note = failure.to_string();
        assignment.failure = Some(failure.clone());
        Some(assignment)
    }

    fn want(&self, assignment: &mut Assignment, expected: &ExpectedResource, kind: OrderKind, changes: Vec<Change>) {
        let of_value = |change: &Change| expected.values.get(change.property.as_str()).map(|value| value.confidence);
        let of_link = expected.correlated.as_ref().filter(|_| assignment.proposed).map(|found| found.confidence);
        let least = changes.iter().filter_map(of_value).chain(of_link).min();
        assignment.confidence = least.unwrap_or(CONFIDENT).min(CONFIDENT);
        assignment.state = match assignment.confidence < CONFIDENT {
            true => ProvisioningState::AwaitingApproval,
            false => self.open_state(),
        };
        if let Some(found) = assignment.correlated.as_ref().filter(|_| kind == OrderKind::Association) {
            let key = &expected.target_key;
            let decision = self.decided.all.and_then(|all| all.of_resource(&self.resource_type.target, key));
            let kept = decision.filter(|decision| decision.kept_for(self.owner) == Some(KeptFor::Nobody));
            let kept = kept.map(|kept| format!("; kept for nobody by {}", kept.by())).unwrap_or_default();
            let confidence = found.confidence;
            assignment.note = format!("an existing resource that may be the owner's: confidence {confidence}{kept}");
        }
        assignment.wanted = Some(Wanted { kind, changes });
        let again = asked_again((self.lane)(&expected.target_key), &assignment.over);
        assignment.arguments.extend(again.map(again_after));
    }

    /// Whether just this Addition was declined, and was wanted ever since. What was declined as a whole, and was wanted
    /// otherwise in between, goes to what is over.
    fn declined_as_a_whole(&self, key: &str, changes: &[Change], over: &mut Vec<Over>) -> bool {
        let newest = known_order::newest((self.lane)(key)).filter(|order| order.was_declined());
        let Some(newest) = newest else { return false };
        let is_wanted_still = self
            .previous
            .is_some_and(|before| matches!(before.wish, Wish::Have | Wish::Unknown) && before.target_key == *key);
        let whole = Over::whole(newest.id);
        let stands = match newest.kind {
            OrderKind::Addition => is_wanted_still && asks(&newest.changes) == asks(changes),
            OrderKind::Deletion => false,
            // That is remembered value by value, or for ever.
            OrderKind::Update | OrderKind::Association => return false,
        };
        if !stands && !over.contains(&whole) {
            over.push(whole.clone());
        }
        let is_decided = self.write_at(key).is_some_and(|since| since > newest.generated_at);
        stands && !is_decided && !over.contains(&whole)
    }

    /// Compares all values that rules speak of; what is to be changed.
    fn values(
        &self,
        expected: &ExpectedResource,
        previous: Option<&Assignment>,
        coming: Option<&BTreeMap<String, Value>>,
        assignment: &mut Assignment,
    ) -> Vec<Change> {
        let key = &expected.target_key;
        let (current, lane) = ((self.resource)(key), (self.lane)(key));
        let no_link = ExpectedValue::default();
        let no_links = ExpectedValue { value: Some(Value::List(vec![])), ..ExpectedValue::default() };
        // Links that were ours stay ours when their last rule goes: nobody else would take them away.
        let ruleless = previous.iter().flat_map(|previous| &previous.properties).filter_map(|(name, before)| {
            let (name, property) = (name.as_str(), self.target.property(name)?);
            let is_link = property.navigates_to().is_some();
            let is_ruled = expected.values.contains_key(name) || expected.leaves_open(name);
            let is_left = is_link && !before.granted.is_empty() && !is_ruled;
            is_left.then_some((property, if property.multi_valued { &no_links } else { &no_link }))
        });
        let certain = expected.values.iter().filter(|(name, _)| !expected.leaves_open(name));
        let ruled = certain.filter_map(|(name, value)| Some((self.target.property(name)?, value)));
        for name in expected.open.iter().flatten() {
            let before = previous.and_then(|previous| previous.properties.get(&**name));
            let kept = before.map(|before| AssignedProperty { state: ProvisioningState::Error, ..before.clone() });
            assignment.properties.extend(kept.map(|kept| (name.to_string(), kept)));
        }
        let mut changes = Vec::new();
        let mut newest = self.decision(key).filter(|decision| coming.is_none() && decision.verdict == Verdict::Write);
        for (property, value) in ruled.chain(ruleless) {
            let name = &*property.name;
            let shown = current.and_then(|values| values.get(name));
            if let Some(found) = expected.correlated.as_ref().filter(|_| property.name == self.target.key) {
                assignment.properties.insert(name.to_owned(), self.found_key(property, found, key, shown));
                continue;
            }
            let mut question = Question {
                property,
                value,
                comparisons: self.comparisons,
                previous: previous.and_then(|previous| previous.properties.get(name)),
                current: shown,
                is_there: current.is_some(),
                coming,
                lane,
                open_state: self.open_state(),
                is_first: self.previous.is_none(),
                is_found: !assignment.created,
                seen_at: self.seen_at,
                over: vec![],
                decisions: self.decided.on_property(&self.resource_type.name, key, name).collect(),
                discards_manual: self.resource_type.discard_manual_assignments,
            };
            let ended = question.ended();
            assignment.over.extend(ended);
            assignment.over.sort();
            assignment.over.dedup();
            let of_it = assignment.over.iter().filter(|over| over.property.as_deref() == Some(name));
            question.over = of_it.cloned().collect();
            let Compared { assigned, changes: of_property } = compare(&question);
            let is_ruleless = !expected.values.contains_key(name);
            if is_ruleless && assigned.granted.is_empty() && of_property.is_empty() {
                // Nothing of it is left, and no rule speaks of it: the next computation would not know it.
                continue;
            }
            let by = of_property.iter().filter_map(|change| question.write_decision(change));
            newest = newest.into_iter().chain(by).max_by_key(|decision| decision.sequence);
            changes.extend(of_property);
            assignment.properties.insert(name.to_owned(), assigned);
        }
        assignment.arguments.extend(newest.map(asked_by));
        changes
    }

    /// The key of an existing resource stays what it is, whatever rules say.
    fn found_key(&self, property: &Property, found: &Correlated, key: &str, shown: Option<&Value>) -> AssignedProperty {
        let value = shown.cloned().or_else(|| property.value_type().read(key).ok());
        let state = if shown.is_some() { ProvisioningState::Verified } else { ProvisioningState::Executed };
        AssignedProperty {
            policy: value.clone(),
            current: shown.cloned(),
            workflow: WorkflowState::PreExisting,
            state,
            why: vec![found.why.clone()],
            granted: vec![],
            conformed: value,
            has_conformed: shown.is_some(),
            strange: vec![],
            missing: vec![],
            spent: vec![],
        }
    }

    /// Nobody confirmed yet that the resource is the owner's.
    fn is_proposed(&self, key: &str, found: &Correlated) -> bool {
        let is_confirming = |order: &KnownOrder| {
            order.kind == OrderKind::Association
                && order.is_of(self.owner)
                && (order.is_under_way() || order.state == ProvisioningState::Verified)
        };
        let is_linked =
            self.previous.is_some_and(|previous| previous.target_key == *key && previous.linked && previous.is_ours());
        found.confidence < CONFIDENT && !is_linked && !(self.lane)(key).iter().any(is_confirming)
    }

    /// The worst of what has settled: all Verified, or some only Executed. What cannot be read back
    /// has come as far as it can.
    fn settled(&self, properties: &BTreeMap<String, AssignedProperty>, is_there: bool) -> ProvisioningState {
        let is_verified = |(name, property): (&String, &AssignedProperty)| {
            property.state != ProvisioningState::Executed
                || self.target.property(name).is_some_and(|property| property.write_only)
        };
        if is_there && properties.iter().all(is_verified) {
            ProvisioningState::Verified
        } else {
            ProvisioningState::Executed
        }
    }

    /// The key's value changed: the resource of the old key is not given up, and no second one is
    /// made or taken over beside it, until somebody renames it in the managed system. One that was only
    /// ordered is cancelled first: its order may be written until that is done.
    pub(super) fn renamed(&self, expected: &ExpectedResource, previous: &Assignment) -> Option<Assignment> {
        let (old, new) = (&previous.target_key, &expected.target_key);
        if old == new || !self.is_ours() || self.is_anothers(previous) {
            return None;
        }
        // What was only ordered, and is there by another hand, was never ours.
        let is_there = self.coming(old).is_some() && (previous.linked || self.was_written(old));
        // An existing one was found meanwhile: what nobody can take without a review is cancelled on the way.
        let is_reviewed = |order: &KnownOrder| {
            !order.is_of(self.owner) || !order.may_be_written() || order.state == ProvisioningState::AwaitingApproval
        };
        if !is_there && expected.correlated.is_some() && (self.lane)(old).iter().all(is_reviewed) {
            return None;
        }
        if !is_there {
            let note = format!("the key changed from '{old}' to '{new}': the order for '{old}' is cancelled first");
            let kept = || Assignment { note, why: expected.why.clone(), ..self.base(old, Wish::Lose) };
            return self.has_open_order(old).then(kept);
        }
        let failure = RuleFailure {
            rule: format!("resource type {} / scalar {}", self.resource_type.name, self.target.key),
            property: Some(self.target.key.to_string()),
            input: format!("was '{old}', is '{new}'"),
            message: format!(
                "the key changed from '{old}' to '{new}': rename it in the managed system, or mend the source"
            ),
        };
        Some(Assignment {
            state: ProvisioningState::Error,
            note: failure.to_string(),
            failure: Some(failure),
            wish: Wish::Unknown,
            wanted: None,
            linked: true,
            ours: true,
            ..previous.clone()
        })
    }
}

/// What an order asks for, whatever is there and in which order.
fn asks(changes: &[Change]) -> Vec<(&str, ChangeOperation, Option<Value>)> {
    let ask = |change: &'_ Change| change.proposed.as_ref().map(Value::canonical);
    let mut asks: Vec<_> =
        changes.iter().map(|change| (change.property.as_str(), change.operation, ask(change))).collect();
    asks.sort();
    asks
}
