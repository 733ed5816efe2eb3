//! What the newest generation held back, because a threshold blocked it. One list at a time: whatever is
//! generated next makes it old.
//!
//! The rule that must hold: confidential values never come here.

use super::entity::held_order::{Column, Entity, Model};
use prost::Message;
use provost_contract::generator::v1::PlannedOrder;
use provost_service_kit::{Engine, Fault};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};
use std::collections::HashSet;

/// Orders that are read together where all are read.
const PAGE: u64 = 2_000;
/// Columns that an insert writes.
const COLUMNS: usize = 6;

/// Adds to the list of a run, from a position on.
pub(crate) async fn add(
    connection: &impl ConnectionTrait,
    engine: Engine,
    run: &str,
    from: i64,
    orders: &[PlannedOrder],
) -> Result<(), DbErr> {
    let row = |(position, planned): (i64, &PlannedOrder)| {
        let order = planned.order.as_ref();
        Model {
            run: run.to_owned(),
            position,
            action: planned.action,
            resource_type: order.map(|order| order.resource_type.clone()).unwrap_or_default(),
            owner_key: order.and_then(|order| order.owner.as_ref()).map(|owner| owner.key.clone()).unwrap_or_default(),
            planned: planned.encode_to_vec(),
        }
    };
    let rows: Vec<Model> = (from..).zip(orders).map(row).collect();
    for chunk in rows.chunks(engine.rows_per_statement(COLUMNS)) {
        let rows = chunk.iter().cloned().map(IntoActiveModel::into_active_model);
        Entity::insert_many(rows).exec_without_returning(connection).await?;
    }
    Ok(())
}

/// Forgets whatever is held.
pub(crate) async fn clear(connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    Entity::delete_many().exec(connection).await.map(|_| ())
}

/// The generation run that holds something back, if one does.
pub(crate) async fn run(connection: &impl ConnectionTrait) -> Result<Option<String>, DbErr> {
    Entity::find().select_only().column(Column::Run).order_by_desc(Column::Run).into_tuple().one(connection).await
}

/// What a run holds back, by what each order says.
pub(crate) async fn fingerprints(connection: &impl ConnectionTrait, run: &str) -> Result<HashSet<String>, Fault> {
    let (mut found, mut after) = (HashSet::new(), 0);
    loop {
        let page = list(connection, run, &Filter::default(), after, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after = *last;
        found.extend(page.into_iter().map(|(_, planned)| planned.fingerprint));
    }
}

/// Which of the held orders to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Empty for all.
    pub(crate) resource_types: Vec<String>,
    /// Empty for all.
    pub(crate) actions: Vec<i32>,
    /// Empty for all.
    pub(crate) owner_key: String,
}

/// A page of a run's list, with their positions.
pub(crate) async fn list(
    connection: &impl ConnectionTrait,
    run: &str,
    filter: &Filter,
    after: i64,
    limit: u64,
) -> Result<Vec<(i64, PlannedOrder)>, Fault> {
    let mut query = Entity::find().filter(Column::Run.eq(run)).filter(Column::Position.gt(after));
    if !filter.resource_types.is_empty() {
        query = query.filter(Column::ResourceType.is_in(&filter.resource_types));
    }
    if !filter.actions.is_empty() {
        query = query.filter(Column::Action.is_in(filter.actions.iter().copied()));
    }
    if !filter.owner_key.is_empty() {
        query = query.filter(Column::OwnerKey.eq(&filter.owner_key));
    }
    let rows = query.order_by_asc(Column::Position).limit(limit).all(connection).await?;
    let read = |row: Model| {
        let planned = PlannedOrder::decode(row.planned.as_slice()).map_err(Fault::internal)?;
        Ok((row.position, planned))
    };
    rows.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::Migrator;
    use provost_contract::generator::v1::PlannedAction;
    use provost_contract::types::v1::{Order, Owner};
    use provost_service_kit::Database;

    fn planned(action: PlannedAction, resource_type: &str, owner_key: &str) -> PlannedOrder {
        let owner = Some(Owner { key: owner_key.into(), ..Owner::default() });
        let order = Some(Order { resource_type: resource_type.into(), owner, ..Order::default() });
        let fingerprint = format!("{action:?} {resource_type} {owner_key}");
        PlannedOrder { action: action.into(), order, fingerprint, ..PlannedOrder::default() }
    }

    #[tokio::test]
    async fn lists_are_filtered_and_paged_and_there_is_one_at_a_time() {
        for engine in provost_testkit::engines().await {
            let database = Database::connect(&engine.url.as_str().into(), None).await.unwrap();
            database.migrate::<Migrator>().await.unwrap();
            let connection = database.write();
            let held = [
                planned(PlannedAction::Delete, "Account", "1"),
                planned(PlannedAction::Change, "Account", "2"),
                planned(PlannedAction::Delete, "Mailbox", "1"),
            ];
            add(connection, database.engine(), "r", 1, &held).await.unwrap();
            assert_eq!(run(connection).await.unwrap().as_deref(), Some("r"), "{}", engine.name);
            let all = list(connection, "r", &Filter::default(), 0, 2).await.unwrap();
            assert_eq!(all.iter().map(|(position, _)| *position).collect::<Vec<_>>(), [1, 2]);
            let rest = list(connection, "r", &Filter::default(), 2, 2).await.unwrap();
            assert_eq!(rest, [(3, planned(PlannedAction::Delete, "Mailbox", "1"))]);
            let deletions = Filter { actions: vec![PlannedAction::Delete.into()], ..Filter::default() };
            assert_eq!(list(connection, "r", &deletions, 0, 9).await.unwrap().len(), 2);
            let accounts = Filter { resource_types: vec!["Account".into()], owner_key: "1".into(), ..deletions };
            assert_eq!(list(connection, "r", &accounts, 0, 9).await.unwrap().len(), 1);
            assert!(list(connection, "other", &Filter::default(), 0, 9).await.unwrap().is_empty());
            let prints = fingerprints(connection, "r").await.unwrap();
            assert_eq!(prints, ["Delete Account 1", "Change Account 2", "Delete Mailbox 1"].map(str::to_owned).into());
            assert!(fingerprints(connection, "other").await.unwrap().is_empty());
            clear(connection).await.unwrap();
            assert_eq!(run(connection).await.unwrap(), None, "{}", engine.name);
        }
    }
}
