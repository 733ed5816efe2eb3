//! The shape that most verbs share: one event per order, each with its own result, all in one
//! transaction.

use crate::model::{Entry, Note};
use crate::store::{Applied, Batch, Ledger, Rings};
use provost_contract::types::v1::{ItemResult, ProvisioningState};
use provost_contract::{Violations, from_wire, to_wire};
use provost_domain::order::state::Transition;
use provost_domain::{Event, OrderId, Timestamp};
use provost_service_kit::{Fault, FaultKind};
use sea_orm::DatabaseTransaction;

/// Most items in one call.
pub(crate) const ITEMS_MAX: usize = 1_000;

/// What shall happen to one order.
pub(crate) struct Step {
    pub(crate) event: Event,
    pub(crate) note: Note,
    /// Refused when the order has another version, unless it happened already; 0 skips the check.
    pub(crate) version: i64,
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
}

/// [`Ledger::each`] inside a transaction.
///
/// # Errors
/// As there.
pub(crate) async fn each_in<S>(
    transaction: &DatabaseTransaction,
    ids: &[String],
    now: Timestamp,
    step: S,
) -> Result<(Vec<ItemResult>, Rings), Fault>
where
    S: FnMut(usize, &Entry, Timestamp) -> Result<Step, Fault> + Send,
{
    let mut batch = load(transaction, ids, now).await?;
    let results = each_of(&mut batch, ids, step);
    let rings = batch.save().await?;
    Ok((results, rings))
}

/// The batch on those of `ids` that are ids of orders.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn load<'a>(
    transaction: &'a DatabaseTransaction,
    ids: &[String],
    now: Timestamp,
) -> Result<Batch<'a>, Fault> {
    let known: Vec<OrderId> = ids.iter().filter_map(|id| parse(id).ok()).collect();
    Batch::load(transaction, &known, now).await
}

/// [`Ledger::each`] inside a batch that somebody else saves.
pub(crate) fn each_of<S>(batch: &mut Batch<'_>, ids: &[String], mut step: S) -> Vec<ItemResult>
where
    S: FnMut(usize, &Entry, Timestamp) -> Result<Step, Fault>,
{
    let mut results = Vec::with_capacity(ids.len());
    for (index, text) in ids.iter().enumerate() {
        let result = parse(text).and_then(|id| one(batch, index, id, &mut step).map(|_| id));
        results.push(match result {
            Ok(id) => ItemResult { order_id: text.clone(), state: state(batch, id).into(), error: None },
            Err(fault) => {
                let id = parse(text).ok();
                fault.to_item(text.clone(), id.map_or(ProvisioningState::None, |id| state(batch, id)))
            }
        });
    }
    results
}

fn parse(text: &str) -> Result<OrderId, Fault> {
    let mut wrong = Violations::default();
    from_wire::order_id("order_id", text, &mut wrong).ok_or_else(|| wrong.into())
}

fn state(batch: &Batch<'_>, id: OrderId) -> ProvisioningState {
    batch.entry(id).map_or(ProvisioningState::None, |entry| to_wire::state(entry.standing.state.number()))
}

fn one<S>(batch: &mut Batch<'_>, index: usize, id: OrderId, step: &mut S) -> Result<Applied, Fault>
where
    S: FnMut(usize, &Entry, Timestamp) -> Result<Step, Fault>,
{
    let now = batch.now();
    let entry = batch.entry(id).ok_or_else(|| Fault::not_found(format!("order {id}")))?;
    let Step { event, note, version } = step(index, entry, now)?;
    let is_already = matches!(entry.ask(&event, now), Ok(Transition::Already));
    if version != 0 && version != entry.version && !is_already {
        let message = format!(
            "order {id} changed since version {version}: it has version {} and is {}; read it again",
            entry.version,
            entry.standing.state.number()
        );
        return Err(Fault::new(FaultKind::Conflict, message));
    }
    batch.apply(id, &event, note)
}
