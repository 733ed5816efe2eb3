//! kill -9 of any one process in the middle of the run, then a restart: the same end, nothing
//! twice, nothing lost or stuck.

use crate::installation::Installation;
use anyhow::{Result, anyhow};
use ldap3::{Scope, SearchEntry};
use provost_contract::review::v1::ApproveRequest;
use provost_contract::types::v1::ProvisioningState;
use provost_testkit::{Slapd, eventually};
use std::time::Duration;

/// People: enough that the run is well under way when the process dies.
const PEOPLE: usize = 1_000;

async fn killed_in_the_middle(program: &str) -> Result<()> {
    let installation = Installation::start(PEOPLE).await?;
    let run_id = installation.start_job().await?;
    // The middle: some accounts are there, and not yet all.
    let people = format!("ou=people,{}", Slapd::SUFFIX);
    eventually("the first accounts", Duration::from_secs(300), async || {
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
async fn assert_each_account_was_written_once(installation: &Installation) -> Result<()> {
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
    let installation = Installation::start_reviewed(300).await?;
    let active = installation.organisation.active().count();
    let minutes = Duration::from_secs(300);
    let run_id = installation.start_job().await?;
    eventually("the first reviews", minutes, async || {
        let open = installation.open_reviews().await?.len();
        if open > 0 { Ok(()) } else { Err(anyhow!("none yet")) }
    })
    .await;
    kill_review(&installation).await;
    installation.finish_job(&run_id).await?;
    let ids = eventually("a review of every order", minutes, async || {
        let ids = installation.open_reviews().await?;
        if ids.len() == active { Ok(ids) } else { Err(anyhow!("{} of {active}", ids.len())) }
    })
    .await;
    for (index, review_id) in ids.iter().enumerate() {
        if index == active / 2 {
            // Decisions are durable when they are answered, and reach the ledger all the same.
            kill_review(&installation).await;
        }
        let approve = ApproveRequest { review_id: review_id.clone(), ..Default::default() };
        installation.reviews()?.approve(approve).await?;
    }
    eventually("every order to be written", minutes, async || {
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

#[tokio::test(flavor = "multi_thread")]
async fn review_killed_in_the_middle() -> Result<()> {
    killed_in_the_middle("review").await
}
