//! What a new order means for its lane: news or a duplicate, what it replaces, where it starts.

use crate::model::{Entry, Offer, Standing};
use prost::Message;
use provost_contract::to_wire;
use provost_domain::{BlockCause, InactiveReason, Lane, Order, OrderId, ProvisioningState, State, Timestamp};
use std::time::Duration;

/// States in which an order with the same content makes a new one pointless.
pub(crate) fn makes_duplicate(newest: &State) -> bool {
    match newest {
        State::Pending { .. }
        | State::Transmitted { .. }
        | State::Errored { .. }
        | State::AwaitingApproval
        | State::Error { .. }
        | State::Executed { .. } => true,
        // Declined means: not proposed again until the proposed value changes.
        State::Inactive { reason } => matches!(reason, InactiveReason::Declined | InactiveReason::Expired),
        State::Verified => false,
    }
}

/// States in which an order gives way to a newer one of its lane, unless it is in flight.
pub(crate) fn gives_way(state: &State) -> bool {
    matches!(
        state.number(),
        ProvisioningState::Pending
            | ProvisioningState::Errored
            | ProvisioningState::AwaitingApproval
            | ProvisioningState::Error
    )
}

/// What an order is to one that depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prerequisite {
    /// Written: nothing to wait for.
    Fulfilled,
    /// Open: may still be written.
    Awaited,
    /// Over, or an Error: never written, so that whoever waited for it would wait for ever.
    Ended,
}

/// What an order in `state` is to one that depends on it (domain.md, "Orders of one resource are a lane").
pub(crate) const fn prerequisite(state: &State) -> Prerequisite {
    match state {
        State::Executed { .. } | State::Verified => Prerequisite::Fulfilled,
        State::Pending { .. } | State::Transmitted { .. } | State::Errored { .. } | State::AwaitingApproval => {
            Prerequisite::Awaited
        }
        State::Inactive { .. } | State::Error { .. } => Prerequisite::Ended,
    }
}

/// Longest lane that is kept as it is, in bytes: an index entry of PostgreSQL ends at 2,700.
const LANE_BYTES_MAX: usize = 1_000;

/// The lane. An order whose key could not be computed must not share one with strangers. A long lane
/// is kept by its hash.
pub(crate) fn lane(order: &Order) -> String {
    let lane = if order.target_key.is_empty() {
        let Order { owner, resource_type, .. } = order;
        let stand_in = format!("\u{1f}{resource_type}\u{1f}{}\u{1f}{}", owner.entity_type, owner.key);
        Lane::new(&order.connector, &order.entity_type, &stand_in)
    } else {
        order.lane()
    };
    if lane.as_str().len() <= LANE_BYTES_MAX { lane.as_str().to_owned() } else { format!("\u{1f}{}", lane.digest()) }
}

/// Adds the cause that only the ledger can know: an order of the lane waits for review. The new order
/// takes its place, and must not get past the review that way, whatever its own run asked for.
pub(crate) fn queue_behind(order: &mut Order, lane: &[&State]) {
    let is_reviewed = lane.iter().any(|state| matches!(state, State::AwaitingApproval));
    let is_to_be_written = order.rule_failure.is_none() && !order.expired;
    if is_reviewed && is_to_be_written && !order.block_causes.contains(&BlockCause::QueuedBehind) {
        order.block_causes.push(BlockCause::QueuedBehind);
    }
}

/// A new order with what follows from its content alone; made before anybody else has to wait for it.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) order: Order,
    pub(crate) lane: String,
    pub(crate) fingerprint: String,
    /// The order as it is kept: an encoded provost.types.v1.Order.
    pub(crate) payload: Vec<u8>,
}

impl From<Order> for Prepared {
    fn from(order: Order) -> Self {
        let (lane, fingerprint) = (lane(&order), order.fingerprint());
        let payload = to_wire::order(&order).encode_to_vec();
        Self { order, lane, fingerprint, payload }
    }
}

impl Prepared {
    /// [`queue_behind`], in what is kept too.
    pub(crate) fn queue_behind(&mut self, lane: &[&State]) {
        let causes = self.order.block_causes.len();
        queue_behind(&mut self.order, lane);
        if self.order.block_causes.len() != causes {
            self.payload = to_wire::order(&self.order).encode_to_vec();
        }
    }
}

/// Where a new order comes in its lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The order of the lane that goes before it.
    pub(crate) waits_for: Option<OrderId>,
    /// Until when an attempt may still be writing to the resource.
    pub(crate) held_until: Option<Timestamp>,
}

/// The entry of a new order.
pub(crate) fn entry(prepared: &Prepared, place: Place, unmet: u32, now: Timestamp) -> Entry {
    let Prepared { order, lane, fingerprint, payload: _ } = prepared;
    // What cannot be read back is never verified: Executed is the end of it.
    let is_verifiable = order.changes.is_empty() || order.changes.iter().any(|change| !change.write_only);
    let minutes = if is_verifiable { order.transmitted_validity_minutes } else { 0 };
    let state = State::initial(order);
    let mut standing = Standing {
        waits_for: place.waits_for.filter(|_| state.number().holds_lane()),
        state,
        attempts: 0,
        failures: 0,
        throttles: 0,
        unmet_dependencies: unmet,
        executed_at: None,
        held_until: place.held_until.filter(|until| now < *until),
        offer: Offer::No,
        assignee: None,
        state_since: now,
    };
    standing.offer = standing.offer_at(order.not_before, now);
    Entry {
        sequence: 0,
        id: order.id,
        lane: lane.clone(),
        connection: order.connection.clone(),
        fingerprint: fingerprint.clone(),
        generated_at: order.generated_at,
        not_before: order.not_before,
        validity: (minutes > 0).then(|| Duration::from_secs(u64::from(minutes) * 60)),
        version: 1,
        created_at: now,
        updated_at: now,
        standing,
    }
}

/// Why the order stands where it starts, for the history.
pub(crate) fn reason(order: &Order) -> String {
    if let Some(failure) = &order.rule_failure {
        return failure.to_string();
    }
    let mut reason = match order.generation_run.as_str() {
        "" => "generated".to_owned(),
        run => format!("generated by run {run}"),
    };
    if order.expired {
        reason.push_str("; its period is over and nothing was ever written");
    }
    for cause in &order.block_causes {
        reason.push_str(match cause {
            BlockCause::ResourceType => "; its resource type requires review",
            BlockCause::Run => "; the run required review",
            BlockCause::QueuedBehind => "; another order of the same resource waits for review",
            BlockCause::Confidence => "; the rule behind it has confidence below 100",
        });
    }
    reason
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use provost_domain::{Change, ChangeOperation, OrderKind, Owner, Period, RuleFailure};
    use uuid::Uuid;

    pub(crate) fn an_order() -> Order {
        Order {
            id: OrderId::new(Uuid::from_u128(7)),
            kind: OrderKind::Addition,
            resource_type: "Badge".into(),
            connector: "badge".into(),
            connection: "badge-desk".into(),
            entity_type: "Badge".into(),
            owner: Owner { entity_type: "Person".into(), key: "1001".into(), display_name: "Ada Byron".into() },
            target_key: "4711".into(),
            changes: vec![a_change("number", "4711")],
            arguments: [].into(),
            why: vec![],
            priority: 0,
            not_before: None,
            period: Period::default(),
            generation_run: "run-1".into(),
            depends_on: vec![],
            block_causes: vec![],
            transmitted_validity_minutes: 10,
            rule_failure: None,
            expired: false,
            generated_at: Timestamp::from_millis(1_000),
        }
    }

    pub(crate) fn a_change(property: &str, value: &str) -> Change {
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
    fn long_lanes_are_kept_short_and_apart() {
        let mut ada = an_order();
        ada.target_key = "é".repeat(500);
        let mut bob = ada.clone();
        bob.target_key.push('x');
        assert!(lane(&ada).len() < 100 && lane(&ada) == lane(&ada.clone()));
        assert_ne!(lane(&ada), lane(&bob));
    }

    #[test]
    fn orders_without_a_key_share_no_lane_with_strangers() {
        let mut ada = an_order();
        ada.target_key = String::new();
        ada.rule_failure =
            Some(RuleFailure { rule: "r".into(), property: None, input: String::new(), message: "m".into() });
        let mut bob = ada.clone();
        bob.owner.key = "1002".into();
        assert_ne!(lane(&ada), lane(&bob));
        bob.target_key = "4711".into();
        assert_eq!(lane(&bob), lane(&an_order()));
    }

    #[test]
    fn waits_for_review_behind_an_order_that_waits_for_review() {
        let mut order = an_order();
        queue_behind(&mut order, &[&State::ready()]);
        assert!(order.block_causes.is_empty());
        queue_behind(&mut order, &[&State::ready(), &State::AwaitingApproval]);
        queue_behind(&mut order, &[&State::AwaitingApproval]);
        assert_eq!(order.block_causes, [BlockCause::QueuedBehind]);
        assert!(reason(&order).ends_with("another order of the same resource waits for review"));
        let mut prepared = Prepared::from(an_order());
        prepared.queue_behind(&[&State::AwaitingApproval]);
        let kept = provost_contract::types::v1::Order::decode(prepared.payload.as_slice());
        assert_eq!(kept, Ok(to_wire::order(&order)), "what is kept says so too");
        let mut expired = an_order();
        expired.expired = true;
        queue_behind(&mut expired, &[&State::AwaitingApproval]);
        assert!(expired.block_causes.is_empty(), "what is never written needs no review");
    }

    #[test]
    fn what_cannot_be_read_back_has_no_validity() {
        let mut order = an_order();
        let now = Timestamp::from_millis(5);
        let validity = |order: &Order| entry(&order.clone().into(), Place::default(), 0, now).validity;
        assert_eq!(validity(&order), Some(Duration::from_secs(600)));
        order.changes.iter_mut().for_each(|change| change.write_only = true);
        assert_eq!(validity(&order), None);
    }

    #[test]
    fn only_settled_news_is_submitted_again() {
        assert!(makes_duplicate(&State::ready()));
        assert!(makes_duplicate(&State::Inactive { reason: InactiveReason::Declined }));
        assert!(!makes_duplicate(&State::Inactive { reason: InactiveReason::Cancelled }));
        assert!(!makes_duplicate(&State::Verified));
    }
}
