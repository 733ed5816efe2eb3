//! The directory goes away in the middle of the run, and the ledger is killed meanwhile: orders wait, nothing is Errored,
//! nothing is written twice, and once the directory is back all goes on by itself.

use crate::crashes::assert_each_account_was_written_once;
use crate::installation::Installation;
use anyhow::{Context, Result, anyhow};
use provost_contract::fulfillment::v1::{BreakerState, Connection, GetConnectionRequest, OrderFilter};
use provost_contract::types::v1::{HoldKind, ProvisioningState};
use provost_testkit::{Slapd, eventually};
use std::time::Duration;

/// People: enough that the run is well under way when the directory goes.
const PEOPLE: usize = 600;
/// Longest wait for anything here.
const MINUTES: Duration = Duration::from_secs(300);
/// The connection of the sample catalog that writes the directory.
const CONNECTION: &str = "dir-ldap";

async fn connection(installation: &Installation) -> Result<Connection> {
    let request = GetConnectionRequest { connection: CONNECTION.into() };
    let answer = installation.connections()?.get_connection(request).await?.into_inner();
    answer.connection.context("an answer without a connection")
}

fn is_troubled(connection: &Connection) -> bool {
    let state = connection.breaker.as_ref().map(|breaker| breaker.state());
    matches!(state, Some(BreakerState::Open | BreakerState::HalfOpen))
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_that_goes_away_costs_no_order_anything() -> Result<()> {
    let installation = Installation::start(PEOPLE).await?;
    let run_id = installation.start_job().await?;
    let people = format!("ou=people,{}", Slapd::SUFFIX);
    eventually("the first accounts", MINUTES, async || {
        let found = installation.slapd.search(&people, "(objectClass=inetOrgPerson)").await.len();
        if found > 30 { Ok(()) } else { Err(anyhow!("{found} accounts")) }
    })
    .await;
    installation.slapd.stop().await;
    eventually("the breaker opens", MINUTES, async || {
        let connection = connection(&installation).await?;
        if is_troubled(&connection) { Ok(()) } else { Err(anyhow!("{connection:?}")) }
    })
    .await;

    // The ledger dies, and knows it still.
    installation.process("fulfillment").kill9().await;
    installation.process("fulfillment").restart().await;
    assert!(is_troubled(&connection(&installation).await?));
    let filter = OrderFilter { states: vec![ProvisioningState::Pending.into()], ..Default::default() };
    let request = provost_contract::fulfillment::v1::ListOrdersRequest { filter: Some(filter), ..Default::default() };
    let waiting = installation.orders()?.list_orders(request).await?.into_inner().orders;
    let is_held = |kind: HoldKind| kind == HoldKind::Breaker;
    let held = waiting.iter().filter_map(|record| record.hold.as_ref()).filter(|hold| is_held(hold.kind())).count();
    assert!(held > 0, "no order says what it waits for: {:?}", waiting.first());

    installation.slapd.restart().await;
    installation.finish_job(&run_id).await?;
    installation.assert_directory_is_as_expected().await;
    assert_each_account_was_written_once(&installation).await?;
    let counts = installation.counts().await?;
    assert_eq!(counts.get(&ProvisioningState::Errored), None, "{counts:?}");
    assert!(!is_troubled(&connection(&installation).await?));
    Ok(())
}
