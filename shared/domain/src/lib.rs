//! The domain: ids, values, orders, and the one table of provisioning state transitions.
//!
//! Answers for what the words of the system mean and which step may follow which. Leaves storage,
//! transport and time to others: everything here is pure, an instant is always an argument.
//! The rule that must hold: an order's state changes through [`order::state::transition`] and in no
//! other way.
#![warn(missing_docs)]

pub mod failure;
pub mod id;
pub mod order;
pub mod time;
pub mod value;
pub mod workflow;

pub use failure::{Cause, Failure, FailureClass, RuleFailure};
pub use id::OrderId;
pub use order::state::{Event, InactiveReason, Lease, ProvisioningState, Retry, State};
pub use order::{BlockCause, Change, ChangeOperation, Lane, Order, OrderKind, Owner, Period, Reason, is_urgent};
pub use time::Timestamp;
pub use value::{Value, ValueType};
pub use workflow::WorkflowState;
