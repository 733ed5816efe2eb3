//! The agents that call, and when they were last seen.

use crate::store::statement::Sql;
use provost_contract::fulfillment::v1::Agent;
use provost_contract::to_wire;
use provost_domain::Timestamp;
use provost_service_kit::Fault;
use sea_orm::ConnectionTrait;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How exact "last seen" is: a write per call would cost as much as the call.
const EXACT_TO: Duration = Duration::from_secs(5);

/// What was last written about agents by this process.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<HashMap<String, (Timestamp, Presence)>>);

/// What an agent says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Presence {
    pub(crate) version: String,
    pub(crate) connections: Vec<String>,
}

impl Seen {
    /// Whether it is time to write that the agent was seen.
    fn is_news(&self, agent: &str, presence: &Presence, now: Timestamp) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(agent).is_none_or(|(at, known)| known != presence || now.since(*at) >= EXACT_TO)
    }

    fn note(&self, agent: &str, presence: &Presence, now: Timestamp) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(agent.to_owned(), (now, presence.clone()));
    }
}

/// Notes that an agent called.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn saw(
    connection: &impl ConnectionTrait,
    seen: &Seen,
    agent: &str,
    presence: &Presence,
    now: Timestamp,
) -> Result<(), Fault> {
    if !seen.is_news(agent, presence, now) {
        return Ok(());
    }
    let mut sql = Sql::new("INSERT INTO agents (agent_id,agent_version,connections,last_seen_at) VALUES (");
    sql.bind(agent).push(",").bind(presence.version.as_str());
    sql.push(",").bind(presence.connections.join("\u{1f}")).push(",").bind(now.millis());
    sql.push(
        ") ON CONFLICT (agent_id) DO UPDATE SET agent_version = excluded.agent_version, \
         connections = excluded.connections, last_seen_at = excluded.last_seen_at",
    );
    sql.run(connection).await?;
    seen.note(agent, presence, now);
    Ok(())
}

/// All agents, with how many orders each holds under live leases.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn list(connection: &impl ConnectionTrait, now: Timestamp) -> Result<Vec<Agent>, Fault> {
    let mut sql = Sql::new("SELECT lease_agent, count(*) AS held FROM orders WHERE lease_until IS NOT NULL");
    sql.push(" AND lease_until > ").bind(now.millis()).push(" GROUP BY lease_agent");
    let mut held: HashMap<String, i64> = HashMap::new();
    for row in sql.all(connection).await? {
        held.insert(row.try_get("", "lease_agent")?, row.try_get("", "held")?);
    }
    let mut agents = Vec::new();
    for row in Sql::new("SELECT * FROM agents ORDER BY agent_id").all(connection).await? {
        let agent_id: String = row.try_get("", "agent_id")?;
        let connections: String = row.try_get("", "connections")?;
        let last_seen: i64 = row.try_get("", "last_seen_at")?;
        agents.push(Agent {
            agent_version: row.try_get("", "agent_version")?,
            connections: connections.split('\u{1f}').map(str::to_owned).collect(),
            last_seen_at: Some(to_wire::timestamp(Timestamp::from_millis(last_seen))),
            in_flight: held.get(&agent_id).copied().unwrap_or(0),
            agent_id,
        });
    }
    Ok(agents)
}
