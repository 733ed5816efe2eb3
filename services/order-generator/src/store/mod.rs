//! The order generator's tables. A query is a function of a connection; the verb that calls it opens
//! the transaction and commits it.
//!
//! The rule that must hold: rows stop here. What leaves this room is made of the model's and the
//! domain's types, or of plain values.

pub(crate) mod assignments;
pub(crate) mod catalogs;
pub(crate) mod changes;
mod compact;
pub(crate) mod computations;
pub(crate) mod decisions;
pub(crate) mod dependencies;
pub(crate) mod entity;
pub(crate) mod found_items;
pub(crate) mod generations;
pub(crate) mod held_orders;
pub(crate) mod held_resources;
pub(crate) mod jobs;
pub(crate) mod leases;
mod migrations;
pub(crate) mod orders;
pub(crate) mod plan_keys;
pub(crate) mod request_outbox;
pub(crate) mod requests;
pub(crate) mod resources;
#[cfg(test)]
mod scans;
pub(crate) mod sensitive_orders;
pub(crate) mod synchronizations;
pub(crate) mod texts;
pub(crate) mod ungenerated;
pub(crate) mod virtual_resources;

pub(crate) use migrations::Migrator;

use provost_service_kit::Fault;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value as the text of a JSON column. Keys are sorted, so that equal values are equal texts.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(Fault::internal)
}

/// The inverse of [`to_json`].
pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(Fault::internal)
}
