//! What the order generator knows of an order in the ledger: its projection, built from the feed.

use super::catalog::Name;
use super::comparison::{Comparisons, Items};
use provost_domain::{
    BlockCause, Change, ChangeOperation, InactiveReason, OrderId, OrderKind, Owner, ProvisioningState, Timestamp, Value,
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// An order, as last heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownOrder {
    /// Its id.
    pub id: OrderId,
    /// What it does.
    pub kind: OrderKind,
    /// Whose it is.
    pub owner: Owner,
    /// The resource type whose rules led to it.
    pub resource_type: Name,
    /// Where it stands.
    pub state: ProvisioningState,
    /// Why it is Inactive.
    pub inactive_reason: Option<InactiveReason>,
    /// An agent holds it.
    pub in_flight: bool,
    /// What it changes.
    pub changes: Vec<Change>,
    /// Why it had to be reviewed; empty when nobody looks at it before it is written.
    pub block_causes: Vec<BlockCause>,
    /// What it asks for, as `Order::fingerprint` says it; empty once it was verified, when nothing is compared with it.
    pub fingerprint: String,
    /// When it was decided.
    pub generated_at: Timestamp,
    /// When feedback said OK.
    pub executed_at: Option<Timestamp>,
}

impl KnownOrder {
    /// It was written, or somebody is about to: what it changes must not be ordered again.
    pub(crate) fn is_under_way(&self) -> bool {
        match self.state {
            ProvisioningState::Executed | ProvisioningState::Transmitted => true,
            ProvisioningState::Pending => self.in_flight,
            ProvisioningState::None
            | ProvisioningState::Errored
            | ProvisioningState::Verified
            | ProvisioningState::AwaitingApproval
            | ProvisioningState::Inactive
            | ProvisioningState::Error => false,
        }
    }

    /// It is this owner's.
    pub(crate) fn is_of(&self, owner: &Owner) -> bool {
        self.owner.entity_type == owner.entity_type && self.owner.key == owner.key
    }

    /// It may yet be written, whatever is cancelled meanwhile: an agent may have taken it unseen.
    pub(crate) fn may_be_written(&self) -> bool {
        match self.state {
            ProvisioningState::Pending
            | ProvisioningState::Transmitted
            | ProvisioningState::Errored
            | ProvisioningState::AwaitingApproval => true,
            ProvisioningState::None
            | ProvisioningState::Verified
            | ProvisioningState::Inactive
            | ProvisioningState::Error
            | ProvisioningState::Executed => false,
        }
    }

    /// It can be replaced or cancelled.
    pub(crate) fn gives_way(&self) -> bool {
        gives_way(self.state, self.in_flight)
    }

    /// An export that began after the order was executed does not show what it set `property` to,
    /// though nothing newer is on its way.
    pub(crate) fn is_contradicted(&self, property: &str, seen_at: Option<Timestamp>) -> bool {
        self.had_to_show(seen_at) && self.changes.iter().any(|change| change.property == property && !change.write_only)
    }

    /// It was executed before an export began, so that this export had to show it.
    pub(crate) fn had_to_show(&self, seen_at: Option<Timestamp>) -> bool {
        self.state == ProvisioningState::Executed
            && self.executed_at.zip(seen_at).is_some_and(|(executed_at, seen_at)| executed_at < seen_at)
    }

    /// A reviewer declined it.
    pub(crate) fn was_declined(&self) -> bool {
        self.inactive_reason == Some(InactiveReason::Declined)
    }

    /// It was not replaced or cancelled.
    pub(crate) fn counts(&self) -> bool {
        !matches!(self.inactive_reason, Some(InactiveReason::Superseded | InactiveReason::Cancelled))
    }

    /// Whether synchronized data, from an export that began at `seen_at`, shows what it ordered.
    /// What cannot be read back is not looked at; an order of nothing else is never shown. No data shows whose a
    /// resource is: an Association is shown only once a person approved it.
    pub(crate) fn is_shown_by(
        &self,
        current: Option<&BTreeMap<String, Value>>,
        seen_at: Timestamp,
        comparisons: Comparisons<'_>,
    ) -> bool {
        let waits = matches!(
            self.state,
            ProvisioningState::Pending
                | ProvisioningState::Transmitted
                | ProvisioningState::Errored
                | ProvisioningState::AwaitingApproval
                | ProvisioningState::Executed
        );
        let is_in_doubt = self.kind == OrderKind::Association && self.state == ProvisioningState::AwaitingApproval;
        if !waits || is_in_doubt || seen_at <= self.generated_at {
            return false;
        }
        let shown = |change: &Change| {
            let property = change.property.as_str();
            let current = current.and_then(|values| values.get(property));
            let holds = |item: &Value| current.is_some_and(|shown| comparisons.holds(property, shown.items(), item));
            let items = change.proposed.as_ref().map_or(&[][..], Value::items);
            match change.operation {
                ChangeOperation::Set => comparisons.same(property, current, change.proposed.as_ref()),
                ChangeOperation::Add => items.iter().all(holds),
                ChangeOperation::Remove => !items.iter().any(holds),
            }
        };
        let mut readable = self.changes.iter().filter(|change| !change.write_only).peekable();
        match self.kind {
            OrderKind::Deletion => current.is_none(),
            OrderKind::Addition | OrderKind::Association => current.is_some() && readable.all(shown),
            OrderKind::Update => current.is_some() && readable.peek().is_some() && readable.all(shown),
        }
    }
}

/// An order in this state, that an agent holds or does not, can be replaced or cancelled.
pub(crate) const fn gives_way(state: ProvisioningState, in_flight: bool) -> bool {
    match state {
        ProvisioningState::Errored | ProvisioningState::AwaitingApproval | ProvisioningState::Error => true,
        ProvisioningState::Pending => !in_flight,
        ProvisioningState::None
        | ProvisioningState::Transmitted
        | ProvisioningState::Verified
        | ProvisioningState::Inactive
        | ProvisioningState::Executed => false,
    }
}

/// The newest order of a lane that was not replaced or cancelled. `lane` is oldest first.
pub(crate) fn newest(lane: &[KnownOrder]) -> Option<&KnownOrder> {
    lane.iter().rev().find(|order| order.counts())
}

/// The newest order of a lane, when it is a Deletion that a reviewer declined.
pub(crate) fn declined_deletion(lane: &[KnownOrder]) -> Option<&KnownOrder> {
    newest(lane).filter(|order| order.kind == OrderKind::Deletion && order.was_declined())
}

/// The newest order that wrote the resource of a lane, or is writing it.
pub(crate) fn newest_written(lane: &[KnownOrder]) -> Option<&KnownOrder> {
    lane.iter().rev().find(|order| order.is_under_way() || order.state == ProvisioningState::Verified)
}

/// What was declined of one property, and is not proposed again (domain.md, "Order kinds").
#[derive(Clone, Copy)]
pub(crate) struct Refusals<'a> {
    /// Oldest first.
    pub(crate) lane: &'a [KnownOrder],
    pub(crate) property: &'a str,
    pub(crate) comparisons: Comparisons<'a>,
    /// When a person decided to write all the same: what was declined before no longer counts.
    pub(crate) since: Option<Timestamp>,
    /// What was declined of the property, and was wanted otherwise since.
    pub(crate) over: &'a [Over],
}

/// A decline that is over: what was declined was wanted otherwise since, so that wanting it again is a new question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Over {
    /// The order that was declined.
    pub order: OrderId,
    /// The property of which it is over; none is the order as a whole.
    pub property: Option<String>,
    /// The link; none is the value.
    pub item: Option<Value>,
}

impl Over {
    /// Of an order as a whole.
    pub(crate) const fn whole(order: OrderId) -> Self {
        Self { order, property: None, item: None }
    }
}

/// The newest declined order of a lane that is over, by what is known of that, unless something newer was verified. An
/// order that asks for the same again says so: else it would be the one that was declined.
pub(crate) fn asked_again(lane: &[KnownOrder], over: &[Over]) -> Option<OrderId> {
    let counts = |order: &&KnownOrder| order.counts();
    let newer = |order: &&KnownOrder| order.was_declined() || order.state == ProvisioningState::Verified;
    let newest = lane.iter().rev().filter(counts).find(newer)?;
    over.iter().any(|one| one.order == newest.id && newest.was_declined()).then_some(newest.id)
}

impl Refusals<'_> {
    /// Whether the newest order that does this to the property was declined, and that still counts.
    fn has(&self, item: Option<&Value>, is_it: impl Fn(&Change) -> bool) -> bool {
        let newest = self
            .lane
            .iter()
            .rev()
            .filter(|order| order.counts() && self.since.is_none_or(|since| since <= order.generated_at))
            .find(|order| order.changes.iter().any(|change| change.property == self.property && is_it(change)));
        let is_over = |order: &KnownOrder| {
            let is_item = |one: &Over| self.comparisons.same(self.property, one.item.as_ref(), item);
            self.over.iter().any(|one| one.order == order.id && is_item(one))
        };
        newest.is_some_and(|order| order.was_declined() && order.kind == OrderKind::Update && !is_over(order))
    }

    /// Whether setting the property to this value was declined, and nothing else was set since.
    pub(crate) fn has_value(&self, proposed: Option<&Value>) -> bool {
        let sets = |change: &Change| change.operation == ChangeOperation::Set;
        let is_same = |change: &Change| self.comparisons.same(self.property, change.proposed.as_ref(), proposed);
        let newest = self
            .lane
            .iter()
            .rev()
            .filter(|order| order.counts())
            .find_map(|order| order.changes.iter().find(|change| change.property == self.property && sets(change)));
        newest.is_some_and(is_same) && self.has(None, sets)
    }

    /// Whether adding (or removing) this item was declined, whatever else that order proposed.
    pub(crate) fn has_item(&self, operation: ChangeOperation, item: &Value) -> bool {
        let speaks_of = |change: &Change| {
            let items = change.proposed.as_ref().map_or(&[][..], Value::items);
            self.comparisons.holds(self.property, items, item)
        };
        self.has(Some(item), |change| change.operation == operation && speaks_of(change))
    }
}

/// The value of a write-only property that was last sent: by what is under way, unless something newer
/// was verified. `None` when nothing under way says.
pub(crate) fn last_sent<'a>(lane: &'a [KnownOrder], property: &str) -> Option<Option<&'a Value>> {
    for order in lane.iter().rev().filter(|order| order.is_under_way() || order.state == ProvisioningState::Verified) {
        let change = order.changes.iter().find(|change| change.property == property);
        match (order.state, order.kind, change) {
            (ProvisioningState::Verified, OrderKind::Update | OrderKind::Association, None) => {}
            (ProvisioningState::Verified, _, _) | (_, OrderKind::Deletion, _) => return None,
            (_, _, Some(change)) => return Some(change.proposed.as_ref()),
            (_, _, None) => {}
        }
    }
    None
}

/// What the system will show once everything under way has arrived; `None` when there is (or will
/// be) no resource. Orders count in their order: what is verified was seen, and takes back to what
/// synchronization shows whatever older orders said of the same.
pub(crate) fn overlay<'a, 'c>(
    current: Option<&'c BTreeMap<String, Value>>,
    lane: impl IntoIterator<Item = &'a KnownOrder>,
    comparisons: Comparisons<'_>,
) -> Option<Cow<'c, BTreeMap<String, Value>>> {
    // Nothing is on its way to most resources, and then what is there is what will be.
    let mut values = current.map(Cow::Borrowed);
    for order in lane {
        match (order.state, order.kind) {
            (ProvisioningState::Verified, OrderKind::Addition | OrderKind::Association | OrderKind::Deletion) => {
                values = current.map(Cow::Borrowed);
            }
            (ProvisioningState::Verified, OrderKind::Update) => {
                let Some(Cow::Owned(values)) = &mut values else { continue };
                for Change { property, .. } in &order.changes {
                    match current.and_then(|current| current.get(property)) {
                        Some(value) => values.insert(property.clone(), value.clone()),
                        None => values.remove(property),
                    };
                }
            }
            _ if !order.is_under_way() => {}
            (_, OrderKind::Deletion) => values = None,
            _ => order.changes.iter().for_each(|change| {
                apply(values.get_or_insert_with(Cow::default).to_mut(), change, comparisons);
            }),
        }
    }
    values
}

fn apply(values: &mut BTreeMap<String, Value>, change: &Change, comparisons: Comparisons<'_>) {
    let Change { property, operation, proposed, .. } = change;
    let items = proposed.as_ref().map_or(&[][..], Value::items);
    let mut held = values.get(property).map(|value| value.items().to_vec()).unwrap_or_default();
    match (operation, proposed) {
        (ChangeOperation::Set, Some(value)) => {
            values.insert(property.clone(), value.clone());
            return;
        }
        (ChangeOperation::Set, None) => {
            values.remove(property);
            return;
        }
        (ChangeOperation::Add, _) => {
            let known = Items::new(comparisons.of(property), &held);
            let missing: Vec<_> = items.iter().filter(|item| !known.holds(item)).cloned().collect();
            held.extend(missing);
        }
        (ChangeOperation::Remove, _) => {
            let removed = Items::new(comparisons.of(property), items);
            held.retain(|item| !removed.holds(item));
        }
    }
    values.insert(property.clone(), Value::List(held));
}
