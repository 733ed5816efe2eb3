//! Why an owner has something, and why not, in sentences that stand by themselves: what the evaluation saw, what
//! is known of orders, and what people decided, put together. Pure.
//!
//! Answers for what is said, and in which order: what decides comes first. Leaves evaluating to
//! [`super::evaluate`], whose trace is told as it is. The rules that must hold: an explanation never contradicts
//! what is computed, for it is made of the same; and no confidential value is in it.

mod causes;
pub mod order;
mod property;
mod resource_type;
mod role;
#[cfg(test)]
mod tests;
mod words;

pub use causes::{Cause, CauseKind};

use super::assign::Assignment;
use super::catalog::Catalog;
use super::evaluate::{Considered, Explanation};
use super::expected::Correlated;
use provost_domain::{InactiveReason, OrderKind, Owner, Period, ProvisioningState, Timestamp, Value, WorkflowState};

/// Everything that is looked at to explain one owner.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The rules.
    pub catalog: &'a Catalog,
    /// Whose.
    pub owner: &'a Owner,
    /// The instant for which it is asked.
    pub now: Timestamp,
    /// What the rules say, and how they came to it; none when the owner is no longer in the source.
    pub seen: Option<&'a Explanation>,
    /// What the owner has, or shall have, by the data of now.
    pub today: &'a [Assignment],
    /// What the last computation found, and the newest order on it.
    pub kept: &'a [Kept],
    /// What people asked for and decided.
    pub said: &'a [Said],
    /// Who has the existing resources that may be the owner's, or may get them.
    pub rivals: &'a [Rival],
    /// The newest generation, when a threshold blocked it.
    pub blocked: Option<&'a Blocked>,
}

/// Somebody else who has an existing resource, or may get it, as of the last computation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Who.
    pub owner: Owner,
    /// The resource's entity type.
    pub entity_type: String,
    /// The resource's key.
    pub key: String,
    /// How it was found to be theirs; none when it stands under the key that the rules give them.
    pub correlated: Option<Correlated>,
    /// Nobody confirmed it yet.
    pub is_proposed: bool,
}

impl Rival {
    /// Somebody's claim to a resource, by what they have; none of what was only found, or is no longer theirs.
    pub fn of(assignment: &Assignment) -> Option<Self> {
        let is_theirs = !assignment.found && (assignment.is_ours() || assignment.proposed);
        is_theirs.then(|| Self {
            owner: assignment.owner.clone(),
            entity_type: assignment.entity_type.clone(),
            key: assignment.target_key.clone(),
            correlated: assignment.correlated.clone(),
            is_proposed: assignment.proposed,
        })
    }
}

/// What the last computation found of one resource.
#[derive(Clone, Debug)]
pub struct Kept {
    /// As it was kept.
    pub assignment: Assignment,
    /// The newest order on it that says something.
    pub order: Option<OrderSeen>,
}

/// An order, as far as explanations of an assignment tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderSeen {
    /// Its id.
    pub id: String,
    /// What it does.
    pub kind: OrderKind,
    /// The properties that it changes.
    pub properties: Vec<String>,
    /// Where it stands.
    pub state: ProvisioningState,
    /// Why it is Inactive.
    pub inactive_reason: Option<InactiveReason>,
    /// One sentence on where it stands; may be empty.
    pub said: String,
    /// Who declined it, when, and in which words, when that is known.
    pub declined: Option<(String, Timestamp, String)>,
}

/// What a person asked for or decided, about one thing of the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// About which role or resource type.
    pub name: String,
    /// About which of its properties; none means the whole.
    pub property: Option<String>,
    /// What, as a cause.
    pub cause: Cause,
}

/// A generation that a threshold blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The run.
    pub run: String,
    /// When it ran.
    pub at: Timestamp,
    /// Who started it.
    pub actor: String,
    /// The thresholds, a sentence each.
    pub breaches: Vec<String>,
}

/// What an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A single role.
    Role,
    /// A composite role.
    CompositeRole,
    /// A resource type.
    ResourceType,
    /// A property of a resource, or one of its values.
    Property,
}

/// Whether the owner has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The owner has it.
    Has,
    /// The owner shall have it, and it is not there yet.
    Waits,
    /// The owner does not have it.
    HasNot,
    /// Its time has not begun.
    NotYet,
    /// Its time is over.
    NoLonger,
    /// No rule gives it any more, and it is still there.
    Leaves,
    /// It was found, and no rule gives it.
    Found,
    /// A rule failed, so nobody knows.
    Unknown,
}

/// One rule that was considered, and all of it in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The rule.
    pub considered: Considered,
    /// The sentence.
    pub sentence: String,
}

/// The explanation of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// About what kind of thing.
    pub kind: Kind,
    /// The role or resource type.
    pub name: String,
    /// Its name for people.
    pub display_name: String,
    /// The property; empty when it is not about one.
    pub property: String,
    /// The target resource's key; empty when it is not known.
    pub target_key: String,
    /// Whether the owner has it.
    pub standing: Standing,
    /// The answer.
    pub sentence: String,
    /// When it is given.
    pub period: Period,
    /// How it came to be approved; none when it is not given.
    pub workflow: Option<WorkflowState>,
    /// Where it stands in the managed system.
    pub state: ProvisioningState,
    /// What rules say, of a property.
    pub proposed: Option<Value>,
    /// What synchronization shows, of a property.
    pub current: Option<Value>,
    /// The property is confidential.
    pub is_withheld: bool,
    /// The reasons, the most decisive first.
    pub causes: Vec<Cause>,
    /// Everything that was considered, in order.
    pub considered: Vec<Line>,
    /// The properties of a resource type, and further resources of it.
    pub parts: Vec<Answer>,
    /// The newest order on it; empty when there is none.
    pub order_id: String,
}

impl Answer {
    fn new(kind: Kind, name: &str, display_name: &str, standing: Standing, sentence: String) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            display_name: display_name.to_owned(),
            property: String::new(),
            target_key: String::new(),
            standing,
            sentence,
            period: Period::default(),
            workflow: None,
            state: ProvisioningState::None,
            proposed: None,
            current: None,
            is_withheld: false,
            causes: vec![],
            considered: vec![],
            parts: vec![],
            order_id: String::new(),
        }
    }

    /// Without the rules: for lists of what an owner does not have.
    fn in_short(mut self) -> Self {
        self.considered.clear();
        self.parts.clear();
        self.causes.truncate(1);
        self
    }
}

/// Everything of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerAnswer {
    /// The answer.
    pub sentence: String,
    /// What the owner has, shall have, or still has.
    pub has: Vec<Answer>,
    /// What the owner does not have.
    pub has_not: Vec<Answer>,
}

impl Ask<'_> {
    /// Everything that the owner has, and does not have: roles, then resource types, as the catalog has them.
    pub fn owner(&self) -> OwnerAnswer {
        let of = self.owner.entity_type.as_str();
        let catalog = self.catalog;
        let composites = catalog.composite_roles().iter().filter(|role| *role.owner == *of).map(|role| &role.name);
        let roles = composites.chain(catalog.roles_of(of).map(|role| &role.name));
        let roles = roles.filter_map(|name| self.role(name));
        let types = catalog.resource_types_of(of).filter_map(|kind| self.resource_type(&kind.name));
        let is_had = |answer: &Answer| !matches!(answer.standing, Standing::HasNot | Standing::NoLonger);
        let (has, has_not): (Vec<_>, Vec<_>) = roles.chain(types).partition(is_had);
        let count = |kinds: &[Kind]| {
            has.iter().filter(|one| one.standing == Standing::Has && kinds.contains(&one.kind)).count()
        };
        let counted = format!(
            "{}, {}",
            words::counted(count(&[Kind::Role, Kind::CompositeRole]), "role"),
            words::counted(count(&[Kind::ResourceType]), "resource type")
        );
        let who = words::who(self.owner);
        let sentence = match self.seen.map(|seen| seen.expected.period) {
            None => format!("{who} is no longer in the source."),
            Some(period) if period.is_over(self.now) => {
                format!("{who} counts no longer, since {}: {counted}.", words::until(period))
            }
            Some(period) if period.is_future(self.now) => {
                format!("{who} does not count before {}: {counted}.", words::from(period))
            }
            Some(period) => format!("{who} has {counted}{}.", words::while_it_lasts(period)),
        };
        OwnerAnswer { sentence, has, has_not: has_not.into_iter().map(Answer::in_short).collect() }
    }

    /// What people said about one thing.
    fn said_of(&self, name: &str, property: Option<&str>) -> Vec<Cause> {
        let about = self.said.iter().filter(|said| said.name == name && said.property.as_deref() == property);
        about.map(|said| said.cause.clone()).collect()
    }

    fn gone(&self) -> Cause {
        Cause::new(CauseKind::OwnerGone, format!("{} is no longer in the source", words::who(self.owner)))
    }
}
