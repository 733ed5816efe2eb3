//! What was found and waits for people: a copy of what the assignments say, one row for each decision that
//! somebody has to make, so that it can be listed over everybody.

use super::dependencies::wanted;
use super::entity::found_item::{Column, Entity, Model};
use super::{from_json, to_json};
use crate::model::claims::OwnerKey;
use crate::model::found::{Item, Kind};
use provost_service_kit::{Again, Engine, Fault, ROWS_MAX, each, store};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use std::collections::{BTreeMap, HashMap};

/// The items of these owners as they are kept, by owner and id.
pub(crate) async fn of_owners(
    connection: &impl ConnectionTrait,
    engine: Engine,
    owners: &[&OwnerKey],
) -> Result<HashMap<OwnerKey, HashMap<String, String>>, Fault> {
    let mut found: HashMap<OwnerKey, HashMap<String, String>> = HashMap::new();
    let these = each(engine, Entity::find(), &wanted([Column::OwnerType, Column::OwnerKey], owners));
    for row in Entity::find().from_raw_sql(these).all(connection).await? {
        found.entry((row.owner_type, row.owner_key)).or_default().insert(row.item_id, row.body);
    }
    Ok(found)
}

/// Makes what is kept of a scope what it is now. `before` is what was kept of it, by id.
pub(crate) async fn replace(
    connection: &impl ConnectionTrait,
    engine: Engine,
    before: &HashMap<String, String>,
    items: &[Item],
) -> Result<(), Fault> {
    let mut after: BTreeMap<String, Model> = BTreeMap::new();
    for item in items {
        let row = row(item)?;
        after.insert(row.item_id.clone(), row);
    }
    let gone: Vec<&String> = before.keys().filter(|id| !after.contains_key(*id)).collect();
    for chunk in gone.chunks(engine.rows_per_statement(1)) {
        Entity::delete_many().filter(Column::ItemId.is_in(chunk.iter().copied())).exec(connection).await?;
    }
    let changed = after.into_values().filter(|row| before.get(&row.item_id) != Some(&row.body));
    let changed: Vec<Model> = changed.collect();
    for chunk in changed.chunks(ROWS_MAX) {
        store::<Entity>(connection, chunk.to_vec(), Again::Replaces).await?;
    }
    Ok(())
}

fn row(item: &Item) -> Result<Model, Fault> {
    Ok(Model {
        item_id: item.id(),
        position: item.position(),
        kind: item.kind.number(),
        owner_type: item.owner.entity_type.clone(),
        owner_key: item.owner.key.clone(),
        resource_type: item.resource_type.clone(),
        entity_type: item.entity_type.clone(),
        target_key: item.target_key.clone(),
        property: item.name.clone(),
        workflow_state: item.workflow as i32,
        body: to_json(item)?,
    })
}

/// What narrows a list of items. An empty field does not narrow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) resource_type: String,
    pub(crate) owner_key: String,
    pub(crate) property: String,
    pub(crate) workflow_states: Vec<i32>,
}

impl Filter {
    /// It narrows nothing.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { kinds, resource_type, owner_key, property, workflow_states } = self;
        kinds.is_empty()
            && workflow_states.is_empty()
            && [resource_type, owner_key, property].iter().all(|text| text.is_empty())
    }

    fn select(&self) -> Select<Entity> {
        let Self { kinds, resource_type, owner_key, property, workflow_states } = self;
        let mut query = Entity::find();
        if !kinds.is_empty() {
            query = query.filter(Column::Kind.is_in(kinds.iter().map(|kind| kind.number())));
        }
        if !workflow_states.is_empty() {
            query = query.filter(Column::WorkflowState.is_in(workflow_states.iter().copied()));
        }
        let texts =
            [(Column::ResourceType, resource_type), (Column::OwnerKey, owner_key), (Column::Property, property)];
        for (column, text) in texts {
            if !text.is_empty() {
                query = query.filter(column.eq(text.as_str()));
            }
        }
        query
    }
}

/// A page of items, by position; `after` is the position of the last one of the page before.
pub(crate) async fn list(
    connection: &impl ConnectionTrait,
    filter: &Filter,
    after: &str,
    limit: u64,
) -> Result<Vec<(String, Item)>, Fault> {
    let query = filter.select().filter(Column::Position.gt(after)).order_by_asc(Column::Position).limit(limit);
    query.all(connection).await?.into_iter().map(|row| Ok((row.position, from_json(&row.body)?))).collect()
}

/// These items, by id.
pub(crate) async fn by_ids(
    connection: &impl ConnectionTrait,
    engine: Engine,
    ids: &[&str],
) -> Result<HashMap<String, Item>, Fault> {
    let mut found = HashMap::new();
    for chunk in ids.chunks(engine.rows_per_statement(1)) {
        let rows = Entity::find().filter(Column::ItemId.is_in(chunk.iter().copied())).all(connection).await?;
        for row in rows {
            found.insert(row.item_id, from_json(&row.body)?);
        }
    }
    Ok(found)
}

/// The roles that these owners seem to have, by id.
pub(crate) async fn roles_of(
    connection: &impl ConnectionTrait,
    engine: Engine,
    owners: &[&OwnerKey],
) -> Result<Vec<(String, Item)>, Fault> {
    let roles = Entity::find().filter(Column::Kind.eq(Kind::Role.number()));
    let mut rows = Entity::find()
        .from_raw_sql(each(engine, roles, &wanted([Column::OwnerType, Column::OwnerKey], owners)))
        .all(connection)
        .await?;
    rows.sort_unstable_by(|one, other| one.position.cmp(&other.position));
    rows.into_iter().map(|row| Ok((row.item_id, from_json(&row.body)?))).collect()
}

/// Takes items out that were decided: should they still differ, the next computation says so again.
pub(crate) async fn remove(connection: &impl ConnectionTrait, engine: Engine, ids: &[&str]) -> Result<(), Fault> {
    for chunk in ids.chunks(engine.rows_per_statement(1)) {
        Entity::delete_many().filter(Column::ItemId.is_in(chunk.iter().copied())).exec(connection).await?;
    }
    Ok(())
}
