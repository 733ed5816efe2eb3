//! The provisioning order: the bundle of changes that one target resource needs now.
//!
//! Answers for an order's shape, its lane and its content fingerprint. The rule that must hold:
//! two orders with the same fingerprint ask for the same thing, so the second is not news.

pub mod state;

use crate::failure::RuleFailure;
use crate::id::OrderId;
use crate::time::Timestamp;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// What an order does to its target resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OrderKind {
    /// The resource must be created.
    Addition = 1,
    /// An existing resource is proposed as this owner's, with confidence below 100.
    Association = 2,
    /// Values of a linked resource differ.
    Update = 3,
    /// The resource is no longer justified.
    Deletion = 4,
}

impl OrderKind {
    /// The kind of a number; none when there is no such kind.
    pub const fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            1 => Self::Addition,
            2 => Self::Association,
            3 => Self::Update,
            4 => Self::Deletion,
            _ => return None,
        })
    }
}

impl fmt::Display for OrderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Addition => "addition",
            Self::Association => "association",
            Self::Update => "update",
            Self::Deletion => "deletion",
        })
    }
}

/// How a change treats the property's present value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ChangeOperation {
    /// The property becomes exactly the proposed value; none clears it.
    Set = 1,
    /// The proposed values are added to a multi-valued property.
    Add = 2,
    /// The proposed values are removed from a multi-valued property.
    Remove = 3,
}

/// One link of the chain that led to an order or to a change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reason {
    /// The rule, as the catalog names it.
    pub rule: String,
    /// What the rule saw; never a sensitive value.
    pub detail: String,
}

/// One property of the target resource, and what shall become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The property's name in the target entity type.
    pub property: String,
    /// How the present value is treated.
    pub operation: ChangeOperation,
    /// The value wanted (Set; none clears), or the values to add or remove (a list).
    pub proposed: Option<Value>,
    /// The value that synchronization last showed.
    pub current: Option<Value>,
    /// Confidential: never logged, never shown in full.
    pub sensitive: bool,
    /// Cannot be read back: Executed is the end of it.
    pub write_only: bool,
    /// The rules that led to this change, outermost first.
    pub why: Vec<Reason>,
}

/// The identity that a target resource belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// The owner's entity type.
    pub entity_type: String,
    /// The owner's key.
    pub key: String,
    /// The owner's name for people to read.
    pub display_name: String,
}

/// The time during which an assignment is valid: from the first instant, up to but without the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Period {
    /// First valid instant; none means always has been.
    pub from: Option<Timestamp>,
    /// First instant that is no longer valid; none means open end.
    pub until: Option<Timestamp>,
}

impl Period {
    /// Whether `now` lies in the period.
    pub fn contains(&self, now: Timestamp) -> bool {
        !self.is_future(now) && !self.is_over(now)
    }

    /// Whether the period has yet to begin.
    pub fn is_future(&self, now: Timestamp) -> bool {
        self.from.is_some_and(|from| now < from)
    }

    /// Whether the period is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| now >= until)
    }
}

/// Why an order starts at Awaiting Approval (domain.md, "Block causes").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BlockCause {
    /// The resource type requires provisioning review.
    ResourceType = 1,
    /// The run was started with review forced for everything.
    Run = 2,
    /// Another order of the same resource is already waiting for review.
    QueuedBehind = 3,
    /// The correlation, classification or query rule behind the order has confidence below 100.
    Confidence = 4,
}

/// Orders of one target resource form a lane: executed one at a time, in the order of generation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(String);

impl Lane {
    /// The lane of a target resource.
    pub fn new(connector: &str, entity_type: &str, target_key: &str) -> Self {
        // The unit separator cannot occur in a catalog name, so no two resources share a lane.
        Self(format!("{connector}\u{1f}{entity_type}\u{1f}{target_key}"))
    }

    /// SHA-256 of the lane, in hex.
    pub fn digest(&self) -> String {
        hex(Sha256::digest(&self.0))
    }

    /// The lane as one string, for storage.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A provisioning order, as submitted. Its state lives beside it, in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// What it does.
    pub kind: OrderKind,
    /// The resource type whose rules led to it.
    pub resource_type: String,
    /// The managed system.
    pub connector: String,
    /// The connection that writes it.
    pub connection: String,
    /// The entity type of the target resource.
    pub entity_type: String,
    /// Whose it is.
    pub owner: Owner,
    /// The target resource's key.
    pub target_key: String,
    /// What shall change; empty for a deletion.
    pub changes: Vec<Change>,
    /// Hints for the package.
    pub arguments: BTreeMap<String, String>,
    /// Why the order exists, outermost rule first.
    pub why: Vec<Reason>,
    /// Higher goes first among different lanes; 0 is normal.
    pub priority: i32,
    /// Not handed over before this instant.
    pub not_before: Option<Timestamp>,
    /// The period of the assignment behind it.
    pub period: Period,
    /// The run that generated it.
    pub generation_run: String,
    /// Orders that must be Executed or Verified first.
    pub depends_on: Vec<OrderId>,
    /// Why it starts at Awaiting Approval; empty means it starts at Pending.
    pub block_causes: Vec<BlockCause>,
    /// Minutes that it may stay Transmitted or Executed without verification; 0 means no limit.
    pub transmitted_validity_minutes: u32,
    /// Set when a rule failed: it starts, and stays, at Error.
    pub rule_failure: Option<RuleFailure>,
    /// The period is over and nothing was ever written: it starts, and stays, Inactive.
    pub expired: bool,
    /// When the generator decided it.
    pub generated_at: Timestamp,
}

/// The highest priority that a catalog can give. What is above is urgent by its nature: something is taken away,
/// or somebody who left is disabled. A share of every capacity is kept for such orders.
pub const CATALOG_PRIORITY_MAX: i32 = 1_000_000;

/// Whether an order of this priority is urgent.
pub const fn is_urgent(priority: i32) -> bool {
    priority > CATALOG_PRIORITY_MAX
}

impl Order {
    /// The order's lane.
    pub fn lane(&self) -> Lane {
        Lane::new(&self.connector, &self.entity_type, &self.target_key)
    }

    /// SHA-256 of what the order asks for, in hex. Leaves out what does not change the request: id,
    /// run, current values, explanations, the order of changes and of list items.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            // Lengths go in too, so that "ab","c" and "a","bc" differ.
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        for text in [
            self.lane().as_str(),
            &self.resource_type,
            &self.connection,
            &self.kind.to_string(),
            &self.owner.entity_type,
            &self.owner.key,
            if self.expired { "expired" } else { "" },
        ] {
            part(text);
        }
        if let Some(failure) = &self.rule_failure {
            for text in
                [&failure.rule, failure.property.as_ref().unwrap_or(&String::new()), &failure.input, &failure.message]
            {
                part(text);
            }
        }
        let mut changes: Vec<_> = self
            .changes
            .iter()
            .map(|change| (&change.property, change.operation, change.proposed.as_ref().map(Value::canonical)))
            .collect();
        changes.sort();
        let mut text = String::new();
        for change in changes {
            text.clear();
            // Writing into a String cannot fail.
            let _ = write!(text, "{change:?}");
            part(&text);
        }
        for (name, value) in &self.arguments {
            part(name);
            part(value);
        }
        hex(hash.finalize())
    }
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |half: u8| DIGITS.get(usize::from(half)).copied().unwrap_or_default();
    bytes.as_ref().iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use uuid::Uuid;

    pub(crate) fn an_order() -> Order {
        Order {
            id: OrderId::new(Uuid::nil()),
            kind: OrderKind::Addition,
            resource_type: "AppAccount".into(),
            connector: "app".into(),
            connection: "app-sql".into(),
            entity_type: "Account".into(),
            owner: Owner { entity_type: "Person".into(), key: "1001".into(), display_name: "Ada Byron".into() },
            target_key: "abyron".into(),
            changes: vec![change("login", "abyron"), change("title", "Analyst")],
            arguments: BTreeMap::new(),
            why: vec![],
            priority: 0,
            not_before: None,
            period: Period::default(),
            generation_run: "run-1".into(),
            depends_on: vec![],
            block_causes: vec![],
            transmitted_validity_minutes: 0,
            rule_failure: None,
            expired: false,
            generated_at: Timestamp::from_millis(1_000),
        }
    }

    fn change(property: &str, value: &str) -> Change {
        Change {
            property: property.into(),
            operation: ChangeOperation::Set,
            proposed: Some(value.into()),
            current: None,
            sensitive: false,
            write_only: false,
            why: vec![],
        }
    }

    #[test]
    fn fingerprint_ignores_what_does_not_change_the_request() {
        let order = an_order();
        let mut again = order.clone();
        again.id = OrderId::new(Uuid::max());
        again.generation_run = "run-2".into();
        again.generated_at = Timestamp::from_millis(2_000);
        again.changes.reverse();
        assert_eq!(order.fingerprint(), again.fingerprint());
    }

    #[test]
    fn fingerprint_sees_every_part_of_the_request() {
        let order = an_order();
        let mut variants = vec![order.clone(); 7];
        if let [kind, owner, key, value, operation, expired, arguments] = variants.as_mut_slice() {
            kind.kind = OrderKind::Update;
            owner.owner.key = "1002".into();
            key.target_key = "abyron2".into();
            value.changes = vec![change("login", "abyron"), change("title", "Manager")];
            operation.changes.iter_mut().for_each(|change| change.operation = ChangeOperation::Add);
            expired.expired = true;
            arguments.arguments.insert("shell".into(), "/bin/sh".into());
        }
        let prints: std::collections::HashSet<_> = variants.iter().chain([&order]).map(Order::fingerprint).collect();
        assert_eq!(prints.len(), 8);
    }

    #[test]
    fn period_ends_before_its_end() {
        let at = Timestamp::from_millis;
        let period = Period { from: Some(at(10)), until: Some(at(20)) };
        assert!(period.is_future(at(9)) && !period.contains(at(9)));
        assert!(period.contains(at(10)) && period.contains(at(19)));
        assert!(period.is_over(at(20)));
    }
}
