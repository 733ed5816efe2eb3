//! What the last computation of the role model found: of each owner, and of each owner and resource
//! type. Kept in a form in which equal ones are equal, so that only differences are written.

use super::compact;
pub(crate) use super::compact::Depth;
use super::dependencies::by_type;
use super::entity::{assignment, found_item, owner};
use crate::model::assign::Assignment;
use futures::{Stream, TryStreamExt, stream};
use provost_service_kit::{Again, Engine, Fault, ROWS_MAX, Wanted, each, store};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    StreamTrait,
};
use std::collections::{HashMap, HashSet};

/// An owner: entity type and key.
pub(crate) type OwnerKey = (String, String);
/// An assignment as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body(Vec<u8>);

impl Body {
    /// Of an assignment.
    pub(crate) fn of(assignment: &Assignment) -> Self {
        Self(compact::to_bytes(assignment))
    }

    /// The assignment.
    ///
    /// # Errors
    /// When the bytes are not an assignment's.
    pub(crate) fn read(&self) -> Result<Assignment, Fault> {
        compact::from_bytes(&self.0)
    }

    /// So much of the assignment.
    ///
    /// # Errors
    /// When the bytes are not an assignment's.
    pub(crate) fn read_to(&self, depth: Depth) -> Result<Assignment, Fault> {
        compact::read(&self.0, depth)
    }
}

fn body(row: assignment::Model) -> Body {
    Body(if row.content.is_empty() { row.body.into_bytes() } else { row.content })
}

fn keyed(row: assignment::Model) -> (AssignmentKey, Body) {
    let key = (row.owner_type.clone(), row.owner_key.clone(), row.resource_type.clone());
    (key, body(row))
}

/// An assignment: owner's entity type and key, and resource type.
pub(crate) type AssignmentKey = (String, String, String);

/// Everybody of whom something is kept.
pub(crate) async fn known_owners(connection: &impl ConnectionTrait) -> Result<Vec<OwnerKey>, DbErr> {
    let mut found: Vec<OwnerKey> = owner::Entity::find()
        .select_only()
        .columns([owner::Column::EntityType, owner::Column::Key])
        .into_tuple()
        .all(connection)
        .await?;
    let having: Vec<OwnerKey> = assignment::Entity::find()
        .select_only()
        .columns([assignment::Column::OwnerType, assignment::Column::OwnerKey])
        .distinct()
        .into_tuple()
        .all(connection)
        .await?;
    found.extend(having);
    Ok(found)
}

/// How many owners there are of whom something is kept.
pub(crate) async fn count_owners(connection: &impl ConnectionTrait) -> Result<usize, DbErr> {
    Ok(usize::try_from(owner::Entity::find().count(connection).await?).unwrap_or(usize::MAX))
}

/// All assignments.
pub(crate) async fn assignments(
    connection: &(impl ConnectionTrait + StreamTrait),
) -> Result<HashMap<AssignmentKey, Body>, DbErr> {
    let rows = assignment::Entity::find().stream(connection).await?;
    rows.map_ok(keyed).try_collect().await
}

/// All assignments, in pieces, so that they need not be in memory at once. Between two pieces no connection is held.
pub(crate) fn pieces<C: ConnectionTrait + Sync>(
    connection: &C,
    size: usize,
) -> impl Stream<Item = Result<Vec<Body>, DbErr>> + Send + use<'_, C> {
    // No assignment has the first key of all.
    stream::try_unfold(AssignmentKey::default(), move |after| async move {
        let rows = page(after, size).all(connection).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        let last = (last.owner_type.clone(), last.owner_key.clone(), last.resource_type.clone());
        Ok(Some((rows.into_iter().map(body).collect(), last)))
    })
}

/// So many assignments after a key.
fn page((owner_type, owner_key, place): AssignmentKey, size: usize) -> sea_orm::Select<assignment::Entity> {
    let columns = [assignment::Column::OwnerType, assignment::Column::OwnerKey, assignment::Column::ResourceType];
    let after = Expr::tuple([owner_type, owner_key, place].map(Expr::val));
    let rest = assignment::Entity::find().filter(Expr::tuple(columns.map(Expr::col)).gt(after));
    let in_order = columns.into_iter().fold(rest, QueryOrder::order_by_asc);
    in_order.limit(u64::try_from(size).unwrap_or(u64::MAX))
}

/// The texts of these assignments, in their order; of those that are no more, none.
pub(crate) async fn by_keys(
    connection: &impl ConnectionTrait,
    engine: Engine,
    keys: &[AssignmentKey],
) -> Result<Vec<Option<Body>>, DbErr> {
    let wanted = [
        (
            assignment::Column::OwnerType,
            Wanted::Texts(keys.iter().map(|(owner_type, ..)| owner_type.as_str()).collect()),
        ),
        (
            assignment::Column::OwnerKey,
            Wanted::Texts(keys.iter().map(|(_, owner_key, _)| owner_key.as_str()).collect()),
        ),
        (assignment::Column::ResourceType, Wanted::Texts(keys.iter().map(|(.., name)| name.as_str()).collect())),
    ];
    let rows = assignment::Entity::find().from_raw_sql(each(engine, assignment::Entity::find(), &wanted));
    let mut found: HashMap<AssignmentKey, Body> = rows.all(connection).await?.into_iter().map(keyed).collect();
    Ok(keys.iter().map(|key| found.remove(key)).collect())
}

/// These owners, as far as they are known.
pub(crate) async fn these_owners(
    connection: &impl ConnectionTrait,
    engine: Engine,
    owners: &[&OwnerKey],
) -> Result<HashMap<OwnerKey, String>, DbErr> {
    let mut found = HashMap::with_capacity(owners.len());
    for (entity_type, keys) in by_type(owners) {
        let query = owner::Entity::find().filter(owner::Column::EntityType.eq(entity_type));
        let these = each(engine, query, &[(owner::Column::Key, Wanted::Texts(keys))]);
        let rows = owner::Entity::find().from_raw_sql(these).all(connection).await?;
        found.extend(rows.into_iter().map(|row| ((row.entity_type, row.key), row.body)));
    }
    Ok(found)
}

/// The assignments of these owners.
pub(crate) async fn of_owners(
    connection: &impl ConnectionTrait,
    engine: Engine,
    owners: &[&OwnerKey],
) -> Result<HashMap<AssignmentKey, Body>, DbErr> {
    let mut found = HashMap::with_capacity(owners.len());
    for (entity_type, keys) in by_type(owners) {
        let query = assignment::Entity::find().filter(assignment::Column::OwnerType.eq(entity_type));
        let these = each(engine, query, &[(assignment::Column::OwnerKey, Wanted::Texts(keys))]);
        let rows = assignment::Entity::find().from_raw_sql(these).all(connection).await?;
        found.extend(rows.into_iter().map(keyed));
    }
    Ok(found)
}

/// One owner.
pub(crate) async fn owner(
    connection: &impl ConnectionTrait,
    entity_type: &str,
    key: &str,
) -> Result<Option<String>, DbErr> {
    let row = owner::Entity::find_by_id((entity_type.to_owned(), key.to_owned())).one(connection).await?;
    Ok(row.map(|row| row.body))
}

/// The assignments of one owner.
pub(crate) async fn of_owner(
    connection: &impl ConnectionTrait,
    entity_type: &str,
    key: &str,
) -> Result<Vec<Body>, DbErr> {
    let query = assignment::Entity::find()
        .filter(assignment::Column::OwnerType.eq(entity_type))
        .filter(assignment::Column::OwnerKey.eq(key));
    Ok(query.all(connection).await?.into_iter().map(body).collect())
}

/// Writes owners, new or changed.
pub(crate) async fn save_owners(connection: &impl ConnectionTrait, rows: &[(&OwnerKey, &String)]) -> Result<(), DbErr> {
    for chunk in rows.chunks(ROWS_MAX) {
        let model = |((entity_type, key), body): &(&OwnerKey, &String)| owner::Model {
            entity_type: entity_type.clone(),
            key: key.clone(),
            body: (*body).clone(),
        };
        store::<owner::Entity>(connection, chunk.iter().map(model).collect(), Again::Replaces).await?;
    }
    Ok(())
}

/// Writes assignments, new or changed.
pub(crate) async fn save(connection: &impl ConnectionTrait, rows: &[(&AssignmentKey, &Body)]) -> Result<(), DbErr> {
    for chunk in rows.chunks(ROWS_MAX) {
        let model = |((owner_type, owner_key, resource_type), body): &(&AssignmentKey, &Body)| assignment::Model {
            owner_type: owner_type.clone(),
            owner_key: owner_key.clone(),
            resource_type: resource_type.clone(),
            body: String::new(),
            content: body.0.clone(),
        };
        store::<assignment::Entity>(connection, chunk.iter().map(model).collect(), Again::Replaces).await?;
    }
    Ok(())
}

/// Removes owners.
pub(crate) async fn delete_owners(
    connection: &impl ConnectionTrait,
    engine: Engine,
    keys: &[&OwnerKey],
) -> Result<(), DbErr> {
    for chunk in keys.chunks(engine.rows_per_statement(2)) {
        let these = Expr::tuple([Expr::col(owner::Column::EntityType), Expr::col(owner::Column::Key)])
            .in_tuples(chunk.iter().map(|(entity_type, key)| (entity_type.clone(), key.clone())));
        owner::Entity::delete_many().filter(these).exec(connection).await?;
    }
    Ok(())
}

/// Removes assignments.
pub(crate) async fn delete(
    connection: &impl ConnectionTrait,
    engine: Engine,
    keys: &[&AssignmentKey],
) -> Result<(), DbErr> {
    for chunk in keys.chunks(engine.rows_per_statement(3)) {
        let these = Expr::tuple([
            Expr::col(assignment::Column::OwnerType),
            Expr::col(assignment::Column::OwnerKey),
            Expr::col(assignment::Column::ResourceType),
        ])
        .in_tuples(chunk.iter().map(|(owner_type, owner_key, resource_type)| {
            (owner_type.clone(), owner_key.clone(), resource_type.clone())
        }));
        assignment::Entity::delete_many().filter(these).exec(connection).await?;
    }
    Ok(())
}

/// Of these resource types, those by which somebody has something.
pub(crate) async fn known_types(
    connection: &impl ConnectionTrait,
    names: impl Iterator<Item = &str>,
) -> Result<HashSet<String>, DbErr> {
    let mut known = HashSet::new();
    for name in names {
        let assigned = assignment::Entity::find().filter(assignment::Column::ResourceType.eq(name));
        let found = found_item::Entity::find().filter(found_item::Column::ResourceType.eq(name));
        if assigned.limit(1).one(connection).await?.is_some() || found.limit(1).one(connection).await?.is_some() {
            known.insert(name.to_owned());
        }
    }
    Ok(known)
}
