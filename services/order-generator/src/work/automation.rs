//! What time does to requests: rules decide in place of people who do not, and what is over ends.
//!
//! Of several replicas one does it. The rule that must hold: what is due is read from the rows and the clock
//! alone, so whoever takes over goes on where the other stopped.

use crate::generator::Generator;
use crate::verbs::automate_requests::automate_requests;
use crate::verbs::expire_requests::expire_requests;
use provost_service_kit::{Fault, FaultKind};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often is looked.
const PERIOD: Duration = Duration::from_secs(1);
/// What only one replica does at a time.
const LEASE: &str = "deciding on requests by rules and by time";

/// Looks again and again, until `stop`.
pub(crate) async fn decide_by_time(generator: Arc<Generator>, stop: CancellationToken) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        match generator.alone(LEASE, rounds(&generator, &stop)).await {
            Ok(()) => {}
            Err(fault) if fault.kind() == FaultKind::Conflict => {
                tracing::debug!("another replica watches the requests")
            }
            Err(fault) => tracing::warn!(%fault, "requests are not watched; trying again"),
        }
        stop.run_until_cancelled(tokio::time::sleep(PERIOD)).await;
    }
    Ok(())
}

async fn rounds(generator: &Generator, stop: &CancellationToken) -> Result<(), Fault> {
    // Said once, not every second: a catalog that cannot be used, or a review that is away, may be so for hours.
    let mut said: Option<String> = None;
    while !stop.is_cancelled() {
        while expire_requests(generator).await? {}
        match automate_requests(generator).await {
            Ok(_) => said = None,
            Err(fault) => {
                let text = fault.to_string();
                if said.as_ref() != Some(&text) {
                    tracing::warn!(%fault, "automation rules decide later");
                }
                said = Some(text);
            }
        }
        stop.run_until_cancelled(tokio::time::sleep(PERIOD)).await;
    }
    Ok(())
}
