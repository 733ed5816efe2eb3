//! Opening a review. Asking again for the same subject answers with the review as it stands.

use super::Desk;
use crate::model::{Review, is_same};
use crate::store::reviews;
use provost_contract::types::v1::Order;
use provost_service_kit::{Fault, FaultKind};
use uuid::Uuid;

impl Desk {
    /// Opens a review of an order.
    ///
    /// # Errors
    /// When the id was used for another subject.
    pub(crate) async fn request(&self, id: Uuid, order: Order, actor: String) -> Result<Review, Fault> {
        let transaction = self.database.begin().await?;
        let is_new = reviews::open(&transaction, id, &order, actor, self.clock.now()).await?;
        let review = reviews::get(&transaction, id).await?;
        transaction.commit().await?;
        if is_new {
            let (order_id, resource_type) = (&review.order.order_id, &review.order.resource_type);
            tracing::info!(review_id = %id, order_id, resource_type, "review requested");
        } else if !is_same(&review.order, &order) {
            let message = format!("review {id} exists already, about another subject: order {}", review.order.order_id);
            return Err(Fault::new(FaultKind::AlreadyExists, message));
        }
        Ok(review)
    }
}
