//! Taking orders: free slots first, then as many orders as there are slots.
//!
//! One loop for each connection, so that a slow managed system holds up nobody else, and one more for the slots that
//! are kept for urgent orders. The rules that must hold: an order is in the journal before it is written; what was
//! taken and is not begun, because the agent stops, is given back.

use super::execute::{Task, execute, log};
use super::patience::Patience;
use crate::agent::{ANSWER_TIMEOUT, Agent, LONG_POLL, VERSION};
use crate::connections::Connection;
use crate::flight::{Arrival, Lease};
use crate::journal::{Entry, Execution};
use crate::package::{Attempt, Outcome, failure};
use crate::slots::{Capacity, Slot};
use provost_contract::from_wire;
use provost_contract::fulfillment::v1::{
    LeaseKey, LeasedOrder, PullOrdersRequest, PullOrdersResponse, ReturnOrdersRequest,
};
use provost_contract::types::v1 as wire;
use provost_domain::OrderId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// How long a pull may still be answered when the agent stops: what was leased a moment before is on its way, and
/// would wait for the end of its lease if nobody heard of it.
const LAST_ANSWER: Duration = Duration::from_millis(250);
/// How long giving back may take.
const GIVE_BACK_MAX: Duration = Duration::from_secs(3);
/// The most leases of one call.
const LEASES_MAX: usize = 1_000;
/// How often to try a journal that cannot be written.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Which orders a loop takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Any,
    Urgent,
}

/// Takes and writes the orders of one connection until `stop`.
pub(crate) async fn run(
    agent: Arc<Agent>,
    connection: Connection,
    which: Which,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let Some(capacity) = agent.capacities.get(&connection.name).cloned() else { return Ok(()) };
    let slots = match which {
        Which::Any => Some(&capacity.any),
        Which::Urgent => capacity.urgent.as_ref(),
    };
    let Some(slots) = slots else { return Ok(()) };
    let mut patience = Patience::new("fulfillment");
    while let Some(free) = stop.run_until_cancelled(slots.free()).await {
        if stop.run_until_cancelled(journal_writable(&agent)).await.is_none() {
            break;
        }
        let began = Instant::now();
        let last_answer = async {
            stop.cancelled().await;
            tokio::time::sleep(LAST_ANSWER).await;
        };
        let pulled = tokio::select! {
            pulled = pull(&agent, &connection, free.len(), which) => pulled,
            () = last_answer => break,
        };
        match pulled {
            Ok(pulled) => {
                patience.answered();
                accept(&agent, (&connection, &capacity), pulled, began, free, &stop).await;
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

async fn pull(agent: &Agent, connection: &Connection, free: usize, which: Which) -> Result<PullOrdersResponse, Status> {
    let message = PullOrdersRequest {
        agent_id: agent.id.clone(),
        connections: vec![connection.name.to_string()],
        max_orders: i32::try_from(free).unwrap_or(i32::MAX),
        wait: prost_types::Duration::try_from(LONG_POLL).ok(),
        agent_version: VERSION.to_owned(),
        urgent_only: which == Which::Urgent,
    };
    let request = agent.request(message, LONG_POLL + ANSWER_TIMEOUT);
    let response = agent.dispatch.clone().pull_orders(request).await?;
    agent.fulfillment_seen.note(agent.clock.now());
    Ok(response.into_inner())
}

/// Why orders go back that were pulled.
const STOPS: &str = "the agent stops; it was not begun";

/// Gives back orders that were not begun. What cannot be given back is offered again when its lease ends.
pub(super) async fn give_back(agent: &Agent, leases: Vec<LeaseKey>, reason: &str) {
    for leases in leases.chunks(LEASES_MAX) {
        let (count, leases) = (leases.len(), leases.to_vec());
        let reason = reason.to_owned();
        let message = ReturnOrdersRequest { agent_id: agent.id.clone(), leases, reason };
        match agent.dispatch.clone().return_orders(agent.request(message, GIVE_BACK_MAX)).await {
            Ok(_) => tracing::info!(orders = count, "orders that were not begun are given back"),
            Err(status) => {
                let (code, message) = (status.code(), status.message());
                tracing::warn!(
                    orders = count,
                    ?code,
                    message,
                    "orders cannot be given back; they are left to their leases"
                );
            }
        }
    }
}

/// The results of orders, newest attempt last.
type Known = HashMap<OrderId, Vec<Entry>>;

/// An order that arrived and is not being written yet.
pub(super) struct Arrived {
    pub(super) execution: Execution,
    pub(super) task: Task,
}

async fn accept(
    agent: &Arc<Agent>,
    (connection, capacity): (&Connection, &Arc<Capacity>),
    pulled: PullOrdersResponse,
    began: Instant,
    free: Vec<Slot>,
    stop: &CancellationToken,
) {
    let PullOrdersResponse { orders: leased, waited, lease } = pulled;
    if stop.is_cancelled() {
        let key =
            |LeasedOrder { order, attempt, .. }| LeaseKey { order_id: order.unwrap_or_default().order_id, attempt };
        return give_back(agent, leased.into_iter().map(key).collect(), STOPS).await;
    }
    // Not by the two hosts' clocks, which differ: the answer may have been under way for longer than the leases last.
    let length = |duration: Option<prost_types::Duration>| duration.and_then(|it| Duration::try_from(it).ok());
    let taken_at = began + length(waited).unwrap_or_default();
    let lease = length(lease).map(|length| Lease::lasting(length, taken_at, Instant::now()));
    let arrived: Vec<_> = leased.into_iter().filter_map(|leased| arrive(agent, connection, leased, lease)).collect();
    let executions: Vec<_> = arrived.iter().map(|arrived| arrived.execution).collect();
    if executions.is_empty() {
        return;
    }
    let Some(to_do) = stop.run_until_cancelled(intended(agent, arrived, began)).await else {
        // The agent stops before they could be journaled: nothing was begun.
        for execution in &executions {
            agent.flight.land(*execution);
        }
        let key = |Execution { order_id, attempt }| LeaseKey { order_id: order_id.to_string(), attempt };
        return give_back(agent, executions.into_iter().map(key).collect(), STOPS).await;
    };
    if stop.is_cancelled() {
        return withdraw(agent, to_do).await;
    }
    let mut slots = free.into_iter();
    for Arrived { execution, task } in to_do {
        let (agent, package, slot) = (Arc::clone(agent), Arc::clone(&connection.package), slots.next());
        let (name, capacity) = (Arc::clone(&connection.name), Arc::clone(capacity));
        agent.clone().executions.spawn(async move {
            execute(&agent, (&name, package.as_ref(), &capacity), execution, task).await;
            drop(slot);
        });
    }
}

/// The agent stops after orders arrived and before they were begun: the journal forgets them, and they go back.
async fn withdraw(agent: &Agent, arrived: Vec<Arrived>) {
    let mut leases = Vec::with_capacity(arrived.len());
    for Arrived { execution, .. } in arrived {
        let Execution { order_id, attempt } = execution;
        if let Err(error) = agent.journal.withdraw(execution).await {
            tracing::warn!(%error, %order_id, attempt, "the journal cannot be written; the next start will say that this order was cut off");
        }
        agent.flight.land(execution);
        leases.push(LeaseKey { order_id: order_id.to_string(), attempt });
    }
    if !leases.is_empty() {
        give_back(agent, leases, STOPS).await;
    }
}

/// Looks at one order: is it here already?
pub(super) fn arrive(
    agent: &Agent,
    connection: &Connection,
    leased: LeasedOrder,
    lease: Option<Lease>,
) -> Option<Arrived> {
    let LeasedOrder { order, attempt, lease_expires_at, lane_written } = leased;
    let order = order.unwrap_or_default();
    let Ok(order_id) = order.order_id.parse::<OrderId>() else {
        tracing::error!(order_id = order.order_id, "an order without a usable id; it is left to its lease");
        return None;
    };
    let execution = Execution { order_id, attempt };
    let now = agent.clock.now();
    let by_clock = || lease_expires_at.map(|at| from_wire::timestamp(&at).since(now)).unwrap_or_default();
    let lease = lease.unwrap_or_else(|| Lease::by_clock(by_clock()));
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
pub(super) async fn intended(agent: &Agent, arrived: Vec<Arrived>, began: Instant) -> Vec<Arrived> {
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
