//! The edge: the only place that reads the wall clock or makes random ids.

use crate::database::{Database, Engine};
use crate::server::Server;
use provost_domain::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, Statement};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Whether it is a machine's own, which may differ from those of other machines.
    fn is_of_a_machine(&self) -> bool {
        false
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        chrono::Utc::now().into()
    }

    fn is_of_a_machine(&self) -> bool {
        true
    }
}

/// How often a machine's clock is compared with the database's.
const COMPARE_EVERY: Duration = Duration::from_secs(30);
/// How exact a comparison is over a network; what differs less is taken for alike.
const EXACT_TO: i64 = 20;
/// From here on somebody should mend the machine's clock.
const FAR_OFF: i64 = 1_000;

/// The clock that all replicas of a service go by: the database's. A machine's own clock counts the time between two
/// comparisons. Without it, a replica whose clock runs ahead would take a lease for over that another one just gave.
pub struct CommonClock {
    own: Arc<dyn Clock>,
    /// How many milliseconds the database's clock is ahead of it.
    ahead: AtomicI64,
}

impl CommonClock {
    /// The clock to go by: the database's, compared again and again while `server` runs; `own`, where there is one
    /// process only (SQLite), or where it is not a machine's.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn of(database: &Database, own: Arc<dyn Clock>, server: &mut Server) -> Result<Arc<dyn Clock>, DbErr> {
        if database.engine() == Engine::Sqlite || !own.is_of_a_machine() {
            return Ok(own);
        }
        let common = Arc::new(Self { own, ahead: AtomicI64::new(0) });
        common.compare(database).await?;
        let (kept, database) = (Arc::clone(&common), database.clone());
        server.work("common clock", |stop| kept.keep(database, stop));
        Ok(common)
    }

    async fn keep(self: Arc<Self>, database: Database, stop: CancellationToken) -> anyhow::Result<()> {
        while stop.run_until_cancelled(tokio::time::sleep(COMPARE_EVERY)).await.is_some() {
            // While the database is away nothing can be done that a wrong clock would spoil.
            if let Some(Err(error)) = stop.run_until_cancelled(self.compare(&database)).await {
                tracing::debug!(%error, "the clock was not compared with the database's");
            }
        }
        Ok(())
    }

    /// Compares thrice, and believes the answer that came soonest.
    async fn compare(&self, database: &Database) -> Result<(), DbErr> {
        let mut best: Option<(Duration, i64)> = None;
        for _ in 0..3 {
            let (asked_at, asked) = (self.own.now(), Instant::now());
            let ask = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now";
            let statement = Statement::from_string(sea_orm::DbBackend::Postgres, ask);
            let row = database.read().query_one_raw(statement).await?;
            let took = asked.elapsed();
            let theirs: i64 = match row {
                Some(row) => row.try_get("", "now")?,
                None => return Err(DbErr::Custom("the database does not say what time it is".to_owned())),
            };
            let middle = asked_at.millis() + i64::try_from(took.as_millis() / 2).unwrap_or(0);
            if best.is_none_or(|(quickest, _)| took < quickest) {
                best = Some((took, theirs - middle));
            }
        }
        let before = self.ahead.load(Ordering::Relaxed);
        let Some((_, ahead)) = best.filter(|(_, ahead)| (ahead - before).abs() > EXACT_TO) else { return Ok(()) };
        self.ahead.store(ahead, Ordering::Relaxed);
        if ahead.abs() >= FAR_OFF {
            tracing::warn!(ahead_ms = ahead, "this machine's clock differs from the database's, which counts; mend it");
        }
        Ok(())
    }
}

impl Clock for CommonClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.own.now().millis() + self.ahead.load(Ordering::Relaxed))
    }
}

/// A clock that tests move by hand.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.millis())))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A new random id that sorts by the time it was made.
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}
