//! What a package is: the code that reads and writes one kind of managed system.
//!
//! Leaves to others when it is asked, how often, and what becomes of the answer. The rule that must
//! hold: asking twice has the effect of asking once, wherever the first time was cut off.

pub mod csv;
pub mod failure;
pub mod ldap;
pub mod manual_ticket;
pub mod sql;

use async_trait::async_trait;
use provost_domain::{Failure, Order, Value, ValueType};
use tokio::sync::mpsc;

/// One kind of managed system, reached through one connection.
#[async_trait]
pub trait Package: Send + Sync {
    /// What this package can do.
    fn abilities(&self) -> Abilities;

    /// Reaches the managed system and says what answered.
    ///
    /// # Errors
    /// When the system cannot be reached, or does not let us in.
    async fn check(&self) -> Result<String, Failure>;

    /// Sends every resource of one entity type into `rows`, keys unique, and returns when all were
    /// sent.
    ///
    /// # Errors
    /// When anything could not be read; the rows sent so far are then worth nothing.
    async fn export(&self, entity: &Entity, rows: &RowSender) -> Result<(), Failure>;

    /// Carries out one order. Safe to ask again, also when the last time was cut off half way.
    async fn fulfill(&self, order: &Order) -> Outcome;

    /// Carries out an order of which an earlier attempt may have been written, all of it or a part, or not: nobody
    /// knows. What is there already is executed, what is untouched is written, and what is neither as the order found
    /// it nor as it sets it is somebody else's: a conflict that a person sees.
    ///
    /// For a package that writes over nothing, the same as [`Self::fulfill`].
    async fn fulfill_again(&self, order: &Order) -> Outcome {
        self.fulfill(order).await
    }
}

/// Whether an order may have been written before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// It was not.
    First,
    /// An earlier attempt was begun, and nobody knows what became of it.
    Again,
}

/// What a package can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// It can read.
    pub export: bool,
    /// It can write.
    pub fulfill: bool,
}

/// What became of one order.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Written, or found written.
    Executed {
        /// What there is to add, for example "already so".
        note: String,
    },
    /// Handed to a person or a ticket; feedback follows.
    HandedOver {
        /// The ticket's reference.
        ticket: String,
    },
    /// Not written.
    Failed(Failure),
}

/// An entity type to export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Its name.
    pub name: String,
    /// The property that is the key.
    pub key: String,
    /// The properties to read, the key among them.
    pub properties: Vec<Property>,
}

impl Entity {
    /// Where the key stands among the properties.
    ///
    /// # Errors
    /// When the key is not among them.
    pub fn key_index(&self) -> Result<usize, Failure> {
        self.properties.iter().position(|property| property.name == self.key).ok_or_else(|| {
            failure::invalid(format!("the key property '{}' is not among the properties to read", self.key))
        })
    }
}

/// A property to export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name in the entity type.
    pub name: String,
    /// The type of its value, or of each of its values.
    pub value_type: ValueType,
    /// It holds a list.
    pub multi_valued: bool,
}

/// One resource: a value for each property asked for, in that order.
pub type Row = Vec<Option<Value>>;

/// Where an export puts its rows.
#[derive(Clone, Debug)]
pub struct RowSender(mpsc::Sender<Row>);

impl RowSender {
    /// A bounded channel of rows: who reads slowly makes the export wait.
    pub fn channel(capacity: usize) -> (Self, mpsc::Receiver<Row>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self(sender), receiver)
    }

    /// Passes one row on, waiting for room.
    ///
    /// # Errors
    /// When nobody wants rows any more.
    pub async fn send(&self, row: Row) -> Result<(), Failure> {
        self.0.send(row).await.map_err(|_| failure::abandoned())
    }

    /// As [`Self::send`], for code that runs on a thread of its own.
    ///
    /// # Errors
    /// When nobody wants rows any more.
    pub fn send_blocking(&self, row: Row) -> Result<(), Failure> {
        self.0.blocking_send(row).map_err(|_| failure::abandoned())
    }
}

/// The note of an order whose values were all there before.
pub const ALREADY_SO: &str = "already so";
/// The note of a deletion whose resource was gone before.
pub const ALREADY_GONE: &str = "already gone";
