//! Errored orders by the cause of their error.

use crate::model::Entry;
use crate::store::entries::{ENTRY, entry_of};
use crate::store::list::Filter;
use provost_domain::{OrderId, Timestamp};
use provost_service_kit::Fault;
use provost_service_kit::statement::{Sql, pieces};
use sea_orm::ConnectionTrait;

/// Most causes in one answer.
const CAUSES_MAX: i64 = 1_000;

/// Errored orders of one cause, on one connection.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) cause: String,
    pub(crate) connection: String,
    pub(crate) count: i64,
    pub(crate) first_at: Timestamp,
    pub(crate) last_at: Timestamp,
    /// The oldest of them.
    pub(crate) example: Entry,
}

/// The groups, largest first.
///
/// # Errors
/// When the database cannot be reached, or a row is damaged.
pub(crate) async fn groups(connection: &impl ConnectionTrait, filter: &Filter) -> Result<Vec<Group>, Fault> {
    let mut sql = Sql::new(
        "SELECT connection,error_cause,count(*) AS orders,min(updated_at) AS first_at,max(updated_at) AS last_at,\
         min(sequence) AS example FROM orders WHERE state = 3",
    );
    filter.narrow(&mut sql);
    sql.push(" GROUP BY connection,error_cause ORDER BY count(*) DESC,connection,error_cause LIMIT ").bind(CAUSES_MAX);
    let rows = sql.all(connection).await?;
    let sequences: Vec<i64> = rows.iter().map(|row| row.try_get("", "example")).collect::<Result<_, _>>()?;
    let mut examples = std::collections::HashMap::new();
    for piece in pieces(&sequences) {
        let mut sql = Sql::new(&format!("SELECT {ENTRY} FROM orders WHERE state = 3 AND sequence"));
        for row in sql.among(piece).all(connection).await? {
            let entry = entry_of(&row)?;
            examples.insert(entry.sequence, entry);
        }
    }
    let mut groups = Vec::with_capacity(rows.len());
    for (row, sequence) in rows.iter().zip(&sequences) {
        // Unblocked between the two statements: the next look counts anew.
        let Some(example) = examples.remove(sequence) else { continue };
        groups.push(Group {
            cause: row.try_get("", "error_cause")?,
            connection: row.try_get("", "connection")?,
            count: row.try_get("", "orders")?,
            first_at: Timestamp::from_millis(row.try_get("", "first_at")?),
            last_at: Timestamp::from_millis(row.try_get("", "last_at")?),
            example,
        });
    }
    Ok(groups)
}

/// The next Errored orders of one cause, oldest first, after a sequence.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn next(
    connection: &impl ConnectionTrait,
    (cause, on): (&str, &str),
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, OrderId)>, Fault> {
    let mut sql = Sql::new("SELECT sequence,id FROM orders WHERE state = 3 AND connection = ");
    sql.bind(on).push(" AND error_cause = ").bind(cause).push(" AND sequence > ").bind(after);
    let rows = sql.push(" ORDER BY sequence LIMIT ").bind(limit).all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("", "sequence")?, OrderId::new(row.try_get("", "id")?)))).collect()
}

/// How many orders are Errored of one cause.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn count(connection: &impl ConnectionTrait, (cause, on): (&str, &str)) -> Result<i64, Fault> {
    let mut sql = Sql::new("SELECT count(*) AS orders FROM orders WHERE state = 3 AND connection = ");
    let row = sql.bind(on).push(" AND error_cause = ").bind(cause).one(connection).await?;
    row.map_or(Ok(0), |row| Ok(row.try_get("", "orders")?))
}
