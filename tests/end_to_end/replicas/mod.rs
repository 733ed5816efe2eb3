//! Two replicas of each service and two agents: a rolling restart, and a kill -9, under load. Nobody who retries as the
//! README says sees an error; every order settles; what slapd says that it did is each order once, in order.

mod clients;
mod suite;

use anyhow::{Context, Result, ensure};
use clients::{Ordered, PATIENCE, Submitter, approve_all, follow, run_job};
use provost_contract::fulfillment::v1 as ledger;
use provost_contract::fulfillment::v1::dispatch_service_client::DispatchServiceClient;
use provost_contract::fulfillment::v1::order_service_client::OrderServiceClient;
use provost_contract::types::v1 as types;
use provost_testkit::{AuditedEffect, Slapd, eventually};
use provost_tests::retried;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use suite::{SERVICES, Suite};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const PEOPLE: usize = 40;
/// Accounts that are ordered directly.
const LANES: usize = 12;
/// A replica that is told to stop ends well before its grace period is over.
const STOP_MAX: Duration = Duration::from_secs(8);
/// How long a replica stays away.
const AWAY: Duration = Duration::from_millis(400);
const MINUTES: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn rolling_restart_and_a_kill_under_load_are_not_noticed() -> Result<()> {
    let suite = Suite::start(PEOPLE).await?;
    run_job(&suite, "complete").await?;
    let logins: Vec<(String, String)> =
        suite.organisation.active().take(4).map(|one| (one.employee_id.clone(), one.login.clone())).collect();
    // The feed is followed all the while, through both replicas.
    let watched = CancellationToken::new();
    let under_load = async {
        let settling = async {
            let done = load_and_restart(&suite, &logins).await?;
            let records = settled(&suite).await?;
            // What is told last is on its way.
            sleep(Duration::from_millis(500)).await;
            Ok::<_, anyhow::Error>((done, records))
        };
        let settled = settling.await;
        watched.cancel();
        settled
    };
    let (feed, under_load) = tokio::join!(follow(&suite, watched.clone()), under_load);
    let (((ordered, titles), records), states) = (under_load?, feed?);
    ensure!(records.iter().all(|record| states.get(&id(record)) == Some(&record.state)), "the feed differs");
    assert_written_once(&suite.slapd, &ordered, &titles);
    assert_heard_at_once(&suite).await
}

/// What was ordered directly, and the titles that people got, while every replica came and went.
async fn load_and_restart(suite: &Suite, people: &[(String, String)]) -> Result<(Ordered, Ordered)> {
    let (stop, reviewing) = (CancellationToken::new(), CancellationToken::new());
    let submitting = async {
        let submitted = Submitter::new(suite, LANES).run(stop.clone()).await;
        reviewing.cancel();
        submitted
    };
    let restarting = async {
        restart_all(suite).await?;
        stop.cancel();
        Ok::<_, anyhow::Error>(())
    };
    let generating = generate(suite, people, stop.clone());
    let ((ordered, count), (), approved, titles) =
        tokio::try_join!(submitting, restarting, approve_all(suite, reviewing.clone()), generating)?;
    ensure!(approved > 0, "nothing was reviewed");
    ensure!(count > LANES * 2, "hardly anything was ordered while replicas came and went: {count}");
    Ok((ordered, titles))
}

fn id(record: &types::OrderRecord) -> String {
    record.order.as_ref().map(|order| order.order_id.clone()).unwrap_or_default()
}

/// Each replica stops in order and comes back; one of each kind that holds something is killed besides.
async fn restart_all(suite: &Suite) -> Result<()> {
    for name in SERVICES {
        let began = Instant::now();
        let code = suite.process(name).terminate().await;
        ensure!(code == 0, "{name} ended with {code}");
        ensure!(began.elapsed() < STOP_MAX, "{name} took {:?} to stop", began.elapsed());
        sleep(AWAY).await;
        suite.process(name).restart().await;
        sleep(AWAY).await;
    }
    for name in ["fulfillment-2", "order-generator-1"] {
        suite.process(name).kill9().await;
        sleep(AWAY).await;
        suite.process(name).restart().await;
        sleep(AWAY).await;
    }
    Ok(())
}

/// People get another title, and the generator finds it, again and again. The titles that each got.
async fn generate(suite: &Suite, people: &[(String, String)], stop: CancellationToken) -> Result<Ordered> {
    let (mut organisation, mut titles, mut round) = (suite.organisation.clone(), Ordered::new(), 0);
    while !stop.is_cancelled() {
        for (employee, login) in people {
            let person = organisation.person_mut(employee).context("the sample has this person")?;
            person.title = format!("Turn {round} of {login}");
            titles.entry(login.clone()).or_default().push(person.title.clone());
        }
        suite.write_feed_of(&organisation)?;
        run_job(suite, "incremental").await?;
        round += 1;
    }
    ensure!(round > 1, "the generator did not come to anything");
    Ok(titles)
}

/// Every order of the ledger, once all are settled.
async fn settled(suite: &Suite) -> Result<Vec<types::OrderRecord>> {
    use types::ProvisioningState as State;
    let orders = OrderServiceClient::new(suite.replicas("fulfillment"));
    let records = eventually("every order to settle", MINUTES, async || {
        let answer = retried("listing orders", PATIENCE, || {
            let mut orders = orders.clone();
            let request = ledger::ListOrdersRequest { page_size: 1000, ..Default::default() };
            async move { orders.list_orders(request).await }
        })
        .await?;
        assert_eq!(answer.next_page_token, "", "they fit on one page");
        let is_over = |record: &&types::OrderRecord| match record.state() {
            State::Executed | State::Verified => true,
            // Of people whose time was over before anything was written; what was ordered directly is written.
            State::Inactive => record.order.as_ref().is_some_and(|order| order.expired),
            _ => false,
        };
        let open = answer.orders.iter().find(|record| !is_over(record));
        match open {
            None => Ok(answer.orders),
            Some(open) => Err(anyhow::anyhow!("{open:?}")),
        }
    })
    .await;
    Ok(records)
}

/// By slapd's own log: each account was added once, and got each title once, in the order in which they were ordered.
fn assert_written_once(slapd: &Slapd, ordered: &Ordered, people: &Ordered) {
    let mut added: HashMap<String, usize> = HashMap::new();
    let mut titles: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for change in slapd.audit() {
        match change.effect {
            AuditedEffect::Added(attributes) => {
                *added.entry(change.dn.clone()).or_default() += 1;
                titles.entry(change.dn).or_default().extend(attributes.get("title").into_iter().flatten().cloned());
            }
            AuditedEffect::Modified(steps) => {
                let new = steps.into_iter().filter(|step| step.attribute == "title" && step.operation != "delete");
                titles.entry(change.dn).or_default().extend(new.flat_map(|step| step.values));
            }
            AuditedEffect::Deleted => panic!("{} was deleted", change.dn),
        }
    }
    let twice: Vec<_> = added.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "added more than once: {twice:?}");
    let dn = |key: &str| format!("uid={key},ou=people,{}", Slapd::SUFFIX);
    for (key, expected) in ordered {
        assert_eq!(titles.get(&dn(key)), Some(expected), "the titles of {key}");
    }
    for (login, expected) in people {
        // The first one is what it was created with.
        assert_eq!(titles.get(&dn(login)).and_then(|titles| titles.get(1..)), Some(expected.as_slice()), "{login}");
    }
}

/// An order that is submitted at one replica comes to who waits at the other one, not when that looks by itself, which
/// it does each second, but when it is told.
async fn assert_heard_at_once(suite: &Suite) -> Result<()> {
    let mut waits = Vec::new();
    for round in 0..9 {
        let (here, there) = if round % 2 == 0 { (1, 2) } else { (2, 1) };
        let mut orders = OrderServiceClient::new(suite.replica(&format!("fulfillment-{here}")));
        let mut dispatch = DispatchServiceClient::new(suite.replica(&format!("fulfillment-{there}")));
        let waiting = tokio::spawn(async move {
            let request = ledger::PullOrdersRequest {
                agent_id: "listener".into(),
                connections: vec!["bell".into()],
                max_orders: 10,
                wait: Some(prost_types::Duration { seconds: 20, nanos: 0 }),
                ..Default::default()
            };
            let pulled = dispatch.pull_orders(request).await.map(tonic::Response::into_inner);
            (Instant::now(), pulled)
        });
        // It waits for a while before there is anything.
        sleep(Duration::from_millis(150)).await;
        let submitted = Instant::now();
        let message = ledger::SubmitOrdersRequest { orders: vec![clients::bell(round)] };
        orders.submit_orders(tokio_stream::iter([message])).await?;
        let (heard, pulled) = waiting.await?;
        let orders = pulled?.orders;
        let [leased] = orders.as_slice() else { anyhow::bail!("not the one order: {orders:?}") };
        waits.push(heard - submitted);
        let outcome = ledger::feedback::Outcome::Executed(ledger::Executed { note: String::new() });
        let feedback = vec![ledger::Feedback {
            order_id: leased.order.as_ref().map(|order| order.order_id.clone()).unwrap_or_default(),
            attempt: leased.attempt,
            outcome: Some(outcome),
            at: None,
        }];
        let report = ledger::ReportFeedbackRequest { agent_id: "listener".into(), feedback };
        DispatchServiceClient::new(suite.replica(&format!("fulfillment-{there}"))).report_feedback(report).await?;
    }
    waits.sort();
    // Without being told it would be the rest of a second, every time.
    ensure!(waits[waits.len() / 2] < Duration::from_millis(500), "{waits:?}");
    Ok(())
}
