//! Rows of `orders`, to and from what the model works with.

use crate::model::{Entry, Offer, Standing};
use prost::Message;
use provost_contract::types::v1::Order;
use provost_domain::{
    Failure, InactiveReason, Lease, OrderId, ProvisioningState, Retry, RuleFailure, State, Timestamp,
};
use provost_service_kit::Fault;
use provost_service_kit::statement::{Sql, pieces};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, TryGetable, Value};
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

/// The columns of an entry, for `SELECT`; the content is beside it in `payload`.
pub(crate) const ENTRY: &str = "sequence,id,lane,connection,fingerprint,generated_at,not_before,validity_ms,version,created_at,\
    updated_at,state,inactive_reason,failure,ticket,transmitted_at,executed_at,lease_agent,lease_until,retry_at,\
    attempts,failures,throttles,waits_for,unmet_dependencies,held_until,offer,due_at,assignee,state_since";

/// An order with its content.
#[derive(Clone, Debug)]
pub(crate) struct Full {
    pub(crate) entry: Entry,
    pub(crate) order: Order,
}

/// Takes a row apart, column by column as they were selected: looking each up by its name costs more than the rest.
struct Columns<'a> {
    row: &'a QueryResult,
    next: usize,
}

impl Columns<'_> {
    fn take<T: TryGetable>(&mut self) -> Result<T, Fault> {
        let place = self.next;
        self.next += 1;
        Ok(self.row.try_get_by_index(place)?)
    }

    fn instant(&mut self) -> Result<Timestamp, Fault> {
        self.take().map(Timestamp::from_millis)
    }

    fn maybe_instant(&mut self) -> Result<Option<Timestamp>, Fault> {
        Ok(self.take::<Option<i64>>()?.map(Timestamp::from_millis))
    }

    fn count(&mut self) -> Result<u32, Fault> {
        Ok(u32::try_from(self.take::<i32>()?).unwrap_or(0))
    }
}

fn damaged(id: OrderId, what: &str) -> Fault {
    Fault::internal(anyhow::anyhow!("the row of order {id} is damaged: {what}"))
}

/// Reads an entry from a row that begins with the columns of [`ENTRY`].
///
/// # Errors
/// When the row does not hold what its state needs.
pub(crate) fn entry_of(row: &QueryResult) -> Result<Entry, Fault> {
    // In the sequence of `ENTRY`.
    let mut columns = Columns { row, next: 0 };
    let sequence = columns.take()?;
    let id = OrderId::new(columns.take()?);
    let lane = columns.take()?;
    let connection = columns.take()?;
    let fingerprint = columns.take()?;
    let generated_at = columns.instant()?;
    let not_before = columns.maybe_instant()?;
    let validity: Option<i64> = columns.take()?;
    let version = columns.take()?;
    let created_at = columns.instant()?;
    let updated_at = columns.instant()?;
    let kept = Kept {
        id,
        number: columns.take()?,
        inactive_reason: columns.take()?,
        failure: columns.take()?,
        ticket: columns.take()?,
        transmitted_at: columns.maybe_instant()?,
        executed_at: columns.maybe_instant()?,
        lease_agent: columns.take()?,
        lease_until: columns.maybe_instant()?,
        retry_at: columns.maybe_instant()?,
    };
    let executed_at = kept.executed_at;
    let [attempts, failures, throttles] = [columns.count()?, columns.count()?, columns.count()?];
    let waits_for = columns.take::<Option<Uuid>>()?.map(OrderId::new);
    let unmet_dependencies = columns.count()?;
    let held_until = columns.maybe_instant()?;
    let offer: i32 = columns.take()?;
    let due_at = columns.instant()?;
    let offer = match offer {
        0 => Offer::No,
        1 => Offer::Now,
        _ => Offer::From(due_at),
    };
    Ok(Entry {
        sequence,
        id,
        lane,
        connection,
        fingerprint,
        generated_at,
        not_before,
        validity: validity.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0))),
        version,
        created_at,
        updated_at,
        standing: Standing {
            state: kept.state()?,
            attempts,
            failures,
            throttles,
            waits_for,
            unmet_dependencies,
            executed_at,
            held_until,
            offer,
            assignee: columns.take()?,
            state_since: columns.instant()?,
        },
    })
}

/// What a row keeps of a state.
struct Kept {
    id: OrderId,
    number: i32,
    inactive_reason: Option<i32>,
    failure: Option<String>,
    ticket: Option<String>,
    transmitted_at: Option<Timestamp>,
    executed_at: Option<Timestamp>,
    lease_agent: Option<String>,
    lease_until: Option<Timestamp>,
    retry_at: Option<Timestamp>,
}

impl Kept {
    fn state(self) -> Result<State, Fault> {
        let id = self.id;
        let since = |column: &str, at: Option<Timestamp>| at.ok_or_else(|| damaged(id, column));
        let failure = self.failure.as_deref();
        let outside = || -> Result<Option<Failure>, Fault> {
            failure.map(serde_json::from_str).transpose().map_err(|_| damaged(id, "failure"))
        };
        let state = ProvisioningState::from_number(self.number).ok_or_else(|| damaged(id, "state"))?;
        Ok(match state {
            ProvisioningState::None => return Err(damaged(id, "state")),
            ProvisioningState::Pending => {
                let until = || since("lease_until", self.lease_until);
                let lease =
                    self.lease_agent.map(|agent| Ok::<_, Fault>(Lease { agent, until: until()? })).transpose()?;
                let retry = outside()?
                    .map(|failure| Ok::<_, Fault>(Retry { failure, at: since("retry_at", self.retry_at)? }))
                    .transpose()?;
                State::Pending { lease, retry }
            }
            ProvisioningState::Transmitted => State::Transmitted {
                ticket: self.ticket.unwrap_or_default(),
                since: since("transmitted_at", self.transmitted_at)?,
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
                let reason = reasons.into_iter().find(|reason| self.inactive_reason == Some(*reason as i32));
                State::Inactive { reason: reason.ok_or_else(|| damaged(id, "inactive_reason"))? }
            }
            ProvisioningState::Error => {
                let failure: Option<RuleFailure> = failure.and_then(|text| serde_json::from_str(text).ok());
                State::Error { failure: failure.ok_or_else(|| damaged(id, "failure"))? }
            }
            ProvisioningState::Executed => State::Executed { since: since("executed_at", self.executed_at)? },
        })
    }
}

/// Reads an order with its content.
///
/// # Errors
/// As [`entry_of`].
pub(crate) fn full_of(row: &QueryResult) -> Result<Full, Fault> {
    let entry = entry_of(row)?;
    let payload: Vec<u8> = row.try_get("", "payload")?;
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

/// The columns that change in an order's life.
pub(crate) const CHANGING: [&str; 21] = [
    "state",
    "inactive_reason",
    "failure",
    "error_cause",
    "ticket",
    "transmitted_at",
    "executed_at",
    "lease_agent",
    "lease_until",
    "retry_at",
    "attempts",
    "failures",
    "throttles",
    "waits_for",
    "unmet_dependencies",
    "held_until",
    "offer",
    "due_at",
    "deadline",
    "assignee",
    "state_since",
];

/// The values of [`CHANGING`], place by place.
pub(crate) fn changing(standing: &Standing, validity: Option<Duration>) -> [Value; CHANGING.len()] {
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
    [
        standing.state.number().number().into(),
        inactive_reason.into(),
        failure.into(),
        error_cause.into(),
        ticket.into(),
        millis(transmitted_at),
        millis(standing.executed_at),
        lease_agent.into(),
        millis(lease_until),
        millis(retry_at),
        count(standing.attempts),
        count(standing.failures),
        count(standing.throttles),
        standing.waits_for.map(OrderId::uuid).into(),
        count(standing.unmet_dependencies),
        millis(standing.held_until),
        offer.into(),
        Value::from(due_at),
        millis(standing.deadline(validity)),
        standing.assignee.clone().into(),
        standing.state_since.millis().into(),
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
        for row in list_sql(connection.get_database_backend(), column, piece).all(connection).await? {
            let entry = entry_of(&row)?;
            found.insert(entry.id, entry);
        }
    }
    Ok(found)
}

/// The entries that have one of `ids` in `column`, `id` or `waits_for`.
pub(crate) fn list_sql(backend: DbBackend, column: &str, ids: &[Uuid]) -> Sql {
    let mut sql = Sql::new(&format!("SELECT {ENTRY} FROM "));
    if backend == DbBackend::Postgres {
        let table = if column == "id" { "order_contents" } else { "order_standings" };
        placed_each(&mut sql, table, column, ids).push(" OFFSET 0) AS found");
    } else {
        sql.push(&format!("orders WHERE {column}")).among(ids);
    }
    sql
}

/// For PostgreSQL: the order of each row of `table` whose `column` has one of `items`, one after the other by an index.
/// It walks otherwise through the whole of a table that it knows nothing of yet; nothing is merged into a subquery that
/// ends with an OFFSET. More conditions on the order, `o`, may follow.
fn placed_each<'a, V>(sql: &'a mut Sql, table: &str, column: &str, items: &[V]) -> &'a mut Sql
where
    V: Into<Value> + Clone,
{
    sql.push("(SELECT DISTINCT item FROM unnest(").list(items).push(&format!(
        ") AS named(item)) AS wanted \
         CROSS JOIN LATERAL (SELECT sequence AS place FROM {table} WHERE {column} = wanted.item OFFSET 0) AS placed \
         CROSS JOIN LATERAL (SELECT * FROM orders o WHERE o.sequence = placed.place"
    ))
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
             WHERE o.state = 3 AND n.state NOT IN (6,7) AND n.waits_for IS NULL AND o.id",
        );
        for row in sql.among(piece).push(" ORDER BY n.sequence").all(connection).await? {
            found.insert(OrderId::new(row.try_get("", "id")?), OrderId::new(row.try_get("", "newer")?));
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
        for row in lanes_sql(connection.get_database_backend(), piece, now).all(connection).await? {
            let entry = entry_of(&row)?;
            found.entry(entry.lane.clone()).or_default().push(entry);
        }
    }
    Ok(found)
}

pub(crate) fn lanes_sql(backend: DbBackend, lanes: &[String], now: Timestamp) -> Sql {
    let is_postgres = backend == DbBackend::Postgres;
    let mut sql = Sql::new(&format!("SELECT {ENTRY} FROM "));
    if is_postgres {
        placed_each(&mut sql, "order_contents", "lane", lanes);
    } else {
        sql.push("orders o WHERE o.lane").among(lanes);
    }
    sql.push(" AND (o.state IN (1,2,3,5,7) OR o.held_until > ").bind(now.millis());
    sql.push(" OR NOT EXISTS (SELECT 1 FROM order_contents n WHERE n.lane = o.lane AND n.sequence > o.sequence))");
    sql.push(if is_postgres { " OFFSET 0) AS found ORDER BY sequence" } else { " ORDER BY sequence" });
    sql
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
        let mut sql = Sql::new(&format!("SELECT {ENTRY},payload FROM orders WHERE id"));
        for row in sql.among(piece).all(connection).await? {
            let full = full_of(&row)?;
            found.insert(full.entry.id, full);
        }
    }
    Ok(found)
}
