//! Whether somebody asked for what an order touches: a rule that gives it, a rule that gave it and no longer does, or
//! a person's decision.
//!
//! Goes by what each computation said and what is in the managed systems, and by nothing that the order says of
//! itself. The rule that must hold: what is forgiven here, some rule, source change or decision explains.

use crate::support::random::people::Decided;
use crate::support::side::Side;
use provost_contract::from_wire;
use provost_contract::generator::v1::*;
use provost_domain::{Change, ChangeOperation, Order, OrderKind, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Confidential, so that nobody tells what it is.
const SENSITIVE: &str = "pin";

/// Whose, by which resource type, of which resource.
type Place = (String, String, String);

/// What the rules said of one property.
#[derive(Default)]
struct Known {
    /// What they give now.
    policy: Option<Value>,
    /// All that they ever gave.
    gave: BTreeSet<String>,
    /// What was there, and wanted, and is wanted still.
    conformed: BTreeSet<String>,
    /// Somebody decided to write it, and rules have said nothing else since.
    is_to_be_written: bool,
    /// Somebody decided to keep what was there instead of this.
    kept: Option<Option<Value>>,
}

/// What is known of who asked for what.
#[derive(Default)]
pub struct Asked {
    known: BTreeMap<(Place, String), Known>,
    /// Whose rules gave which resource: entity type and key.
    given: BTreeSet<(String, String, String)>,
    /// What people last decided on a resource: entity type and key.
    decided: BTreeMap<(String, String), ReconciliationVerdict>,
    /// Owners of whom a role was taken by a decision.
    without_role: BTreeSet<String>,
}

fn entity_type(resource_type: &str) -> &'static str {
    match resource_type {
        "SafeAccess" | "DeviceSafe" => "Safe",
        "Badge-of" => "Badge",
        _ => "Account",
    }
}

/// As it is compared here: no comparison of a catalog tells apart what is equal by this.
fn simple(value: &Value) -> String {
    value.to_string().to_lowercase().replace('é', "e").chars().filter(|one| one.is_alphanumeric()).collect()
}

fn simples(value: Option<&Value>) -> BTreeSet<String> {
    let items = value.map(|value| value.items().to_vec()).unwrap_or_default();
    items.iter().map(simple).filter(|text| !text.is_empty()).collect()
}

fn domain(value: Option<&provost_contract::types::v1::Value>) -> Option<Value> {
    let mut wrong = provost_contract::Violations::default();
    from_wire::value("value", value?.clone(), &mut wrong)
}

impl Asked {
    /// Notes what a computation said.
    pub async fn note(&mut self, side: &Side, owners: &BTreeSet<(&'static str, String)>) {
        let mut seen: BTreeSet<Place> = BTreeSet::new();
        for (owner_entity_type, owner_key) in owners {
            let owner_entity_type = (*owner_entity_type).to_owned();
            let request = ListAssignmentsRequest { owner_entity_type, owner_key: owner_key.clone() };
            // Whoever is gone, and has nothing any more, is unknown.
            let Ok(answer) = side.suite.assignments().list_assignments(request).await else { continue };
            for resource in answer.into_inner().resources {
                let place = (owner_key.clone(), resource.resource_type.clone(), resource.target_key.clone());
                let is_proposed = resource.state_reason.starts_with("an existing resource that may be");
                let is_ruled = resource.properties.iter().any(|property| property.proposed.is_some());
                if is_ruled && !is_proposed {
                    let entity = entity_type(&resource.resource_type).to_owned();
                    self.given.insert((owner_key.clone(), entity, resource.target_key.clone()));
                }
                for property in resource.properties {
                    let (policy, current) = (domain(property.proposed.as_ref()), domain(property.current.as_ref()));
                    let known = self.known.entry((place.clone(), property.property)).or_default();
                    known.is_now(policy, current.as_ref());
                }
                seen.insert(place);
            }
        }
        for ((place, _), known) in &mut self.known {
            if !seen.contains(place) {
                known.is_now(None, None);
            }
        }
    }

    /// Notes what people decided.
    pub fn decide(&mut self, decided: Vec<Decided>) {
        for Decided { item, verdict } in decided {
            let owner = item.owner.as_ref().map(|owner| owner.key.clone()).unwrap_or_default();
            if item.kind() == ReconciliationKind::Role {
                if verdict == ReconciliationVerdict::Delete {
                    self.without_role.insert(owner);
                }
                continue;
            }
            let entity = entity_type(&item.resource_type).to_owned();
            let is_write = matches!(verdict, ReconciliationVerdict::Write | ReconciliationVerdict::Delete);
            if item.kind() == ReconciliationKind::Property {
                let place = (owner, item.resource_type.clone(), item.target_key.clone());
                let known = self.known.entry((place, item.property.clone())).or_default();
                known.is_to_be_written |= is_write;
                known.kept = match verdict {
                    ReconciliationVerdict::Keep if item.item.is_none() => Some(domain(item.proposed.as_ref())),
                    ReconciliationVerdict::Postpone => known.kept.take(),
                    _ => None,
                };
            } else if verdict != ReconciliationVerdict::Postpone {
                // What is to be made anew is written with all its values.
                let of_it = |place: &Place| entity_type(&place.1) == entity && place.2 == item.target_key;
                let known = self.known.iter_mut().filter(|((place, _), _)| of_it(place));
                known.for_each(|(_, known)| known.is_to_be_written |= is_write);
                if item.kind() != ReconciliationKind::Resource {
                    self.decided.insert((entity, item.target_key.clone()), verdict);
                }
            }
        }
    }

    /// What of an order nobody asked for; none when all of it was.
    pub fn unasked(&self, order: &Order) -> Option<String> {
        if order.rule_failure.is_some() || order.expired {
            return None;
        }
        let (owner, key) = (&order.owner.key, &order.target_key);
        let resource = (order.entity_type.clone(), key.clone());
        if order.kind == OrderKind::Deletion {
            let verdict = self.decided.get(&resource);
            let was_given = self.given.contains(&(owner.clone(), resource.0.clone(), key.clone()));
            return match verdict {
                Some(ReconciliationVerdict::Delete) => None,
                Some(ReconciliationVerdict::Keep) => Some("a person kept it".into()),
                _ if was_given => None,
                _ => Some("no rule ever gave it to its owner, and nobody decided to delete it".into()),
            };
        }
        let place = (owner.clone(), order.resource_type.clone(), key.clone());
        let of = |change: &&Change| change.property != SENSITIVE;
        order.changes.iter().filter(of).find_map(|change| {
            let known = self.known.get(&(place.clone(), change.property.clone()));
            let why = match known {
                None => Some("no rule speaks of it"),
                Some(known) => known.unasked(change, order.kind, self.without_role.contains(owner)),
            };
            why.map(|why| format!("{}: {why}", change.property))
        })
    }

    /// Notes that an order goes out: what others wanted of the same resource may be another by that.
    pub fn ordered(&mut self, order: &Order) {
        for ((place, property), known) in &mut self.known {
            let is_it = place.2 == order.target_key && entity_type(&place.1) == order.entity_type;
            let is_deleted = order.kind == OrderKind::Deletion;
            let is_others = place.0 != order.owner.key || place.1 != order.resource_type;
            let is_written = order.changes.iter().any(|change| change.property == *property);
            if is_it && (is_deleted || is_others && is_written) {
                known.conformed.clear();
            }
        }
    }
}

impl Known {
    fn is_now(&mut self, policy: Option<Value>, current: Option<&Value>) {
        let (was, is) = (simples(self.policy.as_ref()), simples(policy.as_ref()));
        if was != is {
            self.is_to_be_written = false;
        }
        if self.kept.as_ref().is_some_and(|kept| simples(kept.as_ref()) != is) {
            self.kept = None;
        }
        // Letter by letter: whether a catalog takes them for the same is another matter.
        let shown = current.map(|value| value.items().to_vec()).unwrap_or_default();
        let wanted = policy.as_ref().map(|value| value.items().to_vec()).unwrap_or_default();
        let as_wanted: BTreeSet<String> = wanted.iter().filter(|item| shown.contains(item)).map(simple).collect();
        self.conformed.retain(|item| is.contains(item));
        self.conformed.extend(as_wanted.into_iter().filter(|item| !item.is_empty()));
        self.gave.extend(is);
        self.policy = policy;
    }

    fn unasked(&self, change: &Change, kind: OrderKind, lost_a_role: bool) -> Option<&'static str> {
        let (policy, proposed) = (simples(self.policy.as_ref()), simples(change.proposed.as_ref()));
        let is_update = kind == OrderKind::Update;
        match change.operation {
            ChangeOperation::Set if proposed.is_empty() => {
                let replaced = simples(change.current.as_ref());
                let is_given = replaced.is_empty() || replaced.iter().all(|value| self.gave.contains(value));
                (!is_given && !self.is_to_be_written).then_some("a value that no rule gave is taken away")
            }
            ChangeOperation::Set if proposed != policy => Some("no rule gives this value"),
            ChangeOperation::Set if is_update && self.kept.is_some() && !self.is_to_be_written => {
                Some("a person kept what is there")
            }
            ChangeOperation::Set | ChangeOperation::Add if !proposed.is_subset(&policy) => {
                Some("no rule gives this link")
            }
            ChangeOperation::Set | ChangeOperation::Add => {
                let again = proposed.iter().any(|item| self.conformed.contains(item));
                (is_update && again && !self.is_to_be_written)
                    .then_some("it was so, somebody changed it by hand, and nobody decided to write it again")
            }
            ChangeOperation::Remove if !proposed.is_disjoint(&policy) => Some("a rule gives this link"),
            ChangeOperation::Remove => {
                let is_given = proposed.is_subset(&self.gave) || self.is_to_be_written || lost_a_role;
                (!is_given).then_some("a link that no rule gave is taken away")
            }
        }
    }
}
