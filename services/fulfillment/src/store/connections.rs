//! What is kept of connections, and their history. A connection that nobody ever said anything about has no row: it
//! is as new.

use crate::model::Connection;
use crate::model::connection::Load;
use crate::model::note::Note;
use provost_contract::fulfillment::v1::ConnectionEvent;
use provost_contract::to_wire;
use provost_domain::order::CATALOG_PRIORITY_MAX;
use provost_domain::{OrderId, Timestamp};
use provost_service_kit::Fault;
use provost_service_kit::Rows;
use provost_service_kit::statement::Sql;
use sea_orm::{ConnectionTrait, DbErr};
use std::collections::BTreeMap;

/// Most lines of a history in one answer.
const HISTORY_MAX: i64 = 1_000;

/// Connections by name.
pub(crate) type Connections = BTreeMap<String, Connection>;

/// The connections of these names, known or not.
///
/// # Errors
/// When the database cannot be reached, or a row is damaged.
pub(crate) async fn load(connection: &impl ConnectionTrait, names: &[String]) -> Result<Connections, Fault> {
    let mut found: Connections = names.iter().map(|name| (name.clone(), Connection::named(name))).collect();
    let stored: Vec<String> = found.keys().cloned().collect();
    for piece in stored.chunks(500) {
        let mut sql = Sql::new("SELECT name,body FROM connections WHERE name");
        for row in sql.among(piece).all(connection).await? {
            let name: String = row.try_get("", "name")?;
            let body: String = row.try_get("", "body")?;
            found.insert(name.clone(), read(name, &body)?);
        }
    }
    Ok(found)
}

fn read(name: String, body: &str) -> Result<Connection, Fault> {
    let damaged =
        |error: serde_json::Error| Fault::internal(anyhow::anyhow!("the row of connection {name} is damaged: {error}"));
    let mut stored: Connection = serde_json::from_str(body).map_err(damaged)?;
    stored.name = name;
    Ok(stored)
}

/// Keeps what changed, with its news. `before` is as it was read in this transaction.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn save(
    transaction: &impl ConnectionTrait,
    before: &Connections,
    after: Connections,
    now: Timestamp,
) -> Result<(), Fault> {
    let mut lines = Rows::of(&["connection", "at", "actor", "event", "reason"], 0);
    for (name, mut connection) in after {
        let news = std::mem::take(&mut connection.news);
        for news in news {
            let Note { actor, reason } = Note::new(news.actor, news.reason);
            lines.push([name.clone().into(), now.millis().into(), actor.into(), news.event.into(), reason.into()]);
        }
        if before.get(&name) == Some(&connection) {
            continue;
        }
        let body = serde_json::to_string(&connection).map_err(|error| Fault::internal(anyhow::Error::new(error)))?;
        let mut sql = Sql::new("INSERT INTO connections (name,body,updated_at) VALUES (");
        sql.bind(name)
            .push(",")
            .bind(body)
            .push(",")
            .bind(now.millis())
            .push(") ON CONFLICT (name) DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at");
        sql.run(transaction).await?;
    }
    lines.insert(transaction, "connection_history", "").await?;
    Ok(())
}

/// The names of all connections that are known: served by an agent, waited for, or set up; each with how many of its
/// orders are Pending.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn names(connection: &impl ConnectionTrait) -> Result<BTreeMap<String, i64>, Fault> {
    let mut sql = Sql::new(
        "SELECT name, CAST(sum(pending) AS BIGINT) AS pending FROM (SELECT name, 0 AS pending FROM connections \
         UNION ALL SELECT connection, 0 FROM agents GROUP BY connection \
         UNION ALL SELECT connection, count(*) FROM orders WHERE state = 1 GROUP BY connection) AS known GROUP BY name",
    );
    let rows = sql.all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("", "name")?, row.try_get("", "pending")?))).collect()
}

/// How many orders of a connection are Pending.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn pending(connection: &impl ConnectionTrait, name: &str) -> Result<i64, Fault> {
    let mut sql = Sql::new("SELECT count(*) AS pending FROM orders WHERE state = 1 AND connection = ");
    let row = sql.bind(name).one(connection).await?;
    row.map_or(Ok(0), |row| Ok(row.try_get("", "pending")?))
}

/// Whether anything knows a connection of this name.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn is_known(connection: &impl ConnectionTrait, name: &str) -> Result<bool, Fault> {
    let mut sql = Sql::new("SELECT 1 AS known FROM connections WHERE name = ");
    sql.bind(name).push(" UNION ALL SELECT 1 FROM agents WHERE connection = ").bind(name);
    for open in ["offer = 1", "offer = 2", "state = 3"] {
        sql.push(" UNION ALL SELECT 1 WHERE EXISTS (SELECT 1 FROM orders WHERE ").push(open);
        sql.push(" AND connection = ").bind(name).push(")");
    }
    Ok(sql.push(" LIMIT 1").one(connection).await?.is_some())
}

/// The names of connections whose mode, as kept, is draining.
///
/// # Errors
/// When the database cannot be reached, or a row is damaged.
pub(crate) async fn draining(connection: &impl ConnectionTrait) -> Result<Vec<String>, Fault> {
    let mut sql = Sql::new("SELECT name FROM connections WHERE body LIKE '%\"mode\":\"Draining\"%'");
    let rows = sql.all(connection).await?;
    Ok(rows.iter().map(|row| row.try_get("", "name")).collect::<Result<_, _>>()?)
}

/// How many orders of each connection are under live leases, and how many of them are urgent.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn in_flight(
    connection: &impl ConnectionTrait,
    names: &[String],
    now: Timestamp,
) -> Result<BTreeMap<String, (u64, u64)>, Fault> {
    let mut found = BTreeMap::new();
    if names.is_empty() {
        return Ok(found);
    }
    let mut sql = Sql::new("SELECT connection, count(*) AS held, count(CASE WHEN priority > ");
    sql.bind(CATALOG_PRIORITY_MAX).push(" THEN 1 END) AS urgent FROM orders WHERE offer = 2");
    sql.push(" AND lease_until > ").bind(now.millis()).push(" AND connection").among(names);
    for row in sql.push(" GROUP BY connection").all(connection).await? {
        let number = |column| Ok::<_, DbErr>(u64::try_from(row.try_get::<i64>("", column)?).unwrap_or(0));
        found.insert(row.try_get("", "connection")?, (number("held")?, number("urgent")?));
    }
    Ok(found)
}

/// What must be counted to say what may go. Only those that have a limit, or a probe on its way, are counted.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn loads(
    connection: &impl ConnectionTrait,
    connections: &Connections,
    now: Timestamp,
) -> Result<BTreeMap<String, Load>, Fault> {
    let limited = connections.values().filter(|one| one.limits.in_flight > 0).map(|one| one.name.clone());
    let limited: Vec<String> = limited.collect();
    let mut loads: BTreeMap<String, Load> = BTreeMap::new();
    for (name, (in_flight, urgent_in_flight)) in in_flight(connection, &limited, now).await? {
        loads.insert(name, Load { in_flight, urgent_in_flight, probe_lease: None });
    }
    for one in connections.values() {
        if let Some(probe) = one.breaker.probe() {
            loads.entry(one.name.clone()).or_default().probe_lease = lease_end(connection, probe, now).await?;
        }
    }
    Ok(loads)
}

/// When the live lease of an order ends; none when it has none.
async fn lease_end(connection: &impl ConnectionTrait, id: OrderId, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
    let mut sql = Sql::new("SELECT lease_until FROM orders WHERE id = ");
    let row = sql.bind(id.uuid()).push(" AND lease_until > ").bind(now.millis()).one(connection).await?;
    Ok(row.map(|row| row.try_get("", "lease_until")).transpose()?.map(Timestamp::from_millis))
}

/// The history of a connection, newest first.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn history(connection: &impl ConnectionTrait, name: &str) -> Result<Vec<ConnectionEvent>, Fault> {
    let mut sql = Sql::new("SELECT at,actor,event,reason FROM connection_history WHERE connection = ");
    let rows = sql.bind(name).push(" ORDER BY cursor DESC LIMIT ").bind(HISTORY_MAX).all(connection).await?;
    let read = |row: &sea_orm::QueryResult| {
        Ok(ConnectionEvent {
            at: Some(to_wire::timestamp(Timestamp::from_millis(row.try_get("", "at")?))),
            actor: row.try_get("", "actor")?,
            event: row.try_get("", "event")?,
            reason: row.try_get("", "reason")?,
        })
    };
    Ok(rows.iter().map(read).collect::<Result<_, DbErr>>()?)
}
