//! The database with what belongs to it: the bells and the clock.

use provost_domain::Timestamp;
use provost_service_kit::{Clock, Database, Fault, Wake};
use sea_orm::{DatabaseConnection, DatabaseTransaction};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The ledger. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ledger {
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stop: CancellationToken,
    /// How long a lease lasts.
    pub(crate) lease: Duration,
    /// How long finished orders stay in the lists; none is for ever.
    pub(crate) retention: Option<Duration>,
    /// This process, among replicas.
    pub(crate) replica: Arc<str>,
    /// Rings with every line of the history.
    pub(crate) news: Wake,
    /// Rings when there is an order to be had.
    pub(crate) offers: Wake,
    pub(crate) agents: Arc<crate::store::agents::Seen>,
}

/// Which bells ring after a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rings {
    pub(crate) news: bool,
    pub(crate) offers: bool,
}

impl Ledger {
    pub(crate) fn new(database: Database, clock: Arc<dyn Clock>, stop: CancellationToken, lease: Duration) -> Self {
        let news = Wake::new(&database, "fulfillment_news");
        let offers = Wake::new(&database, "fulfillment_offers");
        let replica = provost_service_kit::new_id().to_string().into();
        Self { database, clock, stop, lease, retention: None, replica, news, offers, agents: Arc::default() }
    }

    /// The same, and finished orders are archived after so long.
    pub(crate) fn retaining(self, retention: Option<Duration>) -> Self {
        Self { retention, ..self }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// For reading outside a transaction.
    pub(crate) fn read(&self) -> &DatabaseConnection {
        self.database.read()
    }

    /// Begins a transaction that writes, and holds the ledger until it ends.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, Fault> {
        let transaction = self.database.begin().await?;
        self.database.order_feed_by_index(&transaction, "orders").await?;
        Ok(transaction)
    }

    /// Commits, and wakes who waits.
    ///
    /// # Errors
    /// When the database cannot be reached; then nothing was written, or the answer was lost.
    pub(crate) async fn commit(&self, transaction: DatabaseTransaction, rings: Rings) -> Result<(), Fault> {
        let bells = [(rings.news, &self.news), (rings.offers, &self.offers)];
        let bells: Vec<&Wake> = bells.into_iter().filter(|(rings, _)| *rings).map(|(_, bell)| bell).collect();
        Wake::announce_all(&bells, &transaction).await?;
        transaction.commit().await?;
        bells.into_iter().for_each(Wake::ring);
        Ok(())
    }
}
