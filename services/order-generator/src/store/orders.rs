//! The projection of the ledger: each order's record, as fulfillment's feed last showed it. Order
//! state lives in fulfillment; this is a copy that may lag, and never decides anything there.

use super::entity::order::{Column, Entity, Model};
use futures::TryStreamExt;
use prost::Message;
use provost_contract::types::v1::{InactiveReason, Order, OrderRecord, ProvisioningState};
use provost_domain::Lane;
use provost_service_kit::{Engine, Fault};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    StreamTrait,
};
use std::collections::BTreeMap;

/// Columns that an upsert writes.
const COLUMNS: usize = 12;
/// The unit separator, which no catalog name and no key of sense holds.
const SEPARATOR: char = '\u{1f}';

/// The lane of an order on the wire. Without a key (the rule that gives it threw) each owner has a
/// lane of its own per resource type.
pub(crate) fn lane(order: &Order) -> String {
    if order.target_key.is_empty() {
        let owner = order.owner.clone().unwrap_or_default();
        format!("{SEPARATOR}{}{SEPARATOR}{}{SEPARATOR}{}", order.resource_type, owner.entity_type, owner.key)
    } else {
        Lane::new(&order.connector, &order.entity_type, &order.target_key).as_str().to_owned()
    }
}

fn row(record: &OrderRecord) -> Option<Model> {
    let order = record.order.as_ref()?;
    let owner = order.owner.clone().unwrap_or_default();
    Some(Model {
        order_id: order.order_id.clone(),
        sequence: record.sequence,
        lane: lane(order),
        resource_type: order.resource_type.clone(),
        connection: order.connection.clone(),
        owner_type: owner.entity_type,
        owner_key: owner.key,
        generation_run: order.generation_run.clone(),
        state: record.state,
        inactive_reason: record.inactive_reason,
        version: record.version,
        record: record.encode_to_vec(),
    })
}

fn read(row: &Model) -> Result<OrderRecord, Fault> {
    OrderRecord::decode(row.record.as_slice()).map_err(Fault::internal)
}

/// Takes over records; one that is older than what is known changes nothing.
pub(crate) async fn save(
    connection: &impl ConnectionTrait,
    engine: Engine,
    records: &[OrderRecord],
) -> Result<(), DbErr> {
    // One statement must not meet the same row twice.
    let mut newest: BTreeMap<String, Model> = BTreeMap::new();
    for row in records.iter().filter_map(row) {
        match newest.get(&row.order_id) {
            Some(known) if known.version > row.version => {}
            _ => {
                newest.insert(row.order_id.clone(), row);
            }
        }
    }
    let rows: Vec<Model> = newest.into_values().collect();
    for chunk in rows.chunks(engine.rows_per_statement(COLUMNS)) {
        Entity::insert_many(chunk.iter().cloned().map(IntoActiveModel::into_active_model))
            .on_conflict(
                OnConflict::column(Column::OrderId)
                    .update_columns([
                        Column::State,
                        Column::InactiveReason,
                        Column::Version,
                        Column::Sequence,
                        Column::Record,
                    ])
                    .action_and_where(
                        Expr::col((Entity, Column::Version)).lte(Expr::col(("excluded", Column::Version))),
                    )
                    .to_owned(),
            )
            .exec_without_returning(connection)
            .await?;
    }
    Ok(())
}

/// How many orders there are of each resource type and state.
pub(crate) async fn counts(connection: &impl ConnectionTrait) -> Result<BTreeMap<(String, i32), i64>, DbErr> {
    let rows: Vec<(String, i32, i64)> = Entity::find()
        .select_only()
        .column(Column::ResourceType)
        .column(Column::State)
        .column_as(Column::OrderId.count(), "orders")
        .group_by(Column::ResourceType)
        .group_by(Column::State)
        .into_tuple()
        .all(connection)
        .await?;
    Ok(rows.into_iter().map(|(resource_type, state, count)| ((resource_type, state), count)).collect())
}

/// All orders in any of the states, oldest first.
pub(crate) async fn in_states(
    connection: &(impl ConnectionTrait + StreamTrait),
    states: &[ProvisioningState],
) -> Result<Vec<OrderRecord>, Fault> {
    let query = Entity::find().filter(Column::State.is_in(states.iter().map(|state| *state as i32)));
    let mut rows = query.order_by_asc(Column::Sequence).stream(connection).await?;
    let mut found = Vec::new();
    while let Some(row) = rows.try_next().await? {
        found.push(read(&row)?);
    }
    Ok(found)
}

/// All orders but those that were replaced or cancelled, oldest first.
pub(crate) async fn that_count(connection: &(impl ConnectionTrait + StreamTrait)) -> Result<Vec<OrderRecord>, Fault> {
    let gone = [InactiveReason::Superseded as i32, InactiveReason::Cancelled as i32];
    let query = Entity::find().filter(Column::InactiveReason.is_not_in(gone));
    let mut rows = query.order_by_asc(Column::Sequence).stream(connection).await?;
    let mut found = Vec::new();
    while let Some(row) = rows.try_next().await? {
        found.push(read(&row)?);
    }
    Ok(found)
}

/// All orders of one owner, oldest first.
pub(crate) async fn of_owner(
    connection: &impl ConnectionTrait,
    owner_type: &str,
    owner_key: &str,
) -> Result<Vec<OrderRecord>, Fault> {
    let query = Entity::find()
        .filter(Column::OwnerType.eq(owner_type))
        .filter(Column::OwnerKey.eq(owner_key))
        .order_by_asc(Column::Sequence);
    query.all(connection).await?.iter().map(read).collect()
}
