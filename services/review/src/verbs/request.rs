//! Opening a review. Asking again for the same subject answers with the review as it stands.

use super::Desk;
use crate::model::{Review, Subject};
use crate::store::reviews;
use provost_service_kit::{Fault, FaultKind};
use uuid::Uuid;

/// A review to open.
#[derive(Clone, Debug)]
pub(crate) struct RequestReview {
    pub(crate) id: Uuid,
    pub(crate) subject: Subject,
    pub(crate) approvals_required: u32,
}

impl Desk {
    /// Opens a review.
    ///
    /// # Errors
    /// When the id was used for another subject, or for another number of approvals.
    pub(crate) async fn request(&self, wish: RequestReview, actor: String) -> Result<Review, Fault> {
        let RequestReview { id, subject, approvals_required } = wish;
        let transaction = self.database.begin().await?;
        let now = self.clock.now();
        let is_new = reviews::open(&transaction, id, &subject, approvals_required, actor, now).await?;
        let review = reviews::get(&transaction, id).await?;
        transaction.commit().await?;
        let taken = |about: String| {
            Fault::new(FaultKind::AlreadyExists, format!("review {id} exists already, about another subject: {about}"))
        };
        if is_new {
            let (order_id, resource_type) = (review.subject.order_id(), review.subject.resource_type());
            tracing::info!(review_id = %id, order_id, resource_type, role = review.subject.role(), "review requested");
        } else if !review.subject.is_same(&subject) {
            return Err(taken(review.subject.named()));
        } else if review.approvals_required != approvals_required {
            return Err(taken(format!("{}, with {} approvals", review.subject.named(), review.approvals_required)));
        }
        Ok(review)
    }
}
