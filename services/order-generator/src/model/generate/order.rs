//! One assignment's order: what it is, whether the ledger has it already, and why it waits for a review.

use super::{Assignment, Catalog, Ground, LaneId, LaneKey, Run, Wish, lane, priority};
use crate::model::catalog::{CONFIDENT, ResourceType};
use crate::model::known_order::{self, KnownOrder};
use provost_domain::{BlockCause, InactiveReason, Order, OrderId, OrderKind, ProvisioningState};

/// An order that a generation means to have, without what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The order's id.
    pub id: OrderId,
    /// The place of the assignment behind it.
    pub place: usize,
    /// What it does.
    pub kind: OrderKind,
    /// A rule failed, and nothing is left that is certain: it starts, and stays, at Error.
    pub failed: bool,
    /// A rule failed, whether it is an Error or says what is certain.
    pub(super) has_failure: bool,
    /// It starts, and stays, Inactive.
    pub expired: bool,
    /// Why it waits for a review.
    pub block_causes: Vec<BlockCause>,
    /// Another order of its lane waits for a review, so the ledger lets this one wait too (cause 3).
    pub is_queued: bool,
    /// Orders that go first.
    pub depends_on: Vec<OrderId>,
    /// Where the orders are on what it links to.
    pub(super) links: Vec<LaneKey>,
    /// Where the orders are on what it no longer links to.
    pub(super) unlinks: Vec<LaneKey>,
    /// The ledger has it already.
    pub is_known: bool,
    /// The key is this owner's, and nobody else's.
    holds_key: bool,
}

impl Intent {
    /// Somebody would write it.
    pub const fn writes(&self) -> bool {
        !self.failed && !self.expired
    }

    /// The state in which it would start.
    pub const fn state(&self) -> ProvisioningState {
        if self.failed {
            ProvisioningState::Error
        } else if self.expired {
            ProvisioningState::Inactive
        } else if self.block_causes.is_empty() && !self.is_queued {
            ProvisioningState::Pending
        } else {
            ProvisioningState::AwaitingApproval
        }
    }
}

/// An intent, and the lane in which the ledger has orders already.
type Found = (Intent, Option<LaneId>);

/// What one look at an assignment found. Who has its key is known only once all were looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    place: usize,
    held: Option<Found>,
    /// What it is when somebody else has the key; none when that makes no difference.
    otherwise: Option<Box<Option<Found>>>,
}

impl Look {
    /// The place of the assignment.
    pub const fn place(&self) -> usize {
        self.place
    }

    /// Where the orders are on what it would link to.
    pub fn links(&self) -> impl Iterator<Item = &LaneKey> {
        self.held.iter().flat_map(|(intent, _)| &intent.links)
    }

    /// Who else has its key makes a difference.
    pub const fn asks_for_claimants(&self) -> bool {
        self.otherwise.is_some()
    }

    /// The same, at another place.
    #[must_use]
    pub fn at(mut self, place: usize) -> Self {
        let founds = [self.held.as_mut(), self.otherwise.as_deref_mut().and_then(Option::as_mut)];
        founds.into_iter().flatten().for_each(|(intent, _)| intent.place = place);
        self.place = place;
        self
    }

    pub(super) fn decide(self, holds_key: impl FnOnce() -> bool) -> Option<Found> {
        match self.otherwise {
            Some(otherwise) if !holds_key() => *otherwise,
            _ => self.held,
        }
    }
}

pub(super) fn look(
    ground: &Ground<'_>,
    resource_type: &ResourceType,
    place: usize,
    assignment: &Assignment,
    id: OrderId,
) -> Option<Look> {
    let found = |holds_key: bool| found(ground, resource_type, place, assignment, id, holds_key);
    let makes_a_difference = assignment.is_error() || assignment.wish == Wish::Past;
    let look = Look { place, held: found(true), otherwise: makes_a_difference.then(|| Box::new(found(false))) };
    (look.held.is_some() || look.otherwise.as_deref().is_some_and(Option::is_some)).then_some(look)
}

fn found(
    ground: &Ground<'_>,
    resource_type: &ResourceType,
    place: usize,
    assignment: &Assignment,
    id: OrderId,
    holds_key: bool,
) -> Option<Found> {
    let failed = assignment.is_error();
    // Without a key there is no resource that anybody could have missed; so it is with one that is somebody
    // else's. That the period is over, the assignment says.
    let expired = assignment.wish == Wish::Past && !assignment.target_key.is_empty() && holds_key;
    let kind = match &assignment.wanted {
        Some(wanted) => wanted.kind,
        None if failed && assignment.linked => OrderKind::Update,
        None if failed || expired => OrderKind::Addition,
        None => return None,
    };
    let block_causes = match !failed && !expired {
        true => block_causes(resource_type, assignment, ground.run),
        false => vec![],
    };
    let mut intent = Intent {
        id,
        place,
        kind,
        failed,
        has_failure: assignment.has_failed(),
        expired,
        block_causes,
        is_queued: false,
        depends_on: vec![],
        links: vec![],
        unlinks: vec![],
        is_known: false,
        holds_key,
    };
    if intent.writes()
        && let Some(place) = ground.catalog.resource_type_place(&resource_type.name)
    {
        (intent.links, intent.unlinks) = ground.links.changed(place, assignment);
    }
    let key = match target_key(assignment, &intent) {
        "" => lane::unknown_key(&resource_type.name, &assignment.owner.entity_type, &assignment.owner.key),
        key => key.to_owned(),
    };
    let lane = (resource_type.connector.to_string(), resource_type.target.to_string(), key);
    let orders = ground.lane(&lane);
    if orders.is_empty() {
        return Some((intent, None));
    }
    intent.is_queued = intent.writes() && orders.iter().any(|order| order.state == ProvisioningState::AwaitingApproval);
    // Only here, where something is compared, does the order have to be written out.
    let order = order(ground.catalog, ground.run, resource_type, assignment.clone(), &intent)?;
    intent.is_known = is_known(orders, &order);
    Some((intent, Some(LaneId::of(&lane))))
}

/// An Error is never written. Where the key is somebody else's, it stays out of their lane.
fn target_key<'a>(assignment: &'a Assignment, intent: &Intent) -> &'a str {
    if intent.failed && !intent.holds_key { "" } else { &assignment.target_key }
}

/// Why an order waits for a review (domain.md, "Block causes"). Cause 3 is the ledger's to add. A waiver is
/// of cause 1 alone.
fn block_causes(resource_type: &ResourceType, assignment: &Assignment, run: &Run) -> Vec<BlockCause> {
    let is_unsure = assignment.wanted.is_some() && assignment.confidence < CONFIDENT;
    let causes = [
        (resource_type.review && !run.waive_review, BlockCause::ResourceType),
        (run.force_review, BlockCause::Run),
        (is_unsure, BlockCause::Confidence),
    ];
    causes.into_iter().filter_map(|(holds, cause)| holds.then_some(cause)).collect()
}

pub(super) fn order(
    catalog: &Catalog,
    run: &Run,
    resource_type: &ResourceType,
    assignment: Assignment,
    intent: &Intent,
) -> Option<Order> {
    let target_key = target_key(&assignment, intent).to_owned();
    let target = catalog.entity_type(&resource_type.target);
    let priority = priority::of(resource_type, target, &assignment);
    let Intent { id, kind, expired, block_causes, depends_on, .. } = intent.clone();
    let rule_failure = if assignment.is_error() { assignment.failure } else { None };
    Some(Order {
        id,
        kind,
        resource_type: resource_type.name.to_string(),
        connector: resource_type.connector.to_string(),
        connection: resource_type.connection.to_string(),
        entity_type: resource_type.target.to_string(),
        owner: assignment.owner,
        target_key,
        changes: assignment.wanted.map(|wanted| wanted.changes).unwrap_or_default(),
        arguments: assignment.arguments,
        why: assignment.why,
        priority,
        not_before: None,
        period: assignment.period,
        generation_run: run.id.clone(),
        depends_on,
        block_causes,
        transmitted_validity_minutes: resource_type.transmitted_validity_minutes,
        rule_failure,
        expired,
        generated_at: run.now,
    })
}

/// The same rule as the ledger's: the newest order of the lane asks for the same, and it is open, or
/// was declined, or had expired. One that is about to be written without a review does not stand for
/// one that must be reviewed.
fn is_known(lane: &[KnownOrder], order: &Order) -> bool {
    known_order::newest(lane).is_some_and(|newest| {
        let stands = match newest.state {
            ProvisioningState::Verified | ProvisioningState::None => false,
            ProvisioningState::Inactive => {
                matches!(newest.inactive_reason, Some(InactiveReason::Declined | InactiveReason::Expired))
            }
            ProvisioningState::Pending
            | ProvisioningState::Transmitted
            | ProvisioningState::Errored
            | ProvisioningState::AwaitingApproval
            | ProvisioningState::Error
            | ProvisioningState::Executed => true,
        };
        let is_unreviewed =
            newest.state == ProvisioningState::Pending && !newest.in_flight && newest.block_causes.is_empty();
        let must_now_be_reviewed = is_unreviewed && !order.block_causes.is_empty();
        stands && !must_now_be_reviewed && newest.fingerprint == order.fingerprint()
    })
}
