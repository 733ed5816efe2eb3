//! Generations that ran: how they were asked for, by whom, and what came of them, for whoever asks why.

use super::computations::{Generated, Options};
use super::entity::{computation, generation};
use super::from_json;
use provost_domain::Timestamp;
use provost_service_kit::Fault;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

/// A generation that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    pub(crate) actor: String,
    pub(crate) options: Options,
    pub(crate) generated: Generated,
}

fn read(row: &generation::Model) -> Result<Generation, Fault> {
    Ok(Generation {
        id: row.id.clone(),
        at: Timestamp::from_millis(row.at),
        actor: row.actor.clone(),
        options: from_json(&row.options)?,
        generated: from_json(&row.summary)?,
    })
}

/// One generation.
pub(crate) async fn get(connection: &impl ConnectionTrait, id: &str) -> Result<Option<Generation>, Fault> {
    generation::Entity::find_by_id(id.to_owned()).one(connection).await?.as_ref().map(read).transpose()
}

/// The newest one; none before the first.
pub(crate) async fn newest(connection: &impl ConnectionTrait) -> Result<Option<Generation>, Fault> {
    let row = generation::Entity::find().order_by_desc(generation::Column::At).one(connection).await?;
    row.as_ref().map(read).transpose()
}

/// The catalog revision by which the role model was last computed before an instant.
pub(crate) async fn revision_before(connection: &impl ConnectionTrait, at: Timestamp) -> Result<Option<i64>, DbErr> {
    computation::Entity::find()
        .select_only()
        .column(computation::Column::CatalogRevision)
        .filter(computation::Column::StartedAt.lte(at.millis()))
        .order_by_desc(computation::Column::Sequence)
        .into_tuple()
        .one(connection)
        .await
}
