//! Planning: what computing and generating would do now, or with another catalog.
//!
//! The rule that must hold: nothing is kept and nothing submitted, and nobody is held up for longer than
//! reading takes.

use super::compute::{Done, Everybody, Keep, ROLE_MODEL, catalog};
use super::generate::to_cancel;
use super::known::{Lanes, lanes};
use super::pieces::{Orders, Pieces};
use super::planned::{self, Names};
use super::planning::{Shift, Thing};
use super::survey::Survey;
use crate::catalogs::{File, Loaded};
use crate::generator::Generator;
use crate::model::assign::Assignment;
use crate::model::generate::{Intent, Run};
use crate::model::plan::{Fingerprints, Part};
use crate::store::{assignments, computations, orders, resources};
use futures::{Stream, StreamExt, TryStreamExt};
use provost_contract::fulfillment::v1::Verification;
use provost_contract::generator::v1::PlannedOrder;
use provost_contract::types::v1::OrderRecord;
use provost_domain::{ProvisioningState, Timestamp};
use provost_service_kit::{Fault, new_id};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// How often it is planned beside others, before they are made to wait.
const TRIES: usize = 3;
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
    /// What it was computed from, as far as it is to be kept.
    pub(super) everybody: Everybody,
    pub(super) survey: Survey,
    /// The assignments that may need an order, by the place of their standing.
    in_need: Arc<HashMap<usize, Assignment>>,
    shifts: Vec<Shift>,
    /// Orders that would be cancelled.
    pub(super) cancel: Vec<OrderRecord>,
    pub(super) fingerprints: Fingerprints,
    names: Arc<Names>,
}

/// Plans, under a new id.
///
/// # Errors
/// [`provost_service_kit::FaultKind::InvalidInput`] for a catalog with mistakes or a scope that names nothing; what computing says.
pub(crate) async fn plan(generator: &Generator, asked: Asked) -> Result<Plan, Fault> {
    if asked.force_review && asked.waive_review {
        return Err(Fault::invalid("waive_review", "contradicts force_review"));
    }
    let (loaded, catalog_digest) = match asked.files.is_empty() {
        true => (catalog(generator).await?, String::new()),
        false => other_catalog(generator, asked.files).await?,
    };
    check_shown(&loaded, &asked.shown)?;
    check_owners(generator, &loaded, &asked.shown).await?;
    let head = Head {
        id: new_id().to_string(),
        shown: asked.shown,
        force_review: asked.force_review,
        waive_review: asked.waive_review,
        catalog_digest,
        ..Head::default()
    };
    // Beside whoever computes or generates, and not instead: should somebody have done so meanwhile, what was
    // read may not fit together, and is read again.
    for _ in 0..TRIES {
        let before = moment(generator).await?;
        let planned = of_catalog(generator, Arc::clone(&loaded), head.clone(), Keep::Plan, &|_, _| {}).await;
        if moment(generator).await? == before {
            return planned;
        }
    }
    let work = of_catalog(generator, Arc::clone(&loaded), head.clone(), Keep::Plan, &|_, _| {});
    generator.alone(ROLE_MODEL, work).await
}

/// What computing and generating move: the newest computation, and the newest generation.
async fn moment(generator: &Generator) -> Result<(Option<i64>, Option<i64>), Fault> {
    let connection = generator.database.read();
    Ok((computations::newest_sequence(connection).await?, computations::newest_generation(connection).await?))
}

/// Computes by a catalog, and surveys. The head lacks what only this can say: inputs, and when.
pub(super) async fn of_catalog(
    generator: &Generator,
    loaded: Arc<Loaded>,
    head: Head,
    keep: Keep,
    done: &Done,
) -> Result<Plan, Fault> {
    let inputs = inputs(generator, &loaded).await?;
    let mut everybody = Everybody::compute(generator, Arc::clone(&loaded), keep, done).await?;
    let now = everybody.ground.now;
    let (mut standings, mut in_need, mut shifts) = (Vec::new(), HashMap::new(), Vec::new());
    for found in everybody.computation.found.values_mut() {
        let Some(planning) = found.planning.take() else { continue };
        for (standing, assignment) in planning.standings {
            in_need.extend(assignment.map(|assignment| (standings.len(), assignment)));
            standings.push(standing);
        }
        shifts.extend(planning.shifts);
    }
    let run = Run { id: head.id.clone(), force_review: head.force_review, waive_review: head.waive_review, now };
    let in_need = Arc::new(in_need);
    let lanes = lanes_once_verified(generator, &everybody.shown).await?;
    let survey = Survey::of(loaded, run, lanes, standings, Arc::clone(&in_need)).await?;
    let cancel = to_cancel(generator, &survey.decided.cancel).await?;
    let fingerprints = planned::fingerprints(generator).await?;
    let inputs_digest = fingerprints.inputs(&inputs);
    let names = Arc::new(Names::of(&survey));
    let head = Head { computed_at: Some(now), inputs, inputs_digest, ..head };
    Ok(Plan { head, everybody, survey, in_need, shifts, cancel, fingerprints, names })
}

/// The lanes, as they will be once the ledger has heard what synchronization shows.
async fn lanes_once_verified(generator: &Generator, shown: &[Verification]) -> Result<Lanes, Fault> {
    let shown: HashSet<&str> = shown.iter().map(|one| one.order_id.as_str()).collect();
    let mut lanes = lanes(generator).await?;
    if !shown.is_empty() {
        for order in lanes.values_mut().flatten().filter(|order| shown.contains(order.id.to_string().as_str())) {
            order.state = ProvisioningState::Verified;
        }
    }
    Ok(lanes)
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

/// Nothing to do for somebody whom nobody knows is no answer.
async fn check_owners(generator: &Generator, loaded: &Loaded, shown: &Part) -> Result<(), Fault> {
    let connection = generator.database.read();
    let owners: Vec<&str> = match shown.owner_entity_type.as_str() {
        "" => loaded.catalog.owner_entity_types().iter().map(|owner| &*owner.name).collect(),
        entity_type => vec![entity_type],
    };
    for key in &shown.owner_keys {
        let mut is_known = false;
        for entity_type in &owners {
            is_known |= resources::get(connection, entity_type, key).await?.is_some()
                || !assignments::of_owner(connection, entity_type, key).await?.is_empty();
        }
        if !is_known {
            return Err(Fault::not_found(format!("{} '{key}'", owners.join(" or "))));
        }
    }
    Ok(())
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
        self.pieces().in_memory(&self.in_need, intents, make)
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
        usize::try_from(self.everybody.computation.counts().owners).unwrap_or_default()
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
    pub(crate) fn shifts(&self) -> &[Shift] {
        &self.shifts
    }

    /// Whether the plan shows it.
    pub(crate) fn shows_shift(&self, shift: &Shift) -> bool {
        let Part { resource_types, .. } = &self.head.shown;
        // A role is of no resource type, so it is shown where all types are.
        let is_shown = resource_types.is_empty() || shift.thing == Thing::ResourceType;
        let name = if resource_types.is_empty() { "" } else { &shift.name };
        is_shown && self.head.shown.has(name, &shift.owner.entity_type, &shift.owner.key)
    }
}
