//! Why an order is what it is.

use super::facts::{Facts, breach};
use super::sources::{Source, of_then};
use crate::catalogs::Loaded;
use crate::generator::Generator;
use crate::model::explain::Answer;
use crate::model::explain::order::{OrderAnswer, OrderAsk, RunSeen, Step, Today};
use crate::store::generations::{self, Generation};
use crate::store::{catalogs, orders, sensitive_orders};
use crate::verbs::known::{complete, known};
use crate::verbs::permissions::said;
use provost_contract::from_wire;
use provost_contract::fulfillment::v1::GetOrderResponse;
use provost_contract::types::v1::{HistoryEntry, OrderEvent, OrderRecord};
use provost_domain::{Order, OrderId, Timestamp};
use provost_service_kit::{Fault, FaultKind};
use std::sync::Arc;

/// An order, explained.
pub(crate) struct Explained {
    pub(crate) record: OrderRecord,
    pub(crate) answer: OrderAnswer,
    pub(crate) sources: Vec<Source>,
    pub(crate) run: Option<Ran>,
    pub(crate) history: Vec<HistoryEntry>,
    pub(crate) prerequisites: Vec<Prerequisite>,
    pub(crate) today: Option<Answer>,
    /// What could not be told.
    pub(crate) notes: Vec<String>,
}

/// The run that generated an order.
pub(crate) struct Ran {
    pub(crate) generation: Generation,
    /// The catalog by which the role model had been computed; 0 when that is no longer known.
    pub(crate) revision: i64,
    /// Who applied that, and when.
    pub(crate) applied: Option<(String, Timestamp)>,
}

/// An order that goes first.
pub(crate) struct Prerequisite {
    pub(crate) order_id: String,
    pub(crate) is_waited_for: bool,
    pub(crate) sentence: String,
}

/// Explains an order.
///
/// # Errors
/// [`FaultKind::InvalidInput`] when the id is not a UUID; [`FaultKind::NotFound`];
/// [`FaultKind::Unavailable`] when the ledger cannot be asked and the order is not known here.
pub(crate) async fn explain_order(generator: &Generator, order_id: &str) -> Result<Explained, Fault> {
    let id: OrderId = order_id.parse().map_err(|_| Fault::invalid("order_id", "is not a UUID"))?;
    let order_id = id.to_string();
    let mut notes = Vec::new();
    let (record, history) = read(generator, &order_id, &mut notes).await?;
    let (connection, engine) = (generator.database.read(), generator.database.engine());
    let mut contents = sensitive_orders::these(connection, engine, &[&order_id]).await?;
    let (order, known) = known(complete(record.clone(), &mut contents))?;
    let loaded = match generator.catalogs.current().await {
        Ok(loaded) => loaded,
        Err(fault) => {
            notes.push(format!("what the rules say today cannot be told: {fault}"));
            None
        }
    };
    let facts = today(generator, loaded.clone(), &order, &mut notes).await;
    let today = facts.as_ref().and_then(|facts| facts.ask().resource_type(&order.resource_type));
    let assignment = facts.as_ref().and_then(|facts| {
        let mut of_type = facts.today.iter().filter(|one| one.resource_type == order.resource_type);
        let same = of_type.clone().find(|one| one.target_key == order.target_key);
        same.or_else(|| of_type.find(|one| one.slot.is_empty()))
    });
    let run = ran(generator, &order).await?;
    let seen = run.as_ref().map(|run| run_seen(&run.generation));
    let steps: Vec<Step> = history.iter().filter_map(step).collect();
    let said = said(&record);
    let ask = OrderAsk {
        catalog: loaded.as_ref().map(|loaded| &*loaded.catalog),
        order: &order,
        state: known.state,
        said: &said,
        run: seen.as_ref(),
        steps: &steps,
        today: today.as_ref().map(|answer| Today { answer, assignment }),
    };
    Ok(Explained {
        answer: ask.explain(),
        sources: of_then(generator, loaded.as_deref(), &order).await?,
        prerequisites: prerequisites(generator, &order, &record).await?,
        record,
        run,
        history,
        today,
        notes,
    })
}

/// The order and its history: as the ledger knows it, else as it was told of here.
async fn read(
    generator: &Generator,
    order_id: &str,
    notes: &mut Vec<String>,
) -> Result<(OrderRecord, Vec<HistoryEntry>), Fault> {
    let away = match generator.ledger.get(order_id).await {
        Ok(Some(GetOrderResponse { record: Some(record), history })) => return Ok((record, history)),
        Ok(_) => return Err(Fault::not_found(format!("order {order_id}"))),
        Err(fault) if fault.kind() == FaultKind::Unavailable => fault,
        Err(fault) => return Err(fault),
    };
    let (connection, engine) = (generator.database.read(), generator.database.engine());
    match orders::by_ids(connection, engine, &[order_id]).await?.into_iter().next() {
        Some(record) => {
            notes.push(format!("who decided on it cannot be told now: {away}"));
            Ok((record, vec![]))
        }
        None => Err(away),
    }
}

/// What is known of its owner today; nothing when that cannot be told, which is noted.
async fn today(
    generator: &Generator,
    loaded: Option<Arc<Loaded>>,
    order: &Order,
    notes: &mut Vec<String>,
) -> Option<Facts> {
    let loaded = loaded?;
    if loaded.catalog.resource_type(&order.resource_type).is_none() {
        notes.push(format!("the resource type {} is no longer in the catalog", order.resource_type));
        return None;
    }
    let key = (order.owner.entity_type.clone(), order.owner.key.clone());
    match Facts::of(generator, loaded, &key).await {
        Ok(facts) => Some(facts),
        Err(fault) if fault.kind() == FaultKind::NotFound => {
            notes.push(format!("the {} '{}' is no longer there, and nothing is left of it", key.0, key.1));
            None
        }
        Err(fault) => {
            notes.push(format!("what the rules say today cannot be told: {fault}"));
            None
        }
    }
}

async fn ran(generator: &Generator, order: &Order) -> Result<Option<Ran>, Fault> {
    let connection = generator.database.read();
    let Some(generation) = generations::get(connection, &order.generation_run).await? else { return Ok(None) };
    let revision = generations::revision_before(connection, order.generated_at).await?.unwrap_or_default();
    let applied = catalogs::applied(connection, revision).await?;
    let applied = applied.map(|(by, at)| (by, Timestamp::from_millis(at)));
    Ok(Some(Ran { generation, revision, applied }))
}

fn run_seen(generation: &Generation) -> RunSeen {
    let Generation { at, actor, options, generated, .. } = generation;
    RunSeen {
        at: *at,
        actor: actor.clone(),
        force_review: options.force_review,
        waive_review: options.waive_review,
        force_thresholds: options.force_thresholds,
        breaches: generated.breaches.iter().map(|one| (one.resource_type.clone(), breach(one))).collect(),
    }
}

/// What people, agents and the order generator did to it; what only says how it was handed on is left out.
fn step(entry: &HistoryEntry) -> Option<Step> {
    let event = match entry.event() {
        OrderEvent::Approved => "approved",
        OrderEvent::Declined => "declined",
        OrderEvent::Postponed => "postponed",
        OrderEvent::HandedOver => "handed over",
        OrderEvent::Executed => "executed",
        OrderEvent::Failed => "failed",
        OrderEvent::Confirmed => "confirmed",
        OrderEvent::ErrorReported => "reported as an error",
        OrderEvent::ValidityOver => "found too old",
        OrderEvent::Unblocked => "unblocked",
        OrderEvent::Verified => "verified",
        OrderEvent::Superseded => "superseded",
        OrderEvent::Cancelled => "cancelled",
        OrderEvent::Unspecified
        | OrderEvent::Generated
        | OrderEvent::Leased
        | OrderEvent::Retried
        | OrderEvent::Returned
        | OrderEvent::LateFeedback => return None,
    };
    Some(Step {
        event: event.to_owned(),
        actor: entry.actor.clone(),
        at: entry.at.as_ref().map(from_wire::timestamp)?,
        reason: entry.reason.clone(),
    })
}

async fn prerequisites(generator: &Generator, order: &Order, record: &OrderRecord) -> Result<Vec<Prerequisite>, Fault> {
    let mut ids: Vec<String> = record.waits_for.clone();
    ids.extend(order.depends_on.iter().map(ToString::to_string));
    let mut named = Vec::new();
    ids.retain(|id| {
        let is_new = !named.contains(id);
        named.push(id.clone());
        is_new
    });
    let texts: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (connection, engine) = (generator.database.read(), generator.database.engine());
    let records = orders::by_ids(connection, engine, &texts).await?;
    let one = |order_id: &String| {
        let found = records.iter().find(|record| record.order.as_ref().is_some_and(|of| of.order_id == *order_id));
        let is_waited_for = record.waits_for.contains(order_id);
        let sentence = match found.map(|record| known(record.clone())) {
            Some(Ok((of, known))) => {
                let why = match (of.target_key == order.target_key, &of.resource_type) {
                    (true, same) if *same == order.resource_type => "the one before it on the same resource",
                    _ => "on which it depends",
                };
                let state = known.state;
                format!("the {} of {} '{}', {why}, is {state}", of.kind, of.resource_type, of.target_key)
            }
            Some(Err(_)) | None => "an order that is not known here yet".to_owned(),
        };
        Prerequisite { order_id: order_id.clone(), is_waited_for, sentence }
    };
    Ok(ids.iter().map(one).collect())
}
