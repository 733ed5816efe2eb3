//! What is afoot in the ledger, at a glance: of each lane its newest order, and whatever can still be cancelled.
//!
//! A hundred thousand people have orders by the hundred thousand, and what these change is more than fits into
//! memory. Whether one goes out is said by a look beside its lane; what is said of all of them together needs no
//! more than stands here.

use super::lane::{LaneId, LaneKey, OwnerId};
use crate::model::known_order::KnownOrder;
use provost_domain::{OrderId, OrderKind, ProvisioningState};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The newest order of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Its id.
    pub id: OrderId,
    /// What it does.
    pub kind: OrderKind,
    /// Where it stands.
    pub state: ProvisioningState,
}

impl Newest {
    /// It may yet be written, and has not been.
    pub(super) const fn is_open(&self) -> bool {
        matches!(
            self.state,
            ProvisioningState::Pending
                | ProvisioningState::Transmitted
                | ProvisioningState::Errored
                | ProvisioningState::AwaitingApproval
        )
    }

    /// Once it is written, the resource is there and its owner's.
    const fn makes(&self) -> bool {
        matches!(self.kind, OrderKind::Addition | OrderKind::Association)
    }
}

/// An order that can be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct GivingWay {
    lane: LaneId,
    owner: OwnerId,
    id: OrderId,
}

/// What is afoot in the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Afoot {
    newest: HashMap<LaneId, Newest>,
    /// What made the resource, of lanes in which something newer changes it.
    makers: HashMap<LaneId, Newest>,
    giving_way: Vec<GivingWay>,
}

impl Afoot {
    /// What is afoot in these lanes, each oldest first.
    pub fn in_lanes(lanes: &BTreeMap<LaneKey, Vec<KnownOrder>>) -> Self {
        let mut afoot = Self::default();
        for (lane, orders) in lanes {
            let lane = LaneId::of(lane);
            for order in orders {
                let newest = Newest { id: order.id, kind: order.kind, state: order.state };
                if order.counts() {
                    afoot.add(lane, newest);
                }
                if order.gives_way() {
                    afoot.add_giving_way(lane, OwnerId::of(&order.owner), order.id);
                }
            }
        }
        afoot
    }

    /// Adds an order that counts; those of one lane come oldest first.
    pub fn add(&mut self, lane: LaneId, order: Newest) {
        let before = self.newest.insert(lane, order);
        if order.kind != OrderKind::Update {
            self.makers.remove(&lane);
        } else if let Some(maker) = before.filter(Newest::makes) {
            self.makers.insert(lane, maker);
        }
    }

    /// Adds an order that can be cancelled.
    pub fn add_giving_way(&mut self, lane: LaneId, owner: OwnerId, id: OrderId) {
        self.giving_way.push(GivingWay { lane, owner, id });
    }

    /// The newest order of a lane that was not replaced or cancelled.
    pub(super) fn newest(&self, lane: LaneId) -> Option<&Newest> {
        self.newest.get(&lane)
    }

    /// The newest order of a lane that makes its resource exist, if nothing newer takes that away.
    pub(super) fn maker(&self, lane: LaneId) -> Option<&Newest> {
        self.makers.get(&lane).or_else(|| self.newest(lane).filter(|newest| newest.makes()))
    }

    /// What can be cancelled and nobody needs any more. That somebody else needs an order on the resource keeps
    /// nobody's.
    pub(super) fn unneeded(&self, needed: &HashSet<(LaneId, OwnerId)>) -> Vec<OrderId> {
        let unneeded = self.giving_way.iter().filter(|order| !needed.contains(&(order.lane, order.owner)));
        unneeded.map(|order| order.id).collect()
    }
}
