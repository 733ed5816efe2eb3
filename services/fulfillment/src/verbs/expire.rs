//! Orders whose validity is over without verification.

use crate::model::Note;
use crate::model::note::LEDGER;
use crate::store::{Batch, Ledger, list};
use provost_domain::Event;
use provost_service_kit::Fault;

/// Most orders in one transaction.
const BATCH: i64 = 500;

impl Ledger {
    /// Makes overdue orders Errored. Says whether there may be more.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub(crate) async fn expire(&self) -> Result<bool, Fault> {
        if list::overdue(self.read(), self.now(), 1).await?.is_empty() {
            return Ok(false);
        }
        let transaction = self.begin().await?;
        let now = self.now();
        let overdue = list::overdue(&transaction, now, BATCH).await?;
        let mut batch = Batch::load(&transaction, &overdue, now).await?;
        for id in &overdue {
            let note = Note::new(LEDGER, "its validity is over and no synchronization has shown the values");
            batch.apply(*id, &Event::ValidityOver, note)?;
        }
        let rings = batch.save().await?;
        self.commit(transaction, rings).await?;
        Ok(overdue.len() as i64 == BATCH)
    }
}
