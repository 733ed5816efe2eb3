//! Migration 2: connections with their history, and what of an order decides whether its connection holds it.

use crate::store::migration::{instant, serial, table, text};
use prost::Message;
use provost_contract::types::v1::Order;
use provost_service_kit::statement::Sql;
use sea_orm_migration::prelude::*;
use std::collections::BTreeMap;

pub(super) struct M0002Connections;

/// Orders that are read at once.
const PIECE: i64 = 500;

impl MigrationName for M0002Connections {
    fn name(&self) -> &str {
        "m0002_connections"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for M0002Connections {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        // What an order does, as its content says: the brake on deletions passes them over without reading it.
        connection.execute_unprepared("ALTER TABLE orders ADD COLUMN kind INTEGER NOT NULL DEFAULT 0").await?;
        // How often in a row the managed system asked to slow down.
        connection.execute_unprepared("ALTER TABLE orders ADD COLUMN throttles INTEGER NOT NULL DEFAULT 0").await?;
        let connections = vec![
            text("name").primary_key().to_owned(),
            // What the model keeps, as JSON.
            text("body"),
            instant("updated_at"),
        ];
        manager.create_table(table("connections", connections)).await?;
        let history =
            vec![serial("cursor"), text("connection"), instant("at"), text("actor"), text("event"), text("reason")];
        manager.create_table(table("connection_history", history)).await?;
        let index = "CREATE INDEX connection_history_of ON connection_history (connection, cursor)";
        connection.execute_unprepared(index).await?;
        fill_kinds(connection).await
    }
}

/// Notes the kind of the orders that may still be handed out.
async fn fill_kinds(connection: &SchemaManagerConnection<'_>) -> Result<(), DbErr> {
    let mut after = 0_i64;
    loop {
        let mut sql = Sql::new("SELECT sequence,payload FROM orders WHERE state IN (1,2,3,5) AND sequence > ");
        let rows = sql.bind(after).push(" ORDER BY sequence LIMIT ").bind(PIECE).all(connection).await?;
        let mut kinds: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
        for row in &rows {
            after = row.try_get("", "sequence")?;
            let payload: Vec<u8> = row.try_get("", "payload")?;
            // A damaged row is told when it is read; here it stays without a kind.
            if let Ok(order) = Order::decode(payload.as_slice()) {
                kinds.entry(order.kind).or_default().push(after);
            }
        }
        for (kind, sequences) in kinds {
            let mut sql = Sql::new("UPDATE orders SET kind = ");
            sql.bind(kind).push(" WHERE sequence").among(&sequences).run(connection).await?;
        }
        if rows.is_empty() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::store::Migrator;
    use provost_contract::types::v1::OrderKind;
    use provost_service_kit::{Database, Engine};
    use provost_testkit::engines;
    use sea_orm::ConnectionTrait;

    /// The schema before, to put orders into.
    struct Before;

    #[async_trait::async_trait]
    impl MigratorTrait for Before {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            Migrator::migrations().into_iter().take(1).collect()
        }
    }

    #[tokio::test]
    async fn orders_of_before_survive_and_know_their_kind() {
        for engine in engines().await {
            let database = Database::connect(&engine.url.clone().into(), None).await.unwrap();
            database.migrate::<Before>().await.unwrap();
            let kinds = [OrderKind::Addition, OrderKind::Deletion];
            for number in 0..1_203_u32 {
                let order = Order { kind: kinds[number as usize % 2].into(), ..Order::default() };
                let id = match database.engine() {
                    Engine::Postgres => "gen_random_uuid()",
                    Engine::Sqlite => "randomblob(16)",
                };
                let mut sql = Sql::new(&format!(
                    "INSERT INTO orders (id,lane,fingerprint,resource_type,connector,connection,entity_type,\
                     owner_key,target_key,generation_run,payload,priority,generated_at,state,attempts,failures,\
                     unmet_dependencies,offer,due_at,version,created_at,updated_at) VALUES ({id},'l','f','t','c',\
                     'app','e','o','k','r',"
                ));
                sql.bind(order.encode_to_vec()).push(",0,0,1,0,3,0,1,0,1,0,0)").run(database.write()).await.unwrap();
            }
            database.migrate::<Migrator>().await.unwrap();
            let counts = "SELECT kind, count(*) AS orders FROM orders GROUP BY kind ORDER BY kind";
            let rows = Sql::new(counts).all(database.read()).await.unwrap();
            let found: Vec<(i32, i64)> =
                rows.iter().map(|row| (row.try_get("", "kind").unwrap(), row.try_get("", "orders").unwrap())).collect();
            let expected = [(i32::from(OrderKind::Addition), 602), (i32::from(OrderKind::Deletion), 601)];
            assert_eq!(found, expected, "{}", engine.name);
            database.write().execute_unprepared("SELECT throttles FROM orders").await.unwrap();
        }
    }
}
