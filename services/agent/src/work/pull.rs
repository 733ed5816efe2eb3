//! Taking orders: free slots first, then as many orders as there are slots.
//!
//! One loop for each connection, so that a slow managed system holds up nobody else. The rule that
//! must hold: an order is in the journal before it is written.

use super::execute::{Task, execute, log};
use super::patience::Patience;
use crate::agent::{ANSWER_TIMEOUT, Agent, LONG_POLL, VERSION};
use crate::connections::Connection;
use crate::flight::Arrival;
use crate::journal::{Entry, Execution};
use crate::package::{Attempt, Outcome, failure};
use provost_contract::from_wire;
use provost_contract::fulfillment::v1::{LeasedOrder, PullOrdersRequest};
use provost_contract::types::v1 as wire;
use provost_domain::OrderId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// How long to wait for more slots when one became free.
const GATHER: Duration = Duration::from_millis(5);
/// How often to try a journal that cannot be written.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Takes and writes the orders of one connection until `stop`.
pub(crate) async fn run(agent: Arc<Agent>, connection: Connection, stop: CancellationToken) -> anyhow::Result<()> {
    let slots = Arc::new(Semaphore::new(connection.concurrency as usize));
    let mut patience = Patience::new("fulfillment");
    while let Some(free) = stop.run_until_cancelled(free_slots(&slots)).await {
        if stop.run_until_cancelled(journal_writable(&agent)).await.is_none() {
            break;
        }
        let began = Instant::now();
        let Some(pulled) = stop.run_until_cancelled(pull(&agent, &connection, free.len())).await else { break };
        match pulled {
            Ok(orders) => {
                patience.answered();
                accept(&agent, &connection, orders, began, free, &stop).await;
            }
            Err(status) => {
                drop(free);
                if !patience.failed(&status, &stop).await {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Waits until the journal can be written: what is not begun here may be begun by another agent.
async fn journal_writable(agent: &Agent) {
    while !agent.journal.is_writable().await {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// All slots that are free; waits for the first, and a moment for those that follow it.
async fn free_slots(slots: &Arc<Semaphore>) -> Vec<OwnedSemaphorePermit> {
    let was_busy = slots.available_permits() == 0;
    // The semaphore is never closed, so the first is always there.
    let mut free: Vec<_> = Arc::clone(slots).acquire_owned().await.into_iter().collect();
    if was_busy {
        // Writes that began together end together: one pull for all of them.
        tokio::time::sleep(GATHER).await;
    }
    while let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
        free.push(slot);
    }
    free
}

async fn pull(agent: &Agent, connection: &Connection, free: usize) -> Result<Vec<LeasedOrder>, Status> {
    let message = PullOrdersRequest {
        agent_id: agent.id.clone(),
        connections: vec![connection.name.to_string()],
        max_orders: i32::try_from(free).unwrap_or(i32::MAX),
        wait: prost_types::Duration::try_from(LONG_POLL).ok(),
        agent_version: VERSION.to_owned(),
    };
    let request = agent.request(message, LONG_POLL + ANSWER_TIMEOUT);
    let response = agent.dispatch.clone().pull_orders(request).await?;
    agent.fulfillment_seen.note(agent.clock.now());
    Ok(response.into_inner().orders)
}

/// The results of orders, newest attempt last.
type Known = HashMap<OrderId, Vec<Entry>>;

/// An order that arrived and is not being written yet.
struct Arrived {
    execution: Execution,
    task: Task,
}

async fn accept(
    agent: &Arc<Agent>,
    connection: &Connection,
    leased: Vec<LeasedOrder>,
    began: Instant,
    free: Vec<OwnedSemaphorePermit>,
    stop: &CancellationToken,
) {
    let arrived: Vec<_> = leased.into_iter().filter_map(|leased| arrive(agent, connection, leased)).collect();
    let executions: Vec<_> = arrived.iter().map(|arrived| arrived.execution).collect();
    if executions.is_empty() {
        return;
    }
    let Some(to_do) = stop.run_until_cancelled(intended(agent, arrived, began)).await else {
        tracing::warn!(orders = executions.len(), "orders that could not be journaled are left to their leases");
        for execution in executions {
            agent.flight.land(execution);
        }
        return;
    };
    let mut slots = free.into_iter();
    for Arrived { execution, task } in to_do {
        let (agent, package, slot) = (Arc::clone(agent), Arc::clone(&connection.package), slots.next());
        let name = Arc::clone(&connection.name);
        agent.clone().executions.spawn(async move {
            execute(&agent, &name, package.as_ref(), execution, task).await;
            drop(slot);
        });
    }
}

/// Looks at one order: is it here already?
fn arrive(agent: &Agent, connection: &Connection, leased: LeasedOrder) -> Option<Arrived> {
    let LeasedOrder { order, attempt, lease_expires_at, lane_written } = leased;
    let order = order.unwrap_or_default();
    let Ok(order_id) = order.order_id.parse::<OrderId>() else {
        tracing::error!(order_id = order.order_id, "an order without a usable id; it is left to its lease");
        return None;
    };
    let execution = Execution { order_id, attempt };
    let now = agent.clock.now();
    let lease = lease_expires_at.map(|at| from_wire::timestamp(&at).since(now)).unwrap_or_default();
    if agent.flight.arrive(execution, lease, Instant::now()) == Arrival::AlreadyFlying {
        tracing::info!(%order_id, attempt, "an order came back while it is being written");
        return None;
    }
    // What became of an earlier attempt is not known here, or it would not be offered again: it may be another
    // agent's. Where other orders wrote in between, there is nothing to compare with.
    let kind = if attempt > 1 && !lane_written { Attempt::Again } else { Attempt::First };
    let task = read(connection, order, kind).unwrap_or_else(|outcome| {
        log(&connection.name, execution, &outcome);
        Task::Tell(outcome)
    });
    Some(Arrived { execution, task })
}

/// What there is to do, once it is in the journal. Holds the orders, their leases renewed, while the journal cannot be
/// written: given up, each would count as a lost try.
async fn intended(agent: &Agent, arrived: Vec<Arrived>, began: Instant) -> Vec<Arrived> {
    let orders: Vec<_> = arrived.iter().map(|arrived| arrived.execution.order_id).collect();
    let known = loop {
        match known(agent, &orders, began).await {
            Ok(known) => break known,
            Err(error) => {
                tracing::error!(%error, orders = orders.len(), "the journal cannot be read; trying again");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    };
    let to_do = to_do(agent, arrived, &known);
    let executions: Vec<_> = to_do.iter().map(|arrived| arrived.execution).collect();
    while !executions.is_empty() && agent.journal.intend(&executions, agent.clock.now()).await.is_err() {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    to_do
}

/// What is known of the orders of a pull that began then.
///
/// Asked after they were taken into flight: what is not flying has its result in the journal, or none. Or its
/// report was acknowledged while the pull was under way: such a result is looked for second, for it was put
/// there before the journal forgot it.
async fn known(agent: &Agent, orders: &[OrderId], began: Instant) -> Result<Known, sqlx::Error> {
    let mut results = agent.journal.results_of(orders).await?;
    for entry in agent.acknowledged.since(began, orders) {
        results.entry(entry.execution.order_id).or_default().push(entry);
    }
    Ok(results)
}

/// Those that are about to be executed, or told of.
fn to_do(agent: &Agent, arrived: Vec<Arrived>, results: &Known) -> Vec<Arrived> {
    let mut to_do = Vec::new();
    for Arrived { execution, task } in arrived {
        let Execution { order_id, attempt } = execution;
        let known = results.get(&order_id).map(Vec::as_slice).unwrap_or_default();
        if known.iter().any(|entry| entry.execution == execution) {
            // Redelivered: the reporter has its result in hand.
            agent.flight.land(execution);
            agent.results.notify_one();
            continue;
        }
        let done = known.iter().rev().find(|entry| !matches!(entry.outcome, Outcome::Failed(_)));
        let task = match done {
            // Its lease ran out before the report arrived. What follows it in its lane may have been written
            // since, by somebody else too, so writing it again would not be harmless.
            Some(entry) => {
                tracing::info!(%order_id, attempt, "an order came back that was executed before; it is only reported");
                Task::Tell(entry.outcome.clone())
            }
            None => task,
        };
        to_do.push(Arrived { execution, task });
    }
    to_do
}

/// The order, or what there is to report when it makes no sense here.
fn read(connection: &Connection, order: wire::Order, attempt: Attempt) -> Result<Task, Outcome> {
    let order = from_wire::order("order", order)
        .map_err(|wrong| Outcome::Failed(failure::invalid(format!("the agent cannot read the order: {wrong}"))))?;
    if order.connection == *connection.name {
        return Ok(Task::Write(Box::new(order), attempt));
    }
    let message = format!("the order is for connection '{}', not for '{}'", order.connection, connection.name);
    Err(Outcome::Failed(failure::invalid(message)))
}

/// The entry of an outcome.
pub(super) fn entry(agent: &Agent, execution: Execution, outcome: Outcome) -> Entry {
    Entry { execution, outcome, at: agent.clock.now() }
}
