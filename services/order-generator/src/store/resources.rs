//! The repository: resources as last synchronized, and when each entity type was last read.

use super::entity::{reading, resource};
use super::{from_json, to_json};
use futures::TryStreamExt;
use provost_domain::{Timestamp, Value};
use provost_service_kit::{Again, Engine, Fault, ROWS_MAX, Wanted, each, store};
use sea_orm::sea_query::{OnConflict, SimpleExpr};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    StreamTrait,
};
use std::collections::{BTreeMap, HashMap};

/// The values of one resource; a property without a value is not in it.
pub(crate) type Properties = BTreeMap<String, Value>;

/// One resource.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub(crate) key: String,
    pub(crate) properties: Properties,
}

/// The text under which properties are kept. Lists are sorted first: equal meanings are equal texts.
pub(crate) fn text_of(properties: &Properties) -> Result<String, Fault> {
    to_json(&properties.iter().map(|(name, value)| (name, value.canonical())).collect::<BTreeMap<_, _>>())
}

fn stored(row: resource::Model) -> Result<Stored, Fault> {
    Ok(Stored { properties: from_json(&row.properties)?, key: row.key })
}

/// One resource.
pub(crate) async fn get(
    connection: &impl ConnectionTrait,
    entity_type: &str,
    key: &str,
) -> Result<Option<Stored>, Fault> {
    let row = resource::Entity::find_by_id((entity_type.to_owned(), key.to_owned())).one(connection).await?;
    row.map(stored).transpose()
}

/// A page of resources, by key.
pub(crate) async fn list(
    connection: &impl ConnectionTrait,
    entity_type: &str,
    after_key: &str,
    limit: u64,
) -> Result<Vec<Stored>, Fault> {
    let rows = resource::Entity::find()
        .filter(resource::Column::EntityType.eq(entity_type))
        .filter(resource::Column::Key.gt(after_key))
        .order_by_asc(resource::Column::Key)
        .limit(limit)
        .all(connection)
        .await?;
    rows.into_iter().map(stored).collect()
}

/// The keys of all resources of an entity type.
pub(crate) async fn keys(connection: &impl ConnectionTrait, entity_type: &str) -> Result<Vec<String>, DbErr> {
    let query = resource::Entity::find().select_only().column(resource::Column::Key).filter(of_type(entity_type));
    query.into_tuple().all(connection).await
}

fn of_type(entity_type: &str) -> SimpleExpr {
    resource::Column::EntityType.eq(entity_type)
}

/// These resources of an entity type, as far as they are there.
pub(crate) async fn these(
    connection: &impl ConnectionTrait,
    engine: Engine,
    entity_type: &str,
    keys: &[String],
) -> Result<Vec<Stored>, Fault> {
    let wanted = [(resource::Column::Key, Wanted::Texts(keys.iter().map(String::as_str).collect()))];
    let these = each(engine, resource::Entity::find().filter(of_type(entity_type)), &wanted);
    let rows = resource::Entity::find().from_raw_sql(these).all(connection).await?;
    rows.into_iter().map(stored).collect()
}

/// All resources of an entity type, as the texts they are kept in, by key.
pub(crate) async fn texts(
    connection: &(impl ConnectionTrait + StreamTrait),
    entity_type: &str,
) -> Result<HashMap<String, String>, DbErr> {
    let rows = resource::Entity::find().filter(resource::Column::EntityType.eq(entity_type)).stream(connection).await?;
    rows.map_ok(|row| (row.key, row.properties)).try_collect().await
}

/// Writes resources, new or changed.
pub(crate) async fn save(
    connection: &impl ConnectionTrait,
    entity_type: &str,
    rows: &[(&String, &String)],
) -> Result<(), DbErr> {
    for chunk in rows.chunks(ROWS_MAX) {
        let model = |(key, properties): &(&String, &String)| resource::Model {
            entity_type: entity_type.to_owned(),
            key: (*key).clone(),
            properties: (*properties).clone(),
        };
        store::<resource::Entity>(connection, chunk.iter().map(model).collect(), Again::Replaces).await?;
    }
    Ok(())
}

/// Removes resources.
pub(crate) async fn delete(
    connection: &impl ConnectionTrait,
    engine: Engine,
    entity_type: &str,
    keys: &[&String],
) -> Result<(), DbErr> {
    for chunk in keys.chunks(engine.rows_per_statement(1)) {
        resource::Entity::delete_many()
            .filter(resource::Column::EntityType.eq(entity_type))
            .filter(resource::Column::Key.is_in(chunk.iter().copied()))
            .exec(connection)
            .await?;
    }
    Ok(())
}

/// When an entity type was last read, and by which synchronization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) export_started_at: Timestamp,
    pub(crate) synchronization_id: String,
    /// The kind of each property that was read; none when that was not yet noted.
    pub(crate) properties: Option<BTreeMap<String, String>>,
}

/// The last reading of each entity type.
pub(crate) async fn readings(connection: &impl ConnectionTrait) -> Result<BTreeMap<String, Reading>, Fault> {
    let reading = |row: reading::Model| {
        let properties = match row.properties.as_str() {
            "" => None,
            text => Some(from_json(text)?),
        };
        let export_started_at = Timestamp::from_millis(row.export_started_at);
        let synchronization_id = row.synchronization_id;
        Ok((row.entity_type, Reading { export_started_at, synchronization_id, properties }))
    };
    reading::Entity::find().all(connection).await?.into_iter().map(reading).collect()
}

/// Notes that an entity type was read.
pub(crate) async fn note_reading(
    connection: &impl ConnectionTrait,
    entity_type: &str,
    connector: &str,
    reading: &Reading,
    resources: i64,
) -> Result<(), Fault> {
    let properties = reading.properties.as_ref().map(to_json).transpose()?;
    let row = reading::ActiveModel {
        entity_type: Set(entity_type.to_owned()),
        connector: Set(connector.to_owned()),
        export_started_at: Set(reading.export_started_at.millis()),
        synchronization_id: Set(reading.synchronization_id.clone()),
        resources: Set(resources),
        properties: Set(properties.unwrap_or_default()),
    };
    reading::Entity::insert(row)
        .on_conflict(
            OnConflict::column(reading::Column::EntityType)
                .update_columns([
                    reading::Column::Connector,
                    reading::Column::ExportStartedAt,
                    reading::Column::SynchronizationId,
                    reading::Column::Resources,
                    reading::Column::Properties,
                ])
                .to_owned(),
        )
        .exec_without_returning(connection)
        .await?;
    Ok(())
}
