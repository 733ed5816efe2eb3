//! What links point at goes first: the group before its membership, the parent before the child. When it goes, it goes
//! last: the members are taken out, and then the group is deleted.
//!
//! The rules that must hold: an order waits only for an order that makes what it links to, that is new beside it or
//! open in the ledger, and a deletion for the orders new beside it that take links to it away; and no order waits for
//! itself, by whatever way: of a circle one link is not waited for.

use super::{Afoot, Catalog, Intent, LaneId, LaneKey, Standing};
use crate::model::assign::Assignment;
use provost_domain::{ChangeOperation, OrderId, OrderKind, Value};
use std::collections::{HashMap, HashSet};

/// Most orders that a deletion waits for: of a group with more members the last ones are not waited for.
pub(super) const WAITS_MAX: usize = 1_000;

/// The properties by which resources are linked to resources that orders make, by the place of their resource type.
#[derive(Debug, Default)]
pub(super) struct LinkProperties<'a> {
    of_type: Vec<Vec<LinkProperty<'a>>>,
}

/// A property, and where what it points at is.
#[derive(Debug)]
struct LinkProperty<'a> {
    name: &'a str,
    connector: &'a str,
    entity_type: &'a str,
}

impl<'a> LinkProperties<'a> {
    pub(super) fn of(catalog: &'a Catalog) -> Self {
        let made: HashSet<&str> = catalog.resource_types().iter().map(|kind| &*kind.target).collect();
        let properties = |target: &str| -> Vec<LinkProperty<'a>> {
            let properties = catalog.entity_type(target).into_iter().flat_map(|target| &target.properties);
            let link = |property: &'a crate::model::catalog::Property| {
                let to = property.navigates_to().filter(|to| made.contains(&***to))?;
                let connector = &catalog.entity_type(to)?.connector;
                Some(LinkProperty { name: &property.name, connector, entity_type: to })
            };
            properties.filter_map(link).collect()
        };
        Self { of_type: catalog.resource_types().iter().map(|kind| properties(&kind.target)).collect() }
    }

    fn of_place(&self, kind: usize) -> &[LinkProperty<'a>] {
        self.of_type.get(kind).map_or(&[][..], Vec::as_slice)
    }

    /// Whether what an assignment of a resource type changes says what goes first.
    pub(super) fn speak(&self, kind: usize) -> bool {
        !self.of_place(kind).is_empty()
    }

    /// Where the orders are on what an assignment is to be linked to, and on what it is no longer to be linked to.
    pub(super) fn changed(&self, kind: usize, assignment: &Assignment) -> (Vec<LaneKey>, Vec<LaneKey>) {
        let properties = self.of_place(kind);
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        if properties.is_empty() {
            return (added, removed);
        }
        for change in assignment.wanted.iter().flat_map(|wanted| &wanted.changes) {
            let Some(link) = properties.iter().find(|link| link.name == change.property) else { continue };
            let lanes = |value: &Option<Value>| -> Vec<LaneKey> {
                let keys = value.as_ref().map_or(&[][..], Value::items).iter().filter_map(Value::as_str);
                keys.map(|key| (link.connector.to_owned(), link.entity_type.to_owned(), key.to_owned())).collect()
            };
            match change.operation {
                ChangeOperation::Add => added.extend(lanes(&change.proposed)),
                ChangeOperation::Remove => removed.extend(lanes(&change.proposed)),
                ChangeOperation::Set => {
                    let before = lanes(&change.current);
                    let after = lanes(&change.proposed);
                    removed.extend(before.into_iter().filter(|lane| !after.contains(lane)));
                    added.extend(after);
                }
            }
        }
        (added, removed)
    }
}

/// Lets new orders wait for what makes the resources that they link to, and deletions for what takes links to theirs
/// away; puts those first.
pub(super) fn first(catalog: &Catalog, standings: &[Standing], afoot: &Afoot, mut intents: Vec<Intent>) -> Vec<Intent> {
    if intents.iter().all(|intent| intent.links.is_empty() && intent.unlinks.is_empty()) {
        return intents;
    }
    let makes = |intent: &&Intent| intent.kind == OrderKind::Addition && intent.writes();
    let lane = |intent: &Intent| {
        let standing = standings.get(intent.place)?;
        let kind = catalog.resource_types().get(standing.kind)?;
        Some(LaneId::named(&kind.connector, &kind.target, &standing.target_key))
    };
    let new: HashMap<LaneId, OrderId> =
        intents.iter().filter(makes).filter_map(|intent| Some((lane(intent)?, intent.id))).collect();
    let mut waits: HashMap<OrderId, Vec<OrderId>> =
        intents.iter().map(|intent| (intent.id, intent.depends_on.clone())).collect();
    for intent in &mut intents {
        for link in std::mem::take(&mut intent.links) {
            let link = LaneId::of(&link);
            let id = match new.get(&link) {
                Some(id) if leads_to(&waits, *id, intent.id) => continue,
                Some(id) => *id,
                None => match afoot.maker(link).filter(|maker| maker.kind == OrderKind::Addition && maker.is_open()) {
                    Some(maker) => maker.id,
                    None => continue,
                },
            };
            if !intent.depends_on.contains(&id) {
                intent.depends_on.push(id);
                waits.entry(intent.id).or_default().push(id);
            }
        }
    }
    let is_deletion = |intent: &Intent| intent.kind == OrderKind::Deletion && intent.writes();
    let deletions: HashMap<LaneId, (usize, OrderId)> = intents
        .iter()
        .enumerate()
        .filter(|(_, intent)| is_deletion(intent))
        .filter_map(|(place, intent)| Some((lane(intent)?, (place, intent.id))))
        .collect();
    let unlinks: Vec<(OrderId, Vec<LaneKey>)> =
        intents.iter_mut().map(|intent| (intent.id, std::mem::take(&mut intent.unlinks))).collect();
    for (id, links) in unlinks {
        let of_links = links.iter().filter_map(|link| deletions.get(&LaneId::of(link)).copied());
        for (place, deletion) in of_links {
            let Some(waiting) = intents.get_mut(place).filter(|one| one.depends_on.len() < WAITS_MAX) else { continue };
            if !waiting.depends_on.contains(&id) && !leads_to(&waits, id, deletion) {
                waiting.depends_on.push(id);
                waits.entry(deletion).or_default().push(id);
            }
        }
    }
    in_order(intents)
}

/// Whether one order waits for another, by whatever way; each does for itself.
fn leads_to(waits: &HashMap<OrderId, Vec<OrderId>>, from: OrderId, to: OrderId) -> bool {
    let (mut seen, mut left) = (HashSet::new(), vec![from]);
    while let Some(id) = left.pop() {
        if id == to {
            return true;
        }
        if seen.insert(id) {
            left.extend(waits.get(&id).into_iter().flatten());
        }
    }
    false
}

/// What others wait for comes before them; else all stay where they are.
fn in_order(intents: Vec<Intent>) -> Vec<Intent> {
    let places: HashMap<OrderId, usize> = intents.iter().enumerate().map(|(place, one)| (one.id, place)).collect();
    let mut left: Vec<Option<Intent>> = intents.into_iter().map(Some).collect();
    let mut ordered = Vec::with_capacity(left.len());
    for place in 0..left.len() {
        let mut path = vec![place];
        while let Some(&place) = path.last() {
            let Some(intent) = left.get(place).and_then(Option::as_ref) else {
                path.pop();
                continue;
            };
            let before = intent.depends_on.iter().filter_map(|id| places.get(id).copied());
            let before = before.into_iter().find(|place| left.get(*place).is_some_and(Option::is_some));
            match before {
                Some(before) => path.push(before),
                None => {
                    ordered.extend(left.get_mut(place).and_then(Option::take));
                    path.pop();
                }
            }
        }
    }
    ordered
}
