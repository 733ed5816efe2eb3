//! Following review: what was decided on requests and the cursor move together, in one transaction, so each
//! decision takes effect once.

use crate::generator::Generator;
use crate::verbs::decide_requests::{DECISIONS, decide_requests};
use provost_service_kit::feed;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Follows the feed until `stop`.
pub(crate) async fn follow(generator: Arc<Generator>, stop: CancellationToken) -> anyhow::Result<()> {
    feed::follow(
        DECISIONS,
        stop,
        || feed::cursor(generator.database.read(), DECISIONS),
        |after| generator.reviews.watch(after),
        |decisions| decide_requests(&generator, decisions),
    )
    .await
}
