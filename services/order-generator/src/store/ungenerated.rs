//! For whom orders have to be generated anew, and what thresholds count against: noted in the transaction that
//! keeps what was computed, forgotten by a generation that submitted.
//!
//! The rules that must hold: whoever is not marked here, and has nothing to do with an order that moved since the
//! newest computation or generation, would be generated nothing by a generation for everybody; and the counts are those of the
//! assignments that are kept. Marking somebody too many costs time and nothing else.

use super::assignments::OwnerKey;
use super::entity::{linked_count, ungenerated};
use provost_service_kit::{Again, store};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter};
use std::collections::{BTreeMap, BTreeSet};

/// So many owners who need nothing are named one by one; beyond, all are meant.
const SETTLED_MAX: usize = 1_000;
/// Under this name, which no resource type has, stands that the counts are those of what is kept.
const COUNTED: &str = "";

const IN_NEED: i32 = 1;
const SETTLED: i32 = 2;
const RESOURCE: i32 = 3;
const EVERYBODY: i32 = 4;
const ALL_SETTLED: i32 = 5;
const WAIVED: i32 = 6;

/// For whom orders have to be generated anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// For everybody.
    pub(crate) everybody: bool,
    /// Owners who may need an order.
    pub(crate) in_need: BTreeSet<OwnerKey>,
    /// Owners who were computed and need nothing: an order of theirs may no longer be needed.
    pub(crate) settled: BTreeSet<OwnerKey>,
    /// Whoever needs nothing was computed.
    pub(crate) all_settled: bool,
    /// Resources that somebody claims no longer, or otherwise: entity type and key.
    pub(crate) resources: BTreeSet<(String, String)>,
    /// Reviews were waived: whoever does not waive them has to look at everybody.
    pub(crate) waived: bool,
}

impl Marks {
    /// Adds an owner that was computed.
    pub(crate) fn add(&mut self, owner: &OwnerKey, is_in_need: bool) {
        if is_in_need {
            self.in_need.insert(owner.clone());
        } else if self.all_settled || self.settled.len() >= SETTLED_MAX {
            self.all_settled = true;
            self.settled.clear();
        } else {
            self.settled.insert(owner.clone());
        }
    }

    fn rows(&self, stamp: i64) -> Vec<ungenerated::Model> {
        let row = |kind: i32, entity_type: &str, key: &str| {
            let (entity_type, key) = (entity_type.to_owned(), key.to_owned());
            ungenerated::Model { kind, entity_type, key, stamp }
        };
        let flags = [(self.everybody, EVERYBODY), (self.all_settled, ALL_SETTLED), (self.waived, WAIVED)];
        let flags = flags.into_iter().filter(|(holds, _)| *holds).map(|(_, kind)| row(kind, "", ""));
        let named = [(IN_NEED, &self.in_need), (SETTLED, &self.settled), (RESOURCE, &self.resources)];
        let named = named
            .into_iter()
            .flat_map(|(kind, all)| all.iter().map(move |(entity_type, key)| (kind, entity_type, key)));
        flags.chain(named.map(|(kind, entity_type, key)| row(kind, entity_type, key))).collect()
    }
}

/// Notes marks, as a computation's of this sequence.
pub(crate) async fn note(connection: &impl ConnectionTrait, stamp: i64, marks: &Marks) -> Result<(), DbErr> {
    store::<ungenerated::Entity>(connection, marks.rows(stamp), Again::Replaces).await
}

/// All marks.
pub(crate) async fn read(connection: &impl ConnectionTrait) -> Result<Marks, DbErr> {
    let mut marks = Marks::default();
    for ungenerated::Model { kind, entity_type, key, .. } in ungenerated::Entity::find().all(connection).await? {
        match kind {
            IN_NEED => drop(marks.in_need.insert((entity_type, key))),
            SETTLED => drop(marks.settled.insert((entity_type, key))),
            RESOURCE => drop(marks.resources.insert((entity_type, key))),
            ALL_SETTLED => marks.all_settled = true,
            WAIVED => marks.waived = true,
            // Of a later version, too: nothing is missed by looking at everybody.
            _ => marks.everybody = true,
        }
    }
    Ok(marks)
}

/// Forgets whatever was noted up to a computation.
pub(crate) async fn forget(connection: &impl ConnectionTrait, until: i64) -> Result<(), DbErr> {
    ungenerated::Entity::delete_many().filter(ungenerated::Column::Stamp.lte(until)).exec(connection).await.map(|_| ())
}

/// How many resources of each type exist and are somebody's; none when that was not counted yet.
pub(crate) async fn existing(connection: &impl ConnectionTrait) -> Result<Option<BTreeMap<String, i64>>, DbErr> {
    let rows = linked_count::Entity::find().all(connection).await?;
    let mut counts: BTreeMap<String, i64> = rows.into_iter().map(|row| (row.resource_type, row.linked)).collect();
    Ok(counts.remove(COUNTED).map(|_| counts))
}

/// Counts so many more, or less; nothing as long as nothing was counted.
pub(crate) async fn count(connection: &impl ConnectionTrait, more: &BTreeMap<String, i64>) -> Result<(), DbErr> {
    let more = more.iter().filter(|(_, more)| **more != 0);
    let rows: Vec<_> = more.map(|(name, more)| row(name, *more)).collect();
    if rows.is_empty() || existing(connection).await?.is_none() {
        return Ok(());
    }
    let sum = Expr::col((linked_count::Entity, linked_count::Column::Linked))
        .add(Expr::col(("excluded", linked_count::Column::Linked)));
    let added =
        OnConflict::column(linked_count::Column::ResourceType).value(linked_count::Column::Linked, sum).to_owned();
    linked_count::Entity::insert_many(rows).on_conflict(added).exec_without_returning(connection).await?;
    Ok(())
}

/// Counts anew: these.
pub(crate) async fn recount<'a>(
    connection: &impl ConnectionTrait,
    counts: impl Iterator<Item = (&'a str, i64)>,
) -> Result<(), DbErr> {
    linked_count::Entity::delete_many().exec(connection).await?;
    let rows: Vec<_> = counts.chain([(COUNTED, 0)]).map(|(name, linked)| row(name, linked)).collect();
    linked_count::Entity::insert_many(rows).exec_without_returning(connection).await?;
    Ok(())
}

fn row(resource_type: &str, linked: i64) -> linked_count::ActiveModel {
    linked_count::Model { resource_type: resource_type.to_owned(), linked }.into_active_model()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::Migrator;
    use provost_service_kit::Database;

    fn owner(key: &str) -> OwnerKey {
        ("Person".into(), key.into())
    }

    #[tokio::test]
    async fn marks_stay_until_a_generation_that_came_after_them() {
        for engine in provost_testkit::engines().await {
            let database = Database::connect(&engine.url.as_str().into(), None).await.unwrap();
            database.migrate::<Migrator>().await.unwrap();
            let connection = database.write();
            assert_eq!(read(connection).await.unwrap(), Marks::default(), "{}", engine.name);
            let mut first = Marks { resources: [("Account".into(), "ada".into())].into(), ..Marks::default() };
            first.add(&owner("1"), true);
            first.add(&owner("2"), true);
            first.add(&owner("3"), false);
            note(connection, 1, &first).await.unwrap();
            assert_eq!(read(connection).await.unwrap(), first, "{}", engine.name);
            let again = Marks { in_need: [owner("2")].into(), waived: true, ..Marks::default() };
            note(connection, 2, &again).await.unwrap();
            assert!(read(connection).await.unwrap().waived);
            forget(connection, 1).await.unwrap();
            assert_eq!(read(connection).await.unwrap(), again, "{}: noted again since", engine.name);
            let everybody = Marks { everybody: true, ..Marks::default() };
            note(connection, 3, &everybody).await.unwrap();
            forget(connection, 2).await.unwrap();
            assert_eq!(read(connection).await.unwrap(), everybody, "{}", engine.name);
        }
    }

    #[test]
    fn many_who_need_nothing_are_not_named() {
        let mut marks = Marks::default();
        for number in 0..=SETTLED_MAX {
            assert!(!marks.all_settled);
            marks.add(&owner(&number.to_string()), false);
        }
        marks.add(&owner("x"), true);
        let wanted = Marks { all_settled: true, in_need: [owner("x")].into(), ..Marks::default() };
        assert_eq!(marks, wanted);
    }

    #[tokio::test]
    async fn nothing_is_added_to_what_was_never_counted() {
        for engine in provost_testkit::engines().await {
            let database = Database::connect(&engine.url.as_str().into(), None).await.unwrap();
            database.migrate::<Migrator>().await.unwrap();
            let connection = database.write();
            let counts = |all: &[(&str, i64)]| {
                all.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<BTreeMap<_, _>>()
            };
            count(connection, &counts(&[("A", 3)])).await.unwrap();
            assert_eq!(existing(connection).await.unwrap(), None, "{}", engine.name);
            recount(connection, [("A", 7), ("B", 1)].into_iter()).await.unwrap();
            count(connection, &counts(&[("A", -2), ("B", 0), ("C", 4)])).await.unwrap();
            let wanted = counts(&[("A", 5), ("B", 1), ("C", 4)]);
            assert_eq!(existing(connection).await.unwrap(), Some(wanted), "{}", engine.name);
            recount(connection, [].into_iter()).await.unwrap();
            assert_eq!(existing(connection).await.unwrap(), Some(BTreeMap::new()), "{}", engine.name);
        }
    }
}
