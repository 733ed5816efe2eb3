//! The limit for the ledger: the same writes as plain SQL, without gRPC, rules or an ORM. One
//! connection, batches of the same size, rows of the same width: insert and history; claim and
//! history; result and history.

use crate::ledger::{BATCH, Half, Measured, payload};
use crate::processor::Processor;
use anyhow::Result;
use sqlx::{Connection, Executor, PgConnection, QueryBuilder, Row, SqliteConnection};

const TABLES: &str = "
    CREATE TABLE o (id BIGINT PRIMARY KEY, lane TEXT NOT NULL, fingerprint TEXT NOT NULL, state INT NOT NULL,
                    agent TEXT, payload BLOB NOT NULL);
    CREATE INDEX o_claim ON o (id) WHERE state = 1;
    CREATE INDEX o_lane ON o (lane);
    CREATE TABLE h (seq SERIALKEY, id BIGINT NOT NULL, event INT NOT NULL, state INT NOT NULL,
                    actor TEXT NOT NULL, at_ms BIGINT NOT NULL);
    CREATE INDEX h_id ON h (id)";
const CLAIM: &str = "UPDATE o SET state = 9, agent = 'a' WHERE id IN
    (SELECT id FROM o WHERE state = 1 ORDER BY id LIMIT 500 SKIP) RETURNING id, payload";
const ACTOR: &str = "agent-1";
const AT: i64 = 1_800_000_000_000;

/// Writes what `orders` orders through a ledger on `url` would.
pub(crate) async fn run(url: &str, orders: usize) -> Result<Measured> {
    if url.starts_with("sqlite:") { sqlite(url, orders).await } else { postgres(url, orders).await }
}

// The two engines have types of their own in sqlx; what they do is the same, so one text serves.
macro_rules! bare {
    ($name:ident, $connection:ty, $database:ty, $dialect:expr, $prepare:expr) => {
        async fn $name(url: &str, orders: usize) -> Result<Measured> {
            let (serial, blob, skip): (&str, &str, &str) = $dialect;
            let mut connection = <$connection>::connect(url).await?;
            for statement in ($prepare as &[&str]).iter() {
                connection.execute(sqlx::AssertSqlSafe(*statement)).await?;
            }
            for table in TABLES.replace("SERIALKEY", serial).replace("BLOB", blob).split(';') {
                connection.execute(sqlx::AssertSqlSafe(table.to_owned())).await?;
            }
            let claim = CLAIM.replace("SKIP", skip);
            let rows: Vec<_> = (0..orders).map(|index| (index as i64, payload(index))).collect();
            let processor = Processor::of(url).await?;
            let submitting = async {
                for chunk in rows.chunks(BATCH) {
                let mut transaction = connection.begin().await?;
                let mut insert = QueryBuilder::<$database>::new("INSERT INTO o (id, lane, fingerprint, state, payload) ");
                insert.push_values(chunk, |mut row, (id, payload)| {
                    row.push_bind(*id)
                        .push_bind(format!("app Account login{id:06}"))
                        .push_bind(format!("{id:064x}"))
                        .push_bind(1)
                        .push_bind(payload.as_slice());
                });
                insert.build().execute(&mut *transaction).await?;
                let ids: Vec<i64> = chunk.iter().map(|(id, _)| *id).collect();
                bare!(@history transaction, $database, ids, 1);
                transaction.commit().await?;
            }
                anyhow::Ok(())
            };
            let (submit, ()) = Half::of(&processor, submitting).await?;
            let dispatching = async {
                loop {
                let mut transaction = connection.begin().await?;
                let claimed = sqlx::query(sqlx::AssertSqlSafe(claim.as_str())).fetch_all(&mut *transaction).await?;
                if claimed.is_empty() {
                    break;
                }
                let mut ids = Vec::with_capacity(claimed.len());
                for row in &claimed {
                    ids.push(row.try_get::<i64, _>(0)?);
                }
                bare!(@history transaction, $database, ids, 5);
                transaction.commit().await?;
                let mut transaction = connection.begin().await?;
                let mut result = QueryBuilder::<$database>::new("UPDATE o SET state = 8, agent = NULL WHERE id IN (");
                let mut list = result.separated(", ");
                for id in &ids {
                    list.push_bind(*id);
                }
                result.push(")");
                result.build().execute(&mut *transaction).await?;
                bare!(@history transaction, $database, ids, 7);
                transaction.commit().await?;
            }
                anyhow::Ok(())
            };
            let (dispatch, ()) = Half::of(&processor, dispatching).await?;
            connection.close().await?;
            Ok(Measured { submit, dispatch })
        }
    };
    (@history $transaction:ident, $database:ty, $ids:ident, $event:expr) => {
        let mut history = QueryBuilder::<$database>::new("INSERT INTO h (id, event, state, actor, at_ms) ");
        history.push_values(&$ids, |mut row, id| {
            row.push_bind(*id).push_bind($event).push_bind(1).push_bind(ACTOR).push_bind(AT);
        });
        history.build().execute(&mut *$transaction).await?;
    };
}

bare!(
    sqlite,
    SqliteConnection,
    sqlx::Sqlite,
    ("INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB", ""),
    &["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"]
);
bare!(postgres, PgConnection, sqlx::Postgres, ("BIGSERIAL PRIMARY KEY", "BYTEA", "FOR UPDATE SKIP LOCKED"), &[]);
