//! What this service does, one file per verb: each with its input, its function and its tests.
//!
//! Leaves rules to the model, tables to the store, and the wire to the api. The rule that must hold:
//! a verb that was interrupted anywhere can be repeated.

pub(crate) mod affected;
pub(crate) mod apply_catalog;
pub(crate) mod apply_plan;
pub(crate) mod automate_requests;
pub(crate) mod catch_up;
pub(crate) mod compute;
pub(crate) mod decide_requests;
pub(crate) mod expire_requests;
pub(crate) mod explain;
pub(crate) mod generate;
pub(crate) mod get_request;
mod held_back;
pub(crate) mod held_orders;
pub(crate) mod held_resources;
pub(crate) mod inputs;
pub(crate) mod jobs;
pub(crate) mod known;
pub(crate) mod list_requests;
mod look;
pub(crate) mod permissions;
mod pieces;
pub(crate) mod plan;
pub(crate) mod planned;
pub(crate) mod planning;
pub(crate) mod poll_exports;
pub(crate) mod reconcile;
pub(crate) mod regenerate;
pub(crate) mod request_assignment;
mod requested;
pub(crate) mod requests;
pub(crate) mod revoke_assignment;
pub(crate) mod schema;
mod sizes;
pub(crate) mod stage;
pub(crate) mod survey;
pub(crate) mod synchronize;
pub(crate) mod texts;
pub(crate) mod upload;
pub(crate) mod verify;
pub(crate) mod virtual_resources;
pub(crate) mod withdraw_request;
pub(crate) mod world;
