//! What agents may take. Each pull reads the front of one index per connection, so its cost does
//! not depend on how many orders wait behind or were finished before.
//!
//! The conditions on `offer` are literals, not placeholders: only then do both engines see that the
//! partial indexes apply.

use crate::store::entries::{ENTRY, Full, full_of};
use provost_domain::order::CATALOG_PRIORITY_MAX;
use provost_domain::{OrderKind, Timestamp};
use provost_service_kit::Fault;
use provost_service_kit::statement::{Sql, pieces};
use sea_orm::ConnectionTrait;

/// Most orders that come due in one pull.
const DUE_MAX: i64 = 1_000;

/// Which orders of a connection are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) connection: String,
    /// At most so many.
    pub(crate) limit: i64,
    /// Only urgent ones.
    pub(crate) urgent_only: bool,
    /// Deletions are passed over.
    pub(crate) without_deletions: bool,
}

impl Wanted {
    /// The condition, after `WHERE offer = …`. The numbers are literals, for the partial indexes and the plans.
    fn narrow(&self, sql: &mut Sql) {
        sql.push(" AND connection = ").bind(self.connection.as_str());
        if self.urgent_only {
            sql.push(&format!(" AND priority > {CATALOG_PRIORITY_MAX}"));
        }
        if self.without_deletions {
            sql.push(&format!(" AND kind <> {}", OrderKind::Deletion as i32));
        }
    }
}

/// What a look at the offers shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// There is something to take.
    pub(crate) is_ready: bool,
    /// When the next order comes due whose lease, retry or not-before ends.
    pub(crate) next_due: Option<Timestamp>,
}

/// Looks, without taking anything.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn look(connection: &impl ConnectionTrait, wanted: &[Wanted], now: Timestamp) -> Result<Look, Fault> {
    let mut look = Look::default();
    if wanted.is_empty() {
        return Ok(look);
    }
    for row in look_sql(wanted).all(connection).await? {
        let due: Option<i64> = row.try_get("", "due")?;
        look.is_ready |= row.try_get::<i32>("", "ready")? == 1 || due.is_some_and(|due| due <= now.millis());
        look.next_due = look.next_due.into_iter().chain(due.map(Timestamp::from_millis)).min();
    }
    Ok(look)
}

fn look_sql(wanted: &[Wanted]) -> Sql {
    let mut sql = Sql::default();
    for (index, wanted) in wanted.iter().enumerate() {
        sql.push(if index == 0 { "" } else { " UNION ALL " });
        // In the index's order, for the plan's sake: a planner that believes most orders to be offered would rather
        // look for any of them in the table, and read all of it when there is none.
        sql.push("SELECT COALESCE((SELECT 1 FROM order_standings WHERE offer = 1");
        wanted.narrow(&mut sql);
        sql.push(" ORDER BY priority DESC, sequence LIMIT 1), 0) AS ready, ");
        // Of any kind: what comes due is looked at again when it did.
        sql.push("(SELECT min(due_at) FROM order_standings WHERE offer = 2 AND connection = ");
        sql.bind(wanted.connection.as_str()).push(") AS due");
    }
    sql
}

/// Offers what came due: leases that ran out, retries, and orders that were not to go before now.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn offer_due(
    connection: &impl ConnectionTrait,
    connections: &[String],
    now: Timestamp,
) -> Result<(), Fault> {
    for name in connections {
        let mut sql = Sql::new(
            "UPDATE order_standings SET offer = 1, due_at = 0 WHERE sequence IN (SELECT sequence FROM order_standings",
        );
        sql.push(" WHERE offer = 2 AND connection = ").bind(name.as_str());
        sql.push(" AND due_at <= ").bind(now.millis()).push(" ORDER BY due_at LIMIT ").bind(DUE_MAX).push(")");
        sql.run(connection).await?;
    }
    Ok(())
}

/// The orders of a connection to take: highest priority first, then oldest.
///
/// # Errors
/// When the database cannot be reached, or a row is damaged.
pub(crate) async fn front(connection: &impl ConnectionTrait, wanted: &Wanted) -> Result<Vec<Full>, Fault> {
    front_sql(wanted).all(connection).await?.iter().map(full_of).collect()
}

fn front_sql(wanted: &Wanted) -> Sql {
    let mut sql = Sql::new(&format!("SELECT {ENTRY},payload,priority FROM orders WHERE offer = 1"));
    wanted.narrow(&mut sql);
    sql.push(" ORDER BY priority DESC, sequence LIMIT ").bind(wanted.limit);
    sql
}

/// Lets leases end later. The places are the orders' sequences.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn prolong(
    connection: &impl ConnectionTrait,
    sequences: &[i64],
    until: Timestamp,
) -> Result<(), Fault> {
    for piece in pieces(sequences) {
        let mut sql = Sql::new("UPDATE order_standings SET offer = 2, lease_until = ");
        sql.bind(until.millis()).push(", due_at = ").bind(until.millis());
        sql.push(" WHERE sequence").among(piece).run(connection).await?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::Migrator;
    use provost_service_kit::{Database, Engine};
    use provost_testkit::engines;

    /// Stores orders that wait, without telling the planner.
    pub(crate) async fn fill(database: &Database, count: u32) {
        let id = match database.engine() {
            Engine::Postgres => "gen_random_uuid()",
            Engine::Sqlite => "randomblob(16)",
        };
        let contents = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
             INSERT INTO order_contents (id,lane,fingerprint,connector,entity_type,owner_key,target_key,generation_run,\
             payload,generated_at,created_at) \
             SELECT {id}, CAST(i AS text), '', 'c', 'e', 'o', 'k', 'r', CAST('' AS {}), 0, 0 FROM n",
            if database.engine() == Engine::Postgres { "bytea" } else { "blob" }
        );
        let standings = "INSERT INTO order_standings (sequence,connection,resource_type,kind,priority,version,updated_at,\
             state,attempts,failures,throttles,unmet_dependencies,offer,due_at,state_since) \
             SELECT sequence, CASE WHEN sequence % 2 = 0 THEN 'a' ELSE 'b' END, 't', 1, sequence % 3, 1, 0, 1, 0, 0, 0, \
             0, 1, 0, 0 FROM order_contents WHERE sequence NOT IN (SELECT sequence FROM order_standings)";
        for sql in [contents.as_str(), standings] {
            sea_orm::ConnectionTrait::execute_unprepared(database.write(), sql).await.unwrap();
        }
    }

    /// However many orders wait, and whatever the planner believes: the front of the index, no sort
    /// of everything, no walk through the table.
    #[tokio::test]
    async fn pull_reads_the_front_of_the_index() {
        for engine in engines().await {
            let database = Database::connect(&engine.url.clone().into(), None).await.unwrap();
            database.migrate::<Migrator>().await.unwrap();
            fill(&database, 20_000).await;
            let wanted = |connection: &str, urgent_only| Wanted {
                connection: connection.into(),
                limit: 50,
                urgent_only,
                without_deletions: false,
            };
            let both = [wanted("a", false), wanted("b", false)];
            let read = database.read();
            for one in [wanted("a", false), wanted("a", true), Wanted { without_deletions: true, ..wanted("b", false) }]
            {
                let front = front_sql(&one).plan(read).await;
                assert_eq!(front.matches("orders_offered").count(), 1, "{}: {front}", engine.name);
                assert!(!front.contains("Seq Scan") && !front.contains("SCAN"), "{front}");
                assert!(!front.contains("Sort") && !front.contains("TEMP B-TREE"), "{front}");
            }
            let look = look_sql(&both).plan(read).await;
            assert_eq!(look.matches("orders_offered").count(), 2, "{}: {look}", engine.name);
            assert_eq!(look.matches("orders_due").count(), 2, "{}: {look}", engine.name);
            let taken = front_sql(&both[0]).all(read).await.unwrap();
            let priorities: Vec<i32> = taken.iter().map(|row| row.try_get("", "priority").unwrap()).collect();
            assert_eq!(priorities, [2; 50]);
        }
    }
}
