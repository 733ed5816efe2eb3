//! Following the review service's decisions.

use crate::model::note::LEDGER;
use crate::store::Ledger;
use crate::verbs::decide::DECISIONS;
use provost_contract::review::v1::review_service_client::ReviewServiceClient;
use provost_contract::review::v1::{SubjectKind, WatchDecisionsRequest};
use provost_service_kit::{Replicas, caller, feed};
use tokio_util::sync::CancellationToken;

/// Applies every decision once, until `stop`. Survives either side being down.
///
/// # Errors
/// None: the feed is opened again after any error.
pub(crate) async fn follow_decisions(
    ledger: Ledger,
    review: ReviewServiceClient<Replicas>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let open = |after_cursor| {
        let mut review = review.clone();
        async move {
            let subject_kinds = vec![SubjectKind::Order.into()];
            let request = caller::request_as(LEDGER, WatchDecisionsRequest { after_cursor, subject_kinds });
            Ok(review.watch_decisions(request).await?.into_inner())
        }
    };
    feed::follow(DECISIONS, stop, || feed::cursor(ledger.read(), DECISIONS), open, |batch| ledger.decide(batch)).await
}
