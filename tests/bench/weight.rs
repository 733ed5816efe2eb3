//! Whether the ledger stays as fast when much is in it, waiting or finished, and how much memory it takes: a ledger in
//! a process of its own.

use crate::ledger::{self, BATCH, Measured};
use crate::processor::Processor;
use crate::scale::Process;
use anyhow::{Result, ensure};
use prost_types::Timestamp;
use provost_contract::fulfillment::v1 as pb;
use std::ops::Range;
use uuid::Uuid;

/// Nobody asks for orders of this one.
const ELSEWHERE: &str = "elsewhere";
/// The numbers of measured orders begin here, above those of all that is in the ledger before.
const MEASURED: usize = 100_000_000;
const AGENTS: usize = 4;

/// What is in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Waiting,
    Finished,
}

/// How it went with so many orders in the ledger.
pub(crate) struct Weighed {
    pub(crate) weight: usize,
    pub(crate) measured: Measured,
    /// Memory of the ledger's process in MiB: the most while the orders came in, and the most while they were measured.
    pub(crate) peaks: [u64; 2],
}

/// Brings `orders` orders through a ledger on `url`, again for each of `weights`, smallest first.
pub(crate) async fn run(url: &str, what: What, weights: &[usize], orders: usize) -> Result<Vec<Weighed>> {
    let process = Process::start("ledger", url, "").await?;
    let mut client = ledger::client(&process.address)?;
    let processor = Processor::of(url).await?;
    let mut all = Vec::with_capacity(weights.len());
    let mut present = 0;
    // What is there when nothing was done yet costs its start: statements, pools, pages.
    ledger::drive(&process.address, &processor, MEASURED - orders..MEASURED, AGENTS).await?;
    for (place, weight) in weights.iter().copied().enumerate() {
        process.peak()?;
        ledger::submit(&mut client, present..weight, ELSEWHERE).await?;
        if what == What::Finished {
            verify(&mut client, present..weight).await?;
        }
        present = weight;
        let filling = process.peak()?;
        let first = MEASURED + place * orders;
        let measured = ledger::drive(&process.address, &processor, first..first + orders, AGENTS).await?;
        all.push(Weighed { weight, measured, peaks: [filling, process.peak()?] });
    }
    Ok(all)
}

/// Lets synchronization have seen the values of these orders.
async fn verify(client: &mut ledger::Client, numbers: Range<usize>) -> Result<()> {
    let end = numbers.end;
    for from in numbers.step_by(BATCH) {
        let verification = |number: usize| pb::Verification {
            order_id: Uuid::from_u128(number as u128 + 1).to_string(),
            export_started_at: Some(Timestamp { seconds: 1_900_000_000, nanos: 0 }),
            ..Default::default()
        };
        let verifications = (from..(from + BATCH).min(end)).map(verification).collect();
        let results = client.verify_orders(pb::VerifyOrdersRequest { verifications }).await?.into_inner().results;
        let wrong = results.iter().find(|result| result.error.is_some());
        ensure!(wrong.is_none(), "{wrong:?}");
    }
    Ok(())
}
