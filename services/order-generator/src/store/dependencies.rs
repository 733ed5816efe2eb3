//! What the last result of each owner was computed from, when it may be another one by itself, and, from the
//! other side, whose result was computed from a thing.

use super::assignments::OwnerKey;
use super::entity::{dependency, dependent};
use crate::model::need::Need;
use provost_domain::Timestamp;
use provost_service_kit::{Again, Engine, ROWS_MAX, Wanted, between, each, store};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QueryResult, QuerySelect,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What one owner's result was computed from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dependencies {
    /// The resources that the owner has, or claims: whoever shares one is judged with the others.
    pub(crate) claims: BTreeSet<Need>,
    /// Whatever was looked up, the claims among it.
    pub(crate) needs: BTreeSet<Need>,
    /// The next instant at which the result may be another one though nothing changes.
    pub(crate) next_change: Option<Timestamp>,
}

fn to_bytes(needs: &BTreeSet<Need>) -> Vec<u8> {
    needs.iter().flat_map(|need| need.0.to_le_bytes()).collect()
}

fn from_bytes(bytes: &[u8]) -> BTreeSet<Need> {
    bytes.as_chunks::<8>().0.iter().map(|bytes| Need(i64::from_le_bytes(*bytes))).collect()
}

/// What is kept of these owners.
pub(crate) async fn of_owners(
    connection: &impl ConnectionTrait,
    engine: Engine,
    owners: &[&OwnerKey],
) -> Result<HashMap<OwnerKey, Dependencies>, DbErr> {
    let mut found = HashMap::with_capacity(owners.len());
    for (entity_type, keys) in by_type(owners) {
        let query = dependency::Entity::find().filter(dependency::Column::OwnerType.eq(entity_type));
        let these = each(engine, query, &[(dependency::Column::OwnerKey, Wanted::Texts(keys))]);
        let rows = dependency::Entity::find().from_raw_sql(these).all(connection).await?;
        for dependency::Model { owner_type, owner_key, claims, needs, next_change } in rows {
            let kept = Dependencies {
                claims: from_bytes(&claims),
                needs: from_bytes(&needs),
                next_change: next_change.map(Timestamp::from_millis),
            };
            found.insert((owner_type, owner_key), kept);
        }
    }
    Ok(found)
}

/// Owners, by entity type.
pub(crate) fn by_type<'a>(owners: &[&'a OwnerKey]) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (entity_type, key) in owners {
        found.entry(entity_type).or_default().push(key);
    }
    found
}

/// These owners, by the columns of type and key, for [`each`].
pub(crate) fn wanted<'a, C>([owner_type, key]: [C; 2], owners: &[&'a OwnerKey]) -> [(C, Wanted<'a>); 2] {
    let (types, keys) = owners.iter().map(|(owner_type, key)| (owner_type.as_str(), key.as_str())).unzip();
    [(owner_type, Wanted::Texts(types)), (key, Wanted::Texts(keys))]
}

/// Whose results may be other ones by now.
pub(crate) async fn due(
    connection: &impl ConnectionTrait,
    engine: Engine,
    now: Timestamp,
) -> Result<Vec<OwnerKey>, DbErr> {
    let query = dependency::Entity::find();
    let query = query.select_only().columns([dependency::Column::OwnerType, dependency::Column::OwnerKey]);
    let due = between(engine, query, dependency::Column::NextChange, i64::MIN, now.millis());
    connection.query_all_raw(due).await?.iter().map(QueryResult::try_get_many_by_index).collect()
}

/// When the first result may be another one.
pub(crate) async fn first_due(connection: &impl ConnectionTrait) -> Result<Option<Timestamp>, DbErr> {
    let first: Option<Option<i64>> = dependency::Entity::find()
        .select_only()
        .column(dependency::Column::NextChange)
        .filter(dependency::Column::NextChange.is_not_null())
        .order_by_asc(dependency::Column::NextChange)
        .limit(1)
        .into_tuple()
        .one(connection)
        .await?;
    Ok(first.flatten().map(Timestamp::from_millis))
}

/// Whose results were computed from any of these.
pub(crate) async fn dependents(
    connection: &impl ConnectionTrait,
    engine: Engine,
    needs: &BTreeSet<Need>,
) -> Result<BTreeSet<OwnerKey>, DbErr> {
    let query = dependent::Entity::find();
    let query = query.select_only().columns([dependent::Column::OwnerType, dependent::Column::OwnerKey]);
    let wanted = [(dependent::Column::Need, Wanted::Numbers(needs.iter().map(|need| need.0).collect()))];
    let rows = connection.query_all_raw(each(engine, query, &wanted)).await?;
    rows.iter().map(QueryResult::try_get_many_by_index).collect()
}

/// What becomes of what is kept of an owner.
pub(crate) struct Replaced<'a> {
    pub(crate) owner: &'a OwnerKey,
    /// What was kept; none when nothing was.
    pub(crate) before: Option<&'a Dependencies>,
    /// What is kept from now on; none when nothing is left of the owner.
    pub(crate) after: Option<&'a Dependencies>,
}

/// Writes what is new, other, or gone; nothing else.
pub(crate) async fn replace(
    connection: &impl ConnectionTrait,
    engine: Engine,
    all: &[Replaced<'_>],
) -> Result<(), DbErr> {
    let nothing = BTreeSet::new();
    let mut new = Vec::new();
    let mut old = Vec::new();
    let mut rows = Vec::new();
    let mut gone = Vec::new();
    for Replaced { owner, before, after } in all.iter().filter(|one| one.before != one.after) {
        let was = before.map_or(&nothing, |before| &before.needs);
        let is = after.map_or(&nothing, |after| &after.needs);
        new.extend(is.difference(was).map(|need| (need.0, *owner)));
        old.extend(was.difference(is).map(|need| (need.0, *owner)));
        match after {
            Some(after) => rows.push(dependency::Model {
                owner_type: owner.0.clone(),
                owner_key: owner.1.clone(),
                claims: to_bytes(&after.claims),
                needs: to_bytes(&after.needs),
                next_change: after.next_change.map(Timestamp::millis),
            }),
            None => gone.push(*owner),
        }
    }
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let chunk = rows.by_ref().take(ROWS_MAX).collect();
        store::<dependency::Entity>(connection, chunk, Again::Replaces).await?;
    }
    for (entity_type, keys) in by_type(&gone) {
        for chunk in keys.chunks(engine.rows_per_statement(1) - 1) {
            dependency::Entity::delete_many()
                .filter(dependency::Column::OwnerType.eq(entity_type))
                .filter(dependency::Column::OwnerKey.is_in(chunk.iter().copied()))
                .exec(connection)
                .await?;
        }
    }
    // In the order of the index, which is then written from one end to the other.
    new.sort_unstable();
    for chunk in new.chunks(ROWS_MAX) {
        let model = |(need, (owner_type, owner_key)): &(i64, &OwnerKey)| dependent::Model {
            need: *need,
            owner_type: owner_type.clone(),
            owner_key: owner_key.clone(),
        };
        store::<dependent::Entity>(connection, chunk.iter().map(model).collect(), Again::Stays).await?;
    }
    for chunk in old.chunks(engine.rows_per_statement(3)) {
        let these = Expr::tuple([
            Expr::col(dependent::Column::Need),
            Expr::col(dependent::Column::OwnerType),
            Expr::col(dependent::Column::OwnerKey),
        ])
        .in_tuples(chunk.iter().map(|(need, (entity_type, key))| (*need, entity_type.clone(), key.clone())));
        dependent::Entity::delete_many().filter(these).exec(connection).await?;
    }
    Ok(())
}

/// Forgets what is kept under entity types that begin with a sign.
pub(crate) async fn clear(connection: &impl ConnectionTrait, sign: char) -> Result<(), DbErr> {
    dependency::Entity::delete_many()
        .filter(dependency::Column::OwnerType.starts_with(sign.to_string()))
        .exec(connection)
        .await?;
    dependent::Entity::delete_many()
        .filter(dependent::Column::OwnerType.starts_with(sign.to_string()))
        .exec(connection)
        .await?;
    Ok(())
}
