//! Closing a review that is no longer needed.

use super::Desk;
use crate::model::{self, Review};
use crate::store::reviews;
use provost_service_kit::Fault;
use uuid::Uuid;

impl Desk {
    /// Withdraws a review. No decision was made, so the feed does not tell of it: who withdraws knows.
    ///
    /// # Errors
    /// When there is none, somebody else asked for it, or it was approved or declined.
    pub(crate) async fn withdraw(&self, id: Uuid, reason: &str, actor: &str) -> Result<Review, Fault> {
        let transaction = self.database.begin().await?;
        let review = reviews::hold(&transaction, id).await?;
        let Some(state) = model::withdraw(&review, actor)? else {
            return Ok(review);
        };
        reviews::set_state(&transaction, &review, state, self.clock.now()).await?;
        let review = reviews::get(&transaction, id).await?;
        transaction.commit().await?;
        tracing::info!(review_id = %id, order_id = review.subject.order_id(), actor, reason, "review withdrawn");
        Ok(review)
    }
}
