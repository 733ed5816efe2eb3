//! Why an owner has a resource of some type, and why not: what the rules say, what stands between them and the
//! managed system, and what was found there.

use super::causes::{considered, decisive, failed};
use super::{Answer, Ask, Cause, CauseKind, Kept, Kind, Line, OrderSeen, Rival, Standing, words};
use crate::model::assign::{Assignment, Wish};
use crate::model::catalog::{CONFIDENT, ResourceType};
use crate::model::evaluate::{Considered, ExistingSeen, Finding, Outcome, ResourceTypeSeen};
use provost_domain::{InactiveReason, ProvisioningState, Reason, RuleFailure, WorkflowState};

impl Ask<'_> {
    /// Explains a resource type with all of its properties; none when owners of this kind cannot have one of that
    /// name.
    pub fn resource_type(&self, name: &str) -> Option<Answer> {
        let kind = self.catalog.resource_type(name).filter(|kind| *kind.owner == *self.owner.entity_type)?;
        let all: Vec<&Assignment> = self.today.iter().filter(|one| one.resource_type == name).collect();
        let first = all.iter().find(|one| one.slot.is_empty() && !one.found).or_else(|| all.first()).copied();
        let mut answer = self.resource(kind, first);
        answer.parts = self.properties(kind, first);
        let others = all.iter().filter(|one| first.is_none_or(|first| !std::ptr::eq(**one, first)));
        let others = others.map(|one| {
            let mut other = self.resource(kind, Some(one));
            other.considered.clear();
            other
        });
        answer.parts.extend(others);
        Some(answer)
    }

    pub(super) fn seen_type(&self, name: &str) -> Option<&ResourceTypeSeen> {
        self.seen?.resource_types.iter().find(|seen| *seen.resource_type == *name)
    }

    pub(super) fn kept_of(&self, assignment: &Assignment) -> Option<&Kept> {
        let same = |kept: &&Kept| {
            kept.assignment.resource_type == assignment.resource_type
                && (kept.assignment.target_key == assignment.target_key || assignment.target_key.is_empty())
        };
        self.kept.iter().find(same)
    }

    fn resource(&self, kind: &ResourceType, assignment: Option<&Assignment>) -> Answer {
        let name = &*kind.name;
        let seen = self.seen_type(name);
        let prefix = format!("resource type {name} / ");
        let (lines, mut causes) = seen.map(|seen| considered(&seen.considered, &prefix, self.now)).unwrap_or_default();
        let (standing, sentence) = self.stands(kind, seen, assignment);
        let mut answer = Answer::new(Kind::ResourceType, name, &kind.display_name, standing, sentence);
        answer.considered = lines;
        if let Some(seen) = seen {
            answer.considered.extend(seen.correlation.iter().map(|rule| looked(rule, &prefix)));
            causes.extend(seen.existing.iter().filter_map(|one| self.not_taken(kind, one, assignment, &prefix)));
        }
        if let Some(Outcome::Given { period, workflow }) = seen.map(|seen| &seen.outcome) {
            (answer.period, answer.workflow) = (*period, Some(*workflow));
        }
        if self.seen.is_none() {
            causes.push(self.gone());
        }
        let outcome_failure = match seen.map(|seen| &seen.outcome) {
            Some(Outcome::Failed(failure)) => Some(failure),
            _ => None,
        };
        let failure = assignment.and_then(|one| one.failure.as_ref()).or(outcome_failure);
        if let Some(failure) = failure.filter(|_| causes.iter().all(|cause| cause.kind != CauseKind::RuleFailed)) {
            causes.push(failed(failure));
        }
        if seen.is_some_and(|seen| seen.considered.is_empty()) {
            causes.push(Cause::new(CauseKind::NoRule, "no rule gives it".to_owned()));
        }
        if let Some(assignment) = assignment {
            answer.target_key.clone_from(&assignment.target_key);
            answer.workflow = Some(assignment.workflow);
            let kept = self.kept_of(assignment);
            let order = kept.and_then(|kept| kept.order.as_ref());
            answer.state = match order.filter(|order| !order.state.is_final()) {
                Some(order) => order.state,
                None => assignment.state,
            };
            answer.order_id = order.map(|order| order.id.clone()).unwrap_or_default();
            causes.extend(self.between(kind, assignment, kept));
        }
        causes.extend(self.said_of(name, None));
        if matches!(standing, Standing::HasNot | Standing::NoLonger) && assignment.is_none() {
            causes.push(Self::requestable(kind.approval));
        }
        answer.causes = decisive(causes, standing);
        answer
    }

    fn stands(
        &self,
        kind: &ResourceType,
        seen: Option<&ResourceTypeSeen>,
        assignment: Option<&Assignment>,
    ) -> (Standing, String) {
        let (who, name) = (words::who(self.owner), &*kind.name);
        let Some(assignment) = assignment else {
            return match seen.map(|seen| &seen.outcome) {
                Some(Outcome::Failed(_)) => {
                    (Standing::Unknown, format!("Nobody knows whether {who} shall have {name}: a rule failed."))
                }
                _ => (Standing::HasNot, format!("{who} does not have {name}.")),
            };
        };
        let key = match assignment.target_key.as_str() {
            "" => String::new(),
            key => format!(" '{key}'"),
        };
        let period = assignment.period;
        if assignment.has_failed() && assignment.wish == Wish::Have {
            let sentence = format!("{who} has {name}{key}; what a rule that failed speaks of stays as it is.");
            return (Standing::Has, sentence);
        }
        if assignment.has_failed() {
            return (Standing::Unknown, format!("Nobody knows what {who} shall have of {name}: a rule failed."));
        }
        match assignment.wish {
            Wish::Have if assignment.wanted.is_some() && assignment.linked => {
                (Standing::Has, format!("{who} has {name}{key}, and not all of it is as the rules say."))
            }
            Wish::Have if assignment.wanted.is_some() || self.waits_for(kind).is_some() => {
                (Standing::Waits, format!("{who} shall have {name}{key}, and it is not there yet."))
            }
            Wish::Have if assignment.note.is_empty() => (
                Standing::Has,
                format!("{who} has {name}{key}{} ({}).", words::while_it_lasts(period), assignment.state),
            ),
            Wish::Have => (Standing::HasNot, format!("{who} shall have {name}{key}, and it is not there.")),
            Wish::Lose if assignment.wanted.is_some() || assignment.note.is_empty() => {
                (Standing::Leaves, format!("{who} no longer gets {name}{key}: it is taken away."))
            }
            Wish::Lose => (Standing::Leaves, format!("{who} no longer gets {name}{key}, and it is still there.")),
            Wish::Later => {
                (Standing::NotYet, format!("{who} does not have {name}{key} yet: from {} on.", words::from(period)))
            }
            Wish::Behind => (Standing::Waits, format!("{who} shall have {name}{key}, and it is not there yet.")),
            Wish::Past => {
                (Standing::NoLonger, format!("{who} has {name}{key} no longer, since {}.", words::until(period)))
            }
            Wish::Found => (Standing::Found, format!("{name}{key} looks like one of {who}, and no rule gives it.")),
            Wish::Gone => (Standing::HasNot, format!("{who} had {name}{key}, and it is gone.")),
            Wish::Unknown => {
                (Standing::Unknown, format!("Nobody knows what {who} shall have of {name}: a rule failed."))
            }
        }
    }

    fn waits_for(&self, kind: &ResourceType) -> Option<&str> {
        let expected = self.seen?.expected.resources.iter().find(|resource| resource.resource_type == kind.name)?;
        expected.waits_for.as_deref()
    }

    /// What stands between what the rules say and the managed system.
    fn between(&self, kind: &ResourceType, assignment: &Assignment, kept: Option<&Kept>) -> Vec<Cause> {
        let mut causes = Vec::new();
        causes.extend(self.note(kind, assignment, kept));
        causes.extend(sureness(assignment));
        if assignment.wish == Wish::Later && kind.fulfill_ahead_hours > 0 {
            let ahead = format!("its order may go out {} hours before its time begins", kind.fulfill_ahead_hours);
            causes.push(Cause::new(CauseKind::NotYet, ahead));
        }
        let order = kept.and_then(|kept| kept.order.as_ref());
        if let Some(order) = order.filter(|order| !order.state.is_final()) {
            causes.push(on_its_way(order));
        }
        if assignment.wanted.is_none() {
            return causes;
        }
        let was_computed = kept
            .is_some_and(|kept| kept.assignment.wish == assignment.wish && kept.assignment.wanted == assignment.wanted);
        let is_ordered = order.is_some_and(|order| !order.state.is_final());
        if !was_computed {
            let stale = "the role model was not computed since its data or the catalog changed";
            causes.push(Cause::new(CauseKind::NotComputed, stale.to_owned()));
        } else if !is_ordered {
            causes.push(self.not_ordered());
        }
        causes.extend(self.prerequisite(kind, assignment));
        causes
    }

    /// What the comparison noted, by what kind of thing it is.
    fn note(&self, kind: &ResourceType, assignment: &Assignment, kept: Option<&Kept>) -> Option<Cause> {
        let note = match assignment.note.as_str() {
            "" => return None,
            // The failure says it.
            _ if assignment.has_failed() => return None,
            note => note.to_owned(),
        };
        let is_absent = assignment.wish == Wish::Have && !assignment.linked && assignment.wanted.is_none();
        let declined = || {
            let order = kept.and_then(|kept| kept.order.as_ref());
            order.filter(|order| order.inactive_reason == Some(InactiveReason::Declined))
        };
        Some(match (assignment.wish, assignment.workflow) {
            (Wish::Later | Wish::Past, _) if assignment.wish == Wish::Later => Cause::new(CauseKind::NotYet, note),
            (Wish::Past, _) => Cause::new(CauseKind::Over, note),
            (Wish::Behind, _) => Cause::new(CauseKind::Decision, note),
            (Wish::Unknown, _) => return None,
            _ if is_absent && self.waits_for(kind).is_some() => Cause::new(CauseKind::WaitsForValue, note),
            (_, WorkflowState::Declined) => match declined() {
                Some(OrderSeen { id, declined: Some((by, at, comment)), .. }) => {
                    let sentence = format!("{note}; by {by} on {}{}", words::at(*at), words::comment(comment));
                    Cause::new(CauseKind::ReviewDeclined, sentence).done(by, *at).about(id)
                }
                order => {
                    let id = order.map(|order| order.id.as_str()).unwrap_or_default();
                    Cause::new(CauseKind::ReviewDeclined, note).about(id)
                }
            },
            _ if is_absent && !kind.allow_add => Cause::new(CauseKind::AddNotAllowed, note),
            (_, WorkflowState::Approved | WorkflowState::Cancellation) => Cause::new(CauseKind::Decision, note),
            (Wish::Lose, WorkflowState::NonConforming)
                if !kind.allow_remove || (assignment.orphaned && !kind.remove_orphans) =>
            {
                Cause::new(CauseKind::RemoveNotAllowed, note)
            }
            _ => Cause::new(CauseKind::Found, note),
        })
    }

    /// Why a difference has no order yet.
    pub(super) fn not_ordered(&self) -> Cause {
        match self.blocked {
            None => Cause::new(CauseKind::NotGenerated, "no order was generated yet".to_owned()),
            Some(blocked) => {
                let sentence = format!(
                    "the generation of {} by {} was blocked, and nothing was submitted: {}; a person resumes it, or \
                     lets it go",
                    words::at(blocked.at),
                    blocked.actor,
                    blocked.breaches.join("; ")
                );
                Cause::new(CauseKind::Threshold, sentence).done(&blocked.actor, blocked.at).about(&blocked.run)
            }
        }
    }

    /// The resource that must be there first, and is not.
    fn prerequisite(&self, kind: &ResourceType, assignment: &Assignment) -> Option<Cause> {
        let needed = kind.depends_on.as_deref().filter(|_| assignment.wish == Wish::Have && !assignment.linked)?;
        let has = self.today.iter().find(|one| one.resource_type == needed && one.wish == Wish::Have);
        let is_there = has.is_some_and(|one| one.linked || one.state == ProvisioningState::Executed);
        let order = has.and_then(|one| self.kept_of(one)).and_then(|kept| kept.order.as_ref());
        let order = order.filter(|order| !order.state.is_final());
        let why = match (is_there, has, order) {
            (true, ..) => return None,
            (false, None, _) => "which the owner does not have".to_owned(),
            (false, Some(_), Some(order)) => {
                format!("which is not there yet: order {} is {}", order.id, words::state(order.state, &order.said))
            }
            (false, Some(one), None) if !one.note.is_empty() => format!("which is not there: {}", one.note),
            (false, Some(_), None) => "which is not there yet".to_owned(),
        };
        let id = order.map(|order| order.id.as_str()).unwrap_or_default();
        Some(Cause::new(CauseKind::WaitsForResource, format!("it depends on {needed}, {why}")).about(id))
    }

    /// Why an existing resource that may be the owner's, or would be, is not the one that the owner has, or gets.
    fn not_taken(
        &self,
        kind: &ResourceType,
        existing: &ExistingSeen,
        assignment: Option<&Assignment>,
        prefix: &str,
    ) -> Option<Cause> {
        let is_of_them = |one: &Assignment| one.target_key == existing.key && one.failure.is_none() && !one.found;
        if assignment.is_some_and(is_of_them) {
            return None;
        }
        let why = match (&existing.refusal, assignment) {
            (Some(refusal), _) => refusal.clone(),
            (None, Some(one)) if one.linked && one.target_key != existing.key => {
                format!("the owner has '{}' already", one.target_key)
            }
            // The failure says it, or no rule gives one.
            (None, Some(one)) if one.failure.is_some() || one.found => return None,
            (None, Some(one)) if one.wish == Wish::Have => self.whose(kind, existing),
            (None, _) => return None,
        };
        let by = existing.why.rule.strip_prefix(prefix).unwrap_or(&existing.why.rule);
        let sentence = format!(
            "{} '{}' exists and was found by {by} ({}), and is not taken: {why}",
            kind.target, existing.key, existing.why.detail
        );
        Some(Cause::new(CauseKind::Found, sentence))
    }

    /// Who has an existing resource that this owner does not get, and how sure that is.
    fn whose(&self, kind: &ResourceType, existing: &ExistingSeen) -> String {
        let is_it = |rival: &&Rival| rival.entity_type == *kind.target && rival.key == existing.key;
        let rivals: Vec<&Rival> = self.rivals.iter().filter(is_it).collect();
        let [Rival { owner, correlated, is_proposed, .. }] = rivals.as_slice() else {
            // Nobody was computed to have it yet; or two claim it, and then it is a failure of both.
            return "somebody else has it, or is surer of it".to_owned();
        };
        let who = words::who(owner);
        let Some(found) = correlated else {
            return format!("{who} has it: it stands under the key that the rules give {who}");
        };
        let stand = match (found.confidence > existing.confidence, is_proposed) {
            (true, _) => "is surer of it",
            (false, true) => "may get it",
            (false, false) => "has it",
        };
        let Reason { rule, detail } = &found.why;
        format!("{who} {stand}: {rule} ({detail}), confidence {}", found.confidence)
    }
}

/// What a rule found that looks for existing resources, in a sentence.
fn looked(rule: &Considered, prefix: &str) -> Line {
    let name = rule.rule.strip_prefix(prefix).unwrap_or(&rule.rule);
    let saw = words::comment(&rule.saw);
    let sentence = match &rule.finding {
        Finding::Failed(failure) => failed(&RuleFailure { rule: name.to_owned(), ..failure.clone() }).sentence,
        Finding::DoesNotApply => format!("{name} finds nothing{saw}"),
        _ => format!("{name} finds what exists{saw}"),
    };
    Line { considered: rule.clone(), sentence }
}

/// The order that is under way.
pub(super) fn on_its_way(order: &OrderSeen) -> Cause {
    let sentence = format!("order {}, its {}, is {}", order.id, order.kind, words::state(order.state, &order.said));
    Cause::new(CauseKind::Order, sentence).about(&order.id)
}

/// How sure it is that the resource is this owner's, or its values.
fn sureness(assignment: &Assignment) -> Option<Cause> {
    let below = |confidence| if confidence < CONFIDENT { "; below 100 a person looks at it first" } else { "" };
    if let Some(found) = &assignment.correlated {
        let sentence = format!(
            "the existing resource was found by {}: {}, confidence {}{}",
            found.why.rule,
            found.why.detail,
            found.confidence,
            below(found.confidence)
        );
        return Some(Cause::new(CauseKind::Confidence, sentence));
    }
    let confidence = assignment.confidence;
    (confidence < CONFIDENT).then(|| {
        let sentence = format!("the least sure rule behind it has confidence {confidence}{}", below(confidence));
        Cause::new(CauseKind::Confidence, sentence)
    })
}
