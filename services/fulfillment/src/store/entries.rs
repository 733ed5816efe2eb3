//! Rows of `orders`, to and from what the model works with.

use crate::model::{Entry, Offer, Standing};
use crate::store::statement::{Sql, pieces};
use prost::Message;
use provost_contract::types::v1::Order;
use provost_domain::{
    Failure, InactiveReason, Lease, OrderId, ProvisioningState, Retry, RuleFailure, State, Timestamp,
};
use provost_service_kit::Fault;
use sea_orm::{ConnectionTrait, QueryResult, TryGetable, Value};
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

/// The columns of an entry, for `SELECT`; the content is beside it in `payload`.
pub(crate) const ENTRY: &str = "sequence,id,lane,connection,fingerprint,generated_at,not_before,validity_ms,version,created_at,\
    updated_at,state,inactive_reason,failure,ticket,transmitted_at,executed_at,lease_agent,lease_until,retry_at,\
    attempts,failures,throttles,waits_for,unmet_dependencies,held_until,offer,due_at";

/// An order with its content.
#[derive(Clone, Debug)]
pub(crate) struct Full {
    pub(crate) entry: Entry,
    pub(crate) order: Order,
}

fn get<T: TryGetable>(row: &QueryResult, column: &str) -> Result<T, Fault> {
    Ok(row.try_get("", column)?)
}

fn damaged(id: OrderId, what: &str) -> Fault {
    Fault::internal(anyhow::anyhow!("the row of order {id} is damaged: {what}"))
}

/// Reads an entry from a row that has the columns of [`ENTRY`].
///
/// # Errors
/// When the row does not hold what its state needs.
pub(crate) fn entry_of(row: &QueryResult) -> Result<Entry, Fault> {
    let at = |column: &str| Ok::<_, Fault>(Timestamp::from_millis(get(row, column)?));
    let maybe_at = |column: &str| Ok::<_, Fault>(get::<Option<i64>>(row, column)?.map(Timestamp::from_millis));
    let count = |column: &str| Ok::<_, Fault>(u32::try_from(get::<i32>(row, column)?).unwrap_or(0));
    let id = OrderId::new(get(row, "id")?);
    let validity: Option<i64> = get(row, "validity_ms")?;
    let offer = match get::<i32>(row, "offer")? {
        0 => Offer::No,
        1 => Offer::Now,
        _ => Offer::From(at("due_at")?),
    };
    Ok(Entry {
        sequence: get(row, "sequence")?,
        id,
        lane: get(row, "lane")?,
        connection: get(row, "connection")?,
        fingerprint: get(row, "fingerprint")?,
        generated_at: at("generated_at")?,
        not_before: maybe_at("not_before")?,
        validity: validity.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0))),
        version: get(row, "version")?,
        created_at: at("created_at")?,
        updated_at: at("updated_at")?,
        standing: Standing {
            state: state_of(row, id)?,
            attempts: count("attempts")?,
            failures: count("failures")?,
            throttles: count("throttles")?,
            waits_for: get::<Option<Uuid>>(row, "waits_for")?.map(OrderId::new),
            unmet_dependencies: count("unmet_dependencies")?,
            executed_at: maybe_at("executed_at")?,
            held_until: maybe_at("held_until")?,
            offer,
        },
    })
}

fn state_of(row: &QueryResult, id: OrderId) -> Result<State, Fault> {
    let since = |column: &str| {
        let millis: Option<i64> = get(row, column)?;
        millis.map(Timestamp::from_millis).ok_or_else(|| damaged(id, column))
    };
    let failure: Option<String> = get(row, "failure")?;
    let outside = || -> Result<Option<Failure>, Fault> {
        failure.as_deref().map(serde_json::from_str).transpose().map_err(|_| damaged(id, "failure"))
    };
    let number: i32 = get(row, "state")?;
    let state = ProvisioningState::from_number(number).ok_or_else(|| damaged(id, "state"))?;
    Ok(match state {
        ProvisioningState::None => return Err(damaged(id, "state")),
        ProvisioningState::Pending => {
            let agent: Option<String> = get(row, "lease_agent")?;
            let lease = agent.map(|agent| Ok::<_, Fault>(Lease { agent, until: since("lease_until")? })).transpose()?;
            let retry = outside()?.map(|failure| Ok::<_, Fault>(Retry { failure, at: since("retry_at")? }));
            State::Pending { lease, retry: retry.transpose()? }
        }
        ProvisioningState::Transmitted => State::Transmitted {
            ticket: get::<Option<String>>(row, "ticket")?.unwrap_or_default(),
            since: since("transmitted_at")?,
        },
        ProvisioningState::Errored => State::Errored { failure: outside()?.ok_or_else(|| damaged(id, "failure"))? },
        ProvisioningState::Verified => State::Verified,
        ProvisioningState::AwaitingApproval => State::AwaitingApproval,
        ProvisioningState::Inactive => {
            let reasons = [
                InactiveReason::Expired,
                InactiveReason::Declined,
                InactiveReason::Cancelled,
                InactiveReason::Superseded,
            ];
            let stored: Option<i32> = get(row, "inactive_reason")?;
            let reason = reasons.into_iter().find(|reason| stored == Some(*reason as i32));
            State::Inactive { reason: reason.ok_or_else(|| damaged(id, "inactive_reason"))? }
        }
        ProvisioningState::Error => {
            let failure: Option<RuleFailure> = failure.as_deref().and_then(|text| serde_json::from_str(text).ok());
            State::Error { failure: failure.ok_or_else(|| damaged(id, "failure"))? }
        }
        ProvisioningState::Executed => State::Executed { since: since("executed_at")? },
    })
}

/// Reads an order with its content.
///
/// # Errors
/// As [`entry_of`].
pub(crate) fn full_of(row: &QueryResult) -> Result<Full, Fault> {
    let entry = entry_of(row)?;
    let payload: Vec<u8> = get(row, "payload")?;
    let order = Order::decode(payload.as_slice()).map_err(|_| damaged(entry.id, "payload"))?;
    Ok(Full { entry, order })
}

/// Bytes of one answer, by [`weight`]; leaves room below the limit of a message for what is around.
const ANSWER_BYTES_MAX: usize = 12 * 1024 * 1024;

/// The most that an order takes in an answer: its values stand twice in the manual provisioning list,
/// and its failure twice in a record.
fn weight(full: &Full) -> usize {
    let failure = match &full.entry.standing.state {
        State::Pending { retry: Some(Retry { failure, .. }), .. } | State::Errored { failure } => {
            failure.code.len() + failure.message.len() + failure.hint.len()
        }
        _ => 0,
    };
    2 * (full.order.encoded_len() + failure) + 1_000
}

/// The first of `orders` that fit into one answer; at least one. Whether any was left out.
pub(crate) fn fitting(mut orders: Vec<Full>) -> (Vec<Full>, bool) {
    let mut bytes = 0;
    let fits = orders.iter().take_while(|full| {
        bytes += weight(full);
        bytes <= ANSWER_BYTES_MAX
    });
    let count = fits.count().max(1);
    let is_cut = count < orders.len();
    orders.truncate(count);
    (orders, is_cut)
}

/// The columns that change in an order's life, with their values now. Names and places are always
/// the same, so that two standings can be compared value by value.
pub(crate) fn changing_columns(entry: &Entry) -> Vec<(&'static str, Value)> {
    let standing = &entry.standing;
    let millis = |instant: Option<Timestamp>| Value::from(instant.map(Timestamp::millis));
    let json = |text: serde_json::Result<String>| text.ok();
    let mut inactive_reason: Option<i32> = None;
    let [mut failure, mut error_cause, mut ticket, mut lease_agent]: [Option<String>; 4] = Default::default();
    let (mut transmitted_at, mut lease_until, mut retry_at) = (None, None, None);
    match &standing.state {
        State::Pending { lease, retry } => {
            lease_agent = lease.as_ref().map(|lease| lease.agent.clone());
            lease_until = lease.as_ref().map(|lease| lease.until);
            failure = retry.as_ref().and_then(|retry| json(serde_json::to_string(&retry.failure)));
            retry_at = retry.as_ref().map(|retry| retry.at);
        }
        State::Transmitted { ticket: reference, since } => {
            ticket = Some(reference.clone());
            transmitted_at = Some(*since);
        }
        State::Errored { failure: outside } => {
            failure = json(serde_json::to_string(outside));
            error_cause = Some(outside.cause().as_str().to_owned());
        }
        State::Error { failure: rule } => failure = json(serde_json::to_string(rule)),
        State::Inactive { reason } => inactive_reason = Some(*reason as i32),
        State::Verified | State::AwaitingApproval | State::Executed { .. } => {}
    }
    let (offer, due_at) = match standing.offer {
        Offer::No => (0, 0),
        Offer::Now => (1, 0),
        Offer::From(due) => (2, due.millis()),
    };
    let count = |number: u32| Value::from(i32::try_from(number).unwrap_or(i32::MAX));
    vec![
        ("state", standing.state.number().number().into()),
        ("inactive_reason", inactive_reason.into()),
        ("failure", failure.into()),
        ("error_cause", error_cause.into()),
        ("ticket", ticket.into()),
        ("transmitted_at", millis(transmitted_at)),
        ("executed_at", millis(standing.executed_at)),
        ("lease_agent", lease_agent.into()),
        ("lease_until", millis(lease_until)),
        ("retry_at", millis(retry_at)),
        ("attempts", count(standing.attempts)),
        ("failures", count(standing.failures)),
        ("throttles", count(standing.throttles)),
        ("waits_for", standing.waits_for.map(OrderId::uuid).into()),
        ("unmet_dependencies", count(standing.unmet_dependencies)),
        ("held_until", millis(standing.held_until)),
        ("offer", offer.into()),
        ("due_at", Value::from(due_at)),
        ("deadline", millis(entry.deadline())),
    ]
}

/// The entries of those of `ids` that exist.
///
/// # Errors
/// When the database cannot be reached, or a row is damaged.
pub(crate) async fn by_ids(
    connection: &impl ConnectionTrait,
    ids: &[OrderId],
) -> Result<HashMap<OrderId, Entry>, Fault> {
    by_list(connection, "id", ids).await
}

/// The orders that wait for one of `ids` in their lanes.
///
/// # Errors
/// As [`by_ids`].
pub(crate) async fn successors(
    connection: &impl ConnectionTrait,
    ids: &[OrderId],
) -> Result<HashMap<OrderId, Entry>, Fault> {
    by_list(connection, "waits_for", ids).await
}

async fn by_list(
    connection: &impl ConnectionTrait,
    column: &str,
    ids: &[OrderId],
) -> Result<HashMap<OrderId, Entry>, Fault> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let mut found = HashMap::with_capacity(ids.len());
    for piece in pieces(&ids) {
        let mut sql = Sql::new(&format!("SELECT {ENTRY} FROM orders WHERE {column} IN "));
        for row in sql.list(piece).all(connection).await? {
            let entry = entry_of(&row)?;
            found.insert(entry.id, entry);
        }
    }
    Ok(found)
}

/// Those of `ids` that are Errored although a newer order of their lane went on without them, each
/// with the newest such order. Whoever waits in the lane for its turn did not go on.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn overtaken(
    connection: &impl ConnectionTrait,
    ids: &[OrderId],
) -> Result<HashMap<OrderId, OrderId>, Fault> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let mut found = HashMap::new();
    for piece in pieces(&ids) {
        let mut sql = Sql::new(
            "SELECT o.id AS id,n.id AS newer FROM orders o JOIN orders n ON n.lane = o.lane AND n.sequence > o.sequence \
             WHERE o.state = 3 AND n.state NOT IN (6,7) AND n.waits_for IS NULL AND o.id IN ",
        );
        for row in sql.list(piece).push(" ORDER BY n.sequence").all(connection).await? {
            found.insert(OrderId::new(get(&row, "id")?), OrderId::new(get(&row, "newer")?));
        }
    }
    Ok(found)
}

/// Of each of `lanes`: the newest order, every order that is not yet settled, and every one that holds the
/// lane at `now` for an attempt that has not reported; oldest first.
///
/// # Errors
/// As [`by_ids`].
pub(crate) async fn of_lanes(
    connection: &impl ConnectionTrait,
    lanes: &[String],
    now: Timestamp,
) -> Result<HashMap<String, Vec<Entry>>, Fault> {
    let mut found: HashMap<String, Vec<Entry>> = HashMap::new();
    for piece in pieces(lanes) {
        let mut sql = Sql::new(&format!("SELECT {ENTRY} FROM orders o WHERE o.lane IN "));
        sql.list(piece).push(" AND (o.state IN (1,2,3,5,7) OR o.held_until > ").bind(now.millis()).push(
            " OR NOT EXISTS (SELECT 1 FROM orders n WHERE n.lane = o.lane AND n.sequence > o.sequence)) \
             ORDER BY o.sequence",
        );
        for row in sql.all(connection).await? {
            let entry = entry_of(&row)?;
            found.entry(entry.lane.clone()).or_default().push(entry);
        }
    }
    Ok(found)
}

/// The orders of `ids` with their content.
///
/// # Errors
/// As [`by_ids`].
pub(crate) async fn full_by_ids(
    connection: &impl ConnectionTrait,
    ids: &[OrderId],
) -> Result<HashMap<OrderId, Full>, Fault> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let mut found = HashMap::with_capacity(ids.len());
    for piece in pieces(&ids) {
        let mut sql = Sql::new(&format!("SELECT {ENTRY},payload FROM orders WHERE id IN "));
        for row in sql.list(piece).all(connection).await? {
            let full = full_of(&row)?;
            found.insert(full.entry.id, full);
        }
    }
    Ok(found)
}
