//! Clients that retry as the README says, and see no error.

use super::suite::Suite;
use anyhow::{Context, Result, bail, ensure};
use provost_contract::fulfillment::v1 as ledger;
use provost_contract::fulfillment::v1::order_service_client::OrderServiceClient;
use provost_contract::generator::v1 as generator;
use provost_contract::generator::v1::job_service_client::JobServiceClient;
use provost_contract::review::v1::review_service_client::ReviewServiceClient;
use provost_contract::review::v1::{ApproveRequest, ListReviewsRequest};
use provost_contract::types::v1 as types;
use provost_contract::types::v1::value::Kind;
use provost_service_kit::Replicas;
use provost_tests::retried;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How long one wish is tried again.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Accounts that are ordered directly: each is created, gets one title after the other, and some steps are reviewed.
pub(super) struct Submitter {
    orders: OrderServiceClient<Replicas>,
    lanes: usize,
}

/// What was ordered: the titles of each account, in their order.
pub(super) type Ordered = BTreeMap<String, Vec<String>>;

impl Submitter {
    pub(super) fn new(suite: &Suite, lanes: usize) -> Self {
        Self { orders: OrderServiceClient::new(suite.replicas("fulfillment")), lanes }
    }

    /// Goes on until it is stopped, and through every account the same number of times.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(Ordered, usize)> {
        let (mut ordered, mut round, mut count) = (Ordered::new(), 0_usize, 0);
        while !stop.is_cancelled() {
            for lane in 0..self.lanes {
                let (key, title) = (format!("load{lane}"), format!("Round {round} of load{lane}"));
                let order = order(&key, &title, round == 0, round % 3 == 1 && lane % 4 == 0);
                let answer = retried("submitting", PATIENCE, || {
                    let message = ledger::SubmitOrdersRequest { orders: vec![order.clone()] };
                    let mut orders = self.orders.clone();
                    async move { orders.submit_orders(tokio_stream::iter([message])).await }
                })
                .await?;
                // A repetition is counted as a duplicate; either way it is there.
                ensure!(answer.accepted + answer.duplicates == 1, "{answer:?}");
                ordered.entry(key).or_default().push(title);
                count += 1;
            }
            // The next title only when this one is written: else it would be replaced.
            for lane in 0..self.lanes {
                self.settled(&format!("load{lane}")).await?;
            }
            round += 1;
        }
        Ok((ordered, count))
    }

    async fn settled(&self, key: &str) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let open = retried("listing orders", PATIENCE, || {
                let open = [types::ProvisioningState::Pending, types::ProvisioningState::AwaitingApproval];
                let states = open.iter().map(|state| (*state).into()).collect();
                let filter = ledger::OrderFilter { states, target_key: key.to_owned(), ..Default::default() };
                let mut orders = self.orders.clone();
                let request = ledger::ListOrdersRequest { filter: Some(filter), page_size: 10, ..Default::default() };
                async move { orders.list_orders(request).await }
            })
            .await?;
            match open.orders.first() {
                None => return Ok(()),
                Some(open) if Instant::now() > end => bail!("an order does not settle: {open:?}"),
                Some(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

fn order(key: &str, title: &str, is_new: bool, is_reviewed: bool) -> types::Order {
    let set = |property: &str, value: &str| types::Change {
        property: property.to_owned(),
        operation: types::ChangeOperation::Set.into(),
        proposed: Some(types::Value { kind: Some(Kind::StringValue(value.to_owned())) }),
        ..Default::default()
    };
    let mut changes = vec![set("title", title)];
    if is_new {
        changes.extend([set("cn", key), set("sn", key), set("uid", key)]);
    }
    let kind = if is_new { types::OrderKind::Addition } else { types::OrderKind::Update };
    types::Order {
        order_id: provost_service_kit::new_id().to_string(),
        kind: kind.into(),
        resource_type: "LoadAccount".into(),
        connector: "dir".into(),
        connection: "dir-ldap".into(),
        entity_type: "LdapAccount".into(),
        owner: Some(types::Owner { entity_type: "Person".into(), key: key.into(), display_name: key.into() }),
        target_key: key.into(),
        changes,
        block_causes: if is_reviewed { vec![types::BlockCause::ResourceType.into()] } else { vec![] },
        generation_run: "load".into(),
        generated_at: Some(prost_types::Timestamp { seconds: chrono::Utc::now().timestamp(), nanos: 0 }),
        ..Default::default()
    }
}

/// An order that only rings: no agent serves its connection.
pub(super) fn bell(number: usize) -> types::Order {
    types::Order { connection: "bell".into(), ..order(&format!("bell{number}"), "Ring", true, false) }
}

/// A person who approves whatever waits, until stopped. How many were approved.
pub(super) async fn approve_all(suite: &Suite, stop: CancellationToken) -> Result<usize> {
    let reviews = ReviewServiceClient::new(suite.replicas("review"));
    let mut approved = 0;
    while !stop.is_cancelled() {
        let open = retried("listing reviews", PATIENCE, || {
            let mut reviews = reviews.clone();
            async move { reviews.list_reviews(ListReviewsRequest { page_size: 100, ..Default::default() }).await }
        })
        .await?;
        for review in open.reviews {
            retried("approving", PATIENCE, || {
                let mut reviews = reviews.clone();
                let request = ApproveRequest { review_id: review.review_id.clone(), ..Default::default() };
                async move { reviews.approve(request).await }
            })
            .await?;
            approved += 1;
        }
        sleep(Duration::from_millis(30)).await;
    }
    Ok(approved)
}

/// Runs a job to its end.
pub(super) async fn run_job(suite: &Suite, job: &str) -> Result<()> {
    let jobs = JobServiceClient::new(suite.replicas("order-generator"));
    let request = generator::RunJobRequest {
        job: job.into(),
        request_id: provost_service_kit::new_id().to_string(),
        ..Default::default()
    };
    let run = retried("running a job", PATIENCE, || {
        let (mut jobs, request) = (jobs.clone(), request.clone());
        async move { jobs.run_job(request).await }
    })
    .await?;
    let end = Instant::now() + PATIENCE * 2;
    loop {
        let runs = retried("looking at a job", PATIENCE, || {
            let mut jobs = jobs.clone();
            async move { jobs.list_job_runs(generator::ListJobRunsRequest::default()).await }
        })
        .await?;
        let now = runs.runs.into_iter().find(|one| one.run_id == run.run_id).context("the run is not listed")?;
        match now.state() {
            generator::JobRunState::Completed => return Ok(()),
            generator::JobRunState::Running | generator::JobRunState::Waiting if Instant::now() < end => {
                sleep(Duration::from_millis(50)).await;
            }
            other => bail!("{job} is {other:?}: {now:?}"),
        }
    }
}

/// Follows the feed, through whatever happens to the replicas: every event once, in order. Where each order stands.
pub(super) async fn follow(suite: &Suite, stop: CancellationToken) -> Result<BTreeMap<String, i32>> {
    let orders = OrderServiceClient::new(suite.replicas("fulfillment"));
    let (mut cursor, mut states) = (0, BTreeMap::new());
    loop {
        let mut feed = retried("opening the feed", PATIENCE, || {
            let mut orders = orders.clone();
            let request = ledger::WatchOrdersRequest { after_cursor: cursor, ..Default::default() };
            async move { orders.watch_orders(request).await }
        })
        .await?;
        loop {
            match stop.run_until_cancelled(feed.message()).await {
                None => return Ok(states),
                Some(Ok(Some(event))) => {
                    let entry = event.entry.context("an event without an entry")?;
                    ensure!(entry.cursor > cursor, "the feed went back from {cursor} to {}", entry.cursor);
                    cursor = entry.cursor;
                    states.insert(entry.order_id.clone(), entry.to_state);
                }
                Some(Ok(None) | Err(_)) => break,
            }
        }
    }
}
