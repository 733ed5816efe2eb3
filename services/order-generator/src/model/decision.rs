//! What people decided on what synchronization found (domain.md, "Verification and reconciliation").
//!
//! Answers for which decision holds for what, and for what "write the proposed value" does to what is known
//! from before. The rule that must hold: a decision is about what was seen when it was made; it is carried
//! out once, and what is kept stays kept until what the rules say becomes another value.

use super::assign::{AssignedProperty, Assignment};
use super::claims::OwnerKey;
use super::known_order::KnownOrder;
use provost_domain::{OrderKind, Owner, ProvisioningState, Timestamp, Value};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Write what the rules say: forget what was there.
    Write,
    /// Leave what is there; of a role, let the owner have it.
    Keep,
    /// Not now.
    Postpone,
    /// Take it away: an account, or all that a found role consists of.
    Delete,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Write, Self::Keep, Self::Postpone, Self::Delete];

    /// The name in the store and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Keep => "keep",
            Self::Postpone => "postpone",
            Self::Delete => "delete",
        }
    }

    /// The verdict of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.name() == name)
    }
}

/// What a decision is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A value, or one link, of a resource that the owner has.
    Property {
        /// The resource type.
        resource_type: String,
        /// The target resource's key.
        target_key: String,
        /// The property.
        property: String,
        /// The link; none means the value.
        item: Option<Value>,
    },
    /// A target resource as a whole: one that is gone, that nobody owns, or that no rule gives.
    Resource {
        /// Its entity type.
        entity_type: String,
        /// Its key.
        target_key: String,
    },
    /// A role that the owner seems to have.
    Role {
        /// The role.
        role: String,
    },
}

/// A person's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Grows with every decision.
    pub sequence: i64,
    /// Its id.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: String,
    /// In which words.
    pub comment: String,
    /// Of whose; of a resource that nobody owns, itself.
    pub of: Owner,
    /// About what.
    pub subject: Subject,
    /// What was decided.
    pub verdict: Verdict,
    /// What the rules said then.
    pub proposed: Option<Value>,
    /// What was there then.
    pub current: Option<Value>,
    /// Whom a resource that nobody owned is given to.
    pub owner: Option<Owner>,
    /// Its values were approved with it, as they are.
    pub takes_over: bool,
}

impl Decision {
    fn is_of(&self, owner: &Owner) -> bool {
        self.of.entity_type == owner.entity_type && self.of.key == owner.key
    }

    /// What was there stays.
    pub fn is_kept(&self) -> bool {
        self.verdict == Verdict::Keep
    }

    /// For whom a target resource stays as it is; none when it was not kept.
    pub fn kept_for(&self, owner: &Owner) -> Option<KeptFor<'_>> {
        let Subject::Resource { entity_type, target_key } = &self.subject else { return None };
        // What was kept away is not there.
        if !self.is_kept() || self.current.is_none() {
            return None;
        }
        let whose = match &self.owner {
            Some(given) => Some(given),
            None => (self.of.entity_type != *entity_type || self.of.key != *target_key).then_some(&self.of),
        };
        Some(match whose {
            None => KeptFor::Nobody,
            Some(whose) if whose.entity_type == owner.entity_type && whose.key == owner.key => KeptFor::Owner,
            Some(whose) => KeptFor::Another(whose),
        })
    }

    /// It says that a target resource shall be deleted, and that is yet to be done. `lane` is the resource's.
    pub fn deletes(&self, lane: &[KnownOrder]) -> bool {
        let is_done = |order: &KnownOrder| {
            order.kind == OrderKind::Deletion
                && order.state == ProvisioningState::Verified
                && self.at <= order.generated_at
        };
        self.verdict == Verdict::Delete && !lane.iter().any(is_done)
    }

    /// The owners for whom a computation may say something else because of it.
    pub fn concerns(&self) -> impl Iterator<Item = &Owner> {
        [Some(&self.of), self.owner.as_ref()].into_iter().flatten()
    }

    /// Who said so, for people.
    pub fn by(&self) -> String {
        match self.comment.as_str() {
            "" => format!("{} on {}", self.actor, self.at),
            comment => format!("{} on {}: {comment}", self.actor, self.at),
        }
    }
}

/// For whom a target resource stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptFor<'a> {
    /// For whom it is asked.
    Owner,
    /// It is to be nobody's.
    Nobody,
    /// For somebody else.
    Another(&'a Owner),
}

/// The decisions that stand: of each subject the newest one.
#[derive(Clone, Debug, Default)]
pub struct Decisions {
    by_owner: HashMap<OwnerKey, Vec<Decision>>,
    /// By entity type and key.
    by_resource: HashMap<(String, String), Decision>,
    /// What was given to an owner, by entity type and key.
    given: HashMap<OwnerKey, Vec<(String, String)>>,
}

impl Decisions {
    /// Of these; of several on one subject the newest stands.
    pub fn new(decisions: impl IntoIterator<Item = Decision>) -> Self {
        let mut all: Vec<Decision> = decisions.into_iter().collect();
        all.sort_by_key(|decision| decision.sequence);
        let mut found = Self::default();
        for decision in all {
            if let Subject::Resource { entity_type, target_key } = &decision.subject {
                found.by_resource.insert((entity_type.clone(), target_key.clone()), decision);
                continue;
            }
            let key = (decision.of.entity_type.clone(), decision.of.key.clone());
            let of_owner = found.by_owner.entry(key).or_default();
            of_owner.retain(|older| older.subject != decision.subject);
            of_owner.push(decision);
        }
        for (resource, decision) in &found.by_resource {
            if let Some(Owner { entity_type, key, .. }) = decision.owner.as_ref().filter(|_| decision.is_kept()) {
                found.given.entry((entity_type.clone(), key.clone())).or_default().push(resource.clone());
            }
        }
        found.given.values_mut().for_each(|resources| resources.sort());
        found
    }

    /// An owner's decisions on values, links and roles.
    pub fn of_owner(&self, (entity_type, key): (&str, &str)) -> &[Decision] {
        if self.by_owner.is_empty() {
            return &[];
        }
        self.by_owner.get(&(entity_type.to_owned(), key.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// The decision on a target resource as a whole.
    pub fn of_resource(&self, entity_type: &str, key: &str) -> Option<&Decision> {
        if self.by_resource.is_empty() {
            return None;
        }
        self.by_resource.get(&(entity_type.to_owned(), key.to_owned()))
    }

    /// The resources of an entity type that were given to an owner: their keys, and by which decision.
    pub fn given_to<'a>(&'a self, owner: &Owner, entity_type: &'a str) -> Vec<(&'a str, &'a Decision)> {
        if self.given.is_empty() {
            return vec![];
        }
        let resources = self.given.get(&(owner.entity_type.clone(), owner.key.clone()));
        let of_type = resources.into_iter().flatten().filter(|(of, _)| of == entity_type);
        of_type.filter_map(|resource| Some((resource.1.as_str(), self.by_resource.get(resource)?))).collect()
    }

    /// All decisions on roles, with whose they are.
    pub fn on_roles(&self) -> impl Iterator<Item = (&OwnerKey, &str, &Decision)> {
        self.by_owner.iter().flat_map(|(owner, decisions)| {
            decisions.iter().filter_map(move |decision| match &decision.subject {
                Subject::Role { role } => Some((owner, role.as_str(), decision)),
                Subject::Property { .. } | Subject::Resource { .. } => None,
            })
        })
    }
}

/// The decisions that one comparison looks at.
#[derive(Clone, Copy, Default)]
pub struct Decided<'a> {
    /// The owner's, on values and links of any of the owner's resources.
    pub of_owner: &'a [Decision],
    /// On target resources as a whole.
    pub all: Option<&'a Decisions>,
}

impl<'a> Decided<'a> {
    /// Of an owner.
    pub fn of(decisions: &'a Decisions, owner: &Owner) -> Self {
        Self { of_owner: decisions.of_owner((&owner.entity_type, &owner.key)), all: Some(decisions) }
    }

    /// On a target resource as a whole, when it was seen as this owner's.
    pub fn on_resource(&self, entity_type: &str, key: &str, owner: &Owner) -> Option<&'a Decision> {
        let found = self.all?.of_resource(entity_type, key)?;
        let is_given =
            found.owner.as_ref().is_some_and(|to| to.entity_type == owner.entity_type && to.key == owner.key);
        (found.is_of(owner) || is_given).then_some(found)
    }

    /// On values and links of one property.
    pub fn on_property(
        self,
        resource_type: &'a str,
        key: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = (&'a Decision, Option<&'a Value>)> {
        self.of_owner.iter().filter_map(move |decision| match &decision.subject {
            Subject::Property { resource_type: of, target_key, property, item } => {
                (of == resource_type && target_key == key && property == name).then_some((decision, item.as_ref()))
            }
            Subject::Resource { .. } | Subject::Role { .. } => None,
        })
    }
}

/// What was assigned before, as it is after what people decided since: what is to be written has no history
/// any more, so that it counts as a difference like any other. Each decision is carried out once.
pub fn carried_out<'a>(previous: &'a Assignment, decided: Decided<'a>) -> Cow<'a, Assignment> {
    let is_new = |decision: &&Decision| decision.sequence > previous.decided && decision.verdict == Verdict::Write;
    let on_resource = decided.on_resource(&previous.entity_type, &previous.target_key, &previous.owner).filter(is_new);
    let on_it = decided.of_owner.iter().filter(is_new).filter_map(|decision| match &decision.subject {
        Subject::Property { resource_type, target_key, property, item } => {
            let is_on_it = *resource_type == previous.resource_type && *target_key == previous.target_key;
            is_on_it.then_some((property, item.as_ref(), decision))
        }
        Subject::Resource { .. } | Subject::Role { .. } => None,
    });
    let on_it: Vec<_> = on_it.collect();
    if on_it.is_empty() && on_resource.is_none() {
        return Cow::Borrowed(previous);
    }
    let newest = on_it.iter().map(|(.., decision)| *decision).chain(on_resource).map(|decision| decision.sequence);
    let mut after = Assignment { decided: newest.max().unwrap_or(previous.decided), ..previous.clone() };
    if on_resource.is_some() {
        (after.linked, after.correlated) = (false, None);
    }
    for (name, item, decision) in on_it {
        if let Some(property) = after.properties.get_mut(name) {
            forget(property, item, decision);
        }
    }
    Cow::Owned(after)
}

/// Forgets what is known of a value, or of one link.
fn forget(property: &mut AssignedProperty, item: Option<&Value>, decision: &Decision) {
    match item {
        None => {
            (property.conformed, property.has_conformed) = (None, false);
            // What no rule gave is taken away like what a rule gave.
            let gives_nothing = match &property.policy {
                None => true,
                Some(Value::List(items)) => items.is_empty(),
                Some(policy) => policy.as_str() == Some(""),
            };
            if gives_nothing {
                property.granted.extend(property.current.clone());
            }
        }
        // It was there, and no rule wants it.
        Some(item) if decision.current.is_some() => {
            if !property.granted.contains(item) {
                property.granted.push(item.clone());
            }
        }
        // It is wanted, and was not there.
        Some(item) => {
            let shown = property.conformed.as_ref().map_or(&[][..], Value::items);
            let left: Vec<Value> = shown.iter().filter(|shown| *shown != item).cloned().collect();
            property.conformed = (!left.is_empty()).then_some(Value::List(left));
        }
    }
}
