//! Waiting until the projection of the ledger shows every order that the ledger has.
//!
//! Why it is sound: the ledger never forgets an order, and the projection holds nothing but what the
//! ledger told. So when the projection, read after the ledger, holds as many orders as the ledger
//! said, it holds them all. States go on changing while one looks; that is waited for a little, and
//! then taken as it is.

use crate::generator::Generator;
use crate::store::orders;
use provost_service_kit::{Fault, FaultKind};
use std::time::Duration;
use tokio::time::Instant;

/// How long the projection may lag behind the ledger.
const LAG_MAX: Duration = Duration::from_secs(20);
/// How long to wait for equal states, once all orders are there.
const SETTLING: Duration = Duration::from_secs(2);

/// Waits until the projection has caught up.
///
/// # Errors
/// [`FaultKind::Unavailable`] when the ledger cannot be asked, or the projection lags too long.
pub(crate) async fn catch_up(generator: &Generator) -> Result<(), Fault> {
    let started = Instant::now();
    let mut bell = generator.orders.listener();
    loop {
        let ledger = generator.ledger.counts().await?;
        let projection = orders::counts(generator.database.read()).await?;
        if ledger == projection {
            return Ok(());
        }
        let has_all = projection.values().sum::<i64>() >= ledger.values().sum::<i64>();
        let waited = started.elapsed();
        if has_all && waited >= SETTLING {
            return Ok(());
        }
        if waited >= LAG_MAX {
            let what = "the projection of the ledger lags behind; try again";
            return Err(Fault::new(FaultKind::Unavailable, what));
        }
        bell.wait(Duration::from_millis(50)).await;
    }
}
