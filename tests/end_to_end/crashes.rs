//! kill -9 of any one process in the middle of the run, then a restart: the same end, nothing
//! twice, nothing lost or stuck.

use crate::installation::Installation;
use anyhow::{Result, anyhow};
use futures::{StreamExt, stream};
use ldap3::{Scope, SearchEntry};
use provost_contract::review::v1::ApproveRequest;
use provost_contract::types::v1::ProvisioningState;
use provost_testkit::{Slapd, eventually};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// People: enough that the run is well under way when the process dies.
const PEOPLE: usize = 1_000;
/// How many decide at the same time.
const DECIDING: usize = 16;
/// Longest wait for anything here.
const MINUTES: Duration = Duration::from_secs(300);

async fn killed_in_the_middle(program: &str) -> Result<()> {
    let installation = Installation::start(PEOPLE).await?;
    let run_id = installation.start_job().await?;
    // The middle: some accounts are there, and not yet all.
    let people = format!("ou=people,{}", Slapd::SUFFIX);
    eventually("the first accounts", MINUTES, async || {
        let found = installation.slapd.search(&people, "(objectClass=inetOrgPerson)").await.len();
        if found > 50 { Ok(found) } else { Err(anyhow!("{found} accounts")) }
    })
    .await;
    installation.process(program).kill9().await;
    let written = installation.slapd.search(&people, "(objectClass=inetOrgPerson)").await.len();
    let active = installation.organisation.active().count();
    assert!(written < active, "the run was over before {program} was killed");
    installation.process(program).restart().await;

    installation.finish_job(&run_id).await?;
    installation.assert_directory_is_as_expected().await;
    let counts = installation.counts().await?;
    let unsettled: Vec<_> = counts
        .iter()
        .filter(|(state, _)| !matches!(state, ProvisioningState::Verified | ProvisioningState::Inactive))
        .collect();
    assert!(unsettled.is_empty(), "orders that did not settle: {unsettled:?}");
    assert_eq!(
        counts.get(&ProvisioningState::Verified),
        Some(&(active as i64)),
        "one order for each account: {counts:?}"
    );
    assert_each_account_was_written_once(&installation).await?;

    // Nothing was lost from sight either: a further run finds nothing to do.
    let again = installation.run_job().await?;
    assert_eq!(installation.orders_of(&again).await?.len(), 0);
    Ok(())
}

/// By slapd's own account: every entry is as it was when it was created. A second write, even of the
/// same values, would have moved its modification time; leases and restarts take seconds.
pub(crate) async fn assert_each_account_was_written_once(installation: &Installation) -> Result<()> {
    let people = format!("ou=people,{}", Slapd::SUFFIX);
    let (filter, attributes) = ("(objectClass=inetOrgPerson)", ["createTimestamp", "modifyTimestamp"]);
    let search = installation.slapd.admin().await.search(&people, Scope::OneLevel, filter, attributes).await?;
    let (entries, _) = search.success()?;
    assert_eq!(entries.len(), installation.organisation.active().count());
    for entry in entries.into_iter().map(SearchEntry::construct) {
        let [created, modified] = attributes.map(|name| entry.attrs.get(name).cloned());
        assert!(created.is_some(), "slapd does not say when {} was created", entry.dn);
        assert_eq!(created, modified, "{} was written twice", entry.dn);
    }
    Ok(())
}

/// Kills the review service and starts it again.
async fn kill_review(installation: &Installation) {
    installation.process("review").kill9().await;
    installation.process("review").restart().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn review_killed_while_orders_arrive_and_while_people_decide() -> Result<()> {
    let installation = Installation::start_reviewed(PEOPLE).await?;
    let active = installation.organisation.active().count();
    let run_id = installation.start_job().await?;
    let found = eventually("the first reviews", MINUTES, async || {
        let found = installation.open_reviews().await?.len();
        if found > 0 { Ok(found) } else { Err(anyhow!("none yet")) }
    })
    .await;
    assert!(found < active, "all orders had arrived before review was killed");
    kill_review(&installation).await;
    installation.finish_job(&run_id).await?;
    let ids = eventually("a review of every order", MINUTES, async || {
        let ids = installation.open_reviews().await?;
        if ids.len() == active { Ok(ids) } else { Err(anyhow!("{} of {active}", ids.len())) }
    })
    .await;

    // Many people decide at once; in the middle review dies. Who got no answer asks again.
    let decided = AtomicUsize::new(0);
    let deciding = stream::iter(ids).for_each_concurrent(DECIDING, async |review_id| {
        approve(&installation, &review_id).await;
        decided.fetch_add(1, Ordering::Relaxed);
    });
    let killing = async {
        eventually("half of the decisions", MINUTES, async || {
            let decided = decided.load(Ordering::Relaxed);
            if decided >= active / 2 { Ok(()) } else { Err(anyhow!("{decided} of {active}")) }
        })
        .await;
        installation.process("review").kill9().await;
        assert!(decided.load(Ordering::Relaxed) < active, "all had decided before review was killed");
        installation.process("review").restart().await;
    };
    tokio::join!(deciding, killing);

    // Decisions are durable when they are answered, and reach the ledger all the same.
    eventually("every order to be written", MINUTES, async || {
        let counts = installation.counts().await?;
        let executed = counts.get(&ProvisioningState::Executed).copied().unwrap_or(0);
        if executed == active as i64 { Ok(()) } else { Err(anyhow!("{counts:?}")) }
    })
    .await;
    installation.run_job().await?;
    installation.assert_directory_is_as_expected().await;
    assert_each_account_was_written_once(&installation).await?;
    let counts = installation.counts().await?;
    assert_eq!(counts.get(&ProvisioningState::Verified), Some(&(active as i64)), "{counts:?}");
    Ok(())
}

/// Approves, until there is an answer. The same approval again is success with no change.
async fn approve(installation: &Installation, review_id: &str) {
    eventually("an answer from review", MINUTES, async || {
        let approve = ApproveRequest { review_id: review_id.to_owned(), ..Default::default() };
        Ok::<_, anyhow::Error>(installation.reviews()?.approve(approve).await?)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_killed_in_the_middle() -> Result<()> {
    killed_in_the_middle("agent").await
}

#[tokio::test(flavor = "multi_thread")]
async fn fulfillment_killed_in_the_middle() -> Result<()> {
    killed_in_the_middle("fulfillment").await
}

#[tokio::test(flavor = "multi_thread")]
async fn order_generator_killed_in_the_middle() -> Result<()> {
    killed_in_the_middle("order-generator").await
}
