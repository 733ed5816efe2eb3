//! Export tasks, and the synchronizations that they become: one row is both.

use super::entity::synchronization::{ActiveModel, Column, Entity, Model};
use super::{from_json, to_json};
use provost_domain::Timestamp;
use provost_service_kit::{Engine, Fault};
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde::{Deserialize, Serialize};

/// Where a synchronization stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Waits for an agent.
    Waiting,
    /// An agent reads, or sends.
    Reading,
    /// Applied.
    Completed,
    /// Over, and nothing was changed.
    Failed,
    /// Held back by a threshold until a person lets it pass; nothing was changed.
    Blocked,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Reading => "reading",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
        }
    }

    fn of(name: &str) -> Self {
        match name {
            "waiting" => Self::Waiting,
            "reading" => Self::Reading,
            "completed" => Self::Completed,
            "blocked" => Self::Blocked,
            _ => Self::Failed,
        }
    }

    /// Nothing more happens to it.
    pub(crate) const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Blocked)
    }
}

/// What a synchronization changed in one entity type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) entity_type: String,
    pub(crate) rows: i64,
    pub(crate) inserted: i64,
    pub(crate) updated: i64,
    pub(crate) deleted: i64,
}

/// A threshold that an export breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Excess {
    pub(crate) entity_type: String,
    /// "inserted", "updated" or "deleted".
    pub(crate) counted: String,
    pub(crate) count: i64,
    pub(crate) limit: i64,
    pub(crate) rule: String,
    /// How many resources the export shows, and how many there were.
    pub(crate) rows: i64,
    pub(crate) known: i64,
    /// The first of them.
    pub(crate) keys: Vec<String>,
}

/// One synchronization of one connection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Synchronization {
    pub(crate) sequence: i64,
    pub(crate) id: String,
    pub(crate) connector: String,
    pub(crate) connection: String,
    pub(crate) state: State,
    pub(crate) agent_id: String,
    /// Until when it is offered to nobody else.
    pub(crate) lease_until: Option<Timestamp>,
    /// When it was first offered, by our clock: no value of it was read earlier.
    pub(crate) offered_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    /// When reading began, by the agent's clock.
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) rows_read: i64,
    /// How many uploads of it broke off.
    pub(crate) breaks: i32,
    /// Everything was read, and the counts agreed.
    pub(crate) was_read: bool,
    pub(crate) counts: Vec<Counts>,
    pub(crate) message: String,
    /// What broke thresholds when it was last held back.
    pub(crate) excess: Vec<Excess>,
    /// Who let that pass; empty when nobody did.
    pub(crate) passed_by: String,
}

impl Synchronization {
    /// A person saw it, and let it pass. A number that grew since was not seen.
    pub(crate) fn lets_pass(&self, excess: &Excess) -> bool {
        let is_seen = |seen: &Excess| {
            seen.entity_type == excess.entity_type && seen.counted == excess.counted && excess.count <= seen.count
        };
        !self.passed_by.is_empty() && self.excess.iter().any(is_seen)
    }
}

fn read(row: Model) -> Result<Synchronization, Fault> {
    let at = |millis: Option<i64>| millis.map(Timestamp::from_millis);
    Ok(Synchronization {
        sequence: row.sequence,
        state: State::of(&row.state),
        lease_until: at(row.lease_until),
        offered_at: at(row.offered_at),
        created_at: Timestamp::from_millis(row.created_at),
        started_at: at(row.started_at),
        ended_at: at(row.ended_at),
        counts: from_json(&row.counts)?,
        excess: from_json(&row.excess)?,
        passed_by: row.passed_by,
        id: row.id,
        connector: row.connector,
        connection: row.connection,
        agent_id: row.agent_id,
        rows_read: row.rows_read,
        breaks: row.breaks,
        was_read: row.was_read,
        message: row.message,
    })
}

/// Asks for an export. Asking again with the same id changes nothing.
pub(crate) async fn create(
    connection: &impl ConnectionTrait,
    id: &str,
    connector: &str,
    through: &str,
    now: Timestamp,
) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(id.to_owned()),
        connector: Set(connector.to_owned()),
        connection: Set(through.to_owned()),
        state: Set(State::Waiting.name().to_owned()),
        agent_id: Set(String::new()),
        created_at: Set(now.millis()),
        rows_read: Set(0),
        breaks: Set(0),
        was_read: Set(false),
        counts: Set("[]".to_owned()),
        excess: Set("[]".to_owned()),
        passed_by: Set(String::new()),
        message: Set(String::new()),
        ..Default::default()
    };
    Entity::insert(row)
        .on_conflict(sea_orm::sea_query::OnConflict::column(Column::Id).do_nothing().to_owned())
        .exec_without_returning(connection)
        .await
        .map(|_| ())
}

/// One synchronization.
pub(crate) async fn get(connection: &impl ConnectionTrait, id: &str) -> Result<Option<Synchronization>, Fault> {
    Entity::find().filter(Column::Id.eq(id)).one(connection).await?.map(read).transpose()
}

/// One synchronization, held against others until the transaction ends.
pub(crate) async fn lock(
    connection: &impl ConnectionTrait,
    engine: Engine,
    id: &str,
) -> Result<Option<Synchronization>, Fault> {
    let mut query = Entity::find().filter(Column::Id.eq(id));
    if engine == Engine::Postgres {
        query = query.lock_exclusive();
    }
    query.one(connection).await?.map(read).transpose()
}

/// Who asks for exports.
pub(crate) struct Asking<'a> {
    pub(crate) agent_id: &'a str,
    pub(crate) through: &'a [String],
    pub(crate) now: Timestamp,
    /// Its own tasks are offered to it when their leases end before this.
    pub(crate) own_until: Timestamp,
}

/// The oldest export through each connection that an agent may take: nobody's, of one that fell silent, or its own that
/// it does not know of.
pub(crate) async fn open(
    connection: &impl ConnectionTrait,
    engine: Engine,
    by: &Asking<'_>,
) -> Result<Vec<Synchronization>, Fault> {
    let Asking { agent_id, through, now, own_until } = *by;
    let reading = || Column::State.eq(State::Reading.name());
    let own = Column::AgentId.eq(agent_id).and(Column::LeaseUntil.lte(own_until.millis()));
    let takeable = Condition::any()
        .add(Column::State.eq(State::Waiting.name()))
        .add(reading().and(Column::LeaseUntil.lte(now.millis())))
        .add(reading().and(own));
    let mut query = Entity::find()
        .filter(takeable)
        .filter(Column::Connection.is_in(through.iter().map(String::as_str)))
        .order_by_asc(Column::Sequence);
    if engine == Engine::Postgres {
        query = query.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    }
    let mut found: Vec<Synchronization> = Vec::new();
    for row in query.all(connection).await? {
        if !found.iter().any(|other| other.connection == row.connection) {
            found.push(read(row)?);
        }
    }
    Ok(found)
}

/// Writes what changed in a synchronization.
pub(crate) async fn save(connection: &impl ConnectionTrait, to: &Synchronization) -> Result<(), Fault> {
    let at = |instant: Option<Timestamp>| Set(instant.map(Timestamp::millis));
    let row = ActiveModel {
        state: Set(to.state.name().to_owned()),
        agent_id: Set(to.agent_id.clone()),
        lease_until: at(to.lease_until),
        offered_at: at(to.offered_at),
        started_at: at(to.started_at),
        ended_at: at(to.ended_at),
        rows_read: Set(to.rows_read),
        breaks: Set(to.breaks),
        was_read: Set(to.was_read),
        counts: Set(to_json(&to.counts)?),
        excess: Set(to_json(&to.excess)?),
        passed_by: Set(to.passed_by.clone()),
        message: Set(to.message.clone()),
        ..Default::default()
    };
    Entity::update_many().set(row).filter(Column::Id.eq(&to.id)).exec(connection).await?;
    Ok(())
}

/// Lets pass what a person saw of an export that was held back: it is offered again. Of any other one,
/// nothing changes.
pub(crate) async fn let_pass(
    connection: &impl ConnectionTrait,
    engine: Engine,
    id: &str,
    actor: &str,
) -> Result<(), Fault> {
    let Some(mut held) = lock(connection, engine, id).await?.filter(|one| one.state == State::Blocked) else {
        return Ok(());
    };
    held.state = State::Waiting;
    actor.clone_into(&mut held.passed_by);
    // It is read anew: what it shows is of a later moment.
    (held.offered_at, held.started_at, held.ended_at) = (None, None, None);
    (held.rows_read, held.breaks, held.was_read) = (0, 0, false);
    held.message.clear();
    save(connection, &held).await
}

/// A page of synchronizations, newest first. `before` is 0 for the first page.
pub(crate) async fn list(
    connection: &impl ConnectionTrait,
    connector: &str,
    before: i64,
    limit: u64,
) -> Result<Vec<Synchronization>, Fault> {
    let mut query = Entity::find().order_by_desc(Column::Sequence).limit(limit);
    if !connector.is_empty() {
        query = query.filter(Column::Connector.eq(connector));
    }
    if before > 0 {
        query = query.filter(Column::Sequence.lt(before));
    }
    query.all(connection).await?.into_iter().map(read).collect()
}

/// The newest synchronization of a connector that was applied before an instant.
pub(crate) async fn applied_before(
    connection: &impl ConnectionTrait,
    connector: &str,
    at: Timestamp,
) -> Result<Option<Synchronization>, Fault> {
    let query = Entity::find()
        .filter(Column::Connector.eq(connector))
        .filter(Column::State.eq(State::Completed.name()))
        .filter(Column::EndedAt.lte(at.millis()))
        .order_by_desc(Column::Sequence);
    query.one(connection).await?.map(read).transpose()
}
