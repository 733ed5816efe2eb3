//! Generating orders from what was computed, and submitting them to the ledger.
//!
//! The rule that must hold: generating twice submits nothing new. A generation that died after it
//! submitted and before it noted so is harmless: the ledger knows the orders by their content, and
//! tells of them through its feed. What a threshold blocks is kept as a list, for whoever decides.

use super::catch_up::catch_up;
use super::compute::{Done, ROLE_MODEL, catalog};
use super::known::{Lanes, lanes};
use super::pieces::{self, Orders, Pieces};
use super::planned;
use super::sizes::tell_sizes;
use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::ledger::batches;
use crate::model::assign::Assignment;
use crate::model::generate::{self as model, Decided, Ground, Intent, Look, Run, Standing};
use crate::store::assignments::{self, Body};
use crate::store::computations::{self, Breach, Generated, Options};
use crate::store::{held_orders, orders, sensitive_orders};
use futures::{Stream, StreamExt, TryStreamExt};
use provost_contract::fulfillment::v1::SubmitOrdersRequest;
use provost_contract::generator::v1::PlannedOrder;
use provost_contract::to_wire;
use provost_contract::types::v1::OrderRecord;
use provost_domain::OrderId;
use provost_service_kit::{Fault, new_id};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Assignments that one piece of work looks at.
const ASSIGNMENTS_PER_PIECE: usize = 2_000;
/// Why the ledger is asked to cancel an order.
const NOT_NEEDED: &str = "no longer needed: the role model or the managed system changed";

/// Generates orders, under the id of a run.
///
/// # Errors
/// [`provost_service_kit::FaultKind::WrongState`] without a catalog or before the role model was
/// computed; [`provost_service_kit::FaultKind::Conflict`] while it is going on already.
pub(crate) async fn generate(
    generator: &Generator,
    run: &str,
    options: &Options,
    actor: &str,
    done: &Done,
) -> Result<Generated, Fault> {
    if options.force_review && options.waive_review {
        return Err(Fault::invalid("waive_review", "contradicts force_review"));
    }
    let loaded = catalog(generator).await?;
    generator.alone(ROLE_MODEL, generate_alone(generator, loaded, run, options, actor, done)).await
}

async fn generate_alone(
    generator: &Generator,
    loaded: Arc<Loaded>,
    run_id: &str,
    options: &Options,
    actor: &str,
    done: &Done,
) -> Result<Generated, Fault> {
    match computations::newest_revision(generator.database.read()).await? {
        None => {
            let early = "the role model was never computed; compute it first";
            return Err(Fault::wrong_state("role model", early));
        }
        Some(revision) if revision != loaded.revision => {
            let stale = "the catalog changed since the role model was computed; compute it again";
            return Err(Fault::wrong_state("role model", stale));
        }
        Some(_) => {}
    }
    catch_up(generator).await?;
    sensitive_orders::forget(generator.database.write()).await?;
    let (force_review, waive_review) = (options.force_review, options.waive_review);
    let run = Run { id: run_id.to_owned(), force_review, waive_review, now: generator.clock.now() };
    let survey = Survey::of_what_is_kept(generator, loaded, run).await?;
    let mut generated = survey.summary();
    let blocked = generated.is_blocked(options);
    if blocked {
        hold(generator, &survey, options, actor, &generated).await?;
    } else {
        let total = survey.decided.new.len();
        tell_sizes(generator, &survey.loaded.catalog, &survey.standings).await;
        submit(generator, actor, total, survey.stored(generator, wire_messages), &mut generated, done).await?;
        cancel(generator, &survey.decided.cancel, &mut generated).await?;
        wait_for(generator).await?;
        note(generator, run_id, actor, options, &generated, true).await?;
    }
    tracing::info!(
        generation_run = run_id,
        actor,
        submitted = generated.submitted,
        cancelled = generated.cancelled,
        options.force_review,
        options.waive_review,
        options.force_thresholds,
        blocked,
        "orders generated"
    );
    Ok(generated)
}

/// What a generation decided, and from what.
pub(crate) struct Survey {
    pub(crate) loaded: Arc<Loaded>,
    pub(super) run: Arc<Run>,
    pub(crate) standings: Arc<Vec<Standing>>,
    pub(crate) decided: Decided,
}

type Looked = Vec<(Standing, Option<Look>)>;

impl Survey {
    /// Surveys the assignments that the last computation kept. They are read and forgotten piece by piece.
    async fn of_what_is_kept(generator: &Generator, loaded: Arc<Loaded>, run: Run) -> Result<Self, Fault> {
        let (lanes, run) = (Arc::new(lanes(generator).await?), Arc::new(run));
        let texts = assignments::pieces(generator.database.read(), ASSIGNMENTS_PER_PIECE).await?;
        let looked = texts.map(|texts| {
            let (loaded, lanes, run) = (Arc::clone(&loaded), Arc::clone(&lanes), Arc::clone(&run));
            async move {
                let texts = texts?;
                let look = move || {
                    let assignments = texts.iter().map(Body::read).collect::<Result<Vec<_>, _>>()?;
                    Ok::<_, Fault>(look(&loaded, &lanes, &run, assignments.iter()))
                };
                tokio::task::spawn_blocking(look).await.map_err(Fault::internal)?
            }
        });
        let looked: Vec<Looked> = looked.buffered(pieces::beside()).try_collect().await?;
        Self::decide(loaded, lanes, run, looked.into_iter().flatten().collect()).await
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
        let (lanes, run) = (Arc::new(lanes), Arc::new(run));
        let parts = (Arc::clone(&loaded), Arc::clone(&lanes), Arc::clone(&run));
        let looking = tokio::task::spawn_blocking(move || {
            let (loaded, lanes, run) = parts;
            let ground = Ground::new(&loaded.catalog, &lanes, &run);
            let look = |(place, standing): (usize, Standing)| {
                let look = in_need.get(&place).and_then(|one| ground.look(0, one, OrderId::new(new_id())));
                (standing, look)
            };
            standings.into_iter().enumerate().map(look).collect()
        });
        let looked: Looked = looking.await.map_err(Fault::internal)?;
        Self::decide(loaded, lanes, run, looked).await
    }

    async fn decide(loaded: Arc<Loaded>, lanes: Arc<Lanes>, run: Arc<Run>, looked: Looked) -> Result<Self, Fault> {
        let deciding = tokio::task::spawn_blocking(move || {
            let (mut standings, mut looks) = (Vec::with_capacity(looked.len()), Vec::new());
            for (standing, look) in looked {
                looks.extend(look.map(|look| look.at(standings.len())));
                standings.push(standing);
            }
            let decided = Ground::new(&loaded.catalog, &lanes, &run).decide(&standings, looks);
            Self { loaded, run, standings: Arc::new(standings), decided }
        });
        deciding.await.map_err(Fault::internal)
    }

    /// What there is to say of it before anything is submitted.
    pub(super) fn summary(&self) -> Generated {
        Generated {
            duplicates: self.decided.known.len() as i64,
            breaches: self.decided.breaches().into_iter().map(breach).collect(),
            by_kind: by_kind(&self.decided.new),
            notes: self.decided.notes.clone(),
            ..Generated::default()
        }
    }

    /// What `make` makes of the new orders, piece by piece, from the assignments that were kept.
    fn stored<'a, T: Send + 'static>(
        &'a self,
        generator: &'a Generator,
        make: fn(Orders) -> T,
    ) -> impl Stream<Item = Result<T, Fault>> + Send + 'a {
        let pieces = Pieces { loaded: &self.loaded, run: &self.run, standings: &self.standings };
        pieces.stored(generator, &self.decided.new, make)
    }
}

/// Looks at assignments; those of resource types that the catalog does not have are passed over.
fn look<'a>(loaded: &Loaded, lanes: &Lanes, run: &Run, assignments: impl Iterator<Item = &'a Assignment>) -> Looked {
    let ground = Ground::new(&loaded.catalog, lanes, run);
    let one = |assignment: &Assignment| {
        let standing = Standing::of(&loaded.catalog, assignment)?;
        let look = standing.needs_a_look().then(|| ground.look(0, assignment, OrderId::new(new_id()))).flatten();
        Some((standing, look))
    };
    assignments.filter_map(one).collect()
}

pub(super) fn breach(breach: model::Breach) -> Breach {
    let model::Breach { resource_type, counted, count, limit, rule } = breach;
    Breach { resource_type, counted: counted.to_owned(), count: count as i64, limit: limit as i64, rule }
}

pub(super) fn by_kind<'a>(intents: impl IntoIterator<Item = &'a Intent>) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for intent in intents {
        let state = intent.state().to_string().to_lowercase();
        *counts.entry(format!("{} / {state}", intent.kind)).or_default() += 1;
    }
    counts
}

/// A piece of a submission.
pub(super) struct Written {
    orders: usize,
    messages: Vec<SubmitOrdersRequest>,
    sensitive: Vec<sensitive_orders::Content>,
}

pub(super) fn wire_messages(orders: Orders) -> Written {
    let orders: Vec<_> = orders.into_iter().map(|(_, order)| to_wire::order(&order)).collect();
    let sensitive = orders.iter().filter_map(sensitive_orders::content).collect();
    Written { orders: orders.len(), sensitive, messages: batches(orders) }
}

pub(super) async fn submit(
    generator: &Generator,
    actor: &str,
    total: usize,
    written: impl Stream<Item = Result<Written, Fault>>,
    generated: &mut Generated,
    done: &Done,
) -> Result<(), Fault> {
    let mut written = std::pin::pin!(written);
    let mut sent = 0;
    while let Some(Written { orders, messages, sensitive }) = written.try_next().await? {
        // Before the ledger knows them: what dies in between is forgotten by the next generation.
        sensitive_orders::save(generator.database.write(), generator.database.engine(), &sensitive).await?;
        let answer = generator.ledger.submit(actor, messages).await?;
        generated.submitted += answer.accepted;
        generated.duplicates += answer.duplicates;
        generated.superseded += answer.superseded;
        generated.rejected += answer.rejected;
        let first = answer.rejections.first().and_then(|rejection| rejection.error.as_ref());
        if let Some(error) = first.filter(|_| generated.rejection.is_empty()) {
            generated.rejection.clone_from(&error.message);
        }
        sent += orders as u64;
        done(sent, total as u64);
    }
    Ok(())
}

pub(super) async fn cancel(generator: &Generator, orders: &[OrderId], generated: &mut Generated) -> Result<(), Fault> {
    let ids: Vec<String> = orders.iter().map(ToString::to_string).collect();
    // An order that an agent took meanwhile is refused; the next computation sees what became of it.
    let results = generator.ledger.cancel(&ids, NOT_NEEDED).await?;
    generated.cancelled = results.iter().filter(|result| result.error.is_none()).count() as i64;
    Ok(())
}

/// Notes a generation. A whole one makes old what an earlier one held back.
pub(super) async fn note(
    generator: &Generator,
    run_id: &str,
    actor: &str,
    options: &Options,
    generated: &Generated,
    is_whole: bool,
) -> Result<(), Fault> {
    let transaction = generator.database.begin().await?;
    if is_whole {
        held_orders::clear(&transaction).await?;
    }
    computations::note_generation(&transaction, run_id, generator.clock.now(), actor, options, generated).await?;
    Ok(transaction.commit().await?)
}

/// Keeps what a blocked generation would have submitted and cancelled, in place of whatever was held before.
async fn hold(
    generator: &Generator,
    survey: &Survey,
    options: &Options,
    actor: &str,
    generated: &Generated,
) -> Result<(), Fault> {
    let engine = generator.database.engine();
    let fingerprints = planned::fingerprints(generator).await?;
    let names = planned::Names::of(survey);
    let mut position = 1;
    let transaction = generator.database.begin().await?;
    held_orders::clear(&transaction).await?;
    let mut pieces = std::pin::pin!(survey.stored(generator, |orders| orders));
    while let Some(orders) = pieces.try_next().await? {
        let held: Vec<PlannedOrder> =
            orders.into_iter().map(|(intent, order)| planned::order(&fingerprints, &names, &intent, order)).collect();
        held_orders::add(&transaction, engine, &survey.run.id, position, &held).await?;
        position += held.len() as i64;
    }
    let held: Vec<PlannedOrder> = to_cancel(generator, &survey.decided.cancel)
        .await?
        .into_iter()
        .filter_map(|record| planned::cancelled(&fingerprints, record))
        .collect();
    held_orders::add(&transaction, engine, &survey.run.id, position, &held).await?;
    let now = generator.clock.now();
    computations::note_generation(&transaction, &survey.run.id, now, actor, options, generated).await?;
    Ok(transaction.commit().await?)
}

/// The records of orders that are no longer needed, oldest first.
pub(super) async fn to_cancel(generator: &Generator, ids: &[OrderId]) -> Result<Vec<OrderRecord>, Fault> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut records = orders::by_ids(generator.database.read(), generator.database.engine(), &ids).await?;
    records.sort_by_key(|record| record.sequence);
    Ok(records)
}

/// Waits until the projection shows what was submitted, so that whoever comes next sees it. That it
/// lags is no failure: whoever comes next waits too.
pub(super) async fn wait_for(generator: &Generator) -> Result<(), Fault> {
    match catch_up(generator).await {
        Err(fault) if fault.kind() == provost_service_kit::FaultKind::Unavailable => {
            tracing::warn!(%fault, "orders were submitted, and are not yet seen");
            Ok(())
        }
        other => other,
    }
}
