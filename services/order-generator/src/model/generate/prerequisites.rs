//! What goes first (`depends_on`): the account before its mailbox; and, when they go, the mailbox before
//! its account.
//!
//! The rule that must hold: an order that waits, waits for one that the ledger has or gets with it, and
//! that may yet be written. What could wait for ever is left for a later generation instead. Whatever is there is
//! waited for by nothing: a change of it that is reviewed, declined or stuck holds up nobody else.

use super::{Afoot, Catalog, Intent, LaneId, OrderId, Standing, Wish};
use provost_domain::{OrderKind, ProvisioningState};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A resource type's place, and an owner's key: what the owner has of it.
type Held<'a> = (usize, &'a str);

pub(super) struct Prerequisites<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) afoot: &'a Afoot,
    pub(super) standings: &'a [Standing],
}

/// How the resource types hang together, by their places.
struct Needs {
    /// What each one needs.
    needs: Vec<Option<usize>>,
    /// What needs each one.
    needed_by: Vec<Vec<usize>>,
}

impl Needs {
    fn of(catalog: &Catalog) -> Option<Self> {
        let needs: Vec<Option<usize>> = catalog
            .resource_types()
            .iter()
            .map(|kind| kind.depends_on.as_ref().and_then(|needed| catalog.resource_type_place(needed)))
            .collect();
        let mut needed_by = vec![Vec::new(); needs.len()];
        for (place, needed) in needs.iter().enumerate() {
            if let Some(of) = needed.and_then(|needed| needed_by.get_mut(needed)) {
                of.push(place);
            }
        }
        needs.iter().any(Option::is_some).then_some(Self { needs, needed_by })
    }

    fn is_needed(&self, kind: usize) -> bool {
        self.needed_by.get(kind).is_some_and(|by| !by.is_empty())
    }

    /// How many have to be there first. The catalog has no circle.
    fn depth(&self, kind: usize) -> usize {
        std::iter::successors(Some(kind), |kind| *self.needs.get(*kind)?).count()
    }
}

/// What each owner has, and gets: of one resource type it may be several.
struct Owned<'a> {
    /// The places of what there is.
    all: HashMap<Held<'a>, Vec<usize>>,
    /// The new orders that will be written, by place.
    new: HashMap<usize, (OrderKind, OrderId)>,
    /// Of those, the ones that were left for a later generation.
    left: HashSet<usize>,
}

/// What an order has to wait for.
enum Wait {
    Nothing,
    For(Vec<OrderId>),
    /// For something that may never come: it is left for a later generation.
    Later,
}

impl Prerequisites<'_> {
    /// Lets orders wait for what goes first: additions for what their resource type depends on, deletions
    /// for the deletion of what depends on theirs. Those that could wait for ever are left out, with a note
    /// where a person's decision holds them. The ledger wants prerequisites before what depends on them.
    pub(super) fn first(&self, mut intents: Vec<Intent>, notes: &mut Vec<String>) -> Vec<Intent> {
        let catalog = self.catalog;
        let Some(needs) = Needs::of(catalog) else { return intents };
        let kind_of = |intent: &Intent| self.standings.get(intent.place).map_or(0, |standing| standing.kind);
        intents.sort_by_key(|intent| {
            let depth = needs.depth(kind_of(intent));
            // What needs much comes last, and goes first.
            if intent.kind == OrderKind::Deletion { (0, usize::MAX - depth) } else { (1, depth) }
        });
        let writing = intents.iter().filter(|intent| intent.writes());
        let new = writing.map(|intent| (intent.place, (intent.kind, intent.id))).collect();
        let mut owned = Owned { new, all: HashMap::new(), left: HashSet::new() };
        let matters = |kind: usize| needs.needs.get(kind).is_some_and(Option::is_some) || needs.is_needed(kind);
        for (place, standing) in self.standings.iter().enumerate().filter(|(_, one)| matters(one.kind)) {
            owned.all.entry(held(standing)).or_default().push(place);
        }
        let mut kept: BTreeMap<usize, usize> = BTreeMap::new();
        intents.retain_mut(|intent| match self.wait(intent, &needs, &owned).unwrap_or(Wait::Nothing) {
            Wait::For(orders) => {
                intent.depends_on = orders;
                true
            }
            Wait::Later => {
                if intent.kind == OrderKind::Deletion {
                    *kept.entry(kind_of(intent)).or_default() += 1;
                }
                owned.new.remove(&intent.place);
                owned.left.insert(intent.place);
                false
            }
            Wait::Nothing => true,
        });
        for (kind, count) in kept {
            let name = catalog.resource_types().get(kind).map_or("", |kind| &*kind.name);
            notes.push(format!(
                "{name}: {count} deletions are left out, because a person declined to delete what depends on them"
            ));
        }
        intents
    }

    fn wait(&self, intent: &Intent, needs: &Needs, owned: &Owned<'_>) -> Option<Wait> {
        let standing = self.standings.get(intent.place).filter(|_| intent.writes())?;
        let owner_key = &*standing.owner_key;
        match intent.kind {
            OrderKind::Addition => {
                let needed = (*needs.needs.get(standing.kind)?)?;
                Some(self.wait_to_add((needed, owner_key), owned))
            }
            OrderKind::Deletion => {
                let dependents = needs.needed_by.get(standing.kind)?;
                Some(self.wait_to_delete(dependents.iter().map(|kind| (*kind, owner_key)), owned))
            }
            OrderKind::Association | OrderKind::Update => None,
        }
    }

    /// The same owner's order that makes the resource, new in this generation or open in the ledger; what is
    /// there already, nothing waits for. Without one, and without the resource, it is left for a later generation:
    /// so it is when what it needed was declined or cancelled, and the ledger cancelled it too.
    fn wait_to_add(&self, needed: Held<'_>, owned: &Owned<'_>) -> Wait {
        let places = owned.all.get(&needed).map_or(&[][..], Vec::as_slice);
        // The first is the one that the rules give; others are there beside it.
        let first = places.iter().min_by_key(|place| self.standings.get(**place).map(|one| &one.slot));
        let Some((place, prerequisite)) = first.and_then(|place| Some((place, self.standings.get(*place)?))) else {
            return Wait::Later;
        };
        match owned.new.get(place) {
            Some((OrderKind::Deletion, _)) => return Wait::Later,
            Some((OrderKind::Addition | OrderKind::Association, id)) => return Wait::For(vec![*id]),
            // What is changed is there, or its Addition is on its way: that is what counts.
            Some((OrderKind::Update, _)) | None => {}
        }
        let otherwise = if prerequisite.linked { Wait::Nothing } else { Wait::Later };
        let lane = self.lane(prerequisite);
        let newest = lane.and_then(|lane| self.afoot.newest(lane));
        let is_going = newest.is_some_and(|newest| {
            newest.kind == OrderKind::Deletion && (newest.is_open() || newest.state == ProvisioningState::Executed)
        });
        match prerequisite.wish {
            // Whether that Deletion is cancelled in time, nobody knows yet.
            Wish::Have if is_going => return Wait::Later,
            Wish::Have => {}
            // Its order is in Error, or is about to be: nothing can wait for that.
            Wish::Unknown => return otherwise,
            Wish::Lose | Wish::Later | Wish::Past | Wish::Found | Wish::Gone | Wish::Behind => return Wait::Later,
        }
        // It is there: whatever becomes of a change of it, it stays there.
        if prerequisite.linked && !prerequisite.is_to_be_made {
            return Wait::Nothing;
        }
        match lane.and_then(|lane| self.afoot.maker(lane)) {
            Some(maker) if maker.state == ProvisioningState::Executed => Wait::Nothing,
            Some(maker) if maker.is_open() => Wait::For(vec![maker.id]),
            _ => otherwise,
        }
    }

    /// The deletions, new or open in the ledger, of what the same owner has that depends on it. What a
    /// person wants to keep is not taken away by deleting what it stands on.
    fn wait_to_delete<'h>(&self, dependents: impl Iterator<Item = Held<'h>>, owned: &Owned<'_>) -> Wait {
        let mut orders = Vec::new();
        let places = dependents.filter_map(|dependent| owned.all.get(&dependent)).flatten();
        for place in places {
            if let Some((OrderKind::Deletion, id)) = owned.new.get(place) {
                orders.push(*id);
                continue;
            }
            let Some(standing) = self.standings.get(*place) else { continue };
            if (standing.is_kept && standing.linked) || owned.left.contains(place) {
                return Wait::Later;
            }
            let newest = self.lane(standing).and_then(|lane| self.afoot.newest(lane));
            let deletion = newest.filter(|newest| newest.kind == OrderKind::Deletion && newest.is_open());
            orders.extend(deletion.map(|deletion| deletion.id));
        }
        if orders.is_empty() { Wait::Nothing } else { Wait::For(orders) }
    }

    /// Where the orders on a resource are.
    fn lane(&self, standing: &Standing) -> Option<LaneId> {
        let kind = self.catalog.resource_types().get(standing.kind)?;
        Some(LaneId::named(&kind.connector, &kind.target, &standing.target_key))
    }
}

fn held(standing: &Standing) -> Held<'_> {
    (standing.kind, &standing.owner_key)
}
