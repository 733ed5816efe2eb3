//! What goes ahead of what, among orders of different resources: all the numbers, in one place.
//!
//! An order's priority is its resource type's `priority` from the catalog (-1,000,000 to 1,000,000, 0 unless
//! it says otherwise) plus the urgency of what the order does:
//!
//! | urgency | orders |
//! | --- | --- |
//! | 0 | additions, associations, updates |
//! | [`WITHDRAWAL`] | updates of somebody whose time is over (a leaver's disable), and updates that only take links away |
//! | [`DELETION`] | deletions |
//! | [`SENSITIVE_DELETION`] | deletions by resource types that require review, or that hold confidential values |
//!
//! The rule that must hold: no number in a catalog lifts a storm of updates over somebody's leaving. So the
//! steps are further apart than any two numbers of a catalog. Lanes and `depends_on` come before priority.

use super::Assignment;
use crate::model::catalog::{EntityType, ResourceType};
use provost_domain::{ChangeOperation, OrderKind};

/// Somebody's access is taken away, or somebody who left is disabled.
pub const WITHDRAWAL: i32 = 10_000_000;
/// A resource is deleted.
pub const DELETION: i32 = 20_000_000;
/// A resource is deleted that people look at before it is written, or that holds confidential values.
pub const SENSITIVE_DELETION: i32 = 30_000_000;

/// The priority of an assignment's order. `target` is the entity type of what it writes.
pub(super) fn of(resource_type: &ResourceType, target: Option<&EntityType>, assignment: &Assignment) -> i32 {
    resource_type.priority.saturating_add(urgency(resource_type, target, assignment))
}

fn urgency(resource_type: &ResourceType, target: Option<&EntityType>, assignment: &Assignment) -> i32 {
    let Some(wanted) = assignment.wanted.as_ref().filter(|_| !assignment.is_error()) else { return 0 };
    let is_sensitive =
        || resource_type.review || target.is_some_and(|target| target.properties.iter().any(|one| one.sensitive));
    let only_takes = || {
        !wanted.changes.is_empty() && wanted.changes.iter().all(|change| change.operation == ChangeOperation::Remove)
    };
    match wanted.kind {
        OrderKind::Deletion if is_sensitive() => SENSITIVE_DELETION,
        OrderKind::Deletion => DELETION,
        OrderKind::Update if assignment.leaving || only_takes() => WITHDRAWAL,
        OrderKind::Update | OrderKind::Addition | OrderKind::Association => 0,
    }
}
