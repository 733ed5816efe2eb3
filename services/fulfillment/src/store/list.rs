//! Lists and counts of orders.

use crate::store::archive;
use crate::store::entries::{self, ENTRY, Full, full_of};
use provost_domain::{OrderId, ProvisioningState, Timestamp};
use provost_service_kit::statement::Sql;
use provost_service_kit::{Fault, page};
use sea_orm::{ConnectionTrait, QueryResult};
use std::collections::HashMap;

/// Which orders. What is empty does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) states: Vec<ProvisioningState>,
    pub(crate) resource_types: Vec<String>,
    pub(crate) entity_type: String,
    pub(crate) connector: String,
    pub(crate) connection: String,
    pub(crate) owner_key: String,
    pub(crate) target_key: String,
    pub(crate) generation_run: String,
    pub(crate) error_cause: String,
    /// In their state since then, or longer.
    pub(crate) since_at_most: Option<Timestamp>,
    pub(crate) assignee: String,
    /// Of those that wait for a person: nobody has them.
    pub(crate) is_unassigned: bool,
}

impl Filter {
    /// Whether archived orders can be counted by it: they are counted by resource type and state, once and for
    /// all, and by nothing else.
    fn tells_archived(&self) -> bool {
        let narrow =
            Self { states: self.states.clone(), resource_types: self.resource_types.clone(), ..Self::default() };
        *self == narrow
    }

    /// Adds the conditions behind `WHERE …`.
    pub(crate) fn narrow(&self, sql: &mut Sql) {
        if !self.states.is_empty() {
            // Numbers of our own, as literals: the plan depends on them.
            let numbers: Vec<_> = self.states.iter().map(|state| state.number().to_string()).collect();
            sql.push(&format!(" AND state IN ({})", numbers.join(",")));
        }
        if !self.error_cause.is_empty() {
            // Nothing else has a cause; said here, it is an index of few orders instead of a walk through all.
            sql.push(" AND state = 3");
        }
        if !self.resource_types.is_empty() {
            sql.push(" AND resource_type").among(&self.resource_types);
        }
        for (column, value) in [
            ("entity_type", &self.entity_type),
            ("connector", &self.connector),
            ("connection", &self.connection),
            ("owner_key", &self.owner_key),
            ("target_key", &self.target_key),
            ("generation_run", &self.generation_run),
            ("error_cause", &self.error_cause),
            ("assignee", &self.assignee),
        ] {
            if !value.is_empty() {
                sql.push(&format!(" AND {column} = ")).bind(value.as_str());
            }
        }
        if self.is_unassigned {
            sql.push(" AND assignee IS NULL");
        }
        if let Some(since) = self.since_at_most {
            sql.push(" AND state_since <= ").bind(since.millis());
        }
    }
}

/// A page of orders.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) orders: Vec<Full>,
    /// Empty on the last page.
    pub(crate) next_page_token: String,
}

/// One count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) resource_type: String,
    pub(crate) state: i32,
    pub(crate) count: i64,
    pub(crate) in_flight: i64,
    pub(crate) archived: i64,
}

/// The next orders after a sequence, oldest first.
///
/// # Errors
/// When the database cannot be reached, or a row is damaged.
pub(crate) async fn after(
    connection: &impl ConnectionTrait,
    filter: &Filter,
    after: i64,
    size: u64,
) -> Result<Page, Fault> {
    let mut sql = Sql::new(&format!("SELECT {ENTRY},payload FROM orders WHERE sequence > "));
    sql.bind(after);
    filter.narrow(&mut sql);
    sql.push(" ORDER BY sequence LIMIT ").bind(i64::try_from(size).unwrap_or(i64::MAX));
    let found = sql.all(connection).await?.iter().map(full_of).collect::<Result<Vec<_>, _>>()?;
    let is_full = found.len() as u64 >= size;
    let (orders, is_cut) = entries::fitting(found);
    let last = orders.last().map(|full| full.entry.sequence);
    let next_page_token = if is_cut || is_full { page::next(last, 1, 1) } else { String::new() };
    Ok(Page { orders, next_page_token })
}

/// Counts by resource type and state.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn count(
    connection: &impl ConnectionTrait,
    filter: &Filter,
    now: Timestamp,
) -> Result<Vec<Count>, Fault> {
    let mut sql = Sql::new("SELECT resource_type, count(*) AS held FROM orders WHERE offer = 2");
    sql.push(" AND lease_until > ").bind(now.millis());
    filter.narrow(&mut sql);
    let mut held: HashMap<String, i64> = HashMap::new();
    for row in sql.push(" GROUP BY resource_type").all(connection).await? {
        held.insert(row.try_get("", "resource_type")?, row.try_get("", "held")?);
    }
    let mut sql = Sql::new("SELECT resource_type, state, count(*) AS orders FROM orders WHERE 1 = 1");
    filter.narrow(&mut sql);
    sql.push(" GROUP BY resource_type, state ORDER BY resource_type, state");
    let mut counts = Vec::new();
    for row in sql.all(connection).await? {
        let resource_type: String = row.try_get("", "resource_type")?;
        let state: i32 = row.try_get("", "state")?;
        let is_pending = state == ProvisioningState::Pending.number();
        let in_flight = held.get(&resource_type).copied().filter(|_| is_pending).unwrap_or(0);
        counts.push(Count { resource_type, state, count: row.try_get("", "orders")?, in_flight, archived: 0 });
    }
    if filter.tells_archived() {
        archive::count(connection, filter, &mut counts).await?;
    }
    Ok(counts)
}

/// What waits for a person of one resource type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ByHand {
    pub(crate) connector: String,
    pub(crate) entity_type: String,
    pub(crate) resource_type: String,
    pub(crate) count: i64,
    pub(crate) unassigned: i64,
    pub(crate) oldest_since: Timestamp,
}

/// Counts what waits for a person.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn by_hand(connection: &impl ConnectionTrait, filter: &Filter) -> Result<Vec<ByHand>, Fault> {
    let mut sql = Sql::new(
        "SELECT connector,entity_type,resource_type,count(*) AS orders,count(assignee) AS assigned,\
         min(state_since) AS oldest FROM orders WHERE 1 = 1",
    );
    filter.narrow(&mut sql);
    sql.push(" GROUP BY connector,entity_type,resource_type ORDER BY connector,entity_type,resource_type");
    let rows = sql.all(connection).await?;
    let read = |row: &QueryResult| {
        let (count, assigned): (i64, i64) = (row.try_get("", "orders")?, row.try_get("", "assigned")?);
        Ok(ByHand {
            connector: row.try_get("", "connector")?,
            entity_type: row.try_get("", "entity_type")?,
            resource_type: row.try_get("", "resource_type")?,
            count,
            unassigned: count - assigned,
            oldest_since: Timestamp::from_millis(row.try_get("", "oldest")?),
        })
    };
    rows.iter().map(read).collect()
}

/// Transmitted and Executed orders whose validity is over.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn overdue(
    connection: &impl ConnectionTrait,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<OrderId>, Fault> {
    let mut sql = Sql::new("SELECT id FROM orders WHERE deadline IS NOT NULL AND deadline <= ");
    sql.bind(now.millis()).push(" ORDER BY deadline LIMIT ").bind(limit);
    let rows = sql.all(connection).await?;
    rows.iter().map(|row| Ok(OrderId::new(row.try_get("", "id")?))).collect()
}
