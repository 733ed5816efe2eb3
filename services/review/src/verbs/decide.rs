//! Deciding: approve, decline, postpone. The state and the line of the feed are written together,
//! and on disk before the answer.

use super::Desk;
use crate::model::{self, Review, State, Wish};
use crate::store::{decisions, reviews};
use provost_service_kit::Fault;

impl Desk {
    /// Takes a decision; the same decision again changes nothing.
    ///
    /// # Errors
    /// When there is no such review, it changed since it was seen, it is closed, or its step is somebody
    /// else's to approve.
    pub(crate) async fn decide(&self, wish: Wish) -> Result<Review, Fault> {
        let transaction = self.database.begin().await?;
        let review = reviews::hold(&transaction, wish.review).await?;
        let Some(state) = model::decide(&review, &wish)? else {
            return Ok(review);
        };
        let now = self.clock.now();
        reviews::set_state(&transaction, &review, state, now).await?;
        self.database.order_feed(&transaction, "decisions").await?;
        let is_complete = matches!(state, State::Approved | State::Declined);
        decisions::add(&transaction, &review, &wish, is_complete, now).await?;
        let review = reviews::get(&transaction, review.id).await?;
        self.wake.announce(&transaction).await?;
        transaction.commit().await?;
        self.wake.ring();
        let (order_id, verdict) = (review.subject.order_id(), wish.verdict.name());
        tracing::info!(
            review_id = %review.id, order_id, verdict, is_complete, actor = wish.actor, "review decided"
        );
        Ok(review)
    }
}
