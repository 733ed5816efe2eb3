//! The gRPC handlers: caller, parse, one call, answer. No rules and no SQL here.
//!
//! The rule that must hold: generated types stop in this room.

mod assignments;
mod catalog;
mod explain;
mod jobs;
mod order_generator;
mod plan;
mod reconciliation;
mod repository;
mod requests;
mod synchronization;

use crate::generator::Generator;
use std::sync::Arc;

/// All services of the order generator, over one set of shared parts.
#[derive(Clone)]
pub(crate) struct Api {
    generator: Arc<Generator>,
}

impl Api {
    pub(crate) const fn new(generator: Arc<Generator>) -> Self {
        Self { generator }
    }
}
