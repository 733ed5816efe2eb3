//! How long orders that are not finished have been in their state.

use crate::store::list::Filter;
use provost_domain::{ProvisioningState, Timestamp};
use provost_service_kit::Fault;
use provost_service_kit::statement::Sql;
use sea_orm::ConnectionTrait;
use uuid::Uuid;

/// The states in which something is still to come of an order.
pub(crate) const UNFINISHED: [ProvisioningState; 6] = [
    ProvisioningState::Pending,
    ProvisioningState::Transmitted,
    ProvisioningState::Errored,
    ProvisioningState::AwaitingApproval,
    ProvisioningState::Error,
    ProvisioningState::Executed,
];

/// Orders in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ages {
    pub(crate) state: i32,
    pub(crate) count: i64,
    /// Below the first bound, from each to the next, and from the last on.
    pub(crate) by_age: Vec<i64>,
    pub(crate) oldest_since: Timestamp,
    pub(crate) oldest: String,
    pub(crate) next_deadline: Option<Timestamp>,
}

/// Counts orders by state and age. `bounds` are instants, latest first: an order of the first age came into its
/// state after the first of them.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn count(
    connection: &impl ConnectionTrait,
    filter: &Filter,
    bounds: &[Timestamp],
) -> Result<Vec<Ages>, Fault> {
    let mut sql = Sql::new("SELECT state,count(*) AS orders,min(state_since) AS oldest,min(deadline) AS deadline");
    for (index, bound) in bounds.iter().enumerate() {
        // Those of this age and all older ones; ages are their differences.
        sql.push(", count(CASE WHEN state_since <= ").bind(bound.millis());
        sql.push(&format!(" THEN 1 END) AS older_{index}"));
    }
    sql.push(" FROM orders WHERE 1 = 1");
    filter.narrow(&mut sql);
    let rows = sql.push(" GROUP BY state ORDER BY state").all(connection).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let (state, count): (i32, i64) = (row.try_get("", "state")?, row.try_get("", "orders")?);
        let mut older = vec![count];
        for index in 0..bounds.len() {
            older.push(row.try_get("", &format!("older_{index}"))?);
        }
        let next = older.iter().skip(1).copied().chain([0]);
        let oldest_since = Timestamp::from_millis(row.try_get("", "oldest")?);
        found.push(Ages {
            state,
            count,
            by_age: older.iter().zip(next).map(|(of_this_age, older)| of_this_age - older).collect(),
            oldest: oldest(connection, filter, state, oldest_since).await?,
            oldest_since,
            next_deadline: row.try_get::<Option<i64>>("", "deadline")?.map(Timestamp::from_millis),
        });
    }
    Ok(found)
}

/// The order that has been in a state since then; empty when it has just left.
async fn oldest(
    connection: &impl ConnectionTrait,
    filter: &Filter,
    state: i32,
    since: Timestamp,
) -> Result<String, Fault> {
    let mut sql = Sql::new(&format!("SELECT id FROM orders WHERE state = {state} AND state_since = "));
    sql.bind(since.millis());
    filter.narrow(&mut sql);
    let row = sql.push(" ORDER BY sequence LIMIT 1").one(connection).await?;
    Ok(match row {
        Some(row) => row.try_get::<Uuid>("", "id")?.to_string(),
        None => String::new(),
    })
}
