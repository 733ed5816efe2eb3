//! Generating orders from what was computed, and submitting them to the ledger.
//!
//! The rule that must hold: generating twice submits nothing new. A generation that died after it
//! submitted and before it noted so is harmless: the ledger knows the orders by their content, and
//! tells of them through its feed. What a threshold blocks is kept as a list, for whoever decides.

use super::catch_up::catch_up;
use super::compute::{Done, ROLE_MODEL, catalog};
use super::held_back;
use super::pieces::Orders;
use super::regenerate::{Left, Which, Whose};
use super::sizes::tell_sizes;
use super::survey::Survey;
use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::ledger::batches;
use crate::model::generate::{self as model, Intent, Run};
use crate::store::computations::{self, Breach, Generated, Options};
use crate::store::{held_orders, orders, sensitive_orders};
use crate::work::order_feed::FEED;
use futures::{Stream, TryStreamExt};
use provost_contract::fulfillment::v1::SubmitOrdersRequest;
use provost_contract::to_wire;
use provost_contract::types::v1::OrderRecord;
use provost_domain::OrderId;
use provost_service_kit::{Fault, feed};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

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
    which: Which,
    options: &Options,
    actor: &str,
    done: &Done,
) -> Result<Generated, Fault> {
    if options.force_review && options.waive_review {
        return Err(Fault::invalid("waive_review", "contradicts force_review"));
    }
    let loaded = catalog(generator).await?;
    generator.alone(ROLE_MODEL, generate_alone(generator, loaded, run, which, options, actor, done)).await
}

async fn generate_alone(
    generator: &Generator,
    loaded: Arc<Loaded>,
    run_id: &str,
    which: Which,
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
    // What moves after this is looked at by the next generation, whether this one sees it or not.
    let seen = Some(feed::cursor(generator.database.read(), FEED).await?);
    let whose = Whose::read(generator, which, options).await?;
    let mut left = Left { until: newest(generator).await?, seen, ..Left::default() };
    let (force_review, waive_review) = (options.force_review, options.waive_review);
    let run = Run { id: run_id.to_owned(), force_review, waive_review, now: generator.clock.now() };
    let survey = match &whose {
        Whose::Everybody => {
            forget_sensitive(generator).await?;
            let survey = Survey::of_everybody(generator, loaded, run).await?;
            left.existing = Some(survey.existing());
            survey
        }
        Whose::These { owners, existing } => Survey::of_these(generator, loaded, run, owners, existing).await?,
    };
    let mut generated = survey.summary();
    if options.resumed {
        held_back::compare(generator, &survey, &mut generated).await?;
    }
    let blocked = generated.is_blocked(options);
    if blocked {
        held_back::hold(generator, &survey, options, actor, &generated).await?;
    } else {
        let total = survey.decided.new.len();
        let existing = match &whose {
            Whose::Everybody => left.existing.as_ref(),
            Whose::These { existing, .. } => Some(existing),
        };
        tell_sizes(generator, &survey.loaded.catalog, existing).await;
        let written = survey.stored(generator, wire_messages);
        let refused = submit(generator, actor, total, written, &mut generated, done).await?;
        (left.again, left.everybody_again) = (survey.owners_of(&refused.ids), refused.are_more);
        cancel(generator, &survey.decided.cancel, &mut generated).await?;
        wait_for(generator).await?;
        note(generator, run_id, actor, options, &generated, Some(left)).await?;
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
        everybody = whose == Whose::Everybody,
        "orders generated"
    );
    Ok(generated)
}

/// The newest computation: what was noted up to it, a generation that begins now sees.
pub(super) async fn newest(generator: &Generator) -> Result<i64, Fault> {
    Ok(computations::newest_sequence(generator.database.read()).await?.unwrap_or_default())
}

pub(super) fn breach(breach: model::Breach) -> Breach {
    let model::Breach { resource_type, counted, count, limit, rule } = breach;
    Breach { resource_type, counted: counted.to_owned(), count: count as i64, limit: limit as i64, rule, unseen: None }
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

/// Orders that the ledger refused.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// Their ids.
    pub(super) ids: HashSet<String>,
    /// There were more than the ledger named.
    pub(super) are_more: bool,
}

/// Forgets the contents of confidential orders that nothing compares any more.
pub(super) async fn forget_sensitive(generator: &Generator) -> Result<(), Fault> {
    let transaction = generator.begin_alone().await?;
    sensitive_orders::forget(&transaction).await?;
    Ok(transaction.commit().await?)
}

/// Submits orders; what the ledger refused comes back.
pub(super) async fn submit(
    generator: &Generator,
    actor: &str,
    total: usize,
    written: impl Stream<Item = Result<Written, Fault>>,
    generated: &mut Generated,
    done: &Done,
) -> Result<Refused, Fault> {
    let mut written = std::pin::pin!(written);
    let mut refused = Refused::default();
    let mut sent = 0;
    while let Some(Written { orders, messages, sensitive }) = written.try_next().await? {
        // Before the ledger knows them: what dies in between is forgotten by the next generation.
        // And whoever lost the lock meanwhile submits nothing more.
        let transaction = generator.begin_alone().await?;
        sensitive_orders::save(&transaction, generator.database.engine(), &sensitive).await?;
        transaction.commit().await?;
        let answer = generator.ledger.submit(actor, messages).await?;
        generated.submitted += answer.accepted;
        generated.duplicates += answer.duplicates;
        generated.superseded += answer.superseded;
        generated.rejected += answer.rejected;
        let first = answer.rejections.first().and_then(|rejection| rejection.error.as_ref());
        if let Some(error) = first.filter(|_| generated.rejection.is_empty()) {
            generated.rejection.clone_from(&error.message);
        }
        refused.are_more |= answer.rejected > answer.rejections.len() as i64;
        refused.ids.extend(answer.rejections.into_iter().map(|rejection| rejection.order_id));
        sent += orders as u64;
        done(sent, total as u64);
    }
    Ok(refused)
}

pub(super) async fn cancel(generator: &Generator, orders: &[OrderId], generated: &mut Generated) -> Result<(), Fault> {
    let ids: Vec<String> = orders.iter().map(ToString::to_string).collect();
    generator.begin_alone().await?.rollback().await?;
    // An order that an agent took meanwhile is refused; the next computation sees what became of it.
    let results = generator.ledger.cancel(&ids, NOT_NEEDED).await?;
    generated.cancelled = results.iter().filter(|result| result.error.is_none()).count() as i64;
    Ok(())
}

/// Notes a generation. One of all that is to be generated leaves something to the next one, and makes old what an
/// earlier one held back.
pub(super) async fn note(
    generator: &Generator,
    run_id: &str,
    actor: &str,
    options: &Options,
    generated: &Generated,
    left: Option<Left>,
) -> Result<(), Fault> {
    let transaction = generator.begin_alone().await?;
    if let Some(left) = left {
        held_orders::clear(&transaction).await?;
        left.keep(&transaction, generator.database.engine(), options).await?;
    }
    computations::note_generation(&transaction, run_id, generator.clock.now(), actor, options, generated).await?;
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
