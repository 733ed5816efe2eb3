//! Generating orders from what was computed, and submitting them to the ledger.
//!
//! The rule that must hold: generating twice submits nothing new. A generation that died after it
//! submitted and before it noted so is harmless: the ledger knows the orders by their content, and
//! tells of them through its feed.

use super::catch_up::catch_up;
use super::compute::{Done, ROLE_MODEL, catalog};
use super::known::lanes;
use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::assign::Assignment;
use crate::model::generate::{self as model, Generation, Run};
use crate::store::computations::{self, Breach, Generated, Options};
use crate::store::{assignments, from_json, sensitive_orders};
use provost_domain::{Order, OrderId, State};
use provost_service_kit::{Fault, new_id};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Orders that one submission takes.
const ORDERS_PER_SUBMISSION: usize = 5_000;
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
    run: &str,
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
    let generation = plan(generator, loaded, run, options).await?;
    let mut generated = Generated {
        duplicates: generation.duplicates as i64,
        breaches: generation.breaches.into_iter().map(breach).collect(),
        by_kind: by_kind(&generation.orders),
        notes: generation.notes,
        ..Generated::default()
    };
    if !generated.is_blocked(options) {
        submit(generator, actor, &generation.orders, &mut generated, done).await?;
        cancel(generator, &generation.cancel, &mut generated).await?;
        wait_for(generator).await?;
    }
    let now = generator.clock.now();
    computations::note_generation(generator.database.write(), run, now, actor, options, &generated).await?;
    tracing::info!(
        generation_run = run,
        actor,
        submitted = generated.submitted,
        cancelled = generated.cancelled,
        options.force_review,
        options.waive_review,
        options.force_thresholds,
        blocked = generated.is_blocked(options),
        "orders generated"
    );
    Ok(generated)
}

async fn plan(generator: &Generator, loaded: Arc<Loaded>, run: &str, options: &Options) -> Result<Generation, Fault> {
    let now = generator.clock.now();
    let bodies = assignments::assignments(generator.database.read()).await?;
    let lanes = lanes(generator).await?;
    let run = Run { id: run.to_owned(), force_review: options.force_review, waive_review: options.waive_review, now };
    let planned = tokio::task::spawn_blocking(move || {
        let mut bodies: Vec<_> = bodies.into_iter().collect();
        bodies.sort();
        let assignments = bodies.iter().map(|(_, body)| from_json(body)).collect::<Result<Vec<Assignment>, _>>()?;
        Ok(model::generate(&loaded.catalog, &assignments, &lanes, &run, || OrderId::new(new_id())))
    });
    planned.await.map_err(Fault::internal)?
}

fn breach(breach: model::Breach) -> Breach {
    let model::Breach { resource_type, counted, count, limit, rule } = breach;
    Breach { resource_type, counted: counted.to_owned(), count: count as i64, limit: limit as i64, rule }
}

fn by_kind(orders: &[Order]) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for order in orders {
        let state = State::initial(order).number().to_string().to_lowercase();
        *counts.entry(format!("{} / {state}", order.kind)).or_default() += 1;
    }
    counts
}

async fn submit(
    generator: &Generator,
    actor: &str,
    orders: &[Order],
    generated: &mut Generated,
    done: &Done,
) -> Result<(), Fault> {
    let total = orders.len() as u64;
    let mut sent = 0;
    for chunk in orders.chunks(ORDERS_PER_SUBMISSION) {
        // Before the ledger knows them: what dies in between is forgotten by the next generation.
        sensitive_orders::save(generator.database.write(), generator.database.engine(), chunk).await?;
        let answer = generator.ledger.submit(actor, chunk).await?;
        generated.submitted += answer.accepted;
        generated.duplicates += answer.duplicates;
        generated.superseded += answer.superseded;
        generated.rejected += answer.rejected;
        let first = answer.rejections.first().and_then(|rejection| rejection.error.as_ref());
        if let Some(error) = first.filter(|_| generated.rejection.is_empty()) {
            generated.rejection.clone_from(&error.message);
        }
        sent += chunk.len() as u64;
        done(sent, total);
    }
    Ok(())
}

async fn cancel(generator: &Generator, orders: &[OrderId], generated: &mut Generated) -> Result<(), Fault> {
    let ids: Vec<String> = orders.iter().map(ToString::to_string).collect();
    // An order that an agent took meanwhile is refused; the next computation sees what became of it.
    let results = generator.ledger.cancel(&ids, NOT_NEEDED).await?;
    generated.cancelled = results.iter().filter(|result| result.error.is_none()).count() as i64;
    Ok(())
}

/// Waits until the projection shows what was submitted, so that whoever comes next sees it. That it
/// lags is no failure: whoever comes next waits too.
async fn wait_for(generator: &Generator) -> Result<(), Fault> {
    match catch_up(generator).await {
        Err(fault) if fault.kind() == provost_service_kit::FaultKind::Unavailable => {
            tracing::warn!(%fault, "orders were submitted, and are not yet seen");
            Ok(())
        }
        other => other,
    }
}
