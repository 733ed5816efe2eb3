//! What the acts share: the organisation, the services, the systems, and how to wait for something.

use super::narrator::Narrator;
use super::systems::Systems;
use crate::client::{Clients, Service};
use crate::command::jobs::follow;
use crate::failure::Failure;
use crate::session::{Limit, pages};
use crate::show::{Progress, ending, provisioning_state};
use anyhow::{Context, anyhow};
use provost_contract::fulfillment::v1::{
    CountOrdersRequest, GetOrderRequest, ListOrdersRequest, OrderCount, OrderFilter,
};
use provost_contract::generator::v1::{JobRun, JobRunState, RunJobRequest};
use provost_contract::types::v1::{HistoryEntry, OrderEvent, OrderRecord};
use provost_domain::ProvisioningState;
use provost_sample::{Organisation, Person};
use std::time::Duration;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(20);
const GLANCE: Duration = Duration::from_millis(50);
/// A complete job takes seconds; one that takes this long will not end.
const JOB_MAX: Duration = Duration::from_secs(120);

/// What the acts share.
pub(super) struct Story {
    pub(super) clients: Clients,
    pub(super) narrator: Narrator,
    pub(super) organisation: Organisation,
    pub(super) systems: Systems,
}

impl Story {
    /// Runs the complete job to its end, with what matters of its progress.
    pub(super) async fn complete_job(&mut self) -> Result<JobRun, Failure> {
        self.complete(Progress::indented().brief()).await
    }

    /// Runs the complete job to its end, with its whole progress.
    pub(super) async fn first_complete_job(&mut self) -> Result<JobRun, Failure> {
        self.complete(Progress::indented()).await
    }

    async fn complete(&mut self, mut progress: Progress) -> Result<JobRun, Failure> {
        self.narrator.command("jobs run complete --watch")?;
        let message = RunJobRequest {
            job: "complete".to_owned(),
            request_id: provost_service_kit::new_id().to_string(),
            ..RunJobRequest::default()
        };
        let answer = self.clients.jobs().run_job(self.clients.request(message)).await;
        let run = self.clients.answer(Service::OrderGenerator, answer)?;
        let narrator = &mut self.narrator;
        let following = follow(&self.clients, &run.run_id, |run| Ok(narrator.progress(&mut progress, run)?));
        let run = tokio::time::timeout(JOB_MAX, following)
            .await
            .map_err(|_| anyhow!("the complete job was not over after {} s", JOB_MAX.as_secs()))??;
        let style = self.narrator.style();
        let lines = ending(&run, style);
        self.narrator.lines(lines.get(..1).unwrap_or_default())?;
        match JobRunState::try_from(run.state) {
            Ok(JobRunState::Completed | JobRunState::Warning) => Ok(run),
            _ => Err(anyhow!("the complete job ended badly: {}", lines.join(" ")).into()),
        }
    }

    /// The orders that fit, oldest first.
    pub(super) async fn orders(&self, filter: OrderFilter) -> Result<Vec<OrderRecord>, Failure> {
        let listing = pages(Limit::ALL, async |page_size, page_token| {
            let message = ListOrdersRequest { filter: Some(filter.clone()), page_size, page_token };
            let answer = self.clients.orders().list_orders(self.clients.request(message)).await;
            let page = self.clients.answer(Service::Fulfillment, answer)?;
            Ok((page.orders, page.next_page_token))
        });
        Ok(listing.await?.items)
    }

    /// Somebody's orders of one resource type, oldest first.
    pub(super) async fn orders_of(&self, owner: &str, resource_type: &str) -> Result<Vec<OrderRecord>, Failure> {
        self.orders(OrderFilter {
            owner_key: owner.to_owned(),
            resource_types: vec![resource_type.to_owned()],
            ..OrderFilter::default()
        })
        .await
    }

    /// Somebody's newest order of one resource type.
    pub(super) async fn order_of(&self, owner: &str, resource_type: &str) -> Result<OrderRecord, Failure> {
        let newest = self.orders_of(owner, resource_type).await?.pop();
        newest.ok_or_else(|| anyhow!("there is no {resource_type} order for {owner}").into())
    }

    /// How many orders there are, by resource type and state.
    pub(super) async fn counts(&self, filter: OrderFilter) -> Result<Vec<OrderCount>, Failure> {
        let request = self.clients.request(CountOrdersRequest { filter: Some(filter), ..Default::default() });
        let answer = self.clients.orders().count_orders(request).await;
        Ok(self.clients.answer(Service::Fulfillment, answer)?.counts)
    }

    /// What happened to an order, oldest first.
    pub(super) async fn history_of(&self, order_id: &str) -> Result<Vec<HistoryEntry>, Failure> {
        let request = self.clients.request(GetOrderRequest { order_id: order_id.to_owned() });
        let answer = self.clients.orders().get_order(request).await;
        Ok(self.clients.answer(Service::Fulfillment, answer)?.history)
    }

    /// The states that an order went through, as "Pending → Executed".
    pub(super) async fn path_of(&self, order_id: &str) -> Result<String, Failure> {
        let history = self.history_of(order_id).await?;
        let mut states: Vec<String> = history.iter().map(|entry| provisioning_state(entry.to_state)).collect();
        states.dedup();
        Ok(states.join(" → "))
    }

    /// Waits until the ledger knows of an event in an order's life.
    pub(super) async fn until_told(&self, order_id: &str, event: OrderEvent) -> Result<(), Failure> {
        let what = format!("the ledger to hear {} of order {order_id}", event.as_str_name());
        until(&what, async || {
            let history = self.history_of(order_id).await?;
            Ok(history.iter().any(|entry| entry.event() == event).then_some(()))
        })
        .await
    }

    /// Waits until an order reached one of these states.
    pub(super) async fn until_in(&self, order_id: &str, states: &[ProvisioningState]) -> Result<OrderRecord, Failure> {
        let wanted: Vec<String> = states.iter().map(ToString::to_string).collect();
        let what = format!("order {order_id} to be {}", wanted.join(" or "));
        until(&what, async || {
            let request = self.clients.request(GetOrderRequest { order_id: order_id.to_owned() });
            let answer = self.clients.orders().get_order(request).await;
            let record = self.clients.answer(Service::Fulfillment, answer)?.record.unwrap_or_default();
            Ok(states.iter().any(|state| state.number() == record.state).then_some(record))
        })
        .await
    }

    /// A person of the organisation.
    pub(super) fn person(&self, employee_id: &str) -> Result<Person, Failure> {
        let person = self.organisation.person(employee_id).cloned();
        Ok(person.with_context(|| format!("the organisation has no {employee_id}"))?)
    }
}

/// Looks until there is something, for a while.
pub(super) async fn until<T>(what: &str, look: impl AsyncFnMut() -> Result<Option<T>, Failure>) -> Result<T, Failure> {
    until_within(PATIENCE, what, look).await
}

async fn until_within<T>(
    patience: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return Err(anyhow!("waited {} s in vain for {what}", patience.as_secs()).into());
        }
        tokio::time::sleep(GLANCE).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn waiting_ends_with_what_was_missed() {
        let mut looks = 0;
        let found = until("the third look", async || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(found.await.unwrap(), 3);
        let missed = until_within::<()>(GLANCE, "rain", async || Ok(None)).await.unwrap_err();
        assert!(missed.to_string().contains("in vain for rain"), "{missed}");
    }
}
