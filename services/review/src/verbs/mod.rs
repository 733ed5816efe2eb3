//! What can be done, one file per verb. Transactions begin and end here.

mod decide;
mod list;
mod request;
mod watch;
mod withdraw;

pub(crate) use list::ListReviews;
pub(crate) use request::RequestReview;

use crate::model::{Refusal, Review};
use crate::store::reviews;
use provost_service_kit::{Clock, Database, Fault, FaultKind, Wake};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Where reviews lie: the database, the bell of the decision feed, the clock.
pub(crate) struct Desk {
    pub(crate) database: Database,
    pub(crate) wake: Wake,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stop: CancellationToken,
}

impl Desk {
    /// One review with its decisions.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn get(&self, id: Uuid) -> Result<Review, Fault> {
        reviews::get(self.database.read(), id).await
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Changed { .. } => Self::new(FaultKind::Conflict, message),
            Refusal::NotAsked { .. } | Refusal::OwnRequest { .. } | Refusal::ApprovedBefore { .. } => {
                Self::new(FaultKind::Forbidden, message)
            }
            Refusal::Closed { review, .. } => Self::wrong_state(format!("review {review}"), message),
        }
    }
}
