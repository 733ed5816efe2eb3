//! By what resources are found, other than by their keys: one row for each resource and thing that it has.

use super::assignments::OwnerKey;
use super::entity::text;
use crate::model::need::Need;
use provost_service_kit::{Again, Engine, ROWS_MAX, Wanted, each, store};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter};
use std::collections::{BTreeSet, HashMap};

/// The keys of the resources that have one of these things.
pub(crate) async fn having(
    connection: &impl ConnectionTrait,
    engine: Engine,
    needs: &BTreeSet<Need>,
) -> Result<Vec<(Need, String)>, DbErr> {
    let wanted = [(text::Column::Need, Wanted::Numbers(needs.iter().map(|need| need.0).collect()))];
    let rows = text::Entity::find().from_raw_sql(each(engine, text::Entity::find(), &wanted)).all(connection).await?;
    Ok(rows.into_iter().map(|row| (Need(row.need), row.key)).collect())
}

/// What each of these resources of an entity type has.
pub(crate) async fn of(
    connection: &impl ConnectionTrait,
    engine: Engine,
    entity_type: &str,
    keys: &[String],
) -> Result<HashMap<String, BTreeSet<Need>>, DbErr> {
    let mut found: HashMap<String, BTreeSet<Need>> = HashMap::new();
    let query = text::Entity::find().filter(text::Column::EntityType.eq(entity_type));
    let wanted = [(text::Column::Key, Wanted::Texts(keys.iter().map(String::as_str).collect()))];
    for row in text::Entity::find().from_raw_sql(each(engine, query, &wanted)).all(connection).await? {
        found.entry(row.key).or_default().insert(Need(row.need));
    }
    Ok(found)
}

/// Writes what resources have by now, and takes away what they no longer have.
pub(crate) async fn replace(
    connection: &impl ConnectionTrait,
    engine: Engine,
    new: &[(Need, OwnerKey)],
    old: &[(Need, OwnerKey)],
) -> Result<(), DbErr> {
    for chunk in old.chunks(engine.rows_per_statement(3)) {
        let these = Expr::tuple([
            Expr::col(text::Column::Need),
            Expr::col(text::Column::EntityType),
            Expr::col(text::Column::Key),
        ])
        .in_tuples(chunk.iter().map(|(need, (entity_type, key))| (need.0, entity_type.clone(), key.clone())));
        text::Entity::delete_many().filter(these).exec(connection).await?;
    }
    let mut new: Vec<&(Need, OwnerKey)> = new.iter().collect();
    new.sort_unstable();
    for chunk in new.chunks(ROWS_MAX) {
        let model = |(need, (entity_type, key)): &&(Need, OwnerKey)| text::Model {
            need: need.0,
            entity_type: entity_type.clone(),
            key: key.clone(),
        };
        store::<text::Entity>(connection, chunk.iter().map(model).collect(), Again::Stays).await?;
    }
    Ok(())
}

/// Forgets all of it.
pub(crate) async fn clear(connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    text::Entity::delete_many().exec(connection).await.map(|_| ())
}
