//! From assignments to provisioning orders (domain.md, "Generating orders"): one order per target
//! resource, block causes, thresholds, and what is no longer needed.
//!
//! The rule that must hold: generating twice submits nothing new, and a generation that breaks a
//! threshold submits nothing at all. What is not going to be written stands in nobody else's lane: the
//! ledger would take it for news of the resource, and withdraw what was to be written.

use super::assign::{Assignment, Wanted, Wish};
use super::catalog::{Catalog, ResourceType};
use super::known_order::{self, KnownOrder};
use provost_domain::{BlockCause, InactiveReason, Order, OrderId, OrderKind, Owner, ProvisioningState, Timestamp};
use std::collections::{BTreeMap, HashMap};

/// How a generation was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id; the orders carry it.
    pub id: String,
    /// Block everything until review.
    pub force_review: bool,
    /// Do not block because a resource type requires review.
    pub waive_review: bool,
    /// Now.
    pub now: Timestamp,
}

/// What a generation would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generation {
    /// New orders.
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

/// A threshold that a generation breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The resource type.
    pub resource_type: String,
    /// "additions", "updates" or "deletions".
    pub counted: &'static str,
    /// How many orders there would be.
    pub count: usize,
    /// How many there may be.
    pub limit: usize,
    /// The limit as the catalog says it.
    pub rule: String,
}

/// Turns assignments into orders. `lanes` are the lanes in which the ledger has orders, by connector,
/// entity type and target key, each oldest first, as [`lane_of_order`] says. `new_id` gives the ids.
pub fn generate(
    catalog: &Catalog,
    assignments: &[Assignment],
    lanes: &BTreeMap<LaneKey, Vec<KnownOrder>>,
    run: &Run,
    mut new_id: impl FnMut() -> OrderId,
) -> Generation {
    let mut generation = Generation::default();
    let mut needed: HashMap<LaneKey, Vec<(&str, &str)>> = HashMap::new();
    let claimants = claimants(catalog, assignments);
    let mut linked: BTreeMap<&str, usize> = BTreeMap::new();
    for assignment in assignments {
        let Some(resource_type) = catalog.resource_type(&assignment.resource_type) else { continue };
        if assignment.linked {
            *linked.entry(&*resource_type.name).or_default() += 1;
        }
        let holds_key = claimants
            .get(&(&*resource_type.connector, &*resource_type.target, &*assignment.target_key))
            .is_none_or(|claimants| claimants.leave_the_key_to(assignment));
        let Some(order) = order(resource_type, assignment, holds_key, run, &mut new_id) else { continue };
        let key = lane_of_order(&order);
        let is_known = is_known(lanes.get(&key).map_or(&[][..], Vec::as_slice), &order);
        needed.entry(key).or_default().push((&assignment.owner.entity_type, &assignment.owner.key));
        if is_known {
            generation.duplicates += 1;
        } else {
            generation.orders.push(order);
        }
    }
    generation.orders = prerequisites_first(catalog, assignments, lanes, generation.orders);
    // That somebody else needs an order on the resource keeps nobody's.
    let unneeded = lanes.iter().flat_map(|(key, lane)| {
        let of: &[(&str, &str)] = needed.get(key).map_or(&[], Vec::as_slice);
        lane.iter().filter(move |order| !of.contains(&(&order.owner.entity_type, &order.owner.key)))
    });
    generation.cancel = unneeded.filter(|order| order.gives_way()).map(|order| order.id).collect();
    for resource_type in catalog.resource_types() {
        let linked = linked.get(&*resource_type.name).copied().unwrap_or(0);
        generation.breaches.extend(breaches(resource_type, &generation.orders, linked));
        generation.notes.extend(first_load(resource_type, &generation.orders, linked));
    }
    generation
}

/// Lets an addition wait for what its resource type depends on: the same owner's order that is new in
/// this generation or open in the ledger. Without one, and without the resource, it is left for a later
/// generation: so it is when what it needed was declined or cancelled, and the ledger cancelled it too.
/// The ledger wants prerequisites before what depends on them.
fn prerequisites_first(
    catalog: &Catalog,
    assignments: &[Assignment],
    lanes: &BTreeMap<LaneKey, Vec<KnownOrder>>,
    mut orders: Vec<Order>,
) -> Vec<Order> {
    if catalog.resource_types().iter().all(|resource_type| resource_type.depends_on.is_none()) {
        return orders;
    }
    let owner_key = |owner: &Owner, name: &str| (owner.entity_type.clone(), owner.key.clone(), name.to_owned());
    let new: HashMap<_, OrderId> = orders
        .iter()
        .filter(|order| order.rule_failure.is_none() && !order.expired)
        .map(|order| (owner_key(&order.owner, &order.resource_type), order.id))
        .collect();
    let held: HashMap<_, &Assignment> =
        assignments.iter().map(|one| (owner_key(&one.owner, &one.resource_type), one)).collect();
    let needs = |name: &str| catalog.resource_type(name).and_then(|one| one.depends_on.as_deref());
    orders.retain_mut(|order| {
        let Some(needed) = needs(&order.resource_type) else { return true };
        if order.kind != OrderKind::Addition || order.rule_failure.is_some() || order.expired {
            return true;
        }
        let key = owner_key(&order.owner, needed);
        if let Some(id) = new.get(&key) {
            order.depends_on.push(*id);
            return true;
        }
        let prerequisite = held.get(&key).filter(|one| matches!(one.wish, Wish::Have | Wish::Unknown));
        let (Some(prerequisite), Some(kind)) = (prerequisite, catalog.resource_type(needed)) else { return false };
        if prerequisite.wish == Wish::Unknown {
            // Its order is in Error, or is about to be: nothing can wait for that.
            return prerequisite.linked;
        }
        let lane = (kind.connector.to_string(), kind.target.to_string(), prerequisite.target_key.clone());
        let newest = known_order::newest(lanes.get(&lane).map_or(&[][..], Vec::as_slice));
        match newest.map(|newest| newest.state) {
            Some(
                ProvisioningState::Pending
                | ProvisioningState::Transmitted
                | ProvisioningState::Errored
                | ProvisioningState::AwaitingApproval,
            ) => order.depends_on.extend(newest.map(|newest| newest.id)),
            Some(ProvisioningState::Executed) => {}
            _ => return prerequisite.linked,
        }
        true
    });
    let depth = |order: &Order| std::iter::successors(Some(order.resource_type.as_str()), |name| needs(name)).count();
    orders.sort_by_key(depth);
    orders
}

/// Who has or wants one key.
#[derive(Default)]
struct Claimants {
    all: usize,
    /// Those to whom a rule gave it, and who may have it by now.
    ours: usize,
}

impl Claimants {
    /// Nobody else has a say in what stands in the key's lane.
    fn leave_the_key_to(&self, assignment: &Assignment) -> bool {
        self.all <= 1 || (assignment.is_ours() && self.ours == 1)
    }
}

/// Who has or wants each key, by connector, entity type and key.
fn claimants<'a>(
    catalog: &'a Catalog,
    assignments: &'a [Assignment],
) -> HashMap<(&'a str, &'a str, &'a str), Claimants> {
    let mut found: HashMap<_, Claimants> = HashMap::new();
    for assignment in assignments.iter().filter(|assignment| !assignment.target_key.is_empty()) {
        let counts = match assignment.wish {
            Wish::Have | Wish::Lose | Wish::Past | Wish::Unknown => true,
            // Nothing of theirs is ordered.
            Wish::Later | Wish::Found | Wish::Gone => false,
        };
        let Some(kind) = catalog.resource_type(&assignment.resource_type).filter(|_| counts) else { continue };
        let claimants = found.entry((&*kind.connector, &*kind.target, &*assignment.target_key)).or_default();
        claimants.all += 1;
        claimants.ours += usize::from(assignment.is_ours());
    }
    found
}

/// What tells lanes apart: connector, entity type, target key.
pub type LaneKey = (String, String, String);

/// The lane of an order. One without a key is in a lane of its owner's own.
pub fn lane_of_order(order: &Order) -> LaneKey {
    let key = match order.target_key.as_str() {
        "" => unknown_key(&order.resource_type, &order.owner.entity_type, &order.owner.key),
        key => key.to_owned(),
    };
    (order.connector.clone(), order.entity_type.clone(), key)
}

/// The stand-in for a key that could not be computed, or is somebody else's; it cannot be a real one.
pub fn unknown_key(resource_type: &str, owner_entity_type: &str, owner_key: &str) -> String {
    format!("\u{1f}{resource_type}\u{1f}{owner_entity_type}\u{1f}{owner_key}")
}

fn order(
    resource_type: &ResourceType,
    assignment: &Assignment,
    holds_key: bool,
    run: &Run,
    new_id: &mut impl FnMut() -> OrderId,
) -> Option<Order> {
    let failed = assignment.failure.is_some();
    // Without a key there is no resource that anybody could have missed; so it is with one that is somebody
    // else's. That the period is over, the assignment says.
    let expired = assignment.wish == Wish::Past && !assignment.target_key.is_empty() && holds_key;
    let (kind, changes) = match &assignment.wanted {
        Some(Wanted { kind, changes }) => (*kind, changes.clone()),
        None if failed && assignment.linked => (OrderKind::Update, vec![]),
        None if failed || expired => (OrderKind::Addition, vec![]),
        None => return None,
    };
    let mut block_causes = Vec::new();
    if !failed && !expired {
        block_causes.extend((resource_type.review && !run.waive_review).then_some(BlockCause::ResourceType));
        block_causes.extend(run.force_review.then_some(BlockCause::Run));
    }
    Some(Order {
        id: new_id(),
        kind,
        resource_type: resource_type.name.to_string(),
        connector: resource_type.connector.to_string(),
        connection: resource_type.connection.to_string(),
        entity_type: resource_type.target.to_string(),
        owner: assignment.owner.clone(),
        // An Error is never written. Where the key is somebody else's, it stays out of their lane.
        target_key: if failed && !holds_key { String::new() } else { assignment.target_key.clone() },
        changes,
        arguments: assignment.arguments.clone(),
        why: assignment.why.clone(),
        priority: resource_type.priority,
        not_before: None,
        period: assignment.period,
        generation_run: run.id.clone(),
        depends_on: vec![],
        block_causes,
        transmitted_validity_minutes: resource_type.transmitted_validity_minutes,
        rule_failure: assignment.failure.clone(),
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

/// How many orders of a kind there are of a resource type that would be written.
fn count(resource_type: &ResourceType, kind: OrderKind, orders: &[Order]) -> usize {
    let writes = |order: &&Order| {
        *order.resource_type == *resource_type.name
            && order.kind == kind
            && !order.expired
            && order.rule_failure.is_none()
    };
    orders.iter().filter(writes).count()
}

/// What a run says of a resource type's first load, where a percentage would have counted.
fn first_load(resource_type: &ResourceType, orders: &[Order], linked: usize) -> Option<String> {
    let percent = resource_type.thresholds.additions_percent;
    let count = count(resource_type, OrderKind::Addition, orders);
    let name = &resource_type.name;
    (percent > 0 && linked == 0 && count > 0)
        .then(|| format!("{name}: {count} additions are its first load, to which the {percent} % limit does not apply"))
}

/// The thresholds of one resource type that the orders break. Percents count against the linked
/// resources of the type; for additions they do not apply before there are any, since a first load
/// is all additions.
fn breaches(resource_type: &ResourceType, orders: &[Order], linked: usize) -> Vec<Breach> {
    let limits = &resource_type.thresholds;
    let counted = [
        ("additions", OrderKind::Addition, limits.additions, limits.additions_percent),
        ("updates", OrderKind::Update, limits.updates, limits.updates_percent),
        ("deletions", OrderKind::Deletion, limits.deletions, limits.deletions_percent),
    ];
    let mut breaches = Vec::new();
    for (counted, kind, absolute, percent) in counted {
        let count = count(resource_type, kind, orders);
        let is_first_load = kind == OrderKind::Addition && linked == 0;
        let of_percent = (percent > 0 && !is_first_load).then(|| {
            let limit = linked.saturating_mul(percent as usize) / 100;
            (limit, format!("{percent} % of {linked} resources"))
        });
        let of_absolute = (absolute > 0).then(|| (absolute as usize, format!("at most {absolute}")));
        let lowest = of_percent.into_iter().chain(of_absolute).min_by_key(|(limit, _)| *limit);
        if let Some((limit, rule)) = lowest.filter(|(limit, _)| count > *limit) {
            let resource_type = resource_type.name.to_string();
            breaches.push(Breach { resource_type, counted, count, limit, rule });
        }
    }
    breaches
}
