//! What changed since the last computation of the role model: noted in the transaction that changes it,
//! forgotten in the one that keeps what was computed of it.
//!
//! The rule that must hold: whoever reads up to a sequence misses nothing at or before it. So those who
//! note take turns until they commit.

use super::entity::change::{ActiveModel, Column, Entity, Model};
use super::{from_json, to_json};
use futures::TryStreamExt;
use provost_service_kit::{Database, Fault};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, StreamTrait,
};

/// Columns that an insert writes.
const COLUMNS: usize = 5;

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A resource appeared or disappeared, or some of its properties changed.
    Resource { entity_type: String, key: String, properties: Option<Vec<String>> },
    /// So much of an entity type that it is not worth telling what.
    Everything { entity_type: String },
    /// An entity type was read again; when the export before began, if there was one.
    Reading { entity_type: String, before: Option<i64> },
    /// What people decided of an owner.
    Owner { entity_type: String, key: String },
}

const RESOURCE: i32 = 1;
const EVERYTHING: i32 = 2;
const READING: i32 = 3;
const OWNER: i32 = 4;

fn row(change: Change) -> Result<ActiveModel, Fault> {
    let (kind, entity_type, key, before, properties) = match change {
        Change::Resource { entity_type, key, properties } => (RESOURCE, entity_type, key, None, properties),
        Change::Everything { entity_type } => (EVERYTHING, entity_type, String::new(), None, None),
        Change::Reading { entity_type, before } => (READING, entity_type, String::new(), before, None),
        Change::Owner { entity_type, key } => (OWNER, entity_type, key, None, None),
    };
    Ok(ActiveModel {
        kind: Set(kind),
        entity_type: Set(entity_type),
        key: Set(key),
        before: Set(before),
        properties: Set(properties.as_ref().map(to_json).transpose()?),
        ..Default::default()
    })
}

fn read(Model { kind, entity_type, key, before, properties, .. }: Model) -> Change {
    match kind {
        RESOURCE => {
            // What cannot be read counts as all of them.
            let properties = properties.and_then(|properties| from_json(&properties).ok());
            Change::Resource { entity_type, key, properties }
        }
        READING => Change::Reading { entity_type, before },
        OWNER => Change::Owner { entity_type, key },
        // A kind of a later version: nothing is missed by looking at all.
        _ => Change::Everything { entity_type },
    }
}

/// Notes changes, in the transaction that makes them. Call it last: others wait until it commits.
pub(crate) async fn note(
    database: &Database,
    transaction: &DatabaseTransaction,
    changes: impl IntoIterator<Item = Change>,
) -> Result<(), Fault> {
    let rows: Vec<ActiveModel> = changes.into_iter().map(row).collect::<Result<_, _>>()?;
    if rows.is_empty() {
        return Ok(());
    }
    database.serialize(transaction, "changes").await?;
    for chunk in rows.chunks(database.engine().rows_per_statement(COLUMNS)) {
        Entity::insert_many(chunk.iter().cloned()).exec_without_returning(transaction).await?;
    }
    Ok(())
}

/// The newest sequence that was noted; 0 when nothing is.
pub(crate) async fn newest(connection: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let newest: Option<Option<i64>> =
        Entity::find().select_only().expr(Column::Sequence.max()).into_tuple().one(connection).await?;
    Ok(newest.flatten().unwrap_or_default())
}

/// What changed up to a sequence, oldest first.
pub(crate) async fn until(
    connection: &(impl ConnectionTrait + StreamTrait),
    sequence: i64,
) -> Result<Vec<Change>, DbErr> {
    let query = Entity::find().filter(Column::Sequence.lte(sequence)).order_by_asc(Column::Sequence);
    query.stream(connection).await?.map_ok(read).try_collect().await
}

/// Forgets what changed up to a sequence.
pub(crate) async fn forget(connection: &impl ConnectionTrait, sequence: i64) -> Result<(), DbErr> {
    Entity::delete_many().filter(Column::Sequence.lte(sequence)).exec(connection).await.map(|_| ())
}

/// How many changes of one entity type are told one by one, of so many resources.
pub(crate) const fn worth_telling(resources: usize) -> usize {
    // Loading an entity type for the first time, or reading another one by now, concerns everybody anyway.
    let fifth = resources / 5;
    if fifth < 1_000 { 1_000 } else { fifth }
}
