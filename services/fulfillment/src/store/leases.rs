//! What one replica does at a time, and which. A holder that falls silent loses its lease.
//!
//! Leases save work; they do not guard anything. A holder may be slow, or its clock wrong, so that two
//! believe they hold one: what is done under a lease is safe to do twice, because it is done while holding the
//! ledger.

use provost_domain::Timestamp;
use provost_service_kit::Fault;
use provost_service_kit::statement::Sql;
use sea_orm::ConnectionTrait;

/// Takes or renews a lease: true when it is `holder`'s until `until`.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn take(
    connection: &impl ConnectionTrait,
    name: &str,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, Fault> {
    let mut sql = Sql::new("INSERT INTO work_leases (name,holder,until_at) VALUES (");
    sql.bind(name).push(",").bind(holder).push(",").bind(until.millis());
    sql.push(
        ") ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_at = excluded.until_at \
         WHERE work_leases.holder = excluded.holder OR work_leases.until_at <= ",
    );
    Ok(sql.bind(now.millis()).run(connection).await?.rows_affected() > 0)
}

/// Gives a lease back, so that nobody waits for its end.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn release(connection: &impl ConnectionTrait, name: &str, holder: &str) -> Result<(), Fault> {
    let mut sql = Sql::new("DELETE FROM work_leases WHERE name = ");
    sql.bind(name).push(" AND holder = ").bind(holder).run(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::Migrator;
    use provost_service_kit::Database;
    use provost_testkit::engines;

    #[tokio::test]
    async fn one_holds_a_lease_until_it_gives_it_back_or_falls_silent() {
        for engine in engines().await {
            let database = Database::connect(&engine.url.clone().into(), None).await.unwrap();
            database.migrate::<Migrator>().await.unwrap();
            let at = Timestamp::from_millis;
            let take = async |holder: &str, now: i64| {
                take(database.write(), "timer", holder, at(now), at(now + 10)).await.unwrap()
            };
            assert!(take("a", 0).await, "{}: nobody had it", engine.name);
            assert!(!take("b", 9).await, "{}: a has it", engine.name);
            assert!(take("a", 9).await && !take("b", 18).await, "{}: a renewed it", engine.name);
            assert!(take("b", 19).await && !take("a", 20).await, "{}: a fell silent", engine.name);
            release(database.write(), "timer", "a").await.unwrap();
            assert!(!take("a", 21).await, "{}: it is not a's to give back", engine.name);
            release(database.write(), "timer", "b").await.unwrap();
            assert!(take("a", 21).await, "{}: b gave it back", engine.name);
        }
    }
}
