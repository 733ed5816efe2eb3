//! From assignments to provisioning orders (domain.md, "Generating orders"): one order per target
//! resource, block causes, thresholds, and what is no longer needed.
//!
//! Three steps, so that a hundred thousand people need not be in memory at once: a [`Standing`] of every
//! assignment, which is small; a [`Look`] at each assignment that may need an order, which leaves an
//! [`Intent`]; and, once [`decide`] has said which of them go out, the orders, one by one.
//!
//! The rule that must hold: generating twice submits nothing new, and a generation that breaks a
//! threshold submits nothing at all. What is not going to be written stands in nobody else's lane: the
//! ledger would take it for news of the resource, and withdraw what was to be written.

mod afoot;
mod claimants;
mod lane;
mod linked;
mod order;
mod prerequisites;
pub mod priority;
#[cfg(test)]
mod tests;
mod thresholds;

pub use afoot::{Afoot, Newest};
pub use lane::{LaneId, LaneKey, OwnerId, lane_of_order, unknown_key};
pub use order::{Intent, Look};
pub use thresholds::{Breach, Counted, Inventory, Verdict, verdicts};

use super::assign::{Assignment, Wish, place};
use super::catalog::{Catalog, ResourceType};
use super::known_order::KnownOrder;
use claimants::Claimants;
use linked::LinkProperties;
use provost_domain::{Order, OrderId, OrderKind, Owner, Timestamp, WorkflowState};
use std::collections::{BTreeMap, HashSet};

/// How a generation was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id; the orders carry it.
    pub id: String,
    /// Block everything until review.
    pub force_review: bool,
    /// Do not block because a resource type requires review. Waives nothing else.
    pub waive_review: bool,
    /// Now.
    pub now: Timestamp,
}

/// What a generation would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generation {
    /// New orders, prerequisites first.
    pub orders: Vec<Order>,
    /// Orders that the ledger has already, for the same.
    pub duplicates: usize,
    /// Open orders that are no longer needed.
    pub cancel: Vec<OrderId>,
    /// Thresholds that it breaks.
    pub breaches: Vec<Breach>,
    /// What else is worth a sentence.
    pub notes: Vec<String>,
}

/// What generation has to know of every assignment, also of those that need no order: who else has the
/// key, how many resources a type has, what an order waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its resource type's place in [`Catalog::resource_types`].
    kind: usize,
    /// Where it is not that of the resource type's owners: of a resource that nobody has.
    owner_type: Option<Box<str>>,
    owner_key: Box<str>,
    /// Empty for the owner's first resource of the type.
    slot: Box<str>,
    target_key: Box<str>,
    wish: Wish,
    linked: bool,
    /// It is there: seen, or written and not seen yet.
    exists: bool,
    /// What is wanted is that it comes to be, or comes to be its owner's.
    is_to_be_made: bool,
    ours: bool,
    /// A person declined that it is deleted.
    is_kept: bool,
    /// It may need an order; else nobody has to look at it.
    needs_a_look: bool,
}

impl Standing {
    /// None when the catalog has no such resource type: of that, nothing is ordered.
    pub fn of(catalog: &Catalog, assignment: &Assignment) -> Option<Self> {
        let is_lost = assignment.wish == Wish::Lose;
        let kind = catalog.resource_type_place(&assignment.resource_type)?;
        let owner_type = assignment.owner.entity_type.as_str();
        let is_usual = catalog.resource_types().get(kind).is_some_and(|kind| &*kind.owner == owner_type);
        Some(Self {
            kind,
            owner_type: (!is_usual).then(|| owner_type.into()),
            slot: assignment.slot.as_str().into(),
            owner_key: assignment.owner.key.as_str().into(),
            target_key: assignment.target_key.as_str().into(),
            wish: assignment.wish,
            // What nobody has is there, but by none of the type's rules.
            linked: assignment.linked && !assignment.found,
            exists: assignment.exists(),
            is_to_be_made: assignment
                .wanted
                .as_ref()
                .is_some_and(|wanted| matches!(wanted.kind, OrderKind::Addition | OrderKind::Association)),
            ours: assignment.is_ours(),
            is_kept: is_lost && assignment.wanted.is_none() && assignment.workflow == WorkflowState::Declined,
            needs_a_look: may_need_an_order(assignment),
        })
    }

    /// It may need an order.
    pub const fn needs_a_look(&self) -> bool {
        self.needs_a_look
    }

    /// Under what the assignment is kept: the owner's entity type and key, and the name of the assignment among
    /// the owner's.
    pub fn key(&self, catalog: &Catalog) -> Option<(String, String, String)> {
        let kind = catalog.resource_types().get(self.kind)?;
        Some((self.owner_type(kind).to_owned(), self.owner_key.to_string(), place(&kind.name, &self.slot)))
    }

    fn owner_type<'s>(&'s self, kind: &'s ResourceType) -> &'s str {
        self.owner_type.as_deref().unwrap_or(&kind.owner)
    }

    /// The lane of the resource; none when it has no key.
    pub fn lane(&self, catalog: &Catalog) -> Option<LaneKey> {
        let kind = catalog.resource_types().get(self.kind).filter(|_| !self.target_key.is_empty())?;
        Some((kind.connector.to_string(), kind.target.to_string(), self.target_key.to_string()))
    }

    /// Its owner: entity type and key.
    pub fn owner(&self, catalog: &Catalog) -> Option<(String, String)> {
        let kind = catalog.resource_types().get(self.kind)?;
        Some((self.owner_type(kind).to_owned(), self.owner_key.to_string()))
    }

    /// Its resource type.
    pub fn resource_type<'c>(&self, catalog: &'c Catalog) -> Option<&'c ResourceType> {
        catalog.resource_types().get(self.kind)
    }

    /// The resource, for people: resource type and key.
    pub fn named(&self, catalog: &Catalog) -> String {
        let kind = catalog.resource_types().get(self.kind).map_or("", |kind| &*kind.name);
        format!("{kind} {}", self.target_key)
    }
}

/// What every look of one generation is made from.
pub struct Ground<'a> {
    catalog: &'a Catalog,
    /// The lanes in which the ledger has orders, each oldest first, as [`lane_of_order`] says: at least those of
    /// [`lanes_of_assignment`] of whatever is looked at.
    lanes: &'a BTreeMap<LaneKey, Vec<KnownOrder>>,
    run: &'a Run,
    links: LinkProperties<'a>,
}

/// What a generation decided, before any order is written out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// The new orders, prerequisites first.
    pub new: Vec<Intent>,
    /// Those that the ledger has already, for the same.
    pub known: Vec<Intent>,
    /// Open orders that are no longer needed.
    pub cancel: Vec<OrderId>,
    /// What thresholds count against.
    pub inventory: Inventory,
    /// Each threshold with anything to count, whether it holds or not.
    pub verdicts: Vec<Verdict>,
    /// What else is worth a sentence.
    pub notes: Vec<String>,
}

impl Decided {
    /// The thresholds that it breaks.
    pub fn breaches(&self) -> Vec<Breach> {
        self.verdicts.iter().filter_map(Verdict::breach).collect()
    }
}

impl<'a> Ground<'a> {
    /// What a generation is decided from.
    pub fn new(catalog: &'a Catalog, lanes: &'a BTreeMap<LaneKey, Vec<KnownOrder>>, run: &'a Run) -> Self {
        Self { catalog, lanes, run, links: LinkProperties::of(catalog) }
    }

    /// Whether a look at an assignment needs to see what it changes, also when there is no order beside it.
    pub fn asks_for_changes(&self, assignment: &Assignment) -> bool {
        let kind = self.catalog.resource_type_place(&assignment.resource_type);
        kind.is_some_and(|kind| self.links.speak(kind))
    }

    /// Looks at one assignment, alone: safe to do side by side. `place` names it in what comes after.
    pub fn look(&self, place: usize, assignment: &Assignment, id: OrderId) -> Option<Look> {
        let resource_type = self.catalog.resource_type(&assignment.resource_type)?;
        order::look(self, resource_type, place, assignment, id)
    }

    fn lane(&self, key: &LaneKey) -> &'a [KnownOrder] {
        self.lanes.get(key).map_or(&[][..], Vec::as_slice)
    }
}

/// Whether an assignment may need an order; else nobody has to look at it.
pub fn may_need_an_order(assignment: &Assignment) -> bool {
    assignment.wanted.is_some() || assignment.has_failed() || assignment.wish == Wish::Past
}

/// What an assignment says of a resource to whoever claims it too: the resource's entity type and key, and whether a
/// rule gave it.
pub fn claim<'a>(catalog: &'a Catalog, assignment: &'a Assignment) -> Option<(&'a str, &'a str, bool)> {
    let has_a_say = claimants::has_a_say(assignment.wish) && !assignment.target_key.is_empty();
    let kind = catalog.resource_type(&assignment.resource_type).filter(|_| has_a_say)?;
    Some((&kind.target, &assignment.target_key, assignment.is_ours()))
}

/// Decides which orders go out and which are cancelled. `standings` are those of all assignments, or of all of some
/// owners and of whoever claims what they claim; a look's place is its assignment's in them. What is afoot is so of
/// all lanes, or of those of the standings and of whatever else is on its way for those owners.
pub fn decide(
    catalog: &Catalog,
    standings: &[Standing],
    looks: Vec<Look>,
    afoot: &Afoot,
    inventory: Inventory,
) -> Decided {
    let asking = looks.iter().filter(|look| look.asks_for_claimants()).filter_map(|look| standings.get(look.place()));
    let claimants = Claimants::of(catalog, standings, asking);
    let (mut new, mut known) = (Vec::with_capacity(looks.len()), Vec::new());
    let mut needed: HashSet<(LaneId, OwnerId)> = HashSet::new();
    for look in looks {
        let Some(standing) = standings.get(look.place()) else { continue };
        let Some((intent, lane)) = look.decide(|| claimants.leave_the_key_to(catalog, standing)) else { continue };
        if let (Some(lane), Some(kind)) = (lane, catalog.resource_types().get(standing.kind)) {
            needed.insert((lane, OwnerId::named(standing.owner_type(kind), &standing.owner_key)));
        }
        if intent.is_known { known.push(intent) } else { new.push(intent) }
    }
    let mut notes = Vec::new();
    let prerequisites = prerequisites::Prerequisites { catalog, afoot, standings };
    let new = linked::first(catalog, standings, afoot, prerequisites.first(new, &mut notes));
    let verdicts = thresholds::verdicts(catalog, standings, &inventory, &new);
    notes.extend(thresholds::first_loads(&verdicts));
    Decided { cancel: afoot.unneeded(&needed), new, known, inventory, verdicts, notes }
}

/// The lanes in which an order of an assignment may be: its resource's, and its owner's own, in which it is as long
/// as the key is nobody's or somebody else's.
pub fn lanes_of_assignment(catalog: &Catalog, assignment: &Assignment) -> Vec<LaneKey> {
    let Some(kind) = catalog.resource_type(&assignment.resource_type) else { return vec![] };
    let Owner { entity_type, key, .. } = &assignment.owner;
    let own = (assignment.has_failed() || assignment.target_key.is_empty())
        .then(|| unknown_key(&kind.name, entity_type, key));
    let keys = own.into_iter().chain([assignment.target_key.clone()]).filter(|key| !key.is_empty());
    keys.map(|key| (kind.connector.to_string(), kind.target.to_string(), key)).collect()
}

/// The order of an intent, from its assignment.
pub fn write(catalog: &Catalog, run: &Run, intent: &Intent, assignment: Assignment) -> Option<Order> {
    let resource_type = catalog.resource_type(&assignment.resource_type)?;
    order::order(catalog, run, resource_type, assignment, intent)
}

/// Turns assignments into orders, all at once. `new_id` gives the ids.
pub fn generate(
    catalog: &Catalog,
    assignments: &[Assignment],
    lanes: &BTreeMap<LaneKey, Vec<KnownOrder>>,
    run: &Run,
    mut new_id: impl FnMut() -> OrderId,
) -> Generation {
    let ground = Ground::new(catalog, lanes, run);
    let known: Vec<(&Assignment, Standing)> =
        assignments.iter().filter_map(|one| Some((one, Standing::of(catalog, one)?))).collect();
    let (assignments, standings): (Vec<_>, Vec<_>) = known.into_iter().unzip();
    let in_need = assignments.iter().zip(&standings).enumerate().filter(|(_, (_, standing))| standing.needs_a_look());
    let looks = in_need.filter_map(|(place, (assignment, _))| ground.look(place, assignment, new_id())).collect();
    let inventory = Inventory {
        existing: Inventory::existing(catalog, &standings),
        provisioned: Inventory::provisioned(catalog, lanes),
    };
    let decided = decide(catalog, &standings, looks, &Afoot::in_lanes(lanes), inventory);
    let order = |intent: &Intent| write(catalog, run, intent, (*assignments.get(intent.place)?).clone());
    Generation {
        orders: decided.new.iter().filter_map(order).collect(),
        duplicates: decided.known.len(),
        breaches: decided.breaches(),
        cancel: decided.cancel,
        notes: decided.notes,
    }
}
