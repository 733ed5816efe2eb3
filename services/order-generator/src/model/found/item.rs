//! What waits for a person: one line for each thing that differs and that nobody may mend by itself.

use crate::model::assign::{AssignedProperty, Assignment, Wish};
use crate::model::decision::{Decision, Subject, Verdict};
use provost_domain::{Owner, Reason, Value, WorkflowState, value};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Most characters that each part of a position has.
const POSITION_PART_MAX: usize = 60;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A value, or a link, of a resource that the owner has.
    Property = 1,
    /// A resource that the owner shall have and that is gone, or never came.
    Resource = 2,
    /// A resource that nobody owns.
    Orphan = 3,
    /// A resource whose owner no rule gives it.
    Unauthorized = 4,
    /// A role that the owner seems to have.
    Role = 5,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Property, Self::Resource, Self::Orphan, Self::Unauthorized, Self::Role];

    /// The number in the store and on the wire.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The kind of that number.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// What can be decided.
    pub const fn verdicts(self) -> &'static [Verdict] {
        match self {
            Self::Property | Self::Resource => &[Verdict::Write, Verdict::Keep, Verdict::Postpone],
            Self::Orphan | Self::Unauthorized | Self::Role => &[Verdict::Keep, Verdict::Delete, Verdict::Postpone],
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What it is about.
    pub kind: Kind,
    /// Whose; of what nobody owns, the resource itself.
    pub owner: Owner,
    /// The resource type; empty for a role.
    pub resource_type: String,
    /// The target resource's entity type; empty for a role.
    pub entity_type: String,
    /// The target resource's key; empty for a role.
    pub target_key: String,
    /// The property; the role's name for a role; empty for a resource.
    pub name: String,
    /// The link; none for a value.
    pub item: Option<Value>,
    /// What the rules say.
    pub proposed: Option<Value>,
    /// What is there.
    pub current: Option<Value>,
    /// How it came to be there.
    pub workflow: WorkflowState,
    /// One sentence.
    pub note: String,
    /// The rules that say what is proposed.
    pub why: Vec<Reason>,
    /// The links that a role was deduced from: their lines.
    pub links: Vec<String>,
}

impl Item {
    /// What a decision on it is about.
    pub fn subject(&self) -> Subject {
        match self.kind {
            Kind::Property => Subject::Property {
                resource_type: self.resource_type.clone(),
                target_key: self.target_key.clone(),
                property: self.name.clone(),
                item: self.item.clone(),
            },
            Kind::Resource | Kind::Orphan | Kind::Unauthorized => {
                Subject::Resource { entity_type: self.entity_type.clone(), target_key: self.target_key.clone() }
            }
            Kind::Role => Subject::Role { role: self.name.clone() },
        }
    }

    /// Its name for machines: the same as long as it is about the same.
    pub fn id(&self) -> String {
        subject_id(&self.owner, &self.subject())
    }

    /// What a person saw who looked at it: another text when that moved.
    pub fn version(&self) -> String {
        let canonical = |value: &Option<Value>| value.as_ref().map(Value::canonical);
        digest(&[
            &format!("{:?}", canonical(&self.proposed)),
            &format!("{:?}", canonical(&self.current)),
            &format!("{:?}", self.kind),
            &self.owner.entity_type,
            &self.owner.key,
            &self.links.join(","),
        ])
    }

    /// Where it stands in a list: by owner, resource type and property.
    pub fn position(&self) -> String {
        let item = self.item.as_ref().map(ToString::to_string).unwrap_or_default();
        let Owner { entity_type, key, .. } = &self.owner;
        // An index takes only so much; the id tells apart what begins alike.
        let begin = |text: &String| text.chars().take(POSITION_PART_MAX).collect::<String>();
        let parts = [entity_type, key, &self.resource_type, &self.target_key, &self.name, &item].map(begin);
        format!("{}\u{1f}{}", parts.join("\u{1f}"), self.id())
    }

    /// A decision on it, as it is now.
    pub fn decided(&self, decision: Decision) -> Decision {
        let (proposed, current) = (self.proposed.clone(), self.current.clone());
        Decision { of: self.owner.clone(), subject: self.subject(), proposed, current, ..decision }
    }
}

/// The name of a subject for machines.
pub fn subject_id(owner: &Owner, subject: &Subject) -> String {
    match subject {
        Subject::Property { resource_type, target_key, property, item } => {
            let item = item.as_ref().map(|item| format!("{:?}", item.canonical())).unwrap_or_default();
            digest(&["property", &owner.entity_type, &owner.key, resource_type, target_key, property, &item])
        }
        // Whosoever it is taken for.
        Subject::Resource { entity_type, target_key } => digest(&["resource", entity_type, target_key]),
        Subject::Role { role } => digest(&["role", &owner.entity_type, &owner.key, role]),
    }
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // Lengths go in too, so that "ab","c" and "a","bc" differ.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

const fn is_found(workflow: WorkflowState) -> bool {
    matches!(workflow, WorkflowState::NonConforming | WorkflowState::PreExisting)
}

/// What waits for a person of one assignment.
pub fn items(assignment: &Assignment) -> Vec<Item> {
    match assignment.wish {
        Wish::Found | Wish::Lose => orphan_items(assignment),
        Wish::Have | Wish::Unknown => {
            let mut found: Vec<Item> = whole(assignment).into_iter().collect();
            // A resource that is not there has no values to decide on.
            if found.is_empty() && !assignment.proposed {
                found.extend(
                    assignment.properties.iter().flat_map(|(name, property)| of_property(assignment, name, property)),
                );
            }
            found
        }
        Wish::Later | Wish::Past | Wish::Gone | Wish::Behind => vec![],
    }
}

/// A resource that is gone, or never came.
fn whole(assignment: &Assignment) -> Option<Item> {
    let is_missing = assignment.wish == Wish::Have && is_found(assignment.workflow) && assignment.wanted.is_none();
    is_missing.then(|| Item {
        proposed: Some(Value::String(assignment.target_key.clone())),
        ..base(Kind::Resource, assignment)
    })
}

/// What waits of a resource that no rule gives (any more): the resource, or, once that is authorized, its values.
pub fn orphan_items(assignment: &Assignment) -> Vec<Item> {
    if assignment.wanted.is_some() {
        return vec![];
    }
    let of_values = || {
        assignment
            .properties
            .iter()
            .filter(|(_, property)| is_found(property.workflow))
            .map(|(name, property)| Item {
                name: name.clone(),
                current: property.current.clone(),
                workflow: property.workflow,
                ..base(Kind::Property, assignment)
            })
            .collect()
    };
    match (assignment.wish, assignment.workflow) {
        (_, workflow) if is_found(workflow) || is_kept_by_a_decline(assignment) => {
            let is_itself = assignment.owner.key == assignment.target_key
                && assignment.owner.entity_type == assignment.entity_type
                && assignment.found;
            let kind = if is_itself || assignment.orphaned { Kind::Orphan } else { Kind::Unauthorized };
            vec![Item { current: Some(Value::String(assignment.target_key.clone())), ..base(kind, assignment) }]
        }
        (Wish::Found, WorkflowState::Approved) => of_values(),
        _ => vec![],
    }
}

/// A reviewer declined that it is deleted, and its owner has left or it never had one: nobody's rules speak of it.
fn is_kept_by_a_decline(assignment: &Assignment) -> bool {
    assignment.workflow == WorkflowState::Declined && (assignment.left || assignment.wish == Wish::Found)
}

fn base(kind: Kind, assignment: &Assignment) -> Item {
    Item {
        kind,
        owner: assignment.owner.clone(),
        resource_type: assignment.resource_type.clone(),
        entity_type: assignment.entity_type.clone(),
        target_key: assignment.target_key.clone(),
        name: String::new(),
        item: None,
        proposed: None,
        current: None,
        workflow: assignment.workflow,
        note: assignment.note.clone(),
        why: assignment.why.clone(),
        links: vec![],
    }
}

fn of_property(assignment: &Assignment, name: &str, property: &AssignedProperty) -> Vec<Item> {
    let line = || Item {
        name: name.to_owned(),
        workflow: property.workflow,
        note: String::new(),
        why: property.why.clone(),
        ..base(Kind::Property, assignment)
    };
    let waits = is_found(property.workflow) || property.workflow == WorkflowState::Questioned;
    let has_links = !property.strange.is_empty() || !property.missing.is_empty();
    if has_links {
        let strange = property.strange.iter().map(|item| Item {
            item: Some(item.clone()),
            current: Some(item.clone()),
            note: "linked in the managed system; no rule gives it".to_owned(),
            why: vec![],
            ..line()
        });
        let missing = property.missing.iter().map(|item| Item {
            item: Some(item.clone()),
            proposed: Some(item.clone()),
            note: "given by a rule; the link was taken away in the managed system".to_owned(),
            ..line()
        });
        return strange.chain(missing).collect();
    }
    // The key of an existing resource is as it is.
    if !waits || value::same(property.policy.as_ref(), property.current.as_ref()) {
        return vec![];
    }
    let note = match property.workflow {
        WorkflowState::Questioned => "kept by a person; the rules say something else by now",
        _ => "differs in the managed system; nothing changed on our side",
    };
    vec![Item { proposed: property.policy.clone(), current: property.current.clone(), note: note.to_owned(), ..line() }]
}
