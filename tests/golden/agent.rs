//! The agent of a scenario: it reads the systems and writes orders, through the same calls as any agent.

use crate::facts::Systems;
use crate::scenario::Outcome;
use crate::suite::Suite;
use anyhow::{Context as _, Result, anyhow, bail};
use futures::stream;
use provost_contract::fulfillment::v1 as ledger;
use provost_contract::generator::v1 as pb;
use provost_contract::types::v1 as types;
use provost_contract::{from_wire, to_wire};
use provost_domain::Order;
use provost_order_generator::model::catalog::{Catalog, Package};
use provost_service_kit::Clock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Its name.
pub(crate) const AGENT: &str = "golden";
/// How long it waits for something to read.
const POLL: Duration = Duration::from_millis(100);

/// An order that the agent holds.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) order: Order,
    pub(crate) attempt: i32,
}

/// The connections of a catalog, and what runs them.
pub(crate) fn connections(catalog: &Catalog) -> HashMap<String, Package> {
    let all = catalog.connectors().iter().flat_map(|connector| &connector.connections);
    all.map(|connection| (connection.name.to_string(), connection.package)).collect()
}

/// The exports that are asked for, each with what answers it now.
pub(crate) async fn read(
    suite: &Suite,
    connections: &HashMap<String, Package>,
    systems: &Mutex<Systems>,
) -> Result<Vec<Vec<pb::UploadExportRequest>>> {
    let request = pb::PollExportTasksRequest {
        agent_id: AGENT.to_owned(),
        connections: connections.keys().cloned().collect(),
        wait: Some(POLL.try_into()?),
    };
    let tasks = suite.synchronization().poll_export_tasks(request).await?.into_inner().tasks;
    let at = suite.clock.now();
    let systems = systems.lock().map_err(|_| anyhow!("the agent broke"))?;
    tasks.iter().map(|task| systems.upload(task, at)).collect()
}

/// Sends an export. That it is refused shows in the run as well.
pub(crate) async fn send(suite: &Suite, parts: Vec<pb::UploadExportRequest>) -> Result<()> {
    // A refusal is the answer that a scenario may be about.
    let _ = suite.synchronization().upload_export(stream::iter(parts)).await;
    Ok(())
}

/// Takes up to `most` orders of these connections.
pub(crate) async fn take(suite: &Suite, connections: Vec<String>, most: i32) -> Result<Vec<Held>> {
    let request = ledger::PullOrdersRequest {
        agent_id: AGENT.to_owned(),
        connections,
        max_orders: most,
        wait: None,
        agent_version: "golden".to_owned(),
        urgent_only: false,
    };
    let leased = suite.dispatch().pull_orders(request).await?.into_inner().orders;
    let held = |leased: ledger::LeasedOrder| {
        let order = leased.order.context("a lease without an order")?;
        let order = from_wire::order("order", order).map_err(|wrong| anyhow!("{wrong:?}"))?;
        Ok(Held { order, attempt: leased.attempt })
    };
    leased.into_iter().map(held).collect()
}

/// Says what became of an order.
pub(crate) async fn report(suite: &Suite, held: &Held, outcome: &Outcome) -> Result<()> {
    use ledger::feedback::Outcome as Wire;
    let outcome = match outcome {
        Outcome::Executed => Wire::Executed(ledger::Executed { note: String::new() }),
        Outcome::HandedOver => Wire::HandedOver(ledger::HandedOver { ticket: "golden-1".to_owned() }),
        Outcome::Failed { message, class } => {
            let name = format!("FAILURE_CLASS_{}", class.to_uppercase().replace(' ', "_"));
            let class =
                types::FailureClass::from_str_name(&name).with_context(|| format!("no failure class {class}"))?;
            Wire::Failed(types::Failure { failure_class: class.into(), message: message.clone(), ..Default::default() })
        }
    };
    let feedback = ledger::Feedback {
        order_id: held.order.id.to_string(),
        attempt: held.attempt,
        outcome: Some(outcome),
        at: Some(to_wire::timestamp(suite.clock.now())),
    };
    let request = ledger::ReportFeedbackRequest { agent_id: AGENT.to_owned(), feedback: vec![feedback] };
    let results = suite.dispatch().report_feedback(request).await?.into_inner().results;
    match results.into_iter().find_map(|result| result.error) {
        Some(error) => bail!("{}", error.message),
        None => Ok(()),
    }
}

/// Does all that can be done now: takes orders, writes them, and reports. How many there were.
pub(crate) async fn work(
    suite: &Suite,
    connections: &HashMap<String, Package>,
    systems: &Mutex<Systems>,
    outcome: &Outcome,
    write: bool,
) -> Result<usize> {
    let mut done = 0;
    loop {
        let taken = take(suite, connections.keys().cloned().collect(), 1_000).await?;
        if taken.is_empty() {
            return Ok(done);
        }
        for held in taken {
            let is_manual = connections.get(&held.order.connection) == Some(&Package::ManualTicket);
            let outcome = if is_manual { &Outcome::HandedOver } else { outcome };
            if write && *outcome == Outcome::Executed {
                systems.lock().map_err(|_| anyhow!("the agent broke"))?.write(&held.order);
            }
            report(suite, &held, outcome).await?;
            done += 1;
        }
    }
}

/// Reads and writes whatever is asked for, until it is dropped by its caller.
pub(crate) async fn serve(
    suite: &Suite,
    connections: &HashMap<String, Package>,
    systems: &Arc<Mutex<Systems>>,
    writes: bool,
) -> Result<()> {
    loop {
        if writes {
            work(suite, connections, systems, &Outcome::Executed, true).await?;
        }
        for parts in read(suite, connections, systems).await? {
            send(suite, parts).await?;
        }
    }
}
