//! What a generation decides, and from what: everybody's assignments or some owners', each beside the orders on it.
//!
//! Answers for having in memory a few words of each assignment, and no more. What is kept is read and forgotten
//! piece by piece; so are the orders that it is compared with. The rule that must hold: what is decided of some
//! owners is what would be decided of them among everybody.

use super::known::{Lanes, afoot_in, all_afoot, lanes_of};
use super::pieces::{self, Orders, Pieces};
use super::texts::Texts;
use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::assign::Assignment;
use crate::model::catalog::Catalog;
use crate::model::generate::{
    self as model, Afoot, Decided, Ground, Intent, Inventory, LaneKey, Look, OwnerId, Run, Standing,
    lanes_of_assignment,
};
use crate::model::need::Need;
use crate::store::assignments::{self, AssignmentKey, Body, Depth, OwnerKey};
use crate::store::computations::Generated;
use crate::store::{dependencies, orders};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use provost_domain::OrderId;
use provost_service_kit::{Fault, new_id};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Assignments that one piece of work looks at.
const ASSIGNMENTS_PER_PIECE: usize = 2_000;
/// Owners whose assignments are read together.
const OWNERS_PER_PIECE: usize = 500;

/// What a generation decided, and from what.
pub(crate) struct Survey {
    pub(crate) loaded: Arc<Loaded>,
    pub(super) run: Arc<Run>,
    pub(crate) standings: Arc<Vec<Standing>>,
    pub(crate) decided: Decided,
}

/// What was seen of some assignments.
#[derive(Default)]
struct Seen {
    standings: Vec<Standing>,
    looks: Vec<Look>,
}

impl Seen {
    /// All pieces, one after another.
    async fn of(pieces: impl Stream<Item = Result<Self, Fault>>) -> Result<Self, Fault> {
        let (mut seen, mut pieces) = (Self::default(), std::pin::pin!(pieces));
        while let Some(piece) = pieces.try_next().await? {
            seen.add(piece);
        }
        Ok(seen)
    }

    fn add(&mut self, other: Self) {
        let from = self.standings.len();
        self.looks.extend(other.looks.into_iter().map(|look| {
            let place = look.place() + from;
            look.at(place)
        }));
        self.standings.extend(other.standings);
    }
}

impl Survey {
    /// Surveys the assignments of everybody that the last computation kept.
    pub(super) async fn of_everybody(generator: &Generator, loaded: Arc<Loaded>, run: Run) -> Result<Self, Fault> {
        let run = Arc::new(run);
        let connection = generator.database.read();
        let has_orders = orders::any(connection).await?;
        let bodies = assignments::pieces(connection, ASSIGNMENTS_PER_PIECE);
        let pieces = bodies.map(|bodies| {
            let (loaded, run) = (Arc::clone(&loaded), Arc::clone(&run));
            async move { look(generator, loaded, run, bodies?, has_orders).await }
        });
        let seen = Seen::of(pieces.buffered(pieces::beside())).await?;
        let afoot = if has_orders { all_afoot(generator).await? } else { Afoot::default() };
        let provisioned = provisioned(generator, &loaded.catalog).await?;
        let inventory = Inventory { existing: Inventory::existing(&loaded.catalog, &seen.standings), provisioned };
        Self::decide(loaded, run, seen, afoot, inventory).await
    }

    /// Surveys what was kept of these owners. Nobody else's orders are generated or cancelled; of each resource
    /// type, so many resources are there and somebody's, whoever's they are.
    pub(super) async fn of_these(
        generator: &Generator,
        loaded: Arc<Loaded>,
        run: Run,
        owners: &BTreeSet<OwnerKey>,
        existing: &BTreeMap<String, i64>,
    ) -> Result<Self, Fault> {
        let run = Arc::new(run);
        let (connection, engine) = (generator.database.read(), generator.database.engine());
        let has_orders = orders::any(connection).await?;
        let keys: Vec<&OwnerKey> = owners.iter().collect();
        let pieces: Vec<Vec<OwnerKey>> =
            keys.chunks(OWNERS_PER_PIECE).map(|piece| piece.iter().map(|owner| (*owner).clone()).collect()).collect();
        let pieces = stream::iter(pieces).map(|piece| {
            let (loaded, run) = (Arc::clone(&loaded), Arc::clone(&run));
            async move {
                let keys: Vec<&OwnerKey> = piece.iter().collect();
                let bodies: BTreeMap<AssignmentKey, Body> =
                    assignments::of_owners(connection, engine, &keys).await?.into_iter().collect();
                look(generator, loaded, run, bodies.into_values().collect(), has_orders).await
            }
        });
        let mut seen = Seen::of(pieces.buffered(pieces::beside())).await?;
        let mut lanes: BTreeSet<String> = BTreeSet::new();
        if has_orders {
            lanes.extend(orders::open_of(connection, engine, &keys).await?.into_values().flatten());
            let claimed = seen.standings.iter().filter_map(|standing| standing.lane(&loaded.catalog));
            lanes.extend(claimed.map(|lane| orders::lane_text(&lane)));
            lanes.extend(seen.looks.iter().flat_map(Look::links).map(orders::lane_text));
        }
        let ids: HashSet<OwnerId> = keys.iter().map(|(entity_type, key)| OwnerId::named(entity_type, key)).collect();
        let afoot = afoot_in(generator, &lanes.into_iter().collect::<Vec<_>>(), &ids).await?;
        seen.standings.extend(rivals(generator, &loaded.catalog, &seen, owners).await?);
        let count = |name: &str| existing.get(name).and_then(|count| usize::try_from(*count).ok()).unwrap_or_default();
        let existing = loaded.catalog.resource_types().iter().map(|kind| count(&kind.name)).collect();
        let inventory = Inventory { existing, provisioned: provisioned(generator, &loaded.catalog).await? };
        Self::decide(loaded, run, seen, afoot, inventory).await
    }

    /// Surveys assignments in memory, under these lanes: a standing of each, and those that may need an order by
    /// the place of their standing.
    pub(super) async fn of(
        loaded: Arc<Loaded>,
        run: Run,
        lanes: Lanes,
        standings: Vec<Standing>,
        in_need: Arc<HashMap<usize, Assignment>>,
    ) -> Result<Self, Fault> {
        let run = Arc::new(run);
        let (of_catalog, of_run) = (Arc::clone(&loaded), Arc::clone(&run));
        let looking = tokio::task::spawn_blocking(move || {
            let catalog = &of_catalog.catalog;
            let ground = Ground::new(catalog, &lanes, &of_run);
            let look = |place: usize| ground.look(place, in_need.get(&place)?, OrderId::new(new_id()));
            let looks = (0..standings.len()).filter_map(look).collect();
            let inventory = Inventory {
                existing: Inventory::existing(catalog, &standings),
                provisioned: Inventory::provisioned(catalog, &lanes),
            };
            (Seen { standings, looks }, Afoot::in_lanes(&lanes), inventory)
        });
        let (seen, afoot, inventory) = looking.await.map_err(Fault::internal)?;
        Self::decide(loaded, run, seen, afoot, inventory).await
    }

    async fn decide(
        loaded: Arc<Loaded>,
        run: Arc<Run>,
        seen: Seen,
        afoot: Afoot,
        inventory: Inventory,
    ) -> Result<Self, Fault> {
        let deciding = tokio::task::spawn_blocking(move || {
            let Seen { standings, looks } = seen;
            let decided = model::decide(&loaded.catalog, &standings, looks, &afoot, inventory);
            Self { loaded, run, standings: Arc::new(standings), decided }
        });
        deciding.await.map_err(Fault::internal)
    }

    /// What there is to say of it before anything is submitted.
    pub(super) fn summary(&self) -> Generated {
        Generated {
            duplicates: self.decided.known.len() as i64,
            breaches: self.decided.breaches().into_iter().map(super::generate::breach).collect(),
            by_kind: super::generate::by_kind(&self.decided.new),
            notes: self.decided.notes.clone(),
            ..Generated::default()
        }
    }

    /// What `make` makes of the new orders, piece by piece, from the assignments that were kept.
    pub(super) fn stored<'a, T: Send + 'static>(
        &'a self,
        generator: &'a Generator,
        make: fn(Orders) -> T,
    ) -> impl Stream<Item = Result<T, Fault>> + Send + 'a {
        let pieces = Pieces { loaded: &self.loaded, run: &self.run, standings: &self.standings };
        pieces.stored(generator, &self.decided.new, make)
    }

    /// The owners of these new orders.
    pub(super) fn owners_of(&self, ids: &HashSet<String>) -> BTreeSet<OwnerKey> {
        let these = self.decided.new.iter().filter(|intent| ids.contains(&intent.id.to_string()));
        let owner = |intent: &Intent| self.standings.get(intent.place)?.owner(&self.loaded.catalog);
        these.filter_map(owner).collect()
    }

    /// How many resources of each type exist and are somebody's, of a survey of everybody.
    pub(super) fn existing(&self) -> BTreeMap<String, i64> {
        let names = self.loaded.catalog.resource_types().iter().map(|kind| kind.name.to_string());
        names.zip(self.decided.inventory.existing.iter().map(|count| *count as i64)).collect()
    }
}

/// Looks at assignments, beside the orders on them, where there are any; those of resource types that the catalog
/// does not have are passed over.
async fn look(
    generator: &Generator,
    loaded: Arc<Loaded>,
    run: Arc<Run>,
    bodies: Vec<Body>,
    has_orders: bool,
) -> Result<Seen, Fault> {
    let catalog = Arc::clone(&loaded.catalog);
    let reading = tokio::task::spawn_blocking(move || {
        let (mut standings, mut in_need) = (Vec::with_capacity(bodies.len()), Vec::new());
        for body in bodies {
            let assignment = body.read_to(Depth::Glance)?;
            let Some(standing) = Standing::of(&catalog, &assignment) else { continue };
            if standing.needs_a_look() {
                let lanes = if has_orders { lanes_of_assignment(&catalog, &assignment) } else { vec![] };
                in_need.push(InNeed { place: standings.len(), glance: assignment, body, lanes });
            }
            standings.push(standing);
        }
        Ok::<_, Fault>((standings, in_need))
    });
    let (standings, in_need) = reading.await.map_err(Fault::internal)??;
    let lanes: BTreeSet<LaneKey> = in_need.iter().flat_map(|one| one.lanes.iter().cloned()).collect();
    let lanes = lanes_of(generator, &lanes.into_iter().collect::<Vec<_>>()).await?;
    let looking = tokio::task::spawn_blocking(move || {
        let ground = Ground::new(&loaded.catalog, &lanes, &run);
        let look = |one: InNeed| {
            // What it asks for is compared with the orders of its lanes, and with nothing else.
            let is_compared = one.lanes.iter().any(|lane| lanes.contains_key(lane));
            // Who is linked to what is made waits for that.
            let assignment = if is_compared || ground.asks_for_changes(&one.glance) {
                one.body.read_to(Depth::Order)?
            } else {
                one.glance
            };
            Ok(ground.look(one.place, &assignment, OrderId::new(new_id())))
        };
        let looks = in_need.into_iter().filter_map(|one| look(one).transpose()).collect::<Result<_, Fault>>()?;
        Ok(Seen { standings, looks })
    });
    looking.await.map_err(Fault::internal)?
}

/// An assignment that may need an order.
struct InNeed {
    /// The place of its standing.
    place: usize,
    glance: Assignment,
    body: Body,
    /// The lanes in which an order of it may be; none when there is no order at all.
    lanes: Vec<LaneKey>,
}

/// The standings of whoever else has or wants what one of these owners asks about: nothing is ordered for them.
async fn rivals(
    generator: &Generator,
    catalog: &Catalog,
    seen: &Seen,
    owners: &BTreeSet<OwnerKey>,
) -> Result<Vec<Standing>, Fault> {
    let asking = seen.looks.iter().filter(|look| look.asks_for_claimants());
    let asked: BTreeSet<LaneKey> = asking.filter_map(|look| seen.standings.get(look.place())?.lane(catalog)).collect();
    let (connection, engine) = (generator.database.read(), generator.database.engine());
    let needs: BTreeSet<Need> = asked.iter().map(|(_, entity_type, key)| Need::resource(entity_type, key)).collect();
    let others = dependencies::dependents(connection, engine, &needs).await?;
    let others: Vec<OwnerKey> =
        others.into_iter().filter(|owner| Texts::is_owner(owner) && !owners.contains(owner)).collect();
    let bodies = assignments::of_owners(connection, engine, &others.iter().collect::<Vec<_>>()).await?;
    let mut found = Vec::new();
    for body in bodies.values() {
        let standing = Standing::of(catalog, &body.read_to(Depth::Glance)?);
        found.extend(standing.filter(|one| one.lane(catalog).is_some_and(|lane| asked.contains(&lane))));
    }
    Ok(found)
}

/// Of each resource type of the catalog, whether anything was ever written.
async fn provisioned(generator: &Generator, catalog: &Catalog) -> Result<Vec<bool>, Fault> {
    let names = catalog.resource_types().iter().map(|kind| &*kind.name);
    let written = orders::written(generator.database.read(), names).await?;
    Ok(catalog.resource_types().iter().map(|kind| written.contains(&*kind.name)).collect())
}
