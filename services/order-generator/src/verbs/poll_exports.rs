//! Offering exports to agents: each task to one agent at a time. An agent that falls silent loses
//! the task, and it is offered again; to itself sooner, for an agent that asks reads nothing through that connection:
//! the answer that gave it the task was lost, or the replica that it sent its export to.

use super::schema::EntityShape;
use crate::generator::Generator;
use crate::store::synchronizations::{self, State, Synchronization};
use provost_contract::Violations;
use provost_service_kit::Fault;
use std::time::Duration;
use tokio::time::Instant;

/// How long an agent may be silent.
pub(crate) const LEASE: Duration = Duration::from_secs(60);
/// How long an agent must have been silent before its own task is offered to it again.
const OWN_AFTER: Duration = Duration::from_secs(10);
/// Longest wait of a poll.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Most connections that one agent serves.
const CONNECTIONS_MAX: usize = 1_000;

/// An agent's question for exports.
pub(crate) struct PollExports {
    pub(crate) agent_id: String,
    pub(crate) connections: Vec<String>,
    pub(crate) wait: Duration,
}

impl PollExports {
    /// # Errors
    /// Every field that is missing or out of range.
    pub(crate) fn check(self) -> Result<Self, Violations> {
        let mut wrong = Violations::default();
        wrong.require_text("agent_id", &self.agent_id, provost_contract::NAME_MAX);
        if self.connections.is_empty() {
            wrong.add("connections", "must name at least one");
        }
        if self.connections.len() > CONNECTIONS_MAX {
            wrong.add("connections", format!("name more than {CONNECTIONS_MAX}"));
        }
        if self.wait > WAIT_MAX {
            wrong.add("wait", "must be at most 60 seconds");
        }
        wrong.into_result(self)
    }
}

/// An export to make.
pub(crate) struct Offer {
    pub(crate) task: Synchronization,
    pub(crate) entity_types: Vec<EntityShape>,
}

/// The exports that the agent shall make, as soon as there is one, or none when the wait is over.
pub(crate) async fn poll_exports(generator: &Generator, poll: PollExports) -> Result<Vec<Offer>, Fault> {
    let until = Instant::now() + poll.wait;
    let mut bell = generator.exports.listener();
    loop {
        let offers = claim(generator, &poll).await?;
        let left = until.saturating_duration_since(Instant::now());
        if !offers.is_empty() || left.is_zero() || generator.stop.is_cancelled() {
            return Ok(offers);
        }
        tokio::select! {
            () = bell.wait(left) => {}
            () = generator.stop.cancelled() => {}
        }
    }
}

async fn claim(generator: &Generator, poll: &PollExports) -> Result<Vec<Offer>, Fault> {
    let now = generator.clock.now();
    let engine = generator.database.engine();
    let by = synchronizations::Asking {
        agent_id: &poll.agent_id,
        through: &poll.connections,
        now,
        own_until: now.plus(LEASE - OWN_AFTER),
    };
    // Most polls find nothing: look first, without a transaction that writes.
    if synchronizations::open(generator.database.read(), engine, &by).await?.is_empty() {
        return Ok(Vec::new());
    }
    let Some(loaded) = generator.catalogs.current().await? else { return Ok(Vec::new()) };
    let transaction = generator.database.begin().await?;
    let mut offers = Vec::new();
    for mut task in synchronizations::open(&transaction, engine, &by).await? {
        task.state = State::Reading;
        task.agent_id.clone_from(&poll.agent_id);
        task.lease_until = Some(now.plus(LEASE));
        // Kept at the first offer: whichever agent reads, it reads later than this.
        task.offered_at.get_or_insert(now);
        task.rows_read = 0;
        synchronizations::save(&transaction, &task).await?;
        offers.push(Offer { entity_types: loaded.shapes_of(&task.connector), task });
    }
    generator.exports.announce(&transaction).await?;
    transaction.commit().await?;
    generator.exports.ring();
    Ok(offers)
}
