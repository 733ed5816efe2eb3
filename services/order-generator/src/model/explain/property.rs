//! Why a property of an owner's resource is what it is, and why a value that somebody expected is not there.

use super::causes::{considered, decisive};
use super::resource_type::on_its_way;
use super::{Answer, Ask, Cause, CauseKind, Kind, Standing, words};
use crate::model::assign::{AssignedProperty, Assignment, Wish};
use crate::model::catalog::{Property, ResourceType};
use crate::model::evaluate::{Considered, Finding, PropertySeen};
use provost_domain::{Value, WorkflowState};

impl Ask<'_> {
    /// Explains a property of a resource type, or one value of it; none when there is no such property.
    pub fn property(&self, resource_type: &str, property: &str, value: Option<&str>) -> Option<Answer> {
        let kind = self.catalog.resource_type(resource_type)?;
        let kind = Some(kind).filter(|kind| *kind.owner == *self.owner.entity_type)?;
        let declared = self.catalog.entity_type(&kind.target)?.property(property)?;
        let all: Vec<&Assignment> = self.today.iter().filter(|one| one.resource_type == resource_type).collect();
        let first = all.iter().find(|one| one.slot.is_empty() && !one.found).or_else(|| all.first()).copied();
        Some(match first {
            Some(assignment) => self.of_resource(kind, declared, assignment, value),
            None => self.without_resource(kind, declared, value)?,
        })
    }

    /// All properties of a resource that rules speak of, or that it was found with.
    pub(super) fn properties(&self, kind: &ResourceType, assignment: Option<&Assignment>) -> Vec<Answer> {
        let (Some(assignment), Some(target)) = (assignment, self.catalog.entity_type(&kind.target)) else {
            return vec![];
        };
        let spoken_of = |name: &str| {
            let seen = self.seen_type(&kind.name);
            assignment.properties.contains_key(name)
                || seen.is_some_and(|seen| seen.properties.iter().any(|one| *one.property == *name))
        };
        let properties = target.properties.iter().filter(|property| spoken_of(&property.name));
        properties.map(|property| self.of_resource(kind, property, assignment, None)).collect()
    }

    /// There is no resource that could hold the property.
    fn without_resource(&self, kind: &ResourceType, property: &Property, value: Option<&str>) -> Option<Answer> {
        let whole = self.resource_type(&kind.name)?;
        let what = told(property, value);
        let sentence = format!("{} has no {what}, for want of {}.", words::who(self.owner), kind.name);
        let mut answer = self.empty(kind, property, whole.standing, sentence);
        let why = Cause::new(CauseKind::NoResource, whole.sentence.trim_end_matches('.').to_owned());
        answer.causes = std::iter::once(why).chain(whole.causes).collect();
        answer.considered = whole.considered;
        answer.period = whole.period;
        Some(answer)
    }

    fn empty(&self, kind: &ResourceType, property: &Property, standing: Standing, sentence: String) -> Answer {
        let mut answer = Answer::new(Kind::Property, &kind.name, &kind.display_name, standing, sentence);
        property.name.as_ref().clone_into(&mut answer.property);
        answer.is_withheld = property.sensitive || property.write_only;
        answer
    }

    fn of_resource(
        &self,
        kind: &ResourceType,
        property: &Property,
        assignment: &Assignment,
        value: Option<&str>,
    ) -> Answer {
        let name = &*property.name;
        let seen =
            self.seen_type(&kind.name).and_then(|seen| seen.properties.iter().find(|one| *one.property == *name));
        let assigned = assignment.properties.get(name);
        let is_withheld = property.sensitive || property.write_only;
        let shown = |value: Option<&Value>| value.filter(|_| !is_withheld).cloned();
        let ruled = seen.and_then(|seen| seen.value.as_ref());
        let policy = assigned.and_then(|assigned| assigned.policy.as_ref()).or(ruled);
        let current = assigned.and_then(|assigned| assigned.current.as_ref());
        let spoken = Spoken { kind, property, assignment, assigned, policy, current, value };
        let (standing, sentence) = self.told_of(&spoken, seen);
        let mut answer = self.empty(kind, property, standing, sentence);
        answer.target_key.clone_from(&assignment.target_key);
        (answer.proposed, answer.current) = (shown(policy), shown(current));
        answer.period = assignment.period;
        if let Some(assigned) = assigned {
            (answer.workflow, answer.state) = (Some(assigned.workflow), assigned.state);
        }
        let prefix = format!("resource type {} / ", kind.name);
        let is_about = |one: &&Considered| value.is_none_or(|value| speaks_of(one, value));
        let about: Vec<Considered> =
            seen.map(|seen| seen.considered.iter().filter(is_about).cloned().collect()).unwrap_or_default();
        let (lines, mut causes) = considered(&about, &prefix, self.now);
        answer.considered = lines;
        if about.is_empty() {
            causes.push(self.no_rule(&spoken, seen));
        }
        causes.extend(self.between_property(&spoken));
        causes.extend(self.said_of(&kind.name, Some(name)));
        if let Some(order) = self.kept_of(assignment).and_then(|kept| kept.order.as_ref()) {
            let touches = order.properties.iter().any(|touched| touched == name);
            if touches && !order.state.is_final() {
                answer.state = order.state;
                answer.order_id.clone_from(&order.id);
            }
        }
        answer.causes = decisive(causes, standing);
        answer
    }

    fn told_of(&self, spoken: &Spoken<'_>, seen: Option<&PropertySeen>) -> (Standing, String) {
        let Spoken { kind, property, assignment, assigned, policy, current, value } = *spoken;
        let is_withheld = property.sensitive || property.write_only;
        let of = format!("{} '{}' of {}", kind.name, assignment.target_key, words::who(self.owner));
        let what = told(property, value);
        if assignment.failure.is_some() && (assignment.found || assignment.leaves_open(&property.name)) {
            return (Standing::Unknown, format!("Nobody knows what {what} of {of} shall be: a rule failed."));
        }
        if assignment.wish != Wish::Have {
            let standing = match assignment.wish {
                Wish::Later => Standing::NotYet,
                Wish::Behind => Standing::Waits,
                Wish::Past => Standing::NoLonger,
                Wish::Lose => Standing::Leaves,
                Wish::Found => Standing::Found,
                _ => Standing::HasNot,
            };
            return (standing, format!("{what} of {of} follows the resource, which the owner shall not have now."));
        }
        let Some(value) = value else {
            let is_ruled = seen.is_some() || assigned.is_some_and(|assigned| assigned.policy.is_some());
            return match (is_ruled, is_withheld) {
                (false, true) => (Standing::HasNot, format!("No rule speaks of {what} of {of}.")),
                (false, false) => {
                    (Standing::HasNot, format!("No rule speaks of {what} of {of}; it is {}.", words::value(current)))
                }
                (true, true) if is_same(policy, current) || property.write_only => {
                    (Standing::Has, format!("{what} of {of} is what the rules say (its value is confidential)."))
                }
                (true, true) => {
                    (Standing::Waits, format!("{what} of {of} is not what the rules say (its value is confidential)."))
                }
                (true, false) if is_same(policy, current) => {
                    (Standing::Has, format!("{what} of {of} is {}, as the rules say.", words::value(policy)))
                }
                (true, false) => {
                    let (shall, is) = (words::value(policy), words::value(current));
                    (Standing::Waits, format!("{what} of {of} shall be {shall}, and is {is}."))
                }
            };
        };
        if is_withheld {
            return (Standing::Unknown, format!("{} of {of} is confidential.", property.name));
        }
        match (holds(policy, value), holds(current, value)) {
            (true, true) => (Standing::Has, format!("{what} of {of} is there, as the rules say.")),
            (true, false) => (Standing::Waits, format!("{what} of {of} is wanted, and is not there yet.")),
            (false, true) => (Standing::Found, format!("{what} of {of} is there, and no rule gives it now.")),
            (false, false) => (Standing::HasNot, format!("{what} of {of} is not there, and no rule gives it now.")),
        }
    }

    fn no_rule(&self, spoken: &Spoken<'_>, seen: Option<&PropertySeen>) -> Cause {
        let sentence = match (spoken.value, seen) {
            (None, _) => "no rule speaks of it; what is there stays".to_owned(),
            (Some(value), None) => format!("no rule speaks of {}, nor of '{value}'", spoken.property.name),
            (Some(value), Some(_)) => format!("no rule of {} gives '{value}'", spoken.property.name),
        };
        Cause::new(CauseKind::NoRule, sentence)
    }

    /// What stands between what the rules say of a property and the managed system.
    fn between_property(&self, spoken: &Spoken<'_>) -> Vec<Cause> {
        let Spoken { property, assignment, assigned, policy, current, .. } = *spoken;
        let (name, mut causes) = (&*property.name, Vec::new());
        let Some(assigned) = assigned else { return causes };
        let found = match assigned.workflow {
            WorkflowState::NonConforming => {
                Some((CauseKind::Found, "what is there differs from the rules, and nobody decided on it"))
            }
            WorkflowState::PreExisting => Some((CauseKind::Found, "it was there before the rules")),
            WorkflowState::Questioned => {
                Some((CauseKind::Decision, "a person let it be so, and the source changed since: it is questioned"))
            }
            WorkflowState::Approved => Some((CauseKind::Decision, "a person let it be so")),
            WorkflowState::Declined => {
                Some((CauseKind::ReviewDeclined, "it was declined, and is not proposed again until its value changes"))
            }
            _ => None,
        };
        causes.extend(found.map(|(kind, sentence)| Cause::new(kind, sentence.to_owned())));
        let order = self.kept_of(assignment).and_then(|kept| kept.order.as_ref());
        let order = order.filter(|order| order.properties.iter().any(|touched| touched == name));
        let is_wanted = assignment
            .wanted
            .as_ref()
            .is_some_and(|wanted| wanted.changes.iter().any(|change| change.property == name));
        match order {
            Some(order) if !order.state.is_final() => causes.push(on_its_way(order)),
            _ if is_wanted && !is_same(policy, current) => causes.push(self.not_ordered()),
            _ if assignment.wanted.is_none() && !assignment.linked && !assignment.note.is_empty() => {
                causes.push(Cause::new(CauseKind::NoResource, assignment.note.clone()));
            }
            _ => {}
        }
        causes
    }
}

/// What an answer on a property is made from.
#[derive(Clone, Copy)]
struct Spoken<'s> {
    kind: &'s ResourceType,
    property: &'s Property,
    assignment: &'s Assignment,
    assigned: Option<&'s AssignedProperty>,
    policy: Option<&'s Value>,
    current: Option<&'s Value>,
    value: Option<&'s str>,
}

fn told(property: &Property, value: Option<&str>) -> String {
    match value.filter(|_| !property.sensitive && !property.write_only) {
        Some(value) => format!("{} '{value}'", property.name),
        None => property.name.to_string(),
    }
}

fn is_same(policy: Option<&Value>, current: Option<&Value>) -> bool {
    let canonical = |value: Option<&Value>| {
        value.map(Value::canonical).filter(|value| !matches!(value, Value::List(items) if items.is_empty()))
    };
    canonical(policy) == canonical(current)
}

fn holds(value: Option<&Value>, one: &str) -> bool {
    value.is_some_and(|value| value.items().iter().any(|item| item.to_string() == one))
}

/// A navigation rule names what it links, and says nothing of anything else; all other rules may yield anything.
fn speaks_of(considered: &Considered, value: &str) -> bool {
    match considered.rule.split_once(" -> ") {
        Some((_, target)) => target == value || matches!(&considered.finding, Finding::Failed(_)),
        None => true,
    }
}
