//! Waiting until the projection of the ledger shows whatever happened there until now.
//!
//! Why it is sound: the ledger gives out the cursors of its feed in the order in which they can be seen, and the
//! projection moves together with its cursor. So a projection whose cursor is not before the ledger's newest, read
//! first, shows every order, each as it was then or later. Nothing is counted: how long it takes does not depend on
//! how many orders there are.

use crate::generator::Generator;
use crate::work::order_feed::FEED;
use provost_service_kit::{Fault, FaultKind, feed};
use std::time::Duration;
use tokio::time::Instant;

/// How long the projection may lag behind the ledger.
const LAG_MAX: Duration = Duration::from_secs(20);
/// How long to wait for the bell before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Waits until the projection has caught up.
///
/// # Errors
/// [`FaultKind::Unavailable`] when the ledger cannot be asked, or the projection lags too long.
pub(crate) async fn catch_up(generator: &Generator) -> Result<(), Fault> {
    let mut bell = generator.orders.listener();
    let newest = generator.ledger.newest_cursor().await?;
    let (mut seen, mut moved_at) = (i64::MIN, Instant::now());
    loop {
        let cursor = feed::cursor(generator.database.read(), FEED).await?;
        if cursor >= newest {
            return Ok(());
        }
        // A hundred thousand orders take their time; as long as they come, it does not lag.
        if cursor > seen {
            (seen, moved_at) = (cursor, Instant::now());
        }
        if moved_at.elapsed() >= LAG_MAX {
            let what = "the projection of the ledger lags behind; try again";
            return Err(Fault::new(FaultKind::Unavailable, what));
        }
        bell.wait(LOOK_AGAIN).await;
    }
}
