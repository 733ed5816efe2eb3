//! What is left of a resource type that the catalog no longer has.

use super::Assignment;
use super::Wish;
use crate::model::comparison::Comparisons;
use crate::model::known_order::{self, KnownOrder};
use provost_domain::{ProvisioningState, Value, WorkflowState};
use std::collections::BTreeMap;

/// What is known of a resource whose resource type is no longer in the catalog.
pub struct Remains<'a> {
    /// What synchronization shows of it; none when its entity type is no longer read either.
    pub resource: Option<Option<&'a BTreeMap<String, Value>>>,
    /// The orders of its lane, oldest first.
    pub lane: &'a [KnownOrder],
}

/// What becomes of an assignment whose resource type is no longer in the catalog: what it gave and is there
/// stays, and is shown. A catalog that says nothing of it does not say that it shall go. What was only
/// ordered stays known until the order is cancelled: an agent may take it before.
pub fn left_behind(previous: &Assignment, remains: &Remains<'_>) -> Option<Assignment> {
    let Remains { resource, lane } = *remains;
    let is_there = match resource {
        Some(current) => known_order::overlay(current, lane, Comparisons::EXACT).is_some(),
        None => previous.linked,
    };
    let has_open_order = lane.iter().any(|order| order.is_of(&previous.owner) && order.may_be_written());
    let is_anothers =
        !previous.linked && known_order::newest_written(lane).is_some_and(|written| !written.is_of(&previous.owner));
    if !previous.is_ours() || is_anothers || !(is_there || has_open_order) {
        return None;
    }
    let what = if is_there { "left alone" } else { "its order is cancelled" };
    let (workflow, state) = (WorkflowState::NonConforming, ProvisioningState::None);
    let mut properties = previous.properties.clone();
    properties.values_mut().for_each(|property| (property.workflow, property.state) = (workflow, state));
    Some(Assignment {
        wish: Wish::Lose,
        ours: true,
        workflow,
        state,
        linked: is_there,
        note: format!("the resource type {} is no longer in the catalog: {what}", previous.resource_type),
        properties,
        failure: None,
        wanted: None,
        ..previous.clone()
    })
}
