//! Planning: what computing and generating would do now, or with another catalog.
//!
//! The rule that must hold: nothing is kept and nothing submitted, and nobody is held up for longer than
//! reading takes.

use super::compute::{Basis, Computation, Done, KnownOwner, ROLE_MODEL, catalog, in_memory};
use super::generate::{Survey, to_cancel};
use super::pieces::{Orders, Pieces};
use super::planned::{self, Names};
use crate::catalogs::{File, Loaded};
use crate::generator::Generator;
use crate::model::assign::{Assignment, Wish};
use crate::model::generate::{Intent, Run};
use crate::model::plan::{Fingerprints, Part};
use crate::store::assignments::OwnerKey;
use crate::store::{orders, resources};
use futures::{Stream, StreamExt, TryStreamExt};
use provost_contract::generator::v1::PlannedOrder;
use provost_contract::types::v1::OrderRecord;
use provost_domain::{Owner, Reason, Timestamp};
use provost_service_kit::{Fault, FaultKind, new_id};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How often reading is tried while a computation or a generation goes on.
const TRIES: u32 = 40;
/// How long to wait in between.
const TRY_EVERY: Duration = Duration::from_millis(250);
/// Most mistakes of a catalog that a refusal names.
const PROBLEMS_MAX: usize = 20;

/// How a plan is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// What to show.
    pub(crate) shown: Part,
    pub(crate) force_review: bool,
    pub(crate) waive_review: bool,
    /// Another catalog; none for the current one.
    pub(crate) files: Vec<File>,
}

/// What a plan is a plan of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) id: String,
    pub(crate) computed_at: Option<Timestamp>,
    pub(crate) inputs: Vec<(String, String)>,
    pub(crate) inputs_digest: String,
    pub(crate) shown: Part,
    pub(crate) force_review: bool,
    pub(crate) waive_review: bool,
    /// Empty when it is of the current catalog.
    pub(crate) catalog_digest: String,
}

/// A plan, with all that it was made from.
pub(crate) struct Plan {
    pub(crate) head: Head,
    pub(super) computation: Computation,
    pub(super) survey: Survey,
    /// The place of each standing's assignment.
    pub(super) places: Vec<usize>,
    /// Orders that would be cancelled.
    pub(super) cancel: Vec<OrderRecord>,
    pub(super) fingerprints: Fingerprints,
    names: Arc<Names>,
}

/// What one owner would gain or lose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shift {
    pub(crate) owner: Owner,
    pub(crate) thing: Thing,
    pub(crate) name: String,
    pub(crate) gained: bool,
    pub(crate) why: Vec<Reason>,
}

/// What somebody may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Thing {
    Role,
    ResourceType,
}

/// Plans, under a new id.
///
/// # Errors
/// [`FaultKind::InvalidInput`] for a catalog with mistakes or a scope that names nothing; what computing says.
pub(crate) async fn plan(generator: &Generator, asked: Asked) -> Result<Plan, Fault> {
    if asked.force_review && asked.waive_review {
        return Err(Fault::invalid("waive_review", "contradicts force_review"));
    }
    let (loaded, catalog_digest) = match asked.files.is_empty() {
        true => (catalog(generator).await?, String::new()),
        false => other_catalog(generator, asked.files).await?,
    };
    check_shown(&loaded, &asked.shown)?;
    let basis = read(generator, &loaded).await?;
    let head = Head {
        id: new_id().to_string(),
        shown: asked.shown,
        force_review: asked.force_review,
        waive_review: asked.waive_review,
        catalog_digest,
        ..Head::default()
    };
    of_basis(generator, loaded, basis, head, &|_, _| {}).await
}

/// Computes and surveys what was read. The head lacks what only this can say: inputs, and when.
pub(super) async fn of_basis(
    generator: &Generator,
    loaded: Arc<Loaded>,
    (basis, inputs): (Basis, Vec<(String, String)>),
    head: Head,
    done: &Done,
) -> Result<Plan, Fault> {
    let computation = in_memory(basis, done).await?;
    let now = computation.started_at();
    let run = Run { id: head.id.clone(), force_review: head.force_review, waive_review: head.waive_review, now };
    let is_known = |assignment: &Assignment| loaded.catalog.resource_type(&assignment.resource_type).is_some();
    let known = computation.assignments.iter().enumerate().filter(|(_, assignment)| is_known(assignment));
    let places = known.map(|(place, _)| place).collect();
    let lanes = computation.lanes_once_verified();
    let survey = Survey::of(loaded, run, lanes, Arc::clone(&computation.assignments)).await?;
    let cancel = to_cancel(generator, &survey.decided.cancel).await?;
    let fingerprints = planned::fingerprints(generator).await?;
    let inputs_digest = fingerprints.inputs(&inputs);
    let names = Arc::new(Names::of(&survey));
    let head = Head { computed_at: Some(now), inputs, inputs_digest, ..head };
    Ok(Plan { head, computation, survey, places, cancel, fingerprints, names })
}

/// Reads all that is computed from, while nobody computes or generates.
async fn read(generator: &Generator, loaded: &Arc<Loaded>) -> Result<(Basis, Vec<(String, String)>), Fault> {
    let mut tries = 1;
    loop {
        match generator.alone(ROLE_MODEL, read_alone(generator, loaded)).await {
            Err(fault) if fault.kind() == FaultKind::Conflict && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(TRY_EVERY).await;
            }
            read => return read,
        }
    }
}

pub(super) async fn read_alone(
    generator: &Generator,
    loaded: &Arc<Loaded>,
) -> Result<(Basis, Vec<(String, String)>), Fault> {
    let inputs = inputs(generator, loaded).await?;
    Ok((Basis::read(generator, Arc::clone(loaded)).await?, inputs))
}

/// What tells one state of everything that is computed from another.
async fn inputs(generator: &Generator, loaded: &Loaded) -> Result<Vec<(String, String)>, Fault> {
    let connection = generator.database.read();
    let mut inputs = vec![("catalog".to_owned(), format!("revision {}", loaded.revision))];
    let readings = resources::readings(connection).await?;
    inputs.extend(readings.into_iter().map(|(entity_type, reading)| (entity_type, reading.synchronization_id)));
    let orders = orders::counts(connection).await?;
    let counted: Vec<String> =
        orders.into_iter().map(|((kind, state), count)| format!("{kind} {state}: {count}")).collect();
    inputs.push(("orders".to_owned(), counted.join(", ")));
    Ok(inputs)
}

async fn other_catalog(generator: &Generator, files: Vec<File>) -> Result<(Arc<Loaded>, String), Fault> {
    super::apply_catalog::check_limits(&files)?;
    let revision = generator.catalogs.stored().await?.map_or(0, |stored| stored.revision);
    let digest = digest(&files);
    let compiled = tokio::task::spawn_blocking(move || crate::catalogs::compile(&files)).await;
    let compiled = compiled.map_err(Fault::internal)?;
    let catalog = compiled.map_err(|problems| {
        let mut wrong = provost_contract::Violations::default();
        for problem in problems.iter().take(PROBLEMS_MAX) {
            wrong.add("catalog_files", problem.to_string());
        }
        Fault::from(wrong)
    })?;
    // As if it had been applied by now.
    Ok((Arc::new(Loaded::of(catalog, revision + 1, generator.clock.now())), digest))
}

/// A digest of a catalog, whatever its files are called and in whatever order they come.
pub(super) fn digest(files: &[File]) -> String {
    let contents: BTreeSet<(String, String)> =
        files.iter().map(|file| ("file".to_owned(), file.content.clone())).collect();
    Fingerprints::new(String::new()).inputs(&contents.into_iter().collect::<Vec<_>>())
}

fn check_shown(loaded: &Loaded, shown: &Part) -> Result<(), Fault> {
    let mut wrong = provost_contract::Violations::default();
    for (index, name) in shown.resource_types.iter().enumerate() {
        if loaded.catalog.resource_type(name).is_none() {
            let known = loaded.catalog.resource_types().iter().map(|kind| &*kind.name);
            let hint = crate::model::catalog::suggest::hint(name, known);
            wrong.add(format!("scope.resource_types[{index}]"), format!("there is no resource type {name}; {hint}"));
        }
    }
    let owners = loaded.catalog.owner_entity_types();
    if !shown.owner_entity_type.is_empty() && !owners.iter().any(|owner| *owner.name == *shown.owner_entity_type) {
        let names: Vec<_> = owners.iter().map(|owner| &*owner.name).collect();
        let what = format!("'{}' owns nothing; must be one of {}", shown.owner_entity_type, names.join(", "));
        wrong.add("scope.owner_entity_type", what);
    }
    Ok(wrong.into_result(())?)
}

impl Plan {
    fn pieces(&self) -> Pieces<'_> {
        Pieces { loaded: &self.survey.loaded, run: &self.survey.run, standings: &self.survey.standings }
    }

    /// What `make` makes of the orders of these intents, piece by piece.
    pub(super) fn written<'a, T: Send + 'static>(
        &'a self,
        intents: &'a [Intent],
        make: fn(Orders) -> T,
    ) -> impl Stream<Item = Result<T, Fault>> + Send + 'a {
        self.pieces().in_memory(&self.computation.assignments, &self.places, intents, make)
    }

    /// The orders, as they are shown: prerequisites first, what is cancelled last.
    pub(crate) fn orders(&self) -> impl Stream<Item = Result<Vec<PlannedOrder>, Fault>> + Send + '_ {
        let (fingerprints, names) = (self.fingerprints.clone(), Arc::clone(&self.names));
        let new = self.written(&self.survey.decided.new, |orders| orders).map_ok(move |orders| {
            let show = |(intent, order): (Intent, _)| planned::order(&fingerprints, &names, &intent, order);
            orders.into_iter().map(show).collect::<Vec<_>>()
        });
        let cancelled = self.cancel.iter().filter_map(|record| planned::cancelled(&self.fingerprints, record.clone()));
        let cancelled = futures::stream::iter([Ok(cancelled.collect::<Vec<_>>())]);
        new.chain(cancelled).map_ok(|orders| orders.into_iter().filter(|order| self.shows(order)).collect())
    }

    fn shows(&self, planned: &PlannedOrder) -> bool {
        planned.order.as_ref().is_some_and(|order| {
            let owner = order.owner.clone().unwrap_or_default();
            self.head.shown.has(&order.resource_type, &owner.entity_type, &owner.key)
        })
    }

    /// How many owners were evaluated.
    pub(crate) fn owners(&self) -> usize {
        self.computation.owners()
    }

    /// The survey that it shows.
    pub(crate) const fn survey(&self) -> &Survey {
        &self.survey
    }

    /// The orders that would be cancelled: managed system and resource type of each.
    pub(crate) fn cancelled(&self) -> impl Iterator<Item = (&str, &str)> {
        let orders = self.cancel.iter().filter_map(|record| record.order.as_ref());
        orders.map(|order| (order.connector.as_str(), order.resource_type.as_str()))
    }

    /// Who would gain or lose which role or resource type, against what was computed last, by owner.
    ///
    /// # Errors
    /// When what was kept cannot be read.
    pub(crate) fn shifts(&self) -> Result<Vec<Shift>, Fault> {
        let mut shifts = Vec::new();
        for (before, now) in self.computation.changed_owners()? {
            role_shifts(before.as_ref(), now.as_ref(), &mut shifts);
        }
        self.resource_shifts(&mut shifts);
        let key = |shift: &Shift| (shift.owner.entity_type.clone(), shift.owner.key.clone(), shift.thing);
        shifts.sort_by_cached_key(|shift| (key(shift), shift.name.clone()));
        Ok(shifts)
    }

    /// Whether the plan shows it.
    pub(crate) fn shows_shift(&self, shift: &Shift) -> bool {
        let Part { resource_types, .. } = &self.head.shown;
        // A role is of no resource type, so it is shown where all types are.
        let is_shown = resource_types.is_empty() || shift.thing == Thing::ResourceType;
        let name = if resource_types.is_empty() { "" } else { &shift.name };
        is_shown && self.head.shown.has(name, &shift.owner.entity_type, &shift.owner.key)
    }

    fn resource_shifts(&self, shifts: &mut Vec<Shift>) {
        // What a failing rule hides is neither gained nor lost.
        let has = |assignment: &Assignment| assignment.wish == Wish::Have;
        let has_still = |assignment: &Assignment| matches!(assignment.wish, Wish::Have | Wish::Unknown);
        let previous = self.computation.previous();
        let mut now: BTreeMap<(&str, &str, &str), &Assignment> = BTreeMap::new();
        for assignment in self.computation.assignments.iter() {
            let Owner { entity_type, key, .. } = &assignment.owner;
            now.insert((entity_type, key, &assignment.resource_type), assignment);
            let owner: OwnerKey = (entity_type.clone(), key.clone());
            let before = previous.get(&owner).and_then(|of_owner| of_owner.get(&assignment.resource_type));
            if has(assignment) && !before.is_some_and(has_still) {
                shifts.push(shift(assignment, true, &assignment.why));
            }
        }
        for before in previous.values().flat_map(BTreeMap::values).filter(|before| has(before)) {
            let Owner { entity_type, key, .. } = &before.owner;
            let after = now.get(&(entity_type.as_str(), key.as_str(), before.resource_type.as_str()));
            match after {
                Some(after) if has_still(after) => {}
                Some(after) => shifts.push(shift(before, false, &after.why)),
                None => shifts.push(shift(before, false, &before.why)),
            }
        }
    }
}

fn shift(assignment: &Assignment, gained: bool, why: &[Reason]) -> Shift {
    let (owner, name) = (assignment.owner.clone(), assignment.resource_type.clone());
    Shift { owner, thing: Thing::ResourceType, name, gained, why: why.to_vec() }
}

fn role_shifts(before: Option<&KnownOwner>, now: Option<&KnownOwner>, shifts: &mut Vec<Shift>) {
    let side = |of: Option<&KnownOwner>, other: Option<&KnownOwner>, gained: bool, shifts: &mut Vec<Shift>| {
        let Some(of) = of else { return };
        let has = |role: &str| other.is_some_and(|other| other.roles.iter().any(|known| known.role == role));
        shifts.extend(of.roles.iter().filter(|role| !has(&role.role)).map(|role| Shift {
            owner: of.owner.clone(),
            thing: Thing::Role,
            name: role.role.clone(),
            gained,
            why: role.why.clone(),
        }));
    };
    side(now, before, true, shifts);
    side(before, now, false, shifts);
}
