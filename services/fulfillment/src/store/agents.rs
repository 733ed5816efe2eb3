//! The agents that call, and when they were last seen.

use provost_contract::fulfillment::v1::Agent;
use provost_contract::to_wire;
use provost_domain::Timestamp;
use provost_service_kit::Fault;
use provost_service_kit::statement::Sql;
use sea_orm::ConnectionTrait;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How exact "last seen" is: a write per call would cost as much as the call.
const EXACT_TO: Duration = Duration::from_secs(5);

/// How long a connection stays in an agent's list after the agent last asked for it. Agents ask for each
/// connection in calls of their own, and not while all its slots are taken.
const SERVED_FOR: Duration = Duration::from_secs(600);

/// What was last written about agents by this process: per agent and connection, when, and the version.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<HashMap<(String, String), (Timestamp, String)>>);

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
        presence.connections.iter().any(|name| {
            let known = seen.get(&(agent.to_owned(), name.clone()));
            known.is_none_or(|(at, version)| *version != presence.version || now.since(*at) >= EXACT_TO)
        })
    }

    fn note(&self, agent: &str, presence: &Presence, now: Timestamp) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for name in &presence.connections {
            seen.insert((agent.to_owned(), name.clone()), (now, presence.version.clone()));
        }
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
    for name in &presence.connections {
        let mut sql = Sql::new("INSERT INTO agents (agent_id,connection,agent_version,last_seen_at) VALUES (");
        sql.bind(agent).push(",").bind(name.as_str()).push(",").bind(presence.version.as_str());
        sql.push(",").bind(now.millis()).push(
            ") ON CONFLICT (agent_id,connection) DO UPDATE SET agent_version = excluded.agent_version, \
             last_seen_at = excluded.last_seen_at",
        );
        sql.run(connection).await?;
    }
    seen.note(agent, presence, now);
    Ok(())
}

/// One agent's lines, put together.
#[derive(Default)]
struct Known {
    /// When it last asked for anything, and the version that it had then.
    newest: Option<Timestamp>,
    version: String,
    /// Its connections, each with when it last asked for it.
    served: Vec<(String, Timestamp)>,
}

impl Known {
    /// What it serves. Not by the clock of now: an agent that is gone is shown with what it served.
    fn connections(self) -> Vec<String> {
        let is_served = |at: Timestamp| self.newest.is_some_and(|newest| newest.since(at) < SERVED_FOR);
        self.served.into_iter().filter(|(_, at)| is_served(*at)).map(|(name, _)| name).collect()
    }
}

/// All agents, with how many orders each holds under live leases.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn list(connection: &impl ConnectionTrait, now: Timestamp) -> Result<Vec<Agent>, Fault> {
    let mut sql = Sql::new("SELECT lease_agent, count(*) AS held FROM orders WHERE offer = 2");
    sql.push(" AND lease_until > ").bind(now.millis()).push(" GROUP BY lease_agent");
    let mut held: HashMap<String, i64> = HashMap::new();
    for row in sql.all(connection).await? {
        held.insert(row.try_get("", "lease_agent")?, row.try_get("", "held")?);
    }
    let mut agents: BTreeMap<String, Known> = BTreeMap::new();
    let rows = Sql::new("SELECT * FROM agents ORDER BY agent_id,connection").all(connection).await?;
    for row in rows {
        let at = Timestamp::from_millis(row.try_get("", "last_seen_at")?);
        let known = agents.entry(row.try_get("", "agent_id")?).or_default();
        if known.newest.is_none_or(|newest| at >= newest) {
            (known.newest, known.version) = (Some(at), row.try_get("", "agent_version")?);
        }
        known.served.push((row.try_get("", "connection")?, at));
    }
    let agents = agents.into_iter().map(|(agent_id, known)| Agent {
        agent_version: known.version.clone(),
        last_seen_at: known.newest.map(to_wire::timestamp),
        connections: known.connections(),
        in_flight: held.get(&agent_id).copied().unwrap_or(0),
        agent_id,
    });
    Ok(agents.collect())
}
