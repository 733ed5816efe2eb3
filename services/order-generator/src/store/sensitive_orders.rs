//! The content of orders that hold sensitive values. Fulfillment's feed leaves such values out, and
//! the role model must compare them; so they are kept here, from before the order is submitted until
//! nothing compares them any more.

use super::entity::order::{Column as OrderColumn, Entity as OrderEntity};
use super::entity::sensitive_order::{Column, Entity, Model};
use prost::Message;
use provost_contract::types::v1::{InactiveReason, Order as WireOrder, OrderRecord, ProvisioningState};
use provost_service_kit::{Engine, Fault, Wanted, each};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, QueryTrait,
};
use std::collections::HashMap;

/// Columns that an insert writes.
const COLUMNS: usize = 2;
/// Why orders no longer count: replaced, or cancelled.
const GONE: [i32; 2] = [InactiveReason::Superseded as i32, InactiveReason::Cancelled as i32];

/// What is to be kept of an order: its id, and its content.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content(Model);

/// What is to be kept of an order, if it holds sensitive values.
pub(crate) fn content(order: &WireOrder) -> Option<Content> {
    let is_sensitive = order.changes.iter().any(|change| change.sensitive);
    is_sensitive.then(|| Content(Model { order_id: order.order_id.clone(), content: order.encode_to_vec() }))
}

/// Keeps the content of orders that hold sensitive values.
pub(crate) async fn save(connection: &impl ConnectionTrait, engine: Engine, contents: &[Content]) -> Result<(), DbErr> {
    for chunk in contents.chunks(engine.rows_per_statement(COLUMNS)) {
        let rows = chunk.iter().map(|Content(row)| row.clone().into_active_model());
        Entity::insert_many(rows).exec_without_returning(connection).await?;
    }
    Ok(())
}

/// All that are kept, by order id.
pub(crate) async fn all(connection: &impl ConnectionTrait) -> Result<HashMap<String, WireOrder>, Fault> {
    let rows = Entity::find().all(connection).await?;
    let read = |row: Model| Ok((row.order_id, WireOrder::decode(row.content.as_slice()).map_err(Fault::internal)?));
    rows.into_iter().map(read).collect()
}

/// Those of these orders that are kept, by order id.
pub(crate) async fn these(
    connection: &impl ConnectionTrait,
    engine: Engine,
    ids: &[&str],
) -> Result<HashMap<String, WireOrder>, Fault> {
    let these = each(engine, Entity::find(), &[(Column::OrderId, Wanted::Texts(ids.to_vec()))]);
    let rows = Entity::find().from_raw_sql(these).all(connection).await?;
    let read = |row: Model| Ok((row.order_id, WireOrder::decode(row.content.as_slice()).map_err(Fault::internal)?));
    rows.into_iter().map(read).collect()
}

/// Forgets those of orders that are verified, replaced or cancelled, and of orders that the ledger
/// never took. Call it when the projection has caught up.
pub(crate) async fn forget(connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    let compared = OrderEntity::find()
        .select_only()
        .column(OrderColumn::OrderId)
        .filter(OrderColumn::State.ne(ProvisioningState::Verified as i32))
        .filter(OrderColumn::InactiveReason.is_not_in(GONE))
        .into_query();
    Entity::delete_many().filter(Column::OrderId.not_in_subquery(compared)).exec(connection).await?;
    Ok(())
}

/// Forgets those of the orders that these records show verified, replaced or cancelled: nothing becomes of them any
/// more.
pub(crate) async fn forget_ended(
    connection: &impl ConnectionTrait,
    engine: Engine,
    records: &[OrderRecord],
) -> Result<(), DbErr> {
    let has_ended = |record: &&OrderRecord| {
        record.state == ProvisioningState::Verified as i32 || GONE.contains(&record.inactive_reason)
    };
    let ended = records.iter().filter(has_ended).filter_map(|record| record.order.as_ref());
    let ids: Vec<&str> = ended.map(|order| order.order_id.as_str()).collect();
    for chunk in ids.chunks(engine.rows_per_statement(1)) {
        Entity::delete_many().filter(Column::OrderId.is_in(chunk.iter().copied())).exec(connection).await?;
    }
    Ok(())
}
