//! The shape that most verbs share: one event per order, each with its own result, all in one
//! transaction.

use crate::model::difference::Seen;
use crate::model::{Entry, Note};
use crate::store::{Applied, Batch, Ledger, Rings, archive, entries, history};
use provost_contract::types::v1::{ItemResult, Order, ProvisioningState};
use provost_contract::{Violations, from_wire, masked, to_wire};
use provost_domain::order::state::Transition;
use provost_domain::{Event, InactiveReason, OrderId, State, Timestamp};
use provost_service_kit::{Fault, FaultKind};
use sea_orm::DatabaseTransaction;
use std::collections::HashMap;

/// Most items in one call.
pub(crate) const ITEMS_MAX: usize = 1_000;

/// What shall happen to one order.
pub(crate) struct Step {
    pub(crate) event: Event,
    pub(crate) note: Note,
    /// Refused when the order has another version, unless it happened already; 0 skips the check.
    pub(crate) version: i64,
}

/// Why one item was refused.
pub(crate) enum Refusal {
    Fault(Fault),
    /// The order is no longer at the version that the decision was made on.
    Stale(i64),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Refuses a batch that is too large.
///
/// # Errors
/// When it is.
pub(crate) fn check_size(field: &str, items: usize) -> Result<(), Fault> {
    if items > ITEMS_MAX {
        return Err(Fault::invalid(field, format!("holds {items} items; at most {ITEMS_MAX} go in one call")));
    }
    Ok(())
}

/// Refuses a decision on another version than the order has; 0 skips the check.
///
/// # Errors
/// When it has another one.
pub(crate) fn check_version(entry: &Entry, seen: i64) -> Result<(), Refusal> {
    if seen == 0 || seen == entry.version { Ok(()) } else { Err(Refusal::Stale(seen)) }
}

impl Ledger {
    /// Lets a step happen to each order of a batch. `step` sees the order as it stands when its turn
    /// comes.
    ///
    /// # Errors
    /// When nothing could be done at all; what is wrong with one item is in its result.
    pub(crate) async fn each<S>(&self, ids: &[String], step: S) -> Result<Vec<ItemResult>, Fault>
    where
        S: FnMut(usize, &Entry, Timestamp) -> Result<Step, Fault> + Send,
    {
        let transaction = self.begin().await?;
        let (results, rings) = each_in(&transaction, ids, self.now(), step).await?;
        self.commit(transaction, rings).await?;
        Ok(results)
    }

    /// Does something to each order of a batch.
    ///
    /// # Errors
    /// As [`Ledger::each`].
    pub(crate) async fn each_by<W>(&self, ids: &[String], work: W) -> Result<Vec<ItemResult>, Fault>
    where
        W: FnMut(&mut Batch<'_>, usize, OrderId) -> Result<Applied, Refusal> + Send,
    {
        let transaction = self.begin().await?;
        let (results, rings) = each_by_in(&transaction, ids, self.now(), work).await?;
        self.commit(transaction, rings).await?;
        Ok(results)
    }
}

/// [`Ledger::each`] inside a transaction.
///
/// # Errors
/// As there.
pub(crate) async fn each_in<S>(
    transaction: &DatabaseTransaction,
    ids: &[String],
    now: Timestamp,
    mut step: S,
) -> Result<(Vec<ItemResult>, Rings), Fault>
where
    S: FnMut(usize, &Entry, Timestamp) -> Result<Step, Fault> + Send,
{
    each_by_in(transaction, ids, now, |batch: &mut Batch<'_>, index, id| one(batch, index, id, &mut step)).await
}

async fn each_by_in<W>(
    transaction: &DatabaseTransaction,
    ids: &[String],
    now: Timestamp,
    work: W,
) -> Result<(Vec<ItemResult>, Rings), Fault>
where
    W: FnMut(&mut Batch<'_>, usize, OrderId) -> Result<Applied, Refusal> + Send,
{
    let mut batch = load(transaction, ids, now).await?;
    let (mut results, stale) = results_of(&mut batch, ids, work);
    tell_differences(transaction, &batch, &stale, &mut results).await?;
    let rings = batch.save().await?;
    Ok((results, rings))
}

/// The batch on those of `ids` that are ids of orders. What was archived is over, and says so.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn load<'a>(
    transaction: &'a DatabaseTransaction,
    ids: &[String],
    now: Timestamp,
) -> Result<Batch<'a>, Fault> {
    let known: Vec<OrderId> = ids.iter().filter_map(|id| parse(id).ok()).collect();
    let mut batch = Batch::load(transaction, &known, now).await?;
    let gone: Vec<OrderId> = known.into_iter().filter(|id| batch.entry(*id).is_none()).collect();
    archive::entries(transaction, &gone).await?.into_iter().for_each(|entry| batch.include(entry));
    Ok(batch)
}

/// [`Ledger::each`] inside a batch that somebody else saves, by steps that ask for no version.
pub(crate) fn each_of<S>(batch: &mut Batch<'_>, ids: &[String], mut step: S) -> Vec<ItemResult>
where
    S: FnMut(usize, &Entry, Timestamp) -> Result<Step, Fault>,
{
    results_of(batch, ids, |batch, index, id| one(batch, index, id, &mut step)).0
}

/// An item whose order is at another version than the one seen: its place, the order, and that version.
type Stale = (usize, OrderId, i64);

fn results_of<W>(batch: &mut Batch<'_>, ids: &[String], mut work: W) -> (Vec<ItemResult>, Vec<Stale>)
where
    W: FnMut(&mut Batch<'_>, usize, OrderId) -> Result<Applied, Refusal>,
{
    let mut results = Vec::with_capacity(ids.len());
    let mut stale = Vec::new();
    for (index, text) in ids.iter().enumerate() {
        let id = match parse(text) {
            Ok(id) => id,
            Err(fault) => {
                results.push(fault.to_item(text.clone(), ProvisioningState::None));
                continue;
            }
        };
        results.push(match work(batch, index, id) {
            Ok(_) => ItemResult { order_id: text.clone(), state: state(batch, id).into(), error: None },
            Err(Refusal::Fault(fault)) => fault.to_item(text.clone(), state(batch, id)),
            Err(Refusal::Stale(seen)) => {
                stale.push((index, id, seen));
                let fault = Fault::new(FaultKind::Conflict, format!("order {id} changed since version {seen}"));
                fault.to_item(text.clone(), state(batch, id))
            }
        });
    }
    (results, stale)
}

/// Says of each decision on another version how the order differs from what was seen.
async fn tell_differences(
    transaction: &DatabaseTransaction,
    batch: &Batch<'_>,
    stale: &[Stale],
    results: &mut [ItemResult],
) -> Result<(), Fault> {
    if stale.is_empty() {
        return Ok(());
    }
    let ids: Vec<OrderId> = stale.iter().map(|(_, id, _)| *id).collect();
    let mut histories = history::of_all(transaction, &ids).await?;
    for (id, archived) in archive::bodies(transaction, &ids).await? {
        histories.entry(id).or_default().splice(0..0, archived.history);
    }
    let replaced = replaced(transaction, batch, &ids).await?;
    for (index, id, seen) in stale {
        let (Some(entry), Some(result)) = (batch.entry(*id), results.get_mut(*index)) else { continue };
        let seen = Seen {
            versions: (*seen, entry.version),
            state: entry.standing.state.number(),
            assignee: entry.standing.assignee.as_deref(),
            history: histories.get(id).map_or(&[], Vec::as_slice),
            replaced: replaced.get(id).map(|(old, new)| (old, new)),
        };
        if let Some(error) = &mut result.error {
            error.message = seen.sentence(&id.to_string());
            error.differences = seen.differences();
        }
    }
    Ok(())
}

/// Of those orders that were replaced: themselves, and the newest of their lanes.
async fn replaced(
    transaction: &DatabaseTransaction,
    batch: &Batch<'_>,
    ids: &[OrderId],
) -> Result<HashMap<OrderId, (Order, Order)>, Fault> {
    let is_replaced =
        |entry: &&Entry| matches!(entry.standing.state, State::Inactive { reason: InactiveReason::Superseded });
    let old: Vec<&Entry> = ids.iter().filter_map(|id| batch.entry(*id)).filter(is_replaced).collect();
    let lanes: Vec<String> = old.iter().map(|entry| entry.lane.clone()).collect();
    let lanes = entries::of_lanes(transaction, &lanes, batch.now()).await?;
    let pairs: Vec<(OrderId, OrderId)> = old
        .iter()
        .filter_map(|entry| Some((entry.id, lanes.get(&entry.lane)?.last()?.id)))
        .filter(|(old, new)| old != new)
        .collect();
    let named: Vec<OrderId> = pairs.iter().flat_map(|(old, new)| [*old, *new]).collect();
    let full = entries::full_by_ids(transaction, &named).await?;
    let order = |id: &OrderId| full.get(id).map(|full| masked(full.order.clone()));
    Ok(pairs.iter().filter_map(|(old, new)| Some((*old, (order(old)?, order(new)?)))).collect())
}

fn parse(text: &str) -> Result<OrderId, Fault> {
    let mut wrong = Violations::default();
    from_wire::order_id("order_id", text, &mut wrong).ok_or_else(|| wrong.into())
}

fn state(batch: &Batch<'_>, id: OrderId) -> ProvisioningState {
    batch.entry(id).map_or(ProvisioningState::None, |entry| to_wire::state(entry.standing.state.number()))
}

fn one<S>(batch: &mut Batch<'_>, index: usize, id: OrderId, step: &mut S) -> Result<Applied, Refusal>
where
    S: FnMut(usize, &Entry, Timestamp) -> Result<Step, Fault>,
{
    let now = batch.now();
    let entry = batch.entry(id).ok_or_else(|| Fault::not_found(format!("order {id}")))?;
    let Step { event, note, version } = step(index, entry, now)?;
    let is_already = matches!(entry.ask(&event, now), Ok(Transition::Already));
    if !is_already {
        check_version(entry, version)?;
    }
    Ok(batch.apply(id, &event, note)?)
}
