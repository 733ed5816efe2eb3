//! What changes with every step of an order stands apart from what never does. PostgreSQL writes a changed row anew,
//! with its content, and with an entry in each index of its table; long keys and contents made that the most expensive
//! part of handing an order out. Who reads finds both as one, under the old name.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

pub(super) struct M0005Lean;

impl MigrationName for M0005Lean {
    fn name(&self) -> &str {
        "m0005_lean"
    }
}

/// What never changes. The sequence is given out here.
const CONTENTS: [&str; 14] = [
    "sequence",
    "id",
    "lane",
    "fingerprint",
    "connector",
    "entity_type",
    "owner_key",
    "target_key",
    "generation_run",
    "payload",
    "generated_at",
    "not_before",
    "validity_ms",
    "created_at",
];

/// What changes, and the little that never does and that it is looked for by.
const STANDINGS: [(&str, &str); 28] = [
    ("sequence", "SEQUENCE PRIMARY KEY"),
    ("connection", "text NOT NULL"),
    ("resource_type", "text NOT NULL"),
    ("kind", "integer NOT NULL"),
    ("priority", "integer NOT NULL"),
    ("version", "bigint NOT NULL"),
    ("updated_at", "bigint NOT NULL"),
    ("state", "integer NOT NULL"),
    ("inactive_reason", "integer"),
    ("failure", "text"),
    ("error_cause", "text"),
    ("ticket", "text"),
    ("transmitted_at", "bigint"),
    ("executed_at", "bigint"),
    ("lease_agent", "text"),
    ("lease_until", "bigint"),
    ("retry_at", "bigint"),
    ("attempts", "integer NOT NULL"),
    ("failures", "integer NOT NULL"),
    ("throttles", "integer NOT NULL"),
    ("waits_for", "UUID"),
    ("unmet_dependencies", "integer NOT NULL"),
    ("held_until", "bigint"),
    ("offer", "integer NOT NULL"),
    ("due_at", "bigint NOT NULL"),
    ("deadline", "bigint"),
    ("assignee", "text"),
    ("state_since", "bigint NOT NULL"),
];

/// Whoever is under a lease is among those that come due, so that leases need no index of their own.
const INDEXES: [&str; 8] = [
    "CREATE INDEX orders_offered ON order_standings (connection, priority DESC, sequence) WHERE offer = 1",
    "CREATE INDEX orders_due ON order_standings (connection, due_at) WHERE offer = 2",
    "CREATE INDEX orders_successors ON order_standings (waits_for) WHERE waits_for IS NOT NULL",
    "CREATE INDEX orders_deadline ON order_standings (deadline) WHERE deadline IS NOT NULL",
    "CREATE INDEX orders_errored ON order_standings (connection, error_cause, sequence) WHERE state = 3",
    "CREATE INDEX orders_counted ON order_standings (resource_type, state, sequence)",
    "CREATE INDEX orders_by_state ON order_standings (state, sequence)",
    "CREATE INDEX orders_finished ON order_standings (state_since) WHERE state IN (4, 6)",
];

/// SQLite takes a column away by writing the whole table anew, each time; so the table is written anew once.
const CONTENTS_OF_SQLITE: [&str; 8] = [
    "CREATE TABLE order_contents (sequence integer PRIMARY KEY AUTOINCREMENT, id uuid_text NOT NULL, \
     lane text NOT NULL, fingerprint text NOT NULL, connector text NOT NULL, entity_type text NOT NULL, \
     owner_key text NOT NULL, target_key text NOT NULL, generation_run text NOT NULL, payload blob NOT NULL, \
     generated_at bigint NOT NULL, not_before bigint, validity_ms bigint, created_at bigint NOT NULL)",
    "INSERT INTO order_contents (COLUMNS) SELECT COLUMNS FROM orders ORDER BY sequence",
    // Sequences of orders that were archived since are not given out again.
    "DELETE FROM sqlite_sequence WHERE name = 'order_contents'",
    "INSERT INTO sqlite_sequence (name, seq) SELECT 'order_contents', seq FROM sqlite_sequence WHERE name = 'orders'",
    "DROP TABLE orders",
    "CREATE UNIQUE INDEX orders_id ON order_contents (id)",
    "CREATE INDEX orders_lane ON order_contents (lane, sequence)",
    "CREATE INDEX orders_by_owner ON order_contents (owner_key, sequence)",
];

#[async_trait::async_trait]
impl MigrationTrait for M0005Lean {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let is_postgres = manager.get_database_backend() == DbBackend::Postgres;
        let (sequence, uuid) = if is_postgres { ("bigint", "uuid") } else { ("integer", "uuid_text") };
        let column = |(name, kind): (&str, &str)| format!("{name} {kind}");
        let columns = STANDINGS.map(column).join(", ").replace("SEQUENCE", sequence).replace("UUID", uuid);
        let names = STANDINGS.map(|(name, _)| name).join(", ");
        connection.execute_unprepared(&format!("CREATE TABLE order_standings ({columns})")).await?;
        let fill = format!("INSERT INTO order_standings ({names}) SELECT {names} FROM orders ORDER BY sequence");
        connection.execute_unprepared(&fill).await?;
        if is_postgres {
            // What is indexed by a column goes with it.
            let gone = STANDINGS.iter().skip(1).map(|(name, _)| format!("DROP COLUMN {name}"));
            let gone = gone.collect::<Vec<_>>().join(", ");
            connection.execute_unprepared(&format!("ALTER TABLE orders {gone}")).await?;
            connection.execute_unprepared("ALTER TABLE orders RENAME TO order_contents").await?;
        } else {
            for statement in CONTENTS_OF_SQLITE {
                let statement = statement.replace("COLUMNS", &CONTENTS.join(", "));
                connection.execute_unprepared(&statement).await?;
            }
        }
        for index in INDEXES {
            connection.execute_unprepared(index).await?;
        }
        // Who asks for nothing of the content does not have it looked up: an outer join on a key can be left out.
        let standing = STANDINGS.map(|(name, _)| format!("s.{name}")).join(", ");
        let content: Vec<String> = CONTENTS.iter().skip(1).map(|name| format!("c.{name}")).collect();
        let view = format!(
            "CREATE VIEW orders AS SELECT {standing}, {} FROM order_standings s \
             LEFT JOIN order_contents c ON c.sequence = s.sequence",
            content.join(", ")
        );
        connection.execute_unprepared(&view).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::store::{Migrator, entries};
    use provost_domain::{OrderId, State};
    use provost_service_kit::{Database, Engine};
    use sea_orm::ConnectionTrait;
    use sea_orm_migration::MigratorTrait;
    use uuid::Uuid;

    #[tokio::test]
    async fn orders_are_the_same_as_before_and_sequences_go_on_behind_the_archived() {
        for engine in provost_testkit::engines().await {
            let database = Database::connect(&engine.url.as_str().into(), None).await.unwrap();
            Migrator::up(database.write(), Some(3)).await.unwrap();
            let (id, bytes) = match database.engine() {
                Engine::Postgres => ("'00000000-0000-0000-0000-0000000000", "'\\x0102'::bytea"),
                Engine::Sqlite => ("x'000000000000000000000000000000", "x'0102'"),
            };
            for last in ["01", "02", "03"] {
                let row = format!(
                    "INSERT INTO orders (id,lane,fingerprint,resource_type,connector,connection,entity_type,owner_key,\
                     target_key,generation_run,payload,priority,generated_at,validity_ms,state,executed_at,attempts,\
                     failures,unmet_dependencies,offer,due_at,version,created_at,updated_at,state_since,kind) VALUES \
                     ({id}{last}','lane{last}','f','t','c','d','e','o','k','r',{bytes},4,11,60000,8,44,2,0,0,0,0,3,12,\
                     13,14,1)"
                );
                database.write().execute_unprepared(&row).await.unwrap();
            }
            // The newest was archived.
            database.write().execute_unprepared("DELETE FROM orders WHERE sequence = 3").await.unwrap();
            let ids = [1, 2, 3].map(|number| OrderId::new(Uuid::from_u128(number)));
            database.migrate::<Migrator>().await.unwrap();
            let found = entries::by_ids(database.read(), &ids).await.unwrap();
            assert_eq!(found.len(), 2, "{}", engine.name);
            let entry = found.get(&ids[1]).unwrap();
            assert_eq!((entry.sequence, entry.lane.as_str(), entry.connection.as_str()), (2, "lane02", "d"));
            assert_eq!((entry.version, entry.standing.attempts, entry.validity.unwrap().as_secs()), (3, 2, 60));
            assert!(matches!(entry.standing.state, State::Executed { since } if since.millis() == 44));
            let next = format!(
                "INSERT INTO order_contents (id,lane,fingerprint,connector,entity_type,owner_key,target_key,\
                 generation_run,payload,generated_at,created_at) VALUES ({id}04','l','f','c','e','o','k','r',{bytes},1,1) \
                 RETURNING sequence"
            );
            let next = sea_orm::Statement::from_string(database.write().get_database_backend(), next);
            let next = database.write().query_one_raw(next).await.unwrap().unwrap();
            assert_eq!(next.try_get::<i64>("", "sequence").unwrap(), 4, "{}", engine.name);
        }
    }
}
