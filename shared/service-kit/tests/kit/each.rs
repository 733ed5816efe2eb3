//! Rows that are named by many keys, or by a span of numbers, are all found, each once, on both engines.

use provost_service_kit::{Database, Wanted, between, each, each_of_sql};
use provost_testkit::engines;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

#[allow(unreachable_pub)]
mod thing {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "things")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub kind: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        pub number: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
use thing::{Column, Entity};

/// Keys that mean something to whoever writes arrays or JSON.
const KEYS: [&str; 8] = ["plain", "", "a \"quoted\" one", "back\\slash", "{a,b}", "NULL", "l'été, ää", "line\nbreak"];

async fn filled(url: &str) -> Database {
    let database = Database::connect(&url.into(), None).await.unwrap();
    let create = "CREATE TABLE things (kind TEXT NOT NULL, key TEXT NOT NULL, number BIGINT, PRIMARY KEY (kind, key))";
    database.write().execute_unprepared(create).await.unwrap();
    for kind in ["one", "other"] {
        let rows = KEYS.iter().enumerate().map(|(place, key)| thing::ActiveModel {
            kind: sea_orm::Set(kind.to_owned()),
            key: sea_orm::Set((*key).to_owned()),
            number: sea_orm::Set((place > 0).then_some(place as i64 * 10)),
        });
        Entity::insert_many(rows).exec_without_returning(database.write()).await.unwrap();
    }
    database
}

#[tokio::test]
async fn every_key_is_found_once() {
    for engine in engines().await {
        let database = filled(&engine.url).await;
        let of_one_kind = || Entity::find().filter(Column::Kind.eq("one"));
        let mut wanted = KEYS.to_vec();
        wanted.extend(["not there", "plain", "plain"]);
        let these = each(database.engine(), of_one_kind(), &[(Column::Key, Wanted::Texts(wanted.clone()))]);
        let rows = Entity::find().from_raw_sql(these).all(database.read()).await.unwrap();
        let mut keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        keys.sort_unstable();
        let mut all = KEYS.to_vec();
        all.sort_unstable();
        assert_eq!(keys, all, "{}", engine.name);
        assert!(rows.iter().all(|row| row.kind == "one"), "{}", engine.name);

        let these = each_of_sql(database.engine(), "key", &Wanted::Texts(wanted), |condition| {
            format!("SELECT kind, key FROM things WHERE {condition} AND kind = 'other' ORDER BY key")
        });
        assert_eq!(database.read().query_all_raw(these).await.unwrap().len(), KEYS.len(), "{}", engine.name);

        for wanted in [Wanted::Texts(vec![]), Wanted::Texts(vec!["not there"])] {
            let these = each(database.engine(), of_one_kind(), &[(Column::Key, wanted)]);
            assert_eq!(Entity::find().from_raw_sql(these).all(database.read()).await.unwrap(), [], "{}", engine.name);
        }
    }
}

#[tokio::test]
async fn combinations_and_numbers_are_found() {
    for engine in engines().await {
        let database = filled(&engine.url).await;
        let pairs = [
            (Column::Kind, Wanted::Texts(vec!["one", "other", "none"])),
            (Column::Key, Wanted::Texts(vec!["plain", "{a,b}", "plain"])),
        ];
        let these = each(database.engine(), Entity::find(), &pairs);
        let mut rows = Entity::find().from_raw_sql(these).all(database.read()).await.unwrap();
        rows.sort_by(|one, other| one.kind.cmp(&other.kind));
        let found: Vec<(&str, &str)> = rows.iter().map(|row| (row.kind.as_str(), row.key.as_str())).collect();
        assert_eq!(found, [("one", "plain"), ("other", "{a,b}")], "{}", engine.name);

        let numbers = [(Column::Number, Wanted::Numbers(vec![10, 70, -5]))];
        let these = each(database.engine(), Entity::find().select_only().column(Column::Key), &numbers);
        assert_eq!(database.read().query_all_raw(these).await.unwrap().len(), 4, "{}", engine.name);
    }
}

#[tokio::test]
async fn a_span_holds_what_lies_above_the_one_and_not_above_the_other() {
    for engine in engines().await {
        let database = filled(&engine.url).await;
        let of_one_kind = || Entity::find().filter(Column::Kind.eq("one"));
        let spans = [(20, 50, vec![30, 40, 50]), (i64::MIN, 10, vec![10]), (70, i64::MAX, vec![]), (50, 20, vec![])];
        for (above, up_to, expected) in spans {
            let these = between(database.engine(), of_one_kind(), Column::Number, above, up_to);
            let rows = Entity::find().from_raw_sql(these).all(database.read()).await.unwrap();
            let mut numbers: Vec<i64> = rows.iter().filter_map(|row| row.number).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, expected, "{}: {above} to {up_to}", engine.name);
        }
    }
}
